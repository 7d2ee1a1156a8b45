package tftp

import "time"

// instant is a time in 8 octets instead of 24: nanoseconds since the program
// began. Zero is no time.
type instant int64

var began = time.Now()

func at(t time.Time) instant {
	if t.IsZero() {
		return 0
	}
	return instant(t.Sub(began))
}

func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return began.Add(time.Duration(i))
}
