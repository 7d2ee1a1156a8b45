package dhcp4

import (
	"testing"

	"hobnail/internal/wire/wiretest"
)

func BenchmarkParse(b *testing.B) {
	payload := wiretest.Packet(b, "30-ovmf-x64-pxe-discover")
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	p := offer()
	buf := make([]byte, 0, 1500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Append(buf); err != nil {
			b.Fatal(err)
		}
	}
}
