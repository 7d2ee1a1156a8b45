package policy_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

// TestSharesAreDisjointAndComplete: the parts of all servers together are the
// pool, and no address is in two of them.
func TestSharesAreDisjointAndComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		servers := rapid.IntRange(1, 16).Draw(t, "servers")
		var pool []config.Range
		all := map[netip.Addr]bool{}
		next := 1
		for range rapid.IntRange(1, 4).Draw(t, "ranges") {
			from := next + rapid.IntRange(0, 20).Draw(t, "gap")
			to := from + rapid.IntRange(0, 60).Draw(t, "length")
			pool = append(pool, config.Range{First: host(from), Last: host(to)})
			for i := from; i <= to; i++ {
				all[host(i)] = true
			}
			next = to + 2
		}
		given := map[netip.Addr]int{}
		for server := 1; server <= servers; server++ {
			cfg := config.Default()
			cfg.Server.Share = config.Share{Index: server, Of: servers}
			cfg.Subnets = []config.Subnet{{CIDR: netip.MustParsePrefix("10.77.0.0/16"), Mode: model.ModeServer, Pool: pool}}
			for _, r := range policy.Compile(cfg, nil, policy.Programs{}).Owned(&cfg.Subnets[0]) {
				for a := r.First; a.Compare(r.Last) <= 0; a = a.Next() {
					if other, twice := given[a]; twice {
						t.Fatalf("%s belongs to server %d and server %d of %d", a, other, server, servers)
					}
					given[a] = server
				}
			}
		}
		for a := range all {
			if given[a] == 0 {
				t.Fatalf("%s belongs to none of %d servers", a, servers)
			}
		}
		if len(given) != len(all) {
			t.Fatalf("%d addresses are given, the pool has %d", len(given), len(all))
		}
	})
}

func host(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 77, byte(n >> 8), byte(n)}) }

// TestTwoServersNeverGiveOneAddress: without talking to each other, whatever
// machines ask for.
func TestTwoServersNeverGiveOneAddress(t *testing.T) {
	site := func(share string) string {
		return "[server]\nshare = \"" + share + "\"\n" + `
[[subnet]]
cidr = "10.77.2.0/24"
dhcp = "server"
pool = "10.77.2.50-10.77.2.59"
`
	}
	holder := map[netip.Addr]model.MAC{}
	for i, share := range []string{"1/2", "2/2"} {
		w := newWorld(t, site(share))
		for n := range 10 {
			mac := model.MAC(fmt.Sprintf("52:54:00:00:%02x:%02x", i, n))
			d := w.Decide(noon, asks(mac, wants("10.77.2.53")))
			if err := w.table.Apply(d.Change); err != nil {
				t.Fatal(err)
			}
			if n >= 5 {
				if !d.PoolFull || d.Answer != policy.Ignore {
					t.Errorf("share %s gives a %dth address: %s", share, n+1, outcome(d))
				}
				continue
			}
			if other, twice := holder[d.Address]; twice || !d.Address.IsValid() {
				t.Errorf("share %s gives %v to %s, which %q has", share, d.Address, mac, other)
			}
			holder[d.Address] = mac
		}
	}
}

// drawFacts draws a request as a packet, so that only what can be received is
// decided on.
func drawFacts(t *rapid.T) *classify.Facts {
	addr := rapid.Custom(func(t *rapid.T) netip.Addr {
		return netip.MustParseAddr(rapid.SampledFrom([]string{
			"0.0.0.0", "10.77.2.1", "10.77.2.2", "10.77.2.10", "10.77.2.50", "10.77.2.53", "10.77.2.255",
			"10.99.0.1", "127.0.0.1", "224.0.0.1", "255.255.255.255", "203.0.113.9",
		}).Draw(t, "address"))
	})
	p := &dhcp4.Packet{
		Op: dhcp4.OpRequest, HType: rapid.SampledFrom([]uint8{1, 32}).Draw(t, "hardware type"), HLen: 6,
		Flags:  rapid.SampledFrom([]uint16{0, dhcp4.FlagBroadcast}).Draw(t, "flags"),
		CIAddr: addr.Draw(t, "ciaddr"), GIAddr: addr.Draw(t, "giaddr"),
	}
	copy(p.CHAddr[:], []byte{0x52, 0x54, 0, 0, 0, rapid.SampledFrom([]byte{1, 2, 3}).Draw(t, "machine")})
	o := &p.Options
	o.AddUint8(dhcp4.OptMessageType, rapid.SampledFrom([]uint8{1, 3, 4, 7, 8, 10}).Draw(t, "message"))
	some := func(name string, add func()) {
		if rapid.Bool().Draw(t, name) {
			add()
		}
	}
	some("50", func() { o.AddAddr(dhcp4.OptRequestedAddr, addr.Draw(t, "requested")) })
	some("54", func() { o.AddAddr(dhcp4.OptServerID, addr.Draw(t, "server")) })
	some("60", func() {
		o.AddString(dhcp4.OptVendorClass, rapid.SampledFrom([]string{"PXEClient", "HTTPClient", "U-Boot", "MSFT 5.0"}).Draw(t, "class"))
	})
	some("93", func() { o.AddUint16(dhcp4.OptArch, rapid.Uint16Range(0, 45).Draw(t, "architecture")) })
	some("77", func() { o.AddString(dhcp4.OptUserClass, "iPXE") })
	some("43", func() { o.Add(dhcp4.OptVendorSpecific, []byte{71, 4, 0x80, 0, 0, 0, 255}) })
	some("61", func() { o.Add(dhcp4.OptClientID, []byte{1, 2, 3}) })
	some("118", func() { o.AddAddr(dhcp4.OptSubnetSelection, addr.Draw(t, "selected")) })
	f := classify.DHCP(p, classify.Ingress{
		Interface: "eth0", IfIndex: 2, Local: ours, Prefix: netip.MustParsePrefix("10.77.2.0/24"),
		Dst:  rapid.SampledFrom([]netip.Addr{ours, netip.MustParseAddr("255.255.255.255")}).Draw(t, "to"),
		Src:  netip.AddrPortFrom(addr.Draw(t, "from"), 68),
		Port: rapid.SampledFrom([]uint16{67, 4011}).Draw(t, "port"),
	})
	return &f
}

// TestDecideIsPure: the same view, time and facts give the same decision, and
// deciding changes none of them.
func TestDecideIsPure(t *testing.T) {
	sites := []string{serverSite, proxySite, serverSite + "[[machine]]\nname = \"lab-01\"\nmac = \"52:54:00:00:00:01\"\naddress = \"10.77.2.10\"\n"}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, rapid.SampledFrom(sites).Draw(rt, "site")).with(t, bound("10.77.2.53", lab2), record("10.77.2.50", lab1, policy.StateDeclined, noon.Add(time.Minute)))
		f := drawFacts(rt)
		before, records := *f, w.table.All()
		one, two := w.Decide(noon, f), w.Decide(noon, f)
		same := cmp.Comparer(sameAddr)
		if diff := cmp.Diff(one, two, same, cmp.Comparer(samePrefix), cmpopts.IgnoreUnexported(policy.Decision{})); diff != "" {
			rt.Fatalf("two decisions differ (-first +second):\n%s", diff)
		}
		if diff := cmp.Diff(one.Reasons(), two.Reasons()); diff != "" {
			rt.Fatalf("the reasons of two decisions differ (-first +second):\n%s", diff)
		}
		if diff := cmp.Diff(records, w.table.All(), same); diff != "" {
			rt.Fatalf("deciding changed the leases (-before +after):\n%s", diff)
		}
		if fmt.Sprintf("%+v", before) != fmt.Sprintf("%+v", *f) {
			rt.Fatalf("deciding changed the facts from\n%+v to\n%+v", before, *f)
		}
	})
}

func samePrefix(a, b netip.Prefix) bool { return a == b }

// TestDecisionsHoldTogether: what is true of every decision.
func TestDecisionsHoldTogether(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, serverSite).with(t, bound("10.77.2.53", lab2))
		f := drawFacts(rt)
		d := w.Decide(noon, f)
		holds := func(ok bool, rule string) {
			if !ok {
				rt.Errorf("not %s: %s, boot %+v, mode %s, facts %+v", rule, outcome(d), d.Boot, d.Mode, f)
			}
		}
		holds(len(d.Reasons()) > 0, "with a reason")
		for _, r := range d.Reasons() {
			holds(r.Rule != "" && r.At != "" && r.Text != "", "with whole reasons")
		}
		holds(d.Answer != policy.Ignore || d.Boot == nil && !d.Address.IsValid(), "empty when ignored")
		holds(d.Answer != policy.Nak || d.Mode == model.ModeServer && f.Message == dhcp4.Request, "a NAK only to a REQUEST where we give addresses")
		holds(d.Answer != policy.Nak || !f.ServerID.IsValid() || f.ServerID == ours, "never a NAK to another server's REQUEST")
		holds(d.Answer != policy.Offer || f.Message == dhcp4.Discover, "an OFFER only to a DISCOVER")
		holds(f.Ingress.Port != 4011 || d.Change.Kind == policy.NoChange, "no lease touched at port 4011")
		holds(d.Mode == model.ModeServer || d.Change.Kind == policy.NoChange, "no lease touched outside server mode")
		holds(d.Boot == nil || f.Boots(), "boot data for boot clients only")
		holds(d.Boot == nil || f.Arch == d.Boot.Arch || f.Arch == "" && d.Boot.Loader == policy.LoaderScript, "the client's own architecture")
		holds(d.Boot == nil || f.Stage != classify.StageIPXE || d.Boot.Loader == policy.LoaderScript, "never iPXE for iPXE")
		if d.Change.Kind == policy.Hold || d.Change.Kind == policy.Bind {
			a := d.Change.Lease.Address
			holds(a == d.Address && d.Change.Lease.MAC == f.Key() && f.Key() != "", "the lease of who asked")
			holds(a != ours && a.String() != "10.77.2.1", "no lease of the network's own addresses")
			holds(a.String() != "10.77.2.53" || f.Key() == lab2, "no address twice")
		}
	})
}

// FuzzDecide: no packet brings a decision down, whatever the mode.
func FuzzDecide(f *testing.F) {
	for _, c := range wiretest.CapturesTo(f, dhcp4.ServerPort, dhcp4.BootPort) {
		f.Add(c.Payload, c.Dst.Port())
	}
	for _, c := range wiretest.Corpus(f, "dhcp4") {
		if len(c.Payload) <= wiretest.MaxSeed {
			f.Add(c.Payload, uint16(67))
		}
	}
	server, proxy := newWorld(f, serverSite), newWorld(f, proxySite)
	f.Fuzz(func(t *testing.T, b []byte, port uint16) {
		p, err := dhcp4.Parse(b)
		if err != nil {
			return
		}
		facts := classify.DHCP(p, classify.Ingress{Local: ours, Dst: ours, Src: netip.AddrPortFrom(p.CIAddr, 68), Port: port})
		for _, w := range []world{server, proxy} {
			if d := w.Decide(noon, &facts); len(d.Reasons()) == 0 {
				t.Errorf("mode %s: %s without a reason", d.Mode, d.Answer)
			}
		}
	})
}
