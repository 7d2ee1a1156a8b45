package record_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/record/recordtest"
	"hobnail/internal/verdict"
)

// shape is a boot in a few words: the kinds of its steps, with how often.
func shape(b *model.Boot) string {
	var words []string
	for _, s := range b.Steps {
		w := string(s.Kind)
		if s.Count > 1 {
			w += fmt.Sprintf("*%d", s.Count)
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

func TestJoin(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		want         []string // the boots' shapes
	}{
		{"asking again is one attempt", `
			0s  discover firmware uefi-x64
			4s  discover again secs 4
			12s discover again secs 12
			28s discover again secs 28
		`, []string{"discover*4"}},
		{"a new xid each time is one attempt as long as nobody answers", `
			0s  discover firmware bios
			4s  discover
			12s discover
		`, []string{"discover*3"}},
		{"an hour later is another", `
			0s    discover firmware uefi-x64
			3600s discover
		`, []string{"discover", "discover"}},
		{"the seconds begin anew", `
			0s  discover firmware uefi-x64
			28s discover again secs 28
			60s discover secs 0
			64s discover again secs 4
		`, []string{"discover*2", "discover*2"}},
		{"the same xid again after files were read: the machine was reset", `
			0s  discover firmware bios
			0s  offer here lease 10.0.0.50 boots ~/undionly.kpxe
			4s  ack here lease 10.0.0.50
			5s  read ~/undionly.kpxe 80K
			30s discover again
		`, []string{"discover offer ack read", "discover"}},
		{"an address and then a new xid: another attempt", `
			0s  discover firmware uefi-x64
			4s  request for dhcp
			4s  ack dhcp lease 10.0.0.50
			20s discover
		`, []string{"discover request ack", "discover"}},
		{"declined, and then once more", `
			0s  discover firmware uefi-x64
			4s  ack dhcp lease 10.0.0.50
			4s  decline for dhcp
			14s discover
		`, []string{"discover ack decline", "discover"}},
		{"firmware, iPXE, system", `
			0s  discover firmware uefi-x64
			4s  ack dhcp lease 10.0.0.50
			5s  read snponly.efi 200K
			9s  discover ipxe
			11s request for dhcp
			11s ack dhcp lease 10.0.0.51
			12s read boot.ipxe 2K http
			13s read img/a/linux 8M http
			30s discover os
			31s request os for dhcp
			31s ack dhcp lease 10.0.0.51
			40s read user-data 1K http
		`, []string{"discover ack read discover request ack read read home request ack home"}},
		{"iPXE takes three minutes for its devices", `
			0s   discover firmware uefi-x64
			4s   ack dhcp lease 10.0.0.50
			5s   read ipxe.efi 900K
			185s discover ipxe
		`, []string{"discover ack read discover"}},
		{"iPXE from the ROM starts again after its kernel", `
			0s  discover ipxe bios
			1s  ack here lease 10.0.0.50
			2s  read boot.ipxe 2K http
			3s  read img/a/linux 8M http
			20s discover
		`, []string{"discover ack read read", "discover"}},
		{"iPXE from the ROM starts again after its menu", `
			0s  discover ipxe bios
			1s  ack here lease 10.0.0.50
			2s  read boot.ipxe 2K http
			32s discover
		`, []string{"discover ack read", "discover"}},
		{"a script that asks for an address again", `
			0s  discover ipxe bios
			1s  ack here lease 10.0.0.50
			2s  read boot.ipxe 2K http
			5s  discover
		`, []string{"discover ack read discover"}},
		{"a script that starts another iPXE", `
			0s  discover ipxe bios
			1s  ack here lease 10.0.0.50
			2s  read boot.ipxe 2K http
			5s  read netboot.xyz.kpxe 300K http
			25s discover
		`, []string{"discover ack read read discover"}},
		{"firmware after iPXE", `
			0s  discover ipxe bios
			20s discover firmware
		`, []string{"discover", "discover"}},
		{"U-Boot asks by two classes", `
			0s  discover firmware uefi-arm64 uboot
			0s  ack here lease 10.0.0.50
			1s  missing boot.scr.uimg
			20s discover pxe
			20s ack here lease 10.0.0.50
			21s read grubaa64.efi 3M
		`, []string{"discover ack missing discover ack read"}},
		{"U-Boot asks again by its second class", `
			0s  discover firmware uefi-arm64 uboot
			0s  ack here lease 10.0.0.50
			1s  missing boot.scr.uimg
			20s discover pxe
			25s discover again
		`, []string{"discover ack missing discover*2"}},
		{"U-Boot starts over", `
			0s  discover firmware uefi-arm64 uboot
			20s discover pxe
			40s discover uboot
		`, []string{"discover discover", "discover"}},
		{"PXE first, HTTP then", `
			0s  discover firmware uefi-x64
			64s discover firmware http
		`, []string{"discover", "discover"}},
		{"the same request through a relay and directly", `
			capture
			0s  discover firmware uefi-x64
			0s  discover again relay 10.1.0.1
			0s  offer here lease 10.1.0.50 boots ~/shimx64.efi
			0s  offer here lease 10.1.0.50 boots ~/shimx64.efi
			4s  discover again direct
			4s  discover again relay 10.1.0.1
		`, []string{"discover*2 discover*2 offer*2"}},
		{"servers take turns", `
			0s  discover firmware uefi-x64
			0s  offer dhcp lease 10.0.0.50
			0s  offer here proxy boots ~/snponly.efi
			4s  discover again
			4s  offer here proxy boots ~/snponly.efi
			4s  offer dhcp lease 10.0.0.50
		`, []string{"discover*2 offer*2 offer*2"}},
		{"a read that begins and ends is one step", `
			0s  discover firmware uefi-x64
			4s  ack here lease 10.0.0.50
			5s  begin ~/shimx64.efi
			5s  begin ~/shimx64.efi
			6s  read ~/shimx64.efi 900K
			6s  read ~/shimx64.efi 900K
			7s  begin ~/grubx64.efi
		`, []string{"discover ack read*2 asked"}},
		{"files by address alone", `
			0s  read shimx64.efi 900K by 10.0.0.77
			1s  read grubx64.efi 3M by 10.0.0.77
			2s  read grub/grub.cfg 2K by 10.0.0.78
		`, []string{"read read", "read"}},
		{"files by address alone, and the machine starts over", `
			0s   read shimx64.efi 900K by 10.0.0.77
			2s   read img/a/linux 8M by 10.0.0.77
			60s  read shimx64.efi 900K by 10.0.0.77
		`, []string{"read read", "read"}},
		{"an address that was only offered", `
			0s  discover firmware rpi
			0s  offer here lease 10.0.0.50
			5s  read bootcode.bin 50K by 10.0.0.50
		`, []string{"discover offer read"}},
		{"an address goes to another machine", `
			0s   discover firmware uefi-x64
			4s   ack here lease 10.0.0.50
			5s   read a.efi 1K by 10.0.0.50
			mac 52:54:00:00:00:02
			100s discover firmware uefi-x64
			104s ack here lease 10.0.0.50
			105s read b.efi 1K by 10.0.0.50
		`, []string{"discover ack read", "discover ack read"}},
		{"a declined address is nobody's", `
			0s  discover firmware uefi-x64
			4s  ack here lease 10.0.0.50
			4s  decline for here
			9s  read shimx64.efi 1K by 10.0.0.50
		`, []string{"discover ack decline", "read"}},
		{"a file that names its machine, from an address that nobody knows", `
			0s  discover firmware uefi-x64 relay 10.1.0.1
			9s  read ~/shimx64.efi 900K by 192.0.2.1
			9s  read grub/grub.cfg 2K by 192.0.2.1
		`, []string{"discover read read"}},
		{"people read by HTTP", `
			0s  read img/a/linux 8M http by 10.0.0.200
			0s  missing favicon.ico http by 10.0.0.200
		`, nil},
		{"a running system's life is not the boot's", `
			0s   discover firmware uefi-x64
			4s   ack dhcp lease 10.0.0.50
			5s   read a.efi 1K
			60s  discover os
			60s  offer dhcp lease 10.0.0.50
			60s  request os for dhcp
			60s  ack dhcp lease 10.0.0.50
			900s request os address 10.0.0.50
			900s ack dhcp lease 10.0.0.50
		`, []string{"discover ack read discover offer request ack"}},
		{"a system that never booted from here", `
			0s  discover os
			0s  offer dhcp lease 10.0.0.50
			0s  request os for dhcp
		`, nil},
		{"the GRUB of a RAM disk is no system", `
			0s  discover firmware uefi-x64 http
			4s  ack here lease 10.0.0.50
			5s  read ~/boot.img 12M http
			9s  discover os
			9s  ack here lease 10.0.0.50
			12s read ~/grub.cfg 1K
			13s read img/a/linux 8M
			40s discover os
		`, []string{"discover ack read discover ack read read home"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := recordtest.Parse(tc.script)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, b := range s.Join(len(s.Events)) {
				got = append(got, shape(b))
			}
			if a, b := strings.Join(got, " | "), strings.Join(tc.want, " | "); a != b {
				t.Errorf("boots\n%s, want\n%s", a, b)
			}
		})
	}
}

// TestKnowsTheMachine: what the steps say of it stands in the boot.
func TestKnowsTheMachine(t *testing.T) {
	j := record.NewJoiner()
	who := record.Who{MAC: recordtest.MAC, UUID: "u", Place: "10.1.0.1", Arch: model.ArchX64, Firmware: model.FirmwareUEFI, Name: "lab\n01", Vendor: "PXEClient:Arch:00007"}
	b := j.Add(who, model.Step{Time: at(0), Kind: model.StepDiscover, DHCP: &model.DHCPStep{Class: "PXEClient", Stage: "firmware"}})
	j.Add(record.Who{MAC: recordtest.MAC, Place: "eth9", Name: "other"}, model.Step{Time: at(time.Second), Kind: model.StepAck, DHCP: &model.DHCPStep{Address: netip.MustParseAddr("10.1.0.50")}})
	if b.Name != `lab\n01` || b.UUID != "u" || b.Place != "10.1.0.1" || b.Arch != model.ArchX64 || b.Firm != model.FirmwareUEFI ||
		b.Model != "52:54:00 uefi-x64 PXEClient:Arch:00007" || b.Start != at(0) || b.Last != at(time.Second) || b.ID != "20261122T120000.000-525400123456" {
		t.Errorf("the boot is %+v", b)
	}
}

// TestEnds: what is silent for long is ended, once.
func TestEnds(t *testing.T) {
	j := record.NewJoiner()
	var ended []string
	j.Closed = func(b *model.Boot) {
		if !b.Ended {
			t.Error("it is not ended")
		}
		ended = append(ended, b.ID)
	}
	s := recordtest.MustParse("0s discover firmware uefi-x64\nmac 52:54:00:00:00:02\n600s discover firmware uefi-x64")
	for _, e := range s.Events {
		j.Add(e.Who, e.Step)
	}
	j.Expire(recordtest.Start.Add(record.Idle))
	if len(ended) != 0 {
		t.Errorf("ended too early: %q", ended)
	}
	j.Expire(recordtest.Start.Add(record.Idle + time.Second))
	if len(ended) != 1 || len(j.Open()) != 1 {
		t.Errorf("ended %q, open %d", ended, len(j.Open()))
	}
	j.EndAll()
	j.EndAll()
	if len(ended) != 2 || len(j.Open()) != 0 {
		t.Errorf("ended %q, open %d", ended, len(j.Open()))
	}
}

// TestFullRecord: beginning and end are kept, searches go first.
func TestFullRecord(t *testing.T) {
	j := record.NewJoiner()
	who := record.Who{MAC: recordtest.MAC}
	discover := model.Step{Time: at(0), Kind: model.StepDiscover, DHCP: &model.DHCPStep{Class: "PXEClient", Stage: "firmware"}}
	b := j.Add(who, discover)
	loader := file(1, "ipxe.efi", model.StepRead, model.RoleLoader)
	for i := range 40 {
		j.Add(who, file(i+1, fmt.Sprintf("early%d", i), model.StepRead, model.RoleOther))
	}
	j.Add(who, loader)
	for i := range 1000 {
		j.Add(who, file(i+2, fmt.Sprintf("pxelinux.cfg/%x", i), model.StepMissing, model.RoleConfig))
	}
	j.Add(who, file(2000, "linux", model.StepRead, model.RoleKernel))
	if len(b.Steps) != record.MaxSteps || b.Left != 1+40+1+1000+1-record.MaxSteps {
		t.Errorf("%d steps and %d left out", len(b.Steps), b.Left)
	}
	if b.Steps[0].Kind != model.StepDiscover || b.Steps[41].File.Name != "ipxe.efi" || b.Steps[len(b.Steps)-1].File.Name != "linux" {
		t.Errorf("it begins %s, has %s, ends %s", b.Steps[0].Kind, b.Steps[41].File.Name, b.Steps[len(b.Steps)-1].File.Name)
	}
	if want := `pxelinux and U-Boot look`; !strings.HasPrefix(b.Steps[100].Why, want) {
		t.Errorf("a search says %q", b.Steps[100].Why)
	}
}

func file(second int, name string, kind model.StepKind, role model.FileRole) model.Step {
	return model.Step{Time: at(time.Duration(second) * time.Second / 100), Kind: kind, Ours: true, File: &model.FileStep{Name: name, Via: "tftp", Role: role, Heard: true}}
}

// TestFlood: invented machines cost neither memory without end nor the boots
// that came further than asking.
func TestFlood(t *testing.T) {
	j := record.NewJoiner()
	ended := 0
	j.Closed = func(*model.Boot) { ended++ }
	s := recordtest.MustParse(`
		0s discover firmware uefi-x64
		4s ack here lease 10.0.0.50
		5s read ~/shimx64.efi 900K
	`)
	var real *model.Boot
	for _, e := range s.Events {
		real = j.Add(e.Who, e.Step)
	}
	const flood = record.MaxOpen + 4000
	for i := range flood {
		d := &model.DHCPStep{Class: "PXEClient", Stage: "firmware", Xid: uint32(i)}
		j.Add(record.Who{MAC: macOf(i), Addr: addrOf(i)}, model.Step{Time: at(6*time.Second + time.Duration(i)*time.Millisecond), Kind: model.StepDiscover, DHCP: d})
	}
	if n := len(j.Open()); n > record.MaxOpen || n < record.MaxOpen/2 {
		t.Errorf("%d boots are open", n)
	}
	if real.Ended {
		t.Error("the flood ended the boot that read a file")
	}
	if ended+len(j.Open()) != flood+1 {
		t.Errorf("%d ended, %d open, of %d", ended, len(j.Open()), flood+1)
	}
}

func macOf(i int) model.MAC {
	return model.MACFromBytes(binary.BigEndian.AppendUint32([]byte{2, 0}, uint32(i)))
}

func addrOf(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// draw makes any step of a few machines, at a time.
func draw(t *rapid.T, now time.Time) (record.Who, model.Step) {
	octets := rapid.StringOfN(rapid.RuneFrom([]rune("ab/.\\\n\x1b\xff01-é\u202e")), 0, 12, -1)
	addr := func(name string) netip.Addr {
		if n := rapid.IntRange(0, 6).Draw(t, name); n > 0 {
			return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})
		}
		return netip.Addr{}
	}
	kinds := []model.StepKind{model.StepDiscover, model.StepOffer, model.StepRequest, model.StepAck, model.StepNak, model.StepDecline, model.StepRelease,
		model.StepInform, model.StepAsk, model.StepTold, model.StepSilent, model.StepRead, model.StepProbe, model.StepMissing, model.StepAborted,
		model.StepStalled, model.StepRefused, model.StepFault, model.StepAsked, model.StepHome, "?"}
	s := model.Step{
		Time: now, Kind: rapid.SampledFrom(kinds).Draw(t, "kind"),
		Client: addr("client"), Server: addr("server"), Ours: rapid.Bool().Draw(t, "ours"),
		Why: rapid.SampledFrom([]string{"", model.SilentDeny, model.SilentOther, model.StalledUnanswered, model.StalledElsewhere}).Draw(t, "why"), Text: octets.Draw(t, "text"),
		Frame: rapid.IntRange(0, 2).Draw(t, "frame"),
	}
	who := record.Who{Place: octets.Draw(t, "place"), Name: octets.Draw(t, "host"), Addr: addr("has"), Arch: rapid.SampledFrom([]model.Arch{"", model.ArchBIOS, model.ArchX64}).Draw(t, "arch")}
	if n := rapid.IntRange(0, 3).Draw(t, "machine"); n > 0 {
		who.MAC = macOf(n)
	}
	if rapid.Bool().Draw(t, "dhcp") {
		s.DHCP = &model.DHCPStep{
			Xid: rapid.Uint32Range(0, 3).Draw(t, "xid"), Secs: rapid.Uint16Range(0, 30).Draw(t, "secs"), Relay: addr("relay"),
			Stage: rapid.SampledFrom([]string{"", "firmware", "ipxe", "os"}).Draw(t, "stage"), Class: rapid.SampledFrom([]string{"", "PXEClient", "HTTPClient", "U-Boot"}).Draw(t, "class"),
			Vendor: rapid.SampledFrom([]string{"", "PXEClient", "HTTPClient", "\n"}).Draw(t, "vendor"), Arch: who.Arch, Chosen: addr("chosen"), Address: addr("address"), NextServer: addr("next"),
			File: octets.Draw(t, "file"), Message: octets.Draw(t, "message"), Vendor43: rapid.Bool().Draw(t, "43"), Bypass: rapid.Bool().Draw(t, "bypass"),
			NoMask: rapid.Bool().Draw(t, "mask"), NoEnd: rapid.Bool().Draw(t, "end"), NoRoute: rapid.Bool().Draw(t, "route"), FileSize: rapid.IntRange(0, 2).Draw(t, "size"),
			Style: rapid.SampledFrom([]string{"", "proxy", "merge"}).Draw(t, "style"), Target: rapid.SampledFrom([]string{"", "menu", "image"}).Draw(t, "target"),
		}
	}
	if s.DHCP == nil || rapid.Bool().Draw(t, "file too") {
		s.File = &model.FileStep{
			Name:   rapid.OneOf(octets, rapid.SampledFrom([]string{"a.efi", "m/020000000001/uefi-x64/a.efi", "pxelinux.cfg/01-02-00-00-00-00-02", "linux", "user-data", "autoexec.ipxe", "boot.wim"})).Draw(t, "name"),
			Via:    rapid.SampledFrom([]string{"tftp", "http"}).Draw(t, "via"),
			Role:   rapid.SampledFrom([]model.FileRole{model.RoleLoader, model.RoleConfig, model.RoleKernel, model.RoleInitrd, model.RoleDisk, model.RoleAnswer, model.RoleOther}).Draw(t, "role"),
			Octets: rapid.Int64Range(0, 4<<20).Draw(t, "octets"), Blocks: rapid.Int64Range(0, 9).Draw(t, "blocks"), Blksize: rapid.IntRange(0, 1500).Draw(t, "blksize"),
			Code: rapid.IntRange(0, 9).Draw(t, "code"), Heard: rapid.Bool().Draw(t, "heard"), Duration: time.Duration(rapid.IntRange(0, 500).Draw(t, "duration")) * time.Second,
		}
	}
	return who, s
}

// TestAnyOrder: whatever comes in whatever order, nothing breaks, each step is
// in at most one boot, and every boot is judged, in words that print and the
// same again.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := record.NewJoiner()
		ids := map[string]bool{}
		kept := 0
		j.Closed = func(b *model.Boot) {
			if ids[b.ID] || !b.Ended || len(b.Steps) == 0 {
				t.Fatalf("%s ended twice, not at all, or empty", b.ID)
			}
			ids[b.ID] = true
			kept += count(b)
			judgeTwice(t, b)
		}
		added, begun, now := 0, 0, at(0)
		pauses := []time.Duration{0, time.Millisecond, time.Second, 4 * time.Second, 20 * time.Second, 2 * time.Minute, time.Hour}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(rapid.SampledFrom(pauses).Draw(t, "pause"))
			// Several listeners do not tell in order.
			who, s := draw(t, now.Add(-time.Duration(rapid.IntRange(0, 9).Draw(t, "late"))*50*time.Millisecond))
			if b := j.Add(who, s); b != nil {
				added++
				if s.Kind == model.StepAsked {
					begun++ // its end may come, and is one step with it
				}
				if b.Ended || b.Last.Before(b.Start) {
					t.Fatalf("a step went to %+v", b)
				}
				judgeTwice(t, b)
			}
			if rapid.IntRange(0, 19).Draw(t, "expire") == 0 {
				j.Expire(now)
			}
		}
		j.EndAll()
		if kept > added || kept < added-begun {
			t.Fatalf("%d steps were taken, %d of them beginnings of reads, and %d are in boots", added, begun, kept)
		}
	})
}

// count is how many steps a boot was made of, but for the beginnings of reads
// that came to their end.
func count(b *model.Boot) (n int) {
	for i := range b.Steps {
		n += b.Steps[i].Times()
	}
	return n + b.Left
}

func judgeTwice(t *rapid.T, b *model.Boot) {
	for _, over := range []bool{false, true} {
		c := verdict.Case{Boot: b, Now: b.Last.Add(time.Minute), Over: over}
		v := verdict.Judge(c)
		again := verdict.Judge(c)
		if v.Text != again.Text || v.Code != again.Code || v.Final != again.Final || len(v.Evidence) != len(again.Evidence) {
			t.Fatalf("judged %+v and %+v", v, again)
		}
		if _, ok := verdict.Lookup(v.Code); !ok || v.Text == "" || v.Step == "" {
			t.Fatalf("judged %+v", v)
		}
		texts := []string{v.Text, v.Cause, v.Remedy, b.Name, b.Place}
		for _, e := range v.Evidence {
			texts = append(texts, e.Text)
		}
		for _, n := range v.Notes {
			texts = append(texts, n.Text)
		}
		for _, s := range texts {
			if record.Line(s) != s {
				t.Fatalf("%q does not print", s)
			}
		}
		verdict.Durations(b)
	}
}

// boot is what a machine's boot tells the joiner: 24 steps.
var boot = recordtest.MustParse(`
	0s  discover firmware uefi-x64
	0s  offer dhcp lease 10.0.0.50
	0s  offer here proxy boots ~/snponly.efi
	4s  request for dhcp
	4s  ack dhcp lease 10.0.0.50
	5s  begin ~/snponly.efi
	5s  probe ~/snponly.efi
	5s  read ~/snponly.efi 200K
	7s  missing ~/autoexec.ipxe
	9s  discover ipxe
	9s  offer dhcp lease 10.0.0.50
	9s  offer here proxy boots http://10.0.0.2:8080/~/boot.ipxe
	10s discover again
	10s offer dhcp lease 10.0.0.50
	10s offer here proxy boots http://10.0.0.2:8080/~/boot.ipxe
	11s request for dhcp
	11s ack dhcp lease 10.0.0.50
	12s read ~/boot.ipxe 2K http
	13s begin img/a/linux
	13s read img/a/linux 8M http
	14s begin img/a/initrd.gz
	14s read img/a/initrd.gz 30M http
	40s discover os
	60s read user-data 1K http
`)

// BenchmarkAdd joins steps of 5000 machines' boots, one step an operation.
func BenchmarkAdd(b *testing.B) {
	j := record.NewJoiner()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n := i / len(boot.Events)
		e := &boot.Events[i%len(boot.Events)]
		who, s := e.Who, recordtest.Copy(e.Step)
		who.MAC = macOf(n % 5000)
		s.Time = s.Time.Add(time.Duration(n/5000) * time.Hour)
		j.Add(who, s)
	}
}

// BenchmarkJudge judges a whole boot.
func BenchmarkJudge(b *testing.B) {
	whole := boot.Join(len(boot.Events))[0]
	c := verdict.Case{Boot: whole, Now: whole.Last.Add(time.Minute)}
	b.ReportAllocs()
	for b.Loop() {
		verdict.Judge(c)
	}
}

// BenchmarkRoleOf names the roles of usual files, one an operation.
func BenchmarkRoleOf(b *testing.B) {
	names := []string{"m/525400123456/uefi-x64/shimx64.efi", "grub/grub.cfg", "img/debian-12/linux", "img/debian-12/initrd.gz", "readme"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		record.RoleOf(names[i%len(names)])
	}
}
