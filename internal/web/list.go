package web

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/verdict"
)

const (
	pageSize = 50 // boots
	// lookAt bounds how many boots are looked at for one page: who filters for
	// what is rare goes on from there.
	lookAt = 20000
	// maxQuery bounds one value of a filter.
	maxQuery = 255
)

// filter is which boots a person wants to see; the zero filter wants all.
type filter struct {
	Machine string // part of name, MAC address, address or UUID
	Verdict string // code
	Outcome string
	Place   string // part of it
	Before  string // ID: only boots that began before that one
}

func readFilter(q url.Values) filter {
	get := func(key string) string {
		v := strings.TrimSpace(q.Get(key))
		return v[:min(len(v), maxQuery)]
	}
	return filter{get("machine"), get("verdict"), get("outcome"), get("place"), get("before")}
}

// query is the filter as a URL has it, without Before.
func (f filter) query() url.Values {
	q := url.Values{}
	for key, v := range map[string]string{"machine": f.Machine, "verdict": f.Verdict, "outcome": f.Outcome, "place": f.Place} {
		if v != "" {
			q.Set(key, v)
		}
	}
	return q
}

func (f filter) empty() bool { return f == filter{Before: f.Before} }

// wants reports whether a boot is one that the filter lets through, wherever
// it stands in the list.
func (f filter) wants(b *model.Boot) bool {
	return (f.Verdict == "" || b.Verdict.Code == f.Verdict) &&
		(f.Outcome == "" || string(b.Verdict.Outcome) == f.Outcome) &&
		(f.Place == "" || has(b.Place, f.Place)) &&
		(f.Machine == "" || f.machine(b))
}

func (f filter) machine(b *model.Boot) bool {
	if mac, err := model.ParseMAC(f.Machine); err == nil {
		return b.MAC == mac
	}
	return has(b.Name, f.Machine) || has(string(b.MAC), f.Machine) || has(string(b.UUID), f.Machine) ||
		b.Addr.IsValid() && has(b.Addr.String(), f.Machine)
}

// has finds a text in what a machine sent, or in what of that is shown.
func has(s, part string) bool {
	part = strings.ToLower(part)
	return strings.Contains(strings.ToLower(s), part) || strings.Contains(strings.ToLower(escape(s)), part)
}

// found is a page's worth of boots, the newest first.
type found struct {
	boots []*model.Boot
	next  string // filter.Before of the next page; "" if there is none
	cut   bool   // not all were looked at
}

// find looks for the boots of a page.
func (c *Console) find(ctx context.Context, f filter) (found, error) {
	select {
	case c.lists <- struct{}{}:
		defer func() { <-c.lists }()
	case <-ctx.Done():
		return found{}, ctx.Err()
	}
	var all found
	looked := 0
	err := c.Boots.List(func(b *model.Boot) bool {
		if f.Before != "" && b.ID >= f.Before {
			return ctx.Err() == nil
		}
		if !f.wants(b) {
			if looked++; looked >= lookAt {
				all.next, all.cut = b.ID, true
			}
			return !all.cut && ctx.Err() == nil
		}
		if len(all.boots) == pageSize {
			all.next = all.boots[pageSize-1].ID
			return false
		}
		all.boots = append(all.boots, withoutSteps(b))
		return true
	})
	return all, err
}

func withoutSteps(b *model.Boot) *model.Boot {
	c := *b
	c.Steps = nil
	return &c
}

// line is a boot as the list has it.
type line struct {
	ID, Path     string
	Machine, MAC string // MAC is empty where Machine is the same
	Place, Arch  string
	Reached      reached
	Sign         sign
	Title, Text  string
	Start        stamp
	Took         string
}

func lineOf(b *model.Boot, now time.Time) line {
	l := line{
		ID: b.ID, Path: bootPath(b.ID), Machine: machineOf(b), MAC: escape(string(b.MAC)), Place: escape(b.Place), Arch: archOf(b),
		Reached: reachedOf(b.Verdict.Step), Sign: signOf(b.Verdict.Outcome), Title: titleOf(&b.Verdict), Text: escape(b.Verdict.Text),
		Start: stampOf(b.Start, now), Took: lasting(b.Last.Sub(b.Start)),
	}
	if l.MAC == l.Machine {
		l.MAC = ""
	}
	return l
}

func archOf(b *model.Boot) string {
	arch := string(b.Arch)
	if b.Firm == model.FirmwareHTTP {
		arch += ", HTTP boot"
	}
	return escape(arch)
}

// listPage is the page of boots.
type listPage struct {
	frame
	Filter   filter
	Filtered bool
	Outcomes []choice
	Verdicts []choice
	Lines    []line
	Older    string // where the next page is; "" if there is none
	Newest   string // where the first one is; "" on it
	Cut      int    // how many boots were looked at, where that was not all
}

// choice is an entry of a list to choose from.
type choice struct {
	Value, Words string
	Chosen       bool
}

func (c *Console) list(w http.ResponseWriter, r *http.Request, _ netip.Addr) {
	f := readFilter(r.URL.Query())
	got, err := c.find(r.Context(), f)
	if err != nil {
		c.unable(w, err)
		return
	}
	p := listPage{frame: c.frame("Boots", "boots"), Filter: shownFilter(f), Filtered: !f.empty(), Outcomes: outcomes(f.Outcome), Verdicts: codes(f.Verdict)}
	now := c.Clock()
	for _, b := range got.boots {
		p.Lines = append(p.Lines, lineOf(b, now))
	}
	q := f.query()
	if f.Before != "" {
		p.Newest = "/?" + q.Encode()
	} else {
		p.Live = "/live?" + q.Encode()
	}
	if got.next != "" {
		q.Set("before", got.next)
		p.Older = "/?" + q.Encode()
	}
	if got.cut {
		p.Cut = lookAt
	}
	c.page(w, http.StatusOK, "list.html", p)
}

func shownFilter(f filter) filter {
	f.Machine, f.Place = escape(f.Machine), escape(f.Place)
	return f
}

func outcomes(chosen string) []choice {
	all := []choice{{"", "any", false}}
	for _, o := range []model.Outcome{model.OutcomeFailed, model.OutcomeWarning, model.OutcomeOK, model.OutcomeRunning} {
		all = append(all, choice{string(o), signOf(o).Word, string(o) == chosen})
	}
	return all
}

func codes(chosen string) []choice {
	all := []choice{{"", "any", false}}
	for _, e := range verdict.Catalogue() {
		if !e.Note {
			all = append(all, choice{e.Code, e.Title, e.Code == chosen})
		}
	}
	return all
}
