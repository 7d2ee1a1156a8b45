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
	out  chan Sent
	once sync.Once
	done chan struct{}
}

// Sent is one datagram that left a MemConn.
type Sent struct {
	Data []byte
	Outgoing
}

// NewMemConn makes a connection that stands for a port.
func NewMemConn(port uint16) *MemConn {
	return &MemConn{port: port, in: make(chan Packet), out: make(chan Sent, 64), done: make(chan struct{})}
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
func (c *MemConn) Sent() <-chan Sent { return c.out }

// Port is the port the connection stands for.
func (c *MemConn) Port() uint16 { return c.port }

// Read gives the next packet.
func (c *MemConn) Read(buf []byte) (Packet, error) {
	select {
	case p := <-c.in:
		p.Data = buf[:copy(buf, p.Data)]
		return p, nil
	case <-c.done:
		return Packet{}, net.ErrClosed
	}
}

// Write keeps a copy of what was sent.
func (c *MemConn) Write(data []byte, out Outgoing) error {
	select {
	case <-c.done:
		return net.ErrClosed
	default:
	}
	select {
	case c.out <- Sent{append([]byte(nil), data...), out}:
		return nil
	case <-c.done:
		return net.ErrClosed
	}
}

// Close ends Read and Write.
func (c *MemConn) Close() error {
	c.once.Do(func() { close(c.done) })
	return nil
}
