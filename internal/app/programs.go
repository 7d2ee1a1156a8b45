package app

import (
	"log/slog"
	"time"

	"hobnail/internal/event"
	"hobnail/internal/nbp"
)

// tellPrograms tells of every boot program that is not served, or served with
// a warning, and of revocation lists that cannot be read: at the start and
// after each reload.
func (s *Server) tellPrograms(l *Loaded) {
	for _, e := range programEvents(l) {
		e.Time = time.Now()
		s.opts.Events.Emit(e)
	}
}

func programEvents(l *Loaded) []event.Event {
	var all []event.Event
	add := func(code event.Code, attrs ...slog.Attr) { all = append(all, event.Event{Code: code, Attrs: attrs}) }
	for _, f := range l.BadDBX {
		add(event.NBPListFault, slog.String("file", f.Path), slog.String("error", f.Text))
	}
	for _, f := range l.BadNBP {
		add(event.NBPRefused, slog.String("program", f.Path), slog.String("arch", string(f.Arch)), slog.String("reason", f.Text))
	}
	for _, p := range l.Programs.Refused() {
		add(event.NBPRefused, slog.String("program", p.Where()), slog.String("arch", string(p.Arch)), slog.String("reason", p.Refusal()))
	}
	for _, p := range l.Programs.Programs() {
		if text := p.Warning(); text != "" {
			add(event.NBPWarned, slog.String("program", p.Where()), slog.String("arch", string(p.Arch)), slog.String("reason", text))
		}
	}
	return all
}

// programStates counts the boot programs by what became of them.
func (s *Server) programStates() map[string]int { return countStates(s.current.Load().Loaded) }

func countStates(l *Loaded) map[string]int {
	n := map[string]int{string(nbp.StateServed): 0, string(nbp.StateWarned): 0, string(nbp.StateRefused): len(l.BadNBP)}
	for _, p := range l.Programs.All() {
		n[string(p.State)]++
	}
	return n
}
