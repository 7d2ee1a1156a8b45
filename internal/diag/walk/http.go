package walk

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"hobnail/internal/diag"
	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/verdict"
)

// httpPatience bounds one request.
const httpPatience = 30 * time.Second

// clockSkew is how far two clocks may be apart before somebody should know.
const clockSkew = 5 * time.Minute

// readHTTP does what EDK2's HTTP boot and iPXE do: HEAD, then GET. Firmware
// follows no redirection.
func (g *walker) readHTTP(ctx context.Context, t diag.Target) {
	u, err := url.Parse(t.Name)
	if err != nil || u.Host == "" {
		g.find(diag.OddBootFile, diag.Fault, "%s is no URL that can be read", record.Printable(t.Name))
		return
	}
	t.Server, _ = netip.ParseAddr(u.Hostname())
	g.opts.Say("reading " + record.Printable(t.Name))
	client := g.httpClient()
	defer client.CloseIdleConnections()
	step := g.step(t)
	step.File.Name = record.Printable(u.Path)
	head, err := fetch(ctx, client, http.MethodHead, t.Name)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		g.unreached(t, step, u, err)
		return
	}
	g.clock(head.date, record.Printable(u.Host))
	if head.status == http.StatusOK && head.length < 0 && g.chooser == diag.EDK2HTTP {
		g.find(diag.HTTPLength, diag.Fault, "%s does not tell the length of %s", record.Printable(u.Host), step.File.Name)
	}
	at := time.Now()
	get, err := fetch(ctx, client, http.MethodGet, t.Name)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		g.unreached(t, step, u, err)
		return
	}
	f := step.File
	step.Time, step.Last = at, time.Now()
	f.Code, f.Octets, f.Size, f.Duration, f.Heard = get.status, int64(len(get.body)), max(get.length, 0), step.Last.Sub(at), true
	switch {
	case get.status == http.StatusOK && get.err == nil:
		step.Kind = model.StepRead
		g.look(t, &step, get.body)
	case get.status == http.StatusOK:
		step.Kind, step.Text = model.StepStalled, record.Printable(get.err.Error())
		g.done(t, step)
	case get.status == http.StatusNotFound:
		step.Kind = model.StepMissing
		g.done(t, step)
	default:
		step.Kind, step.Text = model.StepRefused, fmt.Sprintf("status %d", get.status)
		g.done(t, step)
	}
}

func (g *walker) httpClient() *http.Client {
	return &http.Client{
		Timeout: httpPatience,
		Transport: &http.Transport{
			DialContext: g.dialer().DialContext,
			// The certificate is looked at afterwards: firmware has its own
			// authorities, which this host does not know.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, VerifyConnection: g.certificate},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// certificate tells whether this host would trust the server.
func (g *walker) certificate(s tls.ConnectionState) error {
	opts := x509.VerifyOptions{DNSName: s.ServerName, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(opts)
	var expired x509.CertificateInvalidError
	switch {
	case err == nil:
	case errors.As(err, &expired):
		g.once(diag.HTTPSUnproven, diag.Fault, "the certificate of %s does not hold: %s", s.ServerName, record.Printable(err.Error()))
	default:
		g.once(diag.HTTPSUnproven, diag.Warning, "this host does not trust the certificate of %s: %s", s.ServerName, record.Printable(err.Error()))
	}
	return nil
}

// once is find for what is seen at each request.
func (g *walker) once(code string, state diag.State, format string, args ...any) {
	for _, f := range g.w.Findings {
		if f.Code == code {
			return
		}
	}
	g.find(code, state, format, args...)
}

// response is what a request brought.
type response struct {
	status int
	length int64 // Content-Length; -1: not told
	date   time.Time
	body   []byte
	err    error // why the body ended early
}

func fetch(ctx context.Context, client *http.Client, method, name string) (r response, err error) {
	req, err := http.NewRequestWithContext(ctx, method, name, nil)
	if err != nil {
		return r, err
	}
	req.Header.Set("User-Agent", "hobnail doctor")
	res, err := client.Do(req)
	if err != nil {
		return r, err
	}
	defer res.Body.Close()
	r.status, r.length = res.StatusCode, res.ContentLength
	r.date, _ = http.ParseTime(res.Header.Get("Date"))
	r.body, r.err = io.ReadAll(io.LimitReader(res.Body, maxRead))
	return r, nil
}

// unreached: no answer at all.
func (g *walker) unreached(t diag.Target, step model.Step, u *url.URL, err error) {
	step.Kind, step.Why, step.Text = model.StepStalled, verdict.Unanswered, record.Printable(err.Error())
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	switch r := reachText(err); {
	case r == closed && t.Server.IsValid():
		g.find(diag.PortClosed, diag.Fault, "%s is there, and nothing listens on its TCP port %s", t.Server, port)
	case errors.Is(err, syscall.EHOSTUNREACH), r == noWay:
		g.tellReach(r, t.Server, "TCP port "+port)
	}
	g.done(t, step)
}

// clock compares the server's clock with ours.
func (g *walker) clock(theirs time.Time, host string) {
	if theirs.IsZero() {
		return
	}
	if skew := time.Since(theirs).Round(time.Second); skew.Abs() > clockSkew {
		g.find(diag.ClockDiffers, diag.Warning, "the clock of %s says %s and ours %s", host, theirs.UTC().Format(time.DateTime), time.Now().UTC().Format(time.DateTime))
	}
}
