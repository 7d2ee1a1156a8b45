package nbp

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// maxSignatures bounds what is read of a certificate table. Programs with two
// are common (Microsoft signs under its authorities of 2011 and 2023).
const maxSignatures = 16

// certTypePKCS7 is WIN_CERT_TYPE_PKCS_SIGNED_DATA, Authenticode: the only kind
// that UEFI Secure Boot looks at in images.
const certTypePKCS7 = 0x0002

// signatures describes the signatures in a certificate table, in its order:
//
//	u32 length of this entry with its header; u16 revision; u16 type;
//	then the signature; entries begin at multiples of 8
//
// An error says which entry cannot be read, with those before it.
func signatures(table []byte, image digester) ([]Signature, error) {
	var all []Signature
	le := binary.LittleEndian
	for n := 1; len(table) >= 8; n++ {
		length := uint64(le.Uint32(table))
		if length == 0 { // padding at the end
			break
		}
		if length < 8 || length > uint64(len(table)) {
			return all, fmt.Errorf("signature %d is cut off", n)
		}
		if n > maxSignatures {
			return all, fmt.Errorf("more than %d signatures", maxSignatures)
		}
		if le.Uint16(table[6:]) == certTypePKCS7 {
			s, err := signatureOf(table[8:length], image)
			if err != nil {
				return all, fmt.Errorf("signature %d cannot be read: %v", n, err)
			}
			all = append(all, s)
		}
		table = table[min(uint64(len(table)), (length+7)&^7):]
	}
	return all, nil
}

// signatureOf describes one Authenticode signature: who made it, and whether
// it holds.
func signatureOf(der []byte, image digester) (Signature, error) {
	signed, err := parseSigned(der)
	if err != nil {
		return Signature{}, err
	}
	chain := signed.chain()
	s := Signature{Issuer: commonName(signed.Issuer), Digest: hex.EncodeToString(signed.Digest)}
	if signed.Hash != 0 {
		s.Algorithm = signed.Hash.String()
	}
	if len(chain) > 0 {
		s.Signer = commonName(chain[0].Subject.ToRDNSequence())
	}
	for _, c := range chain {
		s.Chain = append(s.Chain, describeCertificate(c))
	}
	if s.Authority, s.AuthorityProven = authorityOf(chain); s.Authority == "" {
		s.Authority = s.Issuer
	}
	if err := holds(signed, chain, image); err != nil {
		s.Fault = err.Error()
	}
	s.Verified = s.Fault == ""
	return s, nil
}

// digester gives the Authenticode digest of the image that a signature is for.
type digester func(crypto.Hash) ([]byte, error)

// holds reports why a signature is none of this program; the error ends the
// sentence "the signature …".
func holds(s *signed, chain []*x509.Certificate, image digester) error {
	if s.Hash == 0 {
		return errors.New("has a digest of a kind that is not known here")
	}
	digest, err := image(s.Hash)
	switch {
	case err != nil:
		return fmt.Errorf("cannot be held against the file: %v", err)
	case !bytes.Equal(digest, s.Digest):
		return fmt.Errorf("is for another file: it signs the digest %x, this file's is %x", s.Digest, digest)
	case len(chain) == 0:
		return errors.New("does not enclose its signer's certificate")
	}
	return s.verify(chain[0])
}

// commonName is a name's CN, or all of the name if it has none, printable in
// any case.
func commonName(seq pkix.RDNSequence) string {
	var name pkix.Name
	name.FillFromRDNSequence(&seq)
	if name.CommonName != "" {
		return printable(name.CommonName)
	}
	return printable(name.String())
}

// printable replaces what would disturb a terminal or a log.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// unreadable begins the part of Program.Signer that says what cannot be read.
const unreadable = "unreadable: "

// signerText says for people who signed a PE image.
func signerText(all []Signature, err error) string {
	var parts []string
	for _, s := range all {
		if s.Signer == "" {
			parts = append(parts, fmt.Sprintf("unknown signer (%s)", s.Issuer))
			continue
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", s.Signer, s.Issuer))
	}
	if err != nil {
		parts = append(parts, unreadable+err.Error())
	}
	if len(parts) == 0 {
		return "unsigned"
	}
	return strings.Join(parts, "; ")
}
