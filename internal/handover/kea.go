package handover

import (
	"encoding/json"
	"fmt"
	"strings"
)

// keaClass is a client class of Kea's DHCPv4 server.
type keaClass struct {
	Name         string      `json:"name"`
	Test         string      `json:"test"`
	NextServer   string      `json:"next-server,omitempty"`
	BootFileName string      `json:"boot-file-name,omitempty"`
	OptionData   []keaOption `json:"option-data,omitempty"`
}

type keaOption struct {
	Name       string `json:"name"`
	Data       string `json:"data"`
	AlwaysSend bool   `json:"always-send"`
}

// Kea writes boot data for Kea's DHCPv4 server: the value of client-classes.
// Each client is in one class at most, but for the one that tells iPXE.
func (d *DHCP) Kea() (string, error) {
	const iPXE = "hobnail-ipxe"
	classes := []keaClass{{Name: iPXE, Test: "option[175].exists or option[77].hex == 'iPXE'"}}
	for _, b := range d.Boots {
		c := keaClass{Name: b.Name, Test: keaCodes(b.Codes), BootFileName: b.File}
		switch b.Client {
		case ClientIPXE:
			c.Test = "member('" + iPXE + "') and " + c.Test
		case ClientPXE:
			c.Test = "not member('" + iPXE + "') and " + c.Test
		case ClientHTTP:
			// Firmware asks for it (option 55), but the class it sends back
			// decides whether the answer counts at all.
			c.OptionData = []keaOption{{"vendor-class-identifier", "HTTPClient", true}}
		}
		if b.Next.IsValid() {
			c.NextServer = b.Next.String()
		}
		classes = append(classes, c)
	}
	var w writer
	d.head(&w, "// ", "Kea",
		"The value of client-classes in Dhcp4; as a file of its own: \"client-classes\": <?include \"FILE\"?>,",
		"Where there are classes already, add these behind them.")
	enc := json.NewEncoder(&w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(classes); err != nil {
		return "", fmt.Errorf("writing classes for Kea: %v", err)
	}
	return w.String(), nil
}

// keaCodes compares the first of a client's architectures.
func keaCodes(list []uint16) string {
	var all []string
	for _, c := range list {
		all = append(all, fmt.Sprintf("substring(option[93].hex, 0, 2) == 0x%04X", c))
	}
	return "(" + strings.Join(all, " or ") + ")"
}
