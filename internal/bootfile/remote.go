package bootfile

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Times that Remote allows.
const (
	freshFor  = time.Minute      // a copy is not compared with its origin again before
	checkWait = 3 * time.Second  // what a machine waits for that, having a copy already
	stallTime = time.Minute      // without an octet, a download is given up
	maxRemote = int64(64) << 30  // octets of one file
	dialTime  = 10 * time.Second // to connect, and again for the TLS handshake
	replyTime = 30 * time.Second // from the request to the origin's header
)

// Remote is an Opener over files of other web servers. It keeps a whole copy
// of each in a folder and serves that, so that a loader which speaks only TFTP
// can read them, a hundred machines cost the origin one download, and the
// origin may be away. URLs come from the configuration alone.
//
// The first Open of a file waits for its download; however many ask, there is
// one. Afterwards a copy is compared with its origin at most once a minute. A
// copy that cannot be compared is served as it is.
type Remote struct {
	urls   map[string]string // by clean name
	store  *store
	client *http.Client
	note   func(error)

	fresh, wait, stall time.Duration
	limit              int64
	now                func() time.Time

	mu      sync.Mutex
	flights map[string]*flight   // by URL
	checked map[string]time.Time // by URL: when the copy was last found current
}

// flight is a download, or a comparison, that several may wait for.
type flight struct {
	done chan struct{}
	err  error // valid when done is closed
}

// NewRemote makes an Opener over URLs, by clean name, with its copies in a
// folder of its own, which it makes. Whatever else lies there is removed.
// note, if not nil, is told of downloads that failed, which nobody sees while
// there is an older copy to serve; it must not block. With landlock, and on a
// kernel that has it, copies are opened by threads that can read the folder
// only.
func NewRemote(dir string, urls map[string]string, landlock bool, note func(error)) (*Remote, error) {
	for name, url := range urls {
		if clean, ok := Clean(name); !ok || clean != name {
			return nil, fmt.Errorf("serving %s: %q is not a clean name", redacted(url), name)
		}
	}
	store, err := openStore(dir, urls, landlock)
	if err != nil {
		return nil, err
	}
	if note == nil {
		note = func(error) {}
	}
	return &Remote{
		urls: urls, store: store, client: newClient(), note: note,
		fresh: freshFor, wait: checkWait, stall: stallTime, limit: maxRemote, now: time.Now,
		flights: map[string]*flight{}, checked: map[string]time.Time{},
	}, nil
}

// Open opens the copy of a file, after downloading it if there is none.
func (c *Remote) Open(ctx context.Context, r Request) (*File, error) {
	name, ok := Clean(r.Name)
	if !ok {
		return nil, ErrNotFound
	}
	url, ok := c.urls[name]
	if !ok {
		return nil, ErrNotFound
	}
	if err := c.refresh(ctx, url); err != nil {
		return nil, fmt.Errorf("opening boot file %s: %v", name, err)
	}
	f, kept, err := c.store.open(url)
	if err != nil {
		return nil, fmt.Errorf("opening boot file %s: %v", name, err)
	}
	return &File{Name: name, Size: kept.Size, Content: f, ModTime: kept.Modified, ETag: kept.etag(), Close: f.Close}, nil
}

// refresh returns once there is a copy to serve: at once if it is fresh, soon
// if there is one at all, after the download otherwise.
func (c *Remote) refresh(ctx context.Context, url string) error {
	fl := c.fly(ctx, url)
	if fl == nil {
		return nil
	}
	var enough <-chan time.Time
	if c.store.has(url) {
		timer := time.NewTimer(c.wait)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-fl.done:
	case <-enough:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	if fl.err != nil && !c.store.has(url) {
		return fl.err
	}
	return nil
}

// fly joins the download of a URL or starts it; nil if its copy is fresh. The
// download outlives whoever started it, for others may be waiting by then.
func (c *Remote) fly(ctx context.Context, url string) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	if fl := c.flights[url]; fl != nil {
		return fl
	}
	if at, ok := c.checked[url]; ok && c.now().Sub(at) < c.fresh && c.store.has(url) {
		return nil
	}
	fl := &flight{done: make(chan struct{})}
	c.flights[url] = fl
	go c.run(context.WithoutCancel(ctx), url, fl)
	return fl
}

func (c *Remote) run(ctx context.Context, url string, fl *flight) {
	fl.err = c.download(ctx, url)
	if fl.err != nil {
		c.note(fl.err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flights, url)
	// A copy whose origin is away is left alone for a minute too, lest every
	// machine wait for it.
	if fl.err == nil || c.store.has(url) {
		c.checked[url] = c.now()
	}
	close(fl.done)
}

// Fetch brings every copy up to date, one after the other. What failed is
// joined in the error; the other files are there all the same.
func (c *Remote) Fetch(ctx context.Context) error {
	var errs []error
	for _, url := range c.urls {
		fl := c.fly(ctx, url)
		if fl == nil {
			continue
		}
		select {
		case <-fl.done:
			errs = append(errs, fl.err)
		case <-ctx.Done():
			return errors.Join(append(errs, ctx.Err())...)
		}
	}
	return errors.Join(errs...)
}
