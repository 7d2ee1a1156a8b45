package app

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
	"hobnail/internal/image"
	"hobnail/internal/library"
)

// openLibrary makes the library of images, where there is a store.
func (s *Server) openLibrary(l *Loaded) error {
	if s.store == nil {
		return nil
	}
	lib, err := newLibrary(l, s.store)
	if err != nil {
		return err
	}
	lib.Readers = &s.reading
	s.images = lib
	return nil
}

// followImages adds what is put into the folder of images, and has the server
// offer what the library has, whoever changed it.
func (s *Server) followImages(ctx context.Context) error {
	changed, stop := s.store.Changes("image/")
	defer stop()
	done := make(chan bool)
	go func() {
		s.images.Watch(ctx, library.WatchOptions{Event: s.tellImage})
		close(done)
	}()
	for {
		select {
		case <-ctx.Done():
			<-done
			return nil
		case <-changed:
			s.useImages()
		}
	}
}

// useImages takes the images that the library has now, by the configuration
// that runs.
func (s *Server) useImages() {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	now := s.current.Load().Loaded
	next, err := now.withImages()
	if err == nil {
		err = s.use(next)
	}
	if err != nil {
		s.opts.Events.Emit(event.Event{Time: time.Now(), Code: event.ImageFault, Attrs: []slog.Attr{slog.String("error", err.Error())}})
	}
}

func (s *Server) tellImage(e library.Event) {
	code := event.ImageChanged
	switch e.Kind {
	case library.EventChanged, library.EventMissing, library.EventFailed, library.EventFault:
		code = event.ImageFault
	}
	attrs := []slog.Attr{slog.String("text", string(e.Kind)), slog.String("path", e.Path), slog.String("image", e.Image)}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	s.opts.Events.Emit(event.Event{Time: time.Now(), Code: code, Attrs: attrs})
	if code == event.ImageFault && e.Image != "" || e.Kind == library.EventReturned {
		s.useImages()
	}
}

// reading knows who reads images at the moment. The zero value is ready.
type reading struct {
	mu  sync.Mutex
	all map[*reader]bool
}

type reader struct {
	image  string
	client netip.Addr
	since  time.Time
	name   func(netip.Addr) string
}

// Readers implements library.Readers.
func (r *reading) Readers(name string) []library.Reader {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[netip.Addr]library.Reader{}
	for one := range r.all {
		if one.image != name {
			continue
		}
		if have, ok := seen[one.client]; !ok || one.since.Before(have.Since) {
			seen[one.client] = library.Reader{Machine: one.name(one.client), Since: one.since}
		}
	}
	var all []library.Reader
	for _, one := range seen {
		all = append(all, one)
	}
	return all
}

// watch notes that a machine reads an image until it closes the file.
func (r *reading) watch(f *bootfile.File, one *reader) {
	r.mu.Lock()
	if r.all == nil {
		r.all = map[*reader]bool{}
	}
	r.all[one] = true
	r.mu.Unlock()
	shut := f.Close
	f.Close = func() error {
		r.mu.Lock()
		delete(r.all, one)
		r.mu.Unlock()
		return shut()
	}
}

// imageOf is the image that a name in the tree belongs to; empty for none.
func imageOf(name string) string {
	for _, prefix := range []string{image.VolumePrefix, image.Prefix} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			first, _, inside := strings.Cut(rest, "/")
			if !inside {
				first = strings.TrimSuffix(first, ".iso")
			}
			return first
		}
	}
	return ""
}

// imageReaders notes who reads files of images.
type imageReaders struct {
	bootfile.Opener
	s *Server
}

// Open implements bootfile.Opener.
func (o imageReaders) Open(ctx context.Context, r bootfile.Request) (*bootfile.File, error) {
	f, err := o.Opener.Open(ctx, r)
	if err != nil || !r.Client.IsValid() {
		return f, err
	}
	if name := imageOf(f.Name); name != "" {
		o.s.reading.watch(f, &reader{image: name, client: r.Client.Addr().Unmap(), since: time.Now(), name: o.s.nameOf})
	}
	return f, nil
}

// nameOf is what a machine that reads is called: its name, else its MAC
// address, else the address that it reads from.
func (s *Server) nameOf(a netip.Addr) string {
	known := s.boots.ByAddr(a)
	if known.MAC == "" {
		return a.String()
	}
	if s.machines != nil {
		for _, m := range s.machines.Snapshot().Machines() {
			for _, mac := range m.MACs {
				if mac == known.MAC {
					return m.Name
				}
			}
		}
	}
	return string(known.MAC)
}
