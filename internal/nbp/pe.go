package nbp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// errNotPE means that the content does not even claim to be a PE image.
var errNotPE = errors.New("not a PE image")

// subsystemEFIApplication is the only subsystem that firmware starts as a
// boot program (UEFI specification 2.10, section 2.1.1).
const subsystemEFIApplication = 10

const (
	maxSections       = 96 // as many as Windows' loader takes (Microsoft PE format, COFF file header)
	maxSectionName    = 64 // none that means anything to us is longer
	sectionHeaderSize = 40
)

// peImage is what the headers of a PE image say. Slices point into the
// content that was parsed.
//
//	0x00  "MZ"
//	0x3c  u32 offset of the PE header
//	 PE+0 "PE\0\0"
//	   +4 u16 machine
//	   +6 u16 number of sections
//	  +12 u32 offset and +16 u32 number of symbols
//	  +20 u16 size of the optional header
//	  +24 optional header: u16 magic 0x10b PE32, 0x20b PE32+
//	      +60 u32 size of all headers
//	      +64 u32 checksum
//	      +68 u16 subsystem
//	      +92 (PE32), +108 (PE32+) u32 number of data directories
//	      then the directories, u32 address and u32 size each; number 4 is
//	      the certificate table, whose address is a file offset
//	then the section headers, 40 octets each
type peImage struct {
	Machine   uint16
	Plus      bool // PE32+: 64-bit addresses
	Subsystem uint16
	Sections  []peSection
	Certs     []byte // the certificate table; empty if there is none
	CertsErr  error  // why the table that the header names cannot be read
	Layout    peLayout
}

// peLayout is where the parts lie that an Authenticode digest includes and
// leaves out, as offsets into the file.
type peLayout struct {
	Headers     uint64 // size of all headers, as the optional header says
	Checksum    uint64 // of the checksum, 4 octets
	Directory   uint64 // of the certificate table's directory entry, 8 octets; 0 if there is none
	Certificate uint64 // size of the certificate table; 0 if there is none
	Sections    []peExtent
}

// peExtent is one section's place in the file.
type peExtent struct{ Offset, Size uint64 }

// peSection is one section with a name and its content in the file.
type peSection struct {
	Name string
	Data []byte // no more than the section's size in memory, without padding
}

// section gives the content of the first section of that name, nil if there
// is none.
func (p *peImage) section(name string) []byte {
	for _, s := range p.Sections {
		if s.Name == name {
			return s.Data
		}
	}
	return nil
}

// parsePE reads the headers of a PE image. It returns errNotPE if there is no
// PE header at all, and another error if one is there but is damaged or cut
// off. A damaged certificate table is no such error: firmware without Secure
// Boot never looks at it.
func parsePE(b []byte) (*peImage, error) {
	if len(b) < 0x40 || b[0] != 'M' || b[1] != 'Z' {
		return nil, errNotPE
	}
	le := binary.LittleEndian
	head := part(b, uint64(le.Uint32(b[0x3c:])), 24)
	if head == nil || !bytes.Equal(head[:4], []byte("PE\x00\x00")) {
		return nil, errNotPE
	}
	p := &peImage{Machine: le.Uint16(head[4:])}
	sections := int(le.Uint16(head[6:]))
	if sections > maxSections {
		return nil, fmt.Errorf("damaged PE image: %d sections, at most %d are allowed", sections, maxSections)
	}
	optionalAt := uint64(le.Uint32(b[0x3c:])) + 24
	optionalSize := uint64(le.Uint16(head[20:]))
	optional := part(b, optionalAt, optionalSize)
	if optional == nil {
		return nil, errors.New("damaged PE image: cut off in the optional header")
	}
	if err := p.parseOptional(b, optional, optionalAt); err != nil {
		return nil, err
	}
	table := part(b, optionalAt+optionalSize, uint64(sections)*sectionHeaderSize)
	if table == nil {
		return nil, errors.New("damaged PE image: cut off in the section table")
	}
	names := coffStrings(b, le.Uint32(head[12:]), le.Uint32(head[16:]))
	for ; len(table) > 0; table = table[sectionHeaderSize:] {
		s, extent, err := parseSection(b, table[:sectionHeaderSize], names)
		if err != nil {
			return nil, err
		}
		p.Sections = append(p.Sections, s)
		if extent.Size > 0 {
			p.Layout.Sections = append(p.Layout.Sections, extent)
		}
	}
	return p, nil
}

// parseOptional reads the optional header, which is not optional in images and
// lies at the offset at.
func (p *peImage) parseOptional(b, optional []byte, at uint64) error {
	le := binary.LittleEndian
	if len(optional) < 2 {
		return errors.New("damaged PE image: no optional header")
	}
	countAt := 92
	switch magic := le.Uint16(optional); magic {
	case 0x10b:
	case 0x20b:
		p.Plus, countAt = true, 108
	default:
		return fmt.Errorf("damaged PE image: optional header of unknown kind 0x%04x", magic)
	}
	if len(optional) < countAt+4 {
		return errors.New("damaged PE image: optional header too short")
	}
	p.Layout.Headers, p.Layout.Checksum = uint64(le.Uint32(optional[60:])), at+64
	p.Subsystem = le.Uint16(optional[68:])
	const certificateTable = 4
	directory := part(optional, uint64(countAt)+4+certificateTable*8, 8)
	if le.Uint32(optional[countAt:]) <= certificateTable || directory == nil {
		return nil
	}
	p.Layout.Directory = at + uint64(countAt) + 4 + certificateTable*8
	offset, size := le.Uint32(directory), le.Uint32(directory[4:])
	if size == 0 {
		return nil
	}
	p.Layout.Certificate = uint64(size)
	if p.Certs = part(b, uint64(offset), uint64(size)); p.Certs == nil {
		p.CertsErr = errors.New("the certificate table lies outside the file")
	}
	return nil
}

// parseSection reads one section header.
//
//	0 name, 8 octets, NUL-padded   8 u32 size in memory
//	16 u32 size in the file        20 u32 offset in the file
func parseSection(b, header, names []byte) (peSection, peExtent, error) {
	le := binary.LittleEndian
	s := peSection{Name: sectionName(header[:8], names)}
	size, offset := le.Uint32(header[16:]), le.Uint32(header[20:])
	if size == 0 || offset == 0 { // uninitialised data: nothing in the file
		return s, peExtent{}, nil
	}
	s.Data = part(b, uint64(offset), uint64(size))
	if s.Data == nil {
		return s, peExtent{}, fmt.Errorf("damaged PE image: section %q ends behind the end of the file", s.Name)
	}
	if inMemory := le.Uint32(header[8:]); inMemory < size {
		s.Data = s.Data[:inMemory]
	}
	return s, peExtent{uint64(offset), uint64(size)}, nil
}

// sectionName reads a section's name. One of more than 8 characters, such as
// shim's .sbatlevel, is "/" and a decimal offset into the COFF string table:
// meant for object files, but GNU's linker writes it into images too.
func sectionName(field, names []byte) string {
	short, _, _ := bytes.Cut(field, []byte{0})
	if len(short) < 2 || short[0] != '/' {
		return string(short)
	}
	offset, err := strconv.ParseUint(string(short[1:]), 10, 32)
	if err != nil || offset >= uint64(len(names)) {
		return string(short)
	}
	long := names[offset:]
	long = long[:min(len(long), maxSectionName)]
	long, _, _ = bytes.Cut(long, []byte{0})
	return string(long)
}

// coffStrings gives the string table, which follows the symbols, 18 octets
// each, and begins with its own size; nil if the image has none.
func coffStrings(b []byte, symbolsAt, symbols uint32) []byte {
	if symbolsAt == 0 {
		return nil
	}
	at := uint64(symbolsAt) + 18*uint64(symbols)
	size := part(b, at, 4)
	if size == nil {
		return nil
	}
	return part(b, at, uint64(binary.LittleEndian.Uint32(size)))
}

// part gives size octets from an offset, nil if they are not all there.
func part(b []byte, offset, size uint64) []byte {
	if offset > uint64(len(b)) || size > uint64(len(b))-offset {
		return nil
	}
	return b[offset : offset+size : offset+size]
}
