// Package regf writes registry hives: the files in which Windows keeps keys
// and values, and in which its boot manager finds what it boots. It writes
// whole hives of the version 1.3, the oldest that Windows 2000 and everything
// since reads, and it reads none.
//
// The format is Microsoft's and not published; what stands here is from Maxim
// Suhanov's "Windows registry file format specification" and was held against
// the readers of hivex, chntpw and velocidex.
package regf

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
)

// Key is a key with all that is in it. Keys and values may come in any order
// and no two of one key may have names that differ in case alone.
type Key struct {
	Name   string // printable ASCII without a backslash, at most 255 octets
	Values []Value
	Keys   []Key
}

// Value is a named value. The empty name is the key's default value.
type Value struct {
	Name string // printable ASCII, at most 16383 octets
	Type Type
	Data []byte // as it is stored, at most MaxData octets
}

// Type tells how a value's data is meant.
type Type uint32

// Types, by their names in the Windows API.
const (
	TypeSZ      Type = 1 // text in UTF-16LE with a NUL at its end
	TypeBinary  Type = 3
	TypeDWORD   Type = 4 // 4 octets, little endian
	TypeMultiSZ Type = 7 // texts, each with a NUL at its end, and another NUL
)

// Limits of what is written. A value of more octets needs a record of its own
// kind (db), and a key of more keys a list of lists (ri): nothing here does.
const (
	MaxData   = 16344
	MaxKeys   = 500
	MaxDepth  = 64
	maxName   = 255
	maxValue  = 16383 // octets of a value's name
	maxValues = 4000  // the list of them is one cell of 4 octets each
)

// SZ is a value that holds one text.
func SZ(name, text string) Value {
	return Value{name, TypeSZ, UTF16(text + "\x00")}
}

// MultiSZ is a value that holds texts.
func MultiSZ(name string, texts ...string) Value {
	var b []byte
	for _, t := range texts {
		b = append(b, UTF16(t+"\x00")...)
	}
	return Value{name, TypeMultiSZ, append(b, 0, 0)}
}

// DWORD is a value that holds one number.
func DWORD(name string, n uint32) Value {
	return Value{name, TypeDWORD, []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}}
}

// Binary is a value that holds octets.
func Binary(name string, data []byte) Value { return Value{name, TypeBinary, data} }

// UTF16 gives a text as Windows stores it: UTF-16, little endian. What is no
// UTF-8 becomes U+FFFD.
func UTF16(text string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}

// Write gives the hive of a root key. modified becomes the time of the hive
// and of each of its keys: the same arguments give the same octets. The error
// names the key and what of it no hive can hold.
func Write(root Key, modified time.Time) ([]byte, error) {
	if err := check(root, "", 1); err != nil {
		return nil, fmt.Errorf("writing a hive: %v", err)
	}
	w := writer{time: fileTime(modified)}
	return w.hive(root), nil
}

// check finds what cannot be written.
func check(k Key, above string, depth int) error {
	name := strings.TrimPrefix(above+`\`+k.Name, `\`)
	switch {
	case depth > MaxDepth:
		return fmt.Errorf("key %q lies more than %d keys deep", name, MaxDepth)
	case k.Name == "" || len(k.Name) > maxName || !printable(k.Name) || strings.Contains(k.Name, `\`):
		return fmt.Errorf("key %q: a name has 1 to %d printable ASCII characters and no backslash", name, maxName)
	case len(k.Keys) > MaxKeys:
		return fmt.Errorf("key %q has %d keys, more than %d", name, len(k.Keys), MaxKeys)
	case len(k.Values) > maxValues:
		return fmt.Errorf("key %q has %d values, more than %d", name, len(k.Values), maxValues)
	}
	values, keys := map[string]bool{}, map[string]bool{}
	for _, v := range k.Values {
		if err := v.check(); err != nil {
			return fmt.Errorf("key %q: %v", name, err)
		}
		if upper := strings.ToUpper(v.Name); values[upper] {
			return fmt.Errorf("key %q: it has value %q twice", name, v.Name)
		} else {
			values[upper] = true
		}
	}
	for _, c := range k.Keys {
		if upper := strings.ToUpper(c.Name); keys[upper] {
			return fmt.Errorf("key %q: it has key %q twice", name, c.Name)
		} else {
			keys[upper] = true
		}
		if err := check(c, name, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (v Value) check() error {
	switch {
	case len(v.Name) > maxValue || !printable(v.Name):
		return fmt.Errorf("value %.40q: a name has at most %d printable ASCII characters", v.Name, maxValue)
	case len(v.Data) > MaxData:
		return fmt.Errorf("value %q has %d octets, more than %d", v.Name, len(v.Data), MaxData)
	}
	return nil
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// fileTime is a time in units of 100 ns since 1601, as Windows counts; 0 for
// one before.
func fileTime(t time.Time) uint64 {
	const to1970 = 11644473600 // seconds from 1601
	if s := t.Unix() + to1970; s > 0 && s < 1<<40 {
		return uint64(s)*1e7 + uint64(t.Nanosecond()/100)
	}
	return 0
}
