package library

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// notifier wakes whoever waits when something comes, goes or is closed in some
// folders. It does not say what: who wakes looks for himself, so that nothing
// is lost when the kernel's queue runs over.
type notifier struct {
	f    *os.File // inotify(7)
	wake chan struct{}
	seen map[string]int // folders that are watched, with the kernel's number
}

func newNotifier() (*notifier, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watching the folder of images: %v", err)
	}
	n := &notifier{f: os.NewFile(uintptr(fd), "inotify"), wake: make(chan struct{}, 1), seen: map[string]int{}}
	go n.hear()
	return n, nil
}

// events are those by which a file may become whole, or go. A write is none:
// a slow copy has thousands.
const events = unix.IN_CREATE | unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE |
	unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ATTRIB | unix.IN_ONLYDIR

// watch adds folders, and leaves out those that are not among them any more.
func (n *notifier) watch(folders []string) error {
	now := map[string]int{}
	var failed error
	for _, path := range folders {
		// A folder that was made anew under its name gets a number of its own.
		wd, err := unix.InotifyAddWatch(int(n.f.Fd()), path, events)
		if err != nil {
			failed = fmt.Errorf("watching %s: %v", path, err)
			continue
		}
		now[path] = wd
	}
	used := map[int]bool{}
	for _, wd := range now {
		used[wd] = true
	}
	for _, wd := range n.seen {
		if !used[wd] {
			_, _ = unix.InotifyRmWatch(int(n.f.Fd()), uint32(wd)) // the kernel may have done so
		}
	}
	n.seen = now
	return failed
}

func (n *notifier) hear() {
	buf := make([]byte, 64<<10)
	for {
		if _, err := n.f.Read(buf); err != nil {
			return // it was closed
		}
		select {
		case n.wake <- struct{}{}:
		default: // it has not looked since the last one
		}
	}
}

func (n *notifier) close() { n.f.Close() }
