package nbp

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Rules is what programs are judged by. The zero value knows no revocation
// list and no time, and allows nothing.
type Rules struct {
	DBX   []*DBX
	Allow []string  // programs to serve all the same: FILE, or ARCHITECTURE/FILE
	Now   time.Time // zero: nothing has expired
}

// State says whether a program is served.
type State string

// States, the worse the later.
const (
	StateServed  State = "served"
	StateWarned  State = "warned" // served, but somebody should look
	StateRefused State = "refused"
)

// Level is the weight of a finding.
type Level string

// Levels of findings. A note changes nothing.
const (
	LevelNote    Level = "note"
	LevelWarning Level = "warning"
	LevelRefusal Level = "refusal"
)

// FindingCode names a kind of finding: stable.
type FindingCode string

// What can be found.
const (
	FoundSBAT        FindingCode = "sbat"             // a generation below the one that is safe
	FoundHash        FindingCode = "dbx-hash"         // the file itself is revoked
	FoundCertificate FindingCode = "dbx-certificate"  // somebody in a signature's chain is
	FoundInvalid     FindingCode = "signature"        // a signature that does not hold
	FoundOldCA       FindingCode = "authority-2011"   // signed under Microsoft's authorities of 2011 alone
	FoundExpired     FindingCode = "expired"          // a certificate has expired
	FoundUnreadable  FindingCode = "signature-format" // signatures that cannot be read
)

// Finding is one thing about a program that a person should know.
type Finding struct {
	Code   FindingCode `json:"code"`
	Level  Level       `json:"level"`
	Text   string      `json:"text"`             // the rest of the sentence that begins with the file's name
	Remedy string      `json:"remedy,omitempty"` // what to do
}

// minimum is the lowest generation of a component that is safe to serve.
type minimum struct {
	Component  string
	Generation int
	Since      string // the release that has it, for people
	Package    string // Debian's
}

// minima are those of shim's own revocations of 2025-05-10 (SbatLevel_Variable.txt
// of shim 16.1): shim before 15.8 believes the headers of HTTP servers
// (CVE-2023-40547), and GRUB before February 2025 has a score of holes that
// let anybody's code in.
var minima = [...]minimum{
	{"shim", 4, "shim 15.8", "shim-signed"},
	{"grub", 5, "GRUB with the fixes of February 2025", "grub-efi-amd64-signed or grub-efi-arm64-signed"},
}

// judge says what is to be known of a program. It refuses only what is signed
// for Secure Boot: an unsigned program runs where Secure Boot is off, and
// nobody looks at its generation there. A hash in a revocation list counts for
// both, as it leaves signatures out.
func (r Rules) judge(p Program) (State, []Finding) {
	var all []Finding
	all = append(all, r.revoked(p)...)
	if len(p.Signatures) > 0 {
		all = append(all, generations(p)...)
	}
	all = append(all, invalid(p)...)
	all = append(all, oldAuthority(p)...)
	all = append(all, r.expired(p)...)
	state := StateServed
	for i := range all {
		f := &all[i]
		if f.Level == LevelRefusal && r.allows(p) {
			f.Level = LevelWarning
			f.Text += "; it is served because allow_revoked names it"
		}
		switch {
		case f.Level == LevelRefusal:
			state = StateRefused
		case f.Level == LevelWarning && state == StateServed:
			state = StateWarned
		}
	}
	return state, all
}

// judgeAll judges every item, and parts those that are served from the rest.
func (r Rules) judgeAll(all []item) (served, refused []item) {
	for _, it := range all {
		if it.State, it.Findings = r.judge(it.Program); it.State == StateRefused {
			refused = append(refused, it)
		} else {
			served = append(served, it)
		}
	}
	return served, refused
}

func (r Rules) allows(p Program) bool {
	return slices.ContainsFunc(r.Allow, func(name string) bool { return Named(p, name) })
}

// Named reports whether a name, FILE or ARCHITECTURE/FILE, means a program.
func Named(p Program, name string) bool {
	return name == p.File || name == string(p.Arch)+"/"+p.File
}

// revoked looks a program up in the revocation lists. One revoked signature
// among several is enough for firmware to refuse the program.
func (r Rules) revoked(p Program) []Finding {
	const remedy = "get the vendor's current one, whose signature is not revoked"
	var all []Finding
	for _, d := range r.DBX {
		if d.hasHash(p.Authenticode) {
			all = append(all, Finding{FoundHash, LevelRefusal,
				fmt.Sprintf("is revoked: its digest %s is in %s", p.Authenticode, d.Name()), remedy})
		}
		for _, s := range p.Signatures {
			name, from, found := d.match(s.Chain)
			if !found {
				continue
			}
			text := fmt.Sprintf("is signed under a revoked certificate: %s is in %s", name, d.Name())
			if !from.IsZero() {
				text += ", for signatures since " + from.Format(time.DateOnly)
			}
			all = append(all, Finding{FoundCertificate, LevelRefusal, text, remedy})
		}
	}
	return all
}

// generations holds a signed program's SBAT data against the minima. What has
// no SBAT data at all is older than all generations if it is a vendor's. Who
// signs with a key of their own may have built GRUB without: firmware that has
// the key starts it, a shim does not.
func generations(p Program) []Finding {
	var all []Finding
	for _, m := range minima {
		i := slices.IndexFunc(p.SBAT, func(e SBATEntry) bool { return e.Component == m.Component })
		f := Finding{Code: FoundSBAT, Level: LevelRefusal, Remedy: m.remedy(p)}
		switch {
		case i >= 0 && p.SBAT[i].Generation < m.Generation:
			f.Text = fmt.Sprintf("has the SBAT level %s,%d; %s,%d is needed", m.Component, p.SBAT[i].Generation, m.Component, m.Generation)
		case i < 0 && len(p.SBAT) == 0 && component(p.Loader) == m.Component:
			f.Text = fmt.Sprintf("has no SBAT level; %s,%d is needed", m.Component, m.Generation)
			if selfSigned(p) {
				f.Level = LevelWarning
				f.Text = "has no SBAT level and so is started by firmware that has its key, but by no shim"
			}
		default:
			continue
		}
		all = append(all, f)
	}
	return all
}

func (m minimum) remedy(p Program) string {
	return fmt.Sprintf("put %s or newer in its place, from the distribution's current packages (Debian: %s); without a file of that name hobnail's own is served, where it has one", m.Since, m.Package)
}

// component is what a program's SBAT data would be about.
func component(l Loader) string {
	switch l {
	case LoaderShim, LoaderIPXEShim:
		return "shim"
	case LoaderGRUB, LoaderGRUBProxy:
		return "grub"
	}
	return ""
}

// selfSigned reports whether nobody stands above any of the signers.
func selfSigned(p Program) bool {
	return !slices.ContainsFunc(p.Signatures, func(s Signature) bool {
		return len(s.Chain) != 1 || s.Chain[0].Subject != s.Chain[0].Issuer
	})
}

func invalid(p Program) []Finding {
	var all []Finding
	if _, why, found := strings.Cut(p.Signer, unreadable); found {
		all = append(all, Finding{FoundUnreadable, LevelWarning, "has signatures that cannot be read: " + why,
			"copy the file again; with Secure Boot on it will not start"})
	}
	for i, s := range p.Signatures {
		if !s.Verified {
			all = append(all, Finding{FoundInvalid, LevelWarning, fmt.Sprintf("has a signature that does not hold: number %d %s", i+1, s.Fault),
				"copy the file again; with Secure Boot on it will not start"})
		}
	}
	return all
}

// oldAuthority finds what machines that have only Microsoft's newer
// certificates will not start.
func oldAuthority(p Program) []Finding {
	var old string
	for _, s := range p.Signatures {
		switch yearOf(s.Authority) {
		case 2011:
			old = s.Authority
		case 2023:
			return nil
		}
	}
	if old == "" {
		return nil
	}
	return []Finding{{FoundOldCA, LevelWarning,
		fmt.Sprintf("is signed under %s alone; machines that have only the certificates of 2023 will not start it with Secure Boot on", old),
		"get the vendor's current one, which is signed under both"}}
}

// expired notes certificates that have expired: firmware knows no time that it
// could trust, and does not look.
func (r Rules) expired(p Program) []Finding {
	if r.Now.IsZero() {
		return nil
	}
	var all []Finding
	for _, s := range p.Signatures {
		for _, c := range s.Chain {
			if c.NotAfter.Before(r.Now) {
				all = append(all, Finding{FoundExpired, LevelNote,
					fmt.Sprintf("has a certificate that expired on %s, which firmware does not look at: %s", c.NotAfter.Format(time.DateOnly), shortName(c.Subject)), ""})
			}
		}
	}
	return all
}

// shortName is the common name in a whole name, else all of it.
func shortName(name string) string {
	for part := range strings.SplitSeq(name, ",") {
		if cn, ok := strings.CutPrefix(part, "CN="); ok {
			return cn
		}
	}
	return name
}

// Refusal is why a program is not served, with what to do, as the rest of a
// sentence that begins with its name; empty if it is served.
func (p Program) Refusal() string { return p.say(LevelRefusal) }

// Warning is the same for what is served with a warning.
func (p Program) Warning() string { return p.say(LevelWarning) }

func (p Program) say(level Level) string {
	var parts, remedies []string
	for _, f := range p.Findings {
		if f.Level != level {
			continue
		}
		parts = append(parts, f.Text)
		if f.Remedy != "" && !slices.Contains(remedies, f.Remedy) {
			remedies = append(remedies, f.Remedy)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(append([]string{strings.Join(parts, ", and ")}, remedies...), "; ")
}

// Where is how a program's file is called: the user's by its path, an embedded
// one by architecture and name.
func (p Program) Where() string {
	if p.SourceCode == "" {
		return p.Source
	}
	return string(p.Arch) + "/" + p.File
}
