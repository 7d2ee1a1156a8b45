package library

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"hobnail/internal/store/mem"
)

// childEnv makes this test's program a child that does something in a folder.
const childEnv = "HOBNAIL_LIBRARY_CHILD"

// cannotMount is the exit code of a child that may not mount.
const cannotMount = 77

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		os.Exit(fillDisk(dir))
	}
	os.Exit(m.Run())
}

// TestFullDisk adds to a disk of 1 MiB, in a mount namespace of its own.
func TestFullDisk(t *testing.T) {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childEnv+"="+t.TempDir())
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := c.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || c.ProcessState != nil && c.ProcessState.ExitCode() == cannotMount {
		t.Skipf("no mount namespace here: %v %s", err, out)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	same(t, "what the child says", strings.TrimLeft(`
copy, too large: full, 0 files
download, too large: full, 0 files
download, no length announced: full, 0 files
copy, small: a.iso, 1 files
link: it lies on another file system, 1 files
`, "\n"), string(out))
}

func fillDisk(dir string) int {
	if syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "") != nil ||
		syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m") != nil {
		return cannotMount
	}
	elsewhere, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(elsewhere)
	l := &Library{Store: mem.New(), Folder: dir}
	big := strings.Repeat("x", 3<<20)
	for _, f := range []struct{ name, content string }{{"big.iso", big}, {"a.iso", "ISO A\n"}} {
		if err := os.WriteFile(filepath.Join(elsewhere, f.name), []byte(f.content), 0o644); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	announced := httptest.NewServer(&origin{content: big, etag: `"1"`})
	silent := httptest.NewServer(&origin{content: big, etag: `"1"`, chunked: true})
	for _, try := range []struct {
		name, source string
		place        Placing
	}{
		{"copy, too large", filepath.Join(elsewhere, "big.iso"), PlaceCopy},
		{"download, too large", announced.URL + "/a.iso", ""},
		{"download, no length announced", silent.URL + "/a.iso", ""},
		{"copy, small", filepath.Join(elsewhere, "a.iso"), PlaceCopy},
		{"link", filepath.Join(elsewhere, "big.iso"), PlaceLink},
	} {
		all, err := l.Add(context.Background(), try.source, AddOptions{Place: try.place}, nil)
		said := fmt.Sprint(err)
		switch {
		case errors.Is(err, ErrFull):
			said = "full"
		case err == nil:
			said = filepath.Base(all[0].Image.Path)
		case strings.Contains(said, "it lies on another file system"):
			said = "it lies on another file system"
		}
		entries, _ := os.ReadDir(dir)
		fmt.Printf("%s: %s, %d files\n", try.name, said, len(entries))
	}
	return 0
}
