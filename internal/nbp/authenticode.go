package nbp

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// maxSignatures bounds what is read of a certificate table. Programs with two
// are common (Microsoft signs under its authorities of 2011 and 2023).
const maxSignatures = 16

// certTypePKCS7 is WIN_CERT_TYPE_PKCS_SIGNED_DATA, Authenticode: the only kind
// that UEFI Secure Boot looks at in images.
const certTypePKCS7 = 0x0002

// signatures names the signers in a certificate table, in its order:
//
//	u32 length of this entry with its header; u16 revision; u16 type;
//	then the signature; entries begin at multiples of 8
//
// An error says which entry cannot be read, with those before it.
func signatures(table []byte) ([]Signature, error) {
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
			s, err := signerOf(table[8:length])
			if err != nil {
				return all, fmt.Errorf("signature %d cannot be read: %v", n, err)
			}
			all = append(all, s)
		}
		table = table[min(uint64(len(table)), (length+7)&^7):]
	}
	return all, nil
}

// signedData is as much of PKCS #7's SignedData (RFC 2315 section 9.1) as
// names the signer. A general parser will not do: it expects the signed
// content to be an octet string, where Authenticode has a structure of its
// own (SpcIndirectDataContent).
type signedData struct {
	Version          int
	DigestAlgorithms asn1.RawValue
	Content          asn1.RawValue
	Certificates     asn1.RawValue `asn1:"optional,tag:0"`
	CRLs             asn1.RawValue `asn1:"optional,tag:1"`
	Signers          []signerInfo  `asn1:"set"`
}

// signerInfo is the beginning of RFC 2315's section 9.2; the digest and what
// follows it are left unread.
type signerInfo struct {
	Version int
	Cert    struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
}

// signerOf names the signer of one Authenticode signature, which always has
// exactly one.
func signerOf(der []byte) (Signature, error) {
	var outer struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,tag:0"`
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return Signature{}, err
	}
	if !outer.Type.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}) {
		return Signature{}, errors.New("not PKCS #7 signed data")
	}
	var data signedData
	if _, err := asn1.Unmarshal(outer.Content.Bytes, &data); err != nil {
		return Signature{}, err
	}
	if len(data.Signers) != 1 {
		return Signature{}, fmt.Errorf("%d signers, one is allowed", len(data.Signers))
	}
	return nameSigner(data.Signers[0], data.Certificates.Bytes)
}

// nameSigner finds the signer's certificate among those enclosed. If it is
// not there, the signature still names the issuer.
func nameSigner(signer signerInfo, certificates []byte) (Signature, error) {
	var issuer pkix.RDNSequence
	if _, err := asn1.Unmarshal(signer.Cert.Issuer.FullBytes, &issuer); err != nil {
		return Signature{}, fmt.Errorf("issuer: %v", err)
	}
	s := Signature{Issuer: commonName(issuer)}
	for len(certificates) > 0 {
		var raw asn1.RawValue
		rest, err := asn1.Unmarshal(certificates, &raw)
		if err != nil {
			return s, fmt.Errorf("certificates: %v", err)
		}
		certificates = rest
		cert, err := x509.ParseCertificate(raw.FullBytes)
		if err != nil || !bytes.Equal(cert.RawIssuer, signer.Cert.Issuer.FullBytes) || cert.SerialNumber.Cmp(signer.Cert.Serial) != 0 {
			continue // another one of the chain, or one that only its owner understands
		}
		s.Signer = commonName(cert.Subject.ToRDNSequence())
	}
	return s, nil
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
		parts = append(parts, "unreadable: "+err.Error())
	}
	if len(parts) == 0 {
		return "unsigned"
	}
	return strings.Join(parts, "; ")
}
