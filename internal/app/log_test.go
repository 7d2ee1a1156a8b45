package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"hobnail/internal/event"
	"hobnail/internal/policy"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func offer(at time.Time) event.Event {
	return event.Event{Time: at, Code: event.DHCPOffer, MAC: "52:54:00:12:34:56", More: func() []slog.Attr {
		return []slog.Attr{slog.String("host", "a\nb"), slog.Any("reasons", []policy.Reason{{Rule: "r", At: "hobnail.toml:1", Text: "it fits"}})}
	}}
}

func logged(t *testing.T, debug bool, events ...event.Event) []string {
	t.Helper()
	var out bytes.Buffer
	sink := NewLogSink(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), debug)
	for _, e := range events {
		sink.Emit(e)
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// TestLogLine: an event is one line, whatever a machine calls itself, and has
// its reasons where they are wanted.
func TestLogLine(t *testing.T) {
	for debug, want := range map[bool]string{
		false: `level=INFO msg="offer sent" code=dhcp.offer mac=52:54:00:12:34:56 host="a\nb"`,
		true:  `level=INFO msg="offer sent" code=dhcp.offer mac=52:54:00:12:34:56 host="a\nb" why="[it fits (hobnail.toml:1)]"`,
	} {
		if got := logged(t, debug, offer(noon)); len(got) != 1 || got[0] != want {
			t.Errorf("debug %v: %q, want %q", debug, got, want)
		}
	}
}

// TestLogLimit: a flood of one level is cut and counted, and hides no line of
// another level; with reasons nothing is cut.
func TestLogLimit(t *testing.T) {
	var flood []event.Event
	for range linesASecond + 70 {
		flood = append(flood, offer(noon))
	}
	flood = append(flood, event.Event{Time: noon, Code: event.LeaseFault}, offer(noon.Add(time.Second)))
	got := logged(t, false, flood...)
	if len(got) != linesASecond+3 {
		t.Fatalf("%d lines, want %d", len(got), linesASecond+3)
	}
	for i, part := range []string{"code=lease.fault", "code=log.limited lines=70", "code=dhcp.offer"} {
		if line := got[linesASecond+i]; !strings.Contains(line, part) {
			t.Errorf("line %d is %q, want one with %q", linesASecond+i, line, part)
		}
	}
	if got := logged(t, true, flood...); len(got) != len(flood) {
		t.Errorf("with reasons %d lines of %d events", len(got), len(flood))
	}
}

// TestLinesAreSpread: in a flood that lasts, the lines of a second come one by
// one, not all at its beginning.
func TestLinesAreSpread(t *testing.T) {
	sink := NewLogSink(slog.New(slog.DiscardHandler), false).(*logSink)
	most, in := 0, 0
	for ms := range 5000 {
		at := noon.Add(time.Duration(ms) * time.Millisecond)
		if ms%100 == 0 {
			in = 0
		}
		if sink.room(at, slog.LevelInfo) {
			in++
		}
		if ms >= 2000 {
			most = max(most, in)
		}
	}
	if want := linesASecond / 10; most != want {
		t.Errorf("%d lines in a tenth of a second, want %d", most, want)
	}
}
