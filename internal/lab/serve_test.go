//go:build lab

package lab

import (
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// serverConf gives addresses on lan.
	serverConf = `
[[subnet]]
cidr   = "10.77.2.0/24"
dhcp   = "server"
pool   = "10.77.2.50-10.77.2.99"
router = "10.77.2.1"
dns    = "10.77.1.2"
`
	stopTime = 5 * time.Second
)

// TestServeNamesTheHolderOfAPort: another DHCP server has port 67.
func TestServeNamesTheHolderOfAPort(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	srv := s.Host("srv", s.core, "10.77.1.2/24", "10.77.1.1")
	srv.DnsmasqPlain(s.plan())
	p := srv.Start("hobnail", hobnailBinary(t), "serve")
	if err := p.Wait(startup); err == nil {
		t.Fatal("serve ended without an error although port 67 was taken")
	}
	if out := p.Output(); !strings.Contains(out, "UDP port 67 is taken by dnsmasq (process ") {
		t.Errorf("the error names neither port nor holder:\n%s", out)
	}
}

func TestServeSaysWhatItDoesAndStops(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	hobnail := s.Host("srv", s.core, "10.77.1.2/24", "10.77.1.1").Hobnail(serverConf)
	for _, line := range []string{
		"listening: DHCP on UDP port 67\n",
		"listening: PXE boot service on UDP port 4011\n",
		"listening: TFTP on UDP port 69\n",
		"listening: HTTP on TCP port 8080\n",
		"console: http://localhost:8080/ from this host alone",
		"interface: eth0 10.77.1.2/24\n",
		"subnet: 10.77.2.0/24 mode server",
		"subnet: every other network: mode auto",
		"boot programs: ",
	} {
		if !strings.Contains(hobnail.Output(), line) {
			t.Errorf("the start does not say %q:\n%s", line, hobnail.Output())
		}
	}
	hobnail.Signal(syscall.SIGTERM)
	if err := hobnail.Wait(stopTime); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, hobnail.Output())
	}
}

// TestServeReloads: a configuration with faults changes nothing, a good one
// counts from then on.
func TestServeReloads(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	srv := s.Host("srv", s.core, "10.77.1.2/24", "10.77.1.1")
	hobnail := srv.Hobnail(serverConf)
	good, err := os.ReadFile(hobnail.Config)
	if err != nil {
		t.Fatal(err)
	}
	kernel := s.WriteFile("vmlinuz", "kernel of the second configuration")
	get := func() string {
		return srv.Run("curl", "-s", "http://10.77.1.2:8080/img/second/vmlinuz")
	}
	write := func(text string) {
		if err := os.WriteFile(hobnail.Config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		hobnail.Signal(syscall.SIGHUP)
	}
	image := "\n[[image]]\nname = \"second\"\nkernel = \"" + kernel + "\"\n"

	write(string(good) + image + "pool = 3\n")
	hobnail.WaitFor(`configuration refused.*hobnail\.toml:\d+:\d+: `, stopTime)
	if got := get(); !strings.HasPrefix(got, "There is no such boot file") {
		t.Errorf("a configuration with faults was half applied: %q", got)
	}
	write(string(good) + image)
	hobnail.WaitFor(`configuration loaded`, stopTime)
	if got := get(); got != "kernel of the second configuration" {
		t.Errorf("after the reload the new image reads %q", got)
	}
	write("[server]\nhttp = \":8081\"\n" + strings.TrimPrefix(string(good), "[server]\n"))
	hobnail.WaitFor(`\[server\] http cannot change while the server runs`, stopTime)
}

// TestServeGuardsItsFiles: a kernel that somebody exchanges for a link out of
// its folder is not served, the log says what became of it, and the rest goes
// on.
func TestServeGuardsItsFiles(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	srv := s.Host("srv", s.core, "10.77.1.2/24", "10.77.1.1")
	first := s.WriteFile("srv/first", "the first kernel")
	second := s.WriteFile("srv/second", "the second kernel")
	secret := s.WriteFile("secret", "nobody may read this")
	hobnail := srv.Hobnail(serverConf + "\n[[image]]\nname = \"one\"\nkernel = \"" + first + "\"\n" +
		"[[image]]\nname = \"two\"\nkernel = \"" + second + "\"\n")
	if !strings.Contains(hobnail.Output(), "files: only what the configuration names is served") {
		t.Errorf("the start does not say how files are guarded:\n%s", hobnail.Output())
	}
	get := func(name string) string { return srv.Run("curl", "-s", "http://10.77.1.2:8080/img/"+name) }
	if got := get("one/first"); got != "the first kernel" {
		t.Errorf("before anything happens the kernel reads %q", got)
	}
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, first); err != nil {
		t.Fatal(err)
	}
	if got := get("one/first"); !strings.HasPrefix(got, "The file could not be read") {
		t.Errorf("exchanged for a link it reads %q", got)
	}
	hobnail.WaitFor(`first has become a link to \S+secret, which is followed only inside `, stopTime)
	if got := get("two/second"); got != "the second kernel" {
		t.Errorf("the other kernel reads %q", got)
	}
	hobnail.Signal(syscall.SIGHUP) // whoever may reload may also mean the link
	hobnail.WaitFor(`configuration loaded`, stopTime)
	if got := get("one/first"); got != "nobody may read this" {
		t.Errorf("after a reload the link reads %q", got)
	}
}

// TestServeWithoutRoot: three capabilities are enough.
func TestServeWithoutRoot(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	srv := s.Host("srv", s.core, "10.77.1.2/24", "10.77.1.1")
	data := s.Path("data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(data, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	conf := s.WriteFile("hobnail.toml", "[server]\ndata = \""+data+"\"\n"+serverConf)
	caps := "+net_bind_service,+net_raw,+net_admin"
	srv.Run("bash", "-c", `chmod o+x "$1"; chmod o+r "$2"`, "bash", s.Dir(), conf)
	p := srv.Start("hobnail", "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
		"--inh-caps", caps, "--ambient-caps", caps, hobnailBinary(t), "serve", "-c", conf)
	p.WaitFor(`(?m)^ready: `, startup)
}

// TestPlainClientsGetAnAddressOrSilence: in mode server an operating system
// gets a lease, through a relay too; beside another server it is never answered.
func TestPlainClientsGetAnAddressOrSilence(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	srv := s.Host("srv", s.core, "10.77.1.2/24", "10.77.1.1")
	srv.Hobnail(serverConf)
	s.router.Relay(s.lan, true, "10.77.1.2")
	behind := s.Host("behind", s.lan, "10.77.2.7/24", "")
	onLink := s.Host("onlink", s.core, "10.77.1.7/24", "")
	record := s.Capture(s.core)

	udhcpc := behind.Start("udhcpc", "busybox", "udhcpc", "-f", "-q", "-n", "-i", "eth0", "-s", "/bin/true")
	udhcpc.WaitFor(`lease of 10\.77\.2\.[5-9][0-9] obtained from 10\.77\.1\.2, lease time 3600`, 30*time.Second)

	silent := onLink.Start("udhcpc", "busybox", "udhcpc", "-f", "-q", "-n", "-t", "3", "-T", "1", "-i", "eth0", "-s", "/bin/true")
	silent.WaitFor(`no lease, failing`, 30*time.Second)
	record.WaitFor("the plain client's DISCOVER", time.Second, From(netip.IPv4Unspecified(), 68))
	for _, d := range record.Datagrams(68) {
		if d.Src.Addr() == srv.Addr() && d.Dst.Port() == 68 {
			t.Errorf("beside another server a client that does not boot from the network was answered: %v", d)
		}
	}
	record.CheckDHCP(srv.Addr())
}
