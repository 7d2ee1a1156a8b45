package walk

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strconv"
	"testing"

	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/tftp"
)

// fakeTFTP is a server of one file, with faults.
type fakeTFTP struct {
	file      []byte
	largest   int  // packets with more contents are lost; 0: none is
	noOptions bool // of RFC 2347
	noTsize   bool
	deaf      bool // what comes to the data port is lost
	missing   bool
	dropFirst int // that many blocks are lost once
}

// serve answers requests one after another until the test ends.
func (f *fakeTFTP) serve(t *testing.T) uint16 {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if req, err := tftp.ParseRequest(buf[:n]); err == nil {
				go f.transfer(req, from)
			}
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

func (f *fakeTFTP) transfer(req tftp.Request, to netip.AddrPort) {
	conn, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return
	}
	defer conn.Close()
	if f.missing {
		conn.Write(tftp.AppendError(nil, tftp.ErrorNotFound, "no such file"))
		return
	}
	blksize := tftp.DefaultBlksize
	var opts tftp.Options
	if v, ok := req.Options.Get(tftp.OptionBlksize); ok && !f.noOptions {
		blksize, _ = strconv.Atoi(v)
		opts = append(opts, tftp.Option{Name: tftp.OptionBlksize, Value: v})
	}
	if !f.noOptions && !f.noTsize {
		opts = append(opts, tftp.Option{Name: tftp.OptionTsize, Value: strconv.Itoa(len(f.file))})
	}
	block := uint16(1)
	if len(opts) > 0 {
		b, _ := tftp.AppendOAck(nil, opts)
		conn.Write(b)
		if !f.await(conn, 0) {
			return
		}
	}
	for rest := f.file; ; block++ {
		n := min(blksize, len(rest))
		b := tftp.AppendData(nil, block, rest[:n])
		switch {
		case f.largest > 0 && n > f.largest:
			return
		case f.dropFirst > 0:
			f.dropFirst--
		default:
			conn.Write(b)
		}
		if !f.awaitAgain(conn, block, b) || n < blksize {
			return
		}
		rest = rest[n:]
	}
}

func (f *fakeTFTP) await(conn *net.UDPConn, block uint16) bool {
	return f.awaitAgain(conn, block, nil)
}

// awaitAgain waits for an ACK, and sends a packet again when the one before is
// acknowledged once more.
func (f *fakeTFTP) awaitAgain(conn *net.UDPConn, block uint16, again []byte) bool {
	buf := make([]byte, 2048)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return false
		}
		if f.deaf {
			continue
		}
		got, err := tftp.ParseAck(buf[:n])
		switch {
		case err != nil:
			return false // an ERROR ends it
		case got == block:
			return true
		case again != nil:
			conn.Write(again)
		}
	}
}

var home = netip.MustParseAddr("127.0.0.1")

// TestReadTFTP: what the client makes of servers of every kind.
func TestReadTFTP(t *testing.T) {
	t.Parallel()
	file := bytes.Repeat([]byte("boot file "), 1000)
	for _, c := range []struct {
		name  string
		f     fakeTFTP
		ask   asking
		check func(r got) bool
	}{
		{"a whole file", fakeTFTP{file: file}, asking{blksize: firmwareBlock}, func(r got) bool {
			return r.done && bytes.Equal(r.data, file) && r.size == int64(len(file)) && r.oack && r.acked && r.blocks == 7
		}},
		{"a file of whole blocks", fakeTFTP{file: file[:1024]}, asking{}, func(r got) bool { return r.done && bytes.Equal(r.data, file[:1024]) }},
		{"its size alone", fakeTFTP{file: file}, asking{blksize: firmwareBlock, probe: true}, func(r got) bool {
			return r.done && len(r.data) == 0 && r.size == int64(len(file)) && !r.refused
		}},
		{"its first block", fakeTFTP{file: file}, asking{blksize: 600, first: true}, func(r got) bool { return r.done && r.blocks == 1 && r.full }},
		{"a server without options", fakeTFTP{file: file, noOptions: true}, asking{blksize: firmwareBlock}, func(r got) bool {
			return r.done && !r.oack && r.size < 0 && bytes.Equal(r.data, file)
		}},
		{"a server without tsize", fakeTFTP{file: file, noTsize: true}, asking{blksize: firmwareBlock, probe: true}, func(r got) bool { return r.oack && r.size < 0 }},
		{"a file that is not there", fakeTFTP{missing: true}, asking{}, func(r got) bool { return r.refused && r.code == tftp.ErrorNotFound && r.text == "no such file" }},
		{"a block that was lost", fakeTFTP{file: file, dropFirst: 1}, asking{blksize: firmwareBlock}, func(r got) bool { return r.done && r.again == 1 && bytes.Equal(r.data, file) }},
		{"a path for small packets", fakeTFTP{file: file, largest: 1000}, asking{blksize: firmwareBlock, tries: 1}, func(r got) bool {
			return !r.done && r.oack && r.blocks == 0 && r.answered
		}},
		{"a server that does not hear us", fakeTFTP{file: file, deaf: true}, asking{blksize: firmwareBlock, tries: 1}, func(r got) bool { return !r.done && r.oack && !r.acked }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.ask.name, c.ask.port = "boot.efi", c.f.serve(t)
			if r := readTFTP(t.Context(), home, home, c.ask); !c.check(r) {
				r.data = nil
				t.Errorf("it went so: %+v", r)
			}
		})
	}
}

// TestLargestBlock finds the size between one that passes and one that does
// not.
func TestLargestBlock(t *testing.T) {
	t.Parallel()
	f := &fakeTFTP{file: bytes.Repeat([]byte{1}, 4000), largest: 1463}
	ask := asking{name: "boot.efi", port: f.serve(t)}
	if n := largestBlock(t.Context(), home, home, ask, 1460, firmwareBlock); n != 1463 {
		t.Errorf("found %d, want 1463", n)
	}
}

// TestReach: a port where nobody listens is told from one that is silent.
func TestReach(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: home.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	to := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if r := reachOf(ctx, home, to, []byte{0}); r != silent {
		t.Errorf("a port that is open is %q", r)
	}
	conn.Close()
	if r := reachOf(t.Context(), home, to, []byte{0}); r != closed {
		t.Errorf("a port that is closed is %q", r)
	}
}

// TestRelayInfoStaysLast: what a REQUEST adds stands before option 82.
func TestRelayInfoStaysLast(t *testing.T) {
	all := dhcp4.Options{{Code: 53}, {Code: 82}, {Code: 50}, {Code: 54}}
	var codes []dhcp4.OptionCode
	for _, o := range beforeRelayInfo(all, 2) {
		codes = append(codes, o.Code)
	}
	if want := []dhcp4.OptionCode{53, 50, 54, 82}; string(codesText(codes)) != string(codesText(want)) {
		t.Errorf("the options are %v, want %v", codes, want)
	}
}

func codesText(all []dhcp4.OptionCode) (b []byte) {
	for _, c := range all {
		b = append(b, byte(c))
	}
	return b
}

// TestOwnMAC: nobody's, of one machine, and the same each time.
func TestOwnMAC(t *testing.T) {
	a := ownMAC("eth0").Bytes()
	if len(a) != 6 || a[0]&3 != 2 {
		t.Errorf("% x is no locally administered address of one machine", a)
	}
	first, again, other := ownMAC("eth0"), ownMAC("eth0"), ownMAC("eth1")
	if first != again || first == other {
		t.Error("the address is not one for each place")
	}
}
