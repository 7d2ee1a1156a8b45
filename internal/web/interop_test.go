//go:build interop

package web

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/verdict"
	"hobnail/internal/wire/wiretest"
)

// TestInterop looks at the pages with a real browser, one for all of it: it
// takes a while to start.
func TestInterop(t *testing.T) {
	b := startBrowser(t)
	for _, tc := range []struct {
		name string
		run  func(*testing.T, *browser)
	}{
		{"looks", looksInBrowser},
		{"faults are found", faultsAreFoundInBrowser},
		{"hostile strings", hostileStringsInBrowser},
		{"scripts would be seen", scriptsWouldBeSeenInBrowser},
		{"live", liveInBrowser},
		{"pause", pauseInBrowser},
		{"without scripts", withoutScriptsInBrowser},
		{"keyboard", keyboardInBrowser},
		{"scale", scaleInBrowser},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, b) })
	}
}

// looksInBrowser checks in a browser what cannot be seen in the HTML, on a
// desk and on a phone, by day and by night: that nothing is wider than the
// window, that text can be told from its ground, that what can be used has a
// name, and that the page does nothing it should not.
func looksInBrowser(t *testing.T, b *browser) {
	boots := demo()
	for _, h := range wiretest.HostileStrings(t)[3:5] { // 255 octets without a gap
		boots = append(boots, hostileBoot(string(h.Text)))
	}
	base := serve(t, console(t, newKeeper(boots...)))
	pages := map[string]string{
		"list": "/", "failed": bootPath(boots[3].ID), "booted": bootPath(boots[1].ID), "running": bootPath(boots[0].ID), "verdicts": "/verdicts",
		"nothing": "/?machine=nobody", "missing": "/boots/unknown", "hostile": bootPath(boots[len(boots)-1].ID),
	}
	for _, w := range []struct {
		name          string
		width, height int
		night         bool
	}{
		{"desk by day", 1280, 900, false}, {"desk by night", 1280, 900, true}, {"tablet by day", 768, 1024, false},
		{"phone by day", 320, 640, false}, {"phone by night", 320, 640, true},
	} {
		t.Run(w.name, func(t *testing.T) {
			p := b.open(t)
			p.size(w.width, w.height)
			p.dark(w.night)
			for name, path := range pages {
				p.visit(base + path)
				if name == "failed" {
					p.eval("document.querySelectorAll('details')[1].open = true", nil)
				}
				for _, fault := range p.faults() {
					t.Errorf("%s: %s", name, fault)
				}
				p.shot(name + " " + w.name)
				if name != "missing" { // browsers log a 404
					p.quiet()
				}
				p.forget()
			}
		})
	}
}

// faults is what is wrong with the page as the browser shows it.
func (p *tab) faults() (all []string) {
	p.t.Helper()
	p.eval(lookAround, &all)
	var tree struct {
		Nodes []struct {
			Ignored    bool
			Role, Name struct{ Value any }
		}
	}
	p.call("Accessibility.getFullAXTree", nil, &tree)
	for _, n := range tree.Nodes {
		switch n.Role.Value {
		case "link", "button", "textbox", "combobox", "searchbox", "navigation", "region", "image", "img":
			if s, _ := n.Name.Value.(string); !n.Ignored && strings.TrimSpace(s) == "" {
				all = append(all, fmt.Sprintf("a %v has no name", n.Role.Value))
			}
		}
	}
	return all
}

// lookAround is the checks that run in the page.
const lookAround = `(() => {
  const faults = [];
  const visible = e => e.checkVisibility() && !e.closest(".aside, .skip");
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    const wide = [...document.querySelectorAll("body *")].filter(e => visible(e) && e.getBoundingClientRect().right > root.clientWidth + 1);
    faults.push("the page is " + root.scrollWidth + " wide in a window of " + root.clientWidth + ": " + wide.slice(-3).map(e => e.outerHTML.slice(0, 80)).join(" | "));
  }
  if (!root.lang) faults.push("no language");
  if (!document.title) faults.push("no title");
  for (const what of ["main", "header", "footer", "nav", "h1"])
    if (!document.querySelector(what)) faults.push("no " + what);
  if (document.querySelectorAll("main").length + document.querySelectorAll("h1").length != 2) faults.push("more than one main or h1");
  let level = 0;
  for (const h of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const n = +h.tagName[1];
    if (n > level + 1) faults.push("heading of level " + n + " after one of level " + level + ": " + h.textContent);
    level = n;
  }
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  ids.forEach((id, i) => { if (ids.indexOf(id) != i) faults.push("two elements have the id " + id); });
  for (const e of document.querySelectorAll("[aria-labelledby]"))
    if (!document.getElementById(e.getAttribute("aria-labelledby"))) faults.push("no label " + e.getAttribute("aria-labelledby"));
  for (const e of document.querySelectorAll("input, select"))
    if (!e.labels.length) faults.push("no label for " + e.name);
  for (const e of document.querySelectorAll("ol > *, ul > *"))
    if (e.tagName != "LI") faults.push("a list has a " + e.tagName);
  for (const e of document.querySelectorAll("button, input, select, nav a, .boots a, summary")) {
    const r = e.getBoundingClientRect();
    if (visible(e) && (r.height < 20 || r.width < 20)) faults.push("too small to hit: " + e.outerHTML.slice(0, 80));
  }
  const parse = c => { const m = c.match(/[\d.]+/g).map(Number); return { rgb: m.slice(0, 3), a: m.length > 3 ? m[3] : 1 }; };
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.a == 1) return c.rgb; } return [255, 255, 255]; };
  const light = rgb => { const [r, g, b] = rgb.map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
  const seen = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !visible(e) || e.tagName == "OPTION") continue;
    const style = getComputedStyle(e);
    const colour = parse(e.namespaceURI.endsWith("svg") ? style.fill : style.color).rgb;
    const is = contrast(colour, ground(e));
    const key = e.tagName + "." + e.className + colour;
    if (is < 4.5 && !seen.has(key)) faults.push("contrast " + is.toFixed(2) + " of " + e.outerHTML.slice(0, 100));
    seen.add(key);
  }
  for (const e of document.querySelectorAll("input, select, button, svg rect, .sign")) {
    if (!visible(e)) continue;
    const style = getComputedStyle(e);
    const part = e.matches("rect") ? style.fill : e.matches(".sign") ? style.backgroundColor : style.borderTopColor;
    if (e.matches(".steps rect:not(.done)")) continue; // says nothing that the figure beside it does not
    const is = contrast(parse(part).rgb, ground(e.parentElement));
    if (is < 3 && !seen.has(e.className + part)) faults.push("contrast " + is.toFixed(2) + " of the edge of " + e.outerHTML.slice(0, 80));
    seen.add(e.className + part);
  }
  return faults;
})()`

// faultsAreFoundInBrowser: the checks above find what they are there for.
func faultsAreFoundInBrowser(t *testing.T, b *browser) {
	p := b.open(t)
	p.size(320, 640)
	page := `<!DOCTYPE html><meta name="viewport" content="width=device-width"><title>x</title><h1>x</h1><h3>y</h3><p style="color:#999">pale<div style="width:900px">wide</div><input name="n"><a href="/"></a>`
	p.visit("data:text/html," + url.PathEscape(page))
	got := strings.Join(p.faults(), "\n")
	for _, want := range []string{"the page is 9", "no language", "no main", "heading of level 3 after one of level 1", "no label for n", "contrast 2.85", "a link has no name"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q was not found; found:\n%s", want, got)
		}
	}
}

// hostileStringsInBrowser: each string is to be read in the page as text,
// in the list, in the boot and in the live part, and none of them runs.
func hostileStringsInBrowser(t *testing.T, b *browser) {
	for _, h := range wiretest.HostileStrings(t) {
		t.Run(h.Name, func(t *testing.T) {
			text := string(h.Text)
			boot := hostileBoot(text)
			k := newKeeper()
			base := serve(t, console(t, k))
			p := b.open(t)
			p.visit(base + "/")
			p.until("document.getElementById('live').textContent == 'Live'")
			k.set(boot) // comes by the live part
			p.until("document.querySelector('#boots li')")
			p.reads(text, "the live part")
			p.visit(base + "/?machine=" + url.QueryEscape("52:54:00:00:00:66"))
			p.reads(text, "the list")
			p.visit(base + bootPath(boot.ID))
			p.reads(text, "the boot")
			var fields string
			p.eval("document.getElementById('steps').textContent", &fields)
			for what, count := range map[string]int{"vendor": 1, "hostname": 1, "file": 2, "signer": 1} {
				if text != "" && strings.Count(fields, escape(text)) < count {
					t.Errorf("%s is not among the fields", what)
				}
			}
			p.quiet()
		})
	}
}

// reads fails unless a text can be read in the page and did nothing there.
func (p *tab) reads(text, where string) {
	p.t.Helper()
	if got := p.text("document.querySelector('main').textContent"); !strings.Contains(squeeze(got), squeeze(escape(text))) {
		p.t.Errorf("%s does not show %q", where, escape(text))
	}
	var ours []string
	p.eval(`[...document.querySelectorAll("script")].map(s => s.getAttribute("src")).concat([...document.querySelectorAll("img, iframe, object, [onerror], [onmouseover]")].map(e => e.outerHTML))`, &ours)
	for _, s := range ours {
		if s != "/console/live.js" {
			p.t.Errorf("%s has %s", where, s)
		}
	}
	if got := p.text("String(window.ran) + document.title.includes('ran')"); got != "undefinedfalse" {
		p.t.Errorf("%s: a script ran: %s", where, got)
	}
	p.quiet()
}

// squeeze takes runs of blanks as one, as browsers show them.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// scriptsWouldBeSeenInBrowser: if text became HTML, the policy would still
// keep it from running, and the tests above would tell.
func scriptsWouldBeSeenInBrowser(t *testing.T, b *browser) {
	k := newKeeper(demo()...)
	base := serve(t, console(t, k))
	p := b.open(t)
	p.visit(base + "/")
	p.eval(`document.querySelector("main").insertAdjacentHTML("beforeend", "<img src=x onerror='window.ran = 1'><script>window.ran = 1</script>")`, nil)
	p.until("document.querySelector('img').complete")
	if got := p.text("String(window.ran)"); got != "undefined" {
		t.Errorf("the policy let a script run: %s", got)
	}
	p.until("true")
	p.mu.Lock()
	defer p.mu.Unlock()
	if !strings.Contains(strings.Join(p.alarms, "\n"), "Content Security Policy") {
		t.Errorf("the browser reported %q, want a violation of the policy", p.alarms)
	}
}

// liveInBrowser: what happens is seen without a reload, in the list and in
// a boot's page, and said aloud; what is open stays open.
func liveInBrowser(t *testing.T, b *browser) {
	boots := demo()
	k := newKeeper(boots...)
	base := serve(t, console(t, k))
	p := b.open(t)
	p.visit(base + "/")
	p.eval("window.same = true", nil) // a reload would lose it
	p.until("document.getElementById('live').textContent == 'Live'")
	fresh := begin(0, "52:54:00:99:99:99", "new-one", "10.77.2.1", "uefi-x64").discover(0, "firmware", 1)
	k.set(copied(fresh.done(false)))
	p.until("document.querySelector('#boots li:first-child').textContent.includes('new-one')")
	p.eval("document.querySelector('#boots li:first-child a').focus()", nil)
	fresh.offer(time.Millisecond, "10.77.1.2", "", "m/x/uefi-x64/shimx64.efi")
	k.set(copied(fresh.done(true)))
	title := entryTitle(t, fresh.b.Verdict.Code)
	p.until(fmt.Sprintf("document.querySelector('#boots li:first-child').textContent.includes(%q)", title))
	p.until(fmt.Sprintf("document.getElementById('news').textContent.includes(%q)", "new-one: "+title))
	if got := p.text("document.activeElement.closest('li')?.id"); got != "boot-"+fresh.b.ID {
		t.Errorf("the focus went to %q", got)
	}
	var n int
	if p.eval("document.querySelectorAll('#boots li').length", &n); n != len(boots)+1 {
		t.Errorf("%d boots, want %d", n, len(boots)+1)
	}
	p.until("window.same")

	running := boots[0]
	p.visit(base + bootPath(running.ID))
	p.eval("window.same = true; document.querySelectorAll('details')[1].open = true; document.querySelectorAll('summary')[2].focus()", nil)
	p.until("document.getElementById('live').textContent == 'Live'")
	s := &story{b: copied(running), at: running.Last}
	s.file(time.Second, model.StepRead, "http", "img/debian-12/linux", 8105792, time.Second)
	k.set(s.done(false))
	p.until(fmt.Sprintf("document.querySelectorAll('#steps > li').length == %d", len(s.b.Steps)))
	p.until("document.getElementById('verdict').textContent.includes('kernel')")
	p.until("window.same && document.querySelectorAll('details')[1].open")
	if got := p.text("document.activeElement.closest('li')?.id"); got != "step-00003" {
		t.Errorf("the focus went to %q", got)
	}
	p.quiet()
}

func copied(b *model.Boot) *model.Boot {
	c := *b
	c.Steps = append([]model.Step(nil), b.Steps...)
	return &c
}

func entryTitle(t *testing.T, code string) string {
	t.Helper()
	e, ok := verdict.Lookup(code)
	if !ok {
		t.Fatalf("there is no verdict %s", code)
	}
	return e.Title
}

// pauseInBrowser: who reads can hold the page still, by the keyboard alone.
func pauseInBrowser(t *testing.T, b *browser) {
	k := newKeeper(demo()...)
	base := serve(t, console(t, k))
	p := b.open(t)
	p.visit(base + "/")
	p.until("document.getElementById('live').textContent == 'Live'")
	p.eval("document.getElementById('pause').focus()", nil)
	p.key("Enter", 13)
	p.until("document.getElementById('live').textContent == 'Paused' && document.getElementById('pause').getAttribute('aria-pressed') == 'true'")
	deadline := time.Now().Add(patience)
	for k.watchers() > 0 {
		if time.Now().After(deadline) {
			t.Fatal("the stream goes on")
		}
		time.Sleep(10 * time.Millisecond)
	}
	k.set(begin(0, "52:54:00:99:99:99", "meanwhile", "eth0", "bios").discover(0, "firmware", 1).done(true))
	if strings.Contains(p.text("document.body.textContent"), "meanwhile") {
		t.Error("the page went on")
	}
	p.key("Enter", 13)
	p.until("document.getElementById('boots').textContent.includes('meanwhile')") // what was missed is made up for
	p.quiet()
}

// withoutScriptsInBrowser: everything but the live part works.
func withoutScriptsInBrowser(t *testing.T, b *browser) {
	boots := append(demo(), many(60)...)
	base := serve(t, console(t, newKeeper(boots...)))
	p := b.open(t)
	p.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	p.visit(base + "/")
	if got := p.text("document.getElementById('live').textContent"); got != "As of when it was loaded" {
		t.Errorf("the page says %q", got)
	}
	p.eval("document.getElementById('f-machine').value = 'lab-0'; document.getElementById('f-outcome').value = 'ok'; document.getElementById('f-machine').focus()", nil)
	p.key("Enter", 13)
	p.waitLoad()
	var names []string
	p.eval("[...document.querySelectorAll('#boots .machine b')].map(e => e.textContent)", &names)
	if got := strings.Join(names, " "); got != "lab-07 lab-01 lab-02 lab-04" {
		t.Errorf("the filter let through %s", got)
	}
	if got := p.text("document.getElementById('f-machine').value + document.getElementById('f-outcome').value"); got != "lab-0ok" {
		t.Errorf("the form forgot what was asked: %s", got)
	}
	p.visit(base + "/")
	p.eval("document.querySelector('nav.pages a[rel=next]').click()", nil)
	p.waitLoad()
	var n int
	if p.eval("document.querySelectorAll('#boots li').length", &n); n != len(boots)-pageSize {
		t.Errorf("the second page has %d boots, want %d", n, len(boots)-pageSize)
	}
	p.eval("document.querySelector('#boots a').click()", nil)
	p.waitLoad()
	p.eval("document.querySelector('summary').click()", nil)
	p.until("document.querySelector('details').open && document.querySelector('.fields').innerText.includes('0x1a2b3c4d')")
	p.quiet()
}

// keyboardInBrowser: the tabulator comes by everything that can be used, and
// one sees where it is.
func keyboardInBrowser(t *testing.T, b *browser) {
	boots := demo()
	base := serve(t, console(t, newKeeper(boots...)))
	p := b.open(t)
	for _, path := range []string{"/", bootPath(boots[1].ID)} {
		p.visit(base + path)
		var stops, want []string
		p.eval(`[...document.querySelectorAll("a, button, input, select, summary")].filter(e => !e.hidden).map((e, i) => e.stop = String(i))`, &want)
		for range want {
			p.key("Tab", 9)
			var at struct {
				Stop    string
				Visible bool
			}
			p.eval(`(() => { const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
				return {stop: e.stop ?? e.tagName, visible: s.outlineStyle != "none" && parseFloat(s.outlineWidth) >= 2 && r.right > 0 && r.bottom > 0}; })()`, &at)
			stops = append(stops, at.Stop)
			if !at.Visible {
				t.Errorf("%s: nobody sees that the focus is at %s", path, p.text("document.activeElement.outerHTML.slice(0, 100)"))
			}
		}
		if got, want := strings.Join(stops, " "), strings.Join(want, " "); got != want {
			t.Errorf("%s: the tabulator goes\n%s, want\n%s", path, got, want)
		}
	}
}

// scaleInBrowser: the timeline is true to scale.
func scaleInBrowser(t *testing.T, b *browser) {
	boot := demo()[1]
	base := serve(t, console(t, newKeeper(boot)))
	p := b.open(t)
	p.size(1280, 900)
	p.visit(base + bootPath(boot.ID))
	var tracks []struct{ Left, Width, Whole float64 }
	p.eval(`[...document.querySelectorAll(".track")].map(s => { const r = s.querySelector("rect"), w = s.getBoundingClientRect().width;
		return {left: r.x.baseVal.value, width: r.width.baseVal.value, whole: w}; })`, &tracks)
	total := boot.Last.Sub(boot.Start).Seconds()
	if len(tracks) != len(boot.Steps) {
		t.Fatalf("%d tracks, want %d", len(tracks), len(boot.Steps))
	}
	for i, tr := range tracks {
		s := &boot.Steps[i]
		left, width := s.Time.Sub(boot.Start).Seconds()/total*tr.Whole, s.End().Sub(s.Time).Seconds()/total*tr.Whole
		if d := tr.Left - left; d > 1 || d < -1 {
			t.Errorf("step %d begins at %.1f, want %.1f", i+1, tr.Left, left)
		}
		if d := tr.Width - width; d > 1 || d < -1 {
			t.Errorf("step %d is %.1f wide, want %.1f", i+1, tr.Width, width)
		}
	}
	raw, _ := json.Marshal(tracks)
	if strings.Count(string(raw), `"Width":0,`) == len(tracks) {
		t.Error("no step has a width")
	}
}
