package app

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"

	"hobnail/internal/certificate"
	"hobnail/internal/event"
	"hobnail/internal/netio"
	httpserve "hobnail/internal/serve/http"
	"hobnail/internal/site"
)

// Where the root certificate of hobnail's own CA can be had, by HTTP.
const (
	rootPEM = "/hobnail-ca.pem"
	rootDER = "/hobnail-ca.der"
)

// tlsDir is the folder of hobnail's own CA.
func tlsDir(l *Loaded) string { return filepath.Join(l.Config.Server.Data, "tls") }

// Root is the root certificate of hobnail's own CA as a person is told of it.
type Root struct {
	File    string    `json:"file"`
	SHA256  string    `json:"sha256"` // of its DER form, as browsers and openssl show it: AA:BB:…
	Subject string    `json:"subject"`
	Ends    time.Time `json:"ends"`
	PEM     string    `json:"pem"`
}

// ReadRoot reads the root certificate that a configuration's server has. The
// error is fs.ErrNotExist where there is none.
func ReadRoot(l *Loaded) (Root, error) {
	c, err := certificate.ReadRoot(tlsDir(l))
	if err != nil {
		return Root{}, err
	}
	return Root{
		File: filepath.Join(tlsDir(l), "ca.pem"), SHA256: fingerprint(c), Subject: c.Subject.CommonName,
		Ends: c.NotAfter.UTC(), PEM: string(certificate.RootPEM(c)),
	}, nil
}

// fingerprint is the SHA-256 of a certificate as other programs write it.
func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	var pairs []string
	for _, b := range sum {
		pairs = append(pairs, strings.ToUpper(hex.EncodeToString([]byte{b})))
	}
	return strings.Join(pairs, ":")
}

// certificates is where HTTPS has its certificate from by a configuration; nil
// without HTTPS.
func (s *Server) certificates(l *Loaded) (certificate.Source, error) {
	cfg := l.Config.Server
	switch {
	case cfg.HTTPSPort == 0:
		return nil, nil
	case cfg.Certificate != "":
		c, err := certificate.Load(cfg.Certificate, cfg.CertificateKey, time.Now())
		if err != nil {
			return nil, err
		}
		return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c, nil }, nil
	}
	if s.ca == nil {
		ca, err := certificate.OpenAuthority(tlsDir(l), cfg.Name, time.Now)
		if err != nil {
			return nil, err
		}
		ca.Report = func(err error) {
			s.opts.Events.Emit(event.Event{Time: time.Now(), Code: event.CertificateFault, Attrs: []slog.Attr{slog.String("error", err.Error())}})
		}
		s.ca = ca
	}
	names := append([]string{cfg.Name}, cfg.HTTPSNames...)
	if cfg.Address.IsValid() {
		names = append(names, cfg.Address.String())
	}
	for _, i := range s.ifaces.All() {
		for _, p := range i.Prefixes {
			names = append(names, p.Addr().String())
		}
	}
	return s.ca.Certificate, s.ca.Name(names)
}

// page is what HTTP has beside boot files.
func (s *Server) page(path string) (body []byte, contentType string, ok bool) {
	now := s.current.Load()
	if s.ca == nil || now.Config.Server.Certificate != "" {
		return nil, "", false
	}
	switch path {
	case rootPEM:
		return s.ca.RootPEM(), "application/x-pem-file", true
	case rootDER:
		return s.ca.RootDER(), "application/pkix-cert", true
	}
	return nil, "", false
}

// newWeb is what answers HTTP and HTTPS.
func (s *Server) newWeb(l *Loaded) *httpserve.Server {
	return &httpserve.Server{
		Opener: s, Events: s.opts.Events, Pages: s.page, Console: s.newConsole().Answer, Takes: takesBody,
		MaxRate: l.Config.HTTP.MaxRate, MaxClientRate: l.Config.HTTP.MaxClientRate,
	}
}

// listenWeb binds what HTTP and HTTPS listen on. The two share their limits.
func (s *Server) listenWeb(ctx context.Context, l *Loaded) ([]service, error) {
	cfg := l.Config.Server
	h := s.newWeb(l)
	var all []service
	if cfg.HTTPPort != 0 {
		ln, err := listenTCP(ctx, cfg.HTTP, cfg.HTTPPort)
		if err != nil {
			return nil, err
		}
		all = append(all, service{
			line:  fmt.Sprintf("HTTP on TCP port %d", cfg.HTTPPort),
			serve: func(ctx context.Context) error { return h.Serve(ctx, ln) },
		})
	}
	if cfg.HTTPSPort != 0 {
		ln, err := listenTCP(ctx, cfg.HTTPS, cfg.HTTPSPort)
		if err != nil {
			return nil, err
		}
		// A reload changes the certificate, not the listener.
		conf := certificate.Config(func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.current.Load().tls(hello)
		})
		whose := "the site's certificate"
		if cfg.Certificate == "" {
			whose = "a certificate of hobnail's own CA, SHA-256 " + fingerprint(s.ca.Root())
		}
		all = append(all, service{
			line:  fmt.Sprintf("HTTPS on TCP port %d, with %s", cfg.HTTPSPort, whose),
			serve: func(ctx context.Context) error { return h.ServeTLS(ctx, ln, conf) },
		})
	}
	return all, nil
}

func listenTCP(ctx context.Context, addr string, port uint16) (net.Listener, error) {
	// Multipath TCP, Go's default, would escape Landlock's TCP rules.
	lc := net.ListenConfig{}
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, netio.ListenError("tcp", port, err)
	}
	return ln, nil
}

// takesBody lets installers send their words by POST, as Proxmox' does, and
// their logs.
func takesBody(path string) bool {
	return strings.HasPrefix(strings.TrimLeft(path, "/"), site.InstallPrefix)
}
