package lease

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"net/netip"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// rows is the table as memory has it: a row for every address that has a
// record. A row is found by its address, by its machine, or as free; none of
// that takes longer where there are more rows. 250,000 of them are meant to
// fit, so that a row holds one text instead of a lease's five, and rows are
// named by number: the collector has one pointer a row to follow.
type rows struct {
	pages  []*[pageRows]row
	unused []uint32          // numbers of rows that were removed
	next   uint32            // number of the first row never used; 0 names no row
	count  int               // rows that there are
	spans  map[uint32]*span  // by the upper three octets of the address
	blank  *span             // what has no span; never written
	byKey  map[uint64]uint32 // hash of a machine's key to its newest row
	seed   maphash.Seed
	ends   queue
	kept   map[uint64]uint32 // hash of a circuit to how many of its addresses are kept
}

// pageRows is how many rows are allocated at a time: a table that doubled by
// copying would stand still for milliseconds, and hold twice its size.
const pageRows = 1024

// row is one record.
type row struct {
	start, expires int64 // nanoseconds of Unix time, 0 for none
	due            int64 // when the queue of ends will look at this row; never
	text           string
	older, newer   uint32 // other rows of the same machine
	addr           uint32
	change         uint32 // counts the changes of the table: which one made this row
	key, id, host  uint16 // how long the machine's key, the client id and the host name are in text; the circuit is the rest
	state          state  // 0 in a row that is new
}

// span is 256 neighbouring addresses, a bit each.
type span struct {
	row   [256]uint32
	known set // has a record
	kept  set // its record keeps it from others, or did when the queue of ends was last looked at
}

// set is some addresses of a span.
type set struct {
	bits [4]uint64
	size int
}

// put makes an address a member or none, and says whether that is a change.
func (s *set) put(a uint32, member bool) bool {
	word, bit := &s.bits[a>>6&3], uint64(1)<<(a&63)
	if (*word&bit != 0) == member {
		return false
	}
	*word ^= bit
	if s.size++; !member {
		s.size -= 2
	}
	return true
}

// state is a lease's state as rows and records have it.
type state uint8

// The numbers are in the log.
const (
	offered  state = 1
	bound    state = 2
	released state = 3
	declined state = 4
)

func stateOf(word string) (state, bool) {
	switch word {
	case policy.StateOffered:
		return offered, true
	case policy.StateBound:
		return bound, true
	case policy.StateReleased:
		return released, true
	case policy.StateDeclined:
		return declined, true
	}
	return 0, false
}

func (s state) String() string {
	switch s {
	case offered:
		return policy.StateOffered
	case bound:
		return policy.StateBound
	case released:
		return policy.StateReleased
	}
	return policy.StateDeclined
}

// never is when nothing happens.
const never = math.MaxInt64

func newRows() *rows {
	return &rows{
		next: 1, spans: map[uint32]*span{}, blank: &span{}, byKey: map[uint64]uint32{}, seed: maphash.MakeSeed(),
		kept: map[uint64]uint32{},
	}
}

func (r *rows) at(n uint32) *row { return &r.pages[n/pageRows][n%pageRows] }

// byAddr gives the number of an address's row; 0 for none.
func (r *rows) byAddr(a uint32) uint32 {
	if s := r.spans[a>>8]; s != nil {
		return s.row[a&255]
	}
	return 0
}

// put makes a lease, whose state and address have been checked, the record of
// its address, and the newest of its machine.
func (r *rows) put(l *model.Lease, change uint32) {
	a := number(l.Address)
	s, n := r.row(a)
	w := r.at(n)
	if !w.says(l) {
		r.keep(s, n, false) // for its old circuit
		r.unlink(n)
		w.text = string(l.MAC) + l.ClientID + l.Hostname + l.Circuit
		w.key, w.id, w.host = uint16(len(l.MAC)), uint16(len(l.ClientID)), uint16(len(l.Hostname))
		r.link(n)
	} else if w.newer != 0 || w.state == 0 {
		r.unlink(n)
		r.link(n)
	}
	w.start, w.expires, w.change = nanos(l.Start), nanos(l.Expires), change
	w.state, _ = stateOf(l.State)
	r.keep(s, n, w.state != released)
	if w.state != released {
		r.watch(n)
	}
}

// row gives the span and the row of an address, a new one if need be.
func (r *rows) row(a uint32) (*span, uint32) {
	s := r.spans[a>>8]
	if s == nil {
		s = &span{}
		r.spans[a>>8] = s
	}
	n := s.row[a&255]
	if n == 0 {
		n = r.add()
		s.row[a&255] = n
		s.known.put(a, true)
		*r.at(n) = row{addr: a, due: never}
	}
	return s, n
}

// remove takes a record away altogether.
func (r *rows) remove(n uint32) {
	w := r.at(n)
	s := r.spans[w.addr>>8]
	r.unlink(n)
	r.keep(s, n, false)
	s.row[w.addr&255] = 0
	s.known.put(w.addr, false)
	*w = row{due: never}
	r.unused = append(r.unused, n)
	r.count--
}

func (r *rows) add() uint32 {
	r.count++
	if last := len(r.unused) - 1; last >= 0 {
		n := r.unused[last]
		r.unused = r.unused[:last]
		return n
	}
	n := r.next
	if int(n/pageRows) == len(r.pages) {
		r.pages = append(r.pages, &[pageRows]row{})
	}
	r.next++
	return n
}

// keep notes that an address is kept from other machines, or no longer is.
func (r *rows) keep(s *span, n uint32, kept bool) {
	w := r.at(n)
	if !s.kept.put(w.addr, kept) {
		return
	}
	circuit := w.text[w.key+w.id+w.host:]
	if circuit == "" {
		return
	}
	switch h := maphash.String(r.seed, circuit); {
	case kept:
		r.kept[h]++
	case r.kept[h] == 1:
		delete(r.kept, h)
	default:
		r.kept[h]--
	}
}

// link puts a row in front of those of its machine.
func (r *rows) link(n uint32) {
	w := r.at(n)
	h := maphash.String(r.seed, w.text[:w.key])
	w.newer, w.older = 0, r.byKey[h]
	if w.older != 0 {
		r.at(w.older).newer = n
	}
	r.byKey[h] = n
}

// unlink takes a row, if it is linked, out from among those of its machine.
func (r *rows) unlink(n uint32) {
	w := r.at(n)
	if w.state == 0 {
		return
	}
	if w.older != 0 {
		r.at(w.older).newer = w.newer
	}
	switch h := maphash.String(r.seed, w.text[:w.key]); {
	case w.newer != 0:
		r.at(w.newer).older = w.older
	case w.older != 0:
		r.byKey[h] = w.older
	default:
		delete(r.byKey, h)
	}
	w.older, w.newer = 0, 0
}

// newest gives a machine's newest row that is of use to it: inside the network,
// and not declined. What was decided last counts, not what was put last: a log
// is read in the order of rows.
func (r *rows) newest(network netip.Prefix, key model.MAC) uint32 {
	best := uint32(0)
	for n := r.byKey[maphash.String(r.seed, string(key))]; n != 0; n = r.at(n).older {
		w := r.at(n)
		// Two keys of one hash share a list.
		if w.state != declined && w.text[:w.key] == string(key) && network.Contains(address(w.addr)) &&
			(best == 0 || w.start > r.at(best).start) {
			best = n
		}
	}
	return best
}

// says reports whether a row's text is already that of a lease.
func (w *row) says(l *model.Lease) bool {
	i, j := w.key, w.key+w.id
	return w.text[:i] == string(l.MAC) && w.text[i:j] == l.ClientID &&
		w.text[j:j+w.host] == l.Hostname && w.text[j+w.host:] == l.Circuit
}

func (w *row) lease() model.Lease {
	i, j := w.key, w.key+w.id
	return model.Lease{
		Address: address(w.addr), MAC: model.MAC(w.text[:i]), ClientID: w.text[i:j],
		Hostname: w.text[j : j+w.host], Circuit: w.text[j+w.host:],
		Start: moment(w.start), Expires: moment(w.expires), State: w.state.String(),
	}
}

// keeps is policy.Keeps of a row.
func (w *row) keeps(now int64) bool { return w.state != released && w.expires > now }

func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func address(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// nanos is a time as rows have it; none, and what does not fit, at the edges.
func nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Year() > 2261:
		return never
	}
	return t.UnixNano()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
