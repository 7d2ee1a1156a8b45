package isofs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// faults are what a walk over a whole volume meets, files opened and read: path
// and error. Whatever an image holds, the walk ends within a bound.
func faults(v *Volume, limit int) (all []string, steps int) {
	tooMany := errors.New("too many")
	_ = fs.WalkDir(v, ".", func(name string, e fs.DirEntry, err error) error {
		if steps++; steps > limit {
			return tooMany
		}
		if err == nil && e.Type().IsRegular() {
			err = readAll(v, name)
		} else if err == nil {
			_, err = e.Info()
		}
		if err != nil {
			var f *Fault
			if errors.As(err, &f) {
				err = f
			}
			all = append(all, name+": "+err.Error())
			if e != nil && e.IsDir() {
				return fs.SkipDir
			}
		}
		return nil
	})
	return all, steps
}

// readAll reads a file, 1 MiB of it at most.
func readAll(v *Volume, name string) error {
	f, err := v.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(f, 1<<20))
	return err
}

// TestHostileISO: each image is opened, each fault has its place.
func TestHostileISO(t *testing.T) {
	file := func(name string) []byte { return isoRec(name, 30, 3, 0) }
	for _, tc := range []struct {
		name string
		disc func() *disc
		want []string
	}{
		{"a directory that is its own parent", func() *disc {
			return isoDisc(false, isoRec("LOOP", 20, 2048, flagDir))
		}, []string{"loop: reading a directory entry at octet 41028 (sector 20): it leads to the directory at octet 40960, which is another entry's: a loop"}},
		{"a loop of two", func() *disc {
			d := isoDisc(false, isoRec("A", 21, 2048, flagDir))
			d.dir(21, 20, false, isoRec("B", 20, 2048, flagDir))
			return d
		}, []string{"a/b: reading a directory entry at octet 43076 (sector 21): it leads to the directory at octet 40960, which is another entry's: a loop"}},
		{"2^40 paths in forty directories", func() *disc {
			d := isoDisc(false, isoRec("A", 21, 2048, flagDir), isoRec("B", 21, 2048, flagDir))
			for i := 21; i < 60; i++ {
				d.dir(i, i-1, false, isoRec("A", i+1, 2048, flagDir), isoRec("B", i+1, 2048, flagDir))
			}
			return d
		}, nil},
		{"a file beyond the end", func() *disc { return isoDisc(false, isoRec("F", 60, 1<<20, 0), file("G")) },
			[]string{"f: reading a file at octet 122880 (sector 60): 1048576 octets, in an image of 131072: unexpected EOF"}},
		{"a block that does not exist", func() *disc { return isoDisc(false, isoRec("F", 0xffffffff, 1, 0)) },
			[]string{"f: reading a file at octet 8796093020160 (sector 4294967295): 1 octets, in an image of 131072: unexpected EOF"}},
		{"a directory beyond the end", func() *disc { return isoDisc(false, isoRec("D", 63, 4096, flagDir)) },
			[]string{"d: reading a directory at octet 129024 (sector 63): 4096 octets, in an image of 131072: unexpected EOF"}},
		{"a directory of 4 GiB", func() *disc { return isoDisc(false, isoRec("D", 21, 0xfffff800, flagDir)) },
			[]string{"d: reading a directory record at octet 41028 (sector 20): a directory of 4294965248 octets"}},
		{"a record that is too short", func() *disc {
			d := isoDisc(false, isoRec("D", 21, 2048, flagDir))
			d.b[21*2048] = 12
			return d
		}, []string{"d: reading a directory record at octet 43008 (sector 21): 12 octets"}},
		{"a record that crosses the end of the sector", func() *disc {
			d := isoDisc(false, isoRec("D", 21, 2048, flagDir))
			d.dir(21, 20, false, slices.Concat(bytes.Repeat(file("X"), 55), []byte{255}))
			return d
		}, []string{"d: reading a directory record at octet 44946 (sector 21): 255 octets, 110 before the end of the sector"}},
		{"an identifier longer than its record", func() *disc {
			d := isoDisc(false, isoRec("D", 21, 2048, flagDir))
			d.dir(21, 20, false, file("X"))
			d.b[21*2048+68+32] = 200
			return d
		}, []string{"d: reading a directory record at octet 43076 (sector 21): an identifier of 200 octets in 34"}},
		{"the last section is missing", func() *disc {
			d := isoDisc(false, isoRec("D", 21, 2048, flagDir))
			d.dir(21, 20, false, isoRec("X", 30, 2048, flagMore))
			return d
		}, []string{"d: reading a directory record at octet 43076 (sector 21): the last section of the file is missing"}},
		{"sections of two files", func() *disc {
			d := isoDisc(false, isoRec("D", 21, 2048, flagDir))
			d.dir(21, 20, false, isoRec("X", 30, 2048, flagMore), isoRec("Y", 31, 3, 0))
			return d
		}, []string{"d: reading a directory record at octet 43110 (sector 21): it should be the next section of a file and is another's"}},
		{"continuation areas in a circle", func() *disc {
			d := isoDisc(true, isoRec("F", 30, 3, 0, ce(40, 0, 28)))
			d.put(40, ce(40, 0, 28))
			return d
		}, []string{"f: reading a Rock Ridge field at octet 41036 (sector 20): more than 16 continuation areas: a loop"}},
		{"a continuation area beyond the end", func() *disc { return isoDisc(true, isoRec("F", 30, 3, 0, ce(99, 0, 28))) },
			[]string{"f: reading a Rock Ridge continuation area at octet 202752 (sector 99): 28 octets, in an image of 131072: unexpected EOF"}},
		{"a continuation area of 4 GiB", func() *disc { return isoDisc(true, isoRec("F", 30, 3, 0, ce(40, 0, 0xffffffff))) },
			[]string{"f: reading a Rock Ridge field at octet 41070 (sector 20): a continuation area of 4294967295 octets"}},
		{"a field longer than its area", func() *disc {
			return isoDisc(true, isoRec("F", 30, 3, 0, []byte{'N', 'M', 99, 1, 0}))
		}, []string{"f: reading a Rock Ridge field at octet 41070 (sector 20): 99 octets, 6 before the end of the area"}},
		{"a field of no length", func() *disc { return isoDisc(true, isoRec("F", 30, 3, 0, []byte{'N', 'M', 0, 1, 0})) },
			[]string{"f: reading a Rock Ridge field at octet 41070 (sector 20): 0 octets, 6 before the end of the area"}},
		{"a name without end", func() *disc {
			d := isoDisc(true, isoRec("F", 30, 3, 0, ce(40, 0, 2048)))
			d.put(40, bytes.Repeat(nm(1, strings.Repeat("x", 200)), 9))
			return d
		}, []string{"f: reading a Rock Ridge field at octet 82945 (sector 40): a name of more than 1020 octets"}},
		{"a link to itself", func() *disc {
			return isoDisc(true, isoRec("L", 0, 0, 0, nm(0, "l"), px(0o120777), sl(0, "\x00l")))
		}, nil},
		{"a target without end", func() *disc {
			d := isoDisc(true, isoRec("F", 30, 3, 0, px(0o120777), ce(40, 0, 2048)))
			d.put(40, bytes.Repeat(sl(1, "\x01"+strings.Repeat("x", 200)), 9), ce(40, 0, 2048))
			return d
		}, []string{"f: reading a Rock Ridge field at octet 82334 (sector 40): a link of more than 4096 octets"}},
		{"a relocated directory that is no directory", func() *disc {
			return isoDisc(true, isoRec("D", 0, 0, 0, nm(0, "d"), susp("CL", both32(30))))
		}, []string{"d: reading a directory record at octet 61440 (sector 30): 0 octets"}},
		{"relocation in a circle", func() *disc {
			return isoDisc(true, isoRec("D", 0, 0, 0, nm(0, "d"), susp("CL", both32(20))))
		}, []string{"d: reading a directory entry at octet 41036 (sector 20): it leads to the directory at octet 40960, which is another entry's: a loop"}},
		{"an interleaved file", func() *disc {
			r := file("F")
			r[26] = 1
			return isoDisc(false, r)
		}, []string{"f: reading a directory record at octet 41028 (sector 20): an interleaved file, which is not supported"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, _ := faults(opened(t, tc.disc()), 10_000)
			if tc.name == "2^40 paths in forty directories" {
				// One way down, and one refused at each of forty levels.
				if len(got) != 41 && len(got) != 40 {
					t.Errorf("%d faults: %.200q", len(got), got)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestHostileUDF: the same for UDF.
func TestHostileUDF(t *testing.T) {
	embedded := func(s string) udfFile { return udfFile{kind: 5, form: formEmbedded, content: []byte(s)} }
	type change func(d *udfDisc) (fids []byte)
	parent := func(d *udfDisc) []byte { return d.fid("", fidParent|2, 1) }
	for _, tc := range []struct {
		name string
		root change
		want []string
	}{
		{"a directory that is its own parent", func(d *udfDisc) []byte { return d.fid("d", 2, 1) },
			[]string{"d: reading a directory entry at octet 616664 (sector 301): it leads to the directory at octet 616448, which is another entry's: a loop"}},
		{"a file entry that does not exist", func(d *udfDisc) []byte { return d.fid("f", 0, 0xffffffff) },
			[]string{"f: reading a file entry at octet 8796093634560 (sector 4294967595): 2048 octets, in an image of 1048576: unexpected EOF"}},
		{"a partition that does not exist", func(d *udfDisc) []byte {
			b := d.fid("f", 0, 2)
			field(b[tagSize:], 28, le16(7))
			return tagged(tagFileID, 0, b[tagSize:])
		}, []string{"f: reading a file entry's address at octet 616664 (sector 301): block 2 of partition 7: there are 1 partitions"}},
		{"a file entry that is none", func(d *udfDisc) []byte {
			d.put(udfStart+9, tagged(tagFileSet, 9, make([]byte, 300)))
			return d.fid("f", 0, 9)
		}, []string{"f: reading a file entry at octet 632832 (sector 309): a descriptor of type 256"}},
		{"a file entry with a wrong checksum", func(d *udfDisc) []byte {
			b := d.add(embedded("x"))
			d.at(udfStart + b)[4]++
			return d.fid("f", 0, b)
		}, []string{"f: reading a file entry at octet 618496 (sector 302): the checksum of its tag is wrong"}},
		{"a file entry that was changed", func(d *udfDisc) []byte {
			b := d.add(embedded("x"))
			d.at(udfStart + b)[40]++
			return d.fid("f", 0, b)
		}, []string{"f: reading a file entry at octet 618496 (sector 302): its CRC is wrong"}},
		{"a file entry of another place", func(d *udfDisc) []byte {
			d.put(udfStart+9, d.fileEntry(8, embedded("x")))
			return d.fid("f", 0, 9)
		}, []string{"f: reading a file entry at octet 632832 (sector 309): its tag says block 8, it is block 9"}},
		{"indirect entries in a circle", func(d *udfDisc) []byte {
			b := make([]byte, 60)
			field(b, 36, le32(2048), le32(9), le16(0))
			d.put(udfStart+9, tagged(tagIndirect, 9, b))
			return d.fid("f", 0, 9)
		}, []string{"f: reading a file entry at octet 616664 (sector 301): more than 16 indirect entries: a loop"}},
		{"allocation extent descriptors in a circle", func(d *udfDisc) []byte {
			more := slices.Concat(le32(3<<30|2048), le32(9))
			d.put(udfStart+9, tagged(tagAllocation, 9, slices.Concat(le32(0), le32(8), more)))
			return d.fid("f", 0, d.add(udfFile{kind: 5, size: 1 << 40, ads: more}))
		}, []string{"f: reading a file entry at octet 618496 (sector 302): more than 512 allocation extent descriptors: a loop"}},
		{"a file larger than its extents", func(d *udfDisc) []byte {
			return d.fid("f", 0, d.add(udfFile{kind: 5, size: 5000, ads: slices.Concat(le32(2048), le32(100))}))
		}, []string{"f: reading a file entry at octet 618496 (sector 302): a file of 5000 octets with extents of 2048"}},
		{"a file larger than its entry", func(d *udfDisc) []byte {
			b := d.fileEntry(9, embedded("x"))[tagSize:]
			field(b, 56, le64(2))
			d.put(udfStart+9, tagged(tagFile, 9, b))
			return d.fid("f", 0, 9)
		}, []string{"f: reading a file entry at octet 632832 (sector 309): a file of 2 octets in 1"}},
		{"a size that overflows", func(d *udfDisc) []byte {
			return d.fid("f", 0, d.add(udfFile{kind: 5, size: -1}))
		}, []string{"f: reading a file entry at octet 618496 (sector 302): a file of 18446744073709551615 octets"}},
		{"descriptors longer than the block", func(d *udfDisc) []byte {
			b := d.fileEntry(9, embedded("x"))[tagSize:]
			field(b, 168, le32(0x7fffffff), le32(0x7fffffff))
			d.put(udfStart+9, tagged(tagFile, 9, b))
			return d.fid("f", 0, 9)
		}, []string{"f: reading a file entry at octet 632832 (sector 309): attributes and descriptors of 2147483647 and 2147483647 octets in a block"}},
		{"an extent beyond the end", func(d *udfDisc) []byte {
			return d.fid("f", 0, d.add(udfFile{kind: 5, size: 2048, ads: slices.Concat(le32(2048), le32(0x7fffffff))}))
		}, []string{"f: reading a file at octet 4398047123456 (sector 2147483947): 2048 octets, in an image of 1048576: unexpected EOF"}},
		{"a form that does not exist", func(d *udfDisc) []byte {
			return d.fid("f", 0, d.add(udfFile{kind: 5, form: 6, size: 1}))
		}, []string{"f: reading a file entry at octet 618496 (sector 302): allocation descriptors of form 6"}},
		{"a directory of 1 TiB", func(d *udfDisc) []byte {
			return d.fid("d", 2, d.add(udfFile{kind: typeDirectory, size: 1 << 40}))
		}, []string{"d: reading a file entry at octet 618496 (sector 302): a directory of 1099511627776 octets"}},
		{"a directory of holes", func(d *udfDisc) []byte {
			return d.fid("d", 2, d.add(udfFile{kind: typeDirectory, size: 1 << 20, ads: slices.Concat(le32(1<<30|1<<20), le32(0))}))
		}, []string{"d: reading a directory entry at octet 616664 (sector 301): directories of more than 1048576 octets"}},
		{"an identifier that is cut off", func(d *udfDisc) []byte {
			return d.fid("d", 2, d.add(udfFile{kind: typeDirectory, form: formEmbedded, content: d.fid("name", 0, 2)[:40]}))
		}, []string{"d: reading a file identifier descriptor at octet 618672 (sector 302): unexpected EOF"}},
		{"a link without end", func(d *udfDisc) []byte {
			return d.fid("l", 0, d.add(udfFile{kind: typeSymlink, form: formEmbedded, content: []byte{5, 200, 0, 0, 8, 'x'}}))
		}, []string{"l: reading a symbolic link at octet 618496 (sector 302): a component of 200 octets in 2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newUDF("plain")
			fids := tc.root(d)
			d.root(append(parent(d), fids...))
			got, _ := faults(opened(t, d.disc), 1000)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestBadNames: names that cannot be served are left out and counted.
func TestBadNames(t *testing.T) {
	bad := []string{"", ".", "..", "a/b", `a\b`, "nul\x00", "new\nline", "\x7f", "twice", strings.Repeat("é", 600)}
	t.Run("rock-ridge", func(t *testing.T) {
		var records [][]byte
		for i, name := range append([]string{"twice", "good"}, bad...) {
			if name == "" || len(name) > 200 {
				continue
			}
			records = append(records, isoRec(fmt.Sprint("F", i), 30, 3, 0, nm(0, name)))
		}
		v := opened(t, isoDisc(true, records...))
		checkNames(t, v, len(bad)-2)
	})
	t.Run("udf", func(t *testing.T) {
		d := newUDF("plain")
		icb := d.add(udfFile{kind: 5, form: formEmbedded})
		fids := d.fid("", fidParent|2, 1)
		for _, name := range append([]string{"twice", "good"}, bad...) {
			if len(name) <= 200 {
				fids = append(fids, d.fid(name, 0, icb)...)
			}
		}
		d.root(fids)
		checkNames(t, opened(t, d.disc), len(bad)-1)
	})
}

func checkNames(t *testing.T, v *Volume, want int) {
	t.Helper()
	entries, err := v.ReadDir(".")
	if err != nil || len(entries) != 2 || entries[0].Name() != "good" || entries[1].Name() != "twice" {
		t.Errorf("%v, %v", entries, err)
	}
	if n, err := v.Skipped("."); n != want || err != nil {
		t.Errorf("%d skipped, %v; want %d", n, err, want)
	}
}

// endless is an image of directories without end: each has the same records,
// all of which lead to directories further behind.
type endless struct {
	head []byte
	f    func(p []byte, off int64)
}

func (e endless) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if off < int64(len(e.head)) {
		n := copy(p, e.head[off:])
		if n < len(p) {
			m, err := e.ReadAt(p[n:], off+int64(n))
			return n + m, err
		}
		return n, nil
	}
	e.f(p, off)
	return len(p), nil
}

// TestMillionEntries: a directory with more entries than are read fails, soon.
func TestMillionEntries(t *testing.T) {
	d := isoDisc(false, isoRec("D", 64, maxDirSize, flagDir))
	r := isoRec("F", 30, 3, 0)
	sector := bytes.Repeat(r, 2048/len(r))
	var read int
	m := medium{endless{d.b, func(p []byte, off int64) {
		read += len(p)
		for i := range p {
			if at := int((off + int64(i)) % 2048); at < len(sector) {
				p[i] = sector[at]
			}
		}
	}}, 1 << 40}
	v, err := open(m, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = v.ReadDir("d"); err == nil || !strings.Contains(err.Error(), "more than 131072 entries") {
		t.Error(err)
	}
	if read > maxDirSize {
		t.Errorf("%d octets were read", read)
	}
}

// TestDeep: directories inside each other end at maxDepth.
func TestDeep(t *testing.T) {
	d := isoDisc(false, isoRec("D", 64, 2048, flagDir))
	m := medium{endless{d.b, func(p []byte, off int64) {
		block := int(off / 2048)
		whole := newDisc(1)
		all := [][]byte{isoRec("\x00", block, 2048, flagDir), isoRec("\x01", block-1, 2048, flagDir), isoRec("D", block+1, 2048, flagDir)}
		whole.put(0, all...)
		copy(p, whole.b[off%2048:])
	}}, 1 << 40}
	v, err := open(m, true)
	if err != nil {
		t.Fatal(err)
	}
	got, steps := faults(v, 1000)
	if steps > maxDepth+5 || len(got) != 1 || !strings.Contains(got[0], errDeep.Error()) {
		t.Errorf("%d steps, %.300q", steps, got)
	}
}

// TestNoVolume: what is no image, and images that are cut off.
func TestNoVolume(t *testing.T) {
	for _, size := range []int{0, 1, 32768, 32769, 34815, 1 << 20} {
		if _, err := Open(bytes.NewReader(make([]byte, size)), int64(size)); !errors.Is(err, ErrFormat) {
			t.Errorf("%d zeros: %v", size, err)
		}
	}
	for _, d := range []*disc{isoDisc(true), udfSample("plain").finish("plain"), udfSample("metadata").finish("metadata"), udfSample("virtual").finish("virtual")} {
		for cut := 0; cut < len(d.b); cut += 7 * 1024 {
			m := medium{bytes.NewReader(d.b[:cut]), int64(cut)}
			if v, err := open(m, true); err == nil {
				faults(v, 1000)
			}
		}
		// A reader that has less than it said.
		if _, err := Open(bytes.NewReader(d.b[:35000]), int64(len(d.b))); err == nil {
			t.Error("a disk whose reader ends early was opened")
		}
	}
	d := isoDisc(false)
	copy(d.at(16)[128:], both16(3))
	if _, err := open(d.medium(), true); err == nil || err.Error() != "opening an image of 131072 octets: reading a volume descriptor at octet 32768 (sector 16): logical blocks of 3 octets" {
		t.Error(err)
	}
}
