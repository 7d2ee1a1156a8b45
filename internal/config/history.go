package config

import (
	"errors"
	"strconv"
	"time"
)

func (d *draft) readHistory(s section) {
	c := &d.cfg.History
	if v, ok := one(s, "keep", parseSwitch); ok {
		c.Keep = v.v
	}
	for _, k := range []struct {
		name string
		to   *time.Duration
	}{{"good", &c.Good}, {"failed", &c.Failed}} {
		if v, ok := one(s, k.name, parseAge); ok {
			*k.to = v.v
		}
	}
	if v, ok := one(s, "boots", parseBoots); ok {
		c.Boots = v.v
	}
}

func parseAge(s string) (time.Duration, error) {
	d, err := parseDuration(s)
	if err == nil && (d < time.Hour || d > 10*365*24*time.Hour) {
		return 0, errors.New("is out of range; allowed are 1h to 3650d")
	}
	return d, err
}

func parseBoots(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 100 || n > 1_000_000 || s != strconv.Itoa(n) {
		return 0, errors.New("is not a number of boots, 100 to 1000000; write it as 20000")
	}
	return n, nil
}
