package policy_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
)

// standingForUs is a relay that has itself called the server (RFC 5107).
func standingForUs(f *classify.Facts) { f.Override = f.Relay }

// TestAddresses is RFC 2131 section 4.3, message by message.
func TestAddresses(t *testing.T) {
	const reservation = serverSite + `
[[machine]]
name    = "lab-01"
mac     = ["52:54:00:00:00:01", "52:54:00:00:00:11"]
address = "10.77.2.10"
`
	const far = serverSite + `
[[subnet]]
cidr = "10.77.3.0/24"
dhcp = "server"
pool = "10.77.3.50-10.77.3.59"
`
	const shared = `
[[subnet]]
cidr = "10.77.2.0/24"
dhcp = "server"
pool = "10.77.2.53-10.77.2.53"
link = "floor-2"
[[subnet]]
cidr = "10.77.3.0/24"
dhcp = "server"
pool = "10.77.3.53-10.77.3.53"
link = "floor-2"
[[machine]]
name    = "lab-09"
mac     = "52:54:00:00:00:09"
address = "10.77.3.10"
`
	half := strings.Replace(serverSite, "[server]", "[server]\nshare = \"1/2\"", 1)
	const byOther = serverSite + `
[[machine]]
name      = "lab-02"
client_id = "lab-2"
address   = "10.77.2.12"
[[machine]]
name    = "lab-03"
uuid    = "4c4c4544-0043-3010-8052-b4c04f4d3532"
address = "10.77.2.13"
[[machine]]
name       = "door-7"
circuit_id = "eth0/1/7"
relay      = "10.77.2.1"
address    = "10.77.2.14"
[[machine]]
name    = "lab-05"
mac     = "52:54:00:00:00:02"
address = "10.77.2.15"
`
	small := strings.ReplaceAll(serverSite, "10.77.2.50-10.77.2.59", "10.77.2.53-10.77.2.54")
	past := noon.Add(-time.Minute)
	soon := noon.Add(time.Minute)
	for _, tc := range []struct {
		name    string
		site    string // serverSite if empty
		records []model.Lease
		request *classify.Facts
		want    string
		because string
	}{
		// DISCOVER, section 4.3.1.
		{"a new machine is offered a free address", "", nil,
			asks(lab1, wants("10.77.2.55")), "offer 10.77.2.55, hold 10.77.2.55 for 10s",
			"10.77.2.55 is what the machine asked for, and free"},
		{"a machine is offered the address of its running lease", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1), "offer 10.77.2.53", "10.77.2.53 is the address this machine had"},
		{"its running lease comes before what it asks for", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, wants("10.77.2.55")), "offer 10.77.2.53", "10.77.2.53 is the address this machine had"},
		{"a machine is offered the address of its last lease", "", []model.Lease{record("10.77.2.53", lab1, policy.StateBound, past)},
			asks(lab1), "offer 10.77.2.53, hold 10.77.2.53 for 10s", "10.77.2.53 is the address this machine had"},
		{"a machine is offered the address it gave back", "", []model.Lease{record("10.77.2.53", lab1, policy.StateReleased, past)},
			asks(lab1), "offer 10.77.2.53, hold 10.77.2.53 for 10s", "10.77.2.53 is the address this machine had"},
		{"a machine that repeats itself is offered the same", "", []model.Lease{record("10.77.2.53", lab1, policy.StateOffered, soon)},
			asks(lab1), "offer 10.77.2.53, hold 10.77.2.53 for 10s", "10.77.2.53 is the address this machine had"},
		{"what another has is not offered for the asking", small, []model.Lease{bound("10.77.2.53", lab2)},
			asks(lab1, wants("10.77.2.53")), "offer 10.77.2.54, hold 10.77.2.54 for 10s", "10.77.2.54 is free in the pool"},
		{"an address outside the pool is not offered for the asking", small, []model.Lease{bound("10.77.2.53", lab2)},
			asks(lab1, wants("10.77.2.200")), "offer 10.77.2.54, hold 10.77.2.54 for 10s", "10.77.2.54 is free in the pool"},
		{"a running lease outside today's pool goes on", "", []model.Lease{bound("10.77.2.77", lab1)},
			asks(lab1), "offer 10.77.2.77", "10.77.2.77 is the address this machine had"},
		{"a declined address is not offered to who declined it", small, []model.Lease{record("10.77.2.53", lab1, policy.StateDeclined, soon)},
			asks(lab1, wants("10.77.2.53")), "offer 10.77.2.54, hold 10.77.2.54 for 10s", "10.77.2.54 is free in the pool"},
		{"a pool without a free address gives none", small, []model.Lease{bound("10.77.2.53", lab2), bound("10.77.2.54", "52:54:00:00:00:03")},
			asks(lab1), "ignore", "no address is free in this server's part of the pool of 10.77.2.0/24"},
		{"a client without hardware address and client id gets nothing", "", nil,
			asks(""), "ignore", "the client names neither a hardware address nor a client id"},
		{"a place without a subnet gets nothing", `
[server]
dhcp = "server"
[[subnet]]
cidr = "10.99.0.0/24"
pool = "10.99.0.50-10.99.0.60"
`, nil, asks(lab1), "ignore", "no [[subnet]] is configured for this place, so there is no address to give"},

		// Reservations.
		{"a named machine is offered its reservation", reservation, nil,
			asks(lab1), "offer 10.77.2.10, hold 10.77.2.10 for 10s", "10.77.2.10 is reserved for lab-01"},
		{"a reservation comes before a running lease", reservation, []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1), "offer 10.77.2.10, hold 10.77.2.10 for 10s", "10.77.2.10 is reserved for lab-01"},
		{"a machine's second interface shares its reservation", reservation, []model.Lease{bound("10.77.2.10", "52:54:00:00:00:11")},
			asks(lab1), "offer 10.77.2.10", "10.77.2.10 is reserved for lab-01"},
		{"a reserved address that another still leases is not given twice", reservation, []model.Lease{bound("10.77.2.10", lab2)},
			asks(lab1, wants("10.77.2.55")), "offer 10.77.2.55, hold 10.77.2.55 for 10s",
			"10.77.2.55 is what the machine asked for, and free"},
		{"a reserved address that was found in use is not given again", reservation, []model.Lease{record("10.77.2.10", lab1, policy.StateDeclined, soon)},
			asks(lab1, wants("10.77.2.55")), "offer 10.77.2.55, hold 10.77.2.55 for 10s",
			"10.77.2.55 is what the machine asked for, and free"},
		{"nobody else is offered a reserved address", strings.ReplaceAll(reservation, "10.77.2.50-10.77.2.59", "10.77.2.10-10.77.2.11"), nil,
			asks(lab2, wants("10.77.2.10")), "offer 10.77.2.11, hold 10.77.2.11 for 10s", "10.77.2.11 is free in the pool"},
		{"nobody else gets a reserved address", reservation, nil,
			asks(lab2, message(dhcp4.Request), fromServer("10.77.2.2"), wants("10.77.2.10")), "nak", "10.77.2.10 is not this machine's to have here"},
		{"a machine that took another address is sent to its reservation", reservation, nil,
			asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), wants("10.77.2.55")), "nak", "10.77.2.10 is reserved for lab-01, which asked for 10.77.2.55"},
		{"while its reservation is taken it keeps what it was offered", reservation, []model.Lease{bound("10.77.2.10", lab2), record("10.77.2.55", lab1, policy.StateOffered, soon)},
			asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), wants("10.77.2.55")), "ack 10.77.2.55, bind 10.77.2.55 for 1h0m0s", "10.77.2.55 is this machine's until the lease ends"},
		{"a reserved address comes back after a restart", reservation, nil,
			asks(lab1, message(dhcp4.Request), wants("10.77.2.10")), "ack 10.77.2.10, bind 10.77.2.10 for 1h0m0s", "10.77.2.10 is this machine's until the lease ends"},
		{"a reserved address is renewed without a record", reservation, nil,
			asks(lab1, message(dhcp4.Request), unicast("10.77.2.10")), "ack 10.77.2.10, bind 10.77.2.10 for 1h0m0s", "10.77.2.10 is this machine's until the lease ends"},

		{"a reservation by client id", byOther, nil,
			asks(lab1, clientID("6c61622d32")), "offer 10.77.2.12, hold 10.77.2.12 for 10s", "10.77.2.12 is reserved for lab-02"},
		{"a reservation by client id that says it is text", byOther, nil,
			asks(lab1, clientID("006c61622d32")), "offer 10.77.2.12, hold 10.77.2.12 for 10s", "10.77.2.12 is reserved for lab-02"},
		{"a reservation by UUID", byOther, nil,
			asks(lab1, uuid("4c4c4544-0043-3010-8052-b4c04f4d3532")), "offer 10.77.2.13, hold 10.77.2.13 for 10s", "10.77.2.13 is reserved for lab-03"},
		{"a reservation by the port of a relay", byOther, nil,
			asks(lab1, relayedBy("10.77.2.1"), circuit("eth0/1/7", "")), "offer 10.77.2.14, hold 10.77.2.14 for 10s", "10.77.2.14 is reserved for door-7"},
		{"the same port of another relay", byOther, nil,
			asks(lab1, relayedBy("10.77.2.3"), circuit("eth0/1/7", ""), wants("10.77.2.55")), "offer 10.77.2.55, hold 10.77.2.55 for 10s", "10.77.2.55 is what the machine asked for, and free"},
		{"a port that no relay named", byOther, nil,
			asks(lab1, circuit("eth0/1/7", ""), wants("10.77.2.55")), "offer 10.77.2.55, hold 10.77.2.55 for 10s", "10.77.2.55 is what the machine asked for, and free"},
		{"the MAC address before what else a machine says", byOther, nil,
			asks(lab2, clientID("6c61622d32"), uuid("4c4c4544-0043-3010-8052-b4c04f4d3532")), "offer 10.77.2.15, hold 10.77.2.15 for 10s", "10.77.2.15 is reserved for lab-05"},
		{"the operating system of a machine with a UUID keeps its reservation", byOther, []model.Lease{bound("10.77.2.13", lab1)},
			asks(lab1), "offer 10.77.2.13", "10.77.2.13 is the address this machine had"},
		{"the firmware of a machine with a client id keeps its reservation", byOther, []model.Lease{record("10.77.2.12", lab1, policy.StateBound, past)},
			asks(lab1), "offer 10.77.2.12, hold 10.77.2.12 for 10s", "10.77.2.12 is the address this machine had"},
		{"a renewal names no port and keeps its reservation", byOther, []model.Lease{bound("10.77.2.14", lab1)},
			asks(lab1, message(dhcp4.Request), unicast("10.77.2.14")), "ack 10.77.2.14, bind 10.77.2.14 for 1h0m0s", "10.77.2.14 is this machine's until the lease ends"},
		{"whoever is at another port now loses its reservation", byOther, []model.Lease{record("10.77.2.14", lab1, policy.StateBound, past)},
			asks(lab1, relayedBy("10.77.2.1"), circuit("eth0/1/8", ""), message(dhcp4.Request), wants("10.77.2.14")), "nak", "10.77.2.14 is not this machine's to have here"},
		{"another machine at the port gets it when the lease is over", byOther, []model.Lease{record("10.77.2.14", lab1, policy.StateBound, past)},
			asks(lab2+"9", relayedBy("10.77.2.1"), circuit("eth0/1/7", "")), "offer 10.77.2.14, hold 10.77.2.14 for 10s", "10.77.2.14 is reserved for door-7"},
		{"and not before", byOther, []model.Lease{bound("10.77.2.14", lab1)},
			asks(lab2+"9", relayedBy("10.77.2.1"), circuit("eth0/1/7", ""), wants("10.77.2.55")), "offer 10.77.2.55, hold 10.77.2.55 for 10s", "10.77.2.55 is what the machine asked for, and free"},

		// How long.
		{"who asks for less gets less", "", nil,
			asks(lab1, wants("10.77.2.55"), wishes(10*time.Minute), message(dhcp4.Request), fromServer("10.77.2.2")), "ack 10.77.2.55, bind 10.77.2.55 for 10m0s", "10.77.2.55 is this machine's until the lease ends"},
		{"but a minute at least", "", nil,
			asks(lab1, wants("10.77.2.55"), wishes(time.Second), message(dhcp4.Request), fromServer("10.77.2.2")), "ack 10.77.2.55, bind 10.77.2.55 for 1m0s", "10.77.2.55 is this machine's until the lease ends"},
		{"who asks for ever gets what the subnet gives", "", nil,
			asks(lab1, wants("10.77.2.55"), wishes((1<<32-1)*time.Second), message(dhcp4.Request), fromServer("10.77.2.2")), "ack 10.77.2.55, bind 10.77.2.55 for 1h0m0s", "10.77.2.55 is this machine's until the lease ends"},

		// REQUEST, selecting.
		{"who takes our offer gets the lease", "", []model.Lease{record("10.77.2.53", lab1, policy.StateOffered, soon)},
			asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), wants("10.77.2.53")),
			"ack 10.77.2.53, bind 10.77.2.53 for 1h0m0s", "10.77.2.53 is this machine's until the lease ends"},
		{"who takes an offer from before our restart gets the lease", "", nil,
			asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), wants("10.77.2.53")),
			"ack 10.77.2.53, bind 10.77.2.53 for 1h0m0s", "10.77.2.53 is this machine's until the lease ends"},
		{"who takes another server's offer is never refused", "", nil,
			asks(lab1, message(dhcp4.Request), fromServer("10.77.2.3"), wants("10.77.2.53")), "ignore", "the machine took the offer of server 10.77.2.3"},
		{"taking another's offer sets ours free", "", []model.Lease{record("10.77.2.53", lab1, policy.StateOffered, soon)},
			asks(lab1, message(dhcp4.Request), fromServer("10.77.2.3"), wants("10.77.2.70")), "ignore, free 10.77.2.53", "the machine took the offer of server 10.77.2.3"},
		{"taking another's offer leaves a running lease", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Request), fromServer("10.77.2.3"), wants("10.77.2.70")), "ignore", "the machine took the offer of server 10.77.2.3"},
		{"who takes another server's offer by a relay that stands for both is never refused", half, []model.Lease{record("10.77.2.53", lab1, policy.StateOffered, soon)},
			asks(lab1, relayedBy("10.77.2.1"), standingForUs, message(dhcp4.Request), fromServer("10.77.2.1"), wants("10.77.2.58")),
			"ignore, free 10.77.2.53", "the machine took another server's offer: 10.77.2.58 is not of ours, and all servers are called 10.77.2.1 here"},
		{"who takes ours by such a relay gets it", half, []model.Lease{record("10.77.2.53", lab1, policy.StateOffered, soon)},
			asks(lab1, relayedBy("10.77.2.1"), standingForUs, message(dhcp4.Request), fromServer("10.77.2.1"), wants("10.77.2.53")),
			"ack 10.77.2.53, bind 10.77.2.53 for 1h0m0s", "10.77.2.53 is this machine's until the lease ends"},
		{"who asks us for what another has is refused", "", []model.Lease{bound("10.77.2.53", lab2)},
			asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), wants("10.77.2.53")), "nak", "10.77.2.53 is not this machine's to have here"},
		{"who asks us for what was never to be leased is refused", "", nil,
			asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), wants("10.77.2.0")), "nak", "10.77.2.0 is not this machine's to have here"},
		{"who asks us for our own address is refused", "", nil,
			asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), wants("10.77.2.2")), "nak", "10.77.2.2 is not this machine's to have here"},
		{"an old client names the address in ciaddr", "", nil,
			asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), broadcast("10.77.2.53")), "ack 10.77.2.53, bind 10.77.2.53 for 1h0m0s", "10.77.2.53 is this machine's until the lease ends"},
		{"a request without any address is not answered", "", nil,
			asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2")), "ignore", "the REQUEST names no address at all"},

		// REQUEST, init-reboot.
		{"who comes back with its lease keeps it", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Request), wants("10.77.2.53")), "ack 10.77.2.53, bind 10.77.2.53 for 1h0m0s", "10.77.2.53 is this machine's until the lease ends"},
		{"who comes back with another address is refused", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Request), wants("10.77.2.54")), "nak", "this machine's lease is 10.77.2.53, not 10.77.2.54"},
		{"who comes back with another server's address is not refused for the one that it had from us", half, []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Request), wants("10.77.2.57")), "ignore", "no record of this machine: another server may have one"},
		{"who comes back with another address of our share is refused", half, []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Request), wants("10.77.2.54")), "nak", "this machine's lease is 10.77.2.53, not 10.77.2.54"},
		{"who comes to the wrong link is refused without a record", "", nil,
			asks(lab1, message(dhcp4.Request), wants("192.168.1.7")), "nak", "192.168.1.7 does not belong to 10.77.2.0/24"},
		{"a stranger on the right link is another server's", "", nil,
			asks(lab1, message(dhcp4.Request), wants("10.77.2.53")), "ignore", "no record of this machine: another server may have one"},
		{"a stranger is not refused for what another has", "", []model.Lease{bound("10.77.2.53", lab2)},
			asks(lab1, message(dhcp4.Request), wants("10.77.2.53")), "ignore", "no record of this machine: another server may have one"},

		{"who comes back with the address that it gave back gets it again", "", []model.Lease{record("10.77.2.53", lab1, policy.StateReleased, past)},
			asks(lab1, message(dhcp4.Request), wants("10.77.2.53")), "ack 10.77.2.53, bind 10.77.2.53 for 1h0m0s", "10.77.2.53 is this machine's until the lease ends"},
		{"who comes back with what it declined is left in peace", "", []model.Lease{record("10.77.2.53", lab1, policy.StateDeclined, soon)},
			asks(lab1, message(dhcp4.Request), wants("10.77.2.53")), "ignore", "no record of this machine: another server may have one"},
		{"who comes back with its lease keeps it although another was offered", "", []model.Lease{bound("10.77.2.53", lab1), record("10.77.2.55", lab1, policy.StateOffered, soon)},
			asks(lab1, message(dhcp4.Request), wants("10.77.2.53")), "ack 10.77.2.53, bind 10.77.2.53 for 1h0m0s", "10.77.2.53 is this machine's until the lease ends"},

		// Several subnets on one link.
		{"where a pool is used up the link's other subnet gives", shared, []model.Lease{bound("10.77.2.53", lab2)},
			asks(lab1), "offer 10.77.3.53, hold 10.77.3.53 for 10s", "10.77.3.53 is free in the pool"},
		{"a lease in the link's other subnet is offered again", shared, []model.Lease{bound("10.77.3.53", lab1)},
			asks(lab1), "offer 10.77.3.53", "10.77.3.53 is the address this machine had"},
		{"an offer in the link's other subnet is taken", shared, []model.Lease{record("10.77.3.53", lab1, policy.StateOffered, soon)},
			asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), wants("10.77.3.53")), "ack 10.77.3.53, bind 10.77.3.53 for 1h0m0s", "10.77.3.53 is this machine's until the lease ends"},
		{"a lease in the link's other subnet is rebound by broadcast", shared, []model.Lease{bound("10.77.3.53", lab1)},
			asks(lab1, message(dhcp4.Request), broadcast("10.77.3.53")), "ack 10.77.3.53, bind 10.77.3.53 for 1h0m0s", "10.77.3.53 is this machine's until the lease ends"},
		{"a lease in the link's other subnet is rebound through a relay of the first", shared, []model.Lease{bound("10.77.3.53", lab1)},
			asks(lab1, message(dhcp4.Request), broadcast("10.77.3.53"), relayedBy("10.77.2.1")), "ack 10.77.3.53, bind 10.77.3.53 for 1h0m0s", "10.77.3.53 is this machine's until the lease ends"},
		{"a reservation in the link's other subnet counts", shared, nil,
			asks("52:54:00:00:00:09"), "offer 10.77.3.10, hold 10.77.3.10 for 10s", "10.77.3.10 is reserved for lab-09"},
		{"an offer in the link's other subnet ends when another server's is taken", shared, []model.Lease{record("10.77.3.53", lab1, policy.StateOffered, soon)},
			asks(lab1, message(dhcp4.Request), fromServer("10.77.2.3"), wants("10.77.2.70")), "ignore, free 10.77.3.53", "the machine took the offer of server 10.77.2.3"},
		{"an address of neither subnet of the link is refused", shared, nil,
			asks(lab1, message(dhcp4.Request), wants("10.77.4.7")), "nak", "10.77.4.7 does not belong to 10.77.2.0/24"},
		{"a link whose pools are all used up gives nothing", shared, []model.Lease{bound("10.77.2.53", lab2), bound("10.77.3.53", "52:54:00:00:00:03")},
			asks(lab1), "ignore", "no address is free in this server's part of the pool of 10.77.2.0/24"},

		// REQUEST, renewing and rebinding.
		{"a lease is renewed", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Request), unicast("10.77.2.53")), "ack 10.77.2.53, bind 10.77.2.53 for 1h0m0s", "10.77.2.53 is this machine's until the lease ends"},
		{"a lease is rebound by broadcast", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Request), broadcast("10.77.2.53")), "ack 10.77.2.53, bind 10.77.2.53 for 1h0m0s", "10.77.2.53 is this machine's until the lease ends"},
		{"a lease is renewed through a relay", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Request), unicast("10.77.2.53"), relayedBy("10.77.2.1")), "ack 10.77.2.53, bind 10.77.2.53 for 1h0m0s", "10.77.2.53 is this machine's until the lease ends"},
		{"another's lease is refused", "", []model.Lease{bound("10.77.2.53", lab2)},
			asks(lab1, message(dhcp4.Request), unicast("10.77.2.53")), "nak", "10.77.2.53 is leased to another machine"},
		{"a lease that ran out and is free is renewed", "", []model.Lease{record("10.77.2.53", lab1, policy.StateBound, past)},
			asks(lab1, message(dhcp4.Request), unicast("10.77.2.53")), "ack 10.77.2.53, bind 10.77.2.53 for 1h0m0s", "10.77.2.53 is this machine's until the lease ends"},
		{"another server's lease is not refused", "", nil,
			asks(lab1, message(dhcp4.Request), unicast("10.77.2.53")), "ignore", "no record of 10.77.2.53: another server may have one"},
		{"an address of another link is refused behind a relay", "", nil,
			asks(lab1, message(dhcp4.Request), unicast("10.99.0.7"), relayedBy("10.77.2.1")), "nak", "10.99.0.7 does not belong to 10.77.2.0/24"},
		{"an address of another link is refused when broadcast", "", nil,
			asks(lab1, message(dhcp4.Request), broadcast("10.99.0.7")), "nak", "10.99.0.7 does not belong to 10.77.2.0/24"},
		{"an address of a network we do not serve is not ours to judge", "", nil,
			asks(lab1, message(dhcp4.Request), unicast("10.99.0.7")), "ignore", "not a network boot client: option 60 is neither PXEClient nor HTTPClient"},

		// DECLINE and RELEASE.
		{"a declined address is put aside for a day", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Decline), fromServer("10.77.2.2"), wants("10.77.2.53")), "ignore, decline 10.77.2.53 for 24h0m0s", "10.77.2.53 is in use by somebody else: put aside"},
		{"a decline for a fault of our own offer sets the address free", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Decline), fromServer("10.77.2.2"), wants("10.77.2.53"), declining("Lease is denied upon entering bound")),
			"ignore, free 10.77.2.53", "the firmware found our offer incomplete; the address itself is free"},
		{"nobody declines another's address", "", []model.Lease{bound("10.77.2.53", lab2)},
			asks(lab1, message(dhcp4.Decline), fromServer("10.77.2.2"), wants("10.77.2.53")), "ignore", "10.77.2.53 is not this machine's to decline"},
		{"nobody declines an address that was not given", "", nil,
			asks(lab1, message(dhcp4.Decline), fromServer("10.77.2.2"), wants("10.77.2.53")), "ignore", "10.77.2.53 is not this machine's to decline"},
		{"a decline for another server is not ours", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Decline), fromServer("10.77.2.3"), wants("10.77.2.53")), "ignore", "the DECLINE is for server 10.77.2.3"},
		{"a lease is released", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Release), fromServer("10.77.2.2"), unicast("10.77.2.53")), "ignore, free 10.77.2.53", "10.77.2.53 is free again"},
		{"nobody releases another's lease", "", []model.Lease{bound("10.77.2.53", lab2)},
			asks(lab1, message(dhcp4.Release), fromServer("10.77.2.2"), unicast("10.77.2.53")), "ignore", "10.77.2.53 is not this machine's to release"},
		{"a release for another server is not ours", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Release), fromServer("10.77.2.3"), unicast("10.77.2.53")), "ignore", "the RELEASE is for server 10.77.2.3"},
		{"a release that comes from another address is forged", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Release), fromServer("10.77.2.2"), unicast("10.77.2.53"), sentFrom("10.77.2.66")), "ignore", "the RELEASE of 10.77.2.53 comes from 10.77.2.66, not from that address"},
		{"a release by way of another link's relay is forged", far, []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Release), fromServer("10.77.2.2"), unicast("10.77.2.53"), relayedBy("10.77.3.1")), "ignore", "10.77.2.53 is not this machine's to release"},
		{"a release by way of the link's own relay counts", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Release), fromServer("10.77.2.2"), unicast("10.77.2.53"), relayedBy("10.77.2.1")), "ignore, free 10.77.2.53", "10.77.2.53 is free again"},
		{"a release without a server id counts where the lease is ours", "", []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Release), unicast("10.77.2.53")), "ignore, free 10.77.2.53", "10.77.2.53 is free again"},
		{"a decline of a lease of another link, with its MAC, is forged", far, []model.Lease{bound("10.77.3.53", lab1)},
			asks(lab1, message(dhcp4.Decline), fromServer("10.77.2.2"), wants("10.77.3.53")), "ignore", "10.77.3.53 is not this machine's to decline"},
		{"a decline by way of another link's relay is forged", far, []model.Lease{bound("10.77.2.53", lab1)},
			asks(lab1, message(dhcp4.Decline), fromServer("10.77.2.2"), wants("10.77.2.53"), relayedBy("10.77.3.1")), "ignore", "10.77.2.53 is not this machine's to decline"},
		{"an offer that nobody took is not declined", "", []model.Lease{record("10.77.2.53", lab1, policy.StateOffered, soon)},
			asks(lab1, message(dhcp4.Decline), fromServer("10.77.2.2"), wants("10.77.2.53")), "ignore", "10.77.2.53 is not this machine's to decline"},
		{"an address that is put aside is not declined once more", "", []model.Lease{record("10.77.2.53", lab1, policy.StateDeclined, soon)},
			asks(lab1, message(dhcp4.Decline), fromServer("10.77.2.2"), wants("10.77.2.53")), "ignore", "10.77.2.53 is not this machine's to decline"},
		{"an offer is not released", "", []model.Lease{record("10.77.2.53", lab1, policy.StateOffered, soon)},
			asks(lab1, message(dhcp4.Release), fromServer("10.77.2.2"), unicast("10.77.2.53")), "ignore", "10.77.2.53 is not this machine's to release"},

		// INFORM and the rest.
		{"an INFORM gets options and no address", "", nil,
			asks(lab1, message(dhcp4.Inform), unicast("10.77.2.99")), "ack", "options for a client that has its address"},
		{"an INFORM without an address is not answered", "", nil,
			asks(lab1, message(dhcp4.Inform)), "ignore", "the INFORM does not say the client's address"},
		{"an INFORM does not choose whom the answer hits", "", nil,
			asks(lab1, message(dhcp4.Inform), broadcast("203.0.113.9"), selectsSubnet("10.77.2.0")), "ignore", "203.0.113.9 does not belong to 10.77.2.0/24"},
		{"a Mac's search for boot images is not answered", "", nil,
			asks(lab1, message(dhcp4.Inform), unicast("10.77.2.99"), apple), "ignore", "Apple's boot service discovery is not answered"},
		{"a lease query is not answered", "", nil,
			asks(lab1, message(dhcp4.LeaseQuery)), "ignore", "LEASEQUERY is not answered"},
		{"BOOTP is not answered", "", nil, asks(lab1, message(dhcp4.BOOTP)), "ignore", "BOOTP is not answered"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			site := tc.site
			if site == "" {
				site = serverSite
			}
			w := newWorld(t, site).with(t, tc.records...)
			d := w.Decide(noon, tc.request)
			if got := outcome(d); got != tc.want || lastReason(d) != tc.because {
				t.Errorf("%s, because %s\nwant %s, because %s\nall reasons: %+v", got, lastReason(d), tc.want, tc.because, d.Reasons())
			}
			if d.Answer == policy.Nak && (d.Boot != nil || d.Address.IsValid() || d.Change.Kind != policy.NoChange) {
				t.Errorf("a NAK with boot data %+v, address %v, change %+v", d.Boot, d.Address, d.Change)
			}
			if (d.Lease > 0) != d.Address.IsValid() {
				t.Errorf("address %v for %v", d.Address, d.Lease)
			}
		})
	}
}

func declining(text string) func(*classify.Facts) {
	return func(f *classify.Facts) { f.DeclineText = text }
}

// selects is option 82.5, selectsSubnet option 118.
func selects(a string) func(*classify.Facts) {
	return func(f *classify.Facts) { f.LinkSelect = netip.MustParseAddr(a) }
}

func selectsSubnet(a string) func(*classify.Facts) {
	return func(f *classify.Facts) { f.SubnetSelect = netip.MustParseAddr(a) }
}

func clientID(digits string) func(*classify.Facts) {
	return func(f *classify.Facts) { f.ClientID = digits }
}

func wishes(lease time.Duration) func(*classify.Facts) {
	return func(f *classify.Facts) { f.LeaseWish = lease }
}

// sentFrom says what address a datagram came from.
func sentFrom(a string) func(*classify.Facts) {
	return func(f *classify.Facts) { f.Ingress.Src = netip.MustParseAddrPort(a + ":68") }
}

func apple(f *classify.Facts) {
	f.Quirks = []classify.Quirk{{Name: classify.QuirkBSDP, Text: "a Mac"}}
}

// TestLeaseIsKeptLongerThanTold: a machine that counts from when the ACK came
// still has the address when by our count its lease has ended. And while the
// host's clock is ahead of ours, the record is by the host's.
func TestLeaseIsKeptLongerThanTold(t *testing.T) {
	request := asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), wants("10.77.2.53"))
	w := newWorld(t, serverSite)
	for _, ahead := range []time.Duration{0, 5 * time.Minute} {
		w.Ahead = ahead
		d := w.Decide(noon, request)
		kept := d.Change.Lease.Expires.Sub(noon)
		if d.Lease != time.Hour || kept != time.Hour+policy.Margin+ahead {
			t.Errorf("host's clock %v ahead: told %v, kept for %v", ahead, d.Lease, kept)
		}
	}
}
