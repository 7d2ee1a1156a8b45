package config

import (
	"net/netip"

	"hobnail/internal/model"
)

// machineDraft is a [[machine]] with the places that checks need.
type machineDraft struct {
	model.Machine
	name    located[string]
	macs    []located[model.MAC]
	uuid    located[model.UUID]
	ids     []located[string] // client ids
	circuit located[string]
	relay   located[netip.Addr]
	address located[netip.Addr]
}

func (d *draft) readMachine(s section) {
	m := &machineDraft{}
	m.Source = d.src.at(s.table.at)
	d.machines = append(d.machines, m)

	s.require("name")
	m.name, _ = one(s, "name", parseName)
	m.Name = m.name.v
	d.readIdentity(m, s)
	if v, ok := one(s, "serial", parsePrintable); ok {
		m.Serial = v.v
	}
	m.address, _ = one(s, "address", parseAddr)
	m.Address = m.address.v
	if v, ok := d.target(s, "boot", model.TargetMenu, model.TargetLocal, model.TargetDeny); ok {
		m.Boot = v.v
	}
	m.Options = d.readOptions(s)
	if v, ok := one(s, "loader", parseLoader); ok {
		m.Loader = v.v
	}
	m.Offer, m.Learn = readLearning(s)
}

// readIdentity reads what a machine is known by. Its serial number is not
// among that: no DHCP option carries one.
func (d *draft) readIdentity(m *machineDraft, s section) {
	m.macs = some(s, "mac", parseMAC)
	m.MACs = values(m.macs)
	m.uuid, _ = one(s, "uuid", parseUUID)
	m.UUID = m.uuid.v
	m.ids = some(s, "client_id", parseClientID)
	m.ClientIDs = values(m.ids)
	m.circuit, _ = one(s, "circuit_id", parseWholeOctets)
	m.relay, _ = one(s, "relay", parseAddr)
	m.CircuitID, m.Relay = m.circuit.v, m.relay.v
	switch {
	case m.CircuitID != "" && !s.has("relay"):
		d.report.add(m.circuit.at, "circuit_id is a port of no relay; add relay, the address (giaddr) of the relay that names its ports so")
	case m.Relay.IsValid() && !s.has("circuit_id"):
		d.report.add(m.relay.at, "relay stands for all machines behind it; add circuit_id, the port that this one is at")
	case !s.has("mac") && !s.has("uuid") && !s.has("client_id") && !s.has("circuit_id"):
		d.report.add(s.table.at, "[[machine]] has nothing to know it by; give it mac, uuid, client_id or circuit_id")
	}
}

// checkMachines reports what two machines share, and addresses that cannot be
// theirs.
func (d *draft) checkMachines() {
	names := newUnique[string](d, "name")
	macs := newUnique[model.MAC](d, "mac")
	uuids := newUnique[model.UUID](d, "uuid")
	ids := newUnique[string](d, "client_id")
	circuits := map[circuit]int{}
	addresses := newUnique[netip.Addr](d, "address")
	find := d.subnetFinder()
	for _, m := range d.machines {
		names.add(m.name)
		for _, mac := range m.macs {
			macs.add(mac)
		}
		// Both byte orders of a UUID are one machine.
		if u := m.uuid; u.v != "" {
			u.v = min(u.v, u.v.Swapped())
			uuids.add(u)
		}
		for _, id := range m.ids {
			ids.add(id)
		}
		d.checkCircuit(circuits, m)
		addresses.add(m.address)
		d.checkReservation(m.address, find(m.address.v))
	}
}

// circuit is a port of a relay.
type circuit struct {
	relay netip.Addr
	id    string
}

func (d *draft) checkCircuit(first map[circuit]int, m *machineDraft) {
	c := circuit{m.relay.v, m.circuit.v}
	if c.id == "" || !c.relay.IsValid() {
		return
	}
	if at, ok := first[c]; ok {
		d.report.add(m.circuit.at, "circuit_id of relay %v is already given on line %d; each belongs to one alone", c.relay, d.src.line(at))
		return
	}
	first[c] = m.circuit.at
}

// checkReservation compares a machine's address with the subnet n it is in,
// which is nil if there is none. Without any [[subnet]] the address serves
// only to know the machine again, and may be any.
func (d *draft) checkReservation(a located[netip.Addr], n *subnetDraft) {
	switch {
	case !a.v.IsValid():
	case a.v == d.cfg.Server.Address:
		d.report.add(a.at, "address %v is this server's own; allowed is an address that is free", a.v)
	case n == nil && len(d.subnets) > 0:
		d.report.add(a.at, "address %v is in no [[subnet]]; allowed are addresses of %s", a.v, d.subnetList())
	case n != nil && a.v == n.router.v:
		d.report.add(a.at, "address %v is the router of %v; allowed is an address that is free", a.v, n.cidr.v)
	case n != nil:
		d.checkHost(n.cidr.v, "address", a)
	}
}

// subnetList names the first few subnets.
func (d *draft) subnetList() string {
	const few = 4
	list := ""
	for i, n := range d.subnets {
		switch {
		case i == few:
			return list + " and others"
		case i > 0:
			list += ", "
		}
		list += n.cidr.v.String()
	}
	return list
}

// unique reports values that occur twice.
type unique[T comparable] struct {
	d     *draft
	key   string
	first map[T]int
}

func newUnique[T comparable](d *draft, key string) *unique[T] {
	return &unique[T]{d: d, key: key, first: map[T]int{}}
}

// add takes one value; the zero value is none.
func (u *unique[T]) add(l located[T]) {
	var none T
	if l.v == none {
		return
	}
	if at, ok := u.first[l.v]; ok {
		u.d.report.add(l.at, "%s %v is already given on line %d; each belongs to one alone", u.key, l.v, u.d.src.line(at))
		return
	}
	u.first[l.v] = l.at
}
