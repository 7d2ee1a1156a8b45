package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
	"hobnail/internal/machines"
	"hobnail/internal/model"
)

func newMachines(g *globals) *cobra.Command {
	return newGroup("machines", "name machines, approve those that wait, and have them installed",
		newMachinesList(g), newMachinesShow(g), newMachinesAdd(g), newMachinesSet(g), newMachinesRemove(g),
		newMachinesImport(g), newMachinesExport(g), newMachinesPending(g), newMachinesApprove(g), newMachinesDeny(g),
		newMachinesInstall(g), newMachinesCancel(g), newMachinesInstalls(g))
}

// machineInfo is a machine in the shape that programs read.
type machineInfo struct {
	Name       string            `json:"name"`
	MACs       []model.MAC       `json:"mac"`
	UUID       model.UUID        `json:"uuid"`
	Serial     string            `json:"serial"`
	ClientIDs  []string          `json:"client_id"`
	Address    string            `json:"address"`
	Boot       string            `json:"boot"`
	Loader     string            `json:"loader"`
	Vars       map[string]string `json:"vars"`
	Tags       []string          `json:"tags"`
	Notes      string            `json:"notes"`
	By         string            `json:"by"`
	Approved   string            `json:"approved"`
	Source     string            `json:"source"`
	SeenUUID   model.UUID        `json:"seen_uuid"`
	OtherUUIDs []model.UUID      `json:"other_uuids"`
	Install    *installInfo      `json:"install"`
}

// installInfo is an install in the shape that programs read: without tokens,
// which open a machine's files.
type installInfo struct {
	Machine  string              `json:"machine"`
	State    model.InstallState  `json:"state"`
	Image    string              `json:"image"`
	Edition  string              `json:"edition"`
	Answer   string              `json:"answer"`
	Vars     map[string]string   `json:"vars"`
	Attempts int                 `json:"attempts"`
	Retries  int                 `json:"retries"`
	By       string              `json:"by"`
	Armed    string              `json:"armed"`
	Expires  string              `json:"expires"`
	Begun    string              `json:"begun"`
	Ended    string              `json:"ended"`
	Note     string              `json:"note"`
	Steps    []model.InstallStep `json:"steps"`
}

// list is never null in JSON.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func vars(v map[string]string) map[string]string {
	if v == nil {
		return map[string]string{}
	}
	return v
}

// stamp is a time as programs read it; "" of none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func describeMachine(s *machines.Snapshot, m *model.Machine, now time.Time) machineInfo {
	info := machineInfo{
		Name: m.Name, MACs: list(m.MACs), UUID: m.UUID, Serial: m.Serial, ClientIDs: list(m.ClientIDs), Boot: m.Boot, Loader: m.Loader,
		Vars: vars(m.Vars), Tags: list(m.Tags), Notes: m.Notes, By: m.By, Approved: stamp(m.Approved), Source: m.Source,
	}
	if m.Address.IsValid() {
		info.Address = m.Address.String()
	}
	first, others := s.SeenWith(m.Name)
	info.SeenUUID, info.OtherUUIDs = first, list(others)
	if i := s.Install(m.Name, now); i != nil {
		about := describeInstall(*i)
		info.Install = &about
	}
	return info
}

func describeInstall(i model.Install) installInfo {
	return installInfo{
		Machine: i.Machine, State: i.State, Image: i.Image, Edition: i.Edition, Answer: i.Answer, Vars: vars(i.Vars), Attempts: i.Attempts,
		Retries: i.Retries, By: i.By, Armed: stamp(i.Armed), Expires: stamp(i.Expires), Begun: stamp(i.Begun), Ended: stamp(i.Ended),
		Note: i.Note, Steps: list(i.Steps),
	}
}

// reading loads the configuration and all that is known of machines.
func reading(cmd *cobra.Command, g *globals) (*app.Loaded, *machines.Snapshot, error) {
	loaded, err := app.Load(g.config)
	if err != nil {
		return nil, nil, err
	}
	snap, err := app.ReadMachines(cmd.Context(), loaded)
	return loaded, snap, err
}

// ordering has an order carried out. What is wrong with it is an error.
func ordering(ctx context.Context, l *app.Loaded, file string, o machines.Order) (machines.Result, error) {
	res, err := app.OrderMachines(ctx, l, o)
	if err == nil && len(res.Faults) > 0 {
		err = &machines.Faults{File: file, All: res.Faults}
	}
	return res, err
}

func newMachinesList(g *globals) *cobra.Command {
	var asJSON bool
	var tags []string
	cmd := &cobra.Command{
		Use:   "list [NAME|PATTERN|MAC]…",
		Short: "list the machines that have a name",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, snap, err := reading(cmd, g)
			if err != nil {
				return err
			}
			all := []machineInfo{}
			now := time.Now()
			for _, m := range snap.Machines() {
				if wanted(m, args, tags) {
					all = append(all, describeMachine(snap, m, now))
				}
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			return printMachines(cmd.OutOrStdout(), all)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringSliceVar(&tags, "tag", nil, "only those that have this `TAG`; may be repeated")
	return cmd
}

// wanted reports whether a machine is one that a person looks for.
func wanted(m *model.Machine, words, tags []string) bool {
	for _, tag := range tags {
		if !slices.Contains(m.Tags, tag) {
			return false
		}
	}
	return len(words) == 0 || slices.ContainsFunc(words, func(word string) bool {
		if ok, err := path.Match(word, m.Name); ok && err == nil {
			return true
		}
		mac, err := model.ParseMAC(word)
		return err == nil && slices.Contains(m.MACs, mac)
	})
}

func printMachines(out io.Writer, all []machineInfo) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tMAC\tBOOT\tINSTALL\tTAGS\tFROM")
	for _, m := range all {
		install := ""
		if m.Install != nil {
			install = string(m.Install.State) + " " + m.Install.Image
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join([]string{m.Name, firstMAC(m.MACs), m.Boot, install, strings.Join(m.Tags, " "), m.Source}, "\t"), "\t"))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the list: %v", err)
	}
	return nil
}

func firstMAC(all []model.MAC) string {
	switch len(all) {
	case 0:
		return ""
	case 1:
		return string(all[0])
	}
	return fmt.Sprintf("%s +%d", all[0], len(all)-1)
}

func newMachinesShow(g *globals) *cobra.Command {
	var asJSON, asAnswer bool
	var image string
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "show one machine, with its install",
		Args:  exactly(1, "name one machine; hobnail machines list names them all"),
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, snap, err := reading(cmd, g)
			if err != nil {
				return err
			}
			m := snap.Machine(args[0])
			if m == nil {
				return fmt.Errorf("there is no machine %s; hobnail machines list names them all", plain(args[0]))
			}
			if asAnswer {
				return printAnswers(cmd, loaded, snap, m, image)
			}
			info := describeMachine(snap, m, time.Now())
			if asJSON {
				return printJSON(cmd.OutOrStdout(), info)
			}
			printMachine(cmd.OutOrStdout(), info)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&asAnswer, "answer", false, "print the answer file that its installer would get")
	cmd.Flags().StringVar(&image, "image", "", "with --answer: as if `NAME` were to be installed; default: the image of its install")
	return cmd
}

// printAnswers prints what an installer would get, file by file, and warns of
// what looks like a password.
func printAnswers(cmd *cobra.Command, l *app.Loaded, snap *machines.Snapshot, m *model.Machine, image string) error {
	files, err := l.Answers(snap, m, image, time.Now())
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	for _, f := range files {
		if len(files) > 1 {
			fmt.Fprintf(out, "==> %s <==\n", f.Name)
		}
		if _, err := out.Write(f.Content); err != nil {
			return fmt.Errorf("writing %s: %v", f.Name, err)
		}
		for _, w := range f.Warnings {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s: %s\n", f.Name, w)
		}
	}
	return nil
}

func exactly(n int, text string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef(cmd, "%s", text)
		}
		return nil
	}
}

func atLeastOne(text string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "%s", text)
		}
		return nil
	}
}

func printMachine(out io.Writer, m machineInfo) {
	printRow(out, "name", m.Name)
	for _, mac := range m.MACs {
		printRow(out, "mac", string(mac))
	}
	printRow(out, "uuid", string(m.UUID))
	if m.UUID == "" {
		printRow(out, "seen with", string(m.SeenUUID))
	}
	for _, u := range m.OtherUUIDs {
		printRow(out, "another", fmt.Sprintf("machine with UUID %s was seen with its MAC address", u))
	}
	printRow(out, "serial", m.Serial)
	printRow(out, "client id", strings.Join(m.ClientIDs, " "))
	printRow(out, "address", m.Address)
	printRow(out, "boot", m.Boot)
	printRow(out, "loader", m.Loader)
	for _, name := range sortedKeys(m.Vars) {
		printRow(out, "var "+name, m.Vars[name])
	}
	printRow(out, "tags", strings.Join(m.Tags, " "))
	printRow(out, "notes", m.Notes)
	printRow(out, "from", m.Source)
	if m.Approved != "" {
		printRow(out, "named", fmt.Sprintf("%s by %s", m.Approved, m.By))
	}
	if m.Install != nil {
		printInstall(out, *m.Install)
	}
}

func printInstall(out io.Writer, i installInfo) {
	fmt.Fprintf(out, "install      %s %s\n", i.State, i.Image)
	printRow(out, "  edition", i.Edition)
	printRow(out, "  answer", i.Answer)
	for _, name := range sortedKeys(i.Vars) {
		printRow(out, "  var "+name, i.Vars[name])
	}
	printRow(out, "  ordered", fmt.Sprintf("%s by %s", i.Armed, i.By))
	if i.State == model.InstallArmed && i.Attempts == 0 {
		printRow(out, "  until", i.Expires)
	}
	printRow(out, "  attempts", fmt.Sprintf("%d of %d", i.Attempts, 1+i.Retries))
	printRow(out, "  begun", i.Begun)
	printRow(out, "  ended", i.Ended)
	printRow(out, "  note", i.Note)
	for _, s := range i.Steps {
		fmt.Fprintf(out, "    %s %s\n", stamp(s.Time), s.Name)
	}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// machineFlags are what a machine is described by on a command line.
type machineFlags struct {
	mac, client, tags, vars                      []string
	uuid, serial, address, boot, loader, comment string
}

func (f *machineFlags) register(cmd *cobra.Command) {
	l := cmd.Flags()
	l.StringSliceVar(&f.mac, "mac", nil, "`MAC` address; may be repeated")
	l.StringVar(&f.uuid, "uuid", "", "SMBIOS `UUID`")
	l.StringVar(&f.serial, "serial", "", "serial `NUMBER`")
	l.StringSliceVar(&f.client, "client-id", nil, "`DIGITS` of DHCP's client id, hexadecimal; may be repeated")
	l.StringVar(&f.address, "address", "", "reserved `ADDRESS`")
	l.StringVar(&f.boot, "boot", "", "`TARGET` that it boots: an image, menu, local or deny; empty: rules decide")
	l.StringVar(&f.loader, "loader", "", "boot `PROGRAM`; empty: the default")
	l.StringArrayVar(&f.vars, "var", nil, "`NAME=VALUE` that answer files are filled in with; may be repeated")
	l.StringSliceVar(&f.tags, "tag", nil, "`TAG`; may be repeated")
	l.StringVar(&f.comment, "notes", "", "`TEXT` for people")
}

// row is what the flags say of a machine.
func (f *machineFlags) row(cmd *cobra.Command, name string) (machines.Row, error) {
	row := machines.Row{}
	errs := []error{row.Set("name", name)}
	for flag, set := range map[string]struct{ field, text string }{
		"mac": {"mac", strings.Join(f.mac, " ")}, "uuid": {"uuid", f.uuid}, "serial": {"serial", f.serial},
		"client-id": {"client_id", strings.Join(f.client, " ")}, "address": {"address", f.address}, "boot": {"boot", f.boot},
		"loader": {"loader", f.loader}, "tag": {"tags", strings.Join(f.tags, " ")}, "notes": {"notes", f.comment},
	} {
		if cmd.Flags().Changed(flag) {
			errs = append(errs, row.Set(set.field, set.text))
		}
	}
	given, err := splitVars(f.vars)
	errs = append(errs, err)
	for _, name := range sortedKeys(given) {
		errs = append(errs, row.Set("var."+name, given[name]))
	}
	return row, errors.Join(errs...)
}

func splitVars(words []string) (map[string]string, error) {
	all := map[string]string{}
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("variable %q is written as NAME=VALUE", word)
		}
		all[name] = value
	}
	return all, nil
}

func newMachinesAdd(g *globals) *cobra.Command {
	var f machineFlags
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "name a machine",
		Args:  exactly(1, "give one name; hobnail machines import FILE names many"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeMachine(cmd, g, &f, args, machines.Import{New: true})
		},
	}
	f.register(cmd)
	return cmd
}

func newMachinesSet(g *globals) *cobra.Command {
	var f machineFlags
	cmd := &cobra.Command{
		Use:   "set NAME…",
		Short: "change what is known of machines, or what they boot",
		Args:  atLeastOne("name a machine; hobnail machines list names them all"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeMachine(cmd, g, &f, args, machines.Import{Old: true})
		},
	}
	f.register(cmd)
	return cmd
}

func changeMachine(cmd *cobra.Command, g *globals, f *machineFlags, names []string, o machines.Import) error {
	for _, name := range names {
		row, err := f.row(cmd, name)
		if err != nil {
			return usagef(cmd, "%v", err)
		}
		if o.Old && len(row.Given) == 1 {
			return usagef(cmd, "say what is to change, as by --boot")
		}
		o.Rows = append(o.Rows, row)
	}
	loaded, err := app.Load(g.config)
	if err != nil {
		return err
	}
	res, err := ordering(cmd.Context(), loaded, "", machines.Order{Import: &o})
	if err != nil {
		return err
	}
	warnOfTargets(cmd, loaded, o.Rows)
	printChanges(cmd.OutOrStdout(), res.Changes)
	return nil
}

// warnOfTargets tells of images that are not there: they may come later.
func warnOfTargets(cmd *cobra.Command, l *app.Loaded, rows []machines.Row) {
	told := map[string]bool{}
	for _, row := range rows {
		if t := row.Record.Boot; t != "" && !told[t] && !l.HasTarget(t) {
			told[t] = true
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: there is no image %s; until there is, machines get the menu\n", t)
		}
	}
}

func printChanges(out io.Writer, all []machines.Change) {
	for _, c := range all {
		switch c.What {
		case machines.ChangeChanged:
			fmt.Fprintf(out, "%s changed: %s\n", c.Name, strings.Join(c.Fields, ", "))
		case machines.ChangeSame:
			fmt.Fprintf(out, "%s is so already\n", c.Name)
		default:
			fmt.Fprintf(out, "%s %s\n", c.Name, c.What)
		}
	}
}

func newMachinesRemove(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME|PATTERN…",
		Short: "forget machines",
		Args:  atLeastOne("name a machine; hobnail machines list names them all"),
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			res, err := ordering(cmd.Context(), loaded, "", machines.Order{Remove: args})
			if err != nil {
				return err
			}
			printChanges(cmd.OutOrStdout(), res.Changes)
			return nil
		},
	}
}

func newMachinesImport(g *globals) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "name machines, or change them, by a CSV or JSON file: all or none",
		Args:  exactly(1, "name one file; - is standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			rows, err := readRows(cmd, args[0])
			var bad *machines.Faults
			if err != nil && !errors.As(err, &bad) {
				return err
			}
			// With faults of its own the rest is looked through all the same, so that
			// all are told at once.
			res, err := ordering(cmd.Context(), loaded, args[0], machines.Order{Import: &machines.Import{Rows: rows, DryRun: dryRun || bad != nil}})
			if bad != nil {
				var more *machines.Faults
				if errors.As(err, &more) {
					bad.All = machines.SortFaults(append(bad.All, more.All...))
				}
				return bad
			}
			if err != nil {
				return err
			}
			warnOfTargets(cmd, loaded, rows)
			return printImport(cmd.OutOrStdout(), res.Changes, dryRun)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would change, machine by machine, and change nothing")
	return cmd
}

func readRows(cmd *cobra.Command, file string) ([]machines.Row, error) {
	if file == "-" {
		return machines.ReadFile("standard input", cmd.InOrStdin())
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("importing machines: %v", err)
	}
	defer f.Close()
	return machines.ReadFile(file, f)
}

func printImport(out io.Writer, all []machines.Change, dryRun bool) error {
	count := map[string]int{}
	for _, c := range all {
		count[c.What]++
		if dryRun && c.What != machines.ChangeSame {
			printChanges(out, []machines.Change{c})
		}
	}
	would := ""
	if dryRun {
		would = "would be "
	}
	_, err := fmt.Fprintf(out, "%d machines %sadded, %d changed, %d left as they are\n",
		count[machines.ChangeAdded], would, count[machines.ChangeChanged], count[machines.ChangeSame])
	if err != nil {
		return fmt.Errorf("writing the result: %v", err)
	}
	return nil
}

func newMachinesExport(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "print the machines in the store as CSV, for a spreadsheet and for import",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, snap, err := reading(cmd, g)
			if err != nil {
				return err
			}
			if asJSON {
				return machines.WriteJSON(cmd.OutOrStdout(), snap.Records())
			}
			return machines.WriteCSV(cmd.OutOrStdout(), snap.Records())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead, likewise for import")
	return cmd
}
