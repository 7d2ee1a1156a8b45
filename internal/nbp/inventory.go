package nbp

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hobnail/internal/model"
)

// Inventory is every boot program that can be served. It never changes after
// Load and is safe for concurrent use.
type Inventory struct {
	items    []item // sorted by order
	windows  map[model.Arch]map[string]string
	refused  []item // sorted by order; not served
	embedded bool
}

// item is a program and the way to its bytes.
type item struct {
	Program
	user    bool // from the user's folder
	anyCase bool // found however its name is spelled: it lies beside a boot manager of Windows
	modTime time.Time
	content func() ([]byte, error) // the same bytes at every call; safe for concurrent use
}

// Load reads the embedded set and the user's own programs, which lie in
// userDir/ARCHITECTURE/FILE. A file of the user's takes the place of an
// embedded one of the same name, and comes before all embedded ones of its
// kind in Find. userDir may be empty or missing.
//
// Files that cannot be used are left out and told as faults. Those that the
// rules refuse are left out too, so that an embedded one may take their place,
// and listed by Refused. An error means that the embedded archive is damaged or
// userDir cannot be read.
//
// The user's files are read into memory here, so that what was looked at is
// what gets served: a file changed later counts from the next Load.
func Load(userDir string, rules Rules) (*Inventory, []Fault, error) {
	set, err := openEmbedded()
	if err != nil {
		return nil, nil, err
	}
	own, err := loadUser(userDir)
	if err != nil {
		return nil, nil, err
	}
	v := newInventory(set, own.items, rules)
	v.windows = own.windows
	return v, own.faults, nil
}

// newInventory merges the embedded set, which may be nil, with the user's
// items, but for those that the rules refuse.
func newInventory(set *set, own []item, rules Rules) *Inventory {
	v := &Inventory{embedded: set != nil}
	v.items, v.refused = rules.judgeAll(own)
	served, refused := rules.judgeAll(set.items())
	for _, it := range served {
		if _, overridden := v.exactly(it.Arch, it.File); !overridden {
			v.items = append(v.items, it)
		}
	}
	for _, it := range refused {
		if _, overridden := v.find(it.Arch, it.File); !overridden {
			v.refused = append(v.refused, it)
		}
	}
	slices.SortFunc(v.items, order)
	slices.SortFunc(v.refused, order)
	return v
}

// order sorts by architecture, then the user's before the embedded, then the
// names that Want gives in its order, then by name, supporting files last.
func order(a, b item) int {
	archs := model.Archs()
	wanted := func(it item) int {
		names := Want(it.Arch)
		if i := slices.Index(names, it.File); i >= 0 {
			return i
		}
		return len(names)
	}
	return cmp.Or(
		cmp.Compare(slices.Index(archs, a.Arch), slices.Index(archs, b.Arch)),
		falseFirst(a.Loader == LoaderSupport, b.Loader == LoaderSupport),
		falseFirst(!a.user, !b.user),
		cmp.Compare(wanted(a), wanted(b)),
		cmp.Compare(a.File, b.File),
	)
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// HasEmbedded reports whether this binary was built with the embedded set.
// Without it, "make build" is the remedy.
func (v *Inventory) HasEmbedded() bool { return v.embedded }

// Programs lists everything that is served, by architecture in the order of model.Archs; of
// one architecture the user's files come first, then the names of Want, and
// supporting files last.
func (v *Inventory) Programs() []Program { return programs(v.items) }

// Refused lists what is not served because Secure Boot would not let it run,
// or should not, in the same order.
func (v *Inventory) Refused() []Program { return programs(v.refused) }

// All lists what is served and what is refused, in the same order.
func (v *Inventory) All() []Program {
	all := append(slices.Clone(v.items), v.refused...)
	slices.SortStableFunc(all, order)
	return programs(all)
}

func programs(items []item) []Program {
	all := make([]Program, len(items))
	for i, it := range items {
		all[i] = it.Program
	}
	return all
}

// Find gives the program of a kind to hand out: the first in the order of
// Programs. ok is false if there is none.
func (v *Inventory) Find(a model.Arch, l Loader) (p Program, ok bool) {
	for _, it := range v.items {
		if it.Arch == a && it.Loader == l {
			return it.Program, true
		}
	}
	return Program{}, false
}

// FindFile gives the program of a name. Where a boot manager of Windows lies
// in the user's folder, the files beside it are found in any case; all others
// are spelled exactly so.
func (v *Inventory) FindFile(a model.Arch, file string) (p Program, ok bool) {
	it, ok := v.find(a, file)
	return it.Program, ok
}

func (v *Inventory) exactly(a model.Arch, file string) (item, bool) {
	for _, it := range v.items {
		if it.Arch == a && it.File == file {
			return it, true
		}
	}
	return item{}, false
}

func (v *Inventory) find(a model.Arch, file string) (item, bool) {
	if it, ok := v.exactly(a, file); ok {
		return it, true
	}
	for _, it := range v.items {
		if it.anyCase && it.Arch == a && strings.EqualFold(it.File, file) {
			return it, true
		}
	}
	return item{}, false
}

// Open gives a program's bytes, their number and when they were made. An
// embedded program is decompressed the first time and then kept. The error
// is fs.ErrNotExist if there is no such program; any other means that the
// embedded archive is damaged.
func (v *Inventory) Open(a model.Arch, file string) (content io.ReaderAt, size int64, modTime time.Time, err error) {
	it, b, err := v.read(a, file)
	if err != nil {
		return nil, 0, time.Time{}, err
	}
	return bytes.NewReader(b), int64(len(b)), it.modTime, nil
}

// OpenFor is Open for a client that reaches this server at an IPv4 address. A
// program of kind LoaderGRUBProxy has the address in its bytes, which are then
// not those of its SHA256; all others are as Open gives them.
func (v *Inventory) OpenFor(a model.Arch, file string, server netip.Addr) (content io.ReaderAt, size int64, modTime time.Time, err error) {
	it, b, err := v.read(a, file)
	if err != nil {
		return nil, 0, time.Time{}, err
	}
	content = bytes.NewReader(b)
	if it.Loader == LoaderGRUBProxy {
		if content, err = withServer(b, server); err != nil {
			return nil, 0, time.Time{}, fmt.Errorf("opening boot program %s/%s: %v", a, file, err)
		}
	}
	return content, int64(len(b)), it.modTime, nil
}

func (v *Inventory) read(a model.Arch, file string) (item, []byte, error) {
	it, ok := v.find(a, file)
	if !ok {
		return item{}, nil, fmt.Errorf("opening boot program %s/%s: %w", a, file, fs.ErrNotExist)
	}
	b, err := it.content()
	return it, b, err
}
