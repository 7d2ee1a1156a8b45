package httpserve

import (
	"net/http/httptest"
	"slices"
	"testing"

	"hobnail/internal/event"
)

// codes keeps the codes of events.
type codes []event.Code

func (c *codes) Emit(e event.Event) { *c = append(*c, e.Code) }

// TestLongReadsAreToldWhenTheyBegin: what takes time is told before its end,
// so that nobody takes a machine that reads for one that is silent.
func TestLongReadsAreToldWhenTheyBegin(t *testing.T) {
	for name, want := range map[string][]event.Code{
		"/large":           {event.FileBegun, event.FileRead},
		"/nbp/shimx64.efi": {event.FileRead},
	} {
		var got codes
		s := &Server{Opener: newTree(), Events: &got}
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", name, nil))
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
