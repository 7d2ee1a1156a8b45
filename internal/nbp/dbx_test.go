package nbp

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sigList makes one EFI_SIGNATURE_LIST of entries of one size.
func sigList(kind string, entries ...[]byte) []byte {
	le := binary.LittleEndian
	size := ownerSize
	if len(entries) > 0 {
		size += len(entries[0])
	}
	b := le.AppendUint32([]byte(kind), uint32(listHeaderSize+size*len(entries)))
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, uint32(size))
	for _, e := range entries {
		b = append(append(b, make([]byte, ownerSize)...), e...)
	}
	return b
}

// efiTimeOf is EFI_TIME, 16 octets.
func efiTimeOf(at time.Time) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(at.Year()))
	return append(b, byte(at.Month()), byte(at.Day()), byte(at.Hour()), byte(at.Minute()), byte(at.Second()), 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

// authenticated puts the header of an authenticated variable before lists.
func authenticated(at time.Time, signature string, lists ...byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(efiTimeOf(at), uint32(authHeaderSize-timeSize+len(signature)))
	b = append(le.AppendUint32(b, 0x0ef1_0200), certTypePKCS7GUID...)
	return append(append(b, signature...), lists...)
}

func TestParseDBX(t *testing.T) {
	ca := newSigner(t, pkix.Name{CommonName: "Revoked CA"}, 1, nil)
	tbs := sha256.Sum256(ca.cert.RawTBSCertificate)
	digest := func(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }
	hashes := sigList(listSHA256, digest(1), digest(2))
	when := time.Date(2024, 4, 9, 12, 30, 1, 0, time.UTC)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, tt := range []struct {
		name                        string
		file                        []byte
		hashes, certificates, other int
		date                        time.Time
	}{
		{"digests", hashes, 2, 0, 0, time.Time{}},
		{"a digest twice counts once", join(hashes, hashes), 2, 0, 0, time.Time{}},
		{"all kinds", join(hashes, sigList(listX509, ca.cert.Raw), sigList(listX509SHA256, join(tbs[:], efiTimeOf(when))),
			sigList(listX509SHA384, make([]byte, 48+16)), sigList(listX509SHA512, make([]byte, 64+16))), 2, 4, 0, time.Time{}},
		{"kinds that nobody looks at", join(sigList("sixteen octets, ", []byte("x"), []byte("y")), hashes), 2, 0, 2, time.Time{}},
		{"as Microsoft publishes it", authenticated(when, "a signature", hashes...), 2, 0, 0, when},
		{"a list without entries", sigList(listSHA256), 0, 0, 0, time.Time{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := parseDBX(tt.file)
			if err != nil {
				t.Fatal(err)
			}
			hashes, certificates, other := d.Counts()
			if hashes != tt.hashes || certificates != tt.certificates || other != tt.other || !d.Date.Equal(tt.date) {
				t.Errorf("%d digests, %d certificates, %d others of %v; want %d, %d, %d of %v",
					hashes, certificates, other, d.Date, tt.hashes, tt.certificates, tt.other, tt.date)
			}
		})
	}
}

// An error says where in the file it is.
func TestDamagedDBX(t *testing.T) {
	le := binary.LittleEndian
	hashes := sigList(listSHA256, make([]byte, 32))
	with := func(b []byte, at int, value uint32) []byte {
		b = bytes.Clone(b)
		le.PutUint32(b[at:], value)
		return b
	}
	auth := authenticated(time.Now(), "signature", hashes...)
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"nothing", nil, "at offset 0x0: there is no signature list"},
		{"text", []byte("<html>not found</html>"), "at offset 0x0: 22 octets are no signature list"},
		{"a header alone", auth[:len(auth)-len(hashes)], "at offset 0x31: there is no signature list"},
		{"a signature behind the end", with(auth, 16, 1<<31), "at offset 0x10: the signature before the lists has 2147483648 octets"},
		{"a signature shorter than its header", with(auth, 16, 23), "at offset 0x10: the signature before the lists has 23 octets"},
		{"a list behind the end", with(hashes, 16, 77), "at offset 0x0: a signature list of 77 octets, the file has 76 more"},
		{"a list of no octets", with(hashes, 16, 0), "at offset 0x0: a signature list of 0 octets"},
		{"the second list cut off", append(bytes.Clone(hashes), hashes[:40]...), "at offset 0x4c: a signature list of 76 octets, the file has 40 more"},
		{"a list's header behind its end", with(hashes, 20, 49), "at offset 0x0: a header of 49 octets in a signature list of 76"},
		{"entries of no octets", with(hashes, 24, 0), "at offset 0x0: a signature list of 76 octets cannot hold entries of 0"},
		{"entries that do not come out even", with(hashes, 24, 47), "cannot hold entries of 47"},
		{"a digest too short", sigList(listSHA256, make([]byte, 31)), "at offset 0x1c: a SHA-256 digest of 31 octets"},
		{"a certificate that is none", append(bytes.Clone(hashes), sigList(listX509, []byte("x"))...), "at offset 0x68: a certificate that cannot be read"},
		{"a certificate's digest without a time", sigList(listX509SHA256, make([]byte, 32)), "at offset 0x1c: a certificate's SHA-256 digest and time of 32 octets, 48 are right"},
		{"more than firmware can hold", make([]byte, maxDBX+1), "larger than 4 MiB"},
	} {
		if _, err := parseDBX(tt.file); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

// A list has the date it was signed under, or the file's where that says
// nothing.
func TestDBXDate(t *testing.T) {
	hashes := sigList(listSHA256, make([]byte, 32))
	signed := time.Date(2025, 1, 14, 0, 0, 0, 0, time.UTC)
	changed := time.Date(2026, 7, 15, 19, 19, 27, 0, time.UTC)
	for _, tt := range []struct {
		name string
		file []byte
		want time.Time
		from DateFrom
	}{
		{"signed", authenticated(signed, "", hashes...), signed, DateHeader},
		{"Microsoft's, which all have one time stamp", authenticated(microsoftDate, "", hashes...), changed, DateFile},
		{"signed at no time", authenticated(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), "", hashes...), changed, DateFile},
		{"without a header", hashes, changed, DateFile},
	} {
		path := filepath.Join(t.TempDir(), "dbx.bin")
		if err := os.WriteFile(path, tt.file, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, changed, changed); err != nil {
			t.Fatal(err)
		}
		d, err := ReadDBX(path)
		if err != nil {
			t.Fatal(err)
		}
		if !d.Date.Equal(tt.want) || d.DateFrom != tt.from || d.Path != path || d.Name() != path+" of "+tt.want.Format(time.DateOnly) {
			t.Errorf("%s: %s, %v from the %s", tt.name, d.Name(), d.Date, d.DateFrom)
		}
	}
}

func TestReadDBXErrors(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.bin")
	if err := os.WriteFile(broken, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "reading the revocation list: open " + filepath.Join(dir, "none") + ": no such file or directory",
		dir:                        "reading the revocation list " + dir + ": not a regular file",
		broken:                     "reading the revocation list " + broken + ": at offset 0x0: 4 octets are no signature list",
	} {
		if _, err := ReadDBX(path); err == nil || err.Error() != want {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
