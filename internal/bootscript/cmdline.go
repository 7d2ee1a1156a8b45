package bootscript

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/template"
	"text/template/parse"
)

// MaxCmdline is the longest command line, in bytes. x86 and arm64 kernels
// keep 2,048 with the NUL at the end, and loaders put their own words before
// it (BOOT_IMAGE=, initrd=).
const MaxCmdline = 2047

// TemplateData is what a command line can be made of.
type TemplateData struct {
	Machine Machine
	Server  Server
	Image   string // its name
}

// Cmdline is the template of a command line, parsed once and filled in for
// every machine. It is safe for concurrent use.
type Cmdline struct {
	t *template.Template
	// pieces is the whole of a template that is made of text and fields alone,
	// as nearly all are: to put them together is ten times as quick.
	pieces []piece
}

// piece is a text, or the value of a field: "Machine", "Name".
type piece struct {
	text      string
	of, field string
}

// ParseCmdline parses a command line, a text/template over these fields:
//
//	.Machine.Name .Machine.MAC .Machine.UUID .Machine.Arch .Machine.Address
//	.Server.Name .Server.Address .Server.URL .Image.Name .Install.URL
//
// with if and else, the functions and, or, not, eq, ne, and of ours
// lower TEXT, upper TEXT, replace OLD NEW TEXT, default FALLBACK TEXT. An
// unknown field of the machine is empty.
func ParseCmdline(text string) (*Cmdline, error) {
	t, err := parseTemplate(text)
	if err != nil {
		return nil, err
	}
	return &Cmdline{t, pieces(t)}, nil
}

// pieces takes a template apart; nil where it has more than text and fields.
func pieces(t *template.Template) []piece {
	if t.Tree == nil {
		return nil
	}
	var all []piece
	for _, n := range t.Root.Nodes {
		switch n := n.(type) {
		case *parse.TextNode:
			all = append(all, piece{text: string(n.Text)})
		case *parse.ActionNode:
			if len(n.Pipe.Cmds) != 1 || len(n.Pipe.Cmds[0].Args) != 1 {
				return nil
			}
			f, ok := n.Pipe.Cmds[0].Args[0].(*parse.FieldNode)
			if !ok || len(f.Ident) != 2 {
				return nil
			}
			all = append(all, piece{of: f.Ident[0], field: f.Ident[1]})
		default:
			return nil
		}
	}
	return all
}

// Expand fills in a command line for an image.
//
// The result is one line whose words are parted by single spaces, of at most
// MaxCmdline bytes, that every loader hands to the kernel as it stands. A
// machine's value that could be more than one word is an error: a host name
// must not add kernel parameters.
func (c *Cmdline) Expand(v Values, image string) (string, error) {
	if err := v.check(image); err != nil {
		return "", err
	}
	if c.pieces == nil {
		return expand(c.t, v, image)
	}
	var out bytes.Buffer
	out.Grow(256)
	w := &limitedWriter{&out}
	for _, p := range c.pieces {
		if _, err := io.WriteString(w, p.value(v, image)); err != nil {
			return "", fmt.Errorf("expanding the command line: %v", err)
		}
	}
	return oneLine(out.String())
}

func (p piece) value(v Values, image string) string {
	switch p.of {
	case "Machine":
		return v.machine[p.field]
	case "Server":
		return v.server[p.field]
	case "Image":
		return image
	case "Install":
		return v.install
	}
	return p.text
}

// ExpandCmdline parses a command line and fills it in.
func ExpandCmdline(tmpl string, data TemplateData) (string, error) {
	c, err := ParseCmdline(tmpl)
	if err != nil {
		return "", err
	}
	return c.Expand(NewValues(data.Machine, data.Server), data.Image)
}

// CheckTemplate reports what would make ExpandCmdline fail for every machine.
// What depends on a machine's own values it cannot see.
func CheckTemplate(text string) error {
	t, err := parseTemplate(text)
	if err != nil {
		return err
	}
	data := sample()
	v := NewValues(data.Machine, data.Server)
	if err := v.check(data.Image); err != nil {
		return err
	}
	_, err = expand(t, v, data.Image)
	return err
}

func sample() TemplateData {
	address := netip.AddrFrom4([4]byte{192, 0, 2, 10})
	return TemplateData{
		Machine: Machine{Name: "lab-01", MAC: "52:54:00:12:34:56", UUID: "4c4c4544-0043-3010-8052-b4c04f4d3532", Arch: "uefi-x64", Address: address},
		Server:  Server{Name: "boot1", Address: address, URL: "http://192.0.2.1:8080"},
		Image:   "debian-12",
	}
}

func expand(t *template.Template, v Values, image string) (string, error) {
	if t.Tree == nil { // an empty text
		return "", nil
	}
	var out bytes.Buffer
	values := map[string]map[string]string{"Machine": v.machine, "Server": v.server, "Image": {"Name": image}, "Install": {"URL": v.install}}
	if err := t.Execute(&limitedWriter{&out}, values); err != nil {
		return "", fmt.Errorf("expanding the command line: %v", err)
	}
	return oneLine(out.String())
}

// limitedWriter takes a little more than a command line may have, so that
// spaces which oneLine joins don't count.
type limitedWriter struct{ out *bytes.Buffer }

func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.out.Len()+len(p) > 2*MaxCmdline {
		return 0, fmt.Errorf("it is longer than %d bytes", MaxCmdline)
	}
	return w.out.Write(p)
}

// oneLine refuses what some loader or kernel would take for something else
// than text.
func oneLine(s string) (string, error) {
	if !isTidy(s) {
		s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }), " ")
	}
	if len(s) > MaxCmdline {
		return "", fmt.Errorf("the command line has %d bytes; %d are allowed", len(s), MaxCmdline)
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' {
			return "", fmt.Errorf("the command line contains the byte %#02x; only printable ASCII on one line is allowed", c)
		}
	}
	for _, bad := range []struct{ text, reader string }{
		{`\`, "GRUB doubles it"},
		{`'`, "GRUB puts a backslash before it"},
		{"${", "iPXE and U-Boot expand it"},
		{"$(", "U-Boot expands it"},
	} {
		if strings.Contains(s, bad.text) {
			return "", fmt.Errorf("the command line contains %s, which cannot reach the kernel unchanged: %s", bad.text, bad.reader)
		}
	}
	if strings.Count(s, `"`)%2 != 0 {
		return "", errors.New(`the command line contains an odd number of "; quotes must come in pairs`)
	}
	return s, nil
}

// Values are what templates can say of a machine and this server, the same for
// all images of a menu.
type Values struct {
	machine, server map[string]string
	install         string // URL below which an install finds its files; empty: nothing is installed
	err             error  // what is wrong with them, for any template
}

// NewValues flattens them to text, so that a template reaches nothing else.
func NewValues(m Machine, s Server) Values {
	v := Values{
		machine: map[string]string{
			"Name": m.Name, "MAC": string(m.MAC), "UUID": string(m.UUID), "Arch": string(m.Arch), "Address": address(m.Address),
		},
		server: map[string]string{"Name": s.Name, "Address": address(s.Address)},
	}
	for _, of := range []struct {
		name   string
		values map[string]string
		fields []string
	}{
		{"Machine", v.machine, []string{"Name", "MAC", "UUID", "Arch", "Address"}},
		{"Server", v.server, []string{"Name", "Address"}},
	} {
		for _, field := range of.fields {
			if value := of.values[field]; !isWord(value) && v.err == nil {
				v.err = notWord(of.name+"."+field, value)
			}
		}
	}
	if safe(s.URL, urlBytes) != s.URL && v.err == nil {
		v.err = fmt.Errorf("Server.URL is %.100q, which is not a plain URL", s.URL)
	}
	v.server["URL"] = s.URL
	return v
}

// Installing gives the values with the URL below which an install finds its
// files, "http://10.77.1.2:8080/install/1f…", without a slash at the end.
func (v Values) Installing(url string) Values {
	if safe(url, urlBytes) != url && v.err == nil {
		v.err = fmt.Errorf("Install.URL is %.100q, which is not a plain URL", url)
	}
	v.install = url
	return v
}

// check is what is wrong with the values for an image of that name.
func (v Values) check(image string) error {
	if v.err == nil && !isWord(image) {
		return notWord("Image.Name", image)
	}
	return v.err
}

func notWord(name, value string) error {
	return fmt.Errorf("%s is %.100q, which is not one word of letters, digits, '.', '_', ':' and '-'", name, value)
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// isWord reports whether a value may stand in a command line or in a path on
// it. Dots alone are refused: as a path component they lead elsewhere.
func isWord(s string) bool {
	return safe(s, "._:-") == s && (s == "" || strings.Trim(s, ".") != "")
}
