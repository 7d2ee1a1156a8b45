//go:build interop

package nbp

import (
	"bytes"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hobnail/internal/model"
)

// run gives what a tool prints, whatever it exits with.
func run(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	return string(out), err
}

// write puts a file into a folder of its own.
func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// osslDigests are the two digests that osslsigncode names: the one that is
// signed, and the one that it calculates.
func osslDigests(t *testing.T, path string) (signed, calculated string) {
	t.Helper()
	out, _ := run("osslsigncode", "verify", "-in", path)
	find := func(what string) string {
		m := regexp.MustCompile(what + ` message digest *: ([0-9A-F]+)`).FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("osslsigncode names no %s digest:\n%s", what, out)
		}
		return strings.ToLower(m[1])
	}
	return find("Current"), find("Calculated")
}

// The digest of every embedded program that is not signed as efitools has it,
// and of those that are signed as osslsigncode does. It cannot read a table of
// two signatures (seen with 2.9: "Corrupted attribute certificate table"), so
// that of shim it gets each alone.
func TestInteropDigests(t *testing.T) {
	v := newInventory(built(t), nil, Rules{})
	unsigned, signed := 0, 0
	for _, p := range v.Programs() {
		if !p.Arch.UEFI() {
			continue
		}
		b := content(t, v, p)
		if p.Signer == "unsigned" {
			unsigned++
			list := filepath.Join(t.TempDir(), "list")
			out, _ := run("hash-to-efi-sig-list", write(t, p.File, b), list)
			if !strings.Contains(out, "HASH IS "+p.Authenticode) {
				t.Errorf("%s/%s: digest %s, efitools says\n%s", p.Arch, p.File, p.Authenticode, out)
			}
			continue
		}
		for n, s := range p.Signatures {
			signed++
			current, calculated := osslDigests(t, write(t, p.File, alone(t, b, n)))
			if s.Digest != current || p.Authenticode != calculated {
				t.Errorf("%s/%s: digest %s, signed %s; osslsigncode says %s, signed %s", p.Arch, p.File, p.Authenticode, s.Digest, calculated, current)
			}
		}
	}
	if unsigned < 5 || signed < 6 {
		t.Errorf("%d unsigned programs and %d signatures, want more", unsigned, signed)
	}
}

// alone gives an image with one of its signatures, counted from 0. The table
// lies at its end, and no signature includes it.
func alone(t *testing.T, b []byte, n int) []byte {
	t.Helper()
	p, err := parsePE(b)
	if err != nil {
		t.Fatal(err)
	}
	table := p.Certs
	for range n {
		length := uint64(table[0]) | uint64(table[1])<<8 | uint64(table[2])<<16
		table = table[(length+7)&^7:]
	}
	length := uint64(table[0]) | uint64(table[1])<<8 | uint64(table[2])<<16
	table = table[:(length+7)&^7]
	out := append(bytes.Clone(b[:uint64(len(b))-p.Layout.Certificate]), table...)
	for i := range 4 {
		out[p.Layout.Directory+4+uint64(i)] = byte(len(table) >> (8 * i))
	}
	return out
}

// Embedded programs that are signed verify under the authority that we name,
// for sbverify as for us.
func TestInteropSignaturesVerify(t *testing.T) {
	v := newInventory(built(t), nil, Rules{})
	verified := 0
	for _, p := range v.Programs() {
		for _, s := range p.Signatures {
			// The last certificate is an authority's, or the signer's where
			// no more are enclosed: either will do for sbverify.
			top := s.Chain[len(s.Chain)-1]
			cert := write(t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: top.DER}))
			out, err := run("sbverify", "--cert", cert, write(t, p.File, content(t, v, p)))
			if (err == nil) != s.Verified {
				t.Errorf("%s/%s under %s: verified %v, sbverify says %v\n%s", p.Arch, p.File, top.Subject, s.Verified, err, out)
			}
			verified++
		}
	}
	if verified < 6 {
		t.Errorf("%d signatures, want more", verified)
	}
}

// What sbsign and osslsigncode sign verifies for us, sbverify and osslsigncode
// alike, and after one octet has changed for none: PE32 and PE32+, as built and
// signed again.
func TestInteropSignedByOthers(t *testing.T) {
	v := newInventory(built(t), nil, Rules{})
	key, cert := keyPair(t, t.TempDir(), "Throw-away Signer")
	for _, from := range []struct {
		arch model.Arch
		file string
	}{
		{model.ArchIA32, "grubia32.efi"}, // PE32
		{model.ArchX64, "snponly.efi"},   // PE32+
		{model.ArchX64, "grubx64.efi"},   // signed already
	} {
		for _, tool := range []string{"sbsign", "osslsigncode", "osslsigncode sha1", "osslsigncode sha512"} {
			t.Run(from.file+" "+tool, func(t *testing.T) {
				p, ok := v.FindFile(from.arch, from.file)
				if !ok {
					t.Fatalf("%s is not embedded", from.file)
				}
				in, out := write(t, "in.efi", content(t, v, p)), filepath.Join(t.TempDir(), "out.efi")
				args := []string{"--key", key, "--cert", cert, "--output", out, in}
				name, hash, _ := strings.Cut(tool, " ")
				if name == "osslsigncode" {
					args = []string{"sign", "-certs", cert, "-key", key, "-h", orDefault(hash, "sha256"), "-in", in, "-out", out}
				}
				if text, err := run(name, args...); err != nil {
					t.Fatalf("%s: %v\n%s", name, err, text)
				}
				b, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				agree(t, from.arch, b, cert, hash != "sha1")
				b[0x600] ^= 1
				agree(t, from.arch, b, cert, false)
			})
		}
	}
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// agree holds our word on the throw-away signature against sbverify's.
func agree(t *testing.T, arch model.Arch, b []byte, cert string, sbverify bool) {
	t.Helper()
	p, err := describe(arch, "out.efi", b)
	if err != nil {
		t.Fatal(err)
	}
	i := len(p.Signatures) - 1
	if i < 0 || p.Signatures[i].Signer != "Throw-away Signer" || p.Signatures[i].Authority != "Throw-away Signer" || p.Signatures[i].AuthorityProven {
		t.Fatalf("signatures %+v", p.Signatures)
	}
	path := write(t, "out.efi", b)
	if len(p.Signatures) == 1 {
		signed, calculated := osslDigests(t, path)
		if p.Signatures[0].Digest != signed || p.Signatures[0].Verified != (signed == calculated) {
			t.Errorf("digest %s, verified %v; osslsigncode: %s, calculated %s", p.Signatures[0].Digest, p.Signatures[0].Verified, signed, calculated)
		}
	}
	if !sbverify && p.Signatures[i].Algorithm != "SHA-256" {
		return // sbverify knows no other
	}
	out, err := run("sbverify", "--cert", cert, path)
	if p.Signatures[i].Algorithm == "SHA-256" && (err == nil) != p.Signatures[i].Verified {
		t.Errorf("verified %v (%s), sbverify says %v\n%s", p.Signatures[i].Verified, p.Signatures[i].Fault, err, out)
	}
}

// Revocation lists as efitools makes them: digests, certificates, hashes of
// certificates with a time, and the form that is signed.
func TestInteropDBX(t *testing.T) {
	v := newInventory(built(t), nil, Rules{})
	ipxe, ok := v.FindFile(model.ArchX64, "snponly.efi")
	if !ok {
		t.Fatal("snponly.efi is not embedded")
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	file := at("ipxe.efi")
	if err := os.WriteFile(file, content(t, v, ipxe), 0o644); err != nil {
		t.Fatal(err)
	}
	key, cert := keyPair(t, dir, "Revoked Signer")
	kek, kekCert := keyPair(t, dir, "Example KEK")
	for _, step := range [][]string{
		{"sbsign", "--key", key, "--cert", cert, "--output", at("signed.efi"), file},
		{"hash-to-efi-sig-list", file, at("digests.esl")},
		{"cert-to-efi-sig-list", cert, at("certs.esl")},
		{"cert-to-efi-hash-list", "-s", "256", cert, at("tbs256.esl")},
		{"cert-to-efi-hash-list", "-s", "384", "-t", "2023-05-09 10:11:12", cert, at("tbs384.esl")},
		{"cert-to-efi-hash-list", "-s", "512", cert, at("tbs512.esl")},
		{"sign-efi-sig-list", "-t", "2025-05-10 08:09:10", "-k", kek, "-c", kekCert, "dbx", at("digests.esl"), at("digests.auth")},
		{"sign-efi-sig-list", "-t", "2025-05-10 08:09:10", "-k", kek, "-c", kekCert, "dbx", at("certs.esl"), at("certs.auth")},
	} {
		if out, err := run(step[0], step[1:]...); err != nil {
			t.Fatalf("%v: %v\n%s", step, err, out)
		}
	}
	signed, err := os.ReadFile(at("signed.efi"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := describe(model.ArchX64, "ipxe.efi", signed)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		list     string
		signed   FindingCode // what is found of the signed file
		unsigned FindingCode // and of the one that is not; "" for nothing
		from     DateFrom
	}{
		{"digests.esl", FoundHash, FoundHash, DateFile},
		{"certs.esl", FoundCertificate, "", DateFile},
		{"tbs256.esl", FoundCertificate, "", DateFile},
		{"tbs384.esl", FoundCertificate, "", DateFile},
		{"tbs512.esl", FoundCertificate, "", DateFile},
		{"digests.auth", FoundHash, FoundHash, DateHeader},
		{"certs.auth", FoundCertificate, "", DateHeader},
	} {
		d, err := ReadDBX(at(tt.list))
		if err != nil {
			t.Fatal(err)
		}
		if d.DateFrom != tt.from || tt.from == DateHeader && !d.Date.Equal(time.Date(2025, 5, 10, 8, 9, 10, 0, time.UTC)) {
			t.Errorf("%s is of %v, from its %s", tt.list, d.Date, d.DateFrom)
		}
		for _, look := range []struct {
			p    Program
			want FindingCode
		}{{p, tt.signed}, {ipxe, tt.unsigned}} {
			var got FindingCode
			state, all := Rules{DBX: []*DBX{d}}.judge(look.p)
			if len(all) > 0 {
				got = all[0].Code
			}
			if got != look.want || (state == StateRefused) != (look.want != "") {
				t.Errorf("%s: %s, found %q, want %q: %+v", tt.list, state, got, look.want, all)
			}
			if tt.list == "tbs384.esl" && look.want != "" && !strings.Contains(all[0].Text, "2023-05-09") {
				t.Errorf("%s: %s", tt.list, all[0].Text)
			}
		}
	}
}
