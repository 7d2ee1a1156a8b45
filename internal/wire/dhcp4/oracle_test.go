package dhcp4

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"pgregory.net/rapid"

	"hobnail/internal/wire/wiretest"
)

// view is what both decoders can tell of a packet: insomniacslk/dhcp keeps no
// order of options and reads no overloaded field.
type view struct {
	Op, HLen, Hops                 uint8
	HType, Secs, Flags             uint16
	Xid                            [4]byte
	CIAddr, YIAddr, SIAddr, GIAddr netip.Addr
	Hardware                       string
	SName, File                    string
	Options                        map[uint8]string
}

func ours(p *Packet) view {
	v := view{
		Op: p.Op, HLen: p.HLen, Hops: p.Hops,
		HType: uint16(p.HType), Secs: p.Secs, Flags: p.Flags,
		Xid:    [4]byte{byte(p.Xid >> 24), byte(p.Xid >> 16), byte(p.Xid >> 8), byte(p.Xid)},
		CIAddr: p.CIAddr, YIAddr: p.YIAddr, SIAddr: p.SIAddr, GIAddr: p.GIAddr,
		Hardware: string(p.HardwareAddr()),
		SName:    p.SName, File: p.File,
		Options: map[uint8]string{},
	}
	for _, o := range p.Options {
		value, _ := p.Options.Get(o.Code)
		v.Options[uint8(o.Code)] = string(value)
	}
	return v
}

func theirs(p *dhcpv4.DHCPv4) view {
	addr := func(ip []byte) netip.Addr {
		a, _ := netip.AddrFromSlice(ip)
		return a.Unmap()
	}
	v := view{
		Op: uint8(p.OpCode), HLen: uint8(len(p.ClientHWAddr)), Hops: p.HopCount,
		HType: uint16(p.HWType), Secs: p.NumSeconds, Flags: p.Flags,
		Xid:    p.TransactionID,
		CIAddr: addr(p.ClientIPAddr), YIAddr: addr(p.YourIPAddr),
		SIAddr: addr(p.ServerIPAddr), GIAddr: addr(p.GatewayIPAddr),
		Hardware: string(p.ClientHWAddr),
		SName:    p.ServerHostName, File: p.BootFileName,
		Options: map[uint8]string{},
	}
	for code, data := range p.Options {
		v.Options[code] = string(data)
	}
	return v
}

// compare holds both decoders' views against each other where both accept
// and nothing is overloaded. It reports whether it could compare.
func compare(t rapid.TB, b []byte) bool {
	t.Helper()
	p, err := Parse(b)
	q, oracleErr := dhcpv4.FromBytes(b)
	if err != nil || oracleErr != nil || p.Overload != 0 {
		return false
	}
	want, got := theirs(q), ours(p)
	if reflect.DeepEqual(want, got) { // which is quick; cmp says what differs
		return true
	}
	same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("decoded (-oracle +ours):\n%s\n%x", diff, b)
	}
	return true
}

func TestOracleAgreesOnCaptures(t *testing.T) {
	for _, c := range captures(t) {
		if !compare(t, c.Payload) {
			t.Errorf("%s: one of the decoders refuses it", c.Name)
		}
	}
}

func TestOracleAgreesOnTheCorpus(t *testing.T) {
	compared := 0
	for _, c := range wiretest.Corpus(t, "dhcp4") {
		if compare(t, c.Payload) {
			compared++
		}
	}
	if compared < 60 {
		t.Errorf("only %d cases could be compared", compared)
	}
}

func TestOracleReadsWhatWeWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, err := anyPacket().Draw(t, "packet").Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !compare(t, b) {
			t.Errorf("one of the decoders refuses %x", b)
		}
	})
}
