package netio

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// Interfaces lists the interfaces that are up and have an IPv4 address, or
// those of them that are named. A named one that does not exist, or has no
// address, is an error.
func Interfaces(names []string) ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("listing network interfaces: %v", err)
	}
	var list []Interface
	for _, i := range all {
		if len(names) > 0 && !slices.Contains(names, i.Name) {
			continue
		}
		if i.Flags&net.FlagUp == 0 || len(names) == 0 && i.Flags&net.FlagLoopback != 0 {
			continue
		}
		prefixes, err := addresses(i)
		if err != nil {
			return nil, err
		}
		if len(prefixes) > 0 {
			list = append(list, Interface{Name: i.Name, Index: i.Index, Prefixes: prefixes, MTU: i.MTU})
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(list, func(i Interface) bool { return i.Name == name }) {
			return nil, fmt.Errorf("interface %s is not there, not up, or has no IPv4 address", name)
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

// Local picks the address of an interface that a packet was meant for: the one
// it was sent to, else the first.
func (i Interface) Local(dst netip.Addr) netip.Prefix {
	for _, p := range i.Prefixes {
		if p.Addr() == dst {
			return p
		}
	}
	return i.Prefixes[0]
}
