package cli

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
	"hobnail/internal/image"
	"hobnail/internal/model"
)

func newImages(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "images", Short: "show what can be booted"}
	cmd.AddCommand(newImagesList(g), newImagesShow(g))
	return cmd
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
}

type fileInfo struct {
	Name  string `json:"name"`
	Path  string `json:"path"` // local path or URL
	Size  int64  `json:"size"` // octets; -1 where it is not known
	Error string `json:"error,omitempty"`
}

func describeImage(img model.Image) imageInfo {
	info := imageInfo{
		Name: img.Name, Title: img.Title, Arch: string(img.CPU), Cmdline: img.Cmdline,
		Source: img.Source, InitrdNames: []string{},
	}
	if info.Title == "" {
		info.Title = img.Name
	}
	info.KernelName, info.InitrdNames = image.Names(img)
	for _, f := range image.Files(img) {
		fi := fileInfo{Name: f.Name, Path: f.Path, Size: -1}
		if !strings.Contains(f.Path, "://") {
			if st, err := os.Stat(f.Path); err != nil {
				fi.Error = err.Error()
			} else {
				fi.Size = st.Size()
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
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
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
			img, ok := loaded.Policy.Image(args[0])
			if !ok {
				return fmt.Errorf("there is no image %q; hobnail images list names them all", args[0])
			}
			info := describeImage(img)
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

func printImage(cmd *cobra.Command, i imageInfo) {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "name      %s\ntitle     %s\narch      %s\nfrom      %s\ncmdline   %s\nfiles\n", i.Name, i.Title, i.Arch, i.Source, i.Cmdline)
	for _, f := range i.Files {
		size := fmt.Sprintf("%d octets", f.Size)
		switch {
		case f.Error != "":
			size = f.Error
		case f.Size < 0:
			size = "size not known here"
		}
		fmt.Fprintf(out, "  %s  from %s, %s\n", f.Name, f.Path, size)
	}
}
