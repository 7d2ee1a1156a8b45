package record

import "hobnail/internal/model"

// Adopt takes up a boot that another joiner had open, before a restart: what
// comes belongs to it. It reports false if the boot has ended, or if that
// machine has a boot open already.
func (j *Joiner) Adopt(b *model.Boot) bool {
	k := key(&Who{MAC: b.MAC, Addr: b.Addr})
	if b.Ended || k == "" || j.open[k] != nil || len(j.open) >= MaxOpen {
		return false
	}
	j.open[k] = b
	if known := j.addrs[b.Addr]; b.MAC != "" && b.Addr.IsValid() && b.Last.After(known.at) {
		j.addrs[b.Addr] = claim{b.MAC, b.Last}
	}
	return true
}
