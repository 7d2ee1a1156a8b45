package handover

import (
	"fmt"
	"strings"

	"hobnail/internal/model"
)

// RouterOS writes boot data for the DHCP server of MikroTik's RouterOS 7. Its
// matchers look at one option each, so iPXE cannot be told by what it runs on.
func (d *DHCP) RouterOS() string {
	var w writer
	d.head(&w, "# ", "RouterOS 7",
		"Matchers are tried in their order. Where a DHCP server has a pool of its own,",
		"add server= and address-pool= to each.")
	w.line("/ip dhcp-server option")
	w.linef("add name=hobnail-server code=66 value=%s", rosValue(d.Address.String()))
	w.linef("add name=hobnail-httpclient code=60 value=%s", rosValue("HTTPClient"))
	w.linef("add name=hobnail-ipxe code=67 value=%s", rosValue(d.AnyIPXE))
	var sets, matchers []string
	sets = append(sets, "add name=hobnail-ipxe options=hobnail-ipxe")
	matchers = append(matchers, `add name=hobnail-ipxe code=77 matching-type=substring value="iPXE" option-set=hobnail-ipxe`)
	for _, b := range d.Boots {
		class, with := "PXEClient", "hobnail-server"
		switch b.Client {
		case ClientIPXE, ClientUBoot:
			continue
		case ClientHTTP:
			class, with = "HTTPClient", "hobnail-httpclient"
		}
		w.linef("add name=%s code=67 value=%s", b.Name, rosValue(b.File))
		sets = append(sets, fmt.Sprintf("add name=%s options=%s,%s", b.Name, b.Name, with))
		for _, c := range b.Codes {
			matchers = append(matchers, fmt.Sprintf("add name=%s-%d code=60 matching-type=substring value=%s option-set=%s",
				b.Name, c, rosText(fmt.Sprintf("%s:Arch:%05d", class, c)), b.Name))
		}
	}
	w.line("/ip dhcp-server option sets")
	w.line(strings.Join(sets, "\n"))
	w.line("/ip dhcp-server matcher")
	w.line(strings.Join(matchers, "\n"))
	w.line("/ip dhcp-server network")
	for _, n := range d.Site.Networks {
		w.linef("set [find address=%s] next-server=%s", rosText(n.CIDR.String()), d.Address)
	}
	return w.String()
}

// rosValue writes an option of RouterOS that holds text and nothing else.
func rosValue(s string) string { return rosText("s'" + s + "'") }

// rosText quotes text for RouterOS, which fills in what begins with a dollar
// sign.
func rosText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "?", `\?`).Replace(s) + `"`
}

// OPNsense says where boot data goes in OPNsense, by the DHCP server that is
// used there.
func (d *DHCP) OPNsense() string {
	var w writer
	d.head(&w, "# ", "OPNsense",
		"With Dnsmasq (Services > Dnsmasq DNS & DHCP), this text as a file on the firewall,",
		"/usr/local/etc/dnsmasq.conf.d/hobnail.conf, and restart the service.")
	w.line("#")
	w.line("# With ISC DHCPv4 (Services > ISC DHCPv4 > the interface > Network booting) these fields")
	w.line("# instead; it knows iPXE, but not what it runs on:")
	w.line("#   Enable network booting:  on")
	w.linef("#   next-server IP:          %s", d.Address)
	fields := map[model.Arch]string{
		model.ArchBIOS: "default bios filename", model.ArchIA32: "x86 UEFI (32-bit)", model.ArchX64: "x64 UEFI/EBC (64-bit)",
		model.ArchARM32: "ARM UEFI (32-bit)", model.ArchARM64: "ARM UEFI (64-bit)", model.ArchRISCV64: "RISC-V UEFI (64-bit)",
	}
	for _, b := range d.Boots {
		if field := fields[b.Arch]; field != "" && b.Client == ClientPXE {
			w.linef("#   %-24s %s", field+":", b.File)
		}
	}
	w.linef("#   %-24s %s", "iPXE boot filename:", d.AnyIPXE)
	w.line("#")
	w.line("# With Kea, its forms name one file for all machines. What --for kea prints goes into its")
	w.line("# configuration, where that is edited by hand.")
	d.dnsmasq(&w)
	return w.String()
}
