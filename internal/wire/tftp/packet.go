package tftp

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Opcode is the kind of a packet: its first 16 bits.
type Opcode uint16

// The opcodes of RFC 1350 section 5 and RFC 2347.
const (
	OpRead  Opcode = 1 // RRQ
	OpWrite Opcode = 2 // WRQ
	OpData  Opcode = 3
	OpAck   Opcode = 4
	OpError Opcode = 5
	OpOAck  Opcode = 6
)

// String gives the name that the RFCs use.
func (o Opcode) String() string {
	switch o {
	case OpRead:
		return "RRQ"
	case OpWrite:
		return "WRQ"
	case OpData:
		return "DATA"
	case OpAck:
		return "ACK"
	case OpError:
		return "ERROR"
	case OpOAck:
		return "OACK"
	}
	return fmt.Sprintf("opcode %d", uint16(o))
}

// ErrorCode says why a transfer ends early.
type ErrorCode uint16

// The error codes of RFC 1350's appendix and of RFC 2347.
const (
	ErrorUndefined       ErrorCode = 0 // see the text
	ErrorNotFound        ErrorCode = 1
	ErrorAccess          ErrorCode = 2
	ErrorDiskFull        ErrorCode = 3
	ErrorIllegal         ErrorCode = 4
	ErrorUnknownTransfer ErrorCode = 5
	ErrorExists          ErrorCode = 6
	ErrorNoUser          ErrorCode = 7
	ErrorOptions         ErrorCode = 8
)

// Sizes, in octets.
const (
	// HeaderSize precedes the contents of a DATA packet.
	HeaderSize = 4
	// DefaultBlksize holds where no blksize was agreed (RFC 1350 section 2).
	DefaultBlksize = 512
	// MinBlksize and MaxBlksize bound what may be agreed (RFC 2348).
	MinBlksize = 8
	MaxBlksize = 65464
	// MaxRequest is the largest request (RFC 2347).
	MaxRequest = 512
)

// PeekOpcode gives the opcode of a packet; ok is false if it is too short to
// have one. The value may be one that no RFC knows.
func PeekOpcode(b []byte) (op Opcode, ok bool) {
	if len(b) < 2 {
		return 0, false
	}
	return Opcode(binary.BigEndian.Uint16(b)), true
}

// header checks for an opcode and gives the 16 bits after it: the block
// number of DATA and ACK, the code of ERROR.
func header(b []byte, want Opcode) (uint16, error) {
	if op, ok := PeekOpcode(b); !ok || op != want {
		return 0, fmt.Errorf("parsing %v: another packet, or none", want)
	}
	if len(b) < HeaderSize {
		return 0, fmt.Errorf("parsing %v: %d octets, need %d", want, len(b), HeaderSize)
	}
	return binary.BigEndian.Uint16(b[2:]), nil
}

// ParseData gives the block number of a DATA packet and its contents, which
// alias b.
func ParseData(b []byte) (block uint16, contents []byte, err error) {
	block, err = header(b, OpData)
	if err != nil {
		return 0, nil, err
	}
	return block, b[HeaderSize:], nil
}

// AppendData adds a DATA packet to b.
func AppendData(b []byte, block uint16, contents []byte) []byte {
	return append(AppendDataHeader(b, block), contents...)
}

// AppendDataHeader adds the part of a DATA packet that precedes its contents.
func AppendDataHeader(b []byte, block uint16) []byte {
	return appendHeader(b, OpData, block)
}

// ParseAck gives the block number of an ACK. Octets after it are ignored:
// some stacks pad.
func ParseAck(b []byte) (block uint16, err error) { return header(b, OpAck) }

// AppendAck adds an ACK to b.
func AppendAck(b []byte, block uint16) []byte { return appendHeader(b, OpAck, block) }

// ParseError gives code and text of an ERROR packet. The text is the sender's
// and may hold any octet but NUL; a missing terminator is forgiven, since the
// code is what counts.
func ParseError(b []byte) (code ErrorCode, text string, err error) {
	c, err := header(b, OpError)
	if err != nil {
		return 0, "", err
	}
	text, _, _ = strings.Cut(string(b[HeaderSize:min(len(b), MaxRequest)]), "\x00")
	return ErrorCode(c), text, nil
}

// AppendError adds an ERROR packet to b. The text ends at its first NUL.
func AppendError(b []byte, code ErrorCode, text string) []byte {
	text, _, _ = strings.Cut(text, "\x00")
	b = appendHeader(b, OpError, uint16(code))
	return append(append(b, text...), 0)
}

func appendHeader(b []byte, op Opcode, word uint16) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(op))
	return binary.BigEndian.AppendUint16(b, word)
}
