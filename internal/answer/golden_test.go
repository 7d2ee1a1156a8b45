package answer

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/*.golden")

const (
	sampleKey  = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFuIGV4YW1wbGUgb2YgYSBrZXkgZm9yIHRlc3Rz ann@example.org"
	sampleHash = "$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g."
)

// sample is a machine, an image and a site with little to say.
func sample() Data {
	return Data{
		Machine: Machine{
			Name: "lab-01", MAC: "52:54:00:12:34:56", UUID: "4c4c4544-0043-3010-8052-b4c04f4d3532", Serial: "SN-0042",
			Arch: "uefi-x64", CPU: "x64", Address: "10.77.2.10", Firmware: "uefi",
		},
		Image:   Image{Name: "image-1", Title: "An image", System: "system", Version: "1", CPU: "x64", Edition: "Pro", Index: "6"},
		Server:  Server{Name: "boot1", Address: "10.77.1.2", URL: "http://10.77.1.2:8080"},
		Install: Install{URL: "http://10.77.1.2:8080/install/0123456789abcdef0123456789abcdef"},
		Vars:    map[string]string{"ssh_key": sampleKey},
	}
}

// full is a site that sets all variables.
func full() Data {
	d := sample()
	d.Machine.Arch, d.Machine.Firmware = "bios", "bios"
	d.Mirror.URL = "http://10.77.1.2:8080/iso/image-1"
	d.Vars = map[string]string{
		"user": "ann", "ssh_key": sampleKey + "\n" + strings.Replace(sampleKey, "ann", "bob", 1) + "\n", "password_hash": sampleHash,
		"hostname": "pc-{mac6}", "domain": "example.org", "timezone": "Europe/Berlin", "locale": "de_DE.UTF-8", "keyboard": "de",
		"disk": "/dev/sdb", "packages": "vim, curl htop", "mirror": "http://mirror.example.org:81/debian", "suite": "bookworm",
		"proxy": "http://proxy.example.org:3128", "tasks": "standard ssh-server", "product": "SLES",
		"windows_language": "de-DE", "windows_keyboard": "0407:00000407", "windows_timezone": "W. Europe Standard Time",
		"windows_disk": "1", "windows_password": "", "product_key": "VK7JG-NPHTM-C97JM-9MPGT-3V66T", "country": "de", "mailto": "it@example.org",
		"proxmox_keyboard": "de", "esxi_keyboard": "German",
	}
	return d
}

// answers fills in all built-in answers, by "kind/file".
func answers(t *testing.T, d Data) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, k := range Kinds() {
		if k.Without != "" {
			continue
		}
		files, err := Builtin(k.Name)
		if err != nil {
			t.Fatal(err)
		}
		for name, tmpl := range files {
			out, err := tmpl.Execute(d)
			if err != nil {
				t.Errorf("%s/%s: %v", k.Name, name, err)
			}
			all[k.Name+"/"+name] = out
		}
	}
	return all
}

func TestGolden(t *testing.T) {
	plain, all := sample(), full()
	plain.Vars["password_hash"] = sampleHash // Proxmox and ESXi have no account without
	for set, d := range map[string]Data{"plain": plain, "full": all} {
		for name, got := range answers(t, d) {
			golden(t, set+"/"+name, got)
		}
	}
	delete(plain.Vars, "password_hash")
	for _, kind := range []string{"preseed", "autoinstall", "kickstart", "autoyast", "agama", "unattend", "ignition", "archiso"} {
		files, err := Builtin(kind)
		if err != nil {
			t.Fatal(err)
		}
		for name, tmpl := range files {
			got, err := tmpl.Execute(plain)
			if err != nil {
				t.Errorf("with a key alone: %v", err)
			}
			golden(t, "key/"+kind+"/"+name, got)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", filepath.FromSlash(name)+".golden")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got)\n%s", name, diff)
	}
}

// Setup must not wipe the disk that the agent has divided for it, and that it
// runs from.
func TestSetupLeavesTheDisk(t *testing.T) {
	files, err := Builtin("unattend")
	if err != nil {
		t.Fatal(err)
	}
	for way, wipes := range map[string]bool{"dism": true, "setup": false} {
		d := sample()
		d.Vars["windows_way"] = way
		b, err := files["unattend.xml"].Execute(d)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(b, []byte("DiskConfiguration")); got != wipes {
			t.Errorf("by %s it wipes the disk: %t\n%s", way, got, b)
		}
		if !bytes.Contains(b, []byte("<PartitionID>3</PartitionID>\n          </InstallTo>")) {
			t.Errorf("by %s Windows goes elsewhere:\n%s", way, b)
		}
	}
}
