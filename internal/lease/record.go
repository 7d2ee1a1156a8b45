package lease

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"hobnail/internal/model"
)

// The log is a header and then frames, one for each commit:
//
//	"hobnail leases 1\n"
//	frame = magic(4) length(4) checksum(4) records(length)
//	record = state(1) address(4) start(8) expires(8) key client-id host-name circuit
//
// Numbers are little-endian, times nanoseconds of Unix time; the four texts
// each have their length in front, as a varint. The checksum (CRC-32C) is over
// the frame's place in the file, its length and its records: a frame is valid
// as a whole, and only where it was written. So a commit that was torn, in
// whatever order the disk wrote its sectors, is no frame; and whether a place
// that is no frame is a torn end or damage shows in whether frames come after
// it: the next commit begins only when the last is stored.
const (
	header    = "hobnail leases 1\n"
	magic     = 0x6e62f5a7
	frameHead = 12
	maxFrame  = 1 << 30 // more than any commit
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal fills in the head of a frame that stands at a place in the file.
func seal(frame []byte, at int64) {
	records := frame[frameHead:]
	binary.LittleEndian.PutUint32(frame, magic)
	binary.LittleEndian.PutUint32(frame[4:], uint32(len(records)))
	binary.LittleEndian.PutUint32(frame[8:], checksum(at, records))
}

func checksum(at int64, records []byte) uint32 {
	var place [12]byte
	binary.LittleEndian.PutUint64(place[:], uint64(at))
	binary.LittleEndian.PutUint32(place[8:], uint32(len(records)))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, records)
}

// frameIn gives the records of the frame at the beginning of b, which stands
// at a place in the file; nil if there is no valid one.
func frameIn(b []byte, at int64) []byte {
	length := frameLength(b)
	if length == 0 || length > len(b) {
		return nil
	}
	records := b[frameHead:length]
	if binary.LittleEndian.Uint32(b[8:]) != checksum(at, records) {
		return nil
	}
	return records
}

// frameLength is how long a frame says it is, with its head; 0 for what is none.
func frameLength(b []byte) int {
	if len(b) < frameHead || binary.LittleEndian.Uint32(b) != magic {
		return 0
	}
	length := binary.LittleEndian.Uint32(b[4:])
	if length == 0 || length > maxFrame {
		return 0
	}
	return frameHead + int(length)
}

// anyFrame reports whether a valid frame begins behind the first octet of b.
func anyFrame(b []byte, at int64) bool {
	sign := binary.LittleEndian.AppendUint32(nil, magic)
	for i := 1; ; i++ {
		next := bytes.Index(b[min(i, len(b)):], sign)
		if next < 0 {
			return false
		}
		i += next
		if frameIn(b[i:], at+int64(i)) != nil {
			return true
		}
	}
}

// maxText is more than any text of a DHCP message.
const maxText = 4096

// storable reports what of a lease no row or record can hold.
func storable(l *model.Lease) error {
	if !l.Address.Is4() {
		return errors.New("it is no IPv4 address")
	}
	if _, ok := stateOf(l.State); !ok {
		return fmt.Errorf("the state %q is unknown", l.State)
	}
	if len(l.MAC) > maxText || len(l.ClientID) > maxText || len(l.Hostname) > maxText || len(l.Circuit) > maxText {
		return errors.New("its texts are too long")
	}
	return nil
}

// appendRecord writes a lease that is storable.
func appendRecord(b []byte, l *model.Lease) []byte {
	s, _ := stateOf(l.State)
	a := l.Address.As4()
	b = append(append(b, byte(s)), a[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(nanos(l.Start)))
	b = binary.LittleEndian.AppendUint64(b, uint64(nanos(l.Expires)))
	for _, text := range [...]string{string(l.MAC), l.ClientID, l.Hostname, l.Circuit} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return b
}

// eachRecord reads the records of a frame and says how many there were.
func eachRecord(b []byte, each func(model.Lease)) (n int, err error) {
	for len(b) > 0 {
		l, rest, err := readRecord(b)
		if err != nil {
			return n, err
		}
		each(l)
		b = rest
		n++
	}
	return n, nil
}

func readRecord(b []byte) (l model.Lease, rest []byte, err error) {
	const fixed = 1 + 4 + 8 + 8
	if len(b) < fixed {
		return l, nil, errors.New("a record is cut short")
	}
	w := row{
		state: state(b[0]), addr: binary.BigEndian.Uint32(b[1:]),
		start: int64(binary.LittleEndian.Uint64(b[5:])), expires: int64(binary.LittleEndian.Uint64(b[13:])),
	}
	if w.state < offered || w.state > declined {
		return l, nil, fmt.Errorf("a record has state %d", w.state)
	}
	b = b[fixed:]
	var texts [4]string
	for i := range texts {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > maxText || int(size) > len(b)-n {
			return l, nil, errors.New("a record is cut short")
		}
		texts[i], b = string(b[n:n+int(size)]), b[n+int(size):]
	}
	l = w.lease()
	l.MAC, l.ClientID, l.Hostname, l.Circuit = model.MAC(texts[0]), texts[1], texts[2], texts[3]
	return l, b, nil
}
