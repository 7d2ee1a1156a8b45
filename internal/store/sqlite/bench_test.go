package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"hobnail/internal/store"
)

// BenchmarkCommit commits new values of 2,000 octets.
func BenchmarkCommit(b *testing.B) {
	value := make([]byte, 2000)
	for _, n := range []int{1, 16, 300} {
		b.Run(fmt.Sprintf("%d values", n), func(b *testing.B) {
			s, err := Open(filepath.Join(b.TempDir(), "bench.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			key := 0
			for b.Loop() {
				if err := s.Update(context.Background(), func(tx store.Tx) error {
					for range n {
						key++
						if err := tx.Put(fmt.Sprintf("boot/20261125T080000.000-%012d", key), value); err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen opens a file of 20,000 values that was closed, and reads one.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "bench.db")
	s, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	if err := putAll(s, 20000, string(make([]byte, 2000))); err != nil {
		b.Fatal(err)
	}
	s.Close()
	for b.Loop() {
		s, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.View(context.Background(), func(tx store.Tx) error { _, err := tx.Get("key/010000"); return err }); err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}
