package peagent

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// Instructions are what the server wants done, install/<token>/pe.json:
//
//	{
//	  "machine": "lab-01",
//	  "for": {"uuid": "4c4c4544-0043-3010-8052-b4c04f4d3532", "macs": ["52:54:00:12:34:56"]},
//	  "image": "Windows 11 Pro 24H2",
//	  "way": "dism",
//	  "firmware": "uefi",
//	  "wipe": true,
//	  "disk": {"by": "serial", "serial": "S4EWNX0N123456"},
//	  "wim": {"url": "/iso/win11/sources/install.wim", "size": 5368709120,
//	          "sha256": "…64 hexadecimal digits…", "index": 6, "unpacked": 17179869184},
//	  "unattend": true
//	}
//
// While the server cannot tell yet what install.wim is, it says when to come
// again, and nothing else counts:
//
//	{"machine": "lab-01", "wait": 20, "why": "the server makes the SHA-256 of install.wim: 1200 of 5368 MB", …}
//
// A field that is not listed here is an error: an agent that does not know a
// word of its orders must not go on to wipe a disk.
type Instructions struct {
	Machine  string   `json:"machine"`            // for people to read
	For      Identity `json:"for"`                // the machine it is; empty: whoever asks
	Image    string   `json:"image"`              // for people to read
	Way      Way      `json:"way"`                // who lays out Windows
	Firmware Firmware `json:"firmware,omitempty"` // what the machine must have booted with; empty: either
	Wipe     bool     `json:"wipe"`               // without it no disk is touched
	Disk     DiskRule `json:"disk"`               // which one
	WIM      WIM      `json:"wim"`                // what is installed
	Unattend bool     `json:"unattend"`           // there is an unattend.xml
	Wait     int      `json:"wait,omitempty"`     // not ready: come again after so many seconds
	Why      string   `json:"why,omitempty"`      // of Wait, a sentence
}

// Way is who lays out Windows.
type Way string

// Ways.
const (
	WayDISM  Way = "dism"  // dism applies the image, bcdboot makes it start
	WaySetup Way = "setup" // setup.exe of the boot.wim, from a partition that holds install.wim
)

// Firmware is what the machine booted with.
type Firmware string

// Kinds of firmware.
const (
	UEFI Firmware = "uefi"
	BIOS Firmware = "bios"
)

// DiskRule chooses a disk.
type DiskRule struct {
	By     string `json:"by"`               // "first", "number", "serial"
	Number int    `json:"number,omitempty"` // as diskpart counts, from 0
	Serial string `json:"serial,omitempty"` // the drive's own
}

// WIM is an install.wim or install.esd, and what of it is wanted.
type WIM struct {
	URL      string `json:"url"`                // absolute, or a path on the server
	Size     int64  `json:"size"`               // octets
	SHA256   string `json:"sha256"`             // 64 hexadecimal digits
	Index    int    `json:"index"`              // of the image in it, from 1
	Unpacked int64  `json:"unpacked,omitempty"` // octets of that image's files; 0: not known
}

// ParseInstructions reads pe.json. The error says what of it cannot be
// followed.
func ParseInstructions(b []byte) (Instructions, error) {
	var in Instructions
	if err := decode(b, &in); err != nil {
		return Instructions{}, fmt.Errorf("reading the instructions: %v", err)
	}
	if err := in.check(); err != nil {
		return Instructions{}, fmt.Errorf("reading the instructions: %v", err)
	}
	return in, nil
}

func (in Instructions) check() error {
	switch {
	case in.Wait < 0 || in.Wait > 3600:
		return fmt.Errorf("wait is %d; 0 to 3600 seconds are known", in.Wait)
	case in.Wait > 0:
		return nil
	case in.Way != WayDISM && in.Way != WaySetup:
		return fmt.Errorf("way is %q; dism and setup are known", in.Way)
	case in.Firmware != "" && in.Firmware != UEFI && in.Firmware != BIOS:
		return fmt.Errorf("firmware is %q; uefi and bios are known", in.Firmware)
	}
	if err := in.Disk.check(); err != nil {
		return err
	}
	return in.WIM.check()
}

func (r DiskRule) check() error {
	switch r.By {
	case "first":
		if r.Number != 0 || r.Serial != "" {
			return errors.New("disk by first takes neither number nor serial")
		}
	case "number":
		if r.Number < 0 || r.Number > 255 || r.Serial != "" {
			return fmt.Errorf("disk by number takes a number from 0 to 255 and no serial, not %d, %q", r.Number, r.Serial)
		}
	case "serial":
		if strings.TrimSpace(r.Serial) == "" || r.Number != 0 {
			return errors.New("disk by serial takes a serial and no number")
		}
	default:
		return fmt.Errorf("disk is chosen by %q; first, number and serial are known", r.By)
	}
	return nil
}

func (w WIM) check() error {
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || u.Path == "" || !(u.Scheme == "http" || u.Scheme == "https") && !(u.Scheme == "" && u.Host == "" && strings.HasPrefix(w.URL, "/")):
		return fmt.Errorf("wim.url %q is neither an http URL nor a path that begins with /", w.URL)
	case w.Size <= 0 || w.Size > 1<<42 || w.Unpacked < 0 || w.Unpacked > 1<<42:
		return fmt.Errorf("wim.size %d or wim.unpacked %d is no size", w.Size, w.Unpacked)
	case len(w.SHA256) != 64 || strings.ContainsFunc(w.SHA256, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }):
		return fmt.Errorf("wim.sha256 %q is not 64 hexadecimal digits in lower case", w.SHA256)
	case w.Index < 1 || w.Index > 1000:
		return fmt.Errorf("wim.index %d is no index", w.Index)
	}
	return nil
}

// file is what the copy on the disk is called: dism tells by the ending what
// it has before it.
func (w WIM) file() string {
	u, err := url.Parse(w.URL)
	if err == nil && strings.EqualFold(path.Ext(u.Path), ".esd") {
		return "install.esd"
	}
	return "install.wim"
}

// from is where it is downloaded from.
func (w WIM) from(server string) string {
	if strings.HasPrefix(w.URL, "/") {
		return server + w.URL
	}
	return w.URL
}
