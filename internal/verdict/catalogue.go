// Package verdict says how a boot ended, why, and what to do. It judges the
// record of a boot alone, so that the running server and a capture taken
// anywhere come to the same words. It is pure.
package verdict

import (
	"slices"

	"hobnail/internal/model"
)

// Who has to do something.
const (
	You     = "you"
	Network = "network team"
	Vendor  = "vendor"
	Nobody  = ""
)

// Codes of the catalogue.
const (
	Booted            = "booted"
	Slow              = "slow"
	HandedOver        = "handed-over"
	OtherBootServer   = "other-boot-server"
	InstallerSilent   = "installer-silent"
	AnswerNotFound    = "answer-file-not-found"
	NoAnswer          = "no-answer"
	OfferNotTaken     = "offer-not-taken"
	ForeignOption60   = "foreign-option-60"
	ForeignBootFile   = "foreign-boot-file"
	SecondDHCPServer  = "second-dhcp-server"
	HelperMissing     = "helper-missing"
	NoLease           = "no-lease"
	AddressRefused    = "address-refused"
	Declined          = "declined"
	BootServiceSilent = "boot-service-silent"
	BootMenuFault     = "boot-menu-fault"
	BootFileNotNamed  = "boot-file-not-named"
	BootFileNotAsked  = "boot-file-never-asked"
	BootFileNotFound  = "boot-file-not-found"
	BootFileFault     = "boot-file-fault"
	BootFileWrongArch = "boot-file-wrong-arch"
	ReadBrokenOff     = "read-broken-off"
	TransferStalled   = "transfer-stalled"
	LoaderSilent      = "loader-silent"
	SecureBootRefused = "secure-boot-refused"
	LoaderLoop        = "loader-loop"
	ScriptNotFollowed = "script-not-followed"
	// Notes: seen in healthy boots as well.
	SizeProbe      = "size-probe"
	HarmlessSearch = "harmless-search"
	StrayOptions   = "stray-options"
	LateStart      = "late-start"
	OtherSystem    = "other-system"
	CutOff         = "cut-off" // history's
)

// Entry explains a code: it is the manual's page and the console's list.
type Entry struct {
	Code    string        `json:"code"`
	Outcome model.Outcome `json:"outcome"`
	Title   string        `json:"title"`  // in few words
	Seen    string        `json:"seen"`   // on the wire
	Cause   string        `json:"cause"`  // the likely one
	Remedy  string        `json:"remedy"` // what to do
	Who     string        `json:"who"`    // who must do it; empty: nobody
	Note    bool          `json:"note"`   // no boot ends in it: it stands beside a verdict
	// Screen is what the machine itself shows then, if anything.
	Screen  string   `json:"screen,omitempty"`
	Details []Detail `json:"details,omitempty"` // its kinds, where there are several
}

// Detail explains one kind of a verdict.
type Detail struct {
	Detail string `json:"detail"`
	Seen   string `json:"seen"`
}

// Catalogue lists every code, in the order of a boot, notes last. What it gives
// is the caller's.
func Catalogue() []Entry {
	all := slices.Clone(catalogue)
	for i := range all {
		all[i].Details = slices.Clone(all[i].Details)
	}
	return all
}

// Lookup gives the entry of a code.
func Lookup(code string) (Entry, bool) {
	for i := range catalogue {
		if catalogue[i].Code == code {
			return catalogue[i], true
		}
	}
	return Entry{}, false
}

const (
	ok      = model.OutcomeOK
	warning = model.OutcomeWarning
	failed  = model.OutcomeFailed
)

var catalogue = []Entry{
	{
		Code: NoAnswer, Outcome: failed, Who: You, Title: "nobody answered",
		Seen:   "the machine asked, and got no boot data",
		Cause:  "this server has a reason not to answer, or none is there at all; the detail says which",
		Remedy: "change what the sentence names, then start the machine again",
		Screen: "PXE-E18, PXE-E51, PXE-E16, PXE-E53; iPXE: Nothing to boot",
		Details: []Detail{
			{model.SilentDeny, "a rule or the machine's entry says deny"},
			{model.SilentNoProgram, "there is no boot program for the machine's architecture"},
			{model.SilentPool, "no address is free in the pool"},
			{model.SilentCircuit, "that switch port has as many addresses as per_circuit allows"},
			{model.SilentSubnet, "no [[subnet]] is configured for where the machine is"},
			{model.SilentOff, "DHCP is off there, or HTTP for a machine that boots by it"},
			{model.SilentLease, "the lease could not be stored"},
			{model.SilentUndelivered, "this server's network refused to send the answer"},
			{"no-boot-data", "an address was offered, and nobody said what to boot"},
			{"no-ack", "the machine asked for the offered address, and no ACK came"},
			{"nobody", "no answer at all was seen"},
		},
	},
	{
		Code: NoLease, Outcome: failed, Who: Network, Title: "no DHCP server gave an address",
		Seen:   "our ProxyDHCP offer went out on the machine's own link, and no DHCP server offered an address",
		Cause:  "the DHCP server is down, has no free address, or is not connected to that link",
		Remedy: "look whether other devices there get an address; start the DHCP server or make its range larger; or let hobnail give the addresses (dhcp = \"server\" and a pool in that [[subnet]])",
		Screen: "PXE-E52, PXE-E18, PXE-E16",
	},
	{
		Code: OfferNotTaken, Outcome: failed, Who: You, Title: "our offer was not taken",
		Seen:   "our offer went out, and the machine never asked for what it held",
		Cause:  "another server won, the firmware ignores boot data that comes in an offer of its own, or the answer did not reach the machine",
		Remedy: "use dhcp = \"merge\" there; where that does not help, capture on the machine's port and give the file to hobnail explain",
		Screen: "PXE-E16, PXE-E18, PXE-E51",
		Details: []Detail{
			{"other-server", "the machine asked another server for its address"},
			{"split-offer", "the address was offered by one server, the boot data by another, and the machine took neither"},
			{"reply-lost", "address and boot data were in one offer, and the machine asked on"},
			{"bad-offer", "an offer is of a form that the firmware throws away"},
		},
	},
	{
		Code: ForeignOption60, Outcome: failed, Who: Network, Title: "another DHCP server says PXEClient",
		Seen:   "another DHCP server sends option 60 = PXEClient without boot data in option 43, and the machine took its address: it then asks port 4011 there and takes no other offer",
		Cause:  "option 60 was set on the DHCP server for a boot server (WDS) that is gone or runs elsewhere",
		Remedy: "remove option 60 from that DHCP server (Windows: Server Options or Scope Options, 060 PXEClient), or use dhcp = \"merge\", whose complete offer comes first",
		Screen: "PXE-E16, PXE-E55",
	},
	{
		Code: ForeignBootFile, Outcome: failed, Who: Network, Title: "another server's boot file was used",
		Seen:   "another DHCP server names a boot file or next server, and the machine went there",
		Cause:  "options 66 and 67, or next-server and filename, are still set on that DHCP server",
		Remedy: "remove options 66 and 67 (next-server, filename) from that network on the DHCP server, or use dhcp = \"merge\" there",
		Screen: "PXE-E18, PXE-E23, PXE-T01, PXE-E3B, PXE-E32",
		Details: []Detail{
			{"next-server", "our boot file was asked for at another server"},
			{"read", "the other server's boot file was read, and went wrong"},
			{"uncontested", "the other server named its boot file, and this one did not answer; a warning only, as the rest is not heard here"},
		},
	},
	{
		Code: SecondDHCPServer, Outcome: failed, Who: Network, Title: "two DHCP servers give addresses",
		Seen:   "two servers offered different addresses on one link, and the machine took none, or the one that has no boot data, or was refused by one of them",
		Cause:  "a second DHCP server was switched on: a router, a lab server, or hobnail with dhcp = \"server\" beside the site's own",
		Remedy: "turn one of them off; where the other is to stay, use dhcp = \"merge\" or \"proxy\" here",
		Screen: "PXE-E53, PXE-E07, PXE-E16",
	},
	{
		Code: HelperMissing, Outcome: failed, Who: Network, Title: "a relay sends requests to one server only",
		Seen:   "the machine's requests come through a router's relay, and one of the servers never hears of them",
		Cause:  "the router of that network has the helper address of one server only",
		Remedy: "on the router of that network, add the missing server as a second helper (ip helper-address)",
		Screen: "PXE-E52, PXE-E16, PXE-E18",
		Details: []Detail{
			{"discover", "the machine asks the boot service here, and its DISCOVER never came"},
			{"dhcp-server", "our offer went out through the relay, and no DHCP server gave an address"},
		},
	},
	{
		Code: AddressRefused, Outcome: failed, Who: You, Title: "the address was refused",
		Seen:   "a DHCP server answered the machine's REQUEST with NAK",
		Cause:  "the machine asked for an address of another network, or two servers do not agree about its lease",
		Remedy: "look which server sent the NAK; only one server may speak for a network",
		Screen: "PXE-E07",
		Details: []Detail{
			{"other-server", "the NAK came from another server than the machine asked"},
			{"taken", "the server that offered the address refused it"},
			{"moved", "the machine asked for an address that it had elsewhere"},
		},
	},
	{
		Code: Declined, Outcome: failed, Who: You, Title: "the address was declined",
		Seen:   "the machine got an address and sent DECLINE",
		Cause:  "another device has that address, or the answer lacks the subnet mask",
		Remedy: "find the device with that address; give it a reservation or take the address out of the pool",
		Screen: "PXE-E21",
		Details: []Detail{
			{"in-use", "another device has the address"},
			{"bad-offer", "the firmware did not accept the answer: no subnet mask, or OFFER and ACK differ"},
		},
	},
	{
		Code: BootServiceSilent, Outcome: failed, Who: You, Title: "the boot service did not answer",
		Seen:   "the machine asked port 4011 for its boot file, and got no answer",
		Cause:  "the boot server that the DHCP answer promises (option 60 = PXEClient) is down, or UDP port 4011 is blocked",
		Remedy: "start the boot server, or open UDP port 4011 between the machines and it, both ways; or remove option 60 from the DHCP server",
		Screen: "PXE-E55, PXE-E78, PXE-E16",
	},
	{
		Code: BootMenuFault, Outcome: failed, Who: You, Title: "the PXE menu leads nowhere",
		Seen:   "the answer that the machine took sends it through a PXE menu or a search for boot servers (option 43) that cannot succeed",
		Cause:  "option 43 was put together by hand, and parts of it are missing",
		Remedy: "remove option 43 from the DHCP server, or use 06 01 08 ff there, which tells firmware to take the boot file of the answer",
		Screen: "PXE-E74, PXE-E76, PXE-E77, PXE-E21",
	},
	{
		Code: BootFileNotNamed, Outcome: failed, Who: You, Title: "no boot file was named",
		Seen:   "the answer says that it has boot data (options 60 and 43, or port 4011), and names no boot file",
		Cause:  "the DHCP or boot server has no boot file for this machine's architecture",
		Remedy: "set the boot file (option 67, filename) there, or remove options 60 and 43",
		Screen: "PXE-E53, PXE-E21",
	},
	{
		Code: BootFileNotAsked, Outcome: failed, Who: Network, Title: "no request for the boot file arrived",
		Seen:   "the machine has an address and a boot file's name, and its TFTP or HTTP request did not reach the server",
		Cause:  "the way from the machine to the boot server: route, firewall, VLAN, or a next server that the machine cannot reach",
		Remedy: "open UDP port 69 and the data ports, or the HTTP port, both ways (hobnail ports prints the rules); try it from the machine's network (hobnail doctor)",
		Screen: "PXE-E18, PXE-E32, PXE-E11, PXE-E22; HTTP boot: Could not establish connection with HTTP server, only HTTPS connection is allowed",
		Details: []Detail{
			{"http", "the boot file is a URL, and no request came"},
			{"split-offer", "the boot data came in an offer of its own, which the firmware may have ignored"},
			{"boot-service", "the machine was told to ask port 4011, and did not"},
			{"no-router", "the server is on another network, and the machine was given no router"},
			{Unanswered, "a capture shows the request, and no answer to it"},
			{PortClosed, "a capture shows the request, and the answer that nothing listens there (ICMP port unreachable)"},
		},
	},
	{
		Code: BootFileNotFound, Outcome: failed, Who: You, Title: "the boot file is not there",
		Seen:   "TFTP error 1 or HTTP status 404 for a file that the machine needs, and nothing after it",
		Cause:  "the name is wrong, or the file was never put there",
		Remedy: "compare the name with those that exist: folders, upper and lower case, letters behind its end",
		Screen: "PXE-E23, PXE-T01, PXE-E3B, NBP filesize is 0 Bytes; iPXE: 2d12603b, 2d0c613b; Windows: 0xc000000f",
		Details: []Detail{
			{"unterminated", "the name has an octet 255 at its end: option 67 does not end in zero"},
			{"searches", "only names that need not exist were asked for, and none is there"},
		},
	},
	{
		Code: BootFileFault, Outcome: failed, Who: You, Title: "the boot file could not be sent",
		Seen:   "the server answered the request with an error other than \"not found\"",
		Cause:  "the server may not or cannot read the file, or refused the request",
		Remedy: "look into the server's log for the file's name",
		Screen: "PXE-E23, PXE-T02, PXE-E36; HTTP boot: Redirection: 301 Moved Permanently",
		Details: []Detail{
			{"forbidden", "access was denied: TFTP error 2, HTTP status 401 or 403"},
			{"redirect", "HTTP status 301 and its like: UEFI firmware does not follow"},
			{"refused", "the server refused: the request is malformed, or there were too many at a time"},
		},
	},
	{
		Code: BootFileWrongArch, Outcome: failed, Who: You, Title: "the boot file is for another architecture",
		Seen:   "a boot program was read by a machine that cannot run it, and nothing was heard after it",
		Cause:  "one boot file is set for all machines, without a look at option 93",
		Remedy: "name a boot file for each architecture, or none: hobnail names the right one where its offer is taken",
		Screen: "Unsupported; PXE-E79; iPXE: Exec format error",
	},
	{
		Code: ReadBrokenOff, Outcome: failed, Who: You, Title: "the machine broke off reading",
		Seen:   "the machine ended a transfer before the file's end, or asked for the size alone, and asked for nothing else",
		Cause:  "too little memory for the file, a wrong size in option 13, somebody pressed a key, or a fault in the loader",
		Remedy: "see what the machine said, here and on its screen; never set option 13 on a DHCP server",
		Screen: "PXE-E05, PXE-E09, PXE-E53, PXE-E99",
		Details: []Detail{
			{"too-small", "the machine had room for a smaller file: option 13 says so"},
			{"after-size", "the size was asked for, and the file never read"},
			{"closed", "the file was closed before its end"},
		},
	},
	{
		Code: TransferStalled, Outcome: failed, Who: Network, Title: "the transfer stalled",
		Seen:   "the same block was sent again and again, and never acknowledged",
		Cause:  "packets of that size do not get through, a firewall drops the data port, or the line loses packets",
		Remedy: "look at the detail: it says which packets pass and which do not",
		Screen: "PXE-E18, PXE-E32, PXE-E34, PXE-E35; Windows: 0xc0000001; iPXE: 4c126035",
		Details: []Detail{
			{"data-port", "nothing of the answer was acknowledged: its port is blocked"},
			{"mtu", "small packets passed, and no full block"},
			{"loss", "it stopped in the middle"},
			{Elsewhere, "a capture shows that the answer came from another address than was asked"},
			{"open", "the file is still being read, or its end was not seen; a warning only"},
		},
	},
	{
		Code: LoaderSilent, Outcome: failed, Who: You, Title: "the boot program was read, then nothing",
		Seen:   "a boot program was read to its end, and nothing more was heard",
		Cause:  "Secure Boot refused it, the program does not work with that network card, it waits for a key, or the switch port is down too long after the program took the card",
		Remedy: "look at the machine's screen; give the machine the other boot program (loader = \"…\" in a [[rule]] or [[machine]])",
		Screen: "Access Denied, Security Violation; iPXE initialising devices",
	},
	{
		Code: SecureBootRefused, Outcome: failed, Who: You, Title: "Secure Boot refused the boot program",
		Seen:   "a boot program that Secure Boot does not start was read to its end, and nothing more was heard",
		Cause:  "the program is unsigned, revoked, or signed by a key that the machine does not know",
		Remedy: "use dhcp = \"merge\" or \"server\", where the machine gets the signed shim; or turn Secure Boot off in the machine's setup",
		Screen: "Access Denied, Security Violation, verification failed",
	},
	{
		Code: LoaderLoop, Outcome: failed, Who: You, Title: "the machine gets a loader again and again",
		Seen:   "the same boot program was read three times or more, and nothing after it",
		Cause:  "the loader asks again and is taken for firmware, or it fails and the machine starts over",
		Remedy: "on the DHCP server that names the loader, tell iPXE (option 77 = iPXE, or option 175 is there) from firmware, and give it a script instead",
		Details: []Detail{
			{"ipxe", "iPXE asks for an address and is handed itself"},
			{"restarts", "attempt after attempt ends after the same boot program"},
			{"unheard", "it is read again and again by a machine whose DHCP is not heard here"},
		},
	},
	{
		Code: ScriptNotFollowed, Outcome: failed, Who: You, Title: "the loader did not follow its script",
		Seen:   "the script that starts an image was read, and its kernel was never asked for",
		Cause:  "the loader has no driver or protocol for what the script names, or waits for a key",
		Remedy: "look at the machine's screen: the loader's own message is there",
	},
	{
		Code: AnswerNotFound, Outcome: warning, Who: You, Title: "a file of the installer is not there",
		Seen:   "kernel and initial RAM disk were read, and the system then asked for a file that does not exist",
		Cause:  "the name in the image's cmdline is wrong, or the file was never put there",
		Remedy: "put the file there, or correct its name in the image's cmdline; the installer waits on the machine's screen",
	},
	{
		Code: InstallerSilent, Outcome: warning, Who: You, Title: "kernel read, then silence",
		Seen:   "kernel and initial RAM disk were read, and nothing was heard since",
		Cause:  "the installer waits for an answer on the screen, has no driver for the network card, reads from another server, or the kernel stopped",
		Remedy: "look at the machine's screen; add console=ttyS0 to the image's cmdline, or remove quiet from it",
	},
	{
		Code: HandedOver, Outcome: ok, Title: "handed over",
		Seen:   "the last file that the loader asked for was read, and nothing was heard after it",
		Cause:  "the normal end where a machine starts from its own disk or waits in a menu, or a system that has said nothing yet",
		Remedy: "nothing, if the machine does what it should",
	},
	{
		Code: OtherBootServer, Outcome: ok, Title: "another server boots it",
		Seen:   "another boot server answered the machine, which asked for nothing here",
		Cause:  "normal where several boot servers stand side by side: only one of them sees the rest",
		Remedy: "look for this boot on the other server",
	},
	{
		Code: Slow, Outcome: warning, Who: Network, Title: "booted, but slowly",
		Seen:   "the system was heard from, and one step took far longer than is usual there",
		Cause:  "lost packets, a long way to the server, or a server that had much to do",
		Remedy: "compare with other machines of that network at the same time",
		Details: []Detail{
			{"address", "getting an address"},
			{"loader", "reading the boot programs"},
			{"kernel", "reading kernel and initial RAM disk"},
			{"system", "starting the system"},
		},
	},
	{
		Code: Booted, Outcome: ok, Title: "booted",
		Seen: "kernel and initial RAM disk were read, and the system or installer was heard from",
	},
	{
		Code: SizeProbe, Outcome: ok, Note: true, Title: "file size asked",
		Seen:  "firmware asks for the size of a file and breaks off with an error (8, 0 or 4)",
		Cause: "normal: it then knows how much memory it needs",
	},
	{
		Code: HarmlessSearch, Outcome: ok, Note: true, Title: "harmless search",
		Seen:  "a loader asks for files that need not exist: autoexec.ipxe, revocations, lists of modules, configurations by MAC and address",
		Cause: "normal: it goes on to the next name",
	},
	{
		Code: OtherSystem, Outcome: ok, Note: true, Title: "something else started",
		Seen:  "after the boot attempt something on the machine asked for an address without wanting to boot",
		Cause: "the machine's own disk has started, or its setup program",
	},
	{
		Code: StrayOptions, Outcome: warning, Note: true, Who: Network, Title: "another server's answer has faults",
		Seen:   "an answer of another server lacks what firmware needs, or has what confuses it",
		Cause:  "the options of that DHCP server were set by hand",
		Remedy: "correct the options that the text names on that DHCP server",
	},
	{
		Code: LateStart, Outcome: warning, Note: true, Who: Network, Title: "the first packets were lost",
		Seen:   "the first request that was heard says that the machine has been asking for 12 seconds or more",
		Cause:  "the switch port comes up late (spanning tree, LACP)",
		Remedy: "turn on portfast (edge port) on the switch ports of machines",
	},
	{
		Code: CutOff, Outcome: warning, Note: true, Who: You, Title: "hobnail stopped meanwhile",
		Seen:   "hobnail was stopped while the boot went on, and heard nothing of its end",
		Cause:  "a restart or a crash of the server",
		Remedy: "look whether the machine has come up",
	},
}
