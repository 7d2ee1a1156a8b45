package ramdisk

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestReadsBack: whatever is put on a volume is found there by the reader of
// reader_test.go, and nothing else.
func TestReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files, want := drawFiles(t)
		m, err := New("", files)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, m.Size())
		if n, err := m.ReadAt(b, 0); n != len(b) || err != nil {
			t.Fatalf("%d octets of %d, %v", n, len(b), err)
		}
		_, all, err := list(b)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, f := range all {
			if !f.Dir {
				got[strings.ToUpper(f.Path)] = f.Content
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// drawFiles makes files whose names are alike and whose sizes are near whole
// clusters; want has their contents by upper-case path.
func drawFiles(t *rapid.T) (files []File, want map[string]string) {
	part := rapid.OneOf(
		rapid.StringMatching(`[aAbB]{1,2}`),
		rapid.StringMatching(`[a-z]{1,12}\.[a-z]{1,4}`),
		rapid.StringMatching(`same-begin[ab+]{1,20}\.efi`),
		rapid.StringMatching(`[!-)+-.0-9;=@A-Z\[\]^_a-z{}~]{0,30}[A-Za-z]`).Filter(func(s string) bool { return checkPart(s) == nil }),
	)
	size := rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(clusterSize-1, clusterSize+1), rapid.IntRange(0, 20000))
	want = map[string]string{}
	for range rapid.IntRange(0, 30).Draw(t, "files") {
		path := strings.Join(rapid.SliceOfN(part, 1, 3).Draw(t, "path"), "/")
		key := strings.ToUpper(path)
		if clashes(want, key) {
			continue
		}
		content := bytes.Repeat([]byte{byte(rapid.IntRange(1, 255).Draw(t, "octet"))}, size.Draw(t, "size"))
		want[key] = string(content)
		files = append(files, File{
			Path: path, Size: int64(len(content)), Content: bytes.NewReader(content),
			ModTime: time.Unix(rapid.Int64Range(-1<<33, 1<<33).Draw(t, "time"), 0),
		})
	}
	return files, want
}

// clashes reports whether a path, or a directory it goes through, is taken.
func clashes(taken map[string]string, path string) bool {
	for other := range taken {
		if path == other || strings.HasPrefix(path, other+"/") || strings.HasPrefix(other, path+"/") {
			return true
		}
	}
	return false
}
