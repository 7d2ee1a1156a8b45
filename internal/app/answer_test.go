package app

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hobnail/internal/answer"
	"hobnail/internal/bootscript"
	"hobnail/internal/machines"
	"hobnail/internal/model"
)

// TestWhichTemplate: the order's own, else the site's, else the built-in one; what
// cannot be one is told with its name.
func TestWhichTemplate(t *testing.T) {
	o, _ := newOrders(t)
	snap := o.s.machines.Snapshot()
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	o.l.Config.Install.Answers = dir
	own := file("own.cfg", "own {{.Machine.Name}} {{.Vars.colour}} {{.Install.URL}}")
	large := file("large.cfg", strings.Repeat("#", answer.MaxSource+1))
	broken := file("broken.cfg", "first\n{{.Machine.Nmae}}\n")
	ask := func(i model.Install, name string) (string, error) {
		i.Machine, i.Token = "lab-01", "0123456789abcdef0123456789abcdef"
		if i.Image == "" {
			i.Image = "debian"
		}
		b, err := o.l.answer(snap, i, name, bootscript.Server{URL: "http://10.77.1.2:8080"}, bootscript.Machine{})
		return string(b), err
	}
	red := map[string]string{"colour": "red"}
	for _, tc := range []struct {
		name    string
		install model.Install
		want    string // the beginning of what is served, or of the error
		fails   bool
	}{
		{"nothing is known of the image", model.Install{}, "making preseed.cfg for lab-01: nothing is known of how image debian is installed", true},
		{"a kind that is none", model.Install{Answer: "word"}, "making preseed.cfg for lab-01: there is no kind of answer file named \"word\"", true},
		{"an image that is gone", model.Install{Image: "plan-9", Answer: "preseed"}, "making preseed.cfg for lab-01: image plan-9 is not there any more", true},
		{"the built-in one", model.Install{Answer: "preseed"}, "#", false},
	} {
		t.Run(tc.name, func(t *testing.T) { checkAnswerText(t, tc.want, tc.fails)(ask(tc.install, "preseed.cfg")) })
	}
	file("preseed/preseed.cfg", "the site's for {{.Machine.Name}}")
	t.Run("the site's", func(t *testing.T) {
		checkAnswerText(t, "the site's for lab-01", false)(ask(model.Install{Answer: "preseed"}, "preseed.cfg"))
	})
	kind, _ := answer.KindOf("preseed")
	img, _ := o.l.Policy.Image("debian")
	for _, tc := range []struct{ name, path, want string }{
		{"the order's own", own, ""},
		{"the order's own, which is gone", filepath.Join(dir, "gone.cfg"), "no such file"},
		{"the order's own, which is too large", large, "at most"},
		{"the order's own, which is a folder", dir, "not a regular file"},
		{"the order's own, which is broken", broken, "broken.cfg:2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			i := model.Install{Machine: "lab-01", Image: "debian", Answer: tc.path, Vars: red, Token: "0123456789abcdef0123456789abcdef"}
			img.Answer = kind.Name
			if k, path, err := o.l.answerKind(i, img); err != nil || k.Name != kind.Name || path != tc.path {
				t.Fatalf("its kind is %s, its template %q: %v", k.Name, path, err)
			}
			tpl, err := o.l.template(kind, kind.Files[0], tc.path)
			if tc.want != "" {
				if err == nil {
					_, err = tpl.Execute(o.l.answerData(snap, i, img, bootscript.Server{}, bootscript.Machine{}))
				}
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%v, want %q", err, tc.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := tpl.Execute(o.l.answerData(snap, i, img, bootscript.Server{URL: "http://10.77.1.2:8080"}, bootscript.Machine{}))
			if want := "own lab-01 red http://10.77.1.2:8080/install/" + i.Token; err != nil || string(b) != want {
				t.Errorf("%q, %v; want %q", b, err, want)
			}
		})
	}
}

func checkAnswerText(t *testing.T, want string, fails bool) func(string, error) {
	return func(got string, err error) {
		t.Helper()
		if (err != nil) != fails {
			t.Fatalf("%q, %v", got, err)
		}
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestVarsOfAnAnswer: the order's before the machine's before the site's.
func TestVarsOfAnAnswer(t *testing.T) {
	o, _ := newOrders(t)
	row := machines.Row{}
	row.Set("name", "lab-01")
	row.Set("var.user", "machine")
	row.Set("var.room", "machine")
	o.do(t, machines.Order{Import: &machines.Import{Rows: []machines.Row{row}}})
	o.l.Config.Install.Vars = map[string]string{"user": "site", "room": "site", "city": "site"}
	d := o.l.answerData(o.s.machines.Snapshot(), model.Install{Machine: "lab-01", Vars: map[string]string{"user": "order"}},
		model.Image{Name: "debian"}, bootscript.Server{}, bootscript.Machine{Arch: model.ArchBIOS})
	if d.Vars["user"] != "order" || d.Vars["room"] != "machine" || d.Vars["city"] != "site" || d.Machine.Firmware != "bios" {
		t.Errorf("%+v", d)
	}
	if o.l.Config.Install.Vars["user"] != "site" {
		t.Error("the site's own are changed")
	}
}

// TestAnswersBeforeTheyAreServed: what a person is shown is what is ordered, or
// would be, and holds no token that opens anything.
func TestAnswersBeforeTheyAreServed(t *testing.T) {
	o, _ := newOrders(t)
	token := o.begins(t)
	snap := o.s.machines.Snapshot()
	files, err := o.l.Answers(snap, snap.Machine("lab-01"), "", time.Now())
	if err != nil || len(files) != 1 || files[0].Name != "preseed.cfg" || !strings.Contains(string(files[0].Content), "lab-01") {
		t.Fatalf("%v, %v", files, err)
	}
	if strings.Contains(string(files[0].Content), token) {
		t.Error("it shows the token of the attempt that runs")
	}
	if _, err := o.l.Answers(snap, snap.Machine("lab-02"), "", time.Now()); err == nil || !strings.Contains(err.Error(), "nothing is ordered for lab-02") {
		t.Errorf("of a machine that nobody ordered anything for: %v", err)
	}
	if _, err := o.l.Answers(snap, snap.Machine("lab-02"), "plan-9", time.Now()); err == nil || !strings.Contains(err.Error(), "no image \"plan-9\"") {
		t.Errorf("of an image that is not there: %v", err)
	}
	if err := o.Begin(context.Background(), token); err != nil {
		t.Errorf("to look changed something: %v", err)
	}
}
