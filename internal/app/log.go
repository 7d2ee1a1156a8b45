package app

import (
	"context"
	"log/slog"

	"hobnail/internal/event"
	"hobnail/internal/policy"
)

// logSink writes events to the log: the catalogue's title as the message, its
// level, and the event's details. Text from the network is quoted by slog's
// handlers wherever it holds anything but printable characters.
type logSink struct {
	log     *slog.Logger
	reasons bool // with the reasons of decisions
}

// NewLogSink logs events. Reasons are long; they are left out unless wanted.
func NewLogSink(log *slog.Logger, reasons bool) event.Sink {
	return &logSink{log: log, reasons: reasons}
}

// Emit writes one line.
func (s *logSink) Emit(e event.Event) {
	entry, ok := event.Lookup(e.Code)
	if !ok {
		entry.Title = string(e.Code)
	}
	ctx := context.Background()
	if !s.log.Enabled(ctx, entry.Level) {
		return
	}
	attrs := make([]slog.Attr, 0, len(e.Attrs)+4)
	attrs = append(attrs, slog.String("code", string(e.Code)))
	if e.MAC != "" {
		attrs = append(attrs, slog.String("mac", string(e.MAC)))
	}
	if e.Client.IsValid() {
		attrs = append(attrs, slog.String("client", e.Client.String()))
	}
	for _, a := range e.Attrs {
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

func lines(reasons []policy.Reason) []string {
	out := make([]string, len(reasons))
	for i, r := range reasons {
		out[i] = r.Text + " (" + r.At + ")"
	}
	return out
}
