// Package verdict says how a boot ended, why, and what to do. It judges the
// record of a boot alone, so that the running server and a capture taken
// anywhere come to the same words. It is pure.
package verdict

import "hobnail/internal/model"

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
	InstallerSilent   = "installer-silent"
	NoAnswer          = "no-answer"
	OfferNotTaken     = "offer-not-taken"
	ForeignOption60   = "foreign-option-60"
	ForeignBootFile   = "foreign-boot-file"
	SecondDHCPServer  = "second-dhcp-server"
	HelperMissing     = "helper-missing"
	NoLease           = "no-lease"
	AddressRefused    = "address-refused"
	Declined          = "declined"
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
}

// Catalogue lists every code, in the order of a boot, notes last.
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
	{NoAnswer, model.OutcomeFailed, "nobody answered", "the machine asked, and no boot server sent it an offer", "a rule says deny, no subnet is configured where it asks, the pool is empty, or there is no boot program for its architecture; the detail says which", "change what the reason names, then start the machine again", You, false},
	{NoLease, model.OutcomeFailed, "no DHCP server gave an address", "our ProxyDHCP offer went out, and no DHCP server offered an address", "the DHCP server is down, has no free address, or is not reached from there: a relay needs a helper address for it as well", "look whether other devices there get an address; add the DHCP server as a helper of that network, or let hobnail give addresses (dhcp = \"server\")", Network, false},
	{OfferNotTaken, model.OutcomeFailed, "our offer was not taken", "our offer went out, and the machine never asked for what it held", "another server won, the firmware ignores boot data that comes in an offer of its own, or the answer did not reach the machine", "see the detail: another server's offer, firmware that wants one complete offer (dhcp = \"merge\"), or a way back that a switch or relay blocks", You, false},
	{ForeignOption60, model.OutcomeFailed, "another DHCP server says PXEClient", "another DHCP server sends option 60 = PXEClient without boot data in option 43, so UEFI firmware asks that server's port 4011 and takes no other offer", "option 60 was set on the DHCP server for a boot server that is gone or runs elsewhere", "remove option 60 from the scope of that server, or use dhcp = \"merge\", which answers before it", Network, false},
	{ForeignBootFile, model.OutcomeFailed, "another server's boot file was used", "another DHCP server names a boot file or next server, and the machine went there", "options 66 and 67, or next-server and filename, are still set on that DHCP server", "remove options 66 and 67 (next-server, filename) from its scope, or use dhcp = \"merge\"", Network, false},
	{SecondDHCPServer, model.OutcomeFailed, "two DHCP servers give addresses", "two servers offered different addresses on one link", "a second DHCP server was switched on: a router, a lab server, or hobnail with dhcp = \"server\" beside the site's own", "turn one of them off, or use dhcp = \"merge\" or \"proxy\" here", Network, false},
	{HelperMissing, model.OutcomeFailed, "a relay does not send DISCOVER to us", "the machine asks for files or the boot service here, and its DISCOVER never arrived, or the other way round", "the relay of its network has the helper address of one server only", "add this server's address as a second helper (ip helper-address) on the router of that network", Network, false},
	{AddressRefused, model.OutcomeFailed, "the address was refused", "a server answered the machine's REQUEST with NAK", "the machine asked for an address of another network, or two servers do not agree about its lease", "look which server sent the NAK; only one server may speak for a network", You, false},
	{Declined, model.OutcomeFailed, "the address was declined", "the machine took the address and sent DECLINE", "another device has that address, or the offer lacked the subnet mask", "find the device with that address; give it a reservation or take it out of the pool", You, false},
	{BootFileNotAsked, model.OutcomeFailed, "no request for the boot file arrived", "the machine has an address and a boot file's name, and no TFTP or HTTP request came to the server", "the way from the machine to the boot server: route, firewall, VLAN, or a next server that it cannot reach", "from the machine's network, read a file by hand (hobnail doctor); open UDP port 69 and the data ports, or the HTTP port, both ways (hobnail ports)", Network, false},
	{BootFileNotFound, model.OutcomeFailed, "the boot file is not there", "TFTP error 1 or HTTP 404 for a file that the machine needs", "the name is wrong, or the file was never put there", "compare with the names that exist; mind folders, case and the end of option 67", You, false},
	{BootFileFault, model.OutcomeFailed, "the boot file could not be read", "the file is there, and the server could not read it or refused to", "permissions or a disk's fault on the server", "see the server's log for the file's name", You, false},
	{BootFileWrongArch, model.OutcomeFailed, "the boot file is for another architecture", "the boot file was read to its end by a machine that cannot run it", "one boot file is set for all machines, without a look at option 93", "name a boot file for each architecture; hobnail does so by itself where its offer is taken", You, false},
	{ReadBrokenOff, model.OutcomeFailed, "the machine broke off reading", "the machine ended a transfer with an error", "too little memory, a wrong size in option 13, or a fault in the loader", "see what the machine said; never send option 13", You, false},
	{TransferStalled, model.OutcomeFailed, "the transfer stalled", "the same block was sent again and again, and never acknowledged", "packets of that size do not get through (MTU, fragments), a firewall drops the data port, or the line loses packets", "see the detail", Network, false},
	{LoaderSilent, model.OutcomeFailed, "the boot program was read, then nothing", "a boot program was read to its end, and nothing more was heard", "Secure Boot refused it, the program does not work with that network card, or it waits for a key", "look at the machine's screen; try the other boot program (snponly instead of ipxe, or back)", You, false},
	{SecureBootRefused, model.OutcomeFailed, "Secure Boot refused the boot program", "a boot program that Secure Boot does not start was read to its end, and nothing more was heard", "the program is unsigned, revoked, or signed by a key that the machine does not know", "serve the signed shim (the default), or turn Secure Boot off in the machine's setup", You, false},
	{LoaderLoop, model.OutcomeFailed, "the machine was handed a loader again and again", "the same boot program was read three times or more, and nothing after it", "the loader asks again and is taken for firmware, or it fails and firmware starts over", "let the DHCP server tell iPXE (option 77 or 175) from firmware and give it a script", You, false},
	{ScriptNotFollowed, model.OutcomeFailed, "the loader did not follow its script", "the script that starts an image was read, and its kernel was never asked for", "the loader has no driver or protocol for the URL in the script, or waits for a key", "look at the machine's screen; the loader's own message is there", You, false},
	{InstallerSilent, model.OutcomeWarning, "kernel read, then silence", "kernel and initial RAM disk were read, and nothing was heard since", "the installer waits for an answer on the screen, has no driver for the network card, or the kernel stopped", "look at the machine's screen; add console=ttyS0 or remove quiet from the image's cmdline", You, false},
	{HandedOver, model.OutcomeOK, "handed over", "the last file that the loader asked for was read, and nothing was heard after it", "the normal end where a machine starts from its own disk, or a system that has said nothing yet", "nothing, if the machine does what it should", Nobody, false},
	{Slow, model.OutcomeWarning, "booted, but slowly", "the system was heard from, and one step took far longer than is usual here", "see the detail", "see the detail", Network, false},
	{Booted, model.OutcomeOK, "booted", "kernel and initial RAM disk were read, and the system or installer was heard from", "", "", Nobody, false},

	{SizeProbe, model.OutcomeOK, "file size asked", "firmware asks for the size of a file and breaks off with an error (8, 0 or 4)", "normal: it then knows how much memory it needs", "", Nobody, true},
	{HarmlessSearch, model.OutcomeOK, "harmless search", "a loader asks for files that need not exist: autoexec.ipxe, revocations, lists of modules, configurations by MAC and address", "normal: it goes on to the next name", "", Nobody, true},
	{StrayOptions, model.OutcomeWarning, "another server's answer has faults", "an answer of another server lacks what firmware needs, or has what confuses it", "see the text", "correct that server's options", Network, true},
	{LateStart, model.OutcomeWarning, "the first packets were lost", "the first request that was heard says that the machine has been asking for a while", "the port of the switch comes up late (spanning tree, LACP)", "turn on portfast (edge port) for the ports of machines", Network, true},
}
