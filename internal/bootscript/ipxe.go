package bootscript

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"hobnail/internal/model"
)

// IPXE writes the menu as an iPXE script. It uses only what Debian's build of
// 2019 has (undionly.kpxe, snponly.efi, the ROMs of QEMU).
//
// Whatever fails is shown, then somebody at the console has half a minute to
// go back to the menu; after that the machine starts again, so that it meets
// whichever server is alive by then.
func IPXE(m Menu) []byte {
	w := &ipxeWriter{menu: m}
	w.Grow(1024 + 512*len(m.Entries))
	w.line("#!ipxe")
	for _, note := range m.notes() {
		w.line("# " + note)
	}
	if m.Wait != nil {
		w.wait()
	} else if m.local() {
		w.local()
	} else if e, ok := m.direct(); ok {
		w.direct(e)
	} else {
		w.choice()
	}
	return w.Bytes()
}

type ipxeWriter struct {
	bytes.Buffer
	menu Menu
}

func (w *ipxeWriter) line(words ...string) {
	for _, s := range words {
		w.WriteString(s)
	}
	w.WriteByte('\n')
}

func (w *ipxeWriter) linef(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

func (w *ipxeWriter) choice() {
	m := w.menu
	w.line(":menu")
	w.line("menu " + ipxeText(m.heading()))
	if id := m.missing(); id != "" {
		w.line("item --gap -- " + ipxeText(plain("There is no "+id+" here for this machine.")))
	}
	labels := make([]string, 0, len(m.Entries)+1)
	for _, e := range m.Entries {
		labels = append(labels, "image-"+label(e.ID))
		w.line("item ", labels[len(labels)-1], " ", ipxeText(e.title()))
	}
	labels = append(labels, "local")
	w.line("item local Local disk")
	w.line("item shell iPXE shell")
	options := "--default " + labels[m.defaultIndex()]
	if t := m.countdown(time.Millisecond); t > 0 {
		options += fmt.Sprintf(" --timeout %d", t)
	}
	w.linef("choose %s target && goto ${target} || goto menu", options)
	w.line("")
	for _, e := range m.Entries {
		w.line(":image-", label(e.ID))
		w.boot(e)
		w.line("")
	}
	w.line(":local")
	w.local()
	w.line("")
	w.line(":shell")
	w.line("shell")
	w.line("goto menu")
	w.line("")
	w.failed("the menu", "goto menu")
}

func (w *ipxeWriter) direct(e Entry) {
	w.line("echo " + ipxeText(w.menu.heading()))
	w.boot(e)
	w.line("")
	w.failed("a shell", "shell")
}

// boot loads and starts an entry; what follows runs only if that failed.
func (w *ipxeWriter) boot(e Entry) {
	w.line("echo Starting ", ipxeText(e.title()))
	w.line("imgfree")
	switch e.Way {
	case model.WayEFI, model.WayESXi:
		w.line("chain --autofree ", w.url(e.Kernel), w.arguments(e), " || goto failed")
		return
	case model.WaySANBoot:
		w.line("sanboot --no-describe ", w.url(e.Kernel), " || goto failed")
		return
	case model.WayWindows:
		w.windows(e)
		return
	}
	w.line("kernel ", w.url(e.Kernel), w.arguments(e), " || goto failed")
	for i, name := range e.Initrd {
		w.line("initrd --name ", initrdName(e, i), " ", w.url(name), " || goto failed")
		if w.pads(e, i) {
			w.line("initrd --name ", padName(i), " ", w.url(name+Pad), " || goto failed")
		}
	}
	w.line("boot || goto failed")
}

// windows starts Windows' boot manager, by wimboot where there is one. Each file
// is named twice: UEFI goes by the first, BIOS by the second.
func (w *ipxeWriter) windows(e Entry) {
	switch {
	case e.Wimboot != "":
		w.line("kernel ", w.url(e.Wimboot), w.arguments(e), " || goto failed")
		for _, f := range e.Files {
			w.line("initrd --name ", fileName(f.Name), " ", w.url(f.File), " ", fileName(f.Name), " || goto failed")
		}
		w.line("boot || goto failed")
	case w.menu.Machine.Arch == model.ArchBIOS:
		w.line("echo Under BIOS, Windows starts by wimboot alone, and this server has none.")
		w.line("echo Put the file wimboot of a release of wimboot into the folder of boot programs, under bios.")
		w.line("goto failed")
	default:
		w.line("chain --autofree ", w.url(e.Kernel), " || goto failed")
	}
}

// arguments is the kernel's command line with a space before it. Under UEFI
// the kernel's EFI stub asks iPXE for each initrd by name, and only iPXE
// newer than Debian's offers them unasked. The names come first: Debian's
// installer keeps what follows "---" for the installed system.
func (w *ipxeWriter) arguments(e Entry) string {
	var b strings.Builder
	if w.menu.Machine.Arch != model.ArchBIOS {
		for i := range e.Initrd {
			b.WriteString(" initrd=" + initrdName(e, i))
			if w.pads(e, i) {
				b.WriteString(" initrd=" + padName(i))
			}
		}
	}
	if text := ipxeText(e.Cmdline); text != "" {
		b.WriteString(" " + text)
	}
	return b.String()
}

// Pad ends the names of what fills up initial RAM disks to multiples of four
// octets: one to four zeros. Linux finds the next one only there, and its EFI
// stub puts them one behind the other as they are (Linux 6.1: init/initramfs.c,
// drivers/firmware/efi/libstub/file.c); the other loaders align them.
const Pad = ".pad"

// pads reports whether something has to be put behind an initrd.
func (w *ipxeWriter) pads(e Entry, i int) bool {
	return w.menu.Machine.Arch != model.ArchBIOS && i < len(e.Initrd)-1
}

func padName(i int) string { return fmt.Sprintf("%d-pad", i+1) }

// initrdName is the name under which iPXE keeps an initrd: a file's own name
// where it is the only one, numbered where two could be alike.
func initrdName(e Entry, i int) string {
	name := base(fileName(e.Initrd[i]))
	if len(e.Initrd) == 1 {
		return name
	}
	return fmt.Sprintf("%d-%s", i+1, name)
}

func (w *ipxeWriter) url(name string) string {
	s := w.menu.Server
	if w.menu.NoHTTP || s.URL == "" {
		host := s.Address.Unmap().WithZone("").String()
		if s.Address.Is6() && !s.Address.Is4In6() {
			host = "[" + host + "]"
		}
		return "tftp://" + host + "/" + fileName(name)
	}
	return safe(s.URL, urlBytes) + "/" + fileName(name)
}

// local leaves for the own disk. To go back to UEFI takes an error: after
// success it shows its own menu (UEFI 2.10 section 3.1.1; OVMF does). A BIOS
// that is left often says "no bootable device", so its first disk is started
// directly.
func (w *ipxeWriter) local() {
	w.line("echo Starting from the local disk")
	switch w.menu.Local {
	case model.LocalExit:
		w.line("exit 1")
	case model.LocalDisk:
		w.line("iseq ${platform} efi || sanboot --no-describe --drive 0x80 || exit 1")
		// Drive 0 is the first that has the file (iPXE, efi_block.c).
		for _, file := range localPrograms(w.menu.Machine.Arch) {
			w.linef(`sanboot --no-describe --drive 0 --filename %s ||`, file)
		}
		w.line("sanboot --no-describe --drive 0 || exit 1")
	default:
		w.line("iseq ${platform} efi && exit 1 ||")
		w.line("sanboot --no-describe --drive 0x80 || exit 1")
	}
}

// localPrograms are where installed systems have their boot programs for UEFI,
// in the order in which they are looked for: a shim before Windows, whose menu
// does not offer the other one. iPXE takes names, and no patterns.
func localPrograms(arch model.Arch) []string {
	suffix, ok := map[model.Arch]string{model.ArchX64: "x64", model.ArchARM64: "aa64", model.ArchIA32: "ia32"}[arch]
	if !ok {
		return nil
	}
	var all []string
	for _, system := range []string{"debian", "ubuntu", "fedora", "redhat", "centos", "rocky", "almalinux", "opensuse", "sles", "proxmox"} {
		all = append(all, `\EFI\`+system+`\shim`+suffix+`.efi`)
	}
	return append(all, `\EFI\Microsoft\Boot\bootmgfw.efi`)
}

// wait shows who waits and asks again every few seconds. The script that comes
// then takes this one's place, so nothing piles up.
func (w *ipxeWriter) wait() {
	w.line("set esc:hex 1b")
	w.line("echo ${esc:string}[2J${esc:string}[H")
	for _, s := range w.menu.lines() {
		w.line("echo ", ipxeText(s))
	}
	w.line(":again")
	w.linef("sleep %d || goto again", waitPace)
	w.line("chain --replace --autofree ", w.url(w.menu.Wait.Script), " || goto again")
}

func (w *ipxeWriter) failed(what, command string) {
	w.line(":failed")
	w.line("echo That did not start: ${errno}")
	w.linef("prompt --timeout 30000 Press a key for %s; in 30 s this machine starts again && %s ||", what, command)
	w.line("reboot || exit 1")
}

// ipxeText writes text as words of an iPXE command that mean only themselves.
// iPXE splits a line at spaces, takes a word that begins with '#' for a
// comment and the words ||, && and ; for the end of the command, and expands
// ${setting} in each word only then (iPXE, src/core/exec.c). A setting that is
// not there is empty, so ${empty} in front of such a word hides what it looks
// like. "${" itself cannot be written: ExpandCmdline refuses it, and in a
// title a space is put between.
func ipxeText(s string) string {
	if isTidy(s) && !strings.ContainsAny(s, "#|&;$") {
		return s
	}
	words := strings.Fields(strings.ReplaceAll(s, "${", "$ {"))
	for i, w := range words {
		if w[0] == '#' || w == "||" || w == "&&" || w == ";" {
			words[i] = "${empty}" + w
		}
	}
	return strings.Join(words, " ")
}
