//go:build lab

package lab

import (
	"net/netip"
	"time"
)

// otherNet is an address of another network than the machines'.
var otherNet = netip.MustParseAddr("10.77.3.9")

// firmwareRows are real machines: what goes wrong is for their firmware, or
// iPXE, to find out.
func firmwareRows() []failure {
	const gaveUp = `PXE-E\d\d`
	return []failure{
		{name: "ovmf-beside-a-server-that-says-pxeclient", code: "foreign-option-60", play: func(s *scene) {
			s.dnsmasqBeside(proxied, "--dhcp-option-force=60,PXEClient")
			s.powerOn(UEFIx64, `PXE-E16`)
		}},
		{name: "ovmf-secure-boot-and-an-unsigned-program", code: "secure-boot-refused", play: func(s *scene) {
			s.use(sameLink, gives+boots("kernel")+"\n[[rule]]\nloader = \"ipxe\"\n"+images)
			s.powerOn(UEFIx64Secure, `Access Denied|Security Violation`)
		}},
		{name: "ovmf-reads-a-bios-program", code: "boot-file-wrong-arch", play: func(s *scene) {
			s.dnsmasqBeside(away, names(plainBIOS))
			s.powerOn(UEFIx64, `Unsupported|failed to load|Load Error`)
		}},
		{name: "ovmf-ipxe-loop-from-dnsmasq-without-a-tag", code: "loader-loop", detail: "ipxe", play: func(s *scene) {
			s.dnsmasqBeside(away, names(plainIPXE))
			s.powerOn(UEFIx64, ipxe, `(?s)iPXE initialising.*iPXE initialising.*iPXE initialising.*iPXE initialising`)
		}},
		{name: "ovmf-option-13-too-small", code: "read-broken-off", says: "option 13", play: func(s *scene) {
			s.dnsmasqBeside(away, names(plainShim), "--dhcp-option-force=13,1")
			s.powerOn(UEFIx64, `PXE-E05`)
		}},
		{name: "ovmf-offer-without-a-mask", code: "declined", detail: "bad-offer", play: func(s *scene) {
			s.dnsmasqBeside(proxied, "--dhcp-option=option:netmask")
			s.powerOn(UEFIx64, gaveUp)
		}},
		{name: "ovmf-boot-file-not-found", code: "boot-file-not-found", says: "shimx64.efi", play: func(s *scene) {
			s.dnsmasqBeside(away, names("nbp/uefi-x64/shim64.efi"))
			s.powerOn(UEFIx64, `PXE-E23`)
		}},
		{name: "ovmf-behind-a-router-that-drops-the-data-ports", code: "transfer-stalled", detail: "data-port", play: func(s *scene) {
			s.use(relayed, gives)
			s.host("rtr").drop("forward", `iifname "eth0" udp sport != 69`)
			s.powerOn(UEFIx64, gaveUp)
		}},
		{name: "ovmf-behind-mtu-1400-and-fragments-dropped", code: "transfer-stalled", detail: "mtu", play: func(s *scene) {
			s.use(relayed, gives)
			s.smallMTU()
			s.powerOn(UEFIx64, gaveUp)
		}},
		{name: "ipxe-rom-and-the-http-port-closed", code: "boot-file-never-asked", detail: "http", play: func(s *scene) {
			s.use(relayed, boots("kernel")+gives+images)
			s.host("rtr").drop("forward", "tcp dport 8080")
			s.powerOn(BIOS, `timed out|ipxe.org/4c0a6`)
		}},
		{name: "ipxe-rom-and-the-kernel-on-a-server-that-is-away", code: "boot-file-fault", says: `10\.77\.2\.9`, play: func(s *scene) {
			s.use(sameLink, boots("far")+gives+"\n[[image]]\nname = \"far\"\nkernel = \"http://10.77.2.9/linux\"\n")
			s.powerOn(BIOS, `That did not start`)
		}},
		{name: "ipxe-rom-and-the-kernel-gone", code: "boot-file-fault", says: "linux", play: func(s *scene) {
			s.use(sameLink, s.starts("ipxe")+gives)
			removeTiny(s)
			s.powerOn(BIOS, `That did not start`)
		}},
		{name: "ovmf-switched-off-while-it-reads", code: "transfer-stalled", detail: "loss", play: func(s *scene) {
			s.use(sameLink, gives)
			m, leave := s.machine(UEFIx64)
			// The first of a window: what leaves together stands in a capture as one.
			s.record.WaitFor("301st block of a boot file", m.patience, isBlock(301))
			m.Stop()
			leave()
			time.Sleep(time.Second)
		}},
	}
}

// removeTiny takes the kernel of the tiny image away while the server runs.
func removeTiny(s *scene) { s.t.Helper(); s.host("srv").Run("rm", s.Path("tiny/linux")) }
