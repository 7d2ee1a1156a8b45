package metrics

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"hobnail/internal/event"
)

// TestMetrics: what happened is counted, by code and never by machine, and
// pools are asked for at each look.
func TestMetrics(t *testing.T) {
	used := int64(3)
	m := New("1.2.3", func() []Pool { return []Pool{{Subnet: "10.77.2.0/24", Used: used, Size: 50}} },
		func() map[string]int { return map[string]int{"served": 12, "warned": 0, "refused": 1} })
	for range 2 {
		m.Emit(event.Event{Code: event.DHCPAck, MAC: "52:54:00:12:34:56", More: func() []slog.Attr {
			t.Error("details were made that nobody reads")
			return nil
		}})
	}
	m.Emit(event.Event{Code: event.FileRead, Attrs: []slog.Attr{slog.String("via", "tftp"), slog.Int64("bytes", 1000),
		slog.Int("retransmissions", 4), slog.Duration("duration", 3*time.Second), slog.String("name", "secret/52:54:00:12:34:56")}})

	m.Emit(event.Event{Code: event.DHCPIgnored, Message: "DISCOVER"})
	m.Emit(event.Event{Code: event.DHCPDropped, Attrs: []slog.Attr{slog.String("why", "short at octet 3"), slog.String("reason", "short")}})
	m.Emit(event.Event{Code: event.BootFailed, MAC: "52:54:00:12:34:56", Attrs: []slog.Attr{slog.String("verdict", "no-lease"),
		slog.String("arch", "bios"), slog.String("subnet", "other"), slog.String("place", "10.9.9.9")}})

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.Serve(ctx, ln) }()
	text := get(t, "http://"+ln.Addr().String()+"/metrics")
	for _, line := range []string{
		`hobnail_events_total{code="dhcp.ack"} 2`,
		`hobnail_events_total{code="dhcp.nak"} 0`,
		`hobnail_dhcp_messages_total{code="dhcp.ignored",message="DISCOVER"} 1`,
		`hobnail_dhcp_dropped_total{reason="short"} 1`,
		`hobnail_boots_total{arch="bios",subnet="other",verdict="no-lease"} 1`,
		`hobnail_file_bytes_total{via="tftp"} 1000`,
		`hobnail_tftp_retransmissions_total 4`,
		`hobnail_file_read_seconds_bucket{via="tftp",le="5"} 1`,
		`hobnail_file_read_seconds_bucket{via="tftp",le="2"} 0`,
		`hobnail_pool_addresses{subnet="10.77.2.0/24"} 50`,
		`hobnail_pool_addresses_used{subnet="10.77.2.0/24"} 3`,
		`hobnail_boot_programs{state="served"} 12`,
		`hobnail_boot_programs{state="warned"} 0`,
		`hobnail_boot_programs{state="refused"} 1`,
		`hobnail_build_info{version="1.2.3"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if strings.Contains(text, "52:54:00") || strings.Contains(text, "secret") {
		t.Errorf("the metrics name a machine:\n%s", text)
	}
	used = 4
	if text := get(t, "http://"+ln.Addr().String()+"/metrics"); !strings.Contains(text, `used{subnet="10.77.2.0/24"} 4`) {
		t.Error("pools are not asked for at each look")
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("serving ended with %v", err)
	}
}

// TestManualHasEveryMetric: docs/metrics.md names them all, with their labels.
func TestManualHasEveryMetric(t *testing.T) {
	manual, err := os.ReadFile("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	m := New("1", func() []Pool { return []Pool{{Subnet: "10.77.2.0/24"}} }, func() map[string]int { return nil })
	m.Emit(event.Event{Code: event.FileRead, Attrs: []slog.Attr{slog.String("via", "http")}})
	m.Emit(event.Event{Code: event.DHCPDropped})
	m.Emit(event.Event{Code: event.BootEnded, Attrs: []slog.Attr{slog.String("verdict", "booted")}})
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "hobnail_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		row := "| `" + f.GetName() + "` | " + strings.Join(labels, ", ")
		if !strings.Contains(string(manual), row) {
			t.Errorf("docs/metrics.md has no row %s", row)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, r.Status, err)
	}
	return string(b)
}
