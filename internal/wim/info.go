package wim

import (
	"io"
	"time"

	"hobnail/internal/model"
)

// Info is what header and XML of a WIM say. Texts are whatever the file has,
// without control characters but tab and line ends; who shows them escapes them.
type Info struct {
	GUID        GUID // the same in all parts of a split WIM
	Part, Parts int  // 1 of 1, unless the WIM is split (.swm)
	Compression Compression
	ChunkSize   int  // octets; 0 without compression
	Solid       bool // may have solid resources, as ESD files do
	Integrity   bool // has an integrity table
	Boot        int  // the image to boot, from 1; 0: none
	Images      []ImageInfo
}

// ImageInfo is one image of a WIM. What the XML does not have is empty.
type ImageInfo struct {
	Index            int // from 1, as wimlib and DISM count
	Name             string
	Description      string
	DisplayName      string
	DisplayText      string    // DISPLAYDESCRIPTION
	Flags            string    // edition, in older images
	EditionID        string    // "Professional"
	InstallationType string    // "Client", "Server", "Server Core", "WindowsPE"
	ProductName      string    //
	CPU              model.CPU // empty: not told, or one that hobnail has no name for
	Arch             int       // Windows' PROCESSOR_ARCHITECTURE_…; valid if HasArch
	HasArch          bool
	Version          Version
	Languages        []string // "en-US"
	DefaultLanguage  string
	TotalBytes       int64 // of all files, before compression
	Dirs, Files      int64
	Created          time.Time // UTC; zero: not told
}

// Version is that of Windows in an image: 10.0.26100.1742.
type Version struct{ Major, Minor, Build, SPBuild int }

// ReadInfo reads header and XML. It reads nothing else and holds at most some
// 64 MiB, whatever the file says. Errors say where in the header or the XML.
func ReadInfo(r io.ReaderAt, size int64) (*Info, error) {
	c, err := readContainer(r, size)
	if err != nil {
		return nil, err
	}
	images, err := c.readXML()
	if err != nil {
		return nil, err
	}
	return &Info{
		GUID: c.guid, Part: c.part, Parts: c.parts,
		Compression: c.compression, ChunkSize: c.chunk, Solid: c.solid,
		Integrity: c.integrity.size > 0,
		Boot:      c.boot, Images: images,
	}, nil
}
