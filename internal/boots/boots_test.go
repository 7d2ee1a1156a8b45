package boots_test

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"hobnail/internal/boots"
	"hobnail/internal/classify"
	"hobnail/internal/model"
)

const lab1, lab2 = model.MAC("52:54:00:00:00:01"), model.MAC("52:54:00:00:00:02")

var (
	at50 = netip.MustParseAddr("10.77.2.50")
	none netip.Addr
)

func firmware(mac model.MAC) *classify.Facts {
	return &classify.Facts{MAC: mac, Arch: model.ArchX64, Class: classify.ClassPXE, Stage: classify.StageFirmware}
}

// TestByAddr: who reads from an address, by what was heard and read before.
func TestByAddr(t *testing.T) {
	shim := model.BootPath{MAC: lab1, Arch: model.ArchIA32, File: "grubia32.efi"}
	nobodys := model.BootPath{Arch: model.ArchX64, File: "shimx64.efi"}
	for _, tc := range []struct {
		name  string
		teach func(*boots.Memory)
		mac   model.MAC
		arch  model.Arch
		facts bool
	}{
		{"nobody was heard", func(*boots.Memory) {}, "", "", false},
		{"a machine was given the address", func(m *boots.Memory) { m.Heard(firmware(lab1), at50) }, lab1, model.ArchX64, true},
		{"a machine was heard that has no address yet", func(m *boots.Memory) { m.Heard(firmware(lab1), none) }, "", "", false},
		{"a machine was heard at no address", func(m *boots.Memory) { m.Heard(firmware(lab1), netip.IPv4Unspecified()) }, "", "", false},
		{"an operating system was given the address", func(m *boots.Memory) { m.Heard(&classify.Facts{MAC: lab1}, at50) }, "", "", false},
		{"the address read a machine's file", func(m *boots.Memory) { m.Read(at50, shim) }, lab1, model.ArchIA32, false},
		{"the address read a machine's file, seen as IPv6", func(m *boots.Memory) { m.Read(netip.MustParseAddr("::ffff:10.77.2.50"), shim) }, lab1, model.ArchIA32, false},
		{"the address read nobody's file", func(m *boots.Memory) { m.Read(at50, nobodys) }, "", model.ArchX64, false},
		{"the address read nobody's file of no architecture", func(m *boots.Memory) { m.Read(at50, model.BootPath{Arch: "abacus", File: "x"}) }, "", "", false},
		{"somebody else has the address since, whom no name carries", func(m *boots.Memory) { m.Read(at50, shim); m.Read(at50, nobodys) }, "", model.ArchX64, false},
		{"a machine was heard and then read", func(m *boots.Memory) { m.Heard(firmware(lab1), none); m.Read(at50, shim) }, lab1, model.ArchIA32, true},
		{"the address was given to another since", func(m *boots.Memory) { m.Read(at50, shim); m.Heard(firmware(lab2), at50) }, lab2, model.ArchX64, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := boots.NewMemory()
			tc.teach(m)
			for _, a := range []netip.Addr{at50, netip.MustParseAddr("::ffff:10.77.2.50")} {
				if k := m.ByAddr(a); k.MAC != tc.mac || k.Arch != tc.arch || (k.Facts != nil) != tc.facts {
					t.Errorf("%s is %+v, want %q on %q, heard %v", a, k, tc.mac, tc.arch, tc.facts)
				}
			}
		})
	}
}

func TestByPath(t *testing.T) {
	m := boots.NewMemory()
	m.Heard(firmware(lab1), none)
	if k := m.ByPath(model.BootPath{MAC: lab1, Arch: model.ArchIA32}); k.MAC != lab1 || k.Arch != model.ArchIA32 || k.Facts == nil || k.Facts.Arch != model.ArchX64 {
		t.Errorf("a machine that was heard is %+v", k)
	}
	if k := m.ByPath(model.BootPath{MAC: lab2, Arch: model.ArchX64}); k.MAC != lab2 || k.Facts != nil {
		t.Errorf("a machine that another server heard is %+v", k)
	}
}

// TestTheLastWordCounts: iPXE after firmware.
func TestTheLastWordCounts(t *testing.T) {
	m := boots.NewMemory()
	m.Heard(firmware(lab1), at50)
	ipxe := firmware(lab1)
	ipxe.Stage = classify.StageIPXE
	m.Heard(ipxe, at50)
	m.Heard(&classify.Facts{MAC: lab1, Stage: classify.StageOS}, at50) // the system that was booted
	if k := m.ByAddr(at50); k.Facts == nil || k.Facts.Stage != classify.StageIPXE {
		t.Errorf("known %+v, want iPXE's request", k)
	}
}

// TestMemoryIsLimited: a flood of invented machines pushes out those that were
// heard longest ago, and costs no more memory.
func TestMemoryIsLimited(t *testing.T) {
	m := boots.NewMemory()
	mac := func(n int) model.MAC {
		return model.MACFromBytes([]byte{2, 0, 0, byte(n >> 16), byte(n >> 8), byte(n)})
	}
	m.Heard(firmware(mac(0)), none)
	m.Heard(firmware(mac(1)), none)
	for n := 2; n < boots.Limit; n++ {
		m.Heard(firmware(mac(n)), none)
	}
	m.Heard(firmware(mac(0)), none) // once more: now 1 is the oldest
	m.Heard(firmware(mac(boots.Limit)), none)
	for n, want := range map[int]bool{0: true, 1: false, 2: true, boots.Limit: true} {
		if known := m.ByPath(model.BootPath{MAC: mac(n)}).Facts != nil; known != want {
			t.Errorf("machine %d is known: %v, want %v", n, known, want)
		}
	}
}

// TestMemoryFromManySides is for the race detector: TFTP, HTTP and DHCP use
// one memory at once.
func TestMemoryFromManySides(t *testing.T) {
	m := boots.NewMemory()
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			mac, _ := model.ParseMAC(fmt.Sprintf("5254000000%02x", n))
			addr := netip.AddrFrom4([4]byte{10, 77, 2, byte(n)})
			for range 100 {
				m.Heard(firmware(mac), addr)
				m.Read(addr, model.BootPath{MAC: mac, Arch: model.ArchX64})
				if k := m.ByAddr(addr); k.MAC != mac || m.ByPath(model.BootPath{MAC: mac}).Facts == nil {
					t.Errorf("%s is %+v, want %s", addr, k, mac)
				}
			}
		})
	}
	wg.Wait()
}
