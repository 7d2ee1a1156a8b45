package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Access says who may see the console.
type Access struct {
	Off      bool
	Networks []netip.Prefix // beside this host itself
	Names    []string       // that browsers may call this server by, in lower case
}

// Allows reports whether a client may look, who reached us by our address
// local. Who comes from the address that he reaches is on this host.
func (a *Access) Allows(client, local netip.Addr) bool {
	if a.Off || !client.IsValid() {
		return false
	}
	if client.IsLoopback() || client == local {
		return true
	}
	return slices.ContainsFunc(a.Networks, func(p netip.Prefix) bool { return p.Contains(client.WithZone("")) })
}

// Called reports whether a browser may call this server so. Somebody else's
// page can have the name of its own server lead to our address (DNS
// rebinding), and is then of one origin with the console: so names have to be
// known. An address in a URL cannot be led elsewhere.
func (a *Access) Called(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return name == "localhost" || slices.Contains(a.Names, name)
}

// foreign reports whether another site's page asks, in the background, for
// what only our own pages need: browsers say so themselves.
func foreign(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site != "same-origin"
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}
