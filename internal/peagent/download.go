package peagent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	stall    = time.Minute // without an octet, before the server is asked again
	cuts     = 20          // in a row without an octet, before the agent gives up
	betweens = 5 * time.Second
)

// image is where install.wim is on the disk.
func (a *Agent) image() string {
	if a.in.Way == WaySetup {
		return sourceDrive + `sources\` + a.in.WIM.file()
	}
	return windowsDrive + `hobnail\` + a.in.WIM.file()
}

// download brings install.wim to the new disk: dism and Setup read files, and
// from a network only by SMB, which would need a share and its password.
func (a *Agent) download(ctx context.Context) *Failure {
	w, name := a.in.WIM, a.image()
	dir := name[:strings.LastIndexByte(name, '\\')]
	if err := a.Host.MkdirAll(dir); err != nil {
		return &Failure{What: "making " + dir, Why: err.Error(), Do: "diskpart's lines above say whether there is such a drive; the disk may be broken"}
	}
	f, err := a.Host.Create(name)
	if err != nil {
		return &Failure{What: "making " + name, Why: err.Error(), Do: "the disk may be broken"}
	}
	a.say("downloading %s to %s: %.1f GB", w.from(a.Config.Server), name, float64(w.Size)/1e9)
	t := transfer{agent: a, url: w.from(a.Config.Server), size: w.Size, to: f, sum: sha256.New(), next: 10}
	err = t.run(ctx)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return &Failure{What: "downloading " + w.file(), Why: err.Error(),
			Do: "look at the server and the network between; then start this machine from the network again. Its disk is empty"}
	}
	if got := hex.EncodeToString(t.sum.Sum(nil)); got != w.SHA256 {
		return &Failure{What: "checking " + w.file(), Why: "its SHA-256 is " + got + ", the instructions say " + w.SHA256,
			Do: "verify the image on the server; if it is whole, memory or network card of this machine are broken"}
	}
	a.say("its SHA-256 is right")
	return nil
}

// transfer is a download that goes on after a cut where it was.
type transfer struct {
	agent *Agent
	url   string
	size  int64
	have  int64
	to    Output
	sum   hash.Hash // of what there is
	next  int       // percentage that is told next
}

// fatal is an error that no further attempt mends.
type fatal struct{ error }

func (t *transfer) run(ctx context.Context) error {
	for barren := 0; t.have < t.size; {
		before := t.have
		err := t.piece(ctx)
		if t.have == t.size {
			return nil
		}
		if errors.As(err, new(fatal)) || ctx.Err() != nil {
			return err
		}
		if barren++; t.have > before {
			barren = 0
		}
		if err == nil {
			err = errors.New("the server ended early")
		}
		if barren >= cuts {
			return fmt.Errorf("%d attempts in a row brought nothing: %v", cuts, err)
		}
		t.agent.say("cut at %d of %d octets: %v; going on from there", t.have, t.size, err)
		if err := t.agent.Host.Wait(ctx, betweens); err != nil {
			return err
		}
	}
	return nil
}

// piece asks for what is missing and takes what comes.
func (t *transfer) piece(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(stall, func() { cancel(fmt.Errorf("nothing came for %v", stall)) })
	defer stalled.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return fatal{err}
	}
	if t.have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", t.have))
	}
	resp, err := t.agent.Client.Do(req)
	if err != nil {
		return why(ctx, err)
	}
	defer resp.Body.Close()
	if err := t.begins(resp); err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	for {
		n, err := resp.Body.Read(buf)
		if err2 := t.take(ctx, buf[:n]); err2 != nil {
			return err2
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return why(ctx, err)
		}
		stalled.Reset(stall)
	}
}

// why is the context's cause, if there is one.
func why(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// begins holds the head of an answer against what was asked for.
func (t *transfer) begins(resp *http.Response) error {
	switch {
	case resp.StatusCode == http.StatusPartialContent && t.have > 0:
		// RFC 9110 section 14.4: "bytes 100-199/200".
		span, total, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("Content-Range"), "bytes "), "/")
		first, _, _ := strings.Cut(span, "-")
		if first != strconv.FormatInt(t.have, 10) || total != strconv.FormatInt(t.size, 10) {
			return fatal{fmt.Errorf("asked for octets from %d of %d on, the server gives %q", t.have, t.size, resp.Header.Get("Content-Range"))}
		}
	case resp.StatusCode == http.StatusOK:
		if resp.ContentLength >= 0 && resp.ContentLength != t.size {
			return fatal{fmt.Errorf("the server has %d octets, the instructions say %d", resp.ContentLength, t.size)}
		}
		if t.have > 0 {
			t.agent.say("the server does not go on in the middle of a file; beginning again")
			return t.again()
		}
	case resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests:
		return fatal{fmt.Errorf("the server answers %s", resp.Status)}
	default:
		return fmt.Errorf("the server answers %s", resp.Status)
	}
	return nil
}

// again forgets what there is.
func (t *transfer) again() error {
	if err := t.to.Truncate(0); err != nil {
		return fatal{err}
	}
	if _, err := t.to.Seek(0, io.SeekStart); err != nil {
		return fatal{err}
	}
	t.have, t.next = 0, 10
	t.sum.Reset()
	return nil
}

// take writes what came.
func (t *transfer) take(ctx context.Context, b []byte) error {
	if int64(len(b)) > t.size-t.have {
		return fatal{fmt.Errorf("the server sends more than the %d octets of the instructions", t.size)}
	}
	if len(b) == 0 {
		return nil
	}
	if _, err := t.to.Write(b); err != nil {
		return fatal{err}
	}
	t.sum.Write(b)
	t.have += int64(len(b))
	t.next = t.agent.progress(ctx, int(t.have*100/t.size), t.next)
	return nil
}
