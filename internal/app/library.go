package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"hobnail/internal/control"
	"hobnail/internal/library"
	"hobnail/internal/model"
	"hobnail/internal/store"
	"hobnail/internal/store/sqlite"
)

// ImagesFolder is the folder of images that a configuration's server watches.
func ImagesFolder(l *Loaded) string { return filepath.Join(l.Config.Server.Data, "images") }

// newLibrary makes the library of a configuration in a store that is open.
func newLibrary(l *Loaded, kept store.Store) (*library.Library, error) {
	folder, err := filepath.Abs(ImagesFolder(l))
	if err != nil {
		return nil, err
	}
	return &library.Library{
		Store: kept, Folder: folder,
		Recognise: recognise, Tree: treeOf,
		Taken: func(name string) bool {
			return slices.ContainsFunc(l.Config.Images, func(i model.Image) bool { return i.Name == name }) ||
				slices.ContainsFunc(l.Installed, func(i model.Image) bool { return i.Name == name })
		},
	}, nil
}

// ReadLibrary lists the images that were added, whether the server runs or not.
func ReadLibrary(ctx context.Context, l *Loaded) ([]library.Image, error) {
	return readLibrary(ctx, l.Config.Server.Data)
}

// readLibrary lists the images that were added to a data folder.
func readLibrary(ctx context.Context, data string) ([]library.Image, error) {
	kept, err := sqlite.OpenReadOnly(filepath.Join(data, storeName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer kept.Close()
	return (&library.Library{Store: kept}).List(ctx)
}

// ImagesRequest is one thing that a command wants done with the library. One
// field is set.
type ImagesRequest struct {
	Add    *AddImages   `json:"add,omitempty"`
	Remove *RemoveImage `json:"remove,omitempty"`
	Set    *SetImage    `json:"set,omitempty"`
	Verify *VerifyImage `json:"verify,omitempty"`
}

// AddImages asks for what library.Library.Add does.
type AddImages struct {
	Source string `json:"source"` // absolute path, or URL
	library.AddOptions
}

// RemoveImage asks for what library.Library.Remove does.
type RemoveImage struct {
	Name string `json:"name"`
	library.RemoveOptions
}

// SetImage asks for what library.Library.Set does.
type SetImage struct {
	Name   string         `json:"name"`
	Change library.Change `json:"change"`
}

// VerifyImage asks for what library.Library.Verify does.
type VerifyImage struct {
	Name string `json:"name"`
}

// ImagesAnswer is what became of it: of one that asked to add, what was added
// by the time of an error as well.
type ImagesAnswer struct {
	Results []library.Result `json:"results,omitempty"`
	Image   *library.Image   `json:"image,omitempty"`
}

// imagesWord is what the running server says of it over the socket: how far it
// has come, or at last what became of it.
type imagesWord struct {
	Progress *library.Progress `json:"progress,omitempty"`
	Done     *ImagesAnswer     `json:"done,omitempty"`
	Error    string            `json:"error,omitempty"` // beside Done
}

// ChangeImages does something with the library. The server that runs here does
// it; if none does, it is done in its store. It ends, and undoes what is half,
// when the context does.
func ChangeImages(ctx context.Context, l *Loaded, r ImagesRequest, tell func(library.Progress)) (ImagesAnswer, error) {
	if r.Add != nil && !strings.Contains(r.Add.Source, "://") {
		path, err := filepath.Abs(r.Add.Source)
		if err != nil {
			return ImagesAnswer{}, err
		}
		r.Add.Source = path
	}
	a, err := askForImages(ctx, l, r, tell)
	if err == nil || !notRunning(err) {
		return a, err
	}
	kept, err := openStore(l)
	if err != nil {
		return ImagesAnswer{}, err
	}
	defer kept.Close()
	lib, err := newLibrary(l, kept)
	if err != nil {
		return ImagesAnswer{}, err
	}
	return changeImages(ctx, lib, r, tell)
}

// changeImages is ChangeImages in a library.
func changeImages(ctx context.Context, lib *library.Library, r ImagesRequest, tell func(library.Progress)) (a ImagesAnswer, err error) {
	var i library.Image
	switch {
	case r.Add != nil:
		a.Results, err = lib.Add(ctx, r.Add.Source, r.Add.AddOptions, tell)
		return a, err
	case r.Remove != nil:
		i, err = lib.Remove(ctx, r.Remove.Name, r.Remove.RemoveOptions)
	case r.Set != nil:
		i, err = lib.Set(ctx, r.Set.Name, r.Set.Change)
	case r.Verify != nil:
		i, err = lib.Verify(ctx, r.Verify.Name, tell)
	default:
		return a, errors.New("this server cannot do that with images: it is of another version than the command")
	}
	if i.Name != "" {
		a.Image = &i
	}
	return a, err
}

// askForImages has the running server do it.
func askForImages(ctx context.Context, l *Loaded, r ImagesRequest, tell func(library.Progress)) (ImagesAnswer, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return ImagesAnswer{}, err
	}
	var last imagesWord
	err = control.AskAll(ctx, controlPath(l), control.Request{Images: raw}, func(a control.Answer) bool {
		last = imagesWord{Error: a.Error}
		if a.Error == "" {
			if err := json.Unmarshal(a.Images, &last); err != nil {
				last.Error = fmt.Sprintf("the answer cannot be understood: %v", err)
			}
		}
		if last.Progress != nil && tell != nil {
			tell(*last.Progress)
		}
		return last.Done == nil && last.Error == ""
	})
	switch {
	case err != nil:
		return ImagesAnswer{}, err
	case ctx.Err() != nil:
		return ImagesAnswer{}, ctx.Err()
	case last.Error != "":
		err = errors.New(last.Error)
	case last.Done == nil:
		err = fmt.Errorf("asking the running server: %v", io.ErrUnexpectedEOF)
	}
	if last.Done == nil {
		last.Done = &ImagesAnswer{}
	}
	return *last.Done, err
}

// imagesPace is how often the server says that it is still at it.
const imagesPace = time.Second

// imagesHandler carries out requests for images, and hands all others on.
func imagesHandler(lib *library.Library, next control.Handler) control.Handler {
	return func(ctx context.Context, r control.Request, send func(control.Answer) error) {
		if r.Images == nil {
			next(ctx, r, send)
			return
		}
		var want ImagesRequest
		if err := json.Unmarshal(r.Images, &want); err != nil {
			send(control.Answer{Error: fmt.Sprintf("the request for images cannot be understood: %v", err)})
			return
		}
		t := &teller{send: send}
		ended := make(chan struct{})
		go t.keepAlive(ended)
		done, err := changeImages(ctx, lib, want, t.progress)
		close(ended)
		word := imagesWord{Done: &done}
		if err != nil {
			word.Error = err.Error()
		}
		t.say(word)
	}
}

// teller sends words one at a time.
type teller struct {
	mu   sync.Mutex
	send func(control.Answer) error
	last library.Progress
}

func (t *teller) say(w imagesWord) {
	raw, err := json.Marshal(w)
	if err != nil {
		raw, _ = json.Marshal(imagesWord{Error: err.Error()})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.send(control.Answer{Images: raw}) // whoever went away has ended the context
}

func (t *teller) progress(p library.Progress) {
	t.mu.Lock()
	t.last = p
	t.mu.Unlock()
	t.say(imagesWord{Progress: &p})
}

// keepAlive repeats itself where a work gets no further for a while: whoever
// asked takes silence for the server's end.
func (t *teller) keepAlive(ended <-chan struct{}) {
	tick := time.NewTicker(imagesPace)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			t.mu.Lock()
			p := t.last
			t.mu.Unlock()
			t.say(imagesWord{Progress: &p})
		}
	}
}

// InImagesFolder reports whether an image's file lies in the folder that the
// server watches, so that it is the library's to delete.
func InImagesFolder(l *Loaded, i library.Image) bool {
	lib, err := newLibrary(l, nil)
	return err == nil && lib.Inside(i)
}
