package main

import (
	"fmt"
	"os"

	"hobnail/internal/lab"
)

// Addresses of the benchmark's network: servers and load on one link, clients
// behind a relay that the load plays.
const (
	serverAddr = "10.77.1.2"
	loadAddr   = "10.77.1.7"
	relayAddr  = "10.64.0.2"
	clientNet  = "10.64.0.0/12"
	firstAddr  = "10.65.0.0"
	serverCPU  = "0"
	loadCPU    = "1"
)

// peer is a server under test.
type peer struct {
	name  string
	pool  string // last address of the pool
	start func(h *lab.Host, p peer) *lab.Proc
	// clients is how many machines take turns where the pool is small.
	clients int
}

const (
	large  = "10.74.255.255" // 655,360 addresses
	medium = "10.65.255.255" // 65,536
	small  = "10.65.7.255"   // 2,048
)

// dhcpServers give addresses.
func dhcpServers() []peer {
	return []peer{
		{"hobnail", large, hobnail("server"), 0},
		{"Kea, memfile", large, kea, 0},
		{"ISC dhcpd, pool of 65,536", medium, dhcpd, 50000},
		{"ISC dhcpd, pool of 2,048", small, dhcpd, 1500},
		{"dnsmasq, pool of 65,536", medium, dnsmasq, 50000},
	}
}

// proxies offer boot data beside another DHCP server.
func proxies() []peer {
	return []peer{
		{"hobnail", "", hobnail("proxy"), 0},
		{"dnsmasq", "", dnsmasqProxy, 0},
	}
}

// pinned runs a command on one processor.
func pinned(h *lab.Host, name string, argv ...string) *lab.Proc {
	return h.Start(name, append([]string{"taskset", "-c", serverCPU}, argv...)...)
}

func hobnail(mode string) func(*lab.Host, peer) *lab.Proc {
	return func(h *lab.Host, p peer) *lab.Proc {
		dir := h.Dir("hobnail")
		text := fmt.Sprintf("[server]\ndata = %q\ndhcp = %q\n", dir, mode)
		if mode == "server" {
			text += fmt.Sprintf("[[subnet]]\ncidr = %q\ndhcp = \"server\"\npool = \"%s-%s\"\nrouter = \"10.64.0.1\"\nprobe = \"off\"\n", clientNet, firstAddr, p.pool)
		}
		conf := h.File("hobnail/hobnail.toml", text)
		proc := pinned(h, "hobnail", lab.Binary(h), "serve", "-c", conf)
		proc.WaitFor(`(?m)^ready: `, startup)
		return proc
	}
}

func kea(h *lab.Host, p peer) *lab.Proc {
	dir := h.Dir("kea")
	conf := h.File("kea/kea-dhcp4.json", fmt.Sprintf(`{"Dhcp4": {
  "interfaces-config": {"interfaces": ["eth0"], "dhcp-socket-type": "udp"},
  "lease-database": {"type": "memfile", "name": %q, "lfc-interval": 0},
  "loggers": [{"name": "kea-dhcp4", "severity": "WARN", "output_options": [{"output": "stdout"}]}],
  "valid-lifetime": 3600,
  "subnet4": [{"id": 1, "subnet": %q, "pools": [{"pool": "%s - %s"}], "option-data": [{"name": "routers", "data": "10.64.0.1"}]}]
}}
`, dir+"/leases.csv", clientNet, firstAddr, p.pool))
	proc := pinned(h, "kea", "env", "KEA_PIDFILE_DIR="+dir, "KEA_LOCKFILE_DIR="+dir, "kea-dhcp4", "-c", conf)
	h.AwaitPort(67, startup)
	return proc
}

func dhcpd(h *lab.Host, p peer) *lab.Proc {
	conf := h.File("dhcpd/dhcpd.conf", fmt.Sprintf(`authoritative;
default-lease-time 3600;
ping-check false;
dhcp-cache-threshold 0;
subnet 10.77.1.0 netmask 255.255.255.0 {}
subnet 10.64.0.0 netmask 255.240.0.0 {
  range %s %s;
  option routers 10.64.0.1;
}
`, firstAddr, p.pool))
	leases := h.File("dhcpd/dhcpd.leases", "")
	proc := pinned(h, "dhcpd", "dhcpd", "-4", "-q", "-f", "--no-pid", "-cf", conf, "-lf", leases, "eth0")
	h.AwaitPort(67, startup)
	return proc
}

func dnsmasq(h *lab.Host, p peer) *lab.Proc {
	return runDnsmasq(h, fmt.Sprintf("--dhcp-range=%s,%s,255.240.0.0,1h", firstAddr, p.pool), "--dhcp-option=option:router,10.64.0.1")
}

func dnsmasqProxy(h *lab.Host, _ peer) *lab.Proc {
	return runDnsmasq(h, "--dhcp-range=10.77.1.0,proxy", "--enable-tftp", "--tftp-root="+h.Dir("tftp"),
		"--pxe-service=X86-64_EFI,boot,snponly.efi")
}

func runDnsmasq(h *lab.Host, args ...string) *lab.Proc {
	argv := []string{"dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file=",
		"--quiet-dhcp", "--dhcp-lease-max=1000000", "--no-ping", "--dhcp-leasefile=" + h.Dir("dnsmasq") + "/leases", "--log-facility=-"}
	proc := pinned(h, "dnsmasq", append(argv, args...)...)
	h.AwaitPort(67, startup)
	return proc
}

// busySeconds is the time that the servers' processor has not been idle so far.
// It counts what the kernel does for a server in threads of its own.
func busySeconds() float64 {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return statSeconds(string(b), "cpu"+serverCPU)
}

// residentMiB is the memory of a process.
func residentMiB(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, resident float64
	fmt.Sscan(string(b), &size, &resident)
	return resident * float64(os.Getpagesize()) / (1 << 20)
}
