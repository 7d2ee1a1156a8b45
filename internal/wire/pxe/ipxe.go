package pxe

import "fmt"

// Sub-options of option 175.
const (
	ipxePriority   = 0x01
	ipxeNoPXEDHCP  = 0xb0
	ipxeVersion    = 0xeb
	firstFeature   = 0x10
	featureCodeTop = 0x4f
)

// Feature is something that iPXE can be compiled with. Its code is that of a
// sub-option of option 175 (iPXE's features.h).
type Feature uint8

// Features of iPXE.
const (
	FeaturePXEExt    Feature = 0x10
	FeatureISCSI     Feature = 0x11
	FeatureAoE       Feature = 0x12
	FeatureHTTP      Feature = 0x13
	FeatureHTTPS     Feature = 0x14
	FeatureTFTP      Feature = 0x15
	FeatureFTP       Feature = 0x16
	FeatureDNS       Feature = 0x17
	FeatureBzImage   Feature = 0x18
	FeatureMultiboot Feature = 0x19
	FeaturePXE       Feature = 0x21
	FeatureELF       Feature = 0x22
	FeatureEFI       Feature = 0x24
	FeatureVLAN      Feature = 0x26
	FeatureMenu      Feature = 0x27
	FeatureSDI       Feature = 0x28
	FeatureNFS       Feature = 0x29
)

// IPXE is what iPXE says of itself in option 175.
type IPXE struct {
	Version  [3]uint8 // zero if not sent; Debian 12's says 1.0.0 for everything
	features uint64   // bit n: feature firstFeature+n
}

// Has reports whether this iPXE was compiled with a feature.
func (i IPXE) Has(f Feature) bool {
	return f >= firstFeature && f <= featureCodeTop && i.features&(1<<(f-firstFeature)) != 0
}

// ParseIPXE reads the value of option 175. Sub-options it does not know are
// passed over; one that runs past the end or has a wrong length is an error.
func ParseIPXE(data []byte) (IPXE, error) {
	var i IPXE
	err := walk("option 175", data, func(code byte, value []byte) error {
		switch {
		case code == ipxeVersion:
			if len(value) != len(i.Version) {
				return fmt.Errorf("%d octets are not a version", len(value))
			}
			i.Version = [3]uint8(value)
		case code >= firstFeature && code <= featureCodeTop:
			if len(value) != 1 {
				return fmt.Errorf("%d octets are not a feature", len(value))
			}
			if value[0] != 0 {
				i.features |= 1 << (code - firstFeature)
			}
		}
		return nil
	})
	if err != nil {
		return IPXE{}, err
	}
	return i, nil
}

// NoPXEDHCP is option 175 for a reply to iPXE that says "wait for no
// ProxyDHCP": without it iPXE holds its REQUEST back for two seconds.
func NoPXEDHCP() []byte { return []byte{ipxeNoPXEDHCP, 1, 1} }

// Priority is option 175 for an OFFER to iPXE that is to win over others;
// those without one count as 0. It can be joined with NoPXEDHCP.
func Priority(p int8) []byte { return []byte{ipxePriority, 1, byte(p)} }
