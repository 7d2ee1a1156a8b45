package config

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
)

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
