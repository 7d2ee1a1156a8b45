package app

import (
	"os"
	"path/filepath"
	"testing"

	"hobnail/internal/answer"
	"hobnail/internal/config"
)

// TestOwnAnswerAmongSeveral: an order's own template is for the first file that
// its kind of installer reads; the others stay the site's or the built-in ones.
func TestOwnAnswerAmongSeveral(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "mine")
	if err := os.WriteFile(own, []byte("#cloud-config\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Install.Answers = filepath.Join(dir, "answers")
	l := &Loaded{Config: cfg}
	k, ok := answer.KindOf("autoinstall")
	if !ok {
		t.Fatal("no kind autoinstall")
	}
	for i, file := range k.Files {
		tmpl, err := l.template(k, file, own)
		if err != nil || tmpl == nil {
			t.Errorf("%s: %v, %v", file, tmpl, err)
			continue
		}
		if isOwn := tmpl.Name() == own; isOwn != (i == 0) {
			t.Errorf("%s is of template %s", file, tmpl.Name())
		}
	}
	if _, err := l.template(k, k.Files[0], filepath.Join(dir, "gone")); err == nil {
		t.Error("an own template that is not there was passed over")
	}
}
