package tftp

import (
	"math"
	"strconv"
	"strings"

	wire "hobnail/internal/wire/tftp"
)

// Bounds of what a client may have, whatever it asks for.
const (
	// maxFlight is how many octets of blocks may be unacknowledged. Linux
	// gives a socket 208 KiB by default, overhead included, and firmware less.
	maxFlight = 128 << 10
)

// limits bound one client's terms.
type limits struct {
	blksize int // octets, as the path allows
	window  int // blocks
}

// terms are what server and client agreed on.
type terms struct {
	blksize int32 // octets in a block but the last
	window  int16 // blocks that are sent before an ACK is due
	tsize   bool  // the client was told the size
}

// agreement is terms, and the answer that grants them.
type agreement struct {
	terms
	oack wire.Options // empty: no OACK, block 1 opens
}

// negotiate grants what it can of the options that were asked for. The OACK
// has the client's order and spelling and nothing that was not asked
// (pxelinux answers a surplus option with ERROR 8). An option that cannot be
// granted is left out, never refused (RFC 2347). Size is negative where it is
// not known.
func negotiate(asked wire.Options, size int64, lim limits) agreement {
	t := agreement{terms: terms{blksize: wire.DefaultBlksize, window: 1}}
	granted := make(map[string]string, 4)
	if n, ok := grant(asked, wire.OptionBlksize, wire.MinBlksize, uint64(lim.blksize)); ok {
		t.blksize = int32(n)
		granted[wire.OptionBlksize] = decimal(n)
	}
	if n, ok := grant(asked, wire.OptionWindowsize, 1, uint64(max(1, min(lim.window, maxFlight/int(t.blksize))))); ok {
		t.window = int16(n)
		granted[wire.OptionWindowsize] = decimal(n)
	}
	// timeout is left out, as an option may be (RFC 2347). Granted, it is the
	// interval of retransmission to the second (RFC 2349): curl asks for 6, of
	// itself, and each packet that is lost would cost that.
	// EDK2 takes an OACK without tsize for a missing file (PXE-E53).
	if _, ok := asked.Get(wire.OptionTsize); ok && size >= 0 {
		t.tsize = true
		granted[wire.OptionTsize] = decimal(uint64(size))
	}
	for _, o := range asked {
		name := strings.ToLower(o.Name)
		if value, ok := granted[name]; ok {
			t.oack = append(t.oack, wire.Option{Name: o.Name, Value: value})
			delete(granted, name) // the first of two counts
		}
	}
	return t
}

// grant gives the number that an option asks for, lowered to most. ok is
// false if it was not asked, is not a number, or is below least: then no value
// exists that is both lawful and not larger than asked.
func grant(asked wire.Options, name string, least, most uint64) (n uint64, ok bool) {
	text, ok := asked.Get(name)
	if !ok {
		return 0, false
	}
	n, ok = parseDecimal(text)
	if !ok || n < least {
		return 0, false
	}
	return min(n, most), true
}

// parseDecimal reads ASCII digits alone. A number too large for 64 bits is
// the largest: it is lowered anyway.
func parseDecimal(s string) (uint64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return math.MaxUint64, true
	}
	return n, true
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
