package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
)

// port makes a request come by a port of a relay.
func port(circuit string) func(*classify.Facts) {
	return func(f *classify.Facts) {
		relayedBy("10.77.2.1")(f)
		f.CircuitID = circuit
	}
}

// guest is one of many machines.
func guest(n int) model.MAC { return model.MAC(fmt.Sprintf("52:54:00:00:01:%02x", n)) }

// floods has so many new machines at a port ask for addresses, and take them,
// and says how many got one.
func (w world) floods(t *testing.T, first, n int, circuit string) (got int) {
	t.Helper()
	for i := range n {
		offer := w.at(t, 0, asks(guest(first+i), port(circuit)))
		if offer.Answer != policy.Offer {
			continue
		}
		if ack := w.at(t, 0, asks(guest(first+i), port(circuit), message(dhcp4.Request), fromServer("10.77.2.2"), wants(offer.Address.String()))); ack.Answer == policy.Ack {
			got++
		}
	}
	return got
}

// TestOnePortCannotEmptyAPool: the pool of these tests has ten addresses.
func TestOnePortCannotEmptyAPool(t *testing.T) {
	limited := strings.Replace(serverSite, "[[subnet]]", "[[subnet]]\nper_circuit = \"3\"", 1)
	for _, tc := range []struct {
		name, site string
		others     int // machines elsewhere that have an address
		circuit    string
		want       int // of twelve machines that ask by one port
	}{
		{"a port has what is configured", limited, 0, "eth0/1/7", 3},
		{"a port that nobody names is not counted", limited, 0, "", 10},
		{"a port has nine tenths when others are there", serverSite, 1, "eth0/1/7", 9},
		{"a port has all when it is the only one", serverSite, 0, "eth0/1/7", 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, tc.site)
			if got := w.floods(t, 100, tc.others, "eth0/1/1"); got != tc.others {
				t.Fatalf("%d machines elsewhere have an address, want %d", got, tc.others)
			}
			if got := w.floods(t, 0, 12, tc.circuit); got != tc.want {
				t.Errorf("%d machines got an address, want %d", got, tc.want)
			}
		})
	}
}

// TestAFullCircuit: what it still gets, and what not.
func TestAFullCircuit(t *testing.T) {
	site := strings.Replace(serverSite, "[[subnet]]", "[[subnet]]\nper_circuit = \"2\"", 1) +
		"[[machine]]\nname = \"lab-01\"\nmac = \"52:54:00:00:00:01\"\naddress = \"10.77.2.10\"\n"
	w := newWorld(t, site)
	w.floods(t, 0, 2, "eth0/1/7")
	mine, _ := w.table.ByKey(w.Policy.Config.Subnets[0].CIDR, guest(0))
	untouched, _ := policy.Pick(w.table, w.Policy.Owned(&w.Policy.Config.Subnets[0]), lab2, noon, nobody)
	request := message(dhcp4.Request)
	for _, tc := range []struct {
		name    string
		request *classify.Facts
		want    policy.Answer
		full    string
	}{
		{"another machine is not answered", asks(guest(5), port("eth0/1/7")), policy.Ignore, "10.77.2.1 eth0/1/7"},
		{"nor one that asks for an address without an offer", asks(guest(5), port("eth0/1/7"), request, fromServer("10.77.2.2"), wants(untouched.String())), policy.Ignore, "10.77.2.1 eth0/1/7"},
		{"a machine at another port is offered an address", asks(guest(5), port("eth0/1/8")), policy.Offer, ""},
		{"so is one at a port of that name of another relay", asks(guest(5), port("eth0/1/7"), relayedBy("10.77.2.9")), policy.Offer, ""},
		{"a machine that has an address is offered it again", asks(guest(0), port("eth0/1/7")), policy.Offer, ""},
		{"it comes back with it", asks(guest(0), port("eth0/1/7"), request, wants(mine.Address.String())), policy.Ack, ""},
		{"it renews it", asks(guest(0), request, unicast(mine.Address.String())), policy.Ack, ""},
		{"a machine with a reservation is offered that", asks(lab1, port("eth0/1/7")), policy.Offer, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := w.Decide(noon, tc.request); d.Answer != tc.want || d.CircuitFull != tc.full || d.PoolFull {
				t.Errorf("%s, full %q, because %s", outcome(d), d.CircuitFull, lastReason(d))
			}
		})
	}
	// A renewal comes without the relay, and the address still counts.
	w.at(t, time.Minute, asks(guest(0), request, unicast(mine.Address.String())))
	if d := w.Decide(noon.Add(time.Minute), asks(guest(5), port("eth0/1/7"))); d.CircuitFull == "" {
		t.Errorf("after a renewal: %s", outcome(d))
	}
	if d := w.Decide(noon.Add(2*time.Hour), asks(guest(5), port("eth0/1/7"))); d.Answer != policy.Offer {
		t.Errorf("when its leases have ended: %s", outcome(d))
	}
}

// TestOneMachineCannotDeclineAPool: a real one finds an address in use now and
// then; one that declines whatever it is given puts three aside.
func TestOneMachineCannotDeclineAPool(t *testing.T) {
	w := newWorld(t, serverSite)
	for n := range 20 {
		offer := w.at(t, 0, asks(lab1))
		if offer.Answer != policy.Offer {
			t.Fatalf("offer %d: %s", n, outcome(offer))
		}
		w.at(t, 0, asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), wants(offer.Address.String())))
		w.at(t, 0, asks(lab1, message(dhcp4.Decline), fromServer("10.77.2.2"), wants(offer.Address.String())))
	}
	if got := w.table.DeclinedBy(lab1, noon); got != 3 {
		t.Errorf("%d addresses are put aside, want 3", got)
	}
	if got := w.table.DeclinedBy(lab1, noon.Add(25*time.Hour)); got != 0 {
		t.Errorf("%d addresses are put aside a day later", got)
	}
}
