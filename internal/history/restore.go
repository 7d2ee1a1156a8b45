package history

import (
	"context"
	"errors"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/verdict"
)

// Restored says what Restore did.
type Restored struct {
	Boots   int // that were looked at
	Resumed int // that go on: what comes belongs to them
	Cut     int // that went on when the server stopped, and whose end nobody heard
}

// Restore learns again, from the newest boots of the archive, what a restart
// forgets: the past of each machine, how long steps take, how models fared.
// Boots that went on when the server stopped go on, or are ended if that was
// long ago. It may run beside Run, and ends early with the context, which is no
// error: the newest come first. An error says what of the archive could not be
// read; the rest has been learned.
func (k *Keeper) Restore(ctx context.Context, newest int) (Restored, error) {
	var done Restored
	if k.archive == nil {
		return done, nil
	}
	ids := make([]string, 0, min(newest, 4096))
	err := k.archive.List(func(b *model.Boot) bool {
		if b.Start.Before(k.began) {
			ids = append(ids, b.ID)
		}
		return len(ids) < newest && ctx.Err() == nil
	})
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		b, loadErr := k.archive.Load(id)
		if loadErr != nil {
			if err == nil && !errors.Is(loadErr, ErrNotFound) { // dropped meanwhile
				err = loadErr
			}
			continue
		}
		k.remember(b, &done)
	}
	return done, err
}

// remember takes one boot of before the restart, newer ones first.
func (k *Keeper) remember(b *model.Boot, done *Restored) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock()
	done.Boots++
	learned := b.Verdict.Final
	switch {
	case b.Ended:
	case now.Sub(b.Last) < record.Idle && k.joiner.Adopt(b):
		// dirty: it is judged and stored with what has changed around it.
		k.state[b] = &state{dirty: true, told: learned}
		k.going.Store(b.MAC, true)
		done.Resumed++
	default:
		k.cut(b, now)
		done.Cut++
		learned = false // what nobody heard teaches nothing
		k.closed = append(k.closed, b)
	}
	if b.Ended && b.MAC != "" && len(k.around.past[b.MAC]) < keepPast && (len(k.around.past[b.MAC]) > 0 || len(k.around.past) < maxPast) {
		k.around.past[b.MAC] = append(k.around.past[b.MAC], verdict.Past{Code: b.Verdict.Code, Last: b.Last})
	}
	if learned {
		k.around.usual.learnOlder(b)
		k.around.models.learn(b)
	}
}

// cut ends a boot that went on when the server stopped. A verdict that was not
// final then says no more than where the machine stood.
func (k *Keeper) cut(b *model.Boot, now time.Time) {
	final := b.Verdict.Final
	b.Ended = true
	if final {
		return
	}
	b.Verdict = verdict.Judge(verdict.Case{Boot: b, Now: now})
	if b.Verdict.Outcome == model.OutcomeFailed {
		b.Verdict.Outcome = model.OutcomeWarning
	}
	b.Verdict.Notes = append(b.Verdict.Notes, model.Note{Code: verdict.CutOff, Text: "the server was stopped while this boot went on: what came after is not known"})
}
