//go:build interop

package ramdisk

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestInterop has other people's tools read volumes: fsck.fat must find nothing
// to mend, and mcopy must copy every file out as it went in.
func TestInterop(t *testing.T) {
	for _, tc := range []struct {
		name  string
		sizes map[string]int
	}{
		{"no file", nil},
		{"a shim and GRUB", map[string]int{
			"EFI/BOOT/BOOTX64.EFI": 1048504, "EFI/BOOT/grubx64.efi": 3843520, "EFI/BOOT/revocations_sbat.efi": 5000,
			"EFI/BOOT/revocations_sku.efi": 2048, "grub/grub.cfg": 700,
		}},
		{"names beyond 8.3", map[string]int{
			"EFI/BOOT/BOOTRISCV64.EFI": 1, "EFI/BOOT/grubriscv64.efi": 0, "EFI/BOOT/BOOTLOONGARCH64.EFI": 2049,
			"EFI/BOOT/grubloongarch64.efi": 2047, "thirteen.text": 13, "m/525400123456/uefi-x64/a name with spaces.cfg": 9,
		}},
		{"the largest FAT12", map[string]int{"BIG": 4068 * clusterSize}},
		{"the smallest FAT16", map[string]int{"BIG": 4069 * clusterSize}},
		{"64 MiB", map[string]int{"BIG": 40 << 20, "efi/big.efi": 23 << 20}},
		{"a thousand files", thousand()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files, want := randomFiles(tc.sizes)
			m, err := New("HOBNAIL", files)
			if err != nil {
				t.Fatal(err)
			}
			volume := filepath.Join(t.TempDir(), "boot.img")
			if err := os.WriteFile(volume, read(t, m), 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, "fsck.fat", "dosfstools", "-n", "-v", volume)
			if len(files) == 0 {
				return // mdir and mcopy take no match for a fault
			}
			run(t, "mdir", "mtools", "-/", "-b", "-i", volume, "::")
			out := t.TempDir()
			run(t, "mcopy", "mtools", "-s", "-n", "-i", volume, "::*", out)
			if diff := cmp.Diff(want, hashes(t, out)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func thousand() map[string]int {
	sizes := map[string]int{}
	for i := range 1000 {
		sizes[fmt.Sprintf("grub/x86_64-efi/module_number_%d.mod", i)] = 17 * i
	}
	return sizes
}

// randomFiles gives contents of these sizes and their hashes.
func randomFiles(sizes map[string]int) (files []File, hash map[string]string) {
	random := rand.NewChaCha8([32]byte{1})
	hash = map[string]string{}
	for path, size := range sizes {
		b := make([]byte, size)
		random.Read(b)
		files = append(files, File{
			Path: path, Size: int64(size), Content: bytes.NewReader(b),
			ModTime: time.Date(2026, 6, 22, 21, 30, 0, 0, time.UTC),
		})
		hash[path] = fmt.Sprintf("%x", sha256.Sum256(b))
	}
	return files, hash
}

func hashes(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		sum := sha256.New()
		if _, err := io.Copy(sum, f); err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		got[filepath.ToSlash(name)] = fmt.Sprintf("%x", sum.Sum(nil))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func run(t *testing.T, tool, pkg string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		t.Fatalf("%s is missing; install the package %s", tool, pkg)
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", tool, args, err, out)
	}
}
