// Package bootfile turns the names that machines ask for into bytes: the one
// tree that TFTP and HTTP both serve. A name is looked up in a table of what
// exists; no name is ever joined to a path of the host.
package bootfile

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"time"
)

// ErrNotFound is the only error that means a name does not exist. Whatever
// else an Opener returns is a fault of this server.
var ErrNotFound = errors.New("no such boot file")

// Request is one read of one name, as either protocol saw it.
type Request struct {
	Name   string         // as the client spelled it: untrusted bytes
	Client netip.AddrPort // who asks
	Local  netip.Addr     // our address that was asked; generated files name it
	Via    string         // "tftp" or "http"
	Agent  string         // HTTP User-Agent, untrusted; empty for TFTP
	Query  string         // what stood behind the name in a URL, without the question mark; untrusted
	Body   []byte         // what was sent with the request, where that is taken at all; untrusted
}

// File is an open boot file. Its content does not change while it is open.
type File struct {
	Name        string      // canonical name, as in logs: clean, printable
	Size        int64       // exact size in octets; -1 if unknown before the end
	Content     io.ReaderAt // safe for concurrent use
	ModTime     time.Time   // zero for generated content
	ETag        string      // quoted, as HTTP wants it; may be empty
	ContentType string      // empty: application/octet-stream
	Close       func() error
}

// Opener finds boot files. Open returns ErrNotFound for a name that is not in
// the tree, in any spelling; it never returns a file from outside it.
type Opener interface {
	Open(ctx context.Context, r Request) (*File, error)
}
