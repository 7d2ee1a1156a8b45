// Package tftp serves boot files over TFTP, read only: RFC 1350 with options
// (RFC 2347), blksize (RFC 2348), timeout and tsize (RFC 2349), windowsize
// (RFC 7440) and the server's duties of RFC 1123 section 4.2.
//
// A datagram's way: the loop receives it (Conn), finds the session that it is
// for or makes one (request), has the session's read take a step, and sends
// what came out with whatever else came out in that round. A read is pure:
// packets and ticks go in, packets come out, time is an argument; it knows no
// socket. It is an opening until the client's first ACK, and a transfer from
// then on. What happened is told as one event at the end.
//
// One goroutine does all that (docs/adr/0020). Nothing in it may wait: files
// are opened, and slow content is read, by others, who tell the loop.
//
// The package writes nothing anywhere and holds no names of its own. To a
// client that has not shown that it exists it sends three packets at most, and
// one for each time that the request is repeated.
package tftp
