package nbp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1"   // signatures from before 2016
	_ "crypto/sha256" // all others
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

const (
	maxCertificates = 32   // in one signature; real ones have up to four
	maxChain        = 8    // certificates from the signer up
	maxKeyBits      = 8192 // of RSA keys: a larger one is there to keep us busy
)

var (
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidIndirectData  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 4} // SpcIndirectDataContent
)

// signedData is PKCS #7's SignedData (RFC 2315 section 9.1). A general parser
// will not do: it expects the signed content to be an octet string, where
// Authenticode has a structure of its own (SpcIndirectDataContent).
type signedData struct {
	Version          int
	DigestAlgorithms asn1.RawValue
	Content          contentInfo
	Certificates     asn1.RawValue `asn1:"optional,tag:0"`
	CRLs             asn1.RawValue `asn1:"optional,tag:1"`
	Signers          []signerInfo  `asn1:"set"`
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,tag:0"`
}

// signerInfo is RFC 2315's section 9.2.
type signerInfo struct {
	Version int
	Cert    struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
	DigestAlgorithm    pkix.AlgorithmIdentifier
	Attributes         asn1.RawValue `asn1:"optional,tag:0"` // authenticated: these are signed
	SignatureAlgorithm pkix.AlgorithmIdentifier
	Signature          []byte
	Unauthenticated    asn1.RawValue `asn1:"optional,tag:1"`
}

// indirectData is what Authenticode signs: the image's digest, with its
// algorithm.
type indirectData struct {
	Data   asn1.RawValue
	Digest struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values asn1.RawValue `asn1:"set"`
}

// signed is one Authenticode signature, taken apart.
type signed struct {
	Info         signerInfo
	Issuer       pkix.RDNSequence    // of the signing certificate
	Certificates []*x509.Certificate // all that are enclosed and can be read
	Content      []byte              // what Info signs: the octets of indirectData, without tag and length
	Hash         crypto.Hash         // of the image; 0 if it is none that firmware knows
	Digest       []byte
}

// parseSigned takes one Authenticode signature apart, which always has exactly
// one signer. What follows its end, padding, is left unread.
func parseSigned(der []byte) (*signed, error) {
	var outer contentInfo
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return nil, err
	}
	if !outer.Type.Equal(oidSignedData) {
		return nil, errors.New("not PKCS #7 signed data")
	}
	var data signedData
	if _, err := asn1.Unmarshal(outer.Content.Bytes, &data); err != nil {
		return nil, err
	}
	if len(data.Signers) != 1 {
		return nil, fmt.Errorf("%d signers, one is allowed", len(data.Signers))
	}
	s := &signed{Info: data.Signers[0]}
	if _, err := asn1.Unmarshal(s.Info.Cert.Issuer.FullBytes, &s.Issuer); err != nil {
		return nil, fmt.Errorf("issuer: %v", err)
	}
	var err error
	if s.Certificates, err = parseCertificates(data.Certificates.Bytes); err != nil {
		return nil, err
	}
	return s, s.parseContent(data.Content)
}

// parseContent reads the digest that is signed.
func (s *signed) parseContent(c contentInfo) error {
	if !c.Type.Equal(oidIndirectData) {
		return errors.New("what it signs is no digest of a program")
	}
	var outer asn1.RawValue
	var content indirectData
	if _, err := asn1.Unmarshal(c.Content.Bytes, &outer); err != nil {
		return fmt.Errorf("signed content: %v", err)
	}
	if _, err := asn1.Unmarshal(outer.FullBytes, &content); err != nil {
		return fmt.Errorf("signed content: %v", err)
	}
	s.Content = outer.Bytes
	s.Hash, s.Digest = hashOf(content.Digest.Algorithm.Algorithm), content.Digest.Digest
	return nil
}

// parseCertificates reads the certificates that are enclosed. One that cannot
// be read is passed over: only its owner may need it.
func parseCertificates(b []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for n := 0; len(b) > 0; n++ {
		var raw asn1.RawValue
		rest, err := asn1.Unmarshal(b, &raw)
		if err != nil {
			return nil, fmt.Errorf("certificates: %v", err)
		}
		if n == maxCertificates {
			return nil, fmt.Errorf("more than %d certificates", maxCertificates)
		}
		b = rest
		if cert, err := x509.ParseCertificate(raw.FullBytes); err == nil {
			all = append(all, cert)
		}
	}
	return all, nil
}

// chain lists the signing certificate and those above it, as far as they are
// enclosed and each has signed the one before. Empty if the signing
// certificate is not enclosed.
func (s *signed) chain() []*x509.Certificate {
	var chain []*x509.Certificate
	for _, c := range s.Certificates {
		if bytes.Equal(c.RawIssuer, s.Info.Cert.Issuer.FullBytes) && c.SerialNumber.Cmp(s.Info.Cert.Serial) == 0 {
			chain = append(chain, c)
			break
		}
	}
	for len(chain) > 0 && len(chain) < maxChain {
		last := chain[len(chain)-1]
		parent := issuerAmong(last, s.Certificates)
		if parent == nil || bytes.Equal(parent.Raw, last.Raw) {
			break
		}
		chain = append(chain, parent)
	}
	return chain
}

// issuerAmong finds the certificate that has signed another; nil if it is not
// there.
func issuerAmong(c *x509.Certificate, all []*x509.Certificate) *x509.Certificate {
	for _, parent := range all {
		if issued(parent, c) {
			return parent
		}
	}
	return nil
}

// issued reports whether parent's key has signed c.
func issued(parent, c *x509.Certificate) bool {
	return bytes.Equal(parent.RawSubject, c.RawIssuer) && !oversized(parent.PublicKey) &&
		parent.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func oversized(key any) bool {
	k, ok := key.(*rsa.PublicKey)
	return ok && k.N.BitLen() > maxKeyBits
}

// verify holds the signature against the signer's certificate: the signer's
// attributes must have the digest of the content, and the key must have signed
// the attributes (RFC 2315 section 9.3). Nothing is said about who the signer
// is. The error ends the sentence "the signature …".
func (s *signed) verify(signer *x509.Certificate) error {
	h := hashOf(s.Info.DigestAlgorithm.Algorithm)
	if h == 0 {
		return fmt.Errorf("uses the digest algorithm %v, which is not known here", s.Info.DigestAlgorithm.Algorithm)
	}
	message := s.Content
	if len(s.Info.Attributes.FullBytes) > 0 {
		digest, err := messageDigest(s.Info.Attributes.Bytes)
		if err != nil {
			return err
		}
		if !bytes.Equal(digest, sum(h, s.Content)) {
			return errors.New("is for other content than it carries")
		}
		// They are signed as the set that they are, not with their tag here.
		message = append([]byte{asn1.TagSet | 0x20}, s.Info.Attributes.FullBytes[1:]...)
	}
	digest, valid := sum(h, message), false
	switch key := signer.PublicKey.(type) {
	case *rsa.PublicKey:
		if oversized(key) {
			return fmt.Errorf("is by an RSA key of %d bits, %d at most are looked at", key.N.BitLen(), maxKeyBits)
		}
		valid = rsa.VerifyPKCS1v15(key, h, digest, s.Info.Signature) == nil
	case *ecdsa.PublicKey:
		valid = ecdsa.VerifyASN1(key, digest, s.Info.Signature)
	default:
		return fmt.Errorf("is by a key of a kind (%v) that is not known here", signer.PublicKeyAlgorithm)
	}
	if !valid {
		return errors.New("was not made by the key of its certificate")
	}
	return nil
}

// messageDigest finds the digest of the content among the signer's attributes.
func messageDigest(attributes []byte) ([]byte, error) {
	for len(attributes) > 0 {
		var a attribute
		rest, err := asn1.Unmarshal(attributes, &a)
		if err != nil {
			return nil, fmt.Errorf("has attributes that cannot be read: %v", err)
		}
		attributes = rest
		if a.Type.Equal(oidMessageDigest) {
			var digest []byte
			if _, err := asn1.Unmarshal(a.Values.Bytes, &digest); err != nil {
				return nil, fmt.Errorf("has a digest that cannot be read: %v", err)
			}
			return digest, nil
		}
	}
	return nil, errors.New("has attributes without a digest")
}

// hashOf gives the hash function of an algorithm; 0 if it is none that
// programs are signed with.
func hashOf(oid asn1.ObjectIdentifier) crypto.Hash {
	switch oid.String() {
	case "1.3.14.3.2.26":
		return crypto.SHA1
	case "2.16.840.1.101.3.4.2.1":
		return crypto.SHA256
	case "2.16.840.1.101.3.4.2.2":
		return crypto.SHA384
	case "2.16.840.1.101.3.4.2.3":
		return crypto.SHA512
	}
	return 0
}

func sum(h crypto.Hash, b []byte) []byte {
	w := h.New()
	w.Write(b)
	return w.Sum(nil)
}
