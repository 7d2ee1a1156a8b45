package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParseFaults holds each testdata/invalid-NAME.toml against every fault
// that must be reported, word for word.
func TestParseFaults(t *testing.T) {
	covered := map[string]bool{}
	for _, tc := range []struct {
		name string
		want []string // without "hobnail.toml:"
	}{
		{"address", []string{
			`2:11: address "boot1" is not an IPv4 address; write it as 10.77.2.1`,
			`6:10: router "fe80::1" is an IPv6 address; allowed are IPv4 addresses such as 10.77.2.1`,
			`7:8: dns "0.0.0.0" is not the address of one machine; write it as 10.77.2.1`,
			`8:15: next_server "224.0.0.1" is not the address of one machine; write it as 10.77.2.1`,
		}},
		{"cidr-form", []string{
			`2:8: cidr "10.77.2.0" is not a subnet; write it as 10.77.2.0/24`,
		}},
		{"cidr-host-bits", []string{
			`2:8: cidr "10.77.2.5/24" has host bits set; write it as 10.77.2.0/24`,
		}},
		{"cidr-ipv6", []string{
			`2:8: cidr "2001:db8::/64" is an IPv6 subnet; allowed are IPv4 subnets such as 10.77.2.0/24`,
		}},
		{"cidr-missing", []string{
			`1:1: [[subnet]] has no cidr; it needs one, such as cidr = "10.77.2.0/24"`,
		}},
		{"cidr-overlap", []string{
			`2:8: cidr 10.77.2.0/24 overlaps 10.77.0.0/16 on line 5; let the subnets be disjoint`,
			`8:8: cidr 10.77.2.0/24 overlaps 10.77.0.0/16 on line 5; let the subnets be disjoint`,
		}},
		{"cmdline-field", []string{
			`4:11: cmdline "{{.Machine.Serial}}" cannot be used: command line template: there is no .Machine.Serial; there are .Machine.Name, .Machine.MAC, .Machine.UUID, .Machine.Arch, .Machine.Address, .Server.Name, .Server.Address, .Server.URL, .Image.Name, .Install.URL; allowed is text with fields such as {{.Machine.Name}}`,
		}},
		{"cmdline-function", []string{
			`4:11: cmdline "{{exec .Machine.Name}}" cannot be used: command line template: 1: function "exec" not defined; allowed is text with fields such as {{.Machine.Name}}`,
		}},
		{"cmdline-lines", []string{
			`4:11: cmdline "quiet\nconsole=ttyS0\n" has control characters; allowed is one line`,
		}},
		{"cmdline-quote", []string{
			`4:11: cmdline "a='b'" cannot be used: the command line contains ', which cannot reach the kernel unchanged: GRUB puts a backslash before it; allowed is text with fields such as {{.Machine.Name}}`,
		}},
		{"cmdline-template", []string{
			`4:11: cmdline "url={{.Server.URL" cannot be used: command line template: 1: unclosed action; allowed is text with fields such as {{.Machine.Name}}`,
		}},
		{"console", []string{
			`2:12: console "loopback" stands beside others; allowed are off or loopback alone, or a list of networks`,
			`2:24: console "10.77.1.5/24" has host bits set; write it as 10.77.1.0/24, or 10.77.1.5/32 for that address alone`,
			`2:40: console "10.77.1.5" is not known; allowed are loopback, off, and networks such as 10.77.1.0/24 or 2001:db8::/64`,
			`2:53: console "::ffff:10.77.1.0/120" is an IPv4 network in IPv6 form; write it as 10.77.1.0/24`,
			`3:18: console_names "10.77.1.2" is not a host name; write it as boot.example.net, without a port`,
			`3:31: console_names "boot1:8080" is not a host name; write it as boot.example.net, without a port`,
		}},
		{"data", []string{
			`2:8: data "var/lib" is not an absolute path; write it as /var/lib/hobnail`,
			`3:7: nbp "../nbp" leaves /var/lib/hobnail; allowed are absolute paths and paths without ".."`,
			`4:8: dbx "../dbx.bin" leaves /var/lib/hobnail; allowed are absolute paths and paths without ".."`,
			`4:22: dbx is empty; leave it out or write it as dbx = ["/srv/dbx/x64.bin"]`,
			`5:18: allow_revoked "x64/shimx64.efi" is not a boot program; write it as shimx64.efi, or with its architecture as uefi-x64/shimx64.efi`,
			`5:37: allow_revoked "uefi-x64/" is not a boot program; write it as shimx64.efi, or with its architecture as uefi-x64/shimx64.efi`,
			`5:50: allow_revoked "../shimx64.efi" is not a boot program; write it as shimx64.efi, or with its architecture as uefi-x64/shimx64.efi`,
			`5:68: allow_revoked "uefi-x64/a/b" is not a boot program; write it as shimx64.efi, or with its architecture as uefi-x64/shimx64.efi`,
		}},
		{"default-menu", []string{
			`2:11: default "menu" is no target; allowed are local and the names of [[image]]`,
		}},
		{"dhcp-no-address", []string{
			`3:8: dhcp = "server" has no address to give; add a pool or a [[machine]] with an address in 10.77.2.0/24`,
		}},
		{"dhcp-no-subnet", []string{
			`2:8: dhcp = "server" has no subnet to serve; add a [[subnet]] with a cidr and a pool`,
		}},
		{"dhcp-typo", []string{
			`3:8: dhcp "sever" is not known; allowed are auto, merge, proxy, server, off; did you mean server?`,
		}},
		{"dns-many", []string{
			`3:104: dns has 9 servers; allowed are 8 at most`,
		}},
		{"domain", []string{
			`3:10: domain "example..net" is not a domain name; write it as example.net`,
		}},
		{"duplicate-key", []string{
			`4:1: "name" is given twice, first on line 2; give it once`,
		}},
		{"duplicate-section", []string{
			`4:2: "boot" is given twice, first on line 1; give it once`,
		}},
		{"empty-list", []string{
			`2:14: interfaces is an empty list; leave it out or write it as interfaces = ["eth0"]`,
			`6:17: mac is an empty list; leave it out or write it as mac = "52:54:00:*"`,
		}},
		{"empty-text", []string{
			`3:10: domain is empty; leave it out or write it as domain = "example.net"`,
		}},
		{"http-host", []string{
			`2:8: http "boot server:80" is not an address to listen on; allowed are off, ":8080" and "10.77.1.2:8080"`,
		}},
		{"http-port", []string{
			`2:8: http "10.77.1.2:80800" has no port of 1 to 65535; write it as :8080`,
		}},
		{"http", []string{
			`2:8: http "8080" is not an address to listen on; allowed are off, ":8080" and "10.77.1.2:8080"`,
		}},
		{"https", []string{
			`2:9: https ":8080" is where http listens; give it another port, such as :8443`,
			`3:16: https_names "boot 1" is neither a host name nor an address; write it as boot.example.net or 10.77.1.2`,
			`3:26: https_names "fe80::1%eth0" is neither a host name nor an address; write it as boot.example.net or 10.77.1.2`,
			`4:15: certificate "/var/lib/hobnail/boot1.pem" is without its key; name that as certificate_key = "/etc/ssl/private/boot1.key"`,
		}},
		{"https-certificate", []string{
			`2:19: certificate_key "/var/lib/hobnail/boot1.key" is without its certificate; name that as certificate = "/etc/ssl/boot1.pem"`,
		}},
		{"https-key", []string{
			`2:9: https "8443" is not an address to listen on; allowed are off, ":8443" and "10.77.1.2:8080"`,
			`3:19: certificate_key "../boot1.key" leaves /var/lib/hobnail; allowed are absolute paths and paths without ".."`,
		}},
		{"image-arch", []string{
			`3:8: arch "arm46" is not known; allowed are x64, ia32, arm64, arm32, riscv64, loongarch64; did you mean arm64?`,
		}},
		{"image-files", []string{
			`3:10: kernel "../linux" leaves /var/lib/hobnail; allowed are absolute paths and paths without ".."`,
			`4:24: initrd "ftp://10.77.1.2/initrd.gz" is not a URL that can be served; allowed are http://host/path, https://host/path and paths`,
			`4:53: initrd "http:///x" is not a URL that can be served; allowed are http://host/path, https://host/path and paths`,
		}},
		{"image-missing", []string{
			`1:1: [[image]] has no name; it needs one, such as name = "debian-12"`,
			`1:1: [[image]] has no kernel; it needs one, such as kernel = "/srv/debian/linux"`,
		}},
		{"image-name", []string{
			`2:8: name "Debian 12" is not an image's name; allowed are lower-case letters and digits, after the first also '.', '_' and '-', up to 63`,
		}},
		{"image-reserved", []string{
			`2:8: name "local" is a word of the configuration; give the image another name`,
		}},
		{"image-twice", []string{
			`6:8: name debian is already given on line 2; each belongs to one alone`,
		}},
		{"http-section", []string{
			`2:19: rate "1 GB" is not a rate, from 64kB to 100GB in a second; write it as 500kB, 50MB or 1GB`,
			`3:19: rate_per_client "100" is not a rate, from 64kB to 100GB in a second; write it as 500kB, 50MB or 1GB`,
			`4:1: [http] has no key "rates"; its keys are rate, rate_per_client; did you mean rate?`,
		}},
		{"http-without-section", []string{
			`1:1: http is text; write it as a table, [http]; the key http belongs under server`,
		}},
		{"inline-extended", []string{
			`4:1: "match" is given twice, first on line 3; give it once`,
			`5:7: "match" is already complete on line 3; add to it there`,
		}},
		{"interface", []string{
			`2:23: interfaces "wlan0/1" is not the name of an interface; write it as ip link prints it, such as eth0`,
		}},
		{"history", []string{
			`2:10: keep "yes" is no switch; allowed are on and off`,
			`3:10: good "1s" is out of range; allowed are 1h to 3650d`,
			`4:10: failed "long" is not a length of time; write it as 30s, 10m, 1h or 7d`,
			`5:10: boots "5" is not a number of boots, 100 to 1000000; write it as 20000`,
		}},
		{"key-above-sections", []string{
			`1:1: "pool" is no section; the file holds [server], [boot], [tftp], [http], [history], [install], [[subnet]], [[machine]], [[rule]] and [[image]]; the key pool belongs under subnet`,
		}},
		{"lease", []string{
			`3:9: lease "59s" is too short; allowed are 60s to 365d`,
			`7:9: lease "366d" is too long; allowed are 60s to 365d`,
			`11:9: lease "one hour" is not a length of time; write it as 30s, 10m, 1h or 7d`,
		}},
		{"link", []string{
			`8:8: link "floor-2" has mode off here and mode auto on line 3; allowed is one mode for all subnets of a link`,
			`12:8: link "floor 2" is not a name; allowed are letters and digits, after the first also '.', '_' and '-', up to 63`,
		}},
		{"probe", []string{
			`3:9: probe "no" is no switch; allowed are on and off`,
		}},
		{"loader", []string{
			`4:10: loader "pixe" is not a loader; allowed are ipxe, grub, shim, pxelinux, ipxe-shim, grub-proxy and file names such as bootmgfw.efi; did you mean ipxe?`,
			`7:10: loader "efi/bootx64.efi" is not a loader; allowed are ipxe, grub, shim, pxelinux, ipxe-shim, grub-proxy and file names such as bootmgfw.efi`,
		}},
		{"offer", []string{
			`2:9: offer "meny" is not known; allowed are auto, bypass, menu, no43, binl, delayed; did you mean menu?`,
			`3:9: learn "no" is no switch; allowed are on and off`,
			`6:9: offer "pxe" is not known; allowed are auto, bypass, menu, no43, binl, delayed`,
			`11:9: learn "yes" is no switch; allowed are on and off`,
			`14:9: local "sanboot" is not known; allowed are auto, exit, disk`,
		}},
		{"mac", []string{
			`3:7: mac "52:54:00:12:34" is not a MAC address; write it as 52:54:00:12:34:56`,
		}},
		{"machine-circuit", []string{
			`3:14: circuit_id is a port of no relay; add relay, the address (giaddr) of the relay that names its ports so`,
			`8:9: relay stands for all machines behind it; add circuit_id, the port that this one is at`,
			`12:14: circuit_id "eth0/1/*" is a pattern; allowed is the whole of it`,
			`19:14: client_id "0x0152540000000" is not hexadecimal; write whole octets as in 0x00040001`,
			`23:14: circuit_id of relay 10.77.2.1 is already given on line 17; each belongs to one alone`,
			`25:13: client_id 6c6162 is already given on line 19; each belongs to one alone`,
		}},
		{"machine-nameless", []string{
			`1:1: [[machine]] has no name; it needs one, such as name = "lab-01"`,
		}},
		{"machine-twice", []string{
			`8:8: name lab-01 is already given on line 2; each belongs to one alone`,
			`9:29: mac 52:54:00:12:34:56 is already given on line 3; each belongs to one alone`,
			`10:8: uuid 44454c4c-4300-1030-8052-b4c04f4d3532 is already given on line 4; each belongs to one alone`,
			`11:11: address 10.77.2.10 is already given on line 5; each belongs to one alone`,
		}},
		{"machine-unknowable", []string{
			`1:1: [[machine]] has nothing to know it by; give it mac, uuid, client_id or circuit_id`,
		}},
		{"many-for-single", []string{
			`1:3: [[server]] is written as for many; there is one: write [server]`,
			`3:8: http "8080" is not an address to listen on; allowed are off, ":8080" and "10.77.1.2:8080"`,
		}},
		{"many", []string{
			`2:1: [server] has no key "htpp"; its keys are name, data, interfaces, address, http, https, https_names, certificate, certificate_key, metrics, console, console_names, dhcp, upstream, share, nbp, landlock, dbx, allow_revoked, options; did you mean http?`,
			`3:9: share "0/2" is not a share; write it as 1/2 for the first of two servers, of 16 at most`,
			`6:8: cidr "10.77.2.5/24" has host bits set; write it as 10.77.2.0/24`,
			`7:9: lease is a number (3600); write it as lease = "1h"`,
			`10:18: arch "x64" is not known; allowed are bios, uefi-ia64, uefi-ia32, uefi-x64, uefi-arm32, uefi-arm64, power-of, power-epapr, power-opal, uefi-riscv32, uefi-riscv64, uefi-riscv128, s390, uefi-mips32, uefi-mips64, uefi-sunway32, uefi-sunway64, uefi-loongarch32, uefi-loongarch64, rpi; did you mean uefi-x64?`,
			`11:8: boot "debian" is no target; allowed are menu, local, deny and the names of [[image]]`,
		}},
		{"name", []string{
			`2:8: name "boot 1" is not a name; allowed are letters and digits, after the first also '.', '_' and '-', up to 63`,
			`5:8: name ".hidden" is not a name; allowed are letters and digits, after the first also '.', '_' and '-', up to 63`,
		}},
		{"pool-form", []string{
			`3:9: pool "10.77.2.50" is not a range of IPv4 addresses; write it as 10.77.2.50-10.77.2.200`,
			`3:23: pool "10.77.2.60-70" is not a range of IPv4 addresses; write it as 10.77.2.50-10.77.2.200`,
			`3:40: pool "10.77.2.90-10.77.2.80" runs backwards; write it as 10.77.2.80-10.77.2.90`,
		}},
		{"pool-outside", []string{
			`3:8: pool 10.77.2.50-10.77.3.20 is not inside 10.77.2.0/24; allowed are addresses of the subnet`,
		}},
		{"pool-overlap", []string{
			`3:9: pool 10.77.2.50-10.77.2.100 overlaps 10.77.2.10-10.77.2.50 on line 3; every address belongs to one range`,
		}},
		{"pool-taken", []string{
			`6:8: pool 10.77.2.0-10.77.2.255 contains 10.77.2.0, the subnet's own address; leave it out, in two ranges if need be`,
			`6:8: pool 10.77.2.0-10.77.2.255 contains 10.77.2.255, the broadcast address; leave it out, in two ranges if need be`,
			`6:8: pool 10.77.2.0-10.77.2.255 contains 10.77.2.1, the router; leave it out, in two ranges if need be`,
			`6:8: pool 10.77.2.0-10.77.2.255 contains 10.77.2.2, this server's address; leave it out, in two ranges if need be`,
		}},
		{"reservation", []string{
			`11:11: address 10.77.3.10 is in no [[subnet]]; allowed are addresses of 10.77.2.0/24`,
			`16:11: address 10.77.2.1 is the router of 10.77.2.0/24; allowed is an address that is free`,
			`21:11: address 10.77.2.2 is this server's own; allowed is an address that is free`,
			`26:11: address 10.77.2.255 is the broadcast address of 10.77.2.0/24; allowed are the addresses before it`,
		}},
		{"router", []string{
			`3:10: router 10.77.3.1 is not inside 10.77.2.0/24; allowed are addresses of the subnet`,
			`7:10: router 10.77.4.0 is the subnet's own address; allowed are the other addresses of 10.77.4.0/24`,
			`11:10: router 10.77.5.255 is the broadcast address of 10.77.5.0/24; allowed are the addresses before it`,
		}},
		{"rule-arch", []string{
			`2:31: arch "uefi-amd64" is not known; allowed are bios, uefi-ia64, uefi-ia32, uefi-x64, uefi-arm32, uefi-arm64, power-of, power-epapr, power-opal, uefi-riscv32, uefi-riscv64, uefi-riscv128, s390, uefi-mips32, uefi-mips64, uefi-sunway32, uefi-sunway64, uefi-loongarch32, uefi-loongarch64, rpi; did you mean uefi-arm64?`,
		}},
		{"rule-empty", []string{
			`1:1: [[rule]] decides nothing; give it boot, loader, local, offer, learn or options`,
		}},
		{"rule-firmware", []string{
			`2:22: firmware "https" is not known; allowed are bios, uefi, http, uboot, other; did you mean http?`,
		}},
		{"rule-image-arch", []string{
			`8:8: boot "arm" is built for arm64, which uefi-x64 does not run; allowed there are images for x64, images for ia32, menu, local, deny`,
			`12:8: boot "debian-12" is built for x64, which uefi-arm32 does not run; allowed there are images for arm32, menu, local, deny`,
			`16:8: boot "debian-12" is built for x64, which uefi-ia64 does not run; allowed there are menu, local, deny`,
		}},
		{"rule-keys", []string{
			`2:11: match has no key "circuit-id"; its keys are mac, uuid, arch, firmware, subnet, relay, circuit_id, remote_id, vendor_class, user_class, machine; did you mean circuit_id?`,
			`2:36: match has no key "vlan"; its keys are mac, uuid, arch, firmware, subnet, relay, circuit_id, remote_id, vendor_class, user_class, machine`,
		}},
		{"rule-machine", []string{
			`6:17: machine "lab-10" is not in the file; allowed are the names of [[machine]]; did you mean lab-01?`,
		}},
		{"rule-values", []string{
			`4:8: mac "52:54:00:*:56" is not a MAC address; write it as 52:54:00:12:34:56`,
			`4:25: mac "52:54:00:12:34:56*" is not the beginning of a MAC address; write it as 52:54:00:*`,
			`5:8: uuid "lab" is not a UUID; write it as 4c4c4544-0043-3010-8052-b4c04f4d3532`,
			`6:10: subnet "10.77.2.1/24" has host bits set; write it as 10.77.2.0/24`,
			`7:9: relay "10.77.2" is not an IPv4 address; write it as 10.77.2.1`,
			`8:14: circuit_id "0x123" is not hexadecimal; write whole octets as in 0x00040001`,
			`9:13: remote_id "a*b" has a "*" inside; it is allowed at the end`,
			`10:16: vendor_class "PXE\x00" has control characters; allowed is one line of printable text`,
		}},
		{"section-is-value", []string{
			`1:1: server is text; write it as a table, [server]`,
			`2:11: subnet is not a list of tables; write each as [[subnet]]`,
			`3:1: image is not a list of tables; write each as [[image]]`,
		}},
		{"serial", []string{
			`4:10: serial "J0C2\nRM2" has control characters; allowed is one line of printable text`,
		}},
		{"share-pool", []string{
			`6:34: pool has 3 addresses for 4 servers; allowed are 4 or more`,
		}},
		{"share", []string{
			`2:9: share "3/2" is not a share; write it as 1/2 for the first of two servers, of 16 at most`,
		}},
		{"tftp", []string{
			`2:24: answers "singleport" is neither own-port nor single-port; did you mean single-port?`,
			`3:24: transfers "many" is not a number of transfers, 1 to 1048576; write it as 16384`,
			`4:24: transfers_per_client "0" is not a number of transfers, 1 to 1048576; write it as 16384`,
			`5:24: rate "50Mbit" is not a rate, from 64kB to 100GB in a second; write it as 500kB, 50MB or 1GB`,
			`6:24: rate_per_client "1kB" is not a rate, from 64kB to 100GB in a second; write it as 500kB, 50MB or 1GB`,
			`7:1: [tftp] has no key "window"; its keys are answers, transfers, transfers_per_client, rate, rate_per_client`,
		}},
		{"single-for-many", []string{
			`1:2: [subnet] is written as for one; there can be many: write [[subnet]]`,
			`3:1: [[subnet]] has no key "leese"; its keys are cidr, dhcp, pool, router, dns, ntp, domain, lease, per_circuit, upstream, next_server, options, probe, link; did you mean lease?`,
		}},
		{"syntax-alone", []string{
			`4:14: not valid TOML: basic strings cannot have new lines`,
		}},
		{"syntax-header", []string{
			`1:9: not valid TOML: expected ']]' to close array table name`,
		}},
		{"syntax", []string{
			`2:8: not valid TOML: unexpected character U+0062 'b' at start of value; text stands in quotes, as in name = "boot1"`,
		}},
		{"target-installer", []string{
			`2:8: boot "debian-12-amd64" is no target; allowed are menu, local, deny and the names of [[image]]`,
			`5:8: boot "debian-bookworm" is no target; allowed are menu, local, deny and the names of [[image]]`,
			`8:8: boot "debian-" is no target; allowed are menu, local, deny and the names of [[image]]`,
		}},
		{"target", []string{
			`8:8: boot "debain-13" is no target; allowed are menu, local, deny and the names of [[image]]; did you mean debian-13?`,
			`11:8: boot "windows" is no target; allowed are menu, local, deny and the names of [[image]]`,
		}},
		{"timeout-fraction", []string{
			`2:11: timeout "1.5s" is not in whole seconds; write it as 30s, 10m, 1h or 7d`,
		}},
		{"timeout-unit", []string{
			`2:11: timeout "10" is not a length of time; write it as 30s, 10m, 1h or 7d`,
		}},
		{"timeout", []string{
			`2:11: timeout "2h" is too long; allowed are 0s, which waits for a key, to 1h`,
		}},
		{"type", []string{
			`2:8: name is a number (1); write it as name = "boot1"`,
			`3:15: interfaces is a boolean (true); write it as interfaces = ["eth0"]`,
			`4:8: http is a number (8080); write it as http = ":8080"`,
			`5:9: share is a list; write it as share = "1/2"`,
			`8:11: timeout is a number (10); write it as timeout = "10s"`,
			`9:11: default is a date or time (2026-11-22); write it as default = "local"`,
			`12:9: match is the text "bios"; write it as match = { arch = "uefi-x64" }`,
			`13:8: boot is a table; write it as boot = "debian-12"`,
		}},
		{"install", []string{
			`2:10: variable "user-name" is no name; allowed are letters, digits and _`,
			`2:35: variable disk is a number; write it as disk = "text"`,
			`3:1: [install] has no key "answer"; its keys are answers, vars; did you mean answers?`,
		}},
		{"boot-approve", []string{
			`4:8: boot "approve" is no target; allowed are menu, local, deny and the names of [[image]]`,
		}},
		{"unknown-key", []string{
			`2:1: [[subnet]] has no key "cdir"; its keys are cidr, dhcp, pool, router, dns, ntp, domain, lease, per_circuit, upstream, next_server, options, probe, link; did you mean cidr?`,
		}},
		{"unknown-section", []string{
			`1:2: "sever" is no section; the file holds [server], [boot], [tftp], [http], [history], [install], [[subnet]], [[machine]], [[rule]] and [[image]]; did you mean server?`,
		}},
		{"uuid-junk", []string{
			`3:8: uuid "03000200-0400-0500-0006-000700080009" is one that many boards share; name the machine by its MAC address`,
		}},
		{"upstream", []string{
			`3:12: upstream 10.77.2.2 is this server's address; allowed are the addresses of other DHCP servers`,
			`6:12: upstream "dhcp.example.net" is not an IPv4 address; write it as 10.77.2.1`,
		}},
		{"uuid", []string{
			`3:8: uuid "4c4c4544" is not a UUID; write it as 4c4c4544-0043-3010-8052-b4c04f4d3532`,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := filepath.Join("testdata", "invalid-"+tc.name+".toml")
			covered[file] = true
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cfg, faults := Parse("hobnail.toml", data)
			if cfg != nil {
				t.Error("half applied: got a configuration beside faults")
			}
			var got []string
			for _, f := range faults {
				got = append(got, strings.TrimPrefix(f.String(), "hobnail.toml:"))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
	files, err := filepath.Glob("testdata/invalid-*.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !covered[file] {
			t.Errorf("%s has no row", file)
		}
	}
}

func TestFaultColumnsCountCharacters(t *testing.T) {
	_, faults := Parse("hobnail.toml", []byte("[[rule]]\nmatch = { user_class = \"Büro\", arch = \"b\" }\nboot = \"menu\"\n"))
	if len(faults) != 1 || faults[0].Line != 2 || faults[0].Col != 39 {
		t.Errorf("got %v, want one fault at 2:39", faults)
	}
}

func TestFaultKeepsTheNameTheUserGave(t *testing.T) {
	_, faults := Parse("/etc/hobnail/site.toml", []byte("[boot]\ntimeout = \"\"\n"))
	want := `/etc/hobnail/site.toml:2:11: timeout is empty; leave it out or write it as timeout = "10s"`
	if len(faults) != 1 || faults[0].String() != want {
		t.Errorf("got %v, want %s", faults, want)
	}
}

func TestFaultJSON(t *testing.T) {
	got, err := json.Marshal(Fault{File: "hobnail.toml", Line: 2, Col: 8, Text: "name is empty"})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"file":"hobnail.toml","line":2,"col":8,"text":"name is empty"}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"cidr", "dhcp", "router", "lease", "next_server", "uefi-x64"}
	for _, tc := range []struct{ word, want string }{
		{"cdir", "cidr"},
		{"CIDR", "cidr"},
		{"rooter", "router"},
		{"leaes", "lease"},
		{"next-server", "next_server"},
		{"nextserver", "next_server"},
		{"x64", "uefi-x64"},
		{"gateway", ""},
		{"d", ""},
		{"", ""},
	} {
		if got := nearest(tc.word, known); got != tc.want {
			t.Errorf("nearest(%q) = %q, want %q", tc.word, got, tc.want)
		}
	}
}
