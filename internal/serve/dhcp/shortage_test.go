package dhcp_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hobnail/internal/event"
	"hobnail/internal/lease"
	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// TestPoolShort: a pool is said to run short when it reaches 80 and 95 per
// cent, once each, and again after it has been well below.
func TestPoolShort(t *testing.T) {
	table := lease.NewTable()
	s := newServer(t, strings.ReplaceAll(serverSite, "10.99.0.51", "10.99.0.149"), table)
	events := s.Events.(*recorder)
	now := noon
	s.Clock = func() time.Time { return now }
	conn := &pipe{}
	discover := relayedDiscover(t)
	copy(discover[24:], []byte{10, 99, 0, 254})
	takes := func(first, n int) {
		for i := range n {
			now = now.Add(time.Second)
			binary.BigEndian.PutUint32(discover[30:], uint32(first+i))
			if ack := conn.ask(s, requestFor(discover, conn.ask(s, discover))); len(ack) == 0 {
				t.Fatalf("machine %d got nothing", first+i)
			}
		}
	}
	leaves := func(n int) {
		all := table.All()
		all = slices.DeleteFunc(all, func(l model.Lease) bool { return l.State != policy.StateBound })
		for _, l := range all[:n] {
			l.State = policy.StateReleased
			if err := table.Apply(policy.LeaseChange{Kind: policy.Free, Lease: l}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, step := range []struct {
		what string
		do   func()
		says string
	}{
		{"79 machines come", func() { takes(0, 79) }, ""},
		{"the 80th and 81st come", func() { takes(79, 2) }, "80 of 100"},
		{"more come, up to 94", func() { takes(81, 13) }, ""},
		{"the 95th and 96th come", func() { takes(94, 2) }, "95 of 100"},
		{"three go and come", func() { leaves(3); takes(200, 3) }, ""},
		{"eight go and come", func() { leaves(8); takes(300, 8) }, "95 of 100"},
		{"thirty go and come", func() { leaves(30); takes(400, 30) }, "80 of 100, 95 of 100"},
	} {
		events.take()
		step.do()
		var says []string
		for _, e := range events.take() {
			if e.Code == event.PoolShort {
				says = append(says, fmt.Sprint(e.Attrs[1].Value))
			}
		}
		if got := strings.Join(says, ", "); got != step.says {
			t.Errorf("when %s: %q, want %q", step.what, got, step.says)
		}
	}
}
