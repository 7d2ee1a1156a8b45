package nbp

import (
	"bytes"
	"crypto"
	"crypto/x509/pkix"
	"testing"
	"time"

	"hobnail/internal/model"
)

// FuzzSignatures reads anything as a certificate table: what comes out is
// bounded, printable, and verified only if it names a certificate.
func FuzzSignatures(f *testing.F) {
	image := make([]byte, 32)
	ca := newSigner(f, pkix.Name{CommonName: "CA"}, 1, nil)
	leaf := newSigner(f, pkix.Name{CommonName: "Leaf"}, 2, ca)
	whole := winCertificate(certTypePKCS7, leaf.sign(f, image, forgery{}, ca, leaf))
	f.Add(whole)
	f.Add(append(bytes.Clone(whole), winCertificate(certTypePKCS7, leaf.sign(f, image, forgery{noAttributes: true}, leaf))...))
	f.Add(winCertificate(1, nil))
	f.Fuzz(func(t *testing.T, table []byte) {
		all, err := signatures(table, func(h crypto.Hash) ([]byte, error) { return image[:min(h.Size(), len(image))], nil })
		if len(all) > maxSignatures {
			t.Errorf("%d signatures", len(all))
		}
		for _, s := range all {
			if s.Verified && (len(s.Chain) == 0 || s.Fault != "") || !s.Verified && s.Fault == "" || len(s.Chain) > maxChain {
				t.Errorf("signature %+v", s)
			}
			Rules{Now: time.Unix(1<<31, 0)}.judge(Program{Signatures: all, Signer: signerText(all, err)})
		}
	})
}

// FuzzDBX reads anything as a revocation list, and looks something up in it.
func FuzzDBX(f *testing.F) {
	ca := newSigner(f, pkix.Name{CommonName: "CA"}, 1, nil)
	hashes := sigList(listSHA256, make([]byte, 32), make([]byte, 32))
	f.Add(hashes)
	f.Add(authenticated(microsoftDate, "signature", append(hashes, sigList(listX509, ca.cert.Raw)...)...))
	f.Add(sigList(listX509SHA256, make([]byte, 48)))
	f.Add(sigList("sixteen octets, ", nil))
	chain := []Certificate{describeCertificate(ca.cert)}
	f.Fuzz(func(t *testing.T, file []byte) {
		d, err := parseDBX(file)
		if err != nil {
			return
		}
		hashes, certificates, other := d.Counts()
		if n := hashes + certificates + other; n > len(file)/ownerSize {
			t.Errorf("%d entries in %d octets", n, len(file))
		}
		d.match(chain)
		d.hasHash("00")
	})
}

// FuzzProgram describes anything, as what lies in a user's folder.
func FuzzProgram(f *testing.F) {
	s := newSigner(f, pkix.Name{CommonName: "Signer"}, 1, nil)
	f.Add(signedPE(f, pe{machine: 0x8664, plus: true, sections: sbat("shim,3")}, []*signer{s}))
	f.Add(pe{machine: 0x8664, plus: true}.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := describe(model.ArchX64, "shimx64.efi", b)
		if err != nil {
			return
		}
		state, _ := Rules{}.judge(p)
		for _, s := range p.Signatures {
			if s.Verified && s.Digest == "" {
				t.Errorf("%s: %+v", state, s)
			}
		}
	})
}
