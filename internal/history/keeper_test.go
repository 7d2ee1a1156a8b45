package history_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hobnail/internal/history"
	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/verdict"
)

// shelf is an archive in memory that can be made to fail.
type shelf struct {
	mu    sync.Mutex
	boots map[string]*model.Boot
	fault error
	saves int
	trims int
}

func newShelf() *shelf { return &shelf{boots: map[string]*model.Boot{}} }

func (a *shelf) Save(all []history.Saved) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fault != nil {
		return a.fault
	}
	a.saves++
	for _, b := range all {
		text, err := json.Marshal(b.Boot) // what is given goes on changing
		if err != nil {
			return err
		}
		kept := new(model.Boot)
		if err := json.Unmarshal(text, kept); err != nil {
			return err
		}
		a.boots[b.ID] = kept
	}
	return nil
}

func (a *shelf) Load(id string) (*model.Boot, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if b := a.boots[id]; b != nil {
		return b, nil
	}
	return nil, history.ErrNotFound
}

func (a *shelf) List(want func(*model.Boot) bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var ids []string
	for id := range a.boots {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	for _, id := range ids {
		if !want(a.boots[id]) {
			break
		}
	}
	return nil
}

func (a *shelf) Trim(time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trims++
	return nil
}

func (a *shelf) trimmed() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.trims
}

func (a *shelf) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fault = err
}

var (
	server = netip.MustParseAddr("10.77.2.2")
	site   = netip.MustParseAddr("10.77.2.3")
)

func mac(n int) model.MAC { return model.MAC(fmt.Sprintf("52:54:00:00:%02x:%02x", n>>8, n&255)) }

func address(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 77, byte(n >> 8), byte(n)}) }

// machine feeds a keeper with what one machine does.
type machine struct {
	k     *history.Keeper
	n     int
	place string
}

func (m machine) who() record.Who {
	return record.Who{MAC: mac(m.n), Arch: model.ArchX64, Firmware: model.FirmwareUEFI, Vendor: "PXEClient:Arch:00007", Place: m.place}
}

func (m machine) dhcp(kind model.StepKind, d model.DHCPStep, from netip.Addr, ours bool) {
	who := m.who()
	d.Relay, _ = netip.ParseAddr(m.place)
	if d.Xid == 0 {
		d.Xid = uint32(m.n)
	}
	if kind == model.StepAck {
		who.Addr = d.Address
	}
	m.k.Step(who, model.Step{Time: time.Now(), Kind: kind, Server: from, Ours: ours, DHCP: &d})
}

func (m machine) discover() {
	m.dhcp(model.StepDiscover, model.DHCPStep{Xid: uint32(m.n), Class: "PXEClient", Stage: "firmware", Arch: model.ArchX64}, netip.Addr{}, false)
}

// proxied is our offer beside a DHCP server.
func (m machine) proxied() {
	m.dhcp(model.StepOffer, model.DHCPStep{File: m.name("snponly.efi"), NextServer: server, Vendor: "PXEClient", Vendor43: true, Bypass: true}, server, true)
}

func (m machine) leased() {
	m.dhcp(model.StepRequest, model.DHCPStep{Class: "PXEClient", Stage: "firmware", Chosen: server, Address: address(m.n)}, netip.Addr{}, false)
	m.dhcp(model.StepAck, model.DHCPStep{Address: address(m.n), File: m.name("snponly.efi"), NextServer: server}, server, true)
}

func (m machine) name(file string) string {
	return model.BootPath{MAC: mac(m.n), Arch: model.ArchX64, File: file}.String()
}

func (m machine) reads(name string, took time.Duration) {
	m.k.Step(record.Who{}, model.Step{Time: time.Now().Add(-took), Last: time.Now(), Kind: model.StepRead, Client: address(m.n), Ours: true,
		File: &model.FileStep{Name: name, Via: "tftp", Role: record.RoleOf(name), Octets: 1000, Duration: took, Heard: true}})
}

// boots goes the whole way.
func (m machine) boots() {
	m.discover()
	m.dhcp(model.StepOffer, model.DHCPStep{Address: address(m.n), File: m.name("snponly.efi"), NextServer: server, Vendor: "PXEClient", Vendor43: true}, server, true)
	m.leased()
	m.reads(m.name("snponly.efi"), 100*time.Millisecond)
	m.reads(m.name("boot.ipxe"), time.Millisecond)
	m.reads("img/debian/linux", time.Second)
	m.reads("img/debian/initrd.gz", time.Second)
	m.dhcp(model.StepDiscover, model.DHCPStep{}, netip.Addr{}, false)
}

// run has a keeper run inside the bubble, and stops it at the end.
func run(t *testing.T, archive history.Archive, do func(k *history.Keeper)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := history.New(archive, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan bool)
		go func() { k.Run(ctx); close(done) }()
		do(k)
		cancel()
		<-done
	})
}

func settle() { time.Sleep(1500 * time.Millisecond); synctest.Wait() }

func all(t *testing.T, k *history.Keeper) (boots []*model.Boot) {
	t.Helper()
	if err := k.List(func(b *model.Boot) bool { boots = append(boots, b); return true }); err != nil {
		t.Error(err)
	}
	return boots
}

func codes(t *testing.T, k *history.Keeper) string {
	t.Helper()
	var words []string
	for _, b := range all(t, k) {
		words = append(words, b.Verdict.Code)
	}
	return strings.Join(words, " ")
}

// TestABootIsKept: one boot is one record, judged, stored within a second or
// two, and told of once.
func TestABootIsKept(t *testing.T) {
	a := newShelf()
	var told []string
	run(t, a, func(k *history.Keeper) {
		k.Ended = func(b *model.Boot) { told = append(told, b.Verdict.Code) }
		watched, stop := k.Watch()
		defer stop()
		m := machine{k, 1, "eth0"}
		m.boots()
		settle()
		if got := codes(t, k); got != verdict.Booted {
			t.Errorf("boots %q", got)
		}
		if len(a.boots) != 1 {
			t.Errorf("%d boots are stored", len(a.boots))
		}
		if b := <-watched; b.MAC != mac(1) || len(b.Steps) != 9 {
			t.Errorf("watched %+v", b)
		}
		m.reads("preseed.cfg", time.Millisecond)
		settle()
		id := all(t, k)[0].ID
		if b, err := k.Show(id); err != nil || len(b.Steps) != 10 {
			t.Errorf("shown %+v, %v", b, err)
		}
		time.Sleep(2 * record.Idle)
		if b, err := k.Show(id); err != nil || !b.Ended {
			t.Errorf("after a while %+v, %v", b, err)
		}
		if _, err := k.Show("nothing"); !errors.Is(err, history.ErrNotFound) {
			t.Errorf("error %v", err)
		}
	})
	if len(told) != 1 || told[0] != verdict.Booted {
		t.Errorf("told %q", told)
	}
}

// TestWhatStopsIsJudgedInTime: nothing more comes, and the verdict becomes
// final by itself.
func TestWhatStopsIsJudgedInTime(t *testing.T) {
	run(t, newShelf(), func(k *history.Keeper) {
		m := machine{k, 1, "eth0"}
		m.discover()
		m.proxied()
		settle()
		if v := all(t, k)[0].Verdict; v.Final || v.Outcome != model.OutcomeRunning {
			t.Errorf("after a second: %+v", v)
		}
		time.Sleep(2 * time.Minute)
		if v := all(t, k)[0].Verdict; !v.Final || v.Outcome != model.OutcomeFailed || v.Code != verdict.NoLease {
			t.Errorf("after two minutes: %+v", v)
		}
	})
}

// TestNeighboursTellMore: that a DHCP server is there is known from another
// machine of the place.
func TestNeighboursTellMore(t *testing.T) {
	run(t, newShelf(), func(k *history.Keeper) {
		other := machine{k, 2, "10.77.2.1"}
		other.discover()
		other.dhcp(model.StepRequest, model.DHCPStep{Class: "PXEClient", Stage: "firmware", Chosen: site}, netip.Addr{}, false)
		for n, place := range map[int]string{1: "10.77.2.1", 3: "10.77.3.1"} {
			m := machine{k, n, place}
			m.discover()
			m.proxied()
		}
		time.Sleep(2 * time.Minute)
		got := map[model.MAC]string{}
		for _, b := range all(t, k) {
			got[b.MAC] = b.Verdict.Code
		}
		if got[mac(1)] != verdict.OfferNotTaken || got[mac(3)] != verdict.HelperMissing {
			t.Errorf("verdicts %v", got)
		}
	})
}

// TestSlowAgainstTheUsual: what is slow is known from the boots of the place.
func TestSlowAgainstTheUsual(t *testing.T) {
	run(t, newShelf(), func(k *history.Keeper) {
		for n := range 8 {
			machine{k, n, "eth0"}.boots()
			settle()
		}
		m := machine{k, 9, "eth0"}
		m.discover()
		m.leased()
		m.reads(m.name("snponly.efi"), 100*time.Millisecond)
		m.reads("img/debian/linux", 100*time.Second)
		m.dhcp(model.StepDiscover, model.DHCPStep{}, netip.Addr{}, false)
		settle()
		if b := all(t, k)[0]; b.Verdict.Code != verdict.Slow || b.Verdict.Detail != "kernel" {
			t.Errorf("%s %s: %s", b.MAC, b.Verdict.Code, b.Verdict.Text)
		}
	})
}

// TestAnArchiveThatFails: boots go on, a person is told, and what was not
// stored is stored when that is possible again.
func TestAnArchiveThatFails(t *testing.T) {
	a := newShelf()
	faults := 0
	a.fail(errors.New("no space left on device"))
	run(t, a, func(k *history.Keeper) {
		k.Fault = func(error) { faults++ }
		machine{k, 1, "eth0"}.boots()
		settle()
		if len(all(t, k)) != 1 || faults == 0 {
			t.Errorf("%d boots, %d faults", len(all(t, k)), faults)
		}
		a.fail(nil)
		for range 3 { // it is asked again every five seconds
			settle()
		}
		if len(a.boots) != 1 {
			t.Errorf("%d boots are stored", len(a.boots))
		}
	})
}

// TestStepsNeverWait: services are not held up when nobody takes what they
// tell.
func TestStepsNeverWait(t *testing.T) {
	k := history.New(nil, time.Now)
	for range 50000 {
		machine{k, 1, "eth0"}.discover()
	}
	if k.Lost() == 0 {
		t.Error("nothing was left out")
	}
}

// TestKeeperFromManySides is for the race detector.
func TestKeeperFromManySides(t *testing.T) {
	k := history.New(newShelf(), time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan bool)
	go func() { k.Run(ctx); close(done) }()
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := range 50 {
				machine{k, n*64 + i, "eth0"}.boots()
				k.Knows(mac(n))
				for _, b := range all(t, k) {
					k.Show(b.ID)
				}
			}
		})
	}
	wg.Wait()
	cancel()
	<-done
	if n := len(all(t, k)); n != 200 {
		t.Errorf("%d boots, want 200", n)
	}
}

// BenchmarkBoot is what it costs to keep one boot of nine steps, without an
// archive.
func BenchmarkBoot(b *testing.B) {
	k := history.New(nil, time.Now)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan bool)
	go func() { k.Run(ctx); close(done) }()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		machine{k, n & 4095, "eth0"}.boots()
		n++
	}
	cancel()
	<-done
}

// TestAnAnswerHeardFirst: a quick server's offer is heard before the DISCOVER
// that it answers, and belongs to the boot that this begins, also where an
// earlier one of the machine goes on.
func TestAnAnswerHeardFirst(t *testing.T) {
	run(t, newShelf(), func(k *history.Keeper) {
		m := machine{k, 1, "eth0"}
		for _, xid := range []uint32{7, 8} {
			m.dhcp(model.StepOffer, model.DHCPStep{Xid: xid, Address: address(9)}, site, false)
			m.dhcp(model.StepDiscover, model.DHCPStep{Xid: xid, Class: "PXEClient", Stage: "firmware", Arch: model.ArchX64}, netip.Addr{}, false)
			m.dhcp(model.StepRequest, model.DHCPStep{Xid: xid, Class: "PXEClient", Stage: "firmware", Chosen: site, Address: address(9)}, netip.Addr{}, false)
			m.dhcp(model.StepAck, model.DHCPStep{Xid: xid, Address: address(9)}, site, false)
		}
		settle()
		boots := all(t, k)
		if len(boots) != 2 {
			t.Fatalf("%d boots", len(boots))
		}
		for _, b := range boots {
			b, err := k.Show(b.ID)
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, s := range b.Steps {
				kinds = append(kinds, string(s.Kind))
			}
			if got := strings.Join(kinds, " "); got != "discover offer request ack" {
				t.Errorf("%s: %s", b.ID, got)
			}
		}
	})
}

// TestAnAnswerToNothing: what answers a request that was never heard is kept
// with the boot that goes on, after a while.
func TestAnAnswerToNothing(t *testing.T) {
	run(t, newShelf(), func(k *history.Keeper) {
		m := machine{k, 1, "eth0"}
		m.discover()
		m.dhcp(model.StepNak, model.DHCPStep{Xid: 99}, site, false)
		settle()
		time.Sleep(3 * time.Second)
		b, err := k.Show(all(t, k)[0].ID)
		if err != nil || len(b.Steps) != 2 || b.Steps[1].Kind != model.StepNak {
			t.Errorf("%+v, %v", b, err)
		}
	})
}

// TestASystemIsKnownBeforeItsBootIsJoined is named for a fault: what a system
// asked was left out while the steps of its boot still waited to be joined, and
// its boot ended as if the system had never been heard.
func TestASystemIsKnownBeforeItsBootIsJoined(t *testing.T) {
	k := history.New(nil, time.Now)
	if k.Knows(mac(1)) {
		t.Error("a machine is known that was never heard")
	}
	machine{k, 1, "eth0"}.discover()
	if !k.Knows(mac(1)) {
		t.Error("its step waits, and the machine is not known")
	}
	machine{k, 2, "eth0"}.dhcp(model.StepDiscover, model.DHCPStep{}, netip.Addr{}, false)
	if k.Knows(mac(2)) {
		t.Error("a system that nobody booted is known")
	}
	for range 50000 {
		machine{k, 1, "eth0"}.discover()
	}
	machine{k, 3, "eth0"}.discover() // there is no room for it
	if k.Knows(mac(3)) {
		t.Error("a machine is known whose step was left out")
	}
}

// TestAFloodIsTrimmed: more boots than a site has in a day end within seconds,
// and the archive drops what is too much without waiting for its time.
func TestAFloodIsTrimmed(t *testing.T) {
	archive := newShelf()
	run(t, archive, func(k *history.Keeper) {
		for n := range 30_000 {
			machine{k: k, n: n}.discover()
			if n%10_000 == 0 {
				settle()
			}
		}
		settle()
		if n := archive.trimmed(); n < 1 || n > 3 {
			t.Errorf("it was trimmed %d times", n)
		}
	})
}
