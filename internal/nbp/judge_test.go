package nbp

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509/pkix"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
)

// sbat is a program's .sbat section with one component.
func sbat(component string) []peSection {
	return []peSection{{Name: ".sbat", Data: []byte("sbat,1,SBAT Version,sbat,1,https://example.org\n" + component + ",Vendor,package,1.0,https://example.org\n")}}
}

// findings lists "level code", one for each finding.
func findings(all []Finding) string {
	var words []string
	for _, f := range all {
		words = append(words, string(f.Level)+" "+string(f.Code))
	}
	return strings.Join(words, ", ")
}

// now is after 1 s past the epoch, when the certificates of tests expire.
var now = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)

func TestJudge(t *testing.T) {
	vendor := newSigner(t, pkix.Name{CommonName: "Vendor CA"}, 1, nil)
	leaf := newSigner(t, pkix.Name{CommonName: "Vendor Signer"}, 2, vendor)
	under := func(ca string) []*signer {
		parent := newSigner(t, pkix.Name{CommonName: ca}, 1, nil)
		return []*signer{newSigner(t, pkix.Name{CommonName: "Publisher"}, 2, parent), parent}
	}
	own := []*signer{newSigner(t, pkix.Name{CommonName: "Our own key"}, 1, nil)}
	chain := []*signer{leaf, vendor}
	type chains = [][]*signer
	for _, tt := range []struct {
		name   string
		file   string
		sbat   []peSection
		chains chains
		rules  Rules
		state  State
		want   string
	}{
		{"shim of the generation that is needed", "shimx64.efi", sbat("shim,4"), chains{chain}, Rules{}, StateServed, ""},
		{"a later one", "shimx64.efi", sbat("shim,5"), chains{chain}, Rules{}, StateServed, ""},
		{"an older one", "shimx64.efi", sbat("shim,3"), chains{chain}, Rules{}, StateRefused, "refusal sbat"},
		{"whatever the file is called", "bootx64.efi", sbat("shim,3"), chains{chain}, Rules{}, StateRefused, "refusal sbat"},
		{"an older one that is allowed", "shimx64.efi", sbat("shim,3"), chains{chain}, Rules{Allow: []string{"shimx64.efi"}}, StateWarned, "warning sbat"},
		{"allowed for its architecture", "shimx64.efi", sbat("shim,3"), chains{chain}, Rules{Allow: []string{"uefi-x64/shimx64.efi"}}, StateWarned, "warning sbat"},
		{"allowed for another", "shimx64.efi", sbat("shim,3"), chains{chain}, Rules{Allow: []string{"uefi-arm64/shimx64.efi"}}, StateRefused, "refusal sbat"},
		{"shim from before SBAT", "shimx64.efi", nil, chains{chain}, Rules{}, StateRefused, "refusal sbat"},
		{"iPXE's shim is a shim", "ipxe-shimx64.efi", sbat("shim,3"), chains{chain}, Rules{}, StateRefused, "refusal sbat"},
		{"GRUB of the generation that is needed", "grubx64.efi", sbat("grub,5"), chains{chain}, Rules{}, StateServed, ""},
		{"an older GRUB", "grubx64.efi", sbat("grub,4"), chains{chain}, Rules{}, StateRefused, "refusal sbat"},
		{"a vendor's GRUB from before SBAT", "grubx64.efi", nil, chains{chain}, Rules{}, StateRefused, "refusal sbat"},
		{"a GRUB without SBAT, signed with a key of one's own", "grubx64.efi", nil, chains{own}, Rules{}, StateWarned, "warning sbat"},
		{"an older GRUB, signed with a key of one's own", "grubx64.efi", sbat("grub,3"), chains{own}, Rules{}, StateRefused, "refusal sbat"},
		{"GRUB's generation counts, not a distribution's", "grubx64.efi", sbat("grub.vendor,1"), chains{chain}, Rules{}, StateServed, ""},
		{"an unsigned old GRUB is not for Secure Boot", "grubx64.efi", sbat("grub,1"), nil, Rules{}, StateServed, ""},
		{"an unsigned GRUB without SBAT", "grubx64.efi", nil, nil, Rules{}, StateServed, ""},
		{"unsigned iPXE", "snponly.efi", nil, nil, Rules{Now: now}, StateServed, ""},
		{"signed iPXE has no lowest generation", "ipxe.efi", sbat("ipxe,1"), chains{chain}, Rules{}, StateServed, ""},

		{"Microsoft's authority of 2011 alone", "shimx64.efi", sbat("shim,4"), chains{under("Microsoft Corporation UEFI CA 2011")}, Rules{}, StateWarned, "warning authority-2011"},
		{"Windows' authority of 2011 alone", "bootmgfw.efi", nil, chains{under("Microsoft Windows Production PCA 2011")}, Rules{}, StateWarned, "warning authority-2011"},
		{"both of Microsoft's authorities", "shimx64.efi", sbat("shim,4"), chains{under("Microsoft Corporation UEFI CA 2011"), under("Microsoft UEFI CA 2023")}, Rules{}, StateServed, ""},
		{"Microsoft's authority of 2023 alone", "shimx64.efi", sbat("shim,4"), chains{under("Microsoft UEFI CA 2023")}, Rules{}, StateServed, ""},

		{"expired certificates are noted and change nothing", "shimx64.efi", sbat("shim,4"), chains{chain}, Rules{Now: now}, StateServed, "note expired, note expired"},
		{"before they expire they are not", "shimx64.efi", sbat("shim,4"), chains{chain}, Rules{Now: time.Unix(0, 0)}, StateServed, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := program(t, tt.file, signedPE(t, pe{machine: 0x8664, plus: true, sections: tt.sbat}, tt.chains...))
			state, all := tt.rules.judge(p)
			if got := findings(all); state != tt.state || got != tt.want {
				t.Errorf("%s: %s; want %s: %s", state, got, tt.state, tt.want)
			}
		})
	}
}

func program(t *testing.T, file string, b []byte) Program {
	t.Helper()
	p, err := describe(model.ArchX64, file, b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A signature that does not hold, or cannot be read, is said to be so.
func TestJudgeDamagedSignatures(t *testing.T) {
	s := newSigner(t, pkix.Name{CommonName: "Signer"}, 1, nil)
	whole := signedPE(t, pe{machine: 0x8664, plus: true}, []*signer{s})
	spoilt := bytes.Clone(whole)
	spoilt[0x380] ^= 1
	state, all := Rules{}.judge(program(t, "ipxe.efi", spoilt))
	if state != StateWarned || findings(all) != "warning signature" || !strings.Contains(all[0].Text, "has a signature that does not hold: number 1 is for another file") {
		t.Errorf("a changed file: %s: %+v", state, all)
	}
	state, all = Rules{}.judge(program(t, "ipxe.efi", pe{machine: 0x8664, plus: true, certs: winCertificate(2, []byte("garbage"))}.bytes()))
	if state != StateWarned || findings(all) != "warning signature-format" || !strings.HasPrefix(all[0].Text, "has signatures that cannot be read: signature 1") {
		t.Errorf("garbage: %s: %+v", state, all)
	}
}

// What is revoked: a file by its digest, signed or not, and a signature by any
// certificate from its signer up, or by one above them that is not enclosed.
func TestJudgeRevoked(t *testing.T) {
	root := newSigner(t, pkix.Name{CommonName: "Root"}, 1, nil)
	middle := newSigner(t, pkix.Name{CommonName: "Middle"}, 2, root)
	leaf := newSigner(t, pkix.Name{CommonName: "Leaf"}, 3, middle)
	other := newSigner(t, pkix.Name{CommonName: "Other"}, 1, nil)
	impostor := newSigner(t, pkix.Name{CommonName: "Root"}, 1, nil) // the name, and another key
	plain := pe{machine: 0x8664, plus: true}
	unsigned := program(t, "ipxe.efi", plain.bytes())
	signed := program(t, "ipxe.efi", signedPE(t, plain, []*signer{leaf, middle}))
	twice := program(t, "ipxe.efi", signedPE(t, plain, []*signer{other}, []*signer{leaf, middle}))
	tbs := sha256.Sum256(middle.cert.RawTBSCertificate)
	since := time.Date(2023, 5, 9, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		list []byte
		p    Program
		want string // part of the text; "" if it is not revoked
	}{
		{"its digest", sigList(listSHA256, unhex(t, signed.Authenticode)), signed, "is revoked: its digest " + signed.Authenticode + " is in dbx.bin of 2026-11-25"},
		{"the digest of a file that is not signed", sigList(listSHA256, unhex(t, unsigned.Authenticode)), unsigned, "is revoked"},
		{"the SHA-256 of the file is not its digest", sigList(listSHA256, unhex(t, signed.SHA256)), signed, ""},
		{"its signer", sigList(listX509, leaf.cert.Raw), signed, "is signed under a revoked certificate: Leaf is in dbx.bin of 2026-11-25"},
		{"who issued its signer", sigList(listX509, middle.cert.Raw), signed, "Middle is in"},
		{"who is above and not enclosed", sigList(listX509, root.cert.Raw), signed, "Root is in"},
		{"one who only has that name", sigList(listX509, impostor.cert.Raw), signed, ""},
		{"the second signature's", sigList(listX509, middle.cert.Raw), twice, "Middle is in"},
		{"somebody else", sigList(listX509, other.cert.Raw), signed, ""},
		{"a certificate's digest", sigList(listX509SHA256, append(tbs[:], make([]byte, 16)...)), signed, "Middle is in dbx.bin of 2026-11-25"},
		{"a certificate's digest since a day", sigList(listX509SHA256, append(tbs[:], efiTimeOf(since)...)), signed, "Middle is in dbx.bin of 2026-11-25, for signatures since 2023-05-09"},
		{"nothing is revoked of what is not signed", sigList(listX509, leaf.cert.Raw), unsigned, ""},
		{"no digest is that of a BIOS program", sigList(listSHA256, make([]byte, 32)), Program{Arch: model.ArchBIOS, File: "undionly.kpxe"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := parseDBX(tt.list)
			if err != nil {
				t.Fatal(err)
			}
			d.Path, d.Date = "dbx.bin", now
			state, all := Rules{DBX: []*DBX{d}}.judge(tt.p)
			if tt.want == "" {
				if state != StateServed {
					t.Errorf("%s: %+v, want it to be served", state, all)
				}
				return
			}
			if state != StateRefused || len(all) != 1 || !strings.Contains(all[0].Text, tt.want) || all[0].Remedy == "" {
				t.Errorf("%s: %+v, want a refusal with %q", state, all, tt.want)
			}
		})
	}
}

// A refusal says which file, its level, the one that is needed, and where to
// get it.
func TestRefusalIsASentence(t *testing.T) {
	ca := newSigner(t, pkix.Name{CommonName: "Vendor CA"}, 1, nil)
	leaf := newSigner(t, pkix.Name{CommonName: "Vendor Signer"}, 2, ca)
	old := signedPE(t, pe{machine: 0x8664, plus: true, sections: sbat("shim,3")}, []*signer{leaf, ca})
	dir := folder(t, map[string][]byte{"uefi-x64/shimx64.efi": old})
	v, faults, err := Load(dir, Rules{})
	if err != nil || len(faults) != 0 {
		t.Fatalf("faults %v, error %v", faults, err)
	}
	refused := v.Refused()
	if len(refused) != 1 {
		t.Fatalf("refused are %v", names(refused))
	}
	got := refused[0].Where() + " is not served: it " + refused[0].Refusal()
	want := filepath.Join(dir, "uefi-x64/shimx64.efi") + " is not served: it has the SBAT level shim,3; shim,4 is needed; put shim 15.8 or newer in its place, from the distribution's current packages (Debian: shim-signed); without a file of that name hobnail's own is served, where it has one"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// The embedded one stands in for it.
	p, ok := v.FindFile(model.ArchX64, "shimx64.efi")
	if !ok || strings.HasPrefix(p.Source, dir) || bytes.Equal(content(t, v, p), old) {
		t.Errorf("in its place: %v, from %s", ok, p.Source)
	}
}

// A file that was refused is served once it is replaced: nothing is remembered.
func TestRefusalEndsWithTheFile(t *testing.T) {
	s := newSigner(t, pkix.Name{CommonName: "Signer"}, 1, nil)
	old := signedPE(t, pe{machine: 0x5064, plus: true, sections: sbat("grub,4")}, []*signer{s})
	dir := folder(t, map[string][]byte{"uefi-riscv64/grubriscv64.efi": old})
	v, _, err := Load(dir, Rules{})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := v.Find("uefi-riscv64", LoaderGRUB); ok || len(v.Refused()) != 1 {
		t.Fatalf("served %v, refused %v", ok, names(v.Refused()))
	}
	fresh := signedPE(t, pe{machine: 0x5064, plus: true, sections: sbat("grub,5")}, []*signer{s})
	if err := os.WriteFile(filepath.Join(dir, "uefi-riscv64/grubriscv64.efi"), fresh, 0o644); err != nil {
		t.Fatal(err)
	}
	if v, _, err = Load(dir, Rules{}); err != nil {
		t.Fatal(err)
	}
	if p, ok := v.Find("uefi-riscv64", LoaderGRUB); !ok || p.State != StateServed || len(v.Refused()) != 0 {
		t.Errorf("served %v: %+v", ok, p.Findings)
	}
}
