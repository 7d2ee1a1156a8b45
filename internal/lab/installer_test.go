//go:build lab

package lab

import (
	"strings"
	"testing"
	"time"
)

// nameServer is a line more of the subnet: the installer asks for a name server
// if DHCP names none. Nobody is there.
const nameServer = "dns = [\"" + routerAddr + "\"]\n"

// handsFree configures a server whose machines install without questions.
const handsFree = gives + nameServer + `
[boot]
unknown = "local"
[install]
vars = { password_hash = "$6$lab$lab", domain = "lab", disk = "/dev/vda" }
`

// TestInstallerReadsItsAnswers: a machine with Secure Boot on that is armed
// starts Debian's installer, which reads the answer file of this attempt with
// nobody at the keyboard. It has no mirror here and comes to no end: switched
// off and on again, it gets its second attempt, under another token.
func TestInstallerReadsItsAnswers(t *testing.T) {
	t.Parallel()
	Slot(t)
	l := New(t)
	lan := l.Link("lan")
	server, _ := sameLink(l, lan, handsFree)
	server.command("machines", "add", "box", "--mac", machineMAC)
	server.command("machines", "install", "box", "--image", "debian-12")
	m := l.Machine(UEFIx64Secure, lan, MachineOpts{MAC: machineMAC, Wait: 6 * time.Minute})
	m.Expect(kernelLine)
	if !poll(6*time.Minute, func() bool { return len(readAnswers(server)) > 0 }) {
		t.Fatalf("the installer never read its answer file:\n%s", lastLines(server.Output(), 15))
	}
	server.checkInstall("box", "running", 1)
	m.Reset()
	m.Expect(kernelLine)
	server.checkInstall("box", "running", 2)
	if !strings.Contains(server.Output(), "code=install.again") {
		t.Errorf("nobody was told that it came back:\n%s", lastLines(server.Output(), 15))
	}
}

// readAnswers are the tokens under which an answer file was read to its end.
func readAnswers(s *Server) (tokens []string) {
	for line := range strings.Lines(s.Output()) {
		_, rest, ok := strings.Cut(line, " name=install/")
		if !ok || !strings.Contains(line, "code=file.read ") {
			continue
		}
		if token, file, _ := strings.Cut(rest, "/"); strings.HasPrefix(file, "preseed.cfg") {
			tokens = append(tokens, token)
		}
	}
	return tokens
}
