package learn_test

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/event"
	"hobnail/internal/learn"
	"hobnail/internal/lease"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/record"
	"hobnail/internal/reply"
	"hobnail/internal/sim"
	"hobnail/internal/verdict"
	"hobnail/internal/wire/dhcp4"
)

var (
	ours   = netip.MustParseAddr("10.99.0.1")
	router = netip.MustParseAddr("10.99.0.254") // the site's DHCP server
	theirs = netip.MustParseAddr("10.99.0.50")  // what it gives
	noon   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

// firmware is what a machine makes of what it gets.
type firmware struct {
	mac    model.MAC
	arch   model.Arch
	takes  []model.Style // forms of offer; it passes over others
	deaf   bool          // it takes an address and no notice of any proxy
	runs   []string      // boot programs that go on; it hangs in others
	vendor string
	lure   bool // the site's server says PXEClient itself
	alone  bool // the site's server gives it no address
}

// site is a server that learns, beside a DHCP server, with one clock.
type site struct {
	t     testing.TB
	view  policy.View
	table *learn.Table
	now   time.Time
	said  []learn.Change
}

func newSite(t testing.TB, toml string) *site {
	t.Helper()
	cfg, faults := config.Parse("hobnail.toml", []byte(toml))
	if len(faults) > 0 {
		t.Fatalf("the test's configuration is invalid: %v", faults)
	}
	have := []policy.Program{
		{Arch: model.ArchBIOS, Loader: policy.LoaderIPXE, File: "undionly.kpxe"},
		{Arch: model.ArchBIOS, Loader: policy.LoaderIPXE, File: "ipxe.pxe"},
		{Arch: model.ArchX64, Loader: policy.LoaderShim, File: "shimx64.efi"},
		{Arch: model.ArchX64, Loader: policy.LoaderGRUB, File: "grubx64.efi"},
		{Arch: model.ArchX64, Loader: policy.LoaderIPXE, File: "snponly.efi"},
		{Arch: model.ArchX64, Loader: policy.LoaderIPXE, File: "ipxe.efi"},
		{Arch: model.ArchARM64, Loader: policy.LoaderGRUBProxy, File: "grubproxyaa64.efi"},
	}
	s := &site{t: t, table: learn.New(), now: noon}
	s.view = policy.View{
		Policy: policy.Compile(cfg, nil, policy.Programs{Have: have, Folder: "/srv/nbp", Wanted: func(model.Arch, string) []string { return nil }}),
		Leases: lease.NewTable(), Own: []netip.Addr{ours}, Learned: s.table,
	}
	return s
}

const proxySite = "[server]\ndhcp = \"proxy\"\n"

// boot is one attempt, from its DISCOVER to its verdict. It gives the form of
// the offer and the boot program that it got.
func (s *site) boot(m firmware) (v model.Verdict, style model.Style, program string) {
	s.t.Helper()
	j := record.NewJoiner()
	var b *model.Boot
	step := func(who record.Who, st model.Step) {
		if got := j.Add(who, st); got != nil {
			b = got
		}
	}
	d := s.exchange(m, step)
	style = d.Style
	if d.Boot != nil {
		program = path.Base(d.Boot.File)
	}
	if s.took(m, d) {
		s.load(m, d, step)
	}
	s.now = s.now.Add(10 * time.Minute)
	if b == nil {
		s.t.Fatal("nothing was recorded")
	}
	b.Ended = true
	b.Verdict = verdict.Judge(verdict.Case{Boot: b, Now: s.now, Over: true})
	for _, c := range s.table.Boot(b, s.now) {
		s.said = append(s.said, c)
		checkEvent(s.t, c, s.now)
	}
	s.now = s.now.Add(5 * time.Minute)
	return b.Verdict, style, program
}

// exchange is the machine's DHCP: its DISCOVER, our offer, the site's, and its
// REQUEST to the site's server if it sends one.
func (s *site) exchange(m firmware, step func(record.Who, model.Step)) policy.Decision {
	s.t.Helper()
	vendor := m.vendor
	req, err := sim.Machine{Arch: m.arch, MAC: m.mac, VendorClass: vendor}.Discover()
	if err != nil {
		s.t.Fatal(err)
	}
	in := classify.Ingress{Interface: "eth0", IfIndex: 2, Local: ours, Prefix: netip.MustParsePrefix("10.99.0.0/24"),
		Dst: netip.MustParseAddr("255.255.255.255"), Src: netip.MustParseAddrPort("0.0.0.0:68"), Port: 67}
	f := classify.DHCP(req, in)
	who, st, _ := record.Request(s.now, &f)
	step(who, st)
	d := s.view.Decide(s.now, &f)
	if d.Answer == policy.Ignore {
		return d
	}
	r, err := reply.Build(req, &f, &d)
	if err != nil {
		s.t.Fatal(err)
	}
	s.answered(&r.Packet, &d, 67, step)
	if m.alone {
		return d
	}
	site := &dhcp4.Packet{Op: dhcp4.OpReply, HType: 1, HLen: 6, Xid: req.Xid, CHAddr: req.CHAddr, YIAddr: theirs, SIAddr: router}
	site.Options.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Offer))
	site.Options.AddAddr(dhcp4.OptServerID, router)
	site.Options.AddAddr(dhcp4.OptSubnetMask, netip.MustParseAddr("255.255.255.0"))
	if m.lure {
		site.Options.AddString(dhcp4.OptVendorClass, "PXEClient")
	}
	s.heard(site, step)
	if !m.deaf && !slices.Contains(m.takes, d.Style) {
		return d
	}
	ask := *req
	ask.Options = nil
	ask.Options.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Request))
	ask.Options.AddAddr(dhcp4.OptServerID, router)
	ask.Options.AddAddr(dhcp4.OptRequestedAddr, theirs)
	ask.Options = append(ask.Options, req.Options[1:]...)
	f = classify.DHCP(&ask, in)
	who, st, _ = record.Request(s.now.Add(4*time.Second), &f)
	step(who, st)
	site.Options[0].Data = []byte{byte(dhcp4.Ack)}
	s.heard(site, step)
	return d
}

// answered records what we sent.
func (s *site) answered(p *dhcp4.Packet, d *policy.Decision, port uint16, step func(record.Who, model.Step)) {
	who, st, ok := record.Reply(s.now, p, netip.AddrPortFrom(ours, port))
	if !ok {
		s.t.Fatal("our answer is no step")
	}
	st.Ours = true
	st.DHCP.Target, st.DHCP.Loader = d.Target, d.Boot.Loader
	st.DHCP.Style, st.DHCP.FreeStyle, st.DHCP.FreeLoader = string(d.Style), d.FreeStyle, d.FreeLoader
	step(who, st)
}

func (s *site) heard(p *dhcp4.Packet, step func(record.Who, model.Step)) {
	who, st, ok := record.Reply(s.now.Add(time.Second), p, netip.AddrPortFrom(router, 67))
	if !ok {
		s.t.Fatal("the site's answer is no step")
	}
	who.Place = "eth0"
	step(who, st)
}

// took reports whether the machine goes on to our file, over port 4011 where
// the offer wants that.
func (s *site) took(m firmware, d policy.Decision) bool {
	return d.Boot != nil && !m.alone && !m.deaf && !m.lure && slices.Contains(m.takes, d.Style)
}

// load is what the machine reads.
func (s *site) load(m firmware, d policy.Decision, step func(record.Who, model.Step)) {
	s.t.Helper()
	if d.Style.Asks() {
		ask, _ := sim.Machine{Arch: m.arch, MAC: m.mac, VendorClass: m.vendor}.Discover()
		ask.Options[0].Data, ask.CIAddr = []byte{byte(dhcp4.Request)}, theirs
		f := classify.DHCP(ask, classify.Ingress{Interface: "eth0", Local: ours, Dst: ours, Src: netip.AddrPortFrom(theirs, 4011), Port: 4011})
		who, st, _ := record.Request(s.now.Add(5*time.Second), &f)
		step(who, st)
		d = s.view.Decide(s.now, &f)
		r, err := reply.Build(ask, &f, &d)
		if err != nil {
			s.t.Fatal(err)
		}
		s.answered(&r.Packet, &d, 4011, step)
	}
	read := func(name string, role model.FileRole) {
		step(record.Who{}, model.Step{Time: s.now.Add(8 * time.Second), Kind: model.StepRead, Client: theirs, Server: ours, Ours: true,
			File: &model.FileStep{Name: name, Via: "tftp", Role: role, Size: 1000, Octets: 1000, Heard: true}})
	}
	read(d.Boot.File, model.RoleLoader)
	if m.runs == nil || slices.Contains(m.runs, path.Base(d.Boot.File)) {
		read(path.Dir(d.Boot.File)+"/boot.ipxe", model.RoleConfig)
	}
}

// checkEvent holds every change against the catalogue.
func checkEvent(t testing.TB, c learn.Change, now time.Time) {
	t.Helper()
	e := c.Event(now, []string{"a line"})
	entry, ok := event.Lookup(e.Code)
	if !ok || e.MAC != c.MAC || c.Text == "" || strings.ContainsAny(c.Text, "\n") {
		t.Errorf("event %s of %+v", e.Code, c)
	}
	if (c.Remedy != "") != (entry.Code == event.LearnExhausted) {
		t.Errorf("%s: remedy %q", e.Code, c.Remedy)
	}
}

// all is firmware that takes every form.
func all(mac model.MAC, arch model.Arch) firmware {
	return firmware{mac: mac, arch: arch, takes: model.Styles()}
}

const (
	lab1 = model.MAC("52:54:00:00:00:01")
	lab2 = model.MAC("52:54:00:00:00:02")
	lab3 = model.MAC("52:54:00:00:00:03")
	lab4 = model.MAC("52:54:00:00:00:04")
)

// TestAMachineThatTakesMenusAlone: its first attempt fails, its second goes
// through, and the first of another machine of its model does.
func TestAMachineThatTakesMenusAlone(t *testing.T) {
	s := newSite(t, proxySite)
	for i, tc := range []struct {
		mac   model.MAC
		style model.Style
		code  string
	}{
		{lab1, model.StyleBypass, verdict.OfferNotTaken},
		{lab1, model.StyleMenu, verdict.HandedOver},
		{lab2, model.StyleMenu, verdict.HandedOver},
		{lab1, model.StyleMenu, verdict.HandedOver},
	} {
		v, style, _ := s.boot(firmware{mac: tc.mac, arch: model.ArchX64, takes: []model.Style{model.StyleMenu}})
		if v.Code != tc.code || style != tc.style {
			t.Errorf("attempt %d: %s with an offer of the form %s, want %s with %s\n%s", i+1, v.Code, style, tc.code, tc.style, v.Text)
		}
	}
	want := []string{
		"the machine did not take an offer of the form bypass: the next attempt gets menu",
		"the machine took an offer of the form menu, and gets that from now on",
		"machines of this model (1) took an offer of the form menu, and gets that from now on",
	}
	if got := texts(s.said); !slices.Equal(got, want) {
		t.Errorf("%s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, style, _ := s.boot(all(lab3, model.ArchBIOS)); style != model.StyleBypass {
		t.Errorf("another model gets %s", style)
	}
}

func texts(all []learn.Change) []string {
	var out []string
	for _, c := range all {
		out = append(out, c.Text)
	}
	return out
}

// TestWhatSaysNothingOfTheOffer: boots that end for another reason move nothing.
func TestWhatSaysNothingOfTheOffer(t *testing.T) {
	for _, tc := range []struct {
		name string
		site string
		m    firmware
		code string
	}{
		{"no address from anybody", proxySite, firmware{mac: lab1, arch: model.ArchX64, alone: true}, verdict.NoLease},
		{"the site's server says PXEClient", proxySite, firmware{mac: lab1, arch: model.ArchX64, lure: true, takes: model.Styles()}, verdict.ForeignOption60},
		{"the form is said", proxySite + "[boot]\noffer = \"bypass\"\n", firmware{mac: lab1, arch: model.ArchX64}, verdict.OfferNotTaken},
		{"learning is off", proxySite + "[boot]\nlearn = \"off\"\n", firmware{mac: lab1, arch: model.ArchX64}, verdict.OfferNotTaken},
		{"an offer with an address", "[[subnet]]\ncidr = \"10.99.0.0/24\"\ndhcp = \"server\"\npool = \"10.99.0.60-10.99.0.70\"\n",
			firmware{mac: lab1, arch: model.ArchX64, alone: true}, verdict.OfferNotTaken},
		{"nobody is answered", proxySite + "[boot]\nunknown = \"deny\"\n", firmware{mac: lab1, arch: model.ArchX64}, verdict.NoAnswer},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, tc.site)
			_, before, _ := s.boot(tc.m)
			v, after, _ := s.boot(tc.m)
			if v.Code != tc.code || before != after || len(s.said) > 0 || len(s.table.List()) > 0 {
				t.Errorf("%s; form %s became %s; said %v; known %v", v.Code, before, after, texts(s.said), s.table.List())
			}
		})
	}
}

// TestAMachineThatHeedsNoProxy: everything is tried, in the order, and then a
// person is told what is left.
func TestAMachineThatHeedsNoProxy(t *testing.T) {
	for name, m := range map[string]firmware{
		"it asks for no address": {mac: lab1, arch: model.ArchX64},
		"it takes an address":    {mac: lab1, arch: model.ArchX64, deaf: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, proxySite)
			var got []model.Style
			for range 7 {
				_, style, _ := s.boot(m)
				got = append(got, style)
			}
			want := append(model.Styles(), model.StyleBypass, model.StyleBypass)
			if !slices.Equal(got, want) {
				t.Errorf("it got %v, want %v", got, want)
			}
			last := s.said[len(s.said)-1]
			if len(s.said) != 5 || last.Code() != event.LearnExhausted || !strings.Contains(last.Remedy, "merge") || !s.table.Stuck(learn.Offers, lab1, model.ArchX64) {
				t.Errorf("%v, remedy %q", texts(s.said), last.Remedy)
			}
		})
	}
}

// TestTheOtherIPXE: a machine that hangs in one gets the other, and keeps it.
func TestTheOtherIPXE(t *testing.T) {
	for _, tc := range []struct {
		arch  model.Arch
		a, b  string
		model string
	}{
		{model.ArchX64, "snponly.efi", "ipxe.efi", ""},
		{model.ArchBIOS, "undionly.kpxe", "ipxe.pxe", ""},
	} {
		s := newSite(t, proxySite)
		m := all(lab1, tc.arch)
		m.runs = []string{tc.b}
		var got []string
		for range 3 {
			_, _, program := s.boot(m)
			got = append(got, program)
		}
		m.mac = lab2
		_, _, program := s.boot(m)
		if got = append(got, program); !slices.Equal(got, []string{tc.a, tc.b, tc.b, tc.b}) {
			t.Errorf("%s: it got %v", tc.arch, got)
		}
		want := []string{
			fmt.Sprintf("the machine did not go on from %s: the next attempt gets %s", tc.a, tc.b),
			fmt.Sprintf("the machine went on from %s, and gets that from now on", tc.b),
			fmt.Sprintf("machines of this model (1) went on from %s, and gets that from now on", tc.b),
		}
		if got := texts(s.said); !slices.Equal(got, want) {
			t.Errorf("%s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestNoIPXEWorks: both are tried, and the first is what it gets again.
func TestNoIPXEWorks(t *testing.T) {
	s := newSite(t, proxySite)
	m := all(lab1, model.ArchX64)
	m.runs = []string{"none"}
	var got []string
	for range 4 {
		_, _, program := s.boot(m)
		got = append(got, program)
	}
	if want := []string{"snponly.efi", "ipxe.efi", "snponly.efi", "snponly.efi"}; !slices.Equal(got, want) {
		t.Errorf("it got %v, want %v", got, want)
	}
	last := s.said[len(s.said)-1]
	if len(s.said) != 2 || last.Code() != event.LearnExhausted || !strings.Contains(last.Remedy, "Secure Boot") {
		t.Errorf("%v: %q", texts(s.said), last.Remedy)
	}
}

// TestShimIsNotLeft: a machine that goes silent after shim gets shim again, and
// a person is told once.
func TestShimIsNotLeft(t *testing.T) {
	s := newSite(t, "[[subnet]]\ncidr = \"10.99.0.0/24\"\ndhcp = \"server\"\npool = \"10.99.0.60-10.99.0.70\"\n")
	b := func() []learn.Change {
		boot := &model.Boot{MAC: lab1, Arch: model.ArchX64, Model: "52:54:00 uefi-x64 PXEClient", Steps: []model.Step{{
			Kind: model.StepOffer, Ours: true, Server: ours,
			DHCP: &model.DHCPStep{Address: theirs, File: "m/525400000001/uefi-x64/shimx64.efi", Loader: policy.LoaderShim, FreeLoader: true},
		}}, Verdict: model.Verdict{Code: verdict.LoaderSilent, Step: "loader", Final: true}}
		s.now = s.now.Add(time.Hour)
		return s.table.Boot(boot, s.now)
	}
	said := append(b(), b()...)
	if len(said) != 1 || said[0].Code() != event.LearnExhausted || !strings.Contains(said[0].Remedy, "unsigned") || !strings.Contains(said[0].Text, "shimx64.efi") {
		t.Fatalf("%+v", said)
	}
	m := all(lab1, model.ArchX64)
	m.alone = true
	if _, _, program := s.boot(m); program != "shimx64.efi" {
		t.Errorf("it gets %s", program)
	}
}

// TestPinnedIsRespected: whatever boots come to, a configuration that says what
// it wants gets that, and one that forbids learning the default.
func TestPinnedIsRespected(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pin := rapid.SampledFrom(append(model.Styles(), "off")).Draw(rt, "pinned")
		line, want, program := fmt.Sprintf("offer = %q\nloader = \"ipxe.efi\"\n", pin), pin, "ipxe.efi"
		if pin == "off" {
			line, want, program = "learn = \"off\"\n", model.StyleBypass, "snponly.efi"
		}
		s := newSite(t, proxySite+"[[rule]]\nmatch = { mac = \"52:54:00:00:00:01\" }\n"+line)
		for range rapid.IntRange(1, 12).Draw(rt, "boots") {
			m := firmware{mac: rapid.SampledFrom([]model.MAC{lab1, lab2, lab3, lab4}).Draw(rt, "machine"), arch: model.ArchX64, runs: []string{"none"}}
			if rapid.Bool().Draw(rt, "takes menus") {
				m.takes = []model.Style{model.StyleMenu}
			}
			_, style, got := s.boot(m)
			if m.mac == lab1 && (style != want || got != program) {
				rt.Fatalf("it got %s and %s, want %s and %s", style, got, want, program)
			}
		}
		for _, k := range s.table.List() {
			if strings.HasPrefix(k.Of, string(lab1)) {
				rt.Fatalf("something was learned of it: %+v", k)
			}
		}
	})
}

// TestKept: what was learned outlives the process, and nonsense in the file
// costs what it says and no more.
func TestKept(t *testing.T) {
	s := newSite(t, proxySite)
	m := firmware{mac: lab1, arch: model.ArchX64, takes: []model.Style{model.StyleNo43}, runs: []string{"ipxe.efi"}}
	for range 5 {
		s.boot(m)
	}
	changes := s.table.Changes()
	if changes == 0 {
		t.Error("nothing has changed")
	}
	b, err := s.table.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again := newSite(t, proxySite)
	if err := again.table.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	m.mac = lab2
	if _, style, program := again.boot(m); style != model.StyleNo43 || program != "ipxe.efi" {
		t.Errorf("another machine gets %s and %s", style, program)
	}
	if got, want := fmt.Sprint(again.table.List()), fmt.Sprint(s.table.List()); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for _, bad := range []string{"", "{", `{"version":2}`, `[]`} {
		if err := learn.New().Unmarshal([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	odd := learn.New()
	if err := odd.Unmarshal([]byte(`{"version":1,"offers":{"machines":{"52:54:00:00:00:01":{"at":"shout","failed":["bypass"]},"x":null},"models":{"m":{"at":"menu","base":""}}},"loaders":{"machines":{"a":{"at":"../../etc/passwd","works":true}}}}`)); err != nil || len(odd.List()) > 0 {
		t.Errorf("%v, %+v", err, odd.List())
	}
	if !again.table.Forget(string(lab1)) || again.table.Forget(string(lab1)) || !again.table.Forget("") || len(again.table.List()) > 0 {
		t.Errorf("not forgotten: %+v", again.table.List())
	}
}
