package capture

import (
	"bytes"
	"testing"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/verdict"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/tftp"
)

const (
	x64, arm64 = 0x8664, 0xaa64
	request    = "31-ovmf-x64-pxe-request"
)

var (
	shim = pe(x64, true, 9000)
	menu = []byte("#!ipxe\nmenu\n")
)

// proxy is an offer of hobnail beside a DHCP server.
var proxy = said{kind: dhcp4.Offer, server: hobnail, file: ownFile, next: hobnail, class: "PXEClient", bypass: true}

// lease is the offer of a DHCP server that knows nothing of booting.
var lease = said{kind: dhcp4.Offer, server: dhcpd, address: client}

// acks is the ACK to an offer.
func acks(s said) said {
	s.kind = dhcp4.Ack
	return s
}

// takesLease plays DHCP beside a proxy.
func (m *machine) takesLease(s said) {
	m.discover(ovmf)
	m.hears(s)
	m.hears(proxy)
	m.c.wait(3 * time.Second)
	m.request(request, s.server, s.address)
	m.hears(acks(s))
}

// later is a packet of somebody else, so that the capture goes on.
func (c *tape) later(d time.Duration) {
	c.wait(d)
	c.udp("10.77.2.77:5353", "224.0.0.251:5353", []byte("nothing of ours"))
}

var stories = []struct {
	name         string
	code, detail string
	play         func(*machine)
}{
	{"everything goes well", verdict.Booted, "", func(m *machine) {
		m.boots()
		m.probes(ownFile)
		m.reads(ownFile, shim)
		m.misses("m/525400123456/uefi-x64/revocations.efi")
		m.reads("m/525400123456/uefi-x64/grubx64.efi", shim)
		m.reads("m/525400123456/uefi-x64/grub.cfg", menu)
		m.reads("debian/linux", make([]byte, 40000))
		m.reads("debian/initrd.gz", make([]byte, 50000))
		m.system()
	}},
	{"beside a DHCP server", verdict.Booted, "", func(m *machine) {
		m.takesLease(lease)
		m.reads(ownFile, shim)
		m.reads("debian/linux", make([]byte, 40000))
		m.system()
	}},
	{"the menu waits", verdict.HandedOver, "", func(m *machine) {
		m.boots()
		m.reads("m/525400123456/uefi-x64/ipxe.efi", shim)
		m.ipxe("http://" + hobnail + ":8080/boot.ipxe")
		m.dials(hobnail+":8080").gets("boot.ipxe", menu)
	}},
	{"a kernel by HTTP, heard of for a minute", verdict.HandedOver, "", func(m *machine) {
		m.boots()
		m.dials(hobnail+":8080").gets("debian/linux", make([]byte, 60000))
		m.c.later(time.Minute)
	}},
	{"a kernel, and ten minutes of silence", verdict.InstallerSilent, "", func(m *machine) {
		m.boots()
		w := m.dials(hobnail + ":8080")
		w.gets("debian/linux", make([]byte, 60000))
		w.gets("debian/initrd.gz", make([]byte, 60000))
		w.closes()
		m.c.later(10 * time.Minute)
	}},
	{"nobody answers", verdict.NoAnswer, "nobody", func(m *machine) {
		for _, d := range []int{4, 8, 16} {
			m.discover(ovmf)
			m.c.wait(time.Duration(d) * time.Second)
		}
	}},
	{"an address and nothing to boot", verdict.NoAnswer, "no-boot-data", func(m *machine) {
		m.discover(ovmf)
		m.hears(lease)
		m.c.later(40 * time.Second)
	}},
	{"two offers that are not joined", verdict.OfferNotTaken, "split-offer", func(m *machine) {
		for range 3 {
			m.discover(ovmf)
			m.hears(lease)
			m.hears(proxy)
			m.c.wait(8 * time.Second)
		}
	}},
	{"the answer is lost", verdict.OfferNotTaken, "reply-lost", func(m *machine) {
		whole := proxy
		whole.address = client
		for range 3 {
			m.discover(ovmf)
			m.hears(whole)
			m.c.wait(8 * time.Second)
		}
	}},
	{"PXEClient and nothing else", verdict.ForeignOption60, "", func(m *machine) {
		lure := lease
		lure.class = "PXEClient"
		m.takesLease(lure)
		for range 3 {
			m.c.udp(client+":4011", dhcpd+":4011", m.as("35-ovmf-4011-request", nil))
			m.c.wait(2 * time.Second)
		}
	}},
	{"another server's boot file", verdict.ForeignBootFile, "", func(m *machine) {
		other := lease
		other.file, other.next = "pxelinux.0", "10.77.2.200"
		m.takesLease(other)
		m.c.later(time.Minute)
	}},
	{"two DHCP servers", verdict.SecondDHCPServer, "", func(m *machine) {
		m.discover(ovmf)
		m.hears(lease)
		second := lease
		second.server, second.address = "10.77.2.2", "10.77.2.99"
		second.file, second.next, second.class, second.bypass = "boot.efi", "10.77.2.2", "PXEClient", true
		m.hears(second)
		m.request(request, dhcpd, client)
		m.hears(acks(lease))
		m.c.later(40 * time.Second)
	}},
	{"the boot service alone is asked", verdict.HelperMissing, "discover", func(m *machine) {
		m.c.udp(client+":4011", hobnail+":4011", m.as("35-ovmf-4011-request", nil))
		m.c.later(time.Minute)
	}},
	{"boot data and no address", verdict.NoLease, "", func(m *machine) {
		for range 3 {
			m.discover(ovmf)
			m.hears(proxy)
			m.c.wait(8 * time.Second)
		}
	}},
	{"NAK", verdict.AddressRefused, "taken", func(m *machine) {
		m.discover(ovmf)
		m.hears(lease)
		m.request(request, dhcpd, client)
		m.hears(said{kind: dhcp4.Nak, server: dhcpd, text: "wrong network"})
	}},
	{"no subnet mask", verdict.Declined, "bad-offer", func(m *machine) {
		bare := lease
		bare.noMask = true
		m.takesLease(bare)
		m.c.udp("0.0.0.0:68", "255.255.255.255:67", m.as("55-ovmf-dhcp-decline", nil))
	}},
	{"an address and silence", verdict.BootFileNotAsked, "", func(m *machine) {
		m.boots()
		m.c.later(time.Minute)
	}},
	{"TFTP is not answered", verdict.BootFileNotAsked, verdict.Unanswered, func(m *machine) {
		m.boots()
		t := m.asks(ownFile)
		for range 4 {
			m.c.wait(4 * time.Second)
			t.again()
		}
	}},
	{"nothing listens", verdict.BootFileNotAsked, verdict.PortClosed, func(m *machine) {
		m.boots()
		t := m.asks(ownFile)
		m.c.icmp(3, m.c.all[len(m.c.all)-1].ip)
		m.c.wait(4 * time.Second)
		t.again()
		m.c.icmp(3, m.c.all[len(m.c.all)-1].ip)
	}},
	{"another address answers", verdict.TransferStalled, verdict.Elsewhere, func(m *machine) {
		m.boots()
		t := m.asks(ownFile)
		t.server = "10.77.9.9:3000"
		for range 3 {
			t.data(1, shim[:512])
			m.c.wait(4 * time.Second)
			t.again()
		}
	}},
	{"HTTP is not answered", verdict.BootFileNotAsked, verdict.Unanswered, func(m *machine) {
		m.takes("43-ovmf-http-discover", request, said{server: hobnail, address: client, file: "http://" + hobnail + ":8080/shimx64.efi", class: "HTTPClient"})
		for range 3 {
			m.c.tcp(client+":2000", hobnail+":8080", 1, 0, flagSYN, nil)
			m.c.wait(3 * time.Second)
		}
	}},
	{"the HTTP port is closed", verdict.BootFileNotAsked, verdict.PortClosed, func(m *machine) {
		m.takes("43-ovmf-http-discover", request, said{server: hobnail, address: client, file: "http://" + hobnail + "/shimx64.efi", class: "HTTPClient"})
		m.c.tcp(client+":2000", hobnail+":80", 1, 0, flagSYN, nil)
		m.c.tcp(hobnail+":80", client+":2000", 0, 2, flagRST|flagACK, nil)
		m.c.later(40 * time.Second)
	}},
	{"not found", verdict.BootFileNotFound, "", func(m *machine) {
		m.boots()
		m.misses(ownFile)
	}},
	{"404", verdict.BootFileNotFound, "", func(m *machine) {
		m.takes("43-ovmf-http-discover", request, said{server: hobnail, address: client, file: "http://" + hobnail + "/shimx64.efi", class: "HTTPClient"})
		w := m.dials(hobnail + ":80")
		w.asks("HEAD /shimx64.efi HTTP/1.1\r\n\r\n")
		w.says([]byte("HTTP/1.1 404 Not Found\r\nContent-Length: 90\r\n\r\n"))
		w.closes()
	}},
	{"no permission", verdict.BootFileFault, "forbidden", func(m *machine) {
		m.boots()
		m.asks(ownFile).serverError(tftp.ErrorAccess, "Access violation")
	}},
	{"a program for ARM", verdict.BootFileWrongArch, "", func(m *machine) {
		m.takes(ovmf, request, said{server: dhcpd, address: client, file: "boot.efi", next: hobnail, class: "PXEClient", bypass: true})
		m.reads("boot.efi", pe(arm64, true, 5000))
		m.c.later(time.Minute)
	}},
	{"the client runs out of memory", verdict.ReadBrokenOff, "too-small", func(m *machine) {
		m.boots()
		t := m.asks(ownFile)
		t.data(1, shim[:512])
		t.ack(1)
		t.data(2, shim[:512])
		t.clientError(tftp.ErrorDiskFull, "too large")
	}},
	{"the data port is shut", verdict.TransferStalled, "data-port", func(m *machine) {
		m.boots()
		t := m.asks(ownFile, tftp.Option{Name: "blksize", Value: "1468"})
		for range 5 {
			t.oack(tftp.Option{Name: "blksize", Value: "1468"})
			m.c.wait(2 * time.Second)
			t.again(tftp.Option{Name: "blksize", Value: "1468"})
		}
	}},
	{"large packets are lost", verdict.TransferStalled, "mtu", func(m *machine) {
		m.boots()
		t := m.asks(ownFile, tftp.Option{Name: "blksize", Value: "1468"})
		t.oack(tftp.Option{Name: "blksize", Value: "1468"})
		t.ack(0)
		for range 6 {
			t.data(1, make([]byte, 1468))
			m.c.wait(2 * time.Second)
		}
	}},
	{"the line breaks", verdict.TransferStalled, "loss", func(m *machine) {
		m.boots()
		t := m.asks(ownFile)
		t.data(1, shim[:512])
		t.ack(1)
		for range 20 {
			t.data(2, shim[:512])
			m.c.wait(2 * time.Second)
		}
	}},
	{"the line breaks in HTTP", verdict.TransferStalled, "loss", func(m *machine) {
		m.boots()
		w := m.dials(hobnail + ":8080")
		w.asks("GET /" + ownFile + " HTTP/1.1\r\n\r\n")
		w.says(append([]byte("HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n"), shim...))
		for range 5 {
			m.c.tcp(w.server, w.from, w.ack, w.seq, flagACK, make([]byte, 1448))
			m.c.wait(10 * time.Second)
		}
	}},
	{"a signed program, and nothing after", verdict.LoaderSilent, "", func(m *machine) {
		m.boots()
		m.reads(ownFile, shim)
		m.c.later(time.Minute)
	}},
	{"an unsigned program", verdict.SecureBootRefused, "", func(m *machine) {
		m.boots()
		m.reads("m/525400123456/uefi-x64/snponly.efi", pe(x64, false, 7000))
		m.c.later(time.Minute)
	}},
	{"iPXE is handed iPXE", verdict.LoaderLoop, "ipxe", func(m *machine) {
		m.takes(ovmf, request, said{server: dhcpd, address: client, file: "ipxe.efi", next: hobnail, class: "PXEClient", bypass: true})
		m.reads("ipxe.efi", shim)
		for range 3 {
			m.ipxe("ipxe.efi")
			m.reads("ipxe.efi", shim)
		}
	}},
	{"a slow line", verdict.Slow, "kernel", func(m *machine) {
		m.boots()
		m.reads(ownFile, shim)
		t := m.asks("debian/linux")
		for n := 1; n <= 50; n++ {
			t.data(n, make([]byte, 512))
			m.c.wait(5 * time.Second)
			t.ack(n)
		}
		t.data(51, nil)
		t.ack(51)
		m.system()
	}},
	{"the capture ends too soon", verdict.TransferStalled, "open", func(m *machine) {
		m.boots()
		t := m.asks(ownFile)
		t.data(1, shim[:512])
		t.ack(1)
	}},
	{"a certificate that is not trusted", verdict.ReadBrokenOff, "", func(m *machine) {
		m.takes("43-ovmf-http-discover", request, said{server: hobnail, address: client, file: "https://" + hobnail + "/shimx64.efi", class: "HTTPClient"})
		w := m.dials(hobnail + ":443")
		w.asks("\x16\x03\x01 client hello")
		w.says(make([]byte, 3000))
		w.closes()
	}},
}

// TestStories plays one boot each, and wants its verdict, with the packets that
// it stands on.
func TestStories(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			c := newTape(t)
			s.play(newMachine(c))
			all := c.boots()
			if len(all) != 1 {
				t.Fatalf("%d boots, want 1: %s", len(all), listed(all))
			}
			v := all[0].Verdict
			if v.Code != s.code || v.Detail != s.detail {
				t.Errorf("%s (%s), want %s (%s)\n%s", v.Code, v.Detail, s.code, s.detail, listed(all))
			}
			if len(v.Evidence) == 0 {
				t.Error("no evidence")
			}
			for _, e := range v.Evidence {
				if e.Frame < 1 || e.Frame > len(c.all) || !c.all[e.Frame-1].at.Equal(e.Time) {
					t.Errorf("the evidence %q is of packet %d at %v, which it is not", e.Text, e.Frame, e.Time)
				}
			}
			if !v.Final {
				t.Error("the verdict is not final, and nothing more comes")
			}
		})
	}
}

// listed shows boots in a failure.
func listed(all []*model.Boot) string {
	var b bytes.Buffer
	for _, boot := range all {
		b.WriteString("\n" + string(boot.MAC) + " " + boot.Verdict.Code + ": " + boot.Verdict.Text + "\n")
		for i := range boot.Steps {
			b.WriteString("  " + verdict.Describe(&boot.Steps[i]) + "\n")
		}
	}
	return b.String()
}
