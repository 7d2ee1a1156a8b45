package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/peagent"
)

// host is the machine, as package peagent wants it.
type host struct {
	screen io.Writer
	log    io.Writer
}

// newHost logs to a file, if that can be written.
func newHost(screen io.Writer, log string) *host {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		fmt.Fprintf(screen, "there will be no log: %v\r\n", err)
		return &host{screen, io.Discard}
	}
	return &host{screen, f}
}

func (h *host) Say(line string) {
	line = time.Now().Format("15:04:05 ") + line + "\r\n"
	// There is nobody to tell that nobody can be told.
	_, _ = io.WriteString(h.screen, line)
	_, _ = io.WriteString(h.log, line)
}

func (h *host) Run(ctx context.Context, c peagent.Command, line func(string)) error {
	cmd := exec.CommandContext(ctx, c.Name, c.Args...)
	l := lines{give: line}
	cmd.Stdout, cmd.Stderr = &l, &l
	err := cmd.Run()
	l.flush()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		// DISM and Setup tell Windows' errors by their exit code, 0x80070002.
		return fmt.Errorf("%s ended with %d (%#x)", c.Name, uint32(exit.ExitCode()), uint32(exit.ExitCode()))
	}
	if err != nil {
		return fmt.Errorf("%s: %v", c.Name, err)
	}
	return nil
}

// lines cuts what is written to it into lines. A bar that is drawn over itself
// ends with a CR each time.
type lines struct {
	give func(string)
	rest []byte
}

func (l *lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		i := bytes.IndexAny(l.rest, "\r\n")
		if i < 0 {
			return len(b), nil
		}
		if i > 0 {
			l.give(string(l.rest[:i]))
		}
		l.rest = l.rest[i+1:]
	}
}

func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.give(string(l.rest))
	}
	l.rest = nil
}

// Addresses are those that are no loopback's.
func (h *host) Addresses() []string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var names []string
	for _, a := range all {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() {
			names = append(names, ip.IP.String())
		}
	}
	return names
}

// Identity is what SMBIOS has, and the network cards.
func (h *host) Identity() peagent.Identity {
	id := peagent.ParseSMBIOS(smbios())
	all, err := net.Interfaces()
	if err != nil {
		return id
	}
	for _, i := range all {
		if mac := model.MACFromBytes(i.HardwareAddr); mac != "" {
			id.MACs = append(id.MACs, mac)
		}
	}
	return id
}

func (h *host) MkdirAll(dir string) error                  { return os.MkdirAll(dir, 0o755) }
func (h *host) WriteFile(name string, b []byte) error      { return os.WriteFile(name, b, 0o644) }
func (h *host) Remove(name string) error                   { return os.Remove(name) }
func (h *host) Disks() ([]peagent.Disk, error)             { return disks() }
func (h *host) Firmware() (peagent.Firmware, error)        { return firmware() }
func (h *host) Create(name string) (peagent.Output, error) { return os.Create(name) }

func (h *host) Wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// newClient speaks HTTP to the server directly: Windows PE knows no proxy.
// Contents come as they are, so that their length is the file's. With
// certificates of its own the server is believed by these and by no others.
func newClient(ca string) (*http.Client, error) {
	t := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 15 * time.Second,
		DisableCompression:  true,
	}
	if ca != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(ca)) {
			return nil, errors.New("reading hobnail.json: ca has no certificate in PEM")
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return &http.Client{Transport: t}, nil
}

// shell gives whoever stands there a prompt.
func shell(h *host) {
	cmd := exec.Command("cmd.exe")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		h.Say(fmt.Sprintf("the prompt: %v", err))
	}
}
