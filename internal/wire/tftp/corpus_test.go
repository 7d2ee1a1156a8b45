package tftp

import (
	"errors"
	"testing"

	"hobnail/internal/wire/wiretest"
)

// TestCorpus says for every packet of the corpus whether it is a request,
// and if not, whether it is worth an answer.
func TestCorpus(t *testing.T) {
	const (
		request   = "request"
		truncated = "truncated"
		faulty    = "faulty"
	)
	not := map[string]string{
		"tftp/rrq_no_nul.bin":      truncated,
		"tftp/rrq_name_empty.bin":  faulty,
		"tftp/rrq_name_60000.bin":  faulty,
		"tftp/rrq_500_options.bin": faulty,
		"tftp/data_to_69.bin":      faulty,
		"tftp/oack_to_69.bin":      faulty,
		"tftp/op0.bin":             faulty,
		"tftp/empty.bin":           faulty,
		"tftp/one.bin":             faulty,
		"tftp/ack_short.bin":       faulty,
	}
	for _, c := range wiretest.Corpus(t, "tftp") {
		t.Run(c.Path, func(t *testing.T) {
			want := request
			if other, ok := not[c.Path]; ok {
				want = other
			}
			_, err := ParseRequest(c.Payload)
			got := request
			switch {
			case errors.Is(err, ErrTruncated):
				got = truncated
			case err != nil:
				got = faulty
			}
			if got != want {
				t.Errorf("%s: %s, want %s (error %v)", c.Lesson, got, want, err)
			}
		})
	}
}
