package netio

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// PortTaken says that a port is in use, and by whom.
type PortTaken struct {
	Network string // "udp" or "tcp"
	Port    uint16
	Holder  string // "dnsmasq (process 812)"; empty if it cannot be told
}

func (e *PortTaken) Error() string {
	holder := e.Holder
	if holder == "" {
		holder = "another process"
	}
	return fmt.Sprintf("%s port %d is taken by %s", strings.ToUpper(e.Network), e.Port, holder)
}

// ListenError explains why a port could not be bound: *PortTaken where
// somebody holds it, else the cause with what it needs.
func ListenError(network string, port uint16, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &PortTaken{Network: network, Port: port, Holder: holder(network, port)}
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("binding %s port %d: permission denied; run as root, or with CAP_NET_BIND_SERVICE, CAP_NET_RAW and CAP_NET_ADMIN",
			strings.ToUpper(network), port)
	}
	return fmt.Errorf("binding %s port %d: %v", strings.ToUpper(network), port, err)
}

// Bound reports whether a port is bound on this host, "udp" or "tcp", and by
// whom: "dnsmasq (process 812)", empty if it cannot be told. pid is 0 with it.
func Bound(network string, port uint16) (bound bool, name string, pid int) {
	name = holder(network, port)
	if _, rest, ok := strings.Cut(name, "(process "); ok {
		pid, _ = strconv.Atoi(strings.TrimSuffix(rest, ")"))
	}
	return len(openSockets(network, port)) > 0, name, pid
}

// holder finds the process that has a port open: the socket's inode from
// /proc/net, then the process whose descriptors include it (proc(5)).
func holder(network string, port uint16) string {
	inodes := map[string]bool{}
	for _, inode := range openSockets(network, port) {
		inodes["socket:["+inode+"]"] = true
	}
	if len(inodes) == 0 {
		return ""
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		if link, err := os.Readlink(fd); err == nil && inodes[link] {
			return processName(strings.Split(fd, "/")[2])
		}
	}
	return ""
}

// openSockets lists the inodes of the sockets that have a port, of both
// families.
func openSockets(network string, port uint16) (inodes []string) {
	for _, table := range []string{network, network + "6"} {
		if b, err := os.ReadFile("/proc/net/" + table); err == nil {
			inodes = append(inodes, socketInodes(string(b), network, port)...)
		}
	}
	return inodes
}

// socketInodes reads a table of /proc/net: the sockets bound to a port, and
// for TCP only those that listen (state 0A).
func socketInodes(table, network string, port uint16) []string {
	want := fmt.Sprintf(":%04X", port)
	var inodes []string
	for _, line := range strings.Split(table, "\n")[1:] {
		f := strings.Fields(line)
		if len(f) < 10 || !strings.HasSuffix(f[1], want) || network == "tcp" && f[3] != "0A" {
			continue
		}
		inodes = append(inodes, f[9])
	}
	return inodes
}

func processName(pid string) string {
	name, err := os.ReadFile("/proc/" + pid + "/comm")
	if err != nil {
		return "process " + pid
	}
	if n, err := strconv.Atoi(pid); err == nil {
		return fmt.Sprintf("%s (process %d)", strings.TrimSpace(string(name)), n)
	}
	return strings.TrimSpace(string(name))
}
