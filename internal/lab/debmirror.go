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
	"strings"
)

// Debian's release that the lab installs, and who signs its archive.
const (
	debianCodename = "bookworm"
	debianKeys     = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

// debianSystem is what an installed machine has, besides the Essential
// packages, apt and what these depend on. The metapackages of GRUB for BIOS and
// for UEFI exclude each other; their parts do not.
var debianSystem = [...]string{
	"init", "systemd-sysv", "udev", "kmod", "netbase", "ifupdown", "iproute2", "isc-dhcp-client",
	"usr-is-merged", "debian-archive-keyring", "linux-image-cloud-amd64", "initramfs-tools", "busybox",
	"grub-pc-bin", "grub-efi-amd64-bin", "grub-efi-amd64-signed", "shim-signed", "grub2-common", "efibootmgr",
}

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

// downloaded is the name that apt gives to the package's file. It writes the
// colon of an epoch as %3a; the archive leaves the epoch out.
func (s stanza) downloaded() string {
	version := strings.ReplaceAll(s.field("Version"), ":", "%3a")
	return fmt.Sprintf("%s_%s_%s%s", s.field("Package"), version, s.field("Architecture"), filepath.Ext(s.field("Filename")))
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
// already, made in the same way. It needs apt's archive; what uses the mirror
// afterwards does not.
func BuildDebianMirror(dir string) (*DebianMirror, error) {
	m := &DebianMirror{Dir: dir}
	recipe, err := debianRecipe()
	if err != nil {
		return nil, fmt.Errorf("making a mirror of Debian in %s: %v", dir, err)
	}
	note := filepath.Join(dir, "lab", "recipe")
	if was, err := os.ReadFile(note); err == nil && string(was) == recipe {
		return m, nil
	}
	if err := m.build(dir + ".work"); err != nil {
		return nil, fmt.Errorf("making a mirror of Debian in %s: %v", dir, err)
	}
	// Last: where it is, the mirror is whole.
	return m, os.WriteFile(note, []byte(recipe), 0o644)
}

// debianRecipe tells mirrors apart that are made otherwise, or for another
// installer.
func debianRecipe() (string, error) {
	kernel, err := installerKernel()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintln(h, kernel, debianCodename, debianSystem, installerSteps)
	for _, u := range installerSteps {
		script, err := u.script()
		if err != nil {
			return "", err
		}
		h.Write(script)
	}
	return fmt.Sprintf("%x\n", h.Sum(nil)), nil
}

// build makes the mirror with a folder to work in, which it removes.
func (m *DebianMirror) build(work string) error {
	defer os.RemoveAll(work)
	if err := os.RemoveAll(m.Dir); err != nil {
		return err
	}
	a, err := newApt(work)
	if err != nil {
		return err
	}
	all, err := a.available()
	if err != nil {
		return err
	}
	debs, err := a.system(all)
	if err != nil {
		return err
	}
	if err := a.fetch(m.Dir, debs); err != nil {
		return err
	}
	udebs, err := a.installer(m.Dir)
	if err != nil {
		return err
	}
	if err := m.index(debs, udebs); err != nil {
		return err
	}
	return m.system(work)
}

// systemTar is the system that the installer unpacks.
func (m *DebianMirror) systemTar() string { return filepath.Join(m.Dir, "lab", "system.tar") }

// system installs Debian out of the mirror into an archive of files, without
// what nobody reads on a machine of the lab.
func (m *DebianMirror) system(work string) error {
	part := filepath.Join(work, "system.tar")
	cmd := exec.Command("mmdebstrap", "--mode=root", "--variant=apt", "--architectures=amd64",
		"--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
		`--aptopt=APT::Install-Recommends "false"`, `--aptopt=Acquire::Languages "none"`,
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=force-unsafe-io",
		"--include="+strings.Join(debianSystem[:], ","),
		debianCodename, part, "deb [trusted=yes] copy:"+m.Dir+" "+debianCodename+" main")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mmdebstrap: %v: %s", err, lastLines(string(out), 15))
	}
	if err := os.MkdirAll(filepath.Dir(m.systemTar()), 0o755); err != nil {
		return err
	}
	return os.Rename(part, m.systemTar())
}

// system are the packages of an installed machine.
func (a apt) system(all []stanza) ([]stanza, error) {
	names := append([]string{"apt"}, debianSystem[:]...)
	for _, s := range all {
		if s.field("Essential") == "yes" {
			names = append(names, s.field("Package"))
		}
	}
	files, err := a.planned(names...)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, f := range files {
		wanted[f] = true
	}
	var debs []stanza
	for _, s := range all {
		if name := s.downloaded(); wanted[name] {
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
		if err := os.Rename(filepath.Join(down, s.downloaded()), to); err != nil {
			return err
		}
	}
	return nil
}

// index writes the lists of packages, and Release. It has no signature.
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
		about := "Archive: stable\nOrigin: Debian\nLabel: Debian\nVersion: 12.0\nComponent: main\nArchitecture: amd64\n"
		for name, b := range map[string][]byte{"Release": []byte(about), "Packages": []byte(plain.String()), "Packages.gz": packed.Bytes()} {
			if err := os.WriteFile(filepath.Join(dists, part.name, name), b, 0o644); err != nil {
				return err
			}
			fmt.Fprintf(&sums, " %x %d %s\n", sha256.Sum256(b), len(b), part.name+name)
		}
	}
	// The installer asks for suites by these names, and wants to find the same
	// name inside.
	if err := os.Symlink(debianCodename, filepath.Join(m.Dir, "dists", "stable")); err != nil {
		return err
	}
	release := fmt.Sprintf("Origin: Debian\nLabel: Debian\nSuite: stable\nVersion: 12.0\nCodename: %s\n"+
		"Date: Sat, 10 Jun 2023 08:00:00 UTC\nArchitectures: amd64\nComponents: main\nSHA256:\n%s", debianCodename, sums.String())
	return os.WriteFile(filepath.Join(dists, "Release"), []byte(release), 0o644)
}
