package volume

import (
	"fmt"
	"io"
	"math"
	"strings"

	"hobnail/internal/bootfile"
)

// packed is a volume as the only file of a cpio archive of the form "newc"
// (Linux, Documentation/driver-api/early-userspace/buffer-format.rst), computed
// as it is read. A kernel that is handed it as one more initial RAM disk has
// the file in its initramfs, whichever loader did that. name is the archive's,
// member the file's. It takes over the volume.
func packed(name, member string, whole *bootfile.File) (*bootfile.File, error) {
	if whole.Size < 0 || whole.Size > math.MaxUint32 {
		whole.Close()
		return nil, fmt.Errorf("packing %s: it has %d octets, and a cpio archive takes 4 GiB less one", whole.Name, whole.Size)
	}
	head, tail := around(whole.Size, member)
	c := sections{strings.NewReader(head), whole.Content, strings.NewReader(tail), int64(len(head)), whole.Size, int64(len(tail))}
	return &bootfile.File{
		Name: name, Size: c.headSize + c.size + c.tailSize, Content: c,
		ModTime: whole.ModTime, ETag: innerETag(whole.ETag, "/"+member), Close: whole.Close,
	}, nil
}

// PackedSize is how many octets the archive has of a volume of that size.
func PackedSize(size int64, member string) int64 {
	head, tail := around(size, member)
	return int64(len(head)) + size + int64(len(tail))
}

// around is what comes before and after the octets of the only file.
func around(size int64, member string) (head, tail string) {
	return cpioHeader(1, 0o100644, size, member),
		strings.Repeat("\x00", int(-size&3)) + cpioHeader(0, 0, 0, "TRAILER!!!")
}

// cpioHeader is what stands before a file's octets, of whole words of four.
func cpioHeader(inode, mode int, size int64, name string) string {
	h := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name)+1, 0, name)
	return h + strings.Repeat("\x00", -len(h)&3)
}

// sections are three contents one after the other.
type sections struct {
	head, body, tail         io.ReaderAt
	headSize, size, tailSize int64
}

// ReadAt implements io.ReaderAt.
func (s sections) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("reading at %d", off)
	}
	for _, part := range []struct {
		r    io.ReaderAt
		size int64
	}{{s.head, s.headSize}, {s.body, s.size}, {s.tail, s.tailSize}} {
		if off >= part.size {
			off -= part.size
			continue
		}
		if n == len(p) {
			return n, nil
		}
		want := p[n:min(int64(n)+part.size-off, int64(len(p)))]
		m, err := part.r.ReadAt(want, off)
		if n += m; m < len(want) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
		off = 0
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
