package nbp

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
)

func TestWithServer(t *testing.T) {
	const before, after = "set server=", "\nset root=\"tftp,$server\"\n"
	for _, tt := range []struct {
		name   string
		server netip.Addr
		want   string
	}{
		{"a short address is filled up with spaces", netip.MustParseAddr("10.1.2.3"), "10.1.2.3       "},
		{"the longest fits", netip.MustParseAddr("192.168.100.200"), "192.168.100.200"},
		{"an address as a socket for both families gives it", netip.MustParseAddr("::ffff:10.77.1.2"), "10.77.1.2      "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			program := []byte(before + serverMark + after)
			r, err := withServer(program, tt.server)
			if err != nil {
				t.Fatal(err)
			}
			want := before + tt.want + after
			got, err := io.ReadAll(io.NewSectionReader(r, 0, int64(len(program))))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			// Block by block, wherever the blocks begin and end.
			if err := iotest.TestReader(io.NewSectionReader(r, 0, int64(len(program))), []byte(want)); err != nil {
				t.Error(err)
			}
			if string(program) != before+serverMark+after {
				t.Error("the program itself was changed, which others get too")
			}
		})
	}
}

func TestWithServerRefuses(t *testing.T) {
	address := netip.MustParseAddr("10.77.1.2")
	for _, tt := range []struct {
		name    string
		program string
		server  netip.Addr
		want    string
	}{
		{"a program without a place", "MZ", address, "it has 0 places for a server's address (@HOBNAIL-SERVER), a GRUB for proxy mode has one"},
		{"a program with two", serverMark + serverMark, address, "it has 2 places for a server's address (@HOBNAIL-SERVER), a GRUB for proxy mode has one"},
		{"an address of IPv6", serverMark, netip.MustParseAddr("fd00::2"), "the server's address fd00::2 is not IPv4"},
		{"no address", serverMark, netip.Addr{}, "the server's address invalid IP is not IPv4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := withServer([]byte(tt.program), tt.server); err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// What is in a GRUB for proxy mode decides whether it is taken into the
// inventory, not only whether it can be opened later.
func TestGRUBProxyNeedsOnePlace(t *testing.T) {
	image := func(config string) []byte {
		return pe{machine: 0xaa64, plus: true, sections: []peSection{{Name: "mods", Data: []byte(config)}}}.bytes()
	}
	dir := folder(t, map[string][]byte{
		"uefi-arm64/grubproxyaa64.efi":  image("set server=" + serverMark + "\n"),
		"uefi-arm64/grubproxy-none.efi": image("set server=10.77.1.2\n"),
	})
	v, faults, err := Load(dir, Rules{})
	if err != nil {
		t.Fatal(err)
	}
	if len(faults) != 1 || !strings.HasSuffix(faults[0].String(), "grubproxy-none.efi has 0 places for a server's address (@HOBNAIL-SERVER), a GRUB for proxy mode has one") {
		t.Errorf("faults %v, want one about grubproxy-none.efi", faults)
	}
	own, ok := v.Find(model.ArchARM64, LoaderGRUBProxy)
	if !ok || !strings.HasPrefix(own.Source, dir) {
		t.Errorf("found %v: %+v, want the user's", ok, own)
	}
}

func TestOpenForChangesNothingElse(t *testing.T) {
	v := newInventory(built(t), nil, Rules{})
	address := netip.MustParseAddr("10.77.1.2")
	for _, p := range v.Programs() {
		plain := content(t, v, p)
		r, size, _, err := v.OpenFor(p.Arch, p.File, address)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(r, 0, size))
		if err != nil {
			t.Fatal(err)
		}
		want := plain
		if p.Loader == LoaderGRUBProxy {
			want = bytes.ReplaceAll(plain, []byte("=@HOBNAIL-SERVER\n"), []byte("=10.77.1.2      \n"))
			if bytes.Equal(want, plain) {
				t.Errorf("%s %s has no place for an address at the end of a line", p.Arch, p.File)
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s %s is not what it has to be", p.Arch, p.File)
		}
	}
}

// GRUB for proxy mode carries its first configuration, as it is in the
// repository, and looks for it inside itself.
func TestEmbeddedGRUBProxyConfiguration(t *testing.T) {
	config, err := os.ReadFile("../../scripts/grub-proxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	v := newInventory(built(t), nil, Rules{})
	for _, a := range []model.Arch{model.ArchIA32, model.ArchARM32, model.ArchARM64} {
		p, ok := v.Find(a, LoaderGRUBProxy)
		if !ok {
			t.Errorf("%s has none; the build's warnings say why", a)
			continue
		}
		b := content(t, v, p)
		if !bytes.Contains(b, config) || !bytes.Contains(b, []byte("\x00(memdisk)/grub\x00")) {
			t.Errorf("%s does not carry scripts/grub-proxy.cfg, or does not look there", p.File)
		}
	}
}
