package capture

import (
	"bytes"
	"testing"

	"hobnail/internal/model"
)

// explained reads a capture to its end.
func explained(t testing.TB, b []byte) ([]*model.Boot, Summary, error) {
	t.Helper()
	var all []*model.Boot
	sum, err := Explain(bytes.NewReader(b), Options{Boot: func(b *model.Boot) error {
		all = append(all, b)
		return nil
	}})
	return all, sum, err
}
