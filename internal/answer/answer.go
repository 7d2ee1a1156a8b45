// Package answer makes answer files: what an installer would ask a person,
// said for one machine. An answer file is a template over the machine, the
// image, this server and the site's variables: data in, text out, and nothing
// else within reach.
//
// The template language is the part of text/template that ends: the grammar is
// text/template/parse's, the interpreter is ours ([ADR 0037]), so that the
// work of a template is counted and not only timed.
//
// [ADR 0037]: docs/adr/0037-answer-files.md
package answer

import "fmt"

// The bounds of one template and of what it makes. The bound of time,
// 100 ms, is one of work: a budget counts nodes and bytes, and what it allows is
// done in a fraction of that (TestBudgetIsTime). The same template and data thus
// fail or succeed everywhere alike, however busy the host is.
const (
	MaxSource = 256 << 10 // bytes of a template
	MaxOutput = 1 << 20   // bytes of an answer file
	MaxDepth  = 50        // blocks and parentheses inside each other
)

// Data is what a template can say. All of it is text, and none of it is
// trusted: a machine's name and serial number are what somebody typed or what
// firmware sent.
type Data struct {
	Machine Machine
	Image   Image
	Server  Server
	Install Install
	Mirror  Mirror
	// Vars are the site's variables and the machine's own, which win. Names are
	// letters, digits and underscores.
	Vars map[string]string
}

// Machine is the machine that installs. What is not known is empty.
type Machine struct {
	Name     string
	MAC      string // 52:54:00:12:34:56
	UUID     string // of SMBIOS, lower case with hyphens
	Serial   string
	Arch     string // model.Arch: bios, uefi-x64, …
	CPU      string // model.CPU: x64, arm64, …
	Address  string // of IP
	Firmware string // bios, uefi or http
}

// Image is what is installed.
type Image struct {
	Name    string // its name in hobnail, debian-12
	Title   string // for people
	System  string // the row of the recognition table
	Version string
	CPU     string // model.CPU
	Edition string // of Windows: Windows 11 Pro
	Index   string // of Windows: the image in install.wim, from 1
}

// Server is the hobnail that is asked.
type Server struct {
	Name    string
	Address string
	URL     string // http://10.77.1.2:8080, no slash at the end
}

// Install is this attempt of this machine.
type Install struct {
	URL string // http://SERVER/install/<token>, no slash at the end
}

// Mirror is the tree of the image.
type Mirror struct {
	URL string // http://SERVER/iso/<image>, no slash at the end; "" if there is none
}

// fields are what a template may name, but for .Vars. The value is safe where
// hobnail itself made the text for a shell.
var fields = map[string]func(*Data) value{
	"Machine.Name":     func(d *Data) value { return text{s: d.Machine.Name} },
	"Machine.MAC":      func(d *Data) value { return text{s: d.Machine.MAC} },
	"Machine.UUID":     func(d *Data) value { return text{s: d.Machine.UUID} },
	"Machine.Serial":   func(d *Data) value { return text{s: d.Machine.Serial} },
	"Machine.Arch":     func(d *Data) value { return text{s: d.Machine.Arch} },
	"Machine.CPU":      func(d *Data) value { return text{s: d.Machine.CPU} },
	"Machine.Address":  func(d *Data) value { return text{s: d.Machine.Address} },
	"Machine.Firmware": func(d *Data) value { return text{s: d.Machine.Firmware} },
	"Image.Name":       func(d *Data) value { return text{s: d.Image.Name} },
	"Image.Title":      func(d *Data) value { return text{s: d.Image.Title} },
	"Image.System":     func(d *Data) value { return text{s: d.Image.System} },
	"Image.Version":    func(d *Data) value { return text{s: d.Image.Version} },
	"Image.CPU":        func(d *Data) value { return text{s: d.Image.CPU} },
	"Image.Edition":    func(d *Data) value { return text{s: d.Image.Edition} },
	"Image.Index":      func(d *Data) value { return text{s: d.Image.Index} },
	"Server.Name":      func(d *Data) value { return text{s: d.Server.Name} },
	"Server.Address":   func(d *Data) value { return text{s: d.Server.Address} },
	"Server.URL":       func(d *Data) value { return text{s: d.Server.URL} },
	"Install.URL":      func(d *Data) value { return text{s: d.Install.URL} },
	"Install.Done":     func(d *Data) value { return text{s: d.Install.URL + "/done"} },
	"Install.Failed":   func(d *Data) value { return text{s: d.Install.URL + "/failed"} },
	"Install.SayDone":  func(d *Data) value { return text{callHome(d.Install.URL + "/done"), true} },
	"Install.SayFailed": func(d *Data) value {
		return text{callHome(d.Install.URL + "/failed"), true}
	},
	"Mirror.URL": func(d *Data) value { return text{s: d.Mirror.URL} },
}

// callHome is one line of POSIX shell that asks for a URL until it is
// answered, for about ten minutes, and never fails: 20 attempts of at most 10 s,
// 25 s apart. It runs in Debian's installer, in other installers' live systems
// and in what was installed, so it takes the program that is there. wget gets no
// timeout of its own: busybox in Debian's installer has none (1.35 dies of -t or
// -T with a segmentation fault), and GNU's -T counts for each of 20 tries.
func callHome(url string) string {
	u := shellQuote(url)
	return "n=0; until if command -v curl >/dev/null 2>&1; then curl -fs -m 10 -o /dev/null " + u +
		"; else wget -q -O /dev/null " + u + " >/dev/null 2>&1 & p=$!; (sleep 10; kill $p) >/dev/null 2>&1 & k=$!;" +
		" wait $p; r=$?; kill $k 2>/dev/null; [ $r = 0 ]; fi;" +
		" do n=$((n+1)); [ $n -lt 20 ] || break; sleep 25; done; true"
}

// HostName is the name that the built-in answers give a machine: the variable
// hostname as a pattern, its own name without one. Debian's installer asks for
// it before it has read its answers, so command lines need it too.
func HostName(d Data) (string, error) {
	pattern := d.Vars["hostname"]
	if pattern == "" {
		pattern = "{name}"
	}
	filled, err := fill(&d, []string{pattern})
	if err != nil {
		return "", fmt.Errorf("making a host name of the variable hostname: %v", err)
	}
	return host(filled, 63)
}
