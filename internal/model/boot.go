package model

import (
	"net/netip"
	"time"
)

// StepKind says what happened in one step of a boot.
type StepKind string

// Kinds of step. Those of DHCP have a DHCPStep, those of files a FileStep.
const (
	StepDiscover StepKind = "discover"
	StepOffer    StepKind = "offer"
	StepRequest  StepKind = "request"
	StepAck      StepKind = "ack"
	StepNak      StepKind = "nak"
	StepDecline  StepKind = "decline"
	StepRelease  StepKind = "release"
	StepInform   StepKind = "inform"
	// StepAsk and StepTold are the boot service on port 4011.
	StepAsk  StepKind = "boot-service-asked"
	StepTold StepKind = "boot-service-answered"
	// StepSilent is a request that this server heard and did not answer.
	StepSilent StepKind = "not-answered"

	StepRead    StepKind = "read"    // to its end
	StepProbe   StepKind = "probe"   // only the size was wanted: normal
	StepMissing StepKind = "missing" // there is no such file
	StepAborted StepKind = "aborted" // the client broke off
	StepStalled StepKind = "stalled" // the client went silent
	StepRefused StepKind = "refused" // malformed, never served, or too much at a time
	StepFault   StepKind = "fault"   // the server could not read it
	StepAsked   StepKind = "asked"   // the request was seen and no end of it
	// StepHome is the installer's or operating system's own word: a file that
	// only they ask for, or their DHCP after a kernel was read.
	StepHome StepKind = "home"
)

// Step is one thing that happened in a boot. What a client sent is in it as
// sent: untrusted, of any octets.
type Step struct {
	Time  time.Time `json:"time"`
	Kind  StepKind  `json:"kind"`
	Frame int       `json:"frame,omitempty"` // number in the capture, from 1; 0: heard live
	// Count is how often the same came in this place, 0 for once; Last is when
	// it came last.
	Count  int        `json:"count,omitempty"`
	Last   time.Time  `json:"last,omitzero"`
	Client netip.Addr `json:"client,omitzero"` // the machine's, in files and where it has one
	Server netip.Addr `json:"server,omitzero"` // who answered, or whom the client asked
	Ours   bool       `json:"ours,omitempty"`  // Server is a hobnail's

	// Why names the reason of a StepSilent (one of the Silent constants), or
	// what kind of harmless search a StepMissing is ("" for none).
	Why  string `json:"why,omitempty"`
	Text string `json:"text,omitempty"` // Why in a sentence; what the client or server said

	DHCP *DHCPStep `json:"dhcp,omitempty"`
	File *FileStep `json:"file,omitempty"`
}

// End is when the step happened for the last time.
func (s *Step) End() time.Time {
	if s.Last.After(s.Time) {
		return s.Last
	}
	return s.Time
}

// Times is how often it happened.
func (s *Step) Times() int { return max(1, s.Count) }

// Reasons of silence, in Step.Why.
const (
	SilentDeny        = "deny"            // the target is deny
	SilentNoProgram   = "no-boot-program" // none for this architecture
	SilentPool        = "pool-empty"
	SilentCircuit     = "circuit-full"
	SilentSubnet      = "wrong-subnet" // no subnet is configured for where it asks
	SilentOff         = "off"          // DHCP, or HTTP for a machine that boots by it, is off
	SilentLease       = "lease-not-stored"
	SilentOther       = "not-ours"    // not for us to answer: normal beside other servers
	SilentUndelivered = "send-failed" // it was answered and the network refused the packet
)

// Reasons that a StepStalled of a capture may have, in Step.Why.
const (
	// StalledUnanswered: the request got no answer at all.
	StalledUnanswered = "unanswered"
	// StalledElsewhere: the answer came from another address than was asked,
	// and firmware drops such answers.
	StalledElsewhere = "answered-from-elsewhere"
	// StalledClosed: the server's host says that nothing listens on that port.
	StalledClosed = "port-closed"
)

// DHCPStep is what a DHCP message says that matters in a boot.
type DHCPStep struct {
	Xid   uint32     `json:"xid"`
	Secs  uint16     `json:"secs,omitempty"`
	Relay netip.Addr `json:"relay,omitzero"` // giaddr
	// Of a client.
	Stage    string     `json:"stage,omitempty"` // firmware, ipxe, os
	Class    string     `json:"class,omitempty"` // PXEClient, HTTPClient, U-Boot; empty: boots nothing
	Arch     Arch       `json:"arch,omitempty"`
	Firmware Firmware   `json:"firmware,omitempty"`
	Vendor   string     `json:"vendor,omitempty"` // option 60 of either side
	Hostname string     `json:"hostname,omitempty"`
	Chosen   netip.Addr `json:"chosen,omitzero"` // option 54 of a client: the server it means
	// Of either side.
	Address netip.Addr `json:"address,omitzero"`  // given, wanted or had
	Message string     `json:"message,omitempty"` // option 56
	// Of a server.
	File       string     `json:"file,omitempty"`       // boot file
	NextServer netip.Addr `json:"next_server,omitzero"` // siaddr
	Vendor43   bool       `json:"vendor43,omitempty"`   // option 43 has PXE's sub-options 6 to 10
	Bypass     bool       `json:"bypass,omitempty"`     // 43.6 says to take the file of this packet
	NoMask     bool       `json:"no_mask,omitempty"`    // an address without option 1
	NoEnd      bool       `json:"no_end,omitempty"`     // an options area without 255
	BadOption  string     `json:"bad_option,omitempty"` // an option of a length that EDK2 drops the packet for
	Target     string     `json:"target,omitempty"`     // what our decision is to end in
	Loader     string     `json:"loader,omitempty"`     // the kind of boot program we named
	Style      string     `json:"style,omitempty"`      // the form of our proxy offer
	// Nobody has said what our offer's form or boot program is to be: boots may
	// teach another.
	FreeStyle  bool     `json:"free_style,omitempty"`
	FreeLoader bool     `json:"free_loader,omitempty"`
	Reasons    []string `json:"reasons,omitempty"` // of our decision: "hobnail.toml:31 rule: text"
	// What is wrong with a server's answer, besides the above.
	NoServerID bool   `json:"no_server_id,omitempty"` // it lacks option 54
	NoRoute    bool   `json:"no_route,omitempty"`     // the next server is on another network, and no router (option 3) is given
	MenuFault  string `json:"menu_fault,omitempty"`   // why the PXE menu or discovery of option 43 leads nowhere
	FileSize   int    `json:"file_size,omitempty"`    // option 13, in blocks of 512 octets: firmware believes it
}

// FileRole says what a file is for in a boot.
type FileRole string

// Roles of files.
const (
	RoleLoader FileRole = "loader" // a boot program, or a loader's second part
	RoleConfig FileRole = "config" // a loader's script or configuration
	RoleKernel FileRole = "kernel"
	RoleInitrd FileRole = "initrd" // initial RAM disk, boot.wim and what belongs to it
	RoleDisk   FileRole = "disk"   // an image that firmware mounts as a disk
	RoleAnswer FileRole = "answer" // what only an installer or a running system asks for
	RoleOther  FileRole = "other"
)

// FileStep is one request for a file, or several for the same.
type FileStep struct {
	Name            string        `json:"name"` // as asked for
	Via             string        `json:"via"`  // tftp, http
	Role            FileRole      `json:"role"`
	Size            int64         `json:"size,omitempty"`   // 0: not known
	Octets          int64         `json:"octets,omitempty"` // that the client has
	Blocks          int64         `json:"blocks,omitempty"` // of TFTP
	Retransmissions int64         `json:"retransmissions,omitempty"`
	Blksize         int           `json:"blksize,omitempty"`
	Window          int           `json:"window,omitempty"`
	Duration        time.Duration `json:"duration,omitempty"`
	RoundTrip       time.Duration `json:"round_trip,omitempty"`
	Code            int           `json:"code,omitempty"` // TFTP's error or HTTP's status
	// Heard says that the client acknowledged something: our answer reached it.
	Heard bool `json:"heard,omitempty"`
	// Near are names that exist and resemble one that does not.
	Near []string `json:"near,omitempty"`
	// Of a boot program: what it is built for, and what is known of its
	// signatures: Refusal is why Secure Boot would not start it, empty where
	// nothing is known against it.
	Arch    Arch   `json:"arch,omitempty"`
	Signer  string `json:"signer,omitempty"`
	Refusal string `json:"refusal,omitempty"`
}

// Boot is one attempt of one machine, from its first packet on.
type Boot struct {
	ID    string     `json:"id"` // sorts by time
	MAC   MAC        `json:"mac,omitempty"`
	UUID  UUID       `json:"uuid,omitempty"`
	Name  string     `json:"name,omitempty"`  // of the named machine, or the host name it sends
	Place string     `json:"place,omitempty"` // the relay, or the interface
	Arch  Arch       `json:"arch,omitempty"`
	Firm  Firmware   `json:"firmware,omitempty"`
	Model string     `json:"model,omitempty"` // what learned behaviour is kept under: see record.ModelOf
	Addr  netip.Addr `json:"address,omitzero"`
	Start time.Time  `json:"start"`
	Last  time.Time  `json:"last"`
	Steps []Step     `json:"steps"`
	Left  int        `json:"left_out,omitempty"` // steps beyond those that are kept
	Ended bool       `json:"ended"`              // nothing more is added

	Verdict Verdict `json:"verdict"`
}

// Outcome is what a verdict means for the machine.
type Outcome string

// Outcomes.
const (
	OutcomeOK      Outcome = "ok"
	OutcomeWarning Outcome = "warning" // it went on, or may have, and somebody should know
	OutcomeFailed  Outcome = "failed"
	OutcomeRunning Outcome = "running" // too early to say; only while a boot goes on
)

// Verdict says how a boot ended and why.
type Verdict struct {
	Code    string  `json:"code"`             // one of verdict's catalogue
	Detail  string  `json:"detail,omitempty"` // which kind of it, where there are several
	Outcome Outcome `json:"outcome"`
	Step    string  `json:"step"` // how far it came: discover, offer, address, boot-file, loader, script, kernel, system
	Text    string  `json:"text"` // one sentence
	Cause   string  `json:"cause,omitempty"`
	Remedy  string  `json:"remedy,omitempty"`
	Who     string  `json:"who,omitempty"` // you, network team, vendor; empty: nobody
	// Final is false while more may be heard; the verdict is then what it would
	// be if nothing came.
	Final    bool       `json:"final"`
	Evidence []Evidence `json:"evidence,omitempty"`
	Notes    []Note     `json:"notes,omitempty"`
}

// Evidence is one packet or event that a verdict stands on.
type Evidence struct {
	Time  time.Time `json:"time"`
	Frame int       `json:"frame,omitempty"`
	Text  string    `json:"text"`
}

// Note is something seen in a boot that is worth a line and decides nothing.
type Note struct {
	Code string `json:"code"`
	Text string `json:"text"`
}
