package capture

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/layers"

	"hobnail/internal/model"
	"hobnail/internal/verdict"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/tftp"
	"hobnail/internal/wire/wiretest"
)

func hostile(t testing.TB) (all []string) {
	for _, h := range wiretest.HostileStrings(t) {
		all = append(all, string(h.Text))
	}
	return all
}

// short cuts a text to what a field holds, without NUL.
func short(s string, most int) string {
	return strings.ReplaceAll(s, "\x00", "")[:min(most, len(strings.ReplaceAll(s, "\x00", "")))]
}

// discoverAs asks with a text in each field that holds one.
func (m *machine) discoverAs(text string) {
	m.xid++
	text = short(text, 200)
	m.c.udp("0.0.0.0:68", "255.255.255.255:67", m.as(ovmf, func(p *dhcp4.Packet) {
		p.Options.AddString(dhcp4.OptHostName, text)
		p.Options.AddString(dhcp4.OptVendorClass, text)
	}))
}

// steps gives the steps of a kind.
func steps(b *model.Boot, kind model.StepKind) (all []*model.Step) {
	for i := range b.Steps {
		if b.Steps[i].Kind == kind {
			all = append(all, &b.Steps[i])
		}
	}
	return all
}

// one gives the only boot, and its only step of a kind.
func one(t *testing.T, all []*model.Boot, kind model.StepKind) *model.Step {
	t.Helper()
	if len(all) != 1 || len(steps(all[0], kind)) != 1 {
		t.Fatalf("want one boot with one step %s:%s", kind, listed(all))
	}
	return steps(all[0], kind)[0]
}

func TestTransfer(t *testing.T) {
	c := newTape(t)
	m := newMachine(c)
	m.boots()
	began := c.now
	tr := m.asks(ownFile, tftp.Option{Name: "blksize", Value: "1000"}, tftp.Option{Name: "windowsize", Value: "4"}, tftp.Option{Name: "tsize", Value: "0"})
	frame := len(c.all)
	tr.oack(tftp.Option{Name: "blksize", Value: "1000"}, tftp.Option{Name: "windowsize", Value: "4"}, tftp.Option{Name: "tsize", Value: "9500"})
	tr.oack(tftp.Option{Name: "blksize", Value: "1000"})
	tr.ack(0)
	block := func(n int) { tr.data(n, make([]byte, 1000)) }
	for _, n := range []int{1, 2, 3, 4} {
		block(n)
	}
	tr.ack(2) // the rest was lost
	for _, n := range []int{3, 4, 5, 6} {
		block(n)
	}
	tr.ack(6)
	block(7)
	block(8)
	block(9)
	tr.data(10, make([]byte, 500))
	ended := c.now
	tr.ack(10)
	s := one(t, c.boots(), model.StepRead)
	s.File.RoundTrip = 0 // TestRoundTrip
	want := &model.Step{
		Time: began, Last: ended, Kind: model.StepRead, Frame: frame,
		Client: netip.MustParseAddr(client), Server: netip.MustParseAddr(hobnail), Ours: true,
		File: &model.FileStep{
			Name: ownFile, Via: "tftp", Role: model.RoleLoader, Size: 9500, Octets: 9500, Blocks: 10, Retransmissions: 3,
			Blksize: 1000, Window: 4, Duration: ended.Sub(began), Heard: true,
		},
	}
	if diff := cmp.Diff(want, s, exactly); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestBlockNumbersWrap: block 65535 is followed by 0.
func TestBlockNumbersWrap(t *testing.T) {
	c := newTape(t)
	m := newMachine(c)
	tr := m.asks("initrd.gz")
	tr.blksize = 8
	tr.oack(tftp.Option{Name: "blksize", Value: "8"})
	tr.ack(0)
	tr.content(make([]byte, 8*70_000+3))
	if f := one(t, c.boots(), model.StepRead).File; f.Octets != 8*70_000+3 || f.Blocks != 70_001 || f.Retransmissions != 0 {
		t.Errorf("%+v", f)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, near := range []string{"server", "client"} {
		c := newTape(t)
		tr := newMachine(c).asks("linux")
		for n := 1; n < 50; n++ {
			tr.data(n, make([]byte, 512))
			if near == "server" {
				c.wait(30 * time.Millisecond)
			}
			tr.ack(n)
			if near == "client" {
				c.wait(30 * time.Millisecond)
			}
		}
		tr.data(50, nil)
		tr.ack(50)
		if d := one(t, c.boots(), model.StepRead).File.RoundTrip; d < 29*time.Millisecond || d > 32*time.Millisecond {
			t.Errorf("captured near the %s: round trip %v, want 30 ms", near, d)
		}
	}
}

// TestFragments: blocks that are larger than a packet, by IPv4 and IPv6.
func TestFragments(t *testing.T) {
	content := make([]byte, 50_000)
	for _, version := range []string{"4", "6"} {
		c := newTape(t)
		tr := newMachine(c).asks("linux")
		asked := "linux"
		if version == "6" {
			c.all = nil
			tr.from, tr.server = "[fd00::50]:2000", "[fd00::9]:3000"
			b, _ := tftp.Request{Op: tftp.OpRead, Name: asked, Mode: "octet"}.Append(nil)
			c.udp(tr.from, "[fd00::9]:69", b)
		}
		tr.blksize = 8192
		tr.oack(tftp.Option{Name: "blksize", Value: "8192"})
		tr.ack(0)
		tr.content(content)
		if len(c.all) < 40 {
			t.Fatalf("%d packets: nothing is in fragments", len(c.all))
		}
		if f := one(t, c.boots(), model.StepRead).File; f.Octets != 50_000 || f.Blocks != 7 || f.Retransmissions != 0 {
			t.Errorf("IPv%s: %+v", version, f)
		}
		// Of fragments that were cut, the first says how long the datagram is.
		all, _, err := explained(t, c.snap(200, layers.LinkTypeRaw))
		if err != nil {
			t.Fatal(err)
		}
		if f := one(t, all, model.StepRead).File; f.Octets != 50_000 {
			t.Errorf("IPv%s, cut: %+v", version, f)
		}
		// Without its last fragment no block is whole, and none arrives.
		lossy := *c
		lossy.all = nil
		for i, p := range c.all {
			if i+1 == len(c.all) || len(p.ip) > 1000 || len(c.all[i+1].ip) > 1000 || len(p.ip) < 200 {
				lossy.all = append(lossy.all, p)
			}
		}
		if s := lossy.boots(); len(s) == 1 && len(steps(s[0], model.StepRead)) == 1 && len(lossy.all) < len(c.all)-5 {
			if f := steps(s[0], model.StepRead)[0].File; f.Octets == 50_000 {
				t.Errorf("IPv%s: blocks without their end count", version)
			}
		}
	}
}

// TestCopies: a router sees each packet on both of its sides. Everything counts
// once.
func TestCopies(t *testing.T) {
	c := healthy(t)
	want := c.boots()
	twice := *c
	twice.all = nil
	for i, p := range c.all {
		twice.all = append(twice.all, p)
		hop := bytes.Clone(p.ip)
		hop[8]--
		twice.all = append(twice.all, taped{p.at.Add(40 * time.Microsecond), hop})
		if i%2 == 1 { // in order, and in pairs
			n := len(twice.all)
			twice.all[n-3], twice.all[n-2] = twice.all[n-2], twice.all[n-3]
		}
	}
	got := twice.boots()
	for _, b := range append(want, got...) {
		for i := range b.Steps {
			b.Steps[i].Frame = 0
		}
		b.Verdict.Evidence = nil
	}
	if diff := cmp.Diff(want, got, exactly); diff != "" {
		t.Errorf("(-once +twice):\n%s", diff)
	}
	// A mirror port shows each packet as it comes in and as it goes out.
	mirror := *c
	mirror.all = nil
	for _, p := range c.all {
		mirror.all = append(mirror.all, p, taped{p.at.Add(5 * time.Microsecond), p.ip})
	}
	got = mirror.boots()
	for _, b := range got {
		for i := range b.Steps {
			b.Steps[i].Frame = 0
		}
		b.Verdict.Evidence = nil
	}
	if diff := cmp.Diff(want, got, exactly); diff != "" {
		t.Errorf("(-once +mirrored):\n%s", diff)
	}
}

// relayed sends on what a client said, as an IP helper does.
func (m *machine) relayed(packet []byte, relay, server string) {
	p, err := dhcp4.Parse(packet)
	if err != nil {
		m.c.t.Fatal(err)
	}
	p.GIAddr = netip.MustParseAddr(relay)
	p.Hops++
	m.c.udp(relay+":67", server+":67", m.encode(p))
}

// TestRelayedCopies: the client's own broadcast and what its helper sends to two
// servers are one DISCOVER, and answers pass the relay once.
func TestRelayedCopies(t *testing.T) {
	const relay = "10.77.3.1"
	c := newTape(t)
	m := newMachine(c)
	m.discover(ovmf)
	own := m.as(ovmf, nil)
	m.relayed(own, relay, dhcpd)
	m.relayed(own, relay, hobnail)
	through := lease
	through.relay = relay
	c.udp(dhcpd+":67", relay+":67", m.answer(through))
	c.udp(relay+":67", "255.255.255.255:68", m.answer(lease))
	c.later(time.Minute)
	all := c.boots()
	d := one(t, all, model.StepDiscover)
	if d.Times() != 1 || d.Frame != 1 || d.DHCP.Relay.String() != relay || all[0].Place != relay {
		t.Errorf("place %q, %+v %+v", all[0].Place, d, d.DHCP)
	}
	if o := one(t, all, model.StepOffer); o.Times() != 1 {
		t.Errorf("%+v", o)
	}
}

// TestMerged: what hobnail passes on in its own name came through no relay, and
// the site's answer to it is not one to the machine.
func TestMerged(t *testing.T) {
	c := newTape(t)
	m := newMachine(c)
	m.discover(ovmf)
	m.relayed(m.as(ovmf, nil), hobnail, dhcpd)
	site := lease
	site.relay = hobnail
	c.udp(dhcpd+":67", hobnail+":67", m.answer(site))
	m.hears(said{kind: dhcp4.Offer, server: hobnail, address: client, file: ownFile, next: hobnail, class: "PXEClient", bypass: true})
	c.later(time.Minute)
	all := c.boots()
	if d := one(t, all, model.StepDiscover); d.DHCP.Relay.IsValid() {
		t.Errorf("the DISCOVER came through %v", d.DHCP.Relay)
	}
	if v := all[0].Verdict; v.Code != verdict.OfferNotTaken || v.Detail != "reply-lost" {
		t.Error(listed(all))
	}
}

// TestStartsOver: a transfer that stalled belongs to the attempt that it was
// of, although the next has begun before it can be given up.
func TestStartsOver(t *testing.T) {
	c := newTape(t)
	m := newMachine(c)
	m.boots()
	tr := m.asks(ownFile)
	tr.data(1, shim[:512])
	tr.ack(1)
	for range 3 {
		tr.data(2, shim[:512])
		c.wait(2 * time.Second)
	}
	m.boots()
	m.reads(ownFile, shim)
	c.later(time.Minute)
	all := c.boots()
	if len(all) != 2 || all[0].Verdict.Code != verdict.TransferStalled || all[1].Verdict.Code != verdict.LoaderSilent {
		t.Errorf("want a stalled and a silent boot:%s", listed(all))
	}
}

// TestSeveralMachines: each has its own story, and those of one model are
// compared.
func TestSeveralMachines(t *testing.T) {
	c := newTape(t)
	good, bad := newMachine(c), newMachine(c)
	bad.mac = "52:54:00:99:99:99"
	stories[0].play(good)
	bad.takes(ovmf, request, said{server: hobnail, address: "10.77.2.51", file: ownFile, next: hobnail, class: "PXEClient", bypass: true})
	tr := bad.asks("m/525400999999/uefi-x64/grubx64.efi")
	tr.from = "10.77.2.51:2000"
	c.all = c.all[:len(c.all)-1]
	tr.again()
	tr.data(1, shim[:500])
	tr.ack(1)
	c.later(31 * time.Minute)
	all := c.boots()
	if len(all) != 2 || all[0].MAC != good.mac || all[0].Verdict.Code != verdict.Booted || all[1].MAC != bad.mac || all[1].Verdict.Code != verdict.LoaderSilent {
		t.Fatal(listed(all))
	}
	if !strings.Contains(all[1].Verdict.Remedy, "1 other boot of this model went on") {
		t.Errorf("remedy %q does not know the machine that went on", all[1].Verdict.Remedy)
	}
}

// TestPortsLeftOut: a capture of port 69 alone has no contents. It does not say
// that nobody answered.
func TestPortsLeftOut(t *testing.T) {
	whole := healthy(t)
	c := *whole
	c.all = nil
	for _, p := range whole.all {
		if src, dst := p.ip[20:22], p.ip[22:24]; bytes.Contains([]byte("\x00\x43\x00\x44\x00\x45"), src) || bytes.Contains([]byte("\x00\x43\x00\x44\x00\x45"), dst) {
			c.all = append(c.all, p)
		}
	}
	all := c.boots()
	if len(all) != 1 || all[0].Verdict.Outcome == model.OutcomeFailed {
		t.Error(listed(all))
	}
}

func TestHTTP(t *testing.T) {
	const server = hobnail + ":8080"
	body := bytes.Repeat([]byte("0123456789"), 500)
	for _, tc := range []struct {
		name string
		play func(w *webConn)
		want string
	}{
		{"one connection for several", func(w *webConn) {
			w.gets("boot/linux", body)
			w.gets("boot/initrd.gz", body)
		}, "read boot/linux 5000 200, read boot/initrd.gz 5000 200"},
		{"HEAD", func(w *webConn) {
			w.asks("HEAD /boot/linux HTTP/1.1\r\n\r\n")
			w.says([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"))
			w.gets("boot/linux", body)
		}, "probe boot/linux 0 200, read boot/linux 5000 200"},
		{"ranges", func(w *webConn) {
			w.asks("GET /boot/linux HTTP/1.1\r\nRange: bytes=0-99\r\n\r\n")
			w.says(append([]byte("HTTP/1.1 206 Partial Content\r\nContent-Length: 100\r\n\r\n"), body[:100]...))
		}, "read boot/linux 100 206"},
		{"chunks", func(w *webConn) {
			w.asks("GET /boot.ipxe?mac=1 HTTP/1.1\r\n\r\n")
			text := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			for _, n := range []int{3000, 1, 1999} {
				text += fmt.Sprintf("%x\r\n%s\r\n", n, body[:n])
			}
			w.says([]byte(text + "0\r\n\r\n"))
			w.gets("boot/linux", body)
		}, "read boot.ipxe 5000 200, read boot/linux 5000 200"},
		{"until the connection ends", func(w *webConn) {
			w.asks("GET /boot.ipxe HTTP/1.0\r\n\r\n")
			w.says(append([]byte("HTTP/1.0 200 OK\r\n\r\n"), body...))
			w.m.c.tcp(w.server, w.from, w.ack, w.seq, flagACK|flagFIN, nil)
		}, "read boot.ipxe 5000 200"},
		{"404, then another name", func(w *webConn) {
			w.asks("GET /a.ipxe HTTP/1.1\r\n\r\n")
			w.says([]byte("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"))
			w.gets("b.ipxe", body)
		}, "missing a.ipxe 0 404, read b.ipxe 5000 200"},
		{"moved", func(w *webConn) {
			w.asks("GET /a.ipxe HTTP/1.1\r\n\r\n")
			w.says([]byte("HTTP/1.1 302 Found\r\nLocation: /b.ipxe\r\nContent-Length: 0\r\n\r\n"))
			w.gets("b.ipxe", body)
		}, "read b.ipxe 5000 200"},
		{"continue", func(w *webConn) {
			w.asks("GET /a.ipxe HTTP/1.1\r\n\r\n")
			w.says(append([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"), body...))
		}, "read a.ipxe 5000 200"},
		{"refused and at fault", func(w *webConn) {
			w.asks("GET /a.ipxe HTTP/1.1\r\n\r\n")
			w.says([]byte("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"))
			w.asks("GET /b.ipxe HTTP/1.1\r\n\r\n")
			w.says([]byte("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"))
		}, "refused a.ipxe 0 403, fault b.ipxe 0 500"},
		{"broken off", func(w *webConn) {
			w.asks("GET /boot/linux HTTP/1.1\r\n\r\n")
			w.says(append([]byte("HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"), body...))
			w.m.c.tcp(w.from, w.server, w.seq, w.ack, flagRST, nil)
		}, "aborted boot/linux 5000 200"},
		{"a head in pieces", func(w *webConn) {
			w.asks("GET /boot/li")
			w.asks("nux HTTP/1.1\r\nHost: b\r\n")
			w.asks("\r\n")
			w.says([]byte("HTTP/1.1 200 OK\r\nContent-"))
			w.says(append([]byte("Length: 5000\r\n\r\n"), body...))
		}, "read boot/linux 5000 200"},
		{"two at once", func(w *webConn) {
			w.asks("GET /a.ipxe HTTP/1.1\r\n\r\nGET /b.ipxe HTTP/1.1\r\n\r\n")
			answer := "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
			w.says([]byte(answer + answer))
		}, "read a.ipxe 3 200, read b.ipxe 3 200"},
		{"what runs later on it", func(w *webConn) {
			w.gets("boot/linux", body)
			other := w.m.dials("93.184.216.34:80")
			other.gets("index.html", body)
			other.asks("GET /ks.cfg HTTP/1.1\r\n\r\n")
			other.says([]byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
		}, "read boot/linux 5000 200"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newTape(t)
			m := newMachine(c)
			m.takes(ovmf, request, said{server: hobnail, address: client, file: "http://" + server + "/x.ipxe", class: "HTTPClient"})
			tc.play(m.dials(server))
			all := c.boots()
			if len(all) != 1 {
				t.Fatal(listed(all))
			}
			var got []string
			for _, s := range all[0].Steps {
				if f := s.File; f != nil {
					got = append(got, fmt.Sprintf("%s %s %d %d", s.Kind, f.Name, f.Octets, f.Code))
				}
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestLossInHTTP: what was sent again is counted, and contents once.
func TestLossInHTTP(t *testing.T) {
	c := newTape(t)
	m := newMachine(c)
	m.boots()
	w := m.dials(hobnail + ":8080")
	w.asks("GET /boot/linux HTTP/1.1\r\n\r\n")
	w.says([]byte("HTTP/1.1 200 OK\r\nContent-Length: 4344\r\n\r\n"))
	first := w.ack
	segment := func(n uint32) { c.tcp(w.server, w.from, first+n*1448, w.seq, flagACK, make([]byte, 1448)) }
	segment(0)
	segment(2) // 1 was lost
	c.tcp(w.from, w.server, w.seq, first+1448, flagACK, nil)
	segment(1)
	segment(2)
	c.tcp(w.from, w.server, w.seq, first+3*1448, flagACK, nil)
	if f := one(t, c.boots(), model.StepRead).File; f.Octets != 4344 || f.Retransmissions != 2 {
		t.Errorf("%+v", f)
	}
}

// TestLookAt: what the head of a program shows, and nothing where it shows
// nothing.
func TestLookAt(t *testing.T) {
	bad := pe(x64, false, 0)
	bad[0x3c] = 0xff
	bad[0x3d] = 0xff
	for _, tc := range []struct {
		name    string
		b       []byte
		arch    model.Arch
		refusal string
	}{
		{"signed", pe(x64, true, 0), model.ArchX64, ""},
		{"unsigned", pe(arm64, false, 0), model.ArchARM64, unsigned},
		{"the directory is not there yet", pe(x64, false, 0)[:0x98+112+30], model.ArchX64, ""},
		{"no PE", make([]byte, 512), "", ""},
		{"headers beyond", bad, "", ""},
		{"nothing", nil, "", ""},
	} {
		var f model.FileStep
		if lookAt(&f, tc.b); f.Arch != tc.arch || f.Refusal != tc.refusal {
			t.Errorf("%s: %q, %q", tc.name, f.Arch, f.Refusal)
		}
	}
}
