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

// report collects faults with their offsets in the file.
type report struct {
	src   *source
	found []located[string]
}

// full reports whether further faults are dropped, so that looking for them
// is in vain.
func (r *report) full() bool { return len(r.found) == maxFaults }

func (r *report) add(offset int, format string, args ...any) {
	if !r.full() {
		r.found = append(r.found, located[string]{v: fmt.Sprintf(format, args...), at: offset})
	}
}

// faults lists what was collected, in the order of the file.
func (r *report) faults() []Fault {
	slices.SortStableFunc(r.found, func(a, b located[string]) int { return a.at - b.at })
	var list []Fault
	for _, f := range r.found {
		line, col := r.src.place(f.at)
		list = append(list, Fault{File: r.src.file, Line: line, Col: col, Text: f.v})
	}
	if r.full() {
		list = append(list, Fault{File: r.src.file,
			Text: fmt.Sprintf("no more than %d faults are listed; mend these first", maxFaults)})
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
