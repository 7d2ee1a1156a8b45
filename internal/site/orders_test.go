package site

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"hobnail/internal/bootfile"
	"hobnail/internal/bootscript"
	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
)

const goodToken = "0123456789abcdef0123456789abcdef"

// booked are orders that say what a test wants, and write down what is asked.
type booked struct {
	known   policy.Known
	attempt Attempt
	fault   error // of Attempt
	refuse  error // of Begin
	number  int   // of Wait
	asked   []string
}

func (b *booked) did(format string, args ...any) {
	b.asked = append(b.asked, fmt.Sprintf(format, args...))
}

func (b *booked) Known(*classify.Facts, *model.Machine) policy.Known { return b.known }

func (b *booked) Attempt(_ context.Context, _ *model.Machine, f *classify.Facts) (Attempt, error) {
	b.did("attempt %s", f.MAC)
	return b.attempt, b.fault
}

func (b *booked) Find(token string) (Attempt, bool) {
	return Attempt{Token: goodToken, Machine: "lab-01", Image: "debian"}, token == goodToken
}

func (b *booked) Begin(_ context.Context, token string) error {
	b.did("begin %.4s", token)
	return b.refuse
}

func (b *booked) Tell(_ context.Context, token string, w Word) error {
	b.did("tell %.4s %s %s", token, w.What, w.Name)
	if token != goodToken {
		return bootfile.ErrNotFound
	}
	return nil
}

func (b *booked) Answer(_ context.Context, token, file string, to bootscript.Server, m bootscript.Machine) ([]byte, error) {
	b.did("answer %.4s %s", token, file)
	if file != "preseed.cfg" {
		return nil, bootfile.ErrNotFound
	}
	return []byte(m.Name + " " + to.URL), nil
}

func (b *booked) Wait(context.Context, *classify.Facts) (int, error) {
	b.did("wait")
	return b.number, nil
}

func (b *booked) checkAsked(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(b.asked, want) {
		t.Errorf("asked were %q, want %q", b.asked, want)
	}
	b.asked = nil
}

const script1 = "m/525400000001/uefi-x64/boot.ipxe"

// TestScriptOfAnOrder: what a machine is told that an order is about.
func TestScriptOfAnOrder(t *testing.T) {
	install := policy.Order{State: policy.OrderInstall, Image: "debian", Why: "by order of ann"}
	over := policy.Order{State: policy.OrderOver, Why: "it was installed"}
	good := Attempt{Token: goodToken, Machine: "lab-01", Image: "debian", Why: "attempt 1 of 2"}
	for _, tc := range []struct {
		name     string
		order    policy.Order
		attempt  Attempt
		fault    error
		contains string // of the script; "" where there is none
		never    string
	}{
		{"it installs under its token", install, good, nil, "/install/" + goodToken + "/linux", "img/debian"},
		{"and says why", install, good, nil, "# why: attempt 1 of 2", ""},
		{"the order ended meanwhile", install, Attempt{Why: "it is over"}, nil, "Starting from the local disk", "linux"},
		{"the image is gone meanwhile", install, Attempt{Token: goodToken, Image: "plan-9"}, nil, "Starting from the local disk", "linux"},
		{"meanwhile it is one for other processors", install, Attempt{Token: goodToken, Image: "debian-arm"}, nil, "Starting from the local disk", "linux"},
		{"an attempt that cannot be written does not begin", install, Attempt{}, errors.New("disk full"), "", ""},
		{"an order that is over", over, Attempt{Why: "given up just now"}, nil, "given up just now", "linux"},
		{"an end that cannot be written keeps no machine from its disk", over, Attempt{}, errors.New("disk full"), "Starting from the local disk", "linux"},
		{"no order, and its own target", policy.Order{}, Attempt{}, nil, "img/debian/linux", "install/"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t)
			b := &booked{known: policy.Known{At: "test", Order: tc.order}, attempt: tc.attempt, fault: tc.fault}
			s.Orders = b
			text, _, err := read(t, s, script1)
			switch {
			case (err != nil) != (tc.contains == ""):
				t.Errorf("the script: %v", err)
			case !strings.Contains(text, tc.contains) || tc.never != "" && strings.Contains(text, tc.never):
				t.Errorf("the script has not %q, or has %q:\n%s", tc.contains, tc.never, text)
			}
			if tc.order.State != policy.OrderNone {
				b.checkAsked(t, "attempt 52:54:00:00:00:01") // also of orders that are over: that may be news
			} else {
				b.checkAsked(t)
			}
		})
	}
}

// TestFilesOfAnAttempt: the kernel leaves only when it has been written that the
// attempt has begun, and all else hangs on the token.
func TestFilesOfAnAttempt(t *testing.T) {
	s := newSite(t)
	b := &booked{}
	s.Orders = b
	for _, tc := range []struct{ name, content, asked string }{
		{"linux", "vmlinuz", "begin 0123"},
		{"preseed.cfg", "lab-01 http://10.77.1.2:8080", "answer 0123 preseed.cfg"},
		{"done", "ok\n", "tell 0123 done "},
		{"step/partition", "ok\n", "tell 0123 step partition"},
		{"failed/no-disk", "ok\n", "tell 0123 failed no-disk"},
	} {
		for _, folder := range []string{"", "m/525400000001/uefi-x64/"} { // U-Boot puts its own before every name
			text, _, err := read(t, s, folder+"install/"+goodToken+"/"+tc.name)
			if err != nil || text != tc.content {
				t.Errorf("%s: %q, %v; want %q", tc.name, text, err, tc.content)
			}
			b.checkAsked(t, tc.asked)
		}
	}
	for _, name := range []string{
		"install/" + goodToken, "install/" + goodToken + "/", "install/" + goodToken + "/vmlinuz", "install/" + goodToken + "/linux/x",
		"install/" + strings.Repeat("0", 32) + "/linux", "install/" + strings.Repeat("0", 32) + "/done", "install//linux",
	} {
		if text, _, err := read(t, s, name); !errors.Is(err, bootfile.ErrNotFound) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	b.asked = nil
	b.refuse = bootfile.ErrNotFound
	if text, _, err := read(t, s, "install/"+goodToken+"/linux"); !errors.Is(err, bootfile.ErrNotFound) {
		t.Errorf("a kernel whose attempt is refused: %q, %v", text, err)
	}
	s.Orders = nil
	if _, _, err := read(t, s, "install/"+goodToken+"/linux"); !errors.Is(err, bootfile.ErrNotFound) {
		t.Errorf("where nobody can order anything: %v", err)
	}
}

// TestGRUBReadsItsScreenAgainWhenItsNumberIsAnother: a GRUB that waits asks for
// one name only. That counts as asking, and it is sent on as soon as its screen is
// not true any more: a person would approve another machine by it.
func TestGRUBReadsItsScreenAgainWhenItsNumberIsAnother(t *testing.T) {
	s := newSite(t)
	b := &booked{number: 7}
	s.Orders = b
	s.Policy.Config.Boot.Unknown = model.TargetApprove
	text, _, err := read(t, s, "m/525400000009/uefi-x64/grub.cfg")
	if err != nil || !strings.Contains(text, "Its number is 7") || !strings.Contains(text, "m/525400000009/uefi-x64/ready-7") {
		t.Fatalf("%v: %s", err, text)
	}
	over := func(number int) bool {
		text, _, err := read(t, s, fmt.Sprintf("m/525400000009/uefi-x64/ready-%d", number))
		if err != nil || text != "set waits=0\n" && text != "set waits=1\n" {
			t.Errorf("%q, %v", text, err)
		}
		return text == "set waits=0\n"
	}
	b.asked = nil
	if over(7) {
		t.Error("it goes on while it waits")
	}
	b.checkAsked(t, "wait")
	if b.number = 8; !over(7) || over(8) {
		t.Error("the screen with the old number stays")
	}
	s.Policy.Config.Boot.Unknown = model.TargetMenu
	if !over(8) {
		t.Error("it does not go on when it does not wait")
	}
}
