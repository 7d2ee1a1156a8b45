package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"hobnail/internal/model"
)

// The parsers of values. Their errors continue a sentence that begins with
// the key and the offending text: `lease "5s" is too short; …`.

func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return a, errors.New("is not an IPv4 address; write it as 10.77.2.1")
	case !a.Is4():
		return a, errors.New("is an IPv6 address; allowed are IPv4 addresses such as 10.77.2.1")
	case a.IsUnspecified() || a.IsMulticast() || a == broadcastAll():
		return a, errors.New("is not the address of one machine; write it as 10.77.2.1")
	}
	return a, nil
}

func broadcastAll() netip.Addr { return netip.AddrFrom4([4]byte{255, 255, 255, 255}) }

func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, errors.New("is not a subnet; write it as 10.77.2.0/24")
	case !p.Addr().Is4():
		return p, errors.New("is an IPv6 subnet; allowed are IPv4 subnets such as 10.77.2.0/24")
	case p != p.Masked():
		return p, fmt.Errorf("has host bits set; write it as %v", p.Masked())
	}
	return p, nil
}

func parseRange(s string) (Range, error) {
	first, last, ok := strings.Cut(s, "-")
	a, errA := parseAddr(strings.TrimSpace(first))
	b, errB := parseAddr(strings.TrimSpace(last))
	switch {
	case !ok || errA != nil || errB != nil:
		return Range{}, errors.New("is not a range of IPv4 addresses; write it as 10.77.2.50-10.77.2.200")
	case b.Less(a):
		return Range{}, fmt.Errorf("runs backwards; write it as %v-%v", b, a)
	}
	return Range{First: a, Last: b}, nil
}

// parseDuration adds whole days ("7d", "1d12h") to Go's durations and wants
// whole seconds: DHCP and every loader count in them.
func parseDuration(s string) (time.Duration, error) {
	malformed := errors.New("is not a length of time; write it as 30s, 10m, 1h or 7d")
	var days uint64
	rest := s
	if before, after, ok := strings.Cut(s, "d"); ok {
		var err error
		if days, err = strconv.ParseUint(before, 10, 16); err != nil {
			return 0, malformed
		}
		if rest = after; rest == "" {
			rest = "0"
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d > 1<<62 {
		return 0, malformed
	}
	if d%time.Second != 0 {
		return 0, errors.New("is not in whole seconds; write it as 30s, 10m, 1h or 7d")
	}
	return time.Duration(days)*24*time.Hour + d, nil
}

const (
	minLease = 60 * time.Second
	maxLease = 365 * 24 * time.Hour
)

func parseLease(s string) (time.Duration, error) {
	d, err := parseDuration(s)
	switch {
	case err != nil:
		return 0, err
	case d < minLease:
		return 0, errors.New("is too short; allowed are 60s to 365d")
	case d > maxLease:
		return 0, errors.New("is too long; allowed are 60s to 365d")
	}
	return d, nil
}

func parseTimeout(s string) (time.Duration, error) {
	d, err := parseDuration(s)
	if err == nil && d > time.Hour {
		return 0, errors.New("is too long; allowed are 0s, which waits for a key, to 1h")
	}
	return d, err
}

// oneOf makes a parser that takes the words given and nothing else.
func oneOf[T ~string](allowed ...T) func(string) (T, error) {
	return func(s string) (T, error) {
		var known []string
		for _, a := range allowed {
			if s == string(a) {
				return a, nil
			}
			known = append(known, string(a))
		}
		return "", fmt.Errorf("is not known; allowed are %s%s", strings.Join(known, ", "), didYouMean(s, known))
	}
}

// parseMode resolves auto.
func parseMode(s string) (model.Mode, error) {
	mode, err := oneOf("auto", model.ModeProxy, model.ModeServer, model.ModeOff)(s)
	if mode == "auto" {
		return model.ModeProxy, err
	}
	return mode, err
}

const maxShares = 16

func parseShare(s string) (Share, error) {
	first, second, _ := strings.Cut(s, "/")
	i, errI := strconv.Atoi(first)
	n, errN := strconv.Atoi(second)
	if errI != nil || errN != nil || i < 1 || i > n || n > maxShares || s != fmt.Sprintf("%d/%d", i, n) {
		return Share{}, fmt.Errorf("is not a share; write it as 1/2 for the first of two servers, of %d at most", maxShares)
	}
	return Share{Index: i, Of: n}, nil
}

// parseHTTP checks a listen address; "off" passes.
func parseHTTP(s string) (string, error) {
	malformed := errors.New(`is not an address to listen on; allowed are off, ":8080" and "10.77.1.2:8080"`)
	if s == "off" {
		return s, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", malformed
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil {
		return "", malformed
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errors.New("has no port of 1 to 65535; write it as :8080")
	}
	return s, nil
}

// httpPort gives the port of what parseHTTP passed; 0 for "off".
func httpPort(s string) uint16 {
	_, port, _ := net.SplitHostPort(s)
	n, _ := strconv.ParseUint(port, 10, 16)
	return uint16(n)
}

func parseInterface(s string) (string, error) {
	// Linux takes any octets but these, up to IFNAMSIZ less the NUL.
	if len(s) > 15 || strings.ContainsAny(s, "/: \t\n") || s == "." || s == ".." || !printable(s) {
		return "", errors.New("is not the name of an interface; write it as ip link prints it, such as eth0")
	}
	return s, nil
}

const (
	lower    = "abcdefghijklmnopqrstuvwxyz"
	upper    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits   = "0123456789"
	maxLabel = 63
)

func parseName(s string) (string, error) {
	if !onlyOf(s, lower+upper+digits+"._-") || s[0] == '.' || len(s) > maxLabel {
		return "", fmt.Errorf("is not a name; allowed are letters, digits, '.', '_' and '-', up to %d", maxLabel)
	}
	return s, nil
}

func parseImageName(s string) (string, error) {
	if oneWord(s, model.TargetMenu, model.TargetLocal, model.TargetDeny, "approve", "off") {
		return "", errors.New("is a word of the configuration; give the image another name")
	}
	if !onlyOf(s, lower+digits+"._-") || s[0] == '.' || len(s) > maxLabel {
		return "", fmt.Errorf("is not an image's name; allowed are lower-case letters, digits, '.', '_' and '-', up to %d", maxLabel)
	}
	return s, nil
}

func oneWord(s string, words ...string) bool {
	for _, w := range words {
		if s == w {
			return true
		}
	}
	return false
}

func onlyOf(s, allowed string) bool {
	for _, r := range s {
		if !strings.ContainsRune(allowed, r) {
			return false
		}
	}
	return s != ""
}

// parseDomain checks option 15 by RFC 1123 section 2.1, with the underscore
// that Active Directory sites use.
func parseDomain(s string) (string, error) {
	malformed := errors.New("is not a domain name; write it as example.net")
	if len(s) > 253 {
		return "", malformed
	}
	for _, label := range strings.Split(s, ".") {
		if len(label) > maxLabel || !onlyOf(label, lower+upper+digits+"_-") || label[0] == '-' || label[len(label)-1] == '-' {
			return "", malformed
		}
	}
	return s, nil
}

func printable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// parsePrintable takes text that ends up in menus, logs and on screens.
func parsePrintable(s string) (string, error) {
	if !printable(s) {
		return "", errors.New("has control characters; allowed is one line of printable text")
	}
	if len(s) > 255 {
		return "", errors.New("is too long; allowed are 255 octets")
	}
	return s, nil
}

func parseMAC(s string) (model.MAC, error) {
	m, err := model.ParseMAC(s)
	if err != nil {
		return "", errors.New("is not a MAC address; write it as 52:54:00:12:34:56")
	}
	return m, nil
}

// parseMACPattern takes a whole address, or the beginning of one before "*"
// in any of the spellings.
func parseMACPattern(s string) (string, error) {
	start, isPrefix := strings.CutSuffix(s, "*")
	if !isPrefix {
		m, err := parseMAC(s)
		return string(m), err
	}
	bare := strings.NewReplacer(":", "", "-", "", ".", "").Replace(strings.ToLower(start))
	if !onlyOf(bare, digits+"abcdef") || len(bare) > 11 {
		return "", errors.New("is not the beginning of a MAC address; write it as 52:54:00:*")
	}
	var b strings.Builder
	for i := range len(bare) {
		b.WriteByte(bare[i])
		if i%2 == 1 {
			b.WriteByte(':')
		}
	}
	return b.String() + "*", nil
}

func parseUUID(s string) (model.UUID, error) {
	u, err := model.ParseUUID(s)
	switch {
	case err != nil:
		return "", errors.New("is not a UUID; write it as 4c4c4544-0043-3010-8052-b4c04f4d3532")
	case u.Junk():
		return "", errors.New("is one that many boards share; name the machine by its MAC address")
	}
	return u, nil
}

// parsePattern takes text to compare with an option, or its beginning before
// "*".
func parsePattern(s string) (string, error) {
	if strings.Contains(strings.TrimSuffix(s, "*"), "*") {
		return "", errors.New(`has a "*" inside; it is allowed at the end`)
	}
	return parsePrintable(s)
}

// parseOctets is parsePattern for options that are often not text: after "0x"
// stand hexadecimal digits.
func parseOctets(s string) (string, error) {
	digits, isHex := strings.CutPrefix(strings.ToLower(s), "0x")
	if !isHex {
		return parsePattern(s)
	}
	b, err := hex.DecodeString(strings.TrimSuffix(digits, "*"))
	if err != nil || len(b) == 0 {
		return "", errors.New("is not hexadecimal; write whole octets as in 0x00040001")
	}
	return "0x" + digits, nil
}

func parseArch(s string) (model.Arch, error) { return oneOf(model.Archs()...)(s) }

func parseFirmware(s string) (model.Firmware, error) {
	return oneOf(model.FirmwareBIOS, model.FirmwareUEFI, model.FirmwareHTTP,
		model.FirmwareUBoot, model.FirmwareOther)(s)
}

// parseCPU takes the spellings of Debian, Go and uname as well as ours.
func parseCPU(s string) (model.CPU, error) {
	switch strings.ToLower(s) {
	case "amd64", "x86_64":
		return model.CPUX64, nil
	case "i386", "i686", "386":
		return model.CPUIA32, nil
	case "aarch64":
		return model.CPUARM64, nil
	case "armhf", "arm":
		return model.CPUARM32, nil
	case "loong64":
		return model.CPULoongArch64, nil
	}
	return oneOf(model.CPUX64, model.CPUIA32, model.CPUARM64, model.CPUARM32,
		model.CPURISCV64, model.CPULoongArch64)(s)
}

// parseLoader takes a kind of boot program, or a file by its name. A word
// without a dot is a slip of the fingers, not a file.
func parseLoader(s string) (string, error) {
	kinds := []string{"ipxe", "grub", "shim", "pxelinux", "ipxe-shim"}
	if oneWord(s, kinds...) {
		return s, nil
	}
	if !onlyOf(s, lower+upper+digits+"._-") || s[0] == '.' || !strings.Contains(s, ".") {
		return "", fmt.Errorf("is not a loader; allowed are %s and file names such as bootmgfw.efi%s",
			strings.Join(kinds, ", "), didYouMean(s, kinds))
	}
	return s, nil
}

func parseAbsolute(s string) (string, error) {
	if !path.IsAbs(s) || !printable(s) {
		return "", errors.New("is not an absolute path; write it as /var/lib/hobnail")
	}
	return path.Clean(s), nil
}

// pathUnder makes a parser of paths that are absolute, or relative to data.
func pathUnder(data string) func(string) (string, error) {
	return func(s string) (string, error) {
		switch {
		case !printable(s):
			return "", errors.New("has control characters; write it as /srv/file")
		case path.IsAbs(s):
			return path.Clean(s), nil
		case strings.Contains("/"+s+"/", "/../"):
			return "", fmt.Errorf(`leaves %s; allowed are absolute paths and paths without ".."`, data)
		}
		return path.Join(data, s), nil
	}
}

// fileOrURL makes a parser of what an image is made of: a path as pathUnder
// takes it, or an http(s) URL.
func fileOrURL(data string) func(string) (string, error) {
	file := pathUnder(data)
	return func(s string) (string, error) {
		if !strings.Contains(s, "://") {
			return file(s)
		}
		u, err := url.Parse(s)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.ContainsAny(s, " \t\r\n") {
			return "", errors.New("is not a URL that can be served; allowed are http://host/path, https://host/path and paths")
		}
		return u.String(), nil
	}
}
