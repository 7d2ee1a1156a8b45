package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
	"hobnail/internal/nbp"
)

func newNBP(g *globals) *cobra.Command {
	return newGroup("nbp", "show the boot programs", newNBPList(g), newNBPShow(g), newNBPLicences())
}

// nbpList is the inventory in the shape that programs read.
type nbpList struct {
	Folder   string        `json:"folder"`   // where a user's own programs are looked for
	Programs []nbp.Program `json:"programs"` // served, or refused by Secure Boot's rules
	Refused  []nbp.Fault   `json:"refused"`  // what cannot run where it lies
	DBX      []dbxInfo     `json:"dbx"`
}

// dbxInfo is a revocation list in the shape that programs read.
type dbxInfo struct {
	Path         string    `json:"path"`
	Date         time.Time `json:"date,omitzero"`
	DateFrom     string    `json:"date_from,omitempty"`
	Hashes       int       `json:"hashes"`
	Certificates int       `json:"certificates"`
	Other        int       `json:"other"`
	Error        string    `json:"error,omitempty"`
}

func newNBPList(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list them: kind, version, SBAT level, who signed each, whether it is served",
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			list := nbpList{
				Folder: loaded.Config.Server.NBP, Programs: loaded.Programs.All(),
				Refused: append([]nbp.Fault{}, loaded.BadNBP...), DBX: dbxInfos(loaded),
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printNBP(cmd, list)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func dbxInfos(l *app.Loaded) []dbxInfo {
	all := []dbxInfo{}
	for _, d := range l.DBX {
		info := dbxInfo{Path: d.Path, Date: d.Date, DateFrom: string(d.DateFrom)}
		info.Hashes, info.Certificates, info.Other = d.Counts()
		all = append(all, info)
	}
	for _, f := range l.BadDBX {
		all = append(all, dbxInfo{Path: f.Path, Error: f.Text})
	}
	return all
}

// Widths of the table's columns; with the file's name, which is cut to no
// width, a row of any embedded program fits into 120 columns.
const (
	versionWidth = 24
	sbatWidth    = 16
	lineWidth    = 120
)

// printNBP prints a table for each architecture, and below a program what
// somebody should know of it.
func printNBP(cmd *cobra.Command, list nbpList) error {
	var text strings.Builder
	for rest := list.Programs; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(p nbp.Program) bool { return p.Arch != rest[0].Arch })
		if n < 0 {
			n = len(rest)
		}
		writeTable(&text, rest[:n])
		rest = rest[n:]
	}
	for _, d := range list.DBX {
		fmt.Fprintln(&text, dbxText(d))
	}
	if _, err := io.WriteString(cmd.OutOrStdout(), text.String()); err != nil {
		return fmt.Errorf("writing the list: %v", err)
	}
	for _, f := range list.Refused {
		fmt.Fprintln(cmd.ErrOrStderr(), "refused:", f)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "your own programs go into %s/ARCH/\n", list.Folder)
	return nil
}

// writeTable writes the programs of one architecture.
func writeTable(text *strings.Builder, all []nbp.Program) {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  FILE\tKIND\tVERSION\tSTATE\tSBAT\tEXPIRES\tSIGNED UNDER")
	for _, p := range all {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.File, p.Loader, cut(orElse(p.Version, "unknown"), versionWidth), p.State,
			cut(sbatLevels(p), sbatWidth), expires(p), signedUnder(p))
	}
	w.Flush() // into memory
	fmt.Fprintln(text, all[0].Arch)
	head, rows, _ := strings.Cut(table.String(), "\n")
	fmt.Fprintln(text, head)
	for i, row := range slices.Collect(strings.Lines(rows)) {
		text.WriteString(row)
		for _, line := range findingLines(all[i]) {
			fmt.Fprintln(text, line)
		}
	}
}

func dbxText(d dbxInfo) string {
	if d.Error != "" {
		return "revoked: " + d.Error
	}
	from := map[string]string{string(nbp.DateHeader): "says itself", string(nbp.DateFile): "by the file's time"}[d.DateFrom]
	text := fmt.Sprintf("revoked: %s of %s, %s: %s", d.Path, d.Date.Format(time.DateOnly), from, count(d.Hashes, "digest"))
	text += ", " + count(d.Certificates, "certificate")
	if d.Other > 0 {
		text += fmt.Sprintf(", %d of kinds that are not looked at", d.Other)
	}
	return text
}

// findingLines says what is to be known of a program but for notes, folded and
// set in.
func findingLines(p nbp.Program) []string {
	var lines []string
	for _, f := range p.Findings {
		if f.Level == nbp.LevelNote {
			continue
		}
		lines = append(lines, fold("it "+f.Text, "      ")...)
		if f.Remedy != "" {
			lines = append(lines, fold(f.Remedy, "      ")...)
		}
	}
	return lines
}

// fold breaks a text between words into lines of no more than lineWidth.
func fold(text, indent string) []string {
	var lines []string
	line := indent[:len(indent)-2] + "-"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > lineWidth && strings.TrimSpace(line) != "" {
			lines = append(lines, line)
			line = indent[:len(indent)-1]
		}
		line += " " + word
	}
	return append(lines, line)
}

// sbatLevels lists the generations of the project's own components,
// "shim,4"; those of distributions are in show.
func sbatLevels(p nbp.Program) string {
	var all []string
	for _, e := range p.SBAT {
		if e.Component != "sbat" && !strings.Contains(e.Component, ".") {
			all = append(all, fmt.Sprintf("%s,%d", e.Component, e.Generation))
		}
	}
	return orElse(strings.Join(all, " "), "-")
}

// signedUnder lists the authorities that a program's signatures go up to.
func signedUnder(p nbp.Program) string {
	if p.Signer == "" {
		return "-"
	}
	var all []string
	for _, s := range p.Signatures {
		name := shortAuthority(s.Authority, all)
		if !s.Verified {
			name += " (does not hold)"
		}
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return orElse(strings.Join(all, ", "), "unsigned")
}

// shortAuthority leaves out "Corporation", and of Microsoft's second generation
// all but the year: "Microsoft UEFI CA 2011, 2023".
func shortAuthority(name string, before []string) string {
	name = strings.Replace(name, "Microsoft Corporation ", "Microsoft ", 1)
	if at := strings.LastIndexByte(name, ' '); at > 0 && len(before) > 0 && strings.HasPrefix(before[0], name[:at+1]+"20") {
		return name[at+1:]
	}
	return name
}

// expires is the day on which the last of the signers' certificates expires.
func expires(p nbp.Program) string {
	var last time.Time
	for _, s := range p.Signatures {
		if len(s.Chain) > 0 && s.Chain[0].NotAfter.After(last) {
			last = s.Chain[0].NotAfter
		}
	}
	if last.IsZero() {
		return "-"
	}
	return last.Format(time.DateOnly)
}

func cut(s string, width int) string {
	if len(s) <= width {
		return s
	}
	return s[:width-1] + "…"
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func newNBPShow(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "show all that is known of one: signatures with their chains, SBAT, findings",
		Long: `show prints all that is known of the boot programs of a name. Where several
architectures have one, ARCH/FILE means one of them: uefi-x64/grubx64.efi.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "name one boot program")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			found := []nbp.Program{}
			for _, p := range loaded.Programs.All() {
				if nbp.Named(p, args[0]) {
					found = append(found, p)
				}
			}
			switch {
			case len(found) == 0:
				return fmt.Errorf("there is no boot program %s; hobnail nbp list shows what there is", args[0])
			case asJSON:
				return printJSON(cmd.OutOrStdout(), found)
			}
			for i, p := range found {
				if i > 0 {
					fmt.Fprintln(cmd.OutOrStdout())
				}
				printProgram(cmd.OutOrStdout(), p)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printProgram(out io.Writer, p nbp.Program) {
	printRow(out, "file", string(p.Arch)+"/"+p.File)
	printRow(out, "kind", string(p.Loader))
	printRow(out, "version", orElse(p.Version, "unknown"))
	printRow(out, "machine", p.Machine)
	printRow(out, "state", string(p.State))
	for _, f := range p.Findings {
		printRow(out, string(f.Level), "it "+f.Text)
		printRow(out, "", f.Remedy)
	}
	printRow(out, "size", fmt.Sprint(p.Size))
	printRow(out, "sha256", p.SHA256)
	printRow(out, "authenticode", p.Authenticode)
	printRow(out, "from", p.Source)
	printRow(out, "source", p.SourceCode)
	printRow(out, "licence", p.Licence)
	for _, e := range p.SBAT {
		printRow(out, "sbat", sbatText(e))
	}
	for _, e := range p.Revokes {
		printRow(out, "revokes", sbatText(e))
	}
	if p.Signer == "unsigned" {
		printRow(out, "signatures", "none")
	}
	for i, s := range p.Signatures {
		printSignature(out, i+1, s)
	}
}

func sbatText(e nbp.SBATEntry) string {
	return strings.TrimRight(fmt.Sprintf("%s,%d  %s %s", e.Component, e.Generation, e.Package, e.Version), " ")
}

func printSignature(out io.Writer, n int, s nbp.Signature) {
	holds := "holds: the file's digest, signed by the key of the certificate"
	if !s.Verified {
		holds = "does not hold: it " + s.Fault
	}
	printRow(out, fmt.Sprintf("signature %d", n), holds)
	printRow(out, "  digest", strings.TrimSpace(s.Algorithm+" "+s.Digest))
	proof := "its certificate is enclosed and is the one that firmware comes with"
	if !s.AuthorityProven {
		proof = "as the certificates say; it is none that firmware comes with, or not enclosed"
	}
	printRow(out, "  authority", s.Authority+" ("+proof+")")
	for _, c := range s.Chain {
		printRow(out, "  certificate", c.Subject)
		printRow(out, "    issuer", c.Issuer)
		printRow(out, "    valid", c.NotBefore.Format(time.DateOnly)+" to "+c.NotAfter.Format(time.DateOnly))
		printRow(out, "    serial", c.Serial)
		printRow(out, "    sha256", c.SHA256)
	}
}

func newNBPLicences() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "licences",
		Short: "print the licences of the embedded ones, and where their sources are",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := nbp.Licences()
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), append([]nbp.Licence{}, all...))
			}
			for _, l := range all {
				fmt.Fprintf(cmd.OutOrStdout(), "==== %s of %s %s; its source is Debian's %s\n\n%s\n", l.Name, l.Package, l.Version, l.Source, l.Text)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
