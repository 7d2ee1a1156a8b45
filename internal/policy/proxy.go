package policy

import (
	"hobnail/internal/classify"
	"hobnail/internal/wire/dhcp4"
)

// proxy answers beside another DHCP server: boot data only, no address, and
// only to network boot clients.
func (v View) proxy(d *Decision, f *classify.Facts) {
	switch {
	case f.Class == classify.ClassUBoot:
		d.ignore("client", "U-Boot net/bootp.c", "U-Boot takes no offer without an address: its DHCP server has to name the boot file")
	case !f.Boots():
		d.ignore("client", "PXE 2.1 section 2.2", "not a network boot client: option 60 is neither PXEClient nor HTTPClient")
	case f.Message == dhcp4.Request && f.Item != nil && !f.ServerID.IsValid():
		d.because("discovery", "PXE 2.1 section 2.2.6", "the client looks for a boot server by broadcast")
		if v.bootData(d, f) {
			d.Answer = Ack
		}
	case f.Message == dhcp4.Discover:
		if v.bootData(d, f) {
			d.Answer = Offer
			v.style(d, f)
		}
	default:
		d.ignore("message", "PXE 2.1 section 2.2.3", "%s on port 67 is for the DHCP server, not for its proxy", f.Message)
	}
}

// bootService answers on port 4011, where a client that has an address asks
// for its boot program. Leases are none of its business.
func (v View) bootService(d *Decision, f *classify.Facts) {
	switch f.Message {
	case dhcp4.Request, dhcp4.Inform, dhcp4.Discover:
	default:
		d.ignore("message", "PXE 2.1 section 2.2.4", "%s is not for port 4011", f.Message)
		return
	}
	switch {
	case f.Class != classify.ClassPXE && f.Class != classify.ClassHTTP:
		d.ignore("client", "PXE 2.1 section 2.2", "not a network boot client: option 60 is neither PXEClient nor HTTPClient")
	case f.HasQuirk(classify.QuirkWDS):
		d.ignore("client", "built-in", "a Windows Deployment Services client asks its own server")
	case f.ServerID.IsValid() && !v.ours(d, f.ServerID):
		d.ignore("server-id", "RFC 2131 section 4.3.2", "the request is for server %s", f.ServerID)
	case f.Ingress.Src.Addr().IsUnspecified() && !oneHost(f.CIAddr):
		d.ignore("address", "PXE 2.1 section 2.2.4", "the request says no address to answer to")
	case !f.Ingress.Src.Addr().IsUnspecified() && !oneHost(f.Ingress.Src.Addr()):
		d.ignore("address", "RFC 1122 section 3.2.1.3", "the request comes from %s, which is no host's address", f.Ingress.Src.Addr())
	default:
		if v.bootData(d, f) {
			d.Answer, d.Address = Ack, f.CIAddr
		}
	}
}
