package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hobnail/internal/lab"
)

// The network in which a machine starts is that of the lab's matrix: servers
// are serverAddr on the link "core", behind a router that is the IP helper.
const (
	machineNet     = "10.77.2.0/24"
	machineFirst   = "10.77.2.50"
	machineLast    = "10.77.2.99"
	machineRouter  = "10.77.2.1"
	coreRouter     = "10.77.1.1"
	machineMAC     = "52:54:00:4c:42:77"
	installerDir   = "/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/"
	firstScreen    = `Select a language`
	bootPatience   = 5 * time.Minute
	opRRQ, opDATA  = 1, 3 // RFC 1350 section 5
	tftpHeaderSize = 4
)

// bootConfig is that of the matrix's row with a UEFI x64 machine that starts
// the installer through a relay; %q is the data directory.
const bootConfig = `
[server]
data = %q
[boot]
unknown = "menu"
default = "installer"
timeout = "1s"
[[subnet]]
cidr   = "` + machineNet + `"
dhcp   = "server"
pool   = "` + machineFirst + "-" + machineLast + `"
router = "` + machineRouter + `"
[[image]]
name    = "installer"
kernel  = "` + installerDir + `linux"
initrd  = "` + installerDir + `initrd.gz"
cmdline = "console=ttyS0"
`

// bootFiles is what hobnail gave a machine, by the same names in a folder, for
// a server that knows nothing but files. Empty until a machine has started
// from hobnail.
type bootFiles struct {
	dir   string
	names []string // in the order in which they were first asked for; the boot program is the first
}

// bootFigure is one start of a machine.
type bootFigure struct {
	total float64 // seconds from power-on to the installer's first screen
	files float64 // of them, those in which a file was under way
	serve float64 // of these, those in which it was the server's turn
}

// bootServer gives addresses and files.
type bootServer struct {
	name  string
	start func(h *lab.Host, files *bootFiles)
}

func (b *bench) bootParts() []part { return []part{{"boot", b.boot}} }

// boot starts the same machine from hobnail and from dnsmasq, in turn.
func (b *bench) boot() {
	for _, name := range []string{"linux", "initrd.gz"} { // the first start reads no disk either
		if _, err := os.ReadFile(installerDir + name); err != nil {
			b.t.Fatalf("reading the installer: %v; scripts/setup bench", err)
		}
	}
	files := &bootFiles{dir: b.lab.Path("boot")}
	var all [2][]bootFigure
	for round := range b.rounds {
		for i, s := range []bootServer{{"hobnail", bootHobnail}, {"dnsmasq", bootDnsmasq}} {
			f := b.bootOnce(s, files)
			all[i] = append(all[i], f)
			b.t.Logf("round %d, %s: first screen after %.1f s, files %.1f s, waited %.2f s for the server", round+1, s.name, f.total, f.files, f.serve)
		}
	}
	b.printBoot(files, all[0], all[1])
}

func (b *bench) printBoot(files *bootFiles, ours, theirs []bootFigure) {
	fmt.Fprintf(b.out, "\nUEFI x64 machine through a relay to the installer's first screen, files by TFTP: %s\n", strings.Join(files.names, ", "))
	fmt.Fprintf(b.out, "%s\n", firstLine(program("dnsmasq"), "--version"))
	fmt.Fprintf(b.out, "| pair | hobnail, s | dnsmasq, s | ratio | files, s | files, s | ratio | waited for hobnail, s | for dnsmasq, s | ratio |\n|---|---|---|---|---|---|---|---|---|---|\n")
	row := func(name string, h, d bootFigure) {
		fmt.Fprintf(b.out, "| %s | %.1f | %.1f | %.3f | %.2f | %.2f | %.3f | %.2f | %.2f | %.3f |\n", name,
			h.total, d.total, h.total/d.total, h.files, d.files, h.files/d.files, h.serve, d.serve, h.serve/d.serve)
	}
	for i := range ours {
		row(fmt.Sprint(i+1), ours[i], theirs[i])
	}
	row("medians", medianBoot(ours), medianBoot(theirs))
}

// medianBoot takes the median of each figure by itself.
func medianBoot(fs []bootFigure) bootFigure {
	return bootFigure{
		total: median(fs, func(f bootFigure) float64 { return f.total }),
		files: median(fs, func(f bootFigure) float64 { return f.files }),
		serve: median(fs, func(f bootFigure) float64 { return f.serve }),
	}
}

// bootOnce starts the machine in a network of its own, with empty leases, so
// that no start finds anything of the one before.
func (b *bench) bootOnce(s bootServer, files *bootFiles) bootFigure {
	var f bootFigure
	err := lab.Play("boot-"+s.name, os.Stderr, func(t lab.TB) {
		lab.Slot(t)
		l := lab.New(t)
		lan, core := l.Link("lan"), l.Link("core")
		l.Router("rtr", lab.At(core, coreRouter+"/24"), lab.At(lan, machineRouter+"/24")).Relay(lan, true, serverAddr)
		record := l.Capture(core)
		s.start(l.Host("srv", core, serverAddr+"/24", coreRouter), files)

		begun := time.Now()
		m := l.Machine(lab.UEFIx64, lan, lab.MachineOpts{MAC: machineMAC})
		m.WaitFor(firstScreen, bootPatience)
		f.total = time.Since(begun).Seconds()
		m.Stop()

		all := transfersOf(record.Datagrams())
		f.files = underWay(all).Seconds()
		for _, t := range all {
			f.serve += t.waited.Seconds()
		}
		names := namesOf(all)
		switch {
		case len(names) == 0:
			t.Fatalf("the machine read no file")
		case len(files.names) == 0:
			files.names = names
			files.fetch(t, l, lan, all[0].client.Addr())
		case !slices.Equal(names, files.names):
			t.Fatalf("the machine read %q of %s, and %q of hobnail", names, s.name, files.names)
		}
	})
	if err != nil {
		b.t.Fatalf("starting a machine from %s: %v", s.name, err)
	}
	return f
}

// fetch fills the folder with what hobnail gives under these names. It asks
// from the address that the machine had: GRUB's menu goes by that.
func (b *bootFiles) fetch(t lab.TB, l *lab.Lab, lan *lab.Link, machine netip.Addr) {
	twin := l.Host("twin", lan, machine.String()+"/24", machineRouter)
	for _, name := range b.names {
		file := filepath.Join(b.dir, filepath.FromSlash(path.Clean("/"+name)))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatalf("keeping %s: %v", name, err)
		}
		from := url.URL{Scheme: "tftp", Host: serverAddr, Path: "/" + name}
		twin.Run("curl", "--silent", "--show-error", "--tftp-blksize", "1428", "--output", file, from.String())
	}
}

func bootHobnail(h *lab.Host, _ *bootFiles) {
	conf := h.File("hobnail/hobnail.toml", fmt.Sprintf(bootConfig, h.Dir("data")))
	h.Start("hobnail", lab.Binary(h), "serve", "-c", conf).WaitFor(`(?m)^ready: `, startup)
}

// bootDnsmasq leaves the name of the boot program in the header ('file'), from
// which shim takes the folder of GRUB; dnsmasq would move it to option 67.
func bootDnsmasq(h *lab.Host, files *bootFiles) {
	h.Start("dnsmasq", program("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file=",
		"--log-facility=-", "--quiet-dhcp", "--quiet-tftp", "--no-ping", "--dhcp-no-override", "--dhcp-leasefile="+h.Dir("dnsmasq")+"/leases",
		fmt.Sprintf("--dhcp-range=%s,%s,255.255.255.0,1h", machineFirst, machineLast), "--dhcp-option=option:router,"+machineRouter,
		"--enable-tftp", "--tftp-root="+files.dir, fmt.Sprintf("--dhcp-boot=%s,,%s", files.names[0], serverAddr))
	h.AwaitPort(67, startup)
	h.AwaitPort(tftpPort.Port(), startup)
}

// transfer is one read of a file over TFTP, as a capture shows it.
type transfer struct {
	name        string
	client      netip.AddrPort
	first, last time.Time // the request, and the last datagram of either side
	octets      int       // of the file, with what was sent twice
	asked       time.Time // the client's datagram that has no answer yet; zero: none
	waited      time.Duration
}

// transfersOf finds the reads among datagrams, in the order of their requests.
// A read is told by the client's port; a request that is sent again begins no
// other one.
func transfersOf(all []lab.Datagram) []*transfer {
	var found []*transfer
	open := map[netip.AddrPort]*transfer{}
	for _, d := range all {
		if name, ok := requested(d); ok {
			if t := open[d.Src]; t == nil || t.name != name {
				t = &transfer{name: name, client: d.Src, first: d.Time}
				open[d.Src] = t
				found = append(found, t)
			}
		}
		if t := open[d.Src]; t != nil {
			t.last = d.Time
			if t.asked.IsZero() {
				t.asked = d.Time
			}
		}
		if t := open[d.Dst]; t != nil {
			t.last = d.Time
			if !t.asked.IsZero() {
				t.waited += d.Time.Sub(t.asked)
				t.asked = time.Time{}
			}
			if len(d.Payload) > tftpHeaderSize && d.Payload[1] == opDATA {
				t.octets += len(d.Payload) - tftpHeaderSize
			}
		}
	}
	return found
}

// requested is the name in a read request.
func requested(d lab.Datagram) (string, bool) {
	if d.Dst.Port() != tftpPort.Port() || len(d.Payload) < 2 || d.Payload[1] != opRRQ {
		return "", false
	}
	name, _, ok := bytes.Cut(d.Payload[2:], []byte{0})
	return string(name), ok
}

// underWay is the time in which at least one of the reads went on.
func underWay(all []*transfer) time.Duration {
	var sum time.Duration
	var end time.Time
	for _, t := range all {
		from := t.first
		if end.After(from) {
			from = end
		}
		if t.last.After(from) {
			sum += t.last.Sub(from)
			end = t.last
		}
	}
	return sum
}

// namesOf are the files of which something came, each once. What is asked for
// and not there, and questions for a size, are not among them.
func namesOf(all []*transfer) []string {
	var names []string
	for _, t := range all {
		if t.octets > 0 && !slices.Contains(names, t.name) {
			names = append(names, t.name)
		}
	}
	return names
}
