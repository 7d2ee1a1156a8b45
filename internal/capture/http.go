package capture

import (
	"bytes"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/record"
)

// What a status says (RFC 9110 section 15), and the method that has no body.
const (
	statusOK          = 200
	statusNoContent   = 204
	statusNotModified = 304
	statusNotFound    = 404
	statusGone        = 410
	statusUnavailable = 503

	methodGet  = "GET"
	methodHead = "HEAD"
)

// maxHead bounds what is kept of a request or an answer until its head is
// whole.
const maxHead = 4096

// isRequest reports whether octets begin as requests do that boots consist of.
func isRequest(b []byte) bool {
	return bytes.HasPrefix(b, []byte("GET ")) || bytes.HasPrefix(b, []byte("HEAD "))
}

// readRequest takes the first line of a request; ok is false for one that
// cannot be read.
func readRequest(head []byte) (method, name string, ok bool) {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	method, rest, ok := strings.Cut(string(line), " ")
	if !ok {
		return "", "", false
	}
	target, _, _ := strings.Cut(strings.TrimRight(rest, "\r"), " ")
	if _, after, absolute := strings.Cut(target, "://"); absolute {
		_, target, _ = strings.Cut(after, "/")
	}
	target, _, _ = strings.Cut(target, "?")
	if plain, err := url.PathUnescape(target); err == nil {
		target = plain
	}
	name = strings.TrimLeft(target, "/")
	return method, record.Printable(name), name != ""
}

// answer is the head of a response.
type answer struct {
	status  int
	length  int64 // of the body; -1: not announced
	chunked bool
}

// readAnswer takes the head of a response, as far as it was captured.
func readAnswer(head []byte, method string) (a answer, ok bool) {
	lines := strings.Split(string(head), "\n")
	version, rest, _ := strings.Cut(lines[0], " ")
	code, _, _ := strings.Cut(strings.TrimRight(rest, "\r"), " ")
	status, err := strconv.Atoi(code)
	if !strings.HasPrefix(version, "HTTP/1.") || err != nil || status < 100 || status > 599 {
		return answer{}, false
	}
	a = answer{status: status, length: -1}
	for _, line := range lines[1:] {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case strings.EqualFold(key, "Content-Length"):
			if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 && n < 1<<60 {
				a.length = n
			}
		case strings.EqualFold(key, "Transfer-Encoding"):
			a.chunked = strings.EqualFold(value, "chunked")
		}
	}
	if a.chunked {
		a.length = -1
	}
	if method == methodHead || status == statusNotModified || status == statusNoContent || status < 200 {
		a.length, a.chunked = 0, false
	}
	return a, true
}

// kind says what an answer that came to its end means; ok is false for one that
// sends the client elsewhere, or on.
func (a *answer) kind(method string) (kind model.StepKind, ok bool) {
	switch {
	case a.status == statusNotModified:
		return model.StepProbe, true
	case a.status < 200, a.status < 400 && a.status >= 300:
		return "", false
	case a.status < 300 && method == methodHead:
		return model.StepProbe, true
	case a.status < 300:
		return model.StepRead, true
	case a.status == statusNotFound, a.status == statusGone:
		return model.StepMissing, true
	case a.status >= 500 && a.status != statusUnavailable:
		return model.StepFault, true
	}
	return model.StepRefused, true
}

// exchange is one request and its answer.
type exchange struct {
	method, name string
	frame        int
	began        time.Time
	asked        int // how often it was sent
	answer       answer
	secret       bool // inside TLS
}

// step makes the step of an exchange. octets are those of the body that the
// client has.
func (x *exchange) step(kind model.StepKind, role model.FileRole, id connID, until time.Time, octets int64) model.Step {
	f := &model.FileStep{
		Name: x.name, Via: "http", Role: role, Octets: octets, Code: x.answer.status,
		Duration: max(0, until.Sub(x.began)).Round(time.Microsecond), Heard: x.answer.status != 0 || octets > 0,
	}
	if x.answer.length > 0 && !x.answer.chunked && x.answer.status == statusOK {
		f.Size = x.answer.length
	}
	s := model.Step{
		Time: x.began, Kind: kind, Frame: x.frame, Last: until,
		Client: id.client.Addr(), Server: id.server.Addr(), File: f,
	}
	switch {
	case x.answer.status == 0 && kind == model.StepFault:
		s.Text = "the server closed the connection without an answer"
	case kind == model.StepRefused || kind == model.StepFault:
		s.Text = fmt.Sprintf("HTTP %d", x.answer.status)
	}
	return s
}

// matters reports whether what became of a file says something of a boot. A
// system that runs reads all manner of things from all manner of servers.
func matters(s *model.Step, boot func(netip.Addr) bool) bool {
	if boot(s.Server) {
		return true
	}
	switch s.File.Role {
	case model.RoleOther:
		return false
	case model.RoleAnswer:
		return s.Kind == model.StepRead
	}
	return true
}
