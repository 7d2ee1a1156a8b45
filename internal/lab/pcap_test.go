package lab

import (
	"encoding/hex"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Frames as tcpdump wrote them, in hexadecimal with the parts marked off.
const (
	fileHeaderLE = "d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000 "
	fileHeaderBE = "a1b2c3d4 0002 0004 00000000 00000000 00040000 00000001 "

	// RRQ for "a" in octet mode, 10.77.2.99:1234 > 10.77.1.2:69.
	rrqFrame = "525400000001 525400000002 0800" +
		"45000026 00010000 4011 0000 0a4d0263 0a4d0102" +
		"04d20045 00120000" +
		"0001 6100 6f6374657400"
	rrqRecordLE = "01000000 02000000 34000000 34000000" + rrqFrame
	rrqRecordBE = "00000001 00000002 00000034 00000034" + rrqFrame
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rrq() Datagram {
	return Datagram{
		Time:    time.Unix(1, 2000),
		DstMAC:  net.HardwareAddr{0x52, 0x54, 0, 0, 0, 1},
		SrcMAC:  net.HardwareAddr{0x52, 0x54, 0, 0, 0, 2},
		Src:     netip.MustParseAddrPort("10.77.2.99:1234"),
		Dst:     netip.MustParseAddrPort("10.77.1.2:69"),
		Payload: []byte("\x00\x01a\x00octet\x00"),
	}
}

func TestPcapReader(t *testing.T) {
	const (
		arp      = "01000000 02000000 0e000000 0e000000 525400000001 525400000002 0806"
		ipv6     = "01000000 02000000 36000000 36000000 525400000001 525400000002 86dd" + "60000000 00001140" + "0000000000000000000000000000000100000000000000000000000000000002"
		padded   = "01000000 02000000 3c000000 3c000000" + rrqFrame + "0000000000000000"
		options  = "01000000 02000000 38000000 38000000 525400000001 525400000002 0800" + "4600002a 00010000 4011 0000 0a4d0263 0a4d0102 00000000" + "04d20045 00120000 0001 6100 6f6374657400"
		fragment = "01000000 02000000 34000000 34000000 525400000001 525400000002 0800" + "45000026 00012000 4011 0000 0a4d0263 0a4d0102 04d20045 00120000 0001 6100 6f6374657400"
		tcp      = "01000000 02000000 34000000 34000000 525400000001 525400000002 0800" + "45000026 00010000 4006 0000 0a4d0263 0a4d0102 04d20045 00120000 0001 6100 6f6374657400"
		longUDP  = "01000000 02000000 34000000 34000000 525400000001 525400000002 0800" + "45000026 00010000 4011 0000 0a4d0263 0a4d0102 04d20045 00130000 0001 6100 6f6374657400"
	)
	for _, tt := range []struct {
		name string
		file string
		want []Datagram
		err  string
	}{
		{"a file that has no header yet", "d4c3b2a1 0200", nil, ""},
		{"a file without packets", fileHeaderLE, nil, ""},
		{"one datagram, little-endian", fileHeaderLE + rrqRecordLE, []Datagram{rrq()}, ""},
		{"one datagram, big-endian", fileHeaderBE + rrqRecordBE, []Datagram{rrq()}, ""},
		{"a second one that is not whole yet", fileHeaderLE + rrqRecordLE + rrqRecordLE[:60], []Datagram{rrq()}, ""},
		{"Ethernet padding behind the datagram", fileHeaderLE + padded, []Datagram{rrq()}, ""},
		{"an IP header with options", fileHeaderLE + options, []Datagram{rrq()}, ""},
		{"other protocols between datagrams", fileHeaderLE + arp + rrqRecordLE + ipv6 + tcp + rrqRecordLE, []Datagram{rrq(), rrq()}, ""},
		{"a fragment", fileHeaderLE + fragment, nil, ""},
		{"a UDP length beyond the packet", fileHeaderLE + longUDP, nil, ""},
		{"a file of another kind", "0a0d0d0a" + fileHeaderLE, nil, "reading capture: not a classic capture file with microseconds"},
		{"a capture of another kind of link", fileHeaderLE[:len(fileHeaderLE)-9] + "71000000", nil, "reading capture: link type 113 is not Ethernet"},
		{"a length that cannot be", fileHeaderLE + "01000000 02000000 ffffffff ffffffff", nil, "reading capture: packet of 4294967295 octets"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := new(pcapReader).feed(unhex(t, tt.file))
			if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Errorf("datagrams (-want +got):\n%s", diff)
			}
			if text := errorText(err); text != tt.err {
				t.Errorf("error %q, want %q", text, tt.err)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// FuzzPcapReader: a file that grows octet by octet gives the same datagrams as
// one that is read whole.
func FuzzPcapReader(f *testing.F) {
	f.Add(unhex(f, fileHeaderLE+rrqRecordLE+rrqRecordLE))
	f.Add(unhex(f, fileHeaderBE+rrqRecordBE))
	f.Fuzz(func(t *testing.T, file []byte) {
		whole, wholeErr := new(pcapReader).feed(file)
		var r pcapReader
		var pieces []Datagram
		var err error
		for i := range file {
			var some []Datagram
			if some, err = r.feed(file[i : i+1]); err != nil {
				break
			}
			pieces = append(pieces, some...)
		}
		if diff := cmp.Diff(whole, pieces, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("datagrams (-whole +pieces):\n%s", diff)
		}
		if errorText(wholeErr) != errorText(err) {
			t.Errorf("error %q in pieces, %q as a whole", errorText(err), errorText(wholeErr))
		}
	})
}
