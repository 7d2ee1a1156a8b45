//go:build lab

package lab

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// TestMatrix11 has two servers behind one relay, each with its half of the
// pool. The one that the machine has chosen dies, at one point of the boot or
// at another, and nobody touches anything: the machine must come to its kernel
// by the other.
func TestMatrix11(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		// dies says of a datagram from one of the servers that its sender
		// dies now.
		dies func(Datagram) bool
		what string
	}{
		{"11-two-servers-one-dies-after-its-offer", isOfferToRelay, "OFFER"},
		{"11-two-servers-one-dies-within-the-boot-file", isBlock(100), "100th block of a boot file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			Slot(t)
			l := New(t)
			lan, core := l.Link("lan"), l.Link("core")
			helper(l, lan, core, coreAddr, core2Addr)
			l.Capture(lan)
			record := l.Capture(core)
			servers := map[netip.Addr]*Server{}
			for name, s := range map[string]struct{ addr, share string }{
				"srv1": {coreAddr, "1/2"}, "srv2": {core2Addr, "2/2"},
			} {
				conf := "share = \"" + s.share + "\"\n" + menu("kernel") + gives + images
				servers[netip.MustParseAddr(s.addr)] = l.Host(name, core, s.addr+"/24", coreRouter).Hobnail(conf)
			}

			m := l.Machine(UEFIx64, lan, MachineOpts{MAC: machineMAC})
			last := record.WaitFor(tc.what, m.patience, func(d Datagram) bool {
				return servers[d.Src.Addr()] != nil && tc.dies(d)
			})
			dead := servers[last.Src.Addr()]
			dead.Kill()
			t.Logf("%s was killed after %v", dead.Name, last)
			m.WaitFor(kernelLine, 2*m.patience)
			m.Stop()
			record.CheckDHCP(last.Src.Addr())
			for addr, s := range servers {
				if s != dead {
					record.CheckDHCP(addr)
					checkVerdict(t, s)
				}
			}
			checkKilledInTime(t, record, last)
		})
	}
}

// checkKilledInTime tells whether the server's death hit the machine: a server
// that sent the machine's whole boot file before it died proves nothing.
func checkKilledInTime(t *testing.T, record *Capture, last Datagram) {
	t.Helper()
	after := 0
	for _, d := range record.Datagrams() {
		if d.Src.Addr() == last.Src.Addr() && d.Time.After(last.Time.Add(time.Second)) {
			after++
		}
	}
	if after > 0 {
		t.Errorf("%d datagrams of the dead server more than a second after its last; recorded in %s", after, record.Path)
	}
	for _, d := range record.Datagrams() {
		if d.Dst.Addr() == last.Src.Addr() && d.Time.After(last.Time) {
			return // the machine turned to the dead server in vain
		}
	}
	t.Errorf("nothing was sent to the dead server after its death: it was not the one the machine had chosen; recorded in %s", record.Path)
}

func isOfferToRelay(d Datagram) bool {
	return d.Src.Port() == 67 && dhcpType(d.Payload) == 2 && d.Payload[0] == 2
}

// isBlock accepts one DATA packet of a transfer (RFC 1350).
func isBlock(n uint16) func(Datagram) bool {
	return func(d Datagram) bool {
		return len(d.Payload) > 4 && binary.BigEndian.Uint16(d.Payload) == 3 && binary.BigEndian.Uint16(d.Payload[2:]) == n
	}
}
