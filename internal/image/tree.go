package image

import (
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode"
)

// Bounds of what recognition reads, so that a hostile image costs no more than
// a plain one.
const (
	maxRead  = 64 << 10 // octets of one file
	maxList  = 4096     // entries of one folder
	maxTitle = 80       // runes
	maxAsked = 50_000   // entries and names asked for, in all
)

// tree is an image that is being looked at: names in any case, small files,
// and both remembered, for many rows ask for the same.
type tree struct {
	fsys  fs.FS
	label string // clean
	lists map[string]folder
	texts map[string]string
	asked int // what was asked of fsys; past maxAsked nothing is found
}

func newTree(fsys fs.FS, label string) *tree {
	return &tree{fsys: fsys, label: clean(label), lists: map[string]folder{}, texts: map[string]string{}}
}

// find gives the first file that fits one of the patterns, a path inside the
// image. Patterns are those of path.Match, in any case: an ISO 9660 tree
// without Rock Ridge has capitals. A name that could not stand in a URL and on
// a command line as it is fits nothing. ok is false where there is no file.
func (t *tree) find(patterns ...string) (name string, ok bool) {
	for _, p := range patterns {
		if name, ok = t.match(".", strings.Split(p, "/")); ok {
			return name, true
		}
	}
	return "", false
}

func (t *tree) has(patterns ...string) bool {
	_, ok := t.find(patterns...)
	return ok
}

// match follows a pattern part by part. Where a part is a name and is there as
// written, that counts before it is in another case.
func (t *tree) match(dir string, parts []string) (string, bool) {
	pattern := strings.ToLower(parts[0])
	if strings.ContainsAny(pattern, "*?[") {
		for _, e := range t.list(dir).entries {
			if fits, err := path.Match(pattern, e.lower); err != nil || !fits {
				continue
			}
			if name, ok := t.step(path.Join(dir, e.name), parts[1:]); ok {
				return name, true
			}
		}
		return "", false
	}
	if name, ok := t.step(path.Join(dir, parts[0]), parts[1:]); ok {
		return name, true
	}
	for _, name := range t.list(dir).named[pattern] {
		if name == parts[0] {
			continue
		}
		if name, ok := t.step(path.Join(dir, name), parts[1:]); ok {
			return name, true
		}
	}
	return "", false
}

// step goes on at one name, which must be a file where no parts are left.
func (t *tree) step(name string, rest []string) (string, bool) {
	if t.asked++; t.asked > maxAsked {
		return "", false
	}
	info, err := fs.Stat(t.fsys, name)
	switch {
	case err != nil:
		return "", false
	case len(rest) == 0:
		return name, info.Mode().IsRegular()
	case info.IsDir():
		return t.match(name, rest)
	}
	return "", false
}

// folder is what find may find in one.
type folder struct {
	entries []entry
	named   map[string][]string // names by their lower case
}

type entry struct{ name, lower string }

// list gives the plain names in a folder in order, out of its first maxList.
func (t *tree) list(dir string) folder {
	if f, ok := t.lists[dir]; ok || t.asked > maxAsked {
		return f
	}
	var entries []fs.DirEntry
	if f, err := t.fsys.Open(dir); err == nil {
		if d, ok := f.(fs.ReadDirFile); ok {
			entries, _ = d.ReadDir(maxList) // what came before an error is of use
		}
		f.Close()
	}
	t.asked += len(entries)
	var list folder
	for _, e := range entries {
		if isPlain(e.Name()) {
			list.entries = append(list.entries, entry{e.Name(), strings.ToLower(e.Name())})
		}
	}
	slices.SortFunc(list.entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	list.named = make(map[string][]string, len(list.entries))
	for _, e := range list.entries {
		list.named[e.lower] = append(list.named[e.lower], e.name)
	}
	t.lists[dir] = list
	return list
}

// read gives the beginning of the first file that fits one of the patterns;
// empty where there is none or it cannot be read.
func (t *tree) read(patterns ...string) string {
	name, ok := t.find(patterns...)
	if !ok {
		return ""
	}
	if text, ok := t.texts[name]; ok {
		return text
	}
	var text []byte
	if f, err := t.fsys.Open(name); err == nil {
		text, _ = io.ReadAll(io.LimitReader(f, maxRead))
		f.Close()
	}
	t.texts[name] = string(text)
	return string(text)
}

// line is the first line of a small file that has something in it, clean.
func (t *tree) line(patterns ...string) string {
	for l := range strings.SplitSeq(t.read(patterns...), "\n") {
		if l = clean(l); l != "" {
			return l
		}
	}
	return ""
}

// clean makes a text that somebody else wrote fit to be shown on a terminal
// and in a page: printable, single spaces, not long.
func clean(s string) string {
	if len(s) > 16*maxTitle {
		s = s[:16*maxTitle]
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > maxTitle {
		s = strings.TrimSpace(string(runes[:maxTitle-1])) + "…"
	}
	return s
}

// isPlain reports whether a name can stand in a URL and on a kernel's command
// line as it is.
func isPlain(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._+~-", c) >= 0) {
			return false
		}
	}
	return name != "" && name != "." && name != ".."
}
