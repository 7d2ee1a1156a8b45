package reply_test

import (
	"net/netip"
	"testing"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/lease"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/reply"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// networks are those that the captures come from.
const networks = `
[[subnet]]
cidr   = "10.99.0.0/24"
dhcp   = "server"
pool   = "10.99.0.50-10.99.0.50"
router = "10.99.0.254"
dns    = ["10.99.0.1", "10.99.0.2"]
domain = "lab.example"
ntp    = "10.99.0.3"
lease  = "1h"

[[subnet]]
cidr   = "10.30.0.0/16"
dhcp   = "server"
pool   = "10.30.4.4-10.30.4.4"
router = "10.30.1.1"
lease  = "12h"
`

// newView is a server with one boot program of each kind that it can have.
func newView(t testing.TB, toml string) policy.View {
	t.Helper()
	cfg, faults := config.Parse("hobnail.toml", []byte(toml))
	if len(faults) > 0 {
		t.Fatalf("the test's configuration is invalid: %v", faults)
	}
	programs := policy.Programs{
		Folder: "/srv/nbp",
		Wanted: func(model.Arch, string) []string { return nil },
		Have: []policy.Program{
			{Arch: model.ArchBIOS, Loader: policy.LoaderIPXE, File: "undionly.kpxe"},
			{Arch: model.ArchX64, Loader: policy.LoaderShim, File: "shimx64.efi"},
			{Arch: model.ArchX64, Loader: policy.LoaderIPXE, File: "snponly.efi"},
			{Arch: model.ArchARM64, Loader: policy.LoaderShim, File: "shimaa64.efi"},
			{Arch: model.ArchARM64, Loader: policy.LoaderIPXE, File: "snponly.efi"},
		},
	}
	return policy.View{
		Policy: policy.Compile(cfg, nil, programs), Leases: lease.NewTable(),
		Own: []netip.Addr{netip.MustParseAddr("10.99.0.1")},
	}
}

// arrival is where a packet came in: our address is the one it was sent to,
// and for broadcasts the lab's.
func arrival(src, dst netip.AddrPort) classify.Ingress {
	in := classify.Ingress{Interface: "eth0", IfIndex: 2, Local: netip.MustParseAddr("10.99.0.1"), Src: src, Dst: dst.Addr(), Port: dst.Port()}
	if dst.Addr() != netip.MustParseAddr("255.255.255.255") {
		in.Local = dst.Addr()
	}
	in.Prefix = netip.PrefixFrom(in.Local, 24)
	return in
}

// answer takes a request through decision and reply.
func answer(t testing.TB, v policy.View, req *dhcp4.Packet, in classify.Ingress) *reply.Reply {
	t.Helper()
	f := classify.DHCP(req, in)
	d := v.Decide(noon, &f)
	if d.Answer == policy.Ignore {
		t.Fatalf("no answer: %+v", d.Reasons())
	}
	r, err := reply.Build(req, &f, &d)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// captured is a capture as a request, with the place where it arrived.
func captured(t testing.TB, name string) (*dhcp4.Packet, classify.Ingress) {
	t.Helper()
	for _, c := range wiretest.Captures(t) {
		if c.Name != name {
			continue
		}
		p, err := dhcp4.Parse(c.Payload)
		if err != nil {
			t.Fatal(err)
		}
		return p, arrival(c.Src, c.Dst)
	}
	t.Fatalf("there is no capture %s", name)
	return nil, classify.Ingress{}
}
