package handover

import (
	"fmt"
	"strings"
)

// ISC writes boot data for ISC dhcpd: one class, which counts more than what
// subnets say of next-server and filename.
func (d *DHCP) ISC() string {
	var w writer
	d.head(&w, "# ", "ISC dhcpd", "Into dhcpd.conf, outside of subnets, or as a file of its own: include \"FILE\";")
	w.line("option hobnail-arch code 93 = unsigned integer 16;")
	w.line("option hobnail-ipxe code 175 = string;")
	w.line(`class "hobnail" {`)
	w.line("  match if exists hobnail-arch;")
	w.line(`  if exists hobnail-ipxe or option user-class = "iPXE" {`)
	d.iscBranches(&w, "    ", func(c Client) bool { return c == ClientIPXE })
	w.line("  } else {")
	d.iscBranches(&w, "    ", func(c Client) bool { return c != ClientIPXE })
	w.line("  }")
	w.line("}")
	return w.String()
}

// iscBranches tells the architectures of some clients apart. dhcpd reads no
// "and" behind a bracket, so who asks is a question around this one.
func (d *DHCP) iscBranches(w *writer, indent string, wanted func(Client) bool) {
	word := "if"
	for _, b := range d.Boots {
		if !wanted(b.Client) {
			continue
		}
		w.linef("%s%s %s {", indent, word, iscCodes(b.Codes))
		word = "} elsif"
		if b.Client == ClientHTTP {
			w.linef("%s  option vendor-class-identifier %s;", indent, iscText("HTTPClient"))
		}
		if b.Next.IsValid() {
			w.linef("%s  next-server %s;", indent, b.Next)
		}
		w.linef("%s  filename %s; # %s", indent, iscText(b.File), b.Why)
	}
	if word != "if" {
		w.line(indent + "}")
	}
}

// iscCodes compares the first of a client's architectures.
func iscCodes(list []uint16) string {
	var all []string
	for _, c := range list {
		all = append(all, fmt.Sprintf("substring(option hobnail-arch, 0, 2) = %02x:%02x", c>>8, c&255))
	}
	return strings.Join(all, " or ")
}

// iscText quotes text as dhcpd and RouterOS read it, with a backslash before what
// would end it.
func iscText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
