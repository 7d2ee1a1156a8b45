package wim

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// File is a file to lay over an image.
type File struct {
	// Path names it from the root of the image, as for Image.Open:
	// `\Windows\System32\winpeshl.ini`. Directories that are missing are made;
	// a file of that name, in any case, is replaced.
	Path    string
	Size    int64       // exact, in octets
	Content io.ReaderAt // at least Size octets that do not change; safe for concurrent use; nil only if Size is 0
	ModTime time.Time   // to 100 ns; zero: that of the image's root directory
}

// change is a directory in which something changes, or a new file in it.
type change struct {
	name     component
	children []*change // in the order of their names
	file     *File     // nil: a directory
}

// newChanges makes a tree of files. Errors name the file at fault.
func newChanges(files []File) (*change, error) {
	root := &change{}
	for i := range files {
		f := &files[i]
		if err := root.add(f); err != nil {
			return nil, fmt.Errorf("laying %s over an image: %v", show(f.Path), err)
		}
	}
	return root, nil
}

func (c *change) add(f *File) error {
	parts, err := splitPath(f.Path)
	switch {
	case err != nil:
		return err
	case len(parts) == 0:
		return errors.New("it is the root")
	case f.Size < 0 || f.Content == nil && f.Size > 0:
		return fmt.Errorf("it has %d octets and nothing to read them from", f.Size)
	}
	for i, part := range parts {
		at, found := slices.BinarySearchFunc(c.children, part, func(c *change, p component) int { return compareComponents(c.name, p) })
		last := i == len(parts)-1
		switch {
		case !found:
			c.children = slices.Insert(c.children, at, &change{name: part})
		case last:
			return errors.New("a second file or a directory is to have that name")
		case c.children[at].file != nil:
			return fmt.Errorf("%s is to be a file", c.children[at].name.text)
		}
		c = c.children[at]
	}
	c.file = f
	return nil
}
