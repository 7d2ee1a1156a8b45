package handover

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func eth(name string, prefixes ...string) Interface {
	i := Interface{Name: name}
	for _, p := range prefixes {
		i.Prefixes = append(i.Prefixes, prefix(p))
	}
	return i
}

// TestAddresses: at which address machines reach the server, and why; or the
// question, where nobody can know.
func TestAddresses(t *testing.T) {
	const two = "[[subnet]]\ncidr = \"10.77.2.0/24\"\n[[subnet]]\ncidr = \"10.77.3.0/24\"\n"
	both := []Interface{eth("eth0", "10.77.2.2/24"), eth("eth1", "10.77.3.2/24")}
	for _, tc := range []struct {
		name, conf string
		facts      Facts
		want       string // network, address, why, whether on the same link
		err        string
	}{
		{"a person says it", two, Facts{Address: addr("10.9.9.9"), Interfaces: both},
			"10.77.2.0/24 10.9.9.9 --address routed; 10.77.3.0/24 10.9.9.9 --address routed", ""},
		{"the configuration says it", "[server]\naddress = \"10.77.2.9\"\n" + two, Facts{Interfaces: both},
			"10.77.2.0/24 10.77.2.9 [server] address link; 10.77.3.0/24 10.77.2.9 [server] address link", ""},
		{"an interface on each network", two, Facts{Interfaces: both},
			"10.77.2.0/24 10.77.2.2 this host's on eth0 link; 10.77.3.0/24 10.77.3.2 this host's on eth1 link", ""},
		{"one address alone", two, Facts{Interfaces: both[:1]},
			"10.77.2.0/24 10.77.2.2 this host's on eth0 link; 10.77.3.0/24 10.77.2.2 the only one of this host routed", ""},
		{"interfaces that are not listened on", "[server]\ninterfaces = [\"eth1\"]\n" + two, Facts{Interfaces: both},
			"10.77.2.0/24 10.77.3.2 the only one of this host routed; 10.77.3.0/24 10.77.3.2 this host's on eth1 link", ""},
		{"next_server for files", "[server]\naddress = \"10.77.1.2\"\n[[subnet]]\ncidr = \"10.77.2.0/24\"\nnext_server = \"10.77.1.7\"\n", Facts{},
			"10.77.2.0/24 10.77.1.7 next_server of hobnail.toml:3 routed", ""},
		{"no subnet: where this host is", "", Facts{Interfaces: both},
			"10.77.2.0/24 10.77.2.2 this host's on eth0 link; 10.77.3.0/24 10.77.3.2 this host's on eth1 link", ""},
		{"a network that is named", two, Facts{Interfaces: both, Networks: []netip.Prefix{prefix("10.77.3.0/24")}},
			"10.77.3.0/24 10.77.3.2 this host's on eth1 link", ""},
		{"a network beyond the subnets", two, Facts{Address: addr("10.77.1.2"), Networks: []netip.Prefix{prefix("10.5.0.0/16")}},
			"10.5.0.0/16 10.77.1.2 --address routed", ""},
		{"several, and none on the network", "[[subnet]]\ncidr = \"10.77.9.0/24\"\n", Facts{Interfaces: both}, "",
			"at which address do machines of 10.77.9.0/24 reach hobnail? say it with --address, or as [server] address; this host has 10.77.2.2 on eth0, 10.77.3.2 on eth1"},
		{"no address at all", two, Facts{}, "",
			"at which address do machines of 10.77.2.0/24, 10.77.3.0/24 reach hobnail? say it with --address, or as [server] address; this host has none"},
		{"no network at all", "", Facts{}, "", "where are the machines? neither the configuration has a [[subnet]] nor this host an interface with a network; name it with --network"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := Survey(parse(t, tc.conf), tc.facts)
			if tc.err != "" {
				if err == nil || err.Error() != tc.err {
					t.Errorf("error %v, want %s", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, n := range s.Networks {
				got = append(got, strings.Join([]string{n.CIDR.String(), n.Files.String(), n.Why, map[bool]string{true: "link", false: "routed"}[n.Local]}, " "))
			}
			if text := strings.Join(got, "; "); text != tc.want {
				t.Errorf("got  %s\nwant %s", text, tc.want)
			}
		})
	}
}

// TestRules: what passes in each mode, on the same link and behind a router.
func TestRules(t *testing.T) {
	const (
		relayed = "dhcp-helper-request dhcp-relayed dhcp-relayed-answer dhcp-helper-answer "
		link    = "dhcp-request dhcp-answer "
		renew   = "dhcp-renew dhcp-renew-answer "
		pxe     = "pxe-request pxe-answer "
		files   = "tftp-request tftp-data tftp-ack http http-answer path-mtu"
	)
	for _, tc := range []struct{ name, conf, want string }{
		{"server, routed", `dhcp = "server"` + "\npool = \"10.77.2.50-10.77.2.60\"", relayed + renew + pxe + files + " probe-ping probe-pong"},
		{"server, routed, no probe", `dhcp = "server"` + "\nprobe = \"off\"\npool = \"10.77.2.50-10.77.2.60\"", relayed + renew + pxe + files},
		{"merge, routed, named server", `dhcp = "merge"` + "\nupstream = \"10.77.1.3\"", relayed + renew + "upstream-request upstream-answer " + pxe + files},
		{"auto, routed", `dhcp = "auto"`, relayed + renew + "upstream-request upstream-answer " + pxe + files},
		{"proxy, routed", `dhcp = "proxy"`, relayed + pxe + files},
		{"off, routed", `dhcp = "off"`, files},
		{"server, link", `dhcp = "server"` + "\npool = \"10.77.2.50-10.77.2.60\" #link", link + renew + pxe + files + " probe-arp probe-ping probe-pong"},
		{"merge, link", `dhcp = "merge" #link`, link + renew + "upstream-broadcast upstream-request upstream-answer " + pxe + files},
		{"proxy, link", `dhcp = "proxy" #link`, link + pxe + files},
		{"off, link", `dhcp = "off" #link`, files},
	} {
		t.Run(tc.name, func(t *testing.T) {
			address := "10.77.1.2"
			if strings.Contains(tc.conf, "#link") {
				address = "10.77.2.2"
			}
			s := survey(t, "[server]\naddress = \""+address+"\"\n[[subnet]]\ncidr = \"10.77.2.0/24\"\n"+tc.conf+"\n", facts())
			if got := strings.Join(ids(s), " "); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func ids(s *Site) []string {
	var all []string
	for _, r := range s.Rules() {
		all = append(all, r.ID)
	}
	return all
}

// TestPorts: the ports are those that are configured, and what is off is not
// there.
func TestPorts(t *testing.T) {
	const subnet = "[[subnet]]\ncidr = \"10.77.2.0/24\"\ndhcp = \"off\"\n"
	for _, tc := range []struct{ name, server, id, want string }{
		{"TFTP data", "", "tftp-data", "32768-60999 > 1024-65535"},
		{"TFTP data from one port", "[tftp]\nanswers = \"single-port\"\n", "tftp-data", "69 > 1024-65535"},
		{"no other acknowledgements then", "[tftp]\nanswers = \"single-port\"\n", "tftp-ack", ""},
		{"HTTP", "", "http", "1024-65535 > 8080"},
		{"HTTP elsewhere", "http = \"10.77.1.2:80\"\n", "http", "1024-65535 > 80"},
		{"HTTP off", "http = \"off\"\n", "http", ""},
		{"HTTPS off", "", "https", ""},
		{"HTTPS", "https = \":8443\"\n", "https", "1024-65535 > 8443"},
		{"metrics for others", "metrics = \":9167\"\n", "metrics", "- > 9167"},
		{"metrics for this host", "metrics = \"127.0.0.1:9167\"\n", "metrics", ""},
		{"metrics off", "", "metrics", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := survey(t, "[server]\naddress = \"10.77.1.2\"\n"+tc.server+subnet, facts())
			got := ""
			for _, r := range s.Listing().Rules {
				if r.ID == tc.id {
					got = orWord(strings.Join(r.FromPorts, " "), "-") + " > " + strings.Join(r.ToPorts, " ")
				}
			}
			if got != tc.want {
				t.Errorf("ports %q, want %q", got, tc.want)
			}
		})
	}
}

// TestDownloads: an address can be opened in a firewall, a name has to be
// looked up first, and no list of rules holds it.
func TestDownloads(t *testing.T) {
	f := facts()
	f.Downloads = []Download{{"192.0.2.7", 80}, {"mirror.example.net", 443}}
	s := survey(t, campus, f)
	if n := len(slices.DeleteFunc(ids(s), func(id string) bool { return id != "download" && id != "dns" })); n != 4 {
		t.Errorf("%d rules for downloads, want 4: two servers, and DNS by UDP and TCP", n)
	}
	text := s.NFTables(AtHost)
	for _, want := range []string{"\t\tip daddr 192.0.2.7 tcp dport 80 accept comment \"download\"\n", "# not opened here: download, "} {
		if !strings.Contains(text, want) {
			t.Errorf("nftables lack %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "mirror.example.net") {
		t.Errorf("nftables have a name in them:\n%s", text)
	}
}
