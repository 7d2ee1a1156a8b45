//go:build lab

package lab

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Debian's release that the lab installs, and the packages that are asked for
// by name. What they depend on, and what is Essential, comes with them. Of the
// packages of priority "important", which debootstrap takes if the archive has
// them, only those that make a machine start are here.
const (
	debianCodename = "bookworm"
	debianKeys     = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

var (
	// debianBase is what each installed machine has.
	debianBase = [...]string{"init", "systemd-sysv", "udev", "kmod", "ifupdown", "iproute2", "isc-dhcp-client",
		"netbase", "usr-is-merged", "debian-archive-keyring", "linux-image-cloud-amd64", "initramfs-tools", "busybox"}
	// debianLoaders cannot all be installed on one machine: one set each.
	debianLoaders = [...][]string{
		{"grub-pc"},
		{"grub-efi-amd64", "grub-efi-amd64-signed", "shim-signed", "efibootmgr"},
	}
)

// DebianMirror is a folder that is laid out as a Debian archive: dists, pool.
type DebianMirror struct {
	Dir string
}

// stanza is one paragraph of an index of packages, as it stands there.
type stanza string

// field is the value of a field that has one line, or "".
func (s stanza) field(name string) string {
	for line := range strings.Lines(string(s)) {
		if v, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// apt is Debian's package tool with a state of its own, in which nothing is
// installed. It fetches from where this computer's own apt does.
type apt struct{ dir string }

// newApt makes the state and fetches the indexes, of the installer's own
// packages too.
func newApt(dir string) (apt, error) {
	a := apt{dir}
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return a, err
		}
	}
	sources, err := debianSources()
	if err != nil {
		return a, err
	}
	conf := fmt.Sprintf(`Dir::State %[1]q;
Dir::State::lists "%[1]s/lists";
Dir::State::status "%[1]s/status";
Dir::Cache "%[1]s/cache";
Dir::Etc::sourcelist "%[1]s/sources.list";
Dir::Etc::sourceparts "/dev/null";
APT::Install-Recommends "false";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
`, dir)
	for name, text := range map[string]string{"status": "", "sources.list": sources, "apt.conf": conf} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return a, err
		}
	}
	_, err = a.run(dir, "apt-get", "-q", "update")
	return a, err
}

// debianSources names the archives that this computer's apt knows to have the
// release, with the installer's component besides. No security archive: it has
// no packages of the installer, and one kernel is enough.
func debianSources() (string, error) {
	out, err := exec.Command("apt-get", "indextargets", "--format",
		"$(SITE) $(RELEASE) $(COMPONENT)", "Identifier: Packages").Output()
	if err != nil {
		return "", fmt.Errorf("asking apt where it fetches from: %v", err)
	}
	var sources strings.Builder
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[1] == debianCodename && f[2] == "main" {
			fmt.Fprintf(&sources, "deb [signed-by=%s] %s %s main main/debian-installer\n", debianKeys, f[0], f[1])
		}
	}
	if sources.Len() == 0 {
		return "", fmt.Errorf("apt's configuration names no archive of Debian's release %s", debianCodename)
	}
	return sources.String(), nil
}

// run runs one of apt's commands and returns its standard output.
func (a apt) run(dir string, argv ...string) ([]byte, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "APT_CONFIG="+filepath.Join(a.dir, "apt.conf"), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %v: %s", commandLine(argv), err, errs.String())
	}
	return out, nil
}

// available are all packages of the indexes.
func (a apt) available() ([]stanza, error) {
	out, err := a.run(a.dir, "apt-cache", "dumpavail")
	if err != nil {
		return nil, err
	}
	var all []stanza
	for p := range strings.SplitSeq(string(out), "\n\n") {
		if strings.TrimSpace(p) != "" {
			all = append(all, stanza(strings.TrimSpace(p)+"\n"))
		}
	}
	return all, nil
}

// planned are the file names of what apt would install for these packages.
var plannedFile = regexp.MustCompile(`(?m)^'[^']*' (\S+\.deb) `)

func (a apt) planned(names ...string) ([]string, error) {
	out, err := a.run(a.dir, append([]string{"apt-get", "install", "-y", "--print-uris"}, names...)...)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, m := range plannedFile.FindAllSubmatch(out, -1) {
		files = append(files, string(m[1]))
	}
	return files, nil
}

// BuildDebianMirror makes the mirror in a folder, and nothing if it is there
// already. It needs apt's archive; what uses the mirror afterwards does not.
func BuildDebianMirror(dir string) (*DebianMirror, error) {
	m := &DebianMirror{Dir: dir}
	if _, err := os.Stat(filepath.Join(dir, "dists", debianCodename, "Release")); err == nil {
		return m, nil
	}
	work := dir + ".work"
	defer os.RemoveAll(work)
	a, err := newApt(work)
	if err != nil {
		return nil, fmt.Errorf("making a mirror of Debian: %v", err)
	}
	all, err := a.available()
	if err != nil {
		return nil, fmt.Errorf("making a mirror of Debian: %v", err)
	}
	debs, err := a.systems(all)
	if err != nil {
		return nil, fmt.Errorf("making a mirror of Debian: %v", err)
	}
	if err := a.fetch(dir, debs); err != nil {
		return nil, fmt.Errorf("making a mirror of Debian: %v", err)
	}
	udebs, err := a.installer(dir)
	if err != nil {
		return nil, fmt.Errorf("making a mirror of Debian: %v", err)
	}
	if err := m.index(debs, udebs); err != nil {
		return nil, fmt.Errorf("making a mirror of Debian: %v", err)
	}
	return m, nil
}

// systems are the packages of a machine with BIOS and of one with UEFI.
func (a apt) systems(all []stanza) ([]stanza, error) {
	required := []string{}
	for _, s := range all {
		if s.field("Priority") == "required" && strings.HasSuffix(s.field("Filename"), ".deb") {
			required = append(required, s.field("Package"))
		}
	}
	wanted := map[string]bool{}
	for _, loader := range debianLoaders {
		files, err := a.planned(slices.Concat(required, debianBase[:], loader)...)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			wanted[f] = true
		}
	}
	var debs []stanza
	for _, s := range all {
		// apt writes the colon of an epoch as %3a, the archive leaves it out.
		name := fmt.Sprintf("%s_%s_%s.deb", s.field("Package"), strings.ReplaceAll(s.field("Version"), ":", "%3a"), s.field("Architecture"))
		if wanted[name] {
			debs = append(debs, s)
			delete(wanted, name)
		}
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("apt would install packages that its index does not have: %v", wanted)
	}
	return debs, nil
}

var kernelRelease = regexp.MustCompile(`\d+\.\d+\.\d+-\d+-amd64`)

// installerKernel is the version of the kernel that the installed network
// installer starts.
func installerKernel() (string, error) {
	f, err := os.Open(amd64Dir + "linux")
	if err != nil {
		return "", err
	}
	defer f.Close()
	// The version stands within the set-up code (Linux, Documentation/arch/x86/boot.rst, kernel_version).
	head, err := bufio.NewReaderSize(f, 1<<16).Peek(1 << 15)
	if err != nil {
		return "", err
	}
	v := kernelRelease.Find(head)
	if v == nil {
		return "", fmt.Errorf("%slinux does not tell its version", amd64Dir)
	}
	return string(v), nil
}

// fetch puts the packages into the pool.
func (a apt) fetch(dir string, packages []stanza) error {
	argv := []string{"apt-get", "-q", "download"}
	for _, s := range packages {
		argv = append(argv, s.field("Package")+"="+s.field("Version"))
	}
	down := filepath.Join(a.dir, "down")
	if err := os.MkdirAll(down, 0o755); err != nil {
		return err
	}
	if _, err := a.run(down, argv...); err != nil {
		return err
	}
	for _, s := range packages {
		to := filepath.Join(dir, s.field("Filename"))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		name := fmt.Sprintf("%s_%s_%s%s", s.field("Package"), strings.ReplaceAll(s.field("Version"), ":", "%3a"), s.field("Architecture"), filepath.Ext(to))
		if err := os.Rename(filepath.Join(down, name), to); err != nil {
			return err
		}
	}
	return nil
}

// index writes the lists of packages, and Release last: it says that the
// mirror is whole. It has no signature.
func (m *DebianMirror) index(debs, udebs []stanza) error {
	dists := filepath.Join(m.Dir, "dists", debianCodename)
	var sums strings.Builder
	for _, part := range []struct {
		name     string
		packages []stanza
	}{
		{"main/binary-amd64/", debs},
		{"main/debian-installer/binary-amd64/", udebs},
	} {
		var plain strings.Builder
		for _, s := range part.packages {
			plain.WriteString(string(s) + "\n")
		}
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		z.Write([]byte(plain.String()))
		z.Close()
		if err := os.MkdirAll(filepath.Join(dists, part.name), 0o755); err != nil {
			return err
		}
		for name, b := range map[string][]byte{"Packages": []byte(plain.String()), "Packages.gz": packed.Bytes()} {
			if err := os.WriteFile(filepath.Join(dists, part.name, name), b, 0o644); err != nil {
				return err
			}
			fmt.Fprintf(&sums, " %x %d %s\n", sha256.Sum256(b), len(b), part.name+name)
		}
	}
	release := fmt.Sprintf("Origin: Debian\nLabel: Debian\nSuite: oldstable\nVersion: 12.0\nCodename: %s\n"+
		"Date: Sat, 10 Jun 2023 08:00:00 UTC\nArchitectures: amd64\nComponents: main\nSHA256:\n%s", debianCodename, sums.String())
	return os.WriteFile(filepath.Join(dists, "Release"), []byte(release), 0o644)
}
