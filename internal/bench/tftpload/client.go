package tftpload

import (
	"fmt"
	"strconv"
	"time"

	"hobnail/internal/wire/tftp"
)

// client is one transfer as the client sees it. It knows no socket: packets
// and the time go in, what to send comes out.
type client struct {
	plan *Plan
	sum  *Result // of all clients
	all  bool    // every octet is looked at, not one word of each block

	begun    time.Time
	deadline time.Time // when the last packet is sent again
	tries    int       // packets sent since something new came
	answered bool

	blksize int
	window  int
	next    uint64 // block that is waited for; the first is 1
	since   int    // blocks since the last ACK
	gap     bool   // the ACK of before the gap was sent
	high    uint16 // block that came last out of order

	done bool
	why  string // done, and failed
}

// begin makes the request.
func (c *client) begin(now time.Time) ([]byte, error) {
	c.blksize, c.window, c.next = tftp.DefaultBlksize, 1, 1
	c.begun, c.deadline, c.tries = now, now.Add(RequestWait), 1
	return c.request()
}

func (c *client) request() ([]byte, error) {
	r := tftp.Request{Op: tftp.OpRead, Name: c.plan.File, Mode: tftp.ModeOctet}
	if c.plan.Blksize > 0 {
		r.Options = tftp.Options{{Name: "tsize", Value: "0"}, {Name: "blksize", Value: strconv.Itoa(c.plan.Blksize)}}
		if c.plan.Window > 1 {
			r.Options = append(r.Options, tftp.Option{Name: "windowsize", Value: strconv.Itoa(c.plan.Window)})
		}
	}
	return r.Append(nil)
}

// take takes one packet; ack says that the block before next is to be
// acknowledged.
func (c *client) take(b []byte) (ack bool) {
	if len(b) < tftp.HeaderSize || b[0] != 0 {
		return false
	}
	switch tftp.Opcode(b[1]) {
	case tftp.OpData:
		return c.data(uint16(b[2])<<8|uint16(b[3]), b[tftp.HeaderSize:])
	case tftp.OpOAck:
		return c.oack(b)
	case tftp.OpError:
		code, text, _ := tftp.ParseError(b)
		c.fail(fmt.Sprintf("error %d: %s", code, text))
	}
	return false
}

func (c *client) fail(why string) { c.done, c.why = true, why }

// oack takes what the server grants. One that comes again wants its ACK again.
func (c *client) oack(b []byte) bool {
	if c.next > 1 {
		return false
	}
	options, err := tftp.ParseOAck(b)
	if err != nil {
		c.fail("unreadable OACK")
		return false
	}
	number := func(name string, or int) int {
		if v, ok := options.Get(name); ok {
			if n, err := strconv.Atoi(v); err == nil {
				return n
			}
		}
		return or
	}
	c.blksize, c.window = number("blksize", tftp.DefaultBlksize), number("windowsize", 1)
	if size := number("tsize", int(c.plan.Size)); int64(size) != c.plan.Size {
		c.fail(fmt.Sprintf("tsize %d", size))
	}
	c.answered, c.tries = true, 0
	return !c.done
}

// data takes a block. A gap is told once for each burst behind it (RFC 7440
// section 4), a block that was here is acknowledged again where nothing has
// come since its ACK: that ACK may be lost.
func (c *client) data(block uint16, contents []byte) (ack bool) {
	c.answered = true
	ahead := block - uint16(c.next)
	switch {
	case ahead == 0:
		return c.inOrder(contents)
	case ahead < 1<<15:
		c.sum.Gaps++
		ack = !c.gap || int16(block-c.high) <= 0
		c.gap, c.high, c.since = true, block, 0
		return ack
	}
	c.sum.Duplicates++
	return ahead == 1<<16-1 && c.since == 0
}

func (c *client) inOrder(contents []byte) (ack bool) {
	offset := int64(c.next-1) * int64(c.blksize)
	if len(contents) > c.blksize || !c.plan.Unchecked && !matches(contents, offset, c.all) {
		c.fail("wrong content")
		return false
	}
	c.next++
	c.since++
	c.tries, c.gap = 0, false
	if len(contents) < c.blksize {
		c.done = true
		if size := offset + int64(len(contents)); size != c.plan.Size {
			c.fail(fmt.Sprintf("ended at %d octets", size))
		}
		return c.why == ""
	}
	return c.since >= c.window
}

// ack is the packet that acknowledges all that has come.
func (c *client) ack(now time.Time) [tftp.HeaderSize]byte {
	n := uint16(c.next - 1)
	c.since, c.deadline = 0, now.Add(BlockWait)
	c.tries++
	return [tftp.HeaderSize]byte{0, byte(tftp.OpAck), byte(n >> 8), byte(n)}
}

// late says what is to be sent again when the deadline has passed: the
// request, an ACK, or nothing any more.
func (c *client) late(now time.Time) (request, ack bool) {
	if !c.answered {
		if c.tries >= RequestTries {
			c.fail("no answer")
			return false, false
		}
		c.tries++
		c.sum.Repeated++
		c.deadline = now.Add(RequestWait)
		return true, false
	}
	if c.tries >= BlockTries {
		c.fail("stalled")
		return false, false
	}
	c.sum.Timeouts++
	return false, true
}
