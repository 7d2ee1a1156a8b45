// Package metrics counts what happens and shows it to Prometheus. Nothing here
// is labelled by machine: a label is a code of the catalogue, a subnet of the
// configuration, a protocol.
package metrics

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"hobnail/internal/event"
)

// Pool is how much of a subnet's pool is in use, of what this server may give.
type Pool struct {
	Subnet string
	Used   int64
	Size   int64
}

// Metrics counts events, and asks for the rest when somebody looks.
type Metrics struct {
	registry *prometheus.Registry
	// events and messages are looked up for every packet, and only read.
	events    map[event.Code]prometheus.Counter
	messages  map[string]map[event.Code]prometheus.Counter
	bytes     *prometheus.CounterVec
	again     prometheus.Counter
	durations *prometheus.HistogramVec
	dropped   *prometheus.CounterVec
	boots     *prometheus.CounterVec
}

// New makes the metrics of a server. pools and programs, the number of boot
// programs by state, are asked at every look.
func New(version string, pools func() []Pool, programs func() map[string]int) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		events:   map[event.Code]prometheus.Counter{}, messages: map[string]map[event.Code]prometheus.Counter{},
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hobnail_file_bytes_total", Help: "Octets of boot files sent.",
		}, []string{"via"}),
		again: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hobnail_tftp_retransmissions_total", Help: "Blocks that TFTP sent again.",
		}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hobnail_file_read_seconds", Help: "How long boot files took that were read to their end.",
			Buckets: []float64{0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800},
		}, []string{"via"}),
	}
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hobnail_events_total", Help: "What happened, by the code of the catalogue.",
	}, []string{"code"})
	messages := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hobnail_dhcp_messages_total", Help: "DHCP messages of clients, by kind and by what became of them.",
	}, []string{"message", "code"})
	m.dropped = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hobnail_dhcp_dropped_total", Help: "Packets on DHCP's ports that were not understood, by reason.",
	}, []string{"reason"})
	m.boots = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hobnail_boots_total", Help: "Boots that ended, by verdict, architecture and configured subnet.",
	}, []string{"verdict", "arch", "subnet"})
	for _, e := range event.Catalogue() {
		m.events[e.Code] = events.WithLabelValues(string(e.Code)) // a counter that is 0 can be asked for
	}
	for _, kind := range event.Messages() {
		m.messages[kind] = map[event.Code]prometheus.Counter{}
		for _, code := range event.MessageCodes() {
			m.messages[kind][code] = messages.WithLabelValues(kind, string(code))
		}
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "hobnail_build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	m.registry.MustRegister(events, messages, m.dropped, m.boots, m.bytes, m.again, m.durations, build, poolCollector(pools), programCollector(programs),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Emit counts an event. Details that are made on demand are not asked for.
func (m *Metrics) Emit(e event.Event) {
	if c := m.events[e.Code]; c != nil {
		c.Inc()
	}
	if c := m.messages[e.Message][e.Code]; c != nil {
		c.Inc()
	}
	if len(e.Attrs) == 0 {
		return
	}
	switch e.Code {
	case event.DHCPDropped:
		m.dropped.WithLabelValues(attr(e, "reason")).Inc()
	case event.BootEnded, event.BootFailed:
		m.boots.WithLabelValues(attr(e, "verdict"), attr(e, "arch"), attr(e, "subnet")).Inc()
	default:
		m.file(e)
	}
}

// attr is a detail of an event as text; empty if it has none of that name.
func attr(e event.Event, key string) string {
	for _, a := range e.Attrs {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

// file counts what was sent of a file.
func (m *Metrics) file(e event.Event) {
	var via string
	var octets, again int64
	var took time.Duration
	for _, a := range e.Attrs {
		switch a.Key {
		case "via":
			via = a.Value.String()
		case "bytes":
			octets = number(a.Value)
		case "retransmissions":
			again = number(a.Value)
		case "duration":
			took = a.Value.Duration()
		}
	}
	if via == "" {
		return
	}
	m.bytes.WithLabelValues(via).Add(float64(octets))
	m.again.Add(float64(again))
	if e.Code == event.FileRead {
		m.durations.WithLabelValues(via).Observe(took.Seconds())
	}
}

func number(v slog.Value) int64 {
	switch v.Kind() {
	case slog.KindInt64:
		return v.Int64()
	case slog.KindUint64:
		return int64(v.Uint64())
	}
	return 0
}

var (
	poolSize = prometheus.NewDesc("hobnail_pool_addresses", "Addresses that this server may give, by subnet.", []string{"subnet"}, nil)
	poolUsed = prometheus.NewDesc("hobnail_pool_addresses_used", "Those of them that are leased, offered or put aside.", []string{"subnet"}, nil)
)

// poolCollector asks for the pools when somebody looks.
type poolCollector func() []Pool

// Describe is prometheus.Collector's.
func (c poolCollector) Describe(out chan<- *prometheus.Desc) { out <- poolSize; out <- poolUsed }

// Collect is prometheus.Collector's.
func (c poolCollector) Collect(out chan<- prometheus.Metric) {
	for _, p := range c() {
		out <- prometheus.MustNewConstMetric(poolSize, prometheus.GaugeValue, float64(p.Size), p.Subnet)
		out <- prometheus.MustNewConstMetric(poolUsed, prometheus.GaugeValue, float64(p.Used), p.Subnet)
	}
}

var programCount = prometheus.NewDesc("hobnail_boot_programs", "Boot programs, by whether they are served.", []string{"state"}, nil)

// programCollector counts the boot programs when somebody looks.
type programCollector func() map[string]int

// Describe is prometheus.Collector's.
func (c programCollector) Describe(out chan<- *prometheus.Desc) { out <- programCount }

// Collect is prometheus.Collector's.
func (c programCollector) Collect(out chan<- prometheus.Metric) {
	for state, n := range c() {
		out <- prometheus.MustNewConstMetric(programCount, prometheus.GaugeValue, float64(n), state)
	}
}

// Serve answers GET /metrics until the context ends, which is no error.
func (m *Metrics) Serve(ctx context.Context, ln net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(ln); ctx.Err() == nil {
		return err
	}
	return nil
}
