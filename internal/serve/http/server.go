// Package httpserve serves the boot-file tree over HTTP/1.1 to firmware,
// loaders and installers. It reads only: GET and HEAD. It redirects nothing,
// however a path is spelled: EDK2 takes a 301 for a failure
// (HttpBootClient.c), and net/http's ServeMux would send one for "//".
package httpserve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
)

// Server answers GET and HEAD with the files of an Opener.
type Server struct {
	Opener bootfile.Opener
	Events event.Sink

	limits *limits // nil: those of standard
}

// limits is what one client, or all together, may use.
type limits struct {
	connections int           // at a time; an idle one makes room for a new one
	header      int           // octets of a request, about
	headerTime  time.Duration // for a request to arrive
	idleTime    time.Duration // between two requests on a connection
	stallTime   time.Duration // without an octet taken by the client
	stopTime    time.Duration // for transfers to end when the server stops
}

func standard() *limits {
	return &limits{
		connections: 2048,
		header:      16 << 10,
		headerTime:  10 * time.Second,
		idleTime:    2 * time.Minute,
		stallTime:   time.Minute,
		stopTime:    5 * time.Second,
	}
}

func (s *Server) limit() *limits {
	if s.limits == nil {
		return standard()
	}
	return s.limits
}

// Serve answers the connections of a listener, which it closes, until the
// context ends, which is no error. Transfers under way then have five seconds
// to come to their end.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	lim := s.limit()
	door := newGate(ln, lim.connections)
	srv := &http.Server{
		Handler:                      s,
		MaxHeaderBytes:               lim.header,
		ReadHeaderTimeout:            lim.headerTime,
		IdleTimeout:                  lim.idleTime,
		ConnState:                    door.track,
		DisableGeneralOptionsHandler: true,
		// What net/http would log are the faults of clients.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	stopped := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), lim.stopTime)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(door)
	if unhook() { // the context goes on: it is the listener that failed
		srv.Close()
		return err
	}
	<-stopped
	return nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := newWriter(w, s.limit().stallTime)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		out.Header().Set("Allow", "GET, HEAD")
		out.text(http.StatusMethodNotAllowed, "Only GET and HEAD are answered here.")
		s.emit(r, event.FileRefused, slog.String("name", shown(r.RequestURI)), slog.String("reason", "only GET and HEAD are answered"))
		return
	}
	path, err := requestPath(r)
	if err != nil {
		out.text(http.StatusBadRequest, "The path is malformed.")
		s.emit(r, event.FileRefused, slog.String("name", shown(r.RequestURI)), slog.String("reason", err.Error()))
		return
	}
	switch path {
	case "/":
		out.text(http.StatusOK, "This is hobnail, a network boot server. Machines read their boot files here.")
	case "/healthz":
		out.text(http.StatusOK, "ok")
	default:
		s.file(out, r, path)
	}
}

// requestPath is the path of a request with its percent-encoding undone, once.
// It is taken from the request line itself, where nothing has been cleaned or
// joined yet. A query means nothing here.
func requestPath(r *http.Request) (string, error) {
	raw := r.RequestURI
	if !strings.HasPrefix(raw, "/") { // a proxy's form, http://host/path
		raw = r.URL.EscapedPath()
	}
	raw, _, _ = strings.Cut(raw, "?")
	path, err := url.PathUnescape(raw)
	if err != nil || path == "" {
		return "", errors.New("the path is malformed")
	}
	return path, nil
}

// shown makes a text from the network fit for one line of a log.
func shown(s string) string {
	if len(s) > 256 {
		s = s[:256] + "..."
	}
	quoted := strconv.QuoteToASCII(s)
	return quoted[1 : len(quoted)-1]
}

func (s *Server) emit(r *http.Request, code event.Code, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("method", r.Method), slog.String("via", via))
	s.Events.Emit(event.Event{Time: time.Now(), Code: code, Client: client(r), Attrs: attrs})
}

// text answers with one line.
func (w *writer) text(status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(line)+1))
	w.WriteHeader(status)
	io.WriteString(w, line+"\n")
}
