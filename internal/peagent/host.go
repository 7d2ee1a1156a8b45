package peagent

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// Host is the machine that the agent runs on. All paths are Windows'.
type Host interface {
	// Run runs a program to its end and gives its output, line by line, as it
	// comes. The error says how it ended, if it did not end well.
	Run(ctx context.Context, c Command, line func(string)) error
	Disks() ([]Disk, error)
	Firmware() (Firmware, error)
	// Identity is this machine's, as far as it can be found out.
	Identity() Identity
	// Addresses are those of the machine's network cards, for people to read.
	Addresses() []string
	MkdirAll(dir string) error
	WriteFile(name string, b []byte) error
	// Create makes a file, or empties it.
	Create(name string) (Output, error)
	Remove(name string) error
	// Wait returns after a while, or with the context's error.
	Wait(ctx context.Context, d time.Duration) error
	// Say shows a line to whoever stands before the machine, and logs it.
	Say(line string)
}

// Output is a file that is written.
type Output interface {
	io.Writer
	io.Seeker
	io.Closer
	Truncate(size int64) error
}

// Command is a program with its arguments. Each reaches the program as one.
type Command struct {
	Name string
	Args []string
}

// String is the command as one would type it.
func (c Command) String() string { return strings.Join(append([]string{c.Name}, c.Args...), " ") }

func command(name string, args ...string) Command { return Command{name, args} }

// Failure is why an install ended, in words that people can act on.
type Failure struct {
	Step string // one of the package's steps
	What string // what was being done
	Why  string // what came of it
	Do   string // what to do about it
}

// Error makes a Failure one.
func (f *Failure) Error() string {
	return fmt.Sprintf("%s: %s: %s; %s", f.Step, f.What, f.Why, f.Do)
}
