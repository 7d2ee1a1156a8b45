package app

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hobnail/internal/control"
	"hobnail/internal/machines"
)

// TestOrdersGoToWhoHoldsTheStore: beside a server an order is carried out by
// it, and seen at once; without one, in the store itself.
func TestOrdersGoToWhoHoldsTheStore(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "hobnail.toml")
	if err := os.WriteFile(config, []byte("[server]\ndata = \""+filepath.Join(dir, "data")+"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Load(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	add := func(name, mac string) {
		t.Helper()
		row := machines.Row{}
		row.Set("name", name)
		row.Set("mac", mac)
		res, err := OrderMachines(ctx, l, machines.Order{Import: &machines.Import{Rows: []machines.Row{row}, New: true}})
		if err != nil || len(res.Faults) > 0 || len(res.Changes) != 1 {
			t.Fatalf("%s: %+v, %v", name, res, err)
		}
	}
	add("alone", "52:54:00:00:00:01")

	s := &Server{}
	s.current.Store(&running{Loaded: l})
	if s.store, err = openStore(l); err != nil {
		t.Fatal(err)
	}
	defer s.store.Close()
	row := machines.Row{}
	row.Set("name", "nobody")
	row.Set("mac", "52:54:00:00:00:09")
	order := machines.Order{Import: &machines.Import{Rows: []machines.Row{row}}}
	if _, err := OrderMachines(ctx, l, order); err == nil || !strings.Contains(err.Error(), "another hobnail runs with this data folder") {
		t.Errorf("beside a server that takes no commands: %v", err)
	}

	registry, err := machines.Open(ctx, s.store, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.machines = registry
	changed, stop := s.store.Changes("machine-revision")
	defer stop()
	svc, err := s.commands(l)
	if err != nil {
		t.Fatal(err)
	}
	serving, end := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- svc.serve(serving) }()
	add("beside", "52:54:00:00:00:02")
	<-changed
	snap, err := ReadMachines(ctx, l)
	if err != nil || snap.Machine("alone") == nil || snap.Machine("beside") == nil || snap.Machine("beside").By == "" {
		t.Errorf("another process reads %+v, %v", snap.Records(), err)
	}
	if now := registry.Snapshot(); now.Machine("alone") == nil || now.Machine("beside") == nil {
		t.Errorf("the server knows %+v", now.Records())
	}
	if a, err := control.Ask(controlPath(l), control.Request{Machines: json.RawMessage(`[]`)}); err != nil || !strings.HasPrefix(a.Error, "the order is none of ours") {
		t.Errorf("nonsense: %+v, %v", a, err)
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
