package handover

import (
	"fmt"
	"strings"
)

// File is one file that machines are served, in the shape that programs read.
type File struct {
	Name         string `json:"name"` // in the tree that TFTP and HTTP serve
	Kind         string `json:"kind"` // "program", "image", "windows", "generated"
	Arch         string `json:"arch"`
	Size         int64  `json:"size"` // octets; -1 where it is not known
	SHA256       string `json:"sha256"`
	Authenticode string `json:"authenticode"` // the digest that signatures and revocation lists know it by
	Signer       string `json:"signer"`       // "unsigned"; empty where nothing can be signed
	Source       string `json:"source"`       // path, URL, or Debian package
	Note         string `json:"note"`
}

// FilesText writes an allow-list for people.
func FilesText(all []File) string {
	var w writer
	w.line("A name that begins with nbp/ARCH/ is also asked for as m/MAC/ARCH/, with the machine's MAC address.")
	for _, f := range all {
		w.line("")
		w.line(f.Name)
		for _, row := range []struct{ name, value string }{
			{"sha256", f.SHA256}, {"authenticode", f.Authenticode}, {"signer", f.Signer}, {"size", sizeText(f.Size)},
			{"from", f.Source}, {"note", f.Note},
		} {
			if row.value != "" {
				w.linef("  %-12s %s", row.name, row.value)
			}
		}
	}
	return w.String()
}

func sizeText(n int64) string {
	if n < 0 {
		return ""
	}
	return fmt.Sprintf("%d octets", n)
}

// FilesCSV writes the same with a line of headings.
func FilesCSV(all []File) string {
	rows := [][]string{strings.Fields("name kind arch size sha256 authenticode signer source note")}
	for _, f := range all {
		rows = append(rows, []string{f.Name, f.Kind, f.Arch, fmt.Sprint(f.Size), f.SHA256, f.Authenticode, f.Signer, f.Source, f.Note})
	}
	return csvText(rows)
}
