// Package tftp serves boot files over TFTP, read only: RFC 1350 with options
// (RFC 2347), blksize (RFC 2348), timeout and tsize (RFC 2349), windowsize
// (RFC 7440) and the server's duties of RFC 1123 section 4.2.
//
// A datagram's way: Server.Serve receives it on the request port, knows a
// repeated request from a new one, and gives a new one a session of its own.
// The session opens the file, agrees on options (negotiate), opens a socket of
// its own and drives a transfer. The transfer is pure: packets and ticks go
// in, packets come out, time is an argument; it knows no socket. What happened
// is told as one event at the end.
//
// The package writes nothing anywhere and holds no names of its own. To a
// client that has not shown that it exists it sends three packets at most, and
// one for each time that the request is repeated.
package tftp
