package httpserve

import (
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
)

const via = "http"

// file opens a name, sends what was asked of it, and tells how that went.
func (s *Server) file(w *writer, r *http.Request, name string) {
	start := time.Now()
	if _, ok := bootfile.Clean(name); !ok {
		w.text(http.StatusNotFound, "There is no such boot file.")
		s.emit(r, event.FileRefused, slog.String("name", shown(name)), slog.String("reason", "no file can have such a name"))
		return
	}
	f, err := s.Opener.Open(r.Context(), bootfile.Request{
		Name: name, Client: client(r), Local: local(r), Via: via, Agent: r.UserAgent(),
	})
	if errors.Is(err, bootfile.ErrNotFound) {
		w.text(http.StatusNotFound, "There is no such boot file.")
		s.emit(r, event.FileMissing, slog.String("name", shown(name)))
		return
	}
	if err != nil {
		w.text(http.StatusInternalServerError, "The file could not be read; the server's log says why.")
		s.emit(r, event.FileFault, slog.String("name", shown(name)), slog.String("error", err.Error()))
		return
	}
	defer f.Close()
	content := &noting{ReaderAt: f.Content}
	send(w, r, f, content)
	code, attrs := outcome(w, r, content)
	attrs = append([]slog.Attr{
		slog.String("name", f.Name), slog.Int64("bytes", w.n), slog.Int("status", w.status),
		slog.Duration("duration", time.Since(start)),
	}, attrs...)
	if asked := r.Header.Get("Range"); asked != "" {
		attrs = append(attrs, slog.String("range", shown(asked)))
	}
	s.emit(r, code, attrs...)
}

// send writes the answer: the whole file or the ranges asked for, or that the
// client's copy is current (RFC 9110 sections 13 and 14).
func send(w *writer, r *http.Request, f *bootfile.File, content io.ReaderAt) {
	h := w.Header()
	h.Set("Content-Type", contentType(f))
	if f.ETag != "" {
		h.Set("ETag", f.ETag)
	}
	if f.Size >= 0 {
		http.ServeContent(w, r, "", f.ModTime, io.NewSectionReader(content, 0, f.Size))
		return
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		io.Copy(w, io.NewSectionReader(content, 0, math.MaxInt64))
	}
}

// outcome says how a request ended, from what was announced and what went out.
func outcome(w *writer, r *http.Request, content *noting) (event.Code, []slog.Attr) {
	length, err := strconv.ParseInt(w.Header().Get("Content-Length"), 10, 64)
	announced := err == nil
	switch {
	case content.err != nil:
		return event.FileFault, []slog.Attr{slog.String("error", content.err.Error())}
	case w.status == http.StatusRequestedRangeNotSatisfiable:
		return event.FileRefused, []slog.Attr{slog.String("reason", "the range is not in the file")}
	case r.Method == http.MethodHead || w.status == http.StatusNotModified:
		return event.FileProbe, nil
	case errors.Is(w.err, os.ErrDeadlineExceeded):
		return event.FileStalled, nil
	case w.err != nil || announced && w.n < length:
		return event.FileAborted, nil
	}
	return event.FileRead, nil
}

// contentType is, beside the suffix, what UEFI HTTP boot tells programs and
// disk images by (UEFI 2.10 section 24.7.1; EDK2 HttpBootSupport.c).
func contentType(f *bootfile.File) string {
	if f.ContentType != "" {
		return f.ContentType
	}
	switch strings.ToLower(path.Ext(f.Name)) {
	case ".efi":
		return "application/efi"
	case ".iso":
		return "application/vnd.efi-iso"
	case ".img":
		return "application/vnd.efi-img"
	case ".ipxe", ".cfg":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// noting remembers the fault that ended a file's reading.
type noting struct {
	io.ReaderAt
	err error
}

func (c *noting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// writer counts what goes out, and gives up on a client that takes nothing.
// There is no limit to a whole transfer: a slow one that goes on is fine.
type writer struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration

	status int
	n      int64
	err    error // of the first write that failed
}

func newWriter(w http.ResponseWriter, stall time.Duration) *writer {
	out := &writer{ResponseWriter: w, control: http.NewResponseController(w), stall: stall}
	out.extend()
	return out
}

// extend allows the client another while. A deadline that cannot be set is a
// connection that is gone already.
func (w *writer) extend() { w.control.SetWriteDeadline(time.Now().Add(w.stall)) }

func (w *writer) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(b []byte) (int, error) {
	w.extend()
	n, err := w.ResponseWriter.Write(b)
	w.n += int64(n)
	if err != nil && w.err == nil && err != http.ErrBodyNotAllowed {
		w.err = err
	}
	return n, err
}

func client(r *http.Request) netip.AddrPort {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// local is our address that the client reached.
func local(r *http.Request) netip.Addr {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
