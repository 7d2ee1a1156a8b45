package handover

import (
	"fmt"
	"net/netip"
	"strings"

	"hobnail/internal/model"
)

// Helper is what the router of one network, its IP helper, is to send DHCP to.
type Helper struct {
	Network Network
	Servers []netip.Addr // known ones, the site's DHCP servers first
	Keep    bool         // what is listed there already stays: the site's DHCP servers, which nobody has named
}

// Helpers lists the networks behind routers. On the server's own link nobody
// has to help; the site's DHCP server may be elsewhere, but that has a helper
// already.
func (s *Site) Helpers() []Helper {
	var all []Helper
	for _, n := range s.Networks {
		if n.Local {
			continue
		}
		h := Helper{Network: n}
		switch n.Mode {
		case model.ModeServer:
			h.Servers = []netip.Addr{n.DHCP}
		case model.ModeOff:
			h.Servers, h.Keep = n.Upstream, len(n.Upstream) == 0
		default:
			h.Servers, h.Keep = append(append([]netip.Addr{}, n.Upstream...), n.DHCP), len(n.Upstream) == 0
		}
		all = append(all, h)
	}
	return all
}

// about says of a helper what its lines cannot.
func (h Helper) about() string {
	where := h.Network.CIDR.String() + ", mode " + h.Network.Mode.String()
	if h.Network.Router.IsValid() {
		where += ", router " + h.Network.Router.String()
	}
	switch {
	case h.Network.Mode == model.ModeServer:
		return where + ": hobnail alone"
	case h.Network.Mode == model.ModeOff && h.Keep:
		return where + ": the site's DHCP server as before, not hobnail"
	case h.Network.Mode == model.ModeOff:
		return where + ": the site's DHCP server, not hobnail"
	case h.Keep:
		return where + ": hobnail, beside the site's DHCP server, which stays listed"
	}
	return where + ": the site's DHCP server and hobnail"
}

// HelperText writes what a maker's routers are told. Interfaces are not known
// here: INTERFACE stands for each.
func (s *Site) HelperText(router string) string {
	mark := map[string]string{"cisco": "! ", "juniper": "# ", "aruba": "! ", "mikrotik": "# "}[router]
	maker := map[string]string{"cisco": "Cisco IOS", "juniper": "Junos", "aruba": "Aruba AOS-CX (AOS-S has the same line below vlan NUMBER)", "mikrotik": "RouterOS"}[router]
	var w writer
	helpers := s.Helpers()
	if len(helpers) == 0 {
		w.head(mark, s, "IP helpers for "+maker+": none.", "All its networks are on its own links.")
		return w.String()
	}
	w.head(mark, s, "IP helpers for "+maker+".", "INTERFACE is the machines' network on the router.")
	for i, h := range helpers {
		w.line(mark + h.about())
		h.write(&w, router, i+1)
	}
	return w.String()
}

func (h Helper) write(w *writer, router string, nth int) {
	if len(h.Servers) == 0 {
		return
	}
	switch router {
	case "cisco", "aruba":
		w.line("interface INTERFACE")
		for _, a := range h.Servers {
			w.linef(" ip helper-address %s", a)
		}
	case "juniper":
		group := fmt.Sprintf("hobnail-%d", nth)
		for _, a := range h.Servers {
			w.linef("set forwarding-options dhcp-relay server-group %s %s", group, a)
		}
		w.linef("set forwarding-options dhcp-relay group %s active-server-group %s", group, group)
		w.linef("set forwarding-options dhcp-relay group %s interface INTERFACE", group)
	case "mikrotik":
		var all []string
		for _, a := range h.Servers {
			all = append(all, a.String())
		}
		local := ""
		if h.Network.Router.IsValid() {
			local = " local-address=" + h.Network.Router.String()
		}
		w.linef("/ip dhcp-relay add name=hobnail-%d interface=INTERFACE dhcp-server=%s%s disabled=no", nth, strings.Join(all, ","), local)
	}
}
