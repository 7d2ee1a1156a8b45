package tftp

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/wire/wiretest"
)

func TestAppend(t *testing.T) {
	oack, err := AppendOAck(nil, Options{{"tsize", "3"}, {"BLKSIZE", "1468"}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{"DATA", AppendData(nil, 0x0102, []byte("abc")), "\x00\x03\x01\x02abc"},
		{"DATA without contents", AppendData(nil, 65535, nil), "\x00\x03\xff\xff"},
		{"ACK", AppendAck(nil, 0x0304), "\x00\x04\x03\x04"},
		{"ERROR", AppendError(nil, ErrorNotFound, "file not found"), "\x00\x05\x00\x01file not found\x00"},
		{"ERROR without text", AppendError(nil, ErrorOptions, ""), "\x00\x05\x00\x08\x00"},
		{"the text of an ERROR ends at NUL", AppendError(nil, ErrorUndefined, "a\x00b"), "\x00\x05\x00\x00a\x00"},
		{"OACK keeps order and case", oack, "\x00\x06tsize\x003\x00BLKSIZE\x001468\x00"},
		{"after other octets", AppendAck([]byte("x"), 1), "x\x00\x04\x00\x01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff([]byte(tt.want), tt.got); diff != "" {
				t.Errorf("packet (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseError(t *testing.T) {
	tests := []struct {
		name   string
		packet []byte
		code   ErrorCode
		text   string
	}{
		{"OVMF ends its size probe", wiretest.Packet(t, "33-ovmf-tftp-error8"), ErrorOptions, "User aborted the transfer"},
		{"no terminator", []byte("\x00\x05\x00\x00TFTP Aborted"), ErrorUndefined, "TFTP Aborted"},
		{"no text", []byte("\x00\x05\x00\x03"), ErrorDiskFull, ""},
		{"a code that no RFC knows", []byte("\x00\x05\x12\x34\x00"), 0x1234, ""},
		{"no more than a request's length is read", []byte("\x00\x05\x00\x00" + strings.Repeat("x", 60000)), 0, strings.Repeat("x", 508)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, text, err := ParseError(tt.packet)
			if err != nil {
				t.Fatal(err)
			}
			if code != tt.code || text != tt.text {
				t.Errorf("ERROR %d %q, want %d %q", code, text, tt.code, tt.text)
			}
		})
	}
}

func TestParseAckAndData(t *testing.T) {
	if block, err := ParseAck([]byte("\x00\x04\xff\xfepadding")); err != nil || block != 65534 {
		t.Errorf("ACK %d, error %v, want 65534", block, err)
	}
	block, contents, err := ParseData([]byte("\x00\x03\x00\x01abc"))
	if err != nil || block != 1 || string(contents) != "abc" {
		t.Errorf("DATA %d %q, error %v, want 1 \"abc\"", block, contents, err)
	}
}

func TestParseRefuses(t *testing.T) {
	ack := func(b []byte) error { _, err := ParseAck(b); return err }
	data := func(b []byte) error { _, _, err := ParseData(b); return err }
	fault := func(b []byte) error { _, _, err := ParseError(b); return err }
	oack := func(b []byte) error { _, err := ParseOAck(b); return err }
	tests := []struct {
		name   string
		parse  func([]byte) error
		packet string
		want   string
	}{
		{"a short ACK", ack, "\x00\x04\x00", "parsing ACK: 3 octets, need 4"},
		{"nothing as an ACK", ack, "", "parsing ACK: another packet, or none"},
		{"DATA as an ACK", ack, "\x00\x03\x00\x01", "parsing ACK: another packet, or none"},
		{"short DATA", data, "\x00\x03\x00", "parsing DATA: 3 octets, need 4"},
		{"a short ERROR", fault, "\x00\x05", "parsing ERROR: 2 octets, need 4"},
		{"an ACK as an OACK", oack, "\x00\x04\x00\x01", "parsing OACK: another packet, or none"},
		{"OACK, value without an end", oack, "\x00\x06a\x001\x00b\x002", "parsing OACK: option 2 is incomplete"},
		{"OACK, option without a name", oack, "\x00\x06\x001\x00", "parsing OACK: option 1 is incomplete"},
		{"OACK, too long", oack, "\x00\x06" + strings.Repeat("a\x00", 256), "parsing OACK: 514 octets, at most 512 are allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.parse([]byte(tt.packet)); err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestOAck(t *testing.T) {
	want := Options{{"tsize", "4294967296"}, {"BlkSize", "8"}}
	packet, err := AppendOAck(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseOAck(packet)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if _, err := AppendOAck(nil, Options{{"a\x00", "1"}}); err == nil || err.Error() != `writing OACK: option "a\x00" contains NUL` {
		t.Errorf("error %v for an option with NUL", err)
	}
}

func TestOptionsGet(t *testing.T) {
	opts := Options{{"tsize", "0"}, {"BLKSIZE", "512"}, {"blksize", "65464"}}
	if v, ok := opts.Get("blksize"); !ok || v != "512" {
		t.Errorf("blksize %q %v, want the first, 512", v, ok)
	}
	if v, ok := opts.Get("timeout"); ok {
		t.Errorf("timeout %q was never asked", v)
	}
}

func TestOpcodeString(t *testing.T) {
	want := []string{"opcode 0", "RRQ", "WRQ", "DATA", "ACK", "ERROR", "OACK", "opcode 7"}
	for op, name := range want {
		if got := Opcode(op).String(); got != name {
			t.Errorf("opcode %d is %q, want %q", op, got, name)
		}
	}
}

// FuzzParse gives any octets to every reader of a packet that a running
// transfer may receive.
func FuzzParse(f *testing.F) {
	f.Add([]byte("\x00\x05\x00\x08User aborted the transfer\x00"))
	f.Add([]byte("\x00\x06blksize\x00512\x00"))
	f.Add([]byte("\x00\x04\x00\x01"))
	f.Add([]byte("\x00\x03\x00\x01abc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > wiretest.MaxSeed {
			return
		}
		if opts, err := ParseOAck(b); err == nil {
			back, err := AppendOAck(nil, opts)
			if diff := cmp.Diff(b, back); diff != "" || err != nil {
				t.Fatalf("OACK written back, error %v (-want +got):\n%s", err, diff)
			}
		}
		if block, contents, err := ParseData(b); err == nil {
			if diff := cmp.Diff(b, AppendData(nil, block, contents)); diff != "" {
				t.Fatalf("DATA written back (-want +got):\n%s", diff)
			}
		}
		if code, text, err := ParseError(b); err == nil {
			c, again, err := ParseError(AppendError(nil, code, text))
			if err != nil || c != code || again != text {
				t.Fatalf("ERROR %d %q came back as %d %q, error %v", code, text, c, again, err)
			}
		}
		_, _ = ParseAck(b)
	})
}
