package walk

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"hobnail/internal/diag"
	"hobnail/internal/model"
	"hobnail/internal/netio"
	"hobnail/internal/record"
	"hobnail/internal/sim"
	"hobnail/internal/wire/dhcp4"
)

// Options say who walks, and from where.
type Options struct {
	Machine   sim.Machine
	Interface string     // a link of ours; empty with Relay
	Relay     netip.Addr // an address of ours that we ask from as a relay; zero: by broadcast
	Server    netip.Addr // whom the relay asks; without Relay, who is meant to answer; zero: nobody in particular
	// Say is told of what is done, for a person who waits; may be nil.
	Say func(text string)
}

// collect is how long EDK2 collects offers before it chooses, in its first and
// second round (Dhcp4Impl.h, PxeBcDhcp4.c mPxeDhcpTimeout); later rounds are as
// the second, and longer.
var collect = []time.Duration{4 * time.Second, 8 * time.Second}

// requestWaits are the times that a REQUEST is waited for before it is sent
// again.
var requestWaits = []time.Duration{2 * time.Second, 4 * time.Second}

// walker is a walk that goes on.
type walker struct {
	opts    Options
	chooser diag.Chooser
	air     air
	from    netip.Addr // ours, that files are read from; zero: none
	own     bool       // the machine described is this host: its lease is not to be touched
	w       diag.Walk
	last    heard // of the server that gave the address
}

// Run walks a boot. An error means that it could not be begun. When the context
// ends, the lease is given back all the same.
func Run(ctx context.Context, opts Options) (*diag.Walk, error) {
	g := &walker{opts: opts, chooser: diag.ChooserOf(opts.Machine)}
	if g.opts.Say == nil {
		g.opts.Say = func(string) {}
	}
	if err := g.open(); err != nil {
		return nil, err
	}
	defer g.air.Close()
	g.w.Machine, g.w.Interface, g.w.Relay, g.w.Server = g.opts.Machine, opts.Interface, opts.Relay, opts.Server
	sent, err := g.opts.Machine.Discover()
	if err != nil {
		return nil, err
	}
	var xid [4]byte
	rand.Read(xid[:])
	sent.Xid = binary.BigEndian.Uint32(xid[:])
	g.w.Sent = sent
	if err := g.walk(ctx); err != nil {
		return nil, err
	}
	g.w.Stopped = ctx.Err() != nil
	g.w.End = time.Now()
	return &g.w, nil
}

// open finds the way out, and a MAC address for the machine.
func (g *walker) open() error {
	bound, _, _ := netio.Bound("udp", dhcp4.ServerPort)
	var err error
	if g.opts.Relay.IsValid() {
		g.from = g.opts.Relay
		g.opts.Machine.Relay = g.opts.Relay
		g.air, err = asRelay(g.opts.Relay, g.opts.Server)
	} else {
		var i netio.Interface
		if i, err = lookup(g.opts.Interface); err != nil {
			return err
		}
		if len(i.Prefixes) > 0 {
			g.from = i.Prefixes[0].Addr()
		}
		g.air, err = onLink(i, bound)
	}
	if err != nil {
		return err
	}
	if g.opts.Machine.MAC == "" {
		g.opts.Machine.MAC = ownMAC(g.opts.Interface + g.opts.Relay.String())
	}
	g.own = isHere(g.opts.Machine.MAC)
	return nil
}

func lookup(name string) (netio.Interface, error) {
	i, err := net.InterfaceByName(name)
	switch {
	case err != nil:
		return netio.Interface{}, fmt.Errorf("there is no interface %s", name)
	case i.Flags&net.FlagUp == 0:
		return netio.Interface{}, fmt.Errorf("interface %s is down", name)
	}
	all, err := netio.Interfaces()
	if err != nil {
		return netio.Interface{}, err
	}
	for _, have := range all {
		if have.Index == i.Index {
			return have, nil
		}
	}
	return netio.Interface{Name: i.Name, Index: i.Index, MTU: i.MTU}, nil
}

// ownMAC makes an address that is nobody's: locally administered, and the same
// each time at one place, so that servers remember one machine and not many.
func ownMAC(place string) model.MAC {
	h := sha256.New()
	all, _ := net.Interfaces() // without any it is still an address
	for _, i := range all {
		h.Write(i.HardwareAddr)
	}
	h.Write([]byte("hobnail doctor " + place))
	b := h.Sum(nil)[:6]
	b[0] = b[0]&^1 | 2
	return model.MACFromBytes(b)
}

// isHere reports whether an address is that of an interface of this host.
func isHere(mac model.MAC) bool {
	all, _ := net.Interfaces()
	return slices.ContainsFunc(all, func(i net.Interface) bool { return model.MACFromBytes(i.HardwareAddr) == mac })
}

// walk goes as far as it gets. Whatever happens, the lease is given back.
func (g *walker) walk(ctx context.Context) error {
	defer g.release()
	if err := g.discover(ctx); err != nil {
		return err
	}
	g.askDirectly(ctx)
	if !g.w.Chosen || ctx.Err() != nil {
		return nil
	}
	if g.own {
		g.find(diag.OffersOnly, diag.Warning, "%s is this host's own address: only offers were looked at", g.opts.Machine.MAC)
		return nil
	}
	if !g.request(ctx) {
		return nil
	}
	boot, ok := g.bootAnswer(ctx)
	if !ok || ctx.Err() != nil {
		return nil
	}
	target, ok := diag.TargetOf(g.chooser, g.w.Sent, boot)
	if !ok {
		return nil
	}
	if !g.from.IsValid() {
		g.find(diag.NoAddressHere, diag.Warning, "%s has no IPv4 address: %s was not read", g.opts.Interface, record.Printable(target.Name))
		return nil
	}
	g.read(ctx, target)
	return nil
}

func (g *walker) find(code string, state diag.State, format string, args ...any) {
	g.w.Findings = append(g.w.Findings, diag.Found(code, state, format, args...))
}

// discover asks for offers, and collects them for as long as EDK2 does, whoever
// answers first.
func (g *walker) discover(ctx context.Context) error {
	b, err := g.w.Sent.Append(nil)
	if err != nil {
		return fmt.Errorf("making a DISCOVER: %v", err)
	}
	for _, wait := range collect {
		g.w.Rounds++
		g.opts.Say(fmt.Sprintf("DISCOVER, and offers for %v", wait))
		g.w.Asks(time.Now(), g.w.Sent, netip.Addr{})
		if err := g.air.Ask(b); err != nil {
			return err
		}
		g.w.Offers = nil
		g.hear(ctx, wait, func(a diag.Answer, _ heard) bool {
			if t := a.Packet; t == nil || t.Type() == dhcp4.Offer || t.Type() == dhcp4.BOOTP {
				g.w.Offers = append(g.w.Offers, a)
				g.w.Hears(a)
			}
			return false
		})
		if g.w.Choice, g.w.Chosen = diag.Choose(g.chooser, g.w.Sent, g.w.Offers); g.w.Chosen || ctx.Err() != nil {
			break
		}
	}
	return nil
}

// hear hands over the answers to our machine, each once, until enough says that
// there are enough or the time is over.
func (g *walker) hear(ctx context.Context, wait time.Duration, enough func(diag.Answer, heard) bool) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	port := uint16(dhcp4.ClientPort)
	if _, ok := g.air.(*relay); ok {
		port = dhcp4.ServerPort
	}
	var seen [][]byte
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case h, open := <-g.air.Heard():
			if !open {
				return
			}
			if !g.forUs(h.data) {
				continue
			}
			g.passedOn(h)
			if h.data[0] != dhcp4.OpReply || h.dst.Port() != port {
				continue // a request, or an answer to some relay
			}
			if slices.ContainsFunc(seen, func(b []byte) bool { return bytes.Equal(b, h.data) }) {
				continue // a broadcast of this host's comes by two ways
			}
			seen = append(seen, h.data)
			if enough(diag.Heard(h.at, h.src, h.data), h) {
				return
			}
		}
	}
}

// forUs reports whether a message has our transaction and our hardware address
// (RFC 2131 section 2), whatever else is wrong with it.
func (g *walker) forUs(b []byte) bool {
	const xid, chaddr, header = 4, 28, 240
	return len(b) >= header && binary.BigEndian.Uint32(b[xid:]) == g.w.Sent.Xid && bytes.Equal(b[chaddr:chaddr+6], g.w.Sent.CHAddr[:6])
}

// passedOn notes a hobnail that passes our DISCOVER on as a relay does, by
// broadcast: it is in mode merge.
func (g *walker) passedOn(h heard) {
	if h.data[0] != dhcp4.OpRequest || h.dst.Port() != dhcp4.ServerPort {
		return
	}
	p, err := dhcp4.Parse(h.data)
	if err == nil && p.GIAddr.IsValid() && !p.GIAddr.IsUnspecified() && p.GIAddr != g.opts.Relay {
		g.w.Merged = true
	}
}

// message makes a further message of the machine, alike but for its type.
func (g *walker) message(t dhcp4.MessageType) *dhcp4.Packet {
	p := *g.w.Sent
	p.Options = nil
	for _, o := range g.w.Sent.Options {
		if o.Code == dhcp4.OptMessageType {
			o.Data = []byte{byte(t)}
		}
		p.Options = append(p.Options, o)
	}
	return &p
}

// request takes the address that was chosen, and reports whether it is ours
// now.
func (g *walker) request(ctx context.Context) bool {
	offer := g.w.Choice.Address
	p := g.message(dhcp4.Request)
	at := len(p.Options)
	p.Options.AddAddr(dhcp4.OptRequestedAddr, offer.Packet.YIAddr)
	p.Options.AddAddr(dhcp4.OptServerID, offer.Server())
	p.Options = beforeRelayInfo(p.Options, at)
	b, err := p.Append(nil)
	if err != nil {
		return false
	}
	for _, wait := range requestWaits {
		g.opts.Say(fmt.Sprintf("REQUEST of %s from %s", offer.Packet.YIAddr, offer.Server()))
		g.w.Asks(time.Now(), p, netip.Addr{})
		// Lost or not, the server may have leased it from here on.
		g.w.Leased = offer.Packet.YIAddr
		if err := g.air.Ask(b); err != nil {
			return false
		}
		g.hear(ctx, wait, func(a diag.Answer, h heard) bool {
			if a.Packet == nil || a.Packet.Type() != dhcp4.Ack && a.Packet.Type() != dhcp4.Nak || a.Server() != offer.Server() {
				return false
			}
			g.w.Ack, g.last = &a, h
			g.w.Hears(a)
			return true
		})
		if g.w.Ack != nil || ctx.Err() != nil {
			break
		}
	}
	switch {
	case g.w.Ack == nil:
		return false
	case g.w.Ack.Packet.Type() == dhcp4.Nak:
		g.w.Leased = netip.Addr{}
		return false
	case g.chooser != diag.IPXE && !g.w.Ack.Packet.Options.Has(dhcp4.OptSubnetMask):
		g.w.Declines(time.Now())
		return false
	}
	return true
}

// beforeRelayInfo moves the options from at on before option 82, which has to
// be the last (RFC 3046 section 2.1).
func beforeRelayInfo(all dhcp4.Options, at int) dhcp4.Options {
	i := slices.IndexFunc(all, func(o dhcp4.Option) bool { return o.Code == dhcp4.OptRelayInfo })
	if i < 0 || i >= at {
		return all
	}
	out := append(slices.Clone(all[:i]), all[at:]...)
	return append(out, all[i:at]...)
}

// bootAnswer gives the answer whose boot data counts: an offer of a ProxyDHCP
// server, the ACK, or what port 4011 says.
func (g *walker) bootAnswer(ctx context.Context) (diag.Answer, bool) {
	c := g.w.Choice
	switch {
	case c.AskFirst.IsValid():
		if a := g.askBootService(ctx, c.AskFirst); a != nil {
			g.w.Told = a
			return *a, true
		}
		return diag.Answer{}, false
	case c.Boot == nil:
		return diag.Answer{}, false
	case c.Boot == c.Address:
		return *g.w.Ack, true
	}
	return *c.Boot, true
}

// askDirectly asks the server that is meant to answer as a relay would, where
// nothing was heard of it: that tells a helper that is missing from a server
// that is silent.
func (g *walker) askDirectly(ctx context.Context) {
	server := g.opts.Server
	if !server.IsValid() || g.opts.Relay.IsValid() || !g.from.IsValid() || ctx.Err() != nil {
		return
	}
	if slices.ContainsFunc(g.w.Offers, func(a diag.Answer) bool { return a.Server() == server || a.From.Addr() == server }) {
		return
	}
	r, err := asRelay(g.from, server)
	if err != nil {
		return
	}
	defer r.Close()
	g.opts.Say(fmt.Sprintf("asking %s directly, as a relay", server))
	p := g.message(dhcp4.Discover)
	p.GIAddr, p.Hops = g.from, 1
	b, err := p.Append(nil)
	if err != nil || r.Ask(b) != nil {
		return
	}
	main := g.air
	g.air = r
	defer func() { g.air = main }()
	g.hear(ctx, collect[0], func(a diag.Answer, _ heard) bool {
		if a.Packet != nil && (a.Server() == server || a.From.Addr() == server) {
			g.w.Direct = &a
		}
		return g.w.Direct != nil
	})
}

// release gives the address back. It is called whatever happened, also after
// the context's end.
func (g *walker) release() {
	if !g.w.Leased.IsValid() {
		return
	}
	server := g.w.Choice.Address.Server()
	g.opts.Say(fmt.Sprintf("RELEASE of %s", g.w.Leased))
	p := &dhcp4.Packet{
		Op: dhcp4.OpRequest, HType: dhcp4.HTypeEthernet, HLen: 6, Xid: g.w.Sent.Xid, CIAddr: g.w.Leased, CHAddr: g.w.Sent.CHAddr,
	}
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Release))
	p.Options.AddAddr(dhcp4.OptServerID, server)
	b, err := p.Append(nil)
	if err == nil {
		err = g.air.Release(b, g.w.Leased, server, g.last)
	}
	g.w.Released = err == nil
}
