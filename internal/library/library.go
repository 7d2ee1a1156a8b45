// Package library keeps the images that were added to the data folder: what
// was added is hashed once, compared with what its maker says of it, recognised,
// and written down in the store. It does not know what an image is: recognition
// is handed to it. Files are not unpacked, and not copied unless somebody asks.
package library

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hobnail/internal/store"
)

// Recogniser says what an image is. It opens the file itself; while a file is
// downloaded or copied in, its name is another one with the same ending.
type Recogniser func(path string) (Recognised, error)

// Tree opens the files within an image, for its .treeinfo. Whoever calls
// closes.
type Tree func(path string) (fs.FS, io.Closer, error)

// Reader is a machine that reads an image.
type Reader struct {
	Machine string    `json:"machine"` // its name, else its address
	Since   time.Time `json:"since"`
}

// Readers says who reads an image at the moment.
type Readers interface {
	Readers(name string) []Reader
}

// Library is the images of one store. Its methods may be called from many
// goroutines. Set the fields before the first call.
type Library struct {
	Store     store.Store
	Folder    string                 // absolute; where copies and downloads go, and what Watch watches
	Recognise Recogniser             // nil: nothing is recognised
	Tree      Tree                   // nil: no .treeinfo is looked at
	Taken     func(name string) bool // names of images that are not the library's; nil: none
	Readers   Readers                // nil: nobody reads
	Client    *http.Client           // nil: NewClient

	// Pause waits before a download is taken up again; nil waits indeed.
	Pause func(context.Context, time.Duration) error
}

// Errors that callers ask for.
var (
	ErrNotFound = errors.New("there is no such image in the library")
	ErrFull     = errors.New("the disk is full")
)

func (l *Library) client() *http.Client {
	if l.Client != nil {
		return l.Client
	}
	return NewClient()
}

func (l *Library) pause() func(context.Context, time.Duration) error {
	if l.Pause != nil {
		return l.Pause
	}
	return func(ctx context.Context, d time.Duration) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
			return nil
		}
	}
}

func (l *Library) taken(name string) bool { return l.Taken != nil && l.Taken(name) }

// List gives all images in order of their names. It looks at no file.
func (l *Library) List(ctx context.Context) (all []Image, err error) {
	err = l.Store.View(ctx, func(tx store.Tx) error {
		all, err = images(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing images: %w", err)
	}
	return all, nil
}

// images reads all records. One that cannot be understood fails them all:
// names and paths must be known to be unique.
func images(tx store.Tx) ([]Image, error) {
	var all []Image
	var bad error
	err := tx.Scan(store.Range{Prefix: imageKey}, func(key string, value []byte) bool {
		var i Image
		if bad = json.Unmarshal(value, &i); bad != nil {
			bad = fmt.Errorf("reading image %q: %v", strings.TrimPrefix(key, imageKey), bad)
			return false
		}
		all = append(all, i)
		return true
	})
	return all, errors.Join(err, bad)
}

// Show gives one image. The error is ErrNotFound if there is none.
func (l *Library) Show(ctx context.Context, name string) (i Image, err error) {
	err = l.Store.View(ctx, func(tx store.Tx) error {
		i, err = get(tx, name)
		return err
	})
	return i, err
}

func get(tx store.Tx, name string) (i Image, err error) {
	value, err := tx.Get(imageKey + name)
	if errors.Is(err, store.ErrNotFound) || len(imageKey+name) > store.MaxKey {
		return i, fmt.Errorf("image %.80q: %w", name, ErrNotFound)
	}
	if err == nil {
		err = json.Unmarshal(value, &i)
	}
	if err != nil {
		return i, fmt.Errorf("reading image %q: %w", name, err)
	}
	return i, nil
}

func put(tx store.Tx, i Image) error {
	value, err := json.Marshal(i)
	if err != nil {
		return err
	}
	return tx.Put(imageKey+i.Name, value)
}

// byPath finds the image whose file is there.
func byPath(all []Image, path string) (Image, bool) {
	for _, i := range all {
		if i.Path == path {
			return i, true
		}
	}
	return Image{}, false
}

// folder makes the library's folder if need be, and gives its path without
// links, as images have it.
func (l *Library) folder() (string, error) {
	err := os.MkdirAll(l.Folder, 0o755)
	path := l.Folder
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", fmt.Errorf("making the folder of images: %v", err)
	}
	return path, nil
}

// inside reports whether a path is in the library's folder, not in a hidden
// part of it.
func (l *Library) inside(path string) bool {
	folder, err := filepath.EvalSymlinks(l.Folder)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel) && !hiddenPart(rel)
}

func hiddenPart(rel string) bool {
	for _, part := range strings.Split(rel, string(filepath.Separator)) {
		if strings.HasPrefix(part, ".") {
			return true
		}
	}
	return false
}

// maxDepth is how many folders deep images are looked for.
const maxDepth = 4

// imageFiles lists the images in a folder and below, in order. Links are not
// followed: whoever may write to the folder could name any file of the host by
// them. What cannot be read is left out.
func imageFiles(folder string) (files, folders []string) {
	filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(folder, path)
		switch {
		case relErr != nil:
			return relErr
		case err != nil:
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir() && rel != "." && (hiddenPart(rel) || strings.Count(rel, string(filepath.Separator)) >= maxDepth-1):
			return fs.SkipDir
		case d.IsDir():
			folders = append(folders, path)
		case d.Type().IsRegular() && IsImageFile(d.Name()):
			files = append(files, path)
		}
		return nil
	})
	return files, folders
}

// stat gives the stamp of a regular file.
func stat(path string) (Stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Stamp{}, err
	}
	if !info.Mode().IsRegular() {
		return Stamp{}, fmt.Errorf("%s is not a file", path)
	}
	return stampOf(info), nil
}
