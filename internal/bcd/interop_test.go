//go:build interop

package bcd

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"www.velocidex.com/golang/regparser"

	"hobnail/internal/model"
	"hobnail/internal/regf"
)

// hives are what other people's readers are given: a store, and a hive of many
// bins. lines of the root are what they must find.
func hives(t *testing.T) map[string]regf.Key {
	var many []regf.Key
	for i := range 300 {
		many = append(many, regf.Key{Name: fmt.Sprintf("key%03d", i), Values: []regf.Value{
			regf.Binary("data", bytes.Repeat([]byte{byte(i)}, 40*i+1)), regf.DWORD("n", uint32(i)), regf.SZ("text", strconv.Itoa(i)),
		}})
	}
	var objects1 []regf.Key
	for _, o := range objects(Options{Arch: model.ArchX64, Title: "Büro"}.complete()) {
		objects1 = append(objects1, o.key())
	}
	return map[string]regf.Key{
		"a store": {Name: "NewStoreRoot", Keys: []regf.Key{
			{Name: "Description", Values: []regf.Value{regf.SZ("KeyName", "BCD00000001")}}, {Name: "Objects", Keys: objects1}}},
		"many keys": {Name: "root", Keys: many},
	}
}

// each writes the hives to files and holds what a reader finds against them.
func each(t *testing.T, read func(t *testing.T, path string) []string) {
	for name, k := range hives(t) {
		t.Run(name, func(t *testing.T) {
			b, err := regf.Write(k, noon())
			if err != nil {
				t.Fatal(err)
			}
			if name == "a store" { // it is what the package writes
				if s, err := Store(Options{Arch: model.ArchX64, Title: "Büro", Modified: noon()}); err != nil || !bytes.Equal(s, b) {
					t.Fatal("Store gives another hive", err)
				}
			}
			path := filepath.Join(t.TempDir(), "BCD")
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
			want := lines(k, "")
			slices.Sort(want) // a hive has keys by their names
			if diff := cmp.Diff(want, read(t, path)); diff != "" {
				t.Errorf("(-written +read):\n%s", diff)
			}
		})
	}
}

func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	var errors bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, out, errors.Bytes())
	}
	return out
}

// hivexml of libhivex-bin.
func TestInteropHivex(t *testing.T) {
	type value struct {
		Type     string   `xml:"type,attr"`
		Key      string   `xml:"key,attr"`
		Value    string   `xml:"value,attr"`
		Encoding string   `xml:"encoding,attr"`
		Strings  []string `xml:"string"`
	}
	type node struct {
		Name   string  `xml:"name,attr"`
		Values []value `xml:"value"`
		Nodes  []node  `xml:"node"`
	}
	var key func(n node) regf.Key
	key = func(n node) regf.Key {
		k := regf.Key{Name: n.Name}
		for _, v := range n.Values {
			switch v.Type {
			case "string":
				k.Values = append(k.Values, regf.SZ(v.Key, v.Value))
			case "string-list":
				k.Values = append(k.Values, regf.MultiSZ(v.Key, v.Strings[:1]...))
			case "int32":
				i, err := strconv.ParseUint(v.Value, 10, 32)
				if err != nil {
					t.Fatal(err)
				}
				k.Values = append(k.Values, regf.DWORD(v.Key, uint32(i)))
			default:
				b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(v.Value, "\n", ""))
				if err != nil || v.Type != "binary" || v.Encoding != "base64" && v.Value != "" {
					t.Fatalf("%+v: %v", v, err)
				}
				k.Values = append(k.Values, regf.Binary(v.Key, b))
			}
		}
		for _, c := range n.Nodes {
			k.Keys = append(k.Keys, key(c))
		}
		return k
	}
	each(t, func(t *testing.T, path string) []string {
		var hive struct {
			Root node `xml:"node"`
		}
		if err := xml.Unmarshal(run(t, "hivexml", path), &hive); err != nil {
			t.Fatal(err)
		}
		return lines(key(hive.Root), "")
	})
}

// reged of chntpw.
func TestInteropReged(t *testing.T) {
	each(t, func(t *testing.T, path string) []string {
		out := path + ".reg"
		run(t, "reged", "-x", path, "R", `\`, out)
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		joined := regexp.MustCompile(`\\\r?\n\s*`).ReplaceAllString(string(b), "")
		root := `\root`
		if strings.Contains(joined, `[R\Objects]`) {
			root = `\NewStoreRoot`
		}
		var all []string
		path = ""
		for line := range strings.Lines(joined) {
			line = strings.TrimSpace(line)
			if rest, ok := strings.CutPrefix(line, "[R"); ok {
				path = root + strings.TrimSuffix(rest, "]")
				continue
			}
			name, data, ok := strings.Cut(line, "=")
			if !ok {
				continue
			}
			k := regf.Key{Name: strings.TrimPrefix(path, `\`), Values: []regf.Value{regedValue(t, strings.Trim(name, `"`), data)}}
			all = append(all, lines(k, "")...)
		}
		return all
	})
}

// regedValue reads a value of a .reg file.
func regedValue(t *testing.T, name, data string) regf.Value {
	t.Helper()
	octets := func(s string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(s, ",", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	kind, rest, _ := strings.Cut(data, ":")
	switch kind {
	case "dword":
		b := octets(rest)
		return regf.DWORD(name, binary.BigEndian.Uint32(b))
	case "hex":
		return regf.Binary(name, octets(rest))
	case "hex(7)":
		return regf.Value{Name: name, Type: regf.TypeMultiSZ, Data: octets(rest)}
	}
	text := strings.TrimSuffix(strings.TrimPrefix(data, `"`), `"`)
	return regf.SZ(name, strings.ReplaceAll(text, `\\`, `\`))
}

// velocidex's reader, which forensics people use.
func TestInteropVelocidex(t *testing.T) {
	var key func(n *regparser.CM_KEY_NODE) regf.Key
	key = func(n *regparser.CM_KEY_NODE) regf.Key {
		k := regf.Key{Name: n.Name()}
		for _, v := range n.Values() {
			data := v.ValueData()
			// It gives four octets of those that stand in place of a pointer.
			k.Values = append(k.Values, regf.Value{Name: v.ValueName(), Type: regf.Type(v.Type()), Data: data.Data[:v.DataSize()]})
		}
		for _, c := range n.Subkeys() {
			k.Keys = append(k.Keys, key(c))
		}
		return k
	}
	each(t, func(t *testing.T, path string) []string {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := regparser.NewRegistry(f)
		if err != nil {
			t.Fatal(err)
		}
		return lines(key(r.OpenKey(`\`)), "")
	})
}

// A key is found by its path, in any case: the list of keys is in order.
func TestInteropHivexFindsKeys(t *testing.T) {
	b, err := Store(Options{Arch: model.ArchX64})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "BCD")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	out := run(t, "hivexget", path, `\objects\{AE5534E0-A924-466C-B836-758539A3EE3A}\ELEMENTS\32000004`, "element")
	if strings.TrimSpace(string(out)) != `\Boot\boot.sdi` {
		t.Errorf("found %q", out)
	}
}
