package lab

import (
	"fmt"
	"os"
	"path/filepath"
)

// Server is a running hobnail.
type Server struct {
	*Proc
	Host   *Host
	Config string // absolute name of its configuration file
}

// Hobnail starts the built binary on a host and returns when it says that it
// is ready. conf is a configuration that begins inside the [server] table:
// name and data are set here, data to a directory of the lab.
//
// The binary is the one that HOBNAIL_BIN names, or the one that make build
// leaves at the root of the repository.
func (h *Host) Hobnail(conf string) *Server {
	h.lab.t.Helper()
	bin := hobnailBinary(h.lab.t)
	text := fmt.Sprintf("[server]\nname = %q\ndata = %q\n%s", h.Name, h.lab.Path("hobnail-"+h.Name), conf)
	s := &Server{Host: h, Config: h.lab.WriteFile("hobnail-"+h.Name+"/hobnail.toml", text)}
	s.Proc = h.Start("hobnail-"+h.Name, bin, "serve", "--debug", "-c", s.Config)
	s.WaitFor(`(?m)^ready: `, startup)
	return s
}

// Simulate asks hobnail what a machine that sends this DHCP message to port 67
// or 4011 would get by the server's configuration, and returns what "hobnail
// simulate --json" prints.
func (s *Server) Simulate(message []byte, port uint16) []byte {
	t := s.Host.lab.t
	t.Helper()
	file, err := os.CreateTemp(s.Host.lab.dir, "simulate-*.bin")
	if err != nil {
		t.Fatalf("simulating: %v", err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.Write(message); err != nil {
		t.Fatalf("simulating: %v", err)
	}
	return []byte(s.Host.Run(hobnailBinary(t), "simulate", "--json", "-c", s.Config,
		"--server", s.Host.Addr().String(), "--port", fmt.Sprint(port), "--packet", file.Name()))
}

// Binary is the name of the binary that Hobnail starts.
func Binary(h *Host) string { return hobnailBinary(h.lab.t) }

// hobnailBinary finds the binary under test.
func hobnailBinary(t TB) string {
	t.Helper()
	if path := os.Getenv("HOBNAIL_BIN"); path != "" {
		return path
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("looking for hobnail: %v", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			path := filepath.Join(dir, "hobnail")
			if _, err := os.Stat(path); err != nil {
				t.Fatalf("there is no %s: run make build first, or set HOBNAIL_BIN", path)
			}
			return path
		}
		if dir == filepath.Dir(dir) {
			t.Fatalf("not inside the repository: set HOBNAIL_BIN to the binary")
		}
	}
}
