package cli

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
)

func newServe(g *globals) *cobra.Command {
	var debug, asJSON bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "answer machines that boot, until it is stopped",
		Long: `serve answers DHCP (UDP 67), the PXE boot service (UDP 4011), TFTP (UDP 69) and
HTTP. Without a configuration it works beside the DHCP server that is there, on
every interface, and gives every machine a menu.

It needs root, or CAP_NET_BIND_SERVICE, CAP_NET_RAW and CAP_NET_ADMIN. SIGHUP
reads the configuration again; one with faults changes nothing. SIGTERM and
SIGINT stop it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.ErrOrStderr()
			level := slog.LevelInfo
			if debug {
				level = slog.LevelDebug
			}
			opts := &slog.HandlerOptions{Level: level}
			var handler slog.Handler = slog.NewTextHandler(out, opts)
			say := func(line string) { fmt.Fprintln(out, line) }
			if asJSON {
				handler = slog.NewJSONHandler(out, opts)
				say = func(line string) { slog.New(handler).Info(line) }
			}
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			err := app.Serve(cmd.Context(), app.Options{
				Version: version().Version, ConfigPath: g.config, Reload: hup, Say: say,
				Events: app.NewLogSink(slog.New(handler), debug),
			})
			if err == nil {
				say("stopped")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&debug, "debug", false, "log every packet, with the reasons of every decision")
	cmd.Flags().BoolVar(&asJSON, "json", false, "log as JSON, a line each")
	return cmd
}
