package isofs

import (
	"io/fs"
	"path"
)

// comparedEntries bounds how much of two trees is compared.
const comparedEntries = 1 << 14

// richer tells whether a tree of ISO 9660 is to be shown although there is UDF.
// Disks of Windows have only a README there. genisoimage writes both trees, with
// symbolic links in Rock Ridge alone, but may cut files of 4 GiB off there. So
// Rock Ridge is richer if it has names or links that UDF has not, and no
// directory with fewer entries and no shorter file. Plain names and Joliet's are
// richer only than nothing.
func richer(iso, udf *Volume) bool {
	top, err := udf.ReadDir(".")
	if iso.Format() != formatRockRidge {
		other, _ := iso.ReadDir(".")
		return (err != nil || len(top) == 0) && len(other) > 0
	}
	if err != nil {
		return true
	}
	c := comparison{iso: iso, udf: udf, left: comparedEntries}
	return c.dir(".", 0) && c.more
}

type comparison struct {
	iso, udf *Volume
	left     int
	more     bool // Rock Ridge has a name or link that UDF has not
}

// dir compares a directory and what is below. It is false once UDF has more.
func (c *comparison) dir(name string, depth int) bool {
	a, errISO := c.iso.ReadDir(name)
	b, errUDF := c.udf.ReadDir(name)
	c.left -= len(a) + len(b)
	switch {
	case errISO != nil:
		return false
	case errUDF != nil:
		c.more = true
		return true
	}
	in := make(map[string]fs.DirEntry, len(a))
	for _, e := range a {
		in[e.Name()] = e
	}
	lost := 0 // names of UDF that Rock Ridge has not; long ones are cut off in UDF
	for _, e := range b {
		other := in[e.Name()]
		if other == nil {
			lost++
		} else if !c.entry(path.Join(name, e.Name()), other, e, depth) {
			return false
		}
		delete(in, e.Name())
	}
	// Where deep directories were moved to; it is empty now.
	delete(in, "rr_moved")
	c.more = c.more || len(in) > 0
	return lost <= len(in)
}

// entry compares two entries of one name.
func (c *comparison) entry(name string, iso, udf fs.DirEntry, depth int) bool {
	if iso.Type() != udf.Type() {
		// A link that UDF has as something else.
		c.more = c.more || iso.Type() == fs.ModeSymlink
		return true
	}
	if udf.IsDir() {
		return c.left <= 0 || depth >= maxDepth-1 || c.dir(name, depth+1)
	}
	i, errISO := iso.Info()
	u, errUDF := udf.Info()
	if errISO != nil || errUDF != nil {
		return errISO == nil
	}
	return u.Size() <= i.Size() || u.Mode().Type() != 0
}
