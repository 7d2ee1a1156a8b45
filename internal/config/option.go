package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"hobnail/internal/model"
	"hobnail/internal/wire/dhcp4"
)

// maxOption is how long an option that clients join may be: one that filled
// the message would leave room for nothing else.
const maxOption = 512

// readOptions reads the options of a section: names or numbers, each with a
// value of its type.
func (d *draft) readOptions(s section) []model.Option {
	e, ok := s.table.entries["options"]
	if !ok {
		return nil
	}
	if e.val.kind != kindTable {
		s.wrongKind("options", e.val)
		return nil
	}
	if len(e.val.table.keys) == 0 {
		d.report.add(e.val.at, "options is empty; leave it out")
	}
	var all []model.Option
	first := map[uint8]int{}
	for _, name := range e.val.table.keys {
		entry := e.val.table.entries[name]
		t, ok := d.optionType(s, name, entry.at)
		if !ok {
			continue
		}
		if at, twice := first[t.code]; twice {
			d.report.add(entry.at, "option %s is already given on line %d; give it once", name, d.src.line(at))
			continue
		}
		first[t.code] = entry.at
		data, at, err := optionData(t, entry.val)
		if err != nil {
			d.report.add(at, "option %s %v", name, err)
			continue
		}
		all = append(all, model.Option{Code: t.code, Name: name, Data: data})
	}
	return all
}

// optionType finds an option by name or number, and reports one that does not
// exist or is not to be configured.
func (d *draft) optionType(s section, name string, at int) (optionType, bool) {
	types := optionTypes()
	i := slices.IndexFunc(types, func(t optionType) bool { return t.name == name })
	number, err := strconv.ParseUint(name, 10, 8)
	if i < 0 && err == nil {
		i = slices.IndexFunc(types, func(t optionType) bool { return uint64(t.code) == number })
	}
	t := optionType{code: uint8(number), name: name}
	switch {
	case i >= 0:
		t = types[i]
	case err != nil:
		if !d.report.full() {
			d.report.add(at, "there is no option %s; allowed are names such as ntp-servers and numbers 2 to 254%s", quote(name), didYouMean(name, optionNames()))
		}
		return t, false
	}
	if why := ownOption(t.code); why != "" {
		d.report.add(at, "option %s cannot be configured: %s", name, why)
		return t, false
	}
	if key := subnetKey(t.code); key != "" && s.name == "subnet" {
		d.report.add(at, "option %s has a key of its own; write it as %s = %s", name, key, s.example(key))
		return t, false
	}
	return t, true
}

func optionNames() []string {
	var all []string
	for _, t := range optionTypes() {
		all = append(all, t.name)
	}
	return all
}

// optionData gives the octets of an option's value. An error continues a
// sentence that begins with the option's name, and comes with its place.
func optionData(t optionType, n *node) ([]byte, int, error) {
	data, at, err := encodeOption(t, n)
	switch {
	case err != nil:
		return nil, at, err
	case len(data) == 0:
		return nil, n.at, errors.New("is empty; leave it out")
	case len(data) > 255 && !joined(t.code):
		return nil, n.at, fmt.Errorf("has %d octets; allowed are 255", len(data))
	case len(data) > maxOption:
		return nil, n.at, fmt.Errorf("has %d octets; allowed are %d", len(data), maxOption)
	}
	if err := dhcp4.ValidateOption(dhcp4.OptionCode(t.code), data); err != nil {
		return nil, n.at, fmt.Errorf("is not as UEFI takes it: %v", err)
	}
	return data, n.at, nil
}

func encodeOption(t optionType, n *node) ([]byte, int, error) {
	if n.kind == kindText {
		if digits, ok := strings.CutPrefix(n.text, "hex:"); ok {
			data, err := hex.DecodeString(strings.NewReplacer(" ", "", ":", "").Replace(digits))
			if err != nil {
				return nil, n.at, errors.New(`is not hexadecimal; write whole octets as in "hex:0102ff"`)
			}
			return data, n.at, nil
		}
	}
	if t.kind == "" { // known by its number alone
		if n.kind == kindText {
			return []byte(n.text), n.at, nil
		}
		return nil, n.at, fmt.Errorf(`is %s; allowed are a text and octets, "hex:0102ff"`, n.kind)
	}
	items := []*node{n}
	if n.kind == kindList && t.kind.many() {
		items = n.items
	}
	var data []byte
	for _, item := range items {
		octets, err := t.kind.encode(item)
		if err != nil {
			return nil, item.at, err
		}
		data = append(data, octets...)
	}
	return data, n.at, nil
}

// many reports whether a value may be a list.
func (k optionKind) many() bool { return strings.HasPrefix(string(k), "a list") }

// encode gives the octets of one value, or of one item of a list.
func (k optionKind) encode(n *node) ([]byte, error) {
	wrong := fmt.Errorf("is %s; allowed is %s", n.kind, k)
	var o dhcp4.Options
	switch k {
	case onOrOff:
		if n.kind != kindBoolean {
			return nil, wrong
		}
		if n.text == "true" {
			return []byte{1}, nil
		}
		return []byte{0}, nil
	case oneOctet, twoOctets, manyNumbers, fourOctets, signed:
		return k.number(n)
	}
	if n.kind != kindText {
		return nil, wrong
	}
	switch k {
	case oneText:
		if !printable(n.text) {
			return nil, errors.New("has control characters; allowed is one line of printable text")
		}
		return []byte(n.text), nil
	case oneAddress, manyAddrs:
		a, err := netip.ParseAddr(n.text)
		if err != nil || !a.Is4() {
			return nil, fmt.Errorf("%s is not an IPv4 address; write it as 10.77.2.1", quote(n.text))
		}
		o.AddAddr(1, a)
		return o[0].Data, nil
	case addressPairs:
		return addressPair(n.text)
	case manyRoutes:
		return route(n.text)
	case manyDomains:
		return domainOctets(n.text)
	}
	return nil, wrong
}

// number gives a number in the octets of its type, big-endian.
func (k optionKind) number(n *node) ([]byte, error) {
	octets := map[optionKind]int{oneOctet: 1, twoOctets: 2, manyNumbers: 2, fourOctets: 4, signed: 4}[k]
	least, most := int64(0), int64(1)<<(8*octets)-1
	if k == signed {
		least, most = -1<<31, 1<<31-1
	}
	v, err := strconv.ParseInt(strings.ReplaceAll(n.text, "_", ""), 0, 64)
	if n.kind != kindNumber {
		return nil, fmt.Errorf("is %s; allowed is %s", n.kind, k)
	}
	if err != nil || v < least || v > most {
		return nil, fmt.Errorf("is %s; allowed is %s", strings.Trim(quote(n.text), `"`), k)
	}
	data := make([]byte, octets)
	for i := range data {
		data[i] = byte(v >> (8 * (octets - 1 - i)))
	}
	return data, nil
}

func addressPair(s string) ([]byte, error) {
	var data []byte
	for _, w := range strings.Fields(s) {
		if a, err := netip.ParseAddr(w); err == nil && a.Is4() {
			data = append(data, a.AsSlice()...)
		}
	}
	if len(data) != 8 || len(strings.Fields(s)) != 2 {
		return nil, fmt.Errorf("%s is not a pair of IPv4 addresses; write it as 10.1.0.0 10.77.2.1", quote(s))
	}
	return data, nil
}

// route gives a destination and its router as RFC 3442 packs them: the length
// of the prefix, those of its octets that are not all host bits, the router.
func route(s string) ([]byte, error) {
	to, router, ok := strings.Cut(s, " via ")
	p, errP := parsePrefix(strings.TrimSpace(to))
	a, errA := parseAddr(strings.TrimSpace(router))
	if !ok || errP != nil || errA != nil {
		return nil, fmt.Errorf("%s is not a route; write it as 10.1.0.0/16 via 10.77.2.1", quote(s))
	}
	data := append([]byte{byte(p.Bits())}, p.Addr().AsSlice()[:(p.Bits()+7)/8]...)
	return append(data, a.AsSlice()...), nil
}

// domainOctets gives a domain name in the form of DNS (RFC 3397 section 2).
func domainOctets(s string) ([]byte, error) {
	name, err := parseDomain(strings.TrimSuffix(s, "."))
	if err != nil {
		return nil, fmt.Errorf("%s %v", quote(s), err)
	}
	var data []byte
	for _, label := range strings.Split(name, ".") {
		data = append(append(data, byte(len(label))), label...)
	}
	return append(data, 0), nil
}
