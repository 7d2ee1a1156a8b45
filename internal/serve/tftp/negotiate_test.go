package tftp

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	wire "hobnail/internal/wire/tftp"
	"hobnail/internal/wire/wiretest"
)

// options reads "name=value name=value".
func options(s string) wire.Options {
	var opts wire.Options
	for _, field := range strings.Fields(s) {
		name, value, _ := strings.Cut(field, "=")
		opts = append(opts, wire.Option{Name: name, Value: value})
	}
	return opts
}

func TestNegotiate(t *testing.T) {
	ethernet := limits{blksize: 1468, window: 16}
	tests := []struct {
		name  string
		asked wire.Options
		size  int64
		lim   limits
		want  agreement
	}{
		{"nothing asked, nothing answered", nil, 10, ethernet, agreement{terms: terms{blksize: 512, window: 1}}},
		{"OVMF's size probe", options("tsize=0 blksize=1468 windowsize=4"), 960000, ethernet,
			agreement{terms: terms{blksize: 1468, window: 4, tsize: true}, oack: options("tsize=960000 blksize=1468 windowsize=4")}},
		{"order and spelling are the client's", options("WindowSize=2 BLKSIZE=1024"), 10, ethernet,
			agreement{terms: terms{blksize: 1024, window: 2}, oack: options("WindowSize=2 BLKSIZE=1024")}},
		{"U-Boot's timeout is left out", options("timeout=5 blksize=1468"), 10, ethernet,
			agreement{terms: terms{blksize: 1468, window: 1}, oack: options("blksize=1468")}},
		{"unknown options are left out", options("msftwindow=31416 blksize=1456 multicast="), 10, ethernet,
			agreement{terms: terms{blksize: 1456, window: 1}, oack: options("blksize=1456")}},
		{"unknown options alone get no OACK", options("multicast="), 10, ethernet, agreement{terms: terms{blksize: 512, window: 1}}},
		{"an unknown size is left out", options("tsize=0 blksize=1024"), -1, ethernet,
			agreement{terms: terms{blksize: 1024, window: 1}, oack: options("blksize=1024")}},
		{"an unknown size alone gets no OACK", options("tsize=0"), -1, ethernet, agreement{terms: terms{blksize: 512, window: 1}}},
		{"an empty file has a size", options("tsize=0"), 0, ethernet,
			agreement{terms: terms{blksize: 512, window: 1, tsize: true}, oack: options("tsize=0")}},
		{"a size above 32 bits", options("tsize=0"), 5 << 30, ethernet,
			agreement{terms: terms{blksize: 512, window: 1, tsize: true}, oack: options("tsize=5368709120")}},
		{"blocks as large as the path carries", options("blksize=16384"), 10, ethernet,
			agreement{terms: terms{blksize: 1468, window: 1}, oack: options("blksize=1468")}},
		{"the smallest block", options("blksize=8"), 10, ethernet,
			agreement{terms: terms{blksize: 8, window: 1}, oack: options("blksize=8")}},
		{"a block below the smallest is left out", options("blksize=7"), 10, ethernet, agreement{terms: terms{blksize: 512, window: 1}}},
		{"a block above the largest is lowered", options("blksize=65465"), 10, ethernet,
			agreement{terms: terms{blksize: 1468, window: 1}, oack: options("blksize=1468")}},
		{"a number of any length is lowered", options("blksize=99999999999999999999999"), 10, ethernet,
			agreement{terms: terms{blksize: 1468, window: 1}, oack: options("blksize=1468")}},
		{"leading zeros are no octal", options("blksize=01024"), 10, ethernet,
			agreement{terms: terms{blksize: 1024, window: 1}, oack: options("blksize=1024")}},
		{"a negative number is left out", options("blksize=-1"), 10, ethernet, agreement{terms: terms{blksize: 512, window: 1}}},
		{"a signed number is left out", options("blksize=+1024"), 10, ethernet, agreement{terms: terms{blksize: 512, window: 1}}},
		{"a word is left out", options("blksize=1k"), 10, ethernet, agreement{terms: terms{blksize: 512, window: 1}}},
		{"no number is left out", options("blksize="), 10, ethernet, agreement{terms: terms{blksize: 512, window: 1}}},
		{"the first of two counts", options("blksize=512 BLKSIZE=1024"), 10, ethernet,
			agreement{terms: terms{blksize: 512, window: 1}, oack: options("blksize=512")}},
		{"a window is lowered to the limit", options("windowsize=65535"), 10, ethernet,
			agreement{terms: terms{blksize: 512, window: 16}, oack: options("windowsize=16")}},
		{"a window above the largest is lowered", options("windowsize=65536"), 10, ethernet,
			agreement{terms: terms{blksize: 512, window: 16}, oack: options("windowsize=16")}},
		{"a window of none is left out", options("windowsize=0"), 10, ethernet, agreement{terms: terms{blksize: 512, window: 1}}},
		{"a window of large blocks fits a socket buffer", options("windowsize=64 blksize=65464"), 10,
			limits{blksize: 65464, window: 64},
			agreement{terms: terms{blksize: 65464, window: 2}, oack: options("windowsize=2 blksize=65464")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := negotiate(tt.asked, tt.size, tt.lim)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(agreement{}, terms{})); diff != "" {
				t.Errorf("terms (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzNegotiate checks what must hold for any request: the OACK fits a packet,
// names only what was asked, in its order, and grants no more than was asked.
func FuzzNegotiate(f *testing.F) {
	for _, c := range wiretest.CapturesTo(f, 69) {
		f.Add(c.Payload, int64(100))
	}
	for _, c := range wiretest.Corpus(f, "tftp") {
		if len(c.Payload) <= wiretest.MaxSeed {
			f.Add(c.Payload, int64(-1))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		r, err := wire.ParseRequest(b)
		if err != nil {
			return
		}
		got := negotiate(r.Options, size, limits{blksize: 1468, window: 16})
		if got.blksize < wire.MinBlksize || got.blksize > 1468 || got.window < 1 || got.window > 16 {
			t.Fatalf("blksize %d, windowsize %d", got.blksize, got.window)
		}
		rest := r.Options
		for _, o := range got.oack {
			for len(rest) > 0 && rest[0].Name != o.Name {
				rest = rest[1:]
			}
			if len(rest) == 0 {
				t.Fatalf("OACK has %q out of order, or unasked: %q for %q", o.Name, got.oack, r.Options)
			}
			rest = rest[1:]
		}
		if len(got.oack) > 4 {
			t.Fatalf("OACK with %d options", len(got.oack))
		}
		if _, err := wire.AppendOAck(nil, got.oack); err != nil {
			t.Fatal(err)
		}
	})
}
