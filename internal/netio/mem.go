package netio

import (
	"net"
	"sync"
)

// MemConn is a Conn without a kernel: tests put packets in and take out what
// was sent.
type MemConn struct {
	port uint16
	in   chan Packet
	out  chan Datagram
	once sync.Once
	done chan struct{}
}

// NewMemConn makes a connection that stands for a port.
func NewMemConn(port uint16) *MemConn {
	return &MemConn{port: port, in: make(chan Packet), out: make(chan Datagram, 64), done: make(chan struct{})}
}

// Deliver hands a packet to the reader; it returns when the reader has it.
func (c *MemConn) Deliver(p Packet) {
	p.Port = c.port
	select {
	case c.in <- p:
	case <-c.done:
	}
}

// Sent gives what was written, in order.
func (c *MemConn) Sent() <-chan Datagram { return c.out }

// Port is the port the connection stands for.
func (c *MemConn) Port() uint16 { return c.port }

// ReadBatch gives the next packet, one at a time.
func (c *MemConn) ReadBatch(ps []Packet, wait bool) (int, error) {
	var p Packet
	if !wait {
		select {
		case p = <-c.in:
		case <-c.done:
			return 0, net.ErrClosed
		default:
			return 0, nil
		}
	} else {
		select {
		case p = <-c.in:
		case <-c.done:
			return 0, net.ErrClosed
		}
	}
	room := ps[0].Data[:cap(ps[0].Data)]
	p.Data = room[:copy(room, p.Data)]
	ps[0] = p
	return 1, nil
}

// WriteBatch keeps copies of what was sent.
func (c *MemConn) WriteBatch(out []Datagram) (failed []error) {
	for i, d := range out {
		failed = fails(failed, len(out), i, c.Write(d.Data, d.Outgoing))
	}
	return failed
}

// Write keeps a copy of what was sent.
func (c *MemConn) Write(data []byte, out Outgoing) error {
	select {
	case <-c.done:
		return net.ErrClosed
	default:
	}
	select {
	case c.out <- Datagram{append([]byte(nil), data...), out}:
		return nil
	case <-c.done:
		return net.ErrClosed
	}
}

// Close ends reading and writing.
func (c *MemConn) Close() error {
	c.once.Do(func() { close(c.done) })
	return nil
}
