package diag

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/sim"
	"hobnail/internal/verdict"
	"hobnail/internal/wire/dhcp4"
)

// walkOf makes a walk up to the choice, by the very steps that diag/walk takes.
func walkOf(t *testing.T, m sim.Machine, offers func(sent *dhcp4.Packet) []Answer) *Walk {
	t.Helper()
	m.MAC = "02:00:00:00:00:01"
	w := &Walk{Machine: m, Interface: "eth0", Sent: asked(t, m), Rounds: 1, End: began.Add(10 * time.Second)}
	w.Asks(began, w.Sent, netip.Addr{})
	for i, a := range offers(w.Sent) {
		a.Time = began.Add(time.Duration(i+1) * time.Millisecond)
		w.Offers = append(w.Offers, a)
		w.Hears(a)
	}
	w.Choice, w.Chosen = Choose(ChooserOf(m), w.Sent, w.Offers)
	return w
}

// read ends a walk with an ACK and the boot file.
func (w *Walk) read(t *testing.T, kind model.StepKind, change func(*model.FileStep)) {
	t.Helper()
	offer := w.Choice.Address
	request := *w.Sent
	request.Options = append(dhcp4.Options(nil), w.Sent.Options...)
	request.Options[0].Data = []byte{byte(dhcp4.Request)}
	request.Options.AddAddr(dhcp4.OptServerID, offer.Server())
	w.Asks(began.Add(time.Second), &request, netip.Addr{})
	ack := said(t, w.Sent, dhcp4.Ack, offer.Server().String(), offer.Packet.YIAddr.String(), nil)
	ack.Time = began.Add(2 * time.Second)
	w.Ack, w.Leased = &ack, offer.Packet.YIAddr
	w.Hears(ack)
	target, ok := TargetOf(ChooserOf(w.Machine), w.Sent, *w.Choice.Boot)
	if !ok {
		t.Fatal("the choice names no boot file")
	}
	f := &model.FileStep{Name: target.Name, Via: target.Via, Role: Role(ChooserOf(w.Machine), target.Name)}
	if change != nil {
		change(f)
	}
	w.Reads(Transfer{Target: target, Step: model.Step{Time: began.Add(3 * time.Second), Kind: kind, Client: w.Leased, Server: target.Server, File: f}})
	w.Released = true
}

const (
	site    = "10.77.2.3"
	hobnail = "10.77.2.2"
	ownFile = "m/020000000001/uefi-x64/shimx64.efi"
)

func plainAndProxy(t *testing.T, file string) func(sent *dhcp4.Packet) []Answer {
	return func(sent *dhcp4.Packet) []Answer {
		return []Answer{
			said(t, sent, dhcp4.Offer, site, "10.77.2.60", nil),
			said(t, sent, dhcp4.Offer, hobnail, "", boots(file)),
		}
	}
}

// TestChecklist: what a walk comes to, and by which verdict.
func TestChecklist(t *testing.T) {
	machine := sim.Machine{Arch: model.ArchX64}
	for _, c := range []struct {
		name    string
		walk    func(t *testing.T) *Walk
		verdict string
		found   string
	}{
		{"a healthy proxy", func(t *testing.T) *Walk {
			w := walkOf(t, machine, plainAndProxy(t, ownFile))
			w.read(t, model.StepRead, nil)
			return w
		}, verdict.HandedOver, ""},
		{"a boot file for ARM", func(t *testing.T) *Walk {
			w := walkOf(t, machine, plainAndProxy(t, ownFile))
			w.read(t, model.StepRead, func(f *model.FileStep) { f.Arch = model.ArchARM64 })
			return w
		}, verdict.BootFileWrongArch, "fault boot-file-wrong-arch"},
		{"a boot file that is not there", func(t *testing.T) *Walk {
			w := walkOf(t, machine, plainAndProxy(t, "gone.efi"))
			w.read(t, model.StepMissing, nil)
			return w
		}, verdict.BootFileNotFound, "fault boot-file-not-found"},
		{"nobody", func(t *testing.T) *Walk {
			return walkOf(t, machine, func(*dhcp4.Packet) []Answer { return nil })
		}, verdict.NoAnswer, "fault nobody-answers"},
		{"a proxy alone", func(t *testing.T) *Walk {
			return walkOf(t, machine, func(sent *dhcp4.Packet) []Answer {
				return []Answer{said(t, sent, dhcp4.Offer, hobnail, "", boots(ownFile))}
			})
		}, verdict.NoLease, "fault no-lease"},
		{"an offer that firmware drops", func(t *testing.T) *Walk {
			return walkOf(t, machine, func(sent *dhcp4.Packet) []Answer {
				return []Answer{said(t, sent, dhcp4.Offer, site, "10.77.2.60", func(p *dhcp4.Packet) {
					boots("boot.efi")(p)
					p.Options.Add(28, []byte{1})
				})}
			})
		}, verdict.OfferNotTaken, "fault bad-option, fault offer-not-taken"},
		{"a stray boot file", func(t *testing.T) *Walk {
			w := walkOf(t, machine, func(sent *dhcp4.Packet) []Answer {
				return []Answer{
					said(t, sent, dhcp4.Offer, site, "10.77.2.60", func(p *dhcp4.Packet) { p.File = "other.efi" }),
					said(t, sent, dhcp4.Offer, hobnail, "", boots(ownFile)),
				}
			})
			w.read(t, model.StepRead, nil)
			return w
		}, verdict.HandedOver, "warning stray-boot-file"},
		{"two servers of two networks", func(t *testing.T) *Walk {
			w := walkOf(t, machine, func(sent *dhcp4.Packet) []Answer {
				return []Answer{
					said(t, sent, dhcp4.Offer, hobnail, "10.77.2.60", boots(ownFile)),
					said(t, sent, dhcp4.Offer, "192.168.1.1", "192.168.1.100", func(p *dhcp4.Packet) { without(p, 3) }),
				}
			})
			w.read(t, model.StepRead, nil)
			return w
		}, verdict.HandedOver, "warning no-router, fault second-dhcp-server"},
		{"two servers alike", func(t *testing.T) *Walk {
			w := walkOf(t, machine, func(sent *dhcp4.Packet) []Answer {
				return []Answer{
					said(t, sent, dhcp4.Offer, site, "10.77.2.60", boots("boot.efi")),
					said(t, sent, dhcp4.Offer, "10.77.2.4", "10.77.2.90", nil),
				}
			})
			w.read(t, model.StepRead, nil)
			return w
		}, verdict.HandedOver, "warning second-dhcp-server"},
		{"two servers offer one address", func(t *testing.T) *Walk {
			w := walkOf(t, machine, func(sent *dhcp4.Packet) []Answer {
				return []Answer{
					said(t, sent, dhcp4.Offer, site, "10.77.2.60", boots("boot.efi")),
					said(t, sent, dhcp4.Offer, "10.77.2.4", "10.77.2.60", nil),
				}
			})
			w.read(t, model.StepRead, nil)
			return w
		}, verdict.HandedOver, "fault second-dhcp-server"},
		{"hobnail offers another's address", func(t *testing.T) *Walk {
			w := walkOf(t, machine, func(sent *dhcp4.Packet) []Answer {
				return []Answer{
					said(t, sent, dhcp4.Offer, site, "10.77.2.60", nil),
					said(t, sent, dhcp4.Offer, hobnail, "10.77.2.60", boots(ownFile)),
				}
			})
			w.read(t, model.StepRead, nil)
			return w
		}, verdict.HandedOver, ""},
		{"hobnail completes another's answer", func(t *testing.T) *Walk {
			w := walkOf(t, machine, func(sent *dhcp4.Packet) []Answer {
				return []Answer{
					said(t, sent, dhcp4.Offer, site, "10.77.2.60", nil),
					said(t, sent, dhcp4.Offer, hobnail, "10.77.2.61", boots(ownFile)),
				}
			})
			w.Merged = true
			w.read(t, model.StepRead, nil)
			return w
		}, verdict.HandedOver, ""},
		{"the same, and nobody heard it ask", func(t *testing.T) *Walk {
			w := walkOf(t, machine, func(sent *dhcp4.Packet) []Answer {
				return []Answer{
					said(t, sent, dhcp4.Offer, site, "10.77.2.60", nil),
					said(t, sent, dhcp4.Offer, hobnail, "10.77.2.61", boots(ownFile)),
				}
			})
			w.read(t, model.StepRead, nil)
			return w
		}, verdict.HandedOver, "fault second-dhcp-server"},
		{"a helper that is missing", func(t *testing.T) *Walk {
			w := walkOf(t, machine, func(sent *dhcp4.Packet) []Answer {
				return []Answer{said(t, sent, dhcp4.Offer, site, "10.77.2.60", nil)}
			})
			direct := said(t, w.Sent, dhcp4.Offer, "10.77.1.2", "", boots(ownFile))
			w.Server, w.Direct = netip.MustParseAddr("10.77.1.2"), &direct
			return w
		}, verdict.NoAnswer, "fault helper-missing, fault no-answer"},
		{"an address without a mask", func(t *testing.T) *Walk {
			w := walkOf(t, machine, func(sent *dhcp4.Packet) []Answer {
				return []Answer{said(t, sent, dhcp4.Offer, site, "10.77.2.60", func(p *dhcp4.Packet) { boots("boot.efi")(p); without(p, 1) })}
			})
			ack := said(t, w.Sent, dhcp4.Ack, site, "10.77.2.60", func(p *dhcp4.Packet) { without(p, 1) })
			ack.Time = began.Add(time.Second)
			w.Ack, w.Leased, w.Released = &ack, ack.Packet.YIAddr, true
			w.Hears(ack)
			w.Declines(began.Add(2 * time.Second))
			return w
		}, verdict.Declined, "fault no-mask, fault declined"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := c.walk(t)
			if got := w.Judge(); got.Code != c.verdict {
				t.Errorf("verdict %s (%s), want %s", got.Code, got.Text, c.verdict)
			}
			list := w.Checklist()
			if got := codesOf(list); got != c.found {
				t.Errorf("found %q, want %q", got, c.found)
			}
			for _, f := range list {
				if f.State == Fault && f.Remedy == "" {
					t.Errorf("%s has no remedy", f.Code)
				}
			}
			if Healthy(list) == strings.Contains(c.found, "fault") {
				t.Errorf("healthy %v with %q", Healthy(list), c.found)
			}
		})
	}
}

// TestNotGivenBack: a lease that is left is told of.
func TestNotGivenBack(t *testing.T) {
	w := walkOf(t, sim.Machine{Arch: model.ArchX64}, plainAndProxy(t, ownFile))
	w.read(t, model.StepRead, nil)
	w.Released = false
	if got := codesOf(w.Checklist()); got != "warning lease-not-released" {
		t.Errorf("found %q", got)
	}
}

// TestChoose: each kind of machine goes its own way.
func TestChoose(t *testing.T) {
	answers := func(sent *dhcp4.Packet) []Answer {
		return []Answer{
			said(t, sent, dhcp4.Offer, site, "10.77.2.60", func(p *dhcp4.Packet) { p.File = "plain.efi" }),
			said(t, sent, dhcp4.Offer, hobnail, "", boots(ownFile)),
			said(t, sent, dhcp4.Offer, "10.77.2.4", "10.77.2.90", func(p *dhcp4.Packet) {
				p.SIAddr = netip.IPv4Unspecified()
				p.Options.AddString(60, "HTTPClient")
				p.Options.AddString(67, "http://10.77.2.4/boot.efi\x00")
			}),
		}
	}
	for _, c := range []struct {
		name string
		m    sim.Machine
		want string // address of, boot data of, target
	}{
		{"UEFI", sim.Machine{Arch: model.ArchX64}, "10.77.2.3 10.77.2.2 tftp 10.77.2.2 " + ownFile},
		{"UEFI by HTTP", sim.Machine{Arch: model.ArchX64, HTTP: true}, "10.77.2.4 10.77.2.4 http invalid IP http://10.77.2.4/boot.efi"},
		{"iPXE", sim.Machine{Arch: model.ArchX64, Stage: "ipxe"}, "10.77.2.4 10.77.2.2 tftp 10.77.2.2 " + ownFile},
	} {
		w := walkOf(t, c.m, answers)
		if !w.Chosen || w.Choice.Boot == nil {
			t.Errorf("%s takes nothing", c.name)
			continue
		}
		target, _ := TargetOf(ChooserOf(c.m), w.Sent, *w.Choice.Boot)
		got := strings.Join([]string{w.Choice.Address.Server().String(), w.Choice.Boot.Server().String(), target.Via, target.Server.String(), target.Name}, " ")
		if got != c.want {
			t.Errorf("%s takes %s, want %s", c.name, got, c.want)
		}
	}
	w := walkOf(t, sim.Machine{Arch: model.ArchX64}, func(sent *dhcp4.Packet) []Answer {
		return []Answer{said(t, sent, dhcp4.Offer, site, "10.77.2.60", func(p *dhcp4.Packet) { p.Options.AddString(60, "PXEClient") })}
	})
	if got := w.Choice.AskFirst.String(); got != site {
		t.Errorf("with option 60 alone port 4011 of %s is asked, want %s", got, site)
	}
}

// TestOption60Alone: a fault where nobody answers port 4011, nothing where its
// own boot service does, a warning where it was not asked.
func TestOption60Alone(t *testing.T) {
	for _, c := range []struct {
		name      string
		ack, told bool
		want      bool // among what is found
		state     State
	}{
		{"silent", true, false, true, Fault},
		{"answers", true, true, false, ""},
		{"not asked", false, false, true, Warning},
	} {
		w := walkOf(t, sim.Machine{Arch: model.ArchX64}, func(sent *dhcp4.Packet) []Answer {
			return []Answer{said(t, sent, dhcp4.Offer, site, "10.77.2.60", func(p *dhcp4.Packet) { p.Options.AddString(60, "PXEClient") })}
		})
		a := said(t, w.Sent, dhcp4.Ack, site, "10.77.2.60", nil)
		if c.ack {
			w.Ack = &a
		}
		if c.told {
			w.Told = &a
		}
		found := false
		for _, f := range w.faultsOfAnswers() {
			if f.Code == Option60Alone {
				found = true
				if f.State != c.state {
					t.Errorf("%s: it is a %s, want a %s", c.name, f.State, c.state)
				}
			}
		}
		if found != c.want {
			t.Errorf("%s: found %v, want %v", c.name, found, c.want)
		}
	}
}
