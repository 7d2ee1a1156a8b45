package httpserve

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
)

// Where in an image of a disc its file begins, and how long it is.
const (
	sectionAt   = 37 * 2048
	sectionSize = 300_000
)

// disc is a tree of one file on this host, as a whole and as sections.
func disc(t *testing.T) (files *tree, content []byte, file *os.File) {
	t.Helper()
	content = make([]byte, 1<<20+77)
	rand.NewChaCha8([32]byte{1}).Read(content)
	path := filepath.Join(t.TempDir(), "disc")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	inside := io.NewSectionReader(file, 2048, int64(len(content)-2048))
	files = &tree{files: map[string]bootfile.File{
		"whole":   {Size: int64(len(content)), Content: file},
		"section": {Size: sectionSize, Content: io.NewSectionReader(inside, sectionAt-2048, sectionSize)},
		"memory":  {Size: int64(len(content)), Content: bytes.NewReader(content)},
	}}
	return files, content, file
}

func body(answer string) string {
	_, b, _ := strings.Cut(answer, "\r\n\r\n")
	return b
}

// TestFilesAreSent: whole files, ranges and sections come octet for octet, also
// when all are read at once by one descriptor.
func TestFilesAreSent(t *testing.T) {
	files, content, _ := disc(t)
	events := newRecord()
	address := serve(t, files, events)
	section := content[sectionAt:][:sectionSize]
	tests := []struct {
		name, request string
		want          []byte
	}{
		{"whole", get("/whole"), content},
		{"range", get("/whole", "Range: bytes=12345-912345"), content[12345:912346]},
		{"small range", get("/whole", "Range: bytes=5-9"), content[5:10]},
		{"last octets", get("/whole", "Range: bytes=-70000"), content[len(content)-70000:]},
		{"section", get("/section"), section},
		{"range of a section", get("/section", "Range: bytes=11-211110"), section[11:211111]},
		{"to the end of a section", get("/section", "Range: bytes=200000-"), section[200000:]},
		{"memory", get("/memory"), content},
	}
	var wg sync.WaitGroup
	for _, tt := range tests {
		for range 3 {
			wg.Go(func() {
				if got := body(exchange(t, address, tt.request)); sha256.Sum256([]byte(got)) != sha256.Sum256(tt.want) {
					t.Errorf("%s: %d octets that are not those of the file; want %d", tt.name, len(got), len(tt.want))
				}
			})
		}
	}
	wg.Wait()
	for range 3 * len(tests) {
		if got := events.next(t); !strings.HasPrefix(got, "file.read ") {
			t.Error(got)
		}
	}
}

// A descriptor is shared: sending leaves its own offset alone.
func TestSendingLeavesTheOffset(t *testing.T) {
	files, _, file := disc(t)
	exchange(t, serve(t, files, event.Discard{}), get("/whole"))
	if at, err := file.Seek(0, io.SeekCurrent); at != 0 || err != nil {
		t.Errorf("offset %d, %v", at, err)
	}
}

// A file that the kernel cannot send is copied.
func TestFileWithoutSendfile(t *testing.T) {
	file, err := os.Open("/proc/kallsyms")
	if err != nil {
		t.Skip("no /proc/kallsyms here")
	}
	defer file.Close()
	want := make([]byte, 100_000)
	if n, _ := io.ReadFull(io.NewSectionReader(file, 0, 1<<40), want); n < len(want) {
		t.Skip("/proc/kallsyms is short here")
	}
	files := &tree{files: map[string]bootfile.File{"kallsyms": {Size: int64(len(want)), Content: file}}}
	if got := body(exchange(t, serve(t, files, event.Discard{}), get("/kallsyms"))); got != string(want) {
		t.Errorf("%d octets, not those of the file", len(got))
	}
}

// A file that has become shorter is this server's fault, and the connection
// ends early, so that nobody takes the rest for whole.
func TestFileThatShrinks(t *testing.T) {
	files, content, file := disc(t)
	if err := os.Truncate(file.Name(), 500_000); err != nil {
		t.Fatal(err)
	}
	events := newRecord()
	answer := exchange(t, serve(t, files, events), get("/whole"))
	if got := body(answer); got != string(content[:500_000]) {
		t.Errorf("%d octets", len(got))
	}
	if got, want := events.next(t), fmt.Sprintf("file.fault name=whole bytes=500000 status=200 error=sendfile %s: unexpected EOF method=GET", file.Name()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
