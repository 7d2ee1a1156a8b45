//go:build lab

package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hobnail/internal/model"
)

// guard is a server whose orders tests try to get round, and machines that are
// played packet by packet behind its relay.
type guard struct {
	t    *testing.T
	lab  *Lab
	srv  *Server
	g    *load
	runs int // of the server
}

const (
	guardKernel = 150_000 // octets
	guardInitrd = 60_000
	crowdPool   = "10.65.0.0/16"
)

// guardConf makes hobnail the DHCP server, with one image; what follows is the
// rest of the configuration.
func guardConf(l *Lab, server, rest string) string {
	kernel := l.WriteFile("files/linux", strings.Repeat("K", guardKernel))
	initrd := l.WriteFile("files/initrd", strings.Repeat("I", guardInitrd))
	return fmt.Sprintf(`%s
[[subnet]]
cidr  = "10.64.0.0/12"
dhcp  = "server"
pool  = "10.65.0.0-10.65.255.255"
probe = "off"
[[image]]
name    = "debian"
kernel  = %q
initrd  = [%q]
cmdline = "url={{.Install.URL}}/preseed.cfg"
[install]
vars = { ssh_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFx it@example.net" }
[tftp]
transfers_per_client = "64"
%s`, server, kernel, initrd, rest)
}

func newGuard(t *testing.T, machines int, conf string) *guard {
	t.Helper()
	l := New(t)
	lan := l.Link("lan")
	srv := l.Host("srv", lan, "10.64.0.2/12", "")
	crowd := l.Host("relay", lan, "10.64.0.9/12", "")
	w := &guard{t: t, lab: l}
	w.srv = srv.Hobnail(guardConf(l, "", conf))
	w.g = crowd.Load(machines, netip.MustParsePrefix(crowdPool), srv.Addr())
	srv.Run("ip", "route", "add", crowdPool, "via", crowd.Addr().String()) // see Load
	return w
}

// again kills the server as a power cut would, and starts it on what it left.
func (w *guard) again() {
	w.t.Helper()
	w.srv.Kill()
	w.start()
}

func (w *guard) start() {
	w.t.Helper()
	w.runs++
	w.srv.Proc = w.srv.Host.Start(fmt.Sprintf("hobnail-again-%d", w.runs), hobnailBinary(w.t), "serve", "--debug", "-c", w.srv.Config)
	w.srv.WaitFor(`(?m)^ready: `, startup)
}

// says is all that the servers of this test have written to their logs.
func (w *guard) says() string {
	w.t.Helper()
	var all strings.Builder
	names := []string{"hobnail-srv"}
	for i := range w.runs {
		names = append(names, fmt.Sprintf("hobnail-again-%d", i+1))
	}
	for _, name := range names {
		b, err := os.ReadFile(w.lab.Path(name + ".log"))
		if err != nil {
			w.t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// told counts the events of a code that the log has.
func (w *guard) told(code string) int {
	return strings.Count(w.says(), " code="+code+" ")
}

// command runs hobnail with the server's configuration, and ends the test if
// that fails.
func (s *Server) command(args ...string) string {
	s.Host.lab.t.Helper()
	return s.Host.Run(append(append([]string{hobnailBinary(s.Host.lab.t)}, args...), "-c", s.Config)...)
}

// refused runs a command that has to fail, and gives what it says.
func (s *Server) refused(args ...string) string {
	t := s.Host.lab.t
	t.Helper()
	cmd := exec.Command(hobnailBinary(t), append(args, "-c", s.Config)...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("hobnail %s: it was done: %s", commandLine(args), out)
	}
	return string(out)
}

// install is an order as "hobnail machines installs" shows it.
type install struct {
	Machine, State, Image, Note string
	Attempts, Retries           int
}

// installs are all orders, by machine.
func (s *Server) installs() map[string]install {
	s.Host.lab.t.Helper()
	var list []install
	s.ask(&list, "machines", "installs", "--json")
	all := map[string]install{}
	for _, i := range list {
		all[i.Machine] = i
	}
	return all
}

func (s *Server) checkInstall(name, state string, attempts int) {
	t := s.Host.lab.t
	t.Helper()
	if i := s.installs()[name]; i.State != state || i.Attempts != attempts {
		t.(*testing.T).Errorf("the install of %s is %q after %d attempts (%s), want %q after %d", name, i.State, i.Attempts, i.Note, state, attempts)
	}
}

// waiting is a machine as "hobnail machines pending" shows it.
type waiting struct {
	Number int
	MAC    string
}

func (s *Server) pending() []waiting {
	s.Host.lab.t.Helper()
	var all []waiting
	s.ask(&all, "machines", "pending", "--json")
	return all
}

// pc is one machine of the crowd.
type pc struct {
	w    *guard
	c    *loadClient
	uuid model.UUID
	addr netip.Addr // that it has
	bios bool
}

// pc gives the machine of a number, with a UUID of its own.
func (w *guard) pc(i int) *pc {
	c := w.g.clients[i]
	return &pc{w: w, c: c, uuid: model.UUID(fmt.Sprintf("6c616200-0000-4000-8000-%x", c.mac[:]))}
}

func (p *pc) mac() string { return net.HardwareAddr(p.c.mac[:]).String() }

func (p *pc) name() string { return fmt.Sprintf("pc-%02x%02x", p.c.mac[4], p.c.mac[5]) }

// csv is the machine's line in a file for import; uuid says whether somebody has
// written that down.
func (p *pc) csv(uuid bool) string {
	if uuid {
		return fmt.Sprintf("%s,%s,%s\n", p.name(), p.mac(), p.uuid)
	}
	return fmt.Sprintf("%s,%s,\n", p.name(), p.mac())
}

// named has the server name machines.
func (w *guard) named(uuid bool, all ...*pc) {
	w.t.Helper()
	var b strings.Builder
	b.WriteString("name,mac,uuid\n")
	for _, p := range all {
		b.WriteString(p.csv(uuid))
	}
	w.srv.command("machines", "import", w.lab.WriteFile("machines.csv", b.String()))
}

func (w *guard) arms(all ...*pc) {
	w.t.Helper()
	w.armed(fmt.Sprint(len(all)), all...)
}

func (w *guard) armed(count string, all ...*pc) {
	w.t.Helper()
	args := []string{"machines", "install", "--image", "debian", "--answer", "preseed", "--count", count}
	for _, p := range all {
		args = append(args, p.name())
	}
	w.srv.command(args...)
}

func (p *pc) arch() (string, byte) {
	if p.bios {
		return "bios", 0
	}
	return "uefi-x64", 7
}

// dhcp is what a machine does before its loader reads: firmware's exchange, then
// iPXE's own.
func (p *pc) dhcp(loader string) error {
	_, code := p.arch()
	options := append([]byte{60, 32}, fmt.Sprintf("PXEClient:Arch:%05d:UNDI:003016", code)...)
	options = append(options, 93, 2, 0, code)
	if p.uuid != "" {
		wire := p.uuid.Wire()
		options = append(append(options, 97, 17, 0), wire[:]...)
	}
	var err error
	if p.addr, err = p.w.g.address(p.c, options); err != nil || loader != "ipxe" {
		return err
	}
	p.addr, err = p.w.g.address(p.c, append(options, 77, 4, 'i', 'P', 'X', 'E'))
	return err
}

// script is what the machine's loader is told: by HTTP to iPXE, by TFTP to GRUB.
func (p *pc) script(loader string) (string, error) {
	arch, _ := p.arch()
	folder := fmt.Sprintf("m/%x/%s/", p.c.mac[:], arch)
	if loader == "ipxe" {
		status, body, err := p.get(folder + "boot.ipxe")
		if err == nil && status != 200 {
			err = fmt.Errorf("boot.ipxe: status %d", status)
		}
		return string(body), err
	}
	body, err := p.tftp(folder + "grub.cfg")
	return string(body), err
}

// boots goes from the first DISCOVER to the loader's script.
func (p *pc) boots(loader string) (script, error) {
	if err := p.dhcp(loader); err != nil {
		return script{}, err
	}
	text, err := p.script(loader)
	return readScript(text), err
}

// script is what a loader is told, as far as these tests look at it.
type script struct {
	token   string // of an attempt to install; "" for none
	kernels int    // lines that load one
	local   bool   // the local disk at once
	waits   int    // the number that the screen shows; 0: it does not wait
	text    string
}

var (
	tokenIn  = regexp.MustCompile(`install/([0-9a-f]{32})/`)
	kernelIn = regexp.MustCompile(`(?m)^\s*(?:if linux |kernel )`)
	localIn  = regexp.MustCompile(`(?m)^(?:echo Starting from the local disk|local_disk)$`)
	numberIn = regexp.MustCompile(`Its number is (\d+)`)
)

func readScript(text string) script {
	s := script{text: text, kernels: len(kernelIn.FindAllString(text, -1))}
	if m := tokenIn.FindStringSubmatch(text); m != nil {
		s.token = m[1]
	}
	if m := numberIn.FindStringSubmatch(text); m != nil {
		fmt.Sscan(m[1], &s.waits)
	}
	s.local = s.kernels == 0 && localIn.MatchString(text) && !strings.Contains(text, "menuentry") && !strings.Contains(text, "\nmenu ")
	return s
}

func (s script) String() string {
	switch {
	case s.token != "":
		return "install"
	case s.local:
		return "local disk"
	case s.waits > 0:
		return fmt.Sprintf("wait as number %d", s.waits)
	}
	return "something else:\n" + s.text
}

// expects boots the machine and wants it to be told that.
func (p *pc) expects(loader, want string) script {
	p.w.t.Helper()
	s, err := p.boots(loader)
	if err != nil {
		p.w.t.Fatalf("%s by %s: %v", p.name(), loader, err)
	}
	if s.String() != want {
		p.w.t.Errorf("%s by %s is told: %v; want %s", p.name(), loader, s, want)
	}
	return s
}

// get reads a name by HTTP from the machine's address. What cannot be had is an
// error; a status is none.
func (p *pc) get(name string, header ...string) (status int, body []byte, err error) {
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(_ context.Context, _, to string) (net.Conn, error) {
		return p.w.g.host.dial(p.addr, to)
	}}
	defer tr.CloseIdleConnections()
	r, err := http.NewRequest("GET", fmt.Sprintf("http://%s:8080/%s", p.w.srv.Host.Addr(), name), nil)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("User-Agent", "iPXE/1.0.0")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := (&http.Client{Transport: tr, Timeout: 20 * time.Second}).Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	return answer.StatusCode, body, err
}

// dial connects from an address of the host's.
func (h *Host) dial(from netip.Addr, to string) (net.Conn, error) {
	there, err := os.Open("/run/netns/" + string(h.ns))
	if err != nil {
		return nil, err
	}
	defer there.Close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer here.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: 10 * time.Second}
	conn, err := d.Dial("tcp4", to)
	if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
		panic(back) // a thread that is elsewhere would start the next process there
	}
	return conn, err
}

func (p *pc) tftp(name string) ([]byte, error) {
	var b bytes.Buffer
	_, err := p.w.g.readInto(&b, p.addr, p.w.srv.Host.Addr(), name)
	return b.Bytes(), err
}

// kernel reads the whole kernel of an attempt.
func (p *pc) kernel(token string) error { return p.whole("install/"+token+"/linux", guardKernel) }

func (p *pc) initrd(token string) error { return p.whole("install/"+token+"/initrd", guardInitrd) }

func (p *pc) whole(name string, size int) error {
	status, body, err := p.get(name)
	if err == nil && (status != 200 || len(body) != size) {
		err = fmt.Errorf("%s: status %d, %d octets", name, status, len(body))
	}
	return err
}

// answers reads the answer file of an attempt.
func (p *pc) answers(token string) (string, error) {
	status, body, err := p.get("install/" + token + "/preseed.cfg")
	if err == nil && status != 200 {
		err = fmt.Errorf("preseed.cfg: status %d: %s", status, body)
	}
	return string(body), err
}

// home calls home.
func (p *pc) home(token string) error {
	status, _, err := p.get("install/" + token + "/done")
	if err == nil && status != 200 {
		err = fmt.Errorf("the call home: status %d", status)
	}
	return err
}

// installs goes the whole way of an installer.
func (p *pc) installs(token string) error {
	if err := p.kernel(token); err != nil {
		return err
	}
	if err := p.initrd(token); err != nil {
		return err
	}
	if _, err := p.answers(token); err != nil {
		return err
	}
	return p.home(token)
}

// must ends the test on an error.
func (w *guard) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}
