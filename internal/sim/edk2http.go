package sim

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// HTTPClass is what EDK2's HTTP boot driver takes a reply for
// (HttpBootDhcp4.h). "Name" in it stands for a URL with a host name, which
// needs a name server.
type HTTPClass string

// Classes of offers to UEFI HTTP boot.
const (
	HTTPDhcpOnly     HTTPClass = "DhcpOnly"
	HTTPDhcpDNS      HTTPClass = "DhcpDns"
	HTTPDhcpIPURI    HTTPClass = "DhcpIpUri"
	HTTPDhcpIPURIDNS HTTPClass = "DhcpIpUriDns"
	HTTPDhcpName     HTTPClass = "DhcpNameUri" // only with somebody else's name server
	HTTPDhcpNameDNS  HTTPClass = "DhcpNameUriDns"
	HTTPProxyIPURI   HTTPClass = "ProxyIpUri"
	HTTPProxyName    HTTPClass = "ProxyNameUri"
)

// HTTPOffer is a reply as EDK2's HTTP boot driver keeps it.
type HTTPOffer struct {
	Class  HTTPClass
	Packet *dhcp4.Packet
	URL    string // empty without boot data
}

// ReadHTTPOffer reads the answer to a DISCOVER as EDK2's HTTP boot driver does,
// or says why it is dropped (HttpBootDhcp4.c HttpBootParseDhcp4Packet).
func ReadHTTPOffer(sent *dhcp4.Packet, reply []byte) (HTTPOffer, error) {
	p, err := edk2Parse(sent, reply)
	if err != nil {
		return HTTPOffer{}, err
	}
	o := HTTPOffer{Packet: p}
	class, _ := p.Options.First(dhcp4.OptVendorClass)
	named := false
	if strings.HasPrefix(string(class), pxe.HTTPClient) {
		if o.URL, named, err = bootURL(edk2File(p)); err != nil {
			return o, err
		}
	}
	isProxy := p.YIAddr.As4()[0] == 0
	hasDNS := p.Options.Has(dhcp4.OptDNS)
	switch {
	case isProxy && o.URL == "":
		return o, errors.New("neither an address nor boot data")
	case isProxy && named:
		o.Class = HTTPProxyName
	case isProxy:
		o.Class = HTTPProxyIPURI
	case o.URL == "" && hasDNS:
		o.Class = HTTPDhcpDNS
	case o.URL == "":
		o.Class = HTTPDhcpOnly
	case named && hasDNS:
		o.Class = HTTPDhcpNameDNS
	case named:
		o.Class = HTTPDhcpName
	case hasDNS:
		o.Class = HTTPDhcpIPURIDNS
	default:
		o.Class = HTTPDhcpIPURI
	}
	return o, nil
}

// bootURL checks a boot file's name for HTTP boot; named is true for a host
// that is not an address.
func bootURL(name string) (checked string, named bool, err error) {
	u, err := url.Parse(name)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return "", false, errors.New("the boot file's name is not an absolute http(s) URL")
	}
	_, err = netip.ParseAddr(u.Hostname())
	return name, err != nil, nil
}

// ChooseHTTP picks among the offers of one round in the driver's order
// (HttpBootDhcp4.c HttpBootSelectDhcpOffer): whose address is requested, and
// whose URL is loaded. ok is false if none will do.
func ChooseHTTP(offers []HTTPOffer) (dhcp, boot HTTPOffer, ok bool) {
	for _, want := range [...]struct{ dhcp, boot HTTPClass }{
		{HTTPDhcpIPURI, HTTPDhcpIPURI},
		{HTTPDhcpIPURIDNS, HTTPDhcpIPURIDNS},
		{HTTPDhcpNameDNS, HTTPDhcpNameDNS},
		{HTTPDhcpOnly, HTTPProxyIPURI},
		{HTTPDhcpDNS, HTTPProxyIPURI},
		{HTTPDhcpDNS, HTTPProxyName},
		{HTTPDhcpDNS, HTTPDhcpName},
	} {
		find := func(c HTTPClass) int {
			return slices.IndexFunc(offers, func(o HTTPOffer) bool { return o.Class == c })
		}
		if d, b := find(want.dhcp), find(want.boot); d >= 0 && b >= 0 {
			return offers[d], offers[b], true
		}
	}
	return dhcp, boot, false
}
