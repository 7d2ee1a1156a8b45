package library

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hobnail/internal/store/mem"
)

// watched is a watcher whose looks and clock are the test's.
type looker struct {
	t      *testing.T
	w      *watcher
	now    time.Time
	events []string
}

func look(t *testing.T, l *Library) *looker {
	t.Helper()
	if err := os.MkdirAll(l.Folder, 0o755); err != nil {
		t.Fatal(err)
	}
	k := &looker{t: t, now: time.Now()}
	k.w = newWatcher(l, WatchOptions{Event: func(e Event) {
		text := fmt.Sprintf("%s %s %s", e.Kind, filepath.Base(e.Path), e.Image)
		k.events = append(k.events, strings.TrimSpace(text))
	}})
	return k
}

// after lets time pass and looks; the events since the last time must be these.
func (k *looker) after(d time.Duration, want ...string) time.Duration {
	k.t.Helper()
	k.now = k.now.Add(d)
	wait := k.w.scan(k.t.Context(), k.now)
	if len(want) != len(k.events) || len(want) > 0 && strings.Join(want, "\n") != strings.Join(k.events, "\n") {
		k.t.Errorf("events %q, want %q", k.events, want)
	}
	k.events = nil
	return wait
}

func TestWatchAddsWhatHasSettled(t *testing.T) {
	l := newLibrary(t)
	k := look(t, l)
	same(t, "wait in an empty folder", defaultRescan, k.after(0))
	path := write(t, filepath.Join(l.Folder, "sub", "a.iso"), "ISO A\n")
	for _, name := range []string{".b.iso", "~b.iso", "b.iso.part", "b.txt", ".hidden/b.iso"} {
		write(t, filepath.Join(l.Folder, name), "ISO B\n")
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(l.Folder, "link.iso")); err != nil {
		t.Fatal(err)
	}
	same(t, "wait for the file", defaultQuiet, k.after(0))
	same(t, "wait for the rest", 2*time.Second, k.after(3*time.Second))
	k.after(2*time.Second, "added a.iso a")
	k.after(time.Hour)
	i, err := l.Show(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "path and who", []string{path, byFolder}, []string{i.Path, i.By})
}

// TestWatchLeavesASlowWriterAlone: a copy that takes long is read once, when it
// is done, though its size is set at the beginning, as Windows does over SMB.
func TestWatchLeavesASlowWriterAlone(t *testing.T) {
	l := newLibrary(t)
	k := look(t, l)
	reads := 0
	l.Recognise = func(path string) (Recognised, error) { reads++; return standIn(path) }
	f, err := os.Create(filepath.Join(l.Folder, "a.iso"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(1000); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		if n%4 == 0 {
			f.WriteAt([]byte("ISO A\n"), int64(n)*6)
		}
		k.after(4 * time.Second)
	}
	same(t, "reads while it is written", 0, reads)
	f.Close()
	k.after(5*time.Second, "added a.iso a")
	same(t, "reads", 1, reads)
}

func TestBeingWritten(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "a"), "x")
	if beingWritten(path) {
		t.Error("a closed file is being written")
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !beingWritten(path) {
		t.Error("a file that is open for writing is not being written")
	}
	f.Close()
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if beingWritten(path) {
		t.Error("a file that is open for reading is being written")
	}
}

func TestWatchFollows(t *testing.T) {
	l := newLibrary(t)
	k := look(t, l)
	a := write(t, filepath.Join(l.Folder, "a.iso"), "ISO A\n")
	k.after(0)
	k.after(5*time.Second, "added a.iso a")
	title := "Mine"
	if _, err := l.Set(t.Context(), "a", Change{Edits: Edits{Title: &title}}); err != nil {
		t.Fatal(err)
	}
	shown := func() string {
		i, err := l.Show(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		return i.Shown() + " " + filepath.Base(i.Path) + " " + i.SHA256[:8]
	}
	sumA, sumB := hexOf("ISO A\n")[:8], hexOf("ISO B\n")[:8]

	// Renamed: nothing is read.
	read := 0
	l.Recognise = func(path string) (Recognised, error) { read++; return standIn(path) }
	b := filepath.Join(l.Folder, "new", "b.iso")
	if err := os.Mkdir(filepath.Dir(b), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(a, b); err != nil {
		t.Fatal(err)
	}
	k.after(time.Second, "moved b.iso a")
	same(t, "after the move", "Mine b.iso "+sumA, shown())
	same(t, "reads", 0, read)

	// Removed, and back by a copy: known by its content.
	if err := os.Remove(b); err != nil {
		t.Fatal(err)
	}
	k.after(time.Second, "missing b.iso a")
	k.after(time.Second)
	write(t, filepath.Join(l.Folder, "c.iso"), "ISO A\n")
	k.after(time.Second)
	k.after(5*time.Second, "moved c.iso a")
	same(t, "after it is back", "Mine c.iso "+sumA, shown())

	// Replaced by another release.
	write(t, filepath.Join(l.Folder, ".c.iso"), "ISO B\n")
	if err := os.Rename(filepath.Join(l.Folder, ".c.iso"), filepath.Join(l.Folder, "c.iso")); err != nil {
		t.Fatal(err)
	}
	k.after(time.Second, "changed c.iso a")
	k.after(5*time.Second, "replaced c.iso a")
	same(t, "after it was replaced", "Mine c.iso "+sumB, shown())

	// Touched: hashed anew, and nothing to tell but that it is fine again.
	os.Chtimes(filepath.Join(l.Folder, "c.iso"), time.Unix(5, 0), time.Unix(5, 0))
	k.after(time.Second, "changed c.iso a")
	k.after(5*time.Second, "returned c.iso a")
}

// TestWatchTellsOfFilesElsewhere: it does not add what is outside, and says
// what becomes of it.
func TestWatchTellsOfFilesElsewhere(t *testing.T) {
	l := newLibrary(t)
	path := write(t, filepath.Join(elsewhere(t), "a.iso"), "ISO A\n")
	add(t, l, path, AddOptions{})
	k := look(t, l)
	k.after(0)
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	k.after(time.Minute, "missing a.iso a")
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	k.after(time.Minute, "returned a.iso a")
	write(t, path, "ISO B\n ")
	k.after(time.Minute, "changed a.iso a")
	k.after(time.Minute)
	k2 := look(t, l)
	k2.after(0, "changed a.iso a") // a server that starts tells it as well
}

// TestWatchTriesAFailureOnce: what could not be added is told once, and tried
// again when it changes.
func TestWatchTriesAFailureOnce(t *testing.T) {
	l := newLibrary(t)
	k := look(t, l)
	path := write(t, filepath.Join(l.Folder, "a.iso"), "ISO A\n")
	write(t, filepath.Join(l.Folder, "SHA256SUMS"), hexOf("ISO B\n")+"  a.iso\n")
	k.after(0)
	k.after(5*time.Second, "failed a.iso")
	k.after(time.Hour)
	write(t, path, "ISO B\n")
	os.Chtimes(path, time.Unix(5, 0), time.Unix(5, 0))
	k.after(time.Hour)
	k.after(5*time.Second, "added a.iso a")
}

// TestWatchLeavesRemovedImagesAlone: an image that was removed and whose file
// was kept does not come back by itself.
func TestWatchLeavesRemovedImagesAlone(t *testing.T) {
	l := newLibrary(t)
	k := look(t, l)
	path := write(t, filepath.Join(l.Folder, "a.iso"), "ISO A\n")
	add(t, l, path, AddOptions{})
	if _, err := l.Remove(t.Context(), "a", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	k.after(0)
	k.after(time.Hour)
	add(t, l, path, AddOptions{})
	if _, err := l.Remove(t.Context(), "a", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	write(t, path, "ISO B \n") // another file is another matter
	k.after(time.Hour)
	k.after(5*time.Second, "added a.iso a")
}

// TestWatchBacksOff: a file that grows while it is read is left alone for
// longer each time.
func TestWatchBacksOff(t *testing.T) {
	l := newLibrary(t)
	k := look(t, l)
	path := write(t, filepath.Join(l.Folder, "a.iso"), "ISO A\n")
	k.after(0)
	stamp, err := stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second} {
		l.Tree = nil
		k.w.l.Store = altering{l.Store.(*mem.Store), path}
		same(t, "wait", want, k.w.add(t.Context(), path, stamp, k.now))
		k.w.l.Store = k.w.l.Store.(altering).Store
	}
}

// altering is a store under whose lock somebody writes to a file.
type altering struct {
	*mem.Store
	path string
}

func (a altering) Lock(context.Context, string, func(context.Context) error) error {
	return fmt.Errorf("hashing %s: %w", a.path, errAltered)
}

// TestTwoWatchersOfOneFolder: each has its own library, and neither is in the
// other's way.
func TestTwoWatchersOfOneFolder(t *testing.T) {
	one := newLibrary(t)
	two := &Library{Store: mem.New(), Folder: one.Folder, Recognise: standIn}
	shared := &Library{Store: one.Store, Folder: one.Folder, Recognise: standIn}
	looks := []*looker{look(t, one), look(t, two), look(t, shared)}
	for n := range 20 {
		write(t, filepath.Join(one.Folder, fmt.Sprintf("i%d.iso", n)), fmt.Sprintf("ISO %d\n", n))
	}
	var wg sync.WaitGroup
	for _, k := range looks {
		wg.Go(func() {
			for _, at := range []time.Duration{0, 5 * time.Second} {
				k.w.scan(context.Background(), k.now.Add(at))
			}
		})
	}
	wg.Wait()
	same(t, "images of the one", 20, len(names(t, one)))
	same(t, "images of the other", names(t, one), names(t, two))
	same(t, "told by the two that share a store", 20, len(looks[0].events)+len(looks[2].events))
	same(t, "files", 20, len(files(t, one.Folder)))
}

// TestWatchStarts runs Watch as a server does.
func TestWatchStarts(t *testing.T) {
	l := newLibrary(t)
	events := make(chan Event, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Watch(ctx, WatchOptions{Quiet: 20 * time.Millisecond, Rescan: time.Hour, Event: func(e Event) { events <- e }})
	}()
	next := func(want EventKind) {
		t.Helper()
		select {
		case e := <-events:
			if e.Kind != want {
				t.Fatalf("event %+v, want %s", e, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no event, want %s", want)
		}
	}
	for {
		if _, err := os.Stat(l.Folder); err == nil {
			break
		}
		time.Sleep(time.Millisecond) // until Watch has made it
	}
	sub := filepath.Join(l.Folder, "made", "later")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	path := write(t, filepath.Join(sub, "a.iso"), "ISO A\n")
	next(EventAdded)
	if err := os.Rename(path, filepath.Join(l.Folder, "b.iso")); err != nil {
		t.Fatal(err)
	}
	next(EventMoved)
	if err := os.RemoveAll(l.Folder); err != nil {
		t.Fatal(err)
	}
	next(EventMissing)
	cancel()
	<-done
}

// TestWatchNeverStops: a folder that cannot be read is a fault, told once.
func TestWatchNeverStops(t *testing.T) {
	l := newLibrary(t)
	write(t, l.Folder, "a file in the folder's place")
	k := &looker{t: t, now: time.Now()}
	k.w = newWatcher(l, WatchOptions{Event: func(e Event) { k.events = append(k.events, string(e.Kind)) }})
	k.after(0, "fault")
	k.after(time.Minute)
	if err := os.Remove(l.Folder); err != nil {
		t.Fatal(err)
	}
	k.after(time.Minute)
	l.Store.Close()
	k.after(time.Minute, "fault")
}

// TestFIFOs: what would block whoever opens it is left alone.
func TestFIFOs(t *testing.T) {
	l := newLibrary(t)
	k := look(t, l)
	if err := syscall.Mkfifo(filepath.Join(l.Folder, "a.iso"), 0o644); err != nil {
		t.Fatal(err)
	}
	k.after(0)
	k.after(time.Hour)
	if _, err := l.Add(t.Context(), filepath.Join(l.Folder, "a.iso"), AddOptions{}, nil); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("adding it: %v", err)
	}
}
