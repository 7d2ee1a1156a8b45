package library

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	aa = strings.Repeat("aa", 32)
	bb = strings.Repeat("bb", 32)
	ff = strings.Repeat("ff", 64)
)

func TestParseSums(t *testing.T) {
	for name, tc := range map[string]struct {
		list string
		want []sum
	}{
		"coreutils, text":             {aa + "  debian.iso\n", []sum{{"debian.iso", "sha256", aa}}},
		"coreutils, binary":           {aa + " *debian.iso\n", []sum{{"debian.iso", "sha256", aa}}},
		"coreutils, SHA-512":          {ff + "  debian.iso\n", []sum{{"debian.iso", "sha512", ff}}},
		"coreutils, --tag":            {"SHA256 (debian.iso) = " + aa + "\n", []sum{{"debian.iso", "sha256", aa}}},
		"coreutils, escaped":          {`\` + aa + `  two\nlines\\.iso` + "\n", []sum{{"two\nlines\\.iso", "sha256", aa}}},
		"coreutils, --tag, escaped":   {`\SHA256 (two\nlines.iso) = ` + aa + "\n", []sum{{"two\nlines.iso", "sha256", aa}}},
		"BSD, with brackets":          {"SHA256 (a (1).iso) = " + aa, []sum{{"a (1).iso", "sha256", aa}}},
		"OpenSSL":                     {"SHA2-256(a.iso)= " + aa + "\nSHA256(b.iso)= " + bb, []sum{{"a.iso", "sha256", aa}, {"b.iso", "sha256", bb}}},
		"digits in upper case":        {strings.ToUpper(aa) + "  a.iso", []sum{{"a.iso", "sha256", aa}}},
		"lines of Windows":            {aa + "  a.iso\r\n" + bb + " *b.iso\r\n", []sum{{"a.iso", "sha256", aa}, {"b.iso", "sha256", bb}}},
		"a sum alone":                 {aa + "\n", []sum{{"", "sha256", aa}}},
		"a name with spaces":          {aa + "  my  file .iso", []sum{{"my  file .iso", "sha256", aa}}},
		"a name with one space alone": {aa + " a.iso", []sum{{"a.iso", "sha256", aa}}},
		"a path":                      {aa + "  ./netboot/mini.iso", []sum{{"netboot/mini.iso", "sha256", aa}}},
		"Fedora's, signed": {"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# Fedora.iso: 2000000000 bytes\nSHA256 (Fedora.iso) = " + aa +
			"\n-----BEGIN PGP SIGNATURE-----\n\niQIzBAEB\n-----END PGP SIGNATURE-----\n", []sum{{"Fedora.iso", "sha256", aa}}},
		"MD5 and SHA-1 are left out": {"MD5 (a.iso) = " + aa[:32] + "\n" + aa[:40] + "  a.iso\n", nil},
		"a sum that is too short":    {"SHA256 (a.iso) = " + aa[:62], nil},
		"an odd digit":               {"SHA256 (a.iso) = " + aa[:63] + "g", nil},
		"a page instead of a list":   {"<html><body>404 " + aa + "</body></html>", nil},
		"nothing":                    {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, parseSums([]byte(tc.list))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSumsFor(t *testing.T) {
	for name, tc := range map[string]struct {
		list []sum
		file string
		want []string
	}{
		"by its name":                       {[]sum{{"b.iso", "sha256", bb}, {"a.iso", "sha256", aa}}, "a.iso", []string{aa}},
		"not in the list":                   {[]sum{{"b.iso", "sha256", bb}}, "a.iso", nil},
		"a sum alone":                       {[]sum{{"", "sha256", aa}}, "a.iso", []string{aa}},
		"a sum alone among others":          {[]sum{{"", "sha256", aa}, {"b.iso", "sha256", bb}}, "a.iso", nil},
		"in a folder":                       {[]sum{{"iso/a.iso", "sha256", aa}}, "a.iso", []string{aa}},
		"in two folders, not the same":      {[]sum{{"x/a.iso", "sha256", aa}, {"y/a.iso", "sha256", bb}}, "a.iso", nil},
		"its name goes before a folder's":   {[]sum{{"x/a.iso", "sha256", bb}, {"a.iso", "sha256", aa}}, "a.iso", []string{aa}},
		"two algorithms":                    {[]sum{{"a.iso", "sha256", aa}, {"a.iso", "sha512", ff}}, "a.iso", []string{aa, ff}},
		"two sums of one name: both":        {[]sum{{"a.iso", "sha256", aa}, {"a.iso", "sha256", bb}}, "a.iso", []string{aa, bb}},
		"another case is another file":      {[]sum{{"A.iso", "sha256", aa}}, "a.iso", nil},
		"a name that only ends like it has": {[]sum{{"xa.iso", "sha256", aa}}, "a.iso", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, s := range sumsFor(tc.list, tc.file) {
				got = append(got, s.Hex)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
