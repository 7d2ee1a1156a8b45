//go:build lab

package lab

import (
	"bytes"
	"compress/gzip"
	"os"
	"testing"

	"hobnail/internal/image"
	"hobnail/internal/isofs"

	"github.com/google/go-cmp/cmp"
)

// Every image that is built here is recognised as what it stands for, by the
// reader that hobnail has.
func TestISOsAreRecognised(t *testing.T) {
	for _, kind := range ISOs() {
		t.Run(kind, func(t *testing.T) {
			iso := BuildISO(t, t.TempDir(), kind)
			file, err := os.Open(iso.File)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			info, err := file.Stat()
			if err != nil {
				t.Fatal(err)
			}
			volume, err := isofs.Open(file, info.Size())
			if err != nil {
				t.Fatal(err)
			}
			if volume.Label() != iso.Label {
				t.Errorf("the label is %q, want %q", volume.Label(), iso.Label)
			}
			f, err := image.Recognise(volume, volume.Label())
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
