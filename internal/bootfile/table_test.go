package bootfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func request(name string) Request {
	return Request{Name: name, Client: netip.MustParseAddrPort("192.0.2.10:2070"), Via: "tftp"}
}

// read gives a whole file, and closes it.
func read(t *testing.T, o Opener, name string) ([]byte, *File) {
	t.Helper()
	f, err := o.Open(context.Background(), request(name))
	if err != nil {
		t.Fatalf("opening %q: %v", name, err)
	}
	b, err := io.ReadAll(io.NewSectionReader(f.Content, 0, f.Size))
	if err != nil {
		t.Fatalf("reading %q: %v", name, err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("closing %q: %v", name, err)
	}
	return b, f
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func newTable(t *testing.T, files map[string]string) *Table {
	t.Helper()
	table, err := NewTable(true, Part{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestTableServesAFileByAnySpelling(t *testing.T) {
	kernel := write(t, filepath.Join(t.TempDir(), "vmlinuz-6.1"), "kernel")
	modified := time.Date(2026, 7, 2, 12, 0, 0, 0, time.UTC)
	if err := os.Chtimes(kernel, modified, modified); err != nil {
		t.Fatal(err)
	}
	table := newTable(t, map[string]string{"img/debian-12/linux": kernel})
	for _, name := range []string{"img/debian-12/linux", "/img/debian-12/linux", `\img\debian-12\linux`, "img//debian-12/./linux\xff"} {
		b, f := read(t, table, name)
		if string(b) != "kernel" || f.Name != "img/debian-12/linux" || f.Size != 6 || !f.ModTime.Equal(modified) {
			t.Errorf("%q: %q, %+v", name, b, f)
		}
	}
}

func TestTableServesWhatALinkLeadsTo(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "vmlinuz-6.1"), "kernel")
	link := filepath.Join(dir, "vmlinuz")
	if err := os.Symlink("vmlinuz-6.1", link); err != nil {
		t.Fatal(err)
	}
	if b, _ := read(t, newTable(t, map[string]string{"linux": link}), "linux"); string(b) != "kernel" {
		t.Errorf("got %q", b)
	}
}

func TestTableFileHasANewETagWhenItChanges(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "linux"), "one")
	table := newTable(t, map[string]string{"linux": path})
	_, before := read(t, table, "linux")
	_, same := read(t, table, "linux")
	write(t, path, "three")
	_, after := read(t, table, "linux")
	if before.ETag != same.ETag || before.ETag == after.ETag || !strings.HasPrefix(after.ETag, `"`) {
		t.Errorf("ETags %s, %s, then %s", before.ETag, same.ETag, after.ETag)
	}
}

func TestTableKnowsNothingElse(t *testing.T) {
	dir := t.TempDir()
	secret := write(t, filepath.Join(dir, "secret"), "secret")
	table := newTable(t, map[string]string{"boot/linux": write(t, filepath.Join(dir, "linux"), "kernel")})
	names := append(corpusPaths(t), secret, "boot", "boot/", "boot/secret", "boot/../secret", "linux", "boot/linux/x", "", "boot/linux\x00.efi")
	for _, name := range names {
		if f, err := table.Open(context.Background(), request(name)); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %+v, %v", name, f, err)
		}
	}
}

func TestTableFileThatIsNone(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	table := newTable(t, map[string]string{"dir": dir, "fifo": fifo, "zero": "/dev/zero", "gone": filepath.Join(dir, "gone")})
	for name, want := range map[string]string{
		"dir": "is not a regular file", "fifo": "is not a regular file", "zero": "is not a regular file", "gone": "no such file",
	} {
		_, err := table.Open(context.Background(), request(name))
		if err == nil || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
}

// TestTableFollowsLinksOfTheConfigurationOnly: what an administrator named is
// followed once, what is exchanged for a link later is not.
func TestTableFollowsLinksOfTheConfigurationOnly(t *testing.T) {
	base := t.TempDir()
	for _, dir := range []string{"boot", "srv", "outside"} {
		if err := os.Mkdir(filepath.Join(base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		os.Remove(filepath.Join(base, name))
		if err := os.Symlink(to, filepath.Join(base, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(base, "boot/vmlinuz-6.1"), "kernel")
	write(t, filepath.Join(base, "outside/secret"), "secret")
	for _, name := range []string{"near", "far", "absolute", "folder"} {
		write(t, filepath.Join(base, "srv", name), name)
	}
	link("boot/vmlinuz-6.1", "vmlinuz")
	files := map[string]string{"vmlinuz": filepath.Join(base, "vmlinuz"), "later": filepath.Join(base, "srv/later")}
	for _, name := range []string{"near", "far", "absolute", "folder"} {
		files[name] = filepath.Join(base, "srv", name)
	}
	for _, landlock := range []bool{true, false} {
		table, err := NewTable(landlock, Part{Files: files})
		if err != nil {
			t.Fatal(err)
		}
		link("outside/secret", "vmlinuz")
		link("folder", "srv/near")
		link("../outside/secret", "srv/far")
		link(filepath.Join(base, "srv/folder"), "srv/absolute")
		write(t, filepath.Join(base, "srv/later"), "later")
		for name, want := range map[string]string{"vmlinuz": "kernel", "near": "folder", "later": "later", "folder": "folder"} {
			if b, _ := read(t, table, name); string(b) != want {
				t.Errorf("landlock %v: %s reads %q, want %q", landlock, name, b, want)
			}
		}
		for name, to := range map[string]string{"far": "../outside/secret", "absolute": filepath.Join(base, "srv/folder")} {
			_, err := table.Open(context.Background(), request(name))
			want := fmt.Sprintf("opening boot file %s: %s has become a link to %s, which is followed only inside %s", name, files[name], to, filepath.Join(base, "srv"))
			if err == nil || errors.Is(err, ErrNotFound) || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("landlock %v: %s: %v; want %q", landlock, name, err, want)
			}
		}
		// As it was, for the other round.
		link("boot/vmlinuz-6.1", "vmlinuz")
		for _, name := range []string{"near", "far", "absolute"} {
			os.Remove(files[name])
			write(t, files[name], name)
		}
		os.Remove(files["later"])
	}
}

func TestTableFolderThatComesLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "linux")
	table := newTable(t, map[string]string{"linux": path})
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, path, "kernel")
	_, err := table.Open(context.Background(), request("linux"))
	if err == nil || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "when the configuration was loaded") {
		t.Errorf("error %v", err)
	}
	if b, _ := read(t, newTable(t, map[string]string{"linux": path}), "linux"); string(b) != "kernel" {
		t.Errorf("after a reload it reads %q", b)
	}
}

func TestTableInAnyCase(t *testing.T) {
	dir := t.TempDir()
	bcd, linux := write(t, filepath.Join(dir, "BCD"), "bcd"), write(t, filepath.Join(dir, "linux"), "kernel")
	table, err := NewTable(true,
		Part{Files: map[string]string{"windows/Boot/BCD": bcd}, AnyCase: true},
		Part{Files: map[string]string{"img/linux": linux}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"windows/Boot/BCD", `windows\boot\bcd`, `/WINDOWS/boot\BCD` + "\xff"} {
		if b, f := read(t, table, name); string(b) != "bcd" || f.Name != "windows/Boot/BCD" {
			t.Errorf("%q reads %q as %s", name, b, f.Name)
		}
	}
	for _, name := range []string{"img/LINUX", "IMG/linux", "windows/Boot/BC"} {
		if _, err := table.Open(context.Background(), request(name)); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
	_, err = NewTable(true, Part{Files: map[string]string{"Boot/BCD": "/srv/Boot/BCD", "boot/bcd": "/srv/boot/bcd"}, AnyCase: true})
	if err == nil || !strings.Contains(err.Error(), "/srv/Boot/BCD") || !strings.Contains(err.Error(), "/srv/boot/bcd") {
		t.Errorf("two names that differ in case: %v", err)
	}
}

func TestNewTableRefuses(t *testing.T) {
	for name, path := range map[string]string{"/linux": "/srv/linux", "a/../b": "/srv/linux", "": "/srv/linux", "linux": "srv/linux"} {
		if _, err := NewTable(true, Part{Files: map[string]string{name: path}}); err == nil {
			t.Errorf("a table of %q at %q was made", name, path)
		}
	}
}

// fixed is an Opener of one name.
type fixed struct {
	name string
	err  error
}

func (o fixed) Open(_ context.Context, r Request) (*File, error) {
	if r.Name != o.name {
		return nil, ErrNotFound
	}
	return &File{Name: o.name, Size: 1, Content: bytes.NewReader([]byte("x")), Close: func() error { return nil }}, o.err
}

func TestChain(t *testing.T) {
	fault := errors.New("disk error")
	chain := Chain{fixed{name: "a"}, fixed{name: "b", err: fault}, fixed{name: "b"}, fixed{name: "c"}}
	for name, want := range map[string]error{"a": nil, "b": fault, "c": nil, "d": ErrNotFound} {
		f, err := chain.Open(context.Background(), request(name))
		if !errors.Is(err, want) || (want == nil && f.Name != name) {
			t.Errorf("%s: %+v, %v; want %v", name, f, err, want)
		}
	}
	if _, err := (Chain{}).Open(context.Background(), request("a")); !errors.Is(err, ErrNotFound) {
		t.Errorf("empty chain: %v", err)
	}
}

// A file that is not the one that is meant is a fault of this server's, and
// not served.
func TestTableFileThatDoesNotFit(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "disk.iso"), "one")
	table, err := NewTable(true, Part{Files: map[string]string{"iso/disk.iso": path}, Fits: map[string]func(os.FileInfo) error{
		"iso/disk.iso": func(info os.FileInfo) error {
			if info.Size() != 3 {
				return errors.New("it was replaced")
			}
			return nil
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := read(t, table, "iso/disk.iso"); string(got) != "one" {
		t.Errorf("read %q", got)
	}
	write(t, path, "another")
	if _, err := table.Open(t.Context(), request("iso/disk.iso")); err == nil || !strings.Contains(err.Error(), "it was replaced") {
		t.Errorf("error %v", err)
	}
}
