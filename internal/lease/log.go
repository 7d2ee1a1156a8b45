package lease

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"hobnail/internal/model"
)

// log is the durable side of a table.
type log struct {
	dir     folder
	name    string // inside the folder
	path    string // for errors
	file    file
	end     int64 // behind the last frame that is stored
	records int   // up to there
	base    int   // of them, those from when the log was last written anew

	// copying collects what is stored while the log is written anew; nil
	// when it is not.
	copying *copied
}

// copied is records that were stored, n of them.
type copied struct {
	frame []byte
	n     int
}

// write appends a frame of n records and syncs it. After an error that is
// final nothing more may be written: the kernel may have dropped the data and
// marked it clean, so that no later success can be believed. A disk without
// space is no such case; the log is then as it was.
func (l *log) write(frame []byte, n int) (final bool, err error) {
	seal(frame, l.end)
	if _, err := l.file.WriteAt(frame, l.end); err != nil {
		l.copying = nil
		if full(err) && l.file.Truncate(l.end) == nil {
			return false, fmt.Errorf("writing %s to %s: the disk is full: %v", leases(n), l.path, err)
		}
		return true, fmt.Errorf("writing %s to %s: %v", leases(n), l.path, err)
	}
	if err := l.file.Sync(); err != nil {
		l.copying = nil
		return true, fmt.Errorf("syncing %s to %s: %v", leases(n), l.path, err)
	}
	l.end += int64(len(frame))
	l.records += n
	if l.copying != nil {
		l.copying.frame = append(l.copying.frame, frame[frameHead:]...)
		l.copying.n += n
	}
	return false, nil
}

func leases(n int) string {
	if n == 1 {
		return "a lease"
	}
	return fmt.Sprintf("%d leases", n)
}

// full tells a disk that has no space from one that cannot be believed.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// replay hands over every record of a log, in the order in which they were
// written. A torn last frame was never acknowledged and is passed over;
// damage before it is an error.
func (l *log) replay(each func(model.Lease)) error {
	size, err := l.file.Size()
	if err != nil {
		return fmt.Errorf("reading the lease log %s: %v", l.path, err)
	}
	r := bufio.NewReaderSize(io.NewSectionReader(l.file, 0, size), int(min(size, 1<<16)))
	if begin, _ := r.Peek(len(header)); string(begin) != header {
		return l.replayText(r, size, each)
	}
	l.end = int64(len(header))
	r.Discard(len(header))
	var frame []byte
	for l.end < size {
		records, err := l.next(r, &frame, size-l.end)
		if err != nil {
			return fmt.Errorf("reading the lease log %s: %v", l.path, err)
		}
		if records == nil {
			return l.torn(size)
		}
		n, err := eachRecord(records, each)
		if err != nil {
			return l.damaged(l.end, err)
		}
		l.end += int64(frameHead + len(records))
		l.records += n
	}
	return nil
}

// next reads a frame out of what is left; nil if there is no valid one.
func (l *log) next(r *bufio.Reader, frame *[]byte, left int64) ([]byte, error) {
	head, err := r.Peek(frameHead)
	if err != nil {
		return nil, ignoreEOF(err)
	}
	length := frameLength(head)
	if length == 0 || int64(length) > left {
		return nil, nil
	}
	if cap(*frame) < length {
		*frame = make([]byte, length)
	}
	*frame = (*frame)[:length]
	if _, err := io.ReadFull(r, *frame); err != nil {
		return nil, ignoreEOF(err)
	}
	return frameIn(*frame, l.end), nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// torn is no error if no frame comes after the place that is none.
func (l *log) torn(size int64) error {
	rest := make([]byte, size-l.end)
	if _, err := l.file.ReadAt(rest, l.end); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the lease log %s: %v", l.path, err)
	}
	if anyFrame(rest, l.end) {
		return l.damaged(l.end, errors.New("wrong checksum"))
	}
	return nil
}

func (l *log) damaged(at int64, why error) error {
	return fmt.Errorf("reading the lease log %s: what was written at offset %d, after %s, is damaged (%v); "+
		"restore the file or move it away, and no address in it will be known", l.path, at, leases(l.records), why)
}

// openLog reads a log, if there is one.
func openLog(dir folder, name, path string, each func(model.Lease)) (*log, error) {
	l := &log{dir: dir, name: name, path: path}
	f, err := dir.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the lease log: %v", err)
	}
	l.file = f
	if err := l.replay(each); err != nil {
		f.Close()
		return nil, err
	}
	return l, nil
}

// again writes a log over itself, which takes no space. What an earlier
// process could not sync the kernel may show and yet never write: behind such
// a frame nothing may be added.
func (l *log) again() error {
	if err := l.file.Truncate(l.end); err != nil {
		return err
	}
	b := make([]byte, 1<<16)
	for at := int64(0); at < l.end; {
		n, err := l.file.ReadAt(b[:min(int64(len(b)), l.end-at)], at)
		if err != nil && !(errors.Is(err, io.EOF) && n > 0) {
			return err
		}
		if _, err := l.file.WriteAt(b[:n], at); err != nil {
			return err
		}
		at += int64(n)
	}
	return l.file.Sync()
}

func (l *log) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
