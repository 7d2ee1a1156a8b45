package config

import (
	"fmt"
	"slices"
	"strconv"
)

// Fault is one thing that is wrong, at a place in the file. Its JSON form is
// stable.
type Fault struct {
	File string `json:"file"` // as named by the user
	Line int    `json:"line"` // from 1; 0 if the fault is the whole file's
	Col  int    `json:"col"`  // in characters, from 1; 0 with Line
	Text string `json:"text"` // what is wrong, with the offending text; what is allowed
}

// String is the fault as compilers print theirs, so that editors can jump to
// it: "hobnail.toml:12:3: what is wrong; what is allowed".
func (f Fault) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Col, f.Text)
}

// maxFaults bounds what one hostile or binary file can make us print. A
// person mends the first screenful and runs the check again.
const maxFaults = 500

// report collects faults by their offset in the file.
type report struct {
	src     *source
	offsets []int
	texts   []string
	dropped int
}

func (r *report) add(offset int, format string, args ...any) {
	if len(r.texts) == maxFaults {
		r.dropped++
		return
	}
	r.offsets = append(r.offsets, offset)
	r.texts = append(r.texts, fmt.Sprintf(format, args...))
}

// hint ends a fault with the nearest known word. It says nothing once faults
// are only counted: looking for words takes the longest.
func (r *report) hint(word string, known []string) string {
	if len(r.texts) == maxFaults {
		return ""
	}
	return didYouMean(word, known)
}

// faults lists what was collected, in the order of the file.
func (r *report) faults() []Fault {
	order := make([]int, len(r.texts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return r.offsets[a] - r.offsets[b] })
	var list []Fault
	for _, i := range order {
		line, col := r.src.place(r.offsets[i])
		list = append(list, Fault{File: r.src.file, Line: line, Col: col, Text: r.texts[i]})
	}
	if r.dropped > 0 {
		list = append(list, Fault{File: r.src.file,
			Text: fmt.Sprintf("%d more faults are not listed; mend these first", r.dropped)})
	}
	return list
}

// maxQuoted is how many characters of an offending text a fault repeats.
const maxQuoted = 64

// quote shows a text of the file in a fault: one line, printable, not long.
func quote(s string) string {
	n := 0
	for i := range s {
		if n == maxQuoted {
			return strconv.Quote(s[:i]) + "…"
		}
		n++
	}
	return strconv.Quote(s)
}
