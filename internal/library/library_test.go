package library

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/store"
	"hobnail/internal/store/mem"
	"hobnail/internal/store/sqlite"
)

// newLibrary makes an empty library, whose recogniser knows what begins with
// "ISO ".
func newLibrary(t *testing.T) *Library {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &Library{
		Store: mem.New(), Folder: filepath.Join(dir, "images"), Recognise: standIn,
		Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

func standIn(path string) (Recognised, error) {
	f, err := os.Open(path)
	if err != nil {
		return Recognised{}, err
	}
	defer f.Close()
	head := make([]byte, 40)
	n, _ := io.ReadFull(f, head)
	title, ok := strings.CutPrefix(string(head[:n]), "ISO ")
	if !ok {
		return Recognised{}, errors.New("it is of no system that is known")
	}
	title, _, _ = strings.Cut(title, "\n")
	return Recognised{System: "test", Title: title, CPU: "x64", Detail: json.RawMessage(`{"kernel":"linux"}`)}, nil
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func hexOf(content string) string {
	s := sha256.Sum256([]byte(content))
	return hex.EncodeToString(s[:])
}

// add adds one thing, which must work.
func add(t *testing.T, l *Library, source string, o AddOptions) Result {
	t.Helper()
	all, err := l.Add(t.Context(), source, o, nil)
	if err != nil || len(all) != 1 {
		t.Fatalf("adding %s: %d results, %v", source, len(all), err)
	}
	return all[0]
}

// elsewhere is a folder outside of the library, without links in its path.
func elsewhere(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// files lists a folder, hidden ones too.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func names(t *testing.T, l *Library) []string {
	t.Helper()
	all, err := l.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, i := range all {
		got = append(got, i.Name)
	}
	return got
}

func same[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAddRefersToAFileWhereItLies(t *testing.T) {
	l := newLibrary(t)
	path := write(t, filepath.Join(elsewhere(t), "Debian 12.7.ISO"), "ISO Debian 12\n")
	r := add(t, l, path, AddOptions{By: "anna"})
	same(t, "did", DidAdd, r.Did)
	got := r.Image
	got.Added, got.Looked, got.File = time.Time{}, time.Time{}, Stamp{}
	same(t, "image", Image{
		Name: "debian-12.7", Title: "Debian 12", Path: path, Size: 14, SHA256: hexOf("ISO Debian 12\n"), By: "anna",
		Found: &Recognised{System: "test", Title: "Debian 12", CPU: "x64", Detail: json.RawMessage(`{"kernel":"linux"}`)},
	}, got)
	same(t, "files of the folder", []string{}, files(t, l.Folder))
	same(t, "again", DidNothing, add(t, l, path, AddOptions{}).Did)
	kept, err := l.Show(t.Context(), "debian-12.7")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "in the store", r.Image, kept)
	f, err := kept.Open()
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func TestAddPlacesAFileInTheFolder(t *testing.T) {
	for _, place := range []Placing{PlaceCopy, PlaceLink} {
		t.Run(string(place), func(t *testing.T) {
			l := newLibrary(t)
			path := write(t, filepath.Join(elsewhere(t), "a.iso"), "ISO A\n")
			write(t, filepath.Join(l.Folder, "a.iso"), "another file of that name")
			r := add(t, l, path, AddOptions{Place: place})
			same(t, "path", filepath.Join(l.Folder, "a-2.iso"), r.Image.Path)
			same(t, "files", []string{"a-2.iso", "a.iso"}, files(t, l.Folder))
			same(t, "again", DidNothing, add(t, l, path, AddOptions{Place: place}).Did)
			same(t, "files after that", []string{"a-2.iso", "a.iso"}, files(t, l.Folder))
			if state, err := r.Image.State(); state != StateOK {
				t.Errorf("its state is %s: %v", state, err)
			}
		})
	}
}

// TestAddMovesAnImageIntoTheFolder: what was referred to and is copied later is
// one image.
func TestAddMovesAnImageIntoTheFolder(t *testing.T) {
	l := newLibrary(t)
	path := write(t, filepath.Join(elsewhere(t), "a.iso"), "ISO A\n")
	add(t, l, path, AddOptions{Name: "mine"})
	r := add(t, l, path, AddOptions{Place: PlaceCopy})
	same(t, "name and path", []string{"mine", filepath.Join(l.Folder, "a.iso")}, []string{r.Image.Name, r.Image.Path})
	same(t, "images", []string{"mine"}, names(t, l))
}

func TestAddLeavesAFileOfTheFolderWhereItIs(t *testing.T) {
	l := newLibrary(t)
	path := write(t, filepath.Join(l.Folder, "sub", "a.iso"), "ISO A\n")
	r := add(t, l, path, AddOptions{Place: PlaceCopy})
	same(t, "path", path, r.Image.Path)
	same(t, "files", []string{"sub"}, files(t, l.Folder))
}

func TestAddUnknownSystem(t *testing.T) {
	l := newLibrary(t)
	r := add(t, l, write(t, filepath.Join(elsewhere(t), "disk.raw"), "?"), AddOptions{})
	same(t, "fault", "it is of no system that is known", r.Image.Fault)
	same(t, "title", "disk.raw", r.Image.Title)
}

func TestAddFolder(t *testing.T) {
	l := newLibrary(t)
	dir := elsewhere(t)
	for name, content := range map[string]string{
		"a.iso": "ISO A\n", "b.WIM": "ISO B\n", "deep/er/c.img": "ISO C\n", "too/deep/for/us/d.iso": "no",
		"readme.txt": "no", ".hidden.iso": "no", ".git/e.iso": "no", "bad.iso": "ISO bad\n",
		"SHA256SUMS": aa + "  bad.iso\n" + hexOf("ISO A\n") + "  a.iso\n",
	} {
		write(t, filepath.Join(dir, name), content)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link.iso")); err != nil {
		t.Fatal(err)
	}
	all, err := l.Add(t.Context(), dir, AddOptions{}, nil)
	var bad *Mismatch
	if !errors.As(err, &bad) || bad.File != "bad.iso" {
		t.Errorf("error %v, want a mismatch of bad.iso", err)
	}
	same(t, "added", 3, len(all))
	same(t, "images", []string{"a", "b", "c"}, names(t, l))
	if _, err := l.Add(t.Context(), dir, AddOptions{Name: "x"}, nil); err == nil {
		t.Error("one name for several images is taken")
	}
	if _, err := l.Add(t.Context(), t.TempDir(), AddOptions{}, nil); err == nil || !strings.Contains(err.Error(), "no images") {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestAddRefuses(t *testing.T) {
	l := newLibrary(t)
	l.Taken = func(name string) bool { return name == "rescue" }
	path := write(t, filepath.Join(elsewhere(t), "a.iso"), "ISO A\n")
	add(t, l, path, AddOptions{Name: "a"})
	other := write(t, filepath.Join(elsewhere(t), "b.iso"), "ISO B\n")
	for name, tc := range map[string]struct {
		source string
		o      AddOptions
		want   string
	}{
		"a file that is not there":      {"/nowhere/a.iso", AddOptions{}, "adding /nowhere/a.iso: no such file or directory"},
		"a device":                      {"/dev/null", AddOptions{}, "is not a file"},
		"a name that is taken":          {other, AddOptions{Name: "a"}, "there is an image a already"},
		"a name of the configuration's": {other, AddOptions{Name: "rescue"}, "there is an image rescue already"},
		"a word":                        {other, AddOptions{Name: "menu"}, "is a word of the configuration"},
		"a path for a name":             {other, AddOptions{Name: "../a"}, "is not an image's name"},
		"another name for the same":     {path, AddOptions{Name: "x"}, "it is in the library as a"},
		"half a sum":                    {other, AddOptions{SHA256: aa[:10]}, "64 hexadecimal digits"},
		"another sum":                   {other, AddOptions{SHA256: aa}, "b.iso is not what it should be: its sha256 is\n  " + hexOf("ISO B\n") + ", and the one that was given is\n  " + aa},
		"another sum of what is there":  {path, AddOptions{SHA256: aa}, "a.iso is not what it should be"},
		"a URL without a host":          {"https:///x.iso", AddOptions{}, "cannot be understood"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := l.Add(t.Context(), tc.source, tc.o, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
	same(t, "images", []string{"a"}, names(t, l))
}

func TestNames(t *testing.T) {
	for file, want := range map[string]string{
		"debian-12.7.0-amd64-netinst.iso":   "debian-12.7.0-amd64-netinst",
		"Windows 11 (24H2)_EN.ISO":          "windows-11-24h2-_en",
		"..iso":                             "image",
		"...":                               "image",
		"..":                                "image",
		"a\nb.iso":                          "a-b",
		"menu.iso":                          "image-menu",
		"ütf.iso":                           "tf",
		"$(reboot).iso":                     "reboot",
		"--name.iso":                        "name",
		"install.wim":                       "install",
		"disk.tar.gz":                       "disk.tar.gz",
		strings.Repeat("x", 200) + ".iso":   strings.Repeat("x", 63),
		strings.Repeat("x", 62) + "-yy.iso": strings.Repeat("x", 62),
		"\xff\xfe.iso":                      "image",
	} {
		got := nameOf("/srv/" + file)
		if got != want {
			t.Errorf("%q: %q, want %q", file, got, want)
		}
		if err := CheckName(got); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
	taken := map[string]bool{}
	long := strings.Repeat("x", 63)
	for range 12 {
		name := unique(long, func(n string) bool { return taken[n] })
		if err := CheckName(name); err != nil || taken[name] {
			t.Errorf("%q: %v, taken %v", name, err, taken[name])
		}
		taken[name] = true
	}
}

// TestHostileFiles adds files whose names are meant to do harm.
func TestHostileFiles(t *testing.T) {
	l := newLibrary(t)
	dir := elsewhere(t)
	for _, name := range []string{"..iso", "a\nb.iso", "Same.iso", "same.ISO", strings.Repeat("y", 250) + ".iso", "-rf.iso", "\x1b[2J.iso", "\xff.iso"} {
		path := write(t, filepath.Join(dir, name), "ISO "+hexOf(name))
		for _, place := range []Placing{PlaceCopy, PlaceRefer} {
			all, err := l.Add(t.Context(), path, AddOptions{Place: place}, nil)
			if err != nil {
				t.Errorf("%q: %v", name, err)
				continue
			}
			if err := CheckName(all[0].Image.Name); err != nil {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	for _, name := range files(t, l.Folder) {
		if strings.HasPrefix(name, partialPrefix) {
			t.Errorf("%q was left", name)
		}
	}
}

// TestTwoAddersAtOnce adds one file and one copy many times side by side, in
// memory and in a file.
func TestTwoAddersAtOnce(t *testing.T) {
	for _, engine := range []string{"mem", "sqlite"} {
		t.Run(engine, func(t *testing.T) {
			l := newLibrary(t)
			if engine == "sqlite" {
				s, err := sqlite.Open(filepath.Join(t.TempDir(), "store"))
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				l.Store = s
			}
			dir := elsewhere(t)
			a := write(t, filepath.Join(dir, "a.iso"), "ISO A\n")
			b := write(t, filepath.Join(dir, "b.iso"), "ISO B\n")
			did := map[Did]int{}
			var mu sync.Mutex
			var wg sync.WaitGroup
			for n := range 16 {
				wg.Go(func() {
					source, o := a, AddOptions{}
					if n%2 == 0 {
						source, o = b, AddOptions{Place: PlaceCopy}
					}
					all, err := l.Add(context.Background(), source, o, nil)
					if err != nil {
						t.Errorf("adding: %v", err)
						return
					}
					mu.Lock()
					did[all[0].Did]++
					mu.Unlock()
				})
			}
			wg.Wait()
			same(t, "done", map[Did]int{DidAdd: 2, DidNothing: 14}, did)
			same(t, "files", []string{"b.iso"}, files(t, l.Folder))
			same(t, "images", []string{"a", "b"}, names(t, l))
		})
	}
}

// TestCancel ends the context in the middle of reading.
func TestCancel(t *testing.T) {
	for _, place := range []Placing{PlaceRefer, PlaceCopy, PlaceLink} {
		t.Run("place "+string(place), func(t *testing.T) {
			l := newLibrary(t)
			path := write(t, filepath.Join(elsewhere(t), "a.iso"), strings.Repeat("x", 8<<20))
			ctx, cancel := context.WithCancel(t.Context())
			l.Recognise = func(string) (Recognised, error) {
				cancel()
				return Recognised{}, nil
			}
			if _, err := l.Add(ctx, path, AddOptions{Place: place}, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("while it is recognised: %v", err)
			}
			if _, err := l.Add(ctx, path, AddOptions{Place: place}, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("before it began: %v", err)
			}
			same(t, "files", []string{}, files(t, l.Folder))
			same(t, "images", []string{}, names(t, l))
		})
	}
	f, err := os.Open(write(t, filepath.Join(t.TempDir(), "a"), strings.Repeat("x", 8<<20)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	err = readThrough(ctx, f, 0, writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }), newMeter(nil, StageHash, "a", 0))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("while it is read: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestReadThroughNoticesAWriter: what is written to while it is read is not
// what was read.
func TestReadThroughNoticesAWriter(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "a"), strings.Repeat("x", 3<<20))
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = readThrough(t.Context(), f, 0, writerFunc(func(p []byte) (int, error) {
		os.Chtimes(path, time.Now(), time.Unix(1, 0))
		return len(p), nil
	}), newMeter(nil, StageHash, "a", 0))
	if !errors.Is(err, errAltered) {
		t.Errorf("error %v, want %v", err, errAltered)
	}
}

func TestReadThroughGivesEveryOctet(t *testing.T) {
	for _, size := range []int{0, 1, readSize - 1, readSize, readSize + 1, 5*readSize + 7} {
		content := bytes.Repeat([]byte("0123456789a"), size/11+1)[:size]
		f, err := os.Open(write(t, filepath.Join(t.TempDir(), "a"), string(content)))
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range []int{0, size / 2, size} {
			var got bytes.Buffer
			if err := readThrough(t.Context(), f, int64(from), &got, newMeter(nil, StageHash, "a", 0)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), content[from:]) {
				t.Errorf("%d octets from %d: got %d that differ", size, from, got.Len())
			}
		}
		f.Close()
	}
}

func TestProgress(t *testing.T) {
	l := newLibrary(t)
	path := write(t, filepath.Join(elsewhere(t), "a.iso"), strings.Repeat("x", 3<<20))
	var last Progress
	if _, err := l.Add(t.Context(), path, AddOptions{}, func(p Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	last.Rate = 0
	same(t, "the last", Progress{Stage: StageHash, File: "a.iso", Done: 3 << 20, Total: 3 << 20}, last)
}

// TestReplacedFile: a file in another's place is told, and not opened.
func TestReplacedFile(t *testing.T) {
	for name, tc := range map[string]struct {
		do   func(path string)
		want string
	}{
		"another of the same size and time": {func(path string) {
			info, _ := os.Stat(path)
			write(t, path+".new", "ISO B\n")
			os.Chtimes(path+".new", info.ModTime(), info.ModTime())
			os.Rename(path+".new", path)
		}, "was replaced by another file"},
		"written over": {func(path string) {
			os.WriteFile(path, []byte("ISO B\n"), 0o644)
			os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0))
		}, "was written to"},
		"grown":    {func(path string) { os.WriteFile(path, []byte("ISO A\n\n"), 0o644) }, "has 7 octets, and had 6"},
		"a folder": {func(path string) { os.Remove(path); os.Mkdir(path, 0o755) }, "is no file any more"},
		"gone":     {func(path string) { os.Remove(path) }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLibrary(t)
			path := write(t, filepath.Join(elsewhere(t), "a.iso"), "ISO A\n")
			i := add(t, l, path, AddOptions{}).Image
			title := "Mine"
			if _, err := l.Set(t.Context(), "a", Change{Edits: Edits{Title: &title}}); err != nil {
				t.Fatal(err)
			}
			tc.do(path)
			f, err := i.Open()
			if err == nil {
				f.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("opening it: %v, want %q", err, tc.want)
			}
			want := StateChanged
			if name == "gone" {
				want = StateMissing
			}
			if state, _ := i.State(); state != want {
				t.Errorf("state %s, want %s", state, want)
			}
			if info, err := os.Stat(path); err != nil || info.IsDir() {
				return
			}
			r := add(t, l, path, AddOptions{})
			same(t, "added anew", []string{"replaced", "a", "Mine"}, []string{string(r.Did), r.Image.Name, r.Image.Shown()})
		})
	}
}

func TestSet(t *testing.T) {
	l := newLibrary(t)
	l.Taken = func(name string) bool { return name == "rescue" }
	add(t, l, write(t, filepath.Join(elsewhere(t), "a.iso"), "ISO A\n"), AddOptions{})
	add(t, l, write(t, filepath.Join(elsewhere(t), "b.iso"), "ISO B\n"), AddOptions{})
	text := func(s string) *string { return &s }
	yes := true
	set := func(name string, c Change) (Image, error) { return l.Set(t.Context(), name, c) }
	if _, err := set("a", Change{Edits: Edits{Title: text("Ours"), Cmdline: text("quiet"), Hidden: &yes}}); err != nil {
		t.Fatal(err)
	}
	i, err := set("a", Change{Name: "c", Edits: Edits{Answer: text("preseed"), Cmdline: text("")}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "edits", Edits{Title: text("Ours"), Cmdline: text(""), Answer: text("preseed"), Hidden: &yes}, i.Edits)
	same(t, "images", []string{"b", "c"}, names(t, l))
	if i, err = set("c", Change{Reset: true, Edits: Edits{Title: text("New")}}); err != nil {
		t.Fatal(err)
	}
	same(t, "edits after a reset", Edits{Title: text("New")}, i.Edits)
	for want, try := range map[string]func() (Image, error){
		"there is an image b already":      func() (Image, error) { return set("c", Change{Name: "b"}) },
		"there is an image rescue already": func() (Image, error) { return set("c", Change{Name: "rescue"}) },
		"is not an image's name":           func() (Image, error) { return set("c", Change{Name: "A"}) },
		"has control characters":           func() (Image, error) { return set("c", Change{Edits: Edits{Cmdline: text("a\nb")}}) },
		"at most 200":                      func() (Image, error) { return set("c", Change{Edits: Edits{Title: text(strings.Repeat("x", 201))}}) },
		"there is no such image":           func() (Image, error) { return set("a", Change{}) },
		`image "../x": there is no such`:   func() (Image, error) { return set("../x", Change{}) },
	} {
		if _, err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if _, err := l.Show(t.Context(), strings.Repeat("x", 5000)); !errors.Is(err, ErrNotFound) {
		t.Errorf("a long name: %v", err)
	}
}

func TestVerify(t *testing.T) {
	l := newLibrary(t)
	path := write(t, filepath.Join(elsewhere(t), "a.iso"), "ISO A\n")
	l.Recognise = nil
	add(t, l, path, AddOptions{})
	l.Recognise = standIn
	os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0))
	i, err := l.Verify(t.Context(), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if state, err := i.State(); state != StateOK || i.Title != "A" {
		t.Errorf("touched: state %s, %v, title %q", state, err, i.Title)
	}
	write(t, path, "ISO B\n")
	var bad *Mismatch
	if _, err = l.Verify(t.Context(), "a", nil); !errors.As(err, &bad) || bad.Want != hexOf("ISO A\n") || bad.Got != hexOf("ISO B\n") {
		t.Errorf("written over: %v", err)
	}
	if i, _ := l.Show(t.Context(), "a"); i.SHA256 != hexOf("ISO A\n") {
		t.Error("the record was changed")
	}
	os.Remove(path)
	if _, err := l.Verify(t.Context(), "a", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("gone: %v", err)
	}
}

// busy is Readers of one image.
type busy map[string][]Reader

func (b busy) Readers(name string) []Reader { return b[name] }

func TestRemove(t *testing.T) {
	l := newLibrary(t)
	l.Readers = busy{"read": {{Machine: "lab-01", Since: time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)}, {Machine: "10.0.0.7"}}}
	outside := write(t, filepath.Join(elsewhere(t), "read.iso"), "ISO A\n")
	add(t, l, outside, AddOptions{})
	add(t, l, write(t, filepath.Join(l.Folder, "in.iso"), "ISO B\n"), AddOptions{})
	add(t, l, write(t, filepath.Join(l.Folder, "changed.iso"), "ISO C\n"), AddOptions{})
	write(t, filepath.Join(l.Folder, "changed.iso"), "ISO something else\n")

	var inUse *InUse
	_, err := l.Remove(t.Context(), "read", RemoveOptions{})
	if !errors.As(err, &inUse) || len(inUse.Readers) != 2 ||
		err.Error() != "image read is being read by lab-01 (since 09:00:00), 10.0.0.7 (since 00:00:00); --force removes it all the same" {
		t.Errorf("being read: %v", err)
	}
	if _, err = l.Remove(t.Context(), "read", RemoveOptions{Force: true, File: FateDelete}); err == nil || !strings.Contains(err.Error(), "deletes nothing elsewhere") {
		t.Errorf("elsewhere: %v", err)
	}
	if _, err = l.Remove(t.Context(), "changed", RemoveOptions{File: FateDelete}); err == nil || !strings.Contains(err.Error(), "is not what would be deleted") {
		t.Errorf("changed: %v", err)
	}
	same(t, "images after refusals", []string{"changed", "in", "read"}, names(t, l))
	if _, err = l.Remove(t.Context(), "read", RemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
	if _, err = l.Remove(t.Context(), "in", RemoveOptions{File: FateDelete}); err != nil {
		t.Error(err)
	}
	if _, err = l.Remove(t.Context(), "in", RemoveOptions{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	same(t, "images", []string{"changed"}, names(t, l))
	same(t, "files", []string{"changed.iso"}, files(t, l.Folder))
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}

// TestThousandImages lists and looks at a thousand images in far less than the
// second that a person waits.
func TestThousandImages(t *testing.T) {
	s, err := sqlite.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l := newLibrary(t)
	l.Store = s
	err = s.Update(t.Context(), func(tx store.Tx) error {
		for n := range 1000 {
			path := write(t, filepath.Join(l.Folder, fmt.Sprintf("%d.iso", n)), "x")
			stamp, err := stat(path)
			if err != nil {
				return err
			}
			if err := put(tx, Image{Name: fmt.Sprintf("i%d", n), Path: path, File: stamp, Size: 1,
				Found: &Recognised{System: "test", Detail: json.RawMessage(`"` + strings.Repeat("x", 2000) + `"`)}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Hour
	for range 5 { // other tests run beside this one
		began := processorTime(t)
		all, err := l.List(t.Context())
		if err != nil || len(all) != 1000 {
			t.Fatalf("%d images, %v", len(all), err)
		}
		for _, i := range all {
			if state, err := i.State(); state != StateOK {
				t.Fatalf("%s: %s, %v", i.Name, state, err)
			}
		}
		took = min(took, processorTime(t)-began)
	}
	t.Logf("listing 1,000 images and looking at their files took %v of processor time", took)
	if took > time.Second {
		t.Errorf("that took %v, at most a second is allowed", took)
	}
	w := newWatcher(l, WatchOptions{Event: func(e Event) { t.Errorf("event %v", e) }})
	began := time.Now()
	w.scan(t.Context(), time.Now())
	t.Logf("a scan took %v", time.Since(began))
}

// processorTime is what this process has used so far: how long a thing takes by
// the clock is the affair of whatever else runs.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
