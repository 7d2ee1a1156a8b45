package nbp

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// maxSBAT bounds how many lines of SBAT data are kept; real ones have three
// to six.
const maxSBAT = 64

// SBATEntry is one line of SBAT data: a component and its generation, which
// rises with each security fix (shim, SBAT.md).
type SBATEntry struct {
	Component  string `json:"component"`
	Generation int    `json:"generation"`
	Package    string `json:"package,omitempty"` // the vendor's name for it
	Version    string `json:"version,omitempty"`
}

// parseSBAT reads SBAT data, comma-separated lines:
//
//	component,generation,vendor,package,version,url
//
// Lines without a numeric generation are left out. Revocations have two
// columns, and a first line "sbat,1,date", whose date becomes the version.
func parseSBAT(b []byte) []SBATEntry {
	var all []SBATEntry
	text, _, _ := bytes.Cut(b, []byte{0})
	for line := range strings.Lines(string(text)) {
		column := strings.Split(strings.TrimRight(line, "\r\n"), ",")
		if len(column) < 2 || len(all) == maxSBAT {
			continue
		}
		generation, err := strconv.Atoi(column[1])
		if err != nil {
			continue
		}
		e := SBATEntry{Component: printable(column[0]), Generation: generation}
		switch {
		case len(column) >= 5:
			e.Package, e.Version = printable(column[3]), printable(column[4])
		case len(column) == 3:
			e.Version = printable(column[2])
		}
		all = append(all, e)
	}
	return all
}

// parseSBATLevel gives the newest revocations in shim's .sbatlevel section,
// nil if it is not of the known format:
//
//	u32 format, 0; u32 offset of the previous and u32 of the latest
//	revocations, both counted from behind the format, as NUL-ended text
func parseSBATLevel(b []byte) []SBATEntry {
	le := binary.LittleEndian
	if len(b) < 12 || le.Uint32(b) != 0 {
		return nil
	}
	latest := 4 + uint64(le.Uint32(b[8:]))
	if latest >= uint64(len(b)) {
		return nil
	}
	return parseSBAT(b[latest:])
}

// sbatVersion is the version that SBAT data give for the program itself: that
// of the last line about the first real component. Distributions append
// theirs ("grub.debian,5,Debian,grub2,2.06-13+deb12u2") to the project's.
func sbatVersion(all []SBATEntry) string {
	var component, version string
	for _, e := range all {
		switch {
		case e.Component == "sbat":
		case component == "":
			component, version = e.Component, e.Version
		case strings.HasPrefix(e.Component, component+".") && e.Version != "":
			version = e.Version
		}
	}
	return version
}
