//go:build interop

package library

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestInteropSpeedOfHashing hashes 1 GiB as sha256sum does, twice each in turn, and reports the ratio. It judges the sum, not the time: other things go
// on beside it.
func TestInteropSpeedOfHashing(t *testing.T) {
	l := newLibrary(t)
	path := filepath.Join(elsewhere(t), "big.iso")
	if out, err := exec.Command("sh", "-c", `head -c 1G /dev/urandom >"$1" && sync "$1"`, "sh", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	drop := func() {
		// What was read before must help neither.
		if out, err := exec.Command("dd", "if="+path, "iflag=nocache", "count=0", "status=none").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	best := map[string]time.Duration{}
	took := func(who string, d time.Duration) {
		if best[who] == 0 || d < best[who] {
			best[who] = d
		}
	}
	for _, cached := range []string{"from disk", "from memory"} {
		for range 2 {
			if cached == "from disk" {
				drop()
			}
			began := time.Now()
			out, err := exec.Command("sha256sum", path).Output()
			if err != nil {
				t.Fatal(err)
			}
			took("sha256sum "+cached, time.Since(began))
			if cached == "from disk" {
				drop()
			}
			d := newDigest(nil)
			began = time.Now()
			if err := hashFile(context.Background(), path, d, nil, "big.iso"); err != nil {
				t.Fatal(err)
			}
			took("hobnail "+cached, time.Since(began))
			if want, _, _ := strings.Cut(string(out), " "); d.hex("sha256") != want {
				t.Fatalf("sum %s, sha256sum says %s", d.hex("sha256"), want)
			}
		}
		a, b := best["sha256sum "+cached], best["hobnail "+cached]
		t.Logf("%s: sha256sum %v, hobnail %v: %.2f of its speed", cached, a, b, float64(a)/float64(b))
	}
	began := time.Now()
	add(t, l, path, AddOptions{})
	t.Logf("adding it took %v, with recognition by a stand-in that reads it all", time.Since(began))
}

// TestInteropSums reads what coreutils writes, for names that need care.
func TestInteropSums(t *testing.T) {
	for _, tool := range [][]string{{"sha256sum"}, {"sha256sum", "-b"}, {"sha256sum", "--tag"}, {"sha512sum"}, {"openssl", "dgst", "-sha256"}, {"openssl", "dgst", "-sha512", "-r"}} {
		for _, name := range []string{"a.iso", "a b.iso", "a (1).iso", "back\\slash.iso", "two\nlines.iso", "*.iso", " lead.iso"} {
			if tool[0] == "openssl" && strings.ContainsAny(name, "\n\\") {
				continue // it writes them as they are
			}
			l := newLibrary(t)
			dir := elsewhere(t)
			path := write(t, filepath.Join(dir, name), "ISO A\n")
			c := exec.Command(tool[0], append(tool[1:len(tool):len(tool)], name)...)
			c.Dir = dir
			list, err := c.Output()
			if err != nil {
				t.Fatalf("%q: %v", tool, err)
			}
			write(t, filepath.Join(dir, "SHA256SUMS"), string(list))
			r := add(t, l, path, AddOptions{})
			if len(r.Image.Checks) != 1 || r.Image.Checks[0].Result != ResultOK {
				t.Errorf("%q of %q: %+v in\n%s", tool, name, r.Image.Checks, list)
			}
		}
	}
}

// TestInteropGnuPG verifies what gpg signs, with keys as gpg exports them.
func TestInteropGnuPG(t *testing.T) {
	home, dir := t.TempDir(), elsewhere(t)
	os.Chmod(home, 0o700)
	path := write(t, filepath.Join(dir, "a.iso"), "ISO A\n")
	gpg := func(args ...string) []byte {
		t.Helper()
		c := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
		c.Dir = dir
		out, err := c.Output()
		if err != nil {
			t.Fatalf("gpg %q: %v", args, err)
		}
		return out
	}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() })
	for _, kind := range []string{"rsa3072", "ed25519"} {
		gpg("--quick-gen-key", kind+" <"+kind+"@example.net>", kind, "sign", "never")
		keys := map[string][]byte{"octets": gpg("--export", kind), "armored": gpg("--armor", "--export", kind)}
		write(t, filepath.Join(dir, "SHA256SUMS"), hexOf("ISO A\n")+"  a.iso\n")
		for _, form := range [][]string{
			{"--detach-sign", "-o", "SHA256SUMS.gpg", "SHA256SUMS"},
			{"--armor", "--detach-sign", "-o", "SHA256SUMS.sign", "SHA256SUMS"},
			{"--clearsign", "-o", "CHECKSUM", "SHA256SUMS"},
			{"--detach-sign", "-o", "a.iso.sig", "a.iso"},
		} {
			file := form[len(form)-2]
			gpg(append([]string{"-u", kind}, form...)...)
			if file == "CHECKSUM" {
				os.Remove(filepath.Join(dir, "SHA256SUMS"))
			}
			for how, ring := range keys {
				r := add(t, newLibrary(t), path, AddOptions{Keyring: ring})
				if !r.Image.Signed() {
					t.Errorf("%s, %s, keys as %s: %+v", kind, file, how, r.Image.Checks)
				}
			}
			os.Remove(filepath.Join(dir, file))
		}
	}
}
