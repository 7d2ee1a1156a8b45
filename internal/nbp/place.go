package nbp

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
)

// serverMark is the text in a GRUB for proxy mode that stands for its server's
// address. It has the 15 octets of the longest IPv4 address, so that every
// address fits and nothing else in the program moves. scripts/grub-proxy.cfg
// has it at the end of a line, where the spaces after a shorter address mean
// nothing to GRUB.
const serverMark = "@HOBNAIL-SERVER"

// findPlace tells where a program has the mark. The error ends a sentence that
// begins with the file's name.
func findPlace(b []byte) (int, error) {
	if n := bytes.Count(b, []byte(serverMark)); n != 1 {
		return 0, fmt.Errorf("has %d places for a server's address (%s), a GRUB for proxy mode has one", n, serverMark)
	}
	return bytes.Index(b, []byte(serverMark)), nil
}

// withServer gives a program's bytes with an IPv4 address in place of the
// mark. b is not changed, and must not change.
func withServer(b []byte, server netip.Addr) (io.ReaderAt, error) {
	at, err := findPlace(b)
	switch {
	case err != nil:
		return nil, fmt.Errorf("it %v", err)
	case !server.Unmap().Is4():
		return nil, fmt.Errorf("the server's address %v is not IPv4", server)
	}
	return patched{bytes.NewReader(b), int64(at), fmt.Sprintf("%-*s", len(serverMark), server.Unmap())}, nil
}

// patched is content that has other text at one place.
type patched struct {
	content *bytes.Reader
	at      int64
	text    string
}

// ReadAt reads the content and then lays over it what falls on the text.
func (p patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.content.ReadAt(b, off)
	from, to := max(off, p.at), min(off+int64(n), p.at+int64(len(p.text)))
	if from < to {
		copy(b[from-off:], p.text[from-p.at:to-p.at])
	}
	return n, err
}
