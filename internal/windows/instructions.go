package windows

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"hobnail/internal/model"
	"hobnail/internal/peagent"
)

// Orders is what the agent in Windows PE is told to do.
type Orders struct {
	Machine  string
	UUID     model.UUID // the machine's, as are the next two; what is not known is empty
	MACs     []model.MAC
	Serial   string
	Image    model.Image
	Edition  model.Edition
	Arch     model.Arch // the machine's; empty: not known
	WIM      Sum        // of install.wim
	Way      string     // "dism", which is the default, or "setup"
	Disk     string     // which is wiped: empty for the first, a number, or "serial:" and the drive's own
	Unattend bool       // there is an unattend.xml
}

// InstallName is what install.wim is called in the tree.
func InstallName(img model.Image) string { return "iso/" + img.Name + "/" + img.InstallWIM }

// Instructions writes pe.json.
func Instructions(o Orders) ([]byte, error) {
	in := peagent.Instructions{
		Machine: o.Machine, For: peagent.Identity{UUID: o.UUID, MACs: o.MACs, Serial: o.Serial}, Image: o.Edition.Name, Way: peagent.WayDISM,
		Wipe: true, Unattend: o.Unattend,
		WIM: peagent.WIM{
			URL: "/" + escape(InstallName(o.Image)), Size: o.WIM.Size, SHA256: o.WIM.SHA256,
			Index: o.Edition.Index, Unpacked: o.Edition.Size,
		},
	}
	switch {
	case o.Arch == model.ArchBIOS:
		in.Firmware = peagent.BIOS
	case o.Arch.UEFI():
		in.Firmware = peagent.UEFI
	}
	var err error
	if in.Disk, err = disk(o.Disk); err != nil {
		return nil, err
	}
	switch o.Way {
	case "", string(peagent.WayDISM):
	case string(peagent.WaySetup):
		in.Way = peagent.WaySetup
		// The answer file tells Setup the disk, by its number.
		if o.Disk == "" {
			in.Disk = peagent.DiskRule{By: "number"}
		}
		if in.Disk.By != "number" {
			return nil, fmt.Errorf("disk %q is no number, and by Setup (windows_way) it must be one", o.Disk)
		}
	default:
		return nil, fmt.Errorf("way %q is none (windows_way); dism and setup are known", o.Way)
	}
	return encode(in)
}

// NotYet is pe.json while the sum of install.wim is not known: the agent comes
// again.
func NotYet(machine string, w *Pending) ([]byte, error) {
	return encode(peagent.Instructions{Machine: machine, Wait: w.Seconds(), Why: w.Error()})
}

func encode(in peagent.Instructions) ([]byte, error) {
	b, err := json.MarshalIndent(in, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("writing pe.json: %v", err)
	}
	b = append(b, '\n')
	// What the agent would refuse is a fault of ours, and is told here.
	if _, err := peagent.ParseInstructions(b); err != nil {
		return nil, fmt.Errorf("writing pe.json: %v", err)
	}
	return b, nil
}

// disk reads how a disk is chosen.
func disk(s string) (peagent.DiskRule, error) {
	if serial, ok := strings.CutPrefix(s, "serial:"); ok {
		return peagent.DiskRule{By: "serial", Serial: serial}, nil
	}
	if s == "" || s == "first" {
		return peagent.DiskRule{By: "first"}, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return peagent.DiskRule{}, fmt.Errorf("disk %q is none; a number from 0, serial: with a serial number, and first are known", s)
	}
	return peagent.DiskRule{By: "number", Number: n}, nil
}

// escape makes a path of a URL: names in an ISO may have spaces.
func escape(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if c == '/' || c == '.' || c == '-' || c == '_' || c == '~' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
