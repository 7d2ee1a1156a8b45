package tftp

import (
	"context"
	"fmt"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
)

// Port is where TFTP servers are asked (RFC 1350 section 4).
const Port = 69

// Defaults and bounds of Server's settings.
const (
	DefaultWindow       = 64
	LargestWindow       = 64
	DefaultMaxTransfers = 16384
	// DefaultMaxPerClient is what one address may have open at once. A
	// machine needs one or two; a classroom behind one NAT address more.
	DefaultMaxPerClient = 64
)

const (
	via        = "tftp"
	defaultMTU = 1500
)

// Server answers read requests with the files of Opener. Its settings must
// not change once Serve was called; zero means the default.
type Server struct {
	Opener bootfile.Opener
	Events event.Sink       // nil: nothing is told
	Clock  func() time.Time // stamps events; nil: time.Now. Timers follow the real clock.

	MaxBlksize    int // octets; the path's MTU less the headers bounds it anyway
	MaxWindow     int // blocks; at most LargestWindow
	MaxTransfers  int // open at once; the next one waits
	MaxPerClient  int // open at once for one address
	MaxRate       int // octets in a second; default: any
	MaxClientRate int // octets in a second for one address; default: any
}

// Serve answers requests from conn until ctx is cancelled, then takes no new
// ones, gives the running transfers most of a second to end, and returns nil.
// An error of conn is returned. It closes conn.
func (s *Server) Serve(ctx context.Context, conn Conn) error {
	running, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(errStopping)
	l := newLoop(running, s, conn)
	unhook := context.AfterFunc(ctx, l.stop)
	defer unhook()
	err := l.run()
	_ = conn.Close()
	if err != nil {
		return fmt.Errorf("receiving TFTP requests: %v", err)
	}
	return nil
}

// positive gives n, or otherwise if n is not positive.
func positive(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}
