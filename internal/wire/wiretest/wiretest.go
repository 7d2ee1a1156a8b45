// Package wiretest hands the packets under testdata to tests: real captures,
// and a corpus of malformed and hostile ones. Only tests import it.
package wiretest

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// update is the flag of every test binary that imports this package.
var update = flag.Bool("update", false, "write golden files anew, and fail so that they are looked at")

// MaxSeed is the most octets that a fuzz seed may have. Longer ones slow the
// fuzzer down and reach nothing new.
const MaxSeed = 1500

// Capture is one real datagram.
type Capture struct {
	Name     string // file name without ".hex": "30-ovmf-x64-pxe-discover"
	What     string // first comment of the file
	Src, Dst netip.AddrPort
	Payload  []byte // UDP payload
}

// Case is one packet of the corpus.
type Case struct {
	Path     string // "dhcp4/no_end.bin"
	Lesson   string // what it stands for
	Expected string // what a correct server does
	Payload  []byte // UDP payload
}

// Hostile is a text that a client may put into any field of its own.
type Hostile struct {
	Name string
	Why  string
	Text []byte
}

// Root gives the directory of go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("find the module's root: %v", err)
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d
		}
		if d == filepath.Dir(d) {
			t.Fatalf("find the module's root: no go.mod above %s", dir)
		}
	}
}

// PacketFile gives the path of a file beside the captures.
func PacketFile(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(Root(t), "testdata", "packets", name)
}

// Packet gives the payload of a capture by its name without ".hex".
func Packet(t testing.TB, name string) []byte {
	t.Helper()
	return readCapture(t, PacketFile(t, name+".hex")).Payload
}

// Captures gives all captures in the order of their names.
func Captures(t testing.TB) []Capture {
	t.Helper()
	paths, err := filepath.Glob(PacketFile(t, "*.hex"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("list captures: %d files, error %v", len(paths), err)
	}
	captures := make([]Capture, 0, len(paths))
	for _, p := range paths {
		captures = append(captures, readCapture(t, p))
	}
	return captures
}

// CapturesTo gives the captures that have one of the ports as source or as
// destination.
func CapturesTo(t testing.TB, ports ...uint16) []Capture {
	t.Helper()
	var some []Capture
	for _, c := range Captures(t) {
		for _, port := range ports {
			if c.Src.Port() == port || c.Dst.Port() == port {
				some = append(some, c)
				break
			}
		}
	}
	return some
}

// Corpus gives the cases of one folder of the corpus ("dhcp4", "dhcp6" or
// "tftp"), in the order of its index, each checked against its digest.
func Corpus(t testing.TB, folder string) []Case {
	t.Helper()
	f, err := os.Open(corpusFile(t, "INDEX.csv"))
	if err != nil {
		t.Fatalf("read corpus: %v", err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatalf("read corpus: %v", err)
	}
	var cases []Case
	for _, row := range rows[1:] { // path, bytes, sha256, lesson, expected
		if !strings.HasPrefix(row[0], folder+"/") {
			continue
		}
		payload := mustRead(t, corpusFile(t, row[0]))
		if got := fmt.Sprintf("%x", sha256.Sum256(payload)); got != row[2] {
			t.Fatalf("read corpus: %s has digest %s, its index says %s", row[0], got, row[2])
		}
		cases = append(cases, Case{Path: row[0], Lesson: row[3], Expected: row[4], Payload: payload})
	}
	if len(cases) == 0 {
		t.Fatalf("read corpus: no case in folder %q", folder)
	}
	return cases
}

// HostileStrings gives the texts of the corpus that every output must show or
// escape.
func HostileStrings(t testing.TB) []Hostile {
	t.Helper()
	var rows []struct {
		Name string `json:"name"`
		B64  []byte `json:"b64"`
		Why  string `json:"why"`
	}
	if err := json.Unmarshal(mustRead(t, corpusFile(t, "hostile-strings.json")), &rows); err != nil {
		t.Fatalf("read hostile strings: %v", err)
	}
	texts := make([]Hostile, 0, len(rows))
	for _, r := range rows {
		texts = append(texts, Hostile{Name: r.Name, Why: r.Why, Text: r.B64})
	}
	return texts
}

// HostilePaths gives the file names of the corpus that must never read
// anything outside the served tree.
func HostilePaths(t testing.TB) []string {
	t.Helper()
	text := string(mustRead(t, corpusFile(t, "tftp-http-paths.txt")))
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// Golden gives the text of a golden file. Under -update it writes got there
// first and marks the test as failed.
func Golden(t testing.TB, path, got string) (want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatalf("write golden file: %v", err)
		}
		t.Errorf("wrote %s: look at the difference, then run without -update", path)
	}
	return string(mustRead(t, path))
}

func corpusFile(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(Root(t), "testdata", "corpus", filepath.FromSlash(name))
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read test data: %v", err)
	}
	return b
}

// readCapture reads "# what", "# udp: SRC -> DST   …", more comments, then
// hexadecimal digits.
func readCapture(t testing.TB, path string) Capture {
	t.Helper()
	c := Capture{Name: strings.TrimSuffix(filepath.Base(path), ".hex")}
	var digits strings.Builder
	for line := range strings.Lines(string(mustRead(t, path))) {
		line = strings.TrimSpace(line)
		comment, isComment := strings.CutPrefix(line, "# ")
		switch ends, isUDP := strings.CutPrefix(comment, "udp: "); {
		case !isComment:
			digits.WriteString(line)
		case isUDP:
			c.Src, c.Dst = endPoints(t, path, ends)
		case c.What == "":
			c.What = comment
		}
	}
	payload, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("read capture %s: %v", path, err)
	}
	c.Payload = payload
	return c
}

// endPoints reads "0.0.0.0:68 -> 255.255.255.255:67   …".
func endPoints(t testing.TB, path, s string) (src, dst netip.AddrPort) {
	t.Helper()
	fields := strings.Fields(s)
	if len(fields) < 3 || fields[1] != "->" {
		t.Fatalf("read capture %s: no end points in %q", path, s)
	}
	return addrPort(t, path, fields[0]), addrPort(t, path, fields[2])
}

// addrPort reads "10.0.0.1:67", or an IPv6 address as 32 digits without
// colons, in brackets or not.
func addrPort(t testing.TB, path, s string) netip.AddrPort {
	t.Helper()
	colon := strings.LastIndexByte(s, ':')
	host := strings.Trim(s[:max(colon, 0)], "[]")
	addr, err := netip.ParseAddr(host)
	if raw, hexErr := hex.DecodeString(host); hexErr == nil && len(raw) == 16 {
		addr, err = netip.AddrFrom16([16]byte(raw)), nil
	}
	port, portErr := strconv.ParseUint(s[colon+1:], 10, 16)
	if err != nil || portErr != nil {
		t.Fatalf("read capture %s: %q is not an end point", path, s)
	}
	return netip.AddrPortFrom(addr, uint16(port))
}
