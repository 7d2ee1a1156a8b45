package isofs

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func opened(t testing.TB, d *disc) *Volume {
	t.Helper()
	m := d.medium()
	v, err := Open(m.r, m.size)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestPlain: names as Linux shows them, sections joined.
func TestPlain(t *testing.T) {
	d := isoDisc(false,
		isoRec("ASSOC.;1", 30, 5, flagAssociated),
		isoRec("BIG.BIN;1", 30, 2048, flagMore), isoRec("BIG.BIN;1", 31, 2048, flagMore), isoRec("BIG.BIN;1", 40, 7, 0),
		isoRec("DIR", 21, 2048, flagDir),
		isoRec("EMPTY.;1", 0, 0, 0),
		isoRec("NOEXT;1", 30, 6, 0),
		isoRec("README.TXT;1", 30, 6, 0),
		isoRec("README.TXT;2", 31, 6, 0),
	)
	d.dir(21, 20, false, isoRec("INNER.TXT;1", 32, 3, 0))
	d.put(30, []byte("first"+strings.Repeat("a", 2043)))
	d.put(31, []byte("second"+strings.Repeat("b", 2042)))
	d.put(32, []byte("in\n"))
	d.put(40, []byte("third.."))
	v := opened(t, d)
	want := `dr-xr-xr-x 0 2026-11-25 11:00:00 .
-r--r--r-- 4103 2026-11-25 11:00:00 big.bin
dr-xr-xr-x 0 2026-11-25 11:00:00 dir
-r--r--r-- 3 2026-11-25 11:00:00 dir/inner.txt
-r--r--r-- 0 2026-11-25 11:00:00 empty
-r--r--r-- 6 2026-11-25 11:00:00 noext
-r--r--r-- 6 2026-11-25 11:00:00 readme.txt
-r--r--r-- 6 2026-11-25 11:00:00 readme.txt.2
`
	if diff := cmp.Diff(want, listed(t, v)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if v.Format() != "iso9660" || v.Label() != "TEST" {
		t.Errorf("%s, %q", v.Format(), v.Label())
	}
	x, err := v.Extents("big.bin")
	if diff := cmp.Diff([]Extent{{30 * 2048, 4096}, {40 * 2048, 7}}, x); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if b, err := fs.ReadFile(v, "big.bin"); err != nil || len(b) != 4103 || !bytes.HasSuffix(b, []byte("bbthird..")) || !bytes.HasPrefix(b, []byte("firstaa")) {
		t.Errorf("%d octets, %v", len(b), err)
	}
	if err := fstest.TestFS(v, "dir/inner.txt"); err != nil {
		t.Error(err)
	}
}

// TestRockRidge: names and targets in pieces, continuation areas, relocation.
func TestRockRidge(t *testing.T) {
	d := isoDisc(true,
		isoRec("A.;1", 30, 3, 0, nm(1, "long "), nm(1, "name "), nm(0, "in three.txt"), px(0o100640)),
		isoRec("B.;1", 0, 0, 0, nm(0, "parts"), px(0o120777), sl(1, "\x00sub", "\x01dir"), sl(0, "\x00ectory", "\x04", "\x02", "\x00x")),
		isoRec("C.;1", 0, 0, 0, nm(0, "absolute"), px(0o120777), sl(0, "\x08", "\x00sub", "\x00file")),
		isoRec("D.;1", 30, 3, 0, nm(1, "far"), ce(40, 100, 200)),
		isoRec("E.;1", 0, 0, 0, nm(0, "deep"), px(0o40755), susp("CL", both32(22))),
		isoRec("MOVED", 23, 2048, flagDir, nm(0, "rr_moved"), px(0o40755)),
		isoRec("SUB", 21, 2048, flagDir, nm(0, "sub"), px(0o40711)),
		isoRec("F.;1", 0, 0, 0, nm(0, "pipe"), px(0o010600)),
		isoRec("G.;1", 30, 3, 0, nm(0, "suid"), px(0o104755), susp("TF", []byte{3, 100, 1, 2, 3, 4, 5, 0, 99, 12, 31, 23, 59, 58, 4})),
		isoRec("H.;1", 30, 3, 0, nm(0, "latin\xe4"), px(0o100644)),
		isoRec("I.;1", 30, 3, 0, nm(0, "packed"), px(0o100644), susp("ZF", []byte("pz\x04\x0f\x00\x00\x00\x00\x00\x00\x00\x00"))),
	)
	d.put(30, []byte("abc"))
	copy(d.at(40)[100:], append(nm(0, " away"), px(0o100600)...))
	d.dir(21, 20, false, isoRec("FILE.;1", 30, 3, 0, nm(0, "file"), px(0o100644)))
	d.dir(22, 23, false, isoRec("LOW.;1", 30, 3, 0, nm(0, "low"), px(0o100644)))
	d.dir(23, 20, false, isoRec("DEEP", 22, 2048, flagDir, nm(0, "deep"), px(0o40755), susp("RE", nil)))
	v := opened(t, d)
	want := `dr-xr-xr-x 0 2026-11-25 11:00:00 .
Lrwxrwxrwx 9 2026-11-25 11:00:00 absolute -> /sub/file
dr-xr-xr-x 0 2026-11-25 11:00:00 deep
-rw-r--r-- 3 2026-11-25 11:00:00 deep/low
-rw------- 3 2026-11-25 11:00:00 far away
-rw-r--r-- 3 2026-11-25 11:00:00 latinä
-rw-r----- 3 2026-11-25 11:00:00 long name in three.txt
packed: reading a Rock Ridge field at octet 41984 (sector 20): a file that is compressed by zisofs, which is not supported
Lrwxrwxrwx 20 2026-11-25 11:00:00 parts -> sub/directory/.././x
prw------- 0 2026-11-25 11:00:00 pipe
drwxr-xr-x 0 2026-11-25 11:00:00 rr_moved
drwx--x--x 0 2026-11-25 11:00:00 sub
-rw-r--r-- 3 2026-11-25 11:00:00 sub/file
urwxr-xr-x 3 1999-12-31 22:59:58 suid
`
	if diff := cmp.Diff(want, listed(t, v)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if v.Format() != "rock-ridge" {
		t.Error(v.Format())
	}
	if b, err := fs.ReadFile(v, "absolute"); string(b) != "abc" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestJoliet: names in UCS-2, without version and dots at the end.
func TestJoliet(t *testing.T) {
	d := isoDisc(false, isoRec("GR__E.TXT;1", 30, 3, 0))
	ucs := func(s string) string { return string(encodeUCS2(s)) }
	vd := append([]byte(nil), d.at(16)[:2048]...)
	vd[0] = 2
	copy(vd[40:72], encodeUCS2("Etikett         "))
	copy(vd[88:], "%/E")
	copy(vd[156:], isoRec("\x00", 24, 2048, flagDir))
	d.put(18, d.at(17)[:2048])
	d.put(17, vd)
	d.dir(24, 24, false, isoRec(ucs("Grüße 日本.txt;1"), 30, 3, 0), isoRec(ucs("dots.."), 30, 3, 0), isoRec(ucs("a/b"), 30, 3, 0))
	d.put(30, []byte("abc"))
	v := opened(t, d)
	want := `dr-xr-xr-x 0 2026-11-25 11:00:00 .
-r--r--r-- 3 2026-11-25 11:00:00 Grüße 日本.txt
-r--r--r-- 3 2026-11-25 11:00:00 dots
`
	if diff := cmp.Diff(want, listed(t, v)); diff != "" || v.Format() != "joliet" || v.Label() != "Etikett" {
		t.Errorf("%s, %q (-want +got):\n%s", v.Format(), v.Label(), diff)
	}
	if n, err := v.Skipped("."); n != 1 || err != nil {
		t.Errorf("%d skipped, %v", n, err)
	}
}

func encodeUCS2(s string) []byte {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r>>8), byte(r))
	}
	return b
}

// TestBridge: which of UDF and Rock Ridge is shown.
func TestBridge(t *testing.T) {
	for _, tc := range []struct {
		name    string
		records [][]byte
		want    string
		setup   bool // UDF has a second file
	}{
		{"a Windows disk has a README only", [][]byte{isoRec("R.;1", 30, 3, 0, nm(0, "README.TXT"))}, "udf", true},
		{"the same in both", [][]byte{isoRec("F.;1", 30, 3, 0, nm(0, "file"))}, "udf", false},
		{"a file cut off in Rock Ridge", [][]byte{isoRec("F.;1", 30, 2, 0, nm(0, "file")), isoRec("L.;1", 0, 0, 0, nm(0, "link"), px(0o120777), sl(0, "\x00file"))}, "udf", false},
		{"a name more in Rock Ridge", [][]byte{isoRec("F.;1", 30, 3, 0, nm(0, "file")), isoRec("L.;1", 0, 0, 0, nm(0, "link"), px(0o120777), sl(0, "\x00file"))}, "rock-ridge", false},
		{"a link that is no link in UDF", [][]byte{isoRec("L.;1", 0, 0, 0, nm(0, "file"), px(0o120777), sl(0, "\x00x"))}, "rock-ridge", false},
		{"only where directories were moved to", [][]byte{isoRec("F.;1", 30, 3, 0, nm(0, "file")), isoRec("M", 21, 2048, flagDir, nm(0, "rr_moved"))}, "udf", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u := newUDF("plain")
			fids := append(u.fid("", fidParent|2, 1), u.fid("file", 0, u.add(udfFile{kind: 5, form: formEmbedded, content: []byte("udf")}))...)
			if tc.setup {
				fids = append(fids, u.fid("setup.exe", 0, u.add(udfFile{kind: 5, form: formEmbedded}))...)
			}
			u.root(fids)
			iso := isoDisc(true, tc.records...)
			iso.dir(21, 20, false)
			// Descriptors of both from 16 on, the trees where they were.
			u.put(18, u.at(16)[:3*2048])
			u.put(16, iso.at(16)[:2*2048])
			vd := u.at(16)
			copy(vd[156:190], isoRec("\x00", 24, 2048, flagDir))
			u.put(24, iso.at(20)[:2048])
			u.put(21, iso.at(21)[:2048])
			if got := opened(t, u.disc).Format(); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}
