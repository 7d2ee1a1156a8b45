package mem

import (
	"testing"

	"hobnail/internal/store"
	"hobnail/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return New() })
}
