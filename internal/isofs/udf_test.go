package isofs

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestUDF reads every form of allocation out of every kind of partition.
func TestUDF(t *testing.T) {
	for _, kind := range []string{"plain", "sparable", "virtual", "metadata"} {
		t.Run(kind, func(t *testing.T) {
			m := udfSample(kind).finish(kind).medium()
			v, err := Open(m.r, m.size)
			if err != nil {
				t.Fatal(err)
			}
			if v.Format() != "udf" || v.Label() != "UDF "+kind {
				t.Errorf("%s, label %q", v.Format(), v.Label())
			}
			var names []string
			for name, want := range udfFiles() {
				names = append(names, name)
				got, err := fs.ReadFile(v, name)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, string(got)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			if got, err := fs.ReadFile(v, "link"); string(got) != "inner\n" {
				t.Errorf("the link leads to %q, %v", got, err)
			}
			if err := fstest.TestFS(v, append(names, "dir", "link")...); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestUDFEntries(t *testing.T) {
	m := udfSample("plain").finish("plain").medium()
	v, err := Open(m.r, m.size)
	if err != nil {
		t.Fatal(err)
	}
	want := `dr--r--r-- 0 2026-11-25 11:30:15 .
-r--r--r-- 13 2026-11-25 11:30:15 Grüße 日本.txt
-r--r--r-- 6244 2026-11-25 11:30:15 chain.bin
dr--r--r-- 0 2026-11-25 11:30:15 dir
-r--r--r-- 6 2026-11-25 11:30:15 dir/inner
-r--r--r-- 0 2026-11-25 11:30:15 empty
-r--r--r-- 6144 2026-11-25 11:30:15 extended.bin
-r--r--r-- 27 2026-11-25 11:30:15 inline.txt
Lr--r--r-- 11 2026-11-25 11:30:15 link -> ./dir/inner
-r--r--r-- 6144 2026-11-25 11:30:15 long.bin
-r--r--r-- 10243 2026-11-25 11:30:15 short.bin
`
	if diff := cmp.Diff(want, listed(t, v)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	x, err := v.Extents("short.bin")
	if err != nil || len(x) != 4 || x[2] != (Extent{Hole, 4096}) || x[3].Size != 3 {
		t.Errorf("extents %v, %v", x, err)
	}
}

// TestUDFAnchors: any one anchor is enough, and so is the reserve sequence.
func TestUDFAnchors(t *testing.T) {
	for name, change := range map[string]func(d *disc){
		"anchor in the last block": func(d *disc) { d.moveAnchor(511) },
		"anchor 256 before it":     func(d *disc) { d.moveAnchor(511 - 256) },
		"reserve sequence":         func(d *disc) { clear(d.b[32*2048 : 48*2048]) },
		"newer logical volume": func(d *disc) {
			// An older one with another label behind it.
			old := append([]byte(nil), d.at(34)[:512]...)
			body := old[tagSize:]
			field(body, 84, encodeCS0("OLD      "))
			d.put(35, tagged(tagLogical, 35, body))
			field(body, 84, encodeCS0("UDF plain"))
			field(body, 16, le32(7))
			d.put(34, tagged(tagLogical, 34, body))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := udfSample("plain").finish("plain")
			change(d)
			m := d.medium()
			v, err := Open(m.r, m.size)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := fs.ReadFile(v, "dir/inner"); string(got) != "inner\n" || v.Label() != "UDF plain" {
				t.Errorf("%q, %v, label %q", got, err, v.Label())
			}
		})
	}
}

func (d *disc) moveAnchor(block int) {
	body := append([]byte(nil), d.at(256)[tagSize:512]...)
	clear(d.at(256)[:512])
	d.put(block, tagged(tagAnchor, block, body))
}

// TestUDFMirror: a metadata file that cannot be read has a mirror.
func TestUDFMirror(t *testing.T) {
	d := udfSample("metadata").finish("metadata")
	clear(d.at(udfStart)[:2048])
	m := d.medium()
	v, err := Open(m.r, m.size)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fs.ReadFile(v, "dir/inner"); string(got) != "inner\n" {
		t.Errorf("%q, %v", got, err)
	}
}
