package web

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
	"hobnail/internal/history"
	"hobnail/internal/model"
	httpserve "hobnail/internal/serve/http"
	"hobnail/internal/verdict"
)

// keeper is a small history.Keeper: boots in memory.
type keeper struct {
	mu    sync.Mutex
	boots map[string]*model.Boot
	subs  map[chan *model.Boot]bool
	fault error
	depth int // of the channels that Watch makes; 0: 256
}

func newKeeper(boots ...*model.Boot) *keeper {
	k := &keeper{boots: map[string]*model.Boot{}, subs: map[chan *model.Boot]bool{}}
	for _, b := range boots {
		k.boots[b.ID] = b
	}
	return k
}

func (k *keeper) List(want func(*model.Boot) bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []*model.Boot
	for _, b := range k.boots {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b *model.Boot) int { return strings.Compare(b.ID, a.ID) })
	for _, b := range all {
		short := *b
		short.Steps = nil
		if !want(&short) {
			break
		}
	}
	return k.fault
}

func (k *keeper) Show(id string) (*model.Boot, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if b, ok := k.boots[id]; ok {
		c := *b
		return &c, nil
	}
	return nil, history.ErrNotFound
}

func (k *keeper) Watch() (<-chan *model.Boot, func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	depth := k.depth
	if depth == 0 {
		depth = 256
	}
	c := make(chan *model.Boot, depth)
	k.subs[c] = true
	return c, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.subs, c)
	}
}

func (k *keeper) watchers() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.subs)
}

// set stores a boot and tells those who watch.
func (k *keeper) set(b *model.Boot) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.boots[b.ID] = b
	for c := range k.subs {
		select {
		case c <- b:
		default:
		}
	}
}

// now is when the tests' boots were a while ago.
func now() time.Time { return time.Date(2026, 11, 25, 15, 4, 5, 0, time.UTC) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// story makes boots, a step after the other.
type story struct {
	b  *model.Boot
	at time.Time
}

func begin(ago time.Duration, mac model.MAC, name, place string, arch model.Arch) *story {
	t := now().Add(-ago)
	return &story{at: t, b: &model.Boot{
		ID:  t.Format("20060102T150405.000") + "-" + strings.ReplaceAll(string(mac), ":", ""),
		MAC: mac, Name: name, Place: place, Arch: arch, Firm: model.FirmwareUEFI, Start: t, Last: t,
		Model: string(mac)[:8] + " " + string(arch) + " PXEClient:Arch:00007:UNDI:003016",
	}}
}

func (s *story) add(after time.Duration, st model.Step) *story {
	s.at = s.at.Add(after)
	st.Time = s.at
	if st.File != nil && st.File.Duration > 0 {
		s.at = s.at.Add(st.File.Duration)
		st.Last = s.at
	}
	s.b.Steps = append(s.b.Steps, st)
	s.b.Last = s.at
	return s
}

func (s *story) discover(after time.Duration, stage string, times int) *story {
	st := model.Step{Kind: model.StepDiscover, DHCP: &model.DHCPStep{Xid: 0x1a2b3c4d, Stage: stage, Class: "PXEClient", Arch: s.b.Arch, Vendor: "PXEClient:Arch:00007:UNDI:003016"}}
	s.add(after, st)
	if times > 1 {
		last := &s.b.Steps[len(s.b.Steps)-1]
		last.Count, last.Last = times, last.Time.Add(28*time.Second)
		s.at, s.b.Last = last.Last, last.Last
	}
	return s
}

func (s *story) offer(after time.Duration, server, address, file string) *story {
	ours := server == "10.77.1.2"
	d := &model.DHCPStep{Xid: 0x1a2b3c4d, File: file, NextServer: addr(server)}
	if address != "" {
		d.Address = addr(address)
	}
	if ours {
		d.Target, d.Loader, d.Style = "menu", "shim", "merge"
		d.Reasons = []string{
			"relay: relay 10.77.2.1 is in subnet 10.77.2.0/24, mode merge (hobnail.toml:12)",
			"target: nobody named this machine and no rule matches: menu (built-in default)",
			"program: shimx64.efi starts with Secure Boot on or off, and DHCP never says which (built-in)",
		}
	}
	return s.add(after, model.Step{Kind: model.StepOffer, Server: addr(server), Ours: ours, DHCP: d})
}

func (s *story) lease(server, address string) *story {
	d := &model.DHCPStep{Xid: 0x1a2b3c4d, Stage: "firmware", Class: "PXEClient", Arch: s.b.Arch, Chosen: addr(server), Address: addr(address)}
	s.add(1100*time.Millisecond, model.Step{Kind: model.StepRequest, DHCP: d})
	s.b.Addr = addr(address)
	s.offer(3*time.Millisecond, server, address, "m/"+strings.ReplaceAll(string(s.b.MAC), ":", "")+"/uefi-x64/shimx64.efi")
	last := &s.b.Steps[len(s.b.Steps)-1]
	last.Kind = model.StepAck
	return s
}

func (s *story) file(after time.Duration, kind model.StepKind, via, name string, octets int64, took time.Duration) *story {
	roles := map[string]model.FileRole{".efi": model.RoleLoader, ".cfg": model.RoleConfig, "inux": model.RoleKernel, "d.gz": model.RoleInitrd, ".cfg ": model.RoleAnswer}
	role, ok := roles[name[max(0, len(name)-4):]]
	if !ok {
		role = model.RoleOther
	}
	f := &model.FileStep{Name: name, Via: via, Role: role, Octets: octets, Size: octets, Duration: took, Heard: true}
	if via == "tftp" {
		f.Blksize, f.Window, f.Blocks, f.RoundTrip = 1468, 8, octets/1468+1, 310*time.Microsecond
	}
	return s.add(after, model.Step{Kind: kind, Client: s.b.Addr, Ours: true, Server: addr("10.77.1.2"), File: f})
}

// done judges the boot; over says that nothing more will be heard.
func (s *story) done(over bool) *model.Boot {
	s.b.Ended = over
	at := now()
	if !over {
		at = s.at
	}
	s.b.Verdict = verdict.Judge(verdict.Case{Boot: s.b, Now: at, Over: over})
	return s.b
}

// demo is a morning's boots, of every outcome.
func demo() []*model.Boot {
	healthy := func(ago time.Duration, mac model.MAC, name, place, ip string) *story {
		return begin(ago, mac, name, place, "uefi-x64").
			discover(0, "firmware", 1).offer(4*time.Millisecond, "10.77.1.2", ip, "m/x/uefi-x64/shimx64.efi").lease("10.77.1.2", ip).
			file(20*time.Millisecond, model.StepProbe, "tftp", "m/x/uefi-x64/shimx64.efi", 0, 0).
			file(5*time.Millisecond, model.StepRead, "tftp", "m/x/uefi-x64/shimx64.efi", 966664, 210*time.Millisecond).
			file(310*time.Millisecond, model.StepMissing, "tftp", "m/x/uefi-x64/revocations.efi", 0, 0).
			file(90*time.Millisecond, model.StepRead, "tftp", "m/x/uefi-x64/grubx64.efi", 2684928, 480*time.Millisecond).
			file(200*time.Millisecond, model.StepRead, "tftp", "m/x/grub.cfg", 812, time.Millisecond)
	}
	booted := func(ago time.Duration, mac model.MAC, name, place, ip string) *model.Boot {
		s := healthy(ago, mac, name, place, ip).
			file(4*time.Second, model.StepRead, "http", "img/debian-12/linux", 8105792, 700*time.Millisecond).
			file(10*time.Millisecond, model.StepRead, "http", "img/debian-12/initrd.gz", 38821000, 3100*time.Millisecond)
		s.add(9*time.Second, model.Step{Kind: model.StepHome, Client: addr(ip), Text: "the system asks for an address", DHCP: &model.DHCPStep{Xid: 77, Stage: "os", Hostname: name}})
		return s.done(true)
	}
	silent := begin(12*time.Minute, "00:1b:21:aa:00:17", "", "10.77.3.1", "bios").discover(0, "firmware", 4)
	silent.add(2*time.Millisecond, model.Step{Kind: model.StepSilent, Ours: true, Why: model.SilentSubnet, Text: "10.77.3.1 is in no subnet of the configuration (hobnail.toml:12)",
		DHCP: &model.DHCPStep{Relay: addr("10.77.3.1"), Stage: "firmware", Class: "PXEClient", Arch: "bios"}})
	return []*model.Boot{
		healthy(8*time.Second, "52:54:00:12:34:61", "lab-07", "10.77.2.1", "10.77.2.61").done(false),
		booted(41*time.Second, "52:54:00:12:34:56", "lab-01", "10.77.2.1", "10.77.2.56"),
		begin(2*time.Minute, "a4:bb:6d:10:22:33", "", "eth0", "uefi-x64").
			discover(0, "firmware", 1).offer(3*time.Millisecond, "10.77.1.9", "10.77.1.101", "").offer(time.Millisecond, "10.77.1.2", "", "m/a4bb6d102233/uefi-x64/snponly.efi").
			lease("10.77.1.9", "10.77.1.101").done(true),
		healthy(5*time.Minute, "d8:9e:f3:77:01:0c", "reception-pc-with-a-rather-long-name.example.net", "10.77.2.1", "10.77.2.77").
			file(time.Second, model.StepStalled, "tftp", "img/debian-12/linux", 1500000, 60*time.Second).done(true),
		silent.done(true),
		booted(21*time.Minute, "52:54:00:12:34:57", "lab-02", "10.77.2.1", "10.77.2.57"),
		healthy(26*time.Minute, "52:54:00:12:34:58", "lab-03", "10.77.2.1", "10.77.2.58").
			file(3*time.Second, model.StepRead, "http", "img/debian-12/linux", 8105792, 700*time.Millisecond).
			file(10*time.Millisecond, model.StepRead, "http", "img/debian-12/initrd.gz", 38821000, 3100*time.Millisecond).done(true),
		begin(31*time.Minute, "dc:a6:32:01:02:03", "kiosk", "eth1", "uefi-arm64").
			discover(0, "firmware", 1).offer(3*time.Millisecond, "10.77.1.2", "10.77.4.20", "m/dca632010203/uefi-arm64/shimaa64.efi").lease("10.77.1.2", "10.77.4.20").
			file(30*time.Millisecond, model.StepMissing, "tftp", "boot/bootaa64.efi", 0, 0).done(true),
		begin(45*time.Minute, "3c:ec:ef:00:00:09", "", "10.77.2.1", "uefi-x64").discover(0, "firmware", 3).offer(time.Millisecond, "10.77.1.2", "", "m/3cecef000009/uefi-x64/snponly.efi").done(true),
		healthy(50*time.Minute, "52:54:00:12:34:59", "lab-04", "10.77.2.1", "10.77.2.59").done(true),
	}
}

// many is n boots that went well, the newest now, a second apart.
func many(n int) []*model.Boot {
	var all []*model.Boot
	for i := range n {
		mac := model.MAC(fmt.Sprintf("52:54:00:00:%02x:%02x", i/256, i%256))
		b := begin(time.Duration(i)*time.Second, mac, fmt.Sprintf("pc-%04d", i), "10.77.2.1", "uefi-x64").discover(0, "firmware", 1).b
		b.Verdict = model.Verdict{Code: verdict.Booted, Outcome: model.OutcomeOK, Step: "system", Text: "the system was heard from", Final: true}
		b.Ended = true
		all = append(all, b)
	}
	return all
}

func loopbackOnly() Access { return Access{Names: []string{"boot1"}} }

// console makes one over a keeper, quick to tell of changes.
func console(t testing.TB, k *keeper) *Console {
	c := New(Options{
		Boots: k, Name: func() string { return "boot1" }, Access: loopbackOnly, Clock: now,
		Fault: func(err error) { t.Errorf("fault: %v", err) },
	})
	c.pace = 20 * time.Millisecond
	return c
}

// noFiles is a tree without files.
type noFiles struct{}

func (noFiles) Open(context.Context, bootfile.Request) (*bootfile.File, error) {
	return nil, bootfile.ErrNotFound
}

type deaf struct{}

func (deaf) Emit(event.Event) {}

// serve puts a console behind the real HTTP server, until the test ends.
func serve(t testing.TB, c *Console) (base string) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := &httpserve.Server{Opener: noFiles{}, Events: deaf{}, Console: c.Answer}
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return "http://" + ln.Addr().String()
}
