package web

import (
	"fmt"
	"html"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
	"hobnail/internal/verdict"
)

// TestEveryFieldIsShown fills every field of a step, whatever there will be,
// and looks for it on the page.
func TestEveryFieldIsShown(t *testing.T) {
	var s model.Step
	want := map[string]string{}
	fill(t, reflect.ValueOf(&s).Elem(), want)
	b := &model.Boot{ID: "1", Start: s.Time, Last: s.Time, Steps: []model.Step{s}}
	page := get(t, console(t, newKeeper(b)), "/boots/1")
	for name, value := range want {
		if !strings.Contains(page, "<dt>"+name+"</dt><dd><bdi>"+html.EscapeString(value)+"</bdi></dd>") && name != "reasons" {
			t.Errorf("%s %s is not shown", name, value)
		}
	}
	if len(want) < 40 {
		t.Errorf("%d fields were filled; something is wrong with this test", len(want))
	}
}

func fill(t *testing.T, v reflect.Value, want map[string]string) {
	for i := range v.NumField() {
		f := v.Field(i)
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		name = strings.ReplaceAll(name, "_", " ")
		switch f.Interface().(type) {
		case time.Time:
			f.Set(reflect.ValueOf(now()))
			want[name] = "2026-11-25 15:04:05.000000 UTC"
			continue
		case netip.Addr:
			f.Set(reflect.ValueOf(addr("10.9.8.7")))
			want[name] = "10.9.8.7"
			continue
		case time.Duration:
			f.SetInt(int64(1500 * time.Millisecond))
			want[name] = "1.5s"
			continue
		}
		switch f.Kind() {
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
			fill(t, f.Elem(), want)
		case reflect.String:
			f.SetString("a " + name)
			want[name] = "a " + name
		case reflect.Bool:
			f.SetBool(true)
			want[name] = "yes"
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"one " + name, "two"}))
			want[name] = "one " + name + ", two"
		case reflect.Int, reflect.Int64:
			f.SetInt(4711)
			want[name] = "4711"
		case reflect.Uint16, reflect.Uint32:
			f.SetUint(4711)
			want[name] = "4711"
			if name == "xid" {
				want[name] = "0x00001267"
			}
		default:
			t.Fatalf("%s has a kind that this test does not know", name)
		}
	}
}

func TestReasons(t *testing.T) {
	got := reasonsOf([]string{
		"target: machine lab-01 boots rescue (hobnail.toml:13)",
		"10.77.3.1 is in no subnet (hobnail.toml:12)",
		"no place and no rule",
		"relay: fe80::1 (no: really) is near",
	})
	want := []reason{
		{"target", "machine lab-01 boots rescue", "hobnail.toml:13"},
		{"", "10.77.3.1 is in no subnet", "hobnail.toml:12"},
		{"", "no place and no rule", ""},
		{"relay", "fe80::1 (no: really) is near", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Answers for the same reasons stand together, with file and line.
func TestDecisions(t *testing.T) {
	all := decisions(demo()[1])
	if len(all) != 1 || strings.Join(all[0].What, ", ") != "OFFER at +0.004 s, ACK at +1.107 s" || all[0].Reasons[0].At != "hobnail.toml:12" {
		t.Errorf("got %+v", all)
	}
	silent := decisions(demo()[4])
	if len(silent) != 1 || silent[0].What[0] != "no answer at +28.002 s" || silent[0].Reasons[0].Text != "10.77.3.1 is in no subnet of the configuration" {
		t.Errorf("got %+v", silent)
	}
}

// The list of steps is what the drawing says, in words and in order.
func TestTimelineAsList(t *testing.T) {
	page := get(t, console(t, newKeeper(demo()...)), bootPath(demo()[1].ID))
	var got []string
	for _, m := range regexp.MustCompile(`<span class="at">([^<]*)</span> <span class="words">(?:<span[^>]*>✕</span> )?<bdi>([^<]*)</bdi>`).FindAllStringSubmatch(page, -1) {
		got = append(got, html.UnescapeString(m[1]+" "+m[2]))
	}
	var want []string
	for i := range demo()[1].Steps {
		st := &demo()[1].Steps[i]
		want = append(want, fmt.Sprintf("+%.3f s %s", st.Time.Sub(demo()[1].Start).Seconds(), verdict.Describe(st)))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if want := `aria-label="Timeline of 19 s: DHCP from 0 ms to 1.1 s, TFTP from 1.1 s to 2.4 s, HTTP from 6.4 s to 10 s, system from 19 s to 19 s. The list below has every step."`; !strings.Contains(page, want) {
		t.Errorf("the drawing is not described as %s", want)
	}
}

func TestTicks(t *testing.T) {
	for _, tc := range []struct {
		total time.Duration
		want  string
	}{
		{time.Millisecond, "0 1 ms"},
		{850 * time.Millisecond, "0 500 ms"},
		{19 * time.Second, "0 5.0 s 10 s 15 s"},
		{70 * time.Second, "0 30 s 1 min"},
		{10 * time.Minute, "0 5 min 10 min"},
		{90 * time.Minute, "0 30 min 1 h 1 h 30 min"},
		{30 * time.Hour, "0 8 h 16 h 24 h"},
	} {
		var got []string
		for _, tk := range (span{now(), tc.total}).ticks() {
			got = append(got, tk.Words)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%v: %s, want %s", tc.total, strings.Join(got, " "), tc.want)
		}
	}
}

func TestBootWithoutAnything(t *testing.T) {
	get(t, console(t, newKeeper(&model.Boot{ID: "1"})), "/boots/1")
}
