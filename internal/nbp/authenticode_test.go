package nbp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

func newSigner(t *testing.T, name pkix.Name, serial int64, parent *signer) *signer {
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

// sign makes an Authenticode signature in form: digest and signature value are
// stand-ins, which nobody here looks at. The authority's certificate lies
// before the signer's.
func (s *signer) sign(t *testing.T, ca *signer) []byte {
	t.Helper()
	sequence := func(parts ...any) asn1.RawValue { return compound(t, asn1.ClassUniversal, asn1.TagSequence, parts...) }
	set := func(parts ...any) asn1.RawValue { return compound(t, asn1.ClassUniversal, asn1.TagSet, parts...) }
	tagged0 := func(parts ...any) asn1.RawValue { return compound(t, asn1.ClassContextSpecific, 0, parts...) }
	sha256 := sequence(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1})
	certificate := func(c *x509.Certificate) asn1.RawValue { return asn1.RawValue{FullBytes: c.Raw} }

	// SpcIndirectDataContent: a structure where PKCS #7 has an octet string.
	content := sequence(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 4},
		tagged0(sequence(sha256, sequence(sha256, make([]byte, 32)))))
	issuerAndSerial := sequence(asn1.RawValue{FullBytes: s.cert.RawIssuer}, s.cert.SerialNumber)
	info := sequence(1, issuerAndSerial, sha256, sha256, make([]byte, 256))
	data := sequence(1, set(sha256), content, tagged0(certificate(ca.cert), certificate(s.cert)), set(info))
	return marshal(t, sequence(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}, tagged0(data)))
}

func compound(t *testing.T, class, tag int, parts ...any) asn1.RawValue {
	t.Helper()
	v := asn1.RawValue{Class: class, Tag: tag, IsCompound: true}
	for _, part := range parts {
		v.Bytes = append(v.Bytes, marshal(t, part)...)
	}
	return v
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestSignatures(t *testing.T) {
	ca := newSigner(t, pkix.Name{CommonName: "Example UEFI CA 2011"}, 1, nil)
	leaf := newSigner(t, pkix.Name{CommonName: "Example Publisher", Country: []string{"DE"}}, 2, ca)
	first := leaf.sign(t, ca)
	newCA := newSigner(t, pkix.Name{Organization: []string{"Example"}}, 1, nil)
	newLeaf := newSigner(t, pkix.Name{CommonName: "Example\x1b[2J"}, 2, newCA)
	second := newLeaf.sign(t, newCA)
	firstWant := Signature{"Example Publisher", "Example UEFI CA 2011"}
	secondWant := Signature{"Example?[2J", "O=Example"}

	for _, tt := range []struct {
		name  string
		table []byte
		want  []Signature
		text  string
		err   string
	}{
		{"no table means unsigned", nil, nil, "unsigned", ""},
		{"one signature", winCertificate(2, first), []Signature{firstWant},
			"Example Publisher (Example UEFI CA 2011)", ""},
		{"two signatures, each by its own authority", append(winCertificate(2, first), winCertificate(2, second)...), []Signature{firstWant, secondWant},
			"Example Publisher (Example UEFI CA 2011); Example?[2J (O=Example)", ""},
		{"zeros pad a signature inside its entry", winCertificate(2, append(first, 0, 0, 0)), []Signature{firstWant},
			"Example Publisher (Example UEFI CA 2011)", ""},
		{"zeros pad the table", append(winCertificate(2, first), make([]byte, 16)...), []Signature{firstWant},
			"Example Publisher (Example UEFI CA 2011)", ""},
		{"other kinds of certificates are passed over", append(winCertificate(1, []byte("X.509")), winCertificate(2, first)...), []Signature{firstWant},
			"Example Publisher (Example UEFI CA 2011)", ""},
		{"an entry longer than the table", append(winCertificate(2, first), 0xff, 0, 0, 0, 0, 2, 2, 0), []Signature{firstWant},
			"Example Publisher (Example UEFI CA 2011); unreadable: signature 2 is cut off", "signature 2 is cut off"},
		{"an entry shorter than its header", []byte{7, 0, 0, 0, 0, 2, 2, 0}, nil,
			"unreadable: signature 1 is cut off", "signature 1 is cut off"},
		{"more signatures than anyone needs", []byte(strings.Repeat("\x08\x00\x00\x00\x00\x02\x01\x00", 17)), nil,
			"unreadable: more than 16 signatures", "more than 16 signatures"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := signatures(tt.table)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if text := signerText(got, err); text != tt.text {
				t.Errorf("text %q, want %q", text, tt.text)
			}
		})
	}
}

// A signature without the signer's certificate still names who issued it.
func TestSignerNotEnclosed(t *testing.T) {
	ca := newSigner(t, pkix.Name{CommonName: "Example CA"}, 1, nil)
	leaf := newSigner(t, pkix.Name{CommonName: "Example Publisher"}, 2, ca)
	whole := leaf.sign(t, ca)
	// The same serial number under another authority is not the signer.
	other := newSigner(t, pkix.Name{CommonName: "Other CA"}, 1, nil)
	stranger := newSigner(t, pkix.Name{CommonName: "Stranger"}, 2, other)

	signerInfo := signerInfoOf(t, whole)
	got, err := nameSigner(signerInfo, append(append([]byte{}, ca.cert.Raw...), stranger.cert.Raw...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Signature{Issuer: "Example CA"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text := signerText([]Signature{got}, nil); text != "unknown signer (Example CA)" {
		t.Errorf("text %q", text)
	}
}

func signerInfoOf(t *testing.T, der []byte) signerInfo {
	t.Helper()
	var outer struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,tag:0"`
	}
	var data signedData
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(outer.Content.Bytes, &data); err != nil {
		t.Fatal(err)
	}
	return data.Signers[0]
}

func TestUnreadableSignatures(t *testing.T) {
	ca := newSigner(t, pkix.Name{CommonName: "Example CA"}, 1, nil)
	whole := ca.sign(t, ca)
	signedData := marshal(t, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2})
	digestedData := marshal(t, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 5})
	digested := bytes.Replace(whole, signedData, digestedData, 1)
	for name, der := range map[string][]byte{
		"nothing":            nil,
		"no ASN.1":           []byte("-----BEGIN PKCS7-----"),
		"cut off":            whole[:len(whole)/2],
		"not signed data":    digested,
		"indefinite length":  {0x30, 0x80, 0x06, 0x01, 0x00, 0x00},
		"an integer":         {0x02, 0x01, 0x01},
		"an empty structure": {0x30, 0x00},
	} {
		if _, err := signerOf(der); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := signatures(winCertificate(2, whole[:len(whole)/2])); err == nil || !strings.Contains(err.Error(), "signature 1 cannot be read") {
		t.Errorf("error %v", err)
	}
}
