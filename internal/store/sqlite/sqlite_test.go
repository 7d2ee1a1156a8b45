package sqlite

import (
	"path/filepath"
	"testing"

	"hobnail/internal/store"
	"hobnail/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		s, err := Open(filepath.Join(t.TempDir(), "a name? with 50% #odd&=signs.db"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
