package app

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/boots"
	"hobnail/internal/bootscript"
	"hobnail/internal/classify"
	"hobnail/internal/event"
	"hobnail/internal/machines"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/site"
	"hobnail/internal/store/mem"
)

// heardOf keeps the codes of events.
type heardOf struct {
	mu    sync.Mutex
	codes []event.Code
}

func (h *heardOf) Emit(e event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.codes = append(h.codes, e.Code)
}

func (h *heardOf) check(t *testing.T, want ...event.Code) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.codes, want) {
		t.Errorf("told were %v, want %v", h.codes, want)
	}
	h.codes = nil
}

const (
	mac1 = model.MAC("52:54:00:00:00:01")
	mac2 = model.MAC("52:54:00:00:00:02")
)

func uuidFor(mac model.MAC) model.UUID { return model.UUID("6c616200-0000-4000-8000-" + mac.Hex()) }

// asks are the facts of a machine that asks.
func asks(mac model.MAC) *classify.Facts {
	return &classify.Facts{MAC: mac, UUID: uuidFor(mac), Arch: model.ArchX64, Class: classify.ClassPXE, Stage: classify.StageIPXE}
}

// newOrders has two machines named, with their UUIDs, and the first armed.
func newOrders(t *testing.T) (*orders, *heardOf) {
	t.Helper()
	dir := t.TempDir()
	kernel, config := filepath.Join(dir, "linux"), filepath.Join(dir, "hobnail.toml")
	for name, text := range map[string]string{kernel: "vmlinuz", config: "[server]\ndata = \"" + dir + "\"\n" +
		"[install]\nvars = { ssh_key = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFx it@example.net\" }\n" +
		"[[image]]\nname = \"debian\"\nkernel = \"" + kernel + "\"\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Load(config)
	if err != nil {
		t.Fatal(err)
	}
	heard := &heardOf{}
	s := &Server{opts: Options{Events: heard}, store: mem.New(), boots: boots.NewMemory()}
	if s.machines, err = machines.Open(context.Background(), s.store, nil); err != nil {
		t.Fatal(err)
	}
	o := &orders{s, l}
	var rows []machines.Row
	for name, mac := range map[string]model.MAC{"lab-01": mac1, "lab-02": mac2} {
		row := machines.Row{}
		row.Set("name", name)
		row.Set("mac", string(mac))
		row.Set("uuid", string(uuidFor(mac)))
		rows = append(rows, row)
	}
	o.do(t, machines.Order{Import: &machines.Import{Rows: rows}})
	o.do(t, machines.Order{By: "ann", Install: &machines.InstallOrder{Names: []string{"lab-01"},
		Arming: machines.Arming{Image: "debian", Answer: "preseed", Retries: 1, Within: time.Hour}}})
	return o, heard
}

func (o *orders) do(t *testing.T, order machines.Order) {
	t.Helper()
	res, err := o.s.machines.Do(context.Background(), order, time.Now())
	if err != nil || len(res.Faults) > 0 || res.Need != nil {
		t.Fatal(res, err)
	}
}

// begins has the first machine ask for its script and read its kernel.
func (o *orders) begins(t *testing.T) (token string) {
	t.Helper()
	a, err := o.Attempt(context.Background(), nil, asks(mac1))
	if err != nil || a.Token == "" || a.Machine != "lab-01" || a.Image != "debian" {
		t.Fatalf("the attempt is %+v, %v", a, err)
	}
	for range 2 { // read twice
		if err := o.Begin(context.Background(), a.Token); err != nil {
			t.Fatal(err)
		}
	}
	return a.Token
}

func (o *orders) state(t *testing.T, want model.InstallState) {
	t.Helper()
	snap, err := machines.Read(context.Background(), o.s.store, nil)
	if err != nil {
		t.Fatal(err)
	}
	if i := snap.Installs(time.Now()); len(i) != 1 || i[0].State != want {
		t.Errorf("the store says %+v, want %s", i, want)
	}
}

// TestAGivenUpOrderIsWrittenAndTold: the machine that comes back from its last
// attempt is sent to its own disk, and that is the order's end in the store.
func TestAGivenUpOrderIsWrittenAndTold(t *testing.T) {
	o, heard := newOrders(t)
	o.begins(t)
	heard.check(t, event.InstallBegun)
	if k := o.Known(asks(mac1), nil); k.Order.State != policy.OrderInstall {
		t.Errorf("after one attempt of two: %+v", k.Order)
	}
	o.begins(t)
	heard.check(t, event.InstallAgain, event.InstallBegun)
	if k := o.Known(asks(mac1), nil); k.Order.State != policy.OrderOver {
		t.Errorf("after two attempts of two: %+v", k.Order)
	}
	o.state(t, model.InstallRunning)
	for range 2 {
		if a, err := o.Attempt(context.Background(), nil, asks(mac1)); err != nil || a.Token != "" || !strings.Contains(a.Why, "did not call home") {
			t.Errorf("the third time it is told %+v, %v", a, err)
		}
	}
	heard.check(t, event.InstallGaveUp)
	o.state(t, model.InstallGaveUp)
}

// TestAStrangerIsToldOnce: another UUID than that of the machine, and none.
func TestAStrangerIsToldOnce(t *testing.T) {
	o, heard := newOrders(t)
	silent := asks(mac1)
	silent.UUID = ""
	for range 3 {
		if k := o.Known(silent, nil); k.Order.State != policy.OrderOver {
			t.Errorf("a machine that sends no UUID: %+v", k.Order)
		}
		if a, err := o.Attempt(context.Background(), nil, silent); err != nil || a.Token != "" {
			t.Errorf("a machine that sends no UUID: %+v, %v", a, err)
		}
	}
	heard.check(t, event.InstallNotForIt)
	dock := asks(mac1)
	dock.UUID = uuidFor("52:54:00:00:00:99")
	if k := o.Known(dock, nil); k.Machine != nil || k.Order.State != policy.OrderNone || len(k.Notes) != 1 {
		t.Errorf("a dock is %+v", k)
	}
	if a, err := o.Attempt(context.Background(), nil, dock); err != nil || a.Token != "" {
		t.Errorf("a dock gets %+v, %v", a, err)
	}
	heard.check(t)
	o.state(t, model.InstallArmed)
}

// TestWordsOfInstallers: what each does to the order, and what is told.
func TestWordsOfInstallers(t *testing.T) {
	for _, tc := range []struct {
		name string
		word site.Word
		want model.InstallState
		told []event.Code
	}{
		{"done", site.Word{What: "done"}, model.InstallDone, []event.Code{event.InstallDone}},
		{"failed", site.Word{What: "failed", Name: "no disk\x1b[2J"}, model.InstallFailed, []event.Code{event.InstallFailed}},
		{"a step", site.Word{What: "step", Name: "partition", Query: "percent=10"}, model.InstallRunning, []event.Code{event.InstallStep}},
		{"the last step of Windows PE begins", site.Word{What: "step", Name: "reboot", Query: "state=begin"}, model.InstallRunning, []event.Code{event.InstallStep}},
		{"the last step of Windows PE", site.Word{What: "step", Name: "reboot"}, model.InstallDone, []event.Code{event.InstallDone}},
		{"a step with a query that is none", site.Word{What: "step", Name: "x", Query: "%zz"}, model.InstallRunning, []event.Code{event.InstallStep}},
		{"its log", site.Word{What: "log", Body: []byte("all is well")}, model.InstallRunning, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, heard := newOrders(t)
			token := o.begins(t)
			heard.check(t, event.InstallBegun)
			if err := o.Tell(context.Background(), token, tc.word); err != nil {
				t.Fatal(err)
			}
			o.state(t, tc.want)
			heard.check(t, tc.told...)
		})
	}
	o, heard := newOrders(t)
	a, err := o.Attempt(context.Background(), nil, asks(mac1))
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range site.Words() {
		for _, token := range []string{a.Token, strings.Repeat("0", 32), "", "../lab-01"} {
			if err := o.Tell(context.Background(), token, site.Word{What: what}); what != "log" && !errors.Is(err, bootfile.ErrNotFound) {
				t.Errorf("%s of %q, whose kernel nobody read: %v", what, token, err)
			}
		}
	}
	o.state(t, model.InstallArmed)
	heard.check(t)
}

// TestAnAnswerFileIsForItsMachine: whoever has the address that reads; an
// installer asks for one of its own, which was another machine's before.
func TestAnAnswerFileIsForItsMachine(t *testing.T) {
	o, _ := newOrders(t)
	folder := filepath.Join(o.l.Config.Install.Answers, "preseed")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	text := "{{.Machine.Name}} {{.Machine.MAC}} {{.Machine.UUID}} {{.Machine.Arch}} {{.Machine.Firmware}} {{.Machine.Address}}"
	if err := os.WriteFile(filepath.Join(folder, "preseed.cfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	token := o.begins(t)
	addr := netip.MustParseAddr("10.77.1.50")
	of := func(mac model.MAC, arch model.Arch) bootscript.Machine {
		return bootscript.Machine{Name: "lab-01", MAC: mac, UUID: uuidFor(mac), Arch: arch, Address: addr}
	}
	check := func(about, want string, m bootscript.Machine) {
		t.Helper()
		b, err := o.Answer(context.Background(), token, "preseed.cfg", bootscript.Server{URL: "http://10.77.1.2:8080"}, m)
		if err != nil || string(b) != want {
			t.Errorf("%s: %q, %v; want %q", about, b, err, want)
		}
	}
	whole := "lab-01 52:54:00:00:00:01 6c616200-0000-4000-8000-525400000001"
	check("the machine reads", whole+" uefi-x64 uefi 10.77.1.50", of(mac1, model.ArchX64))
	check("another had the address", whole+"   10.77.1.50", of(mac2, model.ArchBIOS))
	check("nobody had the address", whole+"   10.77.1.50", bootscript.Machine{Name: "lab-01", Address: addr})
	o.s.boots.Heard(asks(mac1), netip.Addr{})
	check("another had the address, and the machine was heard", whole+" uefi-x64 uefi 10.77.1.50", of(mac2, model.ArchBIOS))
	for _, name := range []string{"preseed", "user-data", "../preseed.cfg", ""} {
		if b, err := o.Answer(context.Background(), token, name, bootscript.Server{}, of(mac1, model.ArchX64)); !errors.Is(err, bootfile.ErrNotFound) {
			t.Errorf("%q: %q, %v", name, b, err)
		}
	}
}

// TestSimulateKnowsTheStore: what it is shown is the server's registry; where
// that cannot be read a reason says so.
func TestSimulateKnowsTheStore(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "hobnail.toml")
	if err := os.WriteFile(config, []byte("[server]\ndata = \""+dir+"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Load(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if r, why := ReadRegistry(ctx, l, noon); r == nil || len(why) > 0 || r.Known(asks(mac1), nil).Machine != nil {
		t.Errorf("without a store: %v, %v", r, why)
	}
	row := machines.Row{}
	row.Set("name", "lab-01")
	row.Set("mac", string(mac1))
	for _, o := range []machines.Order{{Import: &machines.Import{Rows: []machines.Row{row}}},
		{Install: &machines.InstallOrder{Names: []string{"lab-01"}, Arming: machines.Arming{Image: "debian", Within: time.Hour}}}} {
		if res, err := OrderMachines(ctx, l, o); err != nil || len(res.Faults) > 0 {
			t.Fatal(res, err)
		}
	}
	r, why := ReadRegistry(ctx, l, time.Now())
	if r == nil || len(why) > 0 {
		t.Fatal(why)
	}
	if k := r.Known(asks(mac1), nil); k.Machine == nil || k.Machine.Name != "lab-01" || k.Order.State != policy.OrderInstall || k.Order.Image != "debian" {
		t.Errorf("the armed machine is %+v", k)
	}
	if k := r.Known(asks(mac2), nil); k.Machine != nil || k.Order.State != policy.OrderNone {
		t.Errorf("another is %+v", k)
	}
	if err := os.WriteFile(storePath(l), []byte("this is no database, and longer than a header of one would be, so that it is looked at; 0123456789 0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, why := ReadRegistry(ctx, l, noon); r != nil || len(why) != 1 || !strings.Contains(why[0].Text, "is not known here") {
		t.Errorf("with a store that is none: %v, %v", r, why)
	}
}
