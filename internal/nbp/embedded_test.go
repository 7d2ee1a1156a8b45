package nbp

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
)

// built gives the set that this build embeds.
func built(t *testing.T) *set {
	t.Helper()
	s, err := openEmbedded()
	if err != nil {
		t.Fatal(err)
	}
	if s == nil {
		t.Fatal("the boot programs are not there: run make build first")
	}
	return s
}

// What the embedded programs say of themselves, as far as it does not change
// with Debian's next update.
func TestEmbeddedPrograms(t *testing.T) {
	const (
		microsoft2011 = "Microsoft Windows UEFI Driver Publisher (Microsoft Corporation UEFI CA 2011)"
		microsoft2023 = "Microsoft UEFI CA 2023 signer (Microsoft UEFI CA 2023)"
		debian        = "(Debian Secure Boot CA)"
	)
	v := newInventory(built(t), nil, Rules{})
	for _, tt := range []struct {
		arch    model.Arch
		loader  Loader
		file    string
		machine string
		signers []string // parts of Signer
		sbat    string   // first component but sbat
	}{
		{model.ArchBIOS, LoaderIPXE, "undionly.kpxe", "x86 real mode", nil, ""},
		{model.ArchBIOS, LoaderPXELINUX, "pxelinux.0", "x86 real mode", nil, ""},
		{model.ArchIA32, LoaderGRUB, "grubia32.efi", "i386 PE32", []string{"unsigned"}, "grub"},
		{model.ArchIA32, LoaderGRUBProxy, "grubproxyia32.efi", "i386 PE32", []string{"unsigned"}, ""},
		{model.ArchX64, LoaderShim, "shimx64.efi", "x86-64 PE32+", []string{microsoft2011, microsoft2023}, "shim"},
		{model.ArchX64, LoaderGRUB, "grubx64.efi", "x86-64 PE32+", []string{debian}, "grub"},
		{model.ArchX64, LoaderIPXE, "snponly.efi", "x86-64 PE32+", []string{"unsigned"}, ""},
		{model.ArchARM32, LoaderGRUB, "grubarm.efi", "ARM Thumb PE32", []string{"unsigned"}, ""},
		{model.ArchARM32, LoaderGRUBProxy, "grubproxyarm.efi", "ARM Thumb PE32", []string{"unsigned"}, ""},
		{model.ArchARM64, LoaderShim, "shimaa64.efi", "AArch64 PE32+", []string{microsoft2011, microsoft2023}, "shim"},
		{model.ArchARM64, LoaderGRUB, "grubaa64.efi", "AArch64 PE32+", []string{debian}, "grub"},
		{model.ArchARM64, LoaderGRUBProxy, "grubproxyaa64.efi", "AArch64 PE32+", []string{"unsigned"}, ""},
	} {
		t.Run(string(tt.arch)+" "+string(tt.loader), func(t *testing.T) {
			p, ok := v.Find(tt.arch, tt.loader)
			if !ok {
				t.Fatal("not embedded; the build's warnings say why")
			}
			if p.File != tt.file || p.Machine != tt.machine || p.Version == "" || p.Licence == "" {
				t.Errorf("found %+v", p)
			}
			for _, part := range tt.signers {
				if !strings.Contains(p.Signer, part) {
					t.Errorf("signer %q, want one with %q", p.Signer, part)
				}
			}
			if got := firstComponent(p.SBAT); got != tt.sbat {
				t.Errorf("SBAT component %q, want %q", got, tt.sbat)
			}
			if tt.loader == LoaderShim && firstComponent(p.Revokes) != "shim" {
				t.Errorf("revocations %v", p.Revokes)
			}
		})
	}
	for _, file := range []string{"ldlinux.c32", "libcom32.c32", "libutil.c32", "menu.c32"} {
		if p, ok := v.FindFile(model.ArchBIOS, file); !ok || p.Loader != LoaderSupport || p.Machine != "i386 ELF" {
			t.Errorf("pxelinux's %s: found %v, %+v", file, ok, p)
		}
	}
}

func firstComponent(all []SBATEntry) string {
	for _, e := range all {
		if e.Component != "sbat" {
			return e.Component
		}
	}
	return ""
}

// Nothing that is embedded may be refused, or need a word, by today's rules:
// whoever has no boot programs of their own boots from it.
func TestEmbeddedProgramsAreServed(t *testing.T) {
	v := newInventory(built(t), nil, Rules{})
	for _, p := range append(v.Programs(), v.Refused()...) {
		if p.State != StateServed || len(p.Findings) != 0 {
			t.Errorf("%s/%s is %s: %+v", p.Arch, p.File, p.State, p.Findings)
		}
	}
	for _, file := range []string{"shimx64.efi", "shimaa64.efi", "grubx64.efi", "grubaa64.efi"} {
		for _, arch := range []model.Arch{model.ArchX64, model.ArchARM64} {
			p, ok := v.FindFile(arch, file)
			if !ok {
				continue
			}
			for _, s := range p.Signatures {
				microsoft := yearOf(s.Authority) != 0
				if !s.Verified || len(s.Chain) == 0 || s.AuthorityProven != microsoft || microsoft != (p.Loader == LoaderShim) {
					t.Errorf("%s: signature %+v", file, s)
				}
			}
		}
	}
}

// What the index keeps is enough to find a revoked certificate, without a look
// into the programs.
func TestEmbeddedProgramsCanBeRevoked(t *testing.T) {
	set := built(t)
	shim, ok := newInventory(set, nil, Rules{}).FindFile(model.ArchX64, "shimx64.efi")
	if !ok || len(shim.Signatures) != 2 {
		t.Fatalf("found %v: %+v", ok, shim.Signatures)
	}
	for name, list := range map[string][]byte{
		"its digest":               sigList(listSHA256, unhex(t, shim.Authenticode)),
		"its signer's certificate": sigList(listX509, shim.Signatures[0].Chain[0].DER),
		"its second authority":     sigList(listX509, shim.Signatures[1].Chain[1].DER),
	} {
		d, err := parseDBX(list)
		if err != nil {
			t.Fatal(err)
		}
		v := newInventory(set, nil, Rules{DBX: []*DBX{d}})
		if _, served := v.FindFile(model.ArchX64, "shimx64.efi"); served {
			t.Errorf("%s is revoked, and it is served", name)
		}
		if _, served := v.FindFile(model.ArchX64, "grubx64.efi"); !served {
			t.Errorf("%s is revoked, and GRUB is not served", name)
		}
		refused := v.Refused()
		if len(refused) == 0 || refused[0].File != "shimx64.efi" || len(v.All()) != len(v.Programs())+len(refused) {
			t.Errorf("%s is revoked; refused are %v", name, names(refused))
		}
	}
}

// The index was made when the archive was packed; it must say what a look at
// the content says now.
func TestEmbeddedIndexIsTrue(t *testing.T) {
	v := newInventory(built(t), nil, Rules{})
	for _, p := range v.Programs() {
		got, err := describe(p.Arch, p.File, content(t, v, p))
		if err != nil {
			t.Errorf("%s: %v", p.File, err)
		}
		got.Source, got.SourceCode, got.Licence, got.State = p.Source, p.SourceCode, p.Licence, p.State
		if got.Version == "" { // then it is the package's
			got.Version = p.Version
		}
		if diff := cmp.Diff(got, p); diff != "" {
			t.Errorf("%s (-content +index):\n%s", p.File, diff)
		}
	}
}

func content(t *testing.T, v *Inventory, p Program) []byte {
	t.Helper()
	r, size, _, err := v.Open(p.Arch, p.File)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(r, 0, size))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// GRUB asks for its configuration under the prefix it was linked with; the
// names that hobnail answers to depend on it.
func TestEmbeddedGRUBPrefix(t *testing.T) {
	v := newInventory(built(t), nil, Rules{})
	for _, p := range v.Programs() {
		if p.Loader != LoaderGRUB {
			continue
		}
		b := content(t, v, p)
		if !bytes.Contains(b, []byte("\x00/grub\x00")) && !bytes.Contains(b, []byte("\x00/debian-installer/arm64/grub\x00")) {
			t.Errorf("%s %s has another prefix than /grub", p.Arch, p.File)
		}
	}
}

// Whoever has the binary has the notices and licences of what is in it, and
// the names under which Debian keeps the source.
func TestEmbeddedLicences(t *testing.T) {
	s := built(t)
	texts, err := s.licences()
	if err != nil {
		t.Fatal(err)
	}
	sources, shared := "", map[string]bool{}
	for _, l := range texts {
		if len(l.Text) < 1000 {
			t.Errorf("%s of %s has %d octets", l.Name, l.Package, len(l.Text))
		}
		sources += l.Source + "\n"
		shared[l.Name] = true
	}
	for _, p := range newInventory(s, nil, Rules{}).Programs() {
		for source := range strings.SplitSeq(p.SourceCode, ", ") {
			if !strings.Contains(sources, source) {
				t.Errorf("%s is made from %s, which has no notices", p.File, source)
			}
		}
	}
	for _, name := range []string{"GPL-2", "GPL-3"} {
		if !shared[name] {
			t.Errorf("the text of %s is missing", name)
		}
	}
}

// Starting hobnail reads the index, not the programs.
func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, _, err := Load("", Rules{}); err != nil {
			b.Fatal(err)
		}
	}
}
