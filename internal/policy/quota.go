package policy

import (
	"time"

	"hobnail/internal/classify"
)

// circuitOf names the port that a request came by: the relay and the circuit
// id that it, or a switch on the way, has added (option 82.1, RFC 3046). Empty
// where nobody did.
func circuitOf(f *classify.Facts) string {
	switch {
	case f.CircuitID == "":
		return ""
	case f.Relayed():
		return f.Relay.String() + " " + f.CircuitID
	}
	return f.CircuitID
}

// circuitFull refuses a further address to a circuit that has its share, so
// that one port, whatever asks there and by however many names, cannot empty a
// pool. A machine that has an address keeps it, and a reservation is no part
// of the pool.
func (v View) circuitFull(d *Decision, now time.Time, f *classify.Facts) bool {
	circuit := circuitOf(f)
	if circuit == "" || d.Machine != nil && onLink(d.Subnet, d.Machine.Address) {
		return false
	}
	if l, ok := v.Leases.ByKey(d.Subnet.CIDR, f.Key()); ok && Keeps(l, now) {
		return false
	}
	held, most := v.Leases.HeldBy(circuit, now), d.Subnet.PerCircuit
	if most == 0 {
		most = v.mostOfPool(d, now, held)
	}
	if most == 0 || held < most {
		return false
	}
	d.CircuitFull = circuit
	d.ignore("quota", d.Subnet.At, "circuit %q has %d addresses, which is all it may have", circuit, held)
	return true
}

// mostOfPool is what a circuit may have where nobody said: nine tenths of this
// server's part of the pool. Where nobody else has any of it, there is no
// bound: many relays name a whole network as one circuit.
func (v View) mostOfPool(d *Decision, now time.Time, held int) int {
	var size int64
	for _, r := range v.Policy.Owned(d.Subnet) {
		size += r.Size()
	}
	most := int(size - size/10)
	if held < most || v.Leases.Kept(v.Policy.Owned(d.Subnet), now) <= int64(held) {
		return 0
	}
	return most
}

// mostDeclined is how many addresses a machine may have put aside at a time. A
// real one that finds three in a row in use is on a link where something else
// is wrong; one that goes on would put aside the whole pool.
const mostDeclined = 3

func (v View) declinesTooMuch(f *classify.Facts, now time.Time) bool {
	return v.Leases.DeclinedBy(f.Key(), now) >= mostDeclined
}
