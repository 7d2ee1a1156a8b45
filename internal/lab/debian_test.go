//go:build lab

package lab

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// installed is what the console of a machine shows that has started its own
// disk: the mark that the installer has left there.
const installed = `installed by the lab on box`

// TestDebianInstalls: a machine that hobnail boots into Debian's installer
// installs itself with nobody at the keyboard, calls home, restarts from the
// network, and from then on runs what is on its disk.
func TestDebianInstalls(t *testing.T) {
	for _, kind := range []Kind{BIOS, UEFIx64Secure} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			Slot(t)
			debianInstalls(t, kind)
		})
	}
}

func debianInstalls(t *testing.T, kind Kind) {
	mirror, err := BuildDebianMirror(mirrorDir(t))
	if err != nil {
		t.Fatal(err)
	}
	l := New(t)
	lan := l.Link("lan")
	site := newSite(t, l.Host("mirror", lan, otherAddr+"/24", ""), mirror)
	conf := func(target string) string { return gives + nameServer + reserved(target) + debianImage }
	server, _ := sameLink(l, lan, conf("debian-12"))

	start := time.Now()
	m := l.Machine(kind, lan, MachineOpts{MAC: machineMAC, Disk: 2 << 30})
	site.awaits(t, m, "/done", 25*time.Minute)
	t.Logf("%s: installed after %v", kind, time.Since(start).Round(time.Second))

	server.becomes(t, conf("local"))
	m.WaitFor(installed, 10*time.Minute)
	t.Logf("%s: runs from its disk after %v", kind, time.Since(start).Round(time.Second))
	m.Expect(`box login:`)

	m.Reset()
	m.WaitFor(installed, 10*time.Minute)
	if n := site.count("/preseed.cfg"); n != 1 {
		t.Errorf("the installer was started %d times", n)
	}
}

// mirrorDir is where the mirror is kept from one run to the next.
func mirrorDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../build/debian-mirror")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// nameServer is a line more of the subnet: the installer asks for a name server
// if DHCP names none. Nobody is there.
const nameServer = "dns = [\"" + routerAddr + "\"]\n"

// debianImage installs by itself.
const debianImage = `
[[image]]
name    = "debian-12"
kernel  = "` + amd64Dir + `linux"
initrd  = "` + amd64Dir + `initrd.gz"
cmdline = "console=ttyS0 auto=true priority=critical locale=en_US.UTF-8 keymap=skip-config interface=auto hostname=box domain=lab ipv6.disable=1 url=http://` + otherAddr + `/preseed.cfg DEBIAN_FRONTEND=text"
`

// preseed is the answer file.
const preseed = `d-i mirror/country string manual
d-i mirror/protocol string http
d-i mirror/http/hostname string ` + otherAddr + `
d-i mirror/http/directory string /debian
d-i mirror/http/proxy string
d-i mirror/suite string bookworm
d-i debian-installer/allow_unauthenticated boolean true
d-i hw-detect/load_firmware boolean false
d-i preseed/late_command string echo 'installed by the lab on \n' >>/target/etc/issue; i=0; until wget -q -O /dev/null http://` + otherAddr + `/done || [ $i = 30 ]; do i=$((i+1)); sleep 2; done
`

// site is the web server with the mirror and the answer file.
type site struct {
	mu   sync.Mutex
	asks map[string]int
}

func newSite(t *testing.T, h *Host, mirror *DebianMirror) *site {
	t.Helper()
	s := &site{asks: map[string]int{}}
	files := http.StripPrefix("/debian", http.FileServer(http.Dir(mirror.Dir)))
	log, err := os.Create(h.lab.Path("mirror.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	start := time.Now()
	serveHTTP(t, h, 80, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asks[r.URL.Path]++
		fmt.Fprintf(log, "%7.1f %s\n", time.Since(start).Seconds(), r.URL.Path)
		s.mu.Unlock()
		switch {
		case r.URL.Path == "/preseed.cfg":
			fmt.Fprint(w, preseed)
		case r.URL.Path == "/done":
		case strings.HasPrefix(r.URL.Path, "/debian/"):
			files.ServeHTTP(w, r)
		default:
			http.NotFound(w, r)
		}
	}))
	return s
}

func (s *site) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asks[path]
}

// awaits waits until a path was asked for, as long as the machine is on.
func (s *site) awaits(t *testing.T, m *Machine, path string, timeout time.Duration) {
	t.Helper()
	if !poll(timeout, func() bool { return s.count(path) > 0 || !m.proc.Running() }) || s.count(path) == 0 {
		t.Fatalf("nobody asked for %s within %v", path, timeout)
	}
}

// serveHTTP answers on a host's port until the test ends.
func serveHTTP(t *testing.T, h *Host, port int, handler http.Handler) {
	t.Helper()
	runtime.LockOSThread()
	back := enter(t, "/run/netns/"+string(h.ns))
	ln, err := net.Listen("tcp4", fmt.Sprintf(":%d", port))
	back()
	runtime.UnlockOSThread()
	if err != nil {
		t.Fatalf("listening on %s: %v", h.Name, err)
	}
	srv := &http.Server{Handler: handler}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
}

// becomes gives the running server another configuration, after [server].
func (s *Server) becomes(t *testing.T, conf string) {
	t.Helper()
	old, err := os.ReadFile(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	head := regexp.MustCompile(`(?s)^.*?\ndata = [^\n]*\n`).Find(old)
	if err := os.WriteFile(s.Config, append(head, conf...), 0o644); err != nil {
		t.Fatal(err)
	}
	loads := func() int { return strings.Count(s.Output(), "code=config.loaded") }
	before := loads()
	s.Signal(syscall.SIGHUP)
	if !poll(startup, func() bool { return loads() > before }) {
		t.Fatalf("%s does not take another configuration:\n%s", s.Name, lastLines(s.Output(), 15))
	}
}

// TestDebianDisc: the mirror as a disc has what a DVD of Debian's is known by,
// and the archive with it.
func TestDebianDisc(t *testing.T) {
	mirror, err := BuildDebianMirror(mirrorDir(t))
	if err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "debian-12.iso")
	if err := mirror.ISO(image); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("xorriso", "-indev", image, "-find", "/", "-type", "f").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/.disk/info", "/install.amd/vmlinuz", "/dists/bookworm/Release", "/lab/system.tar"} {
		if !strings.Contains(string(out), "'"+name+"'") {
			t.Errorf("the disc has no %s:\n%s", name, lastLines(string(out), 20))
		}
	}
}
