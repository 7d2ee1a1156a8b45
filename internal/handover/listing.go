package handover

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
)

// Listing is all that passes, in the shape that programs read.
type Listing struct {
	Server   string        `json:"server"`
	TFTP     TFTPInfo      `json:"tftp"`
	Networks []NetworkInfo `json:"networks"`
	Rules    []RuleInfo    `json:"rules"`
}

// TFTPInfo says which ports TFTP has.
type TFTPInfo struct {
	SinglePort bool   `json:"single_port"`
	Data       string `json:"data"` // "69", or the run that the kernel picks from
}

// NetworkInfo is one network where machines boot.
type NetworkInfo struct {
	CIDR     string   `json:"cidr"`
	Mode     string   `json:"mode"`
	Server   string   `json:"server"` // DHCP; empty where there is none of ours
	Files    string   `json:"files"`  // TFTP and HTTP
	Why      string   `json:"why"`    // where that address is known from
	SameLink bool     `json:"same_link"`
	Router   string   `json:"router"`
	Upstream []string `json:"upstream"`
	At       string   `json:"at"`
}

// RuleInfo is one flow of packets in one direction.
type RuleInfo struct {
	ID        string   `json:"id"`
	Network   string   `json:"network"`
	Direction string   `json:"direction"` // "in", to hobnail; "out", from it
	Protocol  string   `json:"protocol"`
	Message   string   `json:"message"` // of ICMP
	From      string   `json:"from"`
	FromAddr  string   `json:"from_address"` // network, address, or name; empty: any
	FromPorts []string `json:"from_ports"`
	To        string   `json:"to"`
	ToAddr    string   `json:"to_address"`
	ToPorts   []string `json:"to_ports"`
	Answers   bool     `json:"answers"` // only what belongs to a connection of the other side
	At        []string `json:"at"`
	What      string   `json:"what"`
}

// Listing gives the data behind all texts.
func (s *Site) Listing() Listing {
	l := Listing{
		Server: s.Config.Server.Name, TFTP: TFTPInfo{SinglePort: s.Single, Data: s.Answer.String()},
		Networks: []NetworkInfo{}, Rules: []RuleInfo{},
	}
	for _, n := range s.Networks {
		l.Networks = append(l.Networks, n.info())
	}
	for _, r := range s.Rules() {
		l.Rules = append(l.Rules, r.info())
	}
	return l
}

func (n Network) info() NetworkInfo {
	info := NetworkInfo{
		CIDR: n.CIDR.String(), Mode: n.Mode.String(), Server: addrText(n.DHCP), Files: addrText(n.Files), Why: n.Why,
		SameLink: n.Local, Router: addrText(n.Router), Upstream: []string{}, At: n.At,
	}
	for _, a := range n.Upstream {
		info.Upstream = append(info.Upstream, a.String())
	}
	return info
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func (r Rule) info() RuleInfo {
	info := RuleInfo{
		ID: r.ID, Direction: "out", Protocol: r.Protocol, Message: r.Message, Answers: r.Reply, What: r.What,
		From: r.From.Name, FromAddr: r.From.address(), FromPorts: portTexts(r.From.Ports),
		To: r.To.Name, ToAddr: r.To.address(), ToPorts: portTexts(r.To.Ports), At: []string{},
	}
	if r.Inbound {
		info.Direction = "in"
	}
	if r.Network.IsValid() {
		info.Network = r.Network.String()
	}
	for _, p := range r.At {
		info.At = append(info.At, string(p))
	}
	return info
}

// address is where a side is: a network, one address, a name, or "" for
// anywhere.
func (s Side) address() string {
	switch {
	case s.Host != "":
		return s.Host
	case !s.Net.IsValid():
		return ""
	case s.Net.IsSingleIP():
		return s.Net.Addr().String()
	}
	return s.Net.String()
}

func portTexts(list []Ports) []string {
	all := []string{}
	for _, p := range list {
		all = append(all, p.String())
	}
	return all
}

// Text writes the listing for people, a table for each network.
func (l Listing) Text() string {
	var w writer
	for _, n := range append(l.Networks, NetworkInfo{}) {
		if n.CIDR != "" {
			w.linef("%s, mode %s", n.CIDR, n.Mode)
			w.linef("  hobnail is %s (%s)%s", n.Files, n.Why, map[bool]string{true: ", on the same link", false: ", behind routers"}[n.SameLink])
			if n.Server != "" && n.Server != n.Files {
				w.linef("  for DHCP it is %s", n.Server)
			}
		}
		l.table(&w, n.CIDR)
	}
	if !l.TFTP.SinglePort {
		w.linef("TFTP data leaves from 32 ports out of %s, others after each start (net.ipv4.ip_local_port_range).", l.TFTP.Data)
		w.line(`With [tftp] answers = "single-port" it leaves from port 69, and nothing else is to be opened for it.`)
	}
	return w.String()
}

// table writes the rules of a network; of "", those that belong to none.
func (l Listing) table(out io.Writer, network string) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	rows := 0
	for _, r := range l.Rules {
		if r.Network != network {
			continue
		}
		if rows == 0 {
			if network == "" {
				fmt.Fprintln(w, "wherever machines are")
			}
			fmt.Fprintln(w, "  \tPROTOCOL\tFROM\tPORT\tTO\tPORT\tWHAT")
		}
		rows++
		protocol := r.Protocol
		if r.Message != "" {
			protocol += " " + r.Message
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Direction, protocol, orWord(r.FromAddr, r.From), orWord(strings.Join(r.FromPorts, " "), "-"),
			orWord(r.ToAddr, r.To), orWord(strings.Join(r.ToPorts, " "), "-"), r.What)
	}
	w.Flush() // into memory
	if rows > 0 {
		fmt.Fprintln(out)
	}
}

func orWord(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// CSV writes the rules with a line of headings. What a configuration names
// stands in cells; a spreadsheet takes none of it for a formula.
func (l Listing) CSV() string {
	rows := [][]string{{"id", "network", "direction", "protocol", "message", "from", "from_address", "from_ports", "to", "to_address", "to_ports", "answers", "at", "what"}}
	for _, r := range l.Rules {
		rows = append(rows, []string{
			r.ID, r.Network, r.Direction, r.Protocol, r.Message, r.From, r.FromAddr, strings.Join(r.FromPorts, " "),
			r.To, r.ToAddr, strings.Join(r.ToPorts, " "), fmt.Sprint(r.Answers), strings.Join(r.At, " "), r.What,
		})
	}
	return csvText(rows)
}

func csvText(rows [][]string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	for _, row := range rows {
		for i, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				row[i] = "'" + cell
			}
		}
		w.Write(row) // into memory
	}
	w.Flush()
	return b.String()
}

// Addresses lists where machines read files from, each once.
func (s *Site) Addresses() []netip.Addr {
	var all []netip.Addr
	for _, n := range s.Networks {
		if !slices.Contains(all, n.Files) {
			all = append(all, n.Files)
		}
	}
	return all
}

// HelperInfo is what one network's IP helper lists, in the shape that programs
// read.
type HelperInfo struct {
	Network string   `json:"network"`
	Router  string   `json:"router"`
	Servers []string `json:"servers"`
	Keep    bool     `json:"keep"` // and what is listed there already: the site's DHCP servers
}

// HelperInfos lists the IP helpers of all networks behind routers.
func (s *Site) HelperInfos() []HelperInfo {
	all := []HelperInfo{}
	for _, h := range s.Helpers() {
		info := HelperInfo{Network: h.Network.CIDR.String(), Router: addrText(h.Network.Router), Servers: []string{}, Keep: h.Keep}
		for _, a := range h.Servers {
			info.Servers = append(info.Servers, a.String())
		}
		all = append(all, info)
	}
	return all
}

// BootInfo is what one kind of client is to be told, in the shape that programs
// read.
type BootInfo struct {
	Arch       string   `json:"arch"`
	Client     string   `json:"client"`
	Codes      []uint16 `json:"codes"` // option 93
	File       string   `json:"file"`
	NextServer string   `json:"next_server"` // empty where file is a URL
	Why        string   `json:"why"`
}

// BootInfos lists what DHCP servers of the site's would be told.
func (s *Site) BootInfos() ([]BootInfo, error) {
	d, err := s.DHCP()
	if err != nil {
		return nil, err
	}
	all := []BootInfo{}
	for _, b := range d.Boots {
		all = append(all, BootInfo{Arch: string(b.Arch), Client: string(b.Client), Codes: b.Codes, File: b.File, NextServer: addrText(b.Next), Why: b.Why})
	}
	return all, nil
}
