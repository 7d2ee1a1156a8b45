package machines

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hobnail/internal/model"
	"hobnail/internal/store/mem"
)

// TestExportIsReadBack: of whatever machines, CSV and JSON alike.
func TestExportIsReadBack(t *testing.T) {
	text := rapid.StringMatching(`[ -~äß€="';,]{0,12}`)
	rapid.Check(t, func(t *rapid.T) {
		var want []Record
		for n := range rapid.IntRange(0, 5).Draw(t, "machines") {
			r := Record{Name: fmt.Sprintf("lab-%d", n), By: "ann", Approved: noon}
			for m := range rapid.IntRange(1, 3).Draw(t, "macs") {
				r.MACs = append(r.MACs, mac(10*n+m))
			}
			if rapid.Bool().Draw(t, "uuid") {
				r.UUID = model.UUID(fmt.Sprintf("4c4c4544-0043-3010-8052-b4c04f4d35%02d", n))
			}
			if rapid.Bool().Draw(t, "address") {
				r.Address = netip.AddrFrom4([4]byte{10, 77, 2, byte(n + 1)})
			}
			if s := strings.TrimSpace(text.Draw(t, "serial")); !JunkSerial(s) {
				r.Serial = fmt.Sprintf("%s%d", s, n)
			}
			r.Notes = strings.TrimSpace(text.Draw(t, "notes"))
			r.Boot = rapid.SampledFrom([]string{"", "local", "debian-12"}).Draw(t, "boot")
			for _, name := range []string{"user", "Room"} {
				if v := strings.TrimSpace(text.Draw(t, name)); v != "" {
					if r.Vars == nil {
						r.Vars = map[string]string{}
					}
					r.Vars[name] = v
				}
			}
			if rapid.Bool().Draw(t, "tags") {
				r.Tags = []string{"a", "b"}
			}
			want = append(want, r)
		}
		for form, write := range map[string]func(*bytes.Buffer) error{
			"csv": func(b *bytes.Buffer) error { return WriteCSV(b, want) }, "json": func(b *bytes.Buffer) error { return WriteJSON(b, want) },
		} {
			var file bytes.Buffer
			if err := write(&file); err != nil {
				t.Fatal(err)
			}
			shown := file.String()
			rows, err := ReadFile("x", &file)
			if err != nil {
				t.Fatalf("%s: %v\n%s", form, err, shown)
			}
			r, err := Open(context.Background(), mem.New(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if res, err := r.Do(context.Background(), Order{By: "ann", Import: &Import{Rows: rows}}, noon); err != nil || len(res.Faults) > 0 {
				t.Fatalf("%s: %v, %v\n%s", form, res.Faults, err, shown)
			}
			if diff := cmp.Diff(append([]Record{}, want...), r.Snapshot().Records(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Fatalf("%s: (-written +read)\n%s\n%s", form, diff, shown)
			}
		}
	})
}

func TestFilesAsTheyCome(t *testing.T) {
	for _, tc := range []struct{ about, file, want string }{
		{"a byte order mark and CRLF", "\ufeffname,mac\r\nlab-01,525400000001\r\n", "lab-01 52:54:00:00:00:01"},
		{"semicolons, in cells too", "Name;MAC\nlab-01;\"52:54:00:00:00:01;52:54:00:00:00:02\"\n", "lab-01 52:54:00:00:00:01 52:54:00:00:00:02"},
		{"tabs", "name\tmac\nlab-01\t52-54-00-00-00-01\n", "lab-01 52:54:00:00:00:01"},
		{"what Excel says first", "sep=;\r\nname;mac\r\nlab-01;5254.0000.0001", "lab-01 52:54:00:00:00:01"},
		{"a list in JSON", "  [{\"name\":\"lab-01\",\"mac\":[\"525400000001\",\"525400000002\"]}]", "lab-01 52:54:00:00:00:01 52:54:00:00:00:02"},
		{"an empty list in JSON", "[]", ""},
		{"UTF-16", "\xff\xfen\x00", `x: it is UTF-16; save it as "CSV UTF-8"`},
		{"Windows-1252", "name,notes\nlab-01,K\xfcche\n", `x:2: column notes is not UTF-8; save the file as "CSV UTF-8"`},
		{"nothing", "", "x: it is empty; its first line is name,mac,uuid,serial,boot or some of these"},
		{"no column name", "mac\n525400000001\n", "x:1: there is no column name; the first line says what the columns are, as name,mac,boot"},
		{"an open quote", "name,mac\nlab-01,\"5254\n", "x:2: column 14: extraneous or missing \" in quoted-field"},
		{"a cell too many", "name,mac\nlab-01,525400000001,x\n", `x:2: "x" is in no column`},
		{"a line over two", "name,notes\n\nlab-01,\"a\nb\"\nlab-02\nlab 3,\n", "x:6: name \"lab 3\" is no name; allowed are letters and digits, after the first also '.', '_' and '-', up to 63"},
		{"JSON that breaks off", "[\n{\"name\":\"lab-01\"},\n{\"na", "x:3: this is no JSON: unexpected EOF"},
		{"JSON of something else", "[\n1]", "x:2: this is no object; a machine is written as {\"name\": \"lab-01\", \"mac\": [\"52:54:00:12:34:56\"]}"},
		{"more behind the list", "[]\n{}", "x:2: there is more behind the list"},
	} {
		rows, err := ReadFile("x", strings.NewReader(tc.file))
		got := ""
		if err != nil {
			got = err.Error()
		} else if len(rows) > 0 {
			got = rows[0].Record.Name + " " + macList(rows[0].Record.MACs)
		}
		if got != tc.want {
			t.Errorf("%s: %s\nwant %s", tc.about, got, tc.want)
		}
	}
}

// FuzzReadFile: what comes out has the form that the store keeps, and faults
// name lines of the file.
func FuzzReadFile(f *testing.F) {
	f.Add([]byte("name,mac,var.x\nlab-01,525400000001,1\n"))
	f.Add([]byte("[{\"name\":\"lab-01\",\"mac\":[\"525400000001\"],\"vars\":{\"a\":\"b\"}}]"))
	f.Add([]byte("sep=;\r\nname;mac\r\nlab-01;5254.0000.0001"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := ReadFile("x", bytes.NewReader(data))
		faults, _ := err.(*Faults)
		if err != nil && (faults == nil || len(faults.All) == 0) {
			t.Fatal(err)
		}
		if faults != nil {
			for _, one := range faults.All {
				if one.Line > 2+bytes.Count(data, []byte("\n")) {
					t.Fatalf("line %d of %q", one.Line, data)
				}
			}
		}
		for _, row := range rows {
			if err := checkName(row.Record.Name); err != nil {
				t.Fatalf("%v of %q", err, data)
			}
		}
	})
}
