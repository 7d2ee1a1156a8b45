package bootfile

import (
	"fmt"
	"os"
	"sync"
)

// maxHandles is how many files are kept open that nobody reads.
const maxHandles = 64

// handles are files that are open. Opening one takes a guard's thread, some
// 50 µs; asking whether what is open is still what lies there takes two, and
// machines, and those who forge them, ask for the same few files.
type handles struct {
	mu   sync.Mutex
	all  map[string]*handle // by name
	idle int
}

// handle is one open file.
type handle struct {
	file    *os.File
	info    os.FileInfo
	etag    string
	users   int
	dropped bool // not among all any more
}

// get gives the handle of a name, with one user more, or nil if there is none
// or another file, or none, lies there now.
func (s *handles) get(name string, p place) *handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.all[name]
	if h == nil {
		return nil
	}
	info, err := p.root.Lstat(p.base)
	if err != nil || !os.SameFile(info, h.info) || info.Size() != h.info.Size() || !info.ModTime().Equal(h.info.ModTime()) {
		s.drop(name, h)
		return nil
	}
	if h.users++; h.users == 1 {
		s.idle--
	}
	return h
}

// put keeps a file that was opened, with its first user.
func (s *handles) put(name string, f *os.File, info os.FileInfo) *handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &handle{file: f, info: info, users: 1, etag: fmt.Sprintf("\"%x-%x\"", info.Size(), info.ModTime().UnixNano())}
	if old := s.all[name]; old != nil {
		s.drop(name, old) // two have opened it at the same time
	}
	if s.all == nil {
		s.all = map[string]*handle{}
	}
	s.all[name] = h
	return h
}

// release takes one user away. Where too many files are open that nobody
// reads, one of them is closed.
func (s *handles) release(h *handle) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.users--; h.users > 0 {
		return nil
	}
	if h.dropped {
		return h.file.Close()
	}
	if s.idle++; s.idle <= maxHandles {
		return nil
	}
	for name, other := range s.all { // whichever comes first
		if other.users == 0 {
			s.drop(name, other)
			break
		}
	}
	return nil
}

// drop forgets a handle; who reads it goes on.
func (s *handles) drop(name string, h *handle) {
	delete(s.all, name)
	h.dropped = true
	if h.users == 0 {
		s.idle--
		h.file.Close()
	}
}
