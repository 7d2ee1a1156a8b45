package lab

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestOwnerOf(t *testing.T) {
	for _, tt := range []struct {
		name string
		pid  int
		ok   bool
	}{
		{"hobnail-lab-4711-a1b2-lan", 4711, true},
		{"hobnail-lab-x-a1b2-lan", 0, false},
		{"hobnail-lab-", 0, false},
		{"blue", 0, false},
	} {
		if pid, ok := ownerOf(tt.name); pid != tt.pid || ok != tt.ok {
			t.Errorf("ownerOf(%q) = %d, %v, want %d, %v", tt.name, pid, ok, tt.pid, tt.ok)
		}
	}
}

func TestPlanMask(t *testing.T) {
	for subnet, want := range map[string]string{
		"10.77.2.0/24": "255.255.255.0", "10.0.0.0/8": "255.0.0.0",
		"10.77.2.64/27": "255.255.255.224", "10.77.2.1/32": "255.255.255.255",
	} {
		if got := (Plan{Subnet: subnet}).mask(); got != want {
			t.Errorf("mask of %s is %s, want %s", subnet, got, want)
		}
	}
}

func TestFirmwareOfEveryKind(t *testing.T) {
	for _, k := range []Kind{BIOS, UEFIx64, UEFIx64Secure, UEFIx64HTTP, UEFIIA32, UEFIARM64, UBootARM64} {
		fw, err := firmwareOf(k)
		if err != nil || fw.emulator == "" || fw.machine == "" || fw.cpu == "" || fw.memory == 0 || fw.patience == 0 {
			t.Errorf("firmware of %s: %+v, %v", k, fw, err)
		}
	}
	if _, err := firmwareOf("abacus"); errorText(err) != `no machine of kind "abacus"` {
		t.Errorf("firmware of an abacus: %v", err)
	}
}

func TestCommandLine(t *testing.T) {
	got := commandLine([]string{"qemu", "-m", "512", "a b", "", "it's", "$x"})
	if want := `qemu -m 512 'a b' '' 'it'\''s' '$x'`; got != want {
		t.Errorf("command line %s, want %s", got, want)
	}
}

func TestLastLines(t *testing.T) {
	if got, want := lastLines("one\ntwo\n  \n\nthree\n\n", 2), "two\nthree"; got != want {
		t.Errorf("last lines %q, want %q", got, want)
	}
}

// TestPlay runs scenes outside of a test: clean-ups run in reverse order
// whether the scene ends by itself or not.
func TestPlay(t *testing.T) {
	for _, tt := range []struct {
		name  string
		scene func(TB)
		err   error
		log   string
	}{
		{"a scene that ends well", func(tb TB) { tb.Logf("in %s", tb.Name()) }, nil, "in a scene that ends well\nlast\nfirst\n"},
		{"a scene that fails", func(tb TB) { tb.Fatalf("no %s", "luck"); tb.Logf("never said") }, ErrFailed, "no luck\nlast\nfirst\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log strings.Builder
			err := Play(tt.name, &log, func(tb TB) {
				tb.Cleanup(func() { io.WriteString(&log, "first\n") })
				tb.Cleanup(func() { io.WriteString(&log, "last\n") })
				tt.scene(tb)
			})
			if !errors.Is(err, tt.err) || log.String() != tt.log {
				t.Errorf("got %v and log %q, want %v and %q", err, log.String(), tt.err, tt.log)
			}
		})
	}
}
