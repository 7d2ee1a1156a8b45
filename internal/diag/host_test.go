package diag

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// healthyHost is a host on which everything is as it should be.
func healthyHost() Host {
	const us = "hobnail (process 812)"
	return Host{
		Now: began,
		Ports: []Port{
			{"udp", 67, "DHCP", true, us, true}, {"udp", 4011, "PXE boot service", true, us, true},
			{"udp", 69, "TFTP", true, us, true}, {"tcp", 8080, "HTTP", true, us, true},
		},
		Privileged: true,
		Data:       Data{Path: "/var/lib/hobnail", Free: 1 << 30, Total: 1 << 34},
		Interfaces: []Iface{{Name: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.77.2.2/24")}}},
		Subnets:    []Subnet{{CIDR: netip.MustParsePrefix("10.77.2.0/24"), Mode: "server"}, {CIDR: netip.MustParsePrefix("10.99.0.0/24"), Mode: "server"}},
		Pools:      []Pool{{CIDR: netip.MustParsePrefix("10.77.2.0/24"), Size: 50, Used: 3}},
		Tests:      []Test{{What: "TFTP at 10.77.2.2"}},
	}
}

func TestJudgeHost(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Host)
		want   string
	}{
		{"healthy", func(*Host) {}, ""},
		{"not running", func(h *Host) {
			for i := range h.Ports {
				h.Ports[i].Bound, h.Ports[i].Holder, h.Ports[i].Ours = false, "", false
			}
		}, "fault not-running"},
		{"port 67 is dnsmasq's, and nobody has the others", func(h *Host) {
			for i := range h.Ports {
				h.Ports[i].Bound, h.Ports[i].Holder, h.Ports[i].Ours = false, "", false
			}
			h.Ports[0].Bound, h.Ports[0].Holder = true, "dnsmasq (process 7)"
		}, "fault port-taken, fault not-running"},
		{"one port is not open", func(h *Host) { h.Ports[3].Bound, h.Ports[3].Ours = false, false }, "fault not-running"},
		{"without root nobody can be named", func(h *Host) {
			for i := range h.Ports {
				h.Ports[i].Holder, h.Ports[i].Ours = "", false
			}
		}, "warning port-taken, warning port-taken, warning port-taken, warning port-taken"},
		{"a privilege is missing", func(h *Host) { h.Privileged, h.Lacks = false, "CAP_NET_RAW" }, "fault privileges"},
		{"a service is silent", func(h *Host) { h.Tests[0].Fault = "no answer" }, "fault self-test"},
		{"read-only", func(h *Host) { h.Data.Fault = "read-only file system" }, "fault disk-read-only"},
		{"full", func(h *Host) { h.Data.Free = 0 }, "fault disk-full"},
		{"nearly full", func(h *Host) { h.Data.Free = 1 << 20 }, "warning disk-full"},
		{"1970", func(h *Host) { h.Now = time.Unix(0, 0) }, "fault clock-wrong"},
		{"an interface is gone", func(h *Host) { h.Missing = []string{"eth7"} }, "fault interface-missing"},
		{"the address is another host's", func(h *Host) { h.Address = netip.MustParseAddr("10.77.2.9") }, "fault address-elsewhere"},
		{"the address is ours", func(h *Host) { h.Address = netip.MustParseAddr("10.77.2.2") }, ""},
		{"no route to a relay", func(h *Host) { h.Subnets[1].Route = "network is unreachable" }, "fault no-route"},
		{"no route to what is on the link", func(h *Host) { h.Subnets[0].Route = "network is unreachable" }, ""},
		{"a full pool", func(h *Host) { h.Pools[0].Used = 50 }, "fault pool-full"},
		{"a pool that runs short", func(h *Host) { h.Pools[0].Used = 46 }, "warning pool-full"},
		{"a firewall that drops TFTP", func(h *Host) {
			h.Firewalls = []*Ruleset{ParseIPTables("-P INPUT ACCEPT\n-A INPUT -p udp -m udp --dport 69 -j DROP\n")}
		}, "fault firewall"},
	} {
		h := healthyHost()
		c.change(&h)
		list := JudgeHost(h)
		if got := codesOf(list); got != c.want {
			t.Errorf("%s: found %q, want %q", c.name, got, c.want)
		}
	}
}

// nft writes a base chain of rules in nft's JSON.
func nft(policy string, rules ...string) string {
	text := `{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"table": {"family": "inet", "name": "f"}},
{"set": {"family": "inet", "table": "f", "name": "open", "elem": [67, {"range": [4000, 4020]}]}},
{"chain": {"family": "inet", "table": "f", "name": "pxe"}},
{"rule": {"family": "inet", "table": "f", "chain": "pxe", "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 69}}, {"accept": null}]}},
{"chain": {"family": "inet", "table": "f", "name": "i", "type": "filter", "hook": "input", "prio": 0, "policy": "` + policy + `"}}`
	for _, r := range rules {
		text += `, {"rule": {"family": "inet", "table": "f", "chain": "i", "expr": [` + r + `]}}`
	}
	return text + "]}"
}

// TestFirewall: packets on their way through rules as nft and iptables print
// them.
func TestFirewall(t *testing.T) {
	const (
		drop   = `{"drop": null}`
		accept = `{"accept": null}`
		jump   = `{"jump": {"target": "pxe"}}`
		udp69  = `{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 69}}`
		udpSet = `{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": {"set": [67, 69]}}}`
		notUDP = `{"match": {"op": "!=", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": {"set": [67, 69]}}}`
		udp32k = `{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": {"range": [32768, 60999]}}}`
		named  = `{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": "@open"}}`
		est    = `{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}`
		eth1   = `{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "eth1"}}`
		eths   = `{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "eth*"}}`
		from   = `{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": {"prefix": {"addr": "10.0.0.0", "len": 8}}}}`
		count  = `{"counter": {"packets": 0, "bytes": 0}}`
		ctMap  = `{"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["established", {"accept": null}], ["invalid", {"drop": null}]]}}}`
	)
	tftp, data, dhcp := Flow{"udp", 69, "eth0", false}, Flow{"udp", 40000, "eth0", true}, Flow{"udp", 67, "eth0", false}
	for _, c := range []struct {
		name  string
		rules string
		flow  Flow
		want  Pass
	}{
		{"nothing", nft("accept"), tftp, Passes},
		{"a rule that drops it", nft("accept", udp69+","+count+","+drop), tftp, Drops},
		{"a set that has it", nft("accept", udpSet+","+drop), tftp, Drops},
		{"all but a set that has it", nft("accept", notUDP+","+drop), tftp, Passes},
		{"all but a set, and the data port", nft("accept", notUDP+","+drop), data, Drops},
		{"another interface", nft("accept", eth1+","+udp69+","+drop), tftp, Passes},
		{"interfaces by pattern", nft("accept", eths+","+udp69+","+drop), tftp, Drops},
		{"some sources", nft("accept", from+","+udp69+","+drop), tftp, Passes},
		{"a policy", nft("drop"), tftp, Drops},
		{"a policy, and a rule that lets it in", nft("drop", udp69+","+accept), tftp, Passes},
		{"a policy, and a rule for some sources", nft("drop", from+","+accept), tftp, Unsure},
		{"a policy, and what belongs to a conversation", nft("drop", est+","+accept), data, Passes},
		{"the same, by a map", nft("drop", ctMap), data, Passes},
		{"a map, and what is new", nft("drop", ctMap), tftp, Drops},
		{"data ports dropped before", nft("accept", udp32k+","+drop, est+","+accept), data, Drops},
		{"a policy, and a chain that lets it in", nft("drop", jump), tftp, Passes},
		{"a policy, and a chain that does not know it", nft("drop", jump), dhcp, Drops},
		{"a policy, and a named set", nft("drop", named+","+accept), dhcp, Passes},
		{"a named set that has it not", nft("drop", named+","+accept), tftp, Drops},
	} {
		r, err := ParseNFT([]byte(c.rules))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got, where := r.Judge(c.flow); got != c.want {
			t.Errorf("%s: it %s (%s), want %s", c.name, got, where, c.want)
		}
	}
	for _, c := range []struct {
		name  string
		rules string
		flow  Flow
		want  Pass
	}{
		{"nothing", "-P INPUT ACCEPT\n-P FORWARD DROP\n", tftp, Passes},
		{"a port", "-P INPUT ACCEPT\n-A INPUT -p udp -m udp --dport 69 -j DROP\n", tftp, Drops},
		{"several ports", "-P INPUT ACCEPT\n-A INPUT -p udp -m multiport --dports 60:69,4011 -j REJECT --reject-with icmp-port-unreachable\n", tftp, Drops},
		{"a chain", "-P INPUT ACCEPT\n-N pxe\n-A INPUT -i eth0 -j pxe\n-A pxe -p udp -m udp --dport 69 -j DROP\n", tftp, Drops},
		{"what belongs to a conversation", "-P INPUT DROP\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n", data, Passes},
		{"what is new", "-P INPUT DROP\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n", tftp, Drops},
		{"some sources", "-P INPUT DROP\n-A INPUT -s 10.0.0.0/8 -j ACCEPT\n", tftp, Unsure},
	} {
		if got, where := ParseIPTables(c.rules).Judge(c.flow); got != c.want {
			t.Errorf("iptables, %s: it %s (%s), want %s", c.name, got, where, c.want)
		}
	}
	if _, err := ParseNFT([]byte("no rules")); err == nil {
		t.Error("what is no JSON is read as rules")
	}
}

// TestManualHasEveryCode wants a row in the manual for each code, in the
// catalogue's own words.
func TestManualHasEveryCode(t *testing.T) {
	b, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range Catalogue() {
		if seen[e.Code] {
			t.Errorf("%s stands in the catalogue twice", e.Code)
		}
		seen[e.Code] = true
		row := "\n| `" + e.Code + "` | " + string(e.State) + " | " + e.Title + " | " + e.Remedy + " | " + e.Who + " |\n"
		if !strings.Contains(string(b), strings.ReplaceAll(row, "|  |", "| |")) {
			t.Errorf("docs/doctor.md has no row%s", row)
		}
	}
	if rows := strings.Count(string(b), "\n| `"); rows != len(catalogue) {
		t.Errorf("docs/doctor.md has %d rows, the catalogue %d", rows, len(catalogue))
	}
}
