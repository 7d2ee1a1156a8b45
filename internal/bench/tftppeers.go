package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"hobnail/internal/bench/tftpload"
	"hobnail/internal/lab"
)

// The files that are fetched, by their names on every server but hobnail. The
// largest has fewer than 65,536 blocks of tftpBlksize: what comes after that
// is not the same from every server.
var tftpFiles = []struct {
	name string
	size int64
}{{small1, 1 << 20}, {small8, 8 << 20}, {large64, 64 << 20}}

const (
	small1  = "1m"
	small8  = "8m"
	large64 = "64m"
)

func sizeOf(name string) int64 {
	for _, f := range tftpFiles {
		if f.name == name {
			return f.size
		}
	}
	return 0
}

// tftpPeer is a TFTP server under test.
type tftpPeer struct {
	name    string
	version string
	start   func(h *lab.Host, root string) *lab.Proc
	// names are what files are called there; none: as they are.
	names func(h *lab.Host, root string) map[string]string
	bare  bool // the bare sender: its files are not looked into
}

// tftpServers are hobnail, the others that are there, and the bare sender.
func (b *bench) tftpServers() []tftpPeer {
	all := []tftpPeer{
		{name: "hobnail", version: firstLine(b.binary(), "version"), start: hobnailTFTP, names: hobnailNames},
		{name: "dnsmasq", version: firstLine(program("dnsmasq"), "--version"), start: dnsmasqTFTP},
		{name: "atftpd", version: firstLine(program("atftpd"), "--version"), start: atftpd},
		{name: "tftpd-hpa", version: firstLine(program("in.tftpd"), "-V"), start: tftpdHPA},
	}
	chosen := all[:1]
	for _, p := range all[1:] {
		if p.version == "" {
			b.t.Logf("%s is not there: scripts/setup bench", p.name)
			continue
		}
		if len(b.names) == 0 || hasBeginning(p.name, b.names) {
			chosen = append(chosen, p)
		}
	}
	return chosen
}

func bareSender() tftpPeer {
	return tftpPeer{name: "bare sender", start: startBare, bare: true}
}

func hasBeginning(name string, beginnings []string) bool {
	for _, n := range beginnings {
		if strings.HasPrefix(name, n) {
			return true
		}
	}
	return false
}

// binary is hobnail's, as the lab finds it.
func (b *bench) binary() string { return lab.Binary(b.load) }

// program is the name of a server that scripts/setup bench put under
// build/peers, or of the one that is installed.
func program(name string) string {
	path, err := filepath.Abs(filepath.Join("build", "peers", name))
	if err == nil {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return name
}

func firstLine(name string, args ...string) string {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// tftpRoot makes the files in memory, so that no disk is measured.
func (b *bench) tftpRoot() string {
	if b.root != "" {
		return b.root
	}
	root, err := os.MkdirTemp("/dev/shm", "hobnail-bench-")
	if err != nil {
		b.t.Fatalf("making a directory in memory: %v", err)
	}
	b.t.Cleanup(func() { os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil {
		b.t.Fatalf("opening %s to all: %v", root, err)
	}
	for _, f := range tftpFiles {
		if err := os.WriteFile(filepath.Join(root, f.name), tftpload.Content(f.size), 0o644); err != nil {
			b.t.Fatalf("writing a file: %v", err)
		}
	}
	b.root = root
	return root
}

// manyFiles lets a server have a socket for each of some thousand clients.
func manyFiles(argv ...string) []string {
	return append([]string{"sh", "-c", `ulimit -n "$(ulimit -H -n)" && exec "$@"`, "sh"}, argv...)
}

// hobnailConfig offers the files as kernels of images.
func hobnailConfig(h *lab.Host, root string) string {
	text := fmt.Sprintf("[server]\ndata = %q\ndhcp = \"off\"\n", h.Dir("hobnail"))
	for _, f := range tftpFiles {
		text += fmt.Sprintf("[[image]]\nname = %q\narch = \"x64\"\nkernel = %q\n", "f"+f.name, filepath.Join(root, f.name))
	}
	return h.File("hobnail/hobnail.toml", text)
}

func hobnailTFTP(h *lab.Host, root string) *lab.Proc {
	proc := pinned(h, "hobnail", manyFiles(lab.Binary(h), "serve", "-c", hobnailConfig(h, root))...)
	proc.WaitFor(`(?m)^ready: `, startup)
	return proc
}

// hobnailNames asks hobnail what it calls the files.
func hobnailNames(h *lab.Host, root string) map[string]string {
	names := map[string]string{}
	for _, f := range tftpFiles {
		var image struct {
			Kernel string `json:"kernel_name"`
		}
		out := h.Run(lab.Binary(h), "images", "show", "f"+f.name, "--json", "-c", hobnailConfig(h, root))
		if json.Unmarshal([]byte(out), &image) == nil {
			names[f.name] = image.Kernel
		}
	}
	return names
}

func dnsmasqTFTP(h *lab.Host, root string) *lab.Proc {
	proc := pinned(h, "dnsmasq", manyFiles(program("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root",
		"--pid-file=", "--log-facility=-", "--quiet-tftp", "--enable-tftp", "--tftp-root="+root, "--tftp-max=10000")...)
	h.AwaitPort(69, startup)
	return proc
}

func atftpd(h *lab.Host, root string) *lab.Proc {
	proc := pinned(h, "atftpd", manyFiles(program("atftpd"), "--daemon", "--no-fork", "--user", "root", "--group", "root",
		"--maxthread", "10000", "--verbose=0", "--logfile", "-", root)...)
	h.AwaitPort(69, startup)
	return proc
}

func tftpdHPA(h *lab.Host, root string) *lab.Proc {
	proc := pinned(h, "tftpd-hpa", manyFiles(program("in.tftpd"), "--foreground", "--user", "root", "--secure", "--address", "0.0.0.0:69", root)...)
	h.AwaitPort(69, startup)
	return proc
}

func startBare(h *lab.Host, _ string) *lab.Proc {
	proc := pinned(h, "bare", self(), "tftp", tftpCommand(tftpTask{Bare: true}))
	h.AwaitPort(69, startup)
	return proc
}
