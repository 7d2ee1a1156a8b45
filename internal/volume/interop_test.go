//go:build interop

package volume

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"hobnail/internal/bootfile"
)

// tree makes a folder with files in it.
func tree(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func set(t *testing.T, iso string) *Set {
	t.Helper()
	table, err := bootfile.NewTable(true, bootfile.Part{Files: map[string]string{"iso/disk.iso": iso}})
	if err != nil {
		t.Fatal(err)
	}
	s := &Set{Files: table, Named: map[string]Inner{"img/disk/vmlinuz": {Image: "disk", Path: "casper/vmlinuz"}}}
	t.Cleanup(func() { s.Close() })
	return s
}

func open(t *testing.T, s *Set, name string) ([]byte, *bootfile.File) {
	t.Helper()
	f, err := s.Open(context.Background(), bootfile.Request{Name: name})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	b, err := io.ReadAll(io.NewSectionReader(f.Content, 0, f.Size))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b, f
}

// TestInteropFilesOfImages: files come out of an image as they went in, of
// ISO 9660 and of UDF, straight out of the image's file.
func TestInteropFilesOfImages(t *testing.T) {
	files := map[string][]byte{
		"casper/vmlinuz": bytes.Repeat([]byte("kernel"), 50_000), "a folder/With Words.txt": []byte("words"), "empty": nil,
	}
	dir := tree(t, files)
	for what, make := range map[string][]string{
		"Rock Ridge": {"xorriso", "-as", "mkisofs", "-R", "-J", "-o"},
		"UDF":        {"genisoimage", "-quiet", "-udf", "-allow-limited-size", "-o"},
	} {
		t.Run(what, func(t *testing.T) {
			iso := filepath.Join(t.TempDir(), "disk.iso")
			command(t, make[0], append(make[1:], iso, dir)...)
			s := set(t, iso)
			names := map[string][]byte{"img/disk/vmlinuz": files["casper/vmlinuz"]}
			for name, content := range files {
				names["iso/disk/"+name] = content
			}
			for name, want := range names {
				got, f := open(t, s, name)
				if !bytes.Equal(got, want) || f.Name != name || f.ETag == "" {
					t.Errorf("%s: %d octets, name %s, ETag %s", name, len(got), f.Name, f.ETag)
				}
				if section, ok := f.Content.(*io.SectionReader); len(want) > 2048 && !ok {
					t.Errorf("%s: content is %T, which no kernel can send", name, f.Content)
				} else if ok {
					if outer, _, _ := section.Outer(); len(want) > 2048 {
						if _, ok := outer.(*os.File); !ok {
							t.Errorf("%s: a section of %T", name, outer)
						}
					}
				}
				f.Close()
			}
			for _, name := range []string{"iso/disk", "iso/disk/casper", "iso/disk/none", "iso/other/x", "iso/other.iso", "iso/disk/../../etc/passwd"} {
				if _, err := s.Open(context.Background(), bootfile.Request{Name: name}); !errors.Is(err, bootfile.ErrNotFound) {
					t.Errorf("%s: error %v", name, err)
				}
			}
			whole, f := open(t, s, "iso/disk.iso")
			f.Close()
			if on, err := os.ReadFile(iso); err != nil || !bytes.Equal(on, whole) {
				t.Errorf("the image itself: %v", err)
			}
		})
	}
}

// TestInteropImageReplaced: whoever reads goes on with the image that was
// there; who comes later gets the new one.
func TestInteropImageReplaced(t *testing.T) {
	folder := t.TempDir()
	iso := filepath.Join(folder, "disk.iso")
	put := func(text string) {
		next := filepath.Join(folder, "next")
		command(t, "xorriso", "-as", "mkisofs", "-R", "-o", next, tree(t, map[string][]byte{"casper/vmlinuz": bytes.Repeat([]byte(text), 10_000)}))
		if err := os.Rename(next, iso); err != nil {
			t.Fatal(err)
		}
	}
	put("first")
	s := set(t, iso)
	_, old := open(t, s, "img/disk/vmlinuz")
	put("second")
	b, f := open(t, s, "img/disk/vmlinuz")
	if !bytes.HasPrefix(b, []byte("second")) || f.ETag == old.ETag {
		t.Errorf("begins %.20q, ETag %s and %s", b, f.ETag, old.ETag)
	}
	f.Close()
	var head [5]byte
	if _, err := old.Content.ReadAt(head[:], 40_000); err != nil || string(head[:]) != "first" {
		t.Errorf("the old one: %q, %v", head, err)
	}
	old.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				f, err := s.Open(context.Background(), bootfile.Request{Name: "img/disk/vmlinuz"})
				if err != nil {
					t.Error(err)
					return
				}
				f.Close()
			}
		})
	}
	wg.Wait()
}
