package handover

import "fmt"

// JuniperFilter writes two firewall filters for Junos: what is on its way to
// hobnail, and what comes from it.
func (s *Site) JuniperFilter() string {
	var w writer
	w.head("# ", s, "firewall filters for Junos, on routers between machines and server.",
		"On the machines' interface: HOBNAIL-TO as input, HOBNAIL-FROM as output. On the server's:",
		"the other way round. A filter ends by discarding what no term accepts: add terms",
		"for what else passes there.")
	for _, list := range []struct {
		name    string
		inbound bool
	}{{"HOBNAIL-TO", true}, {"HOBNAIL-FROM", false}} {
		for i, r := range s.filtered(list.inbound) {
			term := fmt.Sprintf("set firewall family inet filter %s term %s-%d", list.name, r.ID, i+1)
			for _, m := range juniperMatch(r) {
				w.linef("%s from %s", term, m)
			}
			w.linef("%s then accept", term)
		}
	}
	return w.String()
}

func juniperMatch(r Rule) []string {
	var all []string
	if r.From.Net.IsValid() {
		all = append(all, "source-address "+r.From.Net.String())
	}
	if r.To.Net.IsValid() {
		all = append(all, "destination-address "+r.To.Net.String())
	}
	all = append(all, "protocol "+r.Protocol)
	for _, p := range r.From.Ports {
		all = append(all, "source-port "+p.String())
	}
	for _, p := range r.To.Ports {
		all = append(all, "destination-port "+p.String())
	}
	switch {
	case r.Message == "fragmentation-needed":
		all = append(all, "icmp-type unreachable", "icmp-code fragmentation-needed")
	case r.Protocol == ICMP:
		all = append(all, "icmp-type "+r.Message)
	case r.Reply:
		all = append(all, "tcp-established")
	}
	return all
}
