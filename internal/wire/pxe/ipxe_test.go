package pxe

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

func TestParseIPXEOfRealBuilds(t *testing.T) {
	for _, tc := range []struct {
		capture string
		has     []Feature
		lacks   []Feature
	}{
		{"38-ipxe-uefi-discover",
			[]Feature{FeatureHTTP, FeatureTFTP, FeatureDNS, FeatureEFI, FeatureMenu, FeatureNFS, FeatureISCSI, FeatureAoE},
			[]Feature{FeatureHTTPS, FeaturePXE, FeatureBzImage, FeatureFTP, FeaturePXEExt}},
		{"40-ipxe-bios-discover",
			[]Feature{FeatureHTTP, FeaturePXE, FeatureBzImage, FeatureELF, FeatureMultiboot, FeaturePXEExt, FeatureMenu},
			[]Feature{FeatureHTTPS, FeatureEFI, FeatureVLAN, FeatureSDI}},
	} {
		t.Run(tc.capture, func(t *testing.T) {
			p, err := dhcp4.Parse(wiretest.Packet(t, tc.capture))
			if err != nil {
				t.Fatal(err)
			}
			value, _ := p.Options.Get(dhcp4.OptIPXE)
			got, err := ParseIPXE(value)
			if err != nil {
				t.Fatal(err)
			}
			if got.Version != [3]uint8{1, 0, 0} {
				t.Errorf("version %v, want 1.0.0", got.Version)
			}
			for _, f := range tc.has {
				if !got.Has(f) {
					t.Errorf("lacks feature %#x", uint8(f))
				}
			}
			for _, f := range tc.lacks {
				if got.Has(f) {
					t.Errorf("has feature %#x", uint8(f))
				}
			}
		})
	}
}

func TestParseIPXE(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   string
		want IPXE
		err  string
	}{
		{"nothing", "", IPXE{}, ""},
		{"a version", "\xeb\x03\x02\x00\x01", IPXE{Version: [3]uint8{2, 0, 1}}, ""},
		{"a feature that is off", "\x13\x01\x00", IPXE{}, ""},
		{"a feature before the end and one after it", "\x13\x01\x01\xff\x14\x01\x01", IPXE{features: 1 << 3}, ""},
		{"padding and sub-options of others", "\x00\xb1\x05\x01\x1a\xf4\x10\x00\x00\x01\x01\x05\x15\x01\x01", IPXE{features: 1 << 5}, ""},
		{"a length past the end", "\x13\x01\x01\xb1\xff\x01", IPXE{}, "read option 175: sub-option 177 runs past the end"},
		{"a code as last octet", "\x13", IPXE{}, "read option 175: sub-option 19 has no length"},
		{"a version of two octets", "\xeb\x02\x01\x00", IPXE{}, "read option 175: sub-option 235: 2 octets are not a version"},
		{"a feature of no octets", "\x13\x00", IPXE{}, "read option 175: sub-option 19: 0 octets are not a feature"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseIPXE([]byte(tc.in))
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(IPXE{})); diff != "" {
				t.Errorf("features (-want +got):\n%s", diff)
			}
			if errText(err) != tc.err {
				t.Errorf("error %q, want %q", errText(err), tc.err)
			}
		})
	}
}

func TestHasKnowsItsBounds(t *testing.T) {
	all := IPXE{features: 1<<64 - 1}
	for f := range 256 {
		if got, want := all.Has(Feature(f)), f >= 0x10 && f <= 0x4f; got != want {
			t.Errorf("feature %#x: %v, want %v", f, got, want)
		}
	}
}

func TestReplyOptionsForIPXE(t *testing.T) {
	if diff := cmp.Diff([]byte{0xb0, 1, 1}, NoPXEDHCP()); diff != "" {
		t.Errorf("NoPXEDHCP (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]byte{1, 1, 0xff}, Priority(-1)); diff != "" {
		t.Errorf("Priority (-want +got):\n%s", diff)
	}
	if _, err := ParseIPXE(append(Priority(5), NoPXEDHCP()...)); err != nil {
		t.Error(err)
	}
}

// errText is an error's text, "" for none.
func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
