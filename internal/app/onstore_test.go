package app

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What no server runs for, a command does itself; what nobody knows is told.
func TestOnStoreAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hobnail.toml"), []byte("[server]\ndata = \""+filepath.Join(dir, "data")+"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Load(filepath.Join(dir, "hobnail.toml"))
	if err != nil {
		t.Fatal(err)
	}
	err = OnStore(context.Background(), l, "machines.dance", nil, nil)
	if err == nil || !strings.Contains(err.Error(), `knows no operation "machines.dance"`) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "hobnail.db")); err != nil {
		t.Errorf("there is no store after that: %v", err)
	}
}
