package handover

import (
	"fmt"
	"slices"
	"strings"
)

// Snippet is a text for one system of somebody else's.
type Snippet struct {
	For  string `json:"for"`  // as asked for: "cisco"
	Part string `json:"part"` // "helper" or "boot"
	Text string `json:"text"`
}

// Systems lists those that snippets are written for.
func Systems() []string {
	return []string{"cisco", "juniper", "aruba", "mikrotik", "windows", "isc", "kea", "dnsmasq", "opnsense"}
}

// helpers are the systems that are routers.
func helpers() []string { return []string{"cisco", "juniper", "aruba", "mikrotik"} }

// Snippets writes what is to be handed over for one system, or "all".
func (s *Site) Snippets(system string) ([]Snippet, error) {
	if system == "all" {
		var all []Snippet
		for _, one := range Systems() {
			some, err := s.Snippets(one)
			if err != nil {
				return nil, err
			}
			all = append(all, some...)
		}
		return all, nil
	}
	if !slices.Contains(Systems(), system) {
		return nil, fmt.Errorf("nothing is written for %q; there is %s, and all", system, strings.Join(Systems(), ", "))
	}
	var all []Snippet
	if slices.Contains(helpers(), system) {
		all = append(all, Snippet{system, "helper", s.HelperText(system)})
	}
	text, err := s.bootText(system)
	if err != nil {
		return nil, err
	}
	if text != "" {
		all = append(all, Snippet{system, "boot", text})
	}
	return all, nil
}

// bootText writes boot data where the system is a DHCP server that can carry
// it by architecture.
func (s *Site) bootText(system string) (string, error) {
	if slices.Contains([]string{"cisco", "juniper", "aruba"}, system) {
		return "", nil
	}
	d, err := s.DHCP()
	if err != nil {
		return "", err
	}
	switch system {
	case "windows":
		return d.WindowsDHCP(), nil
	case "isc":
		return d.ISC(), nil
	case "kea":
		return d.Kea()
	case "dnsmasq":
		return d.Dnsmasq(), nil
	case "opnsense":
		return d.OPNsense(), nil
	case "mikrotik":
		return d.RouterOS(), nil
	}
	return "", nil
}
