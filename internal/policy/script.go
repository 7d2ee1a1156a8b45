package policy

import (
	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/model"
)

// Script is what a loader is to do next: show a menu, or go straight on.
type Script struct {
	Target  string         // image, menu, local, deny or approve
	Install bool           // Target is to be installed, by order
	Over    bool           // an order has come to its end, which may be news: Target is the local disk
	Images  []model.Image  // what this machine can boot, in the order of the menu
	Machine *model.Machine // nil if nobody named it
	Local   model.LocalWay // how it leaves for its own disk
	Reasons []Reason
}

// Script decides what a machine's loader shows. The facts are those of the
// machine's last DHCP request as far as they are known; a loader that comes to
// a server which heard no such request is known by MAC or not at all.
func (v View) Script(f *classify.Facts) Script {
	var d Decision
	v.choose(&d, f)
	s := Script{Target: d.Target, Install: d.Install, Over: d.Over, Machine: d.Machine, Local: v.Policy.localOf(d.Machine, f), Reasons: d.Reasons()}
	for _, img := range v.Policy.images {
		if misfit(img, f.Arch) == "" && (!img.Hidden || img.Name == s.Target) {
			s.Images = append(s.Images, img)
		}
	}
	return s
}

// localOf is how a machine leaves for its own disk: as the first rule has it
// that matches and says so, else as [boot] does.
func (p *Policy) localOf(m *model.Machine, f *classify.Facts) model.LocalWay {
	if r := p.teaching(m, f, func(r *config.Rule) bool { return r.Local != "" }); r != nil {
		return r.Local
	}
	return p.Config.Boot.Local
}
