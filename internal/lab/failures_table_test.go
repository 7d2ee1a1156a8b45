//go:build lab

package lab

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"hobnail/internal/lab/link"
	"hobnail/internal/wire/dhcp4"
)

// Names under which hobnail serves boot programs to servers that name it.
const (
	plainIPXE = "nbp/uefi-x64/snponly.efi"
	plainShim = "nbp/uefi-x64/shimx64.efi"
	plainBIOS = "nbp/bios/undionly.kpxe"
)

// away makes hobnail hear the machines' DHCP and leave it to somebody else,
// who names the boot file: "off" for this network, and a service for others.
const away = proxied + `
[[subnet]]
cidr = "` + machineNet + `"
dhcp = "off"
`

// tiny is an image of files that a test makes itself: what is played on the
// wire reads them and does not start them.
func (s *scene) tiny() string {
	s.WriteFile("tiny/linux", strings.Repeat("kernel ", 20_000))
	s.WriteFile("tiny/initrd.gz", strings.Repeat("initrd ", 40_000))
	return fmt.Sprintf("\n[[image]]\nname = \"tiny\"\nkernel = %q\ninitrd = %q\n", s.Path("tiny/linux"), s.Path("tiny/initrd.gz"))
}

// starts has machines start the tiny image by a loader without a question.
func (s *scene) starts(loader string) string {
	return boots("tiny") + "\n[[rule]]\nmatch = { mac = \"52:54:00:*\" }\nloader = \"" + loader + "\"\n" + s.tiny()
}

// dnsmasqBeside puts dnsmasq on the machines' link, with these further
// arguments, and hobnail.
func (s *scene) dnsmasqBeside(conf string, args ...string) {
	s.t.Helper()
	p := plainPlan()
	s.Host("dhcp", s.lan, otherAddr+"/24", "").Dnsmasq(append([]string{
		"--dhcp-range=" + p.First + "," + p.Last + ",255.255.255.0,1h", "--dhcp-option=option:router," + routerAddr}, args...)...)
	s.use(sameLink, conf)
}

// names is dnsmasq's argument that names a boot file of hobnail's.
func names(file string) string { return "--dhcp-boot=" + file + ",hobnail," + localAddr }

// smallPool is gives with one address.
var smallPool = strings.Replace(gives, "10.77.2.99", "10.77.2.50", 1)

// failures is the table.
func failures() []failure {
	var all []failure
	for _, part := range [][]failure{unansweredRows(), addressRows(), wayRows(), fileRows(), loaderRows(), firmwareRows(), healthyRows()} {
		all = append(all, part...)
	}
	return all
}

// unansweredRows are machines that nobody answers, or not with all they need.
func unansweredRows() []failure {
	return []failure{
		{name: "rule-denies", code: "no-answer", detail: "deny", play: func(s *scene) {
			s.use(sameLink, gives+"\n[[rule]]\nboot = \"deny\"\n")
			s.rom(edk2x64).pxe()
		}},
		{name: "no-program-for-the-architecture", code: "no-answer", detail: "no-boot-program", says: "riscv64", play: func(s *scene) {
			s.use(sameLink, gives)
			s.rom(edk2riscv).pxe()
		}},
		{name: "no-subnet-for-the-relay", code: "no-answer", detail: "wrong-subnet", play: func(s *scene) {
			s.use(relayed, "dhcp = \"server\"\n[[subnet]]\ncidr = \"10.77.9.0/24\"\npool = \"10.77.9.50-10.77.9.99\"\n")
			s.rom(edk2x64).pxe()
		}},
		{name: "pool-empty", code: "no-answer", detail: "pool-empty", play: func(s *scene) {
			s.use(sameLink, smallPool)
			first := s.another("first", edk2x64, "52:54:00:4c:43:01")
			first.pxe()
			s.rom(edk2x64).pxe()
		}},
		{name: "circuit-has-its-share", code: "no-answer", detail: "circuit-full", play: func(s *scene) {
			s.use(relayed, gives+"per_circuit = \"1\"\n")
			first := s.another("first", edk2x64, "52:54:00:4c:43:01")
			first.pxe()
			s.rom(edk2x64).pxe()
		}},
		{name: "off-here-and-nobody-names-a-file", code: "no-answer", detail: "off", play: func(s *scene) {
			s.dnsmasqBeside(away)
			s.rom(edk2x64).pxe()
		}},
		{name: "http-boot-with-http-off", code: "no-answer", detail: "off", play: func(s *scene) {
			s.use(sameLink, "http = \"off\"\n"+gives)
			s.rom(edk2HTTP).discover(4, nil)
		}},
		{name: "lease-cannot-be-stored", code: "no-answer", detail: "lease-not-stored", play: func(s *scene) {
			s.fullDisk("hobnail-srv")
			s.use(sameLink, gives)
			s.fill("hobnail-srv")
			r := s.rom(edk2x64)
			offers := func(p *dhcp4.Packet) bool { return p.Type() == dhcp4.Offer }
			for i := 0; !strings.Contains(s.srv.Output(), "code=lease.fault"); i++ { // the log's last block has room left
				if i == 1000 {
					s.t.Fatalf("1000 leases were stored on a full disk")
				}
				r.mac[5] = byte(i % 40)
				r.xid++
				r.send(r.message(dhcp4.Discover, nil), "255.255.255.255", 67)
				for _, o := range r.hear(time.Second, offers) {
					offer, _ := dhcp4.Parse(o.Data)
					r.send(r.message(dhcp4.Request, func(p *dhcp4.Packet) {
						p.Options.AddAddr(dhcp4.OptRequestedAddr, offer.YIAddr)
						p.Options.AddAddr(dhcp4.OptServerID, netip.MustParseAddr(localAddr))
					}), "255.255.255.255", 67)
				}
			}
			r.mac[5] = 0x77
			r.pxe()
		}},
		{name: "no-way-back-to-the-relay", code: "no-answer", detail: "send-failed", play: func(s *scene) {
			core := s.Link("core")
			helper(s.Lab, s.lan, core, coreAddr)
			s.record = s.Capture(core)
			s.srv = s.Host("srv", core, coreAddr+"/24", "").Hobnail(gives)
			s.rom(edk2x64).pxe()
		}},
		{name: "no-dhcp-server", code: "no-lease", play: func(s *scene) {
			s.use(sameLink, proxied)
			s.rom(edk2x64).pxe()
		}},
		{name: "no-helper-for-the-dhcp-server", code: "helper-missing", detail: "dhcp-server", says: "helper", play: func(s *scene) {
			core := s.Link("core")
			helper(s.Lab, s.lan, core, coreAddr)
			s.record = s.Capture(core)
			s.Host("dhcp", core, core2Addr+"/24", coreRouter).Kea(plainPlan())
			s.srv = s.Host("srv", core, coreAddr+"/24", coreRouter).Hobnail(proxied)
			s.rom(edk2x64).pxe()
		}},
		{name: "dhcp-server-stopped", code: "no-lease", play: func(s *scene) {
			dhcp := s.Host("dhcp", s.lan, otherAddr+"/24", "").DnsmasqPlain(plainPlan())
			s.use(sameLink, "")
			s.srv.WaitFor(`site's DHCP server answers us.*mode=merge`, startup)
			dhcp.Stop()
			r := s.rom(edk2x64)
			r.round = 2500 * time.Millisecond
			r.pxe()
		}},
		{name: "dhcp-server-has-no-address-left", code: "no-lease", play: func(s *scene) {
			plan := plainPlan()
			plan.Last = plan.First
			s.Host("dhcp", s.lan, otherAddr+"/24", "").Kea(plan)
			s.use(sameLink, proxied)
			first := s.another("first", edk2x64, "52:54:00:4c:43:01")
			first.pxe()
			s.rom(edk2x64).pxe()
		}},
	}
}

// fullDisk puts a small disk of its own under a directory of the lab's.
func (s *scene) fullDisk(name string) {
	s.t.Helper()
	dir := s.Path(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatalf("%v", err)
	}
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=4m"); err != nil {
		s.t.Fatalf("mounting a small disk: %v", err)
	}
	s.onClose(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// fill leaves no octet free on it.
func (s *scene) fill(name string) {
	f, err := os.Create(s.Path(name + "/filler"))
	if err != nil {
		s.t.Fatalf("%v", err)
	}
	defer f.Close()
	for size := 1 << 16; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
}

// addressRows are machines that get no address, or the wrong offer.
func addressRows() []failure {
	return []failure{
		{name: "split-offer-not-taken", code: "offer-not-taken", detail: "split-offer", play: func(s *scene) {
			s.use(besideDnsmasq, proxied)
			s.rom(edk2x64).discover(4, nil)
		}},
		{name: "offer-with-a-malformed-option", code: "offer-not-taken", says: "stray-options: .*UEFI firmware drops", play: func(s *scene) {
			s.dnsmasqBeside(proxied, "--dhcp-option-force=4,0a:4d:02")
			if _, ok := s.rom(edk2x64).pxe(); ok {
				s.t.Fatalf("firmware took the malformed offer")
			}
		}},
		{name: "switch-drops-our-answers", code: "offer-not-taken", detail: "reply-lost", play: func(s *scene) {
			s.use(sameLink, gives)
			s.lan.drop("udp sport 67")
			s.rom(edk2x64).pxe()
		}},
		{name: "another-server-won-behind-the-relay", code: "offer-not-taken", detail: "other-server", play: func(s *scene) {
			core, far := s.Link("core"), s.Link("far")
			s.Router("rtr", At(core, coreRouter+"/24"), At(s.lan, routerAddr+"/24"), At(far, "10.77.3.1/24")).Relay(s.lan, true, "10.77.3.3", coreAddr)
			s.record = s.Capture(core)
			s.Host("dhcp", far, "10.77.3.3/24", "10.77.3.1").Kea(plainPlan())
			s.srv = s.Host("srv", core, coreAddr+"/24", coreRouter).Hobnail(gives)
			r := s.rom(uboot) // takes the first offer
			r.discover(1, nil)
			if offer := r.of("10.77.3.3"); offer == nil || r.take(offer) == nil {
				s.t.Fatalf("Kea gave no address")
			}
		}},
		{name: "two-dhcp-servers-on-a-link", code: "second-dhcp-server", play: func(s *scene) {
			s.Host("dhcp", s.lan, otherAddr+"/24", "").Kea(plainPlan())
			s.use(sameLink, gives)
			r := s.rom(uboot)
			r.discover(1, nil)
			if offer := r.of(otherAddr); offer == nil || r.take(offer) == nil {
				s.t.Fatalf("Kea gave no address")
			}
		}},
		{name: "another-server-names-a-file-that-wins", code: "foreign-boot-file", says: `10\.77\.2\.9`, play: func(s *scene) {
			s.dnsmasqBeside(proxied, "--dhcp-boot=other.kpxe,other,10.77.2.9")
			r := s.rom(biosROM)
			r.discover(1, nil)
			if offer := r.of(otherAddr); offer == nil || r.take(offer) == nil {
				s.t.Fatalf("dnsmasq gave no address")
			}
			r.tftp(program{"10.77.2.9", "other.kpxe"}, reading{tries: 2})
		}},
		{name: "another-server-boots-u-boot", code: "foreign-boot-file", detail: "uncontested", captured: "boot-file-never-asked", play: func(s *scene) {
			s.dnsmasqBeside(proxied, "--dhcp-boot=board.scr,other,10.77.2.9")
			r := s.rom(uboot)
			r.discover(1, nil)
			if offer := r.of(otherAddr); offer == nil || r.take(offer) == nil {
				s.t.Fatalf("dnsmasq gave no address")
			}
			r.tftp(program{"10.77.2.9", "board.scr"}, reading{tries: 2})
		}},
		{name: "another-server-names-a-file-that-we-lack", code: "foreign-boot-file", says: "pxelinux", play: func(s *scene) {
			s.dnsmasqBeside(proxied, names("old/pxelinux.0"))
			r := s.rom(biosROM)
			r.discover(1, nil)
			if offer := r.of(otherAddr); offer == nil || r.take(offer) == nil {
				s.t.Fatalf("dnsmasq gave no address")
			}
			r.tftp(program{localAddr, "old/pxelinux.0"}, reading{probe: true})
		}},
		{name: "nak-of-ours", code: "address-refused", play: func(s *scene) {
			s.use(sameLink, gives)
			r := s.rom(edk2x64)
			r.discover(1, nil)
			if nak := r.request(localAddr, otherNet); nak == nil || nak.Type() != dhcp4.Nak {
				s.t.Fatalf("the REQUEST was answered with %+v", nak)
			}
		}},
		{name: "nak-of-the-dhcp-server", code: "address-refused", says: "10.77.2.3", play: func(s *scene) {
			s.dnsmasqBeside(proxied, "--dhcp-authoritative")
			r := s.rom(edk2x64)
			r.discover(1, nil)
			if nak := r.request(otherAddr, otherNet); nak == nil || nak.Type() != dhcp4.Nak {
				s.t.Fatalf("the REQUEST was answered with %+v", nak)
			}
		}},
		{name: "somebody-has-the-address", code: "declined", detail: "in-use", says: "10.77.2.50", play: func(s *scene) {
			s.Host("printer", s.lan, "10.77.2.50/24", "")
			s.use(sameLink, smallPool+"probe = \"off\"\n")
			pc := s.Host("pc", s.lan, "10.77.2.240/24", "")
			pc.Run("ip", "link", "set", "eth0", "address", machineMAC)
			pc.Run("ip", "address", "flush", "dev", "eth0")
			p := pc.Start("udhcpc", "busybox", "udhcpc", "-f", "-a", "-n", "-t", "2", "-T", "1", "-A", "1", "-i", "eth0", "-s", "/bin/true",
				"-V", edk2x64.class, "-x", "0x5d:0007", "-x", "0x61:00000102030405060708090a0b0c0d0e0f")
			p.WaitFor("declining|broadcasting decline", startup)
			p.Stop()
		}},
		{name: "boot-service-denies", code: "no-answer", detail: "deny", captured: "foreign-option-60", play: func(s *scene) {
			// As beside a Windows server with option 60 for a boot server that
			// has become hobnail.
			s.dnsmasqBeside(proxied+"\n[[rule]]\nboot = \"deny\"\n", "--dhcp-option-force=60,PXEClient", "--dhcp-boot=,hobnail,"+localAddr)
			s.rom(edk2x64).pxe()
		}},
		{name: "boot-service-told-and-port-69-dropped", code: "boot-file-never-asked", play: func(s *scene) {
			core := s.Link("core")
			helper(s.Lab, s.lan, core, core2Addr)
			s.record = s.Capture(core)
			s.Host("dhcp", core, core2Addr+"/24", coreRouter).Dnsmasq("--dhcp-range=10.77.2.150,10.77.2.199,255.255.255.0,1h",
				"--dhcp-option=option:router,"+routerAddr, "--pxe-prompt=Boot,0", "--pxe-service=X86-64_EFI,Install,99,"+coreAddr)
			s.srv = s.Host("srv", core, coreAddr+"/24", coreRouter).Hobnail(proxied)
			r := s.rom(edk2x64)
			r.discover(1, nil)
			if offer := r.of(core2Addr); offer == nil || r.take(offer) == nil {
				s.t.Fatalf("dnsmasq gave no address")
			}
			s.host("rtr").drop("forward", "udp dport 69")
			told := r.bootService(coreAddr, 99)
			if told == nil {
				s.t.Fatalf("the boot service gave no answer")
			}
			s.mustStop(r, program{told.SIAddr.String(), told.File}, true)
		}},
	}
}

// wayRows are machines with an address that do not reach the boot server, or
// are not reached by it.
func wayRows() []failure {
	return []failure{
		{name: "router-drops-port-69", code: "boot-file-never-asked", play: func(s *scene) {
			s.use(relayed, gives)
			s.host("rtr").drop("forward", "udp dport 69")
			r := s.rom(edk2x64)
			p, ok := r.pxe()
			s.mustStop(r, p, ok)
		}},
		{name: "server-drops-port-69", code: "boot-file-never-asked", captured: "boot-file-never-asked/unanswered", play: func(s *scene) {
			s.use(sameLink, gives)
			s.host("srv").drop("input", "udp dport 69")
			r := s.rom(edk2x64)
			p, ok := r.pxe()
			s.mustStop(r, p, ok)
		}},
		{name: "next-server-is-nobody", code: "boot-file-never-asked", says: `10\.77\.2\.99`, play: func(s *scene) {
			s.use(sameLink, gives+"next_server = \"10.77.2.99\"\n")
			r := s.rom(edk2x64)
			p, ok := r.pxe()
			s.mustStop(r, p, ok)
		}},
		{name: "router-drops-http-of-firmware", code: "boot-file-never-asked", detail: "http", play: func(s *scene) {
			s.use(relayed, gives)
			s.host("rtr").drop("forward", "tcp dport 8080")
			r := s.rom(edk2HTTP)
			r.discover(1, nil)
			offer := r.of(coreAddr)
			if offer == nil || r.take(offer) == nil {
				s.t.Fatalf("no address")
			}
			name, _ := offer.Options.Get(dhcp4.OptBootFileName)
			if status, _ := r.get(strings.TrimRight(string(name), "\x00")); status != 0 {
				s.t.Fatalf("%s: status %d", name, status)
			}
		}},
		{name: "router-drops-http-of-ipxe", code: "boot-file-never-asked", detail: "http", play: func(s *scene) {
			s.use(relayed, gives+s.starts("ipxe"))
			s.host("rtr").drop("forward", "tcp dport 8080")
			r := s.rom(edk2x64)
			r.boots()
			if status, _ := r.get(r.ipxe()); status != 0 {
				s.t.Fatalf("the script was read: status %d", status)
			}
		}},
		{name: "router-drops-the-data-ports", code: "transfer-stalled", detail: "data-port", play: func(s *scene) {
			s.use(relayed, gives)
			s.host("rtr").drop("forward", `iifname "eth0" udp sport != 69`)
			r := s.rom(edk2x64)
			p, ok := r.pxe()
			s.mustStop(r, p, ok)
		}},
		{name: "router-drops-all-that-comes-back", code: "transfer-stalled", detail: "data-port", play: func(s *scene) {
			s.use(relayed, gives)
			s.host("rtr").drop("forward", `iifname "eth0"`)
			r := s.rom(edk2x64)
			p, ok := r.pxe()
			s.mustStop(r, p, ok)
		}},
		{name: "mtu-1400-and-fragments-dropped", code: "transfer-stalled", detail: "mtu", says: "1500", play: func(s *scene) {
			s.use(relayed, gives)
			s.smallMTU()
			r := s.rom(edk2x64)
			p, ok := r.pxe()
			s.mustStop(r, p, ok)
		}},
		{name: "switched-off-while-reading", code: "transfer-stalled", detail: "loss", play: func(s *scene) {
			s.use(sameLink, gives)
			r := s.rom(edk2x64)
			p, _ := r.pxe()
			r.tftp(p, reading{blksize: 1468, window: 4, stop: 100})
		}},
		{name: "slow-link", code: "slow", detail: "loader", says: "round trip", play: func(s *scene) {
			far := s.Router("srv")
			near, _ := s.Wire("machine", "10.77.2.240/24", far, localAddr+"/24", link.Faults{Delay: 60 * time.Millisecond}, -1)
			s.srv = far.wired(localAddr).Hobnail(gives + s.starts("ipxe.efi"))
			r := near.rom(edk2x64, machineMAC)
			p, ok := r.pxe()
			if !ok {
				s.t.Fatalf("the firmware gave up")
			}
			// Block by block, as old ROMs read.
			if _, err := r.tftp(p, reading{wait: 4 * time.Second}); err != nil {
				s.t.Fatalf("%v", err)
			}
			r.follow(r.ipxe())
			r.system()
		}},
	}
}

// mustStop reads the boot program, which must not succeed.
func (s *scene) mustStop(r *rom, p program, ok bool) {
	s.t.Helper()
	if !ok {
		s.t.Fatalf("the firmware gave up before its boot file")
	}
	if err := r.load(p); err == nil {
		s.t.Fatalf("%s was read, against all firewalls", p.file)
	}
}

// smallMTU makes the router's way to the machines narrow, has it tell nobody,
// and the switch behind it drops fragments. hobnail's answers may be taken to
// pieces: they carry no DF.
func (s *scene) smallMTU() {
	rtr := s.host("rtr")
	rtr.Run("ip", "link", "set", "eth1", "mtu", "1400")
	rtr.drop("output", "icmp type destination-unreachable")
	s.lan.drop("ip frag-off & 0x3fff != 0")
}

// wired gives the host at the other end of a wire the address that it has
// there.
func (h *Host) wired(addr string) *Host {
	h.Ports = []Port{At(nil, addr+"/24")}
	return h
}

// reload gives the server another configuration.
func (s *scene) reload(conf string) {
	s.t.Helper()
	old, err := os.ReadFile(s.srv.Config)
	if err != nil {
		s.t.Fatalf("%v", err)
	}
	head := strings.SplitAfterN(string(old), "\n", 4)
	if err := os.WriteFile(s.srv.Config, []byte(strings.Join(head[:3], "")+conf), 0o644); err != nil {
		s.t.Fatalf("%v", err)
	}
	s.srv.Signal(syscall.SIGHUP)
	s.srv.WaitFor(`code=config\.loaded`, startup)
	time.Sleep(time.Second)
}

// fileRows are boot files that are missing, or the wrong ones.
func fileRows() []failure {
	return []failure{
		{name: "boot-file-has-a-near-name", code: "boot-file-not-found", says: "snponly.efi", play: func(s *scene) {
			s.dnsmasqBeside(away, names("nbp/uefi-x64/snponly.elf"))
			r := s.rom(edk2x64)
			p, ok := r.pxe()
			s.mustStop(r, p, ok)
		}},
		{name: "boot-file-name-runs-on", code: "boot-file-not-found", says: "zero octet", play: func(s *scene) {
			s.dnsmasqBeside(away, names("nbp/uefi-x64/boot.efi"))
			r := s.rom(edk2x64)
			p, ok := r.pxe()
			p.file += "\xff"
			s.mustStop(r, p, ok)
		}},
		{name: "boot-file-asked-and-nothing-heard-before", code: "boot-file-not-found", says: "undionly", play: func(s *scene) {
			// No relay, no DHCP here: the name is in the machine's own setup.
			s.use(sameLink, "dhcp = \"off\"\n")
			s.mac = ""
			h := s.Host("machine", s.lan, "10.77.2.7/24", "")
			r := h.rom(biosROM, machineMAC)
			h.Run("ip", "address", "add", "10.77.2.7/24", "dev", "eth0")
			if r.load(program{localAddr, "undionly.kpx"}) == nil {
				s.t.Fatalf("there is such a file")
			}
		}},
		{name: "kernel-gone-from-the-disk", code: "boot-file-fault", says: "no such file", play: func(s *scene) {
			s.use(sameLink, gives+s.starts("ipxe"))
			os.Remove(s.Path("tiny/linux"))
			r := s.rom(edk2x64)
			r.boots()
			r.follow(r.ipxe())
		}},
		{name: "image-taken-out-of-the-configuration", code: "boot-file-not-found", says: "img/tiny/linux", play: func(s *scene) {
			s.use(sameLink, gives+s.starts("ipxe"))
			r := s.rom(edk2x64)
			r.boots()
			url := r.ipxe()
			status, script := r.get(url)
			s.reload(gives)
			if again, _ := r.get(scriptURL.FindStringSubmatch(script)[1]); status != 200 || again != 404 {
				s.t.Fatalf("status %d, then %d", status, again)
			}
		}},
		{name: "initrd-gone-from-the-disk", code: "boot-file-fault", says: "initrd.*no such file", play: func(s *scene) {
			s.use(sameLink, gives+s.starts("ipxe"))
			os.Remove(s.Path("tiny/initrd.gz"))
			r := s.rom(edk2x64)
			r.boots()
			r.follow(r.ipxe())
		}},
		{name: "initrd-exchanged-for-a-link", code: "boot-file-fault", says: "initrd", play: func(s *scene) {
			s.use(sameLink, gives+s.starts("ipxe"))
			os.Remove(s.Path("tiny/initrd.gz"))
			os.Symlink("/etc/hostname", s.Path("tiny/initrd.gz"))
			r := s.rom(edk2x64)
			r.boots()
			r.follow(r.ipxe())
		}},
		{name: "arm64-reads-a-program-for-x64", code: "boot-file-wrong-arch", says: "uefi-arm64", play: func(s *scene) {
			s.dnsmasqBeside(away, names(plainShim))
			s.rom(edk2arm64).boots()
		}},
		{name: "bios-reads-a-program-for-uefi", code: "boot-file-wrong-arch", play: func(s *scene) {
			s.dnsmasqBeside(away, names(plainIPXE))
			r := s.rom(biosROM)
			r.discover(1, nil)
			if offer := r.of(otherAddr); offer == nil || r.take(offer) == nil {
				s.t.Fatalf("dnsmasq gave no address")
			}
			if err := r.load(program{localAddr, plainIPXE}); err != nil {
				s.t.Fatalf("%v", err)
			}
		}},
		{name: "esc-while-reading", code: "read-broken-off", says: "User aborted", play: func(s *scene) {
			s.use(sameLink, gives)
			r := s.rom(edk2x64)
			p, _ := r.pxe()
			r.tftp(p, reading{blksize: 1468, window: 4, breakOff: 50, code: 8, text: "User aborted the transfer"})
		}},
		{name: "size-asked-and-never-read", code: "read-broken-off", play: func(s *scene) {
			s.use(sameLink, gives)
			r := s.rom(edk2x64)
			p, _ := r.pxe()
			r.tftp(p, reading{probe: true, blksize: 1468, window: 4})
		}},
	}
}

// loaderRows are machines whose loader or kernel does not go on.
func loaderRows() []failure {
	return []failure{
		{name: "shim-read-then-nothing", code: "loader-silent", play: func(s *scene) {
			s.use(sameLink, gives)
			s.rom(edk2x64).boots()
		}},
		{name: "undionly-read-then-nothing", code: "loader-silent", play: func(s *scene) {
			s.use(sameLink, gives)
			s.rom(biosROM).boots()
		}},
		{name: "loader-starts-over-three-times", code: "loader-loop", detail: "restarts", play: func(s *scene) {
			s.use(sameLink, gives)
			r := s.rom(biosROM)
			for range 3 {
				r.boots()
				time.Sleep(2 * time.Second)
			}
		}},
		{name: "ipxe-loop-through-a-relay-without-our-helper", code: "loader-loop", play: func(s *scene) {
			core := s.Link("core")
			helper(s.Lab, s.lan, core, core2Addr)
			s.record = s.Capture(core)
			s.Host("dhcp", core, core2Addr+"/24", coreRouter).Dnsmasq("--dhcp-range=10.77.2.150,10.77.2.199,255.255.255.0,1h",
				"--dhcp-option=option:router,"+routerAddr, "--dhcp-boot="+plainBIOS+",hobnail,"+coreAddr)
			s.srv = s.Host("srv", core, coreAddr+"/24", coreRouter).Hobnail(proxied)
			s.mac = ""
			r := s.rom(biosROM)
			r.boots()
			for range 3 {
				server, file, _ := strings.Cut(strings.TrimPrefix(r.ipxe(), "tftp://"), "/")
				if _, err := r.tftp(program{server, file}, reading{blksize: 1432}); err != nil {
					s.t.Fatalf("%v", err)
				}
			}
		}},
		{name: "script-read-then-nothing", code: "script-not-followed", says: "tiny", captured: "handed-over", play: func(s *scene) {
			s.use(sameLink, gives+s.starts("ipxe"))
			r := s.rom(edk2x64)
			r.boots()
			r.get(r.ipxe())
		}},
		{name: "installer-silent", code: "installer-silent", captured: "handed-over", play: func(s *scene) {
			s.use(sameLink, gives+s.starts("ipxe"))
			r := s.rom(edk2x64)
			r.boots()
			r.follow(r.ipxe())
		}},
	}
}

// healthyRows go well, and could be taken for failures.
func healthyRows() []failure {
	return []failure{
		{name: "goes-well", code: "booted", play: func(s *scene) {
			s.use(sameLink, gives+s.starts("ipxe"))
			s.rom(edk2x64).wholly()
		}},
		{name: "goes-well-beside-two-dhcp-servers", code: "booted", says: "second-dhcp-server", play: func(s *scene) {
			s.Host("kea", s.lan, "10.77.2.4/24", "").Kea(plainPlan())
			s.dnsmasqBeside(proxied + s.starts("ipxe"))
			s.rom(edk2x64).wholly()
		}},
		{name: "goes-well-by-a-single-port", code: "booted", play: func(s *scene) {
			s.use(relayed, gives+"\n[tftp]\nanswers = \"single-port\"\n"+s.starts("ipxe"))
			s.host("rtr").drop("forward", `iifname "eth0" udp sport != 69`)
			s.rom(edk2x64).wholly()
		}},
		{name: "goes-well-with-2-percent-loss", code: "booted", play: func(s *scene) {
			far := s.Router("srv")
			near, _ := s.Wire("machine", "10.77.2.240/24", far, localAddr+"/24", link.Faults{Loss: 0.02, Seed: 7}, -1)
			s.srv = far.wired(localAddr).Hobnail(gives + s.starts("ipxe"))
			near.rom(edk2x64, machineMAC).wholly()
		}},
		{name: "goes-well-after-a-restart", code: "booted", play: func(s *scene) {
			s.use(sameLink, gives+s.starts("ipxe"))
			r := s.rom(edk2x64)
			r.boots() // and switched off
			r.wholly()
		}},
		{name: "waits-in-the-menu", code: "handed-over", play: func(s *scene) {
			s.use(sameLink, gives+"\n[[rule]]\nloader = \"ipxe\"\n"+s.tiny())
			r := s.rom(edk2x64)
			r.boots()
			r.get(r.ipxe())
		}},
		{name: "starts-its-own-disk", code: "handed-over", play: func(s *scene) {
			s.use(sameLink, gives+"\n[[rule]]\nboot = \"local\"\nloader = \"ipxe\"\n")
			r := s.rom(edk2x64)
			r.boots()
			r.get(r.ipxe())
		}},
	}
}
