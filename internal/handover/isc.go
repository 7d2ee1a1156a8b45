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
	iPXE := `(exists hobnail-ipxe or option user-class = "iPXE")`
	word := "if"
	for _, b := range d.Boots {
		condition := iscCodes(b.Codes)
		switch b.Client {
		case ClientIPXE:
			condition = iPXE + " and " + condition
		case ClientPXE:
			condition = "not " + iPXE + " and " + condition
		}
		w.linef("  %s %s {", word, condition)
		word = "elsif"
		if b.Client == ClientHTTP {
			w.linef("    option vendor-class-identifier %s;", iscText("HTTPClient"))
		}
		if b.Next.IsValid() {
			w.linef("    next-server %s;", b.Next)
		}
		w.linef("    filename %s; # %s", iscText(b.File), b.Why)
		w.line("  }")
	}
	w.line("}")
	return w.String()
}

// iscCodes compares the first of a client's architectures.
func iscCodes(list []uint16) string {
	var all []string
	for _, c := range list {
		all = append(all, fmt.Sprintf("substring(option hobnail-arch, 0, 2) = %02x:%02x", c>>8, c&255))
	}
	return "(" + strings.Join(all, " or ") + ")"
}

// iscText quotes text as dhcpd and RouterOS read it, with a backslash before what
// would end it.
func iscText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
