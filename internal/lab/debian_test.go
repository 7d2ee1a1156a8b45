//go:build lab

package lab

import (
	"os"
	"testing"
)

func TestDebianMirror(t *testing.T) {
	dir := os.Getenv("DM")
	m, err := BuildDebianMirror(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(m.Dir)
}
