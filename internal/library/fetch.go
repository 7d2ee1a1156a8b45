package library

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	dialTime  = 30 * time.Second
	replyTime = time.Minute
	// stallTime is how long nothing may come.
	stallTime = time.Minute
	// maxTries is how often in a row a download is taken up without getting
	// further.
	maxTries                 = 5
	firstPause, longestPause = time.Second, 30 * time.Second
)

// NewClient makes the client of downloads. Proxies are those of the
// environment. Compression is off: lengths and ranges must be the file's.
func NewClient() *http.Client {
	dialer := &net.Dialer{Timeout: dialTime}
	return &http.Client{
		CheckRedirect: stayEncrypted,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dialer.DialContext,
			TLSHandshakeTimeout:   dialTime,
			ResponseHeaderTimeout: replyTime,
			DisableCompression:    true,
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   1,
			IdleConnTimeout:       time.Minute,
		},
	}
}

// stayEncrypted follows redirections, but none from https to http: who asked
// for https asked for a file that nobody on the way has changed.
func stayEncrypted(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("the server redirects in a circle")
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("the server redirects to %s, which is not encrypted; name that URL, with --sha256, if you want it so", req.URL.Redacted())
	}
	return nil
}

// noted is what a part is a part of, beside it as JSON.
type noted struct {
	URL          string `json:"url"`
	ETag         string `json:"etag,omitempty"` // a strong one
	LastModified string `json:"last_modified,omitempty"`
	Size         int64  `json:"size"` // -1: not known
	File         string `json:"file"` // name that it gets
}

// validator is what If-Range takes (RFC 9110 section 13.1.5); "" where a part
// cannot be told from a part of something else.
func (n noted) validator() string {
	if n.ETag != "" {
		return n.ETag
	}
	return n.LastModified
}

// download is a file on its way.
type download struct {
	client *http.Client
	pause  func(context.Context, time.Duration) error
	url    *url.URL
	part   *partial
	d      *digest
	m      *meter
	noted  noted
	done   int64 // octets written and hashed
}

// fetch brings a URL into a part, whole. What an earlier attempt has left is
// taken up if the server says that it is still the same file. When it fails,
// the part stays for the next time, unless the disk is full.
func (l *Library) fetch(ctx context.Context, u *url.URL, d *digest, tell func(Progress)) (*download, error) {
	folder, err := l.folder()
	if err != nil {
		return nil, err
	}
	part, err := openPartial(folder, u.String(), fileNameOf(u))
	if err != nil {
		return nil, err
	}
	g := &download{client: l.client(), pause: l.pause(), url: u, part: part, d: d, m: newMeter(tell, StageDownload, fileNameOf(u), 0)}
	if err := g.takeUp(ctx, tell); err == nil {
		err = g.run(ctx)
		if err == nil {
			return g, nil
		}
		return nil, g.give(err)
	}
	return nil, g.give(err)
}

// give gives a download up. A part of nothing is no use; nor is one that fills
// the disk, or that cannot be told from another file's.
func (g *download) give(err error) error {
	if g.done == 0 || errors.Is(err, ErrFull) || g.noted.validator() == "" {
		g.part.drop()
	} else {
		g.part.f.Close()
	}
	return fmt.Errorf("downloading %s: %w", g.url.Redacted(), err)
}

// takeUp hashes what there is already.
func (g *download) takeUp(ctx context.Context, tell func(Progress)) error {
	octets, err := os.ReadFile(g.part.note())
	if err != nil || json.Unmarshal(octets, &g.noted) != nil || g.noted.URL != g.url.String() || g.noted.validator() == "" {
		return g.restart()
	}
	size := g.part.size()
	if size == 0 || g.noted.Size >= 0 && size > g.noted.Size {
		return g.restart()
	}
	m := newMeter(tell, StageHash, g.noted.File, size)
	if err := readThrough(ctx, g.part.f, 0, g.d, m); err != nil {
		return err
	}
	g.done = size
	_, err = g.part.f.Seek(size, io.SeekStart)
	return err
}

// restart begins from nothing.
func (g *download) restart() error {
	g.d.reset()
	g.done, g.noted = 0, noted{}
	g.m.start(0)
	if err := g.part.f.Truncate(0); err != nil {
		return g.part.fault(err)
	}
	_, err := g.part.f.Seek(0, io.SeekStart)
	return err
}

// passing marks what may be better the next time.
type passing struct{ error }

func (p passing) Unwrap() error { return p.error }

// run asks until all is there.
func (g *download) run(ctx context.Context) error {
	pause := firstPause
	for tries, furthest := 1, g.done; ; tries++ {
		whole, err := g.ask(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && whole:
			g.m.p.Total = g.done
			g.m.end()
			return nil
		case err != nil && !errors.As(err, &passing{}):
			return err
		}
		if g.done > furthest && g.noted.validator() != "" {
			tries, furthest, pause = 1, g.done, firstPause
		}
		if tries >= maxTries {
			return fmt.Errorf("%w (after %d attempts)", err, tries)
		}
		if err := g.pause(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, longestPause)
	}
}

// ask sends one request and takes what comes. It says whether that was all.
func (g *download) ask(ctx context.Context) (whole bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if g.done > 0 && g.noted.validator() == "" {
		if err := g.restart(); err != nil {
			return false, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url.String(), nil)
	if err != nil {
		return false, err
	}
	if g.done > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", g.done))
		req.Header.Set("If-Range", g.noted.validator())
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return false, g.dialFault(err)
	}
	defer resp.Body.Close()
	if err := g.begin(resp); err != nil {
		return false, err
	}
	if g.noted.Size >= 0 && g.done == g.noted.Size {
		return true, nil
	}
	body := &watched{body: resp.Body, stall: stallTime}
	body.timer = time.AfterFunc(stallTime, func() { cancel(fmt.Errorf("nothing came for %v", stallTime)) })
	defer body.timer.Stop()
	return g.take(ctx, body)
}

// dialFault says which failures of a connection may pass. Where nothing came
// yet, a person had better know at once.
func (g *download) dialFault(err error) error {
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err // the URL is told once
	}
	switch {
	case g.done == 0:
		return err
	case errors.As(err, new(net.Error)), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return passing{err}
	}
	return err
}

// begin looks at an answer's head, and makes the part fit for its body.
func (g *download) begin(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code == http.StatusPartialContent && g.continues(resp.Header.Get("Content-Range")):
		return nil
	case code == http.StatusOK:
		return g.beginNew(resp)
	case code == http.StatusPartialContent, code == http.StatusRequestedRangeNotSatisfiable:
		if g.done > 0 && g.done == g.noted.Size {
			return nil
		}
		if err := g.restart(); err != nil {
			return err
		}
		return passing{fmt.Errorf("the server answers with another part than was asked for")}
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return passing{fmt.Errorf("the server answers %s", resp.Status)}
	}
	return fmt.Errorf("the server answers %s", resp.Status)
}

// beginNew is for an answer that begins at the file's beginning: the first
// one, or of a server that knows no ranges, or that has another file by now.
func (g *download) beginNew(resp *http.Response) error {
	if err := g.restart(); err != nil {
		return err
	}
	g.noted = noted{URL: g.url.String(), Size: resp.ContentLength, File: fileNameOf(g.url), LastModified: resp.Header.Get("Last-Modified")}
	if tag := resp.Header.Get("ETag"); !strings.HasPrefix(tag, "W/") {
		g.noted.ETag = tag
	}
	if other := fileNameOf(resp.Request.URL); !IsImageFile(g.noted.File) && IsImageFile(other) {
		g.noted.File = other
	}
	g.m.p.File, g.m.p.Total = g.noted.File, max(g.noted.Size, 0)
	if g.noted.Size > 0 {
		if err := roomFor(g.part, g.noted.Size); err != nil {
			return err
		}
	}
	octets, err := json.Marshal(g.noted)
	if err == nil {
		err = os.WriteFile(g.part.note(), octets, 0o644)
	}
	if err != nil {
		return g.part.fault(err)
	}
	return nil
}

// continues reports whether a range is the rest of what we have, by "bytes
// FIRST-LAST/SIZE" (RFC 9110 section 14.4).
func (g *download) continues(contentRange string) bool {
	r, ok := strings.CutPrefix(contentRange, "bytes ")
	first, rest, ok2 := strings.Cut(r, "-")
	_, size, ok3 := strings.Cut(rest, "/")
	n, err := strconv.ParseInt(first, 10, 64)
	if !ok || !ok2 || !ok3 || err != nil || n != g.done {
		return false
	}
	total, err := strconv.ParseInt(size, 10, 64)
	if g.noted.Size >= 0 && err == nil && total != g.noted.Size {
		return false
	}
	g.m.p.File, g.m.p.Total = g.noted.File, max(g.noted.Size, 0)
	g.m.start(g.done)
	return true
}

// take reads a body to its end.
func (g *download) take(ctx context.Context, body io.Reader) (whole bool, err error) {
	buf := make([]byte, readSize)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if _, err := g.part.f.Write(buf[:n]); err != nil {
				return false, g.part.fault(err)
			}
			g.d.Write(buf[:n])
			g.done += int64(n)
			g.m.add(n)
		}
		switch {
		case err == nil && (g.noted.Size < 0 || g.done <= g.noted.Size):
		case err == nil:
			return false, fmt.Errorf("the server sends more than the %d octets that it announced", g.noted.Size)
		case errors.Is(err, io.EOF) && (g.noted.Size < 0 || g.done == g.noted.Size):
			return true, nil
		default:
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return false, passing{fmt.Errorf("after %d octets: %w", g.done, err)}
		}
	}
}

// watched puts the end of a download off while octets flow.
type watched struct {
	body  io.Reader
	timer *time.Timer
	stall time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.body.Read(p)
	if n > 0 {
		w.timer.Reset(w.stall)
	}
	return n, err
}
