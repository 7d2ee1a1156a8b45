package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/boots"
	"hobnail/internal/certificate"
	"hobnail/internal/event"
	"hobnail/internal/history"
	"hobnail/internal/learn"
	"hobnail/internal/lease"
	"hobnail/internal/library"
	"hobnail/internal/machines"
	"hobnail/internal/model"
	"hobnail/internal/netio"
	"hobnail/internal/policy"
	"hobnail/internal/serve/dhcp"
	"hobnail/internal/serve/metrics"
	"hobnail/internal/serve/tftp"
	"hobnail/internal/site"
	"hobnail/internal/store"
	"hobnail/internal/upstream"
)

// Ports of the services. HTTP's is configured.
const (
	dhcpPort = 67
	pxePort  = 4011
)

// Options are what a server is started with.
type Options struct {
	Version    string
	ConfigPath string
	Reload     <-chan os.Signal  // each one asks to read the configuration again
	Say        func(line string) // what a person reads at the start
	Events     event.Sink
}

// Server is a running hobnail.
type Server struct {
	opts    Options
	started time.Time
	leases  *lease.Table
	clock   *lease.Clock
	asked   *upstream.Table
	boots   *boots.Memory
	ifaces  *netio.Directory
	current atomic.Pointer[running]
	ca      *certificate.Authority // nil until a configuration wants it

	history  *history.Keeper
	recorder *recorder
	learned  *learn.Table
	store    store.Store        // nil where the data directory cannot be written
	machines *machines.Registry // nil without a store
	seen     chan machines.Seen // what machines were seen with, to be remembered
	images   *library.Library   // nil without a store
	reading  reading            // who reads images
	windows  windowsFiles       // what Windows' boot managers and its agent read
	// reloading lets one at a time replace current.
	reloading sync.Mutex
}

// running is what a reload replaces, as a whole.
type running struct {
	*Loaded
	site *site.Site
	tls  certificate.Source // nil without HTTPS

	roles map[string]model.FileRole // of the images' files, by their names in the tree
	names []string                  // of all that can be read
}

// Serve runs all services until the context ends, and then stops them cleanly.
func Serve(ctx context.Context, opts Options) error {
	loaded, err := Load(opts.ConfigPath)
	if err != nil {
		return err
	}
	s := &Server{opts: opts, started: time.Now(), boots: boots.NewMemory(), asked: upstream.NewTable(), learned: learn.New()}
	s.openWindows(loaded)
	s.clock = lease.NewClock(lease.HostTime(), func() time.Duration { return s.current.Load().Policy.LongestLease() })
	if s.ifaces, err = netio.NewDirectory(loaded.Config.Server.Interfaces, time.Now); err != nil {
		return err
	}
	if s.leases, err = openLeases(loaded); err != nil {
		return err
	}
	s.leases.Report = func(err error) {
		opts.Events.Emit(event.Event{Time: time.Now(), Code: event.LeaseLogGrows, Attrs: []slog.Attr{slog.String("error", err.Error())}})
	}
	defer s.leases.Close()
	if s.openStore(loaded); s.store != nil {
		defer s.store.Close()
	}
	s.openMachines(ctx, loaded)
	if err := s.openLibrary(loaded); err != nil {
		return err
	}
	if err := s.use(loaded); err != nil {
		return err
	}
	counted := metrics.New(opts.Version, s.pools, s.programStates)
	s.opts.Events = event.Sinks{opts.Events, counted}
	if loaded.Config.History.Keep {
		s.keepBoots(loaded)
	}
	services, err := s.listen(ctx, loaded)
	if err != nil {
		return err
	}
	if services, err = s.listenMetrics(ctx, loaded, counted, services); err != nil {
		return err
	}
	s.introduce(loaded, services)
	s.tellPrograms(loaded)
	return s.run(ctx, services)
}

// openLeases opens the lease log where addresses are given at all.
func openLeases(l *Loaded) (*lease.Table, error) {
	if !usesMode(l, model.ModeServer) {
		return lease.NewTable(), nil
	}
	return lease.Open(logPath(l))
}

// use makes a configuration the one that decides from now on.
func (s *Server) use(l *Loaded) error {
	images, err := s.imageFiles(l)
	if err != nil {
		return err
	}
	source, err := s.certificates(l)
	if err != nil {
		return err
	}
	at := &site.Site{Policy: l.Policy, Programs: l.Programs, Images: imageReaders{images, s}, Boots: s.boots, Started: s.started, Windows: s.windows.of()}
	if s.machines != nil {
		if err := s.machines.Configure(context.Background(), l.Config.Machines); err != nil {
			return err
		}
		at.Orders = &orders{s, l}
	}
	roles := fileRoles(l)
	s.current.Store(&running{Loaded: l, tls: source, roles: roles, names: treeNames(l, roles), site: at})
	return nil
}

// view is the snapshot that a request is decided by.
func (s *Server) view() policy.View {
	return policy.View{Policy: s.current.Load().Policy, Leases: s.leases, Own: s.ifaces.Addresses(), Ahead: s.clock.Ahead(), Upstream: s.asked, Learned: s.learned, Registry: s.registry()}
}

// Open serves boot files by the configuration of the moment.
func (s *Server) Open(ctx context.Context, r bootfile.Request) (*bootfile.File, error) {
	return s.current.Load().site.Open(ctx, r)
}

// service is one port in use.
type service struct {
	line  string // what a person reads; "" of what is no port
	serve func(context.Context) error
}

// listen binds every port before anything is served, so that a port that is
// taken stops the start and not a boot.
func (s *Server) listen(ctx context.Context, l *Loaded) ([]service, error) {
	var all []service
	if answersDHCP(l) {
		d := &dhcp.Server{
			View: s.view, Leases: s.leases, Boots: s.boots, Events: s.opts.Events,
			Clock: s.clock.Now, Interface: s.ifaces.Lookup, Interfaces: s.ifaces.All, Upstream: s.asked,
		}
		if s.recorder != nil {
			d.Record = s.recorder
		}
		if usesMode(l, model.ModeServer) {
			p, err := s.newProber(d)
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
		for _, port := range []uint16{dhcpPort, pxePort} {
			conn, err := netio.Listen(ctx, port, port == dhcpPort)
			if err != nil {
				return nil, err
			}
			name := map[uint16]string{dhcpPort: "DHCP", pxePort: "PXE boot service"}[port]
			all = append(all, service{
				line: fmt.Sprintf("%s on UDP port %d", name, port),
				serve: func(ctx context.Context) error {
					if port == dhcpPort {
						go d.Probe(ctx, conn)
					}
					return d.Serve(ctx, conn)
				},
			})
		}
	}
	svc, err := s.commands(l)
	if err != nil {
		return nil, err
	}
	all = append(all, svc)
	if s.history != nil {
		all = append(all, s.historyService(l))
	}
	if s.machines != nil {
		all = append(all, service{serve: s.followMachines})
	}
	all = append(all, service{serve: s.windows.sums.Run})
	if s.images != nil {
		all = append(all, service{line: "images in " + s.images.Folder, serve: s.followImages})
	}
	lim := l.Config.TFTP
	t := &tftp.Server{
		Opener: s, Events: s.opts.Events, MaxTransfers: lim.MaxTransfers, MaxPerClient: lim.MaxPerClient,
		MaxRate: lim.MaxRate, MaxClientRate: lim.MaxClientRate,
	}
	conn, err := tftp.Listen(fmt.Sprintf(":%d", tftp.Port), tftp.Ports{Single: lim.SinglePort})
	if err != nil {
		return nil, netio.ListenError("udp", tftp.Port, err)
	}
	all = append(all, service{
		line:  fmt.Sprintf("TFTP on UDP port %d", tftp.Port),
		serve: func(ctx context.Context) error { return t.Serve(ctx, conn) },
	})
	web, err := s.listenWeb(ctx, l)
	return append(all, web...), err
}

// listenMetrics adds the service that Prometheus asks, where it is wanted.
func (s *Server) listenMetrics(ctx context.Context, l *Loaded, m *metrics.Metrics, services []service) ([]service, error) {
	addr := l.Config.Server.Metrics
	if addr == "off" {
		return services, nil
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		_, port, _ := net.SplitHostPort(addr)
		n, _ := strconv.ParseUint(port, 10, 16)
		return nil, netio.ListenError("tcp", uint16(n), err)
	}
	return append(services, service{
		line:  "metrics on http://" + ln.Addr().String() + "/metrics",
		serve: func(ctx context.Context) error { return m.Serve(ctx, ln) },
	}), nil
}

// pools says how much of each pool is in use.
func (s *Server) pools() []metrics.Pool {
	p := s.current.Load().Policy
	var all []metrics.Pool
	for i := range p.Config.Subnets {
		subnet := &p.Config.Subnets[i]
		if subnet.Mode != model.ModeServer {
			continue
		}
		pool := metrics.Pool{Subnet: subnet.CIDR.String(), Used: s.leases.Kept(p.Owned(subnet), time.Now())}
		for _, r := range p.Owned(subnet) {
			pool.Size += r.Size()
		}
		all = append(all, pool)
	}
	return all
}

// run serves until the context ends or one service fails, which stops the
// others.
func (s *Server) run(ctx context.Context, services []service) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, len(services))
	for _, svc := range services {
		go func() {
			err := svc.serve(ctx)
			stop()
			ended <- err
		}()
	}
	sharedProcessor()
	go paceGC(ctx)
	go s.reloads(ctx)
	go s.prefetch(ctx)
	go s.prepareOrdered(ctx)
	var errs []error
	for range services {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

// reloads reads the configuration again whenever it is asked to. One with
// faults changes nothing.
func (s *Server) reloads(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.opts.Reload:
			s.reload()
			go s.prefetch(ctx)
		}
	}
}

func (s *Server) reload() {
	emit := func(code event.Code, attrs ...slog.Attr) {
		s.opts.Events.Emit(event.Event{Time: time.Now(), Code: code, Attrs: attrs})
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	loaded, err := Load(s.opts.ConfigPath)
	if err == nil {
		err = needsRestart(s.current.Load().Loaded, loaded)
	}
	if err == nil {
		err = s.use(loaded)
	}
	var invalid *InvalidConfig
	switch {
	case errors.As(err, &invalid):
		for _, f := range invalid.Faults {
			emit(event.ConfigFault, slog.String("fault", f.String()))
		}
	case err != nil:
		emit(event.ConfigFault, slog.String("fault", err.Error()))
	default:
		emit(event.ConfigLoaded, slog.String("file", loaded.Config.File))
		for _, line := range describe(loaded) {
			s.opts.Say(line)
		}
		s.tellPrograms(loaded)
	}
}

// needsRestart names the first change that a running server cannot make,
// because it would have to bind other ports or read other leases.
func needsRestart(old, next *Loaded) error {
	a, b := old.Config.Server, next.Config.Server
	for _, c := range []struct {
		what    string
		changed bool
	}{
		{"[server] http", a.HTTP != b.HTTP},
		{"[server] https", a.HTTPS != b.HTTPS},
		{"[server] metrics", a.Metrics != b.Metrics},
		{"[server] data", a.Data != b.Data},
		{"[server] interfaces", fmt.Sprint(a.Interfaces) != fmt.Sprint(b.Interfaces)},
		{"[server] share", a.Share != b.Share},
		{"[tftp]", old.Config.TFTP != next.Config.TFTP},
		{"[http]", old.Config.HTTP != next.Config.HTTP},
		{"[history]", old.Config.History != next.Config.History},
		{"DHCP where there was none", answersDHCP(next) && !answersDHCP(old)},
		{"the first subnet in mode server", usesMode(next, model.ModeServer) && !usesMode(old, model.ModeServer)},
	} {
		if c.changed {
			return fmt.Errorf("%s cannot change while the server runs: restart it", c.what)
		}
	}
	return nil
}

// answersDHCP reports whether DHCP is on anywhere.
func answersDHCP(l *Loaded) bool {
	for _, m := range []model.Mode{model.ModeServer, model.ModeMerge, model.ModeAuto, model.ModeProxy} {
		if usesMode(l, m) {
			return true
		}
	}
	return false
}

func usesMode(l *Loaded, m model.Mode) bool {
	if l.Config.Server.DHCP == m {
		return true
	}
	for i := range l.Config.Subnets {
		if l.Config.Subnets[i].Mode == m {
			return true
		}
	}
	return false
}
