package nbp

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
)

// embedded is a folder, not the archive itself, because the archive is built:
// a fresh clone has none and must still compile.
//
//go:embed embedded
var embedded embed.FS

// set is an archive of boot programs:
//
//	index.json               what is in it, as index
//	ARCHITECTURE/FILE        the programs
//	licences/PACKAGE/NAME    licence texts
type set struct {
	index index
	files map[string]*zip.File
}

// index describes an archive. It is made when the archive is packed, so that
// starting hobnail need not decompress and read everything.
type index struct {
	Programs []Program `json:"programs"`
	Licences []notice  `json:"licences"`
	// Certificates holds those of the programs' signatures, in DER, by their
	// SHA-256: revocation lists need more of them than is shown.
	Certificates map[string][]byte `json:"certificates"`
}

// keepCertificates takes in those of a program's signatures.
func (ix *index) keepCertificates(p Program) {
	for _, s := range p.Signatures {
		for _, c := range s.Chain {
			ix.Certificates[c.SHA256] = c.DER
		}
	}
}

// giveCertificates is the way back.
func (ix *index) giveCertificates() {
	for _, p := range ix.Programs {
		for _, s := range p.Signatures {
			for i := range s.Chain {
				s.Chain[i].DER = ix.Certificates[s.Chain[i].SHA256]
			}
		}
	}
}

// notice is a licence text in the archive.
type notice struct {
	Package string `json:"package"` // Debian's binary package
	Name    string `json:"name"`    // "copyright", or a shared text such as "GPL-2"
	Version string `json:"version"`
	Source  string `json:"source"` // the source package, "shim (= 16.1-2)"
}

func (n notice) path() string { return "licences/" + n.Package + "/" + n.Name }

// openEmbedded opens the archive in this binary; nil if it has none.
func openEmbedded() (*set, error) {
	f, err := embedded.Open("embedded/nbp.zip")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the embedded boot programs: %v", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening the embedded boot programs: %v", err)
	}
	content, ok := f.(io.ReaderAt) // embed documents that it is one
	if !ok {
		return nil, errors.New("opening the embedded boot programs: no random access")
	}
	return openSet(content, info.Size())
}

// openSet opens an archive. Its index must name files that are there.
func openSet(r io.ReaderAt, size int64) (*set, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("opening the embedded boot programs: %v", err)
	}
	s := &set{files: map[string]*zip.File{}}
	for _, f := range archive.File {
		s.files[f.Name] = f
	}
	b, err := s.read("index.json")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &s.index); err != nil {
		return nil, fmt.Errorf("opening the embedded boot programs: index.json: %v", err)
	}
	s.index.giveCertificates()
	for _, p := range s.index.Programs {
		if s.files[programPath(p)] == nil {
			return nil, fmt.Errorf("opening the embedded boot programs: %s is not in the archive", programPath(p))
		}
	}
	return s, nil
}

func programPath(p Program) string { return string(p.Arch) + "/" + p.File }

// read decompresses one file.
func (s *set) read(name string) ([]byte, error) {
	f := s.files[name]
	if f == nil {
		return nil, fmt.Errorf("reading %s of the embedded boot programs: not in the archive", name)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("reading %s of the embedded boot programs: %v", name, err)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		return nil, fmt.Errorf("reading %s of the embedded boot programs: %v", name, err)
	}
	return b.Bytes(), nil
}

// items lists the programs of a set; none of a nil set.
func (s *set) items() []item {
	if s == nil {
		return nil
	}
	var all []item
	for _, p := range s.index.Programs {
		all = append(all, item{
			Program: p,
			modTime: s.files[programPath(p)].Modified,
			content: sync.OnceValues(func() ([]byte, error) { return s.readProgram(p) }),
		})
	}
	return all
}

// readProgram decompresses a program and holds it against its index entry.
func (s *set) readProgram(p Program) ([]byte, error) {
	b, err := s.read(programPath(p))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != p.SHA256 {
		return nil, fmt.Errorf("reading %s of the embedded boot programs: its hash is not the one of the index", programPath(p))
	}
	return b, nil
}

// Licence is a text that must travel with the embedded programs.
type Licence struct {
	Package string `json:"package"` // Debian's binary package that has the text
	Name    string `json:"name"`    // "copyright", or a licence that several packages refer to, such as "GPL-2"
	Version string `json:"version"` // the package's
	Source  string `json:"source"`  // the source to ask Debian for, "grub2 (= 2.06-13)"
	Text    string `json:"text"`
}

// Licences gives the licence texts of the embedded programs, the packages'
// own first. None without the embedded set.
func Licences() ([]Licence, error) {
	s, err := openEmbedded()
	if err != nil || s == nil {
		return nil, err
	}
	return s.licences()
}

func (s *set) licences() ([]Licence, error) {
	var all []Licence
	for _, n := range s.index.Licences {
		b, err := s.read(n.path())
		if err != nil {
			return nil, err
		}
		all = append(all, Licence{Package: n.Package, Name: n.Name, Version: n.Version, Source: n.Source, Text: string(b)})
	}
	return all, nil
}
