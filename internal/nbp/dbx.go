package nbp

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"
)

// maxDBX is far more than firmware's variables can hold: the list of 2026 has
// 24 KiB.
const maxDBX = 4 << 20

// DBX is a list of what Secure Boot no longer lets run. It never changes.
type DBX struct {
	Path     string
	Date     time.Time
	DateFrom DateFrom
	hashes   map[string]bool // SHA-256 digests of images, 32 octets
	certs    []*x509.Certificate
	tbs      []revokedTBS
	other    int // entries of kinds that are not looked at
}

// DateFrom is where a list's date is from.
type DateFrom string

// Dates are from the list itself where it has one.
const (
	DateHeader DateFrom = "header" // the time stamp under which it was signed
	DateFile   DateFrom = "file"   // when the file was last changed
)

// revokedTBS is a certificate known by a hash of what its issuer signed.
type revokedTBS struct {
	hash   crypto.Hash
	digest []byte
	from   time.Time // signatures from then on; zero: all. See match.
}

// Counts says how much a list holds.
func (d *DBX) Counts() (hashes, certificates, other int) {
	return len(d.hashes), len(d.certs) + len(d.tbs), d.other
}

// Name is how reasons call a list.
func (d *DBX) Name() string { return fmt.Sprintf("%s of %s", d.Path, d.Date.Format(time.DateOnly)) }

// Types of signature lists (UEFI specification 2.10, section 32.4.1), as GUIDs
// lie in memory: the first three parts little-endian.
const (
	listSHA256     = "\x26\x16\xc4\xc1\x4c\x50\x92\x40\xac\xa9\x41\xf9\x36\x93\x43\x28"
	listX509       = "\xa1\x59\xc0\xa5\xe4\x94\xa7\x4a\x87\xb5\xab\x15\x5c\x2b\xf0\x72"
	listX509SHA256 = "\x92\xa4\xd2\x3b\xc0\x96\x79\x40\xb4\x20\xfc\xf9\x8e\xf1\x03\xed"
	listX509SHA384 = "\x6e\x87\x76\x70\xc2\x80\xe6\x4e\xaa\xd2\x28\xb3\x49\xa6\x86\x5b"
	listX509SHA512 = "\x63\xbf\x6d\x44\x02\x25\xda\x4c\xbc\xfa\x24\x65\xd2\xb0\xfe\x9d"

	// certTypePKCS7GUID is EFI_CERT_TYPE_PKCS7_GUID, of authenticated variables.
	certTypePKCS7GUID = "\x9d\xd2\xaf\x4a\xdf\x68\xee\x49\x8a\xa9\x34\x7d\x37\x56\x65\xa7"
)

const (
	timeSize       = 16 // EFI_TIME
	authHeaderSize = timeSize + 24
	listHeaderSize = 28
	ownerSize      = 16 // of each entry
)

// microsoftDate is the time stamp of every list that Microsoft publishes,
// whenever it was made (seen in those of 2016 to 2026): firmware adds their
// entries to what it has, and then looks at no time.
var microsoftDate = time.Date(2010, 3, 6, 19, 17, 21, 0, time.UTC)

// ReadDBX reads a revocation list. The error says which file, and where in it
// something is wrong.
func ReadDBX(path string) (*DBX, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the revocation list: %v", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the revocation list: %v", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("reading the revocation list %s: not a regular file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxDBX+1))
	if err != nil {
		return nil, fmt.Errorf("reading the revocation list: %v", err)
	}
	d, err := parseDBX(b)
	if err != nil {
		return nil, fmt.Errorf("reading the revocation list %s: %v", path, err)
	}
	d.Path = path
	if d.Date.IsZero() || d.Date.Equal(microsoftDate) {
		d.Date, d.DateFrom = info.ModTime().UTC(), DateFile
	}
	return d, nil
}

// parseDBX reads signature lists, one after the other, with or without the
// header of an authenticated variable before them (EFI_VARIABLE_AUTHENTICATION_2,
// UEFI specification 2.10, section 8.2.2), which is what Microsoft publishes:
//
//	EFI_TIME, 16 octets
//	u32 length from here to the lists; u16 revision 0x0200; u16 type 0x0ef1;
//	GUID of PKCS #7; then the signature
//
// The signature is not verified: whoever configures the file vouches for it.
func parseDBX(b []byte) (*DBX, error) {
	d := &DBX{hashes: map[string]bool{}}
	if len(b) > maxDBX {
		return nil, fmt.Errorf("larger than %d MiB, no revocation list is", maxDBX>>20)
	}
	at := uint64(0)
	le := binary.LittleEndian
	if len(b) >= authHeaderSize && le.Uint32(b[20:]) == 0x0ef1_0200 && string(b[24:40]) == certTypePKCS7GUID {
		length := uint64(le.Uint32(b[timeSize:]))
		if length < authHeaderSize-timeSize || length > uint64(len(b)-timeSize) {
			return nil, fmt.Errorf("at offset %#x: the signature before the lists has %d octets, the file has %d after its time stamp", timeSize, length, len(b)-timeSize)
		}
		d.Date, d.DateFrom = efiTime(b), DateHeader
		at = timeSize + length
	}
	if at == uint64(len(b)) {
		return nil, fmt.Errorf("at offset %#x: there is no signature list", at)
	}
	for at < uint64(len(b)) {
		size, err := d.parseList(b[at:], at)
		if err != nil {
			return nil, err
		}
		at += size
	}
	return d, nil
}

// parseList reads one EFI_SIGNATURE_LIST, which begins at an offset of the
// file, and gives its size:
//
//	GUID of its type; u32 size of the list; u32 size of a header that no known
//	type has; u32 size of each entry; the header; entries: GUID of the owner, data
func (d *DBX) parseList(b []byte, at uint64) (uint64, error) {
	if len(b) < listHeaderSize {
		return 0, fmt.Errorf("at offset %#x: %d octets are no signature list", at, len(b))
	}
	le := binary.LittleEndian
	size, header, entry := uint64(le.Uint32(b[16:])), uint64(le.Uint32(b[20:])), uint64(le.Uint32(b[24:]))
	switch {
	case size < listHeaderSize || size > uint64(len(b)):
		return 0, fmt.Errorf("at offset %#x: a signature list of %d octets, the file has %d more", at, size, len(b))
	case header > size-listHeaderSize:
		return 0, fmt.Errorf("at offset %#x: a header of %d octets in a signature list of %d", at, header, size)
	case entry < ownerSize || (size-listHeaderSize-header)%entry != 0:
		return 0, fmt.Errorf("at offset %#x: a signature list of %d octets cannot hold entries of %d", at, size, entry)
	}
	kind := string(b[:16])
	for off := listHeaderSize + header; off < size; off += entry {
		if err := d.add(kind, b[off+ownerSize:off+entry]); err != nil {
			return 0, fmt.Errorf("at offset %#x: %v", at+off, err)
		}
	}
	return size, nil
}

// add takes in one entry, without its owner.
func (d *DBX) add(kind string, data []byte) error {
	switch kind {
	case listSHA256:
		if len(data) != crypto.SHA256.Size() {
			return fmt.Errorf("a SHA-256 digest of %d octets", len(data))
		}
		d.hashes[string(data)] = true
	case listX509:
		cert, err := x509.ParseCertificate(data)
		if err != nil {
			return fmt.Errorf("a certificate that cannot be read: %v", err)
		}
		d.certs = append(d.certs, cert)
	case listX509SHA256:
		return d.addTBS(crypto.SHA256, data)
	case listX509SHA384:
		return d.addTBS(crypto.SHA384, data)
	case listX509SHA512:
		return d.addTBS(crypto.SHA512, data)
	default:
		d.other++
	}
	return nil
}

// addTBS takes in the hash of a certificate and the time of its revocation.
func (d *DBX) addTBS(h crypto.Hash, data []byte) error {
	if len(data) != h.Size()+timeSize {
		return fmt.Errorf("a certificate's %v digest and time of %d octets, %d are right", h, len(data), h.Size()+timeSize)
	}
	d.tbs = append(d.tbs, revokedTBS{hash: h, digest: data[:h.Size()], from: efiTime(data[h.Size():])})
	return nil
}

// efiTime reads an EFI_TIME without its fractions and zone, which variables
// must not have; zero if it is no date:
//
//	u16 year; u8 month, day, hour, minute, second; 9 more octets
func efiTime(b []byte) time.Time {
	year, month := int(binary.LittleEndian.Uint16(b)), time.Month(b[2])
	if year < 1900 || year > 9999 || month < 1 || month > 12 || b[3] < 1 || b[3] > 31 {
		return time.Time{}
	}
	return time.Date(year, month, int(b[3]), int(b[4]), int(b[5]), int(b[6]), 0, time.UTC)
}

// hasHash reports whether an image's Authenticode digest, in hexadecimal
// digits, is revoked.
func (d *DBX) hasHash(digest string) bool {
	b, err := hex.DecodeString(digest)
	return err == nil && d.hashes[string(b)]
}

// match finds a certificate of a chain that is revoked, itself or through
// whoever issued it: firmware takes a revoked certificate for a trust anchor
// and asks whether the signature leads to it.
//
// from is set if only signatures since then are revoked. They all are for
// firmware that has no key to check time stamps by (dbt), which is nearly all,
// so that the time is told and nothing else depends on it.
func (d *DBX) match(chain []Certificate) (name string, from time.Time, found bool) {
	for _, c := range chain {
		cert, err := x509.ParseCertificate(c.DER)
		if err != nil {
			continue // it came out of this parser
		}
		for _, revoked := range d.certs {
			if bytes.Equal(revoked.Raw, cert.Raw) || issued(revoked, cert) {
				return commonName(revoked.Subject.ToRDNSequence()), time.Time{}, true
			}
		}
		for _, revoked := range d.tbs {
			if bytes.Equal(sum(revoked.hash, cert.RawTBSCertificate), revoked.digest) {
				return commonName(cert.Subject.ToRDNSequence()), revoked.from, true
			}
		}
	}
	return "", time.Time{}, false
}
