package machines

import "time"

// WhoOf is what Script is told of a machine that Find has found.
func WhoOf(seen Seen, how How, notes []Note) Who { return Who{good(seen.UUID), how, notes} }

// IsDenied reports whether a person has turned a machine away, and that holds
// at a time.
func (s *Snapshot) IsDenied(seen Seen, now time.Time) bool { return s.isDenied(seen, now) != nil }
