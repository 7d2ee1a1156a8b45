package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
	"hobnail/internal/library"
)

// libraryInfo is what is kept of an image that was added, in the shape that
// programs read.
type libraryInfo struct {
	Path    string      `json:"path"`
	Size    int64       `json:"size"` // octets
	SHA256  string      `json:"sha256"`
	State   string      `json:"state"`
	Problem string      `json:"problem,omitempty"`
	System  string      `json:"system,omitempty"`
	Version string      `json:"version,omitempty"`
	Unknown string      `json:"unknown,omitempty"`
	URL     string      `json:"url,omitempty"`
	Checks  []checkInfo `json:"checks"`
	Answer  string      `json:"answer,omitempty"`
	Hidden  bool        `json:"hidden"`
	Added   string      `json:"added"` // RFC 3339, UTC
	By      string      `json:"by"`
	// Warnings are what people should know of what was recognised.
	Warnings []string `json:"warnings,omitempty"`
	// Editions are what machines can be installed with, of Windows.
	Editions []editionInfo `json:"editions,omitempty"`
}

// editionInfo is one edition of a Windows image, in the shape that programs
// read.
type editionInfo struct {
	Number    int      `json:"number"` // what hobnail machines install --edition takes, as well as name and id
	Name      string   `json:"name"`
	ID        string   `json:"id,omitempty"`
	Arch      string   `json:"arch,omitempty"`
	Version   string   `json:"version,omitempty"`
	Languages []string `json:"languages"`
	Size      int64    `json:"size"` // octets when it is laid out; 0: not told
}

type checkInfo struct {
	Kind   string `json:"kind"`
	From   string `json:"from"`
	Result string `json:"result"`
	Text   string `json:"text,omitempty"`
}

func describeAdded(i library.Image) imageInfo {
	state, problem := i.State()
	l := &libraryInfo{
		Path: i.Path, Size: i.Size, SHA256: i.SHA256, State: string(state), Unknown: i.Fault, URL: i.Source,
		Checks: []checkInfo{}, Added: i.Added.UTC().Format(time.RFC3339), By: i.By,
	}
	if problem != nil {
		l.Problem = problem.Error()
	}
	info := imageInfo{Name: i.Name, Title: i.Shown(), Source: "library", InitrdNames: []string{}, Files: []fileInfo{}, Library: l}
	if i.Found != nil {
		info.Arch, l.System, l.Version = i.Found.CPU, i.Found.System, i.Found.Version
	}
	detail := app.Detail(i)
	l.Warnings = detail.Warnings
	for _, e := range detail.Editions {
		l.Editions = append(l.Editions, editionInfo{e.Index, e.Name, e.ID, string(e.CPU), e.Version, append([]string{}, e.Languages...), e.Size})
	}
	for _, c := range i.Checks {
		l.Checks = append(l.Checks, checkInfo(c))
	}
	if e := i.Edits; e.Cmdline != nil {
		info.Cmdline = *e.Cmdline
	}
	if e := i.Edits; e.Answer != nil {
		l.Answer = *e.Answer
	}
	l.Hidden = i.Edits.Hidden != nil && *i.Edits.Hidden
	return info
}

// withLibrary adds what was added to a list of images, one line for each name.
func withLibrary(all []imageInfo, added []library.Image) []imageInfo {
	at := map[string]int{}
	for n, i := range all {
		at[i.Name] = n
	}
	for _, i := range added {
		info := describeAdded(i)
		if n, ok := at[i.Name]; ok {
			all[n].Library = info.Library
			continue
		}
		all = append(all, info)
	}
	return all
}

func printLibrary(out io.Writer, l libraryInfo) {
	printRow(out, "system", strings.TrimSpace(l.System+" "+l.Version))
	printRow(out, "unknown", l.Unknown)
	printRow(out, "answer", l.Answer)
	if l.Hidden {
		printRow(out, "hidden", "yes")
	}
	printRow(out, "path", plain(l.Path))
	printRow(out, "size", fmt.Sprintf("%d octets", l.Size))
	printRow(out, "sha256", l.SHA256)
	printRow(out, "state", l.State)
	printRow(out, "problem", l.Problem)
	printRow(out, "brought from", plain(l.URL))
	printRow(out, "added", l.Added+" by "+l.By)
	for _, text := range l.Warnings {
		printRow(out, "note", text)
	}
	printEditions(out, l.Editions)
	if len(l.Checks) > 0 {
		fmt.Fprintln(out, "checks")
	}
	for _, c := range l.Checks {
		fmt.Fprintf(out, "  %s\n", c)
	}
}

func printEditions(out io.Writer, all []editionInfo) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(out, "editions")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  NUMBER\tNAME\tID\tARCH\tVERSION\tLANGUAGES\tGB")
	for _, e := range all {
		size := ""
		if e.Size > 0 {
			size = fmt.Sprintf("%.1f", float64(e.Size)/1e9)
		}
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %d\t%s\t%s\t%s\t%s\t%s\t%s", e.Number, plain(e.Name), plain(e.ID), e.Arch, e.Version, plain(strings.Join(e.Languages, " ")), size), "\t"))
	}
	w.Flush() // to what printed the rows above
}

// String is a check as a line of text.
func (c checkInfo) String() string {
	text := fmt.Sprintf("%s %s: %s", c.Kind, plain(c.From), c.Result)
	if c.Text != "" {
		text += " (" + plain(c.Text) + ")"
	}
	return text
}

// addedInfo is what was done about one file, in the shape that programs read.
type addedInfo struct {
	Did   string    `json:"did"`
	Same  string    `json:"same,omitempty"`
	Image imageInfo `json:"image"`
}

// maxKeyring bounds a keyring, in octets: it goes to the server in one line.
const maxKeyring = 2 << 20

func newImagesAdd(g *globals) *cobra.Command {
	var o library.AddOptions
	var asCopy, asLink, asJSON bool
	var keyring string
	cmd := &cobra.Command{
		Use:   "add FILE|URL|FOLDER",
		Short: "add an image, after a look at its checksum and at what it is",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || asCopy && asLink {
				return usagef(cmd, "name one file, URL or folder, and at most one of --copy and --link")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case asCopy:
				o.Place = library.PlaceCopy
			case asLink:
				o.Place = library.PlaceLink
			}
			if keyring != "" {
				keys, err := os.ReadFile(keyring)
				if err == nil && len(keys) > maxKeyring {
					err = fmt.Errorf("it has %d octets, at most %d are taken", len(keys), maxKeyring)
				}
				if err != nil {
					return fmt.Errorf("reading the keyring %s: %v", keyring, err)
				}
				o.Keyring = keys
			}
			o.By = whoami()
			a, err := change(cmd, g, app.ImagesRequest{Add: &app.AddImages{Source: args[0], AddOptions: o}})
			if err := showAdded(cmd, a.Results, asJSON); err != nil {
				return err
			}
			return err
		},
	}
	cmd.Flags().StringVar(&o.Name, "name", "", "`NAME` that rules and machines use (default: made of the file's)")
	cmd.Flags().BoolVar(&asCopy, "copy", false, "copy the file into the folder of images; where the file system can, both share the space")
	cmd.Flags().BoolVar(&asLink, "link", false, "give the file a second name in the folder of images (a hard link)")
	cmd.Flags().StringVar(&o.SHA256, "sha256", "", "sum that the file must have, 64 `HEX` digits")
	cmd.Flags().StringVar(&keyring, "keyring", "", "`FILE` of OpenPGP keys: add nothing that none of them has signed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// whoami is who runs this command, for the record.
func whoami() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", os.Getuid())
}

// change has something done with the library, with a bar while it takes long.
func change(cmd *cobra.Command, g *globals, r app.ImagesRequest) (app.ImagesAnswer, error) {
	loaded, err := app.Load(g.config)
	if err != nil {
		return app.ImagesAnswer{}, err
	}
	bar := newProgress(cmd.ErrOrStderr(), 0)
	defer bar.clear()
	a, err := app.ChangeImages(cmd.Context(), loaded, r, func(p library.Progress) {
		bar.doing, bar.size, bar.rate = fmt.Sprintf("%s %s ", p.Stage, plain(p.File)), p.Total, p.Rate
		bar.to(p.Done)
	})
	if errors.Is(err, context.Canceled) {
		err = errors.New("stopped; nothing was changed but what is told above")
	}
	return a, err
}

func showAdded(cmd *cobra.Command, results []library.Result, asJSON bool) error {
	all := []addedInfo{}
	for _, r := range results {
		all = append(all, addedInfo{string(r.Did), r.Same, describeAdded(r.Image)})
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), all)
	}
	for _, a := range all {
		i, l := a.Image, a.Image.Library
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %s, %d octets, sha256 %s\n", i.Name, a.Did, plain(i.Title), l.Size, l.SHA256)
		for _, c := range l.Checks {
			fmt.Fprintf(cmd.OutOrStdout(), "  %s\n", c)
		}
		if a.Same != "" {
			fmt.Fprintf(cmd.OutOrStdout(), "  image %s has the same content\n", a.Same)
		}
		if !compared(l.Checks) {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: image %s: nothing beside it says what its sum must be; compare it with its maker's page, or add it with --sha256\n", i.Name)
		}
		if l.Unknown != "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: image %s was not recognised: %s\n", i.Name, l.Unknown)
		}
		for _, text := range l.Warnings {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: image %s: %s\n", i.Name, text)
		}
	}
	return nil
}

// compared reports whether a sum, or a signature of the file, says what it must
// be.
func compared(checks []checkInfo) bool {
	for _, c := range checks {
		if c.Result == library.ResultOK && c.Kind != "treeinfo" {
			return true
		}
	}
	return false
}

func newImagesSet(g *globals) *cobra.Command {
	var c library.Change
	var title, cmdline, answer string
	var hidden, asJSON bool
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "change title, command line, answer file or name of an image that was added",
		Args:  oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			given := cmd.Flags().Changed
			for flag, field := range map[string]struct {
				to    **string
				value *string
			}{"title": {&c.Edits.Title, &title}, "cmdline": {&c.Edits.Cmdline, &cmdline}, "answer": {&c.Edits.Answer, &answer}} {
				if given(flag) {
					*field.to = field.value
				}
			}
			if given("hidden") {
				c.Edits.Hidden = &hidden
			}
			if c.Name == "" && !c.Reset && c.Edits == (library.Edits{}) {
				return usagef(cmd, "say what is to change")
			}
			a, err := change(cmd, g, app.ImagesRequest{Set: &app.SetImage{Name: args[0], Change: c}})
			if err != nil {
				return err
			}
			return showOne(cmd, a.Image, asJSON)
		},
	}
	cmd.Flags().StringVar(&c.Name, "name", "", "new `NAME`; rules and machines that have the old one are not changed")
	cmd.Flags().StringVar(&title, "title", "", "`TEXT` that menus show")
	cmd.Flags().StringVar(&cmdline, "cmdline", "", "command line in place of the recognised one, a `TEMPLATE` as in [[image]]")
	cmd.Flags().StringVar(&answer, "answer", "", "`KIND` of answer file, or the file")
	cmd.Flags().BoolVar(&hidden, "hidden", false, "leave it out of menus; --hidden=false shows it again")
	cmd.Flags().BoolVar(&c.Reset, "reset", false, "forget all that was set before")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func oneImage(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef(cmd, "name one image; hobnail images list names them all")
	}
	return nil
}

func showOne(cmd *cobra.Command, i *library.Image, asJSON bool) error {
	if i == nil {
		return nil
	}
	info := describeAdded(*i)
	if asJSON {
		return printJSON(cmd.OutOrStdout(), info)
	}
	printImage(cmd, info)
	return nil
}

// verifiedInfo is one image that was verified, in the shape that programs read.
type verifiedInfo struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

func newImagesVerify(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify [NAME...]",
		Short: "read images that were added again, and compare them with what they were",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := orAll(cmd, g, args)
			if err != nil {
				return err
			}
			all := []verifiedInfo{}
			bad := 0
			for _, name := range names {
				info := verifiedInfo{Name: name, OK: true}
				if _, err := change(cmd, g, app.ImagesRequest{Verify: &app.VerifyImage{Name: name}}); err != nil {
					info.OK, info.Error = false, err.Error()
					bad++
				}
				if err := cmd.Context().Err(); err != nil {
					return fmt.Errorf("stopped at image %s", name)
				}
				if !asJSON {
					printVerified(cmd.OutOrStdout(), info)
				}
				all = append(all, info)
			}
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), all); err != nil {
					return err
				}
			}
			if bad > 0 {
				return fmt.Errorf("%d of %d images are not what they were", bad, len(names))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printVerified(out io.Writer, v verifiedInfo) {
	if v.OK {
		fmt.Fprintf(out, "%s: ok\n", v.Name)
		return
	}
	fmt.Fprintf(out, "%s: %s\n", v.Name, strings.TrimPrefix(v.Error, "verifying image "+v.Name+": "))
}

// orAll gives the names, or those of all images that were added.
func orAll(cmd *cobra.Command, g *globals, names []string) ([]string, error) {
	if len(names) > 0 {
		return names, nil
	}
	loaded, err := app.Load(g.config)
	if err != nil {
		return nil, err
	}
	added, err := app.ReadLibrary(cmd.Context(), loaded)
	for _, i := range added {
		names = append(names, i.Name)
	}
	return names, err
}

func newImagesRemove(g *globals) *cobra.Command {
	var o library.RemoveOptions
	var file string
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "take an image that was added out of the library",
		Args: func(cmd *cobra.Command, args []string) error {
			if f := library.Fate(file); file != "" && f != library.FateKeep && f != library.FateDelete {
				return usagef(cmd, "--file is keep or delete")
			}
			return oneImage(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.File = library.Fate(file)
			if file == "" {
				fate, err := askFate(cmd, g, args[0])
				if err != nil {
					return err
				}
				o.File = fate
			}
			a, err := change(cmd, g, app.ImagesRequest{Remove: &app.RemoveImage{Name: args[0], RemoveOptions: o}})
			if err != nil {
				return err
			}
			what := "its file stays at " + plain(a.Image.Path)
			if o.File == library.FateDelete {
				what = plain(a.Image.Path) + " is deleted"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is removed; %s\n", args[0], what)
			return nil
		},
	}
	cmd.Flags().BoolVar(&o.Force, "force", false, "remove it though machines read it: their installs fail")
	cmd.Flags().StringVar(&file, "file", "", "`keep` or delete a file that lies in the folder of images (default: ask)")
	return cmd
}

// askFate asks a person what becomes of a file in the folder of images. In a
// pipe there is nobody to ask.
func askFate(cmd *cobra.Command, g *globals, name string) (library.Fate, error) {
	loaded, err := app.Load(g.config)
	if err != nil {
		return "", err
	}
	added, err := app.ReadLibrary(cmd.Context(), loaded)
	if err != nil {
		return "", err
	}
	for _, i := range added {
		switch {
		case i.Name != name:
		case !app.InImagesFolder(loaded, i):
			return library.FateKeep, nil
		case !person(cmd.InOrStdin()):
			return "", usagef(cmd, "say what becomes of %s: --file=keep or --file=delete", plain(i.Path))
		default:
			fmt.Fprintf(cmd.ErrOrStderr(), "delete %s as well, %d MiB? [y/N] ", plain(i.Path), i.Size>>20)
			answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
			if strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y") {
				return library.FateDelete, nil
			}
			return library.FateKeep, nil
		}
	}
	return library.FateKeep, nil // the library says that there is none
}

// person reports whether what is read there is typed by a person.
func person(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err == nil && !os.SameFile(info, null)
}
