package library

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"hobnail/internal/treeinfo"
)

const (
	maxTreeInfo = 1 << 20
	// maxTreeFile bounds what is read of one kernel or initial RAM disk.
	maxTreeFile  = 1 << 30
	maxTreeFiles = 64
)

// checkTree holds the kernels and initial RAM disks of an image against the
// sums of its .treeinfo (productmd's format 1.x): the files that machines run
// before anything of the image can check itself. Without .treeinfo there is
// nothing to say. The error is a *Mismatch, or that a file cannot be read.
func checkTree(fsys fs.FS) ([]Check, error) {
	f, err := fsys.Open(".treeinfo")
	if err != nil {
		return nil, nil
	}
	text, err := io.ReadAll(io.LimitReader(f, maxTreeInfo))
	f.Close()
	if err != nil {
		return nil, fmt.Errorf("reading .treeinfo: %v", err)
	}
	sums, boot := treeSums(treeinfo.Parse(text))
	var checks []Check
	for _, name := range boot[:min(len(boot), maxTreeFiles)] {
		want, ok := sums[name]
		if !ok {
			continue
		}
		got, err := sumIn(fsys, name)
		if err != nil {
			return checks, fmt.Errorf("checking %s by .treeinfo: %v", name, err)
		}
		if got != want {
			return checks, &Mismatch{File: name, From: ".treeinfo", Algorithm: "sha256", Want: want, Got: got}
		}
		checks = append(checks, Check{Kind: "treeinfo", From: name, Result: ResultOK})
	}
	return checks, nil
}

// treeSums gives the SHA-256 sums by file, and the files that are booted, in
// the order of their names.
func treeSums(info treeinfo.File) (sums map[string]string, boot []string) {
	sums = map[string]string{}
	for name, value := range info["checksums"] {
		if digits, ok := strings.CutPrefix(value, "sha256:"); ok {
			if octets, err := hex.DecodeString(digits); err == nil && len(octets) == sha256.Size {
				sums[path.Clean(name)] = strings.ToLower(digits)
			}
		}
	}
	for section, values := range info {
		if !strings.HasPrefix(section, "images-") {
			continue
		}
		for _, key := range []string{"kernel", "initrd"} {
			if name := path.Clean(values[key]); values[key] != "" && fs.ValidPath(name) && !slices.Contains(boot, name) {
				boot = append(boot, name)
			}
		}
	}
	slices.Sort(boot)
	return sums, boot
}

func sumIn(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, maxTreeFile+1))
	if err == nil && n > maxTreeFile {
		err = fmt.Errorf("it has more than %d octets", maxTreeFile)
	}
	return hex.EncodeToString(h.Sum(nil)), err
}
