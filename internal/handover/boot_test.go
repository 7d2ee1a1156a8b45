package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"hobnail/internal/wire/wiretest"
)

// TestChoice: which program another DHCP server is told to name.
func TestChoice(t *testing.T) {
	const conf = "[server]\naddress = \"10.77.1.2\"\n[[subnet]]\ncidr = \"10.77.2.0/24\"\ndhcp = \"off\"\n"
	for _, tc := range []struct {
		name     string
		programs []Program
		want     string
	}{
		{"shim before iPXE", []Program{{"uefi-x64", "ipxe", "snponly.efi"}, {"uefi-x64", "shim", "shimx64.efi"}}, "nbp/uefi-x64/shimx64.efi"},
		{"iPXE's own shim before shim", []Program{{"uefi-x64", "shim", "shimx64.efi"}, {"uefi-x64", "ipxe-shim", "ipxe-shimx64.efi"}}, "nbp/uefi-x64/ipxe-shimx64.efi"},
		{"GRUB that knows the machine before GRUB", []Program{{"uefi-ia32", "grub", "grubia32.efi"}, {"uefi-ia32", "grub-proxy", "grubproxyia32.efi"}}, "nbp/uefi-ia32/grubproxyia32.efi"},
		{"the user's own program", []Program{{"uefi-x64", "shim", "shimx64.efi"}, {"uefi-x64", "custom", "bootmgfw.efi"}}, "nbp/uefi-x64/bootmgfw.efi"},
		{"two of them are none", []Program{{"uefi-x64", "custom", "a.efi"}, {"uefi-x64", "custom", "b.efi"}, {"uefi-x64", "shim", "shimx64.efi"}}, "nbp/uefi-x64/shimx64.efi"},
		{"BIOS without iPXE", []Program{{"bios", "pxelinux", "pxelinux.0"}}, "nbp/bios/pxelinux.0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := survey(t, conf, Facts{Programs: tc.programs})
			d, err := s.DHCP()
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range d.Boots {
				if b.Client == ClientPXE && b.File != tc.want {
					t.Errorf("firmware gets %s, want %s", b.File, tc.want)
				}
			}
			if len(d.Boots) < 2 || d.Boots[0].Client != ClientIPXE {
				t.Errorf("iPXE is not told first: %+v", d.Boots)
			}
		})
	}
}

// TestBootWithoutHTTP: scripts go by TFTP, and nothing boots by HTTP.
func TestBootWithoutHTTP(t *testing.T) {
	s := survey(t, "[server]\naddress = \"10.77.1.2\"\nhttp = \"off\"\n[[subnet]]\ncidr = \"10.77.2.0/24\"\ndhcp = \"off\"\n", facts())
	all, err := s.BootInfos()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		if b.Client == string(ClientHTTP) || b.Client == string(ClientIPXE) && !strings.HasPrefix(b.File, "tftp://10.77.1.2/m/${netX/mac:hexraw}/") {
			t.Errorf("%s of %s gets %s", b.Client, b.Arch, b.File)
		}
	}
}

// TestBootDataNamesOneServer: what cannot be told in one text is asked for.
func TestBootDataNamesOneServer(t *testing.T) {
	f := facts()
	f.Interfaces = []Interface{eth("eth0", "10.77.2.2/24"), eth("eth1", "10.77.3.2/24")}
	s := survey(t, "[[subnet]]\ncidr = \"10.77.2.0/24\"\n[[subnet]]\ncidr = \"10.77.3.0/24\"\n", f)
	_, err := s.Snippets("kea")
	if want := new(SeveralAddresses); !errors.As(err, &want) || !strings.Contains(err.Error(), "10.77.2.0/24 at 10.77.2.2, 10.77.3.0/24 at 10.77.3.2") {
		t.Errorf("error %v", err)
	}
	if _, err := s.Snippets("cisco"); err != nil {
		t.Errorf("helpers need no such address: %v", err)
	}
	if _, err := s.Snippets("novell"); err == nil || !strings.Contains(err.Error(), `nothing is written for "novell"`) {
		t.Errorf("error %v", err)
	}
	none := survey(t, campus, Facts{})
	if _, err := none.Snippets("isc"); err == nil || !strings.Contains(err.Error(), "no boot programs") {
		t.Errorf("without boot programs: error %v", err)
	}
}

// TestHostileTexts puts what people and machines may write into the two places
// that nobody has checked: the host's name, and names of files. No language
// takes any of it for more than a name.
func TestHostileTexts(t *testing.T) {
	clean := texts(t, "boot1", facts())
	mark := regexp.MustCompile(`(?m)^(#|!|//) hobnail, server (\S+|without a name): `)
	for _, h := range wiretest.HostileStrings(t) {
		name, f := string(h.Text), facts()
		if !tidy(name) {
			f.Programs = append(f.Programs, Program{"uefi-riscv64", "grub", name}, Program{"uefi-loongarch64", "custom", name + ".efi"})
		}
		for language, got := range texts(t, name, f) {
			if got = mark.ReplaceAllString(got, "${1} hobnail, server boot1: "); got != clean[language] {
				t.Errorf("%s: %s differs from that of a harmless host:\n%s", h.Name, language, got)
			}
		}
	}
}

// texts gives every language.
func texts(t *testing.T, server string, f Facts) map[string]string {
	t.Helper()
	cfg := parse(t, campus)
	cfg.Server.Name = server
	s, err := Survey(cfg, f)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{
		"nftables": s.NFTables(AtRelay), "windows firewall": s.WindowsFirewall(), "cisco ACL": s.CiscoACL(), "juniper filter": s.JuniperFilter(),
		"text": s.Listing().Text(), "csv": s.Listing().CSV(),
	}
	snippets, err := s.Snippets("all")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range snippets {
		all[s.For+" "+s.Part] = s.Text
	}
	return all
}

// TestQuotes: texts that end a quote, or have something filled in.
func TestQuotes(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{psText(`a'b’c$(x)`), `'a''b’’c$(x)'`},
		{iscText(`a"b\c`), `"a\"b\\c"`},
		{rosText(`a"b$c[d]`), `"a\"b\$c[d]"`},
		{plain("a b\n'c"), "a_b__c"},
		{csvText([][]string{{"=1+1", "a,b", `c"d`}}), "'=1+1,\"a,b\",\"c\"\"d\"\n"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %s, want %s", tc.got, tc.want)
		}
	}
}

// TestKeaIsJSON: behind the remarks, which Kea takes, stands a list.
func TestKeaIsJSON(t *testing.T) {
	d, err := survey(t, campus, facts()).DHCP()
	if err != nil {
		t.Fatal(err)
	}
	text, err := d.Kea()
	if err != nil {
		t.Fatal(err)
	}
	var classes []map[string]any
	if err := json.Unmarshal([]byte(regexp.MustCompile(`(?m)^//.*\n`).ReplaceAllString(text, "")), &classes); err != nil || len(classes) != 1+len(d.Boots) {
		t.Errorf("%d classes for %d kinds of clients: %v", len(classes), len(d.Boots), err)
	}
	seen := map[string]bool{}
	for _, c := range classes {
		if name := fmt.Sprint(c["name"]); seen[name] {
			t.Errorf("two classes are called %s", name)
		} else {
			seen[name] = true
		}
	}
}
