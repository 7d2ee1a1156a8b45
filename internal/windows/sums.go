package windows

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"hobnail/internal/bootfile"
)

// Sum is what a file inside an image is.
type Sum struct {
	Size   int64  `json:"size"` // octets
	SHA256 string `json:"sha256"`
}

// Pending is the error of a sum that is still being made.
type Pending struct {
	Name     string
	Done, Of int64 // octets; Of is 0 before it has begun
	Rate     int64 // octets in a second; 0: not known
}

func (p *Pending) Error() string {
	if p.Of == 0 {
		return "the server has not begun yet to make the SHA-256 of " + p.Name
	}
	return fmt.Sprintf("the server makes the SHA-256 of %s: %d of %d MB", p.Name, p.Done/1e6, p.Of/1e6)
}

// Seconds is when it is worth to ask again.
func (p *Pending) Seconds() int {
	if p.Rate <= 0 {
		return 5
	}
	return int(min(max((p.Of-p.Done)/p.Rate+1, 2), 30))
}

// Sums makes the SHA-256 of files inside images, one after the other, and keeps
// them: install.wim has gigabytes, and nobody waits for that at a request. Its
// exported fields do not change.
type Sums struct {
	// Folder keeps them through restarts, a small file each.
	Folder string
	// Open opens a file by its name in the tree.
	Open func(ctx context.Context, r bootfile.Request) (*bootfile.File, error)
	// Told, if not nil, is told of what could not be made or kept.
	Told func(error)

	mu    sync.Mutex
	wants []string // names, in order; the first is being made
	done  int64
	of    int64
	since time.Time
	wake  chan struct{}
	bad   map[string]error // by name, until it is wanted again
}

// kept is the file of a sum.
type kept struct {
	Name string `json:"name"`
	ETag string `json:"etag"` // of the file that it is of
	Sum
}

// Of gives the sum of a file. The error is a *Pending while it is made, which
// asking begins, and what went wrong afterwards, once: asking again tries again.
func (s *Sums) Of(ctx context.Context, name string) (Sum, error) {
	f, err := s.Open(ctx, bootfile.Request{Name: name})
	if err != nil {
		return Sum{}, fmt.Errorf("opening %s: %w", name, err)
	}
	etag, size := f.ETag, f.Size
	f.Close()
	if k, ok := s.read(name); ok && k.ETag == etag && k.Size == size {
		return k.Sum, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.bad[name]; err != nil {
		delete(s.bad, name)
		return Sum{}, err
	}
	s.want(name)
	p := &Pending{Name: filepath.Base(name)}
	if s.wants[0] == name && s.of > 0 {
		p.Done, p.Of = s.done, s.of
		if took := time.Since(s.since); took > 0 {
			p.Rate = int64(float64(s.done) / took.Seconds())
		}
	}
	return Sum{}, p
}

// want puts a name into the queue.
func (s *Sums) want(name string) {
	for _, have := range s.wants {
		if have == name {
			return
		}
	}
	s.wants = append(s.wants, name)
	select {
	case s.woken() <- struct{}{}:
	default:
	}
}

// woken is called with the lock held.
func (s *Sums) woken() chan struct{} {
	if s.wake == nil {
		s.wake = make(chan struct{}, 1)
	}
	return s.wake
}

// Run makes the sums that are wanted, until the context ends.
func (s *Sums) Run(ctx context.Context) error {
	s.mu.Lock()
	wake := s.woken()
	s.mu.Unlock()
	for {
		s.mu.Lock()
		name := ""
		if len(s.wants) > 0 {
			name = s.wants[0]
		}
		s.mu.Unlock()
		if name == "" {
			select {
			case <-ctx.Done():
				return nil
			case <-wake:
				continue
			}
		}
		err := s.make(ctx, name)
		if ctx.Err() != nil {
			return nil
		}
		s.mu.Lock()
		s.wants, s.done, s.of = s.wants[1:], 0, 0
		if err != nil {
			if s.bad == nil {
				s.bad = map[string]error{}
			}
			s.bad[name] = err
		}
		s.mu.Unlock()
		if err != nil && s.Told != nil {
			s.Told(err)
		}
	}
}

// make makes and keeps one.
func (s *Sums) make(ctx context.Context, name string) error {
	f, err := s.Open(ctx, bootfile.Request{Name: name})
	if err != nil {
		return fmt.Errorf("making the SHA-256 of %s: %w", name, err)
	}
	defer f.Close()
	if k, ok := s.read(name); ok && k.ETag == f.ETag && k.Size == f.Size {
		return nil
	}
	s.mu.Lock()
	s.done, s.of, s.since = 0, f.Size, time.Now()
	s.mu.Unlock()
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for at := int64(0); at < f.Size; {
		n, err := f.Content.ReadAt(buf[:min(int64(len(buf)), f.Size-at)], at)
		h.Write(buf[:n])
		at += int64(n)
		s.mu.Lock()
		s.done = at
		s.mu.Unlock()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && (err != io.EOF || at < f.Size) {
			return fmt.Errorf("making the SHA-256 of %s: at octet %d: %v", name, at, err)
		}
	}
	k := kept{Name: name, ETag: f.ETag, Sum: Sum{f.Size, hex.EncodeToString(h.Sum(nil))}}
	if err := s.write(k); err != nil {
		return fmt.Errorf("keeping the SHA-256 of %s: %v", name, err)
	}
	return nil
}

// path is where the sum of a file is kept: names are longer than file names may
// be, and have slashes.
func (s *Sums) path(name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(s.Folder, hex.EncodeToString(sum[:16])+".json")
}

func (s *Sums) read(name string) (k kept, ok bool) {
	b, err := os.ReadFile(s.path(name))
	if err != nil || json.Unmarshal(b, &k) != nil {
		return kept{}, false // it is made anew
	}
	return k, k.Name == name && len(k.SHA256) == 64
}

// write replaces the file as a whole. It need not reach the disk: what is lost is
// made again.
func (s *Sums) write(k kept) error {
	b, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.Folder, 0o700); err != nil {
		return err
	}
	to := s.path(k.Name)
	if err := os.WriteFile(to+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(to+".new", to)
}
