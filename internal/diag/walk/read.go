package walk

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"hobnail/internal/diag"
	"hobnail/internal/model"
	"hobnail/internal/nbp"
	"hobnail/internal/record"
	"hobnail/internal/verdict"
	"hobnail/internal/wire/tftp"
)

// read loads what the machine would load first.
func (g *walker) read(ctx context.Context, t diag.Target) {
	if t.Via == "http" {
		g.readHTTP(ctx, t)
		return
	}
	g.opts.Say(fmt.Sprintf("reading %s from %s by TFTP", record.Printable(t.Name), t.Server))
	step := g.step(t)
	if !g.sizeProbe(ctx, t, step) {
		return
	}
	at := time.Now()
	r := readTFTP(ctx, g.from, t.Server, asking{name: t.Name, blksize: firmwareBlock, window: firmwareWindow})
	step.Time, step.Last = at, time.Now()
	g.fill(&step, r)
	switch {
	case ctx.Err() != nil:
		return
	case r.done:
		step.Kind = model.StepRead
		g.look(t, &step, r.data)
	case r.refused:
		g.refusal(ctx, t, &step, r)
	default:
		g.stalled(ctx, t, &step, r)
	}
}

// step begins the record of a read.
func (g *walker) step(t diag.Target) model.Step {
	return model.Step{
		Time: time.Now(), Server: t.Server, Client: g.w.Leased,
		File: &model.FileStep{Name: record.Printable(t.Name), Via: t.Via, Role: diag.Role(g.chooser, t.Name)},
	}
}

func (g *walker) fill(step *model.Step, r got) {
	f := step.File
	f.Octets, f.Blocks, f.Retransmissions, f.Duration, f.RoundTrip = int64(len(r.data)), r.blocks, r.again, r.took, r.roundTrip
	f.Blksize, f.Window = tftp.DefaultBlksize, 1
	if r.oack {
		f.Blksize = firmwareBlock
		if v, ok := r.options.Get(tftp.OptionBlksize); ok {
			fmt.Sscan(v, &f.Blksize)
		} else {
			f.Blksize = tftp.DefaultBlksize
		}
		if v, ok := r.options.Get(tftp.OptionWindowsize); ok {
			fmt.Sscan(v, &f.Window)
		}
	}
	if r.size > 0 {
		f.Size = r.size
	}
	f.Heard = r.acked || r.oack && r.again < blockTries-1
	f.Code = int(r.code)
	if !r.refused {
		f.Code = 0
	}
}

// sizeProbe asks for the size first, as EDK2 does, and reports whether it is
// worth while to read.
func (g *walker) sizeProbe(ctx context.Context, t diag.Target, step model.Step) bool {
	r := readTFTP(ctx, g.from, t.Server, asking{name: t.Name, blksize: firmwareBlock, window: firmwareWindow, probe: true})
	step.Last = time.Now()
	g.fill(&step, r)
	switch {
	case ctx.Err() != nil:
		return false
	case r.refused:
		g.refusal(ctx, t, &step, r)
		return false
	case !r.answered:
		g.unanswered(ctx, t, &step, r)
		return false
	case !r.oack:
		g.find(diag.NoOptions, diag.Fault, "the TFTP server %s answers a request that has options with none", t.Server)
	case r.size < 0:
		g.find(diag.NoTsize, diag.Fault, "the TFTP server %s does not tell the size of %s", t.Server, step.File.Name)
	}
	step.Kind, step.File.Octets = model.StepProbe, 0
	g.w.Steps = append(g.w.Steps, diag.Stepped{Who: record.Who{MAC: g.opts.Machine.MAC}, Step: step})
	return true
}

// refusal: the server sent an error.
func (g *walker) refusal(ctx context.Context, t diag.Target, step *model.Step, r got) {
	step.Text = record.Printable(r.text)
	switch r.code {
	case tftp.ErrorNotFound:
		step.Kind = model.StepMissing
		step.File.Near = g.near(ctx, t)
	case tftp.ErrorAccess:
		step.Kind = model.StepRefused
	default:
		step.Kind = model.StepFault
	}
	g.done(t, *step)
}

// near tries other spellings of a name that is not there.
func (g *walker) near(ctx context.Context, t diag.Target) (found []string) {
	base := t.Name[strings.LastIndexAny(t.Name, `/\`)+1:]
	for _, name := range []string{
		strings.TrimLeft(t.Name, `/\`), "/" + strings.TrimLeft(t.Name, "/"), strings.ReplaceAll(t.Name, `\`, "/"),
		strings.ToLower(t.Name), strings.TrimSpace(t.Name), base, "boot/" + base,
	} {
		if name == "" || name == t.Name || len(found) == 3 || ctx.Err() != nil {
			continue
		}
		if r := readTFTP(ctx, g.from, t.Server, asking{name: name, blksize: firmwareBlock, probe: true}); r.done && !r.refused {
			found = append(found, record.Printable(name))
		}
	}
	return found
}

// unanswered: nothing came at all. What the network says of it is told too.
func (g *walker) unanswered(ctx context.Context, t diag.Target, step *model.Step, _ got) {
	step.Kind, step.Why, step.Count = model.StepStalled, verdict.Unanswered, requestTries
	req, _ := tftp.Request{Op: tftp.OpRead, Name: t.Name, Mode: tftp.ModeOctet}.Append(nil)
	g.tellReach(reachOf(ctx, g.from, netip.AddrPortFrom(t.Server, 69), req), t.Server, "UDP port 69")
	g.done(t, *step)
}

func (g *walker) tellReach(r reach, server netip.Addr, port string) {
	switch r {
	case closed:
		g.find(diag.PortClosed, diag.Fault, "%s is there, and nothing listens on its %s", server, port)
	case away:
		g.find(diag.HostAway, diag.Fault, "the network says that %s, the boot server, cannot be reached: nobody has that address, or a router does not let it pass", server)
	case barred:
		g.find(diag.Firewall, diag.Fault, "a firewall on the way says that %s of %s may not be reached", port, server)
	case noWay:
		g.find(diag.NoRoute, diag.Fault, "there is no route from here to the boot server %s", server)
	}
}

// stalled: it began, and did not come to its end. By what passes we tell what
// does not.
func (g *walker) stalled(ctx context.Context, t diag.Target, step *model.Step, r got) {
	step.Kind = model.StepStalled
	defer func() { g.done(t, *step) }()
	if r.blocks > 0 || !r.answered {
		step.File.Heard = r.blocks > 0
		if r.blocks == 0 {
			step.Why = verdict.Unanswered
		}
		return
	}
	g.opts.Say("the first block does not come: looking for a size that does")
	small := readTFTP(ctx, g.from, t.Server, asking{name: t.Name, blksize: tftp.DefaultBlksize, first: true, tries: 3})
	if small.blocks == 0 {
		step.File.Heard = false
		g.find(diag.DataPort, diag.Fault, "%s answers the request for %s, and never hears our acknowledgement, which goes to the port that it answers from", t.Server, step.File.Name)
		return
	}
	step.File.Heard = true
	if ctx.Err() != nil {
		return
	}
	n := largestBlock(ctx, g.from, t.Server, asking{name: t.Name}, tftp.DefaultBlksize, firmwareBlock)
	g.find(diag.PathMTU, diag.Fault, "blocks of up to %d octets get through, the %d that firmware asks for do not: the path from %s has an MTU of about %d",
		n, firmwareBlock, t.Server, n+32)
}

// look reads what a file says of itself.
func (g *walker) look(t diag.Target, step *model.Step, content []byte) {
	defer func() { g.done(t, *step) }()
	f := step.File
	if lost := f.Retransmissions; lost > 3 && lost > f.Blocks/100 {
		g.find(diag.Lossy, diag.Warning, "%d of %d blocks of %s had to be asked for again", lost, f.Blocks, f.Name)
	}
	if g.chooser == diag.IPXE && f.Role == model.RoleConfig {
		if !strings.HasPrefix(string(content), "#!ipxe") {
			g.find(diag.NoScript, diag.Fault, "%s is given to iPXE and does not begin with #!ipxe", f.Name)
		}
		return
	}
	if f.Role != model.RoleLoader || diag.IsDisk(t.Name) || len(content) > maxRead {
		return
	}
	arch := g.opts.Machine.Arch
	name := t.Name[strings.LastIndexAny(t.Name, `/\`)+1:]
	l := nbp.LookAt(arch, name, content)
	f.Arch, f.Signer = l.Arch, record.Printable(l.Signer)
	if l.Unfit != "" {
		g.find(diag.ProgramUnfit, diag.Fault, "%s %s", f.Name, l.Unfit)
	}
}

// done ends the walk with the read.
func (g *walker) done(t diag.Target, step model.Step) {
	g.w.Reads(diag.Transfer{Target: t, Step: step, Signer: step.File.Signer})
}

// dialer dials from the address that the machine's files are read from.
func (g *walker) dialer() *net.Dialer {
	return &net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: g.from.AsSlice()}}
}
