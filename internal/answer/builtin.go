package answer

import (
	"embed"
	"fmt"
	"slices"
)

// Kind is a kind of answer file: what one family of installers asks for.
type Kind struct {
	Name  string // the word in configurations
	Title string // for people
	// Files are the names under install/<token>/ that the installer asks for.
	// The first is the one that a command line names.
	Files []string
	// Verbatim says that a file of the site's own is handed out as it stands.
	Verbatim bool
	// Without says why there is no built-in answer; "" where there is one.
	Without string
}

// Kinds lists all kinds, in the order of the manual.
func Kinds() []Kind { return slices.Clone(kinds) }

var kinds = []Kind{
	{Name: "preseed", Title: "Debian's installer", Files: []string{"preseed.cfg"}},
	{Name: "autoinstall", Title: "Ubuntu's installer", Files: []string{"user-data", "meta-data", "vendor-data"}},
	{Name: "kickstart", Title: "Anaconda: Fedora, RHEL and their kin", Files: []string{"ks.cfg"}},
	{Name: "autoyast", Title: "AutoYaST: openSUSE and SLES up to 15", Files: []string{"autoinst.xml"}},
	{Name: "agama", Title: "Agama: openSUSE and SLES from 16", Files: []string{"agama.json"}},
	{Name: "unattend", Title: "Windows Setup", Files: []string{"unattend.xml"}},
	{Name: "ignition", Title: "Fedora CoreOS, Flatcar", Files: []string{"config.ign", "system.ign"}, Verbatim: true},
	{Name: "proxmox", Title: "Proxmox's installers", Files: []string{"answer.toml"}},
	{Name: "esxi", Title: "VMware ESXi", Files: []string{"ks.cfg"}},
	{Name: "archiso", Title: "a script in Arch's live system", Files: []string{"install.sh"}},
	{Name: "talos", Title: "Talos machine configuration", Files: []string{"machine.yaml"},
		Without: "a machine configuration carries the keys of its cluster, which talosctl gen config makes"},
	{Name: "harvester", Title: "Harvester's installer", Files: []string{"config.yaml"},
		Without: "a Harvester configuration carries the token of its cluster"},
	{Name: "apkovl", Title: "Alpine: an overlay of its own files", Files: []string{"alpine.apkovl.tar.gz"}, Verbatim: true,
		Without: "an overlay is an archive that lbu package makes on an Alpine that is set up"},
}

// KindOf finds a kind by its name.
func KindOf(name string) (Kind, bool) {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// Parse reads a file of the site's own for this kind: a template, or octets as
// they stand.
func (k Kind) Parse(name string, file []byte) (*Template, error) {
	if k.Verbatim {
		return Verbatim(name, file)
	}
	return Parse(name, file)
}

//go:embed builtin
var builtin embed.FS

// Builtin reads the built-in answer of a kind, by the name of each file.
func Builtin(kind string) (map[string]*Template, error) {
	k, ok := KindOf(kind)
	switch {
	case !ok:
		return nil, fmt.Errorf("there is no kind of answer file named %.40q", kind)
	case k.Without != "":
		return nil, fmt.Errorf("there is no built-in answer of the kind %s: %s", k.Name, k.Without)
	}
	all := map[string]*Template{}
	for _, file := range k.Files {
		source, err := Source(kind, file)
		if err != nil {
			return nil, err
		}
		t, err := Parse("builtin/"+kind+"/"+file, source)
		if err != nil {
			return nil, err
		}
		all[file] = t
	}
	return all, nil
}

// Source is the text of a built-in template, for people who make their own out
// of it.
func Source(kind, file string) ([]byte, error) {
	source, err := builtin.ReadFile("builtin/" + kind + "/" + file + ".tmpl")
	if err != nil {
		return nil, fmt.Errorf("there is no built-in %.40s of the kind %.40s", file, kind)
	}
	return source, nil
}
