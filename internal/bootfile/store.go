package bootfile

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
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
	root  *os.Root
	guard *guard // opens what is served
	mu    sync.Mutex
	all   map[string]kept // by URL
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
func openStore(dir string, urls map[string]string, landlock bool) (*store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder for copies of remote files: %v", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the folder for copies of remote files: %v", err)
	}
	s := &store{root: root, guard: &guard{}, all: map[string]kept{}}
	wanted := map[string]bool{}
	for _, url := range urls {
		if k, ok := s.load(url); ok {
			s.all[url] = k
			wanted[key(url)+".json"] = true
			wanted[k.File] = true
		}
	}
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("reading the folder of copies of remote files: %v", err)
	}
	for _, e := range entries {
		if !wanted[e.Name()] {
			root.Remove(e.Name()) // what cannot go now goes next time
		}
	}
	if landlock && HasLandlock() {
		err = s.restrict()
	}
	return s, err
}

// restrict lets the copies be opened by threads that can read nothing else.
func (s *store) restrict() error {
	folder, err := s.root.Open(".")
	if err != nil {
		return fmt.Errorf("opening the folder of copies of remote files: %v", err)
	}
	defer folder.Close()
	s.guard, err = newGuard([]*os.File{folder})
	return err
}

// load reads the description of a copy; ok is false for one that is not
// there, cannot be understood, or whose data has not its size.
func (s *store) load(url string) (k kept, ok bool) {
	b, err := s.root.ReadFile(key(url) + ".json")
	if err != nil || json.Unmarshal(b, &k) != nil {
		return kept{}, false
	}
	if k.URL != url || filepath.Base(k.File) != k.File || !strings.HasPrefix(k.File, key(url)) {
		return kept{}, false
	}
	info, err := s.root.Lstat(k.File)
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
	f, err := s.guard.do(func() (*os.File, error) { return s.root.Open(k.File) })
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
	part, name, err := s.create(key(url))
	if err != nil {
		return err
	}
	defer s.root.Remove(name) // fails once it has been renamed
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
	return s.replace(url, name, k)
}

// replace puts a finished download in the place of a copy.
func (s *store) replace(url, part string, k kept) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.root.Rename(part, k.File); err != nil {
		return err
	}
	b, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	if err := s.writeDurably(key(url)+".json", b); err != nil {
		return err
	}
	if old, ok := s.all[url]; ok && old.File != k.File {
		s.root.Remove(old.File) // those who read it go on reading
	}
	s.all[url] = k
	return nil
}

// create makes a file that nobody has yet, for octets on their way.
func (s *store) create(stem string) (f *os.File, name string, err error) {
	name = stem + "-" + rand.Text() + ".part"
	f, err = s.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	return f, name, err
}

// writeDurably replaces a file as a whole: after a power cut there is the old
// one or the new one.
func (s *store) writeDurably(name string, b []byte) error {
	f, part, err := s.create(name)
	if err != nil {
		return err
	}
	defer s.root.Remove(part) // fails once it has been renamed
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = s.root.Rename(part, name)
	}
	if err != nil {
		return err
	}
	folder, err := s.root.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
