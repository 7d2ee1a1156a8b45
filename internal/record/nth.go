package record

import (
	"slices"
	"time"
)

// nth is the time that n others are before. It orders the times.
func nth(all []time.Time, n int) time.Time {
	slices.SortFunc(all, time.Time.Compare)
	return all[n]
}
