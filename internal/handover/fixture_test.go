package handover

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/config"
	"hobnail/internal/wire/wiretest"
)

// campus has a network of each mode: behind routers, and one on the server's
// own link.
const campus = `
[server]
name    = "boot1"
address = "10.77.1.2"
https   = ":8443"

[[subnet]]
cidr   = "10.77.2.0/24"
dhcp   = "server"
pool   = "10.77.2.50-10.77.2.200"
router = "10.77.2.1"

[[subnet]]
cidr     = "10.77.4.0/22"
dhcp     = "merge"
upstream = ["10.77.1.3", "10.77.1.4"]

[[subnet]]
cidr = "10.77.1.0/24"
dhcp = "proxy"

[[subnet]]
cidr = "10.77.8.0/24"
dhcp = "off"
`

func facts() Facts {
	return Facts{
		AnswerPorts: Ports{32768, 60999},
		Programs: []Program{
			{"bios", "ipxe", "undionly.kpxe"},
			{"bios", "pxelinux", "pxelinux.0"},
			{"uefi-ia32", "grub", "grubia32.efi"},
			{"uefi-ia32", "ramdisk", "boot.img"},
			{"uefi-ia32", "grub-proxy", "grubproxyia32.efi"},
			{"uefi-x64", "shim", "shimx64.efi"},
			{"uefi-x64", "grub", "grubx64.efi"},
			{"uefi-x64", "ramdisk", "boot.img"},
			{"uefi-x64", "ipxe", "snponly.efi"},
			{"uefi-arm64", "shim", "shimaa64.efi"},
			{"uefi-arm64", "grub", "grubaa64.efi"},
			{"uefi-arm64", "ramdisk", "boot.img"},
		},
	}
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, faults := config.Parse("hobnail.toml", []byte(text))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return cfg
}

func survey(t *testing.T, text string, f Facts) *Site {
	t.Helper()
	s, err := Survey(parse(t, text), f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestGolden holds what every language looks like. Those of Cisco, Juniper,
// MikroTik and Windows were compared with their makers' documentation, and run
// by nobody here.
func TestGolden(t *testing.T) {
	s := survey(t, campus, facts())
	got := map[string]string{
		"ports.text": s.Listing().Text(), "ports.csv": s.Listing().CSV(),
		"host.nftables": s.NFTables(AtHost), "router.nftables": s.NFTables(AtRouter), "relay.nftables": s.NFTables(AtRelay),
		"firewall.windows": s.WindowsFirewall(), "acl.cisco": s.CiscoACL(), "filter.juniper": s.JuniperFilter(),
	}
	all, err := s.Snippets("all")
	if err != nil {
		t.Fatal(err)
	}
	for _, snippet := range all {
		got[snippet.Part+"."+snippet.For] = snippet.Text
	}
	if len(got) != 18 {
		t.Errorf("there are %d texts, want 18", len(got))
	}
	for name, text := range got {
		t.Run(name, func(t *testing.T) { golden(t, name, text) })
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	want := wiretest.Golden(t, filepath.Join("testdata", name+".golden"), got)
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
