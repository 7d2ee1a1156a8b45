package record

import "hobnail/internal/model"

// Adopt takes up a boot that another joiner had open, before a restart: what
// comes belongs to it. It reports false if the boot has ended, or if that
// machine has a boot open already.
func (j *Joiner) Adopt(b *model.Boot) bool {
	k := key(&Who{MAC: b.MAC, Addr: b.Addr})
	if b.Ended || k == "" || j.open[k] != nil || len(j.open) >= MaxOpen || j.steps+len(b.Steps) > MaxAllSteps {
		return false
	}
	j.open[k] = b
	j.steps += len(b.Steps)
	if b.Addr.IsValid() && b.Last.After(j.addrs[b.Addr].at) {
		j.claim(b.Addr, claim{mac: b.MAC, at: b.Last})
	}
	return true
}
