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
	Release string `json:"release"` // the address, or the machine's MAC address, whose leases are to end
}

// Answer says what was done.
type Answer struct {
	Released []model.Lease `json:"released"`
	Error    string        `json:"error,omitempty"` // why nothing, or no more, was done
}

const (
	// timeout is for a whole conversation. A server's disk may be slow.
	timeout = 10 * time.Second
	// maxLine bounds what is read of the other side.
	maxLine = 4 << 20
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
func Serve(ctx context.Context, ln net.Listener, handle func(Request) Answer) error {
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
		go answer(conn, handle)
	}
}

func answer(conn net.Conn, handle func(Request) Answer) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(timeout))
	line, err := readLine(conn)
	if err != nil {
		return // nobody who could be told
	}
	var req Request
	a := Answer{}
	if err := json.Unmarshal(line, &req); err != nil {
		a.Error = fmt.Sprintf("the request is no JSON of ours: %v", err)
	} else {
		a = handle(req)
	}
	json.NewEncoder(conn).Encode(a)
}

// Ask has the server that listens at path do something.
func Ask(path string, req Request) (Answer, error) {
	var conn net.Conn
	err := inFolder(path, func(folder string) (err error) {
		conn, err = net.DialTimeout("unix", filepath.Join(folder, filepath.Base(path)), timeout)
		return err
	})
	if err != nil {
		return Answer{}, fmt.Errorf("asking the running server: %v", err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(timeout))
	var a Answer
	if err = json.NewEncoder(conn).Encode(req); err == nil {
		var line []byte
		if line, err = readLine(conn); err == nil {
			err = json.Unmarshal(line, &a)
		}
	}
	if err != nil {
		return Answer{}, fmt.Errorf("asking the running server: %v", err)
	}
	return a, nil
}

func readLine(r io.Reader) ([]byte, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxLine)).ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	return line, err
}
