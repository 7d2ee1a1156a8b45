// Package tftpload is many TFTP clients in one process, as cheap as they can
// be, and what else is sent at a TFTP server to measure it: a bare sender that
// shows what the machine can do, and requests from sources that are not there.
package tftpload

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// How patient a client is. Firmware differs; these are in the middle of it. A
// request is sent again after RequestWait, from the same port, RequestTries
// times in all (iPXE begins at 0.25 s, UEFI waits 4 s). Later the last ACK is
// sent again after BlockWait without a new block, BlockTries times in all, as
// UEFI does; then the client gives up.
const (
	RequestWait  = time.Second
	RequestTries = 5
	BlockWait    = 4 * time.Second
	BlockTries   = 6
)

// Plan says what the clients do.
type Plan struct {
	Server netip.AddrPort
	File   string
	Size   int64 // octets that the file has

	Blksize int // asked for; 0: a request without options, 512 octets a block
	Window  int // asked for where it is more than 1

	Clients int // at once
	// Transfers is how many each client does one after the other. It has a
	// new socket and port for each.
	Transfers int
	// From is the first client's address, the others have those after it: a
	// server may limit what one address gets. Without it all are this host.
	From netip.Addr
	// Slow is how long a client waits before it acknowledges; 0: not at all.
	Slow time.Duration
	// Whole has every octet compared with what the file holds, not one word of
	// each block. With many clients the first and the last do so anyway.
	Whole bool
	// Unchecked is a server that sends anything: the bare sender.
	Unchecked bool
	// Until is when all is given up; 0: when each client gives up.
	Until time.Duration
}

// Result is what came of it.
type Result struct {
	Seconds    float64        `json:"seconds"` // from the first request to the last block
	Octets     int64          `json:"octets"`  // of transfers that were completed
	Completed  int            `json:"completed"`
	Failed     int            `json:"failed"`
	Why        map[string]int `json:"why,omitempty"` // reasons of the failed
	Repeated   int            `json:"repeated"`      // requests sent again
	Timeouts   int            `json:"timeouts"`      // ACKs sent again for want of a block
	Gaps       int            `json:"gaps"`          // a block was missing before one that came
	Duplicates int            `json:"duplicates"`    // blocks that had been here before
	Own        float64        `json:"own_s"`         // processor time of the clients
	P50        float64        `json:"p50_ms"`        // of the time that a transfer took
	P99        float64        `json:"p99_ms"`
	Max        float64        `json:"max_ms"`
}

// MBs is the rate of completed transfers together, in 10^6 octets a second.
func (r Result) MBs() float64 {
	if r.Seconds == 0 {
		return 0
	}
	return float64(r.Octets) / 1e6 / r.Seconds
}

// times fills in the percentiles.
func (r *Result) times(took []time.Duration) {
	slices.Sort(took)
	if n := len(took); n > 0 {
		ms := func(d time.Duration) float64 { return d.Seconds() * 1000 }
		r.P50, r.P99, r.Max = ms(took[n/2]), ms(took[n*99/100]), ms(took[n-1])
	}
}

// wordSize is the step in which content can be told apart.
const wordSize = 8

// word is what the files hold at an offset that is a multiple of wordSize:
// another value at every one, so that one word of a block says whether it is
// the right block.
func word(offset int64) uint64 { return uint64(offset/wordSize+1) * 0x9E3779B97F4A7C15 }

// Content makes the first octets of a file. All files are alike but for their
// length.
func Content(size int64) []byte {
	b := make([]byte, (size+wordSize-1)/wordSize*wordSize)
	for at := int64(0); at < int64(len(b)); at += wordSize {
		binary.LittleEndian.PutUint64(b[at:], word(at))
	}
	return b[:size]
}

// matches says whether a block is what the file holds at an offset: its first
// whole word, or all of them.
func matches(block []byte, offset int64, all bool) bool {
	skip := -offset & (wordSize - 1)
	for at := skip; at+wordSize <= int64(len(block)); at += wordSize {
		if binary.LittleEndian.Uint64(block[at:]) != word(offset+at) {
			return false
		}
		if !all {
			return true
		}
	}
	return true
}
