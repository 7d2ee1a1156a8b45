package bootscript

import (
	"encoding/binary"
	"hash/crc32"
)

// U-Boot's legacy image format (U-Boot include/image.h, struct legacy_img_hdr):
//
//	 0  magic        4   27 05 19 56
//	 4  header CRC   4   CRC-32 of the 64 octets, this field being 0
//	 8  time         4   seconds since 1970
//	12  data size    4
//	16  load, entry  8   0 for a script
//	24  data CRC     4
//	28  OS, CPU, type, compression, one octet each
//	32  name        32   NUL-terminated
const (
	ubootMagic      = 0x27051956
	ubootHeader     = 64
	ubootOSLinux    = 5
	ubootCPUARM64   = 22 // what a script is for is not checked
	ubootTypeScript = 6
)

// ubootCommands start what pxelinux.cfg says. U-Boot reads that format itself;
// its EFI loader is no way, as shim finds nothing to load the next stage with
// (seen with U-Boot 2023.01: "Failed to find fs: Unsupported"). An apostrophe
// would begin a quotation that never ends.
const ubootCommands = "echo hobnail: looking for the menu of this machine\n" +
	"pxe get && pxe boot\n"

// UBoot is the script that U-Boot asks for as boot.scr.uimg, before all else:
// it reads the same pxelinux.cfg as pxelinux. It is the same for every
// machine.
func UBoot() []byte {
	// A script's data is a list of lengths ended by 0, and the texts.
	data := binary.BigEndian.AppendUint32(nil, uint32(len(ubootCommands)))
	data = binary.BigEndian.AppendUint32(data, 0)
	data = append(data, ubootCommands...)

	h := make([]byte, ubootHeader, ubootHeader+len(data))
	binary.BigEndian.PutUint32(h[0:], ubootMagic)
	binary.BigEndian.PutUint32(h[12:], uint32(len(data)))
	binary.BigEndian.PutUint32(h[24:], crc32.ChecksumIEEE(data))
	h[28], h[29], h[30] = ubootOSLinux, ubootCPUARM64, ubootTypeScript
	copy(h[32:63], "hobnail")
	binary.BigEndian.PutUint32(h[4:], crc32.ChecksumIEEE(h))
	return append(h, data...)
}
