//go:build interop

package nbp

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
)

// listed is what sbverify --list says: of each signature the issuer, and the
// subject of the enclosed certificate that this issuer issued.
func listed(t *testing.T, path string) [][2]string {
	t.Helper()
	out, err := exec.Command("sbverify", "--list", path).CombinedOutput()
	if err != nil {
		t.Fatalf("sbverify --list: %v\n%s", err, out)
	}
	var all [][2]string
	for _, block := range regexp.MustCompile(`(?m)^signature \d+$`).Split(string(out), -1)[1:] {
		signer, issuer := "", regexp.MustCompile(`image signature issuers:\n - .*/CN=(.*)\n`).FindStringSubmatch(block)[1]
		for _, cert := range regexp.MustCompile(`subject: .*/CN=(.*)\n\s+issuer:\s+.*/CN=(.*)\n`).FindAllStringSubmatch(block, -1) {
			if cert[2] == issuer && signer == "" {
				signer = cert[1]
			}
		}
		all = append(all, [2]string{signer, issuer})
	}
	return all
}

// named is the same as we read it.
func named(all []Signature) [][2]string {
	var out [][2]string
	for _, s := range all {
		out = append(out, [2]string{s.Signer, s.Issuer})
	}
	return out
}

// The signers of every embedded UEFI program, as sbverify names them.
func TestInteropSignersAsSbverify(t *testing.T) {
	v := newInventory(built(t), nil, Rules{})
	signed := 0
	for _, p := range v.Programs() {
		if !p.Arch.UEFI() || p.Signer == "unsigned" {
			continue
		}
		signed++
		path := filepath.Join(t.TempDir(), p.File)
		if err := os.WriteFile(path, content(t, v, p), 0o644); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(listed(t, path), named(p.Signatures)); diff != "" {
			t.Errorf("%s (-sbverify +hobnail):\n%s", p.File, diff)
		}
	}
	if signed < 4 {
		t.Errorf("%d signed programs, want shim and GRUB for x64 and ARM64", signed)
	}
}

// A program that sbsign signs, twice.
func TestInteropSignedBySbsign(t *testing.T) {
	v := newInventory(built(t), nil, Rules{})
	ipxe, ok := v.FindFile(model.ArchX64, "snponly.efi")
	if !ok {
		t.Fatal("snponly.efi is not embedded")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "ipxe.efi")
	if err := os.WriteFile(path, content(t, v, ipxe), 0o644); err != nil {
		t.Fatal(err)
	}
	var want [][2]string
	for _, name := range []string{"First Example Signer", "Second Example Signer"} {
		key, cert := keyPair(t, dir, name)
		out, err := exec.Command("sbsign", "--key", key, "--cert", cert, "--output", path, path).CombinedOutput()
		if err != nil {
			t.Fatalf("sbsign: %v\n%s", err, out)
		}
		want = append(want, [2]string{name, name})
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		p, err := describe(model.ArchX64, "ipxe.efi", b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, named(p.Signatures)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(listed(t, path), named(p.Signatures)); diff != "" {
			t.Errorf("(-sbverify +hobnail):\n%s", diff)
		}
	}
}

// keyPair writes a key and a certificate that it signs itself.
func keyPair(t *testing.T, dir, name string) (key, cert string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Unix(1<<32, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(file, kind string, b []byte) string {
		path := filepath.Join(dir, name+file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write(".key", "PRIVATE KEY", encoded), write(".crt", "CERTIFICATE", der)
}
