package handover

import (
	"fmt"
	"net/netip"
	"strings"
)

// nftTable is where Debian's own /etc/nftables.conf has its chains.
const nftTable = "inet filter"

// NFTables writes chains for a host that Linux filters packets on: for the
// server's own, or for a router between machines and server, which may be their
// IP helper. They open what is needed and drop nothing; loaded again, they take
// the place of the ones before.
func (s *Site) NFTables(at Place) string {
	var w writer
	w.head("# ", s, "nftables, for "+placeText(at)+".",
		"Load it with nft -f FILE, and let the chains of your own that drop packets",
		"come by here, each once:")
	chains := nftChains(at)
	for _, c := range chains {
		w.linef("#   nft insert rule %s %s jump %s", nftTable, c.hook, c.name)
	}
	w.line("")
	w.linef("table %s {}", nftTable)
	for _, c := range chains {
		w.linef("add chain %s %s", nftTable, c.name)
		w.linef("flush chain %s %s", nftTable, c.name)
	}
	w.linef("table %s {", nftTable)
	for _, c := range chains {
		w.linef("\tchain %s {", c.name)
		for _, line := range s.matches(nftMatch, func(r Rule) bool { return r.at(c.at) && c.takes(r) }) {
			w.line("\t\t" + line)
		}
		w.line("\t}")
	}
	w.line("}")
	for _, r := range s.Rules() {
		if _, ok := nftMatch(r); !ok && r.at(at) && r.Protocol != ARP {
			w.linef("# not opened here: %s, %s", r.ID, asciiText(r.What))
		}
	}
	return w.String()
}

// nftChain is one of ours, and the hook of the chain that should jump to it.
type nftChain struct {
	name, hook string
	at         Place
	takes      func(Rule) bool
}

func nftChains(at Place) []nftChain {
	in := func(r Rule) bool { return r.Inbound }
	out := func(r Rule) bool { return !r.Inbound }
	forward := nftChain{"hobnail_forward", "forward", AtRouter, func(Rule) bool { return true }}
	switch at {
	case AtHost:
		return []nftChain{{"hobnail_input", "input", AtHost, in}, {"hobnail_output", "output", AtHost, out}}
	case AtRelay:
		return []nftChain{
			forward,
			{"hobnail_relay_input", "input", AtRelay, func(r Rule) bool { return r.ID == "dhcp-helper-request" || r.ID == "dhcp-relayed-answer" }},
			{"hobnail_relay_output", "output", AtRelay, func(r Rule) bool { return r.ID == "dhcp-relayed" || r.ID == "dhcp-helper-answer" }},
		}
	}
	return []nftChain{forward}
}

func placeText(at Place) string {
	switch at {
	case AtHost:
		return "the server's own host"
	case AtRelay:
		return "a router between machines and server that is their IP helper"
	}
	return "a router between machines and server"
}

// nftMatch writes a rule; ok is false for what a table of inet cannot name or a
// person has to decide.
func nftMatch(r Rule) (line string, ok bool) {
	if r.Protocol == ARP || r.From.Host != "" || r.To.Host != "" || r.ID == "metrics" {
		return "", false
	}
	var words []string
	address := func(word string, p netip.Prefix) {
		switch {
		case !p.IsValid():
		case p.IsSingleIP():
			words = append(words, "ip "+word, p.Addr().String())
		default:
			words = append(words, "ip "+word, p.String())
		}
	}
	address("saddr", r.From.Net)
	address("daddr", r.To.Net)
	if r.Protocol == ICMP {
		words = append(words, nftICMP(r.Message))
	} else {
		before := len(words)
		if len(r.From.Ports) > 0 {
			words = append(words, r.Protocol+" sport", nftPorts(r.From.Ports))
		}
		if len(r.To.Ports) > 0 {
			words = append(words, r.Protocol+" dport", nftPorts(r.To.Ports))
		}
		if len(words) == before {
			words = append(words, "ip protocol "+r.Protocol)
		}
	}
	if r.Reply {
		words = append(words, "ct state established")
	}
	return strings.Join(words, " ") + fmt.Sprintf(" accept comment %q", r.ID), true
}

func nftICMP(message string) string {
	if message == "fragmentation-needed" {
		return "icmp type destination-unreachable icmp code 4"
	}
	return "icmp type " + message
}

func nftPorts(list []Ports) string {
	if len(list) == 1 {
		return list[0].String()
	}
	return "{ " + joinPorts(list, ", ") + " }"
}
