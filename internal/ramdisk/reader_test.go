package ramdisk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// found is a file or directory as a reader sees it.
type found struct {
	Path     string
	Short    string // eleven octets
	Dir      bool
	Content  string
	Modified time.Time
}

// fatReader reads volumes back. It shares nothing with the writer but Go, and
// believes nothing that it can check.
type fatReader struct {
	b       []byte
	fat     []uint16
	eoc     uint16
	cluster int // octets in a cluster
	data    int // where cluster 2 begins
	used    map[int]string
}

// read gives all of a volume's octets.
func read(t testing.TB, m *Image) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(m, 0, m.Size()))
	if err != nil || int64(len(b)) != m.Size() {
		t.Fatalf("reading the volume: %d octets of %d, %v", len(b), m.Size(), err)
	}
	return b
}

// list reads everything in a volume, in the order it stands there.
func list(b []byte) (label string, all []found, err error) {
	r, root, err := openFAT(b)
	if err != nil {
		return "", nil, err
	}
	label, all, err = r.directory(root, "", 0, 0)
	if err != nil {
		return "", nil, err
	}
	for c := 2; c < len(r.fat); c++ {
		if r.fat[c] != 0 && r.used[c] == "" {
			return "", nil, fmt.Errorf("cluster %d is lost", c)
		}
	}
	return label, all, nil
}

func openFAT(b []byte) (*fatReader, []byte, error) {
	le := binary.LittleEndian
	if b[510] != 0x55 || b[511] != 0xaa {
		return nil, nil, fmt.Errorf("no signature")
	}
	sector, perCluster := int(le.Uint16(b[11:])), int(b[13])
	reserved, copies := int(le.Uint16(b[14:])), int(b[16])
	rootEntries, fatSectors := int(le.Uint16(b[17:])), int(le.Uint16(b[22:]))
	total := int(le.Uint16(b[19:]))
	if total == 0 {
		total = int(le.Uint32(b[32:]))
	}
	if total*sector != len(b) {
		return nil, nil, fmt.Errorf("%d sectors of %d in %d octets", total, sector, len(b))
	}
	rootAt := (reserved + copies*fatSectors) * sector
	r := &fatReader{b: b, cluster: perCluster * sector, data: rootAt + rootEntries*32, used: map[int]string{}}
	clusters := (len(b) - r.data) / r.cluster
	fat := b[reserved*sector:][:fatSectors*sector]
	for i := 1; i < copies; i++ {
		if !bytes.Equal(fat, b[(reserved+i*fatSectors)*sector:][:len(fat)]) {
			return nil, nil, fmt.Errorf("FAT %d differs from the first", i)
		}
	}
	r.eoc = 0xffff
	if clusters < 4085 {
		r.eoc = 0xfff
	}
	for c := range clusters + 2 {
		if r.eoc == 0xffff {
			r.fat = append(r.fat, le.Uint16(fat[2*c:]))
			continue
		}
		pair := le.Uint16(fat[c+c/2:])
		r.fat = append(r.fat, pair>>(4*(c%2))&0xfff)
	}
	if r.fat[0] != r.eoc&0xff00|uint16(b[21]) || r.fat[1] != r.eoc {
		return nil, nil, fmt.Errorf("the FAT begins %#x %#x", r.fat[0], r.fat[1])
	}
	return r, b[rootAt:r.data], nil
}

// chain gives the octets of a chain of clusters.
func (r *fatReader) chain(first int, owner string) ([]byte, error) {
	var out []byte
	for c := first; c != int(r.eoc); c = int(r.fat[c]) {
		if c < 2 || c >= len(r.fat) {
			return nil, fmt.Errorf("%s: cluster %d of %d", owner, c, len(r.fat))
		}
		if r.used[c] != "" {
			return nil, fmt.Errorf("%s: cluster %d belongs to %s", owner, c, r.used[c])
		}
		r.used[c] = owner
		out = append(out, r.b[r.data+(c-2)*r.cluster:][:r.cluster]...)
	}
	return out, nil
}

func (r *fatReader) directory(b []byte, path string, self, parent int) (label string, all []found, err error) {
	le := binary.LittleEndian
	seen := map[string]bool{}
	var long []uint16
	var sum byte
	left := 0
	for i := 0; i+32 <= len(b) && b[i] != 0; i += 32 {
		e := b[i : i+32]
		if e[11] == 0x0f {
			if e[0]&0x40 != 0 {
				left, long, sum = int(e[0]&0x3f), nil, e[13]
			} else if left--; int(e[0]) != left || e[13] != sum {
				return "", nil, fmt.Errorf("%s: long name out of order", path)
			}
			var piece []uint16
			for _, at := range []int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30} {
				piece = append(piece, le.Uint16(e[at:]))
			}
			long = append(piece, long...)
			continue
		}
		short := string(e[:11])
		first, size := int(le.Uint16(e[26:])), int(le.Uint32(e[28:]))
		name := strings.TrimRight(short[:8], " ")
		if ext := strings.TrimRight(short[8:], " "); ext != "" {
			name += "." + ext
		}
		if long != nil {
			if want := sumOf(e[:11]); sum != want || left != 1 {
				return "", nil, fmt.Errorf("%s: long name of %q has checksum %#x, want %#x, and %d pieces left", path, short, sum, want, left)
			}
			if name, err = longText(long); err != nil {
				return "", nil, fmt.Errorf("%s: %v", path, err)
			}
			long = nil
		}
		if seen[short] {
			return "", nil, fmt.Errorf("%s: %q twice", path, short)
		}
		seen[short] = true
		switch {
		case e[11] == 0x08:
			label = short
			continue
		case short == ".          " && first == self || short == "..         " && first == parent:
			if e[11] != 0x10 {
				return "", nil, fmt.Errorf("%s: %q is no directory", path, short)
			}
			continue
		}
		f := found{Path: path + name, Short: short, Dir: e[11] == 0x10, Modified: stamp(le.Uint16(e[24:]), le.Uint16(e[22:]))}
		var content []byte
		if first != 0 {
			if content, err = r.chain(first, f.Path); err != nil {
				return "", nil, err
			}
		}
		if f.Dir {
			_, below, err := r.directory(content, f.Path+"/", first, self)
			if err != nil {
				return "", nil, err
			}
			all = append(append(all, f), below...)
			continue
		}
		if need := (size + r.cluster - 1) / r.cluster * r.cluster; need != len(content) {
			return "", nil, fmt.Errorf("%s: %d octets in %d of clusters", f.Path, size, len(content))
		}
		if rest := content[size:]; len(bytes.Trim(rest, "\x00")) != 0 {
			return "", nil, fmt.Errorf("%s: its last cluster has more in it than it", f.Path)
		}
		f.Content = string(content[:size])
		all = append(all, f)
	}
	if path != "" && (len(b) == 0 || !seen[".          "] || !seen["..         "]) {
		return "", nil, fmt.Errorf("%s has no . and ..", path)
	}
	return label, all, nil
}

func longText(long []uint16) (string, error) {
	for i, c := range long {
		if c != 0 {
			continue
		}
		for _, fill := range long[i+1:] {
			if fill != 0xffff {
				return "", fmt.Errorf("%#x after the end of a long name", fill)
			}
		}
		return string(utf16.Decode(long[:i])), nil
	}
	return string(utf16.Decode(long)), nil
}

func sumOf(short []byte) byte {
	sum := 0
	for _, c := range short {
		sum = (sum&1)<<7 + sum>>1 + int(c)
		sum &= 0xff
	}
	return byte(sum)
}

func stamp(date, clock uint16) time.Time {
	return time.Date(1980+int(date>>9), time.Month(date>>5&15), int(date&31),
		int(clock>>11), int(clock>>5&63), int(clock&31)*2, 0, time.UTC)
}
