//go:build interop

package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/boots"
	"hobnail/internal/classify"
	"hobnail/internal/event"
	"hobnail/internal/library"
	"hobnail/internal/machines"
	"hobnail/internal/model"
	"hobnail/internal/peagent"
	httpserve "hobnail/internal/serve/http"
	"hobnail/internal/serve/tftp"
	"hobnail/internal/wim"
)

// run runs another program, which must succeed.
func runProgram(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func writeFiles(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// noise is what no compression makes smaller.
func noise(seed int64, n int) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(b)
	return b
}

// inBootWIM are files of the image to boot, under Windows' names. None is
// Microsoft's.
func inBootWIM() map[string][]byte {
	files := map[string][]byte{
		"Windows/Boot/EFI/bootmgfw.efi":           append([]byte("MZ"), noise(1, 1_600_000)...),
		"Windows/Boot/EFI_EX/bootmgfw_EX.efi":     append([]byte("MZ"), noise(2, 100_000)...),
		"Windows/Boot/EFI/boot.stl":               noise(3, 9_000),
		"Windows/Boot/EFI/en-US/bootmgfw.efi.mui": noise(4, 60_000),
		"Windows/Boot/Fonts/wgl4_boot.ttf":        noise(5, 49_000),
		"Windows/Boot/Fonts/segmono_boot.ttf":     noise(6, 44_000),
		"Windows/Boot/Resources/bootres.dll":      noise(7, 90_000),
		"Windows/Boot/DVD/EFI/boot.sdi":           bytes.Repeat([]byte("$SDI0001"), 3_170_304/8),
		"Windows/System32/winpeshl.exe":           noise(8, 30_000),
		"Windows/System32/WinPEShl.ini":           []byte("[LaunchApp]\r\nAppPath=X:\\sources\\setup.exe\r\n"),
		"Windows/System32/boot/winload.efi":       noise(9, 1_500_000),
		"sources/setup.exe":                       noise(10, 50_000),
	}
	for i := range 3000 {
		files[fmt.Sprintf("Windows/System32/file%04d.dll", i)] = []byte(strconv.Itoa(i))
	}
	return files
}

// onISO are files beside it.
func onISO() map[string][]byte {
	return map[string][]byte{
		"bootmgr": noise(20, 400_000), "bootmgr.efi": noise(21, 1000), "setup.exe": noise(22, 1000),
		"boot/bcd": noise(23, 12_000), "boot/boot.sdi": []byte("another"), "boot/fonts/chs_boot.ttf": noise(24, 20_000),
		"efi/boot/bootx64.efi": noise(25, 1000), "efi/microsoft/boot/bcd": noise(26, 12_000),
	}
}

// windowsISO makes an ISO as Microsoft's are laid out: UDF, with a boot.wim of
// two images and an install.wim of two editions.
func windowsISO(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	root := writeFiles(t, onISO())
	sources := filepath.Join(root, "sources")
	if err := os.MkdirAll(sources, 0o755); err != nil {
		t.Fatal(err)
	}
	boot, install := filepath.Join(sources, "boot.wim"), filepath.Join(sources, "install.wim")
	runProgram(t, "wimcapture", writeFiles(t, map[string][]byte{"Windows/System32/a": []byte("PE")}), boot, "Microsoft Windows PE (x64)", "--compress=LZX", "--threads=1", "--check")
	runProgram(t, "wimappend", writeFiles(t, inBootWIM()), boot, "Microsoft Windows Setup (x64)", "--boot", "--threads=1", "--check")
	runProgram(t, "wimcapture", writeFiles(t, map[string][]byte{"Windows/System32/home": noise(30, 300_000)}), install, "Windows 11 Home", "--threads=1")
	runProgram(t, "wimappend", writeFiles(t, map[string][]byte{"Windows/System32/pro": noise(31, 500_000)}), install, "Windows 11 Pro", "--threads=1")
	for n, id := range []string{"Core", "Professional"} {
		runProgram(t, "wiminfo", install, strconv.Itoa(n+1), "--image-property", "WINDOWS/EDITIONID="+id, "--image-property", "WINDOWS/ARCH=9",
			"--image-property", "WINDOWS/VERSION/MAJOR=10", "--image-property", "WINDOWS/VERSION/BUILD=26100", "--image-property", "WINDOWS/VERSION/SPBUILD=1742",
			"--image-property", "WINDOWS/LANGUAGES/LANGUAGE=de-DE")
	}
	iso := filepath.Join(dir, "Win11_24H2_x64.iso")
	runProgram(t, "genisoimage", "-quiet", "-udf", "-allow-limited-size", "-V", "CCCOMA_X64FRE_DE-DE_DV9", "-o", iso, root)
	return iso
}

// windowsSite is a server with that ISO as image win11 and machines lab-000,
// lab-001 and so on, each at an address of the loopback network.
type windowsSite struct {
	*Server
	l    *Loaded
	tftp netip.AddrPort
	url  string
}

// addressOf is where a machine reads from.
func addressOf(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 1, byte(n / 200), byte(1 + n%200)})
}

func macOf(n int) model.MAC { return model.MAC(fmt.Sprintf("52:54:00:00:%02x:%02x", n/256, n%256)) }

func windowsUUID(n int) model.UUID {
	return model.UUID(fmt.Sprintf("11111111-2222-3333-4444-%012x", n))
}

func newWindowsSite(t testing.TB, count int, programs map[string][]byte) *windowsSite {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	dir := t.TempDir()
	config := filepath.Join(dir, "hobnail.toml")
	text := fmt.Sprintf("[server]\nname = \"boot1\"\ndata = %q\naddress = \"127.0.0.1\"\nhttp = \":%d\"\nnbp = %q\n[boot]\nunknown = \"menu\"\n[[rule]]\nmatch = { uuid = %q }\nloader = \"bootmgfw.efi\"\n",
		filepath.Join(dir, "data"), port, writeFiles(t, programs), windowsUUID(1))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Load(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ChangeImages(t.Context(), l, addOf(windowsISO(t), library.AddOptions{Name: "win11"}), nil); err != nil {
		t.Fatal(err)
	}
	var rows []machines.Row
	for n := range count {
		var row machines.Row
		row.Set("name", fmt.Sprintf("lab-%03d", n))
		row.Set("mac", string(macOf(n)))
		row.Set("uuid", string(windowsUUID(n)))
		rows = append(rows, row)
	}
	if res, err := OrderMachines(t.Context(), l, machines.Order{Import: &machines.Import{Rows: rows, New: true}}); err != nil || len(res.Faults) > 0 {
		t.Fatal(res.Faults, err)
	}
	if l, err = Load(config); err != nil {
		t.Fatal(err)
	}
	s := &windowsSite{Server: &Server{opts: Options{Events: event.Discard{}}, boots: boots.NewMemory(), started: time.Now()}, l: l}
	s.openWindows(l)
	if s.openStore(l); s.store == nil {
		t.Fatal("there is no store")
	}
	s.openMachines(t.Context(), l)
	if err := s.openLibrary(l); err != nil {
		t.Fatal(err)
	}
	if err := s.use(l); err != nil {
		t.Fatal(err)
	}
	conn, err := tftp.Listen("127.0.0.1:0", tftp.Ports{})
	if err != nil {
		t.Fatal(err)
	}
	s.tftp = conn.Addr()
	s.url = "http://127.0.0.1:" + strconv.Itoa(port)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 3)
	go func() {
		ended <- (&httpserve.Server{Opener: s, Events: event.Discard{}, Takes: takesBody}).Serve(ctx, ln)
	}()
	go func() { ended <- (&tftp.Server{Opener: s}).Serve(ctx, conn) }()
	go func() { ended <- s.windows.sums.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		for range 3 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		s.windows.set.Close()
		s.store.Close()
	})
	for n := range count {
		s.boots.Heard(&classify.Facts{MAC: macOf(n), UUID: windowsUUID(n), Arch: model.ArchX64, Firmware: model.FirmwareUEFI, Class: classify.ClassPXE}, addressOf(n))
	}
	return s
}

var errNoFile = errors.New("there is no such file")

// byTFTP reads a file as a machine does.
func (s *windowsSite) byTFTP(n int, name string) ([]byte, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: addressOf(n).AsSlice()})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	conn.WriteToUDPAddrPort([]byte("\x00\x01"+name+"\x00octet\x00blksize\x0060000\x00tsize\x000\x00"), s.tftp)
	var all []byte
	size, block := -1, 60000
	packet := make([]byte, 65536)
	for expected := uint16(1); ; {
		k, from, err := conn.ReadFromUDPAddrPort(packet)
		if err != nil {
			return nil, err
		}
		p := packet[:k]
		ack := uint16(0)
		switch op := binary.BigEndian.Uint16(p); op {
		case 6:
			options := strings.Split(string(p[2:]), "\x00")
			for i := 0; i+1 < len(options); i += 2 {
				switch options[i] {
				case "tsize":
					size, _ = strconv.Atoi(options[i+1])
				case "blksize":
					block, _ = strconv.Atoi(options[i+1])
				}
			}
		case 3:
			if binary.BigEndian.Uint16(p[2:]) == expected {
				all = append(all, p[4:]...)
				expected++
			}
			ack = expected - 1
		case 5:
			return nil, fmt.Errorf("%w: %s", errNoFile, p[4:])
		}
		reply := []byte{0, 4, 0, 0}
		binary.BigEndian.PutUint16(reply[2:], ack)
		conn.WriteToUDPAddrPort(reply, from)
		if binary.BigEndian.Uint16(p) == 3 && len(p) < block+4 {
			if size != len(all) {
				return nil, fmt.Errorf("%d octets, and %d were announced", len(all), size)
			}
			return all, nil
		}
	}
}

// byHTTP does the same by HTTP.
func (s *windowsSite) byHTTP(n int, name string) ([]byte, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: addressOf(n).AsSlice()}}
	c := http.Client{Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}}
	resp, err := c.Get(s.url + "/" + strings.ReplaceAll(strings.TrimPrefix(name, "/"), `\`, "%5C"))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%w: %s", errNoFile, resp.Status)
	}
	return b, err
}

// order orders an install as the command does beside a server.
func (s *windowsSite) order(t testing.TB, o machines.InstallOrder) {
	t.Helper()
	text, err := json.Marshal(machines.Order{Install: &o, By: "a person"})
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.doOrder(t.Context(), text)
	if err != nil || len(res.Faults) > 0 || res.Need != nil {
		t.Fatal(res, err)
	}
}

// started is what a machine's GRUB is told to start.
func (s *windowsSite) started(t testing.TB, n int) string {
	t.Helper()
	b, err := s.byTFTP(n, "m/"+macOf(n).Hex()+"/uefi-x64/grub.cfg")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`chainloader (/win/\S+);`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("no Windows in\n%s", b)
	}
	return string(m[1])
}

// instructions waits until the machine is told what to do.
func (s *windowsSite) instructions(t testing.TB, n int, token string) peagent.Instructions {
	t.Helper()
	for range 6000 {
		b, err := s.byHTTP(n, "install/"+token+"/pe.json")
		if err != nil {
			t.Fatal(err)
		}
		in, err := peagent.ParseInstructions(b)
		if err != nil {
			t.Fatal(err)
		}
		if in.Wait == 0 {
			return in
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it never was ready")
	return peagent.Instructions{}
}

// hive reads a value of a boot configuration with hivexget.
func hive(t testing.TB, store []byte, key string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "BCD")
	if err := os.WriteFile(path, store, 0o600); err != nil {
		t.Fatal(err)
	}
	return runProgram(t, "hivexget", path, key, "Element")
}

const (
	ramdiskSDI = `\Objects\{ae5534e0-a924-466c-b836-758539a3ee3a}\Elements\32000004`
	loaderDisk = `\Objects\{7619dcc9-fafe-11d9-b411-000476eba25f}\Elements\11000001`
	loaderPath = `\Objects\{7619dcc9-fafe-11d9-b411-000476eba25f}\Elements\12000002`
)

// TestInteropWindowsBoots: what a boot manager asks for in one boot, over TFTP
// and HTTP, with an order to install and without; from the folder of its boot
// file and from the root, as it spells names.
func TestInteropWindowsBoots(t *testing.T) {
	s := newWindowsSite(t, 4, nil)
	inWIM, beside := inBootWIM(), onISO()
	boot, err := s.byHTTP(3, "iso/win11/sources/boot.wim")
	if err != nil {
		t.Fatal(err)
	}
	s.order(t, machines.InstallOrder{Names: []string{"lab-000"}, Arming: machines.Arming{Image: "win11", Edition: "windows 11 pro", Retries: 1, Within: time.Hour}})
	menu, err := s.byTFTP(2, "m/"+macOf(2).Hex()+"/uefi-x64/grub.cfg")
	if err != nil || !bytes.Contains(menu, []byte("chainloader /win/win11/open/bootmgfw.efi")) {
		t.Errorf("a machine without an order is shown, %v:\n%s", err, menu)
	}
	for _, tt := range []struct {
		about   string
		machine int
		program string
		token   string
		read    func(int, string) ([]byte, error)
	}{
		{"out of the menu, by TFTP", 2, "/win/win11/open/bootmgfw.efi", "open", s.byTFTP},
		{"out of the menu, by HTTP", 2, "/win/win11/open/bootmgfw.efi", "open", s.byHTTP},
		{"by order", 0, s.started(t, 0), "", s.byTFTP},
	} {
		t.Run(tt.about, func(t *testing.T) {
			if tt.token == "" {
				tt.token = strings.Split(tt.program, "/")[3]
			}
			folder := strings.TrimSuffix(tt.program, "bootmgfw.efi")
			for _, r := range []struct {
				name string
				want []byte // nil: not there
			}{
				{tt.program, inWIM["Windows/Boot/EFI/bootmgfw.efi"]},
				{`\Boot\Fonts\wgl4_boot.ttf`, inWIM["Windows/Boot/Fonts/wgl4_boot.ttf"]},
				{`\EFI\Microsoft\Boot\Fonts\segmono_boot.ttf`, inWIM["Windows/Boot/Fonts/segmono_boot.ttf"]},
				{folder + `\Boot\Fonts\CHS_Boot.ttf`, beside["boot/fonts/chs_boot.ttf"]},
				{`\boot\resources\BOOTRES.DLL`, inWIM["Windows/Boot/Resources/bootres.dll"]},
				{`\Boot\en-US\bootmgfw.efi.mui`, inWIM["Windows/Boot/EFI/en-US/bootmgfw.efi.mui"]},
				{`\\Boot\\boot.stl`, inWIM["Windows/Boot/EFI/boot.stl"]},
				{folder + "boot.stl", inWIM["Windows/Boot/EFI/boot.stl"]},
				{`\Boot\boot.sdi`, inWIM["Windows/Boot/DVD/EFI/boot.sdi"]},
				{`\win\WIN11\` + strings.ToUpper(tt.token) + `\boot.sdi`, inWIM["Windows/Boot/DVD/EFI/boot.sdi"]},
				{"bootmgfw_EX.efi", inWIM["Windows/Boot/EFI_EX/bootmgfw_EX.efi"]},
				{`\Boot\Fonts\none.ttf`, nil},
				{`\hiberfil.sys`, nil},
				{`\Boot\install.wim`, nil},
				{folder + "winload.efi", nil},
				{folder + `..\..\..\etc\passwd`, nil},
				{folder + "%2e%2e/BCD.LOG", nil},
			} {
				got, err := tt.read(tt.machine, r.name)
				if errors.Is(err, errNoFile) != (r.want == nil) || r.want != nil && (err != nil || !bytes.Equal(got, r.want)) {
					t.Errorf("%s: %d octets, not %d, %v", r.name, len(got), len(r.want), err)
				}
			}
			for _, name := range []string{`\Boot\BCD`, folder + "Boot/BCD", `\EFI\Microsoft\Boot\bcd`, "\\Boot\\BCD\xff"} {
				if strings.HasSuffix(name, "\xff") && tt.about == "out of the menu, by HTTP" {
					continue
				}
				store, err := tt.read(tt.machine, name)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if got := hive(t, store, ramdiskSDI); got != `\win\win11\`+tt.token+"\\boot.sdi\n" {
					t.Errorf("%s: boot.sdi is %q", name, got)
				}
				if got := hive(t, store, loaderPath); got != "\\windows\\system32\\boot\\winload.efi\n" {
					t.Errorf("%s: the loader is %q", name, got)
				}
				if got := hive(t, store, loaderDisk); !strings.Contains(utf16Text(got), `\win\win11\`+tt.token+`\boot.wim`) {
					t.Errorf("%s: the disk is %q", name, got)
				}
			}
			for _, name := range []string{`\win\win11\` + tt.token + `\boot.wim`, `\Boot\boot.wim`, folder + `sources\boot.wim`} {
				got, err := tt.read(tt.machine, name)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if tt.token == "open" {
					if !bytes.Equal(got, boot) {
						t.Errorf("%s is not the ISO's", name)
					}
					continue
				}
				checkPatched(t, got, s.url, tt.token)
			}
		})
	}
}

// utf16Text keeps what is a letter of what hivexget shows of octets.
func utf16Text(s string) string {
	var b strings.Builder
	for _, c := range regexp.MustCompile(`[0-9a-f]{2}`).FindAllString(s, -1) {
		n, _ := strconv.ParseUint(c, 16, 8)
		if n >= ' ' && n < 0x7f {
			b.WriteByte(byte(n))
		}
	}
	if strings.Contains(b.String(), "boot.wim") {
		return b.String()
	}
	return strings.ReplaceAll(s, "\x00", "")
}

// checkPatched holds a boot.wim against what an attempt must get.
func checkPatched(t testing.TB, b []byte, server, token string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "boot.wim")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	runProgram(t, "wimverify", path)
	dir := t.TempDir()
	runProgram(t, "wimapply", path, "2", dir)
	for name, want := range inBootWIM() {
		if strings.HasSuffix(name, "WinPEShl.ini") {
			continue
		}
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: %d octets, %v", name, len(got), err)
		}
	}
	agent, err := os.ReadFile(filepath.Join(dir, "Windows/System32/hobnail-pe.exe"))
	if err != nil || !bytes.HasPrefix(agent, []byte("MZ")) || len(agent) < 1<<20 {
		t.Errorf("the agent: %d octets, %v", len(agent), err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "Windows/System32/hobnail.json"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := peagent.ParseConfig(text)
	if want := (peagent.Config{Server: server, Token: token, Image: "win11", Index: 2}); err != nil || c != want {
		t.Errorf("hobnail.json has %+v, %v; want %+v", c, err, want)
	}
	inis, err := filepath.Glob(filepath.Join(dir, "Windows/System32/[wW]in[pP][eE][sS]hl.ini"))
	if err != nil || len(inis) != 1 {
		t.Fatal(inis, err)
	}
	if ini, err := os.ReadFile(inis[0]); err != nil || !strings.Contains(string(ini), `%SYSTEMROOT%\System32\hobnail-pe.exe`) {
		t.Errorf("winpeshl.ini: %q, %v", ini, err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if m, err := wim.Open(f, int64(len(b)), 0); err != nil || m.Index() != 2 {
		t.Errorf("the image to boot: %v", err)
	}
}

// read opens a name of the tree as a machine and reads it whole.
func (s *windowsSite) read(n int, name string) ([]byte, error) {
	f, err := s.Open(context.Background(), bootfile.Request{Name: name, Client: netip.AddrPortFrom(addressOf(n), 4000), Local: netip.MustParseAddr("127.0.0.1"), Via: "tftp"})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f.Content, 0, f.Size))
}

// tokenOf is the attempt that a machine's GRUB is told to begin.
func tokenOf(t testing.TB, script []byte) string {
	t.Helper()
	m := regexp.MustCompile(`/win/win11/([0-9a-f]{32})/bootmgfw\.efi`).FindSubmatch(script)
	if m == nil {
		t.Fatalf("no attempt in\n%s", script)
	}
	return string(m[1])
}

// TestInteropWindowsInstalls: 500 machines are ordered at once, and each gets its
// own; what belongs to an attempt is gone with it.
func TestInteropWindowsInstalls(t *testing.T) {
	const count = 500
	s := newWindowsSite(t, count+1, nil)
	for word, want := range map[string]string{
		"": "has 2 editions; say which by --edition, by name or number: 1 Windows 11 Home, 2 Windows 11 Pro", "3": `has no edition "3"`, "Enterprise": `has no edition "Enterprise"`,
	} {
		text, _ := json.Marshal(machines.Order{Install: &machines.InstallOrder{Names: []string{"lab-000"}, Arming: machines.Arming{Image: "win11", Edition: word, Within: time.Hour}}})
		if _, err := s.doOrder(t.Context(), text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ordering edition %q: %v", word, err)
		}
	}
	order := machines.InstallOrder{Arming: machines.Arming{Image: "win11", Edition: "Core", Retries: 1, Within: time.Hour}, Count: count}
	for n := range count {
		order.Names = append(order.Names, fmt.Sprintf("lab-%03d", n))
	}
	s.order(t, order)
	install, err := s.read(count, "iso/win11/sources/install.wim")
	if err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(install))
	if in := s.instructionsNamed(t, 0); in.Wait != 0 {
		t.Fatal(in)
	}
	tokens := map[string]int{}
	for n := range count {
		script, err := s.read(n, "m/"+macOf(n).Hex()+"/uefi-x64/grub.cfg")
		if err != nil {
			t.Fatal(err)
		}
		token := tokenOf(t, script)
		if other, ok := tokens[token]; ok {
			t.Fatalf("lab-%03d and lab-%03d have one token", n, other)
		}
		tokens[token] = n
		for _, name := range []string{"win/win11/" + token + "/bootmgfw.efi", `\Boot\BCD`} {
			if _, err := s.read(n, name); err != nil {
				t.Fatalf("lab-%03d: %s: %v", n, name, err)
			}
		}
		b, err := s.read(n, "install/"+token+"/pe.json")
		if err != nil {
			t.Fatal(err)
		}
		in, err := peagent.ParseInstructions(b)
		want := peagent.Instructions{
			Machine: fmt.Sprintf("lab-%03d", n), For: peagent.Identity{UUID: windowsUUID(n), MACs: []model.MAC{macOf(n)}}, Image: "Windows 11 Home", Way: peagent.WayDISM, Firmware: peagent.UEFI, Wipe: true,
			Disk: peagent.DiskRule{By: "first"}, Unattend: true,
			WIM: peagent.WIM{URL: "/iso/win11/sources/install.wim", Size: int64(len(install)), SHA256: sum, Index: 1, Unpacked: 300_000},
		}
		if err != nil || !reflect.DeepEqual(in, want) {
			t.Fatalf("lab-%03d is told %+v, %v; want %+v", n, in, err, want)
		}
		answers, err := s.read(n, "install/"+token+"/unattend.xml")
		if err != nil || !bytes.Contains(answers, []byte("<ComputerName>lab-"+fmt.Sprintf("%03d", n))) || !bytes.Contains(answers, []byte("<Key>/IMAGE/INDEX</Key>\n              <Value>1</Value>")) {
			t.Fatalf("lab-%03d gets, %v:\n%s", n, err, answers)
		}
		if c := s.config(t, n, token); c.Token != token || c.Index != 1 || c.Server != s.url {
			t.Fatalf("lab-%03d has %+v in its boot.wim", n, c)
		}
	}
	if other, err := s.read(count, "m/"+macOf(count).Hex()+"/uefi-x64/grub.cfg"); err != nil || !bytes.Contains(other, []byte("/win/win11/open/")) || bytes.Contains(other, []byte("/install/")) {
		t.Errorf("a machine that nobody ordered is shown, %v:\n%s", err, other)
	}

	// It comes back without a call home: another attempt, by another token, and the
	// first token is worth nothing any more.
	first := ""
	for token, n := range tokens {
		if n == 7 {
			first = token
		}
	}
	script, err := s.read(7, "m/"+macOf(7).Hex()+"/uefi-x64/grub.cfg")
	if err != nil {
		t.Fatal(err)
	}
	second := tokenOf(t, script)
	if second == first {
		t.Error("two attempts have one token")
	}
	nothing := func(token, why string) {
		t.Helper()
		for _, name := range []string{"win/win11/" + token + "/bootmgfw.efi", "win/win11/" + token + "/BCD", "win/win11/" + token + "/boot.wim", "install/" + token + "/pe.json", "install/" + token + "/unattend.xml"} {
			if b, err := s.read(7, name); !errors.Is(err, bootfile.ErrNotFound) {
				t.Errorf("%s: %s: %d octets, %v", why, name, len(b), err)
			}
		}
	}
	nothing(first, "the token of an attempt that another has followed")
	nothing(strings.Repeat("0", 32), "a token that nobody has")
	for _, name := range []string{"win/other/" + second + "/boot.wim", "win/win11/" + second + "x/boot.wim", "win/win11//boot.wim", "win/win11/" + second + "/../../../../etc/passwd",
		"win/win11/" + second + "/sources/install.wim", "win/win11/" + second + "/\x00BCD", "win/win11/" + second + "/C:\\BCD", "win/" + strings.Repeat("a", 600) + "/open/BCD"} {
		if b, err := s.read(7, name); !errors.Is(err, bootfile.ErrNotFound) {
			t.Errorf("%q: %d octets, %v", name, len(b), err)
		}
	}
	if _, err := s.read(7, "win/win11/"+second+"/boot.wim"); err != nil {
		t.Error(err)
	}
	// The agent's last step: from then on the network must not install.
	if _, err := s.read(7, "install/"+second+"/step/reboot"); err != nil {
		t.Error(err)
	}
	nothing(second, "the token of an install that is over")
	if script, err = s.read(7, "m/"+macOf(7).Hex()+"/uefi-x64/grub.cfg"); err != nil || !bytes.Contains(script, []byte("\nlocal_disk\n")) || bytes.Contains(script, []byte("/win/")) {
		t.Errorf("afterwards, %v:\n%s", err, script)
	}
}

// instructionsNamed waits until the sum of install.wim is there, as machine n.
func (s *windowsSite) instructionsNamed(t testing.TB, n int) peagent.Instructions {
	t.Helper()
	script, err := s.read(n, "m/"+macOf(n).Hex()+"/uefi-x64/grub.cfg")
	if err != nil {
		t.Fatal(err)
	}
	return s.instructions(t, n, tokenOf(t, script))
}

// config reads hobnail.json out of an attempt's boot.wim.
func (s *windowsSite) config(t testing.TB, n int, token string) peagent.Config {
	t.Helper()
	f, err := s.Open(context.Background(), bootfile.Request{Name: "win/win11/" + token + "/boot.wim", Client: netip.AddrPortFrom(addressOf(n), 4000), Local: netip.MustParseAddr("127.0.0.1"), Via: "tftp"})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := wim.Open(f.Content, f.Size, 0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.ReadFile(`\Windows\System32\hobnail.json`, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	c, err := peagent.ParseConfig(b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestInteropWindowsWithoutGRUB: where a rule names the boot manager as boot
// program it is the image's own; iPXE chains it, or is handed to wimboot where
// the user has one; BIOS without wimboot is told.
func TestInteropWindowsWithoutGRUB(t *testing.T) {
	bz := make([]byte, 0x400)
	copy(bz[0x202:], "HdrS")
	s := newWindowsSite(t, 3, map[string][]byte{"bios/wimboot": bz})
	s.order(t, machines.InstallOrder{Names: []string{"lab-001"}, Arming: machines.Arming{Image: "win11", Edition: "2", Retries: 1, Within: time.Hour}})
	folder := "m/" + macOf(1).Hex() + "/uefi-x64/"
	manager := inBootWIM()["Windows/Boot/EFI/bootmgfw.efi"]
	for range 2 { // firmware reads it twice
		if got, err := s.byTFTP(1, folder+"bootmgfw.efi"); err != nil || !bytes.Equal(got, manager) {
			t.Fatalf("%d octets, %v", len(got), err)
		}
	}
	store, err := s.byTFTP(1, folder+`\Boot\BCD`)
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimSpace(hive(t, store, ramdiskSDI))
	token := strings.Split(path, `\`)[3]
	if got, err := s.byTFTP(1, path); err != nil || len(got) != 3_170_304 {
		t.Errorf("%s: %d octets, %v", path, len(got), err)
	}
	if c := s.config(t, 1, token); c.Index != 2 {
		t.Errorf("hobnail.json has %+v", c)
	}
	if i := s.machines.Snapshot().Install("lab-001", time.Now()); i.Attempts != 1 || i.State != model.InstallRunning {
		t.Errorf("one boot is %+v", i)
	}
	if got, err := s.byTFTP(2, "m/"+macOf(2).Hex()+"/uefi-x64/bootmgfw.efi"); !errors.Is(err, errNoFile) {
		t.Errorf("a machine that boots something else gets %d octets, %v", len(got), err)
	}
	for arch, want := range map[string]string{
		"bios":     "kernel " + s.url + "/nbp/bios/wimboot || goto failed\ninitrd --name BCD " + s.url + "/win/win11/open/wimboot-bios/BCD BCD || goto failed\ninitrd --name boot.wim " + s.url + "/win/win11/open/wimboot-bios/boot.wim boot.wim || goto failed\nboot",
		"uefi-x64": "kernel " + s.url + "/nbp/bios/wimboot || goto failed\ninitrd --name BCD " + s.url + "/win/win11/open/wimboot-uefi/BCD BCD",
	} {
		if script, err := s.byHTTP(2, "m/"+macOf(2).Hex()+"/"+arch+"/boot.ipxe"); err != nil || !bytes.Contains(script, []byte(want)) {
			t.Errorf("iPXE on %s, %v:\n%s", arch, err, script)
		}
	}
	for name, loader := range map[string]string{"wimboot-bios": "winload.exe", "wimboot-uefi": "winload.efi"} {
		store, err := s.byHTTP(2, "win/win11/open/"+name+"/BCD")
		if err != nil {
			t.Fatal(err)
		}
		if got := hive(t, store, ramdiskSDI) + hive(t, store, loaderPath); got != "\\Boot\\boot.sdi\n\\windows\\system32\\boot\\"+loader+"\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got, err := s.byHTTP(2, "nbp/bios/wimboot"); err != nil || !bytes.Equal(got, bz) {
		t.Errorf("wimboot: %d octets, %v", len(got), err)
	}
	without := newWindowsSite(t, 1, nil)
	for arch, want := range map[string]string{"bios": "Windows starts by wimboot alone", "uefi-x64": "chain --autofree " + without.url + "/win/win11/open/bootmgfw.efi"} {
		if script, err := without.byHTTP(0, "m/"+macOf(0).Hex()+"/"+arch+"/boot.ipxe"); err != nil || !bytes.Contains(script, []byte(want)) {
			t.Errorf("iPXE on %s without wimboot, %v:\n%s", arch, err, script)
		}
	}
}

// TestInteropPatchedWIMsAreSmallAndSoon: a patched boot.wim is ready within a
// second, and holds at most 16 MiB of memory for each machine that reads it.
func TestInteropPatchedWIMsAreSmallAndSoon(t *testing.T) {
	const count = 40
	s := newWindowsSite(t, count, nil)
	order := machines.InstallOrder{Names: []string{"lab-*"}, Arming: machines.Arming{Image: "win11", Edition: "2", Retries: 1, Within: time.Hour}, Count: count}
	s.order(t, order)
	names := make([]string, count)
	for n := range count {
		script, err := s.read(n, "m/"+macOf(n).Hex()+"/uefi-x64/grub.cfg")
		if err != nil {
			t.Fatal(err)
		}
		names[n] = "win/win11/" + tokenOf(t, script) + "/boot.wim"
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var open []*bootfile.File
	quickest, longest := time.Hour, time.Duration(0)
	for n, name := range names {
		begun := time.Now()
		f, err := s.Open(context.Background(), bootfile.Request{Name: name, Client: netip.AddrPortFrom(addressOf(n), 4000), Local: netip.MustParseAddr("127.0.0.1"), Via: "tftp"})
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(begun)
		quickest, longest = min(quickest, took), max(longest, took)
		open = append(open, f)
	}
	each := (heap() - before) / count
	t.Logf("%d octets a machine, ready in %v to %v", each, quickest, longest)
	if each > 16<<20 {
		t.Errorf("%d octets a machine", each)
	}
	if longest > 10*time.Second || quickest > time.Second {
		t.Errorf("ready in %v to %v", quickest, longest)
	}
	for _, f := range open {
		f.Close()
	}
}
