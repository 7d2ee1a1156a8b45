package sim_test

import (
	"encoding/hex"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/config"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/sim"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// slowest is what one packet may take from its octets to those of the answer.
const slowest = 5 * time.Millisecond

// networks are those that captures and corpus come from.
const networks = `
[[subnet]]
cidr   = "10.99.0.0/24"
dhcp   = "server"
pool   = "10.99.0.50-10.99.0.50"
router = "10.99.0.254"
dns    = "10.99.0.1"
[[subnet]]
cidr   = "192.168.16.0/24"
dhcp   = "server"
pool   = "192.168.16.12-192.168.16.12"
[[subnet]]
cidr   = "10.30.0.0/16"
dhcp   = "server"
pool   = "10.30.4.4-10.30.4.4"
[[subnet]]
cidr   = "10.0.0.0/24"
dhcp   = "server"
pool   = "10.0.0.50-10.0.0.50"
`

// newView is a server with boot programs and without leases.
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
			{Arch: model.ArchX64, Loader: policy.LoaderRAMDisk, File: "boot.img"},
			{Arch: model.ArchARM64, Loader: policy.LoaderShim, File: "shimaa64.efi"},
			{Arch: model.ArchARM64, Loader: policy.LoaderIPXE, File: "snponly.efi"},
		},
	}
	return policy.View{Policy: policy.Compile(cfg, nil, programs), Leases: sim.NoLeases{}}
}

// answers is what a packet gets where another server gives the addresses, and
// where we do: "offer ADDRESS FILE" without what is empty, or why nothing.
type answers struct{ proxy, server string }

// both is for packets that get the same everywhere.
func both(s string) answers { return answers{s, s} }

// Packets that are no requests.
const (
	notDHCPv4   = "not DHCPv4"
	fromAServer = "a server's"
)

// TestCaptures: the answer to every captured packet. A capture without a row
// fails.
func TestCaptures(t *testing.T) {
	const (
		notOurs  = "ignore"
		x64      = "m/525400123456/uefi-x64/"
		arm64    = "m/525400123456/uefi-arm64/"
		lease    = " 10.99.0.50 "
		scriptOf = "http://10.99.0.1:8080/m/525400123456/"
	)
	want := map[string]answers{
		"01-intel-bios-discover":         {"offer m/d050994e0557/bios/undionly.kpxe", "offer 192.168.16.12 m/d050994e0557/bios/undionly.kpxe"},
		"02-pixiecore-proxy-offer":       both(fromAServer),
		"03-dnsmasq-offer":               both(fromAServer),
		"04-intel-bios-request":          both(notOurs), // dnsmasq's offer was taken
		"05-dnsmasq-ack":                 both(fromAServer),
		"06-intel-bios-4011-request":     both("ack 192.168.16.12 m/d050994e0557/bios/undionly.kpxe"),
		"07-pixiecore-4011-ack":          both(fromAServer),
		"08-intel-bios-tftp-rrq-tsize":   both(notDHCPv4),
		"09-intel-bios-tftp-rrq-blksize": both(notDHCPv4),
		"10-relayed-type1":               {notOurs, "offer 10.30.4.4"},
		"11-relayed-type2":               both(fromAServer),
		"12-relayed-type3":               {notOurs, "ack 10.30.4.4"},
		"13-relayed-type5":               both(fromAServer),
		"20-dhcpv6-bootfile-url-1":       both(notDHCPv4),
		"21-dhcpv6-bootfile-url-2":       both(notDHCPv4),
		"22-dhcpv6-bootfile-url-3":       both(notDHCPv4),
		"23-dhcpv6-bootfile-url-7":       both(notDHCPv4),
		"30-ovmf-x64-pxe-discover":       {"offer " + x64 + "snponly.efi", "offer" + lease + x64 + "shimx64.efi"},
		"31-ovmf-x64-pxe-request":        {notOurs, "ack" + lease + x64 + "shimx64.efi"},
		"32-ovmf-tftp-rrq-probe":         both(notDHCPv4),
		"33-ovmf-tftp-error8":            both(notDHCPv4),
		"34-ovmf-tftp-rrq-transfer":      both(notDHCPv4),
		"35-ovmf-4011-request":           {"ack" + lease + x64 + "snponly.efi", "ack" + lease + x64 + "shimx64.efi"},
		"36-ovmf-4011-request-retry":     {"ack" + lease + x64 + "snponly.efi", "ack" + lease + x64 + "shimx64.efi"},
		"37-ovmf-4011-menu-request":      {"ack" + lease + x64 + "snponly.efi", "ack" + lease + x64 + "shimx64.efi"},
		"38-ipxe-uefi-discover":          {"offer " + scriptOf + "uefi-x64/boot.ipxe", "offer" + lease + scriptOf + "uefi-x64/boot.ipxe"},
		"39-ipxe-uefi-request":           {notOurs, "ack" + lease + scriptOf + "uefi-x64/boot.ipxe"},
		"40-ipxe-bios-discover":          {"offer " + scriptOf + "bios/boot.ipxe", "offer" + lease + scriptOf + "bios/boot.ipxe"},
		"41-ipxe-bios-4011-request":      both("ack" + lease + "http://10.99.0.2:8080/m/525400123456/bios/boot.ipxe"),
		"42-ipxe-tftp-rrq":               both(notDHCPv4),
		"43-ovmf-http-discover":          {"offer " + scriptOf + "uefi-x64/boot.img", "offer" + lease + scriptOf + "uefi-x64/boot.img"},
		"44-aavmf-arm64-pxe-discover":    {"offer " + arm64 + "snponly.efi", "offer" + lease + arm64 + "shimaa64.efi"},
		"45-uboot-arm64-discover":        {notOurs, "offer" + lease + "m/525252525252/uefi-arm64/boot.scr.uimg"},
		"46-uboot-arm64-rrq":             both(notDHCPv4),
		"48-ovmf-dhcpv6-solicit":         both(notDHCPv4),
		"49-ovmf-dhcpv6-request":         both(notDHCPv4),
		"50-pxelinux-rrq":                both(notDHCPv4),
		"51-shim-rrq-second-stage":       both(notDHCPv4),
		"52-grub-rrq-config":             both(notDHCPv4),
		"53-ovmf-dhcpv6-stack-solicit":   both(notDHCPv4),
		"54-ovmf-dhcpv6-release":         both(notDHCPv4),
		"55-ovmf-dhcp-decline":           both(notOurs), // of an address that is nobody's here
		"56-ovmf-tftpv6-rrq":             both(notDHCPv4),
	}
	for _, c := range wiretest.Captures(t) {
		w, listed := want[c.Name]
		if !listed {
			t.Errorf("%s has no row", c.Name)
			continue
		}
		delete(want, c.Name)
		at := sim.Place{Server: netip.MustParseAddr("10.99.0.1"), Port: c.Dst.Port()}
		switch {
		case c.Dst.Addr().Is4() && c.Dst.Addr().IsPrivate():
			at.Server = c.Dst.Addr()
		case strings.Contains(c.Name, "intel-bios"):
			at.Server = netip.MustParseAddr("192.168.16.10")
		}
		t.Run(c.Name, func(t *testing.T) { checkAnswers(t, c.Payload, at, w) })
	}
	for name := range want {
		t.Errorf("%s has a row and is not there", name)
	}
}

// TestCorpus: the answer to every malformed or hostile packet. A file without
// a row fails.
func TestCorpus(t *testing.T) {
	dropped := both(notDHCPv4)
	silence := both("ignore")
	plain := answers{"ignore", "offer 10.0.0.50"}
	x64 := answers{"offer m/525400120001/uefi-x64/snponly.efi", "offer 10.0.0.50 m/525400120001/uefi-x64/shimx64.efi"}
	want := map[string]answers{}
	for _, group := range []struct {
		answers answers
		files   string
	}{
		{dropped, `trunc_235 trunc_236 trunc_240 f5_default_send_string bad_magic opt_len_past_end opt_code_last_byte
			hlen_17 hlen_255 chaddr_bcast chaddr_mcast opt52_3_unterminated
			msgtype_0 msgtype_2 msgtype_5 msgtype_14 msgtype_19 msgtype_255 msgtype_twice msgtype_len2 op_100`},
		// Nobody that can be told from others, no architecture that can be
		// read, a relay that is none, another's lease, BOOTP, a stranger's
		// address: understood and not answered.
		{silence, `hlen_7 htype0_hlen6 opt93_len0 opt93_odd opt93_unknown opt60_arch_overflow
			giaddr_loop giaddr_mcast giaddr_other ciaddr_spoof_release decline_foreign msgtype_missing lease_infinite`},
		{plain, `clientid_duid_short fqdn81_short opt52_nested opt55_255 opt55_dup opt60_short
			opt82_trunc_sub opt121_mask33 opt125_overflow bomb_pad_1500`},
		{answers{"ignore", "nak"}, `reqip_zero reqip_mcast reqip_netaddr`},
		{answers{"offer http://10.0.0.1:8080/m/525400120001/uefi-x64/boot.ipxe", "offer 10.0.0.50 http://10.0.0.1:8080/m/525400120001/uefi-x64/boot.ipxe"},
			`opt175_overflow`}, // damaged, and still iPXE's
		{x64, `valid_discover_uefi_x64 no_end opt93_127 opt97_len1 opt97_len16 opt43_tlv_overflow opt43_no_end
			hostname_csv_formula hostname_grub_cfg hostname_jinja hostname_len0 hostname_len255 hostname_nul hostname_path
			hostname_punycode hostname_rtl hostname_shell hostname_sql hostname_xml_unattend hostname_yaml
			userclass_all_invalid_chars userclass_ansi userclass_csv_formula userclass_dots_only userclass_embedded_empty_labels
			userclass_format userclass_go_template userclass_grub_cfg userclass_html_img userclass_invalid_utf8 userclass_jinja
			userclass_newline_record userclass_punycode userclass_xml_unattend userclass_yaml
			vendorclass_embedded_empty_labels vendorclass_grub_cfg vendorclass_html_attr vendorclass_html_script
			vendorclass_invalid_utf8 vendorclass_jinja vendorclass_len0 vendorclass_nul vendorclass_path vendorclass_proto
			vendorclass_punycode vendorclass_quote vendorclass_shell vendorclass_sql vendorclass_xml_unattend`},
	} {
		for _, name := range strings.Fields(group.files) {
			if _, twice := want[name]; twice {
				t.Errorf("%s has two rows", name)
			}
			want[name] = group.answers
		}
	}
	for _, c := range wiretest.Corpus(t, "dhcp4") {
		name := strings.TrimSuffix(strings.TrimPrefix(c.Path, "dhcp4/"), ".bin")
		w, listed := want[name]
		if !listed {
			t.Errorf("%s has no row; a correct server: %s", name, c.Expected)
			continue
		}
		delete(want, name)
		at := sim.Place{Server: netip.MustParseAddr("10.0.0.1")}
		if name == "opt82_trunc_sub" {
			at.Server = netip.MustParseAddr("10.0.0.2") // .1 is its relay
		}
		t.Run(name, func(t *testing.T) {
			checkAnswers(t, c.Payload, at, w)
			if strings.HasPrefix(c.Expected, "drop") && w != dropped {
				t.Errorf("the row says %+v; a correct server: %s", w, c.Expected)
			}
			if c.Expected == "OFFER" && !strings.HasPrefix(w.proxy, "offer") {
				t.Errorf("the row says %+v; a correct server: %s", w, c.Expected)
			}
		})
	}
	for name := range want {
		t.Errorf("%s has a row and is not there", name)
	}
}

// checkAnswers takes a packet all the way in both modes, three times, and
// counts the shortest: the first may have to pay for a garbage collection.
func checkAnswers(t *testing.T, payload []byte, at sim.Place, want answers) {
	t.Helper()
	views := [2]policy.View{newView(t, ""), newView(t, networks)}
	var got answers
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	took := time.Hour
	for range 3 {
		start := wiretest.ProcessorTime(t)
		got = answers{answerTo(t, views[0], payload, at), answerTo(t, views[1], payload, at)}
		took = min(took, (wiretest.ProcessorTime(t)-start)/2)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(answers{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if took > slowest {
		t.Errorf("took %v, must take at most %v", took, slowest)
	}
}

func answerTo(t *testing.T, v policy.View, payload []byte, at sim.Place) string {
	t.Helper()
	req, err := dhcp4.Parse(payload)
	switch {
	case err != nil:
		return notDHCPv4
	case req.Op != dhcp4.OpRequest:
		return fromAServer
	}
	trace, err := sim.Run(v, req, at, noon)
	if err != nil {
		t.Fatal(err)
	}
	if len(trace.Reasons) == 0 {
		t.Error("no reason is given")
	}
	checkReply(t, req, trace)
	return strings.Join(strings.Fields(trace.Answer+" "+trace.Address+" "+trace.BootFile), " ")
}

// checkReply holds what every answer to a captured packet must be: within the
// client's limits, and with the relay's option back.
func checkReply(t *testing.T, req *dhcp4.Packet, trace sim.Trace) {
	t.Helper()
	b, err := hex.DecodeString(trace.Reply)
	if err != nil || (len(b) > 0) != (trace.Answer != "ignore") {
		t.Fatalf("answer %s with the reply %q", trace.Answer, trace.Reply)
	}
	if len(b) == 0 {
		return
	}
	limit := 548
	if n, ok := req.Options.Uint16(dhcp4.OptMaxMessageSize); ok {
		limit = min(max(int(n)-28, 548), 1472)
	}
	if len(b) < 300 || len(b) > limit {
		t.Errorf("the reply has %d octets, want 300 to %d", len(b), limit)
	}
	r, err := dhcp4.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	mine, _ := r.Options.Get(dhcp4.OptRelayInfo)
	theirs, _ := req.Options.Get(dhcp4.OptRelayInfo)
	if string(mine) != string(theirs) {
		t.Errorf("option 82 is % x, the relay sent % x", mine, theirs)
	}
}
