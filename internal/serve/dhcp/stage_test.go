package dhcp_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/lease"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

// stage sets up the same world again for every packet, at little cost. A packet
// leaves something behind in three places: in the server, which is another each
// time; in the table, which is another if the packet has changed it; and in the
// connections, which are empty again once send has taken what was sent.
type stage struct {
	site    *policy.Policy
	furnish func(*testing.T, *world) // puts into a new table what is there before the packet; may be nil
	before  *world
	table   *watched
}

func newStage(site *policy.Policy, furnish func(*testing.T, *world)) *stage {
	return &stage{site: site, furnish: furnish, before: startWith(site)}
}

// set makes the world ready for the next packet; the one before is over.
func (s *stage) set(t *testing.T) *world {
	t.Helper()
	stale := s.table == nil || s.table.changed
	if stale {
		s.table = &watched{Table: lease.NewTable()}
	}
	server := serverOf(s.site, s.table)
	w := &world{server: server, table: s.table.Table, events: server.Events.(*recorder), conns: s.before.conns, sent: s.before.sent}
	if stale && s.furnish != nil {
		s.furnish(t, w)
	}
	return w
}

// watched is a table that knows whether the server has changed it, which it can
// by Stage only.
type watched struct {
	*lease.Table
	changed bool
}

func (t *watched) Stage(c policy.LeaseChange) (ticket uint64, err error) {
	t.changed = t.changed || c.Kind != policy.NoChange
	return t.Table.Stage(c)
}

// TestStageIsAsNew: a world that was set up again deals with every packet just
// as one that was never used, whatever was dealt with before.
func TestStageIsAsNew(t *testing.T) {
	var packets [][]byte
	for _, c := range wiretest.CapturesTo(t, dhcp4.ServerPort, dhcp4.BootPort) {
		packets = append(packets, c.Payload)
	}
	for _, c := range wiretest.Corpus(t, "dhcp4") {
		packets = append(packets, c.Payload)
	}
	for name, toml := range map[string]string{"proxy": "", "server": serverSite} {
		site := compile(t, toml)
		used := newStage(site, taken)
		changes := 0
		for i, packet := range slices.Concat(packets, packets) {
			fresh := startWith(site)
			taken(t, fresh)
			want := afterwards(fresh, packet)
			got := afterwards(used.set(t), packet)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, packet %d (-new +used):\n%s", name, i, diff)
			}
			if used.table.changed {
				changes++
			}
		}
		if (changes > 20) != (name == "server") {
			t.Errorf("%s: %d changes of the table", name, changes)
		}
	}
}

// afterwards is all that can be seen of a world after a packet.
func afterwards(w *world, packet []byte) []string {
	var all []string
	for _, out := range w.send(dhcp4.ServerPort, packetOf(packet)) {
		all = append(all, fmt.Sprintf("sent %x %v", out.Data, out.Outgoing))
	}
	for _, e := range w.events.take() {
		all = append(all, fmt.Sprintf("event %+v", e))
	}
	for _, l := range w.table.All() {
		all = append(all, fmt.Sprintf("lease %+v", l))
	}
	return append(all, fmt.Sprintf("booting %+v", w.server.Boots.ByAddr(netip.MustParseAddr("10.99.0.51")).MAC))
}
