package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"hobnail/internal/model"
)

// The parsers of values. Their errors continue a sentence that begins with
// the key and the offending text: `lease "5s" is too short; …`.

func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return a, errors.New("is not an IPv4 address; write it as 10.77.2.1")
	case !a.Is4():
		return a, errors.New("is an IPv6 address; allowed are IPv4 addresses such as 10.77.2.1")
	case a.IsUnspecified() || a.IsMulticast() || a == broadcastAll():
		return a, errors.New("is not the address of one machine; write it as 10.77.2.1")
	}
	return a, nil
}

func broadcastAll() netip.Addr { return netip.AddrFrom4([4]byte{255, 255, 255, 255}) }

func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, errors.New("is not a subnet; write it as 10.77.2.0/24")
	case !p.Addr().Is4():
		return p, errors.New("is an IPv6 subnet; allowed are IPv4 subnets such as 10.77.2.0/24")
	case p != p.Masked():
		return p, fmt.Errorf("has host bits set; write it as %v", p.Masked())
	}
	return p, nil
}

func parseRange(s string) (Range, error) {
	first, last, ok := strings.Cut(s, "-")
	a, errA := parseAddr(strings.TrimSpace(first))
	b, errB := parseAddr(strings.TrimSpace(last))
	switch {
	case !ok || errA != nil || errB != nil:
		return Range{}, errors.New("is not a range of IPv4 addresses; write it as 10.77.2.50-10.77.2.200")
	case b.Less(a):
		return Range{}, fmt.Errorf("runs backwards; write it as %v-%v", b, a)
	}
	return Range{First: a, Last: b}, nil
}

func parseMAC(s string) (model.MAC, error) {
	m, err := model.ParseMAC(s)
	if err != nil {
		return "", errors.New("is not a MAC address; write it as 52:54:00:12:34:56")
	}
	return m, nil
}

// parseMACPattern takes a whole address, or the beginning of one before "*"
// in any of the spellings.
func parseMACPattern(s string) (string, error) {
	start, isPrefix := strings.CutSuffix(s, "*")
	if !isPrefix {
		m, err := parseMAC(s)
		return string(m), err
	}
	bare := strings.NewReplacer(":", "", "-", "", ".", "").Replace(strings.ToLower(start))
	if !onlyOf(bare, digits+"abcdef") || len(bare) > 11 {
		return "", errors.New("is not the beginning of a MAC address; write it as 52:54:00:*")
	}
	var b strings.Builder
	for i := range len(bare) {
		b.WriteByte(bare[i])
		if i%2 == 1 {
			b.WriteByte(':')
		}
	}
	return b.String() + "*", nil
}

// parseListen checks a TCP address to listen on; "off" passes.
func parseListen(example string) func(string) (string, error) {
	return func(s string) (string, error) {
		malformed := fmt.Errorf(`is not an address to listen on; allowed are off, %s and "10.77.1.2:8080"`, example)
		if s == "off" {
			return s, nil
		}
		host, port, err := net.SplitHostPort(s)
		if err != nil {
			return "", malformed
		}
		if _, err := netip.ParseAddr(host); host != "" && err != nil {
			return "", malformed
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", errors.New("has no port of 1 to 65535; write it as :8080")
		}
		return s, nil
	}
}

// parseHost takes a host name, or an address of either family.
func parseHost(s string) (string, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return a.String(), nil
	}
	name, err := parseDomain(s)
	if err != nil {
		return "", errors.New("is neither a host name nor an address; write it as boot.example.net or 10.77.1.2")
	}
	return name, nil
}

// parseHostName takes a host name alone: an address needs no leave.
func parseHostName(s string) (string, error) {
	name, err := parseDomain(s)
	if _, isAddr := netip.ParseAddr(s); err != nil || isAddr == nil {
		return "", errors.New("is not a host name; write it as boot.example.net, without a port")
	}
	return strings.ToLower(name), nil
}

// watcher is who may see the console: a network, or a word.
type watcher struct {
	word    string // off, loopback; "" for a network
	network netip.Prefix
}

const (
	consoleOff      = "off"
	consoleLoopback = "loopback"
)

func parseWatcher(s string) (watcher, error) {
	if s == consoleOff || s == consoleLoopback {
		return watcher{word: s}, nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return watcher{}, errors.New("is not known; allowed are loopback, off, and networks such as 10.77.1.0/24 or 2001:db8::/64")
	case p != p.Masked():
		return watcher{}, fmt.Errorf("has host bits set; write it as %v, or %v for that address alone", p.Masked(), netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
	case p.Addr().Is4In6():
		return watcher{}, errors.New("is an IPv4 network in IPv6 form; write it as 10.77.1.0/24")
	}
	return watcher{network: p}, nil
}

// httpPort gives the port of a listen address; 0 for "off".
func httpPort(s string) uint16 {
	_, port, _ := net.SplitHostPort(s)
	n, _ := strconv.ParseUint(port, 10, 16)
	return uint16(n)
}

func parseInterface(s string) (string, error) {
	// Linux takes any octets but these, up to IFNAMSIZ less the NUL.
	if len(s) > 15 || strings.ContainsAny(s, "/: \t\n") || s == "." || s == ".." || !printable(s) {
		return "", errors.New("is not the name of an interface; write it as ip link prints it, such as eth0")
	}
	return s, nil
}
