package history

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/store"
)

// kept is what Trim looks at of a boot.
type kept struct {
	ID   string    `json:"-"`
	Last time.Time `json:"last"`
	// Verdict as in model.Boot, the one word of it that counts.
	Verdict struct {
		Outcome model.Outcome `json:"outcome"`
	} `json:"verdict"`
}

func (k *kept) good() bool { return k.Verdict.Outcome == model.OutcomeOK }

// Trim implements Archive.
func (a *StoreArchive) Trim(now time.Time) (err error) {
	defer guard("dropping old boots", &err)
	var all []kept
	err = a.pages(false, func(id string, value []byte) bool {
		k := kept{ID: id}
		// One that cannot be read has no time: it is the first to go.
		_ = json.Unmarshal(value, &k)
		all = append(all, k)
		return true
	})
	if err != nil {
		return fmt.Errorf("dropping old boots: %w", err)
	}
	drop := surplus(all, a.limits, now)
	for len(drop) > 0 {
		batch := drop[:min(len(drop), deleteBatch)]
		drop = drop[len(batch):]
		err := a.store.Update(context.Background(), func(tx store.Tx) error {
			for _, id := range batch {
				if err := tx.Delete(bootKey + id); err != nil {
					return err
				}
				if err := tx.Delete(indexKey + id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("dropping %d old boots: %w", len(batch), err)
		}
	}
	return nil
}

// surplus says which boots are too old or too many. all are in the order of
// their time.
func surplus(all []kept, l Limits, now time.Time) (drop []string) {
	left := make([]kept, 0, len(all))
	for _, k := range all {
		limit := l.Failed
		if k.good() {
			limit = l.Good
		}
		if now.Sub(k.Last) > limit {
			drop = append(drop, k.ID)
			continue
		}
		left = append(left, k)
	}
	for _, good := range []bool{true, false} {
		n := len(left) - l.Boots
		rest := left[:0:0]
		for _, k := range left {
			if n > 0 && k.good() == good {
				drop = append(drop, k.ID)
				n--
				continue
			}
			rest = append(rest, k)
		}
		left = rest
	}
	return drop
}
