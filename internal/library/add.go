package library

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hobnail/internal/store"
)

// Placing says where the file of an image is to be.
type Placing string

const (
	PlaceRefer Placing = ""     // where it is
	PlaceCopy  Placing = "copy" // copied into the folder; sharing blocks where the file system can
	PlaceLink  Placing = "link" // in the folder by a second name (a hard link)
)

// AddOptions say how something is added. The zero value will do.
type AddOptions struct {
	Name    string  `json:"name,omitempty"` // "": made of the file's
	Place   Placing `json:"place,omitempty"`
	SHA256  string  `json:"sha256,omitempty"`  // that the file must have, hexadecimal
	Keyring []byte  `json:"keyring,omitempty"` // OpenPGP certificates: then nothing is added that they have not signed
	By      string  `json:"by,omitempty"`      // who adds it
}

// Did says what became of a file.
type Did string

const (
	DidAdd     Did = "added"
	DidNothing Did = "already there" // the same file, or the same content in the folder
	DidReplace Did = "replaced"      // another file was in its place
	DidMove    Did = "moved"         // it was known under another path, where it is no more
)

// Result is one file that was added.
type Result struct {
	Image Image  `json:"image"`
	Did   Did    `json:"did"`
	Same  string `json:"same,omitempty"` // another image with the same content
}

// adding is one file on its way into the library.
type adding struct {
	AddOptions
	keys *keyring
	tell func(Progress)
}

// Add adds a file, all images of a folder, or what an http(s) URL gives. What
// was done by the time of an error is in the results. When the context ends,
// nothing half is left, but for the part of a download that the next attempt
// takes up.
func (l *Library) Add(ctx context.Context, source string, o AddOptions, tell func(Progress)) ([]Result, error) {
	a := adding{AddOptions: o, tell: tell}
	if o.Name != "" {
		if err := CheckName(o.Name); err != nil {
			return nil, err
		}
	}
	if o.SHA256 != "" {
		s, ok := newSum("", o.SHA256, "sha256")
		if !ok {
			return nil, fmt.Errorf("%.80q is no SHA-256: that has 64 hexadecimal digits", o.SHA256)
		}
		a.SHA256 = s.Hex
	}
	if len(o.Keyring) > 0 {
		keys, err := readKeyring(o.Keyring)
		if err != nil {
			return nil, err
		}
		a.keys = keys
	}
	if isURL(source) {
		r, err := l.addURL(ctx, source, a)
		return results(r, err)
	}
	path, err := filepath.Abs(source)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return nil, fmt.Errorf("adding %s: %v", source, cause(err))
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return l.addFolder(ctx, path, a)
	}
	r, err := l.addFile(ctx, path, a)
	return results(r, err)
}

func isURL(source string) bool {
	return strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://")
}

func results(r Result, err error) ([]Result, error) {
	if err != nil {
		return nil, err
	}
	return []Result{r}, nil
}

// cause is an error without the path that stands before it already.
func cause(err error) error {
	var e *os.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

func (l *Library) addFolder(ctx context.Context, path string, a adding) ([]Result, error) {
	files, _ := imageFiles(path)
	switch {
	case len(files) == 0:
		return nil, fmt.Errorf("adding %s: it has no images: files that end in %s", path, strings.Join(extensions(), ", "))
	case len(files) > 1 && (a.Name != "" || a.SHA256 != ""):
		return nil, fmt.Errorf("adding %s: it has %d images, and one name or sum is not for them all", path, len(files))
	}
	var all []Result
	var errs []error
	for _, file := range files {
		r, err := l.addFile(ctx, file, a)
		if ctx.Err() != nil {
			return all, ctx.Err()
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, r)
	}
	return all, errors.Join(errs...)
}

// addFile adds one file. path has no links in it.
func (l *Library) addFile(ctx context.Context, path string, a adding) (r Result, err error) {
	err = l.Store.Lock(ctx, imageKey+path, func(ctx context.Context) error {
		r, err = l.addLocked(ctx, path, a)
		return err
	})
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("adding %s: %w", path, err)
	}
	return r, err
}

func (l *Library) addLocked(ctx context.Context, path string, a adding) (Result, error) {
	now, err := stat(path)
	if err != nil {
		return Result{}, cause(err)
	}
	if l.inside(path) {
		a.Place = PlaceRefer // it is there
	}
	all, err := l.List(ctx)
	if err != nil {
		return Result{}, err
	}
	if known, ok := byPath(all, path); ok && a.Place == PlaceRefer && known.File.same(now) && a.keys == nil {
		return again(known, a)
	}
	e, err := gather(ctx, folder{filepath.Dir(path)}, filepath.Base(path), a.keys)
	if err != nil {
		return Result{}, err
	}
	e.expect(a.SHA256)
	d := newDigest(e.expected)
	heard := e.watch(d, a.keys)
	part, err := l.stage(ctx, path, d, a)
	if part != nil {
		defer part.f.Close()
	}
	err = errors.Join(err, heard(err == nil))
	if err == nil {
		err = e.conclude(filepath.Base(path), d, a.keys)
	}
	img := Image{Title: filepath.Base(path), Path: path, SHA256: d.hex("sha256"), Checks: e.checks, By: a.By, File: now}
	if part != nil {
		img.Source = path
	}
	if err == nil {
		var r Result
		if r, err = l.keep(ctx, img, path, filepath.Base(path), part, a); err == nil {
			return r, nil
		}
	}
	if part != nil {
		part.drop()
	}
	return Result{}, err
}

// stage reads the file through, and puts it where it is to be. The part is nil
// where it stays.
func (l *Library) stage(ctx context.Context, path string, d *digest, a adding) (*partial, error) {
	if a.Place == PlaceRefer {
		return nil, hashFile(ctx, path, d, a.tell, filepath.Base(path))
	}
	to, err := l.folder()
	if err != nil {
		return nil, err
	}
	switch a.Place {
	case PlaceCopy:
		return copyIn(ctx, path, to, d, a.tell)
	case PlaceLink:
		part, err := linkIn(path, to)
		if err != nil {
			return nil, err
		}
		return part, hashFile(ctx, part.path, d, a.tell, filepath.Base(path))
	}
	return nil, fmt.Errorf("%q is no way to place an image", a.Place)
}

// again is for a file that is in the library as it is.
func again(known Image, a adding) (Result, error) {
	if a.SHA256 != "" && a.SHA256 != known.SHA256 {
		return Result{}, &Mismatch{File: filepath.Base(known.Path), From: given, Algorithm: "sha256", Want: a.SHA256, Got: known.SHA256}
	}
	if a.Name != "" && a.Name != known.Name {
		return Result{}, fmt.Errorf("it is in the library as %s; hobnail images set %s --name %s gives it another name", known.Name, known.Name, a.Name)
	}
	if a.keys != nil && !known.Signed() {
		return Result{}, fmt.Errorf("it is in the library as %s, without a signature that was checked; remove that first", known.Name)
	}
	return Result{Image: known, Did: DidNothing}, nil
}

// expect adds a sum that a person gave.
func (e *evidence) expect(hex string) {
	if hex != "" {
		e.expected = append(e.expected, expected{sum{"", "sha256", hex}, given})
	}
}

// conclude compares what was expected with what was read. With keys, something
// must have been signed by one of them.
func (e *evidence) conclude(file string, d *digest, keys *keyring) error {
	if err := e.compare(file, d); err != nil {
		return err
	}
	if keys != nil && !e.signed {
		return errors.New("neither it nor a list with its sum is signed by a key of the keyring; without --keyring it is added unsigned")
	}
	return nil
}

// keep recognises a checked file, gives it its place and writes it down. from
// is the path that a person knows it by, file the name that it gets in the
// folder if part is not nil.
func (l *Library) keep(ctx context.Context, img Image, from, file string, part *partial, a adding) (Result, error) {
	look := img.Path
	if part != nil {
		look = part.path
		if r, ok, err := l.duplicate(ctx, img, from); ok || err != nil {
			if ok {
				part.drop()
			}
			return r, err
		}
	}
	if err := l.recognise(&img, look); err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if part != nil {
		to, err := part.publish(file)
		if err != nil {
			return Result{}, err
		}
		// From here on part.drop takes the whole file.
		part.path, img.Path = to, to
		if img.File, err = stat(to); err != nil {
			return Result{}, err
		}
	}
	img.Size, img.Looked = img.File.Size, time.Now().UTC()
	return l.commit(ctx, img, from, a)
}

// recognise fills in what the image is. That nobody knows it is no error; that
// its own sums do not fit is.
func (l *Library) recognise(img *Image, path string) error {
	if l.Tree != nil {
		if fsys, closer, err := l.Tree(path); err == nil {
			checks, err := checkTree(fsys)
			closer.Close()
			if err != nil {
				return err
			}
			img.Checks = append(img.Checks, checks...)
		}
	}
	if l.Recognise == nil {
		return nil
	}
	found, err := l.Recognise(path)
	if err != nil {
		img.Fault = err.Error()
		return nil
	}
	img.Found = &found
	if found.Title != "" {
		img.Title = found.Title
	}
	return nil
}

// duplicate finds an image of the same content whose file is there, so that
// nothing is kept twice. from does not count: what is there is to be moved.
func (l *Library) duplicate(ctx context.Context, img Image, from string) (Result, bool, error) {
	all, err := l.List(ctx)
	if err != nil {
		return Result{}, false, err
	}
	for _, i := range all {
		if i.SHA256 == img.SHA256 && i.Path != from && l.inside(i.Path) {
			if state, _ := i.State(); state == StateOK {
				return Result{Image: i, Did: DidNothing}, true, nil
			}
		}
	}
	return Result{}, false, nil
}

// commit writes an image down. One that was known by the path that it had, or
// that lost its file and had the same content, stays what it is to people.
func (l *Library) commit(ctx context.Context, img Image, from string, a adding) (r Result, err error) {
	// The file has its place by now: it is written down even if nobody waits.
	err = l.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		all, err := images(tx)
		if err != nil {
			return err
		}
		r = Result{Image: img, Did: DidAdd}
		if err := r.settle(all, from, a, l.taken); err != nil {
			return err
		}
		if err := tx.Delete(ignoredAt(img.Path)); err != nil {
			return err
		}
		return put(tx, r.Image)
	})
	return r, err
}

// settle gives an image its name, and what it inherits.
func (r *Result) settle(all []Image, from string, a adding, taken func(string) bool) error {
	old, known := byPath(all, r.Image.Path)
	if !known {
		old, known = byPath(all, from)
	}
	r.Did = DidAdd
	if known && old.SHA256 == r.Image.SHA256 {
		r.Did = DidNothing
	} else if known {
		r.Did = DidReplace
	} else if old, known = lost(all, r.Image.SHA256); known {
		r.Did = DidMove
	}
	for _, i := range all {
		if i.SHA256 == r.Image.SHA256 && i.Name != old.Name {
			r.Same = i.Name
			break
		}
	}
	if known {
		if a.Name != "" && a.Name != old.Name {
			return fmt.Errorf("it is in the library as %s; hobnail images set %s --name %s gives it another name", old.Name, old.Name, a.Name)
		}
		r.Image.Name, r.Image.Edits, r.Image.Added, r.Image.By = old.Name, old.Edits, old.Added, old.By
		if r.Image.Source == "" && r.Image.SHA256 == old.SHA256 {
			r.Image.Source = old.Source
		}
		return nil
	}
	used := func(name string) bool {
		for _, i := range all {
			if i.Name == name {
				return true
			}
		}
		return taken(name)
	}
	r.Image.Added = r.Image.Looked
	switch {
	case a.Name == "":
		r.Image.Name = unique(nameOf(r.Image.Path), used)
	case used(a.Name):
		return fmt.Errorf("there is an image %s already; give it another name by --name", a.Name)
	default:
		r.Image.Name = a.Name
	}
	return nil
}

// lost finds an image of a content whose file is not there any more.
func lost(all []Image, sha256 string) (Image, bool) {
	for _, i := range all {
		if i.SHA256 == sha256 {
			if _, err := os.Lstat(i.Path); errors.Is(err, os.ErrNotExist) {
				return i, true
			}
		}
	}
	return Image{}, false
}

// addURL downloads into the folder.
func (l *Library) addURL(ctx context.Context, source string, a adding) (r Result, err error) {
	u, err := url.Parse(source)
	if err != nil || u.Host == "" {
		return r, fmt.Errorf("adding a URL: it cannot be understood; write it as https://HOST/PATH/FILE.iso")
	}
	u.Fragment = ""
	err = l.Store.Lock(ctx, imageKey+u.String(), func(ctx context.Context) error {
		r, err = l.addURLLocked(ctx, u, a)
		return err
	})
	return r, err
}

func (l *Library) addURLLocked(ctx context.Context, u *url.URL, a adding) (Result, error) {
	all, err := l.List(ctx)
	if err != nil {
		return Result{}, err
	}
	for _, i := range all {
		if state, _ := i.State(); i.Source == u.Redacted() && state == StateOK {
			return again(i, a)
		}
	}
	name := fileNameOf(u)
	e, err := gather(ctx, website{l.client(), u}, urlBase(u), a.keys)
	if err != nil {
		return Result{}, err
	}
	e.expect(a.SHA256)
	d := newDigest(e.expected)
	g, err := l.fetch(ctx, u, d, a.tell)
	if err != nil {
		return Result{}, err
	}
	defer g.part.f.Close()
	r, err := l.keepDownload(ctx, u, g, &e, d, a)
	if err != nil && ctx.Err() == nil {
		// What was loaded is not what it should be: to take it up again is no use.
		g.part.drop()
		err = fmt.Errorf("adding %s: %w", name, err)
	}
	return r, err
}

// urlBase is the file's name as lists of checksums have it.
func urlBase(u *url.URL) string {
	_, name := filepath.Split(u.Path)
	return name
}

func (l *Library) keepDownload(ctx context.Context, u *url.URL, g *download, e *evidence, d *digest, a adding) (Result, error) {
	if err := g.verify(ctx, e, a); err != nil {
		return Result{}, err
	}
	if err := e.conclude(g.noted.File, d, a.keys); err != nil {
		return Result{}, err
	}
	img := Image{Title: g.noted.File, SHA256: d.hex("sha256"), Checks: e.checks, By: a.By, Source: u.Redacted()}
	return l.keep(ctx, img, "", g.noted.File, g.part, a)
}

// verify looks at signatures of the file itself. A download may begin anew in
// its middle, which a signature's check cannot, so the file is read again.
func (g *download) verify(ctx context.Context, e *evidence, a adding) error {
	d := newDigest(nil)
	heard := e.watch(d, a.keys)
	var err error
	if len(d.taps) > 0 {
		err = readThrough(ctx, g.part.f, 0, d, newMeter(a.tell, StageHash, g.noted.File, g.done))
	}
	return errors.Join(err, heard(err == nil))
}
