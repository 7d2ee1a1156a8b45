package app

import (
	"strings"

	"hobnail/internal/bootfile"
	"hobnail/internal/image"
)

// imageFiles makes the table of all image files on this host.
func imageFiles(l *Loaded) (bootfile.Opener, error) {
	files := map[string]string{}
	for _, img := range l.Images {
		for _, f := range image.Files(img) {
			if !strings.Contains(f.Path, "://") {
				files[f.Name] = f.Path
			}
		}
	}
	return bootfile.NewTable(files)
}
