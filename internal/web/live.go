package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"hobnail/internal/model"
)

const (
	maxStreams      = 64 // live pages at a time
	maxStreamsOfOne = 16 // of one address
	// takeTime is how long a browser may take nothing of what waits for it.
	takeTime = 10 * time.Second
	// beatTime is how often something is sent where nothing happens, so that
	// a browser that is gone is found out.
	beatTime = 15 * time.Second
	// reloadTime is the least between two readings of the boots, for pages
	// that have missed changes.
	reloadTime = 5 * time.Second
	// mostNews bounds what is said aloud at a time.
	mostNews = 3
)

// streams counts the live pages.
type streams struct {
	mu              sync.Mutex
	most, mostOfOne int
	all             int
	of              map[netip.Addr]int
}

// enter takes a place; false if there is none.
func (s *streams) enter(a netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.most || s.of[a] >= s.mostOfOne {
		return false
	}
	if s.of == nil {
		s.of = map[netip.Addr]int{}
	}
	s.all++
	s.of[a]++
	return true
}

func (s *streams) leave(a netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.of[a]--; s.of[a] == 0 {
		delete(s.of, a)
	}
}

// scene is what a live page shows.
type scene interface {
	load(context.Context) error // all of it anew
	take(*model.Boot)           // a boot that changed
	draw() ([]part, error)      // how it is to be seen now
	news() string               // what to say aloud of the changes since the last call
}

// part is an element of the page that is replaced as a whole.
type part struct{ id, html string }

// stream keeps a page up to date by server-sent events, until the browser
// leaves or takes nothing.
//
//	put   elements, each of which takes the place of the one with its id, or
//	      is added to the element that its data-into names
//	only  the ids of all parts: others in the same lists are gone
//	say   a sentence for those who do not see the page
func (c *Console) stream(w http.ResponseWriter, r *http.Request, client netip.Addr, s scene) {
	if foreign(r) {
		text(w, http.StatusForbidden, "Another site's page may not ask for this.")
		return
	}
	if !c.live.enter(client) {
		w.Header().Set("Retry-After", "10")
		text(w, http.StatusServiceUnavailable, "Too many live pages are open.")
		return
	}
	defer c.live.leave(client)
	// What changes while it is read is then not missed.
	boots, stop := c.Boots.Watch()
	defer stop()
	ctx := r.Context()
	if err := s.load(ctx); err != nil {
		c.unable(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	out := &screen{w: w, control: http.NewResponseController(w), sent: map[string]string{}}
	defer out.control.SetWriteDeadline(time.Time{}) // the connection has its own again
	if r.Method == http.MethodHead || out.start() != nil {
		return
	}
	tick := time.NewTicker(c.pace)
	defer tick.Stop()
	changed, missed := true, false
	loaded, wrote := time.Now(), time.Now()
	for {
		if changed {
			parts, err := s.draw()
			if err != nil {
				c.Fault(err)
				return
			}
			n, err := out.show(parts, s.news())
			if err != nil {
				return
			}
			if n > 0 {
				wrote = time.Now()
			}
			changed = false
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return
			case b := <-boots:
				// A channel that was full may have lost some.
				missed = missed || cap(boots) > 1 && len(boots) >= cap(boots)-1
				s.take(b)
				changed = true
			case <-tick.C:
				waiting = false
			}
		}
		if missed && time.Since(loaded) >= reloadTime {
			if s.load(ctx) != nil {
				return
			}
			missed, changed, loaded = false, true, time.Now()
		}
		if time.Since(wrote) >= beatTime {
			if out.write(":\n\n") != nil {
				return
			}
			wrote = time.Now()
		}
	}
}

// screen is what a browser was sent.
type screen struct {
	w       http.ResponseWriter
	control *http.ResponseController
	sent    map[string]string // parts by id
	begun   bool
}

func (s *screen) start() error {
	s.w.WriteHeader(http.StatusOK)
	return s.write("retry: 3000\n\n")
}

// write sends at once. It sets the connection's deadline itself: that of the
// server counts what a client takes in a minute, and a live page may take
// little.
func (s *screen) write(text string) error {
	s.control.SetWriteDeadline(time.Now().Add(takeTime))
	if _, err := io.WriteString(s.w, text); err != nil {
		return err
	}
	return s.control.Flush()
}

// show sends what is not there yet, and gives how many octets that was.
func (s *screen) show(parts []part, news string) (int, error) {
	var put, out strings.Builder
	ids := make([]string, len(parts))
	for i, p := range parts {
		ids[i] = p.id
		if s.sent[p.id] != p.html {
			put.WriteString(p.html)
		}
	}
	first := !s.begun
	s.begun = true
	gone := first
	for id := range s.sent {
		gone = gone || !slices.Contains(ids, id)
	}
	clear(s.sent)
	for _, p := range parts {
		s.sent[p.id] = p.html
	}
	if put.Len() > 0 {
		sendEvent(&out, "put", put.String())
	}
	if gone {
		// Browsers drop an event without data.
		sendEvent(&out, "only", "parts "+strings.Join(ids, " "))
	}
	if news != "" && !first {
		sendEvent(&out, "say", news)
	}
	if out.Len() == 0 {
		return 0, nil
	}
	return out.Len(), s.write(out.String())
}

// sendEvent writes one server-sent event; a line of data may have no end of line
// of any kind in it.
func sendEvent(b *strings.Builder, name, data string) {
	fmt.Fprintf(b, "event: %s\n", name)
	for l := range strings.SplitSeq(strings.ReplaceAll(strings.TrimSpace(data), "\r", "\n"), "\n") {
		fmt.Fprintf(b, "data: %s\n", l)
	}
	b.WriteString("\n")
}

// listScene is the first page of the list.
type listScene struct {
	c      *Console
	filter filter
	boots  []*model.Boot // newest first, without steps
	ended  []string      // what was told since the last news
}

func (c *Console) liveList(w http.ResponseWriter, r *http.Request, client netip.Addr) {
	f := readFilter(r.URL.Query())
	f.Before = ""
	c.stream(w, r, client, &listScene{c: c, filter: f})
}

func (s *listScene) load(ctx context.Context) error {
	got, err := s.c.find(ctx, s.filter)
	s.boots = got.boots
	return err
}

func (s *listScene) take(b *model.Boot) {
	i, had := slices.BinarySearchFunc(s.boots, b.ID, func(have *model.Boot, id string) int { return strings.Compare(id, have.ID) })
	if !s.filter.wants(b) {
		if had {
			s.boots = slices.Delete(s.boots, i, i+1)
		}
		return
	}
	if b.Verdict.Final && (!had || !s.boots[i].Verdict.Final) {
		s.ended = append(s.ended, machineOf(b)+": "+titleOf(&b.Verdict))
	}
	switch {
	case had:
		s.boots[i] = withoutSteps(b)
	case i < pageSize:
		s.boots = slices.Insert(s.boots, i, withoutSteps(b))
		s.boots = s.boots[:min(len(s.boots), pageSize)]
	}
}

func (s *listScene) draw() ([]part, error) {
	var parts []part
	now := s.c.Clock()
	for _, b := range s.boots {
		html, err := s.c.render("line", lineOf(b, now))
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{"boot-" + b.ID, html})
	}
	return parts, nil
}

func (s *listScene) news() string {
	all := s.ended
	s.ended = nil
	if more := len(all) - mostNews; more > 0 {
		return strings.Join(all[:mostNews], ". ") + fmt.Sprintf(". And %d more.", more)
	}
	return strings.Join(all, ". ")
}

// bootScene is a boot's page.
type bootScene struct {
	c     *Console
	id    string
	boot  *model.Boot
	title string // that was said last
}

func (c *Console) liveBoot(w http.ResponseWriter, r *http.Request, client netip.Addr, id string) {
	c.stream(w, r, client, &bootScene{c: c, id: id})
}

func (s *bootScene) load(context.Context) error {
	b, err := s.c.Boots.Show(s.id)
	if err == nil {
		s.boot = b
	}
	return err
}

func (s *bootScene) take(b *model.Boot) {
	if b.ID == s.boot.ID {
		s.boot = b
	}
}

// bootParts are the parts of a boot's page but for its steps, by the names of
// their templates, which are their ids.
var bootParts = [...]string{"verdict", "scale", "why", "machine"}

func (s *bootScene) draw() ([]part, error) {
	p := s.c.bootPageOf(s.boot)
	var parts []part
	for _, name := range bootParts {
		html, err := s.c.render(name, p)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{name, html})
	}
	for i := range p.Steps {
		html, err := s.c.render("step", p.Steps[i])
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{p.Steps[i].ID, html})
	}
	return parts, nil
}

func (s *bootScene) news() string {
	title := titleOf(&s.boot.Verdict)
	if title == s.title {
		return ""
	}
	s.title = title
	return title
}

func (c *Console) render(name string, data any) (string, error) {
	var b bytes.Buffer
	err := c.pages.ExecuteTemplate(&b, name, data)
	return b.String(), err
}
