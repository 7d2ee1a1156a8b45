// Command hobnail-pe is hobnail's agent in Windows PE: it installs Windows as
// the server says that hobnail.json, the file beside it, names. What it does is
// in package peagent; here is what it does it with.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"hobnail/internal/peagent"
)

// logFile is on Windows PE's RAM disk: it is gone with the next start.
const logFile = `X:\hobnail.log`

func main() {
	// Whoever ends the agent by chance has a machine that starts again, and
	// from the network.
	signal.Ignore(os.Interrupt)
	h := newHost(os.Stdout, logFile)
	if err := install(context.Background(), h); err != nil {
		h.Say(err.Error())
		hold(h)
	}
}

// install reads the configuration and runs the agent.
func install(ctx context.Context, h *host) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(filepath.Dir(self), peagent.ConfigFile))
	if err != nil {
		return err
	}
	config, err := peagent.ParseConfig(b)
	if err != nil {
		return err
	}
	client, err := newClient(config.CA)
	if err != nil {
		return err
	}
	a := peagent.Agent{Host: h, Config: config, Client: client}
	return a.Run(ctx)
}

// hold never returns: Windows PE restarts the machine when the agent ends, and
// that would fail the same way again.
func hold(h *host) {
	h.Say("")
	h.Say("This machine waits and does nothing more by itself. The log is " + logFile + ".")
	h.Say("Look around with the prompt below, or start the machine again: wpeutil reboot")
	shell(h)
	for { // not select: the runtime would call that a deadlock, and end
		time.Sleep(time.Hour)
	}
}
