package library

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Keys in the store.
const (
	// imageKey, with the name behind it, is where an Image is, as JSON.
	imageKey = "image/"
	// ignoredKey, with the SHA-256 of a path behind it, is where a file of the
	// folder is that was removed from the library and kept on disk, as JSON of
	// ignored.
	ignoredKey = "image-ignored/"
)

// Image is one image of the library.
type Image struct {
	Name   string      `json:"name"`  // unique: [a-z0-9._-], at most 63, the first a letter or digit
	Title  string      `json:"title"` // what recognition calls it, else its file's name
	Path   string      `json:"path"`  // absolute
	Size   int64       `json:"size"`  // octets
	SHA256 string      `json:"sha256"`
	File   Stamp       `json:"file"`             // of the file that was hashed
	Source string      `json:"source,omitempty"` // where it was downloaded from, without a password
	Checks []Check     `json:"checks,omitempty"`
	Found  *Recognised `json:"found,omitempty"` // nil: it was not recognised
	Fault  string      `json:"fault,omitempty"` // why not
	Edits  Edits       `json:"edits,omitzero"`  // a person's, kept when the file is looked at again
	Added  time.Time   `json:"added"`
	By     string      `json:"by"`     // who added it: a user of the host, or "folder"
	Looked time.Time   `json:"looked"` // when it was last hashed
}

// Recognised is what recognition found in an image. What is in it beyond these
// words is Detail's, and nothing of it is understood here.
type Recognised struct {
	System  string          `json:"system"` // the word of the row, "debian"
	Title   string          `json:"title"`  // for people, "Debian 12.7 installer"
	Version string          `json:"version,omitempty"`
	CPU     string          `json:"cpu,omitempty"` // as in model.CPU
	Detail  json.RawMessage `json:"detail,omitempty"`
}

// Edits are what a person changed. A nil field was not.
type Edits struct {
	Title   *string `json:"title,omitempty"`
	Cmdline *string `json:"cmdline,omitempty"` // template, in place of recognition's
	Answer  *string `json:"answer,omitempty"`  // which kind of answer file, or which file
	Hidden  *bool   `json:"hidden,omitempty"`  // not in menus
}

// over gives older edits with newer ones over them.
func (e Edits) over(old Edits) Edits {
	if e.Title == nil {
		e.Title = old.Title
	}
	if e.Cmdline == nil {
		e.Cmdline = old.Cmdline
	}
	if e.Answer == nil {
		e.Answer = old.Answer
	}
	if e.Hidden == nil {
		e.Hidden = old.Hidden
	}
	return e
}

// Signed reports whether a signature was checked and is good.
func (i Image) Signed() bool {
	for _, c := range i.Checks {
		if c.Kind == "signature" && c.Result == ResultOK {
			return true
		}
	}
	return false
}

// Shown is the title that people see.
func (i Image) Shown() string {
	switch {
	case i.Edits.Title != nil && *i.Edits.Title != "":
		return *i.Edits.Title
	case i.Title != "":
		return i.Title
	}
	return i.Name
}

// Stamp tells one state of a file from another. The device is not in it: its
// number changes with the order in which disks are found.
type Stamp struct {
	Size     int64     `json:"size"`     // octets
	Modified time.Time `json:"modified"` // to the nanosecond, UTC
	Inode    uint64    `json:"inode"`
}

func stampOf(info fs.FileInfo) Stamp {
	s := Stamp{Size: info.Size(), Modified: info.ModTime().UTC()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.Inode = st.Ino
	}
	return s
}

func (s Stamp) same(other Stamp) bool {
	return s.Size == other.Size && s.Inode == other.Inode && s.Modified.Equal(other.Modified)
}

// State says whether an image's file is the one that was added.
type State string

const (
	StateOK      State = "ok"
	StateChanged State = "changed" // another file is in its place, or it was written to
	StateMissing State = "missing" // it cannot be read
)

// State looks at the file. The error says what is wrong, nil with StateOK.
func (i Image) State() (State, error) {
	info, err := os.Stat(i.Path)
	if err != nil {
		return StateMissing, err
	}
	if err := i.Fits(info); err != nil {
		return StateChanged, err
	}
	return StateOK, nil
}

// Fits reports where a file is not the one that was hashed.
func (i Image) Fits(info fs.FileInfo) error {
	now := stampOf(info)
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file any more", i.Path)
	case now.same(i.File):
		return nil
	case now.Size != i.File.Size:
		return fmt.Errorf("%s has %d octets, and had %d when it was added", i.Path, now.Size, i.File.Size)
	case now.Inode != i.File.Inode:
		return fmt.Errorf("%s was replaced by another file since it was added", i.Path)
	}
	return fmt.Errorf("%s was written to since it was added", i.Path)
}

// Open opens an image's file, and refuses one that is not what was added:
// machines must get what was checked.
func (i Image) Open() (*os.File, error) {
	f, err := os.Open(i.Path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = i.Fits(info)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("opening image %s: %v; hobnail images verify looks at it again", i.Name, err)
	}
	return f, nil
}
