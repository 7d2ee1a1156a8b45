package wim

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"hobnail/internal/model"
)

// xmlImage is an IMAGE element, as far as it is read. Numbers are texts here,
// so that an error can name image and element.
type xmlImage struct {
	Index       string `xml:"INDEX,attr"`
	Name        string `xml:"NAME"`
	Description string `xml:"DESCRIPTION"`
	DisplayName string `xml:"DISPLAYNAME"`
	DisplayText string `xml:"DISPLAYDESCRIPTION"`
	Flags       string `xml:"FLAGS"`
	TotalBytes  string `xml:"TOTALBYTES"`
	Dirs        string `xml:"DIRCOUNT"`
	Files       string `xml:"FILECOUNT"`
	Created     struct {
		High string `xml:"HIGHPART"`
		Low  string `xml:"LOWPART"`
	} `xml:"CREATIONTIME"`
	Windows struct {
		Arch             string `xml:"ARCH"`
		ProductName      string `xml:"PRODUCTNAME"`
		EditionID        string `xml:"EDITIONID"`
		InstallationType string `xml:"INSTALLATIONTYPE"`
		Languages        struct {
			Language []string `xml:"LANGUAGE"`
			Default  string   `xml:"DEFAULT"`
		} `xml:"LANGUAGES"`
		Version struct {
			Major   string `xml:"MAJOR"`
			Minor   string `xml:"MINOR"`
			Build   string `xml:"BUILD"`
			SPBuild string `xml:"SPBUILD"`
		} `xml:"VERSION"`
	} `xml:"WINDOWS"`
}

// readXML gives the images in the order of their index, one for each that the
// header counts; one that the XML leaves out has only its index.
func (c *container) readXML() ([]ImageInfo, error) {
	images := make([]ImageInfo, c.images)
	for i := range images {
		images[i].Index = i + 1
	}
	if c.xml.size == 0 {
		return images, nil
	}
	raw, err := c.readAll(c.xml, maxXML)
	if err != nil {
		return nil, fmt.Errorf("reading the XML of a WIM: %v", err)
	}
	text, err := fromUTF16(raw)
	if err != nil {
		return nil, fmt.Errorf("reading the XML of a WIM, at octet %d of the file: %v", c.xml.offset, err)
	}
	if err := parseXML(text, images); err != nil {
		return nil, fmt.Errorf("reading the XML of a WIM, at octet %d of the file: %v", c.xml.offset, err)
	}
	return images, nil
}

// fromUTF16 decodes strictly: Windows reads such XML with a parser that
// refuses half a surrogate pair, too.
func fromUTF16(raw []byte) (string, error) {
	if len(raw)%2 != 0 {
		return "", fmt.Errorf("%d octets are no UTF-16", len(raw))
	}
	var b strings.Builder
	b.Grow(len(raw) / 2)
	for i := 0; i < len(raw); i += 2 {
		r := rune(u16(raw[i:]))
		switch {
		case i == 0 && r == 0xfeff:
			continue
		case utf16.IsSurrogate(r):
			var second rune
			if i+4 <= len(raw) {
				second = rune(u16(raw[i+2:]))
			}
			whole := utf16.DecodeRune(r, second)
			if whole == utf8.RuneError {
				return "", fmt.Errorf("octet %d of the XML: half a surrogate pair, %#x", i, r)
			}
			r, i = whole, i+2
		}
		b.WriteRune(r)
	}
	return b.String(), nil
}

// parseXML fills images in. Entities other than XML's own five are errors,
// document types are not looked at (encoding/xml).
func parseXML(text string, images []ImageInfo) error {
	d := xml.NewDecoder(strings.NewReader(text))
	// The octets are UTF-8 by now, whatever a declaration says.
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	seen := make([]bool, len(images))
	depth := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth != 1 || t.Name.Local != "IMAGE" {
				depth++
				continue
			}
			line, _ := d.InputPos()
			if err := parseImage(d, &t, images, seen); err != nil {
				return fmt.Errorf("line %d: %v", line, err)
			}
		case xml.EndElement:
			depth--
		}
	}
}

func parseImage(d *xml.Decoder, start *xml.StartElement, images []ImageInfo, seen []bool) error {
	var x xmlImage
	if err := d.DecodeElement(&x, start); err != nil {
		return err
	}
	index, err := strconv.Atoi(strings.TrimSpace(x.Index))
	if err != nil || index < 1 || index > len(images) {
		return fmt.Errorf("IMAGE has INDEX %q; the header has %d images", cut(x.Index), len(images))
	}
	if seen[index-1] {
		return fmt.Errorf("a second IMAGE has INDEX %d", index)
	}
	seen[index-1] = true
	info, err := x.info()
	if err != nil {
		return fmt.Errorf("IMAGE %d: %v", index, err)
	}
	info.Index = index
	images[index-1] = info
	return nil
}

func (x *xmlImage) info() (ImageInfo, error) {
	w := &x.Windows
	i := ImageInfo{
		Name: x.Name, Description: x.Description,
		DisplayName: x.DisplayName, DisplayText: x.DisplayText,
		Flags: x.Flags, EditionID: w.EditionID, InstallationType: w.InstallationType, ProductName: w.ProductName,
		Languages: w.Languages.Language, DefaultLanguage: w.Languages.Default,
		HasArch: strings.TrimSpace(w.Arch) != "",
	}
	var high, low, arch, major, minor, build, sp int64
	for _, n := range []struct {
		what, text string
		max        int64
		into       *int64
	}{
		{"TOTALBYTES", x.TotalBytes, 1<<63 - 1, &i.TotalBytes},
		{"DIRCOUNT", x.Dirs, 1<<63 - 1, &i.Dirs},
		{"FILECOUNT", x.Files, 1<<63 - 1, &i.Files},
		{"HIGHPART", x.Created.High, 1<<31 - 1, &high},
		{"LOWPART", x.Created.Low, 1<<32 - 1, &low},
		{"ARCH", w.Arch, 1<<16 - 1, &arch},
		{"MAJOR", w.Version.Major, 1<<31 - 1, &major},
		{"MINOR", w.Version.Minor, 1<<31 - 1, &minor},
		{"BUILD", w.Version.Build, 1<<31 - 1, &build},
		{"SPBUILD", w.Version.SPBuild, 1<<31 - 1, &sp},
	} {
		text := strings.TrimSpace(n.text)
		if text == "" {
			continue
		}
		v, err := strconv.ParseInt(text, 0, 64)
		if err != nil || v < 0 || v > n.max {
			return ImageInfo{}, fmt.Errorf("%s is %q, not a number from 0 to %d", n.what, cut(text), n.max)
		}
		*n.into = v
	}
	i.Arch, i.CPU = int(arch), cpuOf(i.HasArch, arch)
	i.Version = Version{int(major), int(minor), int(build), int(sp)}
	i.Created = fromFiletime(uint64(high)<<32 | uint64(low))
	return i, nil
}

// cpuOf translates PROCESSOR_ARCHITECTURE_… of winnt.h.
func cpuOf(has bool, arch int64) model.CPU {
	if !has {
		return ""
	}
	switch arch {
	case 0:
		return model.CPUIA32
	case 5:
		return model.CPUARM32
	case 9:
		return model.CPUX64
	case 12:
		return model.CPUARM64
	}
	return ""
}

// cut keeps errors short, whatever the file has.
func cut(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// filetimeEpoch is 1601-01-01 in 100 ns before 1970 (FILETIME).
const filetimeEpoch = 116444736000000000

// fromFiletime gives the zero time for 0 and for what has its top bit set.
func fromFiletime(t uint64) time.Time {
	if t == 0 || t>>63 != 0 {
		return time.Time{}
	}
	since := int64(t) - filetimeEpoch
	return time.Unix(since/10_000_000, since%10_000_000*100).UTC()
}

// toFiletime is its inverse for times from 1601 on; earlier ones are an error.
func toFiletime(t time.Time) (uint64, error) {
	seconds := t.Unix() + filetimeEpoch/10_000_000
	if seconds < 0 || seconds >= (1<<63-1)/10_000_000 {
		return 0, fmt.Errorf("the time %s is none that Windows can write down", t.Format(time.RFC3339))
	}
	return uint64(seconds)*10_000_000 + uint64(t.Nanosecond()/100), nil
}
