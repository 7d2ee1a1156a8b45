package tftp

import (
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"hobnail/internal/event"
)

// emit tells one event about a client.
func (s *Server) emit(code event.Code, client netip.AddrPort, attrs ...slog.Attr) {
	if s.Events == nil {
		return
	}
	now := time.Now
	if s.Clock != nil {
		now = s.Clock
	}
	attrs = append(attrs, slog.String("via", via))
	s.Events.Emit(event.Event{Time: now(), Code: code, Client: client, Attrs: attrs})
}

// refused tells that a request was not taken up, and why.
func (s *Server) refused(id peer, reason string, attrs ...slog.Attr) {
	s.emit(event.FileRefused, id.address(), append([]slog.Attr{slog.String("reason", reason)}, attrs...)...)
}

// printable makes a text from the network fit for a line of a log: what does
// not print is escaped as in Go's strings. Backslashes stay single, since
// Windows loaders write paths with them.
func printable(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\uFFFD' && !strings.HasPrefix(s[i:], "\uFFFD"):
			b.WriteString(`\x`)
			b.WriteString(strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}
