package handover

import (
	"fmt"
	"slices"
	"strings"
)

// writer collects lines.
type writer struct{ strings.Builder }

func (w *writer) line(s string) { w.WriteString(s + "\n") }

func (w *writer) linef(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// head writes what a text is for, behind a language's mark of a comment.
func (w *writer) head(mark string, s *Site, about string, more ...string) {
	w.line(mark + "hobnail, server " + orWord(plain(s.Config.Server.Name), "without a name") + ": " + about)
	for _, line := range more {
		w.line(strings.TrimRight(mark+line, " "))
	}
}

// plain leaves of a text only what no language takes for more than a letter. A
// server's name may be the host's, which nobody has checked.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '_'
	}, s)
}

// asciiText makes of a text one line that a comment may hold.
func asciiText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

func joinPorts(list []Ports, between string) string {
	var words []string
	for _, p := range list {
		words = append(words, p.String())
	}
	return strings.Join(words, between)
}

// matches writes the rules that are wanted, each line once: several networks
// share some.
func (s *Site) matches(write func(Rule) (string, bool), wanted func(Rule) bool) []string {
	var lines []string
	for _, r := range s.Rules() {
		if !wanted(r) {
			continue
		}
		if line, ok := write(r); ok && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// filtered lists the rules whose packets a filter on a router's interface
// meets, each once. It does not meet those that the router itself sends.
func (s *Site) filtered(inbound bool) []Rule {
	var all []Rule
	written := map[string]bool{}
	for _, r := range s.Rules() {
		if r.Inbound != inbound || !r.at(AtRouter) && r.ID != "dhcp-helper-request" || r.From.Host != "" || r.To.Host != "" {
			continue
		}
		key := fmt.Sprint(r.Protocol, r.Message, r.From.Net, r.From.Ports, r.To.Net, r.To.Ports, r.Reply)
		if !written[key] {
			written[key] = true
			all = append(all, r)
		}
	}
	return all
}
