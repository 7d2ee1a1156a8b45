// Command hobnail is a network boot and imaging server.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"hobnail/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
