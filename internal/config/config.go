// Package config turns the bytes of hobnail.toml into typed, checked values,
// or into the list of everything that is wrong with them. It reads no file
// but the bytes it is given and asks the system nothing, so that the checker,
// the simulator and the server see one meaning.
package config

import (
	"net/netip"
	"time"

	"hobnail/internal/model"
)

// Config is a configuration without faults. Slices keep the file's order,
// which for rules is the order of matching.
type Config struct {
	File     string // as named by the user; "" for the built-in defaults
	Server   Server
	Boot     Boot
	TFTP     TFTP
	HTTP     HTTP
	History  History
	Install  Install
	Subnets  []Subnet
	Machines []model.Machine
	Rules    []Rule
	Images   []model.Image
}

// Server is [server].
type Server struct {
	Name       string     // default: empty, the caller puts the host name
	Data       string     // default "/var/lib/hobnail"
	Interfaces []string   // empty: all with an IPv4 address
	Address    netip.Addr // zero: the address the client can reach us by
	HTTP       string     // "host:port" or ":port"; "off" for none; default ":8080"
	HTTPPort   uint16     // taken from HTTP; 0 when off
	HTTPS      string     // likewise; "off" by default
	HTTPSPort  uint16     // taken from HTTPS; 0 when off
	// Certificate and CertificateKey are files of the site's; empty: hobnail's
	// own CA makes one.
	Certificate    string
	CertificateKey string
	HTTPSNames     []string // host names and addresses that it is to be for as well
	Metrics        string   // "host:port" for Prometheus; "off" by default
	Console        Console
	DHCP           model.Mode // of subnets without [[subnet]]
	DHCPAt         string     // where it was said; "built-in default" otherwise
	// Upstream lists the site's DHCP servers, for subnets that name none;
	// empty: they are looked for.
	Upstream []netip.Addr
	Share    Share
	Options  []model.Option // for all subnets where addresses are given
	NBP      string         // the user's boot programs; default <Data>/nbp
	Landlock bool           // the kernel guards what is served, where it can; default true
	DBX      []string       // Secure Boot's revocation lists
	// AllowRevoked lists boot programs to serve though Secure Boot's rules
	// refuse them: FILE, or ARCHITECTURE/FILE.
	AllowRevoked []string
}

// Console is who may see the pages for people that HTTP has beside boot files.
type Console struct {
	Off      bool           // nobody
	Networks []netip.Prefix // beside this host itself; default: none
	Names    []string       // that browsers may call this server by, beside its name and https_names
}

// TFTP is [tftp].
type TFTP struct {
	SinglePort    bool // transfers are answered from port 69
	MaxTransfers  int  // open at once; default 16384
	MaxPerClient  int  // open at once for one address; default 64
	MaxRate       int  // octets in a second; 0: any
	MaxClientRate int  // octets in a second for one address; 0: any
}

// HTTP is [http], which is for HTTPS too. Where it listens is [server].
type HTTP struct {
	MaxRate       int // octets of boot files in a second; 0: any
	MaxClientRate int // the same for one address, or one /64 of IPv6; 0: any
}

// History is [history]: which boots are kept.
type History struct {
	Keep   bool          // whether boots are recorded at all; default true
	Good   time.Duration // how long those that went well are kept; default 14 days
	Failed time.Duration // the others; default 90 days
	Boots  int           // how many at most, those that went well go first; default 20000
}

// Install is [install]: what answer files of installers are made with.
type Install struct {
	// Answers is the folder of the site's own templates, <kind>/<file>, which come
	// before the built-in ones; default: answers below Server.Data.
	Answers string
	Vars    map[string]string // the site's variables, for templates
}

// Share is which part of every pool this server owns: part Index of Of,
// counted from 1. The zero value does not occur; the default is 1/1.
type Share struct{ Index, Of int }

// Boot is [boot].
type Boot struct {
	Unknown   string         // target of a machine that neither rule nor name decides
	UnknownAt string         // where it was said; "built-in default" otherwise
	Default   string         // the menu's default: an image or "local"
	Timeout   time.Duration  // the menu's countdown; 0 waits for a key
	Local     model.LocalWay // how loaders leave for the own disk where no rule says it; default auto
	Offer     model.Style    // form of a proxy's offer where nothing else says it; default auto
	OfferAt   string         // where it was said; "built-in default" otherwise
	Learn     bool           // whether boots may change offers and boot programs; default true
	LearnAt   string         // where it was said; "built-in default" otherwise
}

// Subnet is one [[subnet]].
type Subnet struct {
	CIDR       netip.Prefix // masked
	Mode       model.Mode
	Pool       []Range // ascending, inside CIDR, disjoint; empty: reservations only
	Router     netip.Addr
	DNS        []netip.Addr
	NTP        []netip.Addr
	Domain     string
	Lease      time.Duration
	PerCircuit int    // addresses that one circuit (relay and option 82.1) may hold at a time; 0: see package policy
	Probe      bool   // free addresses are asked for, lest somebody has one
	Link       string // name of the link that it shares with other subnets; "" if it shares none
	Options    []model.Option
	// Upstream lists the site's DHCP servers for this subnet; empty: those of
	// [server].
	Upstream []netip.Addr
	// NextServer overrides the address that replies on this subnet name as
	// the boot server; zero: ours.
	NextServer netip.Addr
	At         string // "hobnail.toml:12"
}

// Range is a run of addresses, both ends included.
type Range struct{ First, Last netip.Addr }

// Rule is one [[rule]]: match on machine and place, then target.
type Rule struct {
	Name    string // for people; "" if not given
	Match   Match
	Boot    string         // target; "" where the rule only chooses a loader
	Loader  string         // boot program kind or file name; "" for the default
	Local   model.LocalWay // how loaders leave for the own disk; "" where the rule does not say
	Offer   model.Style    // form of a proxy's offer; "" where the rule does not say
	Learn   string         // "on" or "off"; "" where the rule does not say
	Options []model.Option // for every machine that matches, whichever rule decides its target
	At      string
}

// Match lists what a request must have; an empty field matches anything, and
// all that are given must hold. An empty Match matches every machine.
type Match struct {
	MAC         []string // whole addresses or prefixes ending in "*", lower case with colons
	UUID        []model.UUID
	Arch        []model.Arch
	Firmware    []model.Firmware
	Subnet      []netip.Prefix
	Relay       []netip.Addr
	CircuitID   []string // option 82.1: text, or hexadecimal digits after "0x"; "*" at the end is a prefix match
	RemoteID    []string // option 82.2; likewise
	VendorClass []string // option 60; likewise
	UserClass   []string // option 77; likewise
	Machine     []string // names of [[machine]]
}

// Default is the configuration of a server that was given no file: beside the
// DHCP server that is there, on every interface, a menu for every machine.
func Default() *Config {
	return &Config{
		Server: Server{
			Data:     defaultData,
			HTTP:     defaultHTTP,
			HTTPS:    "off",
			Metrics:  "off",
			HTTPPort: 8080,
			DHCP:     model.ModeAuto,
			DHCPAt:   builtIn,
			Share:    Share{Index: 1, Of: 1},
			NBP:      defaultData + "/nbp",
			Landlock: true,
		},
		Boot: Boot{
			Unknown:   model.TargetMenu,
			UnknownAt: builtIn,
			Default:   model.TargetLocal,
			Timeout:   10 * time.Second,
			Offer:     model.StyleAuto,
			OfferAt:   builtIn,
			Local:     model.LocalAuto,
			Learn:     true,
			LearnAt:   builtIn,
		},
		TFTP:    TFTP{MaxTransfers: 16384, MaxPerClient: 64},
		Install: Install{Answers: defaultData + "/answers"},
		History: History{Keep: true, Good: 14 * 24 * time.Hour, Failed: 90 * 24 * time.Hour, Boots: 20000},
	}
}

const (
	builtIn     = "built-in default"
	defaultData = "/var/lib/hobnail"
	defaultHTTP = ":8080"
)
