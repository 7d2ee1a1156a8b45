// Package host asks this host what package diag judges: ports and who has them,
// privileges, firewall, disk, routes, and whether its own services answer it.
package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hobnail/internal/diag"
	"hobnail/internal/netio"
	"hobnail/internal/wire/tftp"
)

// Want is what a configuration needs of its host.
type Want struct {
	Ports      []diag.Port // Network, Port and What
	Data       string
	Interfaces []string // empty: all
	Address    netip.Addr
	Subnets    []diag.Subnet // CIDR and Mode
	Relays     []netip.Addr  // an address of each of Subnets that answers go to; zero: its first
	Pools      []diag.Pool
	File       string // a name that TFTP serves
	HTTP       uint16 // port; 0: off
}

// patience is for each question to this host.
const patience = 3 * time.Second

// Look asks the host. What cannot be asked is left out.
func Look(ctx context.Context, w Want) diag.Host {
	h := diag.Host{Now: time.Now(), Address: w.Address, Subnets: slices.Clone(w.Subnets), Pools: w.Pools}
	h.Ports = ports(w.Ports)
	h.Privileged, h.Lacks = privileges(w.Ports)
	h.Firewalls = firewalls(ctx)
	h.Data = folder(w.Data)
	h.Interfaces, h.Missing = interfaces(w.Interfaces)
	for i := range h.Subnets {
		if i < len(w.Relays) {
			h.Subnets[i].Route = route(w.Relays[i])
		}
	}
	if h.Running() {
		h.Tests = tests(ctx, w, h)
	}
	return h
}

func ports(all []diag.Port) []diag.Port {
	all = slices.Clone(all)
	for i := range all {
		p := &all[i]
		var pid int
		p.Bound, p.Holder, pid = netio.Bound(p.Network, p.Port)
		p.Ours = pid > 0 && isHobnail(pid)
	}
	return all
}

// isHobnail reports whether a process is one: by its name, or because it runs
// the very file that we run.
func isHobnail(pid int) bool {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if strings.TrimSpace(string(comm)) == "hobnail" {
		return true
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	own, err2 := os.Executable()
	return err == nil && err2 == nil && theirs == own
}

// needed are the capabilities of a server, by their number (capabilities(7)).
var needed = []struct {
	bit  uint
	name string
}{{unix.CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"}, {unix.CAP_NET_RAW, "CAP_NET_RAW"}, {unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}}

// privileges looks at the process that has the ports.
func privileges(all []diag.Port) (ok bool, lacks string) {
	for _, p := range all {
		_, _, pid := netio.Bound(p.Network, p.Port)
		if pid == 0 || !isHobnail(pid) {
			continue
		}
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, rest, found := strings.Cut(string(b), "CapEff:\t")
		line, _, _ := strings.Cut(rest, "\n")
		caps, perr := strconv.ParseUint(line, 16, 64)
		if err != nil || !found || perr != nil {
			return true, ""
		}
		var names []string
		for _, n := range needed {
			if caps>>n.bit&1 == 0 {
				names = append(names, n.name)
			}
		}
		return len(names) == 0, strings.Join(names, ", ")
	}
	return true, ""
}

// firewalls reads the rules, where there is a tool that shows them.
func firewalls(ctx context.Context) (all []*diag.Ruleset) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if b, err := exec.CommandContext(ctx, tool("nft"), "-j", "list", "ruleset").Output(); err == nil {
		if r, err := diag.ParseNFT(b); err == nil {
			all = append(all, r)
		}
	}
	// Of the two kinds of iptables, either may be the one that is in use.
	for _, name := range []string{"iptables", "iptables-legacy"} {
		if b, err := exec.CommandContext(ctx, tool(name), "-S").Output(); err == nil {
			all = append(all, diag.ParseIPTables(string(b)))
		}
	}
	return all
}

// tool finds a program that the path of people who are not root leaves out.
func tool(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return "/usr/sbin/" + name
}

// folder tries to write where the server writes.
func folder(path string) diag.Data {
	d := diag.Data{Path: path}
	at := path
	for { // the first start makes it
		if _, err := os.Stat(at); err == nil || at == "/" || at == "." {
			break
		}
		at = filepath.Dir(at)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(at, &fs); err == nil {
		d.Free, d.Total = fs.Bavail*uint64(fs.Bsize), fs.Blocks*uint64(fs.Bsize)
		if fs.Flags&unix.ST_RDONLY != 0 {
			d.Fault = "it is mounted read-only"
			return d
		}
	}
	f, err := os.CreateTemp(at, ".doctor-*")
	if errors.Is(err, unix.ENOSPC) {
		d.Free, d.Total = 0, max(d.Total, 1)
		return d
	}
	if err != nil {
		d.Fault = err.Error()
		return d
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(bytes.Repeat([]byte{0}, 4096)); errors.Is(err, unix.ENOSPC) {
		d.Free, d.Total = 0, max(d.Total, 1)
	} else if err != nil {
		d.Fault = err.Error()
	}
	return d
}

func interfaces(names []string) (all []diag.Iface, missing []string) {
	have, err := netio.Interfaces()
	if err != nil {
		return nil, nil
	}
	for _, i := range have {
		if len(names) == 0 || slices.Contains(names, i.Name) {
			all = append(all, diag.Iface{Name: i.Name, Prefixes: i.Prefixes, Loopback: i.Loopback})
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(have, func(i netio.Interface) bool { return i.Name == name }) {
			missing = append(missing, name)
		}
	}
	return all, missing
}

// route says why nothing can be sent to an address: the kernel looks its route
// up when a socket is connected, and sends nothing.
func route(to netip.Addr) string {
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 67)))
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			return op.Err.Error()
		}
		return err.Error()
	}
	conn.Close()
	return ""
}

// tests sends real packets to our own services.
func tests(ctx context.Context, w Want, h diag.Host) (all []diag.Test) {
	own := w.Address
	for _, i := range h.Interfaces {
		if !own.IsValid() && !i.Loopback && len(i.Prefixes) > 0 {
			own = i.Prefixes[0].Addr()
		}
	}
	if !own.IsValid() || ctx.Err() != nil {
		return nil
	}
	for _, p := range h.Ports {
		switch {
		case p.Ours && p.Port == 69 && p.Network == "udp":
			all = append(all, diag.Test{What: fmt.Sprintf("TFTP at %s", own), Fault: askTFTP(netip.AddrPortFrom(own, 69), w.File)})
		case p.Ours && p.Port == w.HTTP && p.Network == "tcp":
			all = append(all, diag.Test{What: fmt.Sprintf("HTTP at %s port %d", own, w.HTTP), Fault: askHTTP(ctx, netip.AddrPortFrom(own, w.HTTP))})
		}
	}
	return all
}

// askTFTP wants any answer, be it an error: that the port is open both ways.
func askTFTP(to netip.AddrPort, name string) string {
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	if name == "" {
		name = "doctor"
	}
	b, err := tftp.Request{Op: tftp.OpRead, Name: name, Mode: tftp.ModeOctet, Options: tftp.Options{{Name: tftp.OptionTsize, Value: "0"}}}.Append(nil)
	if err != nil {
		return err.Error()
	}
	buf := make([]byte, 1500)
	for range 3 {
		conn.WriteToUDPAddrPort(b, to)
		conn.SetReadDeadline(time.Now().Add(patience / 3))
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			continue
		}
		if op, _ := tftp.PeekOpcode(buf[:n]); op == tftp.OpOAck || op == tftp.OpData {
			conn.WriteToUDPAddrPort(tftp.AppendError(nil, tftp.ErrorOptions, "User aborted the transfer"), from)
		}
		return ""
	}
	return "three requests were not answered"
}

func askHTTP(ctx context.Context, to netip.AddrPort) string {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://"+to.String()+"/", nil)
	if err != nil {
		return err.Error()
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	res.Body.Close()
	return ""
}
