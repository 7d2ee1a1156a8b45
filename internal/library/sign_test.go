package library

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
)

// maker signs what it makes.
type maker struct {
	t *testing.T
	e *openpgp.Entity
}

func newMaker(t *testing.T, name string) maker {
	t.Helper()
	e, err := openpgp.NewEntity(name, "", name+"@example.net", nil)
	if err != nil {
		t.Fatal(err)
	}
	return maker{t, e}
}

func (m maker) keyring(armored bool) []byte {
	m.t.Helper()
	var b bytes.Buffer
	if !armored {
		if err := m.e.Serialize(&b); err != nil {
			m.t.Fatal(err)
		}
		return b.Bytes()
	}
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	if err == nil {
		err = m.e.Serialize(w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return b.Bytes()
}

func (m maker) detached(text string) string {
	m.t.Helper()
	var b bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&b, m.e, strings.NewReader(text), nil); err != nil {
		m.t.Fatal(err)
	}
	return b.String()
}

func (m maker) binary(text string) string {
	m.t.Helper()
	var b bytes.Buffer
	if err := openpgp.DetachSign(&b, m.e, strings.NewReader(text), nil); err != nil {
		m.t.Fatal(err)
	}
	return b.String()
}

func (m maker) clear(text string) string {
	m.t.Helper()
	var b bytes.Buffer
	w, err := clearsign.Encode(&b, m.e.PrivateKey, nil)
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return b.String()
}

func TestSignatures(t *testing.T) {
	const content = "ISO A\n"
	good, other := newMaker(t, "Maker"), newMaker(t, "Stranger")
	list := hexOf(content) + "  a.iso\n"
	const unsigned = "is signed by a key of the keyring"
	for name, tc := range map[string]struct {
		beside  map[string]string
		keyring []byte
		err     string
		check   string // result and text of the signature's check
	}{
		"a list, detached":                 {map[string]string{"SHA256SUMS": list, "SHA256SUMS.gpg": good.detached(list)}, good.keyring(true), "", "ok signed by Maker <Maker@example.net>"},
		"the same in octets":               {map[string]string{"SHA256SUMS": list, "SHA256SUMS.sign": good.binary(list)}, good.keyring(false), "", "ok signed by Maker <Maker@example.net>"},
		"a list, signed inside":            {map[string]string{"a-CHECKSUM": good.clear("# a.iso\nSHA256 (a.iso) = " + hexOf(content) + "\n")}, good.keyring(true), "", "ok signed by Maker <Maker@example.net>"},
		"the file itself":                  {map[string]string{"a.iso.sig": good.binary(content)}, good.keyring(true), "", "ok signed by Maker <Maker@example.net>"},
		"the file itself, armored":         {map[string]string{"a.iso.asc": good.detached(content)}, good.keyring(true), "", "ok signed by Maker <Maker@example.net>"},
		"no keyring: noticed":              {map[string]string{"SHA256SUMS": list, "SHA256SUMS.gpg": good.detached(list)}, nil, "", "there, not checked no keyring was given"},
		"no keyring, the file's: noticed":  {map[string]string{"a.iso.sig": good.binary(content)}, nil, "", "there, not checked no keyring was given"},
		"another's key":                    {map[string]string{"SHA256SUMS": list, "SHA256SUMS.gpg": other.detached(list)}, good.keyring(true), unsigned, ""},
		"no signature":                     {map[string]string{"SHA256SUMS": list}, good.keyring(true), unsigned, ""},
		"nothing beside it":                {nil, good.keyring(true), unsigned, ""},
		"a list that was changed":          {map[string]string{"SHA256SUMS": list, "SHA256SUMS.gpg": good.detached("x" + list)}, good.keyring(true), "is no good", ""},
		"a file that was changed":          {map[string]string{"a.iso.sig": good.binary("ISO B\n")}, good.keyring(true), "is no good", ""},
		"rubbish for a signature":          {map[string]string{"SHA256SUMS": list, "SHA256SUMS.gpg": "x"}, good.keyring(true), "is no good", ""},
		"a signed list of another file":    {map[string]string{"SHA256SUMS": aa + "  b.iso\n", "SHA256SUMS.gpg": good.detached(aa + "  b.iso\n")}, good.keyring(true), unsigned, ""},
		"a sum outside of what was signed": {map[string]string{"CHECKSUM": list + good.clear("nothing about it\n")}, good.keyring(true), unsigned, ""},
		"a signed sum that does not fit":   {map[string]string{"CHECKSUM": good.clear("SHA256 (a.iso) = " + aa + "\n")}, good.keyring(true), "is not what it should be", ""},
		"no keys":                          {nil, []byte("x"), "reading the keyring", ""},
	} {
		for _, way := range []string{"file", "URL"} {
			t.Run(name+", "+way, func(t *testing.T) {
				if way == "URL" && tc.beside["a-CHECKSUM"] != "" {
					return // nobody can know the list's name
				}
				l := newLibrary(t)
				dir := elsewhere(t)
				source := write(t, filepath.Join(dir, "a.iso"), content)
				lists := map[string]string{}
				for name, text := range tc.beside {
					write(t, filepath.Join(dir, name), text)
					lists["/"+name] = text
				}
				if way == "URL" {
					server := httptest.NewServer(&origin{content: content, lists: lists})
					defer server.Close()
					source = server.URL + "/a.iso"
				}
				all, err := l.Add(t.Context(), source, AddOptions{Keyring: tc.keyring}, nil)
				if tc.err != "" {
					if err == nil || !strings.Contains(err.Error(), tc.err) {
						t.Errorf("error %v, want %q", err, tc.err)
					}
					same(t, "images", []string{}, names(t, l))
					same(t, "files", []string{}, files(t, l.Folder))
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				got := ""
				for _, c := range all[0].Image.Checks {
					if c.Kind == "signature" {
						got = c.Result + " " + c.Text
					}
				}
				if !strings.HasPrefix(got, tc.check) {
					t.Errorf("check %q, want %q", got, tc.check)
				}
				if _, err := l.Add(t.Context(), source, AddOptions{Keyring: good.keyring(true)}, nil); err != nil && strings.HasPrefix(tc.check, "ok") {
					t.Errorf("again: %v", err)
				} else if err == nil && way == "URL" && !strings.HasPrefix(tc.check, "ok") {
					t.Error("an image without a checked signature is taken for one that has it")
				}
			})
		}
	}
}

// TestTreeInfo holds kernels against the sums in the image.
func TestTreeInfo(t *testing.T) {
	const head = "[general]\nfamily = Fedora\n[images-x86_64]\nkernel = images/pxeboot/vmlinuz\ninitrd = images/pxeboot/initrd.img\n" +
		"[images-xen]\nkernel = ../../etc/passwd\n[stage2]\nmainimage = images/install.img\n"
	for name, tc := range map[string]struct {
		files map[string]string
		want  string
		n     int
	}{
		"none":         {map[string]string{"vmlinuz": "x"}, "", 0},
		"both fit":     {map[string]string{".treeinfo": head + "[checksums]\nimages/pxeboot/vmlinuz = sha256:" + hexOf("k") + "\nimages/pxeboot/initrd.img = sha256:" + hexOf("i") + "\nimages/install.img = sha256:" + aa, "images/pxeboot/vmlinuz": "k", "images/pxeboot/initrd.img": "i"}, "", 2},
		"one does not": {map[string]string{".treeinfo": head + "[checksums]\nimages/pxeboot/vmlinuz = sha256:" + aa, "images/pxeboot/vmlinuz": "k"}, "images/pxeboot/vmlinuz is not what it should be", 0},
		"is not there": {map[string]string{".treeinfo": head + "[checksums]\nimages/pxeboot/vmlinuz = sha256:" + aa}, "checking images/pxeboot/vmlinuz by .treeinfo", 0},
		"no sums":      {map[string]string{".treeinfo": head, "images/pxeboot/vmlinuz": "k"}, "", 0},
		"MD5 alone":    {map[string]string{".treeinfo": head + "[checksums]\nimages/pxeboot/vmlinuz = md5:" + aa[:32], "images/pxeboot/vmlinuz": "k"}, "", 0},
		"rubbish":      {map[string]string{".treeinfo": "\x00[[[=\n=\n[checksums\n\xff = sha256:"}, "", 0},
		"a long line":  {map[string]string{".treeinfo": strings.Repeat("x", 1<<20)}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range tc.files {
				write(t, filepath.Join(dir, name), content)
			}
			checks, err := checkTree(os.DirFS(dir))
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if tc.want == "" {
				same(t, "checks", tc.n, len(checks))
			}
		})
	}
}
