package site

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hobnail/internal/bootfile"
	"hobnail/internal/boots"
	"hobnail/internal/bootscript"
	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// esxiSite has an image of ESXi whose files lie in a folder.
func esxiSite(t *testing.T, cfg string) *Site {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{}
	for name, content := range map[string]string{"boot.cfg": cfg, "EFI/BOOT/BOOTX64.EFI": "mboot"} {
		path := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		files["iso/esxi/"+name] = path
	}
	table, err := bootfile.NewTable(false, bootfile.Part{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	conf, faults := config.Parse("hobnail.toml", []byte("[server]\nhttp = \":8080\"\n"))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	img := model.Image{
		Name: "esxi", CPU: model.CPUX64, Volume: "/srv/esxi.iso", Way: model.WayESXi, Kernel: "inside:EFI/BOOT/BOOTX64.EFI", Firmware: model.FirmwareUEFI,
		Cmdline: "-c {{.Server.URL}}/iso/{{.Image.Name}}/boot.cfg", Install: "-c {{.Install.URL}}/boot.cfg",
	}
	s := newSite(t)
	s.Policy, s.Images, s.Boots = policy.Compile(conf, []model.Image{img}, policy.Programs{}), table, boots.NewMemory()
	return s
}

const esxiBootCfg = "bootstate=0\ntitle=Loading ESXi installer\nkernel=/b.b00\nkernelopt=runweasel cdromBoot\nmodules=/jumpstrt.gz --- /useropts.gz\n"

// mboot reads a boot.cfg with our address in it, in whatever case it asks.
func TestESXiBootConfigIsWritten(t *testing.T) {
	s := esxiSite(t, esxiBootCfg)
	want := "bootstate=0\ntitle=Loading ESXi installer\nkernel=b.b00\nmodules=jumpstrt.gz --- useropts.gz\n" +
		"prefix=http://10.77.1.2:8080/iso/esxi\nkernelopt=runweasel\n"
	for _, name := range []string{"iso/esxi/boot.cfg", "/iso/esxi/BOOT.CFG"} {
		got, _, err := read(t, s, name)
		if err != nil || got != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, want)
		}
	}
	if got, _, err := read(t, s, "iso/esxi/EFI/BOOT/BOOTX64.EFI"); err != nil || got != "mboot" {
		t.Errorf("mboot: %q, %v", got, err)
	}
}

func TestESXiBootConfigThatIsNone(t *testing.T) {
	for _, cfg := range []string{"title=x\n", strings.Repeat("x", maxESXiConfig+1)} {
		if got, _, err := read(t, esxiSite(t, cfg), "iso/esxi/boot.cfg"); err == nil || !strings.Contains(err.Error(), "esxi") {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// iPXE starts mboot, and tells it where its boot.cfg is.
func TestESXiInAMenu(t *testing.T) {
	s := esxiSite(t, esxiBootCfg)
	got, _, err := read(t, s, model.BootPath{MAC: "52:54:00:00:00:09", Arch: model.ArchX64, File: model.ScriptIPXE}.String())
	want := "chain --autofree http://10.77.1.2:8080/iso/esxi/EFI/BOOT/BOOTX64.EFI -c http://10.77.1.2:8080/iso/esxi/boot.cfg || goto failed"
	if err != nil || !strings.Contains(got, want) {
		t.Errorf("%v\n%s\nwant %s", err, got, want)
	}
}

// ordered has one attempt to install esxi.
type ordered struct{ Orders }

const esxiToken = "00112233445566778899aabbccddeeff"

func (ordered) Find(token string) (Attempt, bool) {
	return Attempt{Token: token, Machine: "one", Image: "esxi"}, token == esxiToken
}
func (ordered) Begin(context.Context, string) error { return nil }
func (ordered) Answer(context.Context, string, string, bootscript.Server, bootscript.Machine) ([]byte, error) {
	return nil, bootfile.ErrNotFound
}
func (ordered) Known(*classify.Facts, *model.Machine) policy.Known { return policy.Known{} }

// An armed install's boot.cfg names the answer file of that attempt.
func TestESXiInstallNamesItsAnswer(t *testing.T) {
	s := esxiSite(t, esxiBootCfg)
	s.Orders = ordered{}
	got, _, err := read(t, s, "install/"+esxiToken+"/boot.cfg")
	if err != nil || !strings.Contains(got, "\nkernelopt=runweasel ks=http://10.77.1.2:8080/install/"+esxiToken+"/ks.cfg\n") {
		t.Errorf("%v\n%s", err, got)
	}
	if _, _, err := read(t, s, "install/"+strings.Repeat("0", 32)+"/boot.cfg"); err == nil {
		t.Error("a token that is none is given a boot.cfg")
	}
}
