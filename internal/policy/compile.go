package policy

import (
	"net/netip"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/model"
)

// Programs lists the boot programs there are.
type Programs struct {
	Have []Program
	// Refused lists those that are there but not served, for the reasons.
	Refused []Refused
	// Wanted gives the file names that would do for an architecture and kind
	// of boot program; nil if no program of that kind is known.
	Wanted func(arch model.Arch, loader string) []string
	Folder string // where a user puts programs: <Folder>/<arch>/<file>
}

// Program is a boot program as decisions see it.
type Program struct {
	Arch   model.Arch
	Loader string // "ipxe", "shim", "grub", "pxelinux", "ipxe-shim", "custom"
	File   string
}

// Refused is a boot program that is there but counts as absent.
type Refused struct {
	Program
	Why string // the rest of the sentence that begins with the file's name
}

// Policy is a compiled configuration: immutable, made once per reload.
type Policy struct {
	Config   *config.Config
	images   []model.Image
	programs Programs
	owned    map[netip.Prefix][]Range          // our blocks of each pool
	options  map[netip.Prefix][]Option         // what each place gives to whoever asks
	giving   []*config.Rule                    // rules with options
	steering []*config.Rule                    // rules with local, offer or learn
	links    map[netip.Prefix][]*config.Subnet // see sharing
	byMAC    map[model.MAC]*model.Machine
	byUUID   map[model.UUID]*model.Machine // in either byte order
	byID     map[string]*model.Machine     // client id in hexadecimal digits
	byPort   map[port]*model.Machine
	reserved map[netip.Addr]*model.Machine
}

// port is where a relay says that a machine is plugged in.
type port struct {
	relay   netip.Addr
	circuit string
}

// Compile prepares a configuration for deciding. images holds the configured
// images and those that were found installed, in the order of the menu.
func Compile(cfg *config.Config, images []model.Image, programs Programs) *Policy {
	p := &Policy{
		Config:   cfg,
		images:   images,
		programs: programs,
		owned:    map[netip.Prefix][]Range{},
		options:  map[netip.Prefix][]Option{},
		links:    links(cfg.Subnets),
		byMAC:    map[model.MAC]*model.Machine{},
		byUUID:   map[model.UUID]*model.Machine{},
		byID:     map[string]*model.Machine{},
		byPort:   map[port]*model.Machine{},
		reserved: map[netip.Addr]*model.Machine{},
	}
	for i := range cfg.Subnets {
		s := &cfg.Subnets[i]
		p.owned[s.CIDR] = owned(s.Pool, ByShare(cfg.Server.Share))
		p.options[s.CIDR] = placeOptions(cfg, s)
	}
	for i := range cfg.Rules {
		r := &cfg.Rules[i]
		if len(r.Options) > 0 {
			p.giving = append(p.giving, r)
		}
		if r.Offer != "" || r.Learn != "" || r.Local != "" {
			p.steering = append(p.steering, r)
		}
	}
	for i := range cfg.Machines {
		m := &cfg.Machines[i]
		for _, mac := range m.MACs {
			p.byMAC[mac] = m
		}
		if m.UUID != "" {
			p.byUUID[m.UUID], p.byUUID[m.UUID.Swapped()] = m, m
		}
		for _, id := range m.ClientIDs {
			p.byID[id] = m
			p.byID["00"+id] = m // the type of an id that is plain text (RFC 2132 section 9.14)
		}
		if m.CircuitID != "" {
			p.byPort[port{m.Relay, m.CircuitID}] = m
		}
		if m.Address.IsValid() {
			p.reserved[m.Address] = m
		}
	}
	return p
}

// Images lists all images, in the order of the menu.
func (p *Policy) Images() []model.Image { return p.images }

// Image finds an image by name.
func (p *Policy) Image(name string) (model.Image, bool) {
	for _, img := range p.images {
		if img.Name == name {
			return img, true
		}
	}
	return model.Image{}, false
}

// Owned gives the part of a subnet's pool that this server leases from.
func (p *Policy) Owned(s *config.Subnet) []Range { return p.owned[s.CIDR] }

// sharing lists the subnets of the link that a subnet is on: itself first,
// then the others in the order of the file.
func (p *Policy) sharing(s *config.Subnet) []*config.Subnet { return p.links[s.CIDR] }

// links makes the lists that sharing gives.
func links(all []config.Subnet) map[netip.Prefix][]*config.Subnet {
	m := map[netip.Prefix][]*config.Subnet{}
	for i := range all {
		s := &all[i]
		m[s.CIDR] = []*config.Subnet{s}
		for j := 0; s.Link != "" && j < len(all); j++ {
			if other := &all[j]; i != j && s.Link == other.Link {
				m[s.CIDR] = append(m[s.CIDR], other)
			}
		}
	}
	return m
}

// machine finds who is asking: by MAC, else by UUID, by client id, by the port
// of the relay.
func (p *Policy) machine(f *classify.Facts) *model.Machine {
	if m := p.byMAC[f.MAC]; m != nil && f.MAC != "" {
		return m
	}
	if m := p.byUUID[f.UUID]; m != nil && f.UUID != "" {
		return m
	}
	if m := p.byID[f.ClientID]; m != nil && f.ClientID != "" {
		return m
	}
	if f.CircuitID == "" || !f.Relayed() {
		return nil
	}
	return p.byPort[port{f.Relay, f.CircuitID}]
}

// ReservedFor gives the machine that an address is reserved for; nil if it is
// for none.
func (p *Policy) ReservedFor(a netip.Addr) *model.Machine { return p.reserved[a] }

// serverAddress is what replies name as the server: what the configuration
// says, else the address that the request reached us by.
func (p *Policy) serverAddress(f *classify.Facts) netip.Addr {
	if a := p.Config.Server.Address; a.IsValid() {
		return a
	}
	return f.Ingress.Local
}

// SubnetOf finds the narrowest configured subnet that holds an address.
func (p *Policy) SubnetOf(a netip.Addr) *config.Subnet {
	var best *config.Subnet
	for i := range p.Config.Subnets {
		s := &p.Config.Subnets[i]
		if s.CIDR.Contains(a) && (best == nil || s.CIDR.Bits() > best.CIDR.Bits()) {
			best = s
		}
	}
	return best
}

// LongestLease is the longest time for which an address may be leased, with
// the time that it is kept beyond.
func (p *Policy) LongestLease() time.Duration {
	longest := time.Duration(0)
	for i := range p.Config.Subnets {
		longest = max(longest, p.Config.Subnets[i].Lease)
	}
	return longest + Margin
}
