//go:build interop

package httpserve

import (
	"os/exec"
	"strings"
	"testing"

	"hobnail/internal/event"
)

// curl (Debian package curl) is the reader with the most spellings.
func TestInteropCurl(t *testing.T) {
	base := "http://" + serve(t, newTree(), event.Discard{})
	kernel := base + "/img/debian-12/linux"
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"a file", []string{kernel}, "0123456789"},
		{"as HTTP/1.0", []string{"-0", kernel}, "0123456789"},
		{"with an upgrade to HTTP/2 offered", []string{"--http2", kernel}, "0123456789"},
		{"a range", []string{"-r", "2-4", kernel}, "234"},
		{"two files on one connection", []string{"-w", "%{num_connects}", kernel, kernel}, "0123456789101234567890"},
		{"its size", []string{"-o", "/dev/null", "-I", "-w", "%{http_code} %header{content-length}", kernel}, "200 10"},
		{"the size of a large file, and the file", []string{"-o", "/dev/null", "-w", "%{http_code} %{size_download} %{num_redirects}", base + "/large"}, "200 67108864 0"},
		{"double slashes, as they stand", []string{"--path-as-is", base + "//img//debian-12/./linux"}, "0123456789"},
		{"a way up, as it stands", []string{"--path-as-is", base + "/img/../../../etc/passwd"}, "There is no such boot file.\n"},
		{"a way up, encoded", []string{"--path-as-is", base + "/%2e%2e/%2e%2e/etc/passwd"}, "There is no such boot file.\n"},
		{"an upload", []string{"-T", "/etc/hostname", "-w", "%{http_code}", "-o", "/dev/null", base + "/x"}, "405"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := exec.Command("curl", append([]string{"-sS", "--max-time", "30"}, tt.args...)...).CombinedOutput()
			if got := string(out); err != nil || strings.TrimRight(got, " ") != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}
