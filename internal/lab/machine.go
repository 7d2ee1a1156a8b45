package lab

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// MachineOpts are what a test may choose about a machine. The zero value of
// each field means the lab's default.
type MachineOpts struct {
	Name   string        // in the names of its files; default: the kind
	MAC    string        // "52:54:00:12:34:56"; default: one that no other machine of the lab has
	UUID   string        // SMBIOS system UUID; default: made from the MAC
	Memory int           // MiB
	Disk   int64         // octets of an empty disk; 0: none. The network comes before it
	DiskOf string        // a file that such a disk is a copy of, in place of an empty one
	Accel  string        // QEMU accelerator; default: tcg, the emulation that runs anywhere
	Screen io.Writer     // gets a copy of the raw console, for a person to watch
	Wait   time.Duration // how long Expect waits; default: by kind
}

// Machine is a computer that was switched on, with nothing but a network card
// and a serial console.
type Machine struct {
	Name string
	MAC  string
	UUID string

	lab      *Lab
	proc     *Proc // the emulator
	console  *Transcript
	keyboard io.Writer
	control  string // socket of QEMU's machine protocol
	patience time.Duration
}

// Machine switches on a machine of this kind on a link. Take a Slot first.
//
// Kept in the lab's directory: NAME.console (the serial line, byte for byte),
// NAME.txt (the same without control sequences) and NAME.log (what QEMU itself
// had to say).
func (l *Lab) Machine(kind Kind, link *Link, o MachineOpts) *Machine {
	l.t.Helper()
	fw, err := firmwareOf(kind)
	if err != nil {
		l.t.Fatalf("switching on a machine: %v", err)
	}
	l.defaults(kind, fw, &o)
	m := &Machine{
		Name: o.Name, MAC: o.MAC, UUID: o.UUID,
		lab: l, console: NewTranscript(), patience: o.Wait,
		// Not in the lab's directory: a socket's path has 107 octets at most.
		control: filepath.Join(os.TempDir(), l.id+"-"+o.Name+".qmp"),
	}
	args, err := m.arguments(fw, o, link.tap())
	if err != nil {
		l.t.Fatalf("switching on %s: %v", o.Name, err)
	}
	l.consoles = append(l.consoles, m)
	l.onClose(func() {
		os.Remove(m.control)
		os.WriteFile(l.Path(m.Name+".txt"), []byte(m.console.Text()), 0o644)
	})
	m.powerOn(link.ns.command(append([]string{fw.emulator}, args...)...), o.Screen)
	return m
}

// defaults fills in what the test did not choose.
func (l *Lab) defaults(kind Kind, fw firmware, o *MachineOpts) {
	l.machines++
	n := byte(l.machines)
	if o.Name == "" {
		o.Name = string(kind)
	}
	if o.MAC == "" {
		o.MAC = fmt.Sprintf("52:54:00:4c:42:%02x", n)
	}
	if o.UUID == "" {
		o.UUID = fmt.Sprintf("6c616200-0000-4000-8000-%s", hexDigits(o.MAC))
	}
	if o.Memory == 0 {
		o.Memory = fw.memory
	}
	if o.Accel == "" {
		o.Accel = "tcg"
		// QEMU keeps what it has translated of one system after a reset, and
		// writing the next one over it costs milliseconds a store (7.2): minutes
		// a kernel. A small cache forgets in time.
		if o.Disk > 0 || o.DiskOf != "" {
			o.Accel = "tcg,tb-size=64"
		}
	}
	if o.Wait == 0 {
		o.Wait = fw.patience
	}
}

// arguments are QEMU's for this machine.
func (m *Machine) arguments(fw firmware, o MachineOpts, tap string) ([]string, error) {
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-vga", "none",
		"-machine", fw.machine, "-cpu", fw.cpu, "-accel", o.Accel, "-smp", "1",
		"-m", strconv.Itoa(o.Memory), "-uuid", o.UUID,
		"-serial", "stdio", "-qmp", "unix:" + m.control + ",server=on,wait=off",
		"-netdev", "tap,id=net0,ifname=" + tap + ",script=no,downscript=no",
		"-device", m.networkCard(fw),
		// EDK2's network stack needs a source of randomness.
		"-device", "virtio-rng-pci",
	}
	if o.Disk > 0 || o.DiskOf != "" {
		disk, err := m.disk(o)
		if err != nil {
			return nil, err
		}
		m.lab.onClose(func() { os.Remove(disk) })
		args = append(args, "-drive", "if=none,id=disk0,format=raw,cache=unsafe,discard=unmap,file="+disk,
			"-device", "virtio-blk-pci,drive=disk0,bootindex=2")
	}
	args = append(args, fw.extra...)
	if o.DiskOf != "" {
		// OVMF would ask over IPv6 for a minute before it comes to the disk.
		args = append(args, "-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=no")
	}
	if fw.bios != "" {
		args = append(args, "-bios", fw.bios)
	}
	if fw.code == "" {
		return args, nil
	}
	vars, err := copyFile(fw.vars, m.lab.Path(m.Name+".vars.fd"))
	return append(args,
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+fw.code,
		"-drive", "if=pflash,unit=1,format=raw,file="+vars), err
}

// disk makes the file that is the machine's disk.
func (m *Machine) disk(o MachineOpts) (string, error) {
	name := m.lab.Path(m.Name + ".disk")
	if o.DiskOf != "" {
		return copyFile(o.DiskOf, name)
	}
	return emptyFile(name, o.Disk)
}

// networkCard describes the card. Left to itself QEMU gives it the iPXE ROM,
// with the card's own PCI identity written into it; a ROM that is named does
// not get that, and SeaBIOS passes it over.
func (m *Machine) networkCard(fw firmware) string {
	card := fw.card
	if card == "" {
		card = "virtio-net-pci"
	}
	card += ",netdev=net0,bootindex=1,mac=" + m.MAC
	if fw.netROM {
		return card
	}
	return card + ",romfile="
}

// powerOn starts the emulator with the serial line on its standard input and
// output.
func (m *Machine) powerOn(cmd *exec.Cmd, screen io.Writer) {
	t := m.lab.t
	t.Helper()
	raw, err := os.Create(m.lab.Path(m.Name + ".console"))
	if err != nil {
		t.Fatalf("switching on %s: %v", m.Name, err)
	}
	m.lab.onClose(func() { raw.Close() })
	keyboard, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("switching on %s: %v", m.Name, err)
	}
	m.keyboard = keyboard
	outs := []io.Writer{raw, m.console}
	if screen != nil {
		outs = append(outs, screen)
	}
	cmd.Stdout = io.MultiWriter(outs...)
	m.proc = m.lab.start(m.Name, cmd)
}

// Expect waits as long as machines of this kind may need until the console
// shows text that matches the regular expression, and returns the match. It
// ends the test if that does not happen.
func (m *Machine) Expect(pattern string) string {
	m.lab.t.Helper()
	return m.WaitFor(pattern, m.patience)
}

// WaitFor is Expect with a time of its own.
func (m *Machine) WaitFor(pattern string, timeout time.Duration) string {
	m.lab.t.Helper()
	match, err := m.console.wait(pattern, timeout, m.proc.done)
	if err != nil {
		m.lab.t.Fatalf("the console of %s %v; QEMU says: %s", m.Name, err, m.proc.Output())
	}
	return match
}

// Shows reports whether the console shows the pattern within the time.
func (m *Machine) Shows(pattern string, timeout time.Duration) bool {
	_, err := m.console.wait(pattern, timeout, m.proc.done)
	return err == nil
}

// Console is everything that the machine has written on its serial console,
// as text.
func (m *Machine) Console() string { return m.console.Text() }

// Type sends keys to the serial console, the next when the console has shown
// something since the last, or after a while: a serial port holds 16 octets,
// and a machine on a busy host reads them late.
func (m *Machine) Type(keys string) {
	m.lab.t.Helper()
	for i := range len(keys) {
		before := m.console.Len()
		if _, err := io.WriteString(m.keyboard, keys[i:i+1]); err != nil {
			m.lab.t.Fatalf("typing on %s: %v", m.Name, err)
		}
		for tries := 0; tries < 100 && m.console.Len() == before; tries++ {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// Reset presses the reset button. Later waits look only at what the console
// shows from then on.
func (m *Machine) Reset() {
	m.lab.t.Helper()
	m.console.Mark()
	if err := qmpExecute(m.control, "system_reset"); err != nil {
		m.lab.t.Fatalf("resetting %s: %v", m.Name, err)
	}
}

// Stop switches the machine off, as pulling the plug does.
func (m *Machine) Stop() { m.proc.Kill() }

// hexDigits is a MAC address without its separators.
func hexDigits(mac string) string {
	var out []byte
	for i := range len(mac) {
		if mac[i] != ':' {
			out = append(out, mac[i])
		}
	}
	return string(out)
}

// emptyFile makes a file of this size that takes no space until it is written.
func emptyFile(name string, size int64) (string, error) {
	f, err := os.Create(name)
	if err != nil {
		return "", fmt.Errorf("making a disk: %v", err)
	}
	defer f.Close()
	return name, f.Truncate(size)
}

func copyFile(from, to string) (string, error) {
	b, err := os.ReadFile(from)
	if err != nil {
		return "", fmt.Errorf("copying %s: %v", from, err)
	}
	return to, os.WriteFile(to, b, 0o600)
}
