package wim

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGolden(t *testing.T) {
	for kind, want := range map[string]map[string][]byte{
		"none":   {"dir/file": []byte("text"), "empty": {}},
		"xpress": golden(),
		"lzx":    golden(),
	} {
		b, err := os.ReadFile("testdata/" + kind + ".wim")
		if err != nil {
			t.Fatal(err)
		}
		sameTree(t, imageTree(t, openBytes(t, b)), want)
		info, err := ReadInfo(bytes.NewReader(b), int64(len(b)))
		if err != nil || string(info.Compression) != kind || info.Images[0].Name != "golden" {
			t.Errorf("%s: %+v, %v", kind, info, err)
		}
	}
}

func TestOpenFindsNamesInAnyCase(t *testing.T) {
	m := openBytes(t, withMetadata(tree(
		node{name: "ÄÖ", text: "in capitals"},
		node{name: "äö", text: "in small letters"},
		node{name: "Windows", children: []node{{name: "Boot", children: []node{{name: "boot.sdi", text: "sdi"}}}}},
	), "in capitals", "in small letters", "sdi"))
	for name, want := range map[string]string{
		`\Windows\Boot\boot.sdi`:  "sdi",
		`WINDOWS/boot\BOOT.SDI`:   "sdi",
		`//windows/BOOT/Boot.Sdi`: "sdi",
		"ÄÖ":                      "in capitals",
		"äö":                      "in small letters", // as it is written comes first
		"äÖ":                      "in capitals",
	} {
		if got, err := m.ReadFile(name, 100); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	got, err := m.ReadDir("")
	if err != nil {
		t.Fatal(err)
	}
	when := fromFiletime(filetimeEpoch)
	want := []Entry{{"ÄÖ", false, 11, when}, {"äö", false, 16, when}, {"Windows", true, 0, when}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("root (-want +got)\n%s", diff)
	}
}

func TestOpenRefuses(t *testing.T) {
	m := openBytes(t, withMetadata(small(), "a", "wpeinit"))
	for _, row := range []struct{ name, want string }{
		{"nothing", `opening "\\nothing" in image 1 of a WIM: file does not exist`},
		{"a.txt/b", "file does not exist"},
		{`Windows`, "it is a directory"},
		{"", "it is a directory"},
		{`link\x`, "link: it is a link"},
		{"secret", "encrypted"},
		{`windows\gone`, "the blob table has no octets with its SHA-1"},
		{`windows\..\a.txt`, `".." is no name`},
		{"a.txt\x00", "a character that Windows does not allow"},
		{"a.txt:stream", "a character that Windows does not allow"},
		{"a.txt.", "ends with a dot"},
		{"\xff", "is not UTF-8"},
		{strings.Repeat("x", 256), "256 UTF-16 units; 255 are allowed"},
	} {
		_, err := m.Open(row.name)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%q: %v, want …%s…", row.name, err, row.want)
		}
		if got, want := errors.Is(err, fs.ErrNotExist), strings.Contains(row.want, "does not exist"); got != want {
			t.Errorf("%q: %v is fs.ErrNotExist: %v", row.name, err, got)
		}
	}
	if _, err := m.ReadFile(`windows\system32\startnet.cmd`, 6); err == nil || !strings.Contains(err.Error(), "it has 7 octets; at most 6") {
		t.Errorf("a file too large: %v", err)
	}
	for name, want := range map[string]string{"a.txt": "it is no directory", "x": "does not exist", "link": "it is a link"} {
		if _, err := m.ReadDir(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("listing %s: %v", name, err)
		}
	}
}

func TestDamageIsFound(t *testing.T) {
	b, err := os.ReadFile("testdata/lzx.wim")
	if err != nil {
		t.Fatal(err)
	}
	m := openBytes(t, b)
	// Any octet before the metadata belongs to the header or to a file.
	end := int(m.blobs.resource(m.blobs.images[0]).offset)
	for at := headerLen; at < end; at += 997 {
		harmed := bytes.Clone(b)
		harmed[at] ^= 0x10
		h := openBytes(t, harmed)
		failed := 0
		for name, want := range golden() {
			got, err := h.ReadFile(name, MaxFile)
			if err != nil {
				failed++
			} else if !bytes.Equal(got, want) {
				t.Errorf("octet %d is harmed, and %s read with other octets", at, name)
			}
		}
		if failed != 1 {
			t.Errorf("octet %d is harmed, and %d files cannot be read", at, failed)
		}
	}
	harmed := bytes.Clone(b)
	harmed[end+100] ^= 0x10
	if _, err := Open(bytes.NewReader(harmed), int64(len(b)), 1); err == nil {
		t.Error("metadata that is harmed is read")
	}
}

func TestOpenChoosesTheImage(t *testing.T) {
	b := withMetadata(small(), "a")
	r := bytes.NewReader(b)
	for image, want := range map[int]string{-1: "it has 1", 2: "it has 1", 0: "", 1: ""} {
		m, err := Open(r, r.Size(), image)
		switch {
		case want == "" && (err != nil || m.Index() != 1):
			t.Errorf("image %d: %v", image, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("image %d: %v", image, err)
		}
	}
	putU32(b[atBoot:], 0)
	if _, err := Open(r, r.Size(), 0); err == nil || !strings.Contains(err.Error(), "its header names none") {
		t.Errorf("no image to boot: %v", err)
	}
	putU32(b[atImages:], 2)
	if _, err := Open(r, r.Size(), 2); err == nil || !strings.Contains(err.Error(), "metadata of 1 images, the header 2") {
		t.Errorf("an image without metadata: %v", err)
	}
}

func TestHostileMetadata(t *testing.T) {
	set := func(at int, v uint64) func([]byte) { return func(b []byte) { putU64(b[at:], v) } }
	const root, first = 8, 8 + 104 + 8 // entries in small
	for _, row := range []struct {
		name string
		harm func([]byte)
		want string
	}{
		{"security beyond the end", set(0, 1<<31), "security descriptors of 2147483648 octets"},
		{"a root beyond its end", set(root, 1<<40), "the entry at octet 8 has a length of 1099511627776"},
		{"no root", set(root, 0), "no directory at octet 8"},
		{"entries beyond the end", set(root+atSubdir, 1<<63), "an entry at octet 9223372036854775808"},
		{"a short entry", set(first, 9), "the entry at octet 120 has a length of 9"},
		{"a long name", func(b []byte) { b[first+atNameLen+1] = 2 }, "the names of the entry at octet 120 have 522 and 0 octets"},
		{"half a unit", func(b []byte) { b[first+atNameLen] = 9 }, "the names of the entry at octet 120 have 9"},
		{"a long short name", func(b []byte) { b[first+atShortLen] = 90 }, "have 10 and 90 octets"},
		{"streams that are none", func(b []byte) { b[first+atStreams+1] = 0xff }, "the stream at octet"},
	} {
		raw := small()
		row.harm(raw)
		b := withMetadata(raw, "a")
		m, err := Open(bytes.NewReader(b), int64(len(b)), 1)
		if err == nil {
			_, err = m.ReadDir("")
		}
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want …%s…", row.name, err, row.want)
		}
	}
}

// TestReaderIsShared has readers at several places of one file at a time.
func TestReaderIsShared(t *testing.T) {
	b, err := os.ReadFile("testdata/lzx.wim")
	if err != nil {
		t.Fatal(err)
	}
	want := golden()["zeros"]
	r, err := openBytes(t, b).Open("zeros")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			got, err := io.ReadAll(io.NewSectionReader(r, int64(i*1000), r.Size()))
			if err != nil || !bytes.Equal(got, want[i*1000:]) {
				t.Errorf("reader %d: %d octets, %v", i, len(got), err)
			}
		})
	}
	wg.Wait()
	if _, err := r.ReadAt(nil, -1); err == nil {
		t.Error("a negative offset is read")
	}
	if n, err := r.ReadAt(make([]byte, 1), r.Size()); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
}

// TestCacheIsBounded: what a Reader keeps, whatever is read.
func TestCacheIsBounded(t *testing.T) {
	text := string(content("random", 3<<20))
	m := openBytes(t, withMetadata(tree(node{name: "x", text: text}), text))
	r, err := m.Open("x")
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		if err != nil || string(got) != text {
			t.Fatal(round, err)
		}
	}
	total := 0
	for _, c := range r.cache {
		total += cap(c.data)
	}
	if total > maxCache {
		t.Errorf("%d octets are kept", total)
	}
}
