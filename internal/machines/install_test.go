package machines

import (
	"errors"
	"strings"
	"testing"
	"time"

	"hobnail/internal/model"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

const (
	uuidA = model.UUID("4c4c4544-0043-3010-8052-b4c04f4d3532")
	uuidB = model.UUID("4c4c4544-0043-3010-8052-b4c04f4d3533")
)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

// token is a token for people who read tests.
func token(n string) string { return strings.Repeat("0", 32-len(n)) + n }

// steps plays an install: each word is one thing that happens, a minute after
// the one before.
//
//	script[/UUID]  the machine asks for its script, known by its MAC address
//	begin N, done N, failed N, step N   by the N-th token that was given out
//	cancel, wait (two days pass)
func play(t *testing.T, retries int, words ...string) (model.Install, []string) {
	t.Helper()
	i, err := Arm(nil, "lab-01", uuidA, Arming{Image: "debian-12", Retries: retries, Within: DefaultWithin, By: "ann"}, "id", noon)
	if err != nil {
		t.Fatal(err)
	}
	tokens := []string{}
	var got []string
	now := noon
	for n, word := range words {
		now = now.Add(time.Minute)
		what, of, _ := strings.Cut(word, " ")
		tok := token("ff")
		if of != "" && int(of[0]-'1') < len(tokens) {
			tok = tokens[of[0]-'1']
		}
		var err error
		switch what {
		case "script":
			var v Verdict
			i, v = Script(i, Who{UUID: uuidA, How: HowMAC}, now, token(string(rune('a'+n))))
			if v.Do == ActInstall && (len(tokens) == 0 || tokens[len(tokens)-1] != v.Token) {
				tokens = append(tokens, v.Token)
			}
			got = append(got, v.Code)
			continue
		case "begin":
			i, err = Begin(i, tok, now)
		case "done":
			i, err = Done(i, tok, now)
		case "failed":
			i, err = Failed(i, tok, "no disk", now)
		case "step":
			i, err = Step(i, tok, "partitions", now)
		case "reads":
			err = Reads(i, tok)
		case "cancel":
			i, _ = Cancel(i, "ann", now)
		case "wait":
			now = now.Add(48 * time.Hour)
		}
		var r *Refused
		switch {
		case errors.As(err, &r):
			got = append(got, r.Code)
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, "ok")
		}
	}
	return i, got
}

func TestInstall(t *testing.T) {
	for _, tc := range []struct {
		name    string
		retries int
		does    string // words of play, with what each gives
		state   model.InstallState
		starts  int
	}{
		{"it installs once and boots its disk from then on", 1,
			"script=install begin 1=ok done 1=ok script=install-done begin 1=install-done script=install-done", model.InstallDone, 1},
		{"a script that is read twice has one token, and a kernel that is read twice is one attempt", 1,
			"script=install script=install begin 1=ok begin 1=ok reads 1=ok done 1=ok done 1=ok", model.InstallDone, 1},
		{"it comes back without a call home: once more, then never", 1,
			"script=install begin 1=ok script=install-again begin 1=install-wrong-token begin 2=ok script=install-gave-up begin 2=install-gave-up script=install-gave-up", model.InstallGaveUp, 2},
		{"without retries it gives up at once", 0,
			"script=install begin 1=ok script=install-gave-up script=install-gave-up", model.InstallGaveUp, 1},
		{"a reboot before the kernel costs nothing", 0,
			"script=install script=install script=install begin 1=ok done 1=ok", model.InstallDone, 1},
		{"the call home of an attempt that another was to follow counts", 1,
			"script=install begin 1=ok script=install-again done 1=ok begin 2=install-done script=install-done", model.InstallDone, 1},
		{"it counts too while the other runs", 1,
			"script=install begin 1=ok script=install-again begin 2=ok done 1=ok script=install-done", model.InstallDone, 2},
		{"and the other may say then that it failed", 1,
			"script=install begin 1=ok script=install-again begin 2=ok done 1=ok failed 2=ok script=install-failed", model.InstallFailed, 2},
		{"and after it was given up", 0,
			"script=install begin 1=ok script=install-gave-up done 1=ok script=install-done", model.InstallDone, 1},
		{"and after it was cancelled", 1,
			"script=install begin 1=ok cancel=ok done 1=ok script=install-done", model.InstallDone, 1},
		{"a call home of an attempt that never began is nothing", 1,
			"script=install done 1=install-not-started failed 1=install-not-started step 1=install-not-started begin 1=ok", model.InstallRunning, 1},
		{"a token that nobody gave out is nothing", 1,
			"script=install begin 9=install-wrong-token done 9=install-wrong-token reads 9=install-wrong-token", model.InstallArmed, 0},
		{"an installer that fails is not started again", 5,
			"script=install begin 1=ok failed 1=ok script=install-failed begin 1=install-failed", model.InstallFailed, 1},
		{"a failure that is told after the call home is none", 1,
			"script=install begin 1=ok done 1=ok failed 1=ok script=install-done", model.InstallDone, 1},
		{"a failure of an older attempt does not end the newer", 1,
			"script=install begin 1=ok script=install-again begin 2=ok failed 1=ok done 2=ok", model.InstallDone, 2},
		{"cancelled before it began, the machine gets what it would get otherwise", 1,
			"script=install cancel=ok begin 1=not-armed script=not-armed", model.InstallCancelled, 0},
		{"cancelled on the way, it gets its disk", 1,
			"script=install begin 1=ok cancel=ok script=install-cancelled begin 1=install-cancelled", model.InstallCancelled, 1},
		{"an order that nobody comes for expires", 1,
			"wait=ok script=install-expired script=install-expired", model.InstallExpired, 0},
		{"also after the script was read", 1,
			"script=install wait=ok begin 1=install-expired script=install-expired", model.InstallExpired, 0},
		{"a machine that comes back days after its call home was lost keeps what it has", 1,
			"script=install begin 1=ok wait=ok script=install-gave-up done 1=ok", model.InstallDone, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var words, want []string
			for _, w := range strings.Fields(strings.NewReplacer(" 1=", "_1=", " 2=", "_2=", " 9=", "_9=").Replace(tc.does)) {
				word, code, _ := strings.Cut(w, "=")
				words, want = append(words, strings.ReplaceAll(word, "_", " ")), append(want, code)
			}
			i, got := play(t, tc.retries, words...)
			for n := range want {
				if got[n] != want[n] {
					t.Errorf("%d. %s gives %s, want %s", n+1, words[n], got[n], want[n])
				}
			}
			if i.State != tc.state || i.Attempts != tc.starts || len(i.Begins) != tc.starts {
				t.Errorf("it is %s after %d attempts (%d kept), want %s after %d", i.State, i.Attempts, len(i.Begins), tc.state, tc.starts)
			}
		})
	}
}

func TestNobodyElseIsInstalled(t *testing.T) {
	doubt := []Note{{Code: NoteSharedMAC, Text: "two use it", Doubt: true}}
	for _, tc := range []struct {
		name  string
		armed model.UUID
		who   Who
		want  Act
	}{
		{"the machine itself", uuidA, Who{uuidA, HowUUID, nil}, ActInstall},
		{"in the other byte order", uuidA, Who{uuidA.Swapped(), HowUUID, nil}, ActInstall},
		{"another with its MAC address", uuidA, Who{uuidB, HowMAC, nil}, ActLocal},
		{"one with its MAC address and no UUID", uuidA, Who{"", HowMAC, nil}, ActLocal},
		{"one with its MAC address and a worthless UUID", uuidA, Who{"03000200-0400-0500-0006-000700080009", HowMAC, nil}, ActLocal},
		{"one with its serial number and no UUID", uuidA, Who{"", HowSerial, nil}, ActInstall},
		{"one with its serial number and another UUID", uuidA, Who{uuidB, HowSerial, nil}, ActLocal},
		{"a machine that is known by nothing else than its MAC address", "", Who{"", HowMAC, nil}, ActInstall},
		{"the same, sending a UUID", "", Who{uuidA, HowMAC, nil}, ActInstall},
		{"one that may be another", "", Who{"", HowMAC, doubt}, ActLocal},
		{"one that is nobody", "", Who{uuidA, HowNone, nil}, ActLocal},
	} {
		i, err := Arm(nil, "lab-01", tc.armed, Arming{Image: "debian-12", Within: time.Hour}, "id", noon)
		if err != nil {
			t.Fatal(err)
		}
		next, v := Script(i, tc.who, at(1), token("a"))
		if v.Do != tc.want || (v.Token != "") != (tc.want == ActInstall) || (next.Token != "") != (tc.want == ActInstall) {
			t.Errorf("%s: gets %q (%s), want %q", tc.name, v.Do, v.Text, tc.want)
		}
	}
	// Told once, kept where people look, and gone when the machine itself comes.
	i, _ := Arm(nil, "lab-01", uuidA, Arming{Image: "debian-12", Within: time.Hour}, "id", noon)
	i, v := Script(i, Who{"", HowMAC, nil}, at(1), token("a"))
	if _, again := Script(i, Who{"", HowMAC, nil}, at(2), token("a")); !v.News || again.News || i.Note != v.Text || i.State != model.InstallArmed {
		t.Errorf("a stranger is told %v, then %v; noted is %q", v.News, again.News, i.Note)
	}
	if i, v = Script(i, Who{uuidA, HowUUID, nil}, at(3), token("a")); v.Do != ActInstall || i.Note != "" {
		t.Errorf("after it the machine itself gets %q, and noted is %q", v.Do, i.Note)
	}
	// The first UUID that comes binds an order without one.
	i, _ = Arm(nil, "lab-01", "", Arming{Image: "debian-12", Within: time.Hour}, "id", noon)
	i, _ = Script(i, Who{UUID: uuidA, How: HowMAC}, at(1), token("a"))
	if _, v := Script(i, Who{UUID: uuidB, How: HowMAC}, at(2), token("b")); v.Do != ActLocal {
		t.Errorf("another UUID than the first gets %q", v.Do)
	}
}

func TestArming(t *testing.T) {
	a := Arming{Image: "debian-12", Retries: 1, Within: time.Hour, By: "ann"}
	first, err := Arm(nil, "lab-01", "", a, "1", noon)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Arm(&first, "lab-01", "", a, "2", at(1))
	if err == nil || err.Error() != "lab-01 is armed with debian-12 by order of ann; hobnail machines cancel lab-01 takes that back" {
		t.Errorf("an order over an open one: %v", err)
	}
	if _, err := Arm(&first, "lab-01", "", a, "2", at(61)); err != nil {
		t.Errorf("an order over one that has expired: %v", err)
	}
	for _, bad := range []Arming{{Retries: -1, Within: 1}, {Retries: MaxRetries + 1, Within: 1}, {Within: 0}} {
		if _, err := Arm(nil, "lab-01", "", bad, "1", noon); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestStepsAreBoundAndPrintable(t *testing.T) {
	i, _ := play(t, 1, "script", "begin 1")
	for n := range 2 * keptSteps {
		i, _ = Step(i, i.Token, strings.Repeat("ü\x1b", n+1)+strings.Repeat("x", 300), at(n))
	}
	if len(i.Steps) != keptSteps {
		t.Errorf("%d steps are kept, want %d", len(i.Steps), keptSteps)
	}
	for _, s := range i.Steps {
		if len(s.Name) > maxStep || strings.Contains(s.Name, "\x1b") || !strings.HasPrefix(s.Name, "ü?") {
			t.Errorf("step %q", s.Name)
		}
	}
}
