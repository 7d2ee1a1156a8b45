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
	"sync"
	"syscall"

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
	end  int64 // of the last record that is stored
	mu   sync.Mutex
	// broken is the first failed write or sync. After it the kernel may have
	// dropped the data and marked it clean, so no later success can be
	// believed: nothing is written until the log is opened anew.
	broken error
}

// storage is what the log needs of its file: *os.File.
type storage interface {
	io.WriteSeeker
	io.Closer
	Sync() error
	Truncate(size int64) error
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
	return &log{path: path, file: f, end: end}, nil
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

// refuses is the error of a log that no longer can be written.
func (l *log) refuses() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == nil {
		return nil
	}
	return fmt.Errorf("the lease log %s failed earlier and needs a restart: %v", l.path, l.broken)
}

func (l *log) breaks(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = err
}

// write appends n records and syncs them. A full disk leaves the log as it
// was; after any other fault nothing more is written.
func (l *log) write(records []byte, n int) error {
	if err := l.refuses(); err != nil {
		return err
	}
	if _, err := l.file.Write(records); err != nil {
		if full(err) && l.cut() == nil {
			return fmt.Errorf("writing %d leases to %s: the disk is full: %v", n, l.path, err)
		}
		l.breaks(err)
		return fmt.Errorf("writing %d leases to %s: %v", n, l.path, err)
	}
	if err := l.file.Sync(); err != nil {
		l.breaks(err)
		return fmt.Errorf("syncing %d leases to %s: %v", n, l.path, err)
	}
	l.end += int64(len(records))
	return nil
}

// full tells a disk without space, which may have some again, from one that
// cannot be believed.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// cut takes off what was written in part.
func (l *log) cut() error {
	if err := l.file.Truncate(l.end); err != nil {
		return err
	}
	_, err := l.file.Seek(l.end, io.SeekStart)
	return err
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
