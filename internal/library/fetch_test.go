package library

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// origin is a web server with one file, and with manners that a test chooses.
type origin struct {
	mu       sync.Mutex
	content  string
	etag     string // "": none
	ranges   bool
	cut      []int // after how many octets of a body the connection is cut, answer by answer; then never
	status   []int // likewise, what is answered instead
	chunked  bool  // the length is not announced
	asked    []string
	lists    map[string]string // other files
	onAnswer func()
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !strings.HasSuffix(r.URL.Path, "/a.iso") {
		if list, ok := o.lists[r.URL.Path]; ok {
			fmt.Fprint(w, list)
			return
		}
		http.NotFound(w, r)
		return
	}
	o.asked = append(o.asked, r.Header.Get("Range"))
	if len(o.status) > 0 {
		code := o.status[0]
		o.status = o.status[1:]
		if code != 0 {
			w.WriteHeader(code)
			return
		}
	}
	body, from := o.content, 0
	if o.etag != "" {
		w.Header().Set("ETag", o.etag)
	}
	first, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
	if ok && o.ranges && r.Header.Get("If-Range") == o.etag {
		from, _ = strconv.Atoi(strings.TrimSuffix(first, "-"))
		if from >= len(body) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
	}
	if !o.chunked {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)-from))
	}
	if from > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	body = body[from:]
	if len(o.cut) > 0 {
		n := o.cut[0]
		o.cut = o.cut[1:]
		if n < len(body) {
			fmt.Fprint(w, body[:n])
			w.(http.Flusher).Flush()
			if o.onAnswer != nil {
				o.onAnswer()
			}
			panic(http.ErrAbortHandler)
		}
	}
	fmt.Fprint(w, body)
}

func TestAddURL(t *testing.T) {
	content := "ISO A\n" + strings.Repeat("0123456789", 300000)
	for name, tc := range map[string]struct {
		o    *origin
		want string // of the error; "" for success
		asks []string
	}{
		"whole":                          {&origin{etag: `"1"`, ranges: true}, "", []string{""}},
		"no length":                      {&origin{chunked: true}, "", []string{""}},
		"cut twice, resumed":             {&origin{etag: `"1"`, ranges: true, cut: []int{1000000, 500000}}, "", []string{"", "bytes=1000000-", "bytes=1500000-"}},
		"cut, a server without ranges":   {&origin{etag: `"1"`, cut: []int{1000000}}, "", []string{"", "bytes=1000000-"}},
		"cut, nothing to know it by":     {&origin{ranges: true, cut: []int{1000000}}, "", []string{"", ""}},
		"cut, no length, resumed":        {&origin{etag: `"1"`, ranges: true, chunked: true, cut: []int{1000000}}, "", []string{"", "bytes=1000000-"}},
		"cut, a weak tag":                {&origin{etag: `W/"1"`, ranges: true, cut: []int{1000000}}, "", []string{"", ""}},
		"cut, then busy for a while":     {&origin{etag: `"1"`, ranges: true, cut: []int{1000000}, status: []int{0, 503, 429}}, "", []string{"", "bytes=1000000-", "bytes=1000000-", "bytes=1000000-"}},
		"cut at the same place for ever": {&origin{etag: `"1"`, cut: []int{5, 5, 5, 5, 5, 5, 5}}, "after 5 octets: unexpected EOF (after 5 attempts)", nil},
		"not there":                      {&origin{status: []int{404}}, "the server answers 404 Not Found", []string{""}},
		"forbidden":                      {&origin{status: []int{403}}, "the server answers 403 Forbidden", []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLibrary(t)
			tc.o.content = content
			server := httptest.NewServer(tc.o)
			defer server.Close()
			var last Progress
			all, err := l.Add(t.Context(), server.URL+"/iso/a.iso?x=1#y", AddOptions{By: "anna"}, func(p Progress) { last = p })
			if tc.asks != nil {
				same(t, "ranges", tc.asks, tc.o.asked)
			}
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("error %v, want %q", err, tc.want)
				}
				same(t, "images", []string{}, names(t, l))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			i := all[0].Image
			same(t, "sum", hexOf(content), i.SHA256)
			same(t, "image", []string{"a", "A", server.URL + "/iso/a.iso?x=1", filepath.Join(l.Folder, "a.iso")}, []string{i.Name, i.Title, i.Source, i.Path})
			same(t, "files", []string{"a.iso"}, files(t, l.Folder))
			if octets, err := os.ReadFile(i.Path); err != nil || string(octets) != content {
				t.Errorf("the file has %d octets that differ, %v", len(octets), err)
			}
			same(t, "progress", []int64{int64(len(content)), int64(len(content))}, []int64{last.Done, last.Total})
			same(t, "again", DidNothing, add(t, l, server.URL+"/iso/a.iso?x=1", AddOptions{}).Did)
		})
	}
}

// TestResumeLater: a download that was cancelled goes on in another process.
func TestResumeLater(t *testing.T) {
	content := "ISO A\n" + strings.Repeat("0123456789", 300000)
	for name, tc := range map[string]struct {
		change func(*origin)
		asks   []string
		files  int // after the cancel
	}{
		"the same file":          {func(*origin) {}, []string{"", "bytes=1000000-"}, 2},
		"another file by now":    {func(o *origin) { o.etag, o.content = `"2"`, "ISO B\n"+content }, []string{"", "bytes=1000000-"}, 2},
		"a server that lies":     {func(o *origin) { o.content += "more" }, []string{"", "bytes=1000000-", ""}, 2},
		"nothing to know it by":  {func(*origin) {}, []string{"", ""}, 0},
		"all of it is there yet": {func(o *origin) { o.content = content[:1000000] }, []string{"", "bytes=1000000-", ""}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLibrary(t)
			ctx, cancel := context.WithCancel(t.Context())
			o := &origin{content: content, etag: `"1"`, ranges: true, cut: []int{1000000}}
			if name == "nothing to know it by" {
				o.etag = ""
			}
			server := httptest.NewServer(o)
			defer server.Close()
			l.Pause = func(context.Context, time.Duration) error { cancel(); return ctx.Err() }
			if _, err := l.Add(ctx, server.URL+"/a.iso", AddOptions{}, nil); !errors.Is(err, context.Canceled) {
				t.Fatalf("cancelled: %v", err)
			}
			same(t, "images", []string{}, names(t, l))
			same(t, "files", tc.files, len(files(t, l.Folder)))
			for _, name := range files(t, l.Folder) {
				if !strings.HasPrefix(name, partialPrefix) {
					t.Errorf("%s was left", name)
				}
			}
			tc.change(o)
			l.Pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
			r := add(t, l, server.URL+"/a.iso", AddOptions{})
			same(t, "ranges", tc.asks, o.asked)
			same(t, "sum", hexOf(o.content), r.Image.SHA256)
			same(t, "files", []string{"a.iso"}, files(t, l.Folder))
		})
	}
}

// TestURLSums compares a download with lists beside it.
func TestURLSums(t *testing.T) {
	content := "ISO A\n"
	for name, tc := range map[string]struct {
		lists map[string]string
		o     AddOptions
		want  string // error
		check string // the list that fits
	}{
		"SHA256SUMS":                 {map[string]string{"/d/SHA256SUMS": aa + "  b.iso\n" + hexOf(content) + "  a.iso\n"}, AddOptions{}, "", "/d/SHA256SUMS"},
		"its own list":               {map[string]string{"/d/a.iso.sha256": hexOf(content) + "\n"}, AddOptions{}, "", "/d/a.iso.sha256"},
		"a sum alone for all":        {map[string]string{"/d/SHA256SUMS": aa + "\n"}, AddOptions{}, "", ""},
		"a list that does not fit":   {map[string]string{"/d/CHECKSUM": "SHA256 (a.iso) = " + aa}, AddOptions{}, "/d/CHECKSUM is\n  " + aa, ""},
		"a list with SHA-512, wrong": {map[string]string{"/d/SHA512SUMS": ff + "  a.iso"}, AddOptions{}, "its sha512 is", ""},
		"one fits and one does not":  {map[string]string{"/d/SHA256SUMS": hexOf(content) + "  a.iso\n", "/d/CHECKSUM": "SHA256 (a.iso) = " + aa}, AddOptions{}, "CHECKSUM", ""},
		"the sum that was given":     {nil, AddOptions{SHA256: strings.ToUpper(hexOf(content))}, "", given},
		"another sum than was given": {nil, AddOptions{SHA256: aa}, "the one that was given is\n  " + aa, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLibrary(t)
			server := httptest.NewServer(&origin{content: content, etag: `"1"`, lists: tc.lists})
			defer server.Close()
			all, err := l.Add(t.Context(), server.URL+"/d/a.iso", tc.o, nil)
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "a.iso") {
					t.Errorf("error %v, want %q", err, tc.want)
				}
				same(t, "files", []string{}, files(t, l.Folder))
				same(t, "images", []string{}, names(t, l))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, c := range all[0].Image.Checks {
				if c.Result == ResultOK {
					got = strings.TrimPrefix(c.From, server.URL)
				}
			}
			same(t, "list that fits", tc.check, got)
		})
	}
}

func TestURLNames(t *testing.T) {
	content := "ISO A\n"
	mux := http.NewServeMux()
	mux.HandleFunc("/latest", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/pool/real-1.0.iso", http.StatusFound)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "SUMS") || strings.Contains(r.URL.Path, ".sha") || strings.Contains(strings.ToLower(r.URL.Path), "sum") ||
			strings.HasSuffix(r.URL.Path, ".gpg") || strings.HasSuffix(r.URL.Path, ".asc") || strings.HasSuffix(r.URL.Path, ".sig") || strings.HasSuffix(r.URL.Path, ".sign") {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, content+r.URL.Path)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, want := range map[string]string{
		"/latest":                               "real-1.0.iso",
		"/x/plain.iso":                          "plain.iso",
		"/":                                     "image",
		"/..%2f..%2fetc%2fa.iso":                "a.iso",
		"/a%0ab.iso":                            "a_b.iso",
		"/.hidden.iso":                          "hidden.iso",
		"/" + strings.Repeat("y", 300) + ".iso": strings.Repeat("y", 176) + ".iso",
	} {
		l := newLibrary(t)
		r := add(t, l, server.URL+path, AddOptions{})
		same(t, "file of "+path, want, filepath.Base(r.Image.Path))
		same(t, "folder of "+path, []string{want}, files(t, l.Folder))
	}
}

func TestURLStaysEncrypted(t *testing.T) {
	plain := httptest.NewServer(&origin{content: "ISO A\n"})
	defer plain.Close()
	server := httptest.NewTLSServer(http.RedirectHandler(plain.URL+"/a.iso", http.StatusFound))
	defer server.Close()
	l := newLibrary(t)
	l.Client = server.Client()
	l.Client.CheckRedirect = NewClient().CheckRedirect
	_, err := l.Add(t.Context(), server.URL+"/a.iso", AddOptions{}, nil)
	if err == nil || !strings.Contains(err.Error(), "which is not encrypted") {
		t.Errorf("error %v", err)
	}
}

func TestURLHidesPasswords(t *testing.T) {
	server := httptest.NewServer(&origin{content: "ISO A\n"})
	defer server.Close()
	l := newLibrary(t)
	r := add(t, l, strings.Replace(server.URL, "://", "://anna:secret@", 1)+"/a.iso", AddOptions{})
	if strings.Contains(r.Image.Source, "secret") {
		t.Errorf("the source is %s", r.Image.Source)
	}
	_, err := l.Add(t.Context(), "http://anna:secret@127.0.0.1:1/a.iso", AddOptions{}, nil)
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

// TestTwoServersDownload: of two libraries with one folder, one downloads.
func TestTwoServersDownload(t *testing.T) {
	one, two := newLibrary(t), newLibrary(t)
	two.Folder = one.Folder
	o := &origin{content: "ISO A\n" + strings.Repeat("x", 1000), etag: `"1"`, cut: []int{500}}
	server := httptest.NewServer(o)
	defer server.Close()
	one.Pause = func(context.Context, time.Duration) error {
		if _, err := two.Add(t.Context(), server.URL+"/a.iso", AddOptions{}, nil); !errors.Is(err, errBusy) {
			t.Errorf("the second: %v, want %v", err, errBusy)
		}
		return nil
	}
	add(t, one, server.URL+"/a.iso", AddOptions{})
	same(t, "files", []string{"a.iso"}, files(t, one.Folder))
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{
		".partial-old-copy": 2 * time.Hour, ".partial-new-copy": time.Minute, ".partial-held-copy": 2 * time.Hour,
		".partial-old-download": 8 * 24 * time.Hour, ".partial-new-download": 2 * time.Hour, "a.iso": 1000 * time.Hour,
	} {
		path := write(t, filepath.Join(dir, name), "x")
		if strings.HasSuffix(name, "download") {
			write(t, path+".json", "{}")
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	held, err := openPartial(dir, "x", "a")
	if err != nil {
		t.Fatal(err)
	}
	defer held.drop()
	if err := os.Remove(filepath.Join(dir, ".partial-held-copy")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(held.path, now.Add(-2*time.Hour), now.Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	sweep(dir, now)
	same(t, "files", []string{filepath.Base(held.path), ".partial-new-copy", ".partial-new-download", ".partial-new-download.json", "a.iso"}, files(t, dir))
}
