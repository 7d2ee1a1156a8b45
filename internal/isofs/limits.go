package isofs

// What an image may make us read, hold and follow. Real images stay far below:
// the largest directory of a Debian DVD has some hundreds of entries, and all
// directories of a Windows ISO together take less than 1 MiB.
const (
	maxDescriptors = 64       // volume descriptors of ISO 9660, and of a sequence of UDF
	maxDirSize     = 16 << 20 // octets of one directory
	maxDirEntries  = 1 << 17  // entries of one directory
	maxDirs        = 1 << 16  // directories of one image
	maxTreeSize    = 64 << 20 // octets of all directories of one image, as far as they were met
	maxDepth       = 128      // components of a path, links resolved
	maxName        = 1020     // octets of a name in UTF-8: 255 characters of any kind
	maxTarget      = 4096     // octets of a symbolic link's target: Linux' PATH_MAX
	maxLinks       = 40       // symbolic links on the way to one file, as in Linux
	maxExtents     = 1 << 16  // pieces of one file
	maxSections    = 1 << 12  // directory records of one file of ISO 9660: 16 TiB
	maxContinued   = 16       // continuation areas of one directory record (SUSP 5.1)
	maxIndirect    = 16       // indirect entries on the way to one UDF file entry
	maxADChain     = 512      // allocation extent descriptors of one UDF file
	maxSparing     = 1 << 12  // packets that a sparing table moves
	maxPartitions  = 16       // partitions and partition maps of a UDF volume
	maxCatalog     = 64 << 10 // octets of a boot catalogue that are read
	maxBootEntries = 256      // entries of a boot catalogue
)

// What a Volume keeps between calls, apart from 40 octets a directory.
const (
	cacheSize = 16 << 20 // estimated octets of directories that were read
	maxLoads  = 2        // directories that are read at the same time
)
