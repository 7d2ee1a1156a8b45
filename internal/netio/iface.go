package netio

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"hobnail/internal/model"
)

// Interfaces lists the interfaces that are up and have an IPv4 address.
func Interfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("listing network interfaces: %v", err)
	}
	var list []Interface
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		prefixes, err := addresses(i)
		if err != nil {
			return nil, err
		}
		if len(prefixes) > 0 {
			list = append(list, Interface{
				Name: i.Name, Index: i.Index, Prefixes: prefixes, MTU: i.MTU,
				Loopback: i.Flags&net.FlagLoopback != 0,
			})
		}
	}
	return list, nil
}

func addresses(i net.Interface) ([]netip.Prefix, error) {
	addrs, err := i.Addrs()
	if err != nil {
		return nil, fmt.Errorf("listing the addresses of %s: %v", i.Name, err)
	}
	var prefixes []netip.Prefix
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP.To4())
		if !ok {
			continue
		}
		ones, _ := n.Mask.Size()
		prefixes = append(prefixes, netip.PrefixFrom(ip, ones))
	}
	return prefixes, nil
}

// Local picks our address that a packet which came in by this interface was
// meant for: the one it was sent to, which may be another interface's as the
// kernel takes those everywhere, and the interface's first where it was
// broadcast. The zero value if it has none.
func (i Interface) Local(dst netip.Addr) netip.Prefix {
	for _, p := range i.Prefixes {
		if p.Addr() == dst {
			return p
		}
	}
	switch {
	case i.oneHost(dst):
		return netip.PrefixFrom(dst, dst.BitLen())
	case len(i.Prefixes) > 0:
		return i.Prefixes[0]
	}
	return netip.Prefix{}
}

// oneHost reports whether a destination is one host's: not a group's, nor a
// broadcast address, be it the limited one or that of a network here.
func (i Interface) oneHost(dst netip.Addr) bool {
	if !dst.Is4() || dst.IsUnspecified() || dst.As4()[0] >= 224 {
		return false
	}
	return !slices.ContainsFunc(i.Prefixes, func(p netip.Prefix) bool {
		return dst == p.Masked().Addr() || dst == model.BroadcastAddr(p)
	})
}

// Directory finds interfaces by their index and keeps up with the system:
// cables, VLANs and virtual machines come and go while a server runs.
type Directory struct {
	names []string // empty: all but loopback
	clock func() time.Time

	mu      sync.Mutex
	byIndex map[int]Interface
	addrs   []netip.Addr // of them all
	read    time.Time
}

// directoryAge is how long what was read stays good. An index that is not
// there makes the directory look again, but not more often than
// directoryRetry.
const (
	directoryAge   = 10 * time.Second
	directoryRetry = time.Second
)

// NewDirectory serves the named interfaces, or all with an IPv4 address. A
// named one that is not there now is an error; one that goes away later is
// only missed.
func NewDirectory(names []string, clock func() time.Time) (*Directory, error) {
	d := &Directory{names: names, clock: clock}
	if err := d.refresh(clock()); err != nil {
		return nil, err
	}
	for _, name := range names {
		if !slices.ContainsFunc(d.All(), func(i Interface) bool { return i.Name == name }) {
			return nil, fmt.Errorf("interface %s is not there, not up, or has no IPv4 address", name)
		}
	}
	return d, nil
}

// Lookup finds an interface; ok is false for one that is not served.
func (d *Directory) Lookup(index int) (i Interface, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock()
	i, ok = d.byIndex[index]
	age := now.Sub(d.read)
	if age < 0 || age > directoryAge || !ok && age > directoryRetry {
		// What cannot be read now leaves what was read before.
		_ = d.refresh(now)
		i, ok = d.byIndex[index]
	}
	return i, ok
}

// All lists the interfaces that are served, in the order of their indexes.
func (d *Directory) All() []Interface {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Interface, 0, len(d.byIndex))
	for _, i := range d.byIndex {
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b Interface) int { return a.Index - b.Index })
	return all
}

// Addresses lists all our addresses on them. The list is not to be changed.
func (d *Directory) Addresses() []netip.Addr {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.addrs
}

func (d *Directory) refresh(now time.Time) error {
	d.read = now
	all, err := Interfaces()
	if err != nil {
		return err
	}
	d.byIndex = map[int]Interface{}
	for _, i := range all {
		if len(d.names) == 0 && !i.Loopback || slices.Contains(d.names, i.Name) {
			d.byIndex[i.Index] = i
		}
	}
	d.addrs = nil // whoever has the old list keeps it
	for _, i := range all {
		for _, p := range d.byIndex[i.Index].Prefixes {
			d.addrs = append(d.addrs, p.Addr())
		}
	}
	return nil
}
