//go:build lab

package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shelf is a server with one host on its link, and no machine.
type shelf struct {
	*Server
	pc *Host
	t  *testing.T
}

func newShelf(t *testing.T) shelf {
	l := New(t)
	lan := l.Link("lan")
	server := l.Host("srv", lan, localAddr+"/24", "").Hobnail("http = \":80\"\n" + gives + "[boot]\nunknown = \"menu\"\n")
	return shelf{server, l.Host("pc", lan, reservation+"/24", ""), t}
}

// try runs a command of hobnail's that may fail, and gives all that it says.
func (s shelf) try(args ...string) (string, error) {
	cmd := s.Host.ns.command(append(append([]string{hobnailBinary(s.t)}, args...), "-c", s.Config)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// get is the answer to a request from the host: what curl says of it, and the
// code.
func (s shelf) get(name string) (body, code string) {
	out := s.pc.Run("curl", "-s", "-m", "20", "-w", "\n%{http_code}", "http://"+localAddr+"/"+name)
	i := strings.LastIndex(out, "\n")
	return out[:max(i, 0)], out[i+1:]
}

// menu is what the host's iPXE would be shown; its address is known to be the
// machine's from then on.
func (s shelf) menu() string {
	text, code := s.get("m/" + strings.ReplaceAll(machineMAC, ":", "") + "/bios/boot.ipxe")
	if code != "200" {
		s.t.Fatalf("the menu: %s %s", code, text)
	}
	return text
}

// images are those of the library, by their names, and what they are.
func (s shelf) images() map[string]string {
	var all []struct {
		Name    string
		Library *struct{ System, State string }
	}
	s.ask(&all, "images", "list", "--json")
	found := map[string]string{}
	for _, i := range all {
		if i.Library != nil {
			found[i.Name] = i.Library.System + " " + i.Library.State
		}
	}
	return found
}

// TestImagesOfAFolder: all images of a folder are added by one command, where
// they are, and all are in the menu.
func TestImagesOfAFolder(t *testing.T) {
	s := newShelf(t)
	dir := t.TempDir()
	BuildISO(t, dir, "memtest86+")
	BuildISO(t, dir, "efi-disk")
	s.command("images", "add", dir)
	want := map[string]string{"memtest86": "memtest86+ ok", "efi-disk": "efi-disk ok"}
	got := s.images()
	if len(got) != len(want) || got["efi-disk"] != want["efi-disk"] {
		t.Errorf("images %v, want %v", got, want)
	}
	menu := s.menu()
	for name := range got {
		if !strings.Contains(menu, "item image-"+name+" ") {
			t.Errorf("the menu lacks %s:\n%s", name, menu)
		}
	}
	if entries, err := os.ReadDir(s.folder()); err != nil || len(entries) > 0 {
		t.Errorf("copied: %v, %v", entries, err)
	}
}

// folder is where the server looks for images.
func (s shelf) folder() string { return filepath.Join(filepath.Dir(s.Config), "images") }

// TestImageInTheFolder: an ISO that is put into the folder is in the menu
// within seconds, without a command.
func TestImageInTheFolder(t *testing.T) {
	s := newShelf(t)
	iso := BuildISO(t, t.TempDir(), "memtest86+")
	if menu := s.menu(); strings.Contains(menu, "dropped") {
		t.Fatalf("it is there before it is:\n%s", menu)
	}
	start := time.Now()
	if _, err := copyFile(iso.File, filepath.Join(s.folder(), "dropped.iso")); err != nil {
		t.Fatal(err)
	}
	if !poll(30*time.Second, func() bool { return strings.Contains(s.menu(), "item image-dropped ") }) {
		t.Fatalf("it is not in the menu after half a minute:\n%s\n%v", s.menu(), s.images())
	}
	t.Logf("in the menu after %v", time.Since(start).Round(100*time.Millisecond))
	// What it has is served at once.
	if _, code := s.get("iso/dropped/EFI/BOOT/bootx64.efi"); code != "200" {
		t.Errorf("a file in it: %s", code)
	}
	if err := os.Remove(filepath.Join(s.folder(), "dropped.iso")); err != nil {
		t.Fatal(err)
	}
	if !poll(30*time.Second, func() bool { return !strings.Contains(s.menu(), "item image-dropped ") }) {
		t.Errorf("it is in the menu half a minute after it went:\n%s", s.menu())
	}
}

// TestImageThatIsRead: an image is not removed while a machine reads it, and
// whoever wants to is told which.
func TestImageThatIsRead(t *testing.T) {
	s := newShelf(t)
	iso := BuildISO(t, t.TempDir(), "memtest86+")
	s.command("images", "add", iso.File, "--name", "memtest")
	s.command("machines", "add", "slow-one", "--mac", machineMAC)
	s.menu()
	slow := s.pc.Start("slow", "curl", "-s", "--limit-rate", "20k", "-o", "/dev/null", "http://"+localAddr+"/iso/memtest.iso")
	// It is begun when hobnail has opened the file.
	var out string
	if !poll(10*time.Second, func() bool {
		out, _ = s.try("images", "remove", "memtest", "--file", "delete")
		return strings.Contains(out, "is being read by")
	}) {
		t.Fatalf("it is not refused: %s", out)
	}
	if !strings.Contains(out, "image memtest is being read by slow-one") {
		t.Errorf("refused without the machine's name: %s", out)
	}
	if got := s.images(); got["memtest"] != "memtest86+ ok" {
		t.Errorf("it is gone all the same: %v", got)
	}
	slow.Kill()
	if !poll(20*time.Second, func() bool {
		var err error
		out, err = s.try("images", "remove", "memtest")
		return err == nil
	}) {
		t.Errorf("nobody reads it any more: %s", out)
	}
	if _, code := s.get("iso/memtest.iso"); code != "404" {
		t.Errorf("it is served after it was removed: %s", code)
	}
}

// TestImageThatWasReplaced: another file in the place of one that was added is
// not served under its name, and is not in the menu; a look at it makes it an
// image again.
func TestImageThatWasReplaced(t *testing.T) {
	s := newShelf(t)
	dir := t.TempDir()
	iso, other := BuildISO(t, dir, "memtest86+"), BuildISO(t, dir, "efi-disk")
	s.command("images", "add", iso.File, "--name", "disk")
	if _, code := s.get("iso/disk/EFI/BOOT/bootx64.efi"); code != "200" {
		t.Fatalf("what was added is not served: %s", code)
	}
	if err := os.Rename(other.File, iso.File); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"iso/disk.iso", "iso/disk/boot/grub/grub.cfg", "img/disk/bootx64.efi"} {
		if _, code := s.get(name); code == "200" {
			t.Errorf("%s is served out of another file", name)
		}
	}
	if out, _ := s.try("images", "verify", "disk"); !strings.Contains(out, "disk") {
		t.Errorf("verifying: %s", out)
	}
	s.command("images", "add", iso.File)
	if got := s.images(); got["disk"] != "efi-disk ok" {
		t.Errorf("added again it is %v", got)
	}
	if _, code := s.get("iso/disk/boot/grub/grub.cfg"); code != "200" {
		t.Errorf("added again it is not served: %s", code)
	}
}

// TestImageFilesAreShown: every name that "images show" gives is there, by HTTP
// and by TFTP, of the size that it says.
func TestImageFilesAreShown(t *testing.T) {
	s := newShelf(t)
	dir := t.TempDir()
	for _, kind := range []string{"memtest86+", "arch", "proxmox", "efi-disk"} {
		iso := BuildISO(t, dir, kind)
		addISO(t, s.Server, iso)
		var shown struct {
			Kernel string   `json:"kernel_name"`
			Initrd []string `json:"initrd_names"`
			Files  []struct {
				Name string
				Size int64
			}
		}
		if err := json.Unmarshal([]byte(s.command("images", "show", imageName(iso), "--json")), &shown); err != nil {
			t.Fatal(err)
		}
		if len(shown.Files) < 1+len(shown.Initrd) {
			t.Errorf("%s: %+v", kind, shown)
		}
		for _, f := range shown.Files {
			for _, scheme := range []string{"http", "tftp"} {
				got := s.pc.Run("curl", "-sf", "-o", "/dev/null", "-w", "%{size_download}", "--tftp-blksize", "1428", scheme+"://"+localAddr+"/"+f.Name)
				if got != fmt.Sprint(f.Size) {
					t.Errorf("%s by %s has %s octets, %d are shown", f.Name, scheme, got, f.Size)
				}
			}
		}
	}
}
