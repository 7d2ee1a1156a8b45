//go:build lab

package lab

import "testing"

// TestProxyGRUB switches on machines for which there is no iPXE, beside
// somebody else's DHCP server: they start a GRUB that hobnail has written its
// address into. Through a relay GRUB also needs the route that the other
// server gave.
func TestProxyGRUB(t *testing.T) {
	t.Parallel()
	for _, r := range []row{
		{"uefi-arm64-beside-dnsmasq", UEFIARM64, besideDnsmasq, proxied + menu("kernel-arm64") + images,
			[]string{grub, "Asking hobnail at " + localAddr, kernelLine}},
		{"uefi-ia32-beside-dnsmasq", UEFIIA32, besideDnsmasq, proxied + boots("kernel") + images,
			[]string{grub, "Asking hobnail at " + localAddr, kernelLine}},
		{"uefi-ia32-beside-kea-relay", UEFIIA32, relayedBesideKea, proxied + menu("kernel") + images,
			[]string{grub, "Asking hobnail at " + coreAddr, kernelLine}},
	} {
		r.run(t, func(t *testing.T, _ *Lab, server *Server, record *Capture) { checkSimulation(t, server, record) })
	}
}
