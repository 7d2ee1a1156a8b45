// Package bcd writes the boot configuration data that Windows' boot manager
// asks for before all else: a registry hive of objects (what can be started,
// and with which options) and their elements. A store of this package starts
// one Windows PE, out of a WIM that comes over the network.
//
// Elements and types are from Microsoft's BCD reference; the octets of devices
// are not published, and stand here as bcdedit writes them.
package bcd

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/regf"
)

// Options tell what a store starts.
type Options struct {
	Arch     model.Arch // of the machine: BIOS has winload.exe, UEFI winload.efi
	Title    string     // shown while it loads; "Windows PE" if empty
	WIM      string     // path as the boot manager asks for it; `\Boot\boot.wim` if empty
	SDI      string     // the same of boot.sdi; `\Boot\boot.sdi` if empty
	Block    int        // octets of a TFTP block; 0 is 1456, which fits every Ethernet
	Window   int        // TFTP blocks that are sent before an acknowledgement; 0 is 8
	Modified time.Time  // becomes the time of the hive
}

// What stands for options that are not given. More blocks in a window than
// eight are known to hurt on slow links.
const (
	defaultTitle  = "Windows PE"
	defaultWIM    = `\Boot\boot.wim`
	defaultSDI    = `\Boot\boot.sdi`
	defaultBlock  = 1456
	defaultWindow = 8
)

// maxText is how long a path or title may be, in octets of UTF-8. Windows' own
// limit of a path is 260.
const maxText = 1024

// Store gives the store as the octets of its hive. The error names the option
// that no store can have.
func Store(o Options) ([]byte, error) {
	o = o.complete()
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("writing a boot configuration: %v", err)
	}
	b, err := hive(objects(o), o.Modified)
	if err != nil {
		return nil, fmt.Errorf("writing a boot configuration: %v", err)
	}
	return b, nil
}

// complete fills in what is not given.
func (o Options) complete() Options {
	o.Title = cmp.Or(o.Title, defaultTitle)
	o.WIM = cmp.Or(o.WIM, defaultWIM)
	o.SDI = cmp.Or(o.SDI, defaultSDI)
	o.Block = cmp.Or(o.Block, defaultBlock)
	o.Window = cmp.Or(o.Window, defaultWindow)
	return o
}

func (o Options) check() error {
	for _, t := range []struct{ name, is string }{{"title", o.Title}, {"WIM", o.WIM}, {"SDI", o.SDI}} {
		switch {
		case len(t.is) > maxText:
			return fmt.Errorf("%s has %d octets, more than %d", t.name, len(t.is), maxText)
		case strings.ContainsFunc(t.is, func(r rune) bool { return r < 0x20 || r == 0x7f }):
			return fmt.Errorf("%s %q has a control character", t.name, t.is)
		}
	}
	for _, path := range []struct{ name, is string }{{"WIM", o.WIM}, {"SDI", o.SDI}} {
		if !strings.HasPrefix(path.is, `\`) || strings.ContainsAny(path.is, `/,`) {
			return fmt.Errorf(`%s %q is not a path that begins with \ and has neither / nor ,`, path.name, path.is)
		}
	}
	switch {
	case o.Arch != model.ArchBIOS && !o.Arch.UEFI():
		return fmt.Errorf("architecture %q has no Windows boot manager", o.Arch)
	case o.Block < 512 || o.Block > 65464: // RFC 2348 section 2 ends there
		return fmt.Errorf("a TFTP block of %d octets; 512 to 65464 are allowed", o.Block)
	case o.Window < 1 || o.Window > 64:
		return fmt.Errorf("a TFTP window of %d blocks; 1 to 64 are allowed", o.Window)
	}
	return nil
}

// objects are the three that a boot over the network needs: the manager, which
// starts the loader, whose device is a RAM disk with the options.
func objects(o Options) []object {
	winload := `\windows\system32\boot\winload.efi`
	if o.Arch == model.ArchBIOS {
		winload = `\windows\system32\boot\winload.exe`
	}
	disk := RAMDisk(Boot(), o.WIM, RAMDiskOptions())
	return []object{
		{BootManager(), typeBootManager, []setting{
			text(elementDescription, "Windows Boot Manager"),
			one(elementDefault, SetupLoader()),
			list(elementDisplayOrder, SetupLoader()),
			number(elementTimeout, 0),
			flag(elementDisplayMenu, false),
		}},
		{RAMDiskOptions(), typeDevice, []setting{
			text(elementDescription, "Ramdisk Options"),
			at(elementSDIDevice, Boot()),
			text(elementSDIPath, o.SDI),
			number(elementTFTPBlock, uint64(o.Block)),
			number(elementTFTPWindow, uint64(o.Window)),
		}},
		{SetupLoader(), typeLoader, []setting{
			text(elementDescription, o.Title),
			at(elementDevice, disk),
			text(ElementPath, winload),
			at(elementSystemDevice, disk),
			text(ElementSystemRoot, `\Windows`),
			flag(elementDetectHAL, true),
			flag(elementWinPE, true),
		}},
	}
}

// object is one entry of a store.
type object struct {
	id       GUID
	typ      uint32
	settings []setting // no element twice
}

// Types of objects.
const (
	typeBootManager = 0x10100002
	typeLoader      = 0x10200003
	typeDevice      = 0x30000000
)

// Element is the number of an element. Its first digit is what it belongs to
// (1 all objects, 2 an application, 3 a device), its second how its value is
// written.
type Element uint32

// Elements.
const (
	elementDevice       Element = 0x11000001
	ElementPath         Element = 0x12000002
	elementDescription  Element = 0x12000004
	elementSystemDevice Element = 0x21000001
	ElementSystemRoot   Element = 0x22000002 // of a loader
	elementDefault      Element = 0x23000003 // of the boot manager, as the next three
	elementDisplayOrder Element = 0x24000001
	elementTimeout      Element = 0x25000004
	elementDisplayMenu  Element = 0x26000020
	elementDetectHAL    Element = 0x26000010
	elementWinPE        Element = 0x26000022
	elementSDIDevice    Element = 0x31000003
	elementSDIPath      Element = 0x32000004
	elementTFTPBlock    Element = 0x35000007
	elementTFTPWindow   Element = 0x35000008
)

// setting is an element with its value.
type setting struct {
	element Element
	value   regf.Value
}

// valueName is what the value of every element is called.
const valueName = "Element"

// at sets a device (format 1).
func at(e Element, d Device) setting { return setting{e, regf.Binary(valueName, d)} }

// text sets a text (format 2).
func text(e Element, s string) setting { return setting{e, regf.SZ(valueName, s)} }

// one names an object (format 3).
func one(e Element, id GUID) setting { return setting{e, regf.SZ(valueName, id.String())} }

// list names objects (format 4).
func list(e Element, ids ...GUID) setting {
	var all []string
	for _, id := range ids {
		all = append(all, id.String())
	}
	return setting{e, regf.MultiSZ(valueName, all...)}
}

// number sets a number (format 5): 8 octets.
func number(e Element, n uint64) setting {
	return setting{e, regf.Binary(valueName, le.AppendUint64(nil, n))}
}

// flag sets yes or no (format 6): one octet.
func flag(e Element, yes bool) setting {
	var b [1]byte
	if yes {
		b[0] = 1
	}
	return setting{e, regf.Binary(valueName, b[:])}
}

// hive writes a store of objects.
func hive(all []object, modified time.Time) ([]byte, error) {
	var keys []regf.Key
	for _, o := range all {
		keys = append(keys, o.key())
	}
	return regf.Write(regf.Key{Name: "NewStoreRoot", Keys: []regf.Key{
		{Name: "Description", Values: []regf.Value{regf.SZ("KeyName", "BCD00000001")}},
		{Name: "Objects", Keys: keys},
	}}, modified)
}

func (o object) key() regf.Key {
	var elements []regf.Key
	for _, s := range o.settings {
		elements = append(elements, regf.Key{Name: fmt.Sprintf("%08x", uint32(s.element)), Values: []regf.Value{s.value}})
	}
	return regf.Key{Name: o.id.String(), Keys: []regf.Key{
		{Name: "Description", Values: []regf.Value{regf.DWORD("Type", o.typ)}},
		{Name: "Elements", Keys: elements},
	}}
}
