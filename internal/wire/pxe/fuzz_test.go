package pxe

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

// seed adds one option of every capture and of every case of the corpus.
func seed(f *testing.F, code dhcp4.OptionCode) {
	f.Helper()
	var payloads [][]byte
	for _, c := range wiretest.CapturesTo(f, dhcp4.ServerPort, dhcp4.BootPort) {
		payloads = append(payloads, c.Payload)
	}
	for _, c := range wiretest.Corpus(f, "dhcp4") {
		payloads = append(payloads, c.Payload)
	}
	for _, b := range payloads {
		p, err := dhcp4.Parse(b)
		if err != nil {
			continue
		}
		if value, ok := p.Options.Get(code); ok && len(value) <= wiretest.MaxSeed {
			f.Add(value)
		}
	}
}

func FuzzParseVendorOptions(f *testing.F) {
	seed(f, dhcp4.OptVendorSpecific)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > wiretest.MaxSeed {
			return
		}
		var v VendorOptions
		var err error
		wiretest.Bounded(t, func(m *wiretest.Meter) { m.Measure(func() { v, err = ParseVendorOptions(b) }) })
		if err != nil {
			return
		}
		first, err := v.Encode()
		if err != nil {
			if len(b) < 255 {
				t.Fatalf("%d octets parsed but not encoded: %v", len(b), err)
			}
			return
		}
		again, err := ParseVendorOptions(first)
		if err != nil {
			t.Fatalf("encoded but not parsed: %v\n%x", err, first)
		}
		if !reflect.DeepEqual(v, again) { // cmp takes a hundred times as long
			if diff := cmp.Diff(v, again, sameOptions); diff != "" {
				t.Fatalf("decoded again (-want +got):\n%s", diff)
			}
		}
		if second, err := again.Encode(); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("encoded again, error %v:\n%x\n%x", err, first, second)
		}
	})
}

func FuzzParseIPXE(f *testing.F) {
	seed(f, dhcp4.OptIPXE)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > wiretest.MaxSeed {
			return
		}
		var i IPXE
		var err error
		wiretest.Bounded(t, func(m *wiretest.Meter) { m.Measure(func() { i, err = ParseIPXE(b) }) })
		if err != nil && i != (IPXE{}) {
			t.Fatalf("%+v beside error %v", i, err)
		}
	})
}

func FuzzClasses(f *testing.F) {
	seed(f, dhcp4.OptVendorClass)
	seed(f, dhcp4.OptUserClass)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > wiretest.MaxSeed {
			return
		}
		var c Class
		var ok bool
		var items [][]byte
		wiretest.Bounded(t, func(m *wiretest.Meter) {
			m.Measure(func() { c, ok = ParseClass(string(b)) })
			m.Measure(func() { items = UserClasses(b) })
		})
		if ok {
			if !bytes.HasPrefix(b, []byte(c.Name)) || len(c.Arch()) > 2 {
				t.Fatalf("%q read as %+v, architecture %v", b, c, c.Arch())
			}
		}
		total := 0
		for _, item := range items {
			total += len(item)
		}
		if total > len(b) || len(b) > 0 && total == 0 {
			t.Fatalf("%d octets of user class gave %d", len(b), total)
		}
	})
}
