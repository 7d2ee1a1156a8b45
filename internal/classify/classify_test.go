package classify_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

func addr(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func itemText(f classify.Facts) string {
	return fmt.Sprintf("type %d layer %d", f.Item.Type, f.Item.Layer)
}

// request is a DISCOVER from 52:54:00:12:34:56 with options in order.
func request(opts ...dhcp4.Option) *dhcp4.Packet {
	p := &dhcp4.Packet{Op: dhcp4.OpRequest, HType: dhcp4.HTypeEthernet, HLen: 6}
	copy(p.CHAddr[:], []byte{0x52, 0x54, 0, 0x12, 0x34, 0x56})
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Discover))
	p.Options = append(p.Options, opts...)
	return p
}

func text(code dhcp4.OptionCode, s string) dhcp4.Option {
	return dhcp4.Option{Code: code, Data: []byte(s)}
}

func octets(code dhcp4.OptionCode, b ...byte) dhcp4.Option { return dhcp4.Option{Code: code, Data: b} }

// onPort67 classifies a packet as it comes over the wire.
func onPort67(t *testing.T, p *dhcp4.Packet) classify.Facts { return onPort(t, p, 67) }

func onPort(t *testing.T, p *dhcp4.Packet, port uint16) classify.Facts {
	t.Helper()
	b, err := p.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = dhcp4.Parse(b); err != nil {
		t.Fatal(err)
	}
	return classify.DHCP(p, classify.Ingress{Port: port})
}

// TestArchitecture: option 93 counts, 60 only where it fails, and BIOS is
// nobody's default but that of clients that name nothing at all.
func TestArchitecture(t *testing.T) {
	pxe := text(dhcp4.OptVendorClass, "PXEClient")
	for _, tc := range []struct {
		name string
		opts []dhcp4.Option
		arch model.Arch
		why  string // ArchName
	}{
		{"93 says x64", []dhcp4.Option{octets(93, 0, 7), text(60, "PXEClient:Arch:00007:UNDI:003016")}, model.ArchX64, "x64 UEFI"},
		{"93 says 9, which is x64 in practice", []dhcp4.Option{octets(93, 0, 9), pxe}, model.ArchX64, "EBC"},
		{"93 wins over 60", []dhcp4.Option{octets(93, 0, 11), text(60, "PXEClient:Arch:00000:UNDI:002001")}, model.ArchARM64, "ARM 64-bit UEFI"},
		{"93 lists a dead one first", []dhcp4.Option{octets(93, 0, 1, 0, 6), pxe}, model.ArchIA32, "x86 UEFI"},
		{"93 lists two", []dhcp4.Option{octets(93, 0, 27, 0, 7), pxe}, model.ArchRISCV64, "RISC-V 64-bit UEFI"},
		{"93 is dead", []dhcp4.Option{octets(93, 0, 3), pxe}, "", "DEC Alpha"},
		{"93 is unassigned", []dhcp4.Option{octets(93, 255, 255), pxe}, "", "unassigned architecture code 65535"},
		{"93 is odd and 60 names x64", []dhcp4.Option{octets(93, 0, 7, 0), text(60, "PXEClient:Arch:00007:UNDI:003016")}, model.ArchX64, "x64 UEFI"},
		{"93 is odd and 60 names nothing", []dhcp4.Option{octets(93, 0, 7, 0), pxe}, "", ""},
		{"93 is empty and 60 names nothing", []dhcp4.Option{octets(93), pxe}, "", ""},
		{"no 93 and 60 in decimal", []dhcp4.Option{text(60, "PXEClient:Arch:00016:UNDI:003000")}, model.ArchX64, "x64 UEFI boot from HTTP"},
		{"no 93 and 60 in hexadecimal", []dhcp4.Option{text(60, "PXEClient:Arch:0001b:UNDI:003000")}, model.ArchRISCV64, "RISC-V 64-bit UEFI"},
		{"no 93 and nothing in 60", []dhcp4.Option{pxe}, model.ArchBIOS, "x86 BIOS"},
		{"no 93 and a number too large in 60", []dhcp4.Option{text(60, "PXEClient:Arch:99999999999:UNDI:-00001")}, "", ""},
		{"no 93 and nothing in HTTP boot's 60", []dhcp4.Option{text(60, "HTTPClient")}, "", ""},
		{"nothing at all", nil, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := onPort67(t, request(tc.opts...))
			if f.Arch != tc.arch || f.ArchName != tc.why {
				t.Errorf("architecture %q (%s), want %q (%s)", f.Arch, f.ArchName, tc.arch, tc.why)
			}
		})
	}
}

// TestClass: option 60 says in which form the answer has to come.
func TestClass(t *testing.T) {
	for _, tc := range []struct {
		name     string
		opts     []dhcp4.Option
		class    classify.Class
		firmware model.Firmware
	}{
		{"PXE with a PXE architecture", []dhcp4.Option{text(60, "PXEClient:Arch:00007:UNDI:003016"), octets(93, 0, 7)}, classify.ClassPXE, model.FirmwareUEFI},
		{"HTTP with an HTTP architecture", []dhcp4.Option{text(60, "HTTPClient:Arch:00016:UNDI:003016"), octets(93, 0, 16)}, classify.ClassHTTP, model.FirmwareHTTP},
		{"PXE with an HTTP architecture", []dhcp4.Option{text(60, "PXEClient"), octets(93, 0, 16)}, classify.ClassPXE, model.FirmwareUEFI},
		{"PXE with BIOS's HTTP architecture", []dhcp4.Option{text(60, "PXEClient"), octets(93, 0, 20)}, classify.ClassPXE, model.FirmwareBIOS},
		{"HTTP with a PXE architecture", []dhcp4.Option{text(60, "HTTPClient"), octets(93, 0, 7)}, classify.ClassHTTP, model.FirmwareHTTP},
		{"U-Boot's first try", []dhcp4.Option{text(60, "U-Boot.armv8"), octets(93, 0, 22)}, classify.ClassUBoot, model.FirmwareUBoot},
		{"U-Boot's second try", []dhcp4.Option{text(60, "PXEClient:Arch:00011:UNDI:003000"), octets(93, 0, 11)}, classify.ClassPXE, model.FirmwareUEFI},
		{"U-Boot without 60", []dhcp4.Option{octets(93, 0, 21)}, classify.ClassUBoot, model.FirmwareUBoot},
		{"a BMC", []dhcp4.Option{text(60, "udhcp 1.23.1")}, classify.ClassNone, ""},
		{"Windows", []dhcp4.Option{text(60, "MSFT 5.0")}, classify.ClassNone, ""},
		{"petitboot", []dhcp4.Option{octets(93, 0, 14)}, classify.ClassNone, model.FirmwareOther},
		{"a prefix of PXEClient", []dhcp4.Option{text(60, "PXECl"), octets(93, 0, 7)}, classify.ClassNone, model.FirmwareUEFI},
		{"an empty 60", []dhcp4.Option{text(60, "")}, classify.ClassNone, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := onPort67(t, request(tc.opts...))
			if f.Class != tc.class || f.Firmware != tc.firmware || f.Boots() != (tc.class != classify.ClassNone) {
				t.Errorf("class %q, firmware %q, boots %v; want %q, %q", f.Class, f.Firmware, f.Boots(), tc.class, tc.firmware)
			}
		})
	}
}

// TestStage: iPXE is known by option 77 in either form, or by option 175.
func TestStage(t *testing.T) {
	pxe, x64 := text(60, "PXEClient:Arch:00007:UNDI:003010"), octets(93, 0, 7)
	for _, tc := range []struct {
		name  string
		opts  []dhcp4.Option
		stage classify.Stage
	}{
		{"firmware", []dhcp4.Option{pxe, x64}, classify.StageFirmware},
		{"bare iPXE", []dhcp4.Option{pxe, x64, text(77, "iPXE")}, classify.StageIPXE},
		{"length-counted iPXE", []dhcp4.Option{pxe, x64, text(77, "\x04iPXE")}, classify.StageIPXE},
		{"iPXE among other classes", []dhcp4.Option{pxe, x64, text(77, "\x03lab\x04iPXE")}, classify.StageIPXE},
		{"another user class", []dhcp4.Option{pxe, x64, text(77, "iPXE2")}, classify.StageFirmware},
		{"option 175 alone", []dhcp4.Option{pxe, x64, octets(175, 0x13, 1, 1)}, classify.StageIPXE},
		{"option 175 damaged", []dhcp4.Option{pxe, x64, octets(175, 0xb1, 0xff, 1)}, classify.StageIPXE},
		{"option 175 empty", []dhcp4.Option{pxe, x64, octets(175)}, classify.StageIPXE},
		{"gPXE", []dhcp4.Option{pxe, x64, octets(175, 0x13, 1, 1), text(77, "gPXE")}, classify.StageFirmware},
		{"HTTP firmware", []dhcp4.Option{text(60, "HTTPClient"), x64}, classify.StageFirmware},
		{"an operating system that calls itself iPXE", []dhcp4.Option{text(77, "iPXE")}, classify.StageOS},
		{"an operating system", nil, classify.StageOS},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if f := onPort67(t, request(tc.opts...)); f.Stage != tc.stage {
				t.Errorf("stage %s, want %s", f.Stage, tc.stage)
			}
		})
	}
}

func TestQuirks(t *testing.T) {
	mac := func(oui [3]byte, opts ...dhcp4.Option) *dhcp4.Packet {
		p := request(opts...)
		copy(p.CHAddr[:], oui[:])
		return p
	}
	pxe, bios := text(60, "PXEClient:Arch:00000:UNDI:002001"), octets(93, 0, 0)
	rpiUUID := text(97, "\x00RPi4\x11\x31\xc0\x00\x12\x34\x56\x78\x9a\xbc\xde\xf0")
	for _, tc := range []struct {
		name   string
		packet *dhcp4.Packet
		port   uint16
		arch   model.Arch
		class  classify.Class
		quirks string
	}{
		{"a Raspberry Pi 3", mac([3]byte{0xb8, 0x27, 0xeb}, pxe, bios), 67, model.ArchRPi, classify.ClassPXE, "raspberry-pi-rom"},
		{"a Raspberry Pi 5", mac([3]byte{0x2c, 0xcf, 0x67}, pxe, bios), 67, model.ArchRPi, classify.ClassPXE, "raspberry-pi-rom"},
		{"a Raspberry Pi 4 with a MAC of its owner's", request(pxe, bios, rpiUUID), 67, model.ArchRPi, classify.ClassPXE, "raspberry-pi-rom"},
		{"a Raspberry Pi with UEFI", mac([3]byte{0xdc, 0xa6, 0x32}, text(60, "PXEClient:Arch:00011:UNDI:003000"), octets(93, 0, 11)), 67, model.ArchARM64, classify.ClassPXE, ""},
		{"a PC", request(pxe, bios), 67, model.ArchBIOS, classify.ClassPXE, ""},
		{"a Cisco router", request(text(60, "PXEClient:Arch:00009:UNDI:003010:PID:NCS-5508"), octets(93, 0, 9), text(77, "exr-config")), 67, model.ArchX64, classify.ClassNone, "cisco-ztp"},
		{"a Mac", request(text(60, "AAPLBSDPC/i386/MacBookPro9,2")), 67, "", classify.ClassNone, "apple-bsdp"},
		{"wdsmgfw at port 4011", request(pxe, bios, octets(250, 1, 2, 0, 7)), 4011, model.ArchBIOS, classify.ClassPXE, "wds-client"},
		{"wdsmgfw at port 67", request(pxe, bios, octets(250, 1, 2, 0, 7)), 67, model.ArchBIOS, classify.ClassPXE, ""},
		{"gPXE", request(pxe, bios, text(77, "gPXE"), octets(175, 1, 1, 0)), 67, model.ArchBIOS, classify.ClassPXE, "gpxe"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := onPort(t, tc.packet, tc.port)
			s := summarise(f)
			if f.Arch != tc.arch || f.Class != tc.class || s.Quirks != tc.quirks {
				t.Errorf("%s, class %q, quirks %q; want %s, %q, %q", f.Arch, f.Class, s.Quirks, tc.arch, tc.class, tc.quirks)
			}
			if f.Class == classify.ClassNone && f.Stage != classify.StageOS {
				t.Errorf("no boot client, and stage %s", f.Stage)
			}
			for _, row := range f.Archs {
				if tc.arch == model.ArchRPi && row.Arch == model.ArchBIOS {
					t.Error("BIOS is still among the architectures: the board could be given a BIOS program")
				}
			}
			for _, q := range f.Quirks {
				if !f.HasQuirk(q.Name) || q.Text == "" {
					t.Errorf("quirk %+v is not found or says nothing", q)
				}
			}
		})
	}
}

// TestIdentity: the hardware address names a machine; a client id stands in
// only where there is none.
func TestIdentity(t *testing.T) {
	id := octets(61, 0xff, 1, 2, 3)
	infiniband := request(id)
	infiniband.HType, infiniband.HLen, infiniband.CHAddr = 32, 0, [16]byte{}
	zeros := request()
	zeros.CHAddr = [16]byte{}
	other := func(htype, hlen uint8, opts ...dhcp4.Option) *dhcp4.Packet {
		p := request(opts...)
		p.HType, p.HLen = htype, hlen
		copy(p.CHAddr[6:], []byte{7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
		return p
	}
	nameless := request()
	nameless.HType, nameless.HLen = 32, 0
	for _, tc := range []struct {
		name     string
		packet   *dhcp4.Packet
		key      model.MAC
		who      string
		uuid     model.UUID
		clientID string
	}{
		{"an Ethernet machine", request(), "52:54:00:12:34:56", "52:54:00:12:34:56", "", ""},
		{"an operating system with its own client id", request(id), "52:54:00:12:34:56", "52:54:00:12:34:56", "", "ff010203"},
		{"InfiniBand", infiniband, "id-ff010203", "client id ff010203", "", "ff010203"},
		{"Ethernet with seven octets", other(1, 7), "", "hardware type 1 without an address", "", ""},
		{"hardware of no type", other(0, 6), "", "hardware type 0 without an address", "", ""},
		{"hardware with eight octets", other(27, 8), "hw-27-5254001234560708", "hardware type 27 address 5254001234560708", "", ""},
		{"hardware with sixteen octets and a client id", other(8, 16, id), "id-ff010203", "client id ff010203", "", "ff010203"},
		{"an empty client id", request(octets(61)), "52:54:00:12:34:56", "52:54:00:12:34:56", "", ""},
		{"Ethernet of zeros", zeros, "", "hardware type 1 without an address", "", ""},
		{"nothing to go by", nameless, "", "hardware type 32 without an address", "", ""},
		{"a UUID", request(text(97, "\x00DELLC\x00\x100\x80R\xb4\xc0OM52")), "52:54:00:12:34:56", "52:54:00:12:34:56", "4c4c4544-0043-3010-8052-b4c04f4d3532", ""},
		{"a UUID of zeros", request(octets(97, make([]byte, 17)...)), "52:54:00:12:34:56", "52:54:00:12:34:56", "", ""},
		{"a UUID of another kind", request(text(97, "\x01DELLC\x00\x100\x80R\xb4\xc0OM52")), "52:54:00:12:34:56", "52:54:00:12:34:56", "", ""},
		{"a short UUID", request(octets(97, 0, 1, 2)), "52:54:00:12:34:56", "52:54:00:12:34:56", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := onPort67(t, tc.packet)
			if f.Key() != tc.key || f.Who() != tc.who || f.UUID != tc.uuid || f.ClientID != tc.clientID {
				t.Errorf("key %q, %q, UUID %q, client id %q; want %q, %q, %q, %q",
					f.Key(), f.Who(), f.UUID, f.ClientID, tc.key, tc.who, tc.uuid, tc.clientID)
			}
		})
	}
}

// TestPlace: what relays and switches add.
func TestPlace(t *testing.T) {
	type place struct {
		Relay, LinkSelect, Subnet, Override, Circuit, Remote string
		Relayed, RelayPort, Bad                              bool
	}
	relayed := func(opts ...dhcp4.Option) *dhcp4.Packet {
		p := request(opts...)
		p.GIAddr = netip.MustParseAddr("10.77.2.1")
		return p
	}
	for _, tc := range []struct {
		name   string
		packet *dhcp4.Packet
		want   place
	}{
		{"nothing", request(), place{}},
		{"a plain relay", relayed(), place{Relay: "10.77.2.1", Relayed: true}},
		{"a relay that names port and itself", relayed(text(82, "\x01\x03ge1\x02\x02r7")), place{Relay: "10.77.2.1", Relayed: true, Circuit: "ge1", Remote: "r7"}},
		{"a snooping switch", request(text(82, "\x01\x03ge1")), place{Circuit: "ge1"}},
		{"a selected link", relayed(octets(82, 5, 4, 10, 77, 3, 0)), place{Relay: "10.77.2.1", Relayed: true, LinkSelect: "10.77.3.0"}},
		{"a selected subnet", relayed(octets(118, 10, 77, 4, 0)), place{Relay: "10.77.2.1", Relayed: true, Subnet: "10.77.4.0"}},
		{"a selected link and a selected subnet", relayed(octets(118, 10, 77, 4, 0), octets(82, 5, 4, 10, 77, 3, 0)), place{Relay: "10.77.2.1", Relayed: true, Subnet: "10.77.4.0", LinkSelect: "10.77.3.0"}},
		{"a client that selects its subnet without a relay", request(octets(118, 10, 77, 4, 0)), place{}},
		{"what only a relay may ask for, from none", request(octets(82, 5, 4, 10, 77, 3, 0, 11, 4, 10, 77, 2, 1, 19, 0)), place{}},
		{"a flag that the client sent by unicast", relayed(octets(82, 10, 1, 0x80)), place{Relay: "10.77.2.1", Relayed: true}},
		{"a link that is no address", relayed(octets(82, 5, 4, 0, 0, 0, 0), octets(118, 0, 0, 0, 0)), place{Relay: "10.77.2.1", Relayed: true}},
		{"another server id", relayed(octets(82, 11, 4, 10, 77, 2, 1)), place{Relay: "10.77.2.1", Relayed: true, Override: "10.77.2.1"}},
		{"another server id of zeros", relayed(octets(82, 11, 4, 0, 0, 0, 0)), place{Relay: "10.77.2.1", Relayed: true}},
		{"its own port", relayed(octets(82, 19, 0)), place{Relay: "10.77.2.1", Relayed: true, RelayPort: true}},
		{"a sub-option past the end", relayed(octets(82, 1, 9, 'x')), place{Relay: "10.77.2.1", Relayed: true, Bad: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := onPort67(t, tc.packet)
			got := place{addr(f.Relay), addr(f.LinkSelect), addr(f.SubnetSelect), addr(f.Override), f.CircuitID, f.RemoteID, f.Relayed(), f.RelayPort, f.BadRelayInfo}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestItem: the chosen boot server is read from PXE clients only, and a
// damaged option 43 is as good as none.
func TestItem(t *testing.T) {
	pxe := text(60, "PXEClient")
	for _, tc := range []struct {
		name string
		opts []dhcp4.Option
		want string
	}{
		{"a chosen item", []dhcp4.Option{pxe, octets(43, 71, 4, 0x80, 1, 0x80, 0, 255)}, "type 32769 layer 32768"},
		{"no item", []dhcp4.Option{pxe, octets(43, 6, 1, 8, 255)}, ""},
		{"a damaged option", []dhcp4.Option{pxe, octets(43, 71, 9, 1)}, ""},
		{"another vendor's option 43", []dhcp4.Option{text(60, "ArubaAP"), octets(43, 71, 4, 0x80, 1, 0, 0)}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := summarise(onPort67(t, request(tc.opts...))).Item; got != tc.want {
				t.Errorf("item %q, want %q", got, tc.want)
			}
		})
	}
}

// TestRepeatedServerIDCountsOnce: two instances of an address are not one
// value of eight octets.
func TestRepeatedServerIDCountsOnce(t *testing.T) {
	f := onPort67(t, request(octets(54, 10, 77, 2, 1), octets(54, 10, 77, 2, 9)))
	if got := addr(f.ServerID); got != "10.77.2.1" {
		t.Errorf("server id %q, want the first, 10.77.2.1", got)
	}
}

// TestDHCPTakesAnything: no packet that parses makes it panic, and what says
// nothing of booting never boots.
func TestDHCPTakesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := request()
		p.HType = rapid.Uint8().Draw(t, "hardware type")
		p.HLen = rapid.Uint8Range(0, 16).Draw(t, "hardware length")
		codes := rapid.SampledFrom([]dhcp4.OptionCode{12, 43, 50, 54, 56, 60, 61, 77, 82, 93, 97, 118, 175, 250})
		for range rapid.IntRange(0, 8).Draw(t, "options") {
			p.Options.Add(codes.Draw(t, "code"), rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "data"))
		}
		f := classify.DHCP(p, classify.Ingress{Port: rapid.SampledFrom([]uint16{67, 4011}).Draw(t, "port")})
		if f.Boots() == (f.Stage == classify.StageOS) {
			t.Fatalf("class %q and stage %q do not go together", f.Class, f.Stage)
		}
		if f.Arch == model.ArchBIOS && p.Options.Has(dhcp4.OptArch) {
			raw, _ := p.Options.Get(dhcp4.OptArch)
			codes, err := dhcp4.ParseArchs(raw)
			if err == nil && !contains(codes, 0) && !contains(codes, 20) {
				t.Fatalf("option 93 % x is taken for BIOS", raw)
			}
		}
	})
}

func contains(codes []uint16, c uint16) bool {
	for _, have := range codes {
		if have == c {
			return true
		}
	}
	return false
}

// FuzzDHCP: neither decoder nor classifier is brought down by a packet.
func FuzzDHCP(f *testing.F) {
	for _, c := range wiretest.CapturesTo(f, dhcp4.ServerPort, dhcp4.BootPort) {
		f.Add(c.Payload, c.Dst.Port())
	}
	for _, c := range wiretest.Corpus(f, "dhcp4") {
		if len(c.Payload) <= wiretest.MaxSeed {
			f.Add(c.Payload, uint16(67))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, port uint16) {
		p, err := dhcp4.Parse(b)
		if err != nil {
			return
		}
		facts := classify.DHCP(p, classify.Ingress{Port: port})
		if facts.Who() == "" || facts.Boots() == (facts.Stage == classify.StageOS) {
			t.Errorf("who %q, class %q, stage %q", facts.Who(), facts.Class, facts.Stage)
		}
	})
}

// TestTextsEndBeforeTheirNULs: RFC 2132 section 2.
func TestTextsEndBeforeTheirNULs(t *testing.T) {
	f := onPort67(t, request(text(60, "MSFT 5.0\x00"), text(12, "lab-01\x00\x00"), text(56, "\x00")))
	if f.VendorClass != "MSFT 5.0" || f.Hostname != "lab-01" || f.DeclineText != "" {
		t.Errorf("vendor class %q, host name %q, message %q", f.VendorClass, f.Hostname, f.DeclineText)
	}
}
