package app

import (
	"net/netip"
	"testing"

	"hobnail/internal/config"
)

func TestConsoleLine(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("10.77.1.2")}
	for _, tc := range []struct{ name, file, want string }{
		{"as built in", "", "console: http://localhost:8080/ from this host alone; console of [server] opens it to others"},
		{"one address is listened on", "http = '10.77.1.3:80'", "console: http://10.77.1.3:80/ from this host alone; console of [server] opens it to others"},
		{"open to networks", "console = ['10.77.1.0/24', 'fd00::/8']", "console: http://10.77.1.2:8080/ from 10.77.1.0/24 fd00::/8 and this host"},
		{"open, and the server has a configured address", "console = '10.77.1.0/24'\naddress = '10.77.1.9'", "console: http://10.77.1.9:8080/ from 10.77.1.0/24 and this host"},
		{"HTTPS alone", "http = 'off'\nhttps = ':8443'", "console: https://localhost:8443/ from this host alone; console of [server] opens it to others"},
		{"off", "console = 'off'", ""},
		{"no HTTP at all", "http = 'off'", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg, faults := config.Parse("hobnail.toml", []byte("[server]\n"+tc.file))
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			if got := consoleLine(&cfg.Server, own); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// Browsers may call the server by each of its names, in any case.
func TestConsoleNames(t *testing.T) {
	cfg, faults := config.Parse("hobnail.toml", []byte("[server]\nname = 'Boot1'\nhttps_names = 'Boot.example.net'\nconsole_names = 'PXE.example.net'"))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	a := consoleAccess(&cfg.Server)
	for host, want := range map[string]bool{
		"boot1:8080": true, "BOOT1": true, "boot.example.net": true, "pxe.example.net:8443": true, "evil.example.net": false,
	} {
		if got := a.Called(host); got != want {
			t.Errorf("%s: %v, want %v", host, got, want)
		}
	}
}
