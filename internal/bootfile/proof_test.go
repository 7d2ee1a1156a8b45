package bootfile_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
	httpserve "hobnail/internal/serve/http"
	"hobnail/internal/serve/tftp"
)

const (
	canary = "canary: nobody may read this"
	inside = "inside: "
)

// TestNothingFromOutsideTheTree asks real TFTP and HTTP servers for 10,000
// made-up names and those of the corpus, while folders and files of the tree
// are exchanged for links out of it all the time. Whatever is sent must be a
// file of the tree: with all layers, and with any one of them off.
func TestNothingFromOutsideTheTree(t *testing.T) {
	names := 10_000
	if testing.Short() {
		names = 1000
	}
	for _, tc := range []struct {
		name     string
		opener   func(t *testing.T, tr *tree) bootfile.Opener
		landlock bool // the variant stands or falls with it
		leaks    bool // it must be seen to leak, or this test shows nothing
	}{
		{"all layers", table(true, true), false, false},
		{"table and roots", table(true, false), false, false},
		{"table and Landlock", table(false, true), true, false},
		{"roots alone", rootAlone, false, false},
		{"Landlock alone", pathOn(bootfile.Landlocked), true, false},
		{"table alone", table(false, false), false, true},
		{"nothing", pathOn(func(string) (do, error) { return bootfile.Unguarded, nil }), false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.landlock && !bootfile.HasLandlock() {
				t.Skip("this kernel has no Landlock, or does not let us use it: that it alone keeps a file in is not shown here")
			}
			tr := newTree(t)
			opener := tc.opener(t, tr)
			n := names
			if tc.leaks {
				n = 2000
			}
			asked := append(generated(tr, n), corpus(t)...)
			seen := tr.ask(t, opener, asked)
			t.Logf("%d names: %d answers with a file, %d without, %d not answered; %d exchanges; %d octets from outside",
				len(asked), seen.served.Load(), seen.refused.Load(), seen.silent.Load(), seen.exchanges.Load(), seen.leaked.Load())
			switch leaked := seen.leaked.Load() > 0; {
			case leaked && !tc.leaks:
				t.Errorf("octets from outside were sent, first for %s", seen.first())
			case !leaked && tc.leaks:
				t.Error("nothing leaked although nothing kept it in: these names and swaps find nothing")
			}
			if least := int64(n / 20); seen.served.Load() < least {
				t.Errorf("%d answers with a file, want at least %d: names inside must go on working", seen.served.Load(), least)
			}
		})
	}
}

// tree is a folder to serve, with links in and out, beside one that is secret.
type tree struct {
	base, root, outside string
	files               map[string]string // what an administrator would name
}

func newTree(t *testing.T) *tree {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tr := &tree{base: base, root: base + "/tree", outside: base + "/outside", files: map[string]string{}}
	for _, dir := range []string{"outside/sub", "tree/boot", "tree/swap/sub", "tree/deep/a/b"} {
		tr.do(t, os.MkdirAll(filepath.Join(base, dir), 0o755))
	}
	for _, name := range []string{"secret", "linux", "flip", "sub/linux", "a", "b"} {
		if name == "a" || name == "b" {
			tr.do(t, os.MkdirAll(tr.outside+"/"+name+"/b", 0o755))
			name += "/b/linux"
		}
		tr.do(t, os.WriteFile(tr.outside+"/"+name, []byte(canary), 0o644))
	}
	for _, name := range []string{"boot/linux", "boot/flip", "swap/linux", "swap/sub/linux", "deep/a/b/linux"} {
		tr.do(t, os.WriteFile(tr.root+"/"+name, []byte(inside+name), 0o644))
		tr.files[name] = tr.root + "/" + name
	}
	for name, to := range map[string]string{
		"vmlinuz": "boot/linux", "boot/vmlinuz": "linux", // an administrator's
		"out": "../outside", "boot/out": tr.outside, "boot/secret": "../../outside/secret", "boot/loop": "loop",
		"up": "..", "slash": "/", "boot/proc": "/proc/self/root",
		// What is exchanged while names are asked for.
		"swap.other": "../outside", "deep/a.other": "../../outside/a", "boot/flip.other": tr.outside + "/flip",
	} {
		tr.do(t, os.Symlink(to, tr.root+"/"+name))
	}
	tr.files["vmlinuz"] = tr.root + "/vmlinuz"
	tr.files["boot/vmlinuz"] = tr.root + "/boot/vmlinuz"
	return tr
}

func (tr *tree) do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// swap exchanges folders and a file of the tree with links out of it until the
// context ends. At the end everything is as it was.
func (tr *tree) swap(ctx context.Context, exchanges *atomic.Int64) {
	for i := 0; ctx.Err() == nil || i%2 == 1; i++ {
		for _, name := range []string{"swap", "deep/a", "boot/flip"} {
			path := tr.root + "/" + name
			if unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, path+".other", unix.RENAME_EXCHANGE) == nil {
				exchanges.Add(1)
			}
		}
		time.Sleep(time.Duration(i%7) * 20 * time.Microsecond) // not in step with anybody
	}
}

// table is the server's own way, with its layers or without.
func table(roots, landlock bool) func(*testing.T, *tree) bootfile.Opener {
	return func(t *testing.T, tr *tree) bootfile.Opener {
		table, err := bootfile.NewTable(landlock, bootfile.Part{Files: tr.files})
		if err != nil {
			t.Fatal(err)
		}
		if !roots {
			table.WithoutRoots()
		}
		return table
	}
}

// opener is a function as an Opener.
type opener func(name string) (*os.File, error)

func (o opener) Open(_ context.Context, r bootfile.Request) (*bootfile.File, error) {
	f, err := o(strings.ReplaceAll(r.Name, `\`, "/"))
	if err != nil {
		return nil, bootfile.ErrNotFound
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(bootfile.ErrNotFound, err)
	}
	// Nothing that a server remembers may take one file for another.
	etag := fmt.Sprintf(`"%d"`, info.Sys().(*syscall.Stat_t).Ino)
	return &bootfile.File{Name: "ino-" + etag, Size: info.Size(), Content: f, ETag: etag, Close: f.Close}, nil
}

const readOnly = os.O_RDONLY | unix.O_NONBLOCK

// rootAlone gives whatever a client says to os.Root.
func rootAlone(t *testing.T, tr *tree) bootfile.Opener {
	root, err := os.OpenRoot(tr.root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return opener(func(name string) (*os.File, error) {
		return root.OpenFile(strings.TrimLeft(name, "/"), readOnly, 0)
	})
}

type do = func(func() (*os.File, error)) (*os.File, error)

// pathOn joins whatever a client says to the tree, as no server should, or
// takes it as it is where it is a path of the host.
func pathOn(where func(dir string) (do, error)) func(*testing.T, *tree) bootfile.Opener {
	return func(t *testing.T, tr *tree) bootfile.Opener {
		run, err := where(tr.root)
		if err != nil {
			t.Fatal(err)
		}
		return opener(func(name string) (*os.File, error) {
			return run(func() (*os.File, error) {
				f, err := os.OpenFile(tr.root+"/"+name, readOnly, 0)
				if err != nil && strings.HasPrefix(name, "/") {
					f, err = os.OpenFile(name, readOnly, 0)
				}
				return f, err
			})
		})
	}
}

// generated makes names, the same each time.
func generated(tr *tree, n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	known := []string{
		"boot/linux", "vmlinuz", "boot/vmlinuz", "swap/linux", "swap/sub/linux", "boot/flip", "deep/a/b/linux",
		`boot\linux`, "//boot//linux", "/boot/./linux\xff",
	}
	parts := []string{
		"..", "..", "..", ".", "", "boot", "swap", "deep", "a", "b", "sub", "linux", "flip", "secret", "outside", "tree",
		"out", "up", "slash", "loop", "vmlinuz", "swap.other", "a.other", "flip.other",
		"%2e%2e", "%2e", "%252e%252e", "..%2f", "..%5c", "%00", "\xc0\xae\xc0\xae", "\xc0\xaf", "\xe2\x88\x95", "\xff\xfe",
		"\x00", "..\x00", "\n", "..\r\n", "linux\x00.efi", " ", ". .", "...", "....", "..;", "~root", "C:", "LPT1", "NUL", "CON", "a:b",
		"proc", "self", "root", "environ", "cwd", "mem", "fd", "3", "dev", "zero", "etc", "passwd",
		strings.Repeat("a", 255), strings.Repeat("../", 30), strings.Repeat("x/", 300),
	}
	between := []string{"/", "/", "/", `\`, "//", "/./", "%2f", "%5c", "\xc0\xaf"}
	before := []string{"", "", "/", "//", `\`, `\\?\C:\`, "C:", "file://", "http://192.0.2.1/", tr.root + "/", tr.outside + "/", "/proc/self/root" + tr.base + "/", "/proc/self/cwd/"}
	aims := []string{"outside/secret", "outside/sub/linux", "secret", "linux", "flip"}
	ways := []string{"..", "out", "up", "boot/out", "boot/..", "swap/..", "swap.other", "deep/a/..", "boot/proc" + tr.base, "slash" + tr.base, "%2e%2e", `..\`, `swap\..`, "....//"}
	var all []string
	for len(all) < n {
		switch r.IntN(4) {
		case 0:
			all = append(all, pick(known))
		case 1: // towards what is secret
			name := pick(before)
			for range 1 + r.IntN(4) {
				name += pick(ways) + pick(between)
			}
			all = append(all, name+pick(aims))
		default:
			name := pick(before)
			for range 1 + r.IntN(6) {
				name += pick(parts) + pick(between)
			}
			all = append(all, name+pick(parts))
		}
	}
	return all
}

func corpus(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/tftp-http-paths.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimRight(string(text), "\n"), "\n")
}

// answers counts what came back.
type answers struct {
	served, refused, silent, leaked, exchanges atomic.Int64
	mu                                         sync.Mutex
	leak                                       string
}

func (a *answers) first() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.leak
}

// judge looks at every octet that a server sent as a file.
func (a *answers) judge(via, name string, body []byte) {
	a.served.Add(1)
	if bytes.HasPrefix(body, []byte(inside)) && !bytes.Contains(body, []byte(canary)) {
		return
	}
	a.leaked.Add(int64(len(body)))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leak == "" {
		a.leak = fmt.Sprintf("%q by %s: %.60q", name, via, body)
	}
}

// ask serves the tree and asks for all names in both protocols.
func (tr *tree) ask(t *testing.T, o bootfile.Opener, names []string) *answers {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { stop(); running.Wait() })
	udpAddr := freePort(t)
	udp, err := tftp.Listen(udpAddr.String(), tftp.Ports{})
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &answers{}
	running.Go(func() { (&tftp.Server{Opener: o, Events: silence{}}).Serve(ctx, udp) })
	running.Go(func() { (&httpserve.Server{Opener: o, Events: silence{}}).Serve(ctx, tcp) })
	running.Go(func() { tr.swap(ctx, &a.exchanges) })

	const workers = 8
	var asking sync.WaitGroup
	for w := range workers {
		asking.Go(func() {
			web := &webClient{addr: tcp.Addr().String()}
			defer web.close()
			for i := w; i < len(names); i += workers {
				a.tftp(udpAddr, i, names[i])
				for _, target := range targets(names[i]) {
					web.get(a, target)
				}
			}
		})
	}
	asking.Wait()
	stop()
	running.Wait()
	return a
}

// freePort finds a UDP port that nobody has at the moment.
func freePort(t *testing.T) *net.UDPAddr {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr)
}

type silence struct{}

func (silence) Emit(event.Event) {}

// tftp sends one read request, from an address of its own, and reads the first
// block, which holds every file of the test.
func (a *answers) tftp(server net.Addr, i int, name string) {
	source := net.IPv4(127, 1, byte(i>>8), byte(i))
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: source})
	if err != nil {
		a.silent.Add(1)
		return
	}
	defer conn.Close()
	conn.WriteTo([]byte("\x00\x01"+name+"\x00octet\x00"), server)
	conn.SetReadDeadline(time.Now().Add(time.Second))
	if len(name) > 490 {
		conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)) // too long to be a request
	}
	b := make([]byte, 2048)
	n, from, err := conn.ReadFrom(b)
	switch {
	case err != nil || n < 4:
		a.silent.Add(1)
	case b[1] == 3:
		a.judge("TFTP", name, b[4:n])
		conn.WriteTo([]byte{0, 4, b[2], b[3]}, from)
	case bytes.Contains(b[:n], []byte(canary)):
		a.judge("TFTP", name, b[4:n])
	default:
		a.refused.Add(1)
	}
}

// targets spells a name for a request line: as it is, where a line can have
// it, and with every octet encoded.
func targets(name string) []string {
	var all []string
	if !strings.ContainsAny(name, " \r\n") {
		all = append(all, "/"+name)
	}
	var encoded strings.Builder
	for _, c := range []byte(name) {
		fmt.Fprintf(&encoded, "%%%02X", c)
	}
	return append(all, "/"+encoded.String())
}

// webClient sends request lines that no library would.
type webClient struct {
	addr string
	conn net.Conn
	read *bufio.Reader
}

func (c *webClient) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

func (c *webClient) get(a *answers, target string) {
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			a.silent.Add(1)
			return
		}
		c.conn, c.read = conn, bufio.NewReader(conn)
	}
	c.conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c.conn, "GET %s HTTP/1.1\r\nHost: boot1\r\n\r\n", target)
	resp, err := http.ReadResponse(c.read, nil)
	if err != nil {
		c.close()
		a.silent.Add(1)
		return
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.Close {
		c.close()
	}
	ownPage := slices.ContainsFunc([]string{"This is hobnail", "ok\n"}, func(s string) bool { return bytes.HasPrefix(body, []byte(s)) })
	if resp.StatusCode == http.StatusOK && !ownPage {
		a.judge("HTTP", target, body)
		return
	}
	a.refused.Add(1)
	if bytes.Contains(body, []byte(canary)) {
		a.judge("HTTP", target, body)
	}
}
