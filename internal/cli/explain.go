package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"hobnail/internal/capture"
	"hobnail/internal/model"
)

func newExplain() *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain FILE...",
		Short: "say how the boots in a capture ended, why, and what to do",
		Long: `explain reads what tcpdump, Wireshark or a switch's mirror port recorded, pcap
or pcapng, and finds the boots in it: each ends in a verdict, as the running
server gives it. It needs no server, no configuration and no root. The file "-"
is standard input.`,
		Example: `  hobnail explain boot.pcap
  hobnail explain --mac 52:54:00:12:34:56 monday.pcapng.gz
  tcpdump -i eth0 -U -w - udp or icmp or tcp port 80 | hobnail explain --json -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef(cmd, "name a capture, or - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.machine != "" {
				mac, err := model.ParseMAC(o.machine)
				if err != nil {
					return usagef(cmd, "--mac %s: %v", plain(o.machine), err)
				}
				o.mac = mac
			}
			return explain(cmd, o, args)
		},
	}
	cmd.Flags().StringVar(&o.machine, "mac", "", "only the boots of the machine with this `MAC` address")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

type explainOptions struct {
	machine string
	mac     model.MAC
	json    bool
}

// explain takes one file after another. One that is damaged does not keep the
// others from being read.
func explain(cmd *cobra.Command, o explainOptions, files []string) error {
	out := cmd.OutOrStdout()
	show := bootWriter(&textBoots{w: out, files: len(files)})
	if o.json {
		show = &jsonBoots{w: out}
	}
	show.begin()
	var faults []error
	for _, file := range files {
		show.file(file)
		if err := explainFile(cmd, o, file, show); err != nil {
			faults = append(faults, fmt.Errorf("reading %s: %w", plain(file), err))
		}
	}
	show.end()
	return errors.Join(faults...)
}

func explainFile(cmd *cobra.Command, o explainOptions, file string, show bootWriter) error {
	in, size := cmd.InOrStdin(), int64(0)
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		in = f
	}
	bar := newProgress(cmd.ErrOrStderr(), size)
	defer bar.clear()
	sum, err := capture.Explain(in, capture.Options{
		Progress: bar.to,
		Boot: func(b *model.Boot) error {
			if o.mac != "" && b.MAC != o.mac {
				return nil
			}
			bar.clear()
			return show.boot(b)
		},
	})
	bar.clear()
	show.sum(sum)
	for _, text := range remarks(sum, err) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", plain(file), text)
	}
	return err
}

// remarks say what a person should know of a capture beside its boots.
func remarks(sum capture.Summary, err error) (all []string) {
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if err != nil && sum.Packets > 0 {
		add("what the %d packets before the fault show is explained", sum.Packets)
	}
	if sum.Cut > 0 {
		add("%d DHCP messages were not captured whole; capture whole packets (tcpdump -s 0)", sum.Cut)
	}
	if sum.Malformed > 0 {
		add("%d DHCP messages are malformed and were left out", sum.Malformed)
	}
	if sum.Foreign > 0 {
		add("%d packets are of a link type (%d) that is not known; Ethernet, Linux cooked and raw IP are", sum.Foreign, sum.ForeignType)
	}
	switch {
	case err != nil || sum.Boots > 0 || sum.Packets == 0:
	case sum.DHCPv6 > 0:
		add("%d messages are DHCPv6; boots by IPv6 are not followed", sum.DHCPv6)
	case sum.DHCP == 0:
		add("none of its %d packets is DHCP or a boot file's; capture on the machine's link, its relay or its boot server, and filter by nothing but the machine", sum.Packets)
	}
	return all
}

// bootWriter shows boots in one of the forms.
type bootWriter interface {
	begin()
	file(name string)
	boot(*model.Boot) error
	sum(capture.Summary)
	end()
}

// textBoots shows them to a person.
type textBoots struct {
	w     io.Writer
	files int
	shown int
	ok    int
}

func (t *textBoots) begin() {}

func (t *textBoots) file(name string) {
	if t.files > 1 {
		t.gap()
		fmt.Fprintf(t.w, "== %s\n", plain(name))
	}
	t.shown, t.ok = 0, 0
}

func (t *textBoots) gap() {
	if t.shown > 0 {
		fmt.Fprintln(t.w)
	}
}

func (t *textBoots) boot(b *model.Boot) error {
	t.gap()
	t.shown++
	if b.Verdict.Outcome == model.OutcomeOK {
		t.ok++
	}
	printBoot(t.w, b)
	return nil
}

func (t *textBoots) sum(sum capture.Summary) {
	switch {
	case t.shown == 0:
		fmt.Fprintf(t.w, "no boots in %d packets\n", sum.Packets)
	case t.shown > 1:
		fmt.Fprintf(t.w, "\n%d boots in %d packets, %d went well\n", t.shown, sum.Packets, t.ok)
	}
}

func (t *textBoots) end() {}

// jsonBoots prints {"boots":[…]} boot by boot: a capture may have more of them
// than fit into memory.
type jsonBoots struct {
	w     io.Writer
	shown int
}

func (j *jsonBoots) begin()      { io.WriteString(j.w, "{\n  \"boots\": [") }
func (j *jsonBoots) file(string) {}

func (j *jsonBoots) boot(b *model.Boot) error {
	if j.shown++; j.shown > 1 {
		io.WriteString(j.w, ",")
	}
	text, err := json.MarshalIndent(bootInfo(b), "    ", "  ")
	if err != nil {
		return fmt.Errorf("writing a boot: %v", err)
	}
	_, err = fmt.Fprintf(j.w, "\n    %s", text)
	return err
}

func (j *jsonBoots) sum(capture.Summary) {}

func (j *jsonBoots) end() {
	if j.shown > 0 {
		io.WriteString(j.w, "\n  ")
	}
	io.WriteString(j.w, "]\n}\n")
}
