package machines

import (
	"context"
	"slices"
	"strings"
	"testing"

	"hobnail/internal/model"
	"hobnail/internal/store"
	"hobnail/internal/store/mem"
)

// named makes a registry of machines; each text is a name and what it is known
// by: "lab-01 mac=… uuid=… serial=…".
func named(t *testing.T, s store.Store, configured []model.Machine, texts ...string) *Registry {
	t.Helper()
	var rows []Row
	for _, text := range texts {
		words := strings.Split(text, " ")
		row := Row{}
		for _, w := range append([]string{"name=" + words[0]}, words[1:]...) {
			field, value, _ := strings.Cut(w, "=")
			if err := row.Set(field, strings.ReplaceAll(value, "_", " ")); err != nil {
				t.Fatal(err)
			}
		}
		rows = append(rows, row)
	}
	r, err := Open(context.Background(), s, configured)
	if err != nil {
		t.Fatal(err)
	}
	must(t, r, Order{By: "ann", Import: &Import{Rows: rows}})
	return r
}

// must has an order carried out.
func must(t *testing.T, r *Registry, o Order) Result {
	t.Helper()
	res, err := r.Do(context.Background(), o, noon)
	if err != nil || len(res.Faults) > 0 {
		t.Fatalf("order %+v: %v, %v", o, res.Faults, err)
	}
	return res
}

func TestFind(t *testing.T) {
	const dock, mac1, mac2 = "00:e0:4c:68:00:01", "52:54:00:00:00:01", "52:54:00:00:00:02"
	uuidC := model.UUID("4c4c4544-0043-3010-8052-b4c04f4d3534")
	r := named(t, mem.New(), []model.Machine{{Name: "fixed", MACs: []model.MAC{"52:54:00:00:00:0f"}, Serial: "SN-FIXED", Source: "hobnail.toml:3"}},
		"plain mac="+mac1, "whole mac="+mac2+" uuid="+string(uuidA)+" serial=SN-1", "dock-a mac="+dock+" uuid="+string(uuidB),
		"dock-b mac="+dock+" uuid="+string(uuidC), "serial serial=SN-2", "client client_id=01aabb")
	for _, tc := range []struct {
		about string
		seen  Seen
		want  string // name, how, codes of notes; "!" where there is a doubt
	}{
		{"a MAC address alone", Seen{MAC: mac1}, "plain mac"},
		{"a MAC address and whatever UUID, where none is known", Seen{MAC: mac1, UUID: uuidA.Swapped()[:35] + "0"}, "plain mac"},
		{"the configuration's", Seen{MAC: "52:54:00:00:00:0f"}, "fixed mac"},
		{"the configuration's by serial number, in any case", Seen{Serial: " sn-fixed "}, "fixed serial"},
		{"a UUID", Seen{UUID: uuidA}, "whole uuid"},
		{"a UUID in the other byte order", Seen{UUID: uuidA.Swapped(), MAC: mac2}, "whole uuid"},
		{"a UUID with another adapter", Seen{UUID: uuidA, MAC: "52:54:00:00:00:77"}, "whole uuid mac-new"},
		{"a UUID on the dock of others", Seen{UUID: uuidA, MAC: dock}, "whole uuid mac-shared"},
		{"a UUID with the adapter of one that is known by nothing else", Seen{UUID: uuidA, MAC: mac1}, "whole uuid mac-shared!"},
		{"a MAC address with another UUID", Seen{MAC: mac2, UUID: "4c4c4544-0043-3010-8052-b4c04f4d3599"}, " mac-shared!"},
		{"a MAC address with another serial number", Seen{MAC: mac2, Serial: "SN-9"}, " mac-shared!"},
		{"a UUID with another serial number", Seen{UUID: uuidA, Serial: "SN-9"}, " serial-differs!"},
		{"a serial number with another UUID", Seen{UUID: "4c4c4544-0043-3010-8052-b4c04f4d3599", Serial: "SN-1"}, " uuid-differs!"},
		{"a MAC address without UUID", Seen{MAC: mac2}, "whole mac"},
		{"a worthless UUID counts as none", Seen{MAC: mac2, UUID: "00000000-0000-0000-0000-000000000000"}, "whole mac"},
		{"a worthless serial number counts as none", Seen{MAC: mac2, Serial: "To be filled by O.E.M."}, "whole mac"},
		{"a machine on a dock", Seen{MAC: dock, UUID: uuidC}, "dock-b uuid mac-shared"},
		{"one on a dock that does not say which", Seen{MAC: dock}, " mac-shared!"},
		{"one on a dock that is neither", Seen{MAC: dock, UUID: "4c4c4544-0043-3010-8052-b4c04f4d3599"}, " mac-shared! mac-shared!"},
		{"a serial number", Seen{MAC: "52:54:00:00:00:77", Serial: "sn-2"}, "serial serial"},
		{"a client id", Seen{MAC: "52:54:00:00:00:77", ClientID: "01aabb"}, "client client-id"},
		{"nobody", Seen{MAC: "52:54:00:00:00:77", UUID: "4c4c4544-0043-3010-8052-b4c04f4d3599"}, ""},
		{"nothing", Seen{}, ""},
	} {
		m, how, notes := r.Snapshot().Find(tc.seen)
		got := string(how)
		if m != nil {
			got = m.Name + " " + got
		}
		for _, n := range notes {
			got += " " + n.Code
			if n.Doubt {
				got += "!"
			}
			if n.Text == "" {
				t.Errorf("%s: %s has no text", tc.about, n.Code)
			}
		}
		if got != tc.want {
			t.Errorf("%s: found %q, want %q (%v)", tc.about, got, tc.want, notes)
		}
	}
}

// TestDockIsTwoMachines: a MAC address that is seen with two UUIDs is two
// machines, and that is told once.
func TestDockIsTwoMachines(t *testing.T) {
	ctx := context.Background()
	s := mem.New()
	r := named(t, s, nil, "lab-01 mac=52:54:00:00:00:01")
	mac := model.MAC("52:54:00:00:00:01")
	saw := func(u model.UUID) []Note {
		t.Helper()
		before := r.Snapshot().revision
		notes, err := r.Saw(ctx, Seen{MAC: mac, UUID: u}, noon)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := r.Saw(ctx, Seen{MAC: mac, UUID: u}, noon); err != nil || len(again) > 0 || r.Snapshot().revision > before+1 {
			t.Errorf("it is told or written again: %v, %v", again, err)
		}
		return notes
	}
	if notes := saw(""); len(notes) > 0 {
		t.Errorf("without a UUID: %v", notes)
	}
	if notes := saw(uuidA); len(notes) > 0 {
		t.Errorf("the first UUID: %v", notes)
	}
	notes := saw(uuidB)
	want := "MAC address 52:54:00:00:00:01 is that of lab-01, which has UUID " + string(uuidA) + ": this is another machine with the same adapter or dock"
	if len(notes) != 1 || notes[0].Text != want {
		t.Errorf("the second UUID: %v, want %s", notes, want)
	}
	if m, _, _ := r.Snapshot().Find(Seen{MAC: mac, UUID: uuidB}); m != nil {
		t.Errorf("the second machine is %s", m.Name)
	}
	if first, others := r.Snapshot().SeenWith("lab-01"); first != uuidA || !slices.Equal(others, []model.UUID{uuidB}) {
		t.Errorf("seen with %s and %v", first, others)
	}
	res, err := r.Do(ctx, Order{Install: &InstallOrder{Names: []string{"lab-01"}, Arming: Arming{Image: "debian-12", Within: DefaultWithin}}}, noon)
	if err != nil || len(res.Faults) != 1 || !strings.Contains(res.Faults[0].Text, "say which machine is meant") {
		t.Errorf("an install of either: %v, %v", res.Faults, err)
	}
	// Saying which ends the doubt.
	row := Row{}
	row.Set("name", "lab-01")
	row.Set("uuid", string(uuidB))
	must(t, r, Order{Import: &Import{Rows: []Row{row}, Old: true}})
	must(t, r, Order{Install: &InstallOrder{Names: []string{"lab-01"}, Arming: Arming{Image: "debian-12", Within: DefaultWithin}}})
	for u, want := range map[model.UUID]Act{uuidA: ActNothing, uuidB: ActInstall, "": ActLocal} {
		if _, v, err := r.Script(ctx, Seen{MAC: mac, UUID: u}, at(1)); err != nil || v.Do != want {
			t.Errorf("UUID %q gets %q (%s), %v; want %q", u, v.Do, v.Text, err, want)
		}
	}
}

func TestJunkSerials(t *testing.T) {
	for serial, want := range map[string]bool{
		"": true, "0": true, "00000000": true, "Default string": true, "To Be Filled By O.E.M.": true, "N/A": true, "XXXXXXXX": true,
		"5CG1234ABC": false, "VMware-56 4d": false, "C02XG0": false, "111A": false,
	} {
		if JunkSerial(serial) != want {
			t.Errorf("%q is junk: %v, want %v", serial, !want, want)
		}
	}
}
