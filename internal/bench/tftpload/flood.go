package tftpload

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Spoof is read requests of clients that are not there: each comes from an
// address of its own, and nobody answers what is sent to it.
type Spoof struct {
	Server netip.AddrPort
	File   string
	From   netip.Addr // the first source; the others follow it
	Count  int
	Time   time.Duration // in which they are sent, evenly
}

// Spoofed is what came of it.
type Spoofed struct {
	Sent    int     `json:"sent"`
	Octets  int64   `json:"octets"` // on the wire, with IP and UDP headers
	Seconds float64 `json:"seconds"`
}

// Flood sends them. It needs CAP_NET_RAW.
func Flood(plan Spoof) (Spoofed, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return Spoofed{}, fmt.Errorf("opening a raw socket: %v", err)
	}
	defer unix.Close(fd)
	request, err := (&client{plan: &Plan{File: plan.File, Blksize: 1428}}).request()
	if err != nil {
		return Spoofed{}, fmt.Errorf("making a request: %v", err)
	}
	var headers [batchSize]mmsghdr
	var vectors [batchSize]unix.Iovec
	var packets [batchSize][]byte
	to := sockaddr(plan.Server)
	to.Port = 0
	for i := range headers {
		packets[i] = spoof(plan, request)
		vectors[i].Base = &packets[i][0]
		vectors[i].SetLen(len(packets[i]))
		h := &headers[i].hdr
		h.Name, h.Namelen, h.Iov = (*byte)(unsafe.Pointer(&to)), unix.SizeofSockaddrInet4, &vectors[i]
		h.SetIovlen(1)
	}
	var r Spoofed
	start := time.Now()
	for r.Sent < plan.Count {
		due := plan.Count
		if plan.Time > 0 {
			due = min(due, int(float64(plan.Count)*time.Since(start).Seconds()/plan.Time.Seconds())+1)
		}
		n := min(batchSize, due-r.Sent)
		if n <= 0 {
			time.Sleep(time.Millisecond)
			continue
		}
		for i := range n {
			source := plus(plan.From, r.Sent+i).As4()
			copy(packets[i][12:16], source[:])
			binary.BigEndian.PutUint16(packets[i][20:], uint16(1024+(r.Sent+i)%60000))
		}
		sent, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&headers[0])), uintptr(n), 0, 0, 0)
		if errno != 0 && errno != unix.EINTR && errno != unix.ENOBUFS {
			return r, fmt.Errorf("sending: %v", errno)
		}
		if errno == 0 {
			r.Sent += int(sent)
			r.Octets += int64(sent) * int64(len(packets[0]))
		}
	}
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

// spoof makes a packet (RFC 791, RFC 768) but for source address and port. The
// kernel fills in the checksum of the IP header (raw(7)); UDP may do without
// one.
func spoof(plan Spoof, request []byte) []byte {
	const ip, udp = 20, 8
	b := make([]byte, ip+udp, ip+udp+len(request))
	b[0], b[8], b[9] = 0x45, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(b[2:], uint16(ip+udp+len(request)))
	to := plan.Server.Addr().As4()
	copy(b[16:], to[:])
	binary.BigEndian.PutUint16(b[ip+2:], plan.Server.Port())
	binary.BigEndian.PutUint16(b[ip+4:], uint16(udp+len(request)))
	return append(b, request...)
}
