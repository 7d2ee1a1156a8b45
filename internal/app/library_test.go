package app

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hobnail/internal/config"
	"hobnail/internal/control"
	"hobnail/internal/library"
	"hobnail/internal/model"
)

func libraryOf(t *testing.T) *Loaded {
	t.Helper()
	cfg := config.Default()
	cfg.Server.Data = t.TempDir()
	return &Loaded{Config: cfg, Installed: []model.Image{{Name: "rescue"}}}
}

// runningLibrary starts what a server has of the library: the store that it alone
// writes, and the socket for commands.
func runningLibrary(t *testing.T, l *Loaded, prepare func(*library.Library)) {
	t.Helper()
	kept, err := openStore(l)
	if err != nil {
		t.Fatal(err)
	}
	lib, err := newLibrary(l, kept)
	if err != nil {
		t.Fatal(err)
	}
	prepare(lib)
	ln, err := control.Listen(controlPath(l))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		ended <- control.Serve(ctx, ln, imagesHandler(lib, func(_ context.Context, _ control.Request, send func(control.Answer) error) {
			send(control.Answer{Error: "something else"})
		}))
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		kept.Close()
	})
}

func imageFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func addOf(path string, o library.AddOptions) ImagesRequest {
	return ImagesRequest{Add: &AddImages{Source: path, AddOptions: o}}
}

// TestChangeImages does the same beside a server and without one.
func TestChangeImages(t *testing.T) {
	for _, how := range []string{"no server", "a server"} {
		t.Run(how, func(t *testing.T) {
			l := libraryOf(t)
			if how == "a server" {
				runningLibrary(t, l, func(*library.Library) {})
			}
			var last library.Progress
			ctx := t.Context()
			a, err := ChangeImages(ctx, l, addOf(imageFile(t, "a.iso", "x"), library.AddOptions{By: "anna"}), func(p library.Progress) { last = p })
			if err != nil || len(a.Results) != 1 || a.Results[0].Image.Name != "a" || a.Results[0].Image.By != "anna" {
				t.Fatalf("adding: %+v, %v", a, err)
			}
			if last.Done != 1 || last.Stage != library.StageHash {
				t.Errorf("progress %+v", last)
			}
			title := "A title"
			a, err = ChangeImages(ctx, l, ImagesRequest{Set: &SetImage{"a", library.Change{Name: "b", Edits: library.Edits{Title: &title}}}}, nil)
			if err != nil || a.Image.Name != "b" || a.Image.Shown() != title {
				t.Errorf("setting: %+v, %v", a, err)
			}
			if a, err = ChangeImages(ctx, l, ImagesRequest{Verify: &VerifyImage{"b"}}, nil); err != nil || a.Image.Name != "b" {
				t.Errorf("verifying: %+v, %v", a, err)
			}
			if _, err = ChangeImages(ctx, l, addOf(imageFile(t, "c.iso", "y"), library.AddOptions{Name: "rescue"}), nil); err == nil || !strings.Contains(err.Error(), "there is an image rescue already") {
				t.Errorf("a configured name: %v", err)
			}
			all, err := ReadLibrary(ctx, l)
			if err != nil || len(all) != 1 || all[0].Name != "b" {
				t.Errorf("reading: %+v, %v", all, err)
			}
			// A folder of which a part cannot be added gives both.
			dir := t.TempDir()
			os.WriteFile(filepath.Join(dir, "d.iso"), []byte("d"), 0o644)
			os.WriteFile(filepath.Join(dir, "e.iso"), []byte("e"), 0o644)
			os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(strings.Repeat("a", 64)+"  e.iso\n"), 0o644)
			a, err = ChangeImages(ctx, l, addOf(dir, library.AddOptions{}), nil)
			if err == nil || !strings.Contains(err.Error(), "e.iso is not what it should be") || len(a.Results) != 1 {
				t.Errorf("a folder: %+v, %v", a, err)
			}
			if a, err = ChangeImages(ctx, l, ImagesRequest{Remove: &RemoveImage{"b", library.RemoveOptions{}}}, nil); err != nil || a.Image.Name != "b" {
				t.Errorf("removing: %+v, %v", a, err)
			}
		})
	}
}

func TestReadLibraryWithoutStore(t *testing.T) {
	if all, err := ReadLibrary(t.Context(), libraryOf(t)); err != nil || len(all) > 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

// readers says that a machine reads every image.
type readers struct{}

func (readers) Readers(string) []library.Reader {
	return []library.Reader{{Machine: "lab-01", Since: time.Now()}}
}

func TestRemoveBesideAServerNamesReaders(t *testing.T) {
	l := libraryOf(t)
	runningLibrary(t, l, func(lib *library.Library) { lib.Readers = readers{} })
	if _, err := ChangeImages(t.Context(), l, addOf(imageFile(t, "a.iso", "x"), library.AddOptions{}), nil); err != nil {
		t.Fatal(err)
	}
	_, err := ChangeImages(t.Context(), l, ImagesRequest{Remove: &RemoveImage{Name: "a"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "image a is being read by lab-01") {
		t.Errorf("error %v", err)
	}
}

// TestCancelReachesTheServer: a command that goes away ends what it asked for.
func TestCancelReachesTheServer(t *testing.T) {
	l := libraryOf(t)
	runningLibrary(t, l, func(*library.Library) {})
	gone := make(chan struct{})
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/a.iso" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", "1000")
		w.Write(make([]byte, 500))
		w.(http.Flusher).Flush()
		<-r.Context().Done() // the one who asked gave up
		close(gone)
	}))
	defer origin.Close()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := ChangeImages(ctx, l, addOf(origin.URL+"/a.iso", library.AddOptions{}), func(library.Progress) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	<-gone
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		entries, err := os.ReadDir(ImagesFolder(l))
		if err == nil && len(entries) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left in the folder: %v, %v", entries, err)
		}
	}
	if all, err := ReadLibrary(t.Context(), l); err != nil || len(all) > 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestOtherRequestsGoOn(t *testing.T) {
	l := libraryOf(t)
	runningLibrary(t, l, func(*library.Library) {})
	a, err := control.Ask(controlPath(l), control.Request{Release: "10.0.0.1"})
	if err != nil || a.Error != "something else" {
		t.Errorf("%+v, %v", a, err)
	}
}
