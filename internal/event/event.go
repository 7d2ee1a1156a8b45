// Package event is the catalogue of things that can happen in a boot, and the
// shape in which they are told. Libraries return or emit events; they do not
// log. What a person reads in the log, the console and the manual comes from
// this one catalogue.
package event

import (
	"log/slog"
	"net/netip"
	"time"

	"hobnail/internal/model"
)

// Event is one thing that happened.
type Event struct {
	Time   time.Time
	Code   Code
	MAC    model.MAC      // empty where only the address is known
	Client netip.AddrPort // who it was about; zero if no packet was involved
	// Message is the kind of the DHCP message that it is about, "DISCOVER"; empty
	// for none.
	Message string
	Attrs   []slog.Attr // details, in the order a person wants them
	// More makes further details when somebody wants them; nil: there are none.
	// It is for what happens often and is seldom looked at, and may be called
	// during Emit only.
	More func() []slog.Attr
}

// Messages lists the kinds of DHCP message that clients send, as Event.Message
// has them.
func Messages() []string {
	return []string{"DISCOVER", "REQUEST", "DECLINE", "RELEASE", "INFORM", "BOOTP"}
}

// MessageCodes lists the codes that say what became of a client's DHCP message.
func MessageCodes() []Code {
	return []Code{DHCPOffer, DHCPAck, DHCPNak, PXEAck, DHCPIgnored, DHCPDeclined, DHCPReleased}
}

// Details gives all details.
func (e Event) Details() []slog.Attr {
	if e.More == nil {
		return e.Attrs
	}
	return append(e.Attrs[:len(e.Attrs):len(e.Attrs)], e.More()...)
}

// Sink takes events. Emit must not block and must not keep Attrs' backing
// array.
type Sink interface {
	Emit(Event)
}

// Sinks hands every event to each of several.
type Sinks []Sink

// Emit is Sink's.
func (s Sinks) Emit(e Event) {
	for _, sink := range s {
		sink.Emit(e)
	}
}

// Discard is a Sink for callers that want none.
type Discard struct{}

// Emit does nothing.
func (Discard) Emit(Event) {}
