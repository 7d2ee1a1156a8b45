package nbp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
)

// winCertificate wraps a signature as an entry of a certificate table, padded
// to a multiple of 8.
func winCertificate(kind uint16, signature []byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, uint32(8+len(signature)))
	b = le.AppendUint16(b, 0x0200)
	b = le.AppendUint16(b, kind)
	b = append(b, signature...)
	return append(b, make([]byte, -len(b)&7)...)
}

// signer is a certificate with its key, for signing in tests.
type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newSigner(t testing.TB, name pkix.Name, serial int64, parent *signer) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      name,
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Unix(1, 0), // long over: who signed is still who signed
	}
	issuer, issuerKey := template, key
	if parent != nil {
		issuer, issuerKey = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{cert, key}
}

// forgery is what is wrong with a signature that is made for a test.
type forgery struct {
	digest       []byte // what the signer's attributes say of the content; nil: the truth
	noAttributes bool   // sign the content itself
	noDigest     bool   // attributes without a digest
	key          *ecdsa.PrivateKey
	hash         asn1.ObjectIdentifier // of the image; nil: SHA-256
}

var oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}

// sign makes an Authenticode signature of an image's digest, with certificates
// enclosed in the order that is given.
func (s *signer) sign(t testing.TB, image []byte, f forgery, enclosed ...*signer) []byte {
	t.Helper()
	sequence := func(parts ...any) asn1.RawValue { return compound(t, asn1.ClassUniversal, asn1.TagSequence, parts...) }
	set := func(parts ...any) asn1.RawValue { return compound(t, asn1.ClassUniversal, asn1.TagSet, parts...) }
	tagged0 := func(parts ...any) asn1.RawValue { return compound(t, asn1.ClassContextSpecific, 0, parts...) }
	sha256ID := sequence(oidSHA256)
	imageHash := sha256ID
	if f.hash != nil {
		imageHash = sequence(f.hash)
	}

	// SpcIndirectDataContent: a structure where PKCS #7 has an octet string.
	content := sequence(sequence(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 15}), sequence(imageHash, image))
	attributes := []any{sequence(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}, set(oidIndirectData))}
	digest := sha256.Sum256(content.Bytes)
	if f.digest == nil {
		f.digest = digest[:]
	}
	if !f.noDigest {
		attributes = append(attributes, sequence(oidMessageDigest, set(f.digest)))
	}
	signed := sha256.Sum256(marshal(t, set(attributes...)))
	parts := []any{1, sequence(asn1.RawValue{FullBytes: s.cert.RawIssuer}, s.cert.SerialNumber), sha256ID, tagged0(attributes...)}
	if f.noAttributes {
		signed, parts = digest, parts[:3]
	}
	key := s.key
	if f.key != nil {
		key = f.key
	}
	signature, err := ecdsa.SignASN1(rand.Reader, key, signed[:])
	if err != nil {
		t.Fatal(err)
	}
	info := sequence(append(parts, sequence(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}), signature)...)
	var certificates []any
	for _, c := range enclosed {
		certificates = append(certificates, asn1.RawValue{FullBytes: c.cert.Raw})
	}
	data := sequence(1, set(sha256ID), sequence(oidIndirectData, tagged0(content)), tagged0(certificates...), set(info))
	return marshal(t, sequence(oidSignedData, tagged0(data)))
}

// imageDigest is the SHA-256 digest of a PE image.
func imageDigest(t testing.TB, b []byte) []byte {
	t.Helper()
	p, err := parsePE(b)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	if err := p.digest(b, h); err != nil {
		t.Fatal(err)
	}
	return h.Sum(nil)
}

// signedPE is an image with a signature by each signer, who has its chain
// enclosed.
func signedPE(t testing.TB, p pe, chains ...[]*signer) []byte {
	t.Helper()
	p.certs = nil
	digest := imageDigest(t, p.bytes())
	for _, chain := range chains {
		p.certs = append(p.certs, winCertificate(certTypePKCS7, chain[0].sign(t, digest, forgery{}, chain...))...)
	}
	return p.bytes()
}

// always is the digester of an image that has one digest.
func always(digest []byte) digester {
	return func(crypto.Hash) ([]byte, error) { return digest, nil }
}

func compound(t testing.TB, class, tag int, parts ...any) asn1.RawValue {
	t.Helper()
	v := asn1.RawValue{Class: class, Tag: tag, IsCompound: true}
	for _, part := range parts {
		v.Bytes = append(v.Bytes, marshal(t, part)...)
	}
	return v
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestSignatures(t *testing.T) {
	image := bytes.Repeat([]byte{7}, 32)
	ca := newSigner(t, pkix.Name{CommonName: "Example UEFI CA 2011"}, 1, nil)
	leaf := newSigner(t, pkix.Name{CommonName: "Example Publisher", Country: []string{"DE"}}, 2, ca)
	first := leaf.sign(t, image, forgery{}, ca, leaf)
	newCA := newSigner(t, pkix.Name{Organization: []string{"Example"}}, 1, nil)
	newLeaf := newSigner(t, pkix.Name{CommonName: "Example\x1b[2J"}, 2, newCA)
	second := newLeaf.sign(t, image, forgery{}, newCA, newLeaf)
	firstWant := [2]string{"Example Publisher", "Example UEFI CA 2011"}
	secondWant := [2]string{"Example?[2J", "O=Example"}
	type signers = [][2]string

	for _, tt := range []struct {
		name  string
		table []byte
		want  signers // with their issuers
		text  string
		err   string
	}{
		{"no table means unsigned", nil, nil, "unsigned", ""},
		{"one signature", winCertificate(2, first), signers{firstWant},
			"Example Publisher (Example UEFI CA 2011)", ""},
		{"two signatures, each by its own authority", append(winCertificate(2, first), winCertificate(2, second)...), signers{firstWant, secondWant},
			"Example Publisher (Example UEFI CA 2011); Example?[2J (O=Example)", ""},
		{"zeros pad a signature inside its entry", winCertificate(2, append(first, 0, 0, 0)), signers{firstWant},
			"Example Publisher (Example UEFI CA 2011)", ""},
		{"zeros pad the table", append(winCertificate(2, first), make([]byte, 16)...), signers{firstWant},
			"Example Publisher (Example UEFI CA 2011)", ""},
		{"other kinds of certificates are passed over", append(winCertificate(1, []byte("X.509")), winCertificate(2, first)...), signers{firstWant},
			"Example Publisher (Example UEFI CA 2011)", ""},
		{"an entry longer than the table", append(winCertificate(2, first), 0xff, 0, 0, 0, 0, 2, 2, 0), signers{firstWant},
			"Example Publisher (Example UEFI CA 2011); unreadable: signature 2 is cut off", "signature 2 is cut off"},
		{"an entry shorter than its header", []byte{7, 0, 0, 0, 0, 2, 2, 0}, nil,
			"unreadable: signature 1 is cut off", "signature 1 is cut off"},
		{"more signatures than anyone needs", []byte(strings.Repeat("\x08\x00\x00\x00\x00\x02\x01\x00", 17)), nil,
			"unreadable: more than 16 signatures", "more than 16 signatures"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, err := signatures(tt.table, always(image))
			var got signers
			for _, s := range all {
				got = append(got, [2]string{s.Signer, s.Issuer})
				if !s.Verified || s.Algorithm != "SHA-256" || s.Digest != hex.EncodeToString(image) {
					t.Errorf("signature %+v does not hold", s)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if text := signerText(all, err); text != tt.text {
				t.Errorf("text %q, want %q", text, tt.text)
			}
		})
	}
}

// A signature without the signer's certificate still names who issued it.
func TestSignerNotEnclosed(t *testing.T) {
	image := make([]byte, 32)
	ca := newSigner(t, pkix.Name{CommonName: "Example CA"}, 1, nil)
	leaf := newSigner(t, pkix.Name{CommonName: "Example Publisher"}, 2, ca)
	// The same serial number under another authority is not the signer.
	other := newSigner(t, pkix.Name{CommonName: "Other CA"}, 1, nil)
	stranger := newSigner(t, pkix.Name{CommonName: "Stranger"}, 2, other)

	got, err := signatureOf(leaf.sign(t, image, forgery{}, ca, stranger), always(image))
	if err != nil {
		t.Fatal(err)
	}
	want := Signature{
		Issuer: "Example CA", Authority: "Example CA", Algorithm: "SHA-256", Digest: hex.EncodeToString(image),
		Fault: "does not enclose its signer's certificate",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text := signerText([]Signature{got}, nil); text != "unknown signer (Example CA)" {
		t.Errorf("text %q", text)
	}
}

// A chain goes from the signer up as far as each certificate is signed by the
// next, whatever their order in the file.
func TestChain(t *testing.T) {
	root := newSigner(t, pkix.Name{CommonName: "Root"}, 1, nil)
	middle := newSigner(t, pkix.Name{CommonName: "Middle"}, 2, root)
	leaf := newSigner(t, pkix.Name{CommonName: "Leaf"}, 3, middle)
	impostor := newSigner(t, pkix.Name{CommonName: "Middle"}, 2, root) // the name of one, and another key
	microsoft := newSigner(t, pkix.Name{CommonName: "Microsoft UEFI CA 2023"}, 9, nil)
	image := make([]byte, 32)
	for _, tt := range []struct {
		name      string
		signer    *signer
		enclosed  []*signer
		want      string
		authority string
	}{
		{"all of it, in any order", leaf, []*signer{root, leaf, middle}, "Leaf Middle Root", "Root"},
		{"without the root, who is named all the same", leaf, []*signer{leaf, middle}, "Leaf Middle", "Root"},
		{"the signer alone", leaf, []*signer{leaf}, "Leaf", "Middle"},
		{"who only has the issuer's name is not in it", leaf, []*signer{leaf, impostor, root}, "Leaf", "Middle"},
		{"one that signs itself ends it", root, []*signer{root, root}, "Root", "Root"},
		{"a name like Microsoft's proves nothing", microsoft, []*signer{microsoft}, "Microsoft UEFI CA 2023", "Microsoft UEFI CA 2023"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := signatureOf(tt.signer.sign(t, image, forgery{}, tt.enclosed...), always(image))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range s.Chain {
				got = append(got, shortName(c.Subject))
			}
			if strings.Join(got, " ") != tt.want || s.Authority != tt.authority || s.AuthorityProven || !s.Verified {
				t.Errorf("chain %v under %s, proven %v, verified %v; want %s under %s", got, s.Authority, s.AuthorityProven, s.Verified, tt.want, tt.authority)
			}
		})
	}
}

// A signature holds for its own image, whoever is the signer, and for no other.
func TestSignatureHolds(t *testing.T) {
	image := bytes.Repeat([]byte{1}, 32)
	s := newSigner(t, pkix.Name{CommonName: "Signer"}, 1, nil)
	other := newSigner(t, pkix.Name{CommonName: "Other"}, 1, nil)
	for _, tt := range []struct {
		name    string
		forgery forgery
		image   []byte
		want    string // part of the fault; "" if it holds
	}{
		{"as it should be", forgery{}, image, ""},
		{"without attributes", forgery{noAttributes: true}, image, ""},
		{"of another image", forgery{}, make([]byte, 32), "is for another file: it signs the digest 0101"},
		{"of other content", forgery{digest: make([]byte, 32)}, image, "is for other content than it carries"},
		{"by another key", forgery{key: other.key}, image, "was not made by the key of its certificate"},
		{"without attributes, by another key", forgery{noAttributes: true, key: other.key}, image, "was not made by the key of its certificate"},
		{"with attributes that have no digest", forgery{noDigest: true}, image, "has attributes without a digest"},
		{"with a digest that nobody uses", forgery{hash: asn1.ObjectIdentifier{1, 2, 3}}, image, "has a digest of a kind that is not known here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := signatureOf(s.sign(t, image, tt.forgery, s), always(tt.image))
			if err != nil {
				t.Fatal(err)
			}
			if got.Verified != (tt.want == "") || !strings.Contains(got.Fault, tt.want) || tt.want == "" && got.Fault != "" {
				t.Errorf("verified %v, fault %q; want %q", got.Verified, got.Fault, tt.want)
			}
		})
	}
}

// Every octet of a program is signed but for its checksum and for what names
// and holds the signatures.
func TestEveryOctetIsSigned(t *testing.T) {
	s := newSigner(t, pkix.Name{CommonName: "Signer"}, 1, nil)
	for _, plus := range []bool{false, true} {
		machine, arch := uint16(0x014c), model.ArchIA32
		if plus {
			machine, arch = 0x8664, model.ArchX64
		}
		image := pe{machine: machine, plus: plus, sections: []peSection{{Name: ".text", Data: []byte("code")}, {Name: ".data", Data: []byte("data")}}}
		whole := signedPE(t, image, []*signer{s}, []*signer{s})
		p, err := parsePE(whole)
		if err != nil {
			t.Fatal(err)
		}
		const behindTheTables = 0x300 // before that it is another layout, or none
		for at := uint64(behindTheTables); at < uint64(len(whole))-p.Layout.Certificate; at += 5 {
			spoilt := bytes.Clone(whole)
			spoilt[at] ^= 1
			got, err := describe(arch, "grub.efi", spoilt)
			if err != nil {
				t.Fatal(err)
			}
			if got.Signatures[0].Verified || got.Signatures[1].Verified {
				t.Errorf("PE32+ %v: octet %#x changed, and a signature holds", plus, at)
			}
		}
		spoilt := bytes.Clone(whole)
		spoilt[p.Layout.Checksum] ^= 1
		got, err := describe(arch, "grub.efi", spoilt)
		if err != nil || !got.Signatures[0].Verified || !got.Signatures[1].Verified {
			t.Errorf("PE32+ %v: another checksum: %v, %+v", plus, err, got.Signatures)
		}
	}
}

func TestUnreadableSignatures(t *testing.T) {
	image := make([]byte, 32)
	ca := newSigner(t, pkix.Name{CommonName: "Example CA"}, 1, nil)
	whole := ca.sign(t, image, forgery{}, ca)
	signedData := marshal(t, oidSignedData)
	digestedData := marshal(t, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 5})
	many := make([]*signer, maxCertificates+1)
	for i := range many {
		many[i] = ca
	}
	for name, der := range map[string][]byte{
		"nothing":               nil,
		"no ASN.1":              []byte("-----BEGIN PKCS7-----"),
		"cut off":               whole[:len(whole)/2],
		"not signed data":       bytes.Replace(whole, signedData, digestedData, 1),
		"not of a program":      bytes.Replace(whole, marshal(t, oidIndirectData), []byte("\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x05"), 1),
		"indefinite length":     {0x30, 0x80, 0x06, 0x01, 0x00, 0x00},
		"an integer":            {0x02, 0x01, 0x01},
		"an empty structure":    {0x30, 0x00},
		"too many certificates": ca.sign(t, image, forgery{}, many...),
	} {
		if s, err := signatureOf(der, always(image)); err == nil {
			t.Errorf("%s: no error, but %+v", name, s)
		}
	}
	if _, err := signatures(winCertificate(2, whole[:len(whole)/2]), always(image)); err == nil || !strings.Contains(err.Error(), "signature 1 cannot be read") {
		t.Errorf("error %v", err)
	}
}
