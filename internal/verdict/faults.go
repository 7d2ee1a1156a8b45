package verdict

import (
	"strings"

	"hobnail/internal/model"
)

// dropped says why firmware of the machine's kind does not even look at an
// answer, "" where it does. The words go on after "the answer of 10.0.0.1".
func (v *sight) dropped(s *model.Step) string {
	d := s.DHCP
	class, firmware := v.firmware()
	if !firmware {
		return ""
	}
	uefi := v.arch().UEFI() && class != "U-Boot"
	switch {
	case uefi && d.NoEnd:
		return "does not end in option 255, and UEFI firmware drops it"
	case uefi && d.BadOption != "":
		return "has an option of a wrong length, and UEFI firmware drops the whole packet (" + d.BadOption + ")"
	case uefi && d.NoServerID:
		return "lacks the server's address (option 54), and UEFI firmware drops it"
	}
	return v.wrongClass(d, class)
}

// wrongClass says why boot data is not for a machine that asks in a class.
func (v *sight) wrongClass(d *model.DHCPStep, class string) string {
	pxe, http := strings.HasPrefix(d.Vendor, "PXEClient"), strings.HasPrefix(d.Vendor, "HTTPClient")
	switch {
	case class == "PXEClient" && http:
		return "is for UEFI HTTP boot (option 60 = HTTPClient), and the machine boots by PXE"
	case class == "PXEClient" && !pxe && !d.Address.IsValid():
		return "has no address and does not say PXEClient in option 60, and firmware drops it"
	case class == "HTTPClient" && pxe:
		return "is for PXE (option 60 = PXEClient), and the machine boots by HTTP"
	case class == "HTTPClient" && d.File != "" && !http:
		return "does not say HTTPClient in option 60, and firmware that boots by HTTP passes over it"
	case class == "HTTPClient" && d.File != "" && !strings.Contains(d.File, "://"):
		return "names the boot file " + d.File + ", which is no URL, and firmware that boots by HTTP passes over it"
	}
	return ""
}

// faultOf says what is wrong with a server's answer, "" for nothing.
func (v *sight) faultOf(s *model.Step) string {
	if fault := v.dropped(s); fault != "" {
		return fault
	}
	switch d := s.DHCP; {
	case d.NoEnd:
		return "does not end in option 255: UEFI firmware drops such"
	case d.BadOption != "":
		return "has an option of a wrong length: UEFI firmware drops such (" + d.BadOption + ")"
	case d.NoMask:
		return "gives an address without a subnet mask (option 1): UEFI firmware declines it"
	case d.MenuFault != "":
		return "has a PXE menu that leads nowhere: " + d.MenuFault
	case d.FileSize > 0:
		return "has option 13 (boot file size): firmware believes it and breaks off a larger file"
	case d.NoRoute:
		return "names a server on another network and gives no router (option 3)"
	}
	return ""
}
