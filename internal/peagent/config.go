// Package peagent installs Windows from within Windows PE, as a server tells
// it. The program hobnail-pe runs it there; what is here runs and is tested
// anywhere, for all that only Windows can do goes through a Host.
//
// Files gives what has to be put into boot.wim. The agent starts in place of
// Setup, brings up the network, reads its instructions and does one step after
// the other:
//
//	network       wpeinit, and the server answers
//	instructions  pe.json (Instructions), and that they can be followed here
//	unattend      unattend.xml is fetched
//	partition     the disk is chosen, wiped and divided by diskpart
//	download      install.wim onto the new disk, with its SHA-256
//	apply         dism lays it out         } one of the two,
//	setup         setup.exe does the rest  } by Instructions.Way
//	boot          bcdboot writes the boot files      (only after apply)
//	finish        unattend.xml and SetupComplete.cmd (only after apply)
//	reboot
//
// All names are below install/<token>/ of the server:
//
//	GET  pe.json        Instructions
//	GET  unattend.xml   the answer file
//	GET  step/<step>?state=begin
//	GET  step/<step>?state=progress&percent=40
//	GET  step/<step>?state=end
//	GET  step/<step>?state=fail&what=…&why=…&do=…   each at most 500 octets
//	POST log            what was on the screen, as text, at the end and after a failure
//	GET  done           from the new Windows, by SetupComplete.cmd
//
// What the server answers to a step or to the log is not looked at: an install
// does not stop because nobody counts.
package peagent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// Config is what the agent knows before it has spoken to anybody: the file
// hobnail.json beside it.
type Config struct {
	Server string `json:"server"`       // "http://10.77.1.2:8080": scheme, host, port; no path
	Token  string `json:"token"`        // 32 hexadecimal digits
	Image  string `json:"image"`        // the image's name, for people to read
	Index  int    `json:"index"`        // of the edition in install.wim, for people to read
	CA     string `json:"ca,omitempty"` // certificates that an https server may have, in PEM; empty: what Windows PE trusts
}

// File is one file to be put into boot.wim.
type File struct {
	Name    string // path in the image: names between slashes
	Content []byte
}

// Where the files lie in Windows PE.
const (
	folder     = "Windows/System32/"
	Program    = "hobnail-pe.exe"
	ConfigFile = "hobnail.json"
)

// Files are what makes a boot.wim install by itself: the agent, its
// configuration, and the file by which Windows PE starts it in place of Setup
// or a command prompt. program is the agent for the WIM's processor, see
// package embedded.
func Files(program []byte, c Config) ([]File, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("making the files for Windows PE: %v", err)
	}
	if len(program) < 2 || string(program[:2]) != "MZ" {
		return nil, errors.New("making the files for Windows PE: the agent is no Windows program")
	}
	b, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("making the files for Windows PE: %v", err)
	}
	return []File{
		{folder + Program, program},
		{folder + ConfigFile, append(b, '\n')},
		{folder + "winpeshl.ini", []byte("[LaunchApps]\r\n%SYSTEMROOT%\\System32\\" + Program + "\r\n")},
	}, nil
}

// ParseConfig reads hobnail.json. A field that is not known is an error.
func ParseConfig(b []byte) (Config, error) {
	var c Config
	if err := decode(b, &c); err != nil {
		return Config{}, fmt.Errorf("reading %s: %v", ConfigFile, err)
	}
	if err := c.check(); err != nil {
		return Config{}, fmt.Errorf("reading %s: %v", ConfigFile, err)
	}
	return c, nil
}

// decode reads one JSON value and nothing behind it.
func decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something stands behind its end")
	}
	return nil
}

// check refuses what could become a command: server and token are written into
// SetupComplete.cmd.
func (c Config) check() error {
	u, err := url.Parse(c.Server)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || c.Server != u.Scheme+"://"+u.Host ||
		strings.ContainsFunc(u.Host, func(r rune) bool { return !alphanumeric(r) && !strings.ContainsRune(".-:[]", r) }):
		return fmt.Errorf("server %q is not of the form http://HOST:PORT", c.Server)
	case len(c.Token) != 32 || strings.ContainsFunc(c.Token, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }):
		return fmt.Errorf("token %q is not 32 hexadecimal digits", c.Token)
	}
	return nil
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// url is a name of this install's on the server.
func (c Config) url(name string) string { return c.Server + "/install/" + c.Token + "/" + name }
