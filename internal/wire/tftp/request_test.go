package tftp

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hobnail/internal/wire/wiretest"
)

func TestParseRequestOfFirmware(t *testing.T) {
	tests := []struct {
		capture string
		want    Request
	}{
		{"08-intel-bios-tftp-rrq-tsize", Request{OpRead, "boot", "octet", Options{{"tsize", "0"}}}},
		{"09-intel-bios-tftp-rrq-blksize", Request{OpRead, "boot", "octet", Options{{"blksize", "1456"}}}},
		{"32-ovmf-tftp-rrq-probe", Request{OpRead, "nbp", "octet",
			Options{{"tsize", "0"}, {"blksize", "1468"}, {"windowsize", "4"}}}},
		{"34-ovmf-tftp-rrq-transfer", Request{OpRead, "nbp", "octet",
			Options{{"blksize", "1468"}, {"windowsize", "4"}}}},
		{"42-ipxe-tftp-rrq", Request{OpRead, "undionly.kpxe", "octet",
			Options{{"blksize", "1432"}, {"tsize", "0"}}}},
		{"46-uboot-arm64-rrq", Request{OpRead, "boot.scr.uimg", "octet",
			Options{{"timeout", "5"}, {"blksize", "1468"}}}},
		{"50-pxelinux-rrq", Request{OpRead, "pxe/ldlinux.c32", "octet",
			Options{{"tsize", "0"}, {"blksize", "1408"}}}},
		{"51-shim-rrq-second-stage", Request{OpRead, "boot/grubx64.efi", "octet",
			Options{{"blksize", "512"}, {"windowsize", "4"}}}},
		{"52-grub-rrq-config", Request{OpRead, "/grub/x86_64-efi/command.lst", "octet",
			Options{{"blksize", "1024"}, {"tsize", "0"}}}},
		{"56-ovmf-tftpv6-rrq", Request{OpRead, "nbp", "octet",
			Options{{"tsize", "0"}, {"blksize", "1228"}, {"windowsize", "4"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.capture, func(t *testing.T) {
			packet := wiretest.Packet(t, tt.capture)
			got, err := ParseRequest(packet)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			back, err := got.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(packet, back); diff != "" {
				t.Errorf("written back (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRequest(t *testing.T) {
	tests := []struct {
		name   string
		packet string
		want   Request
	}{
		{"a write request", "\x00\x02f\x00octet\x00", Request{Op: OpWrite, Name: "f", Mode: "octet"}},
		{"the case of all words is kept", "\x00\x01F\x00OcTeT\x00BlkSize\x001\x00",
			Request{OpRead, "F", "OcTeT", Options{{"BlkSize", "1"}}}},
		{"both of two equal options are kept", "\x00\x01f\x00octet\x00a\x001\x00A\x002\x00",
			Request{OpRead, "f", "octet", Options{{"a", "1"}, {"A", "2"}}}},
		{"an empty mode is left to the caller", "\x00\x01f\x00\x00", Request{Op: OpRead, Name: "f"}},
		{"an empty value is a value", "\x00\x01f\x00octet\x00a\x00\x00",
			Request{OpRead, "f", "octet", Options{{"a", ""}}}},
		{"an option without a value is ignored", "\x00\x01f\x00octet\x00a\x001\x00b\x00",
			Request{OpRead, "f", "octet", Options{{"a", "1"}}}},
		{"a value without an end is ignored", "\x00\x01f\x00octet\x00a\x001\x00b\x002",
			Request{OpRead, "f", "octet", Options{{"a", "1"}}}},
		{"padding is ignored", "\x00\x01f\x00octet\x00a\x001\x00\x00\x00\x00\x00b\x002\x00",
			Request{OpRead, "f", "octet", Options{{"a", "1"}}}},
		{"a name of any octets", "\x00\x01\\a\xff\n\x00octet\x00", Request{Op: OpRead, Name: "\\a\xff\n", Mode: "octet"}},
		{"the largest request", "\x00\x01" + strings.Repeat("n", 503) + "\x00octet\x00",
			Request{Op: OpRead, Name: strings.Repeat("n", 503), Mode: "octet"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseRequest([]byte(tt.packet))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRequestRefuses(t *testing.T) {
	tests := []struct {
		name      string
		packet    string
		want      string
		truncated bool
	}{
		{"nothing", "", "parsing request: neither RRQ nor WRQ", false},
		{"half an opcode", "\x00", "parsing request: neither RRQ nor WRQ", false},
		{"an ACK", "\x00\x04\x00\x00", "parsing request: neither RRQ nor WRQ", false},
		{"an opcode alone", "\x00\x01", "parsing RRQ: file name not terminated by NUL", true},
		{"a name without an end", "\x00\x01file", "parsing RRQ: file name not terminated by NUL", true},
		{"a mode without an end", "\x00\x02file\x00octet", "parsing WRQ: mode not terminated by NUL", true},
		{"no mode", "\x00\x01file\x00", "parsing RRQ: mode not terminated by NUL", true},
		{"an empty name", "\x00\x01\x00octet\x00", "parsing RRQ: file name is empty", false},
		{"one octet too many", "\x00\x01" + strings.Repeat("n", 504) + "\x00octet\x00",
			"parsing RRQ: more than 512 octets", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseRequest([]byte(tt.packet))
			if err == nil {
				t.Fatalf("parsed as %+v", got)
			}
			if err.Error() != tt.want {
				t.Errorf("error %q, want %q", err, tt.want)
			}
			if errors.Is(err, ErrTruncated) != tt.truncated {
				t.Errorf("errors.Is(err, ErrTruncated) = %v, want %v", !tt.truncated, tt.truncated)
			}
		})
	}
}

func TestAppendRequestRefuses(t *testing.T) {
	tests := []struct {
		name string
		in   Request
		want string
	}{
		{"another opcode", Request{Op: OpAck, Name: "f", Mode: "octet"}, "writing request: ACK is not a request"},
		{"an empty name", Request{Op: OpRead, Mode: "octet"},
			`writing RRQ: file name "", mode "octet": empty, or with NUL`},
		{"NUL in the name", Request{Op: OpRead, Name: "a\x00b", Mode: "octet"},
			`writing RRQ: file name "a\x00b", mode "octet": empty, or with NUL`},
		{"NUL in an option", Request{Op: OpRead, Name: "f", Mode: "octet", Options: Options{{"a", "1\x00"}}},
			`writing RRQ: option "a" contains NUL`},
		{"an option without a name", Request{Op: OpWrite, Name: "f", Mode: "octet", Options: Options{{"", "1"}}},
			`writing WRQ: an option has no name`},
		{"too long", Request{Op: OpRead, Name: strings.Repeat("n", 504), Mode: "octet"},
			`writing RRQ: 513 octets, at most 512 are allowed`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := []byte("before")
			got, err := tt.in.Append(before)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if !bytes.Equal(got, before) {
				t.Errorf("wrote %q in spite of the error", got)
			}
		})
	}
}

func TestRequestRoundTrip(t *testing.T) {
	text := func(min, max int) *rapid.Generator[string] {
		return rapid.Map(rapid.SliceOfN(rapid.ByteRange(1, 255), min, max), func(b []byte) string { return string(b) })
	}
	rapid.Check(t, func(t *rapid.T) {
		want := Request{
			Op:   rapid.SampledFrom([]Opcode{OpRead, OpWrite}).Draw(t, "op"),
			Name: text(1, 200).Draw(t, "name"),
			Mode: text(0, 10).Draw(t, "mode"),
		}
		for range rapid.IntRange(0, 8).Draw(t, "options") {
			want.Options = append(want.Options, Option{text(1, 12).Draw(t, "option"), text(0, 12).Draw(t, "value")})
		}
		packet, err := want.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseRequest(packet)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("request (-want +got):\n%s", diff)
		}
	})
}

// TestParseRequestAllocations guards the parser against input that makes it
// work: half a kilobyte of options may cost what half a kilobyte costs, and a
// request over the limit nothing but its error.
func TestParseRequestAllocations(t *testing.T) {
	bomb := []byte("\x00\x01x\x00octet\x00" + strings.Repeat("o\x00\x00", 167))
	huge := append([]byte("\x00\x01"), bytes.Repeat([]byte("a"), 60000)...)
	for _, tt := range []struct {
		name   string
		packet []byte
		most   float64
	}{{"167 options", bomb, 12}, {"a name of 60,000 octets", huge, 4}} {
		n := testing.AllocsPerRun(100, func() { _, _ = ParseRequest(tt.packet) })
		if n > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, n, tt.most)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	for _, c := range wiretest.CapturesTo(f, 69) {
		f.Add(c.Payload)
	}
	for _, c := range wiretest.Corpus(f, "tftp") {
		if len(c.Payload) <= wiretest.MaxSeed {
			f.Add(c.Payload)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > wiretest.MaxSeed {
			return
		}
		r, err := ParseRequest(b)
		if err != nil {
			return
		}
		packet, err := r.Append(nil)
		if err != nil {
			t.Fatalf("cannot write what was read: %v", err)
		}
		if !bytes.HasPrefix(b, packet) {
			t.Fatalf("read %q, wrote %q, not a prefix", b, packet)
		}
		again, err := ParseRequest(packet)
		if err != nil {
			t.Fatalf("cannot read what was written: %v", err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Fatalf("read again (-want +got):\n%s", diff)
		}
	})
}
