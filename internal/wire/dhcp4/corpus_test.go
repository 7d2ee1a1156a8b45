package dhcp4

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/wire/wiretest"
)

// slowest is what the decoder may take for any one datagram, on any machine
// that runs the tests.
const slowest = 5 * time.Millisecond

// refusedHere are cases that a server may answer or drop, and whose octets
// leave the decoder no choice.
var refusedHere = map[string]string{
	"dhcp4/opt52_3_unterminated.bin": "option runs past its area",
}

// TestCorpus: what a server must drop whatever its policy, the decoder
// refuses; everything else it reads, so that policy can judge it.
func TestCorpus(t *testing.T) {
	for _, c := range wiretest.Corpus(t, "dhcp4") {
		t.Run(strings.TrimPrefix(c.Path, "dhcp4/"), func(t *testing.T) {
			p, took, err := timedParse(c.Payload)
			if took > slowest {
				t.Errorf("took %v, must take at most %v", took, slowest)
			}
			reason, listed := refusedHere[c.Path]
			mustDrop := strings.HasPrefix(c.Expected, "drop")
			switch {
			case err != nil && !mustDrop && !listed:
				t.Errorf("refused: %v; expected of a server: %s", err, c.Expected)
			case err != nil && listed && !strings.Contains(err.Error(), reason):
				t.Errorf("refused: %v; want %s", err, reason)
			case err == nil && (mustDrop || listed):
				t.Errorf("read as:\n%s\nexpected of a server: %s", dump(p), c.Expected)
			}
		})
	}
}

// timedParse parses three times and gives the shortest time taken, so that
// what else the machine does counts less.
func timedParse(b []byte) (p *Packet, took time.Duration, err error) {
	for i := range 3 {
		start := time.Now()
		p, err = Parse(b)
		if d := time.Since(start); i == 0 || d < took {
			took = d
		}
	}
	return p, took, err
}

// TestCorpusValues: faults inside one option are found by that option's own
// reader, not by Parse.
func TestCorpusValues(t *testing.T) {
	archs := func(p *Packet) error {
		v, _ := p.Options.Get(OptArch)
		_, err := ParseArchs(v)
		return err
	}
	machine := func(p *Packet) error {
		v, _ := p.Options.Get(OptMachineID)
		_, err := ParseMachineID(v)
		return err
	}
	relay := func(p *Packet) error {
		v, _ := p.Options.Get(OptRelayInfo)
		_, err := ParseRelayInfo(v)
		return err
	}
	clientID := func(p *Packet) error {
		v, _ := p.Options.Get(OptClientID)
		return ValidateOption(OptClientID, v)
	}
	for _, tc := range []struct {
		file string
		read func(*Packet) error
		want string // "" if legal
	}{
		{"opt93_len0", archs, "read option 93: 0 octets are not a list of architecture codes"},
		{"opt93_odd", archs, "read option 93: 3 octets are not a list of architecture codes"},
		{"opt93_127", archs, ""},
		{"opt93_unknown", archs, ""},
		{"opt97_len1", machine, "read option 97: 1 octets, a UUID needs 17"},
		{"opt97_len16", machine, "read option 97: 16 octets, a UUID needs 17"},
		{"opt82_trunc_sub", relay, "read option 82: sub-option 1 runs past the end"},
		{"clientid_duid_short", clientID, ""},
		{"valid_discover_uefi_x64", archs, ""},
		{"valid_discover_uefi_x64", machine, ""},
	} {
		t.Run(tc.file, func(t *testing.T) {
			got := ""
			if err := tc.read(mustParse(t, corpusPayload(t, tc.file))); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCorpusFlags(t *testing.T) {
	if p := mustParse(t, corpusPayload(t, "no_end")); !p.MissingEnd {
		t.Error("a datagram without an end is not marked so")
	}
	if p := mustParse(t, corpusPayload(t, "msgtype_missing")); p.Type() != BOOTP {
		t.Errorf("a datagram without option 53 is of type %v, want BOOTP", p.Type())
	}
	if p := mustParse(t, corpusPayload(t, "opt52_nested")); p.Overload != 3 || len(p.Options) != 1 {
		t.Errorf("overload %d with options %v, want 3 with option 53 alone", p.Overload, p.Options)
	}
}

// TestHostileTextsAreKeptAsOctets: whatever a client writes comes out as it
// went in; escaping is the business of whoever shows it.
func TestHostileTextsAreKeptAsOctets(t *testing.T) {
	for _, h := range wiretest.HostileStrings(t) {
		for _, code := range []OptionCode{OptHostName, OptVendorClass, OptUserClass} {
			p := &Packet{Op: OpRequest, Options: Options{{code, h.Text}}}
			got, ok := mustParse(t, mustAppend(t, p)).Options.Get(code)
			if diff := cmp.Diff(h.Text, got, samePacket); diff != "" || !ok {
				t.Errorf("%s in %v, present %v (-want +got):\n%s", h.Name, code, ok, diff)
			}
		}
	}
}

func corpusPayload(t *testing.T, file string) []byte {
	t.Helper()
	for _, c := range wiretest.Corpus(t, "dhcp4") {
		if c.Path == "dhcp4/"+file+".bin" {
			return c.Payload
		}
	}
	t.Fatalf("the corpus has no dhcp4/%s.bin", file)
	return nil
}
