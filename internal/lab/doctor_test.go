//go:build lab

package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hobnail/internal/wire/dhcp4"
)

// doctorSaid is what "hobnail doctor --json" printed.
type doctorSaid struct {
	Healthy bool
	Checks  []struct{ Code, State, Text, Remedy string }
	Verdict struct{ Code, Detail, Text string }
	Lease   struct {
		Address  string
		Released bool
	}
	exit int
	text string
}

// has reports whether a code was found, in a state or, for "", in any but ok.
func (d *doctorSaid) has(code, state string) bool {
	for _, c := range d.Checks {
		if c.Code == code && (c.State == state || state == "" && c.State != "ok") {
			return true
		}
	}
	return false
}

// doctor runs hobnail's doctor on a host, to its end.
func (h *Host) doctor(t *testing.T, args ...string) *doctorSaid {
	t.Helper()
	return h.doctorBy(t, []string{hobnailBinary(t), "doctor", "--json"}, args...)
}

func (h *Host) doctorBy(t *testing.T, command []string, args ...string) *doctorSaid {
	t.Helper()
	cmd := h.ns.command(append(command, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	d := &doctorSaid{text: out.String() + errs.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		d.exit = exit.ExitCode()
	}
	if err := json.Unmarshal(out.Bytes(), d); err != nil {
		t.Fatalf("doctor --json on %s: %v: %s", h.Name, err, d.text)
	}
	return d
}

// site is the network of a row: machines on lan, and behind a router the core.
// Hosts are made as they are needed.
type doctorSite struct {
	*Lab
	t   *testing.T
	lan *Link
	pc  *Host // where doctor runs
}

func newDoctorSite(t *testing.T) *doctorSite {
	l := New(t)
	s := &doctorSite{Lab: l, t: t, lan: l.Link("lan")}
	s.pc = l.Host("pc", s.lan, "10.77.2.7/24", routerAddr)
	return s
}

// onLAN makes a host there.
func (s *doctorSite) onLAN(name, addr string) *Host { return s.Host(name, s.lan, addr+"/24", "") }

// relayed puts a router between lan and core, whose helper lists servers, and
// makes the two hosts that they may be.
func (s *doctorSite) relayed(servers ...string) (srv, other, router *Host) {
	core := s.Link("core")
	router = s.Router("rtr", At(core, coreRouter+"/24"), At(s.lan, routerAddr+"/24"))
	router.Relay(s.lan, true, servers...)
	return s.Host("srv", core, coreAddr+"/24", coreRouter), s.Host("dhcp", core, core2Addr+"/24", coreRouter), router
}

// plainArgs are those of a dnsmasq that gives addresses on lan.
func plainArgs(more ...string) []string {
	return append([]string{"--dhcp-range=10.77.2.150,10.77.2.199,255.255.255.0,1h", "--dhcp-option=option:router," + routerAddr}, more...)
}

// tftpArgs make it serve a folder with one boot program as well.
func (s *doctorSite) tftpArgs(file, from string) []string {
	dir := s.Path("tftp")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	b, err := os.ReadFile(from)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/"+file, b, 0o644); err != nil {
		s.t.Fatal(err)
	}
	return []string{"--enable-tftp", "--tftp-root=" + dir}
}

// x64Program is one of those that the build embeds.
const x64Program = "../../build/nbp/uefi-x64/snponly.efi"

// nft loads rules into a host's firewall.
func (h *Host) nft(rules string) {
	h.Run("nft", "-f", h.File("rules.nft", rules))
}

// firewalled drops what a rule names, on its way in.
func (h *Host) firewalled(rule string) {
	h.nft("table inet doctor {\n chain in {\n  type filter hook input priority 0; policy accept;\n  " + rule + "\n }\n}\n")
}

// planted is a fault, and what doctor has to say of it.
type planted struct {
	name  string
	plant func(s *doctorSite) *doctorSaid
	code  string // that has to be found
	state string // as what; "" for fault
}

func plantedFaults() []planted {
	beside := func(s *doctorSite, args ...string) {
		s.onLAN("dhcp", otherAddr).Dnsmasq(args...)
		s.onLAN("srv", localAddr).Hobnail(proxied)
	}
	alone := func(args func(s *doctorSite) []string) func(s *doctorSite) *doctorSaid {
		return func(s *doctorSite) *doctorSaid {
			s.onLAN("dhcp", otherAddr).Dnsmasq(args(s)...)
			return s.pc.doctor(s.t)
		}
	}
	fake := func(change func(*fakeAnswer)) func(s *doctorSite) *doctorSaid {
		return func(s *doctorSite) *doctorSaid {
			s.onLAN("dhcp", otherAddr).fakeServer(s.t, change)
			return s.pc.doctor(s.t)
		}
	}
	host := func(conf string, prepare func(s *doctorSite, srv *Host, data string), args ...string) func(s *doctorSite) *doctorSaid {
		return func(s *doctorSite) *doctorSaid {
			srv := s.onLAN("srv", localAddr)
			hobnail := srv.Hobnail(conf)
			if prepare != nil {
				prepare(s, srv, s.Path("hobnail-srv"))
			}
			return srv.doctor(s.t, append([]string{"-c", hobnail.Config, "--no-walk"}, args...)...)
		}
	}
	return []planted{
		{"nobody there", func(s *doctorSite) *doctorSaid { return s.pc.doctor(s.t) }, "nobody-answers", ""},
		{"option 60 of dnsmasq beside a proxy", func(s *doctorSite) *doctorSaid {
			beside(s, plainArgs("--dhcp-option-force=60,PXEClient")...)
			return s.pc.doctor(s.t)
		}, "foreign-option-60", ""},
		{"option 60 of Kea, and nobody on port 4011", func(s *doctorSite) *doctorSaid {
			s.onLAN("dhcp", otherAddr).KeaWith(plainPlan(), `{"name": "vendor-class-identifier", "data": "PXEClient", "always-send": true}`)
			return s.pc.doctor(s.t)
		}, "option-60-alone", ""},
		{"stray option 67 beside a proxy", func(s *doctorSite) *doctorSaid {
			beside(s, plainArgs("--dhcp-boot=other.efi,other,10.77.2.9")...)
			return s.pc.doctor(s.t)
		}, "stray-boot-file", "warning"},
		{"stray option 66 beside a proxy", func(s *doctorSite) *doctorSaid {
			beside(s, plainArgs("--dhcp-option-force=66,10.77.2.9")...)
			return s.pc.doctor(s.t)
		}, "stray-boot-file", "warning"},
		{"a second DHCP server, of another network", func(s *doctorSite) *doctorSaid {
			s.onLAN("dhcp", otherAddr).DnsmasqPlain(plainPlan())
			s.onLAN("rogue", "192.168.1.1").Dnsmasq("--dhcp-range=192.168.1.100,192.168.1.200,255.255.255.0,1h")
			return s.pc.doctor(s.t)
		}, "second-dhcp-server", ""},
		{"hobnail gives addresses beside ISC dhcpd", func(s *doctorSite) *doctorSaid {
			s.onLAN("dhcp", otherAddr).ISCDHCPD(plainPlan())
			s.onLAN("srv", localAddr).Hobnail(gives)
			return s.pc.doctor(s.t)
		}, "second-dhcp-server", ""},
		{"a mask that is missing", fake(func(a *fakeAnswer) { a.leave(1) }), "no-mask", ""},
		{"a router that is missing, with the boot server elsewhere", fake(func(a *fakeAnswer) { a.leave(3); a.next = "10.77.1.9" }), "no-router", ""},
		{"no END", fake(func(a *fakeAnswer) { a.noEnd = true }), "no-end", ""},
		{"an option of wrong length", fake(func(a *fakeAnswer) { a.add(28, 10, 77, 2) }), "bad-option", ""},
		{"both boot classes", fake(func(a *fakeAnswer) { a.leave(60); a.add(60, []byte("PXEClientHTTPClient")...) }), "both-classes", ""},
		{"option 66 alone", fake(func(a *fakeAnswer) { a.next = "0.0.0.0"; a.add(66, []byte("10.77.2.9")...) }), "option-66", ""},
		{"a next server that is away", alone(func(s *doctorSite) []string { return plainArgs("--dhcp-boot=boot.efi,,10.77.2.99") }), "next-server-away", ""},
		{"port 69 closed", alone(func(s *doctorSite) []string { return plainArgs("--dhcp-boot=boot.efi") }), "port-closed", ""},
		{"a boot file that is missing", alone(func(s *doctorSite) []string {
			return append(plainArgs("--dhcp-boot=grubx64.efi"), s.tftpArgs("grubx86.efi", x64Program)...)
		}), "boot-file-not-found", ""},
		{"a boot file of another architecture", func(s *doctorSite) *doctorSaid {
			s.onLAN("dhcp", otherAddr).Dnsmasq(append(plainArgs("--dhcp-boot=boot.efi"), s.tftpArgs("boot.efi", x64Program)...)...)
			return s.pc.doctor(s.t, "--arch", "uefi-arm64")
		}, "boot-file-wrong-arch", ""},
		{"a UEFI boot file for BIOS", func(s *doctorSite) *doctorSaid {
			s.onLAN("dhcp", otherAddr).Dnsmasq(append(plainArgs("--dhcp-boot=boot.efi"), s.tftpArgs("boot.efi", x64Program)...)...)
			return s.pc.doctor(s.t, "--arch", "bios")
		}, "boot-program-unfit", ""},
		{"a firewall that drops port 69", func(s *doctorSite) *doctorSaid {
			srv := s.onLAN("srv", localAddr)
			srv.Hobnail(gives)
			srv.firewalled("udp dport 69 drop")
			return s.pc.doctor(s.t)
		}, "boot-file-never-asked", ""},
		{"a firewall that drops the data ports", func(s *doctorSite) *doctorSaid {
			srv := s.onLAN("srv", localAddr)
			srv.Hobnail(gives)
			srv.firewalled("udp dport != { 67, 69, 4011 } drop")
			return s.pc.doctor(s.t)
		}, "data-port", ""},
		{"a firewall that drops HTTP", func(s *doctorSite) *doctorSaid {
			srv := s.onLAN("srv", localAddr)
			srv.Hobnail(gives)
			srv.firewalled("tcp dport 8080 drop")
			return s.pc.doctor(s.t, "--http")
		}, "boot-file-never-asked", ""},
		{"a path that swallows packets over 1400 octets, and no ICMP", func(s *doctorSite) *doctorSaid {
			srv, _, router := s.relayed(coreAddr)
			srv.Hobnail(gives)
			router.nft("table inet doctor {\n chain through {\n  type filter hook forward priority 0; policy accept;\n  ip length > 1400 drop\n }\n}\n")
			return s.pc.doctor(s.t)
		}, "path-mtu", ""},
		{"a pool that is empty", func(s *doctorSite) *doctorSaid {
			dhcp := s.onLAN("dhcp", otherAddr)
			dhcp.ISCDHCPD(Plan{Subnet: machineNet, First: "10.77.2.150", Last: "10.77.2.150", Router: routerAddr})
			s.onLAN("srv", localAddr).Hobnail(proxied)
			s.onLAN("pc2", "10.77.2.8").Run("busybox", "udhcpc", "-f", "-q", "-n", "-i", "eth0", "-s", "/bin/true")
			return s.pc.doctor(s.t)
		}, "no-lease", ""},
		{"a helper that is missing", func(s *doctorSite) *doctorSaid {
			srv, dhcp, _ := s.relayed(core2Addr)
			dhcp.Kea(plainPlan())
			srv.Hobnail(proxied)
			return s.pc.doctor(s.t, "--server", coreAddr)
		}, "helper-missing", ""},
		{"the DHCP server's helper that is missing", func(s *doctorSite) *doctorSaid {
			srv, _, _ := s.relayed(coreAddr)
			srv.Hobnail(proxied)
			return s.pc.doctor(s.t)
		}, "no-lease", ""},
		{"a boot program that is missing, heard from afar", func(s *doctorSite) *doctorSaid {
			s.onLAN("dhcp", otherAddr).DnsmasqPlain(plainPlan())
			s.onLAN("srv", localAddr).Hobnail(proxied)
			return s.pc.doctor(s.t, "--arch", "uefi-riscv64")
		}, "no-answer", ""},

		{"a boot program that is missing", host(gives, nil, "--arch", "uefi-riscv64"), "no-boot-program", ""},
		{"a kernel that is missing", host(gives+"\n[[image]]\nname = \"gone\"\nkernel = \"/nowhere/linux\"\n", nil), "file-missing", "warning"},
		{"the firewall of the host, nft", host(gives, func(_ *doctorSite, srv *Host, _ string) {
			srv.firewalled("iifname \"eth0\" udp dport { 67, 4011 } drop")
		}), "firewall", ""},
		{"the firewall of the host, iptables", host(gives, func(_ *doctorSite, srv *Host, _ string) {
			srv.Run("iptables-legacy", "-A", "INPUT", "-p", "udp", "--dport", "4011", "-j", "DROP")
		}), "firewall", ""},
		{"a firewall that lets nothing in", host(gives, func(_ *doctorSite, srv *Host, _ string) {
			srv.nft("table inet f {\n chain i {\n  type filter hook input priority 0; policy drop;\n  iif lo accept\n  ct state established,related accept\n  tcp dport 22 accept\n }\n}\n")
		}), "firewall", ""},
		{"a server that hangs", func(s *doctorSite) *doctorSaid {
			srv := s.onLAN("srv", localAddr)
			hobnail := srv.Hobnail(gives)
			srv.Run("kill", "-STOP", fmt.Sprint(hobnail.Pid()))
			defer srv.Run("kill", "-CONT", fmt.Sprint(hobnail.Pid()))
			return srv.doctor(s.t, "-c", hobnail.Config, "--no-walk")
		}, "self-test", ""},
		{"a server that does not run", func(s *doctorSite) *doctorSaid {
			srv := s.onLAN("srv", localAddr)
			hobnail := srv.Hobnail(gives)
			hobnail.Stop()
			return srv.doctor(s.t, "-c", hobnail.Config, "--no-walk")
		}, "not-running", ""},
		{"port 67 taken by dnsmasq", func(s *doctorSite) *doctorSaid {
			srv := s.onLAN("srv", localAddr)
			srv.DnsmasqPlain(plainPlan())
			return srv.doctor(s.t, "-c", s.WriteFile("hobnail.toml", "[server]\ndata = \""+s.Path("data")+"\"\n"), "--no-walk")
		}, "port-taken", ""},
		{"a server without privileges", func(s *doctorSite) *doctorSaid {
			srv := s.onLAN("srv", localAddr)
			conf := s.WriteFile("hobnail.toml", "[server]\ndata = \""+s.Path("data")+"\"\ndhcp = \"off\"\n")
			p := srv.Start("hobnail", "setpriv", "--bounding-set=-net_raw", hobnailBinary(s.t), "serve", "-c", conf)
			p.WaitFor(`(?m)^ready: `, startup)
			return srv.doctor(s.t, "-c", conf, "--no-walk")
		}, "privileges", ""},
		{"a disk that is read-only", func(s *doctorSite) *doctorSaid {
			return s.mounted("mount --bind $D $D && mount -o remount,ro,bind $D")
		}, "disk-read-only", ""},
		{"a disk that is full", func(s *doctorSite) *doctorSaid {
			return s.mounted("mount -t tmpfs -o size=64k none $D && { head -c 1000000 /dev/zero >$D/full || true; }")
		}, "disk-full", ""},
		{"an address that is elsewhere", host("address = \"10.77.2.200\"\n"+gives, nil), "address-elsewhere", ""},
		{"no route to a subnet behind a relay", host("[[subnet]]\ncidr = \"10.99.0.0/24\"\ndhcp = \"server\"\npool = \"10.99.0.50-10.99.0.60\"\nrouter = \"10.99.0.1\"\n", nil), "no-route", ""},
		{"a pool that is full, seen by its server", func(s *doctorSite) *doctorSaid {
			srv := s.onLAN("srv", localAddr)
			hobnail := srv.Hobnail(strings.Replace(gives, "10.77.2.50-10.77.2.99", "10.77.2.50-10.77.2.50", 1))
			s.pc.Run("busybox", "udhcpc", "-f", "-q", "-n", "-i", "eth0", "-s", "/bin/true")
			return srv.doctor(s.t, "-c", hobnail.Config, "--no-walk")
		}, "pool-full", ""},
	}
}

// mounted runs doctor on a server's host where the data folder $D was mounted
// in some way, which only it sees.
func (s *doctorSite) mounted(how string) *doctorSaid {
	srv := s.onLAN("srv", localAddr)
	hobnail := srv.Hobnail(gives)
	script := "D=" + s.Path("hobnail-srv") + "; " + how + " && exec \"$@\""
	// The configuration lies in the data folder: it is read from a copy.
	conf, err := os.ReadFile(hobnail.Config)
	if err != nil {
		s.t.Fatal(err)
	}
	copied := s.WriteFile("copy.toml", string(conf))
	return srv.doctorBy(s.t, []string{"unshare", "-m", "sh", "-c", script, "sh", hobnailBinary(s.t), "doctor", "--json"}, "-c", copied, "--no-walk")
}

// TestDoctorFindsFaults plants one fault after another.
func TestDoctorFindsFaults(t *testing.T) {
	var found atomic.Int64
	all := plantedFaults()
	t.Run("planted", func(t *testing.T) {
		for _, p := range all {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				d := p.plant(newDoctorSite(t))
				state := p.state
				if state == "" {
					state = "fault"
				}
				if !d.has(p.code, state) {
					t.Errorf("doctor did not find %s as %s:\n%s", p.code, state, d.text)
					return
				}
				if faults := slices.ContainsFunc(d.Checks, func(c struct{ Code, State, Text, Remedy string }) bool { return c.State == "fault" }); faults != (d.exit == 1) || faults == d.Healthy {
					t.Errorf("with faults %v the exit code is %d and healthy %v:\n%s", faults, d.exit, d.Healthy, d.text)
				}
				for _, c := range d.Checks {
					if c.State == "fault" && c.Remedy == "" {
						t.Errorf("%s has no remedy: %s", c.Code, c.Text)
					}
				}
				if d.Lease.Address != "" && !d.Lease.Released {
					t.Errorf("%s was not given back:\n%s", d.Lease.Address, d.text)
				}
				found.Add(1)
				for _, c := range d.Checks {
					if c.State != "ok" {
						t.Logf("%s %s: %s", c.State, c.Code, c.Text)
					}
				}
				t.Logf("verdict %s", d.Verdict.Code)
			})
		}
	})
	t.Logf("found %d of %d", found.Load(), len(all))
	fmt.Printf("doctor: found %d of %d planted faults\n", found.Load(), len(all))
}

// TestDoctorOnHealthyNetworks: no fault where there is none, and no lease is
// left behind.
func TestDoctorOnHealthyNetworks(t *testing.T) {
	var healthy, runs atomic.Int64
	kinds := [][]string{{}, {"--arch", "bios"}, {"--arch", "uefi-arm64"}, {"--stage", "ipxe"}, {"--http"}}
	t.Run("networks", func(t *testing.T) {
		for _, n := range []struct {
			name  string
			build func(s *doctorSite) (from *Host, args []string)
			kinds [][]string
			left  func(s *doctorSite) string // what is leased after it, as far as anybody can tell
		}{
			{"server, beside a DHCP client that runs", func(s *doctorSite) (*Host, []string) {
				s.onLAN("srv", localAddr).Hobnail(gives)
				s.pc.Start("udhcpc", "busybox", "udhcpc", "-f", "-i", "eth0", "-s", "/bin/true").WaitFor(`lease of \S+ obtained`, startup)
				return s.pc, nil
			}, kinds, hobnailLeases},
			{"merge beside dnsmasq, on hobnail's host", func(s *doctorSite) (*Host, []string) {
				s.onLAN("dhcp", otherAddr).DnsmasqPlain(plainPlan())
				srv := s.onLAN("srv", localAddr)
				return srv, []string{"-c", srv.Hobnail(merges).Config}
			}, kinds[:1], dnsmasqLeases},
			{"server, on its own host", func(s *doctorSite) (*Host, []string) {
				srv := s.onLAN("srv", localAddr)
				return srv, []string{"-c", srv.Hobnail(gives).Config}
			}, kinds, hobnailLeases},
			{"server, asked by a relay of ours", func(s *doctorSite) (*Host, []string) {
				s.onLAN("srv", localAddr).Hobnail(gives)
				return s.pc, []string{"--relay", "10.77.2.7", "--server", localAddr}
			}, kinds, hobnailLeases},
			{"server, through dhcrelay", func(s *doctorSite) (*Host, []string) {
				srv, _, _ := s.relayed(coreAddr)
				srv.Hobnail(gives)
				return s.pc, []string{"--server", coreAddr}
			}, kinds, hobnailLeases},
			{"proxy beside dnsmasq", func(s *doctorSite) (*Host, []string) {
				s.onLAN("dhcp", otherAddr).DnsmasqPlain(plainPlan())
				s.onLAN("srv", localAddr).Hobnail(proxied)
				return s.pc, nil
			}, kinds, dnsmasqLeases},
			{"proxy beside Kea, through dhcrelay", func(s *doctorSite) (*Host, []string) {
				srv, dhcp, _ := s.relayed(core2Addr, coreAddr)
				dhcp.Kea(plainPlan())
				srv.Hobnail(proxied)
				return s.pc, nil
			}, kinds[:1], nil},
			{"merge beside dnsmasq", func(s *doctorSite) (*Host, []string) {
				s.onLAN("dhcp", otherAddr).DnsmasqPlain(plainPlan())
				s.onLAN("srv", localAddr).Hobnail(merges)
				return s.pc, nil
			}, kinds, dnsmasqLeases},
			{"auto beside dnsmasq", func(s *doctorSite) (*Host, []string) {
				s.onLAN("dhcp", otherAddr).DnsmasqPlain(plainPlan())
				s.onLAN("srv", localAddr).Hobnail("").WaitFor(`site's DHCP server answers us.*mode=merge`, startup)
				return s.pc, nil
			}, kinds[:2], dnsmasqLeases},
			{"merge beside ISC dhcpd, through dhcrelay", func(s *doctorSite) (*Host, []string) {
				srv, dhcp, _ := s.relayed(core2Addr, coreAddr)
				dhcp.ISCDHCPD(plainPlan())
				srv.Hobnail(merges)
				return s.pc, nil
			}, kinds[:1], nil},
			{"dnsmasq that does all", func(s *doctorSite) (*Host, []string) {
				s.onLAN("dhcp", otherAddr).Dnsmasq(append(plainArgs("--dhcp-boot=boot.efi"), s.tftpArgs("boot.efi", x64Program)...)...)
				return s.pc, nil
			}, kinds[:1], dnsmasqLeases},
			{"dnsmasq's boot service beside ISC dhcpd", func(s *doctorSite) (*Host, []string) {
				s.onLAN("dhcp", otherAddr).ISCDHCPD(plainPlan())
				s.onLAN("pxe", "10.77.2.4").Dnsmasq(append([]string{"--dhcp-range=10.77.2.0,proxy,255.255.255.0",
					"--pxe-prompt=boot,0", "--pxe-service=X86-64_EFI,boot,boot.efi"}, s.tftpArgs("boot.efi", x64Program)...)...)
				return s.pc, nil
			}, kinds[:1], nil},
			{"two hobnails that share a pool", func(s *doctorSite) (*Host, []string) {
				s.onLAN("srv", localAddr).Hobnail("share = \"1/2\"\n" + gives)
				s.onLAN("srv2", "10.77.2.4").Hobnail("share = \"2/2\"\n" + gives)
				return s.pc, nil
			}, kinds[:1], nil},
		} {
			t.Run(n.name, func(t *testing.T) {
				t.Parallel()
				s := newDoctorSite(t)
				from, args := n.build(s)
				for _, kind := range n.kinds {
					d := from.doctor(t, append(slices.Clone(args), kind...)...)
					runs.Add(1)
					if !d.Healthy || d.exit != 0 || d.Verdict.Code != "handed-over" || !d.Lease.Released {
						t.Errorf("%s %v: healthy %v, exit code %d, verdict %s, lease %+v:\n%s", n.name, kind, d.Healthy, d.exit, d.Verdict.Code, d.Lease, d.text)
						continue
					}
					healthy.Add(1)
					for _, c := range d.Checks {
						if c.State == "warning" {
							t.Logf("%v warning %s: %s", kind, c.Code, c.Text)
						}
					}
					if n.left != nil && !poll(5*time.Second, func() bool { return !strings.Contains(n.left(s), d.Lease.Address) }) {
						t.Errorf("%s %v: %s is still leased:\n%s", n.name, kind, d.Lease.Address, n.left(s))
					}
				}
			})
		}
	})
	fmt.Printf("doctor: healthy %d of %d times\n", healthy.Load(), runs.Load())
}

// TestDoctorStopped: whoever stops doctor in the middle leaves no lease behind.
func TestDoctorStopped(t *testing.T) {
	t.Parallel()
	s := newDoctorSite(t)
	srv := s.onLAN("srv", localAddr)
	hobnail := srv.Hobnail(gives)
	srv.firewalled("udp dport 69 drop")
	doctor := s.pc.Start("doctor", hobnailBinary(t), "doctor")
	hobnail.WaitFor(`address acknowledged`, 20*time.Second)
	if !strings.Contains(hobnailLeases(s), " bound ") {
		t.Error("nothing is leased in the middle of the walk")
	}
	doctor.Signal(syscall.SIGINT)
	if err := doctor.Wait(5 * time.Second); err == nil {
		t.Error("a walk that was stopped ends with exit code 0")
	}
	if !strings.Contains(doctor.Output(), "was given back (RELEASE)") {
		t.Errorf("doctor does not say that it gave the address back:\n%s", doctor.Output())
	}
	if !poll(5*time.Second, func() bool { return !strings.Contains(hobnailLeases(s), " bound ") }) {
		t.Errorf("a lease is left:\n%s", hobnailLeases(s))
	}
}

// hobnailLeases lists what a hobnail called srv has given.
func hobnailLeases(s *doctorSite) string {
	return s.pc.Run(hobnailBinary(s.t), "leases", "list", "-c", s.Path("hobnail-srv/hobnail.toml"))
}

func dnsmasqLeases(s *doctorSite) string {
	b, err := os.ReadFile(s.Path("dnsmasq-dhcp.leases"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// fakeAnswer is what a DHCP server of the test's own says, and may get wrong.
type fakeAnswer struct {
	next  string // siaddr
	opts  dhcp4.Options
	noEnd bool
}

// leave leaves an option away.
func (a *fakeAnswer) leave(code dhcp4.OptionCode) {
	a.opts = slices.DeleteFunc(a.opts, func(o dhcp4.Option) bool { return o.Code == code })
}

func (a *fakeAnswer) add(code dhcp4.OptionCode, data ...byte) { a.opts.Add(code, data) }

// fakeServer gives 10.77.2.60 with boot data to whoever asks, until the test
// ends.
func (h *Host) fakeServer(t *testing.T, change func(*fakeAnswer)) {
	t.Helper()
	conn := h.bind(t, "0.0.0.0:67")
	own := h.Addr()
	go func() {
		buf := make([]byte, 2048)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			req, err := dhcp4.Parse(buf[:n])
			if err != nil || req.Op != dhcp4.OpRequest {
				continue
			}
			if b := fakeReply(req, own, change); b != nil {
				conn.WriteTo(b, &net.UDPAddr{IP: net.IPv4bcast, Port: 68})
			}
		}
	}()
}

func fakeReply(req *dhcp4.Packet, own netip.Addr, change func(*fakeAnswer)) []byte {
	kind, ok := map[dhcp4.MessageType]dhcp4.MessageType{dhcp4.Discover: dhcp4.Offer, dhcp4.Request: dhcp4.Ack}[req.Type()]
	if !ok {
		return nil
	}
	a := &fakeAnswer{next: own.String()}
	a.opts.AddUint8(dhcp4.OptMessageType, uint8(kind))
	a.opts.AddAddr(dhcp4.OptServerID, own)
	a.opts.AddUint32(dhcp4.OptLeaseTime, 3600)
	a.opts.AddAddr(dhcp4.OptSubnetMask, netip.MustParseAddr("255.255.255.0"))
	a.opts.AddAddr(dhcp4.OptRouter, netip.MustParseAddr(routerAddr))
	a.opts.AddString(dhcp4.OptVendorClass, "PXEClient")
	a.opts.Add(dhcp4.OptVendorSpecific, []byte{6, 1, 8, 255})
	change(a)
	p := &dhcp4.Packet{
		Op: dhcp4.OpReply, HType: 1, HLen: 6, Xid: req.Xid, Flags: req.Flags, CHAddr: req.CHAddr, File: "boot.efi",
		YIAddr: netip.MustParseAddr("10.77.2.60"), SIAddr: netip.MustParseAddr(a.next), Options: a.opts,
	}
	b, err := p.Append(nil)
	if err != nil {
		return nil
	}
	if a.noEnd {
		b[bytes.LastIndexByte(b, 255)] = 0
	}
	return b
}
