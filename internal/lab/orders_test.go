//go:build lab

package lab

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"hobnail/internal/wire/dhcp4"
)

// TestNobodyIsInstalledWithoutAnOrder: whatever others were ordered, and
// whatever the menu's default is, a machine that nobody armed is not installed.
func TestNobodyIsInstalledWithoutAnOrder(t *testing.T) {
	t.Parallel()
	w := newGuard(t, 6, `
[boot]
unknown = "local"
default = "local"
timeout = "1s"
[[rule]]
name  = "one loader for all"
match = { arch = "bios" }
loader = "ipxe"
`)
	armed, named, unknown := w.pc(0), w.pc(1), w.pc(2)
	named.bios = true
	w.named(true, armed, named)
	w.arms(armed)
	for _, loader := range []string{"ipxe", "grub"} {
		unknown.expects(loader, "local disk")
		s, err := named.boots(loader)
		w.must(err)
		if s.token != "" || strings.Contains(s.text, "install/") {
			t.Errorf("a machine that nobody armed is told by %s: %s", loader, s.text)
		}
	}
	s := armed.expects("ipxe", "install")
	w.must(armed.installs(s.token))
	w.srv.checkInstall(armed.name(), "done", 1)
	unknown.expects("ipxe", "local disk")
	if n := len(w.srv.installs()); n != 1 {
		t.Errorf("%d installs are known, one was ordered", n)
	}
}

// TestInstalledOnceAndThenTheLocalDisk: the machine is in the configuration with
// an image of its own, the network stays first in its boot order; after the call
// home every loader is sent to the local disk, also by a server that was started
// anew, until a person forgets the order.
func TestInstalledOnceAndThenTheLocalDisk(t *testing.T) {
	t.Parallel()
	conf := "\n[[rule]]\nboot = \"debian\"\n"
	for i := range 2 {
		conf += fmt.Sprintf("[[machine]]\nname = \"pc-000%d\"\nmac = \"52:54:00:00:00:0%d\"\nboot = \"debian\"\n", i, i)
	}
	w := newGuard(t, 2, conf)
	uefi, bios := w.pc(0), w.pc(1)
	bios.bios = true
	w.arms(uefi, bios)
	for _, p := range []*pc{uefi, bios} {
		s := p.expects("ipxe", "install")
		w.must(p.installs(s.token))
		w.srv.checkInstall(p.name(), "done", 1)
		for _, loader := range []string{"ipxe", "grub"} {
			p.expects(loader, "local disk")
		}
	}
	w.again()
	for _, p := range []*pc{uefi, bios} {
		for _, loader := range []string{"ipxe", "grub"} {
			p.expects(loader, "local disk")
		}
		w.srv.checkInstall(p.name(), "done", 1)
	}
	// Asking for the script without a word of DHCP, at a server that knows nothing
	// of this boot.
	w.again()
	for _, loader := range []string{"ipxe", "grub"} {
		text, err := uefi.script(loader)
		w.must(err)
		if s := readScript(text); !s.local {
			t.Errorf("without DHCP %s is told: %v", loader, s)
		}
	}
	if n := w.told("install.done"); n != 2 {
		t.Errorf("install.done was told %d times", n)
	}
}

// TestTheServerDiesBetweenScriptAndCallHome: at every step, and starts again. The
// machine begins anew, or goes on where it was; what it does then counts, and the
// kernel starts no more often than was ordered.
func TestTheServerDiesBetweenScriptAndCallHome(t *testing.T) {
	t.Parallel()
	w := newGuard(t, 12, "[boot]\nunknown = \"local\"\n")
	steps := []struct {
		name   string
		do     func(p *pc, token string) error
		begun  bool // the kernel was read
		starts bool // and wholly
	}{
		{"after the script", func(*pc, string) error { return nil }, false, false},
		{"after the size of the kernel was asked for", func(p *pc, token string) error { return p.probe("install/" + token + "/linux") }, true, false},
		{"within the kernel", func(p *pc, token string) error { return p.part("install/" + token + "/linux") }, true, false},
		{"after the kernel", (*pc).kernel, true, true},
		{"after the initial RAM disk", func(p *pc, token string) error { w.must(p.kernel(token)); return p.initrd(token) }, true, true},
		{"after the answer file", func(p *pc, token string) error {
			w.must(p.kernel(token))
			w.must(p.initrd(token))
			_, err := p.answers(token)
			return err
		}, true, true},
	}
	var all []*pc
	for i := range 2 * len(steps) {
		all = append(all, w.pc(i))
	}
	w.named(true, all...)
	w.arms(all...)
	for i, step := range steps {
		goesOn, beginsAnew := all[2*i], all[2*i+1]
		var tokens []string
		for _, p := range []*pc{goesOn, beginsAnew} {
			s := p.expects("ipxe", "install")
			w.must(step.do(p, s.token))
			tokens = append(tokens, s.token)
		}
		w.again()

		// An installer that runs knows nothing of that.
		if step.starts {
			w.must(goesOn.home(tokens[0]))
		} else {
			w.must(goesOn.installs(tokens[0]))
		}
		w.srv.checkInstall(goesOn.name(), "done", 1)
		goesOn.expects("ipxe", "local disk")

		// A loader that broke off starts the machine again.
		first := 0
		if step.begun {
			first = 1
		}
		w.srv.checkInstall(beginsAnew.name(), map[bool]string{false: "armed", true: "running"}[step.begun], first)
		s := beginsAnew.expects("ipxe", "install")
		if old := tokens[1]; step.begun == (old == s.token) {
			t.Errorf("%s: the token is the same: %v", step.name, old == s.token)
		} else if step.begun && beginsAnew.kernel(old) == nil {
			t.Errorf("%s: the old token still gives a kernel", step.name)
		}
		w.must(beginsAnew.installs(s.token))
		w.srv.checkInstall(beginsAnew.name(), "done", first+1)
		beginsAnew.expects("grub", "local disk")
	}
}

// withheld says that the server was started anew between the machine's DHCP and
// its script: it has not heard the machine's UUID, and makes no guesses.
func (s script) withheld() bool { return strings.Contains(s.text, "this machine sends no UUID") }

// probe asks for a file's size by TFTP and breaks off, as EDK2 and GRUB do.
func (p *pc) probe(name string) error { return p.breaks(name, "tsize\x000\x00", 0) }

// part reads some blocks of a file and breaks off.
func (p *pc) part(name string) error { return p.breaks(name, "blksize\x001024\x00", 5) }

func (p *pc) breaks(name, option string, blocks int) error {
	conn, err := p.w.g.host.listen(netip.AddrPortFrom(p.addr, 0))
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.WriteToUDPAddrPort([]byte("\x00\x01"+name+"\x00octet\x00"+option), netip.AddrPortFrom(p.w.srv.Host.Addr(), 69))
	b := make([]byte, 2048)
	for i := range blocks + 1 {
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, peer, err := conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return fmt.Errorf("reading %s: %v", name, err)
		}
		if n > 3 && b[1] == 5 {
			return fmt.Errorf("reading %s: %s", name, b[4:n])
		}
		if i == blocks {
			conn.WriteToUDPAddrPort([]byte("\x00\x05\x00\x08User aborted the transfer\x00"), peer)
			return nil
		}
		conn.WriteToUDPAddrPort([]byte{0, 4, 0, byte(i)}, peer)
	}
	return nil
}

// TestTheServerDiesAtAnyMoment: machines that install, or break off, as it comes,
// while the server is killed again and again. No order starts more kernels than
// it allows, and who was told that its call home is heard starts its own disk.
func TestTheServerDiesAtAnyMoment(t *testing.T) {
	t.Parallel()
	const machines, kills = 16, 8
	w := newGuard(t, machines, "[boot]\nunknown = \"local\"\n")
	var all []*pc
	for i := range machines {
		all = append(all, w.pc(i))
	}
	w.named(true, all...)
	w.arms(all...)
	starts, heard := make([]int, machines), make([]bool, machines)
	var wg sync.WaitGroup
	for i, p := range all {
		wg.Go(func() {
			for range 200 {
				s, err := p.boots([]string{"ipxe", "grub"}[rand.IntN(2)])
				if err != nil {
					time.Sleep(20 * time.Millisecond) // the server is not there: firmware tries again
					continue
				}
				if s.local && s.withheld() {
					continue // a person switches it on again
				}
				if s.local {
					return
				}
				if p.kernel(s.token) != nil {
					continue
				}
				starts[i]++
				if rand.IntN(3) == 0 {
					continue // it dies, and the machine is switched on again
				}
				for range 50 { // installers try for a while
					if p.home(s.token) == nil {
						heard[i] = true
						break
					}
					time.Sleep(40 * time.Millisecond)
				}
			}
			t.Errorf("%s never came to its own disk", p.name())
		})
	}
	for range kills {
		time.Sleep(time.Duration(100+rand.IntN(500)) * time.Millisecond)
		w.again()
	}
	wg.Wait()
	again := 0
	for i, p := range all {
		state := w.srv.installs()[p.name()]
		switch {
		case starts[i] > 2 || state.Attempts > 2:
			t.Errorf("%s started %d kernels in %d attempts; one and another were ordered", p.name(), starts[i], state.Attempts)
		case starts[i] > state.Attempts:
			t.Errorf("%s started %d kernels, counted are %d", p.name(), starts[i], state.Attempts)
		case heard[i] && state.State != "done", !heard[i] && state.State != "gave-up":
			t.Errorf("%s: call home heard %v, and its install is %s", p.name(), heard[i], state.State)
		}
		if state.Attempts > 1 {
			again++
		}
	}
	t.Logf("%d machines, %d kills, %d began a second time", machines, kills, again)
}

// TestTheCallHomeIsLostForEver: the order is given up, the machine goes to its
// own disk, and log and list say so, once.
func TestTheCallHomeIsLostForEver(t *testing.T) {
	t.Parallel()
	w := newGuard(t, 2, "[boot]\nunknown = \"debian\"\n")
	p, patient := w.pc(0), w.pc(1)
	w.named(true, p, patient)
	w.arms(p)
	w.srv.command("machines", "install", patient.name(), "--image", "debian", "--answer", "preseed", "--retries", "3")
	kernels := func(p *pc, most int) (n int) {
		for range most + 2 {
			s, err := p.boots("ipxe")
			w.must(err)
			if s.local {
				return n
			}
			w.must(p.kernel(s.token))
			n++
		}
		return n
	}
	if n := kernels(p, 2); n != 2 {
		t.Errorf("%d kernels were started, ordered is one and another", n)
	}
	if n := kernels(patient, 4); n != 4 {
		t.Errorf("with three retries %d kernels were started", n)
	}
	p.expects("grub", "local disk")
	w.srv.checkInstall(p.name(), "gave-up", 2)
	if list := w.srv.command("machines", "installs"); !strings.Contains(list, "without a call home") {
		t.Errorf("the list does not say why:\n%s", list)
	}
	w.again()
	p.expects("ipxe", "local disk")
	if again, gaveUp := w.told("install.again"), w.told("install.gave-up"); again != 1+3 || gaveUp != 2 {
		t.Errorf("told were install.again %d times, install.gave-up %d times; want 4 and 2", again, gaveUp)
	}
	// The installer was only slow: a late word still ends it well.
	w.srv.checkInstall(p.name(), "gave-up", 2)
}

// TestADockIsNotTheMachine: another machine has the armed one's MAC address.
func TestADockIsNotTheMachine(t *testing.T) {
	t.Parallel()
	w := newGuard(t, 4, "[boot]\nunknown = \"local\"\n[[rule]]\nboot = \"local\"\n")
	for i, written := range []bool{true, false} {
		right := w.pc(2 * i)
		dock := w.pc(2 * i)
		dock.uuid = "99999999-0000-4000-8000-525400000099"
		silent := w.pc(2 * i)
		silent.uuid = ""
		w.named(written, right)
		if !written {
			right.expects("ipxe", "local disk") // so its UUID is known
			if !poll(10*time.Second, func() bool {
				return strings.Contains(w.srv.command("machines", "show", right.name(), "--json"), string(right.uuid))
			}) {
				t.Fatalf("the UUID was not learned: %s", w.srv.command("machines", "show", right.name(), "--json"))
			}
		}
		w.arms(right)
		for range 2 {
			for _, other := range []*pc{dock, silent} {
				for _, loader := range []string{"ipxe", "grub"} {
					other.expects(loader, "local disk")
				}
			}
		}
		w.srv.checkInstall(right.name(), "armed", 0)
		if n := w.told("machine.identity"); n != i+1 {
			t.Errorf("machine.identity was told %d times, want %d", n, i+1)
		}
		if n := w.told("install.not-for-it"); n != i+1 {
			t.Errorf("install.not-for-it was told %d times, want %d", n, i+1)
		}
		if written {
			s := right.expects("ipxe", "install")
			w.must(right.installs(s.token))
			right.expects("grub", "local disk")
			dock.expects("ipxe", "local disk")
			w.srv.checkInstall(right.name(), "done", 1)
		}
	}
	// Where nobody has written down which UUID is meant, two that were seen are a
	// doubt, and nobody is installed until a person says.
	right := w.pc(2)
	right.expects("ipxe", "local disk")
	w.srv.command("machines", "set", right.name(), "--uuid", string(right.uuid))
	s := right.expects("ipxe", "install")
	w.must(right.installs(s.token))
	w.srv.checkInstall(right.name(), "done", 1)
}

// TestTwoServersWithStoresOfTheirOwn: a machine is armed on one; the other is
// quicker. It boots from its own disk, and stays armed where it is; later it is
// installed, once.
func TestTwoServersWithStoresOfTheirOwn(t *testing.T) {
	t.Parallel()
	l := New(t)
	lan := l.Link("lan")
	var servers []*Server
	for i, addr := range []string{"10.64.0.2", "10.64.0.3"} {
		h := l.Host(fmt.Sprintf("srv%d", i+1), lan, addr+"/12", "")
		servers = append(servers, h.Hobnail(guardConf(l, fmt.Sprintf("share = \"%d/2\"", i+1), "[boot]\nunknown = \"local\"\n")))
	}
	pcHost := l.Host("pc", lan, "10.64.0.9/12", "")
	r := pcHost.rom(edk2x64, "52:54:00:00:00:01")
	r.opts = append(r.opts, dhcp4.Option{Code: 97, Data: append([]byte{0}, make([]byte, 15)...)})
	r.opts[len(r.opts)-1].Data = append(r.opts[len(r.opts)-1].Data, 7)
	r.opts = append(r.opts, dhcp4.Option{Code: dhcp4.OptUserClass, Data: []byte("iPXE")})
	for _, s := range servers {
		s.command("machines", "add", "box", "--mac", "52:54:00:00:00:01")
	}
	servers[0].command("machines", "install", "box", "--image", "debian", "--answer", "preseed")
	boots := func(by int) script {
		t.Helper()
		addr := servers[by].Host.Addr().String()
		if !r.discover(3, func() bool { return r.of(addr) != nil }) {
			t.Fatalf("%s offers nothing", addr)
		}
		if ack := r.take(r.of(addr)); ack == nil || ack.Type() != dhcp4.Ack {
			t.Fatalf("%s acknowledges nothing", addr)
		}
		pcHost.Run("ip", "route", "replace", "10.64.0.0/12", "dev", "eth0")
		status, text := r.get("http://" + addr + ":8080/m/525400000001/uefi-x64/boot.ipxe")
		if status != 200 {
			t.Fatalf("%s gives no script: %d", addr, status)
		}
		return readScript(text)
	}
	state := func(by int, want string, attempts int) {
		t.Helper()
		if i := servers[by].installs()["box"]; i.State != want || i.Attempts != attempts {
			t.Errorf("srv%d says %q after %d attempts, want %q after %d", by+1, i.State, i.Attempts, want, attempts)
		}
	}
	noOrder := func(s script) {
		t.Helper()
		if s.token != "" || strings.Contains(s.text, "install/") {
			t.Errorf("the server without an order says: %s", s.text)
		}
	}
	for range 2 {
		noOrder(boots(1))
		state(0, "armed", 0)
		state(1, "", 0)
	}
	s := boots(0)
	if s.token == "" {
		t.Fatalf("the right server says: %v", s)
	}
	read := func(by int, name string) int {
		status, _ := r.get(fmt.Sprintf("http://%s:8080/install/%s/%s", servers[by].Host.Addr(), s.token, name))
		return status
	}
	for _, name := range []string{"linux", "initrd", "preseed.cfg", "done"} {
		if status := read(1, name); status != 404 {
			t.Errorf("the other server takes the token for %s: %d", name, status)
		}
	}
	for _, name := range []string{"linux", "initrd", "preseed.cfg", "done"} {
		if status := read(0, name); status != 200 {
			t.Errorf("%s: %d", name, status)
		}
	}
	state(0, "done", 1)
	for range 2 {
		noOrder(boots(1))
		if s := boots(0); !s.local {
			t.Errorf("after it was installed the right server says: %v", s)
		}
	}
	state(0, "done", 1)
}

// TestTokens: none that is not the newest attempt's own gives anything, by TFTP
// or HTTP, however it is written, and nothing changes by it.
func TestTokens(t *testing.T) {
	t.Parallel()
	w := newGuard(t, 5, "[boot]\nunknown = \"local\"\n")
	again, over, taken, other := w.pc(0), w.pc(1), w.pc(2), w.pc(3)
	w.named(true, again, over, taken, other)
	w.arms(again, over, taken, other)
	tokens := map[*pc]string{}
	for _, p := range []*pc{again, over, taken, other} {
		tokens[p] = p.expects("ipxe", "install").token
	}
	w.must(again.kernel(tokens[again]))
	newest := again.expects("ipxe", "install").token
	w.must(over.installs(tokens[over]))
	w.srv.command("machines", "cancel", taken.name())

	type want struct{ again, over, taken, other string }
	states := func() want {
		all := w.srv.installs()
		s := func(p *pc) string { i := all[p.name()]; return fmt.Sprintf("%s %d %s", i.State, i.Attempts, i.Note) }
		return want{s(again), s(over), s(taken), s(other)}
	}
	before := states()
	old := tokens[other]
	turned := []byte(old)
	turned[31] = map[bool]byte{true: '0', false: '1'}[turned[31] != '0']
	bad := map[string]string{
		"an old attempt's":     tokens[again],
		"one that is done":     tokens[over],
		"a cancelled order's":  tokens[taken],
		"one digit is another": string(turned),
		"nobody's":             strings.Repeat("0", 32),
		"short":                old[:31],
		"long":                 old + "0",
		"capitals":             strings.ToUpper(old),
		"empty":                "",
		"a dot":                ".",
		"two dots":             "..",
		"a slash in it":        old[:16] + "/" + old[16:],
		"percent":              "%" + old[1:],
		"a wildcard":           strings.Repeat("?", 32),
		"a key of the store":   "../install/" + other.name(),
	}
	if strings.ToUpper(old) == old {
		delete(bad, "capitals") // digits alone
	}
	p := w.pc(4)
	w.must(p.dhcp("ipxe"))
	for what, token := range bad {
		for _, file := range []string{"linux", "initrd", "preseed.cfg"} {
			name := "install/" + token + "/" + file
			if status, body, err := p.get(strings.ReplaceAll(name, "%", "%25")); err != nil || status == 200 {
				t.Errorf("%s gives %s by HTTP: %d, %d octets, %v", what, file, status, len(body), err)
			}
			if body, err := p.tftp(name); err == nil {
				t.Errorf("%s gives %s by TFTP: %d octets", what, file, len(body))
			}
		}
	}
	for _, tail := range []string{"done", "failed", "step/x", "log", "done/..", "./done", "//done"} {
		for what, token := range bad {
			if what == "an old attempt's" || what == "one that is done" {
				continue // their installers may be late, or say it twice
			}
			name := "install/" + token + "/" + tail
			if status, _, err := p.get(strings.ReplaceAll(name, "%", "%25")); err == nil && status == 200 {
				t.Errorf("%s says %s by HTTP", what, tail)
			}
			if _, err := p.tftp(name); err == nil {
				t.Errorf("%s says %s by TFTP", what, tail)
			}
		}
	}
	// The call home of an attempt whose kernel nobody read.
	for _, tail := range []string{"done", "failed", "step/x", "done\xff", "done\xff\xff"} {
		if _, err := p.tftp("install/" + old + "/" + tail); err == nil {
			t.Errorf("%s is taken before the kernel was read", tail)
		}
	}
	// Names that mean nothing, with a token that is good.
	for _, name := range []string{
		"install/" + newest + "/../" + newest + "/linux", "install/" + newest + "/linux\x01", "install/" + newest + "/lin\xffux",
		"install/" + newest + "/", "install/" + newest, "install/" + newest + "/hobnail.db", "install/" + newest + "/debian",
		"install/" + newest + "/linux/x", "install/" + newest + "/preseed.cfg/x", "img/../install/" + newest + "/linux",
	} {
		if body, err := p.tftp(name); err == nil {
			t.Errorf("%q is there by TFTP: %d octets", name, len(body))
		}
	}
	if after := states(); after != before {
		t.Errorf("something changed: %+v, before %+v", after, before)
	}
	// 0xff behind a name is what firmware reads on into: the name is good.
	if body, err := p.tftp("install/" + newest + "/linux\xff"); err != nil || len(body) != guardKernel {
		t.Errorf("with 0xff behind it the kernel has %d octets: %v", len(body), err)
	}
	w.srv.checkInstall(again.name(), "running", 2)
	w.must(again.home(newest))
	w.must(again.home(newest)) // the answer was lost
	w.srv.checkInstall(again.name(), "done", 2)
}

// TestAKernelReadOftenIsOneAttempt: the size asked for, transfers that break off,
// both protocols, ranges, ten at once.
func TestAKernelReadOftenIsOneAttempt(t *testing.T) {
	t.Parallel()
	w := newGuard(t, 1, "[boot]\nunknown = \"local\"\n")
	p := w.pc(0)
	w.named(true, p)
	w.arms(p)
	token := p.expects("ipxe", "install").token
	name := "install/" + token + "/linux"
	w.must(p.probe(name))
	w.srv.checkInstall(p.name(), "running", 1)
	w.must(p.part(name))
	w.must(p.part(name))
	if b, err := p.tftp(name); err != nil || len(b) != guardKernel {
		t.Errorf("%d octets, %v", len(b), err)
	}
	for _, r := range []string{"bytes=0-0", "bytes=1000-1999", "bytes=-5", "bytes=140000-"} {
		if status, b, err := p.get(name, "Range", r); status != 206 || err != nil {
			t.Errorf("%s: %d, %d octets, %v", r, status, len(b), err)
		}
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := p.kernel(token); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.srv.checkInstall(p.name(), "running", 1)
	if n := w.told("install.begun"); n != 1 {
		t.Errorf("install.begun was told %d times", n)
	}
}
