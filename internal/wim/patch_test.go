package wim

import (
	"bytes"
	"crypto/sha1"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func all(t testing.TB, p *Patched) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(p, 0, p.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPatch(t *testing.T) {
	base := withMetadata(small(), "a", "wpeinit")
	p, err := openBytes(t, base).Patch([]File{
		memory(`windows\system32\STARTNET.cmd`, "agent"),
		memory(`Windows\System32\winpeshl.ini`, "[LaunchApps]"),
		memory(`Windows\empty\x`, "a"),
		memory(`hobnail\machine.json`, "{}"),
		memory(`hobnail\none`, ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	b := all(t, p)
	m := openBytes(t, b)
	for name, want := range map[string]string{
		"a.txt": "a", "Windows/System32/STARTNET.cmd": "agent", "Windows/System32/winpeshl.ini": "[LaunchApps]",
		"Windows/System32/winload.efi": "", "Windows/empty/x": "a", "hobnail/machine.json": "{}", "hobnail/none": "",
	} {
		if got, err := m.ReadFile(name, 100); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	names := func(dir string) string {
		entries, err := m.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, e := range entries {
			if e.ModTime.IsZero() {
				t.Errorf("%s/%s has no time", dir, e.Name)
			}
			all = append(all, e.Name)
		}
		return strings.Join(all, " ")
	}
	for dir, want := range map[string]string{
		"": "a.txt hobnail link secret Windows", "Windows/System32": "STARTNET.cmd winload.efi winpeshl.ini", "Windows/empty": "x",
	} {
		if got := names(dir); got != want {
			t.Errorf("%q has %s, want %s", dir, got, want)
		}
	}
	if !bytes.Equal(b[headerLen:len(base)], base[headerLen:]) {
		t.Error("octets of the original have changed")
	}
	if !bytes.Equal(b[atBootMeta:atBootMeta+resourceLen], m.blobs.entry(m.blobs.images[0])[:resourceLen]) {
		t.Error("the image to boot is another than the patched one")
	}
	refs := map[string]uint32{}
	for _, text := range []string{"a", "wpeinit", "agent"} {
		s, _ := sumFile(&File{Size: int64(len(text)), Content: strings.NewReader(text)})
		i, _ := m.blobs.find(s)
		refs[text] = u32(m.blobs.entry(i)[atRefs:])
	}
	// Nothing refers to wpeinit any more, and it keeps 1.
	if refs["a"] != 2 || refs["wpeinit"] != 1 || refs["agent"] != 1 {
		t.Errorf("references: %v", refs)
	}
}

func TestPatchGivesTheSameOctets(t *testing.T) {
	base, err := os.ReadFile("testdata/lzx.wim")
	if err != nil {
		t.Fatal(err)
	}
	when := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	files := []File{memory("b/c", "1"), memory("B/a", "2"), memory("x", "1"), memory("words", "3")}
	for i := range files {
		files[i].ModTime = when
	}
	turned := []File{files[3], files[1], files[0], files[2]}
	one, err := openBytes(t, base).Patch(files)
	if err != nil {
		t.Fatal(err)
	}
	m := openBytes(t, base)
	if _, err := m.Patch([]File{memory("x/y", "another machine's")}); err != nil {
		t.Fatal(err)
	}
	// The directory's spelling is that of whoever comes first.
	turned[1].Path = "b/a"
	two, err := m.Patch(turned)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(all(t, one), all(t, two)) {
		t.Error("files in another order give other octets")
	}
	// Any range is that of the whole.
	whole := all(t, one)
	for off := 0; off < len(whole); off += 9973 {
		part := make([]byte, 20_000)
		n, err := one.ReadAt(part, int64(off))
		if !bytes.Equal(part[:n], whole[off:min(off+20_000, len(whole))]) || (err == io.EOF) != (n < 20_000) {
			t.Fatalf("at %d: %d octets, %v", off, n, err)
		}
	}
	if n, err := one.ReadAt(make([]byte, 1), one.Size()); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
}

func TestPatchRefuses(t *testing.T) {
	m := openBytes(t, withMetadata(small(), "a"))
	for _, row := range []struct {
		files []File
		want  string
	}{
		{[]File{memory("", "")}, "it is the root"},
		{[]File{memory("Windows", "")}, "Windows: it is a directory"},
		{[]File{memory("a.txt/b", "")}, "a.txt: it is a file, not a directory"},
		{[]File{memory("windows/system32/winload.efi/b", "")}, "winload.efi: it is a file, not a directory"},
		{[]File{memory("link/b", "")}, "link: it is a link"},
		{[]File{memory("x", ""), memory("X", "")}, `laying "\\X" over an image: a second file or a directory is to have that name`},
		{[]File{memory("x/y", ""), memory("x", "")}, "a second file or a directory is to have that name"},
		{[]File{memory("x", ""), memory("x/y", "")}, "x is to be a file"},
		{[]File{memory("x/../y", "")}, `".." is no name`},
		{[]File{memory("x\n", "")}, "a character that Windows does not allow"},
		{[]File{{Path: "x", Size: 1}}, "it has 1 octets and nothing to read them from"},
		{[]File{{Path: "x", Size: -1}}, "it has -1 octets"},
		{[]File{{Path: "x", Size: 2, Content: strings.NewReader("1")}}, "x: it ends at octet 1, before its 2"},
		{[]File{{Path: "x", ModTime: time.Unix(-1<<40, 0)}}, "none that Windows can write down"},
	} {
		if _, err := m.Patch(row.files); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%+v: %v, want …%s…", row.files, err, row.want)
		}
	}
	split := withMetadata(small(), "a")
	split[atParts] = 2
	if _, err := openBytes(t, split).Patch(nil); err == nil || !strings.Contains(err.Error(), "wimlib-imagex join") {
		t.Errorf("a part of a split WIM: %v", err)
	}
}

// TestStreams: Windows writes the unnamed stream among the others where a file
// has named ones.
func TestStreams(t *testing.T) {
	raw := tree(
		node{name: "a", streams: []node{{text: "one"}, {name: "Zone.Identifier", text: "zone"}}},
		node{name: "b", text: "one", streams: []node{{name: "other", text: "zone"}}},
	)
	base := withMetadata(raw, "one", "zone")
	r := bytes.NewReader(base)
	p, err := Overlay(r, r.Size(), 0, []File{memory("A", "new"), memory("c", "new")})
	if err != nil {
		t.Fatal(err)
	}
	was, is := openBytes(t, base), openBytes(t, all(t, p))
	for _, row := range []struct {
		m          *Image
		name, want string
	}{{was, "a", "one"}, {was, "b", "one"}, {is, "a", "new"}, {is, "b", "one"}, {is, "c", "new"}} {
		if got, err := row.m.ReadFile(row.name, 10); err != nil || string(got) != row.want {
			t.Errorf("%s: %q, %v; want %q", row.name, got, err, row.want)
		}
	}
	b, _, _ := is.meta.find(is.meta.root.subdir, mustComponent(t, "b"))
	if want := testEntry(node{name: "b", text: "one", streams: []node{{name: "other", text: "zone"}}}); !bytes.Equal(is.meta.raw[b.start:b.end], want) {
		t.Errorf("b is %q, want %q", is.meta.raw[b.start:b.end], want)
	}
}

// TestPatchCountsReferences: less one for each stream of what is replaced.
func TestPatchCountsReferences(t *testing.T) {
	base := withMetadata(tree(node{name: "a", streams: []node{{text: "one"}, {name: "s", text: "zone"}}}), "one", "zone")
	m := openBytes(t, base)
	for _, text := range []string{"one", "zone"} {
		i, _ := m.blobs.find(sum(sha1.Sum([]byte(text))))
		putU32(m.blobs.entry(i)[atRefs:], 5)
	}
	p, err := m.Patch([]File{memory("a", "new"), memory("b", "zone"), memory("c", "zone")})
	if err != nil {
		t.Fatal(err)
	}
	is := openBytes(t, all(t, p))
	for text, want := range map[string]uint32{"one": 4, "zone": 6, "new": 1} {
		i, ok := is.blobs.find(sum(sha1.Sum([]byte(text))))
		if got := u32(is.blobs.entry(i)[atRefs:]); !ok || got != want {
			t.Errorf("%s has %d references, want %d", text, got, want)
		}
	}
}

// TestPatchRefusesLoops: a directory in itself would have to be two things.
func TestPatchRefusesLoops(t *testing.T) {
	raw := tree(node{name: "a", children: []node{}})
	m, err := newMetadata(raw)
	if err != nil {
		t.Fatal(err)
	}
	a, _, _ := m.find(m.root.subdir, mustComponent(t, "a"))
	putU64(raw[a.start+atSubdir:], m.root.subdir)
	if _, err := openBytes(t, withMetadata(raw)).Patch([]File{memory("a/a/x", "x")}); err == nil || !strings.Contains(err.Error(), "this directory is in itself") {
		t.Errorf("a loop: %v", err)
	}
}

func mustComponent(t *testing.T, name string) component {
	t.Helper()
	c, err := newComponent(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// changing is a content that gets shorter after it was hashed.
type changing struct{ data *[]byte }

func (c changing) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(*c.data).ReadAt(p, off)
}

func TestPatchedNamesWhatFails(t *testing.T) {
	data := []byte("content")
	m := openBytes(t, withMetadata(small(), "a"))
	p, err := m.Patch([]File{{Path: "x/agent.exe", Size: 7, Content: changing{&data}}})
	if err != nil {
		t.Fatal(err)
	}
	data = data[:3]
	_, err = io.ReadAll(io.NewSectionReader(p, 0, p.Size()))
	if err == nil || !strings.Contains(err.Error(), `from "\\x\\agent.exe": unexpected EOF`) {
		t.Errorf("a content that got shorter: %v", err)
	}
	if _, err := p.ReadAt(nil, -1); err == nil {
		t.Error("a negative offset is read")
	}
}
