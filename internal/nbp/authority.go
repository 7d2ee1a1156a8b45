package nbp

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"
)

// authority is a certificate that firmware comes with, or a shim.
type authority struct {
	Name   string // common name
	SHA256 string // of its certificate, in hexadecimal digits
	Year   int    // of Microsoft's two generations: 2011 or 2023; 0 of others
}

// authorities are Microsoft's, as in its package of Secure Boot objects and,
// those of 2011, in the variables of Debian's OVMF. The certificates of 2011
// ran out in 2026, which firmware does not look at; Microsoft has signed
// nothing new under them since.
var authorities = [...]authority{
	{"Microsoft Corporation UEFI CA 2011", "48e99b991f57fc52f76149599bff0a58c47154229b9f8d603ac40d3500248507", 2011},
	{"Microsoft UEFI CA 2023", "f6124e34125bee3fe6d79a574eaa7b91c0e7bd9d929c1a321178efd611dad901", 2023},
	{"Microsoft Option ROM UEFI CA 2023", "e5be3e64c6e66a281457ecdece0d6d0787577aad2a3a0144262c10c14ba8d8f1", 2023},
	{"Microsoft Windows Production PCA 2011", "e8e95f0733a55e8bad7be0a1413ee23c51fcea64b3c8fa6a786935fddcc71961", 2011},
	{"Windows UEFI CA 2023", "076f1fea90ac29155ebf77c17682f75f1fdd1be196da302dc8461e350a9ae330", 2023},
}

// Certificate is one of a signature's chain.
type Certificate struct {
	Subject   string    `json:"subject"` // whole names, as CN=…,O=…
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"` // hexadecimal digits
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	SHA256    string    `json:"sha256"` // of the certificate
	DER       []byte    `json:"-"`
}

func describeCertificate(c *x509.Certificate) Certificate {
	sum := sha256.Sum256(c.Raw)
	return Certificate{
		Subject: printable(c.Subject.String()), Issuer: printable(c.Issuer.String()),
		Serial: c.SerialNumber.Text(16), NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
		SHA256: hex.EncodeToString(sum[:]), DER: c.Raw,
	}
}

// authorityOf names the authority that a chain goes up to: one that firmware
// comes with if it is among the chain, by its hash and so beyond doubt; else
// whoever the last certificate says has issued it, which nothing proves here.
func authorityOf(chain []*x509.Certificate) (name string, proven bool) {
	for _, c := range chain {
		sum := sha256.Sum256(c.Raw)
		for _, a := range authorities {
			if a.SHA256 == hex.EncodeToString(sum[:]) {
				return a.Name, true
			}
		}
	}
	if len(chain) == 0 {
		return "", false
	}
	return commonName(chain[len(chain)-1].Issuer.ToRDNSequence()), false
}

// yearOf gives the generation of Microsoft's authority of that name; 0 if it
// is none of Microsoft's.
func yearOf(name string) int {
	for _, a := range authorities {
		if a.Name == name {
			return a.Year
		}
	}
	return 0
}
