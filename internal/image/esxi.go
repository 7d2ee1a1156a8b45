package image

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// ESXiBootConfig rewrites the boot.cfg of an ESXi image for the network, as
// VMware's guide to installing over PXE has it: prefix= is the address of the
// image's files, kernel= and modules= lose the slash before each name, which
// would lead out of it, and kernelopt= is given, where it is not empty. Other
// lines stay.
func ESXiBootConfig(original []byte, prefix, kernelopt string) ([]byte, error) {
	for _, v := range []string{prefix, kernelopt} {
		if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) {
			return nil, fmt.Errorf("writing boot.cfg: %.100q is not one line of ASCII", v)
		}
	}
	var out bytes.Buffer
	kernel, modules := false, false
	for line := range strings.Lines(string(original)) {
		line = strings.TrimRight(line, "\r\n")
		key, value, _ := strings.Cut(line, "=")
		switch strings.TrimSpace(key) {
		case "prefix":
			continue
		case "kernelopt":
			if kernelopt != "" {
				continue
			}
		case "kernel":
			kernel = true
			line = "kernel=" + strings.TrimLeft(strings.TrimSpace(value), "/")
		case "modules":
			modules = true
			names := strings.Split(value, "---")
			for i, n := range names {
				names[i] = strings.TrimLeft(strings.TrimSpace(n), "/")
			}
			line = "modules=" + strings.Join(names, " --- ")
		}
		out.WriteString(line + "\n")
	}
	if !kernel || !modules {
		return nil, errors.New("writing boot.cfg: the image's has no kernel= or no modules=")
	}
	out.WriteString("prefix=" + prefix + "\n")
	if kernelopt != "" {
		out.WriteString("kernelopt=" + kernelopt + "\n")
	}
	return out.Bytes(), nil
}
