package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"hobnail/internal/history"
	"hobnail/internal/store"
	"hobnail/internal/store/sqlite"
)

// What is looked through at the start: so many of the newest boots, and for so
// long.
const (
	restored    = 2000
	restoreTime = 30 * time.Second
)

// storePath is where a configuration's store is: all that is kept beyond a
// restart, but for leases.
func storePath(l *Loaded) string { return filepath.Join(l.Config.Server.Data, storeName) }

const storeName = "hobnail.db"

// openStore opens the store of a server, and makes it where there is none.
func openStore(l *Loaded) (store.Store, error) {
	if err := os.MkdirAll(l.Config.Server.Data, 0o700); err != nil {
		return nil, err
	}
	s, err := sqlite.Open(storePath(l))
	if err != nil {
		return nil, err
	}
	return s, nil
}

func limits(l *Loaded) history.Limits {
	h := l.Config.History
	return history.Limits{Good: h.Good, Failed: h.Failed, Boots: h.Boots}
}

// withArchive lends what a server has kept, beside it or without one, for
// reading.
func withArchive(l *Loaded, do func(history.Archive) error) error {
	if _, err := os.Stat(storePath(l)); errors.Is(err, fs.ErrNotExist) {
		return ErrNoServer
	}
	s, err := sqlite.OpenReadOnly(storePath(l))
	if err != nil {
		return err
	}
	defer s.Close()
	return do(history.NewArchive(s, limits(l)))
}

// notRunning reports whether nobody listens for commands.
func notRunning(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}
