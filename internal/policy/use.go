package policy

import (
	"time"

	"hobnail/internal/config"
)

// PoolUse says how much of this server's part of a subnet's pool is used, and
// how large that part is.
func (v View) PoolUse(s *config.Subnet, now time.Time) (used, size int64) {
	part := v.Policy.Owned(s)
	for _, r := range part {
		size += r.Size()
	}
	return v.Leases.Kept(part, now), size
}
