package web

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"hobnail/internal/model"
	"hobnail/internal/verdict"
	"hobnail/internal/wire/wiretest"
)

// ask has a console answer as for a client on this host.
func ask(c *Console, target string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", target, nil)
	r.Host = "localhost:8080"
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	if !c.Answer(w, r, r.URL.Path, addr("127.0.0.1"), addr("127.0.0.1")) {
		w.Code = 0
	}
	return w
}

func get(t *testing.T, c *Console, target string) string {
	t.Helper()
	w := ask(c, target)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", target, w.Code, w.Body)
	}
	return w.Body.String()
}

func TestWhoMayLook(t *testing.T) {
	nets := []netip.Prefix{netip.MustParsePrefix("10.77.1.0/24"), netip.MustParsePrefix("fd00::/8")}
	for _, tc := range []struct {
		name          string
		access        Access
		client, local string
		want          bool
	}{
		{"this host, by loopback", Access{}, "127.0.0.1", "127.0.0.1", true},
		{"this host, by IPv6 loopback", Access{}, "::1", "::1", true},
		{"this host, by its own address", Access{}, "10.77.1.2", "10.77.1.2", true},
		{"another host", Access{}, "10.77.1.3", "10.77.1.2", false},
		{"another host of a network that may", Access{Networks: nets}, "10.77.1.3", "10.77.1.2", true},
		{"a host of another network", Access{Networks: nets}, "10.77.2.3", "10.77.1.2", false},
		{"a host of an IPv6 network that may", Access{Networks: nets}, "fd00::7", "fd00::1", true},
		{"this host, where networks may", Access{Networks: nets}, "127.0.0.1", "127.0.0.1", true},
		{"off", Access{Off: true}, "127.0.0.1", "127.0.0.1", false},
		{"nobody knows who", Access{Networks: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}, "", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			parse := func(s string) netip.Addr { a, _ := netip.ParseAddr(s); return a }
			if got := tc.access.Allows(parse(tc.client), parse(tc.local)); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// To those who may not look there is no console: what the server says without
// one is said to them, of every path.
func TestOthersSeeNoConsole(t *testing.T) {
	c := console(t, newKeeper(demo()...))
	for _, path := range []string{"/", "/live", "/boots/" + demo()[0].ID, "/verdicts", "/console/style.css"} {
		w := httptest.NewRecorder()
		if c.Answer(w, httptest.NewRequest("GET", path, nil), path, addr("10.77.1.3"), addr("10.77.1.2")) || w.Body.Len() > 0 || len(w.Header()) > 0 {
			t.Errorf("%s was answered: %v %s", path, w.Header(), w.Body)
		}
	}
	base := serve(t, New(Options{Boots: newKeeper(), Access: func() Access { return Access{Off: true} }}))
	resp, err := http.Get(base + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if want := "This is hobnail, a network boot server. Machines read their boot files here.\n"; string(text) != want {
		t.Errorf("got %q, want %q", text, want)
	}
}

// Paths of boot files are never the console's.
func TestBootFilesAreNotTheConsoles(t *testing.T) {
	c := console(t, newKeeper())
	for _, path := range []string{"/nbp/uefi-x64/shimx64.efi", "/m/525400123456/grub.cfg", "/img/debian-12/linux", "/healthz", "/hobnail-ca.pem", "/boots", "/boots/", "/boots/a/b", "/grub/grub.cfg", "//"} {
		if w := ask(c, "http://localhost"+path); w.Code != 0 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// A page of somebody else whose name leads to our address gets nothing.
func TestNamesThatBrowsersMayUse(t *testing.T) {
	c := console(t, newKeeper(demo()...))
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8080": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "10.77.1.2": 200, "[fe80::1]": 200,
		"boot1": 200, "BOOT1:8080": 200, "boot1.": 200,
		"evil.example": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example:8080": 421, "boot1.evil.example": 421, "": 421,
	} {
		for _, path := range []string{"/", "/boots/" + demo()[0].ID, "/verdicts", "/console/live.js"} {
			w := ask(c, path, func(r *http.Request) { r.Host = host })
			if w.Code != want {
				t.Errorf("Host: %s, %s: %d, want %d", host, path, w.Code, want)
			}
			if want == 421 && strings.Contains(w.Body.String(), "lab-01") {
				t.Errorf("Host: %s, %s tells of boots", host, path)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	c := console(t, newKeeper(demo()...))
	for _, path := range []string{"/", "/boots/" + demo()[0].ID, "/boots/unknown", "/verdicts", "/console/live.js", "/console/style.css"} {
		h := ask(c, path).Header()
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Set-Cookie": "",
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
	}
}

// Pages take nothing from elsewhere, and have neither scripts nor styles in
// them: the policy would not let them.
func TestPagesAreWhole(t *testing.T) {
	c := console(t, newKeeper(demo()...))
	assets := regexp.MustCompile(`(?:src|href|action)="([^"]*)"`)
	for _, path := range []string{"/", "/boots/" + demo()[1].ID, "/verdicts"} {
		page := get(t, c, path)
		for _, m := range assets.FindAllStringSubmatch(page, -1) {
			if !strings.HasPrefix(m[1], "/") && !strings.HasPrefix(m[1], "#") || strings.HasPrefix(m[1], "//") {
				t.Errorf("%s refers to %s", path, m[1])
			}
		}
		if m := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script[^>]*>[^<]|javascript:`).FindString(page); m != "" {
			t.Errorf("%s has %q", path, m)
		}
	}
}

func TestAssetsAreAskedForOnce(t *testing.T) {
	c := console(t, newKeeper())
	first := ask(c, "/console/style.css")
	again := ask(c, "/console/style.css", func(r *http.Request) { r.Header.Set("If-None-Match", first.Header().Get("ETag")) })
	if first.Code != 200 || again.Code != 304 || again.Body.Len() != 0 {
		t.Errorf("first %d, then %d with %d octets", first.Code, again.Code, again.Body.Len())
	}
}

func TestUnknownBoot(t *testing.T) {
	c := console(t, newKeeper())
	for _, path := range []string{"/boots/20261125T150405.000-525400000001", "/boots/%3Cscript%3E", "/boots/20261125/live"} {
		if w := ask(c, path); w.Code != http.StatusNotFound && w.Code != 0 || strings.Contains(w.Body.String(), "<script>") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// Boots that cannot be read are no empty list.
func TestBootsThatCannotBeRead(t *testing.T) {
	k := newKeeper()
	k.fault = errors.New("disk error at /var/lib/hobnail")
	var told error
	c := console(t, k)
	c.Fault = func(err error) { told = err }
	w := ask(c, "/")
	if w.Code != http.StatusInternalServerError || told == nil || strings.Contains(w.Body.String(), "/var/lib") {
		t.Errorf("%d, told %v: %s", w.Code, told, w.Body)
	}
}

func TestCatalogueIsWhole(t *testing.T) {
	page := get(t, console(t, newKeeper()), "/verdicts")
	for _, e := range verdict.Catalogue() {
		if !strings.Contains(page, `id="`+e.Code+`"`) {
			t.Errorf("%s is missing", e.Code)
		}
	}
}

// TestHostileStrings: what machines say of themselves is shown, and is never
// more than text, whatever it is.
func TestHostileStrings(t *testing.T) {
	all := wiretest.HostileStrings(t)
	if len(all) != 29 {
		t.Fatalf("%d strings, want 29", len(all))
	}
	for _, h := range all {
		t.Run(h.Name, func(t *testing.T) {
			b := hostileBoot(string(h.Text))
			c := console(t, newKeeper(b))
			for _, path := range []string{"/", "/boots/" + b.ID} {
				page := get(t, c, path)
				if m := regexp.MustCompile(`(?i)<script>|<img|onmouseover="`).FindString(page); m != "" {
					t.Errorf("%s has %q", path, m)
				}
				if i := strings.IndexFunc(page, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r == 0x202e || r == 0xfffd }); i >= 0 {
					t.Errorf("%s has a character that is not for pages: %q", path, page[max(0, i-40):i+5])
				}
			}
			for _, path := range []string{"/?machine=", "/?place=", "/?verdict=", "/?before="} {
				get(t, c, path+url.QueryEscape(string(h.Text)))
			}
		})
	}
}

// hostileBoot has a text in every field that a machine fills.
func hostileBoot(text string) *model.Boot {
	s := begin(0, "52:54:00:00:00:66", text, text, "uefi-x64").discover(0, "firmware", 1)
	d := s.b.Steps[0].DHCP
	d.Vendor, d.Hostname, d.Message, d.File, d.BadOption = text, text, text, text, text
	s.offer(0, "10.77.1.2", "", text)
	s.b.Steps[1].DHCP.Reasons = []string{"rule: " + text + " (hobnail.toml:31)"}
	s.file(0, model.StepMissing, "tftp", "x"+text, 0, 0)
	f := &s.b.Steps[2]
	f.Text, f.File.Near, f.File.Signer, f.File.Refusal = text, []string{text}, text, text
	s.b.Model, s.b.UUID = text, model.UUID(text)
	b := s.done(true)
	b.Verdict.Text, b.Verdict.Cause, b.Verdict.Remedy = text, text, text
	b.Verdict.Evidence = append(b.Verdict.Evidence, model.Evidence{Time: b.Start, Text: text})
	b.Verdict.Notes = append(b.Verdict.Notes, model.Note{Code: verdict.StrayOptions, Text: text})
	return b
}
