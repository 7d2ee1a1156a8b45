package app

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"hobnail/internal/config"
	"hobnail/internal/web"
)

// newConsole makes the pages for people. Who may see them is looked up at each
// request, so that a reload changes it.
func (s *Server) newConsole() *web.Console {
	return web.New(web.Options{
		Boots:  s.history,
		Name:   func() string { return s.current.Load().Config.Server.Name },
		Access: func() web.Access { return consoleAccess(&s.current.Load().Config.Server) },
		Fault:  s.tellHistory,
		Clock:  time.Now,
	})
}

// consoleAccess is who may see the console by a configuration.
func consoleAccess(cfg *config.Server) web.Access {
	a := web.Access{Off: cfg.Console.Off, Networks: cfg.Console.Networks}
	for _, names := range [][]string{{cfg.Name}, cfg.HTTPSNames, cfg.Console.Names} {
		for _, n := range names {
			if n != "" {
				a.Names = append(a.Names, strings.ToLower(n))
			}
		}
	}
	return a
}

// consoleLine says where the console is; "" where it is for nobody. own are
// the addresses of this host.
func consoleLine(cfg *config.Server, own []netip.Addr) string {
	scheme, listen := "http", cfg.HTTP
	if cfg.HTTPPort == 0 {
		scheme, listen = "https", cfg.HTTPS
	}
	host, port, err := net.SplitHostPort(listen)
	if cfg.Console.Off || err != nil { // both are off
		return ""
	}
	// Without an address of its own it listens on all, loopback included.
	open := len(cfg.Console.Networks) > 0
	if a, err := netip.ParseAddr(host); host == "" || err == nil && a.IsUnspecified() {
		host = "localhost"
		switch {
		case open && cfg.Address.IsValid():
			host = cfg.Address.String()
		case open && len(own) > 0:
			host = own[0].String()
		}
	}
	who := "from this host alone; console of [server] opens it to others"
	if open {
		who = "from " + joinPrefixes(cfg.Console.Networks) + " and this host"
	}
	return fmt.Sprintf("console: %s://%s/ %s", scheme, net.JoinHostPort(host, port), who)
}
