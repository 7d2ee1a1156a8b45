package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"hobnail/internal/wire/wiretest"
)

// biosBoot is a boot of a BIOS machine beside a DHCP server, as it was captured
// with a filter for the ports 67 to 69 and 4011: contents are not in it.
func biosBoot(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(w.WriteFileHeader(1<<16, layers.LinkTypeEthernet))
	at := time.Date(2016, 2, 28, 2, 21, 53, 0, time.UTC)
	for _, c := range wiretest.Captures(t) {
		if c.Name >= "10" {
			break // another machine's
		}
		at = at.Add(500 * time.Microsecond)
		src, dst := c.Src.Addr().AsSlice(), c.Dst.Addr().AsSlice()
		eth := &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
		ip := &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: src, DstIP: dst}
		udp := &layers.UDP{SrcPort: layers.UDPPort(c.Src.Port()), DstPort: layers.UDPPort(c.Dst.Port())}
		buf := gopacket.NewSerializeBuffer()
		check(gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, eth, ip, udp, gopacket.Payload(c.Payload)))
		check(w.WritePacket(gopacket.CaptureInfo{Timestamp: at, Length: len(buf.Bytes()), CaptureLength: len(buf.Bytes())}, buf.Bytes()))
	}
	return b.Bytes()
}

func TestExplain(t *testing.T) {
	whole := biosBoot(t)
	s := newScript(t)
	s.write("boot.pcap", whole)
	s.write("short.pcap", whole[:len(whole)-10])
	s.write("notes.txt", []byte("not a capture"))
	s.write("empty.pcap", whole[:24])
	run := func(want int, line ...string) {
		t.Helper()
		if err := s.hobnail(want, append([]string{"explain"}, line...)); err != nil {
			t.Fatal(err)
		}
	}
	has := func(out, text string) {
		t.Helper()
		if !strings.Contains(out, text) {
			t.Errorf("%q is not in:\n%s", text, out)
		}
	}
	run(exitOK, "boot.pcap")
	has(s.stdout, "d0:50:99:4e:05:57 bios: boot was being read, and its end was not seen\n")
	has(s.stdout, "from 192.168.16.10, address 192.168.16.12, boot file boot")

	run(exitOK, "--json", "boot.pcap", "boot.pcap")
	var got struct{ Boots []bootJSON }
	if err := json.Unmarshal([]byte(s.stdout), &got); err != nil || len(got.Boots) != 2 {
		t.Fatalf("%v, %d boots\n%s", err, len(got.Boots), s.stdout)
	}
	if b := got.Boots[0]; b.MAC != "d0:50:99:4e:05:57" || b.Arch != "bios" || b.Verdict.Code == "" || len(b.Events) < 8 || b.Events[0].Words == "" {
		t.Errorf("%+v", b)
	}

	run(exitOK, "--mac", "D0-50-99-4E-05-57", "boot.pcap")
	has(s.stdout, "d0:50:99:4e:05:57 bios")
	run(exitOK, "--mac", "02:00:00:00:00:09", "boot.pcap")
	has(s.stdout, "no boots in 9 packets\n")
	run(exitOK, "--json", "--mac", "02:00:00:00:00:09", "boot.pcap")
	has(s.stdout, "{\n  \"boots\": []\n}\n")
	run(exitOK, "boot.pcap", "empty.pcap")
	has(s.stdout, "== empty.pcap\nno boots in 0 packets\n")

	// What is damaged is explained as far as it goes, and the rest whole.
	run(exitFailed, "short.pcap", "notes.txt", "boot.pcap")
	if n := strings.Count(s.stdout, "d0:50:99:4e:05:57 bios: "); n != 2 {
		t.Errorf("%d boots, want 2\n%s", n, s.stdout)
	}
	has(s.stderr, "hobnail: reading short.pcap: packet 9: the file ends in the middle of it\n")
	has(s.stderr, "short.pcap: what the 8 packets before the fault show is explained\n")
	has(s.stderr, "reading notes.txt: this is no capture: ")
	run(exitFailed, "absent.pcap")
	has(s.stderr, "hobnail: reading absent.pcap: open absent.pcap: no such file")
	run(exitUsage)
	run(exitUsage, "--mac", "nobody", "boot.pcap")

	in, err := os.Open("boot.pcap")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer func(before *os.File) { os.Stdin = before }(os.Stdin)
	os.Stdin = in
	run(exitOK, "-")
	has(s.stdout, "d0:50:99:4e:05:57 bios")
}

func TestProgress(t *testing.T) {
	p := progress{size: 100 << 20}
	if got := p.line(50 << 20); got != "["+strings.Repeat("#", 15)+strings.Repeat(" ", 15)+"] 50 of 100 MiB" {
		t.Error(got)
	}
	if got := (&progress{}).line(3 << 20); got != "3 MiB" {
		t.Error(got)
	}
	var b bytes.Buffer
	silent := newProgress(&b, 1)
	silent.began = time.Time{}
	silent.to(1)
	if silent.clear(); b.Len() > 0 {
		t.Errorf("a pipe is told %q", b.String())
	}
}
