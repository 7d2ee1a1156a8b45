package capture

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"hobnail/internal/model"
	"hobnail/internal/verdict"
	"hobnail/internal/wire/wiretest"
)

// FuzzExplain reads any octets as a capture: whatever they are, there is an end,
// and no boot without a verdict.
func FuzzExplain(f *testing.F) {
	for _, s := range []int{5, 17, 21} { // short ones
		c := newTape(f)
		stories[s].play(newMachine(c))
		for _, b := range [][]byte{c.pcap(layers.LinkTypeEthernet, 7), c.pcapng(layers.LinkTypeRaw), c.pcap(layers.LinkTypeLinuxSLL2)} {
			f.Add(b[:min(len(b), wiretest.MaxSeed)])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		judged(t, b)
	})
}

// FuzzPackets reads any octets as packets of raw IP, one after another, each
// with its length and a pause before it: so the followers see what no file's
// head gets in the way of.
func FuzzPackets(f *testing.F) {
	for _, s := range stories {
		c := newTape(f)
		s.play(newMachine(c))
		var b []byte
		for _, p := range c.all {
			b = binary.BigEndian.AppendUint16(b, uint16(len(p.ip)))
			b = append(append(b, 1), p.ip...)
		}
		if len(b) <= 4*wiretest.MaxSeed {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<15 {
			return
		}
		c := newTape(t)
		for len(b) >= 3 {
			n := min(int(binary.BigEndian.Uint16(b)), len(b)-3)
			c.wait(1 << (b[2] % 40)) // up to 9 minutes
			c.add(b[3 : 3+n])
			b = b[3+n:]
		}
		judged(t, c.pcap(layers.LinkTypeRaw))
	})
}

func judged(t *testing.T, b []byte) {
	all, sum, _ := explained(t, b)
	if sum.Boots != len(all) {
		t.Errorf("%d boots were handed over, %d are told of", len(all), sum.Boots)
	}
	for _, boot := range all {
		if _, known := verdict.Lookup(boot.Verdict.Code); !known || !boot.Verdict.Final || boot.Verdict.Outcome == model.OutcomeRunning {
			t.Errorf("verdict %+v", boot.Verdict)
		}
		for i := range boot.Steps {
			s := &boot.Steps[i]
			if s.Frame < 1 || s.Frame > sum.Packets {
				t.Errorf("step of packet %d of %d", s.Frame, sum.Packets)
			}
			if f := s.File; f != nil && (f.Octets < 0 || f.Blocks < 0 || f.Retransmissions < 0 || f.Duration < 0) {
				t.Errorf("%+v", f)
			}
		}
	}
}

// TestCorpus: the hostile packets of the corpus, in a capture.
func TestCorpus(t *testing.T) {
	c := newTape(t)
	m := newMachine(c)
	m.boots()
	for _, folder := range []string{"dhcp4", "dhcp6", "tftp"} {
		for _, w := range wiretest.Corpus(t, folder) {
			if len(w.Payload) > 60000 {
				continue
			}
			for _, ports := range [][2]string{{client + ":68", hobnail + ":67"}, {hobnail + ":67", client + ":68"}, {client + ":2000", hobnail + ":69"}, {hobnail + ":69", client + ":2000"}} {
				c.udp(ports[0], ports[1], w.Payload)
			}
			c.tcp(client+":2000", hobnail+":80", 1, 1, flagACK, append([]byte("GET /"), w.Payload...))
			c.tcp(hobnail+":80", client+":2000", 1, 1, flagACK, append([]byte("HTTP/1.1 200 OK\r\n"), w.Payload...))
		}
	}
	judged(t, c.pcap(layers.LinkTypeEthernet))
	if bytes.Equal(c.pcap(layers.LinkTypeRaw), nil) {
		t.Fatal("nothing was captured")
	}
}
