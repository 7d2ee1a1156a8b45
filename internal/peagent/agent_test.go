package peagent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// machine is a Host: files are kept, commands written down.
type machine struct {
	disks     []Disk
	firmware  Firmware
	files     map[string][]byte
	did       []string // commands, and files that were made or removed
	said      []string
	fails     map[string]error    // by the first words of what is done
	output    map[string][]string // of commands, by their name
	addresses []string
	identity  Identity
	waits     int
	waited    func() // called at each wait
}

func newMachine() *machine {
	return &machine{disks: []Disk{{0, 256 << 30, "QEMU HARDDISK", "QM00001", false}}, firmware: UEFI, files: map[string][]byte{},
		fails: map[string]error{}, output: map[string][]string{}}
}

func (m *machine) do(what string) error {
	m.did = append(m.did, what)
	for begin, err := range m.fails {
		if strings.HasPrefix(what, begin) {
			return err
		}
	}
	return nil
}

func (m *machine) Run(_ context.Context, c Command, line func(string)) error {
	for _, s := range m.output[c.Name] {
		line(s)
	}
	return m.do(c.String())
}

func (m *machine) Disks() ([]Disk, error)      { return m.disks, m.fails["disks"] }
func (m *machine) Firmware() (Firmware, error) { return m.firmware, m.fails["firmware"] }
func (m *machine) Addresses() []string         { return m.addresses }
func (m *machine) Identity() Identity          { return m.identity }
func (m *machine) MkdirAll(dir string) error   { return m.do("mkdir " + dir) }
func (m *machine) Say(line string)             { m.said = append(m.said, line) }

func (m *machine) WriteFile(name string, b []byte) error {
	m.files[name] = bytes.Clone(b)
	return m.do("write " + name)
}

func (m *machine) Remove(name string) error {
	delete(m.files, name)
	return m.do("remove " + name)
}

func (m *machine) Create(name string) (Output, error) {
	m.files[name] = nil
	return &output{m, name}, m.do("create " + name)
}

func (m *machine) Wait(ctx context.Context, _ time.Duration) error {
	m.waits++
	if m.waited != nil {
		m.waited()
	}
	return ctx.Err()
}

// output is a file of a machine.
type output struct {
	m    *machine
	name string
}

func (o *output) Write(b []byte) (int, error) {
	o.m.files[o.name] = append(o.m.files[o.name], b...)
	return len(b), o.m.fails["octets of "+o.name]
}

func (o *output) Seek(int64, int) (int64, error) { return 0, nil }
func (o *output) Truncate(int64) error           { o.m.files[o.name] = nil; return nil }
func (o *output) Close() error                   { return nil }

// server is one that installs a machine.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	orders  string
	wim     []byte
	asked   []string // steps, and the octets of install.wim that were asked for
	log     string
	answers map[string]int // status by name, where it is not 200
	cut     []int          // after how many octets the answer for install.wim breaks off, one a request
	deaf    bool           // to Range
}

func newServer(t *testing.T) *server {
	s := &server{wim: bytes.Repeat([]byte("MSWIM\x00\x00\x00"), 40000), answers: map[string]int{}}
	sum := sha256.Sum256(s.wim)
	s.orders = orders(`5000`, strconv.Itoa(len(s.wim)), sum64, hex.EncodeToString(sum[:]))
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.TrimPrefix(r.URL.Path, "/install/"+token+"/")
	if status := s.answers[name]; status != 0 {
		http.Error(w, "no", status)
		return
	}
	step, isStep := strings.CutPrefix(name, "step/")
	switch {
	case isStep:
		q := r.URL.Query()
		s.asked = append(s.asked, strings.TrimSpace(step+" "+q.Get("state")+" "+q.Get("percent")))
	case name == "log" && r.Method == http.MethodPost:
		b, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		s.log = string(b)
		s.asked = append(s.asked, "log")
	case name == "pe.json":
		io.WriteString(w, s.orders)
	case name == "unattend.xml":
		io.WriteString(w, "<unattend/>")
	case strings.HasPrefix(name, "/iso/win11/sources/install."):
		s.image(w, r)
	default:
		http.NotFound(w, r)
	}
}

// image gives install.wim, as far as it is to come.
func (s *server) image(w http.ResponseWriter, r *http.Request) {
	s.asked = append(s.asked, strings.TrimSpace("wim "+r.Header.Get("Range")))
	if s.deaf {
		r.Header.Del("Range")
	}
	if len(s.cut) == 0 {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.wim))
		return
	}
	n := s.cut[0]
	s.cut = s.cut[1:]
	begin := 0
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &begin); err == nil {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", begin, len(s.wim)-1, len(s.wim)))
		w.WriteHeader(http.StatusPartialContent)
	}
	w.Write(s.wim[begin:min(begin+n, len(s.wim))])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func newAgent(m *machine, s *server) *Agent {
	return &Agent{Host: m, Config: Config{Server: s.URL, Token: token, Image: "windows-11", Index: 6}, Client: s.Client()}
}

// dismBar is what dism shows while it works.
func dismBar() []string {
	return []string{"Deployment Image Servicing and Management tool", "", "Applying image", "[==                         5.0%                           ]",
		"[===========================50.0%                          ]", "[==========================100.0%==========================]", "The operation completed successfully."}
}

func TestInstallByDISM(t *testing.T) {
	for _, tt := range []struct {
		firmware Firmware
		bcdboot  string
	}{{UEFI, "UEFI"}, {BIOS, "BIOS"}} {
		t.Run(string(tt.firmware), func(t *testing.T) {
			m, s := newMachine(), newServer(t)
			m.firmware = tt.firmware
			m.output["dism"] = dismBar()
			s.orders = strings.Replace(s.orders, `"firmware": "uefi", `, "", 1)
			if err := newAgent(m, s).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := []string{
				`wpeinit`,
				`mkdir X:\hobnail`,
				`write X:\hobnail\unattend.xml`,
				`write X:\hobnail\diskpart.txt`,
				`diskpart /s X:\hobnail\diskpart.txt`,
				`mkdir W:\hobnail`,
				`create W:\hobnail\install.wim`,
				`dism /English /Apply-Image /ImageFile:W:\hobnail\install.wim /Index:6 /ApplyDir:W:\ /ScratchDir:W:\hobnail /LogPath:X:\hobnail\dism.log`,
				`remove W:\hobnail\install.wim`,
				`bcdboot W:\Windows /s S: /f ` + tt.bcdboot,
				`mkdir W:\Windows\Panther`,
				`write W:\Windows\Panther\unattend.xml`,
				`mkdir W:\Windows\Setup\Scripts`,
				`write W:\Windows\Setup\Scripts\SetupComplete.cmd`,
				`wpeutil reboot`,
			}
			if diff := cmp.Diff(want, m.did); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			steps := []string{"network begin", "network end", "instructions begin", "instructions end", "unattend begin", "unattend end",
				"partition begin", "partition end", "download begin", "wim", "download progress 100", "download end",
				"apply begin", "apply progress 50", "apply progress 100", "apply end", "boot begin", "boot end", "finish begin", "finish end", "reboot begin", "reboot end", "log"}
			asked := slices.DeleteFunc(slices.Clone(s.asked), func(l string) bool {
				return strings.HasPrefix(l, "download progress") && !strings.HasSuffix(l, "100")
			})
			if diff := cmp.Diff(steps, asked); diff != "" {
				t.Errorf("(-want +asked):\n%s", diff)
			}
			files := map[string]string{}
			for name, b := range m.files {
				files[name] = string(b)
			}
			wantFiles := map[string]string{
				`X:\hobnail\unattend.xml`:         "<unattend/>",
				`X:\hobnail\diskpart.txt`:         script(m.disks[0], tt.firmware, Instructions{Way: WayDISM}),
				`W:\Windows\Panther\unattend.xml`: "<unattend/>",
				`W:\Windows\Setup\Scripts\SetupComplete.cmd`: "@echo off\r\n" +
					`"%SystemRoot%\System32\curl.exe" --silent --show-error --fail --retry 40 --retry-delay 15 --retry-connrefused --output NUL ` + s.URL + "/install/" + token + "/done\r\n" +
					`rmdir /s /q "%SystemDrive%\hobnail" 2>NUL` + "\r\n",
			}
			if diff := cmp.Diff(wantFiles, files); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if !strings.Contains(s.log, "WIPING disk 0: 274.9 GB, QEMU HARDDISK, serial QM00001\r\n") {
				t.Errorf("the log says nothing of the disk:\n%s", s.log)
			}
		})
	}
}

// TestAgentWaitsForTheServer: one that is not ready is asked again, and nothing
// is changed before it is.
func TestAgentWaitsForTheServer(t *testing.T) {
	m, s := newMachine(), newServer(t)
	ready := s.orders
	s.orders = `{"machine": "lab-01", "wait": 20, "why": "a sum is made"}`
	m.waited = func() {
		if slices.Contains(m.did, `diskpart /s X:\hobnail\diskpart.txt`) {
			t.Error("a disk was wiped before the instructions were there")
		}
		if m.waits == 3 {
			s.mu.Lock()
			s.orders = ready
			s.mu.Unlock()
		}
	}
	if err := newAgent(m, s).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m.waits != 3 || !slices.Contains(m.said, "the server is not ready: a sum is made; asking again in 20 s") {
		t.Errorf("waited %d times, said %q", m.waits, m.said)
	}
}

func TestServerThatIsNeverReady(t *testing.T) {
	m, s := newMachine(), newServer(t)
	s.orders = `{"wait": 1, "why": "a sum is made"}`
	err := newAgent(m, s).Run(t.Context())
	var f *Failure
	if !errors.As(err, &f) || f.Step != "instructions" || f.Why != "a sum is made" || m.waits != maxWaits-1 {
		t.Errorf("waited %d times, then %v", m.waits, err)
	}
}

func TestInstallBySetup(t *testing.T) {
	m, s := newMachine(), newServer(t)
	s.orders = strings.NewReplacer(`"dism"`, `"setup"`, `install.wim`, `install.esd`).Replace(s.orders)
	if err := newAgent(m, s).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`wpeinit`,
		`mkdir X:\hobnail`,
		`write X:\hobnail\unattend.xml`,
		`write X:\hobnail\diskpart.txt`,
		`diskpart /s X:\hobnail\diskpart.txt`,
		`mkdir V:\sources`,
		`create V:\sources\install.esd`,
		`mkdir V:\sources\$OEM$\$$\Setup\Scripts`,
		`write V:\sources\$OEM$\$$\Setup\Scripts\SetupComplete.cmd`,
		`X:\sources\setup.exe /noreboot /installfrom:V:\sources\install.esd /unattend:X:\hobnail\unattend.xml`,
		`wpeutil reboot`,
	}
	if diff := cmp.Diff(want, m.did); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !bytes.Equal(m.files[`V:\sources\install.esd`], s.wim) {
		t.Error("install.esd is not the server's")
	}
	if said := strings.Join(m.said, "\n"); !strings.Contains(said, "the answer file must install to partition 3 of disk 0 and must not wipe it") {
		t.Errorf("it is not said what Setup needs:\n%s", said)
	}
}

// Each step fails once: what is said, and that nothing comes after it.
func TestFailures(t *testing.T) {
	broken := errors.New("it broke")
	for _, tt := range []struct {
		name  string
		brk   func(m *machine, s *server)
		want  Failure // its texts are the beginnings of what is said
		wiped bool
	}{
		{"no RAM disk", func(m *machine, _ *server) { m.fails[`mkdir X:`] = broken },
			Failure{"network", `making X:\hobnail`, "it broke", "Windows PE's RAM disk is full"}, false},
		{"the install was called off", func(_ *machine, s *server) { s.answers["pe.json"] = 410 },
			Failure{"instructions", "fetching the instructions", "the server answers 410 (Gone): no", "the install may be over"}, false},
		{"instructions of another version", func(_ *machine, s *server) { s.orders = `{"wype": true}` },
			Failure{"instructions", "reading the instructions", `reading the instructions: json: unknown field "wype"`, "the agent in boot.wim and the server are of different versions"}, false},
		{"another machine's orders", func(m *machine, s *server) {
			m.identity = Identity{UUID: "6c616200-0000-4000-8000-000000000002"}
			s.orders = strings.Replace(s.orders, `{`, `{"for": {"uuid": "6c616200-0000-4000-8000-000000000001"}, `, 1)
		}, Failure{"instructions", "looking whether this is lab-01", "its UUID is 6c616200-0000-4000-8000-000000000002, and the order is for 6c616200-0000-4000-8000-000000000001", "nothing was changed; machines behind one address"}, false},
		{"nobody said wipe", func(_ *machine, s *server) { s.orders = strings.Replace(s.orders, `"wipe": true`, `"wipe": false`, 1) },
			Failure{"instructions", "looking whether a disk may be wiped", "the instructions do not say so", "nothing was changed"}, false},
		{"wipe is not there at all", func(_ *machine, s *server) { s.orders = strings.Replace(s.orders, `"wipe": true,`, ``, 1) },
			Failure{"instructions", "looking whether a disk may be wiped", "the instructions do not say so", "nothing was changed"}, false},
		{"firmware that does not tell", func(m *machine, _ *server) { m.fails["firmware"] = broken },
			Failure{"instructions", "asking how this machine booted", "it broke", "nothing was changed"}, false},
		{"the other firmware", func(m *machine, _ *server) { m.firmware = BIOS },
			Failure{"instructions", "looking how this machine booted", "by bios, and the instructions are for uefi", "nothing was changed"}, false},
		{"no answer file", func(_ *machine, s *server) { s.answers["unattend.xml"] = 404 },
			Failure{"unattend", "fetching unattend.xml", "the server answers 404", "nothing was changed"}, false},
		{"a RAM disk that is full", func(m *machine, _ *server) { m.fails[`write X:\hobnail\unattend.xml`] = broken },
			Failure{"unattend", "fetching unattend.xml", "it broke", "nothing was changed"}, false},
		{"disks that do not answer", func(m *machine, _ *server) { m.fails["disks"] = broken },
			Failure{"partition", "listing the disks", "it broke", "nothing was changed"}, false},
		{"no disk", func(m *machine, _ *server) { m.disks = nil },
			Failure{"partition", "choosing a disk", "no disk is the first that is not removable; there are: none", "nothing was changed"}, false},
		{"a small disk", func(m *machine, _ *server) { m.disks[0].Size = 1 << 30 },
			Failure{"partition", "choosing a disk", "disk 0: 1.1 GB, QEMU HARDDISK, serial QM00001: too small", "nothing was changed"}, false},
		{"a script that cannot be written", func(m *machine, _ *server) { m.fails[`write X:\hobnail\diskpart.txt`] = broken },
			Failure{"partition", `writing X:\hobnail\diskpart.txt`, "it broke", "nothing was changed"}, false},
		{"diskpart", func(m *machine, _ *server) {
			m.fails["diskpart"] = broken
			m.output["diskpart"] = []string{"DiskPart succeeded in cleaning the disk.", "", "The specified drive letter is not free to be assigned."}
		}, Failure{"partition", "dividing disk 0", "it broke; its last words: DiskPart succeeded in cleaning the disk. | The specified drive letter is not free", "the disk may be empty by now"}, true},
		{"no W:", func(m *machine, _ *server) { m.fails[`mkdir W:\hobnail`] = broken },
			Failure{"download", `making W:\hobnail`, "it broke", "diskpart's lines above"}, true},
		{"no file on W:", func(m *machine, _ *server) { m.fails[`create W:`] = broken },
			Failure{"download", `making W:\hobnail\install.wim`, "it broke", "the disk may be broken"}, true},
		{"no install.wim", func(_ *machine, s *server) { s.answers["/iso/win11/sources/install.wim"] = 404 },
			Failure{"download", "downloading install.wim", "the server answers 404", "look at the server"}, true},
		{"install.wim of another size", func(_ *machine, s *server) { s.wim = s.wim[1:] },
			Failure{"download", "downloading install.wim", "the server has 319999 octets, the instructions say 320000", "look at the server"}, true},
		{"a disk that is full", func(m *machine, _ *server) { m.fails[`octets of W:\hobnail\install.wim`] = broken },
			Failure{"download", "downloading install.wim", "it broke", "look at the server"}, true},
		{"a server that has no octets", func(_ *machine, s *server) { s.cut = make([]int, 100) },
			Failure{"download", "downloading install.wim", "20 attempts in a row brought nothing: ", "look at the server"}, true},
		{"an octet that is another", func(_ *machine, s *server) { s.wim = bytes.Replace(s.wim, []byte("M"), []byte("W"), 1) },
			Failure{"download", "checking install.wim", "its SHA-256 is ", "verify the image on the server"}, true},
		{"dism", func(m *machine, _ *server) {
			m.fails["dism"] = broken
			m.output["dism"] = []string{"Error: 112", "", "There is not enough space on the disk."}
		}, Failure{"apply", "applying image 6 of install.wim", "it broke; its last words: Error: 112 | There is not enough space on the disk.", `X:\hobnail\dism.log says more`}, true},
		{"bcdboot", func(m *machine, _ *server) { m.fails["bcdboot"] = broken },
			Failure{"boot", "making the disk start Windows", "it broke", "look whether the image"}, true},
		{"no folder for the answers", func(m *machine, _ *server) { m.fails[`mkdir W:\Windows\Panther`] = broken },
			Failure{"finish", "putting unattend.xml into place", "it broke", "the disk may be full or broken"}, true},
		{"no folder for scripts", func(m *machine, _ *server) { m.fails[`mkdir W:\Windows\Setup`] = broken },
			Failure{"finish", "putting SetupComplete.cmd into place", "it broke", "the disk may be full or broken"}, true},
		{"wpeutil", func(m *machine, _ *server) { m.fails["wpeutil"] = broken },
			Failure{"reboot", "starting the machine again", "it broke", "Windows is installed"}, true},
		{"Setup's partition", func(m *machine, s *server) {
			s.orders = strings.Replace(s.orders, `"dism"`, `"setup"`, 1)
			m.fails[`mkdir V:\sources\$OEM$`] = broken
		}, Failure{"setup", "putting SetupComplete.cmd into place", "it broke", "the disk may be broken"}, true},
		{"Setup", func(m *machine, s *server) {
			s.orders = strings.Replace(s.orders, `"dism"`, `"setup"`, 1)
			m.fails[`X:\sources\setup.exe`] = broken
		}, Failure{"setup", "running Setup", "it broke", `X:\Windows\Panther\setuperr.log says why`}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, s := newMachine(), newServer(t)
			tt.brk(m, s)
			var got *Failure
			if err := newAgent(m, s).Run(t.Context()); !errors.As(err, &got) {
				t.Fatal(err)
			}
			for _, part := range [][2]string{{got.Step, tt.want.Step}, {got.What, tt.want.What}, {got.Why, tt.want.Why}, {got.Do, tt.want.Do}} {
				if !strings.HasPrefix(part[0], part[1]) {
					t.Errorf("said %q, want %q", part[0], part[1])
				}
			}
			wiped := slices.ContainsFunc(m.did, func(s string) bool { return strings.HasPrefix(s, "diskpart") })
			if wiped != tt.wiped {
				t.Errorf("the disk was wiped: %v", wiped)
			}
			if end := s.asked[len(s.asked)-2:]; end[0] != tt.want.Step+" fail" || end[1] != "log" {
				t.Errorf("the server was told %q", end)
			}
			said := strings.Join(m.said, "\n")
			for _, line := range []string{"FAILED     " + tt.want.What, "because    " + tt.want.Why, "what to do " + tt.want.Do} {
				if !strings.Contains(said, line) || !strings.Contains(s.log, line) {
					t.Errorf("%q is not on the screen or in the log:\n%s", line, said)
				}
			}
			if reboots := slices.Contains(m.did, "wpeutil reboot"); reboots != (tt.name == "wpeutil") {
				t.Errorf("did %q", m.did)
			}
		})
	}
}

// A download goes on where it was cut.
func TestDownloadGoesOn(t *testing.T) {
	m, s := newMachine(), newServer(t)
	s.cut = []int{100000, 0, 50000}
	if err := newAgent(m, s).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, l := range s.asked {
		if strings.HasPrefix(l, "wim") {
			asked = append(asked, l)
		}
	}
	if diff := cmp.Diff([]string{"wim", "wim bytes=100000-", "wim bytes=100000-", "wim bytes=150000-"}, asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if said := strings.Join(m.said, "\n"); !strings.Contains(said, "cut at 100000 of 320000 octets") || !strings.Contains(said, "its SHA-256 is right") {
		t.Errorf("said:\n%s", said)
	}
}

// A server that knows no ranges: the file is begun again, and whole.
func TestDownloadBeginsAgain(t *testing.T) {
	m, s := newMachine(), newServer(t)
	s.cut, s.deaf = []int{100000}, true
	s.orders = strings.Replace(s.orders, `"dism"`, `"setup"`, 1) // which leaves the file
	if err := newAgent(m, s).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.files[`V:\sources\install.wim`], s.wim) {
		t.Error("the file is not the server's")
	}
}

// Octets from elsewhere than asked for are not taken.
func TestDownloadOfOtherOctets(t *testing.T) {
	m, s := newMachine(), newServer(t)
	tr := transfer{agent: newAgent(m, s), size: 100, have: 10}
	for span, want := range map[string]bool{"bytes 10-99/100": true, "bytes 0-99/100": false, "bytes 10-99/200": false, "": false, "bytes 10-99/*": false} {
		err := tr.begins(&http.Response{StatusCode: http.StatusPartialContent, Header: http.Header{"Content-Range": {span}}})
		if (err == nil) != want {
			t.Errorf("%q: %v", span, err)
		}
	}
}

// The server may be late: the agent waits, says so, and says what it has for an
// address.
func TestWaitsForTheServer(t *testing.T) {
	m, s := newMachine(), newServer(t)
	a := newAgent(m, s)
	dead := httptest.NewServer(s)
	dead.Close()
	a.Config.Server = dead.URL
	m.fails["wpeinit"] = errors.New("it broke")
	m.waited = func() {
		if m.waits == 2 {
			m.addresses = []string{"10.77.1.50"}
		}
		if m.waits == 3 {
			a.Config.Server = s.URL
		}
	}
	if err := a.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	said := strings.Join(m.said, "\n")
	for _, line := range []string{"wpeinit did not end well: it broke", "the server does not answer (attempt 1): ", "addresses: none; a driver for the network card is missing",
		"the server does not answer (attempt 3): ", "addresses: 10.77.1.50\n", "the server answers\n"} {
		if !strings.Contains(said, line) {
			t.Errorf("%q is not said:\n%s", line, said)
		}
	}
}

// A server that is busy is asked again; one that hears no reports does not stop
// an install.
func TestServerInTrouble(t *testing.T) {
	m, s := newMachine(), newServer(t)
	s.answers["pe.json"] = 503
	m.waited = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.answers, "pe.json")
	}
	for _, step := range steps() {
		s.answers["step/"+step.name] = 500
	}
	if err := newAgent(m, s).Run(t.Context()); err != nil || m.waits != 1 {
		t.Fatalf("%v after %d waits", err, m.waits)
	}
}

// A machine that is switched off says nothing more.
func TestCancelled(t *testing.T) {
	m, s := newMachine(), newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.cut = make([]int, 100)
	m.waited = cancel
	if err := newAgent(m, s).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// What the server sends cannot paint the screen.
func TestPlain(t *testing.T) {
	m, s := newMachine(), newServer(t)
	s.orders = strings.Replace(s.orders, "lab-01", `lab\u001b[2J`, 1)
	if err := newAgent(m, s).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if said := strings.Join(m.said, "\n"); strings.Contains(said, "\x1b") || !strings.Contains(said, "machine lab?[2J") {
		t.Errorf("said %q", said)
	}
}

func TestPercent(t *testing.T) {
	for s, want := range map[string]int{
		"[==                         5.0%                           ]": 5, "[==========================100.0%==========================]": 100,
		"[ 7% ]": 7, "50%": -1, "[50.0]": -1, "[x 50% ]": -1, "": -1,
	} {
		if got := percentOf(s); got != want {
			t.Errorf("%q is %d, want %d", s, got, want)
		}
	}
}
