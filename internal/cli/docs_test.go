package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hobnail/internal/app"
	"hobnail/internal/event"
	"hobnail/internal/handover"
	"hobnail/internal/nbp"
	"hobnail/internal/sim"
)

const (
	commandsPage = "../../docs/commands.md"
	eventsPage   = "../../docs/events.md"
	readmePage   = "../../README.md"
)

func page(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// chapter is the part of a page below a heading of the second level.
func chapter(t *testing.T, page, heading string) string {
	t.Helper()
	_, after, ok := strings.Cut(page, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no heading %q", "## "+heading)
	}
	text, _, _ := strings.Cut(after, "\n## ")
	return text
}

// TestManualHasEveryCommand wants a chapter for each command of the help, and
// in it each flag.
func TestManualHasEveryCommand(t *testing.T) {
	manual := page(t, commandsPage)
	root := newRoot()
	root.InitDefaultHelpCmd()
	for _, cmd := range leaves(root) {
		part := chapter(t, manual, cmd.CommandPath())
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(part, "`--"+f.Name+"`") && !strings.Contains(part, "`--"+f.Name+" ") && f.Name != "help" {
				t.Errorf("the chapter on %s does not explain --%s", cmd.CommandPath(), f.Name)
			}
		})
	}
	for code := exitOK; code <= exitInvalid; code++ {
		if !strings.Contains(manual, fmt.Sprintf("\n| %d | ", code)) {
			t.Errorf("exit code %d is not explained", code)
		}
	}
}

// leaves are the commands that do something, hidden ones left out.
func leaves(c *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, sub := range c.Commands() {
		switch {
		case sub.Hidden:
		case sub.HasSubCommands():
			if sub.Use != sub.Name() { // does something by itself as well
				all = append(all, sub)
			}
			all = append(all, leaves(sub)...)
		default:
			all = append(all, sub)
		}
	}
	return all
}

// TestManualHasEveryKey wants a row for each key that --json prints, and no
// rows for others.
func TestManualHasEveryKey(t *testing.T) {
	manual := page(t, commandsPage)
	for _, tc := range []struct {
		command string
		value   any
	}{
		{"hobnail check", checkResult{}},
		{"hobnail simulate", sim.Trace{}},
		{"hobnail nbp list", nbpList{}},
		{"hobnail nbp licences", []nbp.Licence{}},
		{"hobnail images show", imageInfo{}},
		{"hobnail machines show", machineInfo{}},
		{"hobnail machines pending", []pendingInfo{}},
		{"hobnail images verify", []verifiedInfo{}},
		{"hobnail leases list", []leaseInfo{}},
		{"hobnail ports", handover.Listing{}},
		{"hobnail ports files", []handover.File{}},
		{"hobnail ports dhcp", dhcpHandover{}},
		{"hobnail doctor", doctorReport{}},
		{"hobnail ca", app.Root{}},
		{"hobnail version", versionInfo{}},
	} {
		want := jsonKeys(reflect.TypeOf(tc.value), "")
		_, table, _ := strings.Cut(chapter(t, manual, tc.command), "\n| JSON | meaning |\n|---|---|\n")
		var got []string
		for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| .+ \\|$").FindAllStringSubmatch(table, -1) {
			got = append(got, row[1])
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("keys of %s --json (-printed +explained):\n%s", tc.command, diff)
		}
	}
	if !strings.Contains(chapter(t, manual, "hobnail images list"), "a list of what `hobnail images show` prints") {
		t.Error("the chapter on hobnail images list does not say what --json prints")
	}
}

// jsonKeys lists the keys of a type's JSON form, dotted, with "[]" after the
// name of a list.
func jsonKeys(typ reflect.Type, name string) []string {
	switch typ.Kind() {
	case reflect.Pointer:
		return jsonKeys(typ.Elem(), name)
	case reflect.Slice:
		return jsonKeys(typ.Elem(), name+"[]")
	case reflect.Struct:
		if typ == reflect.TypeFor[time.Time]() {
			return []string{name} // a text
		}
	default:
		return []string{name}
	}
	if typ == reflect.TypeFor[time.Time]() { // is printed as text
		return []string{name}
	}
	var keys []string
	if name != "" && name != "[]" {
		keys = append(keys, name)
		name += "."
	} else if name != "" {
		name += "."
	}
	for i := range typ.NumField() {
		key, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		if key == "-" {
			continue
		}
		keys = append(keys, jsonKeys(typ.Field(i).Type, name+key)...)
	}
	return keys
}

// TestManualHasEveryEvent wants the catalogue's own words for each event.
func TestManualHasEveryEvent(t *testing.T) {
	manual := page(t, eventsPage)
	for _, e := range event.Catalogue() {
		row := fmt.Sprintf("\n| `%s` | %s | %s | %s | %s |\n", e.Code, strings.ToLower(e.Level.String()), e.Title, e.Meaning, e.Remedy)
		if !strings.Contains(manual, row) {
			t.Errorf("there is no row%s", row)
		}
	}
	_, table, _ := strings.Cut(manual, "\n| code |")
	if rows := strings.Count(table, "\n| `"); rows != len(event.Catalogue()) {
		t.Errorf("the table has %d events, the catalogue %d", rows, len(event.Catalogue()))
	}
}

// TestManualHasEveryKeyOfTheLog wants a word on every attribute of an event.
func TestManualHasEveryKeyOfTheLog(t *testing.T) {
	keys, _, _ := strings.Cut(page(t, eventsPage), "\n| code |")
	attr := regexp.MustCompile(`(?:slog\.[A-Z]\w+|add)\("([a-z_]+)"`)
	found := 0
	for _, pattern := range []string{"../app/*.go", "../serve/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, m := range attr.FindAllStringSubmatch(page(t, file), -1) {
				found++
				// "reasons" is what the log shows as "why".
				if m[1] != "reasons" && !strings.Contains(keys, "`"+m[1]+"`") {
					t.Errorf("%s logs the key %s, which is not explained", file, m[1])
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("found %d keys in the sources, want more: have the names changed?", found)
	}
}

// TestManualExamples runs the examples of the manual by the configuration that
// the page shows, and wants the very output.
func TestManualExamples(t *testing.T) {
	for _, file := range []string{commandsPage, readmePage} {
		text := page(t, file)
		blocks := regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(text, -1)
		if len(blocks) == 0 {
			t.Errorf("%s has no examples", file)
		}
		config := regexp.MustCompile("(?s)```toml\n(.*?)```").FindStringSubmatch(text)
		if config == nil {
			t.Fatalf("%s shows no configuration", file)
		}
		programs, capture := embeddedNames(t), biosBoot(t)
		t.Run(file[strings.LastIndex(file, "/")+1:], func(t *testing.T) {
			s := newScript(t)
			s.write("boot.pcap", capture)
			s.write("hobnail.toml", []byte(config[1]+"\n[server]\ndata = \""+s.dir+"\"\n"))
			for _, p := range programs {
				if err := s.program([]string{"nbp/" + p}); err != nil {
					t.Fatal(err)
				}
			}
			for _, b := range blocks {
				s.example(b[1])
			}
		})
	}
}

// example runs what stands behind each "$ " and compares what stands below.
func (s *script) example(block string) {
	s.t.Helper()
	for _, step := range strings.Split("\n"+block, "\n$ ")[1:] {
		line, want, _ := strings.Cut(step, "\n")
		if err := s.run(line); err != nil {
			s.t.Errorf("$ %s\n%v", line, err)
			continue
		}
		got := strings.ReplaceAll(s.stdout+s.stderr, "$WORK", "/var/lib/hobnail")
		got, want = strings.TrimSuffix(got, "\n"), strings.TrimSuffix(want, "\n")
		if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
			s.t.Errorf("$ %s (-manual +real):\n%s", line, diff)
		}
	}
}

// embeddedNames lists the boot programs that a build embeds, as
// ARCHITECTURE/FILE: examples must not depend on whether this one has them.
func embeddedNames(t *testing.T) []string {
	t.Helper()
	rows := regexp.MustCompile(`(?m)^\t\t(bios|uefi-\S+) +(\S+) +(\S+) +\S+ +\S+$`).FindAllStringSubmatch(page(t, "../../scripts/fetch-nbp"), -1)
	var names []string
	for _, row := range rows {
		if row[3] != "support" {
			names = append(names, row[1]+"/"+row[2])
		}
	}
	if len(names) < 10 {
		t.Fatalf("scripts/fetch-nbp has %d boot programs, want more", len(names))
	}
	return names
}

// TestReadmeTable takes each row of "Which machine gets what" to simulate.
func TestReadmeTable(t *testing.T) {
	programs := embeddedNames(t)
	table := chapter(t, page(t, readmePage), "Which machine gets what")
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)`(, HTTP boot)? \\| (.+) \\| (.+) \\|$").FindAllStringSubmatch(table, -1)
	if len(rows) < 7 {
		t.Fatalf("the table has %d rows, want one for each architecture", len(rows))
	}
	s := newScript(t)
	s.write("hobnail.toml", []byte("[server]\ndata = \""+s.dir+"\"\n[[subnet]]\ncidr = \"10.77.2.0/24\"\ndhcp = \"server\"\npool = \"10.77.2.50-10.77.2.99\"\n"))
	for _, p := range programs {
		if err := s.program([]string{"nbp/" + p}); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range rows {
		for mode, cell := range map[string]string{"server": row[3], "proxy": row[4]} {
			relay := map[string]string{"server": "10.77.2.1", "proxy": "10.99.0.1"}[mode]
			args := []string{"simulate", "-c", "hobnail.toml", "--arch", row[1], "--relay", relay}
			if row[2] != "" {
				args = append(args, "--http")
			}
			if err := s.hobnail(exitOK, args); err != nil {
				t.Fatal(err)
			}
			if err := s.gets(cell); err != nil {
				t.Errorf("%s%s in mode %s: the table says %q\n%v", row[1], row[2], mode, cell, err)
			}
		}
	}
}

// gets reports where the last answer is not what a cell of the table says: the
// file that it names first, or, where it begins with "none", the files that
// would do.
func (s *script) gets(cell string) error {
	var files []string
	for _, m := range regexp.MustCompile("`([^`]+\\.[a-z]+)`").FindAllStringSubmatch(cell, -1) {
		files = append(files, regexp.QuoteMeta(m[1]))
	}
	switch {
	case len(files) == 0:
		return fmt.Errorf("the cell names no file")
	case strings.HasPrefix(cell, "none"):
		for _, f := range files {
			if err := s.match([]string{"stdout", "no boot program for .* put .*" + f}); err != nil {
				return err
			}
		}
		return nil
	}
	return s.match([]string{"stdout", "^boot file +\\S+/" + files[0] + "$"})
}
