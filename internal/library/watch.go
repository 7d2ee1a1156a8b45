package library

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"hobnail/internal/store"
)

// EventKind says what happened in the folder, or to an image's file.
type EventKind string

const (
	EventAdded    EventKind = "added"
	EventReplaced EventKind = "replaced" // another file was in its place, and is the image now
	EventMoved    EventKind = "moved"    // the file has another path
	EventChanged  EventKind = "changed"  // it is not what was added: it is not served
	EventMissing  EventKind = "missing"  // it cannot be read
	EventReturned EventKind = "returned" // it is there again, or what was added
	EventFailed   EventKind = "failed"   // a file could not be added; it is tried again when it changes
	EventFault    EventKind = "fault"    // the folder or the store could not be read; it is tried again
)

// Event is what Watch tells.
type Event struct {
	Kind  EventKind
	Path  string
	Image string // name; "" where there is none
	Err   error  // why
}

// WatchOptions say how the folder is watched. The zero value will do.
type WatchOptions struct {
	Quiet  time.Duration // how long a file must not have changed; 0: 5 s
	Rescan time.Duration // how often to look unasked, for changes that the kernel does not tell of; 0: 1 min
	Event  func(Event)   // nil: nobody listens
	Tell   func(Progress)
}

const (
	defaultQuiet  = 5 * time.Second
	defaultRescan = time.Minute
	longestQuiet  = 5 * time.Minute
	// scanPace is the least time between two looks.
	scanPace = 200 * time.Millisecond
)

// byFolder is who added what the watch found.
const byFolder = "folder"

// watcher is a running Watch.
type watcher struct {
	l       *Library
	o       WatchOptions
	pending map[string]pending // files that are not added yet, by path
	failed  map[string]Stamp   // files that could not be
	states  map[string]State   // of images, as told
	faults  string             // told last
}

// pending is a file that may still be growing.
type pending struct {
	stamp Stamp
	since time.Time     // it has been like this
	quiet time.Duration // that it has to be
}

// Watch makes the folder, adds what is put into it, and tells when images
// change or go, until the context ends. Nothing else stops it.
func (l *Library) Watch(ctx context.Context, o WatchOptions) {
	w := newWatcher(l, o)
	if _, err := l.folder(); err != nil {
		w.fault(err)
	}
	sweep(l.Folder, time.Now())
	n, err := newNotifier()
	wake := make(<-chan struct{})
	if err != nil {
		w.fault(err)
	} else {
		defer n.close()
		wake = n.wake
	}
	for {
		// Folders are watched before they are read: what comes between is told.
		if n != nil {
			_, folders := imageFiles(l.Folder)
			if err := n.watch(folders); err != nil {
				w.fault(err)
			}
		}
		wait := min(w.scan(ctx, time.Now()), w.o.Rescan)
		if !sleep(ctx, wake, max(wait, min(scanPace, w.o.Quiet))) {
			return
		}
	}
}

// sleep waits for a wake or a time; a wake is let settle, as one rarely comes
// alone. It reports whether to go on.
func sleep(ctx context.Context, wake <-chan struct{}, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
		select {
		case <-ctx.Done():
			return false
		case <-time.After(min(scanPace, wait)):
		}
	}
	return true
}

func newWatcher(l *Library, o WatchOptions) *watcher {
	if o.Quiet == 0 {
		o.Quiet = defaultQuiet
	}
	if o.Rescan == 0 {
		o.Rescan = defaultRescan
	}
	return &watcher{l: l, o: o, pending: map[string]pending{}, failed: map[string]Stamp{}, states: map[string]State{}}
}

func (w *watcher) tell(e Event) {
	if w.o.Event != nil {
		w.o.Event(e)
	}
}

// fault tells a fault that is not a file's, once as long as it stays the same.
func (w *watcher) fault(err error) {
	if text := err.Error(); text != w.faults {
		w.faults = text
		w.tell(Event{Kind: EventFault, Path: w.l.Folder, Err: err})
	}
}

// scan looks at the folder and at all images once. It gives how long to wait
// until a file may be ready.
func (w *watcher) scan(ctx context.Context, now time.Time) time.Duration {
	wait := w.o.Rescan
	all, err := w.l.List(ctx)
	left, err2 := w.l.ignores(ctx)
	if err := errors.Join(err, err2); err != nil {
		if ctx.Err() == nil {
			w.fault(err)
		}
		return wait
	}
	folder, err := w.l.folder()
	if err == nil {
		_, err = os.ReadDir(folder)
	}
	if err != nil {
		w.fault(err)
		w.look(all, nil)
		return wait
	}
	files, _ := imageFiles(folder)
	known := make(map[string]Image, len(all))
	for _, i := range all {
		known[i.Path] = i
	}
	present := map[string]bool{}
	for _, path := range files {
		if ctx.Err() != nil {
			return wait
		}
		present[path] = true
		wait = min(wait, w.file(ctx, path, known, left, now))
	}
	for path := range w.pending {
		if !present[path] {
			delete(w.pending, path)
		}
	}
	for path := range w.failed {
		if !present[path] {
			delete(w.failed, path)
		}
	}
	if all, err = w.l.List(ctx); err == nil && w.look(all, present) {
		wait = min(wait, scanPace)
	}
	return wait
}

// file looks at one file of the folder. It gives when to look again.
func (w *watcher) file(ctx context.Context, path string, all map[string]Image, left map[string]Stamp, now time.Time) time.Duration {
	stamp, err := stat(path)
	if err != nil {
		return w.o.Rescan // it went, or is somebody's own
	}
	known, isKnown := all[path]
	ignored, isIgnored := left[path]
	failed, isFailed := w.failed[path]
	switch {
	case isKnown && known.File.same(stamp), isIgnored && ignored.same(stamp), isFailed && failed.same(stamp):
		delete(w.pending, path)
		return w.o.Rescan
	}
	if old, ok := movedFrom(all, stamp); ok && !isKnown {
		if err := w.move(ctx, old, path); err == nil {
			return w.o.Rescan
		}
	}
	if wait := w.settle(path, stamp, now); wait > 0 {
		return wait
	}
	return w.add(ctx, path, stamp, now)
}

// settle says how long a file has to stay as it is before it is read.
func (w *watcher) settle(path string, stamp Stamp, now time.Time) time.Duration {
	p, ok := w.pending[path]
	if !ok {
		p.quiet = w.o.Quiet
	}
	if !ok || !p.stamp.same(stamp) {
		p.stamp, p.since = stamp, now
		w.pending[path] = p
	}
	wait := p.since.Add(p.quiet).Sub(now)
	if wait <= 0 && beingWritten(path) {
		// A writer that pauses, or that has set the size before it writes, as
		// Windows does over SMB.
		p.since = now
		w.pending[path] = p
		return p.quiet
	}
	return max(wait, 0)
}

// beingWritten reports whether somebody has a file open for writing: then the
// kernel gives no lease for reading (fcntl(2), F_SETLEASE). Where it cannot
// say, as on network file systems, nobody does.
func beingWritten(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	if err == nil {
		_, _ = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	}
	return err == unix.EAGAIN
}

// add adds a file that has settled.
func (w *watcher) add(ctx context.Context, path string, stamp Stamp, now time.Time) time.Duration {
	r, err := w.l.addFile(ctx, path, adding{AddOptions: AddOptions{By: byFolder}, tell: w.o.Tell})
	switch {
	case ctx.Err() != nil:
		return w.o.Rescan
	case errors.Is(err, errAltered):
		// It goes on growing: it is left alone for longer.
		p := w.pending[path]
		p.quiet = min(2*p.quiet, longestQuiet)
		p.stamp, p.since = Stamp{}, now
		w.pending[path] = p
		return p.quiet
	case errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrFull):
		w.fault(err) // no fault of the file
		return w.o.Rescan
	}
	delete(w.pending, path)
	if err != nil {
		if _, gone := os.Lstat(path); gone == nil {
			w.failed[path] = stamp
			w.tell(Event{Kind: EventFailed, Path: path, Err: err})
		}
		return w.o.Rescan
	}
	kind := map[Did]EventKind{DidAdd: EventAdded, DidReplace: EventReplaced, DidMove: EventMoved}[r.Did]
	if kind != "" {
		w.tell(Event{Kind: kind, Path: path, Image: r.Image.Name})
		w.states[r.Image.Name] = StateOK
	}
	return w.o.Rescan
}

// movedFrom finds the image whose file went and is a file of another path now.
func movedFrom(all map[string]Image, stamp Stamp) (Image, bool) {
	for _, i := range all {
		if i.File.same(stamp) {
			if _, err := os.Lstat(i.Path); errors.Is(err, os.ErrNotExist) {
				return i, true
			}
		}
	}
	return Image{}, false
}

// move writes down that a file has another path, without reading it.
func (w *watcher) move(ctx context.Context, old Image, path string) error {
	err := w.l.Store.Update(ctx, func(tx store.Tx) error {
		i, err := get(tx, old.Name)
		if err != nil {
			return err
		}
		if i.Path != old.Path || !i.File.same(old.File) {
			return errors.New("it is another image by now")
		}
		i.Path = path
		return put(tx, i)
	})
	if err == nil {
		w.tell(Event{Kind: EventMoved, Path: path, Image: old.Name})
	}
	return err
}

// look tells what changed about the files of images, wherever they are. A file
// that was listed a moment ago and is not there is on its way to another name:
// soon says that the next look will know.
func (w *watcher) look(all []Image, listed map[string]bool) (soon bool) {
	names := map[string]bool{}
	for _, i := range all {
		names[i.Name] = true
		state, err := i.State()
		if state == StateMissing && listed[i.Path] {
			soon = true
			continue
		}
		was, told := w.states[i.Name]
		w.states[i.Name] = state
		switch {
		case state == was || !told && state == StateOK:
		case state == StateOK:
			w.tell(Event{Kind: EventReturned, Path: i.Path, Image: i.Name})
		case state == StateMissing:
			w.tell(Event{Kind: EventMissing, Path: i.Path, Image: i.Name, Err: err})
		default:
			w.tell(Event{Kind: EventChanged, Path: i.Path, Image: i.Name, Err: err})
		}
	}
	for name := range w.states {
		if !names[name] {
			delete(w.states, name)
		}
	}
	return soon
}
