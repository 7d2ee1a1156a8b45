package bootfile

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// newClient makes the client of downloads. Compression is off: lengths must
// be those of the files.
func newClient() *http.Client {
	dialer := &net.Dialer{Timeout: dialTime}
	return &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   dialTime,
		ResponseHeaderTimeout: replyTime,
		DisableCompression:    true,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   1,
		IdleConnTimeout:       time.Minute,
	}}
}

// download brings the copy of a URL up to date: it asks the origin whether the
// copy is still current, by ETag or date (RFC 9110 section 13), and loads the
// file if not.
func (c *Remote) download(ctx context.Context, from string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return fmt.Errorf("downloading %s: %v", redacted(from), err)
	}
	have, ok := c.store.lookup(from)
	if ok {
		condition(req.Header, have)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err // says Get "URL" already
	}
	defer resp.Body.Close()
	switch {
	case ok && resp.StatusCode == http.StatusNotModified:
		return nil
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("downloading %s: the server answers %s", redacted(from), resp.Status)
	case resp.ContentLength > c.limit:
		return fmt.Errorf("downloading %s: it has %d octets; at most %d are taken", redacted(from), resp.ContentLength, c.limit)
	}
	body := &watched{body: resp.Body, stall: c.stall}
	body.timer = time.AfterFunc(c.stall, func() { cancel(fmt.Errorf("nothing came for %v", c.stall)) })
	defer body.timer.Stop()
	if err := c.store.save(from, resp.Header, io.LimitReader(body, c.limit+1), c.limit); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("downloading %s: %v", redacted(from), err)
	}
	return nil
}

// redacted is a URL as it may be shown: without the password.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "a malformed URL"
	}
	return u.Redacted()
}

// condition makes a request one for a newer file only.
func condition(h http.Header, have kept) {
	if have.Validator != "" {
		h.Set("If-None-Match", have.Validator)
	}
	if have.LastModified != "" {
		h.Set("If-Modified-Since", have.LastModified)
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
