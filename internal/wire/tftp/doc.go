// Package tftp reads and writes the packets of TFTP: RFC 1350, and the option
// extension of RFC 2347 with blksize (RFC 2348), timeout and tsize (RFC 2349)
// and windowsize (RFC 7440). It keeps options in their order and spelling, and
// decides nothing: which options to grant is the server's affair.
//
//	RRQ, WRQ  | 1 or 2 | name NUL | mode NUL | { option NUL | value NUL }*
//	DATA      | 3      | block    | 0 to blksize octets
//	ACK       | 4      | block    |
//	ERROR     | 5      | code     | text NUL
//	OACK      | 6      | { option NUL | value NUL }*
//
// Opcodes, block numbers and error codes are 16 bits, most significant octet
// first. Parsed strings are copies; block contents are not.
package tftp
