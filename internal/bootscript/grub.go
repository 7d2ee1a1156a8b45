package bootscript

import (
	"fmt"
	"strings"
	"time"

	"hobnail/internal/model"
)

// GRUB writes the menu as a grub.cfg for GRUB 2.06 as Debian signs it for
// network boot. Files come from where the grub.cfg came from: GRUB's root is
// then (tftp,SERVER), and names are absolute in it. Under Secure Boot linux
// has the kernel checked by the shim that started GRUB; GRUB's IA32 build
// starts 64-bit kernels through their mixed mode.
//
// No terminal is chosen: GRUB's console is the firmware's, which prints on
// the serial line too where the firmware is set up for it (OVMF is), and a
// second driver on the same line would print everything twice.
//
// Whatever fails is shown, and after half a minute the machine starts again,
// so that it meets whichever server is alive by then; ESC stays.
func GRUB(m Menu) []byte {
	m = m.only(model.WayLinux, model.WayEFI, model.WayWindows)
	w := &grubWriter{menu: m}
	for _, note := range m.notes() {
		w.line("# " + note)
	}
	if m.Wait != nil {
		w.wait()
	} else if m.local() {
		w.localDisk()
		w.line("local_disk")
	} else if e, ok := m.direct(); ok {
		w.failed("a command line", "")
		w.boot(e, "")
	} else {
		w.choice()
	}
	return []byte(w.String())
}

type grubWriter struct {
	strings.Builder
	menu Menu
}

func (w *grubWriter) line(s string) { w.WriteString(s + "\n") }

func (w *grubWriter) linef(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// choice names the default by its number: by text, GRUB takes the first entry
// whose ID or title is the same, and titles are anybody's.
func (w *grubWriter) choice() {
	m := w.menu
	w.linef("set default=%d", m.defaultIndex())
	if t := m.countdown(time.Second); t > 0 {
		w.linef("set timeout=%d", t)
	} else {
		w.line("set timeout=-1")
	}
	w.line("")
	w.failed("the menu", "configfile $prefix/grub.cfg")
	for _, e := range m.Entries {
		w.linef("menuentry %s --id %s {", grubWord(e.title()), grubWord("image-"+label(e.ID)))
		w.boot(e, "  ")
		w.line("}")
		w.line("")
	}
	w.localDisk()
	w.line("menuentry 'Local disk' --id 'local' {")
	w.line("  local_disk")
	w.line("}")
}

// boot loads and starts an entry; failed runs if it did not start.
func (w *grubWriter) boot(e Entry, indent string) {
	w.linef("%secho %s", indent, grubWord("Starting "+e.title()))
	if e.Way == model.WayEFI || e.Way == model.WayWindows {
		chain := []string{"chainloader", "/" + fileName(e.Kernel)}
		if e.Way == model.WayEFI { // Windows' boot manager takes none; they are wimboot's
			for _, word := range kernelWords(e.Cmdline) {
				chain = append(chain, grubWord(word))
			}
		}
		w.linef("%sif %s; then", indent, strings.Join(chain, " "))
		w.linef("%s  boot", indent)
		w.linef("%sfi", indent)
		w.linef("%sfailed", indent)
		return
	}
	kernel := []string{"linux", "/" + fileName(e.Kernel)}
	for _, word := range kernelWords(e.Cmdline) {
		kernel = append(kernel, grubWord(word))
	}
	w.linef("%sif %s; then", indent, strings.Join(kernel, " "))
	if len(e.Initrd) == 0 {
		w.linef("%s  boot", indent)
	} else {
		initrd := []string{"initrd"}
		for _, name := range e.Initrd {
			initrd = append(initrd, "/"+fileName(name))
		}
		w.linef("%s  if %s; then", indent, strings.Join(initrd, " "))
		w.linef("%s    boot", indent)
		w.linef("%s  fi", indent)
	}
	w.linef("%sfi", indent)
	w.linef("%sfailed", indent)
}

// wait shows who waits, and asks every few seconds whether the wait is over, by
// a script of one line. A configuration inside a configuration for each look
// would fill the memory in a night. Whether a file is there GRUB cannot tell:
// test -f looks through its folder, and TFTP lists none (2.06 asks for nothing).
func (w *grubWriter) wait() {
	for _, s := range w.menu.lines() {
		w.line("echo " + grubWord(s))
	}
	w.line("set waits=1")
	w.line(`while [ "$waits" = 1 ]; do`)
	w.linef("  sleep %d", waitPace)
	w.linef("  source /%s", fileName(w.menu.Wait.Ready))
	w.line("done")
	w.linef("configfile /%s", fileName(w.menu.Wait.Script))
}

// Waits is what a GRUB that waits is told when it asks whether it still does.
func Waits(still bool) []byte {
	if still {
		return []byte("set waits=1\n")
	}
	return []byte("set waits=0\n")
}

// failed defines what follows a failure. It must not simply return to the
// menu: GRUB then boots whatever is loaded, a kernel without its initrd for
// one.
func (w *grubWriter) failed(what, command string) {
	w.line("function failed {")
	w.linef("  echo 'That did not start. In 30 s this machine starts again; ESC for %s.'", what)
	w.line("  if sleep --interruptible 30; then")
	w.line("    reboot")
	w.line("  fi")
	if command != "" {
		w.line("  " + command)
		w.line("  reboot")
	}
	w.line("}")
	w.line("")
}

// localDisk defines how to leave for the local disk. GRUB can only exit with
// success, after which firmware shows its own menu and waits (UEFI 2.10
// section 3.1.1; OVMF does), so what is installed there is started by GRUB: a
// shim before Windows, for on a disk with both the shim's menu offers both.
// root must be the disk, or the program started is told that it came from the
// network. The disk that GRUB came from (cmdpath) is passed over: after UEFI
// HTTP boot that is a RAM disk with GRUB on it. Firmware that has not
// connected its disks for a network boot shows none to GRUB; exit is then all
// that is left.
func (w *grubWriter) localDisk() {
	w.line("function local_disk {")
	if w.menu.Local == model.LocalExit {
		w.line("  exit 1")
		w.line("}")
		w.line("")
		return
	}
	w.line("  set suffix=x64")
	w.line(`  if [ "$grub_cpu" = i386 ]; then set suffix=ia32; fi`)
	w.line(`  if [ "$grub_cpu" = arm64 ]; then set suffix=aa64; fi`)
	w.line(`  regexp --set=1:own '\(([^)]*)\)' "$cmdpath"`)
	w.line("  for file in (hd*)/EFI/*/shim$suffix.efi (hd*)/EFI/Microsoft/Boot/bootmgfw.efi (hd*)/EFI/BOOT/BOOT$suffix.EFI; do")
	w.line(`    if [ -f "$file" ]; then`)
	w.line(`      regexp --set=1:root '\(([^)]*)\)' "$file"`)
	w.line(`      if [ "$root" != "$own" ]; then`)
	w.line(`        echo "Starting $file"`)
	w.line(`        if chainloader "$file"; then boot; fi`)
	w.line("      fi")
	w.line("    fi")
	w.line("  done")
	w.line("  exit")
	w.line("}")
	w.line("")
}

// grubWord quotes text as one word of a GRUB script. Nothing has a meaning
// between single quotes but the next one.
func grubWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// kernelWords splits a command line as the kernel does: at spaces outside
// double quotes. The quotes are left out, for GRUB puts its own around a word
// with a space in it, and would hand ours to the kernel with a backslash
// before each.
func kernelWords(cmdline string) []string {
	var words []string
	var word strings.Builder
	quoted, started := false, false
	for _, r := range cmdline {
		switch {
		case r == '"':
			quoted, started = !quoted, true
		case r == ' ' && !quoted:
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteRune(r)
			started = true
		}
	}
	if started {
		words = append(words, word.String())
	}
	return words
}
