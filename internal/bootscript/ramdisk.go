package bootscript

import (
	"bytes"
	"fmt"
	"net/netip"
	"path"
)

// RAMDiskGRUB writes the grub.cfg of a RAM disk that firmware fetched over
// HTTP. GRUB then comes from a disk, so it has no address and knows no server:
// it asks DHCP for an address itself, and goes on with the configuration that
// lies under a name of the boot-file tree on this server
// ("m/525400123456/uefi-x64/grub.cfg"). The server is an IPv4 address, for
// net_bootp asks for no other.
//
// root and prefix become the server's, as if GRUB had come from there. That
// net_bootp failed does not say that there is no address: it fails where one
// card of several has none. So the configuration is tried all the same.
// configfile says nothing about a file that it cannot read, hence the test.
//
// As in GRUB, no terminal is chosen, and after a failure the machine starts
// again, to meet whichever server is alive by then. Leaving at once would end
// in the firmware's setup, for exit counts as success (OVMF 2022.11 does so
// after HTTP boot too).
func RAMDiskGRUB(server netip.Addr, config string) []byte {
	host := safe(address(server), ".")
	config = fileName(config)
	device := "tftp," + host
	menu := "(" + device + ")/" + config
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }

	line("# hobnail: GRUB from a RAM disk, on its way to the menu that the server has for it")
	line("for try in 1 2 3; do")
	line(`  if [ "$addressed" != yes ]; then`)
	line(`    echo "Asking DHCP for an address, try $try of 3"`)
	line("    if net_bootp; then set addressed=yes; fi")
	line("  fi")
	line(`  echo "Asking %s for the menu, try $try of 3"`, host)
	line("  if [ -s %s ]; then", grubWord(menu))
	line("    set found=yes")
	line("    break")
	line("  fi")
	line("  sleep 2")
	line("done")
	line("")
	line(`if [ "$found" = yes ]; then`)
	line("  set root=%s", grubWord(device))
	line("  set prefix=%s", grubWord(path.Dir(menu)))
	line("  configfile %s", grubWord(menu))
	line("else")
	for _, text := range ramDiskFailure(host, config) {
		line("  %s", text)
	}
	line("fi")
	return b.Bytes()
}

// ramDiskFailure tells a person what failed and what to look at.
func ramDiskFailure(host, config string) []string {
	return []string{
		"echo",
		"echo " + grubWord("This machine did not get its menu from hobnail at "+host+"."),
		`if [ "$addressed" = yes ]; then`,
		"  echo 'It has an address, but could not read this file over TFTP:'",
		"  echo " + grubWord("  "+config),
		"  echo " + grubWord("Check that hobnail runs, and that UDP port 69 of "+host+" can be reached"),
		"  echo 'from the addresses below (firewall, route).'",
		"else",
		"  echo 'GRUB found no network card, or DHCP gave one of them no address; see above.'",
		"  echo 'Check that a DHCP server answers on this network and has addresses left.'",
		"fi",
		"echo 'Cards and addresses:'",
		"net_ls_cards",
		"net_ls_addr",
		"echo 'In 30 s this machine starts again; ESC leaves for the firmware.'",
		"if sleep --interruptible 30; then",
		"  reboot",
		"fi",
		"exit",
	}
}
