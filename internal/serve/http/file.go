package httpserve

import (
	"errors"
	"io"
	"log/slog"
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

// toldAtOnce is the size from which on it is told that a file is being read:
// a smaller one has come to its end by then.
const toldAtOnce = 1 << 20

// file opens a name, sends what was asked of it, and tells how that went.
func (s *Server) file(w *writer, r *http.Request, name string, body []byte) {
	start := time.Now()
	if _, ok := bootfile.Clean(name); !ok {
		w.text(http.StatusNotFound, "There is no such boot file.")
		s.emit(r, event.FileRefused, slog.String("name", shown(name)), slog.String("reason", "no file can have such a name"))
		return
	}
	f, err := s.Opener.Open(r.Context(), bootfile.Request{
		Name: name, Client: client(r), Local: local(r), Via: via, Agent: r.UserAgent(),
		Query: r.URL.RawQuery, Body: body,
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
	content := newContent(f)
	if r.Method == http.MethodGet && (f.Size < 0 || f.Size >= toldAtOnce) {
		s.emit(r, event.FileBegun, slog.String("name", f.Name))
	}
	w.pace = s.door.pace(r)
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

// send writes the answer: the whole file or the range asked for, or that the
// client's copy is current (RFC 9110 sections 13 and 14).
func send(w *writer, r *http.Request, f *bootfile.File, c *content) {
	h := w.Header()
	h.Set("Content-Type", contentType(f))
	if f.ETag != "" {
		h.Set("ETag", f.ETag)
	}
	if f.Size >= 0 {
		// Several ranges in one answer are asked for by no client that boots,
		// and may cost much more than they give. A server may ignore a Range
		// (RFC 9110 section 14.2), and this one does.
		if strings.Contains(r.Header.Get("Range"), ",") {
			r.Header.Del("Range")
		}
		http.ServeContent(w, r, "", f.ModTime, c)
		return
	}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodGet {
		return
	}
	if _, err := io.Copy(w, c); err != nil {
		// net/http would end the answer as if this were all of it.
		http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now())
	}
}

// outcome says how a request ended, from what was announced and what went out.
func outcome(w *writer, r *http.Request, c *content) (event.Code, []slog.Attr) {
	length, err := strconv.ParseInt(w.Header().Get("Content-Length"), 10, 64)
	announced := err == nil
	switch {
	case c.err != nil:
		return event.FileFault, []slog.Attr{slog.String("error", c.err.Error())}
	case w.status == http.StatusRequestedRangeNotSatisfiable:
		return event.FileRefused, []slog.Attr{slog.String("reason", "the range is not in the file")}
	case w.status == http.StatusPreconditionFailed:
		return event.FileRefused, []slog.Attr{slog.String("reason", "the file is not the one that the client began with")}
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

func client(r *http.Request) netip.AddrPort { return addrPort(r.RemoteAddr) }

// addrPort reads what net says of an address; zero where that is none.
func addrPort(text string) netip.AddrPort {
	a, err := netip.ParseAddrPort(text)
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
