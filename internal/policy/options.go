package policy

import (
	"slices"
	"strings"

	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/model"
	"hobnail/internal/wire/dhcp4"
)

// Option is a configured option of an answer.
type Option struct {
	Code dhcp4.OptionCode
	Data []byte
	// Always says that it was given to this machine or its kind, and is sent
	// even if the machine did not ask for it.
	Always bool
}

// placeOptions are those of a place, for whoever asks for them: what [server]
// gives, then what the subnet gives by keys of its own and by options.
func placeOptions(cfg *config.Config, s *config.Subnet) []Option {
	var own dhcp4.Options
	if s.Router.IsValid() {
		own.AddAddr(dhcp4.OptRouter, s.Router)
	}
	own.AddAddr(dhcp4.OptDNS, s.DNS...)
	own.AddString(dhcp4.OptDomainName, s.Domain)
	own.AddAddr(dhcp4.OptBroadcastAddr, model.BroadcastAddr(s.CIDR))
	own.AddAddr(dhcp4.OptNTP, s.NTP...)
	var all []Option
	for _, o := range cfg.Server.Options {
		all = give(all, o, false)
	}
	for _, o := range own {
		all = give(all, model.Option{Code: uint8(o.Code), Data: o.Data}, false)
	}
	for _, o := range s.Options {
		all = give(all, o, false)
	}
	return all
}

// give adds an option, in the place of one that was given before.
func give(all []Option, o model.Option, always bool) []Option {
	n := Option{Code: dhcp4.OptionCode(o.Code), Data: o.Data, Always: always}
	if i := slices.IndexFunc(all, func(have Option) bool { return have.Code == n.Code }); i >= 0 {
		all[i] = n
		return all
	}
	return append(all, n)
}

// options gathers what the configuration gives with an address, from the most
// general to the most particular: the place, the rules that match, the
// machine. Of two rules the first counts, as for targets.
func (v View) options(d *Decision, f *classify.Facts) {
	d.Options = v.Policy.options[d.Subnet.CIDR]
	rules, m := v.matching(d, f), v.Policy.machine(f)
	if len(rules) == 0 && (m == nil || len(m.Options) == 0) {
		d.Options = forBoot(d.Options, f)
		return
	}
	d.Options = slices.Clone(d.Options) // the place's are shared by all decisions
	for i := len(rules) - 1; i >= 0; i-- {
		d.giveAll(ruleName(rules[i]), rules[i].At, rules[i].Options)
	}
	if m != nil && len(m.Options) > 0 {
		d.giveAll("machine", m.Source, m.Options)
	}
	d.Options = forBoot(d.Options, f)
}

func (d *Decision) giveAll(rule, at string, options []model.Option) {
	var names []string
	for _, o := range options {
		d.Options = give(d.Options, o, true)
		names = append(names, o.Name)
	}
	d.because(rule, at, "matches: options %s", strings.Join(names, ", "))
}

// matching lists the rules with options that match who asks.
func (v View) matching(d *Decision, f *classify.Facts) []*config.Rule {
	if len(v.Policy.giving) == 0 {
		return nil
	}
	s := subject(f, v.Policy.machine(f))
	var all []*config.Rule
	for _, r := range v.Policy.giving {
		if r.Match.Matches(s) {
			all = append(all, r)
		}
	}
	return all
}

// forBoot leaves out of a boot client's options those that say where to boot
// from: the boot data of the same answer do.
func forBoot(all []Option, f *classify.Facts) []Option {
	says := func(o Option) bool {
		switch o.Code {
		case dhcp4.OptVendorSpecific, dhcp4.OptTFTPServerName, dhcp4.OptBootFileName, dhcp4.OptTFTPServerAddr:
			return true
		}
		return false
	}
	if !f.Boots() || !slices.ContainsFunc(all, says) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), says)
}
