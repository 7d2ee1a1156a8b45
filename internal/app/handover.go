package app

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"hobnail/internal/bootscript"
	"hobnail/internal/handover"
	"hobnail/internal/image"
	"hobnail/internal/model"
	"hobnail/internal/nbp"
	"hobnail/internal/netio"
	"hobnail/internal/policy"
)

// HandoverFacts gathers what the configuration does not say of a site: this
// host's addresses, where its kernel picks ports from, what there is to serve.
func HandoverFacts(l *Loaded) (handover.Facts, error) {
	f := handover.Facts{AnswerPorts: answerPorts()}
	all, err := netio.Interfaces()
	if err != nil {
		return f, err
	}
	for _, i := range all {
		if !i.Loopback {
			f.Interfaces = append(f.Interfaces, handover.Interface{Name: i.Name, Prefixes: i.Prefixes})
		}
	}
	for _, p := range programs(l.Programs, l.Config.Server.NBP).Have {
		f.Programs = append(f.Programs, handover.Program{Arch: p.Arch, Loader: p.Loader, File: p.File})
	}
	for _, img := range l.Images {
		for _, file := range image.Files(img) {
			if d, ok := download(file.Path); ok && !slices.Contains(f.Downloads, d) {
				f.Downloads = append(f.Downloads, d)
			}
		}
	}
	return f, nil
}

// answerPorts is where Linux picks ports from that a program leaves to it:
// ip(7), ip_local_port_range. Where it cannot be read, it is the kernel's own
// default.
func answerPorts() handover.Ports {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	p := handover.Ports{First: 32768, Last: 60999}
	if err == nil {
		// Two numbers, or the defaults stay.
		_, _ = fmt.Sscan(string(b), &p.First, &p.Last)
	}
	return p
}

// download tells the server of a URL.
func download(path string) (handover.Download, bool) {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return handover.Download{}, false
	}
	d := handover.Download{Host: u.Hostname(), Port: map[string]uint16{"http": 80, "https": 443}[u.Scheme]}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		d.Port = uint16(n)
	}
	return d, true
}

// ServedFiles lists what machines can be served, with digests and signers. The
// addresses are those that machines reach this server at; progress is told of
// each file before it is read, and may be nil.
func ServedFiles(l *Loaded, at []netip.Addr, progress func(name string)) ([]handover.File, error) {
	if progress == nil {
		progress = func(string) {}
	}
	var all []handover.File
	for _, p := range l.Programs.Programs() {
		files, err := programFiles(l.Programs, p, at)
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	beside := l.Programs.Windows()
	for _, arch := range slices.Sorted(maps.Keys(beside)) {
		for _, name := range slices.Sorted(maps.Keys(beside[arch])) {
			f := handover.File{Name: programName(arch, name), Kind: "windows", Arch: string(arch), Source: beside[arch][name]}
			progress(f.Name)
			digest(&f)
			all = append(all, f)
		}
	}
	for _, img := range l.Images {
		for _, ref := range image.Files(img) {
			f := handover.File{Name: ref.Name, Kind: "image", Arch: string(img.CPU), Source: ref.Path}
			progress(f.Name)
			digest(&f)
			all = append(all, f)
		}
		all = append(all, pads(img)...)
	}
	return append(all, generated(l)...), nil
}

func programName(arch model.Arch, file string) string {
	return model.BootPath{Arch: arch, File: file}.String()
}

// programFiles describes a boot program as it leaves this server: one that has
// our address written into it is another file for each address.
func programFiles(inv *nbp.Inventory, p nbp.Program, at []netip.Addr) ([]handover.File, error) {
	f := handover.File{
		Name: programName(p.Arch, p.File), Kind: "program", Arch: string(p.Arch), Size: p.Size, SHA256: p.SHA256,
		Authenticode: p.Authenticode, Signer: p.Signer, Source: p.Source,
	}
	if p.Loader != nbp.LoaderGRUBProxy {
		return []handover.File{f}, nil
	}
	var all []handover.File
	for _, a := range at {
		content, size, _, err := inv.OpenFor(p.Arch, p.File, a)
		if err != nil {
			return nil, err
		}
		b := make([]byte, size)
		if _, err := content.ReadAt(b, 0); err != nil && err != io.EOF {
			return nil, fmt.Errorf("reading boot program %s/%s: %v", p.Arch, p.File, err)
		}
		one, sum := f, sha256.Sum256(b)
		one.SHA256, one.Note = hex.EncodeToString(sum[:]), "with the address "+a.String()+" in it"
		one.Authenticode, one.Signer = nbp.Signer(b)
		all = append(all, one)
	}
	return all, nil
}

// maxSigned is more than any kernel has; what is longer is a file system.
const maxSigned = 64 << 20

// digest reads a file of this host. Who signed it is told of PE images, which
// kernels are as well.
func digest(f *handover.File) {
	f.Size = -1
	if strings.Contains(f.Source, "://") {
		f.Note = "from another server; its digest is not known here"
		return
	}
	file, err := os.Open(f.Source)
	if err != nil {
		f.Note = err.Error()
		return
	}
	defer file.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, file)
	if err != nil {
		f.Note = err.Error()
		return
	}
	f.Size, f.SHA256 = n, hex.EncodeToString(sum.Sum(nil))
	if n > maxSigned {
		return
	}
	b := make([]byte, n)
	if _, err := file.ReadAt(b, 0); err == nil {
		f.Authenticode, f.Signer = nbp.Signer(b)
	}
}

// pads lists what iPXE reads between the initial RAM disks of an image.
func pads(img model.Image) (all []handover.File) {
	_, initrd := image.Names(img)
	for i := range len(initrd) - 1 {
		if img.Way == model.WayLinux {
			all = append(all, handover.File{
				Name: initrd[i] + bootscript.Pad, Kind: "generated", Arch: string(img.CPU), Size: -1, Note: "one to four zeros: no digest",
			})
		}
	}
	return all
}

// generated lists what is made for each machine, so that no list can know it.
func generated(l *Loaded) []handover.File {
	var all []handover.File
	seen := map[model.Arch]bool{}
	for _, p := range programs(l.Programs, l.Config.Server.NBP).Have {
		names := []string{model.ScriptIPXE, model.ScriptAutoexec, model.ScriptGRUB, "pxelinux.cfg/", model.ScriptUBoot}
		switch {
		case p.Loader == policy.LoaderRAMDisk:
			names = []string{model.RAMDiskFile}
		case seen[p.Arch]:
			continue
		default:
			seen[p.Arch] = true
		}
		for _, name := range names {
			all = append(all, handover.File{
				Name: programName(p.Arch, name), Kind: "generated", Arch: string(p.Arch), Size: -1, Note: "made for each machine: no digest",
			})
		}
	}
	return all
}
