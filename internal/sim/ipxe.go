package sim

import (
	"errors"
	"net/netip"
	"strings"

	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// Received is a reply with the end point that it came from, which iPXE looks
// at.
type Received struct {
	Src  netip.AddrPort
	Data []byte
}

// IPXEChoice is what iPXE does after the replies of its discovery.
type IPXEChoice struct {
	Offer *dhcp4.Packet // whose address is requested; nil: none yet
	Proxy *dhcp4.Packet // the ProxyDHCP answer, which may be the same packet; nil: none
	// Waits says that the REQUEST is held back for two seconds, in case a
	// ProxyDHCP server answers.
	Waits bool
	// AskFirst is asked at port 4011 once the address is there; zero value:
	// nobody.
	AskFirst netip.Addr
	File     string     // what is loaded; empty: nothing to boot
	Server   netip.Addr // where a File that is no URL is
	Menu     bool       // the PXE menu of option 43 comes before File
}

// readIPXE reads a reply as iPXE's DHCP client does, or says why it is dropped
// (dhcp.c dhcp_deliver, dhcp_discovery_rx).
func readIPXE(sent *dhcp4.Packet, r Received) (*dhcp4.Packet, error) {
	if r.Src.Port() != dhcp4.ServerPort {
		return nil, errors.New("not from port 67")
	}
	p, err := dhcp4.Parse(r.Data)
	if err != nil {
		return nil, err
	}
	if p.Op != dhcp4.OpReply || p.Xid != sent.Xid || string(p.HardwareAddr()) != string(sent.HardwareAddr()) {
		return nil, errors.New("not the answer to this request")
	}
	if t := p.Type(); t != dhcp4.Offer && t != dhcp4.BOOTP {
		return nil, errors.New(t.String() + " is not an offer")
	}
	return p, nil
}

// ChooseIPXE goes through the replies of one discovery in the order in which
// they came (dhcp.c dhcp_discovery_rx, autoboot.c). Of offers with equal
// priority the last wins.
func ChooseIPXE(sent *dhcp4.Packet, replies []Received) IPXEChoice {
	var c IPXEChoice
	best, bestProxy := int8(-128), int8(-128)
	var proxyServer netip.Addr
	for _, r := range replies {
		p, err := readIPXE(sent, r)
		if err != nil {
			continue
		}
		priority := ipxePriority(p)
		if !p.YIAddr.IsUnspecified() && priority >= best {
			c.Offer, best = p, priority
		}
		if server := ipxeServer(p, r.Src); ipxeClass(p) && priority >= bestProxy && server.IsValid() {
			c.Proxy, bestProxy, proxyServer = p, priority, server
		}
	}
	if c.Offer == nil {
		return c
	}
	c.Waits = c.Proxy == nil && !ipxeNoProxy(c.Offer)
	if ipxeNoProxy(c.Offer) {
		c.Proxy = nil
	}
	c.boot(proxyServer)
	return c
}

// boot decides what is loaded: file name and server come from one packet, and
// the proxy's counts before the DHCP server's.
func (c *IPXEChoice) boot(proxyServer netip.Addr) {
	from := c.Offer
	if c.Proxy != nil {
		from = c.Proxy
		menu := hasMenu(c.Proxy)
		if !menu && (ipxeFile(c.Proxy) == "" || c.Proxy.SIAddr.IsUnspecified()) {
			c.AskFirst = proxyServer
		}
	}
	c.File, c.Server = ipxeFile(from), from.SIAddr
	class, _ := from.Options.Get(dhcp4.OptVendorClass)
	c.Menu = string(class) == pxe.PXEClient && hasMenu(from) && !bypasses(from)
}

// ipxeFile is `file`, and option 67 only where that is empty.
func ipxeFile(p *dhcp4.Packet) string {
	if p.File != "" {
		return p.File
	}
	raw, _ := p.Options.Get(dhcp4.OptBootFileName)
	name, _, _ := strings.Cut(string(raw), "\x00")
	return name
}

func ipxeClass(p *dhcp4.Packet) bool {
	class, _ := p.Options.Get(dhcp4.OptVendorClass)
	return strings.HasPrefix(string(class), pxe.PXEClient)
}

// ipxeServer is where a proxy is asked: option 54, else siaddr, else whence
// its answer came.
func ipxeServer(p *dhcp4.Packet, src netip.AddrPort) netip.Addr {
	if id, ok := p.Options.Addr(dhcp4.OptServerID); ok && !id.IsUnspecified() {
		return id
	}
	if !p.SIAddr.IsUnspecified() {
		return p.SIAddr
	}
	return src.Addr()
}

// ipxePriority is sub-option 1 of option 175, a signed octet; 0 without one.
func ipxePriority(p *dhcp4.Packet) int8 { return int8(ipxeSub(p, 0x01)) }

// ipxeNoProxy is sub-option 176: wait for no ProxyDHCP answer.
func ipxeNoProxy(p *dhcp4.Packet) bool { return ipxeSub(p, 0xb0) != 0 }

// ipxeSub gives a sub-option of one octet out of option 175; 0 if absent.
func ipxeSub(p *dhcp4.Packet, code byte) byte {
	raw, _ := p.Options.Get(dhcp4.OptIPXE)
	for len(raw) >= 2 && len(raw) >= 2+int(raw[1]) {
		if raw[0] == code && raw[1] == 1 {
			return raw[2]
		}
		raw = raw[2+int(raw[1]):]
	}
	return 0
}

func hasMenu(p *dhcp4.Packet) bool {
	v, err := edk2Vendor(p)
	return err == nil && len(v.Menu) > 0
}
