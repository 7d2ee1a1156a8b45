package tftp

import "time"

// Bounds of the measured retransmission interval.
const (
	firstInterval = time.Second
	// RFC 6298 wants 1 s, for receivers that delay their ACKs. No TFTP client
	// does; what it needs is time to notice a packet, and a retransmission that
	// crosses its ACK costs a packet.
	minInterval = 50 * time.Millisecond
	maxInterval = 8 * time.Second
)

// timer finds the retransmission interval: measured, and doubled when nothing
// comes, as in RFC 6298.
type timer struct {
	srtt   time.Duration // smoothed round trip; zero: no sample yet
	rttvar time.Duration // its mean deviation
	rto    time.Duration // present interval

	shortest time.Duration // round trip so far; zero: no sample yet
}

func newTimer() timer { return timer{rto: firstInterval} }

// sample takes a round trip that was measured on packets sent once (Karn's
// algorithm, RFC 6298 section 3).
func (t *timer) sample(rtt time.Duration) {
	rtt = max(rtt, time.Microsecond)
	if t.srtt == 0 {
		t.srtt, t.rttvar, t.shortest = rtt, rtt/2, rtt
	} else {
		t.shortest = min(t.shortest, rtt)
		t.rttvar += ((t.srtt - rtt).Abs() - t.rttvar) / 4
		t.srtt += (rtt - t.srtt) / 8
	}
	t.relax()
}

// relax ends what backOff did: something arrived. TCP waits for a new round
// trip (RFC 6298 section 5.7), which a link that loses much never gives: every
// flight was sent again.
func (t *timer) relax() {
	if t.srtt > 0 {
		t.rto = min(max(t.srtt+4*t.rttvar, minInterval), maxInterval)
	}
}

// backOff lengthens the interval after a loss.
func (t *timer) backOff() {
	t.rto = min(2*t.rto, maxInterval)
}

// gapWait is how long an ACK that is under way may still take: two round
// trips, and what a machine needs to notice.
func (t *timer) gapWait() time.Duration { return 2*t.srtt + 10*time.Millisecond }
