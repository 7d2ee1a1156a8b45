package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"hobnail/internal/model"
)

const (
	lower    = "abcdefghijklmnopqrstuvwxyz"
	upper    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits   = "0123456789"
	maxLabel = 63
)

func onlyOf(s, allowed string) bool {
	for _, r := range s {
		if !strings.ContainsRune(allowed, r) {
			return false
		}
	}
	return s != ""
}

func printable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func parseName(s string) (string, error) {
	if !onlyOf(s, lower+upper+digits+"._-") || !startsPlain(s) || len(s) > maxLabel {
		return "", fmt.Errorf("is not a name; allowed are letters and digits, after the first also '.', '_' and '-', up to %d", maxLabel)
	}
	return s, nil
}

// parseProgram takes a boot program's file name, alone or behind the name of
// its architecture.
func parseProgram(s string) (string, error) {
	arch, file, both := strings.Cut(s, "/")
	if !both {
		arch, file = "", s
	}
	if both && !slices.Contains(model.Archs(), model.Arch(arch)) || !onlyOf(file, lower+upper+digits+"._+-") || !startsPlain(file) {
		return "", errors.New("is not a boot program; write it as shimx64.efi, or with its architecture as uefi-x64/shimx64.efi")
	}
	return s, nil
}

func parseImageName(s string) (string, error) {
	if slices.Contains([]string{model.TargetMenu, model.TargetLocal, model.TargetDeny, model.TargetApprove, "off"}, s) {
		return "", errors.New("is a word of the configuration; give the image another name")
	}
	if !onlyOf(s, lower+digits+"._-") || !startsPlain(s) || len(s) > maxLabel {
		return "", fmt.Errorf("is not an image's name; allowed are lower-case letters and digits, after the first also '.', '_' and '-', up to %d", maxLabel)
	}
	return s, nil
}

// startsPlain keeps names from being hidden files, "..", or options of a
// loader's command.
func startsPlain(s string) bool { return strings.IndexByte("._-", s[0]) < 0 }

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
	octets, isHex := strings.CutPrefix(strings.ToLower(s), "0x")
	if !isHex {
		return parsePattern(s)
	}
	b, err := hex.DecodeString(strings.TrimSuffix(octets, "*"))
	if err != nil || len(b) == 0 {
		return "", errors.New("is not hexadecimal; write whole octets as in 0x00040001")
	}
	return "0x" + octets, nil
}

// parseWholeOctets takes what parseOctets takes but for patterns, and gives
// the octets themselves.
func parseWholeOctets(s string) (string, error) {
	t, err := parseOctets(s)
	switch {
	case err != nil:
		return "", err
	case strings.HasSuffix(t, "*"):
		return "", errors.New("is a pattern; allowed is the whole of it")
	}
	if octets, isHex := strings.CutPrefix(t, "0x"); isHex {
		raw, err := hex.DecodeString(octets)
		return string(raw), err
	}
	return t, nil
}

// parseClientID gives a client id as leases carry it, in hexadecimal digits.
func parseClientID(s string) (string, error) {
	raw, err := parseWholeOctets(s)
	return hex.EncodeToString([]byte(raw)), err
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
