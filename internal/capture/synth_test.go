package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"hobnail/internal/model"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/tftp"
	"hobnail/internal/wire/wiretest"
)

// tape is a capture that a test makes: IP packets with their times, which any
// form of file and of link can be made of.
type tape struct {
	t   testing.TB
	now time.Time
	all []taped
	ttl uint8
	id  uint16
}

type taped struct {
	at time.Time
	ip []byte
}

func newTape(t testing.TB) *tape {
	return &tape{t: t, now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC), ttl: 64}
}

// wait lets time pass.
func (c *tape) wait(d time.Duration) { c.now = c.now.Add(d) }

func (c *tape) add(ip []byte) {
	c.all = append(c.all, taped{c.now, ip})
	c.wait(200 * time.Microsecond)
}

// ip4 makes an IPv4 packet, or fragments of one where it is longer than the MTU.
func (c *tape) ip4(protocol byte, src, dst netip.Addr, payload []byte, mtu int) (all [][]byte) {
	c.id++
	room := (mtu - 20) &^ 7
	for at := 0; at == 0 || at < len(payload); at += room {
		part := payload[at:min(at+room, len(payload))]
		h := make([]byte, 20, 20+len(part))
		h[0], h[8], h[9] = 0x45, c.ttl, protocol
		binary.BigEndian.PutUint16(h[2:], uint16(20+len(part)))
		binary.BigEndian.PutUint16(h[4:], c.id)
		offset := uint16(at / 8)
		if at+room < len(payload) {
			offset |= 0x2000
		}
		binary.BigEndian.PutUint16(h[6:], offset)
		copy(h[12:], src.AsSlice())
		copy(h[16:], dst.AsSlice())
		all = append(all, append(h, part...))
	}
	return all
}

// ip6 is the same for IPv6, with a fragment header where it needs one.
func (c *tape) ip6(protocol byte, src, dst netip.Addr, payload []byte, mtu int) (all [][]byte) {
	c.id++
	head := func(next byte, length int) []byte {
		h := make([]byte, 40, 40+length)
		h[0], h[6], h[7] = 0x60, next, c.ttl
		binary.BigEndian.PutUint16(h[4:], uint16(length))
		copy(h[8:], src.AsSlice())
		copy(h[24:], dst.AsSlice())
		return h
	}
	if 40+len(payload) <= mtu {
		return [][]byte{append(head(protocol, len(payload)), payload...)}
	}
	room := (mtu - 48) &^ 7
	for at := 0; at < len(payload); at += room {
		part := payload[at:min(at+room, len(payload))]
		word := uint16(at)
		if at+room < len(payload) {
			word |= 1
		}
		h := append(head(44, 8+len(part)), protocol, 0, byte(word>>8), byte(word), 0, 0, 0, byte(c.id))
		all = append(all, append(h, part...))
	}
	return all
}

func (c *tape) send(protocol byte, src, dst netip.Addr, payload []byte, mtu int) {
	make := c.ip4
	if src.Is6() {
		make = c.ip6
	}
	for _, p := range make(protocol, src, dst, payload, mtu) {
		c.add(p)
	}
}

// udp sends a datagram between "10.0.0.1:67" and the like.
func (c *tape) udp(from, to string, payload []byte) {
	src, dst := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	b := binary.BigEndian.AppendUint16(nil, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(append(b, 0, 0), payload...)
	c.send(17, src.Addr(), dst.Addr(), b, 1500)
}

// tcp sends a segment.
func (c *tape) tcp(from, to string, seq, ack uint32, flags byte, payload []byte) {
	src, dst := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	b := binary.BigEndian.AppendUint16(nil, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	c.send(6, src.Addr(), dst.Addr(), append(b, payload...), 65535)
}

// icmp says of a packet that its destination cannot be reached.
func (c *tape) icmp(code byte, about []byte) {
	b := append([]byte{3, code, 0, 0, 0, 0, 0, 0}, about[:28]...)
	c.send(1, netip.AddrFrom4([4]byte(about[16:20])), netip.AddrFrom4([4]byte(about[12:16])), b, 1500)
}

// link puts a link's header before an IP packet.
func link(kind layers.LinkType, tags []uint16, ip []byte) []byte {
	ether := uint16(0x0800)
	if len(ip) > 0 && ip[0]>>4 == 6 {
		ether = 0x86dd
	}
	var b []byte
	switch kind {
	case layers.LinkTypeEthernet:
		b = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1}
		for i, tag := range tags {
			outer := uint16(0x8100)
			if i == 0 && len(tags) > 1 {
				outer = 0x88a8
			}
			b = binary.BigEndian.AppendUint16(b, outer)
			b = binary.BigEndian.AppendUint16(b, tag)
		}
		b = binary.BigEndian.AppendUint16(b, ether)
	case layers.LinkTypeLinuxSLL:
		b = []byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}
		b = binary.BigEndian.AppendUint16(b, ether)
	case layers.LinkTypeLinuxSLL2:
		b = binary.BigEndian.AppendUint16(nil, ether)
		b = append(b, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0)
	}
	return append(b, ip...)
}

// pcap is the capture as tcpdump writes it.
func (c *tape) pcap(kind layers.LinkType, tags ...uint16) []byte { return c.snap(1<<18, kind, tags...) }

// snap is the same, with packets cut at a length.
func (c *tape) snap(length int, kind layers.LinkType, tags ...uint16) []byte {
	var b bytes.Buffer
	w := pcapgo.NewWriterNanos(&b)
	if err := w.WriteFileHeader(uint32(length), kind); err != nil {
		c.t.Fatal(err)
	}
	for _, p := range c.all {
		data := link(kind, tags, p.ip)
		info := gopacket.CaptureInfo{Timestamp: p.at, Length: len(data), CaptureLength: min(len(data), length)}
		if err := w.WritePacket(info, data[:info.CaptureLength]); err != nil {
			c.t.Fatal(err)
		}
	}
	return b.Bytes()
}

// pcapng is the capture as Wireshark writes it.
func (c *tape) pcapng(kind layers.LinkType, tags ...uint16) []byte {
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriterInterface(&b, pcapgo.NgInterface{Name: "eth0", LinkType: kind, SnapLength: 1 << 18, TimestampResolution: 9}, pcapgo.DefaultNgWriterOptions)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, p := range c.all {
		data := link(kind, tags, p.ip)
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: p.at, Length: len(data), CaptureLength: len(data)}, data); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		c.t.Fatal(err)
	}
	return b.Bytes()
}

// boots reads the capture.
func (c *tape) boots() []*model.Boot {
	c.t.Helper()
	all, _, err := explained(c.t, c.pcap(layers.LinkTypeEthernet))
	if err != nil {
		c.t.Fatal(err)
	}
	return all
}

// The hosts of the stories.
const (
	client  = "10.77.2.50"
	dhcpd   = "10.77.2.1"
	hobnail = "10.77.2.9"
	ovmf    = "30-ovmf-x64-pxe-discover"
)

// machine plays a boot client that was captured once.
type machine struct {
	c    *tape
	mac  model.MAC
	xid  uint32
	port uint16 // of its next transfer
}

func newMachine(c *tape) *machine {
	return &machine{c: c, mac: "52:54:00:12:34:56", xid: 0x1000, port: 1024}
}

// as gives a captured request as this machine would send it, changed.
func (m *machine) as(packet string, change func(*dhcp4.Packet)) []byte {
	p, err := dhcp4.Parse(wiretest.Packet(m.c.t, packet))
	if err != nil {
		m.c.t.Fatal(err)
	}
	p.Xid = m.xid
	p.CHAddr = [16]byte{}
	copy(p.CHAddr[:], m.mac.Bytes())
	if change != nil {
		change(p)
	}
	return m.encode(p)
}

func (m *machine) encode(p *dhcp4.Packet) []byte {
	b, err := p.Append(nil)
	if err != nil {
		m.c.t.Fatal(err)
	}
	return b
}

// discover asks for an address as a captured packet did.
func (m *machine) discover(packet string) {
	m.xid++
	m.c.udp("0.0.0.0:68", "255.255.255.255:67", m.as(packet, nil))
}

// request takes a server's offer.
func (m *machine) request(packet, server, address string) {
	m.c.udp("0.0.0.0:68", "255.255.255.255:67", m.as(packet, func(p *dhcp4.Packet) {
		p.Options = setAddr(p.Options, dhcp4.OptServerID, server)
		p.Options = setAddr(p.Options, dhcp4.OptRequestedAddr, address)
	}))
}

// setAddr replaces an option.
func setAddr(all dhcp4.Options, code dhcp4.OptionCode, a string) dhcp4.Options {
	var kept dhcp4.Options
	for _, o := range all {
		if o.Code != code {
			kept = append(kept, o)
		}
	}
	kept.AddAddr(code, netip.MustParseAddr(a))
	return kept
}

// said is an answer of a server.
type said struct {
	kind           dhcp4.MessageType
	server         string
	address        string // "": none
	file, next     string
	class          string // option 60
	bypass, noMask bool   // 43 = 06 01 08 ff; no option 1
	relay          string
	text           string
}

func (m *machine) answer(s said) []byte {
	given := func(a string) netip.Addr {
		if a == "" {
			return netip.IPv4Unspecified()
		}
		return netip.MustParseAddr(a)
	}
	p := &dhcp4.Packet{Op: 2, HType: 1, HLen: 6, Xid: m.xid, YIAddr: given(s.address), SIAddr: given(s.next), GIAddr: given(s.relay), File: s.file}
	copy(p.CHAddr[:], m.mac.Bytes())
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(s.kind))
	p.Options.AddAddr(dhcp4.OptServerID, netip.MustParseAddr(s.server))
	if s.address != "" && !s.noMask {
		p.Options.AddAddr(dhcp4.OptSubnetMask, netip.MustParseAddr("255.255.255.0"))
	}
	if s.class != "" {
		p.Options.AddString(dhcp4.OptVendorClass, s.class)
	}
	if s.bypass {
		p.Options.Add(dhcp4.OptVendorSpecific, []byte{6, 1, 8, 255})
	}
	if s.text != "" {
		p.Options.AddString(dhcp4.OptMessage, s.text)
	}
	return m.encode(p)
}

// hears plays an answer.
func (m *machine) hears(s said) {
	m.c.udp(s.server+":67", "255.255.255.255:68", m.answer(s))
}

// ownFile is a boot file as hobnail names it.
const ownFile = "m/525400123456/uefi-x64/shimx64.efi"

// boots plays DHCP up to the ACK, with boot data of hobnail's.
func (m *machine) boots() {
	m.takes(ovmf, "31-ovmf-x64-pxe-request", said{server: hobnail, address: client, file: ownFile, next: hobnail, class: "PXEClient", bypass: true})
}

// takes plays DHCP with one server.
func (m *machine) takes(discover, request string, s said) {
	m.discover(discover)
	s.kind = dhcp4.Offer
	m.hears(s)
	m.c.wait(3 * time.Second)
	m.request(request, s.server, s.address)
	s.kind = dhcp4.Ack
	m.hears(s)
}

// ipxe is its DHCP after it was loaded.
func (m *machine) ipxe(file string) {
	m.c.wait(2 * time.Second)
	m.takes("38-ipxe-uefi-discover", "39-ipxe-uefi-request", said{server: hobnail, address: client, file: file, next: hobnail, class: "PXEClient", bypass: true})
}

// system is the DHCP of the system that was booted.
func (m *machine) system() {
	m.c.wait(5 * time.Second)
	m.xid++
	p := &dhcp4.Packet{Op: 1, HType: 1, HLen: 6, Xid: m.xid}
	copy(p.CHAddr[:], m.mac.Bytes())
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Discover))
	p.Options.AddString(dhcp4.OptHostName, "debian")
	m.c.udp("0.0.0.0:68", "255.255.255.255:67", m.encode(p))
	m.hears(said{kind: dhcp4.Offer, server: dhcpd, address: client})
}

// played is a read by TFTP, in play.
type played struct {
	m            *machine
	from, server string // with ports: of the client, of the answers
	name         string
	blksize      int
}

// asks sends a read request.
func (m *machine) asks(name string, options ...tftp.Option) *played {
	m.port++
	t := &played{m: m, from: fmt.Sprintf("%s:%d", client, m.port), server: fmt.Sprintf("%s:%d", hobnail, 30000+int(m.port)), name: name, blksize: 512}
	t.again(options...)
	return t
}

func (t *played) again(options ...tftp.Option) {
	b, err := tftp.Request{Op: tftp.OpRead, Name: t.name, Mode: "octet", Options: options}.Append(nil)
	if err != nil {
		t.m.c.t.Fatal(err)
	}
	t.m.c.udp(t.from, hobnail+":69", b)
}

func (t *played) oack(options ...tftp.Option) {
	b, err := tftp.AppendOAck(nil, options)
	if err != nil {
		t.m.c.t.Fatal(err)
	}
	t.m.c.udp(t.server, t.from, b)
}

func (t *played) data(block int, content []byte) {
	t.m.c.udp(t.server, t.from, tftp.AppendData(nil, uint16(block), content))
}

func (t *played) ack(block int) { t.m.c.udp(t.from, t.server, tftp.AppendAck(nil, uint16(block))) }

func (t *played) clientError(code tftp.ErrorCode, text string) {
	t.m.c.udp(t.from, t.server, tftp.AppendError(nil, code, text))
}

func (t *played) serverError(code tftp.ErrorCode, text string) {
	t.m.c.udp(t.server, t.from, tftp.AppendError(nil, code, text))
}

// content sends all blocks, each acknowledged.
func (t *played) content(b []byte) {
	for n := 1; ; n++ {
		part := b[min(len(b), (n-1)*t.blksize):min(len(b), n*t.blksize)]
		t.data(n, part)
		t.ack(n)
		if len(part) < t.blksize {
			return
		}
	}
}

// reads plays a whole read with blocks of 1468 octets.
func (m *machine) reads(name string, content []byte) {
	t := m.asks(name, tftp.Option{Name: "tsize", Value: "0"}, tftp.Option{Name: "blksize", Value: "1468"})
	t.blksize = 1468
	t.oack(tftp.Option{Name: "tsize", Value: fmt.Sprint(len(content))}, tftp.Option{Name: "blksize", Value: "1468"})
	t.ack(0)
	t.content(content)
}

// probes asks for a size as EDK2 does.
func (m *machine) probes(name string) {
	t := m.asks(name, tftp.Option{Name: "tsize", Value: "0"}, tftp.Option{Name: "blksize", Value: "1468"})
	t.oack(tftp.Option{Name: "tsize", Value: "90000"}, tftp.Option{Name: "blksize", Value: "1468"})
	t.clientError(tftp.ErrorOptions, "User aborted the transfer")
}

// misses asks for what is not there.
func (m *machine) misses(name string) {
	m.asks(name, tftp.Option{Name: "tsize", Value: "0"}).serverError(tftp.ErrorNotFound, "file not found")
}

// pe makes a boot program of a machine number, with or without a signature.
func pe(number uint16, signed bool, size int) []byte {
	b := make([]byte, max(size, 0x80+24+240))
	le := binary.LittleEndian
	copy(b, "MZ")
	le.PutUint32(b[0x3c:], 0x80)
	copy(b[0x80:], "PE\x00\x00")
	le.PutUint16(b[0x84:], number)
	le.PutUint16(b[0x94:], 240)
	le.PutUint16(b[0x98:], 0x20b)
	le.PutUint32(b[0x98+108:], 16)
	if signed {
		le.PutUint32(b[0x98+144:], 4096)
		le.PutUint32(b[0x98+148:], 1024)
	}
	return b
}

// webConn is a connection by HTTP, in play.
type webConn struct {
	m            *machine
	from, server string
	seq, ack     uint32
}

func (m *machine) dials(server string) *webConn {
	m.port++
	w := &webConn{m: m, from: fmt.Sprintf("%s:%d", client, m.port), server: server, seq: 0xfffffff0, ack: 7000}
	w.m.c.tcp(w.from, w.server, w.seq, 0, flagSYN, nil)
	w.m.c.tcp(w.server, w.from, w.ack, w.seq+1, flagSYN|flagACK, nil)
	w.seq++
	w.ack++
	w.m.c.tcp(w.from, w.server, w.seq, w.ack, flagACK, nil)
	return w
}

func (w *webConn) asks(text string) {
	w.m.c.tcp(w.from, w.server, w.seq, w.ack, flagACK, []byte(text))
	w.seq += uint32(len(text))
}

// says sends an answer in segments, each acknowledged.
func (w *webConn) says(b []byte) {
	for len(b) > 0 {
		part := b[:min(len(b), 1448)]
		b = b[len(part):]
		w.m.c.tcp(w.server, w.from, w.ack, w.seq, flagACK, part)
		w.ack += uint32(len(part))
		w.m.c.tcp(w.from, w.server, w.seq, w.ack, flagACK, nil)
	}
}

func (w *webConn) closes() {
	w.m.c.tcp(w.from, w.server, w.seq, w.ack, flagACK|flagFIN, nil)
	w.m.c.tcp(w.server, w.from, w.ack, w.seq+1, flagACK|flagFIN, nil)
}

// gets plays one read of a file by HTTP on a connection.
func (w *webConn) gets(name string, content []byte) {
	w.asks("GET /" + name + " HTTP/1.1\r\nHost: boot\r\n\r\n")
	w.says(append(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(content)), content...))
}
