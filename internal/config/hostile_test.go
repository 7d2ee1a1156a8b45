package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestParseStaysQuickOnHostileFiles feeds files of the largest size allowed
// whose cost would explode if any check compared all with all.
func TestParseStaysQuickOnHostileFiles(t *testing.T) {
	const size = MaxSize - 100
	fill := func(unit string) string { return strings.Repeat(unit, size/len(unit)) }
	many := func(next func(name string) string) string {
		var b strings.Builder
		for i := 0; ; i++ {
			s := next(fmt.Sprintf("%06d", i))
			if b.Len()+len(s) > size {
				return b.String()
			}
			b.WriteString(s)
		}
	}
	for _, tc := range []struct{ name, text string }{
		{"lists in lists", "x = " + fill("[")},
		{"tables in tables", "x = " + fill("{a=")},
		{"one long line", "[server]\nname = '" + fill("x") + "'"},
		{"one long key", fill("k") + " = 1"},
		{"one long dotted key", fill("a.") + "a = 1"},
		{"one long header", "[" + fill("a.") + "a]"},
		{"the same subnet over and over", fill("[[subnet]]\ncidr='10.0.0.0/8'\n")},
		{"subnets that hold nothing", fill("[[subnet]]\n")},
		{"subnets in subnets", many(func(n string) string { return "[[subnet]]\ncidr='10." + n[4:] + ".0.0/16'\n" })},
		{"keys that are unknown", "[server]\n" + many(func(n string) string { return "name" + n + "=1\n" })},
		{"sections that are unknown", many(func(n string) string { return "[server" + n + "]\n" })},
		{"architectures that are unknown", "[[rule]]\nmatch.arch=[" + fill("'uefi-x46',") + "]"},
		{"images and rules that miss them", many(func(n string) string {
			return "[[image]]\nname='a" + n + "'\nkernel='x'\n[[rule]]\nboot='b" + n + "'\n"
		})},
		{"machines with one MAC and one address", many(func(n string) string {
			return "[[machine]]\nname='" + n + "'\nmac='525400000000'\naddress='10.0.0.1'\n"
		})},
		{"ranges that overlap", "[[subnet]]\ncidr='10.0.0.0/8'\npool=[" + fill("'10.0.0.1-10.255.0.1',") + "]"},
		{"octets that are not text", fill("\xff")},
		{"nothing but quotes", fill(`"`)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			start := time.Now()
			_, faults := Parse("hobnail.toml", []byte(tc.text))
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			if len(faults) == 0 || len(faults) > maxFaults+1 {
				t.Fatalf("%d faults, want 1 to %d", len(faults), maxFaults+1)
			}
			for _, f := range faults {
				if len(f.String()) > 1000 {
					t.Errorf("a fault of %d octets: %.100s…", len(f.String()), f)
				}
			}
		})
	}
}

func TestParseRefusesLargeFile(t *testing.T) {
	_, faults := Parse("hobnail.toml", make([]byte, MaxSize+1))
	want := []Fault{{File: "hobnail.toml", Text: "the file has 1048577 octets; at most 1048576 are read"}}
	if diff := cmp.Diff(want, faults); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if got, want := faults[0].String(), "hobnail.toml: the file has 1048577 octets; at most 1048576 are read"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, faults := Parse("hobnail.toml", []byte(strings.Repeat("\n", MaxSize))); faults != nil {
		t.Errorf("a file of just the largest size: %v", faults)
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.toml", "../../examples/*.toml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, faults := Parse("hobnail.toml", data)
		if (cfg == nil) != (len(faults) > 0) {
			t.Fatalf("configuration %v with %d faults", cfg != nil, len(faults))
		}
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, fault := range faults {
			if fault.Text == "" || fault.Line > lines || strings.ContainsAny(fault.Text, "\n\r\x00") {
				t.Errorf("fault %+v of a file of %d lines", fault, lines)
			}
		}
		if cfg != nil {
			checkSound(t, cfg)
		}
	})
}

// checkSound states what the other packages rely on in any configuration.
func checkSound(t *testing.T, cfg *Config) {
	t.Helper()
	if s := cfg.Server; s.Share.Index < 1 || s.Share.Index > s.Share.Of || (s.HTTP == "off") != (s.HTTPPort == 0) {
		t.Errorf("server %+v", s)
	}
	for _, s := range cfg.Subnets {
		if !s.CIDR.IsValid() || s.CIDR != s.CIDR.Masked() || s.Lease < minLease || s.Lease > maxLease {
			t.Errorf("subnet %+v", s)
		}
		for i, r := range s.Pool {
			if !s.CIDR.Contains(r.First) || !s.CIDR.Contains(r.Last) || r.Size() < 1 || i > 0 && !s.Pool[i-1].Last.Less(r.First) {
				t.Errorf("pool %v of %v", s.Pool, s.CIDR)
			}
		}
	}
	for _, m := range cfg.Machines {
		if m.Name == "" || len(m.MACs)+len(m.ClientIDs) == 0 && m.UUID == "" && m.CircuitID == "" {
			t.Errorf("machine %+v", m)
		}
	}
	for _, r := range cfg.Rules {
		if r.Boot == "" && r.Loader == "" && r.Local == "" && r.Offer == "" && r.Learn == "" && len(r.Options) == 0 {
			t.Errorf("rule %+v", r)
		}
	}
	for _, i := range cfg.Images {
		if i.Name == "" || i.Kernel == "" || i.CPU == "" || strings.ContainsAny(i.Cmdline, "\n\r") {
			t.Errorf("image %+v", i)
		}
	}
}
