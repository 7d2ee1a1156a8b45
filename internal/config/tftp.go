package config

import (
	"errors"
	"strconv"
	"strings"
)

func (d *draft) readTFTP(s section) {
	c := &d.cfg.TFTP
	if v, ok := one(s, "answers", parseAnswers); ok {
		c.SinglePort = v.v
	}
	for _, k := range []struct {
		name  string
		parse func(string) (int, error)
		to    *int
	}{
		{"transfers", parseTransfers, &c.MaxTransfers},
		{"transfers_per_client", parseTransfers, &c.MaxPerClient},
		{"rate", parseRate, &c.MaxRate},
		{"rate_per_client", parseRate, &c.MaxClientRate},
	} {
		if v, ok := one(s, k.name, k.parse); ok {
			*k.to = v.v
		}
	}
}

// parseAnswers tells whether transfers are answered from the request port.
func parseAnswers(s string) (single bool, err error) {
	switch s {
	case "own-port":
		return false, nil
	case "single-port":
		return true, nil
	}
	return false, errors.New("is neither own-port nor single-port" + didYouMean(s, []string{"own-port", "single-port"}))
}

const maxTransfers = 1 << 20

func parseTransfers(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxTransfers || s != strconv.Itoa(n) {
		return 0, errors.New("is not a number of transfers, 1 to 1048576; write it as 16384")
	}
	return n, nil
}

// parseRate reads octets in a second: kB, MB and GB are powers of 1000.
func parseRate(s string) (int, error) {
	malformed := errors.New("is not a rate, from 64kB to 100GB in a second; write it as 500kB, 50MB or 1GB")
	for _, unit := range []struct {
		name   string
		octets int
	}{{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}} {
		digits, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || digits != strconv.FormatUint(n, 10) || n > 100e9/uint64(unit.octets) || int(n)*unit.octets < 64e3 {
			return 0, malformed
		}
		return int(n) * unit.octets, nil
	}
	return 0, malformed
}
