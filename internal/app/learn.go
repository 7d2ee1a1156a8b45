package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hobnail/internal/event"
	"hobnail/internal/handover"
	"hobnail/internal/learn"
	"hobnail/internal/model"
	"hobnail/internal/store"
)

const (
	// learnedKey is where the store has what was learned.
	learnedKey = "learned"
	// learnedPace is how often that is written, where it has changed.
	learnedPace = time.Minute
)

// recallLearned reads what was learned before the last restart.
func (s *Server) recallLearned(ctx context.Context) {
	if s.store == nil {
		return
	}
	var kept []byte
	err := s.store.View(ctx, func(tx store.Tx) (err error) {
		kept, err = tx.Get(learnedKey)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return
	}
	if err == nil {
		err = s.learned.Unmarshal(kept)
	}
	if err != nil {
		s.tellHistory(fmt.Errorf("reading what was learned: %w", err))
	}
}

// keepLearned writes what was learned until the context ends, and once more
// then.
func (s *Server) keepLearned(ctx context.Context) {
	if s.store == nil {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(learnedPace)
	defer tick.Stop()
	kept := s.learned.Changes()
	for over := false; !over; {
		select {
		case <-ctx.Done():
			over = true
		case <-tick.C:
		}
		now := s.learned.Changes()
		if now == kept {
			continue
		}
		if err := s.writeLearned(); err != nil {
			s.tellHistory(fmt.Errorf("writing what was learned: %w", err))
			continue
		}
		kept = now
	}
}

func (s *Server) writeLearned() error {
	b, err := s.learned.Marshal()
	if err != nil {
		return err
	}
	return s.store.Update(context.Background(), func(tx store.Tx) error { return tx.Put(learnedKey, b) })
}

// teach has a boot that ended change what the next one gets, and tells of it.
func (s *Server) teach(b *model.Boot) {
	now := time.Now()
	for _, c := range s.learned.Boot(b, now) {
		var lines []string
		if c.Code() == event.LearnExhausted && c.About == learn.Offers {
			lines = s.options(c.Arch)
		}
		s.opts.Events.Emit(c.Event(now, lines))
	}
}

// options are what the site's own DHCP server has to say for machines of an
// architecture to boot from here; none where that cannot be told.
func (s *Server) options(arch model.Arch) []string {
	l := s.current.Load().Loaded
	facts, err := HandoverFacts(l)
	if err != nil {
		return nil
	}
	site, err := handover.Survey(l.Config, facts)
	if err != nil {
		return nil
	}
	d, err := site.DHCP()
	if err != nil {
		return nil
	}
	for _, b := range d.Boots {
		if b.Arch == arch && b.Client == handover.ClientPXE {
			return b.Lines()
		}
	}
	return nil
}
