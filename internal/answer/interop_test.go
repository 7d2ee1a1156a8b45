//go:build interop

package answer

import (
	"bytes"
	encjson "encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// runWith runs somebody else's program with a text as its input, and gives what it
// says.
func runWith(t *testing.T, input []byte, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s\n%s", strings.Join(argv, " "), err, out, input)
	}
	return string(out)
}

// sites are the answers of three sites, by "site/kind/file".
func sites(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	plain := sample()
	plain.Vars["password_hash"] = sampleHash
	iso := sample()
	iso.Mirror.URL = "http://10.77.1.2:8080/iso/image-1"
	for site, d := range map[string]Data{"plain": plain, "full": full(), "iso": iso} {
		for name, out := range executeAll(t, d, nil) {
			all[site+"/"+name] = out
		}
	}
	if len(all) < 30 {
		t.Fatalf("%d answers", len(all))
	}
	return all
}

// each gives the answers with one of these names: file, or kind/file.
func each(t *testing.T, files []string, f func(t *testing.T, name string, out []byte)) {
	t.Helper()
	n := 0
	for name, out := range sites(t) {
		_, file, _ := strings.Cut(name, "/")
		if slices.Contains(files, file) || slices.Contains(files, filepath.Base(file)) {
			n++
			f(t, name, out)
		}
	}
	if n < len(files) {
		t.Errorf("%d answers for %v", n, files)
	}
}

// debconf reads every line of preseed (Debian package debconf).
func TestInteropDebconfTakesPreseed(t *testing.T) {
	each(t, []string{"preseed.cfg"}, func(t *testing.T, name string, out []byte) {
		if said := runWith(t, out, "debconf-set-selections", "--checkonly"); said != "" {
			t.Errorf("%s: %s", name, said)
		}
	})
	if exec.Command("debconf-set-selections", "--checkonly", writeFile(t, "d-i x\n")).Run() == nil {
		t.Error("debconf-set-selections takes half a line: it shows nothing")
	}
}

func writeFile(t *testing.T, s string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// xmllint parses AutoYaST and unattend.xml (Debian package libxml2-utils), jq
// parses JSON, ignition-validate validates ignition (Debian package ignition).
func TestInteropParsersTakeEveryAnswer(t *testing.T) {
	each(t, []string{"autoinst.xml", "unattend.xml"}, func(t *testing.T, _ string, out []byte) {
		runWith(t, out, "xmllint", "--nonet", "--noout", "-")
	})
	each(t, []string{"agama.json", "config.ign", "system.ign"}, func(t *testing.T, _ string, out []byte) {
		runWith(t, out, "jq", "-e", "type == \"object\"")
	})
	each(t, []string{"config.ign", "system.ign"}, func(t *testing.T, name string, out []byte) {
		if said := runWith(t, out, "ignition-validate", "-"); said != "" {
			t.Errorf("%s: %s", name, said)
		}
	})
	each(t, []string{"answer.toml"}, func(t *testing.T, _ string, out []byte) {
		runWith(t, out, "/usr/bin/python3", "-c", "import sys, tomllib; tomllib.load(sys.stdin.buffer)")
	})
	each(t, []string{"install.sh"}, func(t *testing.T, _ string, out []byte) { runWith(t, out, "dash", "-n") })
}

const pythonYAML = `
import sys, json, yaml
print(json.dumps([yaml.safe_load(text) for text in json.load(sys.stdin)]))
`

// PyYAML reads every file of nocloud, and user-data begins as cloud-init wants.
func TestInteropPyYAMLTakesNocloud(t *testing.T) {
	each(t, []string{"user-data", "meta-data", "vendor-data"}, func(t *testing.T, name string, out []byte) {
		in, err := encjson.Marshal([]string{string(out)})
		if err != nil {
			t.Fatal(err)
		}
		var got []map[string]any
		if err := encjson.Unmarshal([]byte(runWith(t, in, "/usr/bin/python3", "-c", pythonYAML)), &got); err != nil || len(got) != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.HasSuffix(name, "meta-data") && !strings.HasPrefix(string(out), "#cloud-config\n") {
			t.Errorf("%s does not begin with #cloud-config", name)
		}
	})
}

// PyYAML, which cloud-init and Ubuntu's installer read with, gets every text
// back as it was.
func TestInteropYAMLIsTheText(t *testing.T) {
	var names, documents, want []string
	for name, s := range hostile(t) {
		d := sample()
		d.Vars = map[string]string{"locale": s, "password_hash": s, "timezone": s, "keyboard": s, "disk": s, "proxy": s, "mirror": s}
		out, err := builtins()["autoinstall/user-data"].Execute(d)
		if err != nil || s == "" || s == "!" {
			continue
		}
		names, documents, want = append(names, name), append(documents, string(out)), append(want, s)
	}
	if len(documents) < 50 {
		t.Fatalf("%d documents", len(documents))
	}
	in, err := encjson.Marshal(documents)
	if err != nil {
		t.Fatal(err)
	}
	var got []struct {
		Autoinstall struct {
			Locale, Timezone, Proxy any
			Identity                map[string]any
			Storage                 struct {
				Layout struct{ Match map[string]any }
			}
			Apt struct{ Primary []map[string]any }
		}
	}
	if err := encjson.Unmarshal([]byte(runWith(t, in, "/usr/bin/python3", "-c", pythonYAML)), &got); err != nil {
		t.Fatal(err)
	}
	for i, g := range got {
		a := g.Autoinstall
		for _, v := range []any{a.Locale, a.Timezone, a.Proxy, a.Identity["password"], a.Storage.Layout.Match["path"], a.Apt.Primary[0]["uri"]} {
			if v != want[i] {
				t.Errorf("%s: PyYAML reads %q, want %q", names[i], v, want[i])
			}
		}
	}
}

const pythonShlex = `
import sys, json, shlex
print(json.dumps([shlex.split(line, comments=True) for line in json.load(sys.stdin)]))
`

// Python's shlex, with which Anaconda splits kickstart, and the shell get every
// text back as it was.
func TestInteropShellQuotingIsTheText(t *testing.T) {
	var quoted, want []string
	for _, s := range hostile(t) {
		if q, err := sh(s); err == nil {
			quoted, want = append(quoted, "sshkey --username=ann "+q), append(want, s)
			for _, shell := range [][]string{{"dash", "-c"}, {"busybox", "sh", "-c"}, {"bash", "-c"}} {
				if got := runWith(t, nil, append(shell, "printf %s "+q)...); got != s {
					t.Errorf("%s reads %q, want %q", shell[0], got, s)
				}
			}
		}
	}
	in, err := encjson.Marshal(quoted)
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	if err := encjson.Unmarshal([]byte(runWith(t, in, "/usr/bin/python3", "-c", pythonShlex)), &got); err != nil {
		t.Fatal(err)
	}
	for i, words := range got {
		if len(words) != 3 || words[2] != want[i] {
			t.Errorf("shlex reads %q, want %q", words, want[i])
		}
	}
}

// The sections of kickstart are scripts that a shell parses, and so are the
// commands inside the others.
func TestInteropScriptsParse(t *testing.T) {
	each(t, []string{"kickstart/ks.cfg"}, func(t *testing.T, name string, out []byte) {
		sections := strings.Split(string(out), "\n%")
		n := 0
		for _, s := range sections {
			head, body, _ := strings.Cut(s, "\n")
			if word := strings.Fields(head)[0]; word == "pre" || word == "post" || word == "onerror" {
				n++
				runWith(t, []byte(body), "dash", "-n")
			}
		}
		if n != 4 {
			t.Errorf("%s has %d scripts", name, n)
		}
	})
	each(t, []string{"preseed.cfg"}, func(t *testing.T, name string, out []byte) {
		_, command, ok := strings.Cut(strings.ReplaceAll(string(out), "\\\n", ""), "preseed/late_command string ")
		if !ok {
			t.Errorf("%s has no late command", name)
		}
		runWith(t, []byte(command), "busybox", "sh", "-n")
	})
	each(t, []string{"agama.json"}, func(t *testing.T, _ string, out []byte) {
		runWith(t, []byte(runWith(t, out, "jq", "-r", ".scripts.post[].content")), "dash", "-n")
	})
	each(t, []string{"autoinst.xml"}, func(t *testing.T, _ string, out []byte) {
		runWith(t, []byte(runWith(t, out, "xmllint", "--xpath", "string(//*[local-name()='source'])", "-")), "dash", "-n")
	})
}

// The call home asks once where it is answered, with curl and with wget of
// either make, also under set -e.
func TestInteropCallHomeAsksOnce(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/install/x/done" {
			asked.Add(1)
		}
	}))
	defer server.Close()
	line := "set -eu; " + callHome(server.URL+"/install/x/done") + "; echo end"
	wget, err := exec.LookPath("wget")
	if err != nil {
		t.Fatal(err)
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	for name, tools := range map[string]map[string]string{
		"curl":    {"curl": "", "sleep": ""},
		"wget":    {"wget": wget, "sleep": ""},
		"busybox": {"wget": busybox, "sleep": busybox},
	} {
		dir := t.TempDir()
		for tool, target := range tools {
			if target == "" {
				if target, err = exec.LookPath(tool); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(target, filepath.Join(dir, tool)); err != nil {
				t.Fatal(err)
			}
		}
		for _, shell := range []string{"/bin/dash", "/bin/bash"} {
			asked.Store(0)
			cmd := exec.Command(shell, "-c", line)
			cmd.Env = []string{"PATH=" + dir}
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != "end\n" || asked.Load() != 1 {
				t.Errorf("%s in %s: asked %d times, %v, %q", name, shell, asked.Load(), err, out)
			}
		}
	}
}

// Where nobody answers, the call home ends after 20 attempts and lets the
// installation go on. Sleeping is left out.
func TestInteropCallHomeEnds(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(curl, filepath.Join(dir, "curl")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sleep"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/dash", "-c", "set -eu; "+callHome(server.URL+"/done")+"; echo end")
	cmd.Env = []string{"PATH=" + dir}
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "end\n" || asked.Load() != 20 {
		t.Errorf("asked %d times, %v, %q", asked.Load(), err, out)
	}
}
