package app

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
	"hobnail/internal/image"
	"hobnail/internal/site"
	"hobnail/internal/volume"
)

// imageFiles makes the tree of all image files: those on this host, those of
// other web servers, of which copies are kept in the data folder, and what lies
// beside boot managers of Windows.
func (s *Server) imageFiles(l *Loaded) (bootfile.Opener, error) {
	local, remote, inside := map[string]string{}, map[string]string{}, map[string]volume.Inner{}
	for _, img := range l.Images {
		if img.Volume != "" {
			local[image.VolumeName(img.Name)] = img.Volume
		}
		for _, f := range image.Files(img) {
			switch {
			case f.Inside != "" || f.Member != "":
				inside[f.Name] = volume.Inner{Image: img.Name, Path: f.Inside, Member: f.Member}
			case strings.Contains(f.Path, "://"):
				remote[f.Name] = f.Path
			default:
				local[f.Name] = f.Path
			}
		}
	}
	table, err := bootfile.NewTable(l.Config.Server.Landlock,
		bootfile.Part{Files: local, Fits: l.fits}, bootfile.Part{Files: site.WindowsFiles(l.Programs), AnyCase: true})
	if err != nil {
		return nil, err
	}
	here := bootfile.Chain{table, &volume.Set{Files: table, Named: inside}}
	if len(remote) == 0 {
		return here, nil
	}
	copies, err := bootfile.NewRemote(filepath.Join(l.Config.Server.Data, "cache"), remote, l.Config.Server.Landlock, s.downloadFailed)
	if err != nil {
		return nil, err
	}
	return append(here, copies), nil
}

// SizeOf is how many octets a file of an image on this host has, as it is
// served.
func SizeOf(f image.FileRef) (int64, error) {
	info, err := os.Stat(f.Path)
	switch {
	case err != nil:
		return 0, err
	case f.Member != "":
		return volume.PackedSize(info.Size(), f.Member), nil
	case f.Inside == "":
		return info.Size(), nil
	}
	at, closer, err := treeOf(f.Path)
	if err != nil {
		return 0, err
	}
	defer closer.Close()
	name := f.Inside
	if v, ok := at.(interface{ Fold(string) (string, bool) }); ok {
		if found, ok := v.Fold(name); ok {
			name = found
		}
	}
	if info, err = fs.Stat(at, name); err != nil {
		return 0, fmt.Errorf("%s: %v", f.Path, err)
	}
	return info.Size(), nil
}

func (s *Server) downloadFailed(err error) {
	s.opts.Events.Emit(event.Event{Time: time.Now(), Code: event.DownloadFailed,
		Attrs: []slog.Attr{slog.String("error", err.Error())}})
}

// fetcher is an opener that can bring its files before anybody asks.
type fetcher interface {
	Fetch(context.Context) error
}

// prefetch brings remote image files as soon as the server runs, so that the
// first machine does not wait for a download longer than its loader does.
func (s *Server) prefetch(ctx context.Context) {
	watched, _ := s.current.Load().site.Images.(imageReaders)
	chain, ok := watched.Opener.(bootfile.Chain)
	if !ok {
		return
	}
	for _, o := range chain {
		if f, ok := o.(fetcher); ok {
			// Every failure was told one by one when it happened.
			_ = f.Fetch(ctx)
		}
	}
}
