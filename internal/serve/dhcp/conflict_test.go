package dhcp_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"hobnail/internal/event"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/wire/wiretest"
)

// TestConflicts: what comes of an address that somebody was found to have.
func TestConflicts(t *testing.T) {
	const squatter, machine = model.MAC("52:54:00:00:00:99"), model.MAC("52:54:00:12:34:56")
	const hold = 30 * time.Minute
	for _, tc := range []struct {
		name   string
		addr   string
		record string // its state, of machine's lease; "" for none
		mac    model.MAC
		want   string // the record after it
		event  string
	}{
		{"a free address is put aside", "10.99.0.50", "", squatter, "declined 52:54:00:00:00:99", "52:54:00:00:00:99 [address=10.99.0.50]"},
		{"also where nobody saw whose it is", "10.99.0.50", "", "", "declined ", " [address=10.99.0.50]"},
		{"so is one that is only offered", "10.99.0.50", policy.StateOffered, squatter, "declined 52:54:00:00:00:99", "52:54:00:00:00:99 [address=10.99.0.50]"},
		{"and one that was released", "10.99.0.50", policy.StateReleased, squatter, "declined 52:54:00:00:00:99", "52:54:00:00:00:99 [address=10.99.0.50]"},
		{"a lease stays one", "10.99.0.50", policy.StateBound, squatter, "bound 52:54:00:12:34:56", "52:54:00:00:00:99 [address=10.99.0.50 leased_to=52:54:00:12:34:56]"},
		{"that its own machine answers is well", "10.99.0.50", policy.StateBound, machine, "bound 52:54:00:12:34:56", ""},
		{"as it is where nobody saw who answered", "10.99.0.50", policy.StateBound, "", "bound 52:54:00:12:34:56", ""},
		{"who had it last may still have it", "10.99.0.50", policy.StateReleased, machine, "released 52:54:00:12:34:56", ""},
		{"one that is put aside stays so, and is not said again", "10.99.0.50", policy.StateDeclined, machine, "declined 52:54:00:12:34:56", ""},
		{"unless another has it now", "10.99.0.50", policy.StateDeclined, squatter, "declined 52:54:00:00:00:99", "52:54:00:00:00:99 [address=10.99.0.50]"},
		{"who has a reservation may have it by hand", "10.99.0.51", "", "52:54:00:00:00:51", "", ""},
		{"also where nobody saw who has it", "10.99.0.51", "", "", "", ""},
		{"nobody else may", "10.99.0.51", "", squatter, "declined 52:54:00:00:00:99", "52:54:00:00:00:99 [address=10.99.0.51]"},
		{"our own address is ours", "10.99.0.1", "", "", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := start(t, serverSite+"[[machine]]\nname = \"reserved\"\nmac = \"52:54:00:00:00:51\"\naddress = \"10.99.0.51\"\n")
			a := netip.MustParseAddr(tc.addr)
			if tc.record != "" {
				kind := map[string]policy.ChangeKind{policy.StateOffered: policy.Hold, policy.StateReleased: policy.Free, policy.StateBound: policy.Bind, policy.StateDeclined: policy.PutAside}[tc.record]
				if err := w.table.Apply(policy.LeaseChange{Kind: kind, Lease: model.Lease{Address: a, MAC: machine, State: tc.record, Expires: noon.Add(time.Minute)}}); err != nil {
					t.Fatal(err)
				}
			}
			w.server.Conflict(a, tc.mac, hold)
			got := ""
			if l, ok := w.table.ByAddr(a); ok {
				got = l.State + " " + string(l.MAC)
				if l.State == policy.StateDeclined && !l.Expires.Equal(noon.Add(hold)) {
					t.Errorf("put aside until %v", l.Expires)
				}
			}
			if got != tc.want {
				t.Errorf("the record is %q, want %q", got, tc.want)
			}
			said := ""
			for _, e := range w.events.take() {
				if e.Code != event.DHCPConflict {
					t.Errorf("event %s", e.Code)
				}
				said = fmt.Sprintf("%s %v", e.MAC, e.Attrs)
			}
			if said != tc.event {
				t.Errorf("said %q, want %q", said, tc.event)
			}
		})
	}
}

// TestConflictBeforeItIsTaken: an offer whose address turns out to be in use
// is refused when it is taken, and another one is offered.
func TestConflictBeforeItIsTaken(t *testing.T) {
	w := start(t, serverSite)
	var offered []netip.Addr
	w.server.Offered = func(a netip.Addr) { offered = append(offered, a) }
	discover := broadcast(changed(t, "30-ovmf-x64-pxe-discover", option(50, 10, 99, 0, 50)))
	run(t, w, []step{{name: "a machine asks", packet: discover,
		sent:   []string{`OFFER 10.99.0.50 file "m/525400123456/uefi-x64/shimx64.efi" from 10.99.0.1 to 255.255.255.255:68 by 2`},
		events: []string{"dhcp.offer" + qemu}}})
	if len(offered) != 1 || offered[0].String() != "10.99.0.50" {
		t.Fatalf("told of the offers %v", offered)
	}
	w.server.Conflict(offered[0], "52:54:00:00:00:99", time.Hour)
	w.events.take()
	run(t, w, []step{
		{name: "it takes the offer", packet: broadcast(wiretest.Packet(t, "31-ovmf-x64-pxe-request")),
			sent: []string{`NAK 0.0.0.0 file "" from 10.99.0.1 to 255.255.255.255:68 by 2`}, events: []string{"dhcp.nak" + qemu}},
		{name: "it asks again", packet: discover,
			sent:   []string{`OFFER 10.99.0.51 file "m/525400123456/uefi-x64/shimx64.efi" from 10.99.0.1 to 255.255.255.255:68 by 2`},
			events: []string{"dhcp.offer" + qemu}},
	})
}
