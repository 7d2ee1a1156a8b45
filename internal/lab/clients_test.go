//go:build lab

package lab

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dhcpClient is a DHCP client of somebody else's: how it is started, what its
// own log says at each step, and how it is told to give its address back. ADDR
// stands for the address that it got.
type dhcpClient struct {
	name     string
	start    func(l *Lab, h *Host) *Proc
	got      string // the address is the group
	renewed  string
	rebound  string
	release  func(l *Lab, h *Host, p *Proc) *Proc // the process whose log says released
	released string
}

// ifconfig is the script of clients that leave the interface to one. They call
// it with the address again whenever they renew.
const ifconfig = `[ -z "$address" ] || exec ip address replace "$address/24" dev "$interface"`

func realClients() []dhcpClient {
	return []dhcpClient{
		{
			name: "dhclient",
			start: func(l *Lab, h *Host) *Proc {
				script := l.script("dhclient-script", "address=$new_ip_address\n"+ifconfig)
				return h.Start("dhclient", "dhclient", "-4", "-d", "-v", "-cf", "/dev/null", "-sf", script,
					"-lf", l.Path("dhclient.leases"), "-pf", l.Path("dhclient.pid"), "eth0")
			},
			got:     `bound to (\S+) -- renewal in`,
			renewed: `DHCPREQUEST for ADDR on eth0 to 10\.77\.2\.2 port 67\n.*DHCPACK of ADDR from 10\.77\.2\.2`,
			rebound: `on eth0 to 10\.77\.2\.2 port 67\n.*DHCPREQUEST for ADDR on eth0 to 255\.255\.255\.255 port 67\n.*DHCPACK of ADDR from 10\.77\.2\.2`,
			release: func(l *Lab, h *Host, _ *Proc) *Proc {
				return h.Start("dhclient-r", "dhclient", "-4", "-r", "-d", "-v", "-cf", "/dev/null", "-sf", "/bin/true",
					"-lf", l.Path("dhclient.leases"), "-pf", l.Path("dhclient.pid"), "eth0")
			},
			released: `DHCPRELEASE of ADDR on eth0 to 10\.77\.2\.2 port 67`,
		},
		{
			name: "udhcpc",
			start: func(l *Lab, h *Host) *Proc {
				script := l.script("udhcpc-script", "address=$ip\n"+ifconfig)
				return h.Start("udhcpc", "busybox", "udhcpc", "-f", "-v", "-v", "-i", "eth0", "-s", script)
			},
			got:      `lease of (\S+) obtained from 10\.77\.2\.2, lease time 60`,
			renewed:  `sending renew to server 10\.77\.2\.2\n.*lease of ADDR obtained`,
			rebound:  `sending renew to server 10\.77\.2\.2\n.*broadcasting renew\n.*lease of ADDR obtained`,
			release:  func(_ *Lab, _ *Host, p *Proc) *Proc { p.Signal(syscall.SIGUSR2); return p },
			released: `unicasting a release of ADDR to 10\.77\.2\.2`,
		},
		{
			name: "dhcpcd",
			start: func(l *Lab, h *Host) *Proc {
				conf := l.WriteFile("dhcpcd.conf", "duid\noption subnet_mask, routers\nrequire dhcp_server_identifier\n")
				return h.Start("dhcpcd", "sh", "-c", `mount -t tmpfs none /run && mount -t tmpfs none /var/lib/dhcpcd &&
exec dhcpcd -B -d -4 -f "$1" -c /bin/true eth0`, "sh", conf)
			},
			got:      `eth0: leased (\S+) for 60 seconds`,
			renewed:  `eth0: renewing lease of ADDR\n.*acknowledged ADDR from 10\.77\.2\.2`,
			rebound:  `eth0: failed to renew DHCP, rebinding\n.*acknowledged ADDR from 10\.77\.2\.2`,
			release:  func(_ *Lab, _ *Host, p *Proc) *Proc { p.Signal(syscall.SIGALRM); return p },
			released: `eth0: releasing lease of ADDR`,
		},
		{
			name: "systemd-networkd",
			start: func(l *Lab, h *Host) *Proc {
				// It asks systemd's device manager nothing where /sys cannot
				// be written, and runs without a system bus.
				conf := l.WriteFile("eth0.network", "[Match]\nName=eth0\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"+
					"[DHCPv4]\nDUIDType=vendor\nDUIDRawData=00:00:ab:11:f9:2a:c2:77:29:f9:5c:00\n")
				return h.Start("networkd", "sh", "-c", `mount -t tmpfs none /run && mount -o remount,ro /sys &&
mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp &&
cp "$1" /run/systemd/network/ && chown -R systemd-network /run/systemd/netif && export SYSTEMD_LOG_LEVEL=debug SYSTEMD_LOG_TARGET=console &&
exec /lib/systemd/systemd-networkd`, "sh", conf)
			},
			got:      `eth0: DHCPv4 address ([0-9.]+)/24.* acquired from 10\.77\.2\.2`,
			renewed:  `REQUEST \(renewing\)\n.*DHCPv4 client: ACK\n`,
			rebound:  `REQUEST \(rebinding\)\n.*DHCPv4 client: ACK\n`,
			release:  func(_ *Lab, _ *Host, p *Proc) *Proc { p.Signal(syscall.SIGTERM); return p },
			released: `DHCPv4 client: RELEASE\n`,
		},
	}
}

// script puts a shell script into the lab's directory.
func (l *Lab) script(name, text string) string {
	path := l.WriteFile(name, "#!/bin/sh\n"+text+"\n")
	l.chmod(path)
	return path
}

// TestRealClients: each client gets an address, renews it, finds the server
// restarted after a crash, has it rebound when the server cannot be reached by
// unicast, and gives it back. All of them run at once, on the shortest lease
// that there is.
func TestRealClients(t *testing.T) {
	t.Parallel()
	l := New(t)
	lan := l.Link("lan")
	srv := l.Host("srv", lan, "10.77.2.2/24", "")
	hobnail := srv.Hobnail(strings.Replace(serverConf, "[[subnet]]", "[[subnet]]\nlease = \"60s\"", 1))
	record := l.Capture(lan)

	type running struct {
		dhcpClient
		host *Host
		proc *Proc
		addr string
	}
	var all []*running
	for i, c := range realClients() {
		h := l.Host(c.name, lan, fmt.Sprintf("10.77.2.%d/24", 240+i), "")
		h.Run("ip", "address", "flush", "dev", "eth0")
		all = append(all, &running{dhcpClient: c, host: h, proc: c.start(l, h)})
	}
	wait := func(r *running, p *Proc, pattern string, timeout time.Duration) string {
		return p.WaitFor("(?s)"+strings.ReplaceAll(pattern, "ADDR", regexp.QuoteMeta(r.addr)), timeout)
	}
	seen := map[string]string{}
	for _, r := range all {
		got := wait(r, r.proc, r.got, 20*time.Second)
		r.addr = regexp.MustCompile(r.got).FindStringSubmatch(got)[1]
		if other, twice := seen[r.addr]; twice {
			t.Errorf("%s and %s both have %s", r.name, other, r.addr)
		}
		seen[r.addr] = r.name
	}
	for _, r := range all {
		wait(r, r.proc, r.renewed, 45*time.Second)
	}

	hobnail.Kill()
	again := srv.Start("hobnail-again", hobnailBinary(t), "serve", "--debug", "-c", hobnail.Config)
	again.WaitFor(`(?m)^ready: `, startup)
	for _, r := range all {
		r.host.Run("ip", "neighbour", "replace", "10.77.2.2", "lladdr", "02:00:00:00:00:99", "nud", "permanent", "dev", "eth0")
	}
	for _, r := range all {
		wait(r, r.proc, r.rebound, 70*time.Second)
	}
	for _, r := range all {
		r.host.Run("ip", "neighbour", "delete", "10.77.2.2", "dev", "eth0")
		wait(r, r.release(l, r.host, r.proc), r.released, 10*time.Second)
		again.WaitFor("address released.*"+regexp.QuoteMeta(r.addr), 5*time.Second)
	}
	record.CheckDHCP(srv.Addr())
}

func (l *Lab) chmod(path string) {
	if err := os.Chmod(path, 0o755); err != nil {
		l.t.Fatalf("making %s executable: %v", path, err)
	}
}
