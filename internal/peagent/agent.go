package peagent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The agent's own files, on Windows PE's RAM disk.
const (
	workFolder   = `X:\hobnail`
	scriptFile   = workFolder + `\diskpart.txt`
	unattendFile = workFolder + `\unattend.xml`
	dismLog      = workFolder + `\dism.log`
)

// Agent is one install.
type Agent struct {
	Host   Host
	Config Config
	Client *http.Client // without a timeout of its own: what is downloaded takes its time

	log     strings.Builder
	begun   string // the step that runs
	dumb    bool   // the server did not take a report; said once
	in      Instructions
	disk    Disk
	answers []byte // unattend.xml
	booted  Firmware
}

// step is one part of an install.
type step struct {
	name string
	way  Way // empty: both
	do   func(*Agent, context.Context) *Failure
}

func steps() []step {
	return []step{
		{"network", "", (*Agent).network},
		{"instructions", "", (*Agent).instructions},
		{"unattend", "", (*Agent).unattend},
		{"partition", "", (*Agent).partition},
		{"download", "", (*Agent).download},
		{"apply", WayDISM, (*Agent).apply},
		{"boot", WayDISM, (*Agent).boot},
		{"finish", WayDISM, (*Agent).finish},
		{"setup", WaySetup, (*Agent).setup},
		{"reboot", "", (*Agent).reboot},
	}
}

// Run installs. After it has come back without an error the machine starts
// again. The error is a *Failure, or the context's; then nothing more must
// happen by itself.
func (a *Agent) Run(ctx context.Context) error {
	a.say("hobnail installs %s (index %d), told by %s", or(plain(a.Config.Image), "Windows"), a.Config.Index, a.Config.Server)
	for _, s := range steps() {
		if s.way != "" && s.way != a.in.Way {
			continue
		}
		if err := a.step(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// step does one step and reports how it went.
func (a *Agent) step(ctx context.Context, s step) error {
	a.begun = s.name
	if s.name != "network" { // before it there is nobody to tell
		a.report(ctx, "begin")
	}
	f := s.do(a, ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	if f == nil {
		if s.name != "reboot" {
			a.report(ctx, "end")
		}
		return nil
	}
	f.Step = s.name
	a.fail(ctx, f)
	return f
}

// fail tells people and the server.
func (a *Agent) fail(ctx context.Context, f *Failure) {
	a.say("")
	a.say("FAILED     %s", f.What)
	a.say("because    %s", f.Why)
	a.say("what to do %s", f.Do)
	a.report(ctx, "fail", "what", f.What, "why", f.Why, "do", f.Do)
	a.sendLog(ctx)
}

// say shows and keeps a line.
func (a *Agent) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	a.Host.Say(line)
	a.log.WriteString(line + "\r\n")
}

// network starts Windows PE's network and waits for the server, for as long as
// it takes.
func (a *Agent) network(ctx context.Context) *Failure {
	a.say("starting the network: wpeinit")
	if err := a.run(ctx, command("wpeinit"), nil); err != nil {
		// It also fails for things that do not matter here; the server decides.
		a.say("wpeinit did not end well: %v", err)
	}
	if err := a.Host.MkdirAll(workFolder); err != nil {
		return &Failure{What: "making " + workFolder, Why: err.Error(), Do: "Windows PE's RAM disk is full or read-only: look at the boot.wim"}
	}
	wait := 2 * time.Second
	for try := 1; ; try++ {
		err := a.hello(ctx)
		if err == nil {
			a.say("the server answers")
			return nil
		}
		if err := ctx.Err(); err != nil {
			return nil
		}
		a.say("the server does not answer (attempt %d): %v", try, err)
		a.say("  this machine's addresses: %s", or(strings.Join(a.Host.Addresses(), ", "), "none; a driver for the network card is missing in boot.wim, or no cable is plugged in, or no DHCP server answers"))
		if err := a.Host.Wait(ctx, wait); err != nil {
			return nil
		}
		wait = min(2*wait, 30*time.Second)
	}
}

// instructions fetches what is to be done and holds it against this machine.
func (a *Agent) instructions(ctx context.Context) *Failure {
	in, f := a.fetch(ctx)
	if f != nil {
		return f
	}
	a.say("machine %s: install %s by %s", plain(in.Machine), plain(in.Image), in.Way)
	a.in = in
	have := a.Host.Identity()
	a.say("this machine has %v", have)
	if why := in.For.Differs(have); why != "" {
		return &Failure{What: "looking whether this is " + or(plain(in.Machine), "the machine"), Why: why,
			Do: "nothing was changed; machines behind one address (NAT) may get each other's files: start this one again when the other is done"}
	}
	if !in.Wipe {
		return &Failure{What: "looking whether a disk may be wiped", Why: "the instructions do not say so (wipe)",
			Do: "nothing was changed; order the install with a disk to wipe"}
	}
	var err error
	if a.booted, err = a.Host.Firmware(); err != nil {
		return &Failure{What: "asking how this machine booted", Why: err.Error(), Do: "nothing was changed; send the log to hobnail's makers"}
	}
	if in.Firmware != "" && in.Firmware != a.booted {
		return &Failure{What: "looking how this machine booted", Why: fmt.Sprintf("by %s, and the instructions are for %s", a.booted, in.Firmware),
			Do: "nothing was changed; set the firmware to boot the other way, or order the install for this one"}
	}
	return nil
}

// maxWaits is how often the server may say that it is not ready: for 5 GB from
// the slowest disk a dozen times.
const maxWaits = 1000

// fetch fetches the instructions, and comes again for as long as the server says
// so.
func (a *Agent) fetch(ctx context.Context) (Instructions, *Failure) {
	for n := 1; ; n++ {
		b, err := a.get(ctx, "pe.json")
		if err != nil {
			return Instructions{}, &Failure{What: "fetching the instructions", Why: err.Error(),
				Do: "the install may be over or was called off: look at the machine on the server, and order it again"}
		}
		in, err := ParseInstructions(b)
		if err != nil {
			return Instructions{}, &Failure{What: "reading the instructions", Why: err.Error(),
				Do: "the agent in boot.wim and the server are of different versions: start the machine from the network again"}
		}
		if in.Wait == 0 {
			return in, nil
		}
		if n == maxWaits {
			return Instructions{}, &Failure{What: "waiting for the instructions", Why: plain(in.Why),
				Do: "nothing was changed; look at the server's log, then start this machine from the network again"}
		}
		a.say("the server is not ready: %s; asking again in %d s", cut(plain(in.Why), 200), in.Wait)
		if err := a.Host.Wait(ctx, time.Duration(in.Wait)*time.Second); err != nil {
			return Instructions{}, &Failure{What: "waiting for the instructions", Why: err.Error(), Do: "nothing was changed"}
		}
	}
}

// unattend fetches the answer file while the disk is still whole.
func (a *Agent) unattend(ctx context.Context) *Failure {
	if !a.in.Unattend {
		a.say("there is no answer file: Windows will ask its questions")
		return nil
	}
	b, err := a.get(ctx, "unattend.xml")
	if err == nil {
		err = a.Host.WriteFile(unattendFile, b)
	}
	if err != nil {
		return &Failure{What: "fetching unattend.xml", Why: err.Error(), Do: "nothing was changed; look at the answer file on the server"}
	}
	a.answers = b
	return nil
}

// partition wipes the disk. Nothing before it changes anything.
func (a *Agent) partition(ctx context.Context) *Failure {
	disks, err := a.Host.Disks()
	if err != nil {
		return &Failure{What: "listing the disks", Why: err.Error(), Do: "nothing was changed; send the log to hobnail's makers"}
	}
	for _, d := range disks {
		a.say("found %v", d)
	}
	d, err := a.in.Disk.Choose(disks, a.in.need())
	if err != nil {
		return &Failure{What: "choosing a disk", Why: err.Error(),
			Do: "nothing was changed; name another disk, or put a driver for the disk's controller into boot.wim"}
	}
	a.disk = d
	a.say("")
	a.say("WIPING %v", d)
	if err := a.Host.WriteFile(scriptFile, []byte(script(d, a.booted, a.in))); err != nil {
		return &Failure{What: "writing " + scriptFile, Why: err.Error(), Do: "nothing was changed; look at the boot.wim"}
	}
	if err := a.run(ctx, command("diskpart", "/s", scriptFile), nil); err != nil {
		return &Failure{What: "dividing " + d.String(), Why: err.Error(),
			Do: "the disk may be empty by now; look whether S:, V: or W: are taken by another drive (take out USB sticks), and whether the disk is read-only or broken"}
	}
	return nil
}

// apply lays out the image.
func (a *Agent) apply(ctx context.Context) *Failure {
	if err := a.run(ctx, command("dism", "/English", "/Apply-Image", "/ImageFile:"+a.image(), fmt.Sprintf("/Index:%d", a.in.WIM.Index),
		"/ApplyDir:"+windowsDrive, "/ScratchDir:"+windowsDrive+`hobnail`, "/LogPath:"+dismLog), a.percent(ctx)); err != nil {
		return &Failure{What: fmt.Sprintf("applying image %d of %s", a.in.WIM.Index, a.in.WIM.file()), Why: err.Error(),
			Do: dismLog + " says more; a full disk, a broken one and a WIM newer than this Windows PE are the usual causes"}
	}
	// Two gigabytes and more that nobody needs any longer; it harms nothing if
	// they stay.
	if err := a.Host.Remove(a.image()); err != nil {
		a.say("%s stays on the disk: %v", a.image(), err)
	}
	return nil
}

// boot writes the boot files and the installed system's own boot
// configuration.
func (a *Agent) boot(ctx context.Context) *Failure {
	if err := a.run(ctx, command("bcdboot", windowsDrive+"Windows", "/s", "S:", "/f", strings.ToUpper(string(a.booted))), nil); err != nil {
		return &Failure{What: "making the disk start Windows", Why: err.Error(),
			Do: "look whether the image that was applied is a Windows (W:\\Windows), and for this processor"}
	}
	return nil
}

// finish puts what Windows finds at its first start.
func (a *Agent) finish(context.Context) *Failure {
	do := "the disk may be full or broken; W: has Windows on it, without its answers"
	if a.in.Unattend {
		if err := a.write(windowsDrive+`Windows\Panther`, "unattend.xml", a.answers); err != nil {
			return &Failure{What: "putting unattend.xml into place", Why: err.Error(), Do: do}
		}
	}
	if err := a.write(windowsDrive+`Windows\Setup\Scripts`, "SetupComplete.cmd", setupComplete(a.Config)); err != nil {
		return &Failure{What: "putting SetupComplete.cmd into place", Why: err.Error(), Do: do}
	}
	return nil
}

func (a *Agent) write(dir, name string, b []byte) error {
	if err := a.Host.MkdirAll(dir); err != nil {
		return err
	}
	return a.Host.WriteFile(dir+`\`+name, b)
}

// setup has setup.exe do what dism and bcdboot do otherwise. It wants
// install.wim on a drive, and an answer file that installs to the partition
// that is there already: one that wipes the disk takes away what it reads.
func (a *Agent) setup(ctx context.Context) *Failure {
	a.say("Setup reads %s; the answer file must install to partition %d of disk %d and must not wipe it", a.image(), a.windowsPartition(), a.disk.Number)
	if err := a.write(sourceDrive+`sources\$OEM$\$$\Setup\Scripts`, "SetupComplete.cmd", setupComplete(a.Config)); err != nil {
		return &Failure{What: "putting SetupComplete.cmd into place", Why: err.Error(), Do: "the disk may be broken"}
	}
	args := []string{"/noreboot", "/installfrom:" + a.image()}
	if a.in.Unattend {
		args = append(args, "/unattend:"+unattendFile)
	}
	if err := a.run(ctx, command(`X:\sources\setup.exe`, args...), nil); err != nil {
		return &Failure{What: "running Setup", Why: err.Error(),
			Do: `X:\Windows\Panther\setuperr.log says why; a boot.wim without Setup (its image 1) has no X:\sources\setup.exe`}
	}
	return nil
}

// windowsPartition is the number of the partition for Windows.
func (a *Agent) windowsPartition() int {
	if a.booted == UEFI {
		return 3
	}
	return 2
}

// reboot is told before it is done; afterwards there is no time.
func (a *Agent) reboot(ctx context.Context) *Failure {
	a.say("done; this machine starts again, from its disk")
	a.report(ctx, "end")
	a.sendLog(ctx)
	if err := a.run(ctx, command("wpeutil", "reboot"), nil); err != nil {
		return &Failure{What: "starting the machine again", Why: err.Error(), Do: "Windows is installed; switch the machine off and on"}
	}
	return nil
}

// setupComplete is what Windows runs once when it is installed, before anybody
// signs in. It tells the server, for up to ten minutes. curl is part of Windows
// since 10 1803. --insecure where the server has a certificate of its own
// making: the new Windows does not know it, and the token says nothing any more.
// The folder is the one that install.wim lay in.
func setupComplete(c Config) []byte {
	insecure := ""
	if c.CA != "" {
		insecure = " --insecure"
	}
	return []byte("@echo off\r\n" +
		`"%SystemRoot%\System32\curl.exe" --silent --show-error --fail` + insecure +
		" --retry 40 --retry-delay 15 --retry-connrefused --output NUL " + c.url("done") + "\r\n" +
		`rmdir /s /q "%SystemDrive%\hobnail" 2>NUL` + "\r\n")
}

// run runs a command. Its last words are part of the error.
func (a *Agent) run(ctx context.Context, c Command, line func(string)) error {
	a.say("> %s", c)
	var last []string
	err := a.Host.Run(ctx, c, func(s string) {
		s = plain(strings.TrimSpace(s))
		if s == "" {
			return
		}
		last = append(last[max(0, len(last)-5):], s)
		if line != nil && percentOf(s) >= 0 {
			line(s)
			return
		}
		a.say("  %s", s)
	})
	if err == nil {
		return nil
	}
	if len(last) > 0 {
		return fmt.Errorf("%v; its last words: %s", err, strings.Join(last, " | "))
	}
	return errors.New(err.Error())
}
