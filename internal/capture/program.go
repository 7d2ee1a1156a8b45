package capture

import (
	"encoding/binary"

	"hobnail/internal/model"
)

// programHead is how many octets of a file are looked at: all headers of a PE
// image stand in them.
const programHead = 1024

// coffMachines are the machine numbers of UEFI programs (Microsoft PE format,
// "Machine Types"; UEFI specification, section 2.1.1).
var coffMachines = map[uint16]model.Arch{
	0x014c: model.ArchIA32, 0x8664: model.ArchX64, 0x0200: model.ArchIA64,
	0x01c0: model.ArchARM32, 0x01c2: model.ArchARM32, 0x01c4: model.ArchARM32, 0xaa64: model.ArchARM64,
	0x5032: model.ArchRISCV32, 0x5064: model.ArchRISCV64, 0x5128: model.ArchRISCV128,
	0x6232: model.ArchLoongArch32, 0x6264: model.ArchLoongArch64,
}

// unsigned is what speaks against a program without signatures.
const unsigned = "it is not signed"

// lookAt says what the first octets of a boot program show of it: what it is
// built for, and whether it has signatures. What they do not reach stays
// unknown.
func lookAt(f *model.FileStep, b []byte) {
	le := binary.LittleEndian
	if len(b) < 64 || b[0] != 'M' || b[1] != 'Z' {
		return
	}
	at := int64(le.Uint32(b[60:]))
	if at < 64 || at+24 > int64(len(b)) || string(b[at:at+4]) != "PE\x00\x00" {
		return
	}
	f.Arch = coffMachines[le.Uint16(b[at+4:])]
	optional := b[at+24:]
	if size := int(le.Uint16(b[at+20:])); size < len(optional) {
		optional = optional[:size]
	}
	if len(optional) < 2 {
		return
	}
	// The directories follow the fixed part; the fifth is that of signatures.
	directories := map[uint16]int{0x10b: 96, 0x20b: 112}[le.Uint16(optional)]
	const security = 4
	if directories == 0 || len(optional) < directories {
		return
	}
	count := le.Uint32(optional[directories-4:])
	switch entry := directories + security*8; {
	case count <= security:
		f.Refusal = unsigned
	case len(optional) >= entry+8 && le.Uint32(optional[entry:]) == 0 && le.Uint32(optional[entry+4:]) == 0:
		f.Refusal = unsigned
	}
}
