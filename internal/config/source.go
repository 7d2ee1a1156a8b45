package config

import (
	"bytes"
	"path"
	"sort"
	"strconv"
	"unicode/utf8"
)

// source knows where in the file an offset is.
type source struct {
	file  string // as named by the user
	data  []byte
	lines []int // offset of each line's first octet
}

func newSource(file string, data []byte) *source {
	s := &source{file: file, data: data, lines: []int{0}}
	for off := 0; ; {
		i := bytes.IndexByte(data[off:], '\n')
		if i < 0 {
			return s
		}
		off += i + 1
		s.lines = append(s.lines, off)
	}
}

// line counts from 1.
func (s *source) line(offset int) int {
	return sort.Search(len(s.lines), func(i int) bool { return s.lines[i] > offset })
}

// place gives line and column of an offset, both from 1. Columns count
// characters, as editors do.
func (s *source) place(offset int) (line, col int) {
	line = s.line(offset)
	return line, utf8.RuneCount(s.data[s.lines[line-1]:offset]) + 1
}

// at names a place as reasons quote it: "hobnail.toml:31".
func (s *source) at(offset int) string {
	return path.Base(s.file) + ":" + strconv.Itoa(s.line(offset))
}
