package config

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hobnail/internal/model"
)

func compareConfig(t *testing.T, want, got *Config) {
	t.Helper()
	diff := cmp.Diff(want, got, cmpopts.EquateEmpty(),
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }))
	if diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func mustParse(t *testing.T, file, text string) *Config {
	t.Helper()
	cfg, faults := Parse(file, []byte(text))
	for _, f := range faults {
		t.Error(f)
	}
	if cfg == nil {
		t.FailNow()
	}
	return cfg
}

func TestParseEmptyFileGivesDefaults(t *testing.T) {
	want := Default()
	want.File = "hobnail.toml"
	compareConfig(t, want, mustParse(t, "hobnail.toml", ""))
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func ranges(list ...string) []Range {
	var all []Range
	for _, s := range list {
		first, last, _ := strings.Cut(s, "-")
		all = append(all, Range{First: addr(first), Last: addr(last)})
	}
	return all
}

func TestParseEveryKey(t *testing.T) {
	data, err := os.ReadFile("testdata/valid-every-key.toml")
	if err != nil {
		t.Fatal(err)
	}
	ntp := []model.Option{{Code: 42, Name: "ntp-servers", Data: []byte{10, 77, 1, 5}}}
	want := &Config{
		File: "/etc/hobnail/site.toml",
		Server: Server{
			Name: "boot1", Data: "/srv/hobnail", Interfaces: []string{"eth0", "eth1.20"},
			Address: addr("10.77.1.2"), HTTP: "10.77.1.2:8081", HTTPPort: 8081,
			HTTPS: ":8443", HTTPSPort: 8443, HTTPSNames: []string{"boot.example.net", "2001:db8::2"},
			Certificate: "/etc/ssl/boot1.pem", CertificateKey: "/srv/hobnail/tls/boot1.key", Metrics: "127.0.0.1:9167",
			Console: Console{
				Networks: []netip.Prefix{netip.MustParsePrefix("10.77.1.0/24"), netip.MustParsePrefix("2001:db8::/64")},
				Names:    []string{"boot.example.net"},
			},
			DHCP: model.ModeOff, DHCPAt: "site.toml:11", Upstream: []netip.Addr{addr("10.77.1.9"), addr("10.77.1.10")},
			Share: Share{Index: 2, Of: 3}, NBP: "/srv/hobnail/programs", Options: ntp,
		},
		Boot: Boot{Unknown: "rescue", UnknownAt: "site.toml:23", Default: "debian-12", Timeout: 90 * time.Second, Local: model.LocalExit,
			Offer: model.StyleNo43, OfferAt: "site.toml:21", Learn: false, LearnAt: "site.toml:22"},
		TFTP:    TFTP{SinglePort: true, MaxTransfers: 100, MaxPerClient: 4, MaxRate: 1e9, MaxClientRate: 500e3},
		HTTP:    HTTP{MaxRate: 2e9, MaxClientRate: 64e3},
		History: History{Good: 7 * 24 * time.Hour, Failed: 30 * 24 * time.Hour, Boots: 500},
		Install: Install{Answers: "/srv/hobnail/answers-of-ours", Vars: map[string]string{"user": "it", "ssh_key": ""}},
		Subnets: []Subnet{
			{
				CIDR: netip.MustParsePrefix("10.77.2.0/24"), Mode: model.ModeServer,
				Pool:   ranges("10.77.2.50-10.77.2.99", "10.77.2.150-10.77.2.200"),
				Router: addr("10.77.2.1"), DNS: []netip.Addr{addr("10.77.1.2"), addr("9.9.9.9")},
				NTP: []netip.Addr{addr("10.77.1.3")}, Domain: "lab.example.net", Lease: 36 * time.Hour, PerCircuit: 16,
				NextServer: addr("10.77.1.4"), Link: "floor-2",
				Options: []model.Option{{Code: 26, Name: "mtu-interface", Data: []byte{0x05, 0x78}}, {Code: 224, Name: "224", Data: []byte{1, 2}}},
				At:      "site.toml:27",
			},
			{CIDR: netip.MustParsePrefix("10.77.3.0/24"), Mode: model.ModeOff, Lease: time.Hour, Probe: true, At: "site.toml:42"},
		},
		Machines: []model.Machine{
			{
				Name: "lab-01", MACs: []model.MAC{"52:54:00:12:34:56", "52:54:00:ab:cd:ef"},
				UUID: "4c4c4544-0043-3010-8052-b4c04f4d3532", Serial: "J0C2RM2", Options: ntp,
				Address: addr("10.77.2.10"), Boot: "rescue", Loader: "grub", Offer: model.StyleMenu, Learn: "on", Source: "site.toml:45",
			},
			{Name: "lab-02", UUID: "4c4c4544-0043-3010-8052-b4c04f4d3533",
				ClientIDs: []string{"6c61622d32", "01525400abcdef"}, CircuitID: "\x00\x04\x00\x01", Relay: addr("10.77.2.1"), Source: "site.toml:57"},
		},
		Rules: []Rule{
			{
				Name: "the classroom", Options: ntp,
				Match: Match{
					MAC:    []string{"52:54:00:*", "52:54:0*", "52:54:00:12:34:56"},
					UUID:   []model.UUID{"4c4c4544-0043-3010-8052-b4c04f4d3532"},
					Arch:   []model.Arch{model.ArchX64, model.ArchBIOS},
					Subnet: []netip.Prefix{netip.MustParsePrefix("10.77.0.0/16")},
					Relay:  []netip.Addr{addr("10.77.2.1"), addr("10.77.3.1")},

					Firmware:    []model.Firmware{model.FirmwareHTTP},
					CircuitID:   []string{"0x0004*", "eth0/1/*"},
					RemoteID:    []string{"switch 7"},
					VendorClass: []string{"PXEClient*"},
					UserClass:   []string{"iPXE"},
					Machine:     []string{"lab-01", "lab-02"},
				},
				Boot: "menu", Loader: "bootmgfw.efi", At: "site.toml:64",
			},
			{Match: Match{Arch: []model.Arch{model.ArchARM64}}, Boot: "debian-12-arm64", At: "site.toml:83"},
			{Loader: "ipxe", At: "site.toml:87", Offer: model.StyleBINL, Learn: "off"},
		},
		Images: []model.Image{
			{
				Name: "rescue", Title: "Rescue system", CPU: model.CPUARM64,
				Kernel:  "http://10.77.1.2/rescue/linux",
				Initrd:  []string{"/srv/hobnail/rescue/initrd.gz", "/srv/firmware.cpio"},
				Cmdline: "console=ttyS0 url={{.Server.URL}}/preseed/{{.Machine.Name}}", Source: "site.toml:92",
			},
			{Name: "memtest", CPU: model.CPUX64, Kernel: "/srv/hobnail/memtest.bin", Source: "site.toml:100"},
		},
	}
	compareConfig(t, want, mustParse(t, "/etc/hobnail/site.toml", string(data)))
}

func TestParseTakesEverySpellingOfTOML(t *testing.T) {
	const plain = `[server]
name = "boot1"
[[rule]]
boot = "menu"
match = { arch = ["bios"], mac = "52:54:00:12:34:56" }
`
	want := mustParse(t, "hobnail.toml", plain)
	for _, tc := range []struct{ name, text string }{
		{"a byte order mark and Windows line ends", "\uFEFF" + strings.ReplaceAll(plain, "\n", "\r\n")},
		{"a table for match", `[server]
name = 'boot1'
[[rule]]
boot = 'menu'
[rule.match]
arch = 'bios'
mac = ['525400123456']
`},
		{"dotted keys", `server.name = 'boot1'

[[rule]]
match.arch = 'bios'
boot = 'menu'
match.mac = '5254.0012.3456'
`},
		{"quoted keys with spaces around", `[ "server" ]
'name' = 'boot1'
 [[ rule ]]
"boot"='menu'
match . arch = 'bios'
match."mac"	=	'52-54-00-12-34-56'
`},
		{"inline tables", `server = { name = 'boot1' }

rule = [{ boot = 'menu', match = { arch = 'bios', mac = '52:54:00:12:34:56' } }]
`},
		{"a list over several lines", `[server]
name = 'boot1'
[[rule]]
boot = 'menu'
match.arch = [ # which
  'bios',
]
match.mac = '''52:54:00:12:34:56'''
`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			compareConfig(t, want, mustParse(t, "hobnail.toml", tc.text))
		})
	}
}

func TestParseValues(t *testing.T) {
	lease := func(c *Config) any { return c.Subnets[0].Lease }
	timeout := func(c *Config) any { return c.Boot.Timeout }
	mode := func(c *Config) any { return c.Subnets[0].Mode }
	port := func(c *Config) any { return c.Server.HTTPPort }
	cpu := func(c *Config) any { return c.Images[0].CPU }
	const (
		subnet  = "[[subnet]]\ncidr='10.77.2.0/24'\n"
		image   = "[[image]]\nname='x'\nkernel='k'\n"
		machine = "[[machine]]\nname='a'\nmac='525400123456'\naddress='10.77.2.9'\n"
	)
	for _, tc := range []struct {
		name, text string
		of         func(*Config) any
		want       any
	}{
		{"a lease of 60s", subnet + "lease='60s'", lease, time.Minute},
		{"a lease of 30m", subnet + "lease='30m'", lease, 30 * time.Minute},
		{"a lease of 7d", subnet + "lease='7d'", lease, 168 * time.Hour},
		{"a lease of 1d12h", subnet + "lease='1d12h'", lease, 36 * time.Hour},
		{"a lease of 365d", subnet + "lease='365d'", lease, 365 * 24 * time.Hour},
		{"a timeout of 0s", "boot.timeout='0s'", timeout, time.Duration(0)},
		{"a timeout of 1h", "boot.timeout='1h'", timeout, time.Hour},
		{"auto stays auto", subnet + "dhcp='auto'", mode, model.ModeAuto},
		{"a subnet takes the server's mode", "server.dhcp='off'\n" + subnet, mode, model.ModeOff},
		{"a subnet has its own mode", "server.dhcp='off'\n" + subnet + "dhcp='proxy'", mode, model.ModeProxy},
		{"a subnet has its own DHCP server", subnet + "dhcp='merge'\nupstream='10.77.2.3'",
			func(c *Config) any { return c.Subnets[0].Upstream[0] }, addr("10.77.2.3")},
		{"a subnet of reservations alone", subnet + "dhcp='server'\n" + machine, mode, model.ModeServer},
		{"a reservation inside the pool", subnet + "pool='10.77.2.5-10.77.2.9'\n" + machine, mode, model.ModeAuto},
		{"a link of two addresses", "[[subnet]]\ncidr='10.0.0.0/31'\nrouter='10.0.0.0'\npool='10.0.0.1-10.0.0.1'",
			func(c *Config) any { return c.Subnets[0].Pool[0].Size() }, int64(1)},
		{"an address without any subnet", machine, func(c *Config) any { return c.Machines[0].Address }, addr("10.77.2.9")},
		{"HTTP on every address", "server.http=':80'", port, uint16(80)},
		{"HTTP on an IPv6 address", "server.http='[::1]:8080'", port, uint16(8080)},
		{"no HTTP", "server.http='off'", port, uint16(0)},
		{"one revocation list", "server.dbx='dbx/x64.bin'", func(c *Config) any { return strings.Join(c.Server.DBX, " ") }, "/var/lib/hobnail/dbx/x64.bin"},
		{"revocation lists", "server.dbx=['/srv/a.bin', 'b.bin']", func(c *Config) any { return strings.Join(c.Server.DBX, " ") }, "/srv/a.bin /var/lib/hobnail/b.bin"},
		{"boot programs allowed", "server.allow_revoked=['shimx64.efi', 'uefi-arm64/grubaa64.efi']", func(c *Config) any { return strings.Join(c.Server.AllowRevoked, " ") }, "shimx64.efi uefi-arm64/grubaa64.efi"},
		{"boot programs under data", "server.data='/srv/h/'", func(c *Config) any { return c.Server.NBP }, "/srv/h/nbp"},
		{"an image without arch", image, cpu, model.CPUX64},
		{"an image for amd64", image + "arch='amd64'", cpu, model.CPUX64},
		{"an image for x86_64", image + "arch='x86_64'", cpu, model.CPUX64},
		{"an image for i386", image + "arch='i386'", cpu, model.CPUIA32},
		{"an image for aarch64", image + "arch='aarch64'", cpu, model.CPUARM64},
		{"an image for armhf", image + "arch='armhf'", cpu, model.CPUARM32},
		{"an image for riscv64", image + "arch='riscv64'", cpu, model.CPURISCV64},
		{"an image for loong64", image + "arch='loong64'", cpu, model.CPULoongArch64},
		{"an empty command line", image + "cmdline=''", func(c *Config) any { return c.Images[0].Cmdline }, ""},
		{"an installer of another release and processor", "[[rule]]\nboot='debian-13-ppc64'\nmatch.arch='power-of'",
			func(c *Config) any { return c.Rules[0].Boot }, "debian-13-ppc64"},
		{"an image in the place of a packaged one",
			"[[image]]\nname='debian-12'\narch='arm64'\nkernel='k'\n[[rule]]\nboot='debian-12'\nmatch.arch='uefi-arm64'",
			func(c *Config) any { return c.Rules[0].Boot }, "debian-12"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.of(mustParse(t, "hobnail.toml", tc.text)); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
