package site

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/boots"
	"hobnail/internal/config"
	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// BenchmarkScript makes a menu of ten images, about 4 KiB.
func BenchmarkScript(b *testing.B) {
	cfg := config.Default()
	cfg.Server.Name = "boot1"
	for i := range 10 {
		cfg.Images = append(cfg.Images, model.Image{
			Name: fmt.Sprintf("image-%d", i), Title: fmt.Sprintf("An image of a middling length, number %d", i), CPU: model.CPUX64,
			Kernel: "/srv/linux", Cmdline: "console=ttyS0,115200 quiet url={{.Server.URL}}/answers/{{.Machine.Name}}",
		})
	}
	s := &Site{Policy: policy.Compile(cfg, cfg.Images, policy.Programs{}), Boots: boots.NewMemory(), Started: time.Now()}
	r := bootfile.Request{Name: "/m/525400123456/uefi-x64/boot.ipxe", Client: netip.MustParseAddrPort("10.77.2.50:1024"), Local: netip.MustParseAddr("10.77.1.2"), Via: "http"}
	b.ReportAllocs()
	for b.Loop() {
		f, err := s.Open(b.Context(), r)
		if err != nil || f.Size < 3000 {
			b.Fatal(f, err)
		}
	}
}
