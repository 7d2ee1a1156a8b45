package handover

import (
	"fmt"
	"net/netip"
	"strings"

	"hobnail/internal/model"
)

// CiscoACL writes two named access lists for IOS: what is on its way to
// hobnail, and what comes from it.
func (s *Site) CiscoACL() string {
	var w writer
	w.head("! ", s, "access lists for Cisco IOS, on routers between machines and server.",
		"On the machines' interface: HOBNAIL-TO in, HOBNAIL-FROM out. On the server's: the other way round.",
		"They permit what is needed and end, as every list does, in deny any: put them",
		"in front of what else passes there.")
	for _, list := range []struct {
		name    string
		inbound bool
	}{{"HOBNAIL-TO", true}, {"HOBNAIL-FROM", false}} {
		w.linef("ip access-list extended %s", list.name)
		last := ""
		for _, r := range s.filtered(list.inbound) {
			if r.ID != last {
				w.line(" remark " + remark(r))
				last = r.ID
			}
			w.line(" " + ciscoRule(r))
		}
		w.line("!")
	}
	return w.String()
}

// remark says what a rule is for, in the 100 characters that IOS keeps.
func remark(r Rule) string {
	text := asciiText(r.ID + ": " + r.What)
	if len(text) > 100 {
		text = text[:strings.LastIndexByte(text[:101], ' ')]
	}
	return text
}

// ciscoRule writes an entry, or one for each port of a list. Access lists have
// no state: of TCP only packets with ACK or RST are let through as answers.
func ciscoRule(r Rule) string {
	if len(r.From.Ports) > 1 || len(r.To.Ports) > 1 {
		return ciscoPairs(r)
	}
	words := []string{"permit", r.Protocol, ciscoAddress(r.From.Net)}
	words = append(words, ciscoPorts(r.From.Ports)...)
	words = append(words, ciscoAddress(r.To.Net))
	words = append(words, ciscoPorts(r.To.Ports)...)
	switch {
	case r.Protocol == ICMP:
		words = append(words, map[string]string{"echo-request": "echo", "echo-reply": "echo-reply", "fragmentation-needed": "packet-too-big"}[r.Message])
	case r.Reply:
		words = append(words, "established")
	}
	return strings.Join(words, " ")
}

// ciscoPairs writes an entry for each port of a list: IOS takes several ports
// after eq only on some releases.
func ciscoPairs(r Rule) string {
	var lines []string
	for _, from := range orNone(r.From.Ports) {
		for _, to := range orNone(r.To.Ports) {
			one := r
			one.From.Ports, one.To.Ports = from, to
			lines = append(lines, ciscoRule(one))
		}
	}
	return strings.Join(lines, "\n ")
}

// orNone parts a list into lists of one; an empty list is one that is empty.
func orNone(list []Ports) [][]Ports {
	if len(list) == 0 {
		return [][]Ports{nil}
	}
	var all [][]Ports
	for _, p := range list {
		all = append(all, []Ports{p})
	}
	return all
}

// ciscoAddress writes a network with its wildcard mask.
func ciscoAddress(p netip.Prefix) string {
	switch {
	case !p.IsValid():
		return "any"
	case p.IsSingleIP():
		return "host " + p.Addr().String()
	}
	mask := model.Netmask(p).As4()
	for i := range mask {
		mask[i] = ^mask[i]
	}
	return p.Masked().Addr().String() + " " + netip.AddrFrom4(mask).String()
}

func ciscoPorts(list []Ports) []string {
	if len(list) == 0 {
		return nil
	}
	p := list[0]
	if p.First == p.Last {
		return []string{fmt.Sprintf("eq %d", p.First)}
	}
	return []string{fmt.Sprintf("range %d %d", p.First, p.Last)}
}
