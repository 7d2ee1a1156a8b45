package policy_test

import (
	"fmt"
	"testing"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
)

// at decides and carries out what a machine asks at a time after noon.
func (w world) at(t *testing.T, after time.Duration, f *classify.Facts) policy.Decision {
	t.Helper()
	d := w.Decide(noon.Add(after), f)
	if err := w.table.Apply(d.Change); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestUEFITakesALapsedOffer: EDK2 repeats its DISCOVER after 4, 8 and 16 s and
// waits 32 s after the last before it takes an offer. The hold has lapsed by
// then, and other machines have come; it gets what it was offered all the same.
func TestUEFITakesALapsedOffer(t *testing.T) {
	w := newWorld(t, serverSite)
	first := w.at(t, 0, asks(lab1)).Address
	for _, repeated := range []time.Duration{4, 12, 28} {
		if again := w.at(t, repeated*time.Second, asks(lab1)).Address; again != first {
			t.Fatalf("offered %s, and %s after %d s", first, again, repeated)
		}
	}
	for n := range 9 { // the pool has ten
		mac := model.MAC(fmt.Sprintf("52:54:00:00:01:%02x", n))
		offer := w.at(t, 45*time.Second, asks(mac))
		ack := w.at(t, 46*time.Second, asks(mac, message(dhcp4.Request), fromServer("10.77.2.2"), wants(offer.Address.String())))
		if ack.Answer != policy.Ack || ack.Address == first {
			t.Fatalf("machine %d of 9: %s", n, outcome(ack))
		}
	}
	d := w.at(t, 60*time.Second, asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), wants(first.String())))
	if d.Answer != policy.Ack || d.Address != first {
		t.Errorf("the lapsed offer of %s: %s, because %s", first, outcome(d), lastReason(d))
	}
}

// TestOffersThatNobodyTakesEmptyNoPool: ten seconds later their addresses are
// to be had again, and then not by two.
func TestOffersThatNobodyTakesEmptyNoPool(t *testing.T) {
	w := newWorld(t, serverSite)
	for n := range 10 {
		if d := w.at(t, 0, asks(model.MAC(fmt.Sprintf("52:54:00:00:01:%02x", n)))); d.Answer != policy.Offer {
			t.Fatalf("offer %d of 10: %s", n, outcome(d))
		}
	}
	if d := w.at(t, offerHold-time.Nanosecond, asks(lab1)); !d.PoolFull {
		t.Errorf("while all is on offer: %s", outcome(d))
	}
	d := w.at(t, offerHold, asks(lab1))
	if d.Answer != policy.Offer {
		t.Fatalf("after the hold: %s", outcome(d))
	}
	w.at(t, offerHold, asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), wants(d.Address.String())))
	for n := range 10 {
		late := w.at(t, offerHold, asks(model.MAC(fmt.Sprintf("52:54:00:00:01:%02x", n)), message(dhcp4.Request), fromServer("10.77.2.2"), wants(d.Address.String())))
		if late.Answer == policy.Ack {
			t.Errorf("%s belongs to %s and to machine %d", d.Address, lab1, n)
		}
	}
}

const offerHold = 10 * time.Second
