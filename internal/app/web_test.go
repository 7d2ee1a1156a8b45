package app

import (
	"testing"

	"hobnail/internal/config"
)

// What [http] says is what the server keeps to, from its start on: a running
// one does not take another.
func TestRatesOfHTTP(t *testing.T) {
	cfg, faults := config.Parse("hobnail.toml", []byte("[http]\nrate = '2GB'\nrate_per_client = '64kB'"))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	l := &Loaded{Config: cfg}
	if h := (&Server{}).newWeb(l); h.MaxRate != 2e9 || h.MaxClientRate != 64e3 {
		t.Errorf("%d octets in a second, %d of one address", h.MaxRate, h.MaxClientRate)
	}
	err := needsRestart(&Loaded{Config: config.Default()}, l)
	if err == nil || err.Error() != "[http] cannot change while the server runs: restart it" {
		t.Error(err)
	}
	if err := needsRestart(l, l); err != nil {
		t.Error(err)
	}
}
