package policy

import (
	"fmt"
	"net/netip"
	"strings"

	"hobnail/internal/model"
)

// HandOver is what the site's own DHCP server has to carry, so that machines of
// one architecture start from here whatever their firmware makes of a proxy's
// offer.
type HandOver struct {
	Arch       model.Arch
	Codes      []uint16   // of option 93, by which that server tells the architecture
	NextServer netip.Addr // siaddr, "next-server"
	File       string     // `file` and option 67, "filename"
	Loader     string
}

// HandOver lists it for architectures by PXE, or says of one why there is
// nothing. A machine that gets its boot file with its address finds its way by
// that packet alone, so GRUB, and with it Secure Boot, works as in mode server.
func (p *Policy) HandOver(server netip.Addr, arch model.Arch) (HandOver, error) {
	h := HandOver{Arch: arch, NextServer: server}
	for code := uint16(0); ; code++ {
		row, ok := model.LookupArchCode(code)
		if !ok {
			break
		}
		if row.Arch == arch && row.Firmware != model.FirmwareHTTP && row.Firmware != model.FirmwareUBoot {
			h.Codes = append(h.Codes, code)
		}
	}
	prog, ok := p.findCustom(arch)
	for _, kind := range preference(arch, model.ModeServer, false) {
		if !ok {
			prog, ok = p.findProgram(arch, kind)
		}
	}
	if !ok {
		return h, fmt.Errorf("there is no boot program for %s", arch)
	}
	h.File, h.Loader = model.BootPath{Arch: arch, File: prog.File}.String(), prog.Loader
	return h, nil
}

// Lines says it for a person who sets up a DHCP server of whatever make.
func (h HandOver) Lines() []string {
	codes := make([]string, len(h.Codes))
	for i, c := range h.Codes {
		codes[i] = fmt.Sprint(c)
	}
	return []string{
		fmt.Sprintf("for clients whose option 60 begins with PXEClient and whose option 93 is %s (%s):", strings.Join(codes, " or "), h.Arch),
		fmt.Sprintf("next-server (siaddr): %s", h.NextServer),
		fmt.Sprintf("boot file name (file, option 67): %s", h.File),
		fmt.Sprintf("TFTP server name (option 66): %s", h.NextServer),
		"option 60 in answers: none, and option 43: none; PXEClient alone sends firmware to port 4011 of that server",
	}
}
