//go:build lab

package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A failure is a boot that goes wrong in one way, or one that goes well and
// could be taken for a failure, and the verdict that it has to get.
type failure struct {
	name string
	// play builds the network and has the machine boot. It returns when no
	// more comes of the machine.
	play   func(*scene)
	code   string
	detail string // not looked at where empty
	says   string // regular expression that text, cause, remedy or a note has to match
	// captured is the verdict of a capture, where that can see less than the
	// server; as code or code/detail.
	captured string
}

// healthy reports whether a row is one that goes well.
func (f failure) healthy() bool { return f.code == "booted" || f.code == "handed-over" }

// scene is what a row's play works with.
type scene struct {
	*Lab
	t      TB
	lan    *Link
	srv    *Server
	record *Capture // of the link that the server is on; nil: none was made
	mac    string   // the machine's; empty where the server never learns it
}

// use takes what a network function has built.
func (s *scene) use(n network, conf string) { s.srv, s.record = n(s.Lab, s.lan, conf) }

// rom plays the machine on the machines' link.
func (s *scene) rom(kind romKind) *rom { return s.another("machine", kind, machineMAC) }

// another plays a machine with another name and address.
func (s *scene) another(name string, kind romKind, mac string) *rom {
	s.t.Helper()
	return s.Host(name, s.lan, "10.77.2.240/24", "").rom(kind, mac)
}

// host finds a host that was made.
func (s *scene) host(name string) *Host {
	return &Host{Name: name, lab: s.Lab, ns: netns(s.id + "-" + name)}
}

// drop has a host throw away what it forwards, hears (input) or sends (output),
// as far as it matches.
func (h *Host) drop(hook, match string) {
	h.lab.t.Helper()
	family := "ip"
	h.Run("nft", fmt.Sprintf("add table %s lab; add chain %s lab %s { type filter hook %s priority 0; }; add rule %s lab %s %s drop",
		family, family, hook, hook, family, hook, match))
}

// drop has a link's switch throw away what matches.
func (k *Link) drop(match string) {
	k.lab.t.Helper()
	h := &Host{Name: k.Name, lab: k.lab, ns: k.ns}
	h.Run("nft", "add table bridge lab; add chain bridge lab forward { type filter hook forward priority 0; }; add rule bridge lab forward "+match+" drop")
}

// powerOn switches a real machine on, as soon as there is a place for it, and
// waits until its console shows what it has to; then it is switched off.
func (s *scene) powerOn(kind Kind, shows ...string) {
	s.t.Helper()
	m, leave := s.machine(kind)
	for _, pattern := range shows {
		m.Expect(pattern)
	}
	m.Stop()
	leave()
}

func (s *scene) machine(kind Kind) (m *Machine, leave func()) {
	s.t.Helper()
	leave = Slot(s.t)
	return s.Machine(kind, s.lan, MachineOpts{MAC: machineMAC}), leave
}

// newest is the server's newest boot of the machine.
func (s *scene) newest() (Boot, bool) {
	s.t.Helper()
	for _, b := range s.srv.Boots() {
		if s.mac == "" || b.MAC == s.mac {
			return b, true
		}
	}
	return Boot{}, false
}

// certain is how long a verdict may take to be certain: a server gives up a
// client after 30 s, and a kernel has five minutes.
const certain = 345 * time.Second

// judged waits until the verdict is certain.
func (s *scene) judged() Boot {
	s.t.Helper()
	var b Boot
	end := time.Now().Add(certain)
	for {
		var ok bool
		if b, ok = s.newest(); ok && b.Verdict.Final || time.Now().After(end) {
			break
		}
		time.Sleep(2 * time.Second)
	}
	if b.ID == "" {
		s.t.Fatalf("the server has no boot of %s; it wrote last:\n%s", s.mac, lastLines(s.srv.Output(), 15))
	}
	return s.srv.Boot(b.ID)
}

// right says whether a verdict is the row's, and if not what is wrong.
func (f failure) right(v Verdict) (fault string) {
	want := f.code
	if f.detail != "" {
		want += "/" + f.detail
	}
	all := strings.Join([]string{v.Text, v.Cause, v.Remedy}, "\n")
	for _, n := range v.Notes {
		all += "\n" + n.Code + ": " + n.Text
	}
	switch {
	case v.Code != f.code || f.detail != "" && v.Detail != f.detail:
		return fmt.Sprintf("want %s, got %s", want, v)
	case !v.Final:
		return "is not certain: " + v.String()
	case f.says != "" && !regexp.MustCompile("(?s)"+f.says).MatchString(all):
		return fmt.Sprintf("says nothing of %q: %s", f.says, all)
	case f.healthy() && v.Outcome != "ok":
		return fmt.Sprintf("a healthy boot has outcome %s: %s", v.Outcome, v)
	}
	return ""
}

// explained compares with the verdict of the capture. It gives "" where they
// agree, or where there is nothing to compare.
func (f failure) explained(s *scene, live Verdict) (fault string) {
	if s.record == nil {
		return ""
	}
	b, ok := explain(s.t, s.record.Path, s.mac)
	want := live.Code
	if f.captured != "" {
		want = f.captured
	}
	switch {
	case !ok:
		return "the capture shows no boot of the machine"
	case b.Verdict.Code != want && b.Verdict.Code+"/"+b.Verdict.Detail != want:
		return fmt.Sprintf("the capture's verdict is %s, the server's %s", b.Verdict, live)
	}
	return ""
}

// explain has hobnail read a capture, and gives the newest boot of a machine,
// or of any where mac is empty.
func explain(t TB, path, mac string) (Boot, bool) {
	t.Helper()
	out, err := exec.Command(hobnailBinary(t), "explain", "--json", path).CombinedOutput()
	if err != nil {
		t.Fatalf("hobnail explain %s: %v: %s", path, err, out)
	}
	var all struct{ Boots []Boot }
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatalf("hobnail explain --json: %v: %s", err, out)
	}
	var newest Boot
	for _, b := range all.Boots {
		if (mac == "" || b.MAC == mac) && (newest.ID == "" || b.ID >= newest.ID) {
			newest = b
		}
	}
	return newest, newest.ID != ""
}

// result is what came of a row.
type result struct {
	err     error // the scene itself went wrong
	boot    Boot
	fault   string // of the verdict
	capture string // of that of the capture
	log     strings.Builder
	took    time.Duration
}

// wrong says what is wrong with a row, "" for nothing.
func (r *result) wrong() string {
	switch {
	case r.fault != "":
		return "; WRONG: " + r.fault
	case r.capture != "":
		return "; WRONG: " + r.capture
	case r.err != nil:
		return "; it could not be played"
	}
	return ""
}

// sideBySide is how many rows are played at once: most of the time they wait.
const sideBySide = 14

// TestVerdicts plays the table and counts how many boots get the right verdict.
// HOBNAIL_ROWS chooses rows by a regular expression.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	only := regexp.MustCompile(os.Getenv("HOBNAIL_ROWS"))
	results := map[string]*result{}
	places := make(chan bool, sideBySide)
	var wait sync.WaitGroup
	var rows []failure
	for _, f := range failures() {
		if !only.MatchString(f.name) {
			continue
		}
		rows = append(rows, f)
		r := &result{}
		results[f.name] = r
		wait.Go(func() {
			places <- true
			defer func() { <-places }()
			start := time.Now()
			r.err = Play(t.Name()+"-"+f.name, &r.log, func(tb TB) { f.run(tb, r) })
			r.took = time.Since(start).Round(time.Second)
			t.Logf("%s: %v, %s%s", f.name, r.took, r.boot.Verdict, r.wrong())
		})
	}
	wait.Wait()
	right := 0
	for _, f := range rows {
		r := results[f.name]
		t.Run(f.name, func(t *testing.T) {
			if fault := r.wrong(); fault != "" {
				t.Errorf("%s%s\n%s", fault, timeline(r.boot), r.log.String())
				return
			}
			right++
		})
	}
	healthy := 0
	for _, f := range rows {
		if f.healthy() {
			healthy++
		}
	}
	t.Logf("verdicts: right %d of %d (%d failures, %d healthy boots)", right, len(rows), len(rows)-healthy, healthy)
	if right < len(rows) {
		t.Fail()
	}
}

func (f failure) run(tb TB, r *result) {
	l := New(tb)
	s := &scene{Lab: l, t: tb, lan: l.Link("lan"), mac: machineMAC}
	f.play(s)
	r.boot = s.judged()
	if r.fault = f.right(r.boot.Verdict); r.fault == "" {
		r.capture = f.explained(s, r.boot.Verdict)
	}
	if r.fault != "" || r.capture != "" {
		tb.Fatalf("the verdict is wrong")
	}
}

// timeline is a boot's record for a person.
func timeline(b Boot) string {
	var lines strings.Builder
	for _, e := range b.Events {
		fmt.Fprintf(&lines, "\n    %s %s %s", e.Kind, e.Why, e.Words)
	}
	return lines.String()
}
