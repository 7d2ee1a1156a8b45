package policy_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/lease"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
)

// noon is when everything in these tests happens.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// everything is a set of boot programs with one of every kind that exists.
var everything = [...]policy.Program{
	{Arch: model.ArchBIOS, Loader: policy.LoaderIPXE, File: "undionly.kpxe"},
	{Arch: model.ArchBIOS, Loader: policy.LoaderPXELinux, File: "pxelinux.0"},
	{Arch: model.ArchIA32, Loader: policy.LoaderGRUB, File: "grubia32.efi"},
	{Arch: model.ArchIA32, Loader: policy.LoaderIPXE, File: "snponly.efi"},
	{Arch: model.ArchIA32, Loader: policy.LoaderRAMDisk, File: "boot.img"},
	{Arch: model.ArchX64, Loader: policy.LoaderShim, File: "shimx64.efi"},
	{Arch: model.ArchX64, Loader: policy.LoaderGRUB, File: "grubx64.efi"},
	{Arch: model.ArchX64, Loader: policy.LoaderIPXE, File: "snponly.efi"},
	{Arch: model.ArchX64, Loader: policy.LoaderRAMDisk, File: "boot.img"},
	{Arch: model.ArchARM32, Loader: policy.LoaderGRUB, File: "grubarm.efi"},
	{Arch: model.ArchARM64, Loader: policy.LoaderShim, File: "shimaa64.efi"},
	{Arch: model.ArchARM64, Loader: policy.LoaderIPXE, File: "snponly.efi"},
	{Arch: model.ArchRISCV64, Loader: policy.LoaderGRUB, File: "grubriscv64.efi"},
	{Arch: model.ArchRISCV64, Loader: policy.LoaderRAMDisk, File: "boot.img"},
	{Arch: model.ArchLoongArch64, Loader: policy.LoaderIPXE, File: "snponly.efi"},
}

// programs is a set of boot programs in /srv/nbp; the names that would do are
// those of everything.
func programs(have ...policy.Program) policy.Programs {
	return policy.Programs{Have: have, Folder: "/srv/nbp", Wanted: func(a model.Arch, loader string) []string {
		var names []string
		for _, p := range everything {
			if p.Arch == a && p.Loader == loader {
				names = append(names, p.File)
			}
		}
		return names
	}}
}

var images = [...]model.Image{
	{Name: "debian-12", CPU: model.CPUX64, Source: "installed"},
	{Name: "debian-12-arm64", CPU: model.CPUARM64, Source: "installed"},
}

// world is a server with a lease table.
type world struct {
	policy.View
	table *lease.Table
}

// serverSite is one subnet that hobnail gives addresses on.
const serverSite = `
[server]
http = ":8080"
[[subnet]]
cidr   = "10.77.2.0/24"
dhcp   = "server"
pool   = "10.77.2.50-10.77.2.59"
router = "10.77.2.1"
lease  = "1h"
`

// ours is the server's address, on the link of serverSite.
var ours = netip.MustParseAddr("10.77.2.2")

func newWorld(t testing.TB, toml string) world { return newWorldWith(t, toml, everything[:]...) }

func newWorldWith(t testing.TB, toml string, have ...policy.Program) world {
	t.Helper()
	cfg, faults := config.Parse("hobnail.toml", []byte(toml))
	if len(faults) > 0 {
		t.Fatalf("the test's configuration is invalid: %v", faults)
	}
	table := lease.NewTable()
	return world{policy.View{
		Policy: policy.Compile(cfg, images[:], programs(have...)),
		Leases: table,
		Own:    []netip.Addr{ours},
	}, table}
}

// with puts records into the lease table.
func (w world) with(t testing.TB, records ...model.Lease) world {
	t.Helper()
	for _, l := range records {
		if err := w.table.Apply(policy.LeaseChange{Kind: policy.Bind, Lease: l}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// Machines of these tests.
const (
	lab1 = model.MAC("52:54:00:00:00:01")
	lab2 = model.MAC("52:54:00:00:00:02")
)

// bound is a lease that ends at one.
func bound(a string, mac model.MAC) model.Lease {
	return record(a, mac, policy.StateBound, noon.Add(time.Hour))
}

func record(a string, mac model.MAC, state string, expires time.Time) model.Lease {
	return model.Lease{Address: netip.MustParseAddr(a), MAC: mac, State: state, Expires: expires}
}

// asks is a DISCOVER that a machine on our link broadcasts, changed by the
// rest.
func asks(mac model.MAC, changes ...func(*classify.Facts)) *classify.Facts {
	f := &classify.Facts{
		Ingress: classify.Ingress{
			Interface: "eth0", Local: ours, Prefix: netip.MustParsePrefix("10.77.2.0/24"),
			Dst: netip.MustParseAddr("255.255.255.255"), Src: netip.MustParseAddrPort("0.0.0.0:68"), Port: 67,
		},
		Message: dhcp4.Discover, MAC: mac, HWType: 1, Stage: classify.StageOS,
	}
	for _, change := range changes {
		change(f)
	}
	return f
}

// boots makes the request firmware's.
func boots(a model.Arch, firmware model.Firmware) func(*classify.Facts) {
	return func(f *classify.Facts) {
		code, _ := model.CodeFor(a, firmware)
		row, _ := model.LookupArchCode(code)
		f.Archs, f.Arch, f.ArchName, f.Firmware = []model.ArchCode{row}, a, row.Name, firmware
		f.Class, f.Stage = classify.ClassPXE, classify.StageFirmware
		switch firmware {
		case model.FirmwareHTTP:
			f.Class = classify.ClassHTTP
		case model.FirmwareUBoot:
			f.Class = classify.ClassUBoot
		}
	}
}

// iPXE makes it iPXE's; after boots.
func iPXE(f *classify.Facts) { f.Stage, f.UserClass = classify.StageIPXE, "iPXE" }

func message(m dhcp4.MessageType) func(*classify.Facts) {
	return func(f *classify.Facts) { f.Message = m }
}

// unicast sends it to us, as a client does that has an address.
func unicast(from string) func(*classify.Facts) {
	return func(f *classify.Facts) {
		f.CIAddr = netip.MustParseAddr(from)
		f.Ingress.Dst, f.Ingress.Src = ours, netip.AddrPortFrom(f.CIAddr, 68)
	}
}

// broadcast says an address in ciaddr, but asks everybody.
func broadcast(from string) func(*classify.Facts) {
	return func(f *classify.Facts) { f.CIAddr = netip.MustParseAddr(from) }
}

// to4011 sends it to the boot service.
func to4011(from string) func(*classify.Facts) {
	return func(f *classify.Facts) {
		unicast(from)(f)
		f.Message, f.Ingress.Port = dhcp4.Request, 4011
		f.Ingress.Src = netip.AddrPortFrom(f.CIAddr, 4011)
	}
}

func wants(a string) func(*classify.Facts) {
	return func(f *classify.Facts) { f.Requested = netip.MustParseAddr(a) }
}

func fromServer(a string) func(*classify.Facts) {
	return func(f *classify.Facts) { f.ServerID = netip.MustParseAddr(a) }
}

func relayedBy(a string) func(*classify.Facts) {
	return func(f *classify.Facts) {
		f.Relay, f.Ingress.Dst = netip.MustParseAddr(a), ours
		f.Ingress.Src = netip.AddrPortFrom(f.Relay, 67)
	}
}

// outcome says in a line what was decided about addresses:
// "ack 10.77.2.50, bind 10.77.2.50 for 1h0m0s". A lease is recorded for longer
// than the machine is told, by policy.Margin, which is left out.
func outcome(d policy.Decision) string {
	words := []string{string(d.Answer)}
	if d.Address.IsValid() {
		words[0] += " " + d.Address.String()
	}
	if c := d.Change; c.Kind != policy.NoChange {
		text := fmt.Sprintf("%s %s", c.Kind, c.Lease.Address)
		until := c.Lease.Expires
		if c.Kind == policy.Bind {
			until = until.Add(-policy.Margin)
		}
		if !until.Equal(noon) {
			text += " for " + until.Sub(noon).String()
		}
		words = append(words, text)
	}
	return strings.Join(words, ", ")
}

// lastReason is why a decision came out as it did.
func lastReason(d policy.Decision) string {
	if len(d.Reasons()) == 0 {
		return ""
	}
	return d.Reasons()[len(d.Reasons())-1].Text
}

func hasReason(d policy.Decision, text string) bool {
	return slices.ContainsFunc(d.Reasons(), func(r policy.Reason) bool { return strings.Contains(r.Text, text) })
}
