//go:build lab

package lab

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// cpioFile is a file or a symbolic link of an initramfs.
type cpioFile struct {
	mode uint32 // as in stat(2)
	data []byte // of a link: where it leads
}

const cpioHeader = 110 // octets of a newc header: a magic of 6, 13 fields of 8 hexadecimal digits

// readCPIO reads the files and links of a gzipped newc archive by name, without
// a slash in front.
func readCPIO(gzipped []byte) (map[string]cpioFile, error) {
	z, err := gzip.NewReader(bytes.NewReader(gzipped))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	files := map[string]cpioFile{}
	for {
		if len(data) < cpioHeader || string(data[:6]) != "070701" {
			return nil, errors.New("no header where one should be")
		}
		field := func(i int) int {
			n, err := strconv.ParseUint(string(data[6+8*i:14+8*i]), 16, 32)
			if err != nil {
				return -1
			}
			return int(n)
		}
		mode, size, nameSize := field(1), field(6), field(11)
		begin := align4(cpioHeader + nameSize)
		if mode < 0 || size < 0 || nameSize < 1 || begin+size > len(data) {
			return nil, errors.New("a file beyond the end")
		}
		name := string(data[cpioHeader : cpioHeader+nameSize-1])
		if name == "TRAILER!!!" {
			return files, nil
		}
		if kind := mode & 0o170000; kind == 0o100000 || kind == 0o120000 {
			files[strings.TrimPrefix(path.Clean(name), "/")] = cpioFile{uint32(mode), data[begin : begin+size]}
		}
		data = data[min(align4(begin+size), len(data)):]
	}
}

// writeCPIO writes a newc archive in the order of names, folders before what is
// in them.
func writeCPIO(w io.Writer, files map[string]cpioFile) error {
	all := map[string]cpioFile{}
	for name, f := range files {
		all[name] = f
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			all[dir] = cpioFile{mode: 0o040755}
		}
	}
	for i, name := range slices.Sorted(maps.Keys(all)) {
		if err := writeCPIOFile(w, i+1, name, all[name]); err != nil {
			return err
		}
	}
	return writeCPIOFile(w, 0, "TRAILER!!!", cpioFile{})
}

func writeCPIOFile(w io.Writer, inode int, name string, f cpioFile) error {
	head := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		inode, f.mode, 0, 0, 1, 0, len(f.data), 0, 0, 0, 0, len(name)+1, 0, name)
	for _, part := range [][]byte{[]byte(head), f.data} {
		if _, err := w.Write(append(part[:len(part):len(part)], make([]byte, align4(len(part))-len(part))...)); err != nil {
			return err
		}
	}
	return nil
}

func align4(n int) int { return (n + 3) &^ 3 }
