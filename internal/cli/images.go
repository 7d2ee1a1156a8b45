package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
	"hobnail/internal/image"
	"hobnail/internal/model"
)

func newImages(g *globals) *cobra.Command {
	return newGroup("images", "show what can be booted, and add to it", newImagesList(g), newImagesShow(g),
		newImagesAdd(g), newImagesSet(g), newImagesVerify(g), newImagesRemove(g))
}

// imageInfo is an image in the shape that programs read. The names are those
// under which clients ask for the files, over TFTP and HTTP alike.
type imageInfo struct {
	Name        string     `json:"name"`
	Title       string     `json:"title"`
	Arch        string     `json:"arch"`
	KernelName  string     `json:"kernel_name"`
	InitrdNames []string   `json:"initrd_names"`
	Cmdline     string     `json:"cmdline"`
	Source      string     `json:"source"`
	Files       []fileInfo `json:"files"`
	// Library is what is kept of an image that was added; nil for others.
	Library *libraryInfo `json:"library,omitempty"`
}

type fileInfo struct {
	Name string `json:"name"`
	Path string `json:"path"` // local path or URL
	// Inside is where it lies in the image that Path is; empty where it is Path
	// itself, or made of it.
	Inside string `json:"inside,omitempty"`
	Size   int64  `json:"size"` // octets; -1 where it is not known
	Error  string `json:"error,omitempty"`
}

func describeImage(img model.Image) imageInfo {
	info := imageInfo{
		Name: img.Name, Title: img.Title, Arch: string(img.CPU), Cmdline: img.Cmdline,
		Source: img.Source, InitrdNames: []string{},
	}
	if info.Title == "" {
		info.Title = img.Name
	}
	kernel, initrd := image.Names(img)
	info.KernelName, info.InitrdNames = kernel, append(info.InitrdNames, initrd...)
	for _, f := range image.Files(img) {
		fi := fileInfo{Name: f.Name, Path: f.Path, Inside: f.Inside, Size: -1}
		if !strings.Contains(f.Path, "://") {
			if size, err := app.SizeOf(f); err != nil {
				fi.Error = err.Error()
			} else {
				fi.Size = size
			}
		}
		info.Files = append(info.Files, fi)
	}
	return info
}

func newImagesList(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list the images",
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			all := []imageInfo{}
			for _, img := range loaded.Images {
				all = append(all, describeImage(img))
			}
			added, err := app.ReadLibrary(cmd.Context(), loaded)
			if err != nil {
				return err
			}
			all = withLibrary(all, added)
			if asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tARCH\tTITLE\tFROM")
			for _, i := range all {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", i.Name, i.Arch, i.Title, i.Source)
			}
			if err := w.Flush(); err != nil {
				return fmt.Errorf("writing the list: %v", err)
			}
			for _, i := range all {
				warnOfFiles(cmd, i)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// warnOfFiles names the files of an image that are not where they should be.
func warnOfFiles(cmd *cobra.Command, i imageInfo) {
	for _, f := range i.Files {
		if f.Error != "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: image %s: %s\n", i.Name, f.Error)
		}
	}
	if i.Library != nil && i.Library.Problem != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: image %s: %s\n", i.Name, i.Library.Problem)
	}
}

func newImagesShow(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "show one image, with the names that clients ask for",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "name one image; hobnail images list names them all")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			info, err := findImage(cmd, loaded, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), info)
			}
			printImage(cmd, info)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// findImage finds an image of the configuration, of this host or of the
// library.
func findImage(cmd *cobra.Command, loaded *app.Loaded, name string) (imageInfo, error) {
	added, err := app.ReadLibrary(cmd.Context(), loaded)
	if err != nil {
		return imageInfo{}, err
	}
	var all []imageInfo
	if img, ok := loaded.Policy.Image(name); ok {
		all = append(all, describeImage(img))
	}
	for _, i := range withLibrary(all, added) {
		if i.Name == name {
			return i, nil
		}
	}
	return imageInfo{}, fmt.Errorf("there is no image %q; hobnail images list names them all", name)
}

func printImage(cmd *cobra.Command, i imageInfo) {
	out := cmd.OutOrStdout()
	printRow(out, "name", i.Name)
	printRow(out, "title", i.Title)
	printRow(out, "arch", i.Arch)
	printRow(out, "from", i.Source)
	printRow(out, "cmdline", i.Cmdline)
	if i.Library != nil {
		printLibrary(out, *i.Library)
	}
	if len(i.Files) == 0 {
		return
	}
	fmt.Fprintln(out, "files")
	for _, f := range i.Files {
		state := fmt.Sprintf("%d octets", f.Size)
		switch {
		case f.Error != "":
			state = f.Error
		case f.Size < 0:
			state = "size not known here"
		}
		from := f.Path
		if f.Inside != "" {
			from += ", " + f.Inside
		}
		fmt.Fprintf(out, "  %s\n    from %s\n    %s\n", f.Name, from, state)
	}
}
