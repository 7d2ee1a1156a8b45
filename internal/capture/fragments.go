package capture

import (
	"bytes"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/ip4defrag"
	"github.com/gopacket/gopacket/ip6defrag"
	"github.com/gopacket/gopacket/layers"
)

const (
	// fragmentPatience is how long Linux waits for the rest.
	fragmentPatience = 30 * time.Second
	// maxFragments bounds the octets that wait for the rest of their datagram.
	maxFragments = 32 << 20
)

// fragments puts datagrams together. Of one that was not captured whole, the
// first fragment stands for all: its header says how long the datagram was.
type fragments struct {
	four  *ip4defrag.IPv4Defragmenter
	six   *ip6defrag.IPv6Defragmenter
	held  int // octets that wait, or were given up
	swept time.Time
}

// hold makes room for a fragment.
func (f *fragments) hold(size int, at time.Time) {
	f.held += size
	if f.four == nil || f.held > maxFragments {
		f.four, f.six = ip4defrag.NewIPv4Defragmenter(), ip6defrag.NewIPv6Defragmenter()
		f.held, f.swept = size, at
	}
	if at.Sub(f.swept) > fragmentPatience {
		// IPv6's are only bounded by their octets: numbers of 32 bits do not
		// come again.
		f.four.DiscardOlderThan(at.Add(-fragmentPatience))
		f.swept = at
	}
}

// v4 takes a packet that is a fragment, and gives the datagram that it
// completes, or nil.
func (f *fragments) v4(b []byte, whole bool, at time.Time) *layers.IPv4 {
	ip := &layers.IPv4{}
	if ip.DecodeFromBytes(bytes.Clone(b), gopacket.NilDecodeFeedback) != nil {
		return nil
	}
	if !whole {
		if ip.FragOffset != 0 {
			return nil
		}
		return ip
	}
	f.hold(len(b), at)
	out, err := f.four.DefragIPv4WithTimestamp(ip, at)
	if err != nil || out == nil {
		return nil
	}
	f.held = max(0, f.held-len(out.Payload))
	return out
}

// v6 is the same for IPv6; it gives what is in the datagram.
func (f *fragments) v6(b []byte, whole bool, at time.Time) (layers.IPProtocol, []byte) {
	ip, part := &layers.IPv6{}, &layers.IPv6Fragment{}
	if ip.DecodeFromBytes(bytes.Clone(b), gopacket.NilDecodeFeedback) != nil ||
		part.DecodeFromBytes(ip.Payload, gopacket.NilDecodeFeedback) != nil {
		return 0, nil
	}
	if !whole {
		if part.FragmentOffset != 0 {
			return 0, nil
		}
		return part.NextHeader, part.Payload
	}
	f.hold(len(b), at)
	out := f.six.DefragIPv6(ip, part)
	if out == nil {
		return 0, nil
	}
	f.held = max(0, f.held-len(out.Payload))
	return out.NextHeader, out.Payload
}
