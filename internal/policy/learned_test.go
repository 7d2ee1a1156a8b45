package policy_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// lessons are what boots have taught in these tests; empty: nothing.
type lessons struct{ offer, loader string }

func (l lessons) Offer(*classify.Facts) (policy.Lesson, bool) {
	return policy.Lesson{Choice: l.offer, Why: "as taught"}, l.offer != ""
}

func (l lessons) Loader(*classify.Facts, model.Arch) (policy.Lesson, bool) {
	return policy.Lesson{Choice: l.loader, Why: "as taught"}, l.loader != ""
}

// both is what there is of iPXE for x64 and BIOS, with shim.
var both = [...]policy.Program{
	{Arch: model.ArchX64, Loader: policy.LoaderShim, File: "shimx64.efi"},
	{Arch: model.ArchX64, Loader: policy.LoaderGRUB, File: "grubx64.efi"},
	{Arch: model.ArchX64, Loader: policy.LoaderIPXE, File: "snponly.efi"},
	{Arch: model.ArchX64, Loader: policy.LoaderIPXE, File: "ipxe.efi"},
	{Arch: model.ArchBIOS, Loader: policy.LoaderIPXE, File: "undionly.kpxe"},
	{Arch: model.ArchBIOS, Loader: policy.LoaderPXELinux, File: "pxelinux.0"},
}

// TestFormOfTheOffer: what the configuration says comes first, then what boots
// have taught, and only firmware's PXE has a choice.
func TestFormOfTheOffer(t *testing.T) {
	const proxy = "[server]\ndhcp = \"proxy\"\n"
	const lab = "[[machine]]\nname = \"lab-01\"\nmac = \"52:54:00:00:00:01\"\n"
	type given struct {
		site    string
		taught  string
		capture func(f *classify.Facts)
	}
	for _, tc := range []struct {
		name string
		given
		want model.Style
		free bool
		why  string // of the last reason; "" where the form has none
	}{
		{"nothing said, nothing learned", given{}, model.StyleBypass, true, ""},
		{"a lesson", given{taught: "menu"}, model.StyleMenu, true, "the offer has the form menu: as taught (learned)"},
		{"a lesson of a form that there is not", given{taught: "shout"}, model.StyleBypass, true, ""},
		{"a form for all", given{site: "[boot]\noffer = \"no43\"\n", taught: "menu"}, model.StyleNo43, false, "the offer is to have the form no43 (hobnail.toml:4)"},
		{"a rule's", given{site: "[boot]\noffer = \"no43\"\n[[rule]]\nmatch = { arch = \"uefi-x64\" }\noffer = \"binl\"\n", taught: "menu"}, model.StyleBINL, false, "the offer is to have the form binl (hobnail.toml:5)"},
		{"a rule's for others", given{site: "[[rule]]\nmatch = { arch = \"bios\" }\noffer = \"binl\"\n", taught: "menu"}, model.StyleMenu, true, "the offer has the form menu: as taught (learned)"},
		{"a rule's, though another decides the target", given{site: "[[rule]]\nboot = \"menu\"\n[[rule]]\noffer = \"binl\"\n"}, model.StyleBINL, false, "the offer is to have the form binl (hobnail.toml:5)"},
		{"a machine's own before a rule's", given{site: "[[rule]]\noffer = \"binl\"\n" + lab + "offer = \"delayed\"\n", taught: "menu"}, model.StyleDelayed, false, "the offer is to have the form delayed (hobnail.toml:5)"},
		{"a rule that leaves it to boots", given{site: "[boot]\noffer = \"no43\"\n[[rule]]\noffer = \"auto\"\n", taught: "menu"}, model.StyleMenu, true, "the offer has the form menu: as taught (learned)"},
		{"learning is off", given{site: "[boot]\nlearn = \"off\"\n", taught: "menu"}, model.StyleBypass, false, ""},
		{"learning is off for this machine", given{site: lab + "learn = \"off\"\n", taught: "menu"}, model.StyleBypass, false, ""},
		{"learning is off but for a rule's machines", given{site: "[boot]\nlearn = \"off\"\n[[rule]]\nlearn = \"on\"\n", taught: "menu"}, model.StyleMenu, true, "the offer has the form menu: as taught (learned)"},
		{"iPXE", given{site: "[boot]\noffer = \"menu\"\n", taught: "menu", capture: func(f *classify.Facts) { f.Stage = classify.StageIPXE }}, "", false, ""},
		{"UEFI HTTP boot", given{site: "[boot]\noffer = \"menu\"\n", taught: "menu", capture: func(f *classify.Facts) { f.Class = classify.ClassHTTP }}, "", false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, proxy+tc.site)
			w.Learned = lessons{offer: tc.taught}
			f := asks(lab1, boots(model.ArchX64, model.FirmwareUEFI))
			if tc.capture != nil {
				tc.capture(f)
			}
			d := w.Decide(noon, f)
			if d.Answer != policy.Offer || d.Style != tc.want || d.FreeStyle != tc.free {
				t.Errorf("%s of the form %q, free %v; want %q, %v", d.Answer, d.Style, d.FreeStyle, tc.want, tc.free)
			}
			if got := reasonOf(&d, "offer"); got != tc.why {
				t.Errorf("the reason is %q\nwant %q", got, tc.why)
			}
			if (d.Delay == policy.OfferDelay) != (tc.want == model.StyleDelayed) {
				t.Errorf("it waits %s", d.Delay)
			}
		})
	}
}

// reasonOf is the last reason of a rule, "" for none.
func reasonOf(d *policy.Decision, rule string) string {
	text := ""
	for _, r := range d.Reasons() {
		if r.Rule == rule {
			text = r.Text + " (" + r.At + ")"
		}
	}
	return text
}

// TestOffersWithAnAddressHaveNoForm: only a proxy's offer is one of several.
func TestOffersWithAnAddressHaveNoForm(t *testing.T) {
	w := newWorld(t, serverSite+"[boot]\noffer = \"menu\"\n")
	w.Learned = lessons{offer: "menu"}
	d := w.Decide(noon, asks(lab1, boots(model.ArchX64, model.FirmwareUEFI)))
	if d.Answer != policy.Offer || d.Style != "" || !d.NamesFile() {
		t.Errorf("%s of the form %q", d.Answer, d.Style)
	}
}

// TestPort4011AnswersWholly: whatever the offer was, the answer there names the
// file.
func TestPort4011AnswersWholly(t *testing.T) {
	for _, s := range model.Styles() {
		w := newWorld(t, "[server]\ndhcp = \"proxy\"\n[boot]\noffer = \""+string(s)+"\"\n")
		f := asks(lab1, boots(model.ArchX64, model.FirmwareUEFI))
		f.Message, f.Ingress.Port = 3, 4011
		f.CIAddr = netip.MustParseAddr("10.77.2.77")
		f.Ingress.Src = netip.AddrPortFrom(f.CIAddr, 4011)
		d := w.Decide(noon, f)
		if d.Answer != policy.Ack || d.Style != "" || d.Delay != 0 || !d.NamesFile() {
			t.Errorf("%s: %s, form %q, after %s, file named: %v", s, d.Answer, d.Style, d.Delay, d.NamesFile())
		}
	}
}

// TestLearnedBootProgram: one iPXE takes the place of another, and nothing else
// that of anything.
func TestLearnedBootProgram(t *testing.T) {
	const proxy, server = "[server]\ndhcp = \"proxy\"\n", serverSite
	for _, tc := range []struct {
		name   string
		site   string
		arch   model.Arch
		taught string
		want   string
		free   bool
	}{
		{"nothing learned", proxy, model.ArchX64, "", "snponly.efi", true},
		{"the other iPXE", proxy, model.ArchX64, "ipxe.efi", "ipxe.efi", true},
		{"the other iPXE of a BIOS, which is not there", proxy, model.ArchBIOS, "ipxe.pxe", "undionly.kpxe", true},
		{"what is not there", proxy, model.ArchX64, "ipxe-new.efi", "snponly.efi", true},
		{"GRUB is no iPXE", proxy, model.ArchX64, "grubx64.efi", "snponly.efi", true},
		{"pxelinux is no iPXE", proxy, model.ArchBIOS, "pxelinux.0", "undionly.kpxe", true},
		{"shim stays", server, model.ArchX64, "snponly.efi", "shimx64.efi", true},
		{"a rule's iPXE", proxy + "[[rule]]\nloader = \"ipxe\"\n", model.ArchX64, "ipxe.efi", "snponly.efi", false},
		{"a machine's iPXE", proxy + "[[machine]]\nname = \"lab-01\"\nmac = \"52:54:00:00:00:01\"\nloader = \"snponly.efi\"\n", model.ArchX64, "ipxe.efi", "snponly.efi", false},
		{"learning is off", proxy + "[boot]\nlearn = \"off\"\n", model.ArchX64, "ipxe.efi", "snponly.efi", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorldWith(t, tc.site, both[:]...)
			w.Learned = lessons{loader: tc.taught}
			d := w.Decide(noon, asks(lab1, boots(tc.arch, model.FirmwareUEFI)))
			if d.Boot == nil || !strings.HasSuffix(d.Boot.File, "/"+tc.want) || d.FreeLoader != tc.free {
				t.Errorf("boot %+v, free %v; want %s, %v\n%+v", d.Boot, d.FreeLoader, tc.want, tc.free, d.Reasons())
			}
		})
	}
}

// TestSecureBootsChainIsNeverLeft: whatever was learned, a machine gets a
// program of the kind that it would have got.
func TestSecureBootsChainIsNeverLeft(t *testing.T) {
	sites := []string{serverSite, "[server]\ndhcp = \"proxy\"\n", "[server]\ndhcp = \"merge\"\n", serverSite + "[[rule]]\nloader = \"shim\"\n"}
	rapid.Check(t, func(rt *rapid.T) {
		have := append(slices.Clone(everything[:]), both[:]...)
		have = append(have, policy.Program{Arch: model.ArchX64, Loader: policy.LoaderIPXEShim, File: "ipxe-shimx64.efi"})
		keep := rapid.SliceOfN(rapid.Bool(), len(have), len(have)).Draw(rt, "there")
		var there []policy.Program
		names := []string{"ipxe.efi", "snponly.efi", "nothing.efi"}
		for i, p := range have {
			if keep[i] {
				there = append(there, p)
			}
			names = append(names, p.File)
		}
		w := newWorldWith(t, rapid.SampledFrom(sites).Draw(rt, "site"), there...)
		f := drawFacts(rt)
		plain := w.Decide(noon, f)
		w.Learned = lessons{loader: rapid.SampledFrom(names).Draw(rt, "lesson"), offer: string(rapid.SampledFrom(model.Styles()).Draw(rt, "form"))}
		taught := w.Decide(noon, f)
		if plain.Answer != taught.Answer || (plain.Boot == nil) != (taught.Boot == nil) {
			rt.Fatalf("%s became %s", plain.Answer, taught.Answer)
		}
		if plain.Boot != nil && plain.Boot.Loader != taught.Boot.Loader {
			rt.Fatalf("%+v became %+v", plain.Boot, taught.Boot)
		}
	})
}

// TestOfferDelay: EDK2 collects offers for four seconds, of which merge's own
// patience may have gone by.
func TestOfferDelay(t *testing.T) {
	if policy.OfferDelay+policy.Patience > 3500*time.Millisecond {
		t.Errorf("%s after %s is too late", policy.OfferDelay, policy.Patience)
	}
}
