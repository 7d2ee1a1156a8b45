package tftp

import (
	"bytes"
	"io"
	"os"
	"strings"

	"hobnail/internal/bootfile"
)

// openFile is a file that one or more sessions read.
type openFile struct {
	*bootfile.File
	loop  *loop
	key   fileKey
	users int
	fd    int   // of local files; negative: none
	base  int64 // where the file begins in it
	slow  bool  // the descriptor cannot tell whether a read would wait
	own   int64 // octets of memory that nobody else's file shares
}

// fileKey tells which files may be read through one that is open. The ETag is
// empty of one that is nobody else's.
type fileKey struct {
	name, etag string
	size       int64
}

func newOpenFile(l *loop, f *bootfile.File) *openFile {
	o := &openFile{File: f, loop: l, key: fileKey{f.Name, f.ETag, f.Size}, fd: -1}
	if local, base, ok := localPart(f.Content); ok {
		o.fd, o.base = int(local.Fd()), base
		o.slow = !inMemory(o.fd)
	} else if f.ETag == "" && f.Size > 0 && isMemory(f.Content) {
		o.own = f.Size
	}
	return o
}

// localPart gives the file on disk that content is a part of.
func localPart(content io.ReaderAt) (f *os.File, base int64, ok bool) {
	switch c := content.(type) {
	case *os.File:
		return c, 0, true
	case *io.SectionReader:
		outer, off, _ := c.Outer()
		f, base, ok = localPart(outer)
		return f, base + off, ok
	}
	return nil, 0, false
}

// isMemory reports whether reading content never waits.
func isMemory(content io.ReaderAt) bool {
	switch c := content.(type) {
	case *bytes.Reader, *strings.Reader:
		return true
	case *io.SectionReader:
		outer, _, _ := c.Outer()
		return isMemory(outer)
	}
	return false
}

// content is how a session reads the file.
func (o *openFile) content(ses *session) content {
	switch {
	case o.fd >= 0:
		return local{fetched{o, ses}}
	case isMemory(o.Content):
		return direct{o.Content}
	}
	return fetched{o, ses}
}

// alone is 1 of a descriptor that is nobody else's, and 0 otherwise.
func (o *openFile) alone() int {
	if o.fd >= 0 && o.key.etag == "" {
		return 1
	}
	return 0
}

// release closes the file once nobody reads it.
func (o *openFile) release() (last bool) {
	if o.users--; o.users > 0 {
		return false
	}
	if o.Close != nil {
		_ = o.Close() // it was only read
	}
	return true
}
