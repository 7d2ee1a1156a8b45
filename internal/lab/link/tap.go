package link

import (
	"fmt"
	"path/filepath"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ifreq is struct ifreq of netdevice(7) as TUNSETIFF reads it.
type ifreq struct {
	name  [unix.IFNAMSIZ]byte
	flags uint16
	_     [22]byte
}

// Offloads of TUNSETOFFLOAD (linux/if_tun.h): checksums, and UDP datagrams
// that stay joined through the link (UDP_SEGMENT), which a kernel before 6.2
// does not know.
const (
	offloadCsum = 0x01
	offloadUSO4 = 0x20
	offloadUSO6 = 0x40
)

// openTap makes an end's interface. It lives as long as it is open.
func openTap(e End) (int, error) {
	type result struct {
		fd  int
		err error
	}
	c := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread has changed its namespace
		fd, err := openTapHere(e)
		c <- result{fd, err}
	}()
	r := <-c
	return r.fd, r.err
}

func openTapHere(e End) (int, error) {
	ns, err := unix.Open(filepath.Join("/run/netns", e.Netns), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("opening namespace %s: %v", e.Netns, err)
	}
	defer unix.Close(ns)
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		return 0, fmt.Errorf("entering namespace %s: %v", e.Netns, err)
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return 0, fmt.Errorf("opening /dev/net/tun: %v", err)
	}
	r := ifreq{flags: unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR}
	copy(r.name[:unix.IFNAMSIZ-1], e.Name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETIFF, uintptr(unsafe.Pointer(&r))); errno != 0 {
		unix.Close(fd)
		return 0, fmt.Errorf("making interface %s in %s: %v", e.Name, e.Netns, errno)
	}
	for _, offload := range []uintptr{offloadCsum | offloadUSO4 | offloadUSO6, offloadCsum} {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETOFFLOAD, offload); errno == 0 {
			break
		}
	}
	return fd, nil
}
