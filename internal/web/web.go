// Package web is the console: pages for people about the boots of this server,
// as they happen. They are rendered here, and whole without JavaScript; a
// small script keeps a page that is open up to date. The console only reads:
// nothing can be changed through it.
//
// Nearly all that it shows was sent by machines that anybody can plug in. Such
// text is escaped twice: what does not print by record.Line, what means
// something in HTML by html/template. Should both fail, the pages' policy lets
// no script run but our own (Content-Security-Policy).
package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hobnail/internal/history"
	"hobnail/internal/model"
	"hobnail/internal/verdict"
)

// Boots is what the console reads: history.Keeper.
type Boots interface {
	List(want func(*model.Boot) bool) error
	Show(id string) (*model.Boot, error)
	Watch() (boots <-chan *model.Boot, stop func())
}

// Options are what a console is made of.
type Options struct {
	Boots  Boots
	Name   func() string    // of the server
	Access func() Access    // of the moment
	Fault  func(error)      // is told what a page could not be made for
	Clock  func() time.Time // for the dates that are left out
}

// Console answers requests for pages.
type Console struct {
	Options
	pages  *template.Template
	assets map[string]asset
	lists  chan struct{} // a place for each list that is made at a time
	live   streams
	pace   time.Duration // of a live page
}

// listsAtOnce bounds what all who look can cost the boots.
const listsAtOnce = 2

//go:embed page
var files embed.FS

// New makes a console.
func New(o Options) *Console {
	c := &Console{Options: o, lists: make(chan struct{}, listsAtOnce), pace: time.Second}
	c.live.most, c.live.mostOfOne = maxStreams, maxStreamsOfOne
	c.pages = template.Must(template.New("").ParseFS(files, "page/*.html"))
	c.assets = readAssets()
	return c
}

// Answer answers what is the console's, for those who may see it. For all else
// it reports false, and has written nothing: to others there is no console.
// It has the form of httpserve.Server.Console.
func (c *Console) Answer(w http.ResponseWriter, r *http.Request, path string, client, local netip.Addr) bool {
	show := c.route(path)
	if show == nil {
		return false
	}
	access := c.Access()
	if !access.Allows(client, local) {
		return false
	}
	guard(w.Header())
	if !access.Called(r.Host) {
		text(w, http.StatusMisdirectedRequest, "This server does not know that it is called so. Open the console by an IP address or as localhost, or add the name to console_names of [server].")
		return true
	}
	show(w, r, client)
	return true
}

type handler func(w http.ResponseWriter, r *http.Request, client netip.Addr)

// route finds what answers a path; nil for what is not the console's.
func (c *Console) route(path string) handler {
	switch path {
	case "/":
		return c.list
	case "/live":
		return c.liveList
	case "/verdicts":
		return c.verdicts
	}
	if a, ok := c.assets[path]; ok {
		return a.serve
	}
	id, ok := strings.CutPrefix(path, "/boots/")
	if !ok {
		return nil
	}
	id, isLive := strings.CutSuffix(id, "/live")
	switch {
	case id == "" || strings.Contains(id, "/"):
		return nil
	case isLive:
		return func(w http.ResponseWriter, r *http.Request, client netip.Addr) { c.liveBoot(w, r, client, id) }
	}
	return func(w http.ResponseWriter, r *http.Request, _ netip.Addr) { c.boot(w, r, id) }
}

// guard sets what keeps a browser from doing harm with a page.
func guard(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // frame-ancestors, for old browsers
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

func text(w http.ResponseWriter, status int, line string) {
	body(w, status, "text/plain; charset=utf-8", []byte(line+"\n"))
}

func body(w http.ResponseWriter, status int, contentType string, b []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b)
}

// frame is what every page has.
type frame struct {
	Title  string
	Server string
	Here   string // the entry of the navigation that the page is; "" for none
	Live   string // where its changes come from; "" of one that does not change
	Zone   string // of the times
}

func (c *Console) frame(title, here string) frame {
	return frame{Title: title, Server: escape(c.Name()), Here: here, Zone: c.Clock().Format("MST")}
}

// page renders a page whole before anything of it is sent.
func (c *Console) page(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := c.pages.ExecuteTemplate(&b, name, data); err != nil {
		c.Fault(err)
		text(w, http.StatusInternalServerError, "The page could not be made; the server's log says why.")
		return
	}
	body(w, status, "text/html; charset=utf-8", b.Bytes())
}

// messagePage says why there is nothing to see.
type messagePage struct {
	frame
	Text string
}

// unable answers where boots could not be read.
func (c *Console) unable(w http.ResponseWriter, err error) {
	if errors.Is(err, context.Canceled) {
		return // nobody waits for an answer
	}
	if errors.Is(err, history.ErrNotFound) {
		c.page(w, http.StatusNotFound, "message.html", messagePage{c.frame("No such boot", ""),
			"There is no boot with that ID, or several begin so. Old boots are not kept for ever."})
		return
	}
	c.Fault(err)
	c.page(w, http.StatusInternalServerError, "message.html", messagePage{c.frame("Boots cannot be read", ""),
		"The boots that were kept cannot be read; the server's log says why."})
}

// verdictsPage is the catalogue.
type verdictsPage struct {
	frame
	Verdicts, Notes []entry
}

type entry struct {
	verdict.Entry
	Sign sign
}

func (c *Console) verdicts(w http.ResponseWriter, r *http.Request, _ netip.Addr) {
	p := verdictsPage{frame: c.frame("Verdicts", "verdicts")}
	for _, e := range verdict.Catalogue() {
		if e.Note {
			p.Notes = append(p.Notes, entry{e, signOf(e.Outcome)})
			continue
		}
		p.Verdicts = append(p.Verdicts, entry{e, signOf(e.Outcome)})
	}
	c.page(w, http.StatusOK, "verdicts.html", p)
}

// asset is a file that pages are made of.
type asset struct {
	contentType, etag string
	content           []byte
}

func (a asset) serve(w http.ResponseWriter, r *http.Request, _ netip.Addr) {
	w.Header().Set("Cache-Control", "no-cache") // asked for again, and answered 304
	w.Header().Set("ETag", a.etag)
	w.Header().Set("Content-Type", a.contentType)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}

// bootPath is where a boot's page is.
func bootPath(id string) string { return "/boots/" + url.PathEscape(id) }
