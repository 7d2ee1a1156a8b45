//go:build interop

package tftp

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestInteropOracle has tshark read what this package writes: an independent
// dissector must find the same fields in it.
func TestInteropOracle(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Fatal("tshark is missing; install the package tshark")
	}
	request, err := Request{OpRead, "boot/grubx64.efi", "octet",
		Options{{"tsize", "0"}, {"blksize", "1468"}, {"windowsize", "4"}}}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	oack, err := AppendOAck(nil, Options{{"tsize", "5368709120"}, {"blksize", "1468"}})
	if err != nil {
		t.Fatal(err)
	}
	const client, server = 2000, 69
	capture := filepath.Join(t.TempDir(), "tftp.pcap")
	pcap := pcapHeader()
	pcap = appendUDP(pcap, client, server, request)
	pcap = appendUDP(pcap, server, client, oack)
	pcap = appendUDP(pcap, client, server, AppendAck(nil, 0))
	pcap = appendUDP(pcap, server, client, AppendData(nil, 1, []byte("contents")))
	pcap = appendUDP(pcap, server, client, AppendError(nil, ErrorNotFound, "file not found"))
	if err := os.WriteFile(capture, pcap, 0o600); err != nil {
		t.Fatal(err)
	}
	fields := []string{"opcode", "source_file", "type", "option.name", "option.value", "block", "error.code", "error.message"}
	args := []string{"-r", capture, "-T", "fields", "-E", "separator=|"}
	for _, f := range fields {
		args = append(args, "-e", "tftp."+f)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(tshark, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running tshark: %v\n%s", err, stderr.String())
	}
	want := strings.Join([]string{
		"1|boot/grubx64.efi|octet|tsize,blksize,windowsize|0,1468,4|||",
		"6|||tsize,blksize|5368709120,1468|||",
		"4|||||0||",
		"3|||||1||",
		"5||||||1|file not found",
		"",
	}, "\n")
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("fields as tshark sees them (-want +got):\n%s", diff)
	}
}

// pcapHeader begins a capture file of raw IPv4 packets (link type 228).
func pcapHeader() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = binary.LittleEndian.AppendUint32(b, 65535)
	return binary.LittleEndian.AppendUint32(b, 228)
}

// appendUDP adds a datagram between 192.0.2.1, which has port 69, and
// 192.0.2.2.
func appendUDP(b []byte, src, dst uint16, payload []byte) []byte {
	length := 28 + len(payload)
	b = append(b, make([]byte, 8)...)
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	host := func(port uint16) byte {
		if port == 69 {
			return 1
		}
		return 2
	}
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, 0, 0, 0, 0, 64, 17, 0, 0)
	b = append(b, 192, 0, 2, host(src), 192, 0, 2, host(dst))
	b = binary.BigEndian.AppendUint16(b, src)
	b = binary.BigEndian.AppendUint16(b, dst)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(b, 0, 0)
	return append(b, payload...)
}
