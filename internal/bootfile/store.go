package bootfile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// store is the folder of Remote's copies. For each URL there are two files,
// named by its SHA-256: <url>.json says what is kept, <url>-<content>.data is
// the content. The data is on stable storage before the json that names it,
// and never written again, so a copy is whole at any moment, also after a
// power cut.
type store struct {
	dir string
	mu  sync.Mutex
	all map[string]kept // by URL
}

// kept describes one copy.
type kept struct {
	URL          string    `json:"url"`
	File         string    `json:"file"` // within the folder
	Size         int64     `json:"size"` // octets
	SHA256       string    `json:"sha256"`
	Validator    string    `json:"etag,omitempty"`          // the origin's ETag, as sent
	LastModified string    `json:"last_modified,omitempty"` // the origin's, as sent
	Modified     time.Time `json:"modified"`                // the same as a time; of the download if there is none
}

// etag is the content's, so that every server has the same for it.
func (k kept) etag() string { return `"` + k.SHA256 + `"` }

func key(url string) string {
	sum := sha256.Sum256([]byte(url))
	return hex.EncodeToString(sum[:16])
}

// openStore reads which copies of the URLs are in a folder and removes
// everything else: parts of downloads, copies of URLs no longer wanted.
func openStore(dir string, urls map[string]string) (*store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder for copies of remote files: %v", err)
	}
	s := &store{dir: dir, all: map[string]kept{}}
	wanted := map[string]bool{}
	for _, url := range urls {
		if k, ok := s.load(url); ok {
			s.all[url] = k
			wanted[key(url)+".json"] = true
			wanted[k.File] = true
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the folder of copies of remote files: %v", err)
	}
	for _, e := range entries {
		if !wanted[e.Name()] {
			os.Remove(filepath.Join(dir, e.Name())) // what cannot go now goes next time
		}
	}
	return s, nil
}

// load reads the description of a copy; ok is false for one that is not
// there, cannot be understood, or whose data has not its size.
func (s *store) load(url string) (k kept, ok bool) {
	b, err := os.ReadFile(filepath.Join(s.dir, key(url)+".json"))
	if err != nil || json.Unmarshal(b, &k) != nil {
		return kept{}, false
	}
	if k.URL != url || filepath.Base(k.File) != k.File || !strings.HasPrefix(k.File, key(url)) {
		return kept{}, false
	}
	info, err := os.Stat(filepath.Join(s.dir, k.File))
	return k, err == nil && info.Mode().IsRegular() && info.Size() == k.Size
}

func (s *store) lookup(url string) (kept, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.all[url]
	return k, ok
}

func (s *store) has(url string) bool {
	_, ok := s.lookup(url)
	return ok
}

// open opens the copy of a URL. Under the lock, its file cannot be replaced
// between the look-up and the opening; afterwards it may.
func (s *store) open(url string) (*os.File, kept, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.all[url]
	if !ok {
		return nil, kept{}, fmt.Errorf("there is no copy of %s", redacted(url))
	}
	f, err := os.Open(filepath.Join(s.dir, k.File))
	if err != nil {
		delete(s.all, url) // somebody removed it: the next one downloads it
		return nil, kept{}, err
	}
	return f, k, nil
}

// save makes what it reads, of at most limit octets, the copy of a URL.
func (s *store) save(url string, header http.Header, content io.Reader, limit int64) error {
	k := kept{URL: url, Validator: header.Get("ETag"), LastModified: header.Get("Last-Modified")}
	var err error
	if k.Modified, err = http.ParseTime(k.LastModified); err != nil {
		k.Modified = time.Now().UTC().Truncate(time.Second)
	}
	part, err := os.CreateTemp(s.dir, key(url)+"-*.part")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name()) // fails once it has been renamed
	sum := sha256.New()
	k.Size, err = io.Copy(io.MultiWriter(part, sum), content)
	if err == nil && k.Size > limit {
		err = fmt.Errorf("it has more than %d octets", limit)
	}
	if err == nil {
		err = part.Sync()
	}
	if closing := part.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	k.SHA256 = hex.EncodeToString(sum.Sum(nil))
	k.File = key(url) + "-" + k.SHA256[:16] + ".data"
	return s.replace(url, part.Name(), k)
}

// replace puts a finished download in the place of a copy.
func (s *store) replace(url, part string, k kept) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.Rename(part, filepath.Join(s.dir, k.File)); err != nil {
		return err
	}
	b, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	if err := writeDurably(filepath.Join(s.dir, key(url)+".json"), b); err != nil {
		return err
	}
	if old, ok := s.all[url]; ok && old.File != k.File {
		os.Remove(filepath.Join(s.dir, old.File)) // those who read it go on reading
	}
	s.all[url] = k
	return nil
}

// writeDurably replaces a file as a whole: after a power cut there is the old
// one or the new one.
func writeDurably(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*.part")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it has been renamed
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
