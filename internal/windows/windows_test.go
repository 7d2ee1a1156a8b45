package windows

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/bootfile"
	"hobnail/internal/model"
	"hobnail/internal/peagent"
)

const token = "0123456789abcdef0123456789abcdef"

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		name string
		ref  Ref
		file string
	}{
		{"win/win11/open/bootmgfw.efi", Ref{Image: "win11"}, "bootmgfw.efi"},
		{`\WIN\Win11\` + strings.ToUpper(token) + `\\Boot\BCD`, Ref{"win11", token}, "boot/bcd"},
		{"win/win11/" + token + "/wimboot-bios/BCD", Ref{"win11", token}, "wimboot-bios/bcd"},
		{"win/a/open/../../b/open/x", Ref{Image: "b"}, "x"},
		{"win/win11/" + token[1:] + "/BCD", Ref{}, ""},
		{"win/win11/" + token[1:] + "g/BCD", Ref{}, ""},
		{"win//open/BCD", Ref{}, ""},
		{"win/win11/open", Ref{}, ""},
		{"img/win11/open/BCD", Ref{}, ""},
		{"", Ref{}, ""},
	} {
		ref, file, ok := ParseName(tt.name)
		if ok != (tt.file != "") || ref != tt.ref && ok || file != tt.file {
			t.Errorf("%q: %+v, %q, %v", tt.name, ref, file, ok)
		}
	}
	for _, ref := range []Ref{{Image: "win11"}, {"win.11_x-y", token}} {
		if got, file, ok := ParseName(ref.Manager()); !ok || got != ref || file != "bootmgfw.efi" {
			t.Errorf("%s: %+v, %q, %v", ref.Manager(), got, file, ok)
		}
	}
}

// TestTies: an address is remembered for an hour after its last read, and
// thousands of them are; not more.
func TestTies(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	var ties Ties
	a, ref := netip.MustParseAddr("10.77.1.50"), Ref{"win11", token}
	if _, ok := ties.Get(a, now); ok {
		t.Error("an address that nobody put is there")
	}
	ties.Put(netip.MustParseAddr("::ffff:10.77.1.50"), ref, now)
	for range 3 {
		now = now.Add(tieAge - time.Second)
		if got, ok := ties.Get(a, now); !ok || got != ref {
			t.Fatalf("after a read less than an hour ago: %+v, %v", got, ok)
		}
	}
	if _, ok := ties.Get(a, now.Add(tieAge)); ok {
		t.Error("it is there after an hour without a read")
	}
	ties.Put(a, ref, now)
	ties.Forget(a)
	if _, ok := ties.Get(a, now); ok {
		t.Error("it is there though it was forgotten")
	}
	ties.Put(netip.Addr{}, ref, now)
	first := netip.MustParseAddr("10.0.0.0")
	for b, n := first, 0; n <= maxTies; b, n = b.Next(), n+1 {
		ties.Put(b, Ref{fmt.Sprint(n), ""}, now)
	}
	if _, ok := ties.Get(first, now); ok || len(ties.byAddr) != maxTies || ties.order.Len() != maxTies {
		t.Errorf("the oldest is there: %v, of %d", ok, len(ties.byAddr))
	}
	if got, ok := ties.Get(first.Next(), now); !ok || got.Image != "1" {
		t.Errorf("the second oldest: %+v, %v", got, ok)
	}
}

// win11 is an image of two editions.
func win11() model.Image {
	return model.Image{
		Name: "win11", Title: "Windows 11", CPU: model.CPUX64, Way: model.WayWindows, Kernel: model.Inside + "sources/boot.wim",
		InstallWIM: "sources/install.wim",
		Editions: []model.Edition{
			{Index: 1, Name: "Windows 11 Home", ID: "Core"}, {Index: 6, Name: "Windows 11 Pro", ID: "Professional", Size: 17 << 30},
			{Index: 7, Name: "Windows 11 Pro N", ID: "ProfessionalN"},
		},
	}
}

func TestChoose(t *testing.T) {
	change := func(f func(*model.Image)) model.Image {
		img := win11()
		f(&img)
		return img
	}
	one := change(func(i *model.Image) { i.Editions = i.Editions[1:2] })
	for _, tt := range []struct {
		about string
		img   model.Image
		word  string
		want  int
		err   string
	}{
		{"a number", win11(), "6", 6, ""},
		{"a name", win11(), "Windows 11 Pro", 6, ""},
		{"a name in another case", win11(), " windows 11 home ", 1, ""},
		{"an id", win11(), "professionaln", 7, ""},
		{"the only one", one, "", 6, ""},
		{"none said of several", win11(), "", 0, "image win11 has 3 editions; say which by --edition, by name or number: 1 Windows 11 Home, 6 Windows 11 Pro, 7 Windows 11 Pro N"},
		{"a place in the list", win11(), "2", 0, `image win11 has no edition "2"; it has 1 Windows 11 Home,`},
		{"part of a name", win11(), "Pro", 0, `no edition "Pro"`},
		{"two of a name", change(func(i *model.Image) { i.Editions[2].Name = "WINDOWS 11 PRO" }), "Windows 11 Pro", 0, "more than one edition"},
		{"a hostile name", change(func(i *model.Image) { i.Editions[0].Name = "a\x1b[2J\u202e" }), "x", 0, "it has 1 a?[2J?, 6"},
		{"parts", change(func(i *model.Image) { i.InstallWIM = "sources/install.SWM" }), "6", 0, `in parts (install.SWM and more), which cannot be installed from: "wimlib-imagex join install.wim install*.swm"`},
		{"Windows PE alone", change(func(i *model.Image) { i.InstallWIM = "" }), "6", 0, "there is nothing to install"},
		{"Linux", model.Image{Name: "debian"}, "6", 0, "is no Windows"},
		{"no editions", change(func(i *model.Image) { i.Editions = nil }), "6", 0, "could not be read"},
	} {
		e, err := Choose(tt.img, tt.word)
		if e.Index != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %+v, %v", tt.about, e, err)
		}
	}
}

func TestInstructions(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	img := win11()
	img.InstallWIM = "a folder/install.wim"
	b, err := Instructions(Orders{Machine: "lab-01", MACs: []model.MAC{"52:54:00:00:00:01"}, Image: img, Edition: img.Editions[1], Arch: model.ArchX64, WIM: Sum{5 << 30, sum}, Disk: "serial:S4", Unattend: true})
	if err != nil {
		t.Fatal(err)
	}
	in, err := peagent.ParseInstructions(b)
	want := peagent.Instructions{
		Machine: "lab-01", For: peagent.Identity{MACs: []model.MAC{"52:54:00:00:00:01"}}, Image: "Windows 11 Pro", Way: peagent.WayDISM, Firmware: peagent.UEFI, Wipe: true,
		Disk: peagent.DiskRule{By: "serial", Serial: "S4"}, Unattend: true,
		WIM: peagent.WIM{URL: "/iso/win11/a%20folder/install.wim", Size: 5 << 30, SHA256: sum, Index: 6, Unpacked: 17 << 30},
	}
	if diff := cmp.Diff(want, in); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	b, err = Instructions(Orders{Image: img, Edition: img.Editions[0], WIM: Sum{1, sum}, Way: "setup"})
	if err != nil {
		t.Fatal(err)
	}
	if in, err = peagent.ParseInstructions(b); err != nil || in.Way != peagent.WaySetup || in.Disk != (peagent.DiskRule{By: "number"}) {
		t.Errorf("by Setup: %+v, %v", in, err)
	}
	for _, bad := range []Orders{
		{Image: img, Edition: img.Editions[0], WIM: Sum{1, sum}, Disk: "all"},
		{Image: img, Edition: img.Editions[0], WIM: Sum{1, sum}, Disk: "-1"},
		{Image: img, Edition: img.Editions[0], WIM: Sum{1, sum}, Disk: "serial: "},
		{Image: img, Edition: img.Editions[0], WIM: Sum{1, sum}, Way: "wds"},
		{Image: img, Edition: img.Editions[0], WIM: Sum{1, sum}, Way: "setup", Disk: "serial:S4"},
		{Image: img, Edition: img.Editions[0]},
		{Image: img, WIM: Sum{1, sum}},
	} {
		if b, err := Instructions(bad); err == nil {
			t.Errorf("%+v gives %s", bad, b)
		}
	}
	b, err = NotYet("lab-01", &Pending{Name: "install.wim", Done: 1e9, Of: 5e9, Rate: 200e6})
	if err != nil {
		t.Fatal(err)
	}
	if in, err = peagent.ParseInstructions(b); err != nil || in.Wait != 21 || in.Why != "the server makes the SHA-256 of install.wim: 1000 of 5000 MB" {
		t.Errorf("%+v, %v", in, err)
	}
}

// files is an Opener of contents in memory.
type files struct {
	mu    sync.Mutex
	all   map[string]string
	reads int
	gate  chan bool // nil: reads do not wait
}

func (f *files) Open(_ context.Context, r bootfile.Request) (*bootfile.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.all[r.Name]
	if !ok {
		return nil, bootfile.ErrNotFound
	}
	return &bootfile.File{Name: r.Name, Size: int64(len(s)), ETag: fmt.Sprintf("%q", s), Content: counted{f, bytes.NewReader([]byte(s))}, Close: func() error { return nil }}, nil
}

type counted struct {
	f *files
	r *bytes.Reader
}

func (c counted) ReadAt(p []byte, off int64) (int, error) {
	if c.f.gate != nil {
		<-c.f.gate
	}
	c.f.mu.Lock()
	c.f.reads++
	c.f.mu.Unlock()
	return c.r.ReadAt(p, off)
}

// TestSums: a sum is made once, in the background, kept, and made anew when the
// file is another.
func TestSums(t *testing.T) {
	f := &files{all: map[string]string{"iso/a/install.wim": "one", "iso/b/install.wim": "two"}, gate: make(chan bool)}
	told := make(chan error, 10)
	s := &Sums{Folder: t.TempDir(), Open: f.Open, Told: func(err error) { told <- err }}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	run := func(s *Sums) { go func() { ended <- s.Run(ctx) }() }
	run(s)
	of := func(s *Sums, name string) (Sum, error) {
		for {
			got, err := s.Of(ctx, name)
			if !errors.As(err, new(*Pending)) {
				return got, err
			}
			time.Sleep(time.Millisecond)
		}
	}
	var p *Pending
	if _, err := s.Of(ctx, "iso/a/install.wim"); !errors.As(err, &p) || p.Seconds() < 2 || p.Seconds() > 30 || !strings.Contains(p.Error(), "install.wim") {
		t.Fatalf("at first: %v", err)
	}
	if _, err := s.Of(ctx, "iso/b/install.wim"); !errors.As(err, &p) {
		t.Fatalf("the second, while the first is made: %v", err)
	}
	close(f.gate)
	for name, content := range map[string]string{"iso/a/install.wim": "one", "iso/b/install.wim": "two"} {
		sum := sha256.Sum256([]byte(content))
		if got, err := of(s, name); err != nil || got != (Sum{3, hex.EncodeToString(sum[:])}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := s.Of(ctx, "iso/c/install.wim"); !errors.Is(err, bootfile.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
	f.mu.Lock()
	before := f.reads
	f.mu.Unlock()
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	ctx, stop = context.WithCancel(t.Context())
	defer stop()
	again := &Sums{Folder: s.Folder, Open: f.Open}
	run(again)
	if got, err := again.Of(ctx, "iso/a/install.wim"); err != nil || got.Size != 3 || f.reads != before {
		t.Errorf("after a restart: %+v, %v, %d reads and not %d", got, err, f.reads, before)
	}
	f.mu.Lock()
	f.all["iso/a/install.wim"] = "two"
	f.mu.Unlock()
	sum := sha256.Sum256([]byte("two"))
	if got, err := of(again, "iso/a/install.wim"); err != nil || got.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("of another file: %+v, %v", got, err)
	}
	// One that cannot be kept is told, to whoever asks too, and tried again.
	broken := &Sums{Folder: "/dev/null/sums", Open: f.Open, Told: func(err error) { told <- err }}
	run(broken)
	if _, err := of(broken, "iso/a/install.wim"); err == nil || !strings.Contains(err.Error(), "keeping the SHA-256 of iso/a/install.wim") {
		t.Errorf("where none can be kept: %v", err)
	}
	if err := <-told; err == nil {
		t.Error("nobody was told")
	}
	if _, err := broken.Of(ctx, "iso/a/install.wim"); !errors.As(err, &p) {
		t.Errorf("asking again: %v", err)
	}
	stop()
	<-ended
	<-ended
	entries, err := os.ReadDir(s.Folder)
	if err != nil || len(entries) != 2 {
		t.Errorf("kept: %v, %v", entries, err)
	}
}

// TestStores: a boot configuration names what the machine boots, and is the same
// each time.
func TestStores(t *testing.T) {
	utf16 := func(s string) []byte {
		var b []byte
		for _, c := range []byte(s) {
			b = append(b, c, 0)
		}
		return b
	}
	for _, tt := range []struct {
		token, name, wim, loader string
	}{
		{token, "boot/bcd", `\win\win11\` + token + `\boot.wim`, "winload.efi"},
		{"", "bcd", `\win\win11\open\boot.wim`, "winload.efi"},
		{token, "wimboot-uefi/bcd", `\Boot\boot.wim`, "winload.efi"},
		{token, "wimboot-bios/bcd", `\Boot\boot.wim`, "winload.exe"},
	} {
		s := &Set{}
		img := win11()
		img.Title = "Windows\n11\x00" + strings.Repeat("ü", 300)
		var last []byte
		for range 2 {
			f, err := s.Open(t.Context(), bootfile.Request{}, Boot{Image: img, Token: tt.token}, tt.name)
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, f.Size)
			if _, err := f.Content.ReadAt(b, 0); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{tt.wim, tt.loader} {
				if !bytes.Contains(b, utf16(want)) {
					t.Errorf("%s: no %s", tt.name, want)
				}
			}
			if last != nil && !bytes.Equal(last, b) {
				t.Errorf("%s: another store the second time", tt.name)
			}
			last = b
		}
	}
}
