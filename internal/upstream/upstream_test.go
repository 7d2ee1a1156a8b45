package upstream_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/upstream"
	"hobnail/internal/wire/dhcp4"
)

var (
	noon  = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	here  = netip.MustParsePrefix("10.77.2.0/24")
	ours  = netip.MustParseAddr("10.77.2.2")
	site  = netip.MustParseAddr("10.77.2.3")
	lease = netip.MustParseAddr("10.77.2.150")
)

// asked is a machine's request on its way.
func asked(mac model.MAC, xid uint32, m dhcp4.MessageType) *upstream.Exchange {
	return &upstream.Exchange{
		Request:  &dhcp4.Packet{},
		Facts:    classify.Facts{MAC: mac, Xid: xid, Message: m},
		Decision: policy.Decision{Place: here, Passing: &policy.Passing{Relay: ours}},
	}
}

// says is a message of the site's server to a machine, by way of us.
func says(mac model.MAC, xid uint32, m dhcp4.MessageType) *dhcp4.Packet {
	p := &dhcp4.Packet{Op: dhcp4.OpReply, HType: 1, HLen: 6, Xid: xid, YIAddr: lease, GIAddr: ours}
	copy(p.CHAddr[:], mac.Bytes())
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(m))
	p.Options.AddAddr(dhcp4.OptServerID, site)
	return p
}

const lab1, lab2 = model.MAC("52:54:00:00:00:01"), model.MAC("52:54:00:00:00:02")

func TestOnlyWhatWasAskedIsAnswered(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer *dhcp4.Packet
		after  time.Duration
		want   bool
	}{
		{"an offer answers a DISCOVER", says(lab1, 7, dhcp4.Offer), 0, true},
		{"a late one too", says(lab1, 7, dhcp4.Offer), 29 * time.Second, true},
		{"not one that nobody waits for any more", says(lab1, 7, dhcp4.Offer), 31 * time.Second, false},
		{"not an ACK", says(lab1, 7, dhcp4.Ack), 0, false},
		{"not another machine's with the same xid", says(lab2, 7, dhcp4.Offer), 0, false},
		{"not that of another exchange", says(lab1, 8, dhcp4.Offer), 0, false},
		{"not one by way of another relay", func() *dhcp4.Packet {
			p := says(lab1, 7, dhcp4.Offer)
			p.GIAddr = site
			return p
		}(), 0, false},
		{"not a proxy's, which gives no address", func() *dhcp4.Packet {
			p := says(lab1, 7, dhcp4.Offer)
			p.YIAddr = netip.IPv4Unspecified()
			return p
		}(), 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			table := upstream.NewTable()
			e := asked(lab1, 7, dhcp4.Discover)
			table.Ask(noon, e)
			got, _ := table.Answer(noon.Add(tc.after), tc.answer, site)
			if (got == e) != tc.want || table.Waits(e) == tc.want {
				t.Errorf("answered: %v, still waits: %v; want answered %v", got == e, table.Waits(e), tc.want)
			}
			_, offered := table.Offered(lab1, lease)
			if offered != tc.want {
				t.Errorf("the offer is remembered: %v, want %v", offered, tc.want)
			}
		})
	}
}

func TestServersAreFoundAndLost(t *testing.T) {
	table := upstream.NewTable()
	ask := func(xid uint32) *upstream.Exchange {
		e := asked(lab1, xid, dhcp4.Discover)
		table.Ask(noon, e)
		return e
	}
	answer := func(xid uint32) string {
		_, found := table.Answer(noon, says(lab1, xid, dhcp4.Offer), site)
		return fmt.Sprint("found ", found, ", ", table.State(here))
	}
	miss := func(xid uint32) string {
		before, now := table.Missed(ask(xid))
		return fmt.Sprintf("%q then %q", before, now)
	}
	for i, step := range []struct{ got, want string }{
		{string(table.State(here)), ""},
		{miss(1), `"" then "silent"`},
		{miss(2), `"silent" then "silent"`},
		{func() string { ask(3); return answer(3) }(), "found true, answers"},
		{func() string { ask(4); return answer(4) }(), "found false, answers"},
		{miss(5), `"answers" then "answers"`},
		{miss(6), `"answers" then "answers"`},
		{func() string { ask(7); return answer(7) }(), "found false, answers"},
		{miss(8), `"answers" then "answers"`},
		{miss(9), `"answers" then "answers"`},
		{miss(10), `"answers" then "silent"`},
	} {
		if step.got != step.want {
			t.Errorf("step %d: %s, want %s", i, step.got, step.want)
		}
	}
}

func TestCopiesOfARequest(t *testing.T) {
	relay1, relay2 := netip.MustParseAddr("10.77.3.1"), netip.MustParseAddr("10.77.3.2")
	table := upstream.NewTable()
	e := asked(lab1, 7, dhcp4.Discover)
	e.Facts.Relay = relay1
	table.Ask(noon, e)
	for _, tc := range []struct {
		name  string
		relay netip.Addr
		xid   uint32
		after time.Duration
		want  bool
	}{
		{"another relay's copy is on its way already", relay2, 7, time.Millisecond, true},
		{"the same relay repeats what the machine repeats", relay1, 7, time.Millisecond, false},
		{"what the machine says a second later is no copy", relay2, 7, time.Second, false},
		{"another request is no copy", relay2, 8, time.Millisecond, false},
	} {
		f := &classify.Facts{MAC: lab1, Xid: tc.xid, Message: dhcp4.Discover, Relay: tc.relay}
		if got := table.OnItsWay(noon.Add(tc.after), f); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// TestMemoryIsBounded: of 20,000 machines and places the newest are remembered.
func TestMemoryIsBounded(t *testing.T) {
	table := upstream.NewTable()
	for i := range uint32(20000) {
		mac := model.MACFromBytes([]byte{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)})
		e := asked(mac, i, dhcp4.Discover)
		e.Decision.Place = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		now := noon.Add(time.Duration(i) * time.Microsecond)
		table.Ask(now, e)
		if got, _ := table.Answer(now, says(mac, i, dhcp4.Offer), site); got != e {
			t.Fatalf("machine %d: its answer does not find it", i)
		}
		table.Heard(e.Decision.Place, site)
	}
	first, last := model.MAC("02:00:00:00:00:00"), model.MAC("02:00:00:00:4e:1f")
	if _, ok := table.Offered(first, lease); ok {
		t.Error("the first of 20,000 offers is still remembered")
	}
	if _, ok := table.Offered(last, lease); !ok {
		t.Error("the last offer is forgotten")
	}
	for i := range byte(9) {
		table.Heard(here, netip.AddrFrom4([4]byte{10, 77, 2, i}))
	}
	if n := len(table.Servers(here)); n > 4 {
		t.Errorf("%d servers of one place", n)
	}
}

// TestRepetitionsAreOneTry: iPXE repeats itself after a second, before the
// first request has waited for long enough.
func TestRepetitionsAreOneTry(t *testing.T) {
	table := upstream.NewTable()
	first, again := asked(lab1, 7, dhcp4.Discover), asked(lab1, 7, dhcp4.Discover)
	table.Ask(noon, first)
	table.Ask(noon.Add(time.Second), again)
	table.Answer(noon.Add(time.Second), says(lab1, 7, dhcp4.Offer), site)
	if table.Waits(first) || table.Waits(again) {
		t.Error("one of two repetitions still waits when the other was answered")
	}
	for i, xid := range []uint32{8, 9, 8, 9} {
		first, again := asked(lab1, xid, dhcp4.Discover), asked(lab1, xid, dhcp4.Discover)
		table.Ask(noon, first)
		table.Ask(noon, again)
		table.Missed(first)
		_, state := table.Missed(again)
		want := policy.SiteAnswers
		if i >= 2 {
			want = policy.SiteSilent
		}
		if state != want {
			t.Errorf("after %d tries of two requests each: %s, want %s", i+1, state, want)
		}
	}
}
