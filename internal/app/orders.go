package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/bootscript"
	"hobnail/internal/classify"
	"hobnail/internal/event"
	"hobnail/internal/machines"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/record"
	"hobnail/internal/site"
)

// fromRegistry is where a reason comes from that the registry gives.
const fromRegistry = "hobnail machines"

// known shows a snapshot of the registry, at one time, to decisions.
type known struct {
	*machines.Snapshot
	now time.Time
}

// Known implements policy.Registry.
func (k known) Known(f *classify.Facts, configured *model.Machine) policy.Known {
	seen := seenOf(f)
	out := policy.Known{At: fromRegistry}
	m, how, notes := k.Find(seen)
	for _, n := range notes {
		out.Notes = append(out.Notes, n.Text)
	}
	if m == nil {
		// What the configuration knows a machine by beyond this, such as the port
		// it is plugged into, names it, and is no ground to install on it.
		out.Denied = configured == nil && k.IsDenied(seen, k.now)
		return out
	}
	if configured == nil {
		out.Machine = m
	}
	i := k.Install(m.Name, k.now)
	if i == nil {
		return out
	}
	_, v := machines.Script(*i, machines.WhoOf(seen, how, notes), k.now, "")
	out.Order = policy.Order{Image: i.Image, Why: v.Text}
	switch v.Do {
	case machines.ActInstall:
		out.Order.State = policy.OrderInstall
	case machines.ActLocal:
		out.Order.State = policy.OrderOver
	}
	return out
}

// seenOf is what a request says of who sent it.
func seenOf(f *classify.Facts) machines.Seen {
	return machines.Seen{MAC: f.MAC, UUID: f.UUID, ClientID: f.ClientID}
}

// registry shows what is known of machines at this moment; nil without a store.
func (s *Server) registry() policy.Registry {
	if s.machines == nil {
		return nil
	}
	return known{s.machines.Snapshot(), time.Now()}
}

// openMachines reads the machines of the store. Without them machines boot by
// the configuration alone.
func (s *Server) openMachines(ctx context.Context, l *Loaded) {
	if s.store == nil {
		return
	}
	r, err := machines.Open(ctx, s.store, l.Config.Machines)
	if err != nil {
		s.tellInstall(event.InstallFault, "", err.Error())
		return
	}
	s.machines = r
	s.seen = make(chan machines.Seen, 1024)
}

// followMachines keeps up with what commands write, and remembers what machines
// were seen with.
func (s *Server) followMachines(ctx context.Context) error {
	done := make(chan bool)
	go func() {
		s.machines.Follow(ctx, func(err error) { s.tellInstall(event.InstallFault, "", err.Error()) })
		close(done)
	}()
	for {
		select {
		case <-ctx.Done():
			<-done
			return nil
		case seen := <-s.seen:
			notes, err := s.machines.Saw(ctx, seen, time.Now())
			if err != nil {
				s.tellInstall(event.InstallFault, seen.MAC, err.Error())
			}
			for _, n := range notes {
				if n.Doubt {
					s.tellInstall(event.MachineIdentity, seen.MAC, n.Text)
				}
			}
		}
	}
}

// sawMachine remembers what a machine sent, where there is room. It never
// waits.
func (s *Server) sawMachine(f *classify.Facts) {
	if s.machines == nil || f.MAC == "" || f.UUID == "" {
		return
	}
	select {
	case s.seen <- seenOf(f):
	default:
	}
}

func (s *Server) tellInstall(code event.Code, mac model.MAC, text string, attrs ...slog.Attr) {
	s.opts.Events.Emit(event.Event{Time: time.Now(), Code: code, MAC: mac, Attrs: append([]slog.Attr{slog.String("text", text)}, attrs...)})
}

// orders carries out orders to install. It implements site.Orders.
type orders struct {
	s *Server
	l *Loaded
}

// Known implements policy.Registry.
func (o *orders) Known(f *classify.Facts, configured *model.Machine) policy.Known {
	return o.s.registry().Known(f, configured)
}

// Attempt implements site.Orders.
func (o *orders) Attempt(ctx context.Context, _ *model.Machine, f *classify.Facts) (site.Attempt, error) {
	m, v, err := o.s.machines.Script(ctx, seenOf(f), time.Now())
	if err != nil {
		o.s.tellInstall(event.InstallFault, f.MAC, err.Error())
		return site.Attempt{}, err
	}
	if code, ok := newsOf[v.Code]; ok && v.News {
		o.s.tellInstall(code, f.MAC, v.Text)
	}
	a := site.Attempt{Token: v.Token, Why: v.Text}
	if m == nil || v.Do != machines.ActInstall {
		a.Token = ""
		return a, nil
	}
	a.Machine = m.Name
	i, err := o.s.machines.Token(ctx, v.Token)
	a.Image, a.Edition = i.Image, o.l.edition(i)
	return a, err
}

// newsOf is what is told of an answer to a machine that asks for its script.
var newsOf = map[string]event.Code{
	machines.CodeAgain: event.InstallAgain, machines.CodeGaveUp: event.InstallGaveUp, machines.CodeOther: event.InstallNotForIt,
}

// Find implements site.Orders.
func (o *orders) Find(token string) (site.Attempt, bool) {
	i, err := o.s.machines.Token(context.Background(), token)
	if err != nil || machines.Reads(i, token) != nil {
		return site.Attempt{}, false
	}
	return site.Attempt{Token: token, Machine: i.Machine, Image: i.Image, Edition: o.l.edition(i)}, true
}

// Begin implements site.Orders.
func (o *orders) Begin(ctx context.Context, token string) error {
	before, err := o.s.machines.Token(ctx, token)
	if err == nil {
		var after model.Install
		if after, err = o.s.machines.Begin(ctx, token, time.Now()); err == nil && after.Attempts > before.Attempts {
			o.s.tellInstall(event.InstallBegun, o.macOf(after.Machine), after.Machine+" installs "+after.Image,
				slog.Int("attempt", after.Attempts), slog.String("machine", after.Machine))
		}
	}
	return notFound(err)
}

// notFound makes what a token is refused into a file that is not there.
func notFound(err error) error {
	if errors.As(err, new(*machines.Refused)) {
		return bootfile.ErrNotFound
	}
	return err
}

// macOf is a MAC address of a machine, for the log.
func (o *orders) macOf(name string) model.MAC {
	if m := o.s.machines.Snapshot().Machine(name); m != nil && len(m.MACs) > 0 {
		return m.MACs[0]
	}
	return ""
}

// Tell implements site.Orders.
func (o *orders) Tell(ctx context.Context, token string, w site.Word) error {
	before, err := o.s.machines.Token(ctx, token)
	if err != nil {
		return notFound(err)
	}
	text := stepText(w)
	now := time.Now()
	var after model.Install
	code := event.InstallStep
	switch {
	case w.What == "log":
		return o.keepLog(before, token, w.Body)
	case w.What == "done", w.What == "step" && w.Name == stepReboot && state(w) != "begin" && state(w) != "fail":
		code = event.InstallDone
		after, err = o.s.machines.Done(ctx, token, now)
	case w.What == "failed":
		code = event.InstallFailed
		after, err = o.s.machines.Failed(ctx, token, text, now)
	default:
		after, err = o.s.machines.Step(ctx, token, text, now)
	}
	if err != nil {
		return notFound(err)
	}
	mac := o.macOf(after.Machine)
	if o.s.recorder != nil && mac != "" {
		o.s.history.Step(record.Who{MAC: mac}, model.Step{Time: now, Kind: model.StepHome, Ours: true, Text: record.Printable("install " + w.What + " " + text)})
	}
	if code == event.InstallStep || before.State != after.State {
		if code != event.InstallStep {
			text = orElse(after.Note, after.Machine+" and "+after.Image)
		}
		o.s.tellInstall(code, mac, record.Printable(text), slog.String("machine", after.Machine), slog.String("image", after.Image))
	}
	return nil
}

// stepReboot is the last that the agent in Windows PE says before the machine
// starts from the disk that it has written: from then on the network must not
// install again. Windows' own call home comes when it has finished, or never on
// editions that pass over SetupComplete.cmd.
const stepReboot = "reboot"

// state is how far a step is: "begin", "progress", "end", "fail".
func state(w site.Word) string {
	q, err := url.ParseQuery(w.Query)
	if err != nil {
		return ""
	}
	return q.Get("state")
}

// stepText is what an installer says, on one line: "download 40 %".
func stepText(w site.Word) string {
	words := []string{w.Name}
	q, err := url.ParseQuery(w.Query)
	if err != nil {
		return w.Name
	}
	if p := q.Get("percent"); p != "" {
		words = append(words, p+" %")
	}
	for _, key := range []string{"state", "what", "why", "do", "reason"} {
		if v := q.Get(key); v != "" && v != "progress" {
			words = append(words, v)
		}
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

// keepLog keeps the log that an installer sends, the newest of each attempt.
func (o *orders) keepLog(i model.Install, token string, log []byte) error {
	if machines.Reads(i, token) != nil && i.State != model.InstallDone {
		return bootfile.ErrNotFound
	}
	folder := filepath.Join(o.l.Config.Server.Data, "logs")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, fmt.Sprintf("install-%s-%.8s.log", i.Machine, token)), log, 0o600)
}

// Wait implements site.Orders.
func (o *orders) Wait(ctx context.Context, f *classify.Facts) (int, error) {
	w, err := o.s.machines.Wait(ctx, machines.Asking{
		Seen: seenOf(f), Arch: f.Arch, Place: record.Place(f.Relay, f.Ingress.Interface),
	}, time.Now())
	if err != nil {
		o.s.tellInstall(event.InstallFault, f.MAC, err.Error())
		return 0, err
	}
	if w.New {
		o.s.tellInstall(event.MachineWaits, f.MAC, "a machine that nobody has named waits", slog.Int("number", w.Number), slog.String("arch", string(f.Arch)))
	}
	return w.Number, nil
}

// Answer implements site.Orders.
func (o *orders) Answer(ctx context.Context, token, file string, to bootscript.Server, m bootscript.Machine) ([]byte, error) {
	i, err := o.s.machines.Token(ctx, token)
	if err != nil {
		return nil, notFound(err)
	}
	snap := o.s.machines.Snapshot()
	var b []byte
	if file == instructionsFile {
		b, err = o.instructions(ctx, i, to, m)
	} else {
		b, err = o.l.answer(snap, i, file, to, o.reader(snap, i.Machine, m))
	}
	if err != nil && !errors.Is(err, bootfile.ErrNotFound) {
		o.s.tellInstall(event.InstallFault, m.MAC, err.Error())
		return nil, err
	}
	if err == nil {
		for _, w := range secretsIn(b) {
			o.s.tellInstall(event.InstallSecret, m.MAC, w, slog.String("name", file), slog.String("machine", i.Machine))
		}
	}
	return b, err
}

// reader is the machine that an answer file is for, with what is known of its
// boot. Who had the address that reads may be another by now: an installer asks
// for an address of its own.
func (o *orders) reader(snap *machines.Snapshot, name string, m bootscript.Machine) bootscript.Machine {
	is := func(mac model.MAC, uuid model.UUID) bool {
		found, _, _ := snap.Find(machines.Seen{MAC: mac, UUID: uuid})
		return found != nil && found.Name == name
	}
	if is(m.MAC, m.UUID) {
		return m
	}
	m.MAC, m.UUID, m.Arch = "", "", ""
	named := snap.Machine(name)
	if named == nil {
		return m
	}
	for _, mac := range named.MACs {
		if f := o.s.boots.ByPath(model.BootPath{MAC: mac}).Facts; f != nil && is(f.MAC, f.UUID) {
			m.MAC, m.UUID, m.Arch = f.MAC, f.UUID, f.Arch
		}
	}
	return m
}
