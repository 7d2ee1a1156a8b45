package tftp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"hobnail/internal/bootfile"
	wire "hobnail/internal/wire/tftp"

	"golang.org/x/sys/unix"
)

// onDisk writes random octets into a file and opens it.
func onDisk(t testing.TB, dir string, size int) (*os.File, []byte) {
	t.Helper()
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(b) // never fails
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, b
}

// slowly is content of which nothing is known but that it can be read.
type slowly struct {
	r     io.ReaderAt
	reads atomic.Int64
	fails int64 // the read that fails, counted from 1
}

func (s *slowly) ReadAt(b []byte, off int64) (int, error) {
	if n := s.reads.Add(1); n == s.fails {
		return 0, errors.New("disk on fire")
	}
	time.Sleep(time.Millisecond)
	return s.r.ReadAt(b, off)
}

// readFile fetches a whole file from a server, and gives the ERROR that came
// instead.
func readFile(t testing.TB, at netip.AddrPort, name, asked string) ([]byte, string) {
	t.Helper()
	client, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	r := &reader{asked: asked, blksize: wire.DefaultBlksize, window: 1, expected: 1}
	if _, err := client.WriteToUDPAddrPort(rrq(t, name, asked), at); err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, wire.HeaderSize+wire.MaxBlksize)
	for !r.done {
		_ = client.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, from, err := client.ReadFromUDPAddrPort(packet)
		if err != nil {
			t.Fatalf("after %d octets: %v", len(r.got), err)
		}
		if _, text, err := wire.ParseError(packet[:n]); err == nil {
			return r.got, text
		}
		if answer := r.receive(t, packet[:n]); answer != nil {
			if _, err := client.WriteToUDPAddrPort(answer, from); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r.got, ""
}

// TestEveryKindOfContent reads the same octets from a disk, from memory, from
// a part of a larger file, and from what only fetching reads.
func TestEveryKindOfContent(t *testing.T) {
	const size, before = 3*chunkSize + 777, 4321
	disk, all := onDisk(t, t.TempDir(), before+size+99)
	memory, inMemory := onDisk(t, "/dev/shm", before+size+99)
	defer os.Remove(memory.Name())
	if !bytes.Equal(all, inMemory) {
		t.Fatal("the files differ")
	}
	want := all[before : before+size]
	for name, content := range map[string]io.ReaderAt{
		"disk, part":         io.NewSectionReader(disk, before, size),
		"disk, part of part": io.NewSectionReader(io.NewSectionReader(disk, 321, before+size), before-321, size),
		"tmpfs, part":        io.NewSectionReader(memory, before, size),
		"memory":             bytes.NewReader(want),
		"memory, part":       io.NewSectionReader(bytes.NewReader(all), before, size),
		"fetched":            &slowly{r: bytes.NewReader(want)},
	} {
		t.Run(name, func(t *testing.T) {
			file := &bootfile.File{Name: "file", Size: size, Content: content, ETag: `"1"`}
			at := serveOn(t, "127.0.0.1:0", &Server{Opener: files{"file": file}})
			for _, asked := range []string{"", "blksize=1428", "blksize=1428 windowsize=16", "blksize=65464", "blksize=16384 windowsize=64"} {
				if got, fault := readFile(t, at, "file", asked); !bytes.Equal(got, want) {
					t.Errorf("%q: %d octets, want these %d; ERROR %q", asked, len(got), len(want), fault)
				}
			}
		})
	}
}

// TestFileThatGetsShorter ends with an ERROR, not with fewer octets.
func TestFileThatGetsShorter(t *testing.T) {
	for _, dir := range []string{t.TempDir(), "/dev/shm"} {
		disk, all := onDisk(t, dir, 1<<20)
		defer os.Remove(disk.Name())
		if err := os.Truncate(disk.Name(), 1<<19); err != nil {
			t.Fatal(err)
		}
		file := &bootfile.File{Name: "file", Size: 1 << 20, Content: disk, ETag: `"1"`}
		at := serveOn(t, "127.0.0.1:0", &Server{Opener: files{"file": file}})
		got, fault := readFile(t, at, "file", "blksize=1024 windowsize=4")
		if fault != faultText || !bytes.Equal(got, all[:1<<19]) {
			t.Errorf("in %s: %d octets and ERROR %q", dir, len(got), fault)
		}
	}
}

// TestContentThatFails is told to the client, and the next one may have more
// luck.
func TestContentThatFails(t *testing.T) {
	want := bytes.Repeat([]byte("hobnail."), chunkSize/2)
	file := &bootfile.File{Name: "file", Size: int64(len(want)), Content: &slowly{r: bytes.NewReader(want), fails: 3}, ETag: `"1"`}
	at := serveOn(t, "127.0.0.1:0", &Server{Opener: files{"file": file}})
	if got, fault := readFile(t, at, "file", "blksize=1024"); fault != faultText {
		t.Errorf("%d octets and ERROR %q", len(got), fault)
	}
	if got, fault := readFile(t, at, "file", "blksize=1024"); !bytes.Equal(got, want) {
		t.Errorf("the second time: %d octets and ERROR %q", len(got), fault)
	}
}

// counting is an Opener of one file, open as often as it was asked for.
type counting struct {
	file   bootfile.File
	opened atomic.Int64
	closed atomic.Int64
}

func (c *counting) Open(context.Context, bootfile.Request) (*bootfile.File, error) {
	c.opened.Add(1)
	f := c.file
	f.Close = func() error { c.closed.Add(1); return nil }
	return &f, nil
}

// TestReadOnceForAll has many read one file at the same time: what has to be
// fetched is fetched once, and all that was opened is closed.
func TestReadOnceForAll(t *testing.T) {
	const clients, size = 20, 8 * chunkSize
	content := &slowly{r: bytes.NewReader(make([]byte, size))}
	opener := &counting{file: bootfile.File{Name: "file", Size: size, Content: content, ETag: `"1"`}}
	at := serveOn(t, "127.0.0.1:0", &Server{Opener: opener})
	done := make(chan int)
	for range clients {
		go func() {
			got, _ := readFile(t, at, "file", "blksize=1428 windowsize=8")
			done <- len(got)
		}()
	}
	for range clients {
		if got := <-done; got != size {
			t.Errorf("%d octets arrived, want %d", got, size)
		}
	}
	if n := content.reads.Load(); n > 2*size/chunkSize {
		t.Errorf("the content was read %d times for %d chunks", n, size/chunkSize)
	}
	waitFor(t, func() bool { return opener.opened.Load() == opener.closed.Load() }, "all files closed")
}

func waitFor(t testing.TB, ok func() bool, what string) {
	t.Helper()
	for range 200 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("not so after 2 s: %s", what)
}

func TestSinglePort(t *testing.T) {
	conn, err := Listen("127.0.0.1:0", Ports{Single: true})
	if err != nil {
		t.Fatal(err)
	}
	at := conn.Addr()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	want := bytes.Repeat([]byte("x"), 5000)
	go func() { ended <- (&Server{Opener: files{"file": contents("file", want)}}).Serve(ctx, conn) }()
	client, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(at)) // hears nobody else
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	r := &reader{asked: "blksize=1024 windowsize=2", blksize: wire.DefaultBlksize, window: 1, expected: 1}
	_, _ = client.Write(rrq(t, "file", r.asked))
	_ = client.SetReadDeadline(time.Now().Add(10 * time.Second))
	for b := make([]byte, 2000); !r.done; {
		n, err := client.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if answer := r.receive(t, b[:n]); answer != nil {
			_, _ = client.Write(answer)
		}
	}
	if !bytes.Equal(r.got, want) {
		t.Errorf("%d octets arrived", len(r.got))
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestIPv6(t *testing.T) {
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
		t.Skipf("this host has no IPv6: %v", err)
	} else {
		c.Close()
	}
	want := bytes.Repeat([]byte("hobnail."), 20000)
	conn, err := Listen(":0", Ports{})
	if err != nil {
		t.Fatal(err)
	}
	port := conn.Addr().Port()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- (&Server{Opener: files{"file": contents("file", want)}}).Serve(ctx, conn) }()
	for _, host := range []string{"::1", "127.0.0.1"} {
		got, fault := readFile(t, netip.AddrPortFrom(netip.MustParseAddr(host), port), "file", "blksize=1428 windowsize=16")
		if !bytes.Equal(got, want) {
			t.Errorf("from %s: %d octets, want %d; ERROR %q", host, len(got), len(want), fault)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestWithoutSegmentation has the packets of a window sent one by one, because
// the kernel does not know UDP_SEGMENT, or because it cannot cut this time.
func TestWithoutSegmentation(t *testing.T) {
	want := bytes.Repeat([]byte("hobnail."), 50000)
	for _, how := range []string{"unknown", "refused"} {
		conn, err := Listen("127.0.0.1:0", Ports{})
		if err != nil {
			t.Fatal(err)
		}
		conn.out.segments = how == "refused"
		if how == "refused" {
			try := conn.out.try
			conn.out.try = func(fd, from, end int) (int, error) {
				if int(conn.out.of(from).vector.Len) > 1432 {
					return 0, unix.EINVAL
				}
				return try(fd, from, from+1)
			}
		}
		at := conn.Addr()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- (&Server{Opener: files{"file": contents("file", want)}}).Serve(ctx, conn) }()
		if got, fault := readFile(t, at, "file", "blksize=1428 windowsize=16"); !bytes.Equal(got, want) {
			t.Errorf("%s: %d octets, want %d; ERROR %q", how, len(got), len(want), fault)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
