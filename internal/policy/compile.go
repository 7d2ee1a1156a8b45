package policy

import (
	"net/netip"

	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/model"
)

// Programs lists the boot programs there are.
type Programs struct {
	Have []Program
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

// Policy is a compiled configuration: immutable, made once per reload.
type Policy struct {
	Config   *config.Config
	images   []model.Image
	programs Programs
	owned    map[netip.Prefix][]Range // our blocks of each pool
	byMAC    map[model.MAC]*model.Machine
	reserved map[netip.Addr]*model.Machine
}

// Compile prepares a configuration for deciding. images holds the configured
// images and those that were found installed, in the order of the menu.
func Compile(cfg *config.Config, images []model.Image, programs Programs) *Policy {
	p := &Policy{
		Config:   cfg,
		images:   images,
		programs: programs,
		owned:    map[netip.Prefix][]Range{},
		byMAC:    map[model.MAC]*model.Machine{},
		reserved: map[netip.Addr]*model.Machine{},
	}
	for i := range cfg.Subnets {
		s := &cfg.Subnets[i]
		p.owned[s.CIDR] = owned(s.Pool, ByShare(cfg.Server.Share))
	}
	for i := range cfg.Machines {
		m := &cfg.Machines[i]
		for _, mac := range m.MACs {
			p.byMAC[mac] = m
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

// machine finds who is asking: by MAC, else by UUID.
func (p *Policy) machine(mac model.MAC, uuid model.UUID) *model.Machine {
	if m := p.byMAC[mac]; m != nil && mac != "" {
		return m
	}
	for i := range p.Config.Machines {
		if m := &p.Config.Machines[i]; m.UUID.Same(uuid) {
			return m
		}
	}
	return nil
}

// serverAddress is what replies name as the server: what the configuration
// says, else the address that the request reached us by.
func (p *Policy) serverAddress(f *classify.Facts) netip.Addr {
	if a := p.Config.Server.Address; a.IsValid() {
		return a
	}
	return f.Ingress.Local
}

// subnetOf finds the narrowest configured subnet that holds an address.
func (p *Policy) subnetOf(a netip.Addr) *config.Subnet {
	var best *config.Subnet
	for i := range p.Config.Subnets {
		s := &p.Config.Subnets[i]
		if s.CIDR.Contains(a) && (best == nil || s.CIDR.Bits() > best.CIDR.Bits()) {
			best = s
		}
	}
	return best
}
