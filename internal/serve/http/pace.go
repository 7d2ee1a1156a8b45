package httpserve

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

// What is sent at once of a transfer that is slowed down, in octets: a tenth
// of a second's worth, within these bounds. Smaller pieces would cost more
// than they even out; a larger one would hold up all who wait behind it.
const (
	leastPiece = 16 << 10
	mostPiece  = 1 << 20
)

// rates bound the octets of boot files in a second.
type rates struct {
	all   *rate.Limiter // of all transfers together; nil: any
	own   int           // of one address; 0: any
	piece int           // octets that are sent at once; 0: nothing is bounded
}

func newRates(all, own int) rates {
	r := rates{all: newLimiter(all), own: own}
	for _, l := range []*rate.Limiter{r.all, newLimiter(own)} {
		if l == nil {
			continue
		}
		if r.piece == 0 {
			r.piece = mostPiece
		}
		r.piece = min(r.piece, l.Burst())
	}
	return r
}

// newLimiter lets pass so many octets in a second, and a tenth of them at
// once; nil where any may pass.
func newLimiter(octets int) *rate.Limiter {
	if octets <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(octets), max(octets/10, leastPiece))
}

// settled reports whether an address could be forgotten without being forgiven
// anything.
func settled(l *rate.Limiter, now time.Time) bool {
	return l == nil || l.TokensAt(now) >= float64(l.Burst())
}

// pace has a transfer wait for its turns. nil: it need not.
type pace struct {
	// ctx ends with the server, or when the client has gone, for which net/http
	// takes one that has closed its half.
	ctx      context.Context
	conn     *conn         // nil: none, in tests
	own, all *rate.Limiter // nil: any
	piece    int64
}

// pace is that of a request's transfer.
func (d *door) pace(r *http.Request) *pace {
	if d.rates.piece == 0 {
		return nil
	}
	c, _ := r.Context().Value(connKey{}).(*conn)
	return &pace{ctx: r.Context(), conn: c, own: d.limiter(client(r).Addr()), all: d.rates.all, piece: int64(d.rates.piece)}
}

// limiter is that of an address, nil where it has none. It lasts as long as
// the address has a request under way.
func (d *door) limiter(a netip.Addr) *rate.Limiter {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.source(a).limiter
}

// next waits until some of the octets that are left may be sent, and says how
// many. The error is the context's.
func (p *pace) next(left int64) (int64, error) {
	if p == nil {
		return left, nil
	}
	n := min(left, p.piece)
	start := time.Now()
	// The address's own turn first: who has to wait for that would otherwise
	// use up turns of all, and not be there when they come.
	for _, l := range [...]*rate.Limiter{p.own, p.all} {
		if l == nil {
			continue
		}
		if err := l.WaitN(p.ctx, int(n)); err != nil {
			return 0, err
		}
	}
	if p.conn != nil {
		p.conn.waited(time.Since(start))
	}
	return n, nil
}
