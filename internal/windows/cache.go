package windows

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"sync"

	"hobnail/internal/bootfile"
	"hobnail/internal/model"
	"hobnail/internal/peagent"
	"hobnail/internal/wim"
)

const (
	// maxWIMs is how many WIMs are kept that nobody reads: each has some 4 MiB of
	// tables, and maxSmall of files.
	maxWIMs = 4
	// smallFile is the largest file that is kept in memory, and maxSmall how much
	// of such files of one WIM is: boot manager, boot.sdi and fonts have some 8 MiB.
	smallFile = 4 << 20
	maxSmall  = 12 << 20
	// maxPatched is how many patched WIMs are kept that nobody reads, of each WIM:
	// each has a megabyte or two of changed directories.
	maxPatched = 16
)

// opened is a WIM that machines boot from. It stays as long as somebody reads
// it.
type opened struct {
	base  *bootfile.File // what it reads; closed with the last user
	users int            // guarded by Set.mu, as the next
	used  uint64         // turn of its last use

	load  sync.Once
	image *wim.Image
	err   error

	mu      sync.Mutex
	small   map[string][]byte
	sum     int
	patched map[string]*patched // by key
	turn    uint64
}

// patched is boot.wim as one attempt to install gets it.
type patched struct {
	key  string
	make sync.Once
	wim  *wim.Patched
	err  error
	used uint64
}

// wim gives a WIM, with one user more. What is there is used as long as the file
// is the same.
func (s *Set) wim(name string, whole *bootfile.File) (*opened, error) {
	w, err := s.entry(name, whole)
	if err != nil {
		return nil, err
	}
	w.load.Do(func() { w.image, w.err = wim.Open(w.base.Content, w.base.Size, 0) })
	if w.err != nil {
		s.release(w)
		return nil, w.err
	}
	return w, nil
}

func (s *Set) entry(name string, whole *bootfile.File) (*opened, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn++
	if w := s.wims[name]; w != nil {
		if w.base.ETag == whole.ETag && w.base.Size == whole.Size {
			w.users++
			w.used = s.turn
			return w, nil
		}
		s.drop(name)
	}
	// Of its own, for it outlives the request. Nobody is named as its reader.
	own, err := s.Files.Open(context.Background(), bootfile.Request{Name: name})
	if err != nil {
		return nil, err
	}
	w := &opened{base: own, users: 2, used: s.turn} // its reader, and its place here
	if s.wims == nil {
		s.wims = map[string]*opened{}
	}
	s.wims[name] = w
	s.trim()
	return w, nil
}

// trim lets the WIM go that was not read for the longest time, where there are
// too many.
func (s *Set) trim() {
	for len(s.wims) > maxWIMs {
		oldest := ""
		for name, w := range s.wims {
			if oldest == "" || w.used < s.wims[oldest].used {
				oldest = name
			}
		}
		s.drop(oldest)
	}
}

// drop takes a WIM's place away; who reads it goes on.
func (s *Set) drop(name string) {
	w := s.wims[name]
	delete(s.wims, name)
	s.leave(w)
}

func (s *Set) release(w *opened) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(w)
}

func (s *Set) leave(w *opened) {
	if w.users--; w.users == 0 {
		w.base.Close()
	}
}

// Close closes what nobody reads any more.
func (s *Set) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.wims {
		s.drop(name)
	}
	return nil
}

// file gives a file of the WIM's image. What every machine reads is unpacked
// once.
func (w *opened) file(name string) (content io.ReaderAt, size int64, err error) {
	key := strings.ToLower(name)
	w.mu.Lock()
	b, ok := w.small[key]
	w.mu.Unlock()
	if ok {
		return bytes.NewReader(b), int64(len(b)), nil
	}
	r, err := w.image.Open(name)
	if err != nil {
		return nil, 0, err
	}
	if r.Size() > smallFile {
		return r, r.Size(), nil
	}
	b = make([]byte, r.Size())
	if n, err := r.ReadAt(b, 0); n < len(b) {
		return nil, 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.small == nil {
		w.small = map[string][]byte{}
	}
	if _, ok := w.small[key]; !ok && w.sum+len(b) <= maxSmall {
		w.small[key] = b
		w.sum += len(b)
	}
	return bytes.NewReader(b), int64(len(b)), nil
}

// patched gives boot.wim with the agent for an attempt. The same attempt gets
// the same octets, whether they are still kept or made anew.
func (s *Set) patched(w *opened, b Boot) (*patched, error) {
	a, err := s.agent(b.Image.CPU)
	if err != nil {
		return nil, err
	}
	config := peagent.Config{Server: b.Server, Token: b.Token, Image: b.Image.Name, Index: b.Index}
	p := w.keep(fmt.Sprintf("%x %+v", a.sum, config))
	p.make.Do(func() {
		var files []wim.File
		if files, p.err = agentFiles(a.program, config); p.err == nil {
			p.wim, p.err = w.image.Patch(files)
		}
	})
	return p, p.err
}

// keep gives the place of a patched WIM, and lets others go.
func (w *opened) keep(key string) *patched {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn++
	p := w.patched[key]
	if p == nil {
		p = &patched{key: key}
		if w.patched == nil {
			w.patched = map[string]*patched{}
		}
		w.patched[key] = p
	}
	p.used = w.turn
	for len(w.patched) > maxPatched {
		oldest := key
		for k, other := range w.patched {
			if other.used < w.patched[oldest].used {
				oldest = k
			}
		}
		delete(w.patched, oldest)
	}
	return p
}

// agentFiles are what is laid over boot.wim.
func agentFiles(program []byte, c peagent.Config) ([]wim.File, error) {
	files, err := peagent.Files(program, c)
	if err != nil {
		return nil, err
	}
	all := make([]wim.File, len(files))
	for i, f := range files {
		all[i] = wim.File{Path: f.Name, Size: int64(len(f.Content)), Content: bytes.NewReader(f.Content)}
	}
	return all, nil
}

// agent is hobnail-pe.exe for one processor: 7 MB, once for all machines.
type agent struct {
	program []byte
	sum     [sha256.Size]byte
}

func (s *Set) agent(c model.CPU) (*agent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.agents[c]; ok {
		return a, nil
	}
	b, err := s.Agent(c)
	if err != nil {
		return nil, err
	}
	if s.agents == nil {
		s.agents = map[model.CPU]*agent{}
	}
	s.agents[c] = &agent{b, sha256.Sum256(b)}
	return s.agents[c], nil
}
