package library

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ownLists are the endings of lists for one file alone.
func ownLists() []string {
	return []string{".sha256", ".sha512", ".sha256sum", ".sha512sum", ".sha256.txt", ".CHECKSUM"}
}

// maxLists bounds how many lists of a folder are read.
const maxLists = 32

// folder is a place on this host.
type folder struct{ path string }

// beside finds lists by words in their names: makers call them SHA256SUMS,
// sha256sum.txt, Fedora-Server-41-1.4-x86_64-CHECKSUM.
func (f folder) beside(file string) []string {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return nil
	}
	var own, all []string
	for _, e := range entries {
		name := strings.ToLower(e.Name())
		switch {
		case isSignature(name) || name == strings.ToLower(file):
		case slices.ContainsFunc(ownLists(), func(end string) bool { return name == strings.ToLower(file+end) }):
			own = append(own, e.Name())
		case strings.Contains(name, "sha256sum"), strings.Contains(name, "sha512sum"), strings.Contains(name, "checksum"):
			all = append(all, e.Name())
		}
	}
	all = append(own, all...)
	return all[:min(len(all), maxLists)]
}

func isSignature(name string) bool {
	return slices.ContainsFunc(signatureEndings(), func(end string) bool { return strings.HasSuffix(name, end) })
}

func (f folder) read(_ context.Context, name string) ([]byte, bool, error) {
	info, err := os.Stat(f.called(name))
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxList {
		return nil, false, nil
	}
	octets, err := os.ReadFile(f.called(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return octets, err == nil, err
}

func (f folder) called(name string) string { return filepath.Join(f.path, name) }

// listTime is how long a web server may take for one list.
const listTime = 30 * time.Second

// website is a place on a web server, where nobody can look what there is.
type website struct {
	client *http.Client
	file   *url.URL // the image's
}

func (w website) beside(file string) []string {
	var all []string
	for _, end := range ownLists() {
		all = append(all, file+end)
	}
	return append(all, "SHA256SUMS", "SHA512SUMS", "SHA256SUM", "CHECKSUM", "sha256sum.txt", "sha256sums.txt")
}

func (w website) at(name string) *url.URL {
	u := *w.file
	u.Path, u.RawPath, u.RawQuery, u.Fragment = path.Join("/", path.Dir(u.Path), name), "", "", ""
	return &u
}

func (w website) called(name string) string { return w.at(name).Redacted() }

// read takes every refusal for "not there": stores of objects answer 403 to
// names that they do not have. So is a page in a list's place.
func (w website) read(ctx context.Context, name string) ([]byte, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.at(name).String(), nil)
	if err != nil {
		return nil, false, nil
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, false, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 500:
		return nil, false, fmt.Errorf("the server answers %s", resp.Status)
	case resp.StatusCode != http.StatusOK, strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html"):
		return nil, false, nil
	}
	octets, err := io.ReadAll(io.LimitReader(resp.Body, maxList+1))
	return octets, err == nil && len(octets) <= maxList, err
}
