package handover

// Dnsmasq writes boot data for dnsmasq as the DHCP server.
func (d *DHCP) Dnsmasq() string {
	var w writer
	d.head(&w, "# ", "dnsmasq", "As a file of its own below conf-dir: /etc/dnsmasq.d/hobnail.conf")
	d.dnsmasq(&w)
	return w.String()
}

func (d *DHCP) dnsmasq(w *writer) {
	const iPXE = "hobnail-ipxe"
	w.line("dhcp-match=set:" + iPXE + ",175")
	w.line("dhcp-userclass=set:" + iPXE + ",iPXE")
	for _, b := range d.Boots {
		// One tag for an architecture; whether iPXE asks is another's matter.
		tag := b.Name
		if b.Client == ClientIPXE {
			tag = "hobnail-" + string(b.Arch)
		}
		if b.Client != ClientIPXE {
			for _, c := range b.Codes {
				w.linef("dhcp-match=set:%s,option:client-arch,%d", tag, c)
			}
		}
		w.line("# " + b.Why)
		switch b.Client {
		case ClientIPXE:
			w.linef("dhcp-boot=tag:%s,tag:%s,%s", tag, iPXE, b.File)
		case ClientPXE:
			w.linef("dhcp-boot=tag:%s,tag:!%s,%s,,%s", tag, iPXE, b.File, b.Next)
		case ClientUBoot:
			w.linef("dhcp-boot=tag:%s,%s,,%s", tag, b.File, b.Next)
		case ClientHTTP:
			w.linef("dhcp-option-force=tag:%s,60,HTTPClient", tag)
			w.linef("dhcp-boot=tag:%s,%s", tag, b.File)
		}
	}
}
