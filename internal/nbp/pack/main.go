// Command pack writes the archive of boot programs that hobnail embeds; see
// scripts/fetch-nbp, which runs it.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"hobnail/internal/nbp"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: pack FOLDER ARCHIVE")
		os.Exit(2)
	}
	if err := pack(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pack writes beside the archive and renames, so that a broken run leaves the
// old archive or none. The name begins with a dot, so that a build at the same
// time does not embed it, and ends like the archive's, which git ignores.
func pack(dir, archive string) error {
	draft := filepath.Join(filepath.Dir(archive), ".draft-"+filepath.Base(archive))
	f, err := os.Create(draft)
	if err != nil {
		return err
	}
	err = errors.Join(nbp.Pack(dir, f), f.Close())
	if err == nil {
		err = os.Rename(draft, archive)
	}
	if err != nil {
		os.Remove(draft)
	}
	return err
}
