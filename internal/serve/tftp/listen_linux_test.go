package tftp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
	wire "hobnail/internal/wire/tftp"
)

// serveOn starts a server on a real port until the test ends.
func serveOn(t testing.TB, addr string, s *Server) netip.AddrPort {
	t.Helper()
	conn, err := Listen(addr, Ports{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, conn) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return conn.Addr()
}

// TestAnswersComeFromTheAddressThatWasAsked serves on all addresses at once:
// a client takes an answer only from the one that it asked. A broadcast is
// ignored (RFC 1123 section 4.2.3.5).
func TestAnswersComeFromTheAddressThatWasAsked(t *testing.T) {
	asked := make(noting, 1)
	port := serveOn(t, "0.0.0.0:0", &Server{Opener: asked}).Port()
	for _, tt := range []struct{ to, from string }{
		{"127.0.0.1", "127.0.0.1"},
		{"127.0.0.2", "127.0.0.2"},
		{"127.1.2.3", "127.1.2.3"},
		{"127.255.255.255", ""},
	} {
		t.Run(tt.to, func(t *testing.T) {
			client, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			to := netip.AddrPortFrom(netip.MustParseAddr(tt.to), port)
			if _, err := client.WriteToUDPAddrPort(rrq(t, "nbp", ""), to); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 600)
			if tt.from == "" {
				_ = client.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
				if _, from, err := client.ReadFromUDPAddrPort(b); err == nil {
					t.Errorf("%v answered", from)
				}
				return
			}
			_ = client.SetReadDeadline(time.Now().Add(10 * time.Second))
			n, from, err := client.ReadFromUDPAddrPort(b)
			if err != nil {
				t.Fatal(err)
			}
			want := netip.MustParseAddr(tt.from)
			if from.Addr() != want || from.Port() == port {
				t.Errorf("asked %v, answered from %v, want %v and a port of its own", to, from, want)
			}
			if got := <-asked; got != want {
				t.Errorf("asked %v, the file was opened for %v, want %v", to, got, want)
			}
			if diff := cmp.Diff([]byte("\x00\x03\x00\x01contents"), b[:n]); diff != "" {
				t.Errorf("packet (-want +got):\n%s", diff)
			}
			_, _ = client.WriteToUDPAddrPort(wire.AppendAck(nil, 1), from)
		})
	}
}

func TestLocalAddrOfOtherControlMessages(t *testing.T) {
	for _, oob := range [][]byte{nil, make([]byte, 7), make([]byte, 64)} {
		if addr := localAddr(oob); addr.IsValid() {
			t.Errorf("control message % x has address %v", oob, addr)
		}
	}
}

// noting is an Opener that tells for which address it was asked.
type noting chan netip.Addr

func (n noting) Open(_ context.Context, r bootfile.Request) (*bootfile.File, error) {
	n <- r.Local
	return contents("nbp", []byte("contents")), nil
}

func TestPathMTU(t *testing.T) {
	conn, err := Listen("127.0.0.1:0", Ports{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.PathMTU(netip.MustParseAddr("127.0.0.2")); got != min(lo.MTU, 65535) {
		t.Errorf("path over loopback has MTU %d, its interface %d", got, lo.MTU)
	}
	if got := conn.PathMTU(netip.MustParseAddr("0.0.0.0")); got != min(lo.MTU, 65535) {
		t.Errorf("path to this host has MTU %d, loopback %d", got, lo.MTU)
	}
	if got := conn.PathMTU(netip.MustParseAddr("2001:db8::1")); got != 0 {
		t.Logf("there is a way to 2001:db8::1, with MTU %d", got)
	}
}

func TestListenFaults(t *testing.T) {
	conn, err := Listen("127.0.0.1:0", Ports{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := Listen(conn.Addr().String(), Ports{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("port taken: error %v, want one that is EADDRINUSE", err)
	}
	if _, err := Listen("nonsense", Ports{}); err == nil {
		t.Error("listening on nonsense")
	}
}

// TestClassroom switches on 200 machines at once.
func TestClassroom(t *testing.T) {
	const machines, size = 200, 256 << 10
	events := make(told, machines)
	tree := files{"file": contents("file", bytes.Repeat([]byte("hobnail."), size/8))}
	tree["file"].ETag = `"1"`
	at := serveOn(t, "127.0.0.1:0", &Server{Opener: tree, Events: events})
	var clients sync.WaitGroup
	defer clients.Wait()
	for i := range machines {
		clients.Go(func() {
			got, err := readLoopback(t, at, net.IPv4(127, 0, 1, byte(i)), "tsize=0 blksize=1468 windowsize=4")
			if err != nil || got != size {
				t.Errorf("machine %d: %d octets arrived, want %d, error %v", i, got, size, err)
			}
		})
	}
	for range machines {
		if e := <-events; e.Code != event.FileRead {
			t.Errorf("event %s %v of %v", e.Code, e.Attrs, e.Client)
		}
	}
}

// told is a Sink that somebody reads.
type told chan event.Event

func (c told) Emit(e event.Event) { c <- e }

// BenchmarkLoopback reads 16 MiB from a server over loopback with a reader
// that does nothing but acknowledge.
func BenchmarkLoopback(b *testing.B) {
	for _, bb := range []struct{ name, asked string }{
		{"lockstep", "blksize=1428"},
		{"window4", "blksize=1428 windowsize=4"},
		{"window16", "blksize=1428 windowsize=16"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			const size = 16 << 20
			file := contents("file", bytes.Repeat([]byte("hobnail."), size/8))
			at := serveOn(b, "127.0.0.1:0", &Server{Opener: files{"file": file}})
			b.SetBytes(size)
			for b.Loop() {
				got, err := readLoopback(b, at, net.IPv4(127, 0, 0, 1), bb.asked)
				if err != nil || got != size {
					b.Fatalf("%d octets arrived, want %d, error %v", got, size, err)
				}
			}
		})
	}
}

// readLoopback reads "file" from an address of this host, and gives how many
// octets arrived.
func readLoopback(t testing.TB, at netip.AddrPort, host net.IP, asked string) (int, error) {
	client, err := net.ListenUDP("udp4", &net.UDPAddr{IP: host})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	r := &reader{asked: asked, blksize: wire.DefaultBlksize, window: 1, expected: 1}
	if _, err := client.WriteToUDPAddrPort(rrq(t, "file", asked), at); err != nil {
		return 0, err
	}
	_ = client.SetReadDeadline(time.Now().Add(time.Minute))
	packet := make([]byte, wire.HeaderSize+wire.MaxBlksize)
	received := 0
	for !r.done {
		n, from, err := client.ReadFromUDPAddrPort(packet)
		if err != nil {
			return received, err
		}
		if answer := r.receive(t, packet[:n]); answer != nil {
			if _, err := client.WriteToUDPAddrPort(answer, from); err != nil {
				return received, err
			}
		}
		received += len(r.got)
		r.got = r.got[:0]
	}
	return received, nil
}
