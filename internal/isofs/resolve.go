package isofs

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

var (
	errNotDir = errors.New("not a directory")
	errIsDir  = errors.New("is a directory")
	errLinks  = errors.New("too many symbolic links")
	errDeep   = errors.New("path too deep")
)

// resolve finds the node of a path. If follow is set, a link at its end is
// followed; links on the way always are.
func (v *Volume) resolve(op, name string, follow bool) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n, err := v.walk(name, follow)
	if err == nil {
		err = n.err
	}
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return n, nil
}

// walk goes from the root along a path. The way back of ".." is the stack of
// directories that was walked, never what the image says.
func (v *Volume) walk(name string, follow bool) (*node, error) {
	if len(name) > maxDepth*(maxName+1) {
		return nil, errDeep
	}
	stack := []*node{v.t.root()}
	rest := name
	for links := 0; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		switch part {
		case "", ".":
			continue
		case "..":
			stack = stack[:max(1, len(stack)-1)]
			continue
		}
		if len(stack) > maxDepth {
			return nil, errDeep
		}
		n, err := v.child(stack[len(stack)-1], part)
		if err != nil {
			return nil, err
		}
		last := strings.Trim(rest, "/") == ""
		if n.mode.Type() == fs.ModeSymlink && n.err == nil && (follow || !last) {
			if links++; links > maxLinks {
				return nil, errLinks
			}
			if n.link == "" {
				return nil, fs.ErrNotExist
			}
			if path.IsAbs(n.link) {
				stack = stack[:1]
			}
			rest = n.link + "/" + rest
			continue
		}
		if !last && n.err == nil && !n.dir() {
			return nil, errNotDir
		}
		stack = append(stack, n)
	}
	return stack[len(stack)-1], nil
}

// child finds an entry of a directory.
func (v *Volume) child(dir *node, name string) (*node, error) {
	if dir.err != nil {
		return nil, dir.err
	}
	if !dir.dir() {
		return nil, errNotDir
	}
	l, err := v.dirs.list(dir)
	if err != nil {
		return nil, err
	}
	if n := l.find(name); n != nil {
		return n, nil
	}
	return nil, fs.ErrNotExist
}

// Fold finds the path that differs from name in upper and lower case at most.
// Where several do, the one that is spelt alike wins, then the first in order.
func (v *Volume) Fold(name string) (string, bool) {
	if !fs.ValidPath(name) {
		return "", false
	}
	if name == "." {
		return name, true
	}
	found := "."
	for part := range strings.SplitSeq(name, "/") {
		dir, err := v.walk(found, true)
		if err != nil || dir.err != nil || !dir.dir() {
			return "", false
		}
		l, err := v.dirs.list(dir)
		if err != nil {
			return "", false
		}
		n := l.fold(part)
		if n == nil {
			return "", false
		}
		found = path.Join(found, n.name)
	}
	return found, true
}
