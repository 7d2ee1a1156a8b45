//go:build lab

package lab

import (
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"hobnail/internal/image"

	"github.com/google/go-cmp/cmp"
)

// Every image that is built here is recognised as what it stands for, by the
// tree that xorriso takes out of it.
func TestISOsAreRecognised(t *testing.T) {
	for _, kind := range ISOs() {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			iso := BuildISO(t, dir, kind)
			out := filepath.Join(dir, "out")
			if text, err := exec.Command("xorriso", "-osirrox", "on", "-indev", iso.File, "-extract", "/", out).CombinedOutput(); err != nil {
				t.Fatalf("xorriso: %v\n%s", err, text)
			}
			f, err := image.Recognise(os.DirFS(out), iso.Label)
			if err != nil || f.System != iso.System {
				t.Errorf("is %s (%s), %v; want %s", f.System, f.Title, err, iso.System)
			}
			if len(iso.Console) == 0 {
				t.Error("it shows nothing on its console")
			}
		})
	}
}

func TestCPIORoundTrip(t *testing.T) {
	want := map[string]cpioFile{
		"init":      {0o100755, []byte("#!/bin/sh\n")},
		"lib/a/b":   {0o100644, []byte("123")},
		"lib/link":  {0o120777, []byte("a/b")},
		"empty":     {0o100644, []byte{}},
		"lib64/abc": {0o100644, []byte("1234")},
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if err := writeCPIO(z, want); err != nil {
		t.Fatal(err)
	}
	z.Close()
	got, err := readCPIO(packed.Bytes())
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(cpioFile{})); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}
