// Package httpserve serves the boot-file tree over HTTP/1.1 to firmware,
// loaders and installers. It redirects nothing, whatever a path looks like:
// EDK2 takes a 301 for a failure.
package httpserve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
)

// Server answers GET and HEAD with the files of an Opener.
type Server struct {
	Opener bootfile.Opener
	Events event.Sink
}

// Limits of a connection.
const (
	maxHeader     = 16 << 10
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	stopTimeout   = time.Second
)

// Serve answers the connections of a listener until the context ends, which is
// no error.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler: s, MaxHeaderBytes: maxHeader, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	unhook := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
	})
	defer unhook()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		plain(w, http.StatusMethodNotAllowed, "only GET and HEAD")
		return
	}
	name, err := url.PathUnescape(strings.SplitN(r.RequestURI, "?", 2)[0])
	if err != nil {
		plain(w, http.StatusBadRequest, "malformed path")
		return
	}
	switch name {
	case "/":
		plain(w, http.StatusOK, "hobnail: a network boot server; machines read their boot files here")
		return
	case "/healthz":
		plain(w, http.StatusOK, "ok")
		return
	}
	s.file(w, r, name)
}

func (s *Server) file(w http.ResponseWriter, r *http.Request, name string) {
	start := time.Now()
	req := bootfile.Request{Name: name, Client: clientOf(r), Local: localOf(r), Via: "http", Agent: r.UserAgent()}
	f, err := s.Opener.Open(r.Context(), req)
	switch {
	case errors.Is(err, bootfile.ErrNotFound):
		plain(w, http.StatusNotFound, "no such boot file")
		s.emit(start, event.FileMissing, req, slog.String("name", name))
		return
	case err != nil:
		plain(w, http.StatusInternalServerError, "the file could not be read; see the server's log")
		s.emit(start, event.FileFault, req, slog.String("name", name), slog.String("error", err.Error()))
		return
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", contentType(f))
	if f.ETag != "" {
		h.Set("ETag", f.ETag)
	}
	cw := &counting{ResponseWriter: w}
	http.ServeContent(cw, r, "", f.ModTime, io.NewSectionReader(f.Content, 0, f.Size))
	code := event.FileRead
	if r.Method == http.MethodGet && cw.status < 300 && cw.n < f.Size && r.Header.Get("Range") == "" {
		code = event.FileAborted
	}
	s.emit(start, code, req, slog.String("name", f.Name), slog.String("via", "http"), slog.String("method", r.Method),
		slog.Int("status", cw.status), slog.Int64("octets", cw.n), slog.Duration("duration", time.Since(start)))
}

// contentType is what UEFI HTTP boot tells images by, beside the suffix.
func contentType(f *bootfile.File) string {
	lower := strings.ToLower(f.Name)
	switch {
	case f.ContentType != "":
		return f.ContentType
	case strings.HasSuffix(lower, ".efi"):
		return "application/efi"
	case strings.HasSuffix(lower, ".iso"):
		return "application/vnd.efi-iso"
	case strings.HasSuffix(lower, ".img"):
		return "application/vnd.efi-img"
	}
	return "application/octet-stream"
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, text+"\n")
}

// counting remembers what was answered.
type counting struct {
	http.ResponseWriter
	status int
	n      int64
}

func (c *counting) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *counting) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.n += int64(n)
	return n, err
}

func (s *Server) emit(now time.Time, code event.Code, r bootfile.Request, attrs ...slog.Attr) {
	s.Events.Emit(event.Event{Time: now, Code: code, Client: r.Client, Attrs: attrs})
}

func clientOf(r *http.Request) netip.AddrPort {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func localOf(r *http.Request) netip.Addr {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
