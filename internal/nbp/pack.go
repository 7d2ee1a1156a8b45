package nbp

import (
	"archive/zip"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"hobnail/internal/model"
)

// manifest is what scripts/fetch-nbp says about the files it laid out, in
// their folder's manifest.json.
type manifest struct {
	Programs []origin `json:"programs"`
	Licences []notice `json:"licences"`
}

// origin is what cannot be read from a program's content.
type origin struct {
	Arch       model.Arch `json:"arch"`
	File       string     `json:"file"`
	Loader     Loader     `json:"loader"`
	Package    string     `json:"package"`
	Version    string     `json:"version"`     // the package's
	Source     string     `json:"source"`      // source package
	BuiltUsing string     `json:"built_using"` // another source that the content is built from
	Linked     bool       `json:"linked"`      // by the build, from the package's modules
	Licence    string     `json:"licence"`
	SHA256     string     `json:"sha256"`
}

// Pack writes the archive that hobnail embeds, from a folder that
// scripts/fetch-nbp has filled. It refuses a file that is not what the
// manifest says or that its architecture cannot run, so that a faulty archive
// never gets into a binary. The same folder gives the same bytes.
func Pack(dir string, w io.Writer) error {
	b, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return fmt.Errorf("packing boot programs: %v", err)
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("packing boot programs: manifest.json: %v", err)
	}
	archive := zip.NewWriter(w)
	archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	ix := index{Licences: m.Licences, Certificates: map[string][]byte{}}
	for _, o := range m.Programs {
		p, err := packProgram(archive, dir, o)
		if err != nil {
			return fmt.Errorf("packing boot program %s/%s: %v", o.Arch, o.File, err)
		}
		ix.Programs = append(ix.Programs, p)
		ix.keepCertificates(p)
	}
	for _, n := range m.Licences {
		if _, err := packFile(archive, dir, n.path()); err != nil {
			return fmt.Errorf("packing licence text %s: %v", n.path(), err)
		}
	}
	if err := packIndex(archive, ix); err != nil {
		return fmt.Errorf("packing boot programs: %v", err)
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("packing boot programs: %v", err)
	}
	return nil
}

// packProgram adds one program and describes it.
func packProgram(archive *zip.Writer, dir string, o origin) (Program, error) {
	b, err := packFile(archive, dir, string(o.Arch)+"/"+o.File)
	if err != nil {
		return Program{}, err
	}
	p, err := describe(o.Arch, o.File, b)
	switch {
	case err != nil:
		return Program{}, fmt.Errorf("it %v", err)
	case p.SHA256 != o.SHA256:
		return Program{}, fmt.Errorf("its SHA-256 is %s, in the manifest %s", p.SHA256, o.SHA256)
	case p.Loader != o.Loader:
		return Program{}, fmt.Errorf("its name makes it %s, the manifest says %s", p.Loader, o.Loader)
	case o.Package == "" || o.Version == "" || o.Source == "" || o.Licence == "":
		return Program{}, fmt.Errorf("package, version, source or licence are missing in the manifest")
	}
	p.Source = "Debian " + o.Package + " " + o.Version
	if o.Linked {
		p.Source += ", modules linked by grub-mkimage"
	}
	p.SourceCode = o.Source
	if o.BuiltUsing != "" {
		p.SourceCode += ", " + o.BuiltUsing
	}
	p.Licence = o.Licence
	if p.Version == "" {
		p.Version = o.Version
	}
	return p, nil
}

// packFile adds a file under its own name, with its own time.
func packFile(archive *zip.Writer, dir, name string) ([]byte, error) {
	path := filepath.Join(dir, filepath.FromSlash(name))
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return b, packBytes(archive, name, info.ModTime(), b)
}

func packIndex(archive *zip.Writer, ix index) error {
	b, err := json.MarshalIndent(ix, "", "\t")
	if err != nil {
		return err
	}
	return packBytes(archive, "index.json", time.Time{}, b)
}

func packBytes(archive *zip.Writer, name string, modTime time.Time, b []byte) error {
	w, err := archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: modTime.UTC()})
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}
