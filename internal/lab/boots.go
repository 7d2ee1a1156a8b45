package lab

import "encoding/json"

// Boot is what "hobnail boots" says of one attempt of one machine.
type Boot struct {
	ID      string
	MAC     string
	Verdict Verdict
	Events  []BootEvent // of Server.Boot alone
}

// Verdict is how hobnail says that a boot ended.
type Verdict struct {
	Code, Detail, Outcome, Text, Cause, Remedy string
	Final                                      bool
	Notes                                      []struct{ Code, Text string }
}

// BootEvent is one line of a boot's record.
type BootEvent struct {
	Kind, Why, Words string
}

// String is the verdict as a person reads it first.
func (v Verdict) String() string {
	code := v.Code
	if v.Detail != "" {
		code += "/" + v.Detail
	}
	if !v.Final {
		code += " (so far)"
	}
	return code + ": " + v.Text
}

// Boots asks a running hobnail for all boots that it keeps, the newest first.
func (s *Server) Boots() []Boot {
	s.Host.lab.t.Helper()
	var all struct{ Boots []Boot }
	s.ask(&all, "boots", "--json", "--limit", "0")
	return all.Boots
}

// Boot asks a running hobnail for one boot, with its events.
func (s *Server) Boot(id string) Boot {
	s.Host.lab.t.Helper()
	var b Boot
	s.ask(&b, "boots", "show", id, "--json")
	return b
}

// ask runs a command of hobnail's that prints JSON, with the server's
// configuration.
func (s *Server) ask(answer any, args ...string) {
	t := s.Host.lab.t
	t.Helper()
	out := s.Host.Run(append(append([]string{hobnailBinary(t)}, args...), "-c", s.Config)...)
	if err := json.Unmarshal([]byte(out), answer); err != nil {
		t.Fatalf("hobnail %s: %v: %s", commandLine(args), err, out)
	}
}
