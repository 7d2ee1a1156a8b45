// Package control carries requests of commands on this host to the server that
// runs here: a socket in the data folder that nobody else can open, a line of
// JSON there and a line back.
package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"hobnail/internal/model"
)

// Request is what a command wants done.
type Request struct {
	Release string `json:"release,omitempty"` // the address, or the machine's MAC address, whose leases are to end
	Boots   *Boots `json:"boots,omitempty"`   // boots to be told of
	// Machines is an order about machines: a machines.Order. Answer.Machines is
	// its machines.Result.
	Machines json.RawMessage `json:"machines,omitempty"`
	// Images is what is wanted of the library of images: JSON that only its two
	// ends know.
	Images json.RawMessage `json:"images,omitempty"`
}

// Boots says which boots are wanted: one by its ID, or the newest.
type Boots struct {
	ID     string `json:"id,omitempty"`
	Limit  int    `json:"limit,omitempty"`  // 0: all
	Follow bool   `json:"follow,omitempty"` // and those to come, until the asker goes away
}

// Answer says what was done. To a request for boots there is one for each.
type Answer struct {
	Released []model.Lease   `json:"released,omitempty"`
	Boot     *model.Boot     `json:"boot,omitempty"`
	Machines json.RawMessage `json:"machines,omitempty"`
	// Images is what became of a request for images, or how far it has come.
	Images json.RawMessage `json:"images,omitempty"`
	Error  string          `json:"error,omitempty"` // why nothing, or no more, was done
}

// Handler carries out a request. It sends any number of answers; an error of
// send means that the asker has gone away.
type Handler func(ctx context.Context, r Request, send func(Answer) error)

const (
	// timeout is for a whole conversation. A server's disk may be slow.
	timeout = 10 * time.Second
	// maxLine bounds what is read of the other side: an import of 100,000 machines.
	maxLine = 64 << 20
)

// Listen makes the socket. The caller has made sure that no other server uses
// the folder: what a server that died has left there is replaced.
func Listen(path string) (net.Listener, error) {
	// It gets its name when nobody but the owner can open it.
	unnamed := path + ".new"
	os.Remove(unnamed)
	var ln *net.UnixListener
	err := inFolder(path, func(folder string) (err error) {
		ln, err = net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(folder, filepath.Base(unnamed)), Net: "unix"})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listening for commands: %v", err)
	}
	ln.SetUnlinkOnClose(false)
	if err = os.Chmod(unnamed, 0o600); err == nil {
		err = os.Rename(unnamed, path)
	}
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("listening for commands: %v", err)
	}
	return ln, nil
}

// InUse reports whether a server listens at path.
func InUse(path string) bool {
	return inFolder(path, func(folder string) error {
		conn, err := net.DialTimeout("unix", filepath.Join(folder, filepath.Base(path)), timeout)
		if err == nil {
			conn.Close()
		}
		return err
	}) == nil
}

// inFolder lends a short name for the folder of path: a socket's whole name may
// have 107 octets (unix(7)), and data folders have longer ones. What goes wrong
// is told by the name that people know.
func inFolder(path string, do func(folder string) error) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	err = do(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()))
	if op := new(net.OpError); errors.As(err, &op) {
		return &os.PathError{Op: op.Op, Path: path, Err: op.Err}
	}
	return err
}

// Serve answers requests until the context ends, which is no error.
func Serve(ctx context.Context, ln net.Listener, handle Handler) error {
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("listening for commands: %v", err)
		}
		go answer(ctx, conn, handle)
	}
}

func answer(ctx context.Context, conn net.Conn, handle Handler) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(timeout))
	line, err := readLine(conn)
	if err != nil {
		return // nobody who could be told
	}
	out := json.NewEncoder(conn)
	send := func(a Answer) error {
		conn.SetDeadline(time.Now().Add(timeout))
		return out.Encode(a)
	}
	var req Request
	if err := json.Unmarshal(line, &req); err != nil {
		send(Answer{Error: fmt.Sprintf("the request is no JSON of ours: %v", err)})
		return
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// Whoever asks says nothing more: what can still be read is that it went.
	conn.SetReadDeadline(time.Time{})
	go func() {
		io.Copy(io.Discard, conn)
		stop()
	}()
	handle(ctx, req, send)
}

// Ask has the server that listens at path do something, and gives its first
// answer.
func Ask(path string, req Request) (Answer, error) {
	var first Answer
	got := false
	err := AskAll(context.Background(), path, req, func(a Answer) bool {
		first, got = a, true
		return false
	})
	if err == nil && !got {
		err = fmt.Errorf("asking the running server: %v", io.ErrUnexpectedEOF)
	}
	return first, err
}

// AskAll is Ask for requests with many answers: it gives each until there are
// no more, take returns false or the context ends, none of which is an error.
func AskAll(ctx context.Context, path string, req Request, take func(Answer) bool) error {
	var conn net.Conn
	err := inFolder(path, func(folder string) (err error) {
		conn, err = net.DialTimeout("unix", filepath.Join(folder, filepath.Base(path)), timeout)
		return err
	})
	if err != nil {
		return fmt.Errorf("asking the running server: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetDeadline(time.Now().Add(timeout))
	if err = json.NewEncoder(conn).Encode(req); err != nil {
		return fmt.Errorf("asking the running server: %v", err)
	}
	in := bufio.NewReader(conn)
	for {
		if req.Boots != nil && req.Boots.Follow {
			conn.SetDeadline(time.Time{})
		} else {
			conn.SetDeadline(time.Now().Add(timeout))
		}
		var a Answer
		line, err := nextLine(in)
		if err == nil {
			err = json.Unmarshal(line, &a)
		}
		switch {
		case ctx.Err() != nil || errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("asking the running server: %v", err)
		case !take(a):
			return nil
		}
	}
}

// nextLine reads a line of at most maxLine octets; io.EOF where there is none.
func nextLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case len(line) > maxLine:
			return nil, errors.New("a line of the answer is too long")
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

func readLine(r io.Reader) ([]byte, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxLine)).ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	return line, err
}
