package handover

import (
	"fmt"
	"strings"
)

// WindowsFirewall writes rules of Windows Firewall, in PowerShell, for a host
// that has the server's addresses. That firewall knows connections: answers of
// HTTP need no rule.
func (s *Site) WindowsFirewall() string {
	var w writer
	w.head("# ", s, "Windows Firewall, for the host that has its addresses.",
		"Run it in a PowerShell of an administrator. It takes away what it made before.")
	w.line("$ErrorActionPreference = 'Stop'")
	w.line("Remove-NetFirewallRule -Group 'hobnail' -ErrorAction SilentlyContinue")
	lines := s.matches(windowsRule, func(r Rule) bool { return r.at(AtHost) && !r.Reply })
	for i, line := range lines {
		w.linef("New-NetFirewallRule -Name 'hobnail-%02d' %s", i+1, line)
	}
	for _, r := range s.Rules() {
		if _, ok := windowsRule(r); !ok && r.at(AtHost) && r.Protocol != ARP {
			w.linef("# not opened here: %s, %s", r.ID, asciiText(r.What))
		}
	}
	return w.String()
}

// windowsRule writes all of a rule but its name. A broadcast has no address
// that the firewall could compare.
func windowsRule(r Rule) (string, bool) {
	if r.Protocol == ARP || r.From.Host != "" || r.To.Host != "" || r.ID == "metrics" {
		return "", false
	}
	local, remote, direction := r.From, r.To, "Outbound"
	if r.Inbound {
		local, remote, direction = r.To, r.From, "Inbound"
	}
	words := []string{
		"-DisplayName", psText("hobnail: " + asciiText(r.ID)), "-Group 'hobnail'", "-Profile Any", "-Action Allow", "-Direction " + direction,
	}
	if r.Protocol == ICMP {
		words = append(words, "-Protocol ICMPv4", "-IcmpType "+map[string]string{"echo-request": "8", "echo-reply": "0", "fragmentation-needed": "3:4"}[r.Message])
	} else {
		words = append(words, "-Protocol "+strings.ToUpper(r.Protocol))
	}
	for _, side := range []struct {
		word string
		Side
	}{{"Local", local}, {"Remote", remote}} {
		if p := side.Net; p.IsValid() && p != broadcast() && p != nobody() {
			text := p.String()
			if p.IsSingleIP() {
				text = p.Addr().String()
			}
			words = append(words, fmt.Sprintf("-%sAddress %s", side.word, text))
		}
		if len(side.Ports) > 0 {
			words = append(words, fmt.Sprintf("-%sPort %s", side.word, joinPorts(side.Ports, ",")))
		}
	}
	return strings.Join(words, " "), true
}

// psText quotes text for PowerShell. Nothing has a meaning between single
// quotes but the next one, and PowerShell takes four other characters for one.
func psText(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		if strings.ContainsRune("'‘’‚‛", r) {
			b.WriteRune(r)
		}
		b.WriteRune(r)
	}
	b.WriteByte('\'')
	return b.String()
}
