//go:build interop

package app

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestInteropRecognitionOfALargeImage: what an image of 5 GiB is takes two
// seconds and 256 MiB at most to find out.
func TestInteropRecognitionOfALargeImage(t *testing.T) {
	tree, iso := t.TempDir(), filepath.Join(t.TempDir(), "large.iso")
	for name, text := range map[string]string{
		".disk/info": "Ubuntu-Server 24.04.1 LTS \"Noble Numbat\" - Release amd64 (20240827)", "casper/vmlinuz": "linux", "casper/initrd": "initrd",
		"casper/ubuntu-server-minimal.squashfs": "",
	} {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Packages beside it, as on a DVD.
	for i := range 2000 {
		dir := filepath.Join(tree, "pool", string(rune('a'+i%26)), string(rune('a'+i/26%26)))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, time.Unix(int64(i), 0).UTC().Format("150405")+".deb"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("xorriso", "-as", "mkisofs", "-quiet", "-R", "-J", "-iso-level", "3", "-o", iso, tree).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// A hole, which takes no room on this disk.
	if err := os.Truncate(iso, 5<<30); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	r, err := recognise(iso)
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	used := float64(after.TotalAlloc-before.TotalAlloc) / (1 << 20) // with what was freed again
	t.Logf("recognised in %v, %.1f MiB", took, used)
	if err != nil || r.System != "ubuntu-server" {
		t.Errorf("recognised as %s, %v", r.System, err)
	}
	if took > 2*time.Second || used > 256 {
		t.Errorf("it took %v and %.1f MiB", took, used)
	}
	var detail recognised
	if err := json.Unmarshal(r.Detail, &detail); err != nil || detail.Kernel != "casper/vmlinuz" {
		t.Errorf("%+v, %v", detail, err)
	}
}
