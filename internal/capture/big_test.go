package capture

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"hobnail/internal/model"
)

var bigSize = flag.Int("size", 64, "octets of TestBigCapture's file, in MiB")

// bigLimit is how much memory any capture may take.
const bigLimit = 512 << 20

// writeBig writes a capture of about that size: boots that read by TFTP and
// HTTP, thousands of machines that read next to nothing, and what else there is
// on a network. It gives the number of boots.
func writeBig(t testing.TB, out io.Writer, size int) int {
	t.Helper()
	file := bufio.NewWriterSize(out, 1<<20)
	counted := &countWriter{w: file}
	w := pcapgo.NewWriterNanos(counted)
	if err := w.WriteFileHeader(1<<18, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	c := newTape(t)
	boots := 0
	content := make([]byte, 600_000)
	for counted.n < size {
		m := newMachine(c)
		m.mac = model.MACFromBytes([]byte{2, 0, byte(boots >> 24), byte(boots >> 16), byte(boots >> 8), byte(boots)})
		address := fmt.Sprintf("10.%d.%d.%d", 1+boots>>16&0x7f, boots>>8&0xff, boots&0xff)
		m.takes(ovmf, request, said{server: hobnail, address: address, file: "boot.efi", next: hobnail, class: "PXEClient", bypass: true})
		c.now = c.now.Add(-3 * time.Second)
		small := counted.n > size*3/4 // the last quarter is machines, not contents
		m.playBig(address, content, small)
		boots++
		for _, p := range c.all {
			data := link(layers.LinkTypeEthernet, nil, p.ip)
			if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: p.at, Length: len(data), CaptureLength: len(data)}, data); err != nil {
				t.Fatal(err)
			}
		}
		c.all = c.all[:0]
	}
	if err := file.Flush(); err != nil {
		t.Fatal(err)
	}
	return boots
}

func (m *machine) playBig(address string, content []byte, small bool) {
	read := func(name string, b []byte) {
		tr := &played{m: m, from: address + ":2000", server: hobnail + ":3000", name: name, blksize: 1468}
		tr.again()
		tr.data(1, b[:min(len(b), 1468)])
		tr.ack(1)
		if len(b) > 1468 {
			for n := 2; n <= len(b)/1468+1; n++ {
				tr.data(n, b[(n-1)*1468:min(len(b), n*1468)])
				tr.ack(n)
			}
		}
	}
	if small {
		for i := range 12 {
			read(fmt.Sprintf("x64/module%d.mod", i), content[:100])
		}
		return
	}
	read("boot.efi", content)
	w := &webConn{m: m, from: address + ":4000", server: hobnail + ":80", seq: 1, ack: 1}
	w.gets("debian/linux", content)
	other := &webConn{m: m, from: address + ":4001", server: "93.184.216.34:443", seq: 1, ack: 1}
	other.asks("nobody can read this")
	other.says(content[:100_000])
}

type countWriter struct {
	w io.Writer
	n int
}

func (c *countWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += n
	return n, err
}

// highWater is the most memory that this process has had so far.
func highWater(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skipf("no /proc here: %v", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// processorTime is what this process has used so far.
func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestBigCapture reads a large capture in bounded memory: 64 MiB, or as -size
// says ("make proof-explain").
func TestBigCapture(t *testing.T) {
	name := filepath.Join(t.TempDir(), "big.pcap")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	boots := writeBig(t, f, *bigSize<<20)
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := 0
	began, worked := time.Now(), processorTime(t)
	sum, err := Explain(f, Options{Boot: func(b *model.Boot) error {
		seen++
		if len(b.Steps) == 0 || b.Verdict.Code == "" {
			t.Errorf("a boot without steps or verdict: %+v", b)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	took, worked := time.Since(began), processorTime(t)-worked
	most := highWater(t)
	t.Logf("%d MiB, %d packets, %d boots in %v, %v of processor time: %.0f MB/s, %.0f by processor time, at most %d MiB of memory",
		size>>20, sum.Packets, seen, took.Round(time.Millisecond), worked.Round(time.Millisecond),
		float64(size)/1e6/took.Seconds(), float64(size)/1e6/worked.Seconds(), most>>20)
	if seen != boots {
		t.Errorf("%d boots, want %d", seen, boots)
	}
	if most > bigLimit {
		t.Errorf("%d MiB of memory, at most %d are allowed", most>>20, bigLimit>>20)
	}
}

func BenchmarkExplain(b *testing.B) {
	for _, bench := range []struct {
		name string
		size int
	}{{"mixed", 16 << 20}} {
		var file strings.Builder
		writeBig(b, &file, bench.size)
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(file.Len()))
			for b.Loop() {
				if _, err := Explain(strings.NewReader(file.String()), Options{Boot: func(*model.Boot) error { return nil }}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
