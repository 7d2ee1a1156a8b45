package event

import "log/slog"

// Code names a kind of event: stable, lower case, "room.what".
type Code string

// Codes of the catalogue.
const (
	DHCPOffer        Code = "dhcp.offer"
	DHCPAck          Code = "dhcp.ack"
	DHCPNak          Code = "dhcp.nak"
	DHCPForwarded    Code = "dhcp.forwarded"
	DHCPIgnored      Code = "dhcp.ignored"
	DHCPDropped      Code = "dhcp.dropped"
	DHCPOverload     Code = "dhcp.overload"
	DHCPDeclined     Code = "dhcp.declined"
	DHCPConflict     Code = "dhcp.conflict"
	DHCPCrowd        Code = "dhcp.answers-for-all"
	DHCPReleased     Code = "dhcp.released"
	DHCPSendFail     Code = "dhcp.send-failed"
	UpstreamFound    Code = "upstream.found"
	UpstreamSilent   Code = "upstream.silent"
	UpstreamLost     Code = "upstream.lost"
	PXEAck           Code = "pxe.ack"
	LearnOffer       Code = "learn.offer"
	LearnLoader      Code = "learn.loader"
	LearnExhausted   Code = "learn.exhausted"
	NBPMissing       Code = "nbp.missing"
	NBPRefused       Code = "nbp.refused"
	NBPWarned        Code = "nbp.warned"
	NBPListFault     Code = "nbp.dbx-fault"
	PoolEmpty        Code = "dhcp.pool-empty"
	PoolShort        Code = "dhcp.pool-short"
	CircuitFull      Code = "dhcp.circuit-full"
	FileBegun        Code = "file.begun"
	FileRead         Code = "file.read"
	FileProbe        Code = "file.probe"
	FileMissing      Code = "file.not-found"
	FileAborted      Code = "file.aborted"
	FileStalled      Code = "file.stalled"
	FileRefused      Code = "file.refused"
	FileBusy         Code = "file.busy"
	FileFault        Code = "file.fault"
	DownloadFailed   Code = "image.download-failed"
	ImageChanged     Code = "image.changed"
	ImageFault       Code = "image.fault"
	ConfigLoaded     Code = "config.loaded"
	ConfigFault      Code = "config.refused"
	LeaseFault       Code = "lease.fault"
	LeaseLogGrows    Code = "lease.log-grows"
	CertificateFault Code = "https.certificate"
	BootEnded        Code = "boot.ended"
	BootFailed       Code = "boot.failed"
	HistoryFault     Code = "boot.history-fault"
	MachineWaits     Code = "machine.waits"
	MachineIdentity  Code = "machine.identity"
	InstallBegun     Code = "install.begun"
	InstallAgain     Code = "install.again"
	InstallStep      Code = "install.step"
	InstallDone      Code = "install.done"
	InstallFailed    Code = "install.failed"
	InstallGaveUp    Code = "install.gave-up"
	InstallNotForIt  Code = "install.not-for-it"
	InstallSecret    Code = "install.password"
	InstallFault     Code = "install.fault"
	LogLimited       Code = "log.limited"
)

// Entry explains a code to a person.
type Entry struct {
	Code    Code
	Level   slog.Level
	Title   string // what happened, as the log's message
	Meaning string // what it says about the boot
	Remedy  string // what to do; empty when nothing needs doing
}

var catalogue = []Entry{
	{DHCPOffer, slog.LevelInfo, "offer sent", "a machine asked and was offered what the reasons say", ""},
	{DHCPAck, slog.LevelInfo, "address acknowledged", "the machine may use the address", ""},
	{DHCPNak, slog.LevelWarn, "address refused", "the machine asked for an address that is not its own on this link; it will ask for another", ""},
	{DHCPForwarded, slog.LevelDebug, "request passed on", "the site's DHCP server is asked as by a relay; its answer, with boot data added, is the machine's", ""},
	{DHCPIgnored, slog.LevelDebug, "no answer given", "the request was understood and is not ours to answer; the reasons say why", ""},
	{DHCPDropped, slog.LevelDebug, "packet dropped", "the packet is malformed or not a client's", ""},
	{DHCPOverload, slog.LevelWarn, "requests dropped", "more requests came than can be answered; the oldest went first, and their machines ask again", "find out who asks so often, or add a server"},
	{DHCPDeclined, slog.LevelWarn, "address declined", "the machine found its address in use, or found our offer faulty", "look for a device with a fixed address inside the pool"},
	{DHCPConflict, slog.LevelWarn, "address found in use", "somebody has an address of the pool without having it from here; it is given to nobody for half an hour", "give that device a reservation, or take its address out of the pool"},
	{DHCPCrowd, slog.LevelWarn, "answers for too many addresses", "a router or firewall answers for addresses that it cannot all have; it is not believed", "turn proxy ARP off there, or write probe = \"off\" into the [[subnet]]"},
	{DHCPReleased, slog.LevelInfo, "address released", "the machine gave its address back", ""},
	{DHCPSendFail, slog.LevelError, "reply could not be sent", "the decision was made but the network refused the packet", "check the interface and the routes named in the error"},
	{UpstreamFound, slog.LevelInfo, "the site's DHCP server answers us", "mode merge from now on here: the server gives the address, hobnail completes its answer", ""},
	{UpstreamSilent, slog.LevelInfo, "no DHCP server answers us", "what hobnail passed on as a relay was not answered; machines here get a proxy's offer until a server answers", "nothing, where there is no DHCP server or mode proxy is wanted; else let the server answer requests relayed from hobnail's address, or name it in upstream"},
	{UpstreamLost, slog.LevelWarn, "the site's DHCP server no longer answers us", "several requests in a row were not answered; machines here get a proxy's offer until it answers again", "look whether the DHCP server runs, has free addresses and can be reached from here"},
	{PXEAck, slog.LevelInfo, "boot server answered", "a machine asked port 4011 for its boot program", ""},
	{LearnOffer, slog.LevelInfo, "another form of offer", "a machine did not take our offer and is made another one at its next attempt, or took one of another form and gets that from now on; or enough machines of its model did", "nothing; to have it otherwise, write offer or learn = \"off\" into a [[rule]] or [[machine]]"},
	{LearnLoader, slog.LevelInfo, "another boot program", "a machine read its boot program and went silent, and gets the other one at its next attempt, or went on from that and gets it from now on; or enough machines of its model did", "nothing; to have it otherwise, write loader or learn = \"off\" into a [[rule]] or [[machine]]"},
	{LearnExhausted, slog.LevelWarn, "nothing left to try", "a machine took no form of offer, or went on from none of the boot programs that may be tried; it gets the first again, and everything once more from the next day on", "do what the remedy says; the options are what the site's own DHCP server would have to carry"},
	{NBPMissing, slog.LevelWarn, "no boot program for this architecture", "the machine cannot boot from here; it got no answer", "put the file that is named into the folder that is named, then reload"},
	{NBPRefused, slog.LevelWarn, "boot program refused", "the file is not served: no machine of its folder could run it, or Secure Boot would refuse it or should; said at the start and after each reload", "do what the reason says; hobnail nbp show has all that is known of the file"},
	{NBPWarned, slog.LevelWarn, "boot program with a warning", "the file is served, but with Secure Boot on some machines will not start it, or it is unsafe and allowed; said at the start and after each reload", "do what the reason says; hobnail nbp show has all that is known of the file"},
	{NBPListFault, slog.LevelWarn, "revocation list could not be read", "boot programs are served as if nothing in it were revoked; machines with Secure Boot on still refuse what their own list has", "check the file that the error names, then reload"},
	{PoolEmpty, slog.LevelError, "pool is empty", "no address is left to give on this subnet", "make the pool larger or the lease shorter"},
	{PoolShort, slog.LevelWarn, "pool runs short", "most addresses of this server's part of the pool are used, 80 % or 95 %; machines still get theirs", "make the pool larger or the lease shorter before it is empty"},
	{CircuitFull, slog.LevelWarn, "circuit has its share", "a machine got no answer, because those that ask by the same port of a switch or relay have as many addresses as they may", "look what is at that port, or raise per_circuit"},
	{FileBegun, slog.LevelDebug, "file is being read", "a client has begun to read a file of a megabyte or more; how it ended is said later", ""},
	{FileRead, slog.LevelInfo, "file read", "a boot file was read to its end", ""},
	{FileProbe, slog.LevelDebug, "file size asked", "firmware asks for a file's size first and breaks off; normal", ""},
	{FileMissing, slog.LevelInfo, "file not found", "loaders search for several names; it matters only when nothing else was found", ""},
	{FileAborted, slog.LevelInfo, "read broken off by the client", "the client ended the transfer before the end", ""},
	{FileStalled, slog.LevelWarn, "transfer gave up", "the client stopped acknowledging", "look for packet loss, a firewall that drops the data port, or a path with a smaller MTU"},
	{FileRefused, slog.LevelWarn, "request refused", "the request was malformed or asked for something that is never served", ""},
	{FileBusy, slog.LevelWarn, "request put off", "one address has as many connections or transfers, or asks as often, as one may; others are served as before, and it may come again", "look what asks so often there; machines behind one address (NAT) share what it may use"},
	{FileFault, slog.LevelError, "file could not be read", "the name exists but reading it failed on this server", "check the file that the error names"},
	{DownloadFailed, slog.LevelWarn, "image could not be downloaded", "a kernel or initial RAM disk that is named by URL; machines get the copy from before, if there is one", "check the URL and this server's way to it"},
	{ImageChanged, slog.LevelInfo, "image", "a file in the folder of images was added, or an image of the library was replaced, moved, or is there again", ""},
	{ImageFault, slog.LevelWarn, "image in trouble", "an image of the library is gone or is not what was added, and is not served; or a file in the folder of images could not be added", "do what the error says; hobnail images verify looks at an image again"},
	{ConfigLoaded, slog.LevelInfo, "configuration loaded", "new requests are decided by it", ""},
	{ConfigFault, slog.LevelError, "configuration refused", "the file has faults; the configuration that was running goes on", "run hobnail check and mend what it lists"},
	{LeaseFault, slog.LevelError, "lease could not be stored", "no acknowledgement was sent, so that no address can be given twice", "check disk space and the data directory"},
	{LeaseLogGrows, slog.LevelWarn, "lease log could not be written anew", "leases are stored as before, in a file that goes on growing", "check disk space and the data directory"},
	{CertificateFault, slog.LevelError, "certificate could not be kept", "hobnail's own CA made a new certificate for HTTPS that could not be written; it is used until the server is restarted", "check disk space and the data directory"},
	{BootEnded, slog.LevelInfo, "boot ended", "a machine came as far as it had to, or went on with a remark; the verdict says how", ""},
	{BootFailed, slog.LevelWarn, "boot failed", "a machine stopped on its way; the verdict says where and why", "do what the verdict says; hobnail boots show has the whole boot"},
	{HistoryFault, slog.LevelWarn, "boots could not be stored", "machines boot as before; what is told of them is kept in memory only", "check disk space and the data directory"},
	{MachineWaits, slog.LevelInfo, "machine waits for approval", "nobody has named it, and [boot] unknown is approve; it shows its number and goes on by itself when somebody did", "hobnail machines pending lists them; hobnail machines approve, or deny, lets one go on"},
	{MachineIdentity, slog.LevelWarn, "machine in doubt", "what a machine sends is known of two: an adapter or dock that goes from one to another, or a board that was changed; nothing is installed on a machine in doubt", "hobnail machines show says what is known; name the machine by its UUID or serial number"},
	{InstallBegun, slog.LevelInfo, "install begun", "a machine reads the kernel of an installer, by the order of a person", ""},
	{InstallAgain, slog.LevelWarn, "install begins again", "the machine came back without a call home; the order allows another attempt", "look at the machine's screen if this attempt ends so too"},
	{InstallStep, slog.LevelInfo, "install goes on", "the installer says how far it is", ""},
	{InstallDone, slog.LevelInfo, "installed", "the installer called home; from now on the machine boots from its own disk, be the network first or not", ""},
	{InstallFailed, slog.LevelWarn, "install failed", "the installer says so itself; the machine boots from its own disk until a person orders the install anew", "look at the machine's screen, and at what the installer says; then hobnail machines install again"},
	{InstallGaveUp, slog.LevelWarn, "install given up", "the machine came back without a call home as often as the order allows; it boots from its own disk", "look why the installer ends: its screen and hobnail boots; then hobnail machines install again"},
	{InstallNotForIt, slog.LevelWarn, "install withheld", "an install is ordered, but the machine that asks may be another one; it boots from its own disk", "hobnail machines show says by what the machine is known; correct that, or order the install for this one"},
	{InstallSecret, slog.LevelWarn, "secret in the clear", "an answer file with what looks like a password goes over the network for anybody to read", "use a key or a hash, or leave it out; change it where it is in use"},
	{InstallFault, slog.LevelError, "install could not be served", "an order could not be read or written, or its answer file could not be made; the machine gets nothing instead", "do what the error says"},
	{LogLimited, slog.LevelWarn, "log lines left out", "more happened in a second than is logged; nothing else was left out", "run with --debug to see all"},
}

// Lookup gives the entry of a code; ok is false if the catalogue lacks it.
func Lookup(c Code) (e Entry, ok bool) {
	for _, e := range catalogue {
		if e.Code == c {
			return e, true
		}
	}
	return Entry{}, false
}

// Catalogue lists every entry, in the order of a boot.
func Catalogue() []Entry { return append([]Entry(nil), catalogue...) }
