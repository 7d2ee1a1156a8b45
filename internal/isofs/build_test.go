package isofs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// disc is an image under construction, in blocks of 2,048 octets.
type disc struct{ b []byte }

func newDisc(blocks int) *disc { return &disc{make([]byte, blocks*2048)} }

func (d *disc) at(block int) []byte { return d.b[block*2048:] }

func (d *disc) put(block int, parts ...[]byte) { copy(d.at(block), bytes.Join(parts, nil)) }

func (d *disc) medium() medium { return medium{bytes.NewReader(d.b), int64(len(d.b))} }

func le16(v int) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(v)) }
func le32(v int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }
func le64(v int) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(v)) }

func both16(v int) []byte { return append(le16(v), binary.BigEndian.AppendUint16(nil, uint16(v))...) }
func both32(v int) []byte { return append(le32(v), binary.BigEndian.AppendUint32(nil, uint32(v))...) }

// isoDisc has a primary volume whose root is block 20; with "SP" in its first
// record the tree is Rock Ridge's.
func isoDisc(rockRidge bool, root ...[]byte) *disc {
	d := newDisc(64)
	vd := make([]byte, 2048)
	copy(vd, "\x01CD001\x01")
	copy(vd[40:], "TEST                            ")
	copy(vd[80:], both32(64))
	copy(vd[128:], both16(2048))
	copy(vd[156:], isoRec("\x00", 20, 2048, flagDir))
	d.put(16, vd)
	d.put(17, []byte("\xffCD001\x01"))
	d.dir(20, 20, rockRidge, root...)
	return d
}

// dir writes a directory of one block.
func (d *disc) dir(block, parent int, sp bool, records ...[]byte) {
	var use [][]byte
	if sp {
		use = append(use, susp("SP", []byte{0xbe, 0xef, 0}))
	}
	all := [][]byte{isoRec("\x00", block, 2048, flagDir, use...), isoRec("\x01", parent, 2048, flagDir)}
	d.put(block, append(all, records...)...)
}

func isoRec(id string, block, size int, flags byte, use ...[]byte) []byte {
	r := slices.Concat([]byte{0, 0}, both32(block), both32(size), []byte{126, 11, 25, 12, 0, 0, 4, flags, 0, 0}, both16(1), []byte{byte(len(id))}, []byte(id))
	if len(id)%2 == 0 {
		r = append(r, 0)
	}
	r = append(r, bytes.Join(use, nil)...)
	if len(r)%2 == 1 {
		r = append(r, 0)
	}
	r[0] = byte(len(r))
	return r
}

func susp(sig string, body []byte) []byte {
	return slices.Concat([]byte(sig), []byte{byte(4 + len(body)), 1}, body)
}

func nm(flags byte, name string) []byte { return susp("NM", append([]byte{flags}, name...)) }
func px(mode int) []byte {
	return susp("PX", slices.Concat(both32(mode), both32(1), both32(0), both32(0)))
}
func ce(block, off, size int) []byte {
	return susp("CE", slices.Concat(both32(block), both32(off), both32(size)))
}

// sl is a field of a link; components as RRIP has them: flags, text.
func sl(flags byte, components ...string) []byte {
	b := []byte{flags}
	for _, c := range components {
		b = append(b, c[0], byte(len(c)-1))
		b = append(b, c[1:]...)
	}
	return susp("SL", b)
}

// udfDisc builds UDF volumes: a partition of 200 blocks from block 300 on.
// Directories and file entries lie in partition reference icbs.
type udfDisc struct {
	*disc
	icbs   int
	place  func(block int) int // block of partition icbs → block of the image
	nextFE int                 // in partition icbs
	next   int                 // block of the image for content
}

const udfStart = 300

// tagged gives a descriptor with its tag.
func tagged(id, location int, body []byte) []byte {
	t := slices.Concat(le16(id), le16(2), []byte{0, 0}, le16(1), le16(int(crc16(body))), le16(len(body)), le32(location))
	var sum byte
	for _, c := range t {
		sum += c
	}
	t[4] = sum
	return append(t, body...)
}

// field writes into a descriptor by its offsets, which count the tag.
func field(b []byte, off int, parts ...[]byte) { copy(b[off-tagSize:], bytes.Join(parts, nil)) }

func regid(name string) []byte {
	b := make([]byte, 32)
	copy(b[1:], name)
	return b
}

func encodeCS0(s string) []byte {
	b := []byte{8}
	for _, r := range s {
		if r > 0xff {
			b = []byte{16}
			for _, u := range utf16.Encode([]rune(s)) {
				b = binary.BigEndian.AppendUint16(b, u)
			}
			return b
		}
		b = append(b, byte(r))
	}
	return b
}

func newUDF(kind string) *udfDisc {
	d := &udfDisc{disc: newDisc(512), place: func(b int) int { return udfStart + b }, nextFE: 1, next: 400}
	for i, id := range []string{"BEA01", "NSR02", "TEA01"} {
		d.put(16+i, []byte("\x00"+id+"\x01"))
	}
	d.put(256, tagged(tagAnchor, 256, slices.Concat(le32(16*2048), le32(32), le32(16*2048), le32(64), make([]byte, 480))))
	type1 := slices.Concat([]byte{1, 6}, le16(1), le16(0))
	type2 := func(name string, more ...[]byte) []byte {
		m := make([]byte, 64)
		copy(m, slices.Concat([]byte{2, 64, 0, 0}, regid(name), le16(1), le16(0), bytes.Join(more, nil)))
		return m
	}
	maps, count := type1, 1
	switch kind {
	case "sparable":
		maps = type2("*UDF Sparable Partition", le16(32), []byte{1, 0}, le32(64), le32(200))
		// Packet 0 lies at block 460.
		d.put(200, tagged(0, 200, slices.Concat(regid("*UDF Sparing Table"), le16(1), le16(0), le32(1), le32(0), le32(460))))
		d.place = func(b int) int {
			if b < 32 {
				return 460 + b
			}
			return udfStart + b
		}
	case "virtual":
		maps, count, d.icbs = append(type1, type2("*UDF Virtual Partition")...), 2, 1
		// Backwards, so that a reader without the table finds nothing.
		d.place = func(b int) int { return udfStart + 60 - b }
	case "metadata":
		maps, count, d.icbs = append(type1, type2("*UDF Metadata Partition", le32(0), le32(1), le32(0xffffffff), le32(32), le16(1))...), 2, 1
		// Two pieces, the second before the first.
		d.place = func(b int) int {
			if b < 6 {
				return udfStart + 40 + b
			}
			return udfStart + 20 + b - 6
		}
	}
	for _, start := range []int{32, 64} {
		pd, lvd := make([]byte, 496), make([]byte, 496)
		field(pd, 20, le16(1), le16(0), regid("+NSR02"))
		field(pd, 184, le32(1), le32(udfStart), le32(200))
		label := encodeCS0("UDF " + kind)
		field(lvd, 84, label)
		field(lvd, 211, []byte{byte(len(label))})
		field(lvd, 20, []byte("\x00OSTA Compressed Unicode"))
		field(lvd, 212, le32(2048), regid("*OSTA UDF Compliant"), le32(2048), le32(0), le16(d.icbs))
		field(lvd, 264, le32(len(maps)), le32(count))
		field(lvd, 440, maps)
		pvd := make([]byte, 496)
		field(pvd, 24, label)
		d.put(start, tagged(1, start, pvd))
		d.put(start+1, tagged(tagPartition, start+1, pd))
		d.put(start+2, tagged(tagLogical, start+2, lvd))
		d.put(start+3, tagged(tagTerminating, start+3, make([]byte, 496)))
	}
	fsd := make([]byte, 496)
	field(fsd, 400, le32(2048), le32(1), le16(d.icbs))
	d.put(d.place(0), tagged(tagFileSet, 0, fsd))
	return d
}

// finish writes what tells where blocks of the partition lie.
func (d *udfDisc) finish(kind string) *disc {
	switch kind {
	case "virtual":
		vat := le16(152)
		vat = append(vat, make([]byte, 150)...)
		for b := range d.nextFE + 1 {
			vat = append(vat, le32(d.place(b)-udfStart)...)
		}
		d.put(511, d.fileEntry(511-udfStart, udfFile{kind: typeVAT, form: formEmbedded, content: vat}))
	case "metadata":
		for i := range 2 {
			ads := slices.Concat(le32(6*2048), le32(40), le32(20*2048), le32(20))
			d.put(udfStart+i, d.fileEntry(i, udfFile{kind: 250 + byte(i), ads: ads, size: 26 * 2048}))
		}
	}
	return d.disc
}

// udfFile is what a file entry is made of.
type udfFile struct {
	kind     byte
	form     byte
	extended bool
	ads      []byte
	content  []byte // for embedded
	size     int
}

func (d *udfDisc) fileEntry(block int, f udfFile) []byte {
	if f.form == formEmbedded {
		f.ads, f.size = f.content, len(f.content)
	}
	id, modified, lengths := tagFile, 84, 168
	if f.extended {
		id, modified, lengths = tagExtendedFile, 92, 208
	}
	b := make([]byte, lengths+8-tagSize)
	field(b, 20, le16(4), le16(0), le16(1), []byte{0, f.kind}, make([]byte, 6), le16(int(f.form)))
	field(b, 44, le32(0b10100_10100_10100))
	field(b, 48, le16(1))
	field(b, 56, le64(f.size))
	field(b, modified, le16(1<<12|60), le16(2026), []byte{11, 25, 12, 30, 15, 50, 0, 0})
	field(b, lengths, le32(0), le32(len(f.ads)))
	return tagged(id, block, append(b, f.ads...))
}

// add writes a file entry and gives its block.
func (d *udfDisc) add(f udfFile) int {
	d.nextFE++
	d.put(d.place(d.nextFE), d.fileEntry(d.nextFE, f))
	return d.nextFE
}

// data writes content and gives its block in partition 0.
func (d *udfDisc) data(content []byte) int {
	block := d.next
	d.put(block, content)
	d.next += (len(content)+2047)/2048 + 1 // not beside the next
	return block - udfStart
}

func (d *udfDisc) fid(name string, characteristics byte, icb int) []byte {
	id := encodeCS0(name)
	if name == "" {
		id = nil
	}
	b := slices.Concat(le16(1), []byte{characteristics, byte(len(id))}, le32(2048), le32(icb), le16(d.icbs), make([]byte, 6), le16(0), id)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return tagged(tagFileID, 0, b)
}

// udfFiles is what the sample holds, by name.
func udfFiles() map[string]string {
	long := strings.Repeat("0123456789abcdef", 384) // three blocks: all but the last extent are whole ones
	return map[string]string{
		"short.bin": long + strings.Repeat("\x00", 4096) + "end", "long.bin": long, "extended.bin": long, "chain.bin": long + long[:100],
		"inline.txt": "embedded in the file entry\n", "Grüße 日本.txt": "sixteen bits\n", "dir/inner": "inner\n",
		"empty": "",
	}
}

// udfSample has a file of each form of allocation, a directory and a link.
func udfSample(kind string) *udfDisc {
	d := newUDF(kind)
	files := udfFiles()
	short := func(ads ...int) []byte {
		var b []byte
		for _, v := range ads {
			b = append(b, le32(v)...)
		}
		return b
	}
	longAt := func(size, block int) []byte { return slices.Concat(le32(size), le32(block), le16(0), make([]byte, 6)) }
	long := []byte(files["long.bin"])
	piece := func() (int, int) { return d.data(long[:4096]), d.data(long[4096:]) }

	fids := []byte(d.fid("", fidParent|2, 1))
	add := func(name string, characteristics byte, f udfFile) {
		fids = append(fids, d.fid(name, characteristics, d.add(f))...)
	}
	a, b := piece()
	end := d.data([]byte("end"))
	// short_ad is of the entry's own partition; elsewhere the content is not.
	if d.icbs == 0 && kind != "sparable" {
		add("short.bin", 0, udfFile{kind: 5, form: formShort, size: 6144 + 4096 + 3, ads: short(4096, a, 2048, b, 1<<30|2048, 0, 2<<30|2048, 0, 3, end)})
	} else {
		add("short.bin", 0, udfFile{kind: 5, form: formLong, size: 6144 + 4096 + 3, ads: slices.Concat(longAt(4096, a), longAt(2048, b), longAt(2<<30|4096, 0), longAt(3, end))})
	}
	a, b = piece()
	add("long.bin", 0, udfFile{kind: 5, form: formLong, size: 6144, extended: true, ads: slices.Concat(longAt(4096, a), longAt(2048, b))})
	a, b = piece()
	ext := func(size, block int) []byte {
		return slices.Concat(le32(size), le32(size), le32(size), le32(block), le16(0), make([]byte, 2))
	}
	add("extended.bin", 0, udfFile{kind: 5, form: formExtended, size: 6144, ads: slices.Concat(ext(4096, a), ext(2048, b))})
	a, b = piece()
	c := d.data(long[:100])
	aed := slices.Concat(le32(0), le32(32), longAt(2048, b), longAt(100, c))
	chain := d.data(nil)
	d.put(udfStart+chain, tagged(tagAllocation, chain, aed))
	add("chain.bin", 0, udfFile{kind: 5, form: formLong, size: 6244, ads: slices.Concat(longAt(4096, a), longAt(3<<30|2048, chain))})
	add("inline.txt", 0, udfFile{kind: 5, form: formEmbedded, content: []byte(files["inline.txt"])})
	add("Grüße 日本.txt", 0, udfFile{kind: 5, form: formEmbedded, extended: true, content: []byte(files["Grüße 日本.txt"])})
	add("empty", 0, udfFile{kind: 5, form: formShort})
	add("gone", fidDeleted, udfFile{kind: 5, form: formShort})
	inner := d.fid("inner", 0, d.add(udfFile{kind: 5, form: formEmbedded, content: []byte(files["dir/inner"])}))
	add("dir", 2, udfFile{kind: typeDirectory, form: formEmbedded, content: append(d.fid("", fidParent|2, 1), inner...)})
	path := slices.Concat([]byte{4, 0, 0, 0, 5, 4, 0, 0, 8}, []byte("dir"), []byte{5, 6, 0, 0, 8}, []byte("inner"))
	add("link", 0, udfFile{kind: typeSymlink, form: formEmbedded, content: path})
	d.root(fids)
	return d
}

// root writes the root directory.
func (d *udfDisc) root(fids []byte) {
	d.put(d.place(1), d.fileEntry(1, udfFile{kind: typeDirectory, form: formEmbedded, content: fids}))
}

// listed is a tree as text: a line an entry, sorted.
func listed(t testing.TB, v *Volume) string {
	t.Helper()
	var b strings.Builder
	err := fs.WalkDir(v, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", name, err)
			return nil
		}
		i, err := e.Info()
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", name, err)
			return nil
		}
		size := i.Size()
		if i.IsDir() {
			size = 0
		}
		fmt.Fprintf(&b, "%v %d %s %s", i.Mode(), size, i.ModTime().UTC().Format(time.DateTime), name)
		if link, err := v.ReadLink(name); err == nil {
			fmt.Fprintf(&b, " -> %s", link)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
