package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hobnail/internal/model"
)

// program writes a boot program: as much of one as the inventory looks at.
func (s *script) program(words []string) error {
	if len(words) == 0 {
		return fmt.Errorf("name the file")
	}
	arch := model.Arch(filepath.Base(filepath.Dir(words[0])))
	if len(words) > 1 {
		arch = model.Arch(words[1])
	}
	content, err := bootProgram(arch)
	if err != nil {
		return err
	}
	if strings.HasPrefix(filepath.Base(words[0]), "grubproxy") {
		content = append(content, "@HOBNAIL-SERVER"...) // its place for the server's address
	}
	s.write(words[0], append(content, filepath.Base(words[0])...)) // no two are the same
	return nil
}

// bootProgram makes a PE image that has headers and nothing else, by the
// Microsoft PE format; for a BIOS, some octets.
func bootProgram(arch model.Arch) ([]byte, error) {
	if arch == model.ArchBIOS {
		return []byte("not much of a program"), nil
	}
	row, ok := map[model.Arch]struct {
		machine uint16
		magic   uint16 // 0x10b PE32, 0x20b PE32+
	}{
		model.ArchIA32:        {0x014c, 0x10b},
		model.ArchX64:         {0x8664, 0x20b},
		model.ArchARM32:       {0x01c2, 0x10b},
		model.ArchARM64:       {0xaa64, 0x20b},
		model.ArchRISCV64:     {0x5064, 0x20b},
		model.ArchLoongArch64: {0x6264, 0x20b},
	}[arch]
	if !ok {
		return nil, fmt.Errorf("no program can be made for %q", arch)
	}
	const (
		header       = 0x40
		optional     = header + 24
		optionalSize = 240
	)
	b := make([]byte, optional+optionalSize)
	le := binary.LittleEndian
	copy(b, "MZ")
	le.PutUint32(b[0x3c:], header)
	copy(b[header:], "PE\x00\x00")
	le.PutUint16(b[header+4:], row.machine)
	le.PutUint16(b[header+20:], optionalSize)
	le.PutUint16(b[optional:], row.magic)
	le.PutUint32(b[optional+60:], uint32(len(b))) // size of headers
	le.PutUint16(b[optional+68:], 10)             // subsystem: EFI application
	return b, nil
}

// revoke writes a revocation list that has a boot program's Authenticode
// digest: that of all but the checksum, as the program has no signatures.
func (s *script) revoke(words []string) error {
	if len(words) != 2 {
		return fmt.Errorf("name the list and the program")
	}
	b, err := os.ReadFile(words[1])
	if err != nil {
		return err
	}
	const checksum = 0x40 + 24 + 64
	digest := sha256.Sum256(append(bytes.Clone(b[:checksum]), b[checksum+4:]...))
	le := binary.LittleEndian
	list := []byte("\x26\x16\xc4\xc1\x4c\x50\x92\x40\xac\xa9\x41\xf9\x36\x93\x43\x28") // EFI_CERT_SHA256_GUID
	for _, n := range []uint32{28 + 16 + 32, 0, 16 + 32} {
		list = le.AppendUint32(list, n)
	}
	s.write(words[0], append(append(list, make([]byte, 16)...), digest[:]...))
	day := time.Date(2026, 7, 15, 0, 0, 0, 0, time.UTC)
	return os.Chtimes(words[0], day, day)
}
