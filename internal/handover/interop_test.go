//go:build interop

package handover

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Each server's own checker (Debian packages isc-dhcp-server, kea-dhcp4-server,
// dnsmasq-base, nftables) takes what is written for it, whatever is switched on
// and however the server is called. nft asks the kernel, and needs root.
func TestInteropCheckersTakeEveryText(t *testing.T) {
	const subnet = "\n[[subnet]]\ncidr = \"10.77.2.0/24\"\ndhcp = \"auto\"\n"
	for name, conf := range map[string]string{
		"campus":       campus,
		"no HTTP":      "[server]\naddress = \"10.77.1.2\"\nhttp = \"off\"" + subnet,
		"all of it":    "[server]\naddress = \"10.77.2.2\"\nhttps = \":8443\"\nmetrics = \":9167\"\n[tftp]\nanswers = \"single-port\"" + subnet,
		"strange name": "[server]\naddress = \"10.77.1.2\"" + subnet,
	} {
		t.Run(name, func(t *testing.T) {
			cfg := parse(t, conf)
			if name == "strange name" {
				cfg.Server.Name = "a\"; } \n*/ 'b"
			}
			s, err := Survey(cfg, facts())
			if err != nil {
				t.Fatal(err)
			}
			snippet := map[string]string{}
			all, err := s.Snippets("all")
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range all {
				snippet[one.For+"."+one.Part] = one.Text
			}
			check(t, snippet["isc.boot"]+"\nsubnet 10.77.2.0 netmask 255.255.255.0 { range 10.77.2.50 10.77.2.60; }\n", "dhcpd", "-t", "-4", "-cf")
			check(t, fmt.Sprintf(`{"Dhcp4": {"interfaces-config": {"interfaces": []}, "client-classes": %s, "subnet4": []}}`, snippet["kea.boot"]), "kea-dhcp4", "-t")
			check(t, snippet["dnsmasq.boot"], "dnsmasq", "--test", "-C")
			check(t, snippet["opnsense.boot"], "dnsmasq", "--test", "-C")
			if os.Geteuid() != 0 {
				t.Log("not root: nft is not asked")
				return
			}
			for _, at := range []Place{AtHost, AtRouter, AtRelay} {
				check(t, s.NFTables(at), "nft", "-c", "-f")
			}
		})
	}
}

// check writes a text into a file, whose name is the checker's last argument.
func check(t *testing.T, text string, argv ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	program := argv[0]
	if _, err := exec.LookPath(program); err != nil {
		program = "/usr/sbin/" + program // where people without root do not look
	}
	cmd := exec.Command(program, append(argv[1:], file)...)
	cmd.Env = append(os.Environ(), "KEA_PIDFILE_DIR="+filepath.Dir(file), "KEA_LOCKFILE_DIR="+filepath.Dir(file))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s\n%s", strings.Join(argv, " "), err, out, text)
	}
}
