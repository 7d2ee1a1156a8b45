package capture

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Error is a fault of the file, with the packet at which it was met.
type Error struct {
	Frame int // number of the packet that could not be read, from 1; 0: the file's head
	Err   error
}

func (e *Error) Error() string {
	if e.Frame == 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("packet %d: %v", e.Frame, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// bufferSize is how much of the file is read at a time.
const bufferSize = 1 << 20

// source gives the packets of a capture file.
type source struct {
	classic *pcapgo.Reader
	ng      *pcapgo.NgReader
	frame   int       // of the packet read last
	last    time.Time // of a packet that has a time
}

// frame is one packet as it was captured. Data is valid until the next one is
// read.
type frame struct {
	number int
	at     time.Time
	link   layers.LinkType
	iface  int
	data   []byte
	cut    bool // data is less than what was on the wire
}

// Magic numbers that a capture begins with, as octets of either order.
const (
	magicNG    = 0x0a0d0d0a
	magicMicro = 0xa1b2c3d4
	magicNano  = 0xa1b23c4d
)

var errNoCapture = errors.New("this is no capture: pcap and pcapng are read, as tcpdump -w and Wireshark write them, also gzip'd")

// open looks at the head of a file and finds out what it is.
func open(r io.Reader) (*source, error) {
	b := bufio.NewReaderSize(r, bufferSize)
	if head, err := b.Peek(2); err == nil && head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, &Error{Err: fmt.Errorf("reading the gzip'd file: %w", err)}
		}
		b = bufio.NewReaderSize(z, bufferSize)
	}
	head, err := b.Peek(4)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errNoCapture
		}
		return nil, &Error{Err: err}
	}
	s := &source{}
	switch magic := binary.BigEndian.Uint32(head); {
	case magic == magicNG:
		s.ng, err = pcapgo.NewNgReader(b, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
	case isMagic(magic), isMagic(binary.LittleEndian.Uint32(head)):
		s.classic, err = pcapgo.NewReader(b)
	default:
		return nil, &Error{Err: errNoCapture}
	}
	if err != nil {
		return nil, &Error{Err: fmt.Errorf("the head of the file is damaged: %w", err)}
	}
	return s, nil
}

func isMagic(n uint32) bool { return n == magicMicro || n == magicNano }

// next reads one packet; io.EOF where the file ends as it should, an *Error
// where it does not.
func (s *source) next(f *frame) error {
	var info gopacket.CaptureInfo
	var err error
	if s.ng != nil {
		f.data, info, err = s.ng.ZeroCopyReadPacketData()
	} else {
		f.data, info, err = s.classic.ZeroCopyReadPacketData()
		f.link = s.classic.LinkType()
	}
	switch {
	case err == io.EOF:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{s.frame + 1, errors.New("the file ends in the middle of it")}
	case err != nil:
		return &Error{s.frame + 1, fmt.Errorf("the file is damaged: %w", err)}
	}
	s.frame++
	f.number, f.iface, f.cut = s.frame, info.InterfaceIndex, info.CaptureLength < info.Length
	if s.ng != nil {
		f.link, _ = info.AncillaryData[0].(layers.LinkType)
	}
	f.at = s.time(info.Timestamp)
	return nil
}

// time is a packet's own, or that of the packet before where it has none, as
// simple packet blocks, or none that a calendar knows.
func (s *source) time(t time.Time) time.Time {
	if y := t.Year(); y < 1970 || y > 9000 {
		return s.last
	}
	s.last = t
	return t
}

// ifaceName is what the capture calls an interface; empty where it does not
// say.
func (s *source) ifaceName(i int) string {
	if s.ng == nil {
		return ""
	}
	described, err := s.ng.Interface(i)
	if err != nil {
		return ""
	}
	return described.Name
}
