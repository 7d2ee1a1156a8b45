package app

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"hobnail/internal/answer"
	"hobnail/internal/bootfile"
	"hobnail/internal/bootscript"
	"hobnail/internal/image"
	"hobnail/internal/machines"
	"hobnail/internal/model"
	"hobnail/internal/windows"
)

// answer renders a file that the installer of a machine asks for.
// bootfile.ErrNotFound means that it has none of that name.
func (l *Loaded) answer(all *machines.Snapshot, i model.Install, file string, to bootscript.Server, m bootscript.Machine) ([]byte, error) {
	img, ok := l.Policy.Image(i.Image)
	if !ok {
		return nil, fmt.Errorf("making %s for %s: image %s is not there any more", file, i.Machine, i.Image)
	}
	kind, own, err := l.answerKind(i, img)
	if err != nil {
		return nil, fmt.Errorf("making %s for %s: %v", file, i.Machine, err)
	}
	if !slices.Contains(kind.Files, file) {
		return nil, bootfile.ErrNotFound
	}
	t, err := l.template(kind, file, own)
	if err != nil {
		return nil, fmt.Errorf("making %s for %s: %v", file, i.Machine, err)
	}
	b, err := t.Execute(l.answerData(all, i, img, to, m))
	if err != nil {
		return nil, fmt.Errorf("making %s for %s: %v", file, i.Machine, err)
	}
	return b, nil
}

// answerKind is the kind of answer file of an order, and the path of the
// template that the order names itself; empty for none.
func (l *Loaded) answerKind(i model.Install, img model.Image) (k answer.Kind, own string, err error) {
	word := img.Answer
	switch {
	case filepath.IsAbs(i.Answer):
		own = i.Answer
	case i.Answer != "":
		word = i.Answer
	}
	if word == "" {
		return k, own, fmt.Errorf("nothing is known of how image %s is installed without questions; give the kind of its answer file with --answer", img.Name)
	}
	k, ok := answer.KindOf(word)
	if !ok {
		return k, own, fmt.Errorf("there is no kind of answer file named %q", word)
	}
	return k, own, nil
}

// template is the order's own, which is for the first file of its kind, else the
// site's, else the built-in one.
func (l *Loaded) template(k answer.Kind, file, own string) (*answer.Template, error) {
	path := filepath.Join(l.Config.Install.Answers, k.Name, file)
	isOwn := own != "" && file == k.Files[0]
	if isOwn {
		path = own
	}
	text, err := readTemplate(path)
	switch {
	case err == nil:
		return k.Parse(path, text)
	case isOwn || !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case k.Without != "":
		return nil, fmt.Errorf("there is no built-in answer file of the kind %s (%s); put yours at %s", k.Name, k.Without, path)
	}
	builtin, err := answer.Builtin(k.Name)
	if err != nil {
		return nil, err
	}
	return builtin[file], nil
}

// readTemplate reads a file that may be a template. What it is is asked first:
// to open a FIFO would wait.
func readTemplate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > answer.MaxSource:
		return nil, fmt.Errorf("%s has %d octets; at most %d are read", path, info.Size(), answer.MaxSource)
	}
	return os.ReadFile(path)
}

// answerData is what a template can say.
func (l *Loaded) answerData(all *machines.Snapshot, i model.Install, img model.Image, to bootscript.Server, m bootscript.Machine) answer.Data {
	vars := map[string]string{}
	maps.Copy(vars, l.Config.Install.Vars)
	d := answer.Data{
		Machine: answer.Machine{Name: i.Machine, MAC: string(m.MAC), UUID: string(m.UUID), Arch: string(m.Arch), CPU: string(img.CPU)},
		Image:   answer.Image{Name: img.Name, Title: img.Title, System: img.System, Version: img.Version, CPU: string(img.CPU), Edition: i.Edition},
		Server:  answer.Server{Name: to.Name, URL: to.URL},
		Install: answer.Install{URL: to.URL + "/install/" + i.Token},
		Vars:    vars,
	}
	if m.Address.IsValid() {
		d.Machine.Address = m.Address.String()
	}
	if to.Address.IsValid() {
		d.Server.Address = to.Address.String()
	}
	switch {
	case m.Arch == model.ArchBIOS:
		d.Machine.Firmware = string(model.FirmwareBIOS)
	case m.Arch.UEFI():
		d.Machine.Firmware = string(model.FirmwareUEFI)
	}
	if e, err := windows.Choose(img, i.Edition); err == nil {
		d.Image.Edition, d.Image.Index = e.Name, strconv.Itoa(e.Index)
	}
	// Only an image with packages, whose command line says so as well.
	if strings.Contains(img.Cmdline+img.Install, "mirror/http/directory=/"+image.VolumePrefix) {
		d.Mirror.URL = to.URL + "/" + image.VolumePrefix + img.Name
	}
	if named := all.Machine(i.Machine); named != nil {
		maps.Copy(vars, named.Vars)
		d.Machine.Serial = named.Serial
		if len(named.MACs) > 0 && d.Machine.MAC == "" {
			d.Machine.MAC = string(named.MACs[0])
		}
		if d.Machine.UUID == "" {
			d.Machine.UUID = string(named.UUID)
		}
	}
	maps.Copy(vars, i.Vars)
	return d
}

// secretsIn lists what in an answer file looks like a password, in words.
func secretsIn(b []byte) []string {
	var all []string
	for _, w := range answer.Secrets(b) {
		all = append(all, w.String())
	}
	return all
}

// AnswerFile is an answer file as an installer would get it.
type AnswerFile struct {
	Name     string
	Content  []byte
	Warnings []string // of what looks like a password
}

// Answers makes all answer files of a machine, of the order that there is for
// it, or as if an image were ordered.
func (l *Loaded) Answers(all *machines.Snapshot, m *model.Machine, image string, now time.Time) ([]AnswerFile, error) {
	i := model.Install{Machine: m.Name, Image: image, Token: "00000000000000000000000000000000"}
	if ordered := all.Install(m.Name, now); ordered != nil && (image == "" || image == ordered.Image) {
		i.Image, i.Edition, i.Answer, i.Vars = ordered.Image, ordered.Edition, ordered.Answer, ordered.Vars
	}
	if i.Image == "" {
		return nil, fmt.Errorf("nothing is ordered for %s: say which image, --image NAME", m.Name)
	}
	img, ok := l.Policy.Image(i.Image)
	if !ok {
		return nil, fmt.Errorf("there is no image %q; hobnail images list names them all", i.Image)
	}
	kind, _, err := l.answerKind(i, img)
	if err != nil {
		return nil, err
	}
	to := bootscript.Server{Name: l.Config.Server.Name, Address: l.Config.Server.Address}
	host := "SERVER"
	if to.Address.IsValid() {
		host = to.Address.String()
	}
	to.URL = fmt.Sprintf("http://%s:%d", host, l.Config.Server.HTTPPort)
	var files []AnswerFile
	for _, name := range kind.Files {
		b, err := l.answer(all, i, name, to, bootscript.Machine{})
		if err != nil {
			return nil, err
		}
		files = append(files, AnswerFile{name, b, secretsIn(b)})
	}
	return files, nil
}
