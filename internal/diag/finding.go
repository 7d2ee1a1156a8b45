package diag

import (
	"fmt"
	"net/netip"

	"hobnail/internal/verdict"
)

// State is what a line of the checklist comes to.
type State string

// States, the worse the later.
const (
	OK      State = "ok"
	Warning State = "warning" // it works, or may, and somebody should know
	Fault   State = "fault"   // machines do not boot, or some kinds do not
)

// Finding is one line of the checklist.
type Finding struct {
	Code   string // of the catalogue, or of verdict's
	State  State
	Server netip.Addr // whose answer it is about; zero: nobody's
	Text   string     // one sentence
	Remedy string     // what to do; empty where nothing is
	Who    string     // who must do it, in verdict's words
}

// Codes of what doctor finds beyond the verdicts.
const (
	// In one answer.
	Unreadable     = "answer-unreadable"
	NoEnd          = "no-end"
	BadOption      = "bad-option"
	TooLong        = "answer-too-long"
	NoServerID     = "no-server-id"
	NoMask         = "no-mask"
	NoRouter       = "no-router"
	RouterElse     = "router-off-link"
	Option60Alone  = "option-60-alone"
	BothClasses    = "both-classes"
	WrongClass     = "wrong-class"
	StrayBootFile  = "stray-boot-file"
	TwoBootFiles   = "two-boot-files"
	OddBootFile    = "odd-boot-file"
	Option13       = "option-13"
	Option43       = "option-43"
	NextServerZero = "next-server-missing"
	Option66       = "option-66"
	Overloaded     = "overloaded"
	// In how answers go together, and on the way.
	TwoDHCPServers = verdict.SecondDHCPServer
	HelperMissing  = verdict.HelperMissing
	NoAnswerAtAll  = "nobody-answers"
	PortClosed     = "port-closed"
	HostAway       = "next-server-away"
	PathMTU        = "path-mtu"
	DataPort       = "data-port"
	Lossy          = "packets-lost"
	NoTsize        = "no-tsize"
	NoOptions      = "tftp-without-options"
	ProgramUnfit   = "boot-program-unfit"
	NoScript       = "not-a-script"
	HTTPLength     = "http-no-length"
	HTTPSUnproven  = "https-unproven"
	ClockDiffers   = "clock-differs"
	NoAddressHere  = "no-address-here"
	NotReleased    = "lease-not-released"
	OffersOnly     = "offers-only"
	// On the server's host.
	PortTaken     = "port-taken"
	NotRunning    = "not-running"
	Privileges    = "privileges"
	Firewall      = "firewall"
	NoPrograms    = "no-boot-programs"
	NoProgram     = "no-boot-program"
	ProgramState  = "boot-program-state"
	FileMissing   = "file-missing"
	ClockWrong    = "clock-wrong"
	DiskReadOnly  = "disk-read-only"
	DiskFull      = "disk-full"
	AddressElse   = "address-elsewhere"
	InterfaceGone = "interface-missing"
	NoRoute       = "no-route"
	PoolFull      = "pool-full"
	SelfTest      = "self-test"
	WalkLeftOut   = "walk-left-out"
	AsExpected    = "as-expected"
)

// Entry explains a code: it is the manual's page.
type Entry struct {
	Code   string
	State  State  // the worst that it comes in
	Title  string // what was found
	Remedy string // what to do; a finding may know better
	Who    string
}

// Catalogue lists every code but verdict's, in the order of a walk and then of
// the host.
func Catalogue() []Entry { return append([]Entry(nil), catalogue...) }

// Lookup gives the entry of a code.
func Lookup(code string) (Entry, bool) {
	for _, e := range catalogue {
		if e.Code == code {
			return e, true
		}
	}
	return Entry{}, false
}

var catalogue = []Entry{
	{NoAnswerAtAll, Fault, "no server answers", "see that a DHCP server runs on that network, or that its router has helper addresses; see the firewall between", verdict.Network},
	{Unreadable, Fault, "an answer is no DHCP message that firmware could read", "look at the server's options, or replace it", verdict.Network},
	{NoEnd, Fault, "an answer does not end in option 255: UEFI firmware drops it", "update that server, or have its maker mend it", verdict.Vendor},
	{BadOption, Fault, "an option has a length that is not allowed: UEFI firmware drops the whole answer", "correct that option's value on that server", verdict.Network},
	{TooLong, Fault, "an answer is longer than 1472 octets: UEFI firmware drops it", "give fewer options there", verdict.Network},
	{NoServerID, Fault, "an answer lacks the server's address (option 54): UEFI firmware drops it", "update that server, or have its maker mend it", verdict.Vendor},
	{NoMask, Fault, "an address comes without a subnet mask (option 1): UEFI firmware declines it", "add option 1 (subnet mask) to that scope", verdict.Network},
	{NoRouter, Fault, "an address comes without a router (option 3), and the boot server is not on that network", "add option 3 (router) to that scope", verdict.Network},
	{RouterElse, Fault, "the router that an answer names is not on the network of the address", "correct option 1 or 3 of that scope", verdict.Network},
	{Option60Alone, Fault, "a DHCP server says PXEClient (option 60) and nothing in option 43: UEFI firmware asks its port 4011 and takes no other offer", "remove option 60 from that scope, or use dhcp = \"merge\"", verdict.Network},
	{BothClasses, Fault, "an answer says PXEClient and HTTPClient at once, and no firmware takes both", "answer each client in its own class (option 60)", verdict.Network},
	{WrongClass, Warning, "an answer to a PXE client says HTTPClient, or the other way round", "answer each client in its own class (option 60)", verdict.Network},
	{StrayBootFile, Warning, "a server whose boot data is not used names a boot file, next server or option 66 too; other firmware may take it", "remove options 66 and 67 (next-server, filename) from its scope", verdict.Network},
	{TwoBootFiles, Warning, "option 67 and the header name different boot files: UEFI takes the first, iPXE the second", "name one boot file", verdict.Network},
	{OddBootFile, Fault, "the boot file's name is one that firmware cannot ask for as it is meant", "correct the name", verdict.Network},
	{Option13, Warning, "an answer gives the boot file's size (option 13): firmware believes it and stops there", "remove option 13", verdict.Network},
	{Option43, Fault, "option 43 under class PXEClient cannot be read, or wants a list that is not there", "correct option 43; 06 01 08 ff means: take the file of this packet", verdict.Network},
	{NextServerZero, Warning, "a boot file is named and no next server (siaddr): firmware goes to the DHCP server itself", "set next-server", verdict.Network},
	{Option66, Fault, "the boot server stands in option 66 alone, which UEFI and iPXE do not look at: they go to the DHCP server itself", "set next-server (siaddr) as well", verdict.Network},
	{Overloaded, Warning, "options lie in the header's fields (option 52): iPXE and U-Boot do not find them there", "give fewer options, or turn overloading off", verdict.Network},
	{OffersOnly, Warning, "only offers were looked at, since the machine described is this host itself, whose own lease would be given back", "leave --mac away", verdict.You},
	{PortClosed, Fault, "the boot server is there and nothing listens on the port", "start the service, or correct the next server", verdict.You},
	{HostAway, Fault, "nobody has the boot server's address", "correct the next server (siaddr, option 54), or start that host", verdict.You},
	{DataPort, Fault, "the boot server answers, and what is sent to the port that it answers from does not arrive", "let UDP through between machines and server, any port (hobnail's [tftp] single_port = true needs port 69 alone)", verdict.Network},
	{PathMTU, Fault, "large packets do not get through", "make the MTU of the path 1500, or let ICMP \"fragmentation needed\" through", verdict.Network},
	{Lossy, Warning, "packets are lost on the way", "look for errors on the ports between: duplex, cable, a full uplink", verdict.Network},
	{NoTsize, Fault, "the TFTP server does not tell sizes (tsize): UEFI firmware ends with PXE-E53", "use a TFTP server with the options of RFC 2347", verdict.You},
	{NoOptions, Fault, "the TFTP server knows no options: UEFI firmware ends with PXE-E99", "use a TFTP server with the options of RFC 2347", verdict.You},
	{ProgramUnfit, Fault, "the boot file is none that the machine can run", "name a boot file for that architecture", verdict.You},
	{NoScript, Fault, "what iPXE is given is no script: it does not begin with #!ipxe", "give iPXE a script", verdict.You},
	{HTTPLength, Fault, "the HTTP server does not tell the file's length: UEFI firmware refuses it", "serve a plain file, or send Content-Length to HEAD", verdict.You},
	{HTTPSUnproven, Warning, "the certificate of the HTTPS server is signed by none that this host knows: each machine has to be told to trust its authority", "enrol the authority's certificate in the machines' setup (hobnail ca)", verdict.You},
	{ClockDiffers, Warning, "this host and the boot server do not agree about the time", "set both clocks (NTP)", verdict.You},
	{NoAddressHere, Warning, "the interface has no IPv4 address: DHCP was tried, and no file could be read", "give the interface an address of that network, or run doctor on a host that has one", verdict.You},
	{NotReleased, Warning, "the address that was leased could not be given back", "it becomes free by itself when its time is over", verdict.Nobody},
	{WalkLeftOut, Warning, "no boot was walked", "run doctor on the machines' network, or name an interface with --interface", verdict.You},

	{NotRunning, Fault, "hobnail does not run here", "start it (hobnail serve)", verdict.You},
	{PortTaken, Fault, "another program has a port that hobnail needs", "stop that program, or run hobnail on another host", verdict.You},
	{Privileges, Fault, "hobnail lacks a privilege that it needs", "run it as root, or with CAP_NET_BIND_SERVICE, CAP_NET_RAW and CAP_NET_ADMIN", verdict.You},
	{Firewall, Fault, "the firewall of this host drops what machines send", "allow the ports that are named, from the machines' networks", verdict.You},
	{SelfTest, Fault, "a service that runs here does not answer this host", "see the server's log and this host's firewall", verdict.You},
	{NoPrograms, Fault, "there are no boot programs at all", "build hobnail with make build, or put some into the folder that is named", verdict.You},
	{NoProgram, Fault, "there is no boot program for an architecture that was asked about", "put the file that is named into the folder that is named", verdict.You},
	{ProgramState, Warning, "a boot program is not served, or soon will not start", "see hobnail nbp list", verdict.You},
	{FileMissing, Warning, "something that the configuration names is not there", "put it there, or correct the name", verdict.You},
	{ClockWrong, Fault, "the clock of this host is wrong", "set it (NTP): leases and certificates go by it", verdict.You},
	{DiskReadOnly, Fault, "the data folder cannot be written", "mount it writable, and give it to the user that hobnail runs as", verdict.You},
	{DiskFull, Fault, "the disk of the data folder is full: no lease can be kept", "make room there", verdict.You},
	{AddressElse, Fault, "the server's address is none of this host", "correct [server] address or the interface's address", verdict.You},
	{InterfaceGone, Fault, "an interface that is named is not there, not up, or has no IPv4 address", "correct [server] interfaces, or bring it up", verdict.You},
	{NoRoute, Fault, "there is no route to a network that is to be served", "add a route, or a default gateway", verdict.You},
	{PoolFull, Fault, "a pool has no free address", "make the pool larger or the lease shorter", verdict.You},
}

// finds makes a finding in the catalogue's words, with a sentence of its own.
func finds(code string, state State, format string, args ...any) Finding {
	e, _ := Lookup(code)
	return Finding{Code: code, State: state, Text: fmt.Sprintf(format, args...), Remedy: e.Remedy, Who: e.Who}
}

// fine makes a line of the checklist that says what is as it should be.
func fine(format string, args ...any) Finding {
	return Finding{Code: AsExpected, State: OK, Text: fmt.Sprintf(format, args...)}
}

// Found is finds for the rooms that talk to network and host.
func Found(code string, state State, format string, args ...any) Finding {
	return finds(code, state, format, args...)
}

// Fine is fine for them.
func Fine(format string, args ...any) Finding { return fine(format, args...) }
