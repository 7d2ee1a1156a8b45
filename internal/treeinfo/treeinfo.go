// Package treeinfo reads .treeinfo, by which the images of Fedora, RHEL and
// their kin say what they are and which sums their files have.
package treeinfo

import (
	"bytes"
	"strings"
)

// maxLines is how many lines of a .treeinfo are looked at. The longest
// known has some hundred.
const maxLines = 4096

// File is a .treeinfo, which lies in the root of what Fedora, RHEL
// and their kin install from: section, key, value.
//
//	[general]                      name, family, version, arch
//	[stage2]                       mainimage = images/install.img
//	[checksums]                    images/install.img = sha256:…
//	[images-x86_64]                kernel, initrd, boot.iso
//
// Its form is that of Python's configparser; keys of [checksums] are paths, so
// case is kept.
type File map[string]map[string]string

// Parse reads a .treeinfo as far as it can be read: a line that is
// neither a section nor a key with its value is passed over, as are comments,
// keys before the first section, and all after 4,096 lines. Of a key that is
// there twice the last counts. Values are as the file has them: clean them
// before they are shown.
func Parse(data []byte) File {
	info := File{}
	var section map[string]string
	for range maxLines {
		line, rest, more := bytes.Cut(data, []byte("\n"))
		data = rest
		if name, ok := sectionName(string(bytes.TrimSpace(line))); ok {
			if section = info[name]; section == nil {
				section = map[string]string{}
				info[name] = section
			}
		} else if key, value, ok := setting(string(line)); ok && section != nil {
			section[key] = value
		}
		if !more {
			break
		}
	}
	return info
}

func sectionName(line string) (string, bool) {
	if len(line) < 2 || line[0] != '[' || line[len(line)-1] != ']' {
		return "", false
	}
	return strings.TrimSpace(line[1 : len(line)-1]), true
}

func setting(line string) (key, value string, ok bool) {
	if line = strings.TrimSpace(line); line == "" || line[0] == '#' || line[0] == ';' {
		return "", "", false
	}
	if key, value, ok = strings.Cut(line, "="); !ok {
		key, value, ok = strings.Cut(line, ":")
	}
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	return key, value, ok && key != ""
}

// Get is a value; empty where it is not there.
func (t File) Get(section, key string) string { return t[section][key] }
