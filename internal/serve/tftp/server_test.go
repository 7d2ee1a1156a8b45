package tftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/bootfile"
	wire "hobnail/internal/wire/tftp"
	"hobnail/internal/wire/wiretest"
)

// rrq is a read request in octet mode with options as negotiate's tests write
// them.
func rrq(t testing.TB, name, asked string) []byte {
	t.Helper()
	b, err := wire.Request{Op: wire.OpRead, Name: name, Mode: "octet", Options: options(asked)}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// send sends to the request port.
func (s *memSocket) send(b []byte) { _ = s.WriteTo(b, requestPort) }

// reply is what the server sends next, as a script shows it, and from where;
// "-" if nothing comes within a minute.
func (s *memSocket) reply(t testing.TB) (text string, from netip.AddrPort) {
	t.Helper()
	_ = s.SetReadDeadline(time.Now().Add(time.Minute))
	b := make([]byte, 65536)
	n, from, err := s.ReadFrom(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "-", from
	}
	if err != nil {
		t.Fatal(err)
	}
	out := burst{buf: b[:n], size: n}
	return show(t, &out), from
}

// expect checks the next reply and gives its sender.
func (s *memSocket) expect(t testing.TB, want string) netip.AddrPort {
	t.Helper()
	got, from := s.reply(t)
	if got != want {
		t.Fatalf("the server sent %q, want %q", got, want)
	}
	return from
}

// begin asks for a file and acknowledges the OACK; block 1 comes.
func (s *memSocket) begin(t testing.TB, name string) netip.AddrPort {
	t.Helper()
	s.send(rrq(t, name, "tsize=0"))
	text, tid := s.reply(t)
	if !strings.HasPrefix(text, "OACK") {
		t.Fatalf("the server sent %q, want an OACK", text)
	}
	_ = s.WriteTo(wire.AppendAck(nil, 0), tid)
	s.expect(t, "DATA 1")
	return tid
}

func (b *bench) expectEvents(want ...string) {
	b.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, b.events.take()); diff != "" {
		b.t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestServer(t *testing.T) {
	tree := files{
		"nbp":  contents("nbp", make([]byte, 1500)),
		"text": contents("text", []byte("a\nb\r")),
		"big":  contents("big", make([]byte, 100000)),
	}
	tests := []struct {
		name string
		run  func(t *testing.T, b *bench)
	}{
		{"OVMF asks for the size, breaks off, and reads", func(t *testing.T, b *bench) {
			c := b.client("198.51.100.7:1316")
			c.send(wiretest.Packet(t, "32-ovmf-tftp-rrq-probe"))
			tid := c.expect(t, "OACK tsize=1500 blksize=1468 windowsize=4")
			_ = c.WriteTo(wiretest.Packet(t, "33-ovmf-tftp-error8"), tid)
			c.expect(t, "-")
			b.expectEvents("file.probe name=nbp bytes=0 blksize=1468 windowsize=4 retransmissions=0" +
				" client_code=8 client_text=User aborted the transfer")

			c = b.client("198.51.100.7:1317")
			c.send(wiretest.Packet(t, "34-ovmf-tftp-rrq-transfer"))
			tid = c.expect(t, "OACK blksize=1468 windowsize=4")
			_ = c.WriteTo(wire.AppendAck(nil, 0), tid)
			c.expect(t, "DATA 1")
			c.expect(t, "DATA 2")
			_ = c.WriteTo(wire.AppendAck(nil, 2), tid)
			c.expect(t, "-")
			b.expectEvents("file.read name=nbp bytes=1500 blksize=1468 windowsize=4 retransmissions=0")
		}},
		{"answers never come from the request port", func(t *testing.T, b *bench) {
			for port := range 20 {
				c := b.client(fmt.Sprintf("198.51.100.7:%d", 1000+port))
				c.send(rrq(t, "nbp", ""))
				if from := c.expect(t, "DATA 1"); from == requestPort {
					t.Errorf("answered from %v", from)
				}
			}
		}},
		{"a repeated request is answered by the same session", func(t *testing.T, b *bench) {
			c := b.client("198.51.100.7:1000")
			c.send(rrq(t, "nbp", "tsize=0"))
			tid := c.expect(t, "OACK tsize=1500")
			for range 3 {
				c.send(rrq(t, "nbp", "tsize=0"))
				if again := c.expect(t, "OACK tsize=1500"); again != tid {
					t.Errorf("answered from %v, then from %v", tid, again)
				}
			}
			_ = c.WriteTo(wire.AppendAck(nil, 0), tid)
			c.expect(t, "DATA 1")
			c.send(rrq(t, "nbp", "tsize=0")) // late: no answer
			_ = c.WriteTo(wire.AppendAck(nil, 1), tid)
			c.expect(t, "DATA 2")
			if len(b.net.answered) != 1 {
				t.Errorf("packets came from the ports %v, want one", b.net.answered)
			}
		}},
		{"a machine that was reset begins at the same port", func(t *testing.T, b *bench) {
			c := b.client("198.51.100.7:2070")
			c.send(rrq(t, "nbp", "tsize=0"))
			old := c.expect(t, "OACK tsize=1500")
			_ = c.WriteTo(wire.AppendAck(nil, 0), old)
			c.expect(t, "DATA 1")
			time.Sleep(1100 * time.Millisecond)
			synctest.Wait()
			c.queue = nil // DATA 1 again
			c.send(rrq(t, "nbp", "tsize=0"))
			if tid := c.expect(t, "OACK tsize=1500"); tid == old {
				t.Error("the old session answered")
			}
			synctest.Wait()
			if got := b.events.take(); len(got) != 1 || !strings.Contains(got[0], "file.aborted") ||
				!strings.Contains(got[0], "reason=the client asked anew from the same port") {
				t.Errorf("events %q", got)
			}
		}},
		{"another request from the same port replaces the first", func(t *testing.T, b *bench) {
			c := b.client("198.51.100.7:1000")
			c.send(rrq(t, "nbp", "tsize=0"))
			old := c.expect(t, "OACK tsize=1500")
			c.send(rrq(t, "nbp", "blksize=1024"))
			if tid := c.expect(t, "OACK blksize=1024"); tid == old {
				t.Error("the old session answered")
			}
			b.expectEvents("file.aborted name=nbp bytes=0 blksize=512 windowsize=1 retransmissions=0" +
				" reason=the client asked anew from the same port heard=false")
		}},
		{"a stranger is told so and the transfer goes on", func(t *testing.T, b *bench) {
			c, stranger := b.client("198.51.100.7:1000"), b.client("198.51.100.7:1001")
			c.send(rrq(t, "nbp", ""))
			tid := c.expect(t, "DATA 1")
			_ = stranger.WriteTo(wire.AppendAck(nil, 1), tid)
			stranger.expect(t, "ERROR 5 unknown transfer")
			_ = c.WriteTo(wire.AppendAck(nil, 1), tid)
			c.expect(t, "DATA 2")
			_ = stranger.WriteTo(wire.AppendError(nil, 0, "stop"), tid)
			_ = c.WriteTo(wire.AppendAck(nil, 2), tid)
			c.expect(t, "DATA 3")
			stranger.expect(t, "-") // an ERROR is never answered
		}},
		{"a stranger is not told so for ever", func(t *testing.T, b *bench) {
			c, stranger := b.client("198.51.100.7:1000"), b.client("203.0.113.9:69")
			c.send(rrq(t, "nbp", ""))
			tid := c.expect(t, "DATA 1")
			for range 100 {
				_ = stranger.WriteTo(wire.AppendAck(nil, 1), tid)
			}
			synctest.Wait()
			if got := len(stranger.queue); got != maxStrangers {
				t.Errorf("%d answers, want %d", got, maxStrangers)
			}
		}},
		{"a missing file is not found, whatever it is called", func(t *testing.T, b *bench) {
			c := b.client("198.51.100.7:1000")
			c.send(rrq(t, "../etc/passwd\nlevel=error", "tsize=0"))
			c.expect(t, "ERROR 1 file not found")
			b.expectEvents(`file.not-found name=../etc/passwd\nlevel=error`)
		}},
		{"nothing is written", func(t *testing.T, b *bench) {
			c := b.client("198.51.100.7:1000")
			c.send([]byte("\x00\x02nbp\x00octet\x00"))
			c.expect(t, "ERROR 2 read only")
			b.expectEvents("file.refused reason=writing is never served name=nbp")
		}},
		{"mail is no mode", func(t *testing.T, b *bench) {
			c := b.client("198.51.100.7:1000")
			c.send([]byte("\x00\x01root\x00mail\x00"))
			c.expect(t, "ERROR 4 mode not supported")
			b.expectEvents("file.refused reason=mode is neither octet nor netascii mode=mail name=root")
		}},
		{"the mode's case does not matter", func(t *testing.T, b *bench) {
			c := b.client("198.51.100.7:1000")
			c.send([]byte("\x00\x01nbp\x00OCTET\x00TSIZE\x000\x00"))
			c.expect(t, "OACK TSIZE=1500")
		}},
		{"netascii has no size beforehand", func(t *testing.T, b *bench) {
			c := b.client("198.51.100.7:1000")
			c.send([]byte("\x00\x01text\x00NetASCII\x00tsize\x000\x00blksize\x00512\x00"))
			tid := c.expect(t, "OACK blksize=512")
			_ = c.WriteTo(wire.AppendAck(nil, 0), tid)
			buf := make([]byte, 600)
			n, _, _ := c.ReadFrom(buf)
			if diff := cmp.Diff([]byte("\x00\x03\x00\x01a\r\nb\r\x00"), buf[:n]); diff != "" {
				t.Errorf("packet (-want +got):\n%s", diff)
			}
		}},
		{"a path with a small MTU gets small blocks", func(t *testing.T, b *bench) {
			b.net.mtu = 1280
			c := b.client("198.51.100.7:1000")
			c.send(rrq(t, "nbp", "blksize=1468"))
			c.expect(t, "OACK blksize=1248")
		}},
		{"an unknown MTU is taken for Ethernet's", func(t *testing.T, b *bench) {
			b.net.mtu = 0
			c := b.client("198.51.100.7:1000")
			c.send(rrq(t, "nbp", "blksize=9000"))
			c.expect(t, "OACK blksize=1468")
		}},
		{"a silent peer gets three packets", func(t *testing.T, b *bench) {
			c := b.client("203.0.113.9:7")
			c.send(rrq(t, "nbp", "blksize=65464 windowsize=65535 timeout=1"))
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			if got := len(c.queue); got != triesUnheard {
				t.Errorf("%d packets, want %d", got, triesUnheard)
			}
			b.expectEvents("file.stalled name=nbp bytes=0 blksize=1468 windowsize=64 retransmissions=2 heard=false tries=3")
		}},
		{"one address may have so many transfers open, and the next one waits", func(t *testing.T, b *bench) {
			var clients []*memSocket
			var tids []netip.AddrPort
			for port := range DefaultMaxPerClient {
				c := b.client(fmt.Sprintf("198.51.100.7:%d", 1000+port))
				tids = append(tids, c.begin(t, "nbp"))
				clients = append(clients, c)
			}
			waiting := b.client("198.51.100.7:999")
			waiting.send(rrq(t, "nbp", "tsize=0"))
			tid := waiting.expect(t, "OACK tsize=1500")
			_ = waiting.WriteTo(wire.AppendAck(nil, 0), tid)
			synctest.Wait()
			if len(waiting.queue) > 0 {
				t.Error("one more was begun")
			}
			b.client("198.51.100.8:999").begin(t, "nbp")
			_ = clients[3].WriteTo(wire.AppendError(nil, 0, "enough"), tids[3])
			waiting.expect(t, "DATA 1")
		}},
		{"who has asked most often goes first when a transfer ends", func(t *testing.T, b *bench) {
			c := b.client("198.51.100.7:1000")
			tid := c.begin(t, "nbp")
			var waiting []*memSocket
			for i := range 3 {
				w := b.client(fmt.Sprintf("198.51.100.%d:1000", 10+i))
				w.send(rrq(t, "nbp", "tsize=0"))
				to := w.expect(t, "OACK tsize=1500")
				for range []int{1, 3, 2}[i] {
					_ = w.WriteTo(wire.AppendAck(nil, 0), to)
				}
				waiting = append(waiting, w)
			}
			for _, next := range []int{1, 2, 0} {
				synctest.Wait()
				_ = c.WriteTo(wire.AppendError(nil, 0, "enough"), tid)
				c = waiting[next]
				tid = c.expect(t, "DATA 1")
			}
		}},
		{"octets in a second are bounded", func(t *testing.T, b *bench) {
			c := b.client("198.51.100.7:1000")
			began := time.Now()
			tid := c.begin(t, "big")
			for block := uint16(1); ; block++ {
				_ = c.WriteTo(wire.AppendAck(nil, block), tid)
				if got, _ := c.reply(t); got == "-" {
					break
				}
			}
			b.expectEvents("file.read name=big bytes=100000 blksize=512 windowsize=1 retransmissions=0")
			if took := time.Since(began) - time.Minute; took < 4*time.Second || took > 6*time.Second {
				t.Errorf("100,000 octets took %v at 20,000 in a second", took)
			}
		}},
		{"a request from port 0 is nobody's", func(t *testing.T, b *bench) {
			c := b.client("198.51.100.7:0")
			c.send(rrq(t, "nbp", ""))
			c.expect(t, "-")
		}},
	}
	settings := map[string]Server{
		"who has asked most often goes first when a transfer ends": {MaxTransfers: 1},
		"octets in a second are bounded":                           {MaxRate: 20000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := serveInMemory(t, tree, settings[tt.name])
				defer b.close()
				tt.run(t, b)
			})
		})
	}
}

// faultyOpener fails as a broken disk does.
type faultyOpener struct{}

func (faultyOpener) Open(context.Context, bootfile.Request) (*bootfile.File, error) {
	return nil, errors.New("opening /srv/secret/nbp: disk on fire")
}

func TestServerFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serveInMemory(t, faultyOpener{}, Server{})
		defer b.close()
		c := b.client("198.51.100.7:1000")
		c.send(rrq(t, "nbp", ""))
		c.expect(t, "ERROR 0 server could not read the file")
		b.expectEvents("file.fault name=nbp error=opening /srv/secret/nbp: disk on fire")
	})
}

// slowOpener takes its time, and notes what it was asked.
type slowOpener struct {
	files
	mu    sync.Mutex
	asked []bootfile.Request
}

func (o *slowOpener) Open(ctx context.Context, r bootfile.Request) (*bootfile.File, error) {
	o.mu.Lock()
	o.asked = append(o.asked, r)
	o.mu.Unlock()
	time.Sleep(10 * time.Second)
	return o.files.Open(ctx, r)
}

func TestServerOpensOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opener := &slowOpener{files: files{`\Boot\BCD`: contents("boot/bcd", make([]byte, 10))}}
		closed := 0
		opener.files[`\Boot\BCD`].Close = func() error { closed++; return nil }
		b := serveInMemory(t, opener, Server{})
		defer b.close()
		c := b.client("198.51.100.7:1000")
		for range 3 {
			c.send(rrq(t, `\Boot\BCD`, ""))
			time.Sleep(4 * time.Second)
		}
		tid := c.expect(t, "DATA 1")
		_ = c.WriteTo(wire.AppendAck(nil, 1), tid)
		b.expectEvents("file.read name=boot/bcd bytes=10 blksize=512 windowsize=1 retransmissions=1")
		want := []bootfile.Request{{Name: `\Boot\BCD`, Client: c.at, Local: requestPort.Addr(), Via: "tftp"}}
		if diff := cmp.Diff(want, opener.asked, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
			cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("asked of the opener (-want +got):\n%s", diff)
		}
		if closed != 1 {
			t.Errorf("the file was closed %d times", closed)
		}
	})
}

// TestServerForgetsARequest lets a client ask for something else while its
// first file is still being opened: only the second request has an answer.
func TestServerForgetsARequest(t *testing.T) {
	for _, name := range []string{"slow", "missing"} {
		synctest.Test(t, func(t *testing.T) {
			b := serveInMemory(t, &slowOpener{files: files{
				"slow": contents("slow", make([]byte, 10)),
				"next": contents("next", make([]byte, 10)),
			}}, Server{})
			defer b.close()
			c := b.client("198.51.100.7:1000")
			c.send(rrq(t, name, ""))
			time.Sleep(time.Second)
			c.send(rrq(t, "next", "tsize=0"))
			tid := c.expect(t, "OACK tsize=10")
			_ = c.WriteTo(wire.AppendAck(nil, 0), tid)
			c.expect(t, "DATA 1")
			_ = c.WriteTo(wire.AppendAck(nil, 1), tid)
			c.expect(t, "-")
			synctest.Wait()
			if got := b.events.take(); len(got) != 2 || !strings.HasPrefix(got[0], "file.aborted name="+name) ||
				!strings.HasSuffix(got[0], "reason=the client asked anew from the same port heard=false") {
				t.Errorf("events %q", got)
			}
		})
	}
}

func TestServerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serveInMemory(t, files{"nbp": contents("nbp", make([]byte, 1500))}, Server{})
		quick, slow := b.client("198.51.100.7:1000"), b.client("198.51.100.8:1000")
		quick.send(rrq(t, "nbp", "blksize=1024"))
		slow.send(rrq(t, "nbp", ""))
		tid := quick.expect(t, "OACK blksize=1024")
		slow.expect(t, "DATA 1")

		began := time.Now()
		b.stop()
		synctest.Wait() // the request port is closed
		late := b.client("198.51.100.9:1000")
		late.send(rrq(t, "nbp", ""))
		for block := range uint16(3) {
			_ = quick.WriteTo(wire.AppendAck(nil, block), tid)
			if block < 2 {
				quick.expect(t, fmt.Sprintf("DATA %d", block+1))
			}
		}
		b.close()
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v to stop", took)
		}
		slow.expect(t, "ERROR 0 server is stopping")
		if len(late.queue) > 0 {
			t.Error("a request was taken after the end")
		}
		b.expectEvents(
			"file.read name=nbp bytes=1500 blksize=1024 windowsize=1 retransmissions=0",
			"file.aborted name=nbp bytes=0 blksize=512 windowsize=1 retransmissions=0 reason=server is stopping heard=false")
	})
}

func TestServerEndsWithItsConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serveInMemory(t, files{}, Server{})
		b.net.mu.Lock()
		b.net.fails = errors.New("the card is gone")
		b.net.mu.Unlock()
		b.net.Wake()
		if err := <-b.ended; err == nil || !strings.Contains(err.Error(), "the card is gone") || !b.net.closed {
			t.Errorf("Serve: %v, closed %v", err, b.net.closed)
		}
		b.stop()
	})
}

// TestCorpus sends every packet of the corpus to a server that has a file
// under every name, so that only the packet itself can be refused.
func TestCorpus(t *testing.T) {
	const none, illegal, first = "-", "ERROR 4 malformed request", "DATA 1"
	special := map[string]string{
		"tftp/rrq_no_nul.bin":                          none,
		"tftp/data_to_69.bin":                          none,
		"tftp/oack_to_69.bin":                          none,
		"tftp/op0.bin":                                 none,
		"tftp/empty.bin":                               none,
		"tftp/one.bin":                                 none,
		"tftp/ack_short.bin":                           none,
		"tftp/rrq_name_empty.bin":                      illegal,
		"tftp/rrq_name_60000.bin":                      illegal,
		"tftp/rrq_500_options.bin":                     illegal,
		"tftp/rrq_nul_truncate.bin":                    "ERROR 4 mode not supported",
		"tftp/rrq_mode_empty.bin":                      "ERROR 4 mode not supported",
		"tftp/rrq_blksize_8.bin":                       "OACK blksize=8",
		"tftp/rrq_blksize_65465.bin":                   "OACK blksize=1468",
		"tftp/rrq_blksize_4294967296.bin":              "OACK blksize=1468",
		"tftp/rrq_blksize_99999999999999999999999.bin": "OACK blksize=1468",
		"tftp/rrq_dup_options.bin":                     "OACK blksize=512",
		"tftp/rrq_windowsize_64.bin":                   "OACK windowsize=64",
		"tftp/rrq_windowsize_65535.bin":                "OACK windowsize=64",
		"tftp/rrq_windowsize_65536.bin":                "OACK windowsize=64",
		"tftp/rrq_combo_amplify.bin":                   "OACK blksize=1468 windowsize=64",
	}
	for _, c := range wiretest.Corpus(t, "tftp") {
		t.Run(c.Path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := serveInMemory(t, anyName{bytes.Repeat([]byte("x"), 100)}, Server{})
				defer b.close()
				want, ok := special[c.Path]
				if !ok {
					want = first
				}
				client := b.client("198.51.100.7:1000")
				client.send(c.Payload)
				client.expect(t, want)
				synctest.Wait()
				packets := 1
				for {
					got, _ := client.reply(t)
					if got == "-" {
						break
					}
					packets++
				}
				if packets > triesUnheard {
					t.Errorf("%s: %d packets to a peer that never answered", c.Lesson, packets)
				}
				for _, line := range b.events.take() {
					if strings.ContainsAny(line, "\n\x00") {
						t.Errorf("%s: event %q could forge a line of the log", c.Lesson, line)
					}
				}
			})
		})
	}
}

// anyName is an Opener that has one file under every name.
type anyName struct{ contents []byte }

func (a anyName) Open(context.Context, bootfile.Request) (*bootfile.File, error) {
	return contents("any", a.contents), nil
}
