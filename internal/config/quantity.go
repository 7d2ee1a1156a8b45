package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseDuration adds whole days ("7d", "1d12h") to Go's durations and wants
// whole seconds: DHCP and every loader count in them.
func parseDuration(s string) (time.Duration, error) {
	malformed := errors.New("is not a length of time; write it as 30s, 10m, 1h or 7d")
	var days uint64
	rest := s
	if before, after, ok := strings.Cut(s, "d"); ok {
		var err error
		if days, err = strconv.ParseUint(before, 10, 16); err != nil {
			return 0, malformed
		}
		if rest = after; rest == "" {
			rest = "0"
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d > 1<<62 {
		return 0, malformed
	}
	if d%time.Second != 0 {
		return 0, errors.New("is not in whole seconds; write it as 30s, 10m, 1h or 7d")
	}
	return time.Duration(days)*24*time.Hour + d, nil
}

const (
	minLease = 60 * time.Second
	maxLease = 365 * 24 * time.Hour
)

func parseLease(s string) (time.Duration, error) {
	d, err := parseDuration(s)
	switch {
	case err != nil:
		return 0, err
	case d < minLease:
		return 0, errors.New("is too short; allowed are 60s to 365d")
	case d > maxLease:
		return 0, errors.New("is too long; allowed are 60s to 365d")
	}
	return d, nil
}

func parseTimeout(s string) (time.Duration, error) {
	d, err := parseDuration(s)
	if err == nil && d > time.Hour {
		return 0, errors.New("is too long; allowed are 0s, which waits for a key, to 1h")
	}
	return d, err
}

const maxShares = 16

func parseShare(s string) (Share, error) {
	first, second, _ := strings.Cut(s, "/")
	i, errI := strconv.Atoi(first)
	n, errN := strconv.Atoi(second)
	if errI != nil || errN != nil || i < 1 || i > n || n > maxShares || s != fmt.Sprintf("%d/%d", i, n) {
		return Share{}, fmt.Errorf("is not a share; write it as 1/2 for the first of two servers, of %d at most", maxShares)
	}
	return Share{Index: i, Of: n}, nil
}

// maxCount is more than any pool has.
const maxCount = 1 << 24

func parseCount(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxCount || s != strconv.Itoa(n) {
		return 0, errors.New("is not a number of addresses; write it as 16")
	}
	return n, nil
}
