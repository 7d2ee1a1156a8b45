package httpserve

import (
	"container/list"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// conn is a client's connection. It sends files without copying them, and
// gives up on a client that takes too little: there is no limit to a whole
// transfer, and a slow one that goes on is fine.
type conn struct {
	net.Conn
	raw syscall.RawConn // nil: no socket, in tests
	lim *limits

	// The door's, under its lock.
	source     *source
	place, own *list.Element // among all that are idle, and those of its address

	mu       sync.Mutex
	since    time.Time // from when taken is counted; zero: not yet
	taken    int64     // octets
	bound    bool      // somebody else has set a deadline for writing
	requests int       // that came so far
}

func newConn(nc net.Conn, lim *limits, nth int) *conn {
	c := &conn{Conn: nc, lim: lim}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
			boundUnsent(raw, unsent(nth))
		}
	}
	return c
}

// connOf gives our part of a connection, below TLS where that is; nil for one
// of another listener.
func connOf(nc net.Conn) *conn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	c, _ := nc.(*conn)
	return c
}

// address is the client's; the zero Addr where there is no network.
func (c *conn) address() netip.Addr {
	a, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return a.AddrPort().Addr().Unmap()
}

// begin is called when the first octet of a request has come.
func (c *conn) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = time.Time{}
	c.requests++
}

func (c *conn) nth() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// extend is called before each write: the client has another while if it took
// enough in the last one.
func (c *conn) extend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bound {
		return
	}
	now := time.Now()
	// Setting a deadline costs a microsecond: not for each of a thousand
	// writes in a second.
	if c.since.IsZero() || c.taken >= c.lim.least && now.Sub(c.since) > c.lim.stallTime/64 {
		c.since, c.taken = now, 0
		c.Conn.SetWriteDeadline(now.Add(c.lim.stallTime))
	}
}

func (c *conn) took(n int64) {
	c.mu.Lock()
	c.taken += n
	c.mu.Unlock()
}

// waited is called before a write that this server has held back for so long:
// that was no time in which the client could take anything.
func (c *conn) waited(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bound || c.since.IsZero() {
		return
	}
	c.since = c.since.Add(d)
	c.Conn.SetWriteDeadline(c.since.Add(c.lim.stallTime))
}

// SetWriteDeadline is for those who know better than extend: TLS, while it
// shakes hands and when it says goodbye.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bound, c.since = !t.IsZero(), time.Time{}
	return c.Conn.SetWriteDeadline(t)
}

// Write is net.Conn's.
func (c *conn) Write(b []byte) (int, error) {
	c.extend()
	n, err := c.Conn.Write(b)
	c.took(int64(n))
	return n, err
}

// writeOnly hides that a writer can read by itself.
type writeOnly struct{ io.Writer }

// ReadFrom is what net/http hands a body to once the header is out.
func (c *conn) ReadFrom(src io.Reader) (int64, error) {
	r, ok := src.(*region)
	if !ok || r.file == nil || c.raw == nil {
		return io.Copy(writeOnly{c}, src)
	}
	n, err := c.sendFile(r)
	if errors.Is(err, errCannotSend) {
		rest, err := io.Copy(writeOnly{c}, src)
		return n + rest, err
	}
	return n, err
}

// sayBusy tells a client that is not let in when to come again. Nothing waits
// in the socket's buffer yet, so that this cannot block.
func (c *conn) sayBusy() {
	c.Conn.SetWriteDeadline(time.Now().Add(time.Millisecond))
	io.WriteString(c.Conn, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: "+strconv.Itoa(retryAfter)+
		"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

// CloseWrite is for net/http: before it hangs up on a client that is still
// sending, it says that no more will come, lest the answer be lost.
func (c *conn) CloseWrite() error {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		return t.CloseWrite()
	}
	return nil
}
