package lease

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"hobnail/internal/model"
)

// replayText reads a log as the first builds wrote it, one JSON record a line
// behind the checksum of its octets:
//
//	1a2b3c4d {"address":"10.77.2.50","mac":"52:54:00:12:34:56",…}
//
// Opening it writes it anew, so nothing is ever appended to one.
func (l *log) replayText(r *bufio.Reader, size int64, each func(model.Lease)) error {
	for at := int64(0); at < size; {
		line, err := r.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading the lease log %s: %v", l.path, err)
		}
		lease, bad := decodeText(line)
		if errors.Is(err, io.EOF) {
			bad = errors.New("no end of line")
		}
		if bad != nil {
			if at > 0 && at+int64(len(line)) == size {
				return nil // the end, torn
			}
			return l.damaged(at, bad)
		}
		each(lease)
		at += int64(len(line))
		l.records++
	}
	return nil
}

func decodeText(line []byte) (l model.Lease, err error) {
	sum, body, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	if !ok || string(sum) != fmt.Sprintf("%08x", crc32.ChecksumIEEE(body)) {
		return l, errors.New("wrong checksum")
	}
	if err := json.Unmarshal(body, &l); err != nil {
		return l, err
	}
	return l, storable(&l)
}
