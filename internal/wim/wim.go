// Package wim reads Windows Imaging files (WIM, and ESD and SWM as far as
// their header and XML go), gives single files out of one image, and lays
// files over an image while the original stays as it is: what is served is
// computed as it is read. It writes no WIM, unpacks none to disk, and reads
// neither LZMS nor solid resources.
//
// The layout is that of Microsoft's "Windows Imaging File Format (WIM)" white
// paper of 2007, cited below by the names of its structures, and of what
// wimlib's and Microsoft's own files show where it is silent. All integers are
// little endian, text is UTF-16LE:
//
//	0    8   "MSWIM\0\0\0"
//	8    4   length of the header, 208
//	12   4   version, 0x10d00, or 0xe00 with solid resources
//	16   4   flags
//	20   4   chunk size, in octets
//	24   16  GUID
//	40   2   part, from 1
//	42   2   parts
//	44   4   images
//	48   24  resource: blob table
//	72   24  resource: XML
//	96   24  resource: metadata of the image to boot
//	120  4   image to boot, from 1; 0: none
//	124  24  resource: integrity table
//	148  60  zeros
//
// A resource is a run of octets, described by 24 of them:
//
//	0    7   stored length
//	7    1   flags: 1 free, 2 metadata, 4 compressed, 8 spanned, 16 solid
//	8    8   offset in the file
//	16   8   length after decompression
package wim

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Limits. What exceeds them is refused with an error. Windows Server's largest
// image has about 200,000 entries: 40 MiB of metadata, 10 MiB of blob table.
const (
	maxXML      = 4 << 20   // octets of UTF-16
	maxImages   = 1024      // in one WIM
	maxMetadata = 128 << 20 // octets of one image's metadata
	maxBlobs    = 64 << 20  // octets of the blob table

	// MaxFile is the largest file, in octets, that is read out of an image.
	MaxFile = 1 << 30
)

const headerLen = 208

// Places in the header.
const (
	atFlags     = 16
	atChunk     = 20
	atGUID      = 24
	atPart      = 40
	atParts     = 42
	atImages    = 44
	atBlobs     = 48
	atXML       = 72
	atBootMeta  = 96
	atBoot      = 120
	atIntegrity = 124
)

// Flags of the header (FLAG_HEADER_… of the white paper; LZMS is newer).
const (
	flagCompressed = 0x2
	flagXPRESS     = 0x20000
	flagLZX        = 0x40000
	flagLZMS       = 0x80000
	flagXPRESS2    = 0x200000
)

// Versions of the format.
const (
	version      = 0x10d00
	versionSolid = 0xe00 // what ESD files have
)

// Compression is how the resources of a WIM are packed.
type Compression string

// Kinds of compression.
const (
	None   Compression = "none"
	XPRESS Compression = "xpress"
	LZX    Compression = "lzx"
	LZMS   Compression = "lzms" // not read
)

// container is a WIM as its header describes it.
type container struct {
	r           io.ReaderAt
	size        int64
	header      [headerLen]byte
	solid       bool // the version that may have solid resources
	compression Compression
	chunk       int // octets of a chunk after decompression; 0 only without compression
	guid        GUID
	part, parts int
	images      int
	boot        int
	blobs       resource
	xml         resource
	integrity   resource
}

// readContainer reads and checks the header.
func readContainer(r io.ReaderAt, size int64) (*container, error) {
	c := &container{r: r, size: size}
	if size < headerLen {
		return nil, fmt.Errorf("reading the header of a WIM: the file has %d octets, the header %d", size, headerLen)
	}
	if err := readFull(r, c.header[:], 0); err != nil {
		return nil, fmt.Errorf("reading the header of a WIM: %v", err)
	}
	if err := c.parse(); err != nil {
		return nil, fmt.Errorf("reading the header of a WIM: %v", err)
	}
	return c, nil
}

func (c *container) parse() error {
	h := c.header[:]
	switch magic := string(h[:8]); magic {
	case "MSWIM\x00\x00\x00":
	case "WLPWM\x00\x00\x00":
		return fmt.Errorf(`it is wimlib's pipable kind; "wimlib-imagex optimize --not-pipable FILE" makes it an ordinary WIM`)
	default:
		return fmt.Errorf("it begins with %q, not with %q", magic, "MSWIM\x00\x00\x00")
	}
	if n := u32(h[8:]); n != headerLen {
		return fmt.Errorf("at octet 8: a header of %d octets; %d are known", n, headerLen)
	}
	v := u32(h[12:])
	if v != version && v != versionSolid {
		return fmt.Errorf("at octet 12: version %#x; %#x and %#x are known", v, version, versionSolid)
	}
	c.solid = v == versionSolid
	if err := c.parseCompression(u32(h[atFlags:]), u32(h[atChunk:])); err != nil {
		return err
	}
	c.guid = GUID(h[atGUID:])
	c.part, c.parts = int(u16(h[atPart:])), int(u16(h[atParts:]))
	if c.part < 1 || c.part > c.parts {
		return fmt.Errorf("at octet %d: part %d of %d", atPart, c.part, c.parts)
	}
	images, boot := u32(h[atImages:]), u32(h[atBoot:])
	if images > maxImages {
		return fmt.Errorf("at octet %d: %d images; at most %d are read", atImages, images, maxImages)
	}
	if boot > images {
		return fmt.Errorf("at octet %d: image %d is to boot, of %d", atBoot, boot, images)
	}
	c.images, c.boot = int(images), int(boot)
	for _, p := range []struct {
		at   int
		what string
		into *resource
	}{{atBlobs, "blob table", &c.blobs}, {atXML, "XML", &c.xml}, {atIntegrity, "integrity table", &c.integrity}} {
		*p.into = parseResource(h[p.at:])
		if err := p.into.within(c.size); err != nil {
			return fmt.Errorf("at octet %d: the %s %v", p.at, p.what, err)
		}
	}
	return nil
}

func (c *container) parseCompression(flags, chunk uint32) error {
	kinds := flags & (flagXPRESS | flagLZX | flagLZMS | flagXPRESS2)
	if flags&flagCompressed == 0 {
		c.compression = None
		return nil
	}
	var low, high uint32 // what chunk sizes the format and Windows have
	switch kinds {
	case flagXPRESS:
		c.compression, low, high = XPRESS, 4<<10, 64<<10
	case flagLZX:
		c.compression, low, high = LZX, 32<<10, 2<<20
	case flagLZMS:
		c.compression, low, high = LZMS, 32<<10, 1<<30
	default:
		return fmt.Errorf("at octet %d: flags %#x name no compression that is known", atFlags, flags)
	}
	if chunk < low || chunk > high || chunk&(chunk-1) != 0 {
		return fmt.Errorf("at octet %d: chunks of %d octets; %s has powers of two from %d to %d", atChunk, chunk, c.compression, low, high)
	}
	c.chunk = int(chunk)
	return nil
}

// GUID is in the order of the file: its first three groups are little endian.
type GUID [16]byte

func (g GUID) String() string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", u32(g[:]), u16(g[4:]), u16(g[6:]), g[8:10], g[10:])
}

// readFull reads exactly len(p) octets.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("at octet %d: %v", off+int64(n), err)
}

func u16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

func putU32(b []byte, v uint32) { binary.LittleEndian.PutUint32(b, v) }
func putU64(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }

// align8 rounds up to a multiple of 8.
func align8[T int | int64](n T) T { return (n + 7) &^ 7 }
