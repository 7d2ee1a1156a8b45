package pxe

import (
	"fmt"
	"strconv"
	"strings"
)

// Class names: what option 60 begins with in requests, and all that it holds
// in replies. iPXE's menus want exactly this in a reply.
const (
	PXEClient  = "PXEClient"
	HTTPClient = "HTTPClient"
)

// Class is option 60 of boot firmware:
// "PXEClient:Arch:00007:UNDI:003016" (PXE 2.1 section 2.2.1), with
// "HTTPClient" in front for UEFI HTTP boot.
type Class struct {
	Name string // PXEClient or HTTPClient

	// ArchText is the field after "Arch:" as sent: untrusted, of any length.
	// Most firmware writes the code of option 93 in decimal, U-Boot's
	// EFI code in hexadecimal, and some BIOS ROMs write 0 whatever they are:
	// option 93 is what counts.
	ArchText string

	// UNDI is the version of the network driver interface, major*1000 +
	// minor ("003016" is 3016); 0 if there is none that can be read.
	UNDI uint32
}

// ParseClass reads option 60. ok is false if it is not boot firmware's: if it
// does not begin with PXEClient or HTTPClient. What follows may be missing or
// malformed, as Cisco and Arista switches that call themselves PXEClient show;
// such fields are left empty.
func ParseClass(data string) (c Class, ok bool) {
	for _, name := range [...]string{PXEClient, HTTPClient} {
		if rest, found := strings.CutPrefix(data, name); found {
			return parseFields(name, rest), true
		}
	}
	return Class{}, false
}

// parseFields reads ":Arch:00007:UNDI:003016" and whatever follows.
func parseFields(name, rest string) Class {
	c := Class{Name: name}
	var fields [4]string
	n := 0
	_, rest, more := strings.Cut(rest, ":")
	for ; more && n < len(fields); n++ {
		fields[n], rest, more = strings.Cut(rest, ":")
	}
	if n >= 2 && fields[0] == "Arch" {
		c.ArchText = fields[1]
	}
	if n >= 4 && fields[2] == "UNDI" && len(fields[3]) == 6 {
		if n, err := strconv.ParseUint(fields[3], 10, 32); err == nil {
			c.UNDI = uint32(n)
		}
	}
	return c
}

// Arch gives the architecture code that the text may mean. A text of digits
// can be decimal or hexadecimal, so there can be two: decimal first. There is
// none if it is not one to five hexadecimal digits or is over 65535.
func (c Class) Arch() []uint16 {
	if len(c.ArchText) == 0 || len(c.ArchText) > 5 {
		return nil
	}
	var codes []uint16
	for _, base := range []int{10, 16} {
		n, err := strconv.ParseUint(c.ArchText, base, 16)
		if err == nil && (len(codes) == 0 || codes[0] != uint16(n)) {
			codes = append(codes, uint16(n))
		}
	}
	return codes
}

// FormatClass writes option 60 as firmware does; undi is major*1000 + minor.
func FormatClass(name string, arch uint16, undi uint32) string {
	return fmt.Sprintf("%s:Arch:%05d:UNDI:%06d", name, arch, undi)
}

// UserClasses splits option 77. RFC 3004 makes it a list of length-counted
// items; iPXE, and many who imitate it, send the bare text instead, which is
// then the only item. Items are into data; an empty option has none.
func UserClasses(data []byte) [][]byte {
	var items [][]byte
	for rest := data; len(rest) > 0; {
		n := int(rest[0])
		if n == 0 || n >= len(rest) {
			return [][]byte{data}
		}
		items = append(items, rest[1:1+n])
		rest = rest[1+n:]
	}
	return items
}

// IsIPXE reports whether option 77 is iPXE's, in either form.
func IsIPXE(userClass []byte) bool { return hasClass(userClass, "iPXE") }

// IsGPXE reports whether option 77 is that of gPXE, iPXE's ancestor, which
// knows neither its option 175 nor its scripts' newer commands.
func IsGPXE(userClass []byte) bool { return hasClass(userClass, "gPXE") }

func hasClass(userClass []byte, name string) bool {
	for _, item := range UserClasses(userClass) {
		if string(item) == name {
			return true
		}
	}
	return false
}
