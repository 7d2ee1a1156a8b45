package lease

import "hobnail/internal/model"

// Folder is a place for logs that is none of the host's: a simulation's disk.
type Folder interface {
	Open(name string) (File, error) // fs.ErrNotExist if there is none
	Create(name string) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	Sync() error // makes what was created and renamed last
}

// File is a file of a Folder.
type File = file

// OpenIn is Open of the log with this name in a folder.
func OpenIn(dir Folder, name string) (*Table, error) { return openIn(place{dir}, name) }

// ReadIn hands over every record of a log in a folder, in the order in which
// they were written.
func ReadIn(dir Folder, name string, each func(model.Lease)) error {
	l, err := openLog(place{dir}, name, name, each)
	if err != nil {
		return err
	}
	return l.close()
}

// place is a Folder as the log knows it.
type place struct{ Folder }

func (p place) open(name string) (file, error)   { return p.Open(name) }
func (p place) create(name string) (file, error) { return p.Create(name) }
func (p place) rename(from, to string) error     { return p.Rename(from, to) }
func (p place) remove(name string) error         { return p.Remove(name) }
func (p place) sync() error                      { return p.Sync() }
