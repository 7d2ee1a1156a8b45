package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"hobnail/internal/event"
	"hobnail/internal/policy"
)

// linesASecond is how many lines of each level are logged in a second at the
// most, and so many may come at once: enough for a classroom that is switched
// on, and no disk is filled by a machine, or somebody, that asks all the time.
const linesASecond = 500

// logSink writes events to the log: the catalogue's title as the message, its
// level, and the event's details. Text from the network is quoted by slog's
// handlers wherever it holds anything but printable characters.
type logSink struct {
	log     *slog.Logger
	reasons bool // with the reasons of decisions, and without a limit

	mu     sync.Mutex
	second int64 // Unix time of the lines left out
	left   int   // lines of all levels that were left out in it
	due    map[slog.Level]time.Time
}

// NewLogSink logs events, of each level no more than so many lines a second,
// and says how many it left out. With reasons, which are long, it leaves out
// none.
func NewLogSink(log *slog.Logger, reasons bool) event.Sink {
	return &logSink{log: log, reasons: reasons, due: map[slog.Level]time.Time{}}
}

// Emit writes one line.
func (s *logSink) Emit(e event.Event) {
	entry, ok := event.Lookup(e.Code)
	if !ok {
		entry.Title = string(e.Code)
	}
	ctx := context.Background()
	if !s.log.Enabled(ctx, entry.Level) || !s.room(e.Time, entry.Level) {
		return
	}
	attrs := make([]slog.Attr, 0, 20)
	attrs = append(attrs, slog.String("code", string(e.Code)))
	if e.MAC != "" {
		attrs = append(attrs, slog.String("mac", string(e.MAC)))
	}
	if e.Client.IsValid() {
		attrs = append(attrs, slog.String("client", e.Client.String()))
	}
	for _, a := range e.Details() {
		reasons, isReasons := a.Value.Any().([]policy.Reason)
		switch {
		case !isReasons:
			attrs = append(attrs, a)
		case s.reasons:
			attrs = append(attrs, slog.Any("why", lines(reasons)))
		case e.Code == event.DHCPIgnored && len(reasons) > 0:
			attrs = append(attrs, slog.String("why", reasons[len(reasons)-1].Text))
		}
	}
	if entry.Remedy != "" {
		attrs = append(attrs, slog.String("remedy", entry.Remedy))
	}
	s.log.LogAttrs(ctx, entry.Level, entry.Title, attrs...)
}

// room reports whether one more line of a level may be written now, and counts
// it. With the first event of a new second it says what the last one left out.
//
// Each line takes its part of a second, of which one is lent. So where more
// comes than may be written, lines are spread over the second: a burst of them
// at its beginning would hold up the packets of that moment.
func (s *logSink) room(now time.Time, level slog.Level) bool {
	if s.reasons {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if second := now.Unix(); second != s.second {
		if s.left > 0 {
			entry, _ := event.Lookup(event.LogLimited)
			s.log.LogAttrs(context.Background(), entry.Level, entry.Title, slog.String("code", string(event.LogLimited)), slog.Int("lines", s.left))
		}
		s.second, s.left = second, 0
	}
	due := s.due[level]
	if lent := now.Add(-time.Second); due.Before(lent) {
		due = lent
	}
	if due = due.Add(time.Second / linesASecond); due.After(now) {
		s.left++
		return false
	}
	s.due[level] = due
	return true
}

func lines(reasons []policy.Reason) []string {
	out := make([]string, len(reasons))
	for i, r := range reasons {
		out[i] = r.Text + " (" + r.At + ")"
	}
	return out
}
