//go:build lab

package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestWaitsForApproval: real machines show their number, are approved by it, and
// go on to a kernel without starting again.
func TestWaitsForApproval(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		kind   Kind
		banner string // of its loader, once a start
		shows  []string
	}{
		{"bios-ipxe", BIOS, ipxe, []string{kernelLine}},
		{"uefi-x64-secure-boot-grub", UEFIx64Secure, grub, []string{kernelLine, `secureboot: Secure boot enabled`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			Slot(t)
			l := New(t)
			lan := l.Link("lan")
			s, record := sameLink(l, lan, "\n[boot]\nunknown = \"approve\"\n"+gives+images)
			other := l.Host("other", lan, otherAddr+"/24", "")
			for i := range 6 { // so that the number says something
				other.Run("curl", "-sf", "-o", "/dev/null", fmt.Sprintf("http://%s:8080/m/0200000000%02x/bios/boot.ipxe", localAddr, i))
			}
			m := l.Machine(tc.kind, lan, MachineOpts{MAC: machineMAC})
			m.Expect(tc.banner)
			screen := m.Expect(`Its number is \d+`)
			starts := len(regexp.MustCompile(tc.banner).FindAllString(m.Console(), -1))
			number := strings.TrimPrefix(screen, "Its number is ")
			m.Expect(`hobnail machines approve ` + number + `=NAME`)
			for _, p := range s.pending() {
				if (p.MAC == machineMAC) != (strconv.Itoa(p.Number) == number) {
					t.Errorf("the screen of %s shows %s, and number %d is %s", machineMAC, number, p.Number, p.MAC)
				}
			}
			if m.Shows(kernelLine, 8*time.Second) {
				t.Fatal("it did not wait")
			}
			s.command("machines", "approve", number+"=box", "--boot", "kernel")
			for _, pattern := range tc.shows {
				m.Expect(pattern)
			}
			if n := len(regexp.MustCompile(tc.banner).FindAllString(m.Console(), -1)); n != starts {
				t.Errorf("its loader started %d times while it waited and went on", n-starts)
			}
			m.Stop()
			record.CheckDHCP(s.Host.Addr())
			if left := s.pending(); len(left) != 6 {
				t.Errorf("%d machines wait still, want the 6 others", len(left))
			}
		})
	}
}

// TestApprovedAndDenied: by number, while the machine asks every few seconds.
func TestApprovedAndDenied(t *testing.T) {
	t.Parallel()
	w := newGuard(t, 5, "[boot]\nunknown = \"approve\"\n")
	yes, no, later, grubs := w.pc(0), w.pc(1), w.pc(2), w.pc(3)
	for i, p := range []*pc{yes, no, later, grubs} {
		for _, loader := range []string{"ipxe", "grub"} {
			p.expects(loader, fmt.Sprintf("wait as number %d", i+1))
		}
	}
	w.again()
	no.expects("ipxe", "wait as number 2")
	said := w.srv.refused("machines", "approve", "9=nobody")
	if !strings.Contains(said, "no machine that waits is 9") {
		t.Errorf("a number that nobody has: %s", said)
	}
	w.srv.refused("machines", "approve", "1=one", "9=nobody") // all or none
	yes.expects("ipxe", "wait as number 1")
	w.srv.command("machines", "approve", "1=yes", "--boot", "debian")
	if s, err := yes.script("ipxe"); err != nil || readScript(s).kernels != 1 || strings.Contains(s, "install/") {
		t.Errorf("after it was approved it is told: %v %s", err, s)
	}
	w.srv.command("machines", "deny", "2", "--for", "24h")
	if status, _, err := no.get(fmt.Sprintf("m/%x/uefi-x64/boot.ipxe", no.c.mac[:])); err != nil || status != 404 {
		t.Errorf("a machine that was denied gets %d, %v", status, err)
	}
	later.expects("ipxe", "wait as number 3")
	for _, p := range w.srv.pending() {
		if p.MAC == no.mac() || p.MAC == yes.mac() {
			t.Errorf("%s waits still", p.MAC)
		}
	}
	w.srv.command("machines", "deny", "--lift", no.mac())
	if s := no.expects("ipxe", "wait as number 1"); s.token != "" {
		t.Error("it is installed")
	}

	// GRUB asks only whether it is to go on. A name that does not fit its screen any
	// more has it read that again.
	ready := func(p *pc, number int) bool {
		text, err := p.tftp(fmt.Sprintf("m/%x/uefi-x64/ready-%d", p.c.mac[:], number))
		w.must(err)
		return string(text) == "set waits=0\n"
	}
	if ready(grubs, 4) || !ready(grubs, 3) {
		t.Errorf("GRUB with number 4 goes on: %v; with number 3 on its screen it stays: %v", ready(grubs, 4), !ready(grubs, 3))
	}
	w.srv.command("machines", "approve", "4=grubs", "--boot", "local")
	if !ready(grubs, 4) {
		t.Error("GRUB does not go on after it was approved")
	}
	grubs.expects("grub", "local disk")
}

// TestManyWaitAtOnce: 300 machines ask at once, each has a number of its own; all
// are approved by it, each gets what was said of it.
func TestManyWaitAtOnce(t *testing.T) {
	t.Parallel()
	const machines = 300
	w := newGuard(t, machines, "[boot]\nunknown = \"approve\"\n")
	numbers := w.eachAtOnce(machines, func(p *pc) (int, error) {
		s, err := p.boots("ipxe")
		return s.waits, err
	})
	by := map[int]*pc{}
	args := []string{"machines", "approve", "--boot", "local"}
	for i, n := range numbers {
		if n < 1 || n > machines || by[n] != nil {
			t.Errorf("machine %d has number %d on its screen, as another has", i, n)
		}
		by[n] = w.pc(i)
		args = append(args, fmt.Sprintf("%d=%s", n, w.pc(i).name()))
	}
	for _, p := range w.srv.pending() {
		if by[p.Number] == nil || by[p.Number].mac() != p.MAC {
			t.Errorf("number %d is %s in the list", p.Number, p.MAC)
		}
	}
	w.srv.command(args...)
	var all []struct {
		Name string
		MAC  []string
	}
	w.srv.ask(&all, "machines", "list", "--json")
	for _, m := range all {
		if len(m.MAC) != 1 || m.Name != "pc-"+strings.ReplaceAll(m.MAC[0][12:], ":", "") {
			t.Errorf("%s is %v", m.Name, m.MAC)
		}
	}
	if len(all) != machines || len(w.srv.pending()) != 0 {
		t.Errorf("%d are named, %d wait", len(all), len(w.srv.pending()))
	}
}

// eachAtOnce has many machines do something, 32 at a time.
func (w *guard) eachAtOnce(n int, do func(*pc) (int, error)) []int {
	out := make([]int, n)
	turns := make(chan int)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for i := range turns {
				var err error
				if out[i], err = do(w.pc(i)); err != nil {
					w.t.Errorf("machine %d: %v", i, err)
				}
			}
		})
	}
	for i := range n {
		turns <- i
	}
	close(turns)
	wg.Wait()
	return out
}

// TestAFloodOfInventedMachines: more of them than may wait ask for a script; the
// list stays bounded, and who goes on asking keeps its place and its number.
// That ten thousand do not push it out is a test of package machines.
func TestAFloodOfInventedMachines(t *testing.T) {
	t.Parallel()
	const flood = 1500
	w := newGuard(t, 1, "[boot]\nunknown = \"approve\"\n")
	p := w.pc(0)
	p.expects("ipxe", "wait as number 1")
	begun := time.Now()
	var wg sync.WaitGroup
	for part := range 8 {
		wg.Go(func() {
			for i := part; i < flood; i += 8 {
				p.get(fmt.Sprintf("m/02%010x/bios/boot.ipxe", i))
			}
		})
	}
	for range 5 {
		if s, err := p.script("ipxe"); err != nil || readScript(s).waits != 1 {
			t.Errorf("within the flood it is told: %v, %v", readScript(s), err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	wg.Wait()
	all := w.srv.pending()
	t.Logf("%d invented machines in %v, %d wait", flood, time.Since(begun).Round(time.Second), len(all))
	if len(all) == 0 || len(all) > 10000 || all[0].MAC != p.mac() {
		t.Errorf("%d wait, the first is %v", len(all), all[0])
	}
}

// TestTheCountFence: more than 25 machines, or than a tenth, need their number,
// on the command line or typed at a terminal; a wrong one changes nothing.
func TestTheCountFence(t *testing.T) {
	t.Parallel()
	w := newGuard(t, 300, "[boot]\nunknown = \"local\"\n")
	name := func(all []*pc) (names []string) {
		for _, p := range all {
			names = append(names, p.name())
		}
		return names
	}
	var all []*pc
	for i := range 300 {
		all = append(all, w.pc(i))
	}
	w.named(true, all[:100]...)
	order := func(names []string, more ...string) []string {
		return append(append([]string{"machines", "install", "--image", "debian", "--answer", "preseed"}, more...), names...)
	}
	ordered := func(want int) {
		t.Helper()
		if n := len(w.srv.installs()); n != want {
			t.Errorf("%d installs are ordered, want %d", n, want)
		}
	}
	// A tenth of a hundred.
	for _, more := range [][]string{nil, {"--count", "10"}, {"--count", "12"}, {"--count", "1"}, {"--count", "100"}, {"--count", "-11"}} {
		w.srv.refused(order(name(all[:11]), more...)...)
		ordered(0)
	}
	if said := w.srv.refused(order(name(all[:11]))...); !strings.Contains(said, "11 of 100") || !strings.Contains(said, "--count 11") {
		t.Errorf("it says: %s", said)
	}
	w.srv.refused(order([]string{"pc-*"})...)
	w.srv.refused(order(nil, "--tag", "none")...)
	ordered(0)
	// Names said twice are one machine; patterns and names together count once.
	w.srv.command(order(append(name(all[:10]), name(all[:10])...))...)
	ordered(10)
	w.srv.command("machines", "cancel", "pc-*")
	w.srv.command("machines", "cancel", "pc-*")
	ordered(0)
	w.srv.command(order(name(all[:11]), "--count", "11")...)
	ordered(11)
	w.srv.command("machines", "cancel", "pc-*")
	w.srv.command("machines", "cancel", "pc-*")
	// 26 of 300, which is less than a tenth.
	w.named(true, all...)
	w.srv.refused(order(name(all[:26]))...)
	w.srv.refused(order(name(all[:26]), "--count", "25")...)
	ordered(0)
	w.srv.command(order(name(all[:25]))...)
	ordered(25)
	w.srv.command("machines", "cancel", "pc-*")
	w.srv.command("machines", "cancel", "pc-*")

	// At a terminal the number is asked for.
	for typed, want := range map[string]int{"25": 0, "27": 0, "0": 0, "-26": 0, "y": 0, "yes": 0, "": 0, "26 machines": 0, "026x": 0, "26": 26} {
		said, failed := w.srv.atTerminal(typed, order(name(all[:26]))...)
		if !strings.Contains(said, "26 of 300") || failed != (want == 0) {
			t.Errorf("%q typed: failed %v, want %v: %s", typed, failed, want == 0, said)
		}
		ordered(want)
		if want > 0 {
			w.srv.command("machines", "cancel", "pc-*")
			w.srv.command("machines", "cancel", "pc-*")
		}
	}
	// One machine alone never needs it.
	w.srv.command("machines", "install", all[0].name(), "--image", "debian", "--answer", "preseed")
	ordered(1)
}

// atTerminal runs hobnail at a terminal of its own, where somebody types a line.
func (s *Server) atTerminal(typed string, args ...string) (said string, failed bool) {
	t := s.Host.lab.t
	t.Helper()
	command := commandLine(append(append([]string{hobnailBinary(t)}, args...), "-c", s.Config))
	cmd := exec.Command("script", "-q", "-e", "-c", command, "/dev/null")
	cmd.Stdin = strings.NewReader(typed + "\n")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err != nil
}

// TestFiveHundredInstallAtOnce: each reads its own script and its own answer
// file, with its name and its token, and no other's; the simulator says of each
// what the server said.
func TestFiveHundredInstallAtOnce(t *testing.T) {
	t.Parallel()
	const machines = 500
	w := newGuard(t, machines+1, "[boot]\nunknown = \"local\"\n")
	var all []*pc
	for i := range machines {
		all = append(all, w.pc(i))
	}
	w.named(true, all...)
	w.arms(all...)
	for _, p := range []*pc{all[0], all[machines-1], w.pc(machines)} {
		var got struct {
			Target, Machine string
			Reasons         []struct{ Text string }
		}
		w.srv.ask(&got, "simulate", "--json", "--arch", "uefi-x64", "--mac", p.mac(), "--uuid", string(p.uuid))
		want, name := "debian", p.name()
		if p.c == w.g.clients[machines] {
			want, name = "local", ""
		}
		if got.Target != want || got.Machine != name {
			t.Errorf("simulate says that %s boots %q and is %q: %+v", p.mac(), got.Target, got.Machine, got.Reasons)
		}
	}
	var mu sync.Mutex
	owner := map[string]string{}
	begun := time.Now()
	w.eachAtOnce(machines, func(p *pc) (int, error) {
		s, err := p.boots([]string{"ipxe", "grub"}[p.c.mac[5]%2])
		if err != nil {
			return 0, err
		}
		mu.Lock()
		if who := owner[s.token]; who != "" || s.token == "" {
			t.Errorf("the token of %s is that of %q: %v", p.name(), who, s)
		}
		owner[s.token] = p.name()
		mu.Unlock()
		if !strings.Contains(s.text, "url=http://10.64.0.2:8080/install/"+s.token+"/preseed.cfg") {
			t.Errorf("%s is told: %s", p.name(), s.text)
		}
		if err := p.kernel(s.token); err != nil {
			return 0, err
		}
		text, err := p.answers(s.token)
		if err != nil {
			return 0, err
		}
		checkAnswer(t, text, p.name(), s.token)
		return 0, p.home(s.token)
	})
	t.Logf("%d machines in %v", machines, time.Since(begun).Round(time.Second))
	for name, i := range w.srv.installs() {
		if i.State != "done" || i.Attempts != 1 {
			t.Errorf("the install of %s is %s after %d attempts", name, i.State, i.Attempts)
		}
	}
}

var (
	hostName = regexp.MustCompile(`pc-[0-9a-f]{4}`)
	anyToken = regexp.MustCompile(`install/([0-9a-f]{32})`)
)

// checkAnswer: an answer file names this machine and this token, and no other.
func checkAnswer(t *testing.T, text, name, token string) {
	t.Helper()
	names, tokens := hostName.FindAllString(text, -1), anyToken.FindAllStringSubmatch(text, -1)
	if len(names) == 0 || len(tokens) == 0 {
		t.Errorf("the answer file of %s names %d machines and %d tokens:\n%s", name, len(names), len(tokens), text)
	}
	for _, n := range names {
		if n != name {
			t.Errorf("the answer file of %s names %s", name, n)
		}
	}
	for _, m := range tokens {
		if m[1] != token {
			t.Errorf("the answer file of %s has the token %s, its own is %s", name, m[1], token)
		}
	}
}

// TestTenThousandMachines: every command of a store with so many, beside the
// server that has it open.
func TestTenThousandMachines(t *testing.T) {
	const machines, slow = 10000, 5 * time.Second
	w := newGuard(t, 1, "[boot]\nunknown = \"approve\"\n")
	var b strings.Builder
	b.WriteString("name,mac,uuid,serial,tags\n")
	for i := range machines {
		fmt.Fprintf(&b, "m-%05d,02:00:00:%02x:%02x:%02x,6c616200-0000-4000-8001-%012x,SN%05d,room-%d\n", i, i>>16, i>>8&255, i&255, i, i, i%100)
	}
	file := w.lab.WriteFile("many.csv", b.String())
	w.pc(0).expects("ipxe", "wait as number 1")
	quick := func(args ...string) string {
		t.Helper()
		begun, before := time.Now(), processorTime(t, w.srv.Pid())
		cmd := exec.Command(hobnailBinary(t), append(args, "-c", w.srv.Config)...)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		took := time.Since(begun)
		if err != nil {
			t.Fatalf("hobnail %s: %v: %s", commandLine(args), err, said.String())
		}
		used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime() + processorTime(t, w.srv.Pid()) - before
		t.Logf("%-60.60s %5.2f s, %5.2f s of processor time", strings.Join(args, " "), took.Seconds(), used.Seconds())
		// On a machine that has other work to do the clock says nothing of hobnail.
		if used > slow || took > slow && took < 2*used {
			t.Errorf("hobnail %s took %v, %v of processor time", commandLine(args), took, used)
		}
		return strings.TrimRight(string(out), "\n")
	}
	quick("machines", "import", file)
	quick("machines", "list")
	quick("machines", "list", "--json")
	quick("machines", "list", "m-0999*")
	quick("machines", "show", "m-05000")
	quick("machines", "pending")
	quick("machines", "install", "m-05000", "--image", "debian", "--answer", "preseed")
	quick("machines", "show", "m-05000", "--answer")
	// m-05000 is in room-0.
	quick("machines", "install", "--tag", "room-7", "--image", "debian", "--answer", "preseed", "--count", "100")
	var installs []json.RawMessage
	if err := json.Unmarshal([]byte(quick("machines", "installs", "--json")), &installs); err != nil || len(installs) != 101 {
		t.Errorf("%d installs are ordered, want 101: %v", len(installs), err)
	}
	quick("machines", "set", "m-05000", "--notes", "by the window")
	quick("machines", "approve", "1=late")
	exported := w.lab.WriteFile("exported.csv", quick("machines", "export")+"\n")
	if said := quick("machines", "import", exported); !strings.Contains(said, "0 machines added, 0 changed, 10001 left as they are") {
		t.Errorf("what was exported is imported again: %s", said)
	}
	quick("machines", "cancel", "m-05000")
	quick("simulate", "--arch", "uefi-x64", "--mac", "02:00:00:00:13:88", "--json")
	quick("machines", "remove", "late")
	w.pc(0).expects("ipxe", "wait as number 1")
}
