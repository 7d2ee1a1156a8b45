//go:build interop

package peagent

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
	"hobnail/internal/peagent/embedded"
)

// wine is a Windows PE in a folder: drives S:, V:, W: and X:, and in X:\bin
// programs that stand in for Windows PE's.
type wine struct {
	dir string
	env []string
}

func (w wine) drive(letter string) string { return filepath.Join(w.dir, letter) }

func (w wine) command(args ...string) *exec.Cmd {
	cmd := exec.Command("wine", args...)
	cmd.Env, cmd.Dir = w.env, w.dir
	return cmd
}

func newWine(t *testing.T) wine {
	t.Helper()
	w := wine{dir: t.TempDir()}
	prefix := filepath.Join(w.dir, "prefix")
	w.env = append(os.Environ(), "WINEPREFIX="+prefix, "WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree,mshtml,winemenubuilder.exe=d", `WINEPATH=X:\bin`, "DISPLAY=")
	// The server of this prefix, and of no other. It stays until it is ended:
	// otherwise Windows' services would start anew with each program. It keeps
	// whatever it is given for its output, so that is not waited for.
	server := func(arg string) {
		cmd := exec.Command("/usr/lib/wine/wineserver", arg)
		cmd.Env = w.env
		if err := cmd.Run(); err != nil {
			t.Errorf("%s: %v", cmd, err)
		}
	}
	if err := os.Mkdir(prefix, 0o700); err != nil {
		t.Fatal(err)
	}
	server("-p")
	t.Cleanup(func() { server("-k") })
	do(t, w.command("wineboot", "--init"))
	// Wine 8 lacks this library, which Go's runtime wants of every Windows that
	// it runs on.
	put(t, filepath.Join(prefix, "drive_c/windows/system32/bcryptprimitives.dll"), forwarder("bcryptprimitives.dll", "ProcessPrng", "advapi32.SystemFunction036"))
	for _, letter := range []string{"s", "v", "w", "x"} {
		if err := os.Mkdir(w.drive(letter), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(w.drive(letter), filepath.Join(prefix, "dosdevices", letter+":")); err != nil {
			t.Fatal(err)
		}
	}
	// What wpeinit leaves: this machine booted by UEFI.
	do(t, w.command("reg", "add", `HKLM\SYSTEM\CurrentControlSet\Control`, "/v", "PEFirmwareType", "/t", "REG_DWORD", "/d", "2", "/f"))

	program := filepath.Join(w.dir, "standin.exe")
	build := exec.Command("go", "build", "-o", program, "./testdata/standin")
	build.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	do(t, build)
	standin, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bin/wpeinit.exe", "bin/diskpart.exe", "bin/dism.exe", "bin/bcdboot.exe", "bin/wpeutil.exe", "sources/setup.exe"} {
		put(t, filepath.Join(w.drive("x"), name), standin)
	}
	return w
}

// do runs a command and gives its output. That goes to a file: Wine's services
// keep whatever they were started with, and a pipe would never end.
func do(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "output")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	failed := cmd.Run()
	b, err := os.ReadFile(f.Name())
	if err != nil || failed != nil {
		t.Fatalf("%s: %v, %v\n%s", cmd, failed, err, b)
	}
	return string(b)
}

func put(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o755); err != nil {
		t.Fatal(err)
	}
}

// forwarder is a library with one function, which is another library's: a PE
// file (x64) of one section, which holds the export directory.
func forwarder(name, function, to string) []byte {
	le := binary.LittleEndian
	const at, align = 0x1000, 512
	texts := []string{name + "\x00", function + "\x00", to + "\x00"}
	place := func(i int) uint32 { return uint32(at + 52 + len(strings.Join(texts[:i], ""))) }
	var d []byte
	for _, n := range []uint32{0, 0, 0, place(0), 1, 1, 1, at + 40, at + 44, at + 48, place(2), place(1), 0} {
		d = le.AppendUint32(d, n)
	}
	d = append(d, strings.Join(texts, "")...)

	b := append([]byte("MZ"), make([]byte, 58)...)
	b = le.AppendUint32(b, 64)
	b = append(b, "PE\x00\x00"...)
	for _, n := range []uint16{0x8664, 1, 0, 0, 0, 0, 0, 0, 240, 0x2022} { // of the file: a library
		b = le.AppendUint16(b, n)
	}
	o := make([]byte, 240) // the optional header
	le.PutUint16(o, 0x20b)
	le.PutUint64(o[24:], 0x180000000)
	le.PutUint32(o[32:], at)
	le.PutUint32(o[36:], align)
	le.PutUint16(o[40:], 6)
	le.PutUint16(o[48:], 6)
	le.PutUint32(o[56:], 2*at)
	le.PutUint32(o[60:], align)
	le.PutUint16(o[68:], 2)
	le.PutUint32(o[108:], 16)
	le.PutUint32(o[112:], at)
	le.PutUint32(o[116:], uint32(len(d)))
	b = append(b, o...)
	b = append(b, ".rdata\x00\x00"...)
	for _, n := range []uint32{uint32(len(d)), at, align, align, 0, 0, 0, 0x40000040} {
		b = le.AppendUint32(b, n)
	}
	b = append(b, make([]byte, align-len(b))...)
	return append(append(b, d...), make([]byte, align-len(d))...)
}

// agent lays the agent's files out and gives the command that starts it.
func (w wine) agent(t *testing.T, s *server) *exec.Cmd {
	t.Helper()
	program, err := embedded.Agent(model.CPUX64)
	if err != nil {
		t.Fatal(err)
	}
	files, err := Files(program, Config{Server: s.URL, Token: token, Image: "windows-11", Index: 6})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		put(t, filepath.Join(w.drive("x"), f.Name), f.Content)
	}
	for _, name := range []string{"calls.txt", "hobnail.log"} {
		if err := os.RemoveAll(filepath.Join(w.drive("x"), name)); err != nil {
			t.Fatal(err)
		}
	}
	return w.command(`X:\Windows\System32\` + Program)
}

// wmic asks Windows for one property of each of the things of a class.
func (w wine) wmic(t *testing.T, class, property string) []string {
	t.Helper()
	b := []byte(do(t, w.command("wmic", "path", class, "get", property)))
	var words []uint16
	for i := 2; i+1 < len(b); i += 2 { // behind the byte order mark
		words = append(words, binary.LittleEndian.Uint16(b[i:]))
	}
	all := strings.Fields(string(utf16.Decode(words)))
	if len(all) < 2 || all[0] != property {
		t.Fatalf("wmic says %q", all)
	}
	return all[1:]
}

// calls are the commands that stand-ins were started as.
func (w wine) calls(t *testing.T) (all [][]string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.drive("x"), "calls.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var c []string
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// The program itself, under Wine: from its orders to the reboot, and to a
// failure after which nothing more happens.
func TestInteropWine(t *testing.T) {
	w := newWine(t)

	t.Run("installs", func(t *testing.T) {
		s := newServer(t)
		s.cut = []int{100000}
		put(t, filepath.Join(w.drive("x"), "output-dism.txt"), []byte(strings.Join(dismBar(), "\r")+"\r\n"))
		out := do(t, w.agent(t, s))
		want := [][]string{
			{"wpeinit"},
			{"diskpart", "/s", `X:\hobnail\diskpart.txt`},
			{"dism", "/English", "/Apply-Image", `/ImageFile:W:\hobnail\install.wim`, "/Index:6", `/ApplyDir:W:\`, `/ScratchDir:W:\hobnail`, `/LogPath:X:\hobnail\dism.log`},
			{"bcdboot", `W:\Windows`, "/s", "S:", "/f", "UEFI"},
			{"wpeutil", "reboot"},
		}
		if diff := cmp.Diff(want, w.calls(t)); diff != "" {
			t.Errorf("(-want +got):\n%s\n%s", diff, out)
		}
		steps := []string{"network begin", "network end", "instructions begin", "instructions end", "unattend begin", "unattend end", "partition begin", "partition end",
			"download begin", "wim", "wim bytes=100000-", "download end", "apply begin", "apply progress 50", "apply progress 100", "apply end",
			"boot begin", "boot end", "finish begin", "finish end", "reboot begin", "reboot end", "log"}
		asked := slices.DeleteFunc(slices.Clone(s.asked), func(l string) bool { return strings.HasPrefix(l, "download progress") })
		if diff := cmp.Diff(steps, asked); diff != "" {
			t.Errorf("(-want +asked):\n%s", diff)
		}
		for name, want := range map[string]string{
			"w/Windows/Panther/unattend.xml":            "<unattend/>",
			"x/hobnail/unattend.xml":                    "<unattend/>",
			"w/Windows/Setup/Scripts/SetupComplete.cmd": string(setupComplete(Config{Server: s.URL, Token: token})),
		} {
			b, err := os.ReadFile(filepath.Join(w.dir, name))
			if err != nil || string(b) != want {
				t.Errorf("%s has %q, %v", name, b, err)
			}
		}
		if b, err := os.ReadFile(filepath.Join(w.drive("x"), "hobnail.log")); err != nil || !strings.Contains(string(b), "its SHA-256 is right\r\n") {
			t.Errorf("the log has %q, %v", b, err)
		}
		if _, err := os.Stat(filepath.Join(w.dir, "w/hobnail/install.wim")); !os.IsNotExist(err) {
			t.Errorf("install.wim is still there: %v", err)
		}
	})

	// The agent knows the machine as Windows' own tool does.
	t.Run("knows its machine", func(t *testing.T) {
		known := Identity{UUID: model.UUID(strings.ToLower(w.wmic(t, "Win32_ComputerSystemProduct", "UUID")[0]))}
		// Wine shows the octets as they stand in the table; Windows, and the
		// standard, have the first three fields little-endian.
		words := []string{"UUID " + string(known.UUID.Swapped())}
		for _, mac := range w.wmic(t, "Win32_NetworkAdapter", "MACAddress") {
			known.MACs = append(known.MACs, model.MAC(mac))
			words = append(words, "MAC "+mac)
		}
		b, err := json.Marshal(known)
		if err != nil {
			t.Fatal(err)
		}
		s := newServer(t)
		s.orders = strings.Replace(s.orders, `{`, `{"for": `+string(b)+`, `, 1)
		out := do(t, w.agent(t, s))
		for _, word := range words {
			if !strings.Contains(out, word) {
				t.Errorf("the agent does not say %s of this machine:\n%s", word, out)
			}
		}
	})

	t.Run("by Setup", func(t *testing.T) {
		s := newServer(t)
		s.orders = strings.Replace(s.orders, `"dism"`, `"setup"`, 1)
		do(t, w.agent(t, s))
		want := [][]string{{"wpeinit"}, {"diskpart", "/s", `X:\hobnail\diskpart.txt`},
			{"setup", "/noreboot", `/installfrom:V:\sources\install.wim`, `/unattend:X:\hobnail\unattend.xml`}, {"wpeutil", "reboot"}}
		if diff := cmp.Diff(want, w.calls(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if b, err := os.ReadFile(filepath.Join(w.dir, "v/sources/install.wim")); err != nil || !bytes.Equal(b, s.wim) {
			t.Errorf("install.wim is not the server's: %d octets, %v", len(b), err)
		}
	})

	t.Run("waits after a failure", func(t *testing.T) {
		s := newServer(t)
		put(t, filepath.Join(w.drive("x"), "fail-dism"), nil)
		cmd := w.agent(t, s)
		screen, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var said []string
		for lines := bufio.NewScanner(screen); lines.Scan(); {
			said = append(said, lines.Text())
			if strings.Contains(lines.Text(), "Look around with the prompt") {
				break
			}
		}
		go io.Copy(io.Discard, screen)
		for _, want := range []string{"FAILED     applying image 6 of install.wim", "because    dism ended with 112 (0x70); its last words: ", "This machine waits and does nothing more by itself."} {
			if !strings.Contains(strings.Join(said, "\n"), want) {
				t.Errorf("%q is not on the screen:\n%s", want, strings.Join(said, "\n"))
			}
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-ended: // Windows PE would start again, and from the network
			t.Errorf("the agent ended: %v", err)
		case <-time.After(3 * time.Second):
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			<-ended
		}
		if end := s.asked[len(s.asked)-2:]; end[0] != "apply fail" || end[1] != "log" {
			t.Errorf("the server was told %q", end)
		}
	})
}
