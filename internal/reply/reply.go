// Package reply turns a decision into the packet that carries it and the place
// it goes to. It decides nothing and sends nothing.
package reply

import (
	"bytes"
	"fmt"
	"net/netip"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
)

// Reply is a packet on its way out.
type Reply struct {
	Packet dhcp4.Packet
	Bytes  []byte
	To     Destination

	rest, last dhcp4.Options // memory of options, while they are listed
	data       []byte        // memory of what they hold
}

// Destination says where a reply goes and how it leaves. A reply always leaves
// from the port that the request came to: iPXE and U-Boot drop others.
type Destination struct {
	Addr    netip.AddrPort
	From    netip.AddrPort // our address and port; the address may be invalid: the kernel chooses
	HW      []byte         // not nil: to this hardware address, without ARP, as the client has no address yet
	IfIndex int            // leave by this interface; 0: by the route to Addr
}

// Kind says in a word how the reply travels: relay, broadcast, hardware or
// unicast.
func (d Destination) Kind() string {
	switch {
	case d.HW != nil:
		return "hardware"
	case d.Addr.Addr() == broadcast:
		return "broadcast"
	case d.Addr.Port() == relayPort:
		return "relay"
	}
	return "unicast"
}

const (
	relayPort  = dhcp4.ServerPort
	clientPort = dhcp4.ClientPort
)

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Build makes the reply to a request. Decisions without an answer have none.
func Build(req *dhcp4.Packet, f *classify.Facts, d *policy.Decision) (*Reply, error) {
	r := new(Reply)
	if err := r.Make(req, f, d); err != nil {
		return nil, err
	}
	return r, nil
}

// Make is Build for callers that have many to make: it overwrites a reply that
// nobody needs any more, and uses its memory.
func (r *Reply) Make(req *dhcp4.Packet, f *classify.Facts, d *policy.Decision) error {
	if d.Answer == policy.Ignore || d.Answer == policy.Forward {
		return fmt.Errorf("building a reply to %s: the decision is not to answer", f.Who())
	}
	if d.Boot != nil && len(d.Boot.File) > maxName {
		return fmt.Errorf("building the %s to %s: the boot file's name has %d octets, %d fit: %q",
			d.Answer, f.Who(), len(d.Boot.File), maxName, d.Boot.File)
	}
	r.header(req, f, d)
	r.options(req, f, d)
	return r.encode("building", req, f, d)
}

// encode makes octets of the packet, which is complete, and finds its way.
func (r *Reply) encode(doing string, req *dhcp4.Packet, f *classify.Facts, d *policy.Decision) error {
	if r.Bytes == nil {
		r.Bytes = make([]byte, 0, defaultSize)
	}
	b, err := r.Packet.Append(r.Bytes[:0])
	if err != nil {
		return fmt.Errorf("%s the %s to %s: %v", doing, d.Answer, f.Who(), err)
	}
	if len(b) > maxPayload {
		return fmt.Errorf("%s the %s to %s: %d octets, %d fit into a frame", doing, d.Answer, f.Who(), len(b), maxPayload)
	}
	r.Bytes, r.To = b, destination(req, f, d)
	return nil
}

// header fills the fixed fields. hops and secs are 0: a Raspberry Pi 3's ROM
// rejects a reply whose hops were copied back.
func (r *Reply) header(req *dhcp4.Packet, f *classify.Facts, d *policy.Decision) {
	zero := netip.IPv4Unspecified()
	p := &r.Packet
	*p = dhcp4.Packet{
		Options: p.Options[:0],
		Op:      dhcp4.OpReply, HType: req.HType, HLen: req.HLen, Xid: req.Xid, Flags: req.Flags,
		CIAddr: zero, YIAddr: zero, SIAddr: zero, GIAddr: req.GIAddr, CHAddr: req.CHAddr,
	}
	if d.Answer == policy.Nak {
		if f.Relayed() {
			p.Flags |= dhcp4.FlagBroadcast // RFC 2131 section 4.3.2: the relay must broadcast it
		}
		return
	}
	if d.Address.IsValid() {
		p.YIAddr = d.Address
	}
	if d.Answer == policy.Ack && f.Ingress.Port == relayPort {
		p.CIAddr = req.CIAddr // RFC 2131 table 3: an ACK repeats it, an OFFER does not
	}
	if b := d.Boot; b != nil && b.Class != classify.ClassHTTP {
		p.SIAddr = b.NextServer
		if d.NamesFile() && len(b.File) <= maxFile {
			p.File = b.File
		}
	}
}

// destination follows RFC 2131 section 4.1, RFC 8357 for relays that ask for
// their own port, and PXE 2.1 for port 4011, where the source port is the only
// one that a client listens on.
func destination(req *dhcp4.Packet, f *classify.Facts, d *policy.Decision) Destination {
	from := netip.AddrPortFrom(f.Ingress.Local, f.Ingress.Port)
	onLink := func(a netip.Addr, port uint16, hw []byte) Destination {
		return Destination{Addr: netip.AddrPortFrom(a, port), From: from, HW: hw, IfIndex: f.Ingress.IfIndex}
	}
	switch {
	case f.Ingress.Port != relayPort:
		to := f.Ingress.Src
		if to.Addr().IsUnspecified() {
			to = netip.AddrPortFrom(f.CIAddr, to.Port())
		}
		return Destination{Addr: to, From: from}
	case hasItsAddress(f, d) && f.Message == dhcp4.Inform:
		// RFC 2131 section 4.3.5. A relay would send it on to yiaddr, which
		// is empty.
		return Destination{Addr: netip.AddrPortFrom(f.CIAddr, clientPort), From: from}
	case f.Relayed():
		port := uint16(relayPort)
		if f.RelayPort {
			port = f.Ingress.Src.Port()
		}
		return Destination{Addr: netip.AddrPortFrom(f.Relay, port), From: from}
	case hasItsAddress(f, d):
		return Destination{Addr: netip.AddrPortFrom(f.CIAddr, clientPort), From: from}
	case d.Answer == policy.Nak, f.Broadcast, !d.Address.IsValid(), f.MAC == "":
		return onLink(broadcast, clientPort, nil)
	}
	return onLink(d.Address, clientPort, bytes.Clone(req.HardwareAddr()))
}

// hasItsAddress reports whether ciaddr is known to be the client's. Whatever
// else stands there does not get to say where an answer goes: a DISCOVER has
// no ciaddr (RFC 2131 table 5), and another's address would be hit by answers
// it never asked for.
func hasItsAddress(f *classify.Facts, d *policy.Decision) bool {
	return (d.Mode == model.ModeServer || d.Mode == model.ModeMerge) && d.Answer == policy.Ack && f.CIAddr.IsValid() &&
		(f.CIAddr == d.Address || f.Message == dhcp4.Inform)
}
