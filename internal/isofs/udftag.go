package isofs

import (
	"encoding/binary"
	"errors"
	"time"
)

// Identifiers of descriptor tags (ECMA-167 3/7.2.1 and 4/7.2.1).
const (
	tagAnchor       = 2
	tagPointer      = 3
	tagPartition    = 5
	tagLogical      = 6
	tagTerminating  = 8
	tagFileSet      = 256
	tagFileID       = 257
	tagAllocation   = 258
	tagIndirect     = 259
	tagFile         = 261
	tagExtendedFile = 266
)

const tagSize = 16

// sums says whether checksums of tags are looked at.
type sums bool

var (
	errTagSum = errors.New("the checksum of its tag is wrong")
	errTagCRC = errors.New("its CRC is wrong")
)

// tag checks the tag of a descriptor (ECMA-167 3/7.2) and gives its identifier.
//
//	0  u16 identifier   2  u16 version   4  checksum of the other 15 octets
//	6  u16 serial number   8  u16 CRC, 10  u16 its length   12  u32 location
func (s sums) tag(b []byte) (id uint16, location uint32, err error) {
	if len(b) < tagSize {
		return 0, 0, errors.New("cut off")
	}
	var sum byte
	for i, c := range b[:tagSize] {
		if i != 4 {
			sum += c
		}
	}
	if bool(s) && sum != b[4] {
		return 0, 0, errTagSum
	}
	// A CRC over more than the block is none that anybody checks.
	if n := int(binary.LittleEndian.Uint16(b[10:])); bool(s) && n <= len(b)-tagSize &&
		crc16(b[tagSize:][:n]) != binary.LittleEndian.Uint16(b[8:]) {
		return 0, 0, errTagCRC
	}
	return binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint32(b[12:]), nil
}

// crc16 is the CRC of ECMA-167 3/7.2.6: polynomial 0x1021, from zero.
func crc16(b []byte) uint16 {
	var crc uint16
	for _, c := range b {
		crc ^= uint16(c) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// udfTime reads a timestamp of 12 octets (ECMA-167 1/7.3): type and minutes east
// of Greenwich, year, month, day, hour, minute, second, and fractions of it.
func udfTime(b []byte) time.Time {
	year := int(int16(binary.LittleEndian.Uint16(b[2:])))
	if b[4] == 0 {
		return time.Time{}
	}
	fraction := (time.Duration(b[9])*10_000 + time.Duration(b[10])*100 + time.Duration(b[11])) * time.Microsecond
	t := time.Date(year, time.Month(b[4]), int(b[5]), int(b[6]), int(b[7]), int(b[8]), int(fraction), time.UTC)
	kind := binary.LittleEndian.Uint16(b)
	// Twelve bits with a sign; -2047 says that the zone is not known.
	if zone := int(int16(kind<<4) >> 4); kind>>12 == 1 && zone != -2047 {
		t = t.Add(-time.Duration(zone) * time.Minute)
	}
	return t
}
