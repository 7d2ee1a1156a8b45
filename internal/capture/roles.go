package capture

import (
	"hobnail/internal/model"
	"hobnail/internal/record"
)

// maxRoles bounds what is remembered of names.
const maxRoles = 4096

// roles remembers what files are for: a name costs some microseconds, and the
// machines of a site ask for the same ones.
type roles map[string]model.FileRole

func (r roles) of(name string) model.FileRole {
	role, ok := r[name]
	if !ok {
		if len(r) >= maxRoles {
			clear(r)
		}
		role = record.RoleOf(name)
		r[name] = role
	}
	return role
}
