package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
	"hobnail/internal/classify"
	"hobnail/internal/diag"
	"hobnail/internal/diag/walk"
	"hobnail/internal/model"
	"hobnail/internal/netio"
	"hobnail/internal/sim"
	"hobnail/internal/verdict"
)

// doctorFlags say who walks a boot, and from where.
type doctorFlags struct {
	described
	iface  string
	noWalk bool
}

func newDoctor(g *globals) *cobra.Command {
	var d doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "walk a boot as a machine would, and say what is wrong on the way and on this host",
		Long: `doctor asks for an address and a boot file as firmware does, from where this
host is: by broadcast on a link, or as a relay (IP helper) would. It reads the
boot file, gives the address back, and says what is wrong in every answer that
it heard. Where a configuration is there, it looks at the host of the server
too: ports, privileges, firewall, disk, clock, addresses, boot programs.

It needs root or CAP_NET_RAW, and leaves nothing behind. Exit code 1 says that
there are faults.`,
		Example: `  hobnail doctor
  hobnail doctor --interface eth0 --arch bios
  hobnail doctor --relay 10.77.2.1 --server 10.77.1.2 --json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd, g) },
	}
	f := cmd.Flags()
	f.StringVar(&d.arch, "arch", string(model.ArchX64), "`ARCH`, the machine's architecture: "+archList())
	f.BoolVar(&d.http, "http", false, "UEFI HTTP boot instead of PXE")
	f.StringVar(&d.stage, "stage", string(classify.StageFirmware), "`STAGE`, which program asks: firmware or ipxe")
	f.StringVar(&d.mac, "mac", "", "`MAC` address (default one of our own that is nobody's)")
	f.StringVar(&d.uuid, "uuid", "", "SMBIOS `UUID`, as dmidecode prints it")
	f.StringVar(&d.iface, "interface", "", "`NAME` of the link to ask on (default that of the default route)")
	f.StringVar(&d.relay, "relay", "", "ask as a relay would, from this `ADDRESS` of ours; needs --server")
	f.StringVar(&d.server, "server", "", "`ADDRESS` of the server that is asked, or that is meant to answer")
	f.BoolVar(&d.noWalk, "no-walk", false, "look at this host alone")
	f.BoolVar(&d.asJSON, "json", false, "print JSON")
	return cmd
}

func (d *doctorFlags) run(cmd *cobra.Command, g *globals) error {
	opts, err := d.options(cmd)
	if err != nil {
		return err
	}
	loaded, err := configured(g)
	if err != nil {
		return err
	}
	if d.noWalk && loaded == nil {
		return usagef(cmd, "--no-walk leaves nothing to look at: there is no configuration on this host")
	}
	report := doctorReport{Machine: doctorMachine{Arch: d.arch, Stage: d.stage, HTTP: d.http}}
	if loaded != nil {
		report.host(app.CheckHost(cmd.Context(), loaded, opts.Machine.Arch))
	}
	if !d.noWalk {
		if err := d.walk(cmd, opts, loaded, &report); err != nil {
			return err
		}
	}
	report.finish()
	if d.asJSON {
		err = printJSON(cmd.OutOrStdout(), report)
	} else {
		err = printReport(cmd.OutOrStdout(), report)
	}
	switch {
	case err != nil:
		return err
	case cmd.Context().Err() != nil:
		return errors.New("stopped before the end")
	case !report.Healthy:
		return fmt.Errorf("%s found", count(report.Faults, "fault"))
	}
	return nil
}

// options reads the flags.
func (d *doctorFlags) options(cmd *cobra.Command) (o walk.Options, err error) {
	if err := d.checkWords(cmd); err != nil {
		return o, err
	}
	o.Machine = sim.Machine{Arch: model.Arch(d.arch), HTTP: d.http, Stage: classify.Stage(d.stage)}
	relay := d.relay
	if err := d.identify(cmd, &o.Machine); err != nil {
		return o, err
	}
	o.Relay, o.Machine.Relay = o.Machine.Relay, netip.Addr{}
	if d.server != "" {
		if o.Server, err = parseIPv4(d.server); err != nil {
			return o, usagef(cmd, "--server: %v", err)
		}
	}
	switch {
	case o.Machine.Stage == classify.StageOS:
		return o, usagef(cmd, "--stage os: an operating system does not boot from here; it is firmware or ipxe")
	case relay != "" && d.server == "":
		return o, usagef(cmd, "--relay needs --server: a relay sends requests to somebody")
	case relay != "" && d.iface != "":
		return o, usagef(cmd, "--relay and --interface are two ways to ask; choose one")
	}
	if _, err := o.Machine.Discover(); err != nil {
		return o, err
	}
	o.Interface = d.iface
	return o, nil
}

// configured loads the configuration where there is one: nil where this is not
// a server's host.
func configured(g *globals) (*app.Loaded, error) {
	if g.config == "" {
		if _, err := os.Stat(app.DefaultConfig); err != nil {
			return nil, nil
		}
	}
	return app.Load(g.config)
}

// walk finds a link where none is named, and walks.
func (d *doctorFlags) walk(cmd *cobra.Command, o walk.Options, loaded *app.Loaded, report *doctorReport) error {
	if !o.Relay.IsValid() && o.Interface == "" {
		name, why, err := chooseLink(loaded)
		switch {
		case err != nil:
			return err
		case name == "":
			report.add("walk", []diag.Finding{diag.Found(diag.WalkLeftOut, diag.Warning, "%s", why)})
			return nil
		}
		o.Interface = name
	}
	if !d.asJSON {
		o.Say = sayTo(cmd.Context(), cmd.ErrOrStderr())
	}
	w, err := walk.Run(cmd.Context(), o)
	switch {
	case err != nil && loaded != nil:
		// What was found on this host is worth printing all the same.
		report.add("walk", []diag.Finding{diag.Found(diag.WalkLeftOut, diag.Warning, "no boot was walked: %v", err)})
		return nil
	case err != nil:
		return err
	}
	report.walked(w)
	return nil
}

// chooseLink takes the first link on which machines are to be served.
func chooseLink(loaded *app.Loaded) (name, why string, err error) {
	all, err := netio.Interfaces()
	if err != nil {
		return "", "", err
	}
	all = slices.DeleteFunc(all, func(i netio.Interface) bool { return i.Loopback })
	if len(all) == 0 {
		return "", "no interface has an IPv4 address", nil
	}
	if loaded == nil {
		return mainLink(all), "", nil
	}
	if names := loaded.Config.Server.Interfaces; len(names) > 0 {
		all = slices.DeleteFunc(all, func(i netio.Interface) bool { return !slices.Contains(names, i.Name) })
	}
	for _, i := range all {
		if len(app.LinksOf(loaded, i.Prefixes)) > 0 {
			return i.Name, "", nil
		}
	}
	return "", "no link of this host is in a configured subnet, and so no boot was walked: machines come through relays", nil
}

// mainLink is the link of the default route, else the first.
func mainLink(all []netio.Interface) string {
	// RFC 5737's addresses are nobody's, and a socket that is only connected
	// sends nothing.
	conn, err := net.Dial("udp4", "192.0.2.1:67")
	if err != nil {
		return all[0].Name
	}
	defer conn.Close()
	own, err := netip.ParseAddrPort(conn.LocalAddr().String())
	for _, i := range all {
		for _, p := range i.Prefixes {
			if err == nil && p.Addr() == own.Addr() {
				return i.Name
			}
		}
	}
	return all[0].Name
}

// sayTo tells a person what is waited for; a pipe is told nothing.
func sayTo(ctx context.Context, w io.Writer) func(string) {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return func(text string) {
		if ctx.Err() != nil {
			text = "stopping: " + text
		}
		fmt.Fprintln(w, "  "+text)
	}
}

// doctorReport is what doctor found in the shape that programs read.
type doctorReport struct {
	Healthy  bool           `json:"healthy"`
	Faults   int            `json:"faults"`
	Warnings int            `json:"warnings"`
	Machine  doctorMachine  `json:"machine"`
	Checks   []doctorCheck  `json:"checks"`
	Servers  []doctorServer `json:"servers"`
	Steps    []doctorStep   `json:"steps"`
	Verdict  doctorVerdict  `json:"verdict"`
	Lease    doctorLease    `json:"lease"`
}

type doctorMachine struct {
	MAC       string `json:"mac"`
	Arch      string `json:"arch"`
	Stage     string `json:"stage"`
	HTTP      bool   `json:"http"`
	Interface string `json:"interface"`
	Relay     string `json:"relay"`
}

type doctorCheck struct {
	About  string `json:"about"`
	Code   string `json:"code"`
	State  string `json:"state"`
	Server string `json:"server"`
	Text   string `json:"text"`
	Remedy string `json:"remedy"`
	Who    string `json:"who"`
}

type doctorServer struct {
	Address    string `json:"address"`
	Hobnail    bool   `json:"hobnail"`
	Offers     string `json:"offers"`
	BootFile   string `json:"boot_file"`
	NextServer string `json:"next_server"`
	Class      string `json:"class"`
	Chosen     bool   `json:"chosen"`
}

type doctorStep struct {
	Time string `json:"time"`
	Kind string `json:"kind"`
	Text string `json:"text"`
}

type doctorVerdict struct {
	Code    string `json:"code"`
	Detail  string `json:"detail"`
	Outcome string `json:"outcome"`
	Step    string `json:"step"`
	Text    string `json:"text"`
	Cause   string `json:"cause"`
	Remedy  string `json:"remedy"`
	Who     string `json:"who"`
}

type doctorLease struct {
	Address  string `json:"address"`
	Server   string `json:"server"`
	Released bool   `json:"released"`
}

func (r *doctorReport) host(found []diag.Finding) { r.add("host", found) }

func (r *doctorReport) add(about string, found []diag.Finding) {
	for _, f := range found {
		r.Checks = append(r.Checks, doctorCheck{
			About: about, Code: f.Code, State: string(f.State), Server: addrText(f.Server), Text: f.Text, Remedy: f.Remedy, Who: f.Who,
		})
	}
}

// walked adds what a walk found.
func (r *doctorReport) walked(w *diag.Walk) {
	r.Machine = doctorMachine{
		MAC: string(w.Machine.MAC), Arch: string(w.Machine.Arch), Stage: orElse(string(w.Machine.Stage), string(classify.StageFirmware)),
		HTTP: w.Machine.HTTP, Interface: w.Interface, Relay: addrText(w.Relay),
	}
	r.add("walk", w.Checklist())
	for _, a := range w.Offers {
		s := doctorServer{Address: a.Server().String(), Hobnail: a.Hobnail()}
		if p := a.Packet; p != nil {
			s.BootFile, s.NextServer = plain(a.BootFile()), addrText(p.SIAddr)
			if a.Leases() {
				s.Offers = p.YIAddr.String()
			}
			s.Chosen = w.Chosen && (is(w.Choice.Address, a) || is(w.Choice.Boot, a))
			s.Class = diag.ClassOf(diag.ChooserOf(w.Machine), w.Sent, a)
		}
		r.Servers = append(r.Servers, s)
	}
	for i := range w.Steps {
		s := &w.Steps[i].Step
		r.Steps = append(r.Steps, doctorStep{Time: s.Time.UTC().Format(time.RFC3339Nano), Kind: string(s.Kind), Text: verdict.Describe(s)})
	}
	if v := w.Judge(); !w.Stopped {
		r.Verdict = doctorVerdict{v.Code, v.Detail, string(v.Outcome), v.Step, v.Text, v.Cause, v.Remedy, v.Who}
	}
	if w.Leased.IsValid() {
		r.Lease = doctorLease{Address: w.Leased.String(), Server: w.Choice.Address.Server().String(), Released: w.Released}
	}
}

func is(one *diag.Answer, a diag.Answer) bool {
	return one != nil && string(one.Data) == string(a.Data)
}

func addrText(a netip.Addr) string {
	if !a.IsValid() || a.IsUnspecified() {
		return ""
	}
	return a.String()
}

// finish counts, and makes lists of what is none.
func (r *doctorReport) finish() {
	for _, c := range r.Checks {
		switch diag.State(c.State) {
		case diag.Fault:
			r.Faults++
		case diag.Warning:
			r.Warnings++
		}
	}
	r.Healthy = r.Faults == 0
	r.Checks = append([]doctorCheck{}, r.Checks...)
	r.Servers = append([]doctorServer{}, r.Servers...)
	r.Steps = append([]doctorStep{}, r.Steps...)
}

// headings of the checklist, by what it is about.
var doctorHeadings = map[string]string{"host": "this host", "walk": "a boot from here"}

// printReport prints the checklist.
func printReport(out io.Writer, r doctorReport) error {
	var b strings.Builder
	about := ""
	for _, c := range r.Checks {
		if c.About != about {
			about = c.About
			fmt.Fprintf(&b, "%s%s\n", doctorHeadings[about], r.Machine.where(about))
		}
		fmt.Fprintf(&b, "  %-8s %s\n", c.State, c.Text)
		if diag.State(c.State) == diag.OK {
			continue
		}
		if c.Remedy != "" {
			fmt.Fprintf(&b, "           %s\n", remedyText(c))
		}
	}
	if r.Verdict.Code != "" {
		fmt.Fprintf(&b, "verdict: %s\n", r.Verdict.Code)
		if r.Verdict.Cause != "" && r.Verdict.Outcome != string(model.OutcomeOK) {
			fmt.Fprintf(&b, "likely cause: %s\n", r.Verdict.Cause)
		}
	}
	fmt.Fprintf(&b, "%s, %s\n", count(r.Faults, "fault"), count(r.Warnings, "warning"))
	if _, err := io.WriteString(out, b.String()); err != nil {
		return fmt.Errorf("writing the checklist: %v", err)
	}
	return nil
}

// remedyText says what to do, and who where that is somebody else.
func remedyText(c doctorCheck) string {
	if c.Who == "" || c.Who == verdict.You {
		return c.Remedy
	}
	return c.Remedy + " (" + c.Who + ")"
}

func (m doctorMachine) where(about string) string {
	if about != "walk" || m.MAC == "" {
		return ""
	}
	text := ": " + m.Arch
	if m.HTTP {
		text += " by HTTP"
	}
	if m.Stage == string(classify.StageIPXE) {
		text += ", iPXE"
	}
	text += ", as " + m.MAC
	switch {
	case m.Relay != "":
		text += ", through relay " + m.Relay
	case m.Interface != "":
		text += ", on " + m.Interface
	}
	return text
}
