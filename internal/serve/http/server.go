// Package httpserve serves the boot-file tree over HTTP/1.1 to firmware,
// loaders and installers. It reads only: GET and HEAD. It redirects nothing,
// however a path is spelled: EDK2 takes a 301 for a failure
// (HttpBootClient.c), and net/http's ServeMux would send one for "//".
package httpserve

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
)

// Server answers GET and HEAD with the files of an Opener.
type Server struct {
	Opener bootfile.Opener
	Events event.Sink
	// Pages are texts beside the tree, by path: "/hobnail-ca.pem". May be nil.
	Pages func(path string) (body []byte, contentType string, ok bool)
	// Takes says which paths may be sent something by POST, 1 MiB at most, which is
	// otherwise answered like GET. nil: none.
	Takes func(path string) bool
	// Console answers what is for people, and reports false, before anything is
	// written, for all that is not. It is asked before the tree. The request's
	// context ends when the server stops. May be nil.
	Console func(w http.ResponseWriter, r *http.Request, path string, client, local netip.Addr) bool
	// MaxRate bounds the octets of boot files in a second, MaxClientRate those
	// for one address, or one /64 of IPv6. 0: any.
	MaxRate, MaxClientRate int

	limits *limits // nil: those of standard
	once   sync.Once
	door   *door
}

// limits is what one client, or all together, may use.
type limits struct {
	connections int           // at a time; an idle one makes room for a new one
	header      int           // octets of a request, about
	headerTime  time.Duration // for a request to arrive, and for TLS to shake hands
	bodyTime    time.Duration // for a body to arrive, which nobody reads
	idleTime    time.Duration // between two requests on a connection
	stallTime   time.Duration // in which the client takes least octets
	least       int64
	stopTime    time.Duration // for transfers to end when the server stops

	// What one address may use.
	sourceConnections int
	sourceTransfers   int           // requests under way at a time
	sourceRate        int           // requests in a second, on the long run; so many more at once
	waitTime          time.Duration // that a request waits by that rate, before it is refused
}

// retryAfter is when one who was refused may come again, in seconds.
const retryAfter = 2

func standard() *limits {
	return &limits{
		connections: min(8192, spareFiles()/2), // each may have a file open
		header:      16 << 10,
		headerTime:  10 * time.Second,
		bodyTime:    2 * time.Second,
		idleTime:    2 * time.Minute,
		stallTime:   time.Minute,
		least:       64 << 10,
		stopTime:    5 * time.Second,

		sourceConnections: 512,
		sourceTransfers:   256,
		sourceRate:        5000,
		waitTime:          time.Second,
	}
}

// spareFiles is how many files this process may open, less what the rest of
// it needs.
func spareFiles() int {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return 512
	}
	return int(min(max(lim.Cur, 768)-512, 1<<20))
}

func (s *Server) prepare() {
	s.once.Do(func() {
		if s.limits == nil {
			s.limits = standard()
		}
		s.door = newDoor(s.limits, newRates(s.MaxRate, s.MaxClientRate))
	})
}

// Serve answers the connections of a listener, which it closes, until the
// context ends, which is no error. Transfers under way then have five seconds
// to come to their end. All listeners of a Server share its limits.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	return s.serve(ctx, ln, nil)
}

// ServeTLS is Serve for HTTPS.
func (s *Server) ServeTLS(ctx context.Context, ln net.Listener, conf *tls.Config) error {
	return s.serve(ctx, ln, conf)
}

func (s *Server) serve(ctx context.Context, ln net.Listener, conf *tls.Config) error {
	s.prepare()
	var front net.Listener = &gate{Listener: ln, door: s.door, plain: conf == nil, refused: func(c *conn) {
		s.Events.Emit(event.Event{Time: time.Now(), Code: event.FileBusy, Client: addrPort(c.RemoteAddr().String()), Attrs: []slog.Attr{
			slog.String("reason", "too many connections of one address"), slog.String("via", via)}})
	}}
	if conf != nil {
		front = tls.NewListener(front, conf)
	}
	base, end := s.base(ctx)
	defer end()
	srv := &http.Server{
		Handler:                      s,
		MaxHeaderBytes:               s.limits.header,
		ReadHeaderTimeout:            s.limits.headerTime,
		IdleTimeout:                  s.limits.idleTime,
		ConnState:                    s.door.track,
		ConnContext:                  withConn,
		BaseContext:                  func(net.Listener) context.Context { return base },
		DisableGeneralOptionsHandler: true,
		// What net/http would log are the faults of clients.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	stopped := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limits.stopTime)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(front)
	if unhook() { // the context goes on: it is the listener that failed
		srv.Close()
		return err
	}
	<-stopped
	return nil
}

// connKey finds a request's connection in its context.
type connKey struct{}

func withConn(ctx context.Context, nc net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, connOf(nc))
}

// stopKey finds, in a request's context, the one that ends when the server
// stops. The request's own goes on: transfers may come to their end.
type stopKey struct{}

// base is what the contexts of requests are made of; end is for those that
// still wait for their turn.
func (s *Server) base(stop context.Context) (base context.Context, end func()) {
	life, end := context.Background(), func() {}
	if s.door.rates.piece > 0 { // with it, each connection would take a lock of all
		life, end = context.WithCancel(life)
	}
	return context.WithValue(life, stopKey{}, stop), end
}

// console lets people look; false where that is not for this request.
func (s *Server) console(w http.ResponseWriter, r *http.Request, path string) bool {
	if s.Console == nil {
		return false
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if stop, ok := ctx.Value(stopKey{}).(context.Context); ok {
		defer context.AfterFunc(stop, cancel)()
	}
	return s.Console(w, r.WithContext(ctx), path, client(r).Addr(), local(r))
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.prepare()
	out := &writer{ResponseWriter: w}
	if r.ContentLength != 0 {
		// net/http reads what is left of a body, 256 KiB at most, and would
		// wait for it for ever.
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.limits.bodyTime))
	}
	wait, end, refusal := s.door.begin(client(r).Addr())
	if refusal != "" {
		out.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		out.text(http.StatusServiceUnavailable, "This is more than one address may ask for at a time. Come again.")
		s.emit(r, event.FileBusy, slog.String("name", shown(r.RequestURI)), slog.String("reason", refusal))
		return
	}
	defer end()
	if wait > 0 {
		time.Sleep(wait)
	}
	s.answer(out, r)
}

func (s *Server) answer(out *writer, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead && (r.Method != http.MethodPost || s.Takes == nil) {
		s.refuseMethod(out, r)
		return
	}
	path, err := requestPath(r)
	if err != nil {
		out.text(http.StatusBadRequest, "The path is malformed.")
		s.emit(r, event.FileRefused, slog.String("name", shown(r.RequestURI)), slog.String("reason", err.Error()))
		return
	}
	body, ok := s.body(r, path)
	if !ok {
		s.refuseMethod(out, r)
		return
	}
	if s.console(out.ResponseWriter, r, path) {
		return
	}
	switch path {
	case "/":
		out.text(http.StatusOK, "This is hobnail, a network boot server. Machines read their boot files here.")
		return
	case "/healthz":
		out.text(http.StatusOK, "ok")
		return
	}
	if s.Pages != nil {
		if body, kind, ok := s.Pages(path); ok {
			out.page(http.StatusOK, kind, body)
			return
		}
	}
	s.file(out, r, path, body)
}

func (s *Server) refuseMethod(out *writer, r *http.Request) {
	out.Header().Set("Allow", "GET, HEAD")
	out.text(http.StatusMethodNotAllowed, "Only GET and HEAD are answered here.")
	s.emit(r, event.FileRefused, slog.String("name", shown(r.RequestURI)), slog.String("reason", "only GET and HEAD are answered"))
}

// maxBody is the most that is read of what is sent here.
const maxBody = 1 << 20

// body reads what is sent to a path that takes it; ok is false where the method
// is none of ours, or it is too long or too slow.
func (s *Server) body(r *http.Request, path string) (body []byte, ok bool) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil, true
	}
	if r.Method != http.MethodPost || s.Takes == nil || !s.Takes(path) {
		return nil, false
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	return body, err == nil && len(body) <= maxBody
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
	if c, _ := r.Context().Value(connKey{}).(*conn); c != nil {
		if n := c.nth(); n > 1 {
			attrs = append(attrs, slog.Int("nth", n))
		}
	}
	if r.TLS != nil {
		attrs = append(attrs, slog.String("tls", tls.VersionName(r.TLS.Version)))
	}
	s.Events.Emit(event.Event{Time: time.Now(), Code: code, Client: client(r), Attrs: attrs})
}

// text answers with one line.
func (w *writer) text(status int, line string) {
	w.page(status, "text/plain; charset=utf-8", []byte(line+"\n"))
}

func (w *writer) page(status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}
