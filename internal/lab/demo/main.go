// Command demo shows a person one boot: a server, a router that is the IP
// helper, and a machine with real firmware that is switched on behind it. It
// prints the machine's own console and the server's view of it, side by side
// as they happen, until Debian's installer shows its first screen.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"hobnail/internal/lab"
)

const (
	machines = "10.77.2.0/24"
	router   = "10.77.2.1"
	gateway  = "10.77.1.1"
	server   = "10.77.1.2"

	installer = "/usr/lib/debian-installer/images/12/"
	patience  = 10 * time.Minute
)

// config makes hobnail the DHCP server of the machines' network and lets them
// start Debian's installer, speaking on their serial line.
const config = `
[[subnet]]
cidr   = "` + machines + `"
dhcp   = "server"
pool   = "10.77.2.50-10.77.2.99"
router = "` + router + `"

[boot]
default = "debian"
timeout = "5s"

[[image]]
name    = "debian"
arch    = "%s"
kernel  = "` + installer + `%s/text/debian-installer/%[2]s/linux"
initrd  = "` + installer + `%[2]s/text/debian-installer/%[2]s/initrd.gz"
cmdline = "console=%[3]s"
`

func main() {
	kind := flag.String("kind", string(lab.UEFIx64Secure), "which machine: bios, uefi-x64, uefi-x64-secure, uefi-x64-http, uefi-ia32, uefi-arm64, uboot-arm64")
	accel := flag.String("accel", "tcg", "QEMU's accelerator: tcg runs anywhere, kvm is quick where there is one")
	flag.Parse()
	if err := lab.Play("demo", os.Stderr, scene(lab.Kind(*kind), *accel)); err != nil {
		os.Exit(1)
	}
}

// scene builds the network, switches the machine on, and watches.
func scene(kind lab.Kind, accel string) func(lab.TB) {
	return func(t lab.TB) {
		l := lab.New(t)
		lan, core := l.Link("lan"), l.Link("core")
		rtr := l.Router("rtr", lab.At(core, gateway+"/24"), lab.At(lan, router+"/24"))
		rtr.Relay(lan, true, server)
		hobnail := l.Host("srv", core, server+"/24", gateway).Hobnail(configFor(kind))

		say("A machine (%s) behind a router, %s, whose IP helper points at hobnail, %s.", kind, router, server)
		say("Left: who speaks. The machine is emulated without hardware help: this takes two minutes or so.")
		server := follow("hobnail", hobnail.Output)
		defer server.stop()
		m := l.Machine(kind, lan, lab.MachineOpts{Accel: accel})
		machine := follow("machine", m.Console)
		defer machine.stop()
		start := time.Now()
		m.WaitFor(`Select a language`, patience)
		took := time.Since(start).Round(time.Second)
		machine.stop()
		server.stop()
		say("%s after it was switched on the machine shows the installer's first screen. That was all.", took)
	}
}

func configFor(kind lab.Kind) string {
	switch kind {
	case lab.UEFIARM64, lab.UBootARM64:
		return fmt.Sprintf(config, "arm64", "arm64", "ttyAMA0")
	}
	return fmt.Sprintf(config, "x64", "amd64", "ttyS0")
}

func say(format string, args ...any) { fmt.Printf("\n== "+format+"\n\n", args...) }

// follower prints the lines of a growing text behind a name.
type follower struct {
	quit, done chan struct{}
}

func follow(name string, text func() string) *follower {
	f := &follower{quit: make(chan struct{}), done: make(chan struct{})}
	p := printer{w: os.Stdout, name: name}
	go func() {
		defer close(f.done)
		printed := 0
		for {
			last := false
			select {
			case <-f.quit:
				last = true
			case <-time.After(200 * time.Millisecond):
			}
			printed += p.lines(text()[printed:], last)
			if last {
				return
			}
		}
	}()
	return f
}

// stop prints what is left, and may be called again.
func (f *follower) stop() {
	select {
	case <-f.quit:
	default:
		close(f.quit)
	}
	<-f.done
}

// printer prints what somebody says, behind a name.
type printer struct {
	w    io.Writer
	name string
	last string
}

// lines prints whole lines, the unfinished one too if it is the last, and says
// how much of the text that was. Lines without a letter or digit, as frames are
// made of, are left out, and so are repeated ones, and what is for debugging.
func (p *printer) lines(text string, all bool) int {
	end := len(text)
	if !all {
		end = strings.LastIndexByte(text, '\n') + 1
	}
	for line := range strings.Lines(text[:end]) {
		// GRUB draws with the octets of an old code page.
		line = strings.TrimRight(strings.ToValidUTF8(line, ""), " \r\n")
		if !strings.ContainsFunc(line, isWord) || line == p.last || strings.Contains(line, " level=DEBUG ") {
			continue
		}
		p.last = line
		fmt.Fprintf(p.w, "%-8s| %s\n", p.name, line)
	}
	return end
}

func isWord(r rune) bool { return r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
