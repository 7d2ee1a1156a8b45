package lease

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"

	"hobnail/internal/model"
)

// log is the durable side of a table: one JSON record a line, each behind the
// checksum of its own octets, so that a record says by itself whether it is
// whole:
//
//	1a2b3c4d {"address":"10.77.2.50","mac":"52:54:00:12:34:56",…}
type log struct {
	path string
	file storage
	// broken is the first failed write or sync. After it the kernel may have
	// dropped the data and marked it clean, so no later success can be
	// believed: nothing is written until the log is opened anew.
	broken error
}

// storage is what the log needs of its file: *os.File.
type storage interface {
	io.WriteCloser
	Sync() error
}

func openLog(path string, each func(model.Lease)) (*log, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("opening the lease log: %v", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("opening the lease log: %v", err)
	}
	end, err := replay(f, path, each)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &log{path: path, file: f}, nil
}

// replay hands over every whole record and says where the last one ends.
func replay(f *os.File, path string, each func(model.Lease)) (end int64, err error) {
	r := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return end, nil // what is left over has no end of line: torn
		}
		if err != nil {
			return 0, fmt.Errorf("reading the lease log %s: %v", path, err)
		}
		rec, err := decode(line)
		if err != nil {
			if _, more := r.ReadByte(); more == io.EOF {
				return end, nil
			}
			return 0, fmt.Errorf("reading the lease log %s: record %d at offset %d is damaged (%v); "+
				"restore the file or move it away, and no address in it will be known", path, n, end, err)
		}
		each(rec)
		end += int64(len(line))
	}
}

func (l *log) append(rec model.Lease) error {
	if l.broken != nil {
		return fmt.Errorf("the lease log %s failed earlier and needs a restart: %v", l.path, l.broken)
	}
	line, err := encode(rec)
	if err != nil {
		return fmt.Errorf("writing the lease of %s: %v", rec.Address, err)
	}
	if _, err := l.file.Write(line); err != nil {
		l.broken = err
		return fmt.Errorf("writing the lease of %s to %s: %v", rec.Address, l.path, err)
	}
	if err := l.file.Sync(); err != nil {
		l.broken = err
		return fmt.Errorf("syncing the lease of %s to %s: %v", rec.Address, l.path, err)
	}
	return nil
}

func (l *log) close() error { return l.file.Close() }

func encode(rec model.Lease) ([]byte, error) {
	body, err := json.Marshal(rec)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(body), body), nil
}

func decode(line []byte) (rec model.Lease, err error) {
	sum, body, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	if !ok {
		return rec, errors.New("no checksum")
	}
	if want := fmt.Sprintf("%08x", crc32.ChecksumIEEE(body)); string(sum) != want {
		return rec, fmt.Errorf("checksum %q, not %s", sum, want)
	}
	if err := json.Unmarshal(body, &rec); err != nil {
		return rec, err
	}
	if !rec.Address.IsValid() {
		return rec, errors.New("no address")
	}
	return rec, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing %s: %v", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %v", dir, err)
	}
	return nil
}

func sortByAddr(all []model.Lease) {
	slices.SortFunc(all, func(a, b model.Lease) int { return a.Address.Compare(b.Address) })
}
