package app

import (
	"syscall"

	"hobnail/internal/history"
)

var errRefused error = syscall.ECONNREFUSED

// openBoots opens where a configuration's boots are kept.
func openBoots(l *Loaded) (history.Archive, error) { return nil, nil }

// readBoots opens the same to read it, beside a server or without one.
func readBoots(l *Loaded) (history.Archive, error) { return nil, ErrNoServer }
