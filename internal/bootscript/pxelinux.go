package bootscript

import (
	"fmt"
	"path"
	"strings"
	"time"

	"hobnail/internal/model"
)

// PXELinux writes the menu as a pxelinux.cfg file, which pxelinux 6, U-Boot
// (pxe boot) and petitboot read.
//
// File names begin with a slash. pxelinux and petitboot then look from the
// root of the server. U-Boot puts the directory of its boot file before every
// name ("m/525400123456/uefi-arm64//img/debian-12/linux"), so the tree must
// answer to that too. U-Boot and petitboot load one initrd only.
//
// U-Boot also starts every other image of a menu, one after the other, when
// the chosen one does not load (boot/pxe_utils.c, boot_unattempted_labels); a
// menu whose default is local disk, or Direct, gives it nothing to go on to.
//
// menu.c32 is the menu under pxelinux; U-Boot and petitboot pass over UI and
// show their own, U-Boot because of MENU TITLE.
func PXELinux(m Menu) []byte {
	m = m.only(model.WayLinux)
	w := &pxelinuxWriter{}
	// SERIAL comes first, as the SYSLINUX manual asks: it also shows
	// everything on the first serial line, and does nothing without one.
	w.line("SERIAL 0 115200")
	for _, note := range m.notes() {
		w.line("# " + note)
	}
	if m.Wait != nil {
		w.wait(m)
	} else if m.local() {
		w.only("local")
		w.local(m)
	} else if e, ok := m.direct(); ok {
		w.only("image-" + label(e.ID))
		w.line("TIMEOUT 300") // tries again 30 s after a failure, at the boot: prompt
		w.entry(e)
	} else {
		w.choice(m)
	}
	return []byte(w.String())
}

type pxelinuxWriter struct{ strings.Builder }

func (w *pxelinuxWriter) line(s string) { w.WriteString(s + "\n") }

func (w *pxelinuxWriter) linef(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// only starts one label at once.
func (w *pxelinuxWriter) only(label string) {
	w.linef("DEFAULT %s", label)
	w.line("PROMPT 0")
}

func (w *pxelinuxWriter) choice(m Menu) {
	labels := make([]string, 0, len(m.Entries)+1)
	for _, e := range m.Entries {
		labels = append(labels, "image-"+label(e.ID))
	}
	labels = append(labels, "local")
	w.linef("DEFAULT %s", labels[m.defaultIndex()])
	w.linef("TIMEOUT %d", m.countdown(100*time.Millisecond))
	w.line("UI menu.c32")
	w.line("MENU TITLE " + menuText(m.heading()))
	for _, e := range m.Entries {
		w.line("")
		w.entry(e)
	}
	w.line("")
	w.local(m)
}

// entry names initrds at the front of APPEND where it can: pxelinux puts
// those of INITRD behind the command line, where Debian's installer takes
// them for parameters of the installed system. U-Boot needs a word after
// initrd= (it looks for the space), so without one it is INITRD.
func (w *pxelinuxWriter) entry(e Entry) {
	w.linef("LABEL image-%s", label(e.ID))
	w.linef("  MENU LABEL %s", menuText(e.title()))
	w.linef("  %s /%s", kernelKeyword(e.Kernel), fileName(e.Kernel))
	initrd := make([]string, len(e.Initrd))
	for i, name := range e.Initrd {
		initrd[i] = "/" + fileName(name)
	}
	switch list := strings.Join(initrd, ","); {
	case list != "" && e.Cmdline != "":
		w.linef("  APPEND initrd=%s %s", list, e.Cmdline)
	case list != "":
		w.linef("  INITRD %s", list)
	case e.Cmdline != "":
		w.linef("  APPEND %s", e.Cmdline)
	}
}

// wait has pxelinux read its configuration again and again. U-Boot knows no
// CONFIG: it finds no image to start and goes on to its next boot device.
func (w *pxelinuxWriter) wait(m Menu) {
	w.line("DEFAULT again")
	w.line("PROMPT 1")
	w.linef("TIMEOUT %d", waitPace*10)
	for _, s := range m.lines() {
		w.line("SAY " + s)
	}
	w.line("LABEL again")
	w.linef("  CONFIG /%s", fileName(m.Wait.Script))
}

func (w *pxelinuxWriter) local(m Menu) {
	w.line("LABEL local")
	w.line("  MENU LABEL Local disk")
	// 0 ends well, and the BIOS goes on; -1 tells it that the boot failed (int
	// 18h), which some of them want to hear. Neither names a disk.
	if m.Local == model.LocalExit {
		w.line("  LOCALBOOT -1")
	} else {
		w.line("  LOCALBOOT 0")
	}
}

// kernelKeyword is KERNEL, which all three loaders know, but where pxelinux
// would take the file for something else by its extension (SYSLINUX manual,
// KERNEL); petitboot does not know LINUX.
func kernelKeyword(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".0", ".bin", ".bs", ".bss", ".c32", ".cbt", ".com", ".img":
		return "LINUX"
	}
	return "KERNEL"
}

// menuText takes out '^', which marks a shortcut key in menu.c32.
func menuText(s string) string { return strings.ReplaceAll(s, "^", "?") }
