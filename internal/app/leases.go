package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"hobnail/internal/control"
	"hobnail/internal/lease"
	"hobnail/internal/model"
)

// logPath is where a configuration has its leases.
func logPath(l *Loaded) string { return filepath.Join(l.Config.Server.Data, "leases.log") }

// controlPath is where the server that runs by a configuration takes commands.
func controlPath(l *Loaded) string { return filepath.Join(l.Config.Server.Data, "control") }

// ReadLeases reads the leases on disk, whether the server runs or not.
func ReadLeases(l *Loaded) ([]model.Lease, error) { return lease.Read(logPath(l)) }

// ReleaseLeases ends whatever keeps an address, or all addresses of a MAC
// address, and says what that was. The server that runs here does it; if none
// does, it is done in its log.
func ReleaseLeases(l *Loaded, what string) ([]model.Lease, error) {
	if _, err := whose(what); err != nil {
		return nil, err
	}
	table, err := lease.Open(logPath(l))
	if errors.As(err, new(*lease.InUse)) {
		a, err := control.Ask(controlPath(l), control.Request{Release: what})
		if err == nil && a.Error != "" {
			err = errors.New(a.Error)
		}
		return a.Released, err
	}
	if err != nil {
		return nil, err
	}
	all, err := release(table, what)
	return all, errors.Join(err, table.Close())
}

func release(table *lease.Table, what string) ([]model.Lease, error) {
	which, err := whose(what)
	if err != nil {
		return nil, err
	}
	return table.Release(time.Now(), which)
}

// whose reads an address or a MAC address.
func whose(what string) (func(model.Lease) bool, error) {
	if a, err := netip.ParseAddr(what); err == nil {
		return func(l model.Lease) bool { return l.Address == a }, nil
	}
	mac, err := model.ParseMAC(what)
	if err != nil {
		return nil, fmt.Errorf("%q is neither an address nor a MAC address", what)
	}
	return func(l model.Lease) bool { return l.MAC == mac }, nil
}

// commands is the service that commands on this host talk to. Without leases
// to keep, a data directory that is not there or cannot be written is no fault:
// machines boot without commands as well.
func (s *Server) commands(l *Loaded) (service, error) {
	path := controlPath(l)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	var ln net.Listener
	switch {
	case err != nil:
	case control.InUse(path):
		err = fmt.Errorf("another server takes commands on %s: give each its own data directory ([server] data)", path)
	default:
		ln, err = control.Listen(path)
	}
	if err != nil && usesMode(l, model.ModeServer) {
		return service{}, err
	}
	if err != nil {
		s.tellHistory(err)
		return service{serve: func(ctx context.Context) error { <-ctx.Done(); return nil }}, nil
	}
	handle := func(ctx context.Context, r control.Request, send func(control.Answer) error) {
		if r.Boots != nil {
			s.tellBoots(ctx, r.Boots, send)
			return
		}
		if r.Machines != nil {
			send(s.orderMachines(ctx, r.Machines))
			return
		}
		var a control.Answer
		var err error
		if a.Released, err = release(s.leases, r.Release); err != nil {
			a.Error = err.Error()
		}
		send(a)
	}
	all := control.Handler(handle)
	if s.images != nil {
		all = imagesHandler(s.images, all)
	}
	return service{
		line:  "commands on " + path,
		serve: func(ctx context.Context) error { return control.Serve(ctx, ln, all) },
	}, nil
}
