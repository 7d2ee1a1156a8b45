// Package boots remembers the machines that are booting right now: what their
// last DHCP request said, and which address they read files from. It ties a
// loader that can only be told by its address (GRUB asks for /grub/grub.cfg
// and names no machine) to the machine that was given the loader. Losing it
// costs a machine nothing but the finer rules: names carry the MAC.
package boots

import (
	"net/netip"
	"slices"
	"sync"

	"hobnail/internal/classify"
	"hobnail/internal/model"
)

// Limit is how many machines are remembered; the one heard longest ago goes
// first. An entry takes about a kilobyte.
const Limit = 8192

// Known is what is known of a machine that reads a file.
type Known struct {
	MAC  model.MAC  // empty if nothing tied the address to a machine
	Arch model.Arch // of the boot program it reads; may differ from the facts' for a second stage
	// Facts is the machine's last DHCP request with boot data; nil if this
	// server heard none.
	Facts *classify.Facts
}

// Memory is the set of machines. It may be used from several goroutines.
type Memory struct {
	mu     sync.Mutex
	facts  *ring[model.MAC, *classify.Facts]
	byAddr *ring[netip.Addr, tie]
}

type tie struct {
	mac  model.MAC
	arch model.Arch
}

// NewMemory makes an empty memory.
func NewMemory() *Memory {
	return &Memory{facts: newRing[model.MAC, *classify.Facts](Limit), byAddr: newRing[netip.Addr, tie](Limit)}
}

// Heard remembers a machine's DHCP request, and the address it has if that is
// known already. The facts must not change afterwards.
func (m *Memory) Heard(f *classify.Facts, address netip.Addr) {
	if f.MAC == "" || !f.Boots() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.facts.put(f.MAC, f)
	if address.IsValid() && !address.IsUnspecified() {
		m.byAddr.put(address, tie{f.MAC, f.Arch})
	}
}

// Read remembers that an address read a file that was meant for a machine. A
// name that carries none says the architecture alone, and that whoever had the
// address before is gone: another DHCP server, which names files for everybody,
// may have given it to somebody else since.
func (m *Memory) Read(address netip.Addr, p model.BootPath) {
	if p.MAC == "" && !slices.Contains(model.Archs(), p.Arch) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byAddr.put(address.Unmap(), tie{p.MAC, p.Arch})
}

// ByAddr tells which machine reads from an address.
func (m *Memory) ByAddr(address netip.Addr) Known {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.byAddr.get(address.Unmap())
	if !ok {
		return Known{}
	}
	return m.known(t)
}

// ByPath tells what is known of the machine that a file name carries.
func (m *Memory) ByPath(p model.BootPath) Known {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known(tie{p.MAC, p.Arch})
}

func (m *Memory) known(t tie) Known {
	f, _ := m.facts.get(t.mac)
	return Known{MAC: t.mac, Arch: t.arch, Facts: f}
}
