package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"hobnail/internal/control"
	"hobnail/internal/event"
	"hobnail/internal/history"
	"hobnail/internal/model"
	"hobnail/internal/netio"
)

// openStore opens the store. Machines boot without one as well.
func (s *Server) openStore(l *Loaded) {
	kept, err := openStore(l)
	if err != nil {
		s.tellHistory(err)
		return
	}
	s.store = kept
}

// keepBoots makes the keeper of boots, and what feeds it.
func (s *Server) keepBoots(l *Loaded) {
	var archive history.Archive
	if s.store != nil {
		archive = history.NewArchive(s.store, limits(l))
	}
	s.history = history.New(archive, time.Now)
	s.history.Fault = s.tellHistory
	s.history.Ended = s.tellBoot
	s.recorder = &recorder{s: s, keep: s.history}
	s.opts.Events = append(s.opts.Events.(event.Sinks), s.recorder)
}

func (s *Server) tellHistory(err error) {
	s.opts.Events.Emit(event.Event{Time: time.Now(), Code: event.HistoryFault, Attrs: []slog.Attr{slog.String("error", err.Error())}})
}

// tellBoot says how a boot ended.
func (s *Server) tellBoot(b *model.Boot) {
	v := &b.Verdict
	code := event.BootEnded
	if v.Outcome == model.OutcomeFailed {
		code = event.BootFailed
	}
	attrs := []slog.Attr{
		slog.String("boot", b.ID), slog.String("verdict", v.Code), slog.String("text", v.Text),
		slog.String("arch", string(b.Arch)), slog.String("place", b.Place), slog.String("subnet", s.subnetOf(b)),
		slog.String("outcome", string(v.Outcome)),
	}
	if v.Detail != "" {
		attrs = append(attrs, slog.String("detail", v.Detail))
	}
	if v.Outcome == model.OutcomeFailed && v.Remedy != "" {
		attrs = append(attrs, slog.String("do", v.Remedy), slog.String("who", v.Who))
	}
	s.opts.Events.Emit(event.Event{Time: time.Now(), Code: code, MAC: b.MAC, Attrs: attrs})
	s.teach(b)
}

// subnetOf is the configured subnet that a machine is on, "other" for none.
func (s *Server) subnetOf(b *model.Boot) string {
	policy := s.current.Load().Policy
	relay, _ := netip.ParseAddr(b.Place)
	for _, a := range []netip.Addr{b.Addr, relay} {
		if subnet := policy.SubnetOf(a); subnet != nil {
			return subnet.CIDR.String()
		}
	}
	return "other"
}

// historyService runs the keeper, and listens for what other DHCP servers say.
func (s *Server) historyService(l *Loaded) service {
	return service{serve: func(ctx context.Context) error {
		if answersDHCP(l) {
			if ear, err := netio.OpenEar(); err != nil {
				s.tellHistory(err)
			} else {
				defer context.AfterFunc(ctx, func() { ear.Close() })()
				go func() {
					if err := s.recorder.overhear(ear); err != nil {
						s.tellHistory(err)
					}
				}()
			}
		}
		go func() {
			soon, stop := context.WithTimeout(ctx, restoreTime)
			defer stop()
			if _, err := s.history.Restore(soon, restored); err != nil {
				s.tellHistory(err)
			}
		}()
		s.recallLearned(ctx)
		// The last boots are judged, and teach, while the server stops.
		learning, judged := context.WithCancel(context.WithoutCancel(ctx))
		written := make(chan bool)
		go func() {
			s.keepLearned(learning)
			close(written)
		}()
		s.history.Run(ctx)
		judged()
		<-written
		return nil
	}}
}

// tellBoots answers a command that wants boots.
func (s *Server) tellBoots(ctx context.Context, want *control.Boots, send func(control.Answer) error) {
	if s.history == nil {
		send(control.Answer{Error: "this server keeps no boots: [history] keep is off"})
		return
	}
	if want.ID != "" {
		b, err := s.history.Show(want.ID)
		if err != nil {
			send(control.Answer{Error: err.Error()})
			return
		}
		send(control.Answer{Boot: b})
		return
	}
	boots, stop := s.history.Watch()
	defer stop()
	n := 0
	var gone error
	err := s.history.List(func(b *model.Boot) bool {
		if want.Limit > 0 && n >= want.Limit {
			return false
		}
		n++
		gone = send(control.Answer{Boot: b})
		return gone == nil
	})
	if err != nil {
		send(control.Answer{Error: err.Error()})
		return
	}
	for want.Follow && gone == nil {
		select {
		case <-ctx.Done():
			return
		case b := <-boots:
			short := *b
			short.Steps = nil
			gone = send(control.Answer{Boot: &short})
		}
	}
}

// ErrNoServer says that no server runs by a configuration, and nothing was
// kept.
var ErrNoServer = errors.New("no server runs here with this configuration, and none has kept boots in its data directory")

// ReadBoots gives the newest boots first, without their steps: those of the
// server that runs, or what one has kept. With follow it goes on until the
// context ends.
func ReadBoots(ctx context.Context, l *Loaded, limit int, follow bool, take func(*model.Boot) bool) error {
	var fault error
	err := control.AskAll(ctx, controlPath(l), control.Request{Boots: &control.Boots{Limit: limit, Follow: follow}}, func(a control.Answer) bool {
		if a.Error != "" {
			fault = errors.New(a.Error)
			return false
		}
		return a.Boot == nil || take(a.Boot)
	})
	if err == nil || !notRunning(err) {
		return errors.Join(err, fault)
	}
	if follow {
		return fmt.Errorf("following boots: %v", err)
	}
	n := 0
	return withArchive(l, func(archive history.Archive) error {
		return archive.List(func(b *model.Boot) bool {
			n++
			return (limit == 0 || n <= limit) && take(b)
		})
	})
}

// ShowBoot gives one boot whole, by its ID or a beginning that only one has.
func ShowBoot(l *Loaded, id string) (*model.Boot, error) {
	a, err := control.Ask(controlPath(l), control.Request{Boots: &control.Boots{ID: id}})
	if err == nil && a.Error != "" {
		return nil, errors.New(a.Error)
	}
	if err == nil || !notRunning(err) {
		return a.Boot, err
	}
	var b *model.Boot
	err = withArchive(l, func(archive history.Archive) (err error) {
		b, err = archive.Load(id)
		return err
	})
	return b, err
}
