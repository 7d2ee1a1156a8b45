package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/verdict"
)

// bootPage is all that is known of one boot.
type bootPage struct {
	frame
	Line    line
	Verdict verdictView
	Machine []field
	Scale   scale
	Why     []decision
	Steps   []stepView
	Left    int // steps that were not kept
}

// verdictView is a verdict as a person reads it.
type verdictView struct {
	Sign                      sign
	Title, Code, Detail, Text string
	Cause, Remedy, Who        string
	Reached                   reached
	Final                     bool
	Evidence                  []evidence
	Notes                     []note
	Took                      string
	Known                     bool // the code has an entry in the catalogue
}

type evidence struct {
	At, Text string
	Frame    int
}

type note struct{ Code, Title, Text string }

// decision is what this server decided, and why.
type decision struct {
	What    []string // the steps in which it did so: "OFFER at +3 ms"
	Target  string
	Loader  string
	Style   string
	Reasons []reason
	key     string
}

// reason is one reason of a decision, and the place that it comes from.
type reason struct{ Rule, Text, At string }

// stepView is one step of the timeline.
type stepView struct {
	ID      string // of its element: sorts as the steps do
	At      string
	Words   string
	Class   string
	Mark    mark
	Fields  []field
	Reasons []reason
}

func (c *Console) boot(w http.ResponseWriter, r *http.Request, id string) {
	b, err := c.Boots.Show(id)
	if err != nil {
		c.unable(w, err)
		return
	}
	p := c.bootPageOf(b)
	if !b.Ended {
		p.Live = bootPath(b.ID) + "/live"
	}
	c.page(w, http.StatusOK, "boot.html", p)
}

func (c *Console) bootPageOf(b *model.Boot) bootPage {
	now := c.Clock()
	s := spanOf(b)
	p := bootPage{
		frame: c.frame(machineOf(b)+": "+titleOf(&b.Verdict), ""), Line: lineOf(b, now), Verdict: verdictOf(b),
		Machine: machineFields(b, now), Scale: scaleOf(b, s), Why: decisions(b), Left: b.Left,
	}
	for i := range b.Steps {
		st := &b.Steps[i]
		v := stepView{
			ID: fmt.Sprintf("step-%05d", i+1), At: after(st.Time.Sub(b.Start)), Words: escape(verdict.Describe(st)),
			Class: stepClass(st), Mark: s.mark(st), Fields: fieldsOf(st),
		}
		if st.DHCP != nil {
			v.Reasons = reasonsOf(st.DHCP.Reasons)
		}
		p.Steps = append(p.Steps, v)
	}
	return p
}

// after is a moment of a boot, from its beginning.
func after(d time.Duration) string { return fmt.Sprintf("+%.3f s", max(0, d).Seconds()) }

func verdictOf(b *model.Boot) verdictView {
	v := &b.Verdict
	_, known := verdict.Lookup(v.Code)
	view := verdictView{
		Sign: signOf(v.Outcome), Title: titleOf(v), Code: escape(v.Code), Detail: escape(v.Detail), Text: escape(v.Text),
		Cause: escape(v.Cause), Remedy: escape(v.Remedy), Who: whoOf(v.Who), Reached: reachedOf(v.Step), Final: v.Final,
		Took: lasting(b.Last.Sub(b.Start)), Known: known,
	}
	for _, e := range v.Evidence {
		view.Evidence = append(view.Evidence, evidence{after(e.Time.Sub(b.Start)), escape(e.Text), e.Frame})
	}
	for _, n := range v.Notes {
		title := escape(n.Code)
		if e, ok := verdict.Lookup(n.Code); ok {
			title = e.Title
		}
		view.Notes = append(view.Notes, note{escape(n.Code), title, escape(n.Text)})
	}
	return view
}

// machineFields is who booted, where and when.
func machineFields(b *model.Boot, now time.Time) []field {
	var all []field
	add := func(name, value string) {
		if value != "" {
			all = append(all, field{name, escape(value)})
		}
	}
	add("name", b.Name)
	add("MAC address", string(b.MAC))
	add("UUID", string(b.UUID))
	if b.Addr.IsValid() {
		add("address", b.Addr.String())
	}
	add("place", b.Place)
	add("architecture", string(b.Arch))
	add("firmware", string(b.Firm))
	add("model", b.Model)
	in := now.Location()
	add("began", b.Start.In(in).Format("2006-01-02 15:04:05 MST"))
	add("last heard of", b.Last.In(in).Format("2006-01-02 15:04:05 MST"))
	add("boot", b.ID)
	return all
}

// decisions collects the reasons of what this server sent; answers that follow
// each other for the same reasons stand together.
func decisions(b *model.Boot) []decision {
	var all []decision
	for i := range b.Steps {
		s := &b.Steps[i]
		d := s.DHCP
		if d == nil || !s.Ours {
			continue
		}
		lines := d.Reasons
		if s.Kind == model.StepSilent && len(lines) == 0 && s.Text != "" {
			lines = []string{s.Text}
		}
		if len(lines) == 0 {
			continue
		}
		next := decision{
			What: []string{kindWords(s.Kind) + " at " + after(s.Time.Sub(b.Start))}, Target: escape(d.Target), Loader: escape(d.Loader),
			Style: escape(d.Style), Reasons: reasonsOf(lines), key: strings.Join(append(slices.Clone(lines), d.Target, d.Loader, d.Style), "\x00"),
		}
		if n := len(all); n > 0 && all[n-1].key == next.key {
			all[n-1].What = append(all[n-1].What, next.What...)
			continue
		}
		all = append(all, next)
	}
	return all
}

// kindWords names what was sent.
func kindWords(k model.StepKind) string {
	switch k {
	case model.StepOffer:
		return "OFFER"
	case model.StepAck:
		return "ACK"
	case model.StepNak:
		return "NAK"
	case model.StepTold:
		return "answer on port 4011"
	case model.StepSilent:
		return "no answer"
	}
	return string(k)
}

// reasonsOf takes "rule: text (hobnail.toml:31)" apart.
func reasonsOf(lines []string) []reason {
	var all []reason
	for _, l := range lines {
		var r reason
		r.Text = l
		if i := strings.LastIndex(l, " ("); i >= 0 && strings.HasSuffix(l, ")") {
			r.Text, r.At = l[:i], l[i+2:len(l)-1]
		}
		if rule, text, ok := strings.Cut(r.Text, ": "); ok && !strings.Contains(rule, " ") {
			r.Rule, r.Text = rule, text
		}
		all = append(all, reason{escape(r.Rule), escape(r.Text), escape(r.At)})
	}
	return all
}
