package bcd

import (
	"encoding/binary"

	"hobnail/internal/regf"
)

// Device is the octets of an element of format 1: where something lies. All of
// it is little endian, after 16 octets for the GUID of an object with options:
//
//	0x10 kind   0x14 flags   0x18 octets from 0x10 on   0x1c 0   0x20 what the kind asks for
type Device []byte

// Kinds of devices.
const (
	kindBoot      = 5
	kindPartition = 6
	kindLocate    = 8

	plainSize = 0x48 // octets of a boot or partition device from 0x10 on
)

// le is the order of octets in a store.
var le = binary.LittleEndian

// plain is a device of 88 octets without options.
func plain(kind uint32) Device {
	d := make(Device, 0x10+plainSize)
	le.PutUint32(d[0x10:], kind)
	le.PutUint32(d[0x18:], plainSize)
	return d
}

// Boot is "boot": whatever the boot manager itself came from, over the network
// the server.
func Boot() Device { return plain(kindBoot) }

// GPTPartition is "partition=" on a disk with a GUID partition table: the
// GUIDs of the partition and of the disk.
func GPTPartition(partition, disk GUID) Device {
	d := plain(kindPartition)
	copy(d[0x20:], partition[:])
	copy(d[0x38:], disk[:])
	return d
}

// Locate is "locate=": the partition that has the file which the element
// names. It fits every disk.
func Locate(e Element) Device {
	d := make(Device, 0x10+0x1e)
	le.PutUint32(d[0x10:], kindLocate)
	le.PutUint32(d[0x18:], 0x1e)
	le.PutUint32(d[0x24:], uint32(e))
	return d
}

// RAMDisk is "ramdisk=[parent]path,{options}": a WIM that is read into memory
// from a boot or partition device, with the options of an object.
//
//	0x38 1   0x3c octets from 0x38 on   0x40 5 in every store that was seen
//	0x44 the parent from 0x10 on   0x8c path in UTF-16LE, NUL
func RAMDisk(parent Device, path string, options GUID) Device {
	text := regf.UTF16(path + "\x00")
	d := make(Device, 0x8c, 0x8c+len(text))
	copy(d, options[:])
	le.PutUint32(d[0x14:], 1)
	le.PutUint32(d[0x18:], uint32(0x7c+len(text)))
	le.PutUint32(d[0x20:], 3)
	le.PutUint32(d[0x38:], 1)
	le.PutUint32(d[0x3c:], uint32(0x54+len(text)))
	le.PutUint32(d[0x40:], 5)
	copy(d[0x44:], parent[0x10:])
	return append(d, text...)
}
