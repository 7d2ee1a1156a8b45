package windows

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"hobnail/internal/model"
)

// Choose finds the edition that a person means: by its number, its name or its
// id, in any case. Without a word it is the only one. The error says what of the
// image cannot be installed, or which editions there are.
func Choose(img model.Image, word string) (model.Edition, error) {
	if err := installable(img); err != nil {
		return model.Edition{}, err
	}
	word = strings.TrimSpace(word)
	if word == "" {
		if len(img.Editions) == 1 {
			return img.Editions[0], nil
		}
		return model.Edition{}, fmt.Errorf("image %s has %d editions; say which by --edition, by name or number: %s", img.Name, len(img.Editions), names(img.Editions))
	}
	if n, err := strconv.Atoi(word); err == nil {
		if i := slices.IndexFunc(img.Editions, func(e model.Edition) bool { return e.Index == n }); i >= 0 {
			return img.Editions[i], nil
		}
	}
	for _, is := range []func(model.Edition) string{
		func(e model.Edition) string { return e.Name },
		func(e model.Edition) string { return e.ID },
	} {
		var found []model.Edition
		for _, e := range img.Editions {
			if strings.EqualFold(is(e), word) {
				found = append(found, e)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return model.Edition{}, fmt.Errorf("image %s has more than one edition %q; say which by its number: %s", img.Name, word, names(found))
		}
	}
	return model.Edition{}, fmt.Errorf("image %s has no edition %q; it has %s", img.Name, word, names(img.Editions))
}

// installable says what stands against an install by the agent.
func installable(img model.Image) error {
	switch {
	case img.Way != model.WayWindows:
		return fmt.Errorf("image %s is no Windows that starts from the network", img.Name)
	case img.InstallWIM == "":
		return fmt.Errorf("image %s starts Windows PE and has no install.wim: there is nothing to install", img.Name)
	case strings.EqualFold(path.Ext(img.InstallWIM), ".swm"):
		return fmt.Errorf(`image %s has its Windows in parts (%s and more), which cannot be installed from: "wimlib-imagex join install.wim install*.swm" puts them together, for an ISO with install.wim in their place`,
			img.Name, path.Base(img.InstallWIM))
	case len(img.Editions) == 0:
		return fmt.Errorf("image %s: the editions in %s could not be read; hobnail images verify %s looks again", img.Name, path.Base(img.InstallWIM), img.Name)
	}
	return nil
}

// Warning says what a person should know of an image before it is installed;
// empty for nothing.
func Warning(installWIM string) string {
	switch strings.ToLower(path.Ext(installWIM)) {
	case ".esd":
		return `its Windows is packed as install.esd, which the DISM in its own Windows PE should lay out; that was never tried. "wimlib-imagex export install.esd all install.wim --compress=LZX" makes an install.wim of it, for an ISO of your own`
	case ".swm":
		return `its Windows is in parts (install.swm and more): it starts, and cannot be installed hands free. "wimlib-imagex join install.wim install*.swm" puts them together, for an ISO of your own`
	}
	return ""
}

// names shows editions with their numbers.
func names(all []model.Edition) string {
	words := make([]string, len(all))
	for i, e := range all {
		words[i] = fmt.Sprintf("%d %s", e.Index, printable(e.Name))
	}
	return strings.Join(words, ", ")
}

// printable is a text out of a WIM, as it may stand on a screen.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
