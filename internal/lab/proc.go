package lab

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a process may take to end by itself after SIGTERM.
const stopGrace = 10 * time.Second

// Proc is a process that the lab started. What it writes to standard output
// and standard error is kept in a file and can be searched while it runs.
type Proc struct {
	Name string // as in the names of its files
	Log  string // absolute name of the file with its output

	t    TB
	cmd  *exec.Cmd
	out  *Transcript
	done chan struct{} // closed when the process has ended
	err  error         // how it ended; valid after done
}

// Start starts a command on the host. Its log is NAME.log in the lab's
// directory. It is stopped when the lab is taken down.
func (h *Host) Start(name string, argv ...string) *Proc {
	h.lab.t.Helper()
	return h.lab.start(name, h.ns.command(argv...))
}

// start runs a command in the background and logs it. A standard output that
// the caller has set stays as it is; then only standard error is logged.
func (l *Lab) start(name string, cmd *exec.Cmd) *Proc {
	l.t.Helper()
	file, err := os.Create(l.Path(name + ".log"))
	if err != nil {
		l.t.Fatalf("starting %s: %v", name, err)
	}
	p := &Proc{Name: name, Log: file.Name(), t: l.t, cmd: cmd, out: NewTranscript(), done: make(chan struct{})}
	both := io.MultiWriter(file, p.out)
	fmt.Fprintf(file, "$ %s\n", commandLine(cmd.Args))
	cmd.Stderr = both
	if cmd.Stdout == nil {
		cmd.Stdout = both
	}
	// A group of its own, so that a stop reaches what a shell started. The
	// parent's death ends it, for a killed test runs no clean-up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	parent() <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		l.t.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		p.err = cmd.Wait()
		file.Close()
		close(p.done)
	}()
	l.onClose(p.Stop)
	return p
}

// parent takes work for a thread that lives as long as this process. The parent
// whose death ends a process is the thread that has started it
// (PR_SET_PDEATHSIG), and threads come to an end: with the goroutine that has
// locked one to change its namespace, for one.
var parent = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for do := range work {
			do()
		}
	}()
	return work
})

// Pid is the process's id.
func (p *Proc) Pid() int { return p.cmd.Process.Pid }

// Output is everything that the process has written so far, without terminal
// control sequences.
func (p *Proc) Output() string { return p.out.Text() }

// WaitFor waits until the process has written something that matches the
// regular expression, and returns the match. It ends the test if that has not
// happened in time, or the process has ended without writing it.
func (p *Proc) WaitFor(pattern string, timeout time.Duration) string {
	p.t.Helper()
	match, err := p.out.wait(pattern, timeout, p.done)
	if err != nil {
		p.t.Fatalf("waiting for %s: %v; it wrote last:\n%s", p.Name, err, lastLines(p.Output(), 15))
	}
	return match
}

// Wait waits until the process has ended and returns how: nil is exit code 0.
// It ends the test if the process does not end in time.
func (p *Proc) Wait(timeout time.Duration) error {
	p.t.Helper()
	select {
	case <-p.done:
		return p.err
	case <-time.After(timeout):
		p.t.Fatalf("%s did not end within %v; it wrote last:\n%s", p.Name, timeout, lastLines(p.Output(), 15))
		return nil
	}
}

// Running reports whether the process has not ended yet.
func (p *Proc) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Signal sends a signal to the process alone.
func (p *Proc) Signal(sig syscall.Signal) {
	if p.Running() {
		syscall.Kill(p.Pid(), sig)
	}
}

// Stop asks the process and its children to end, and insists after ten
// seconds. It returns when the process is gone.
func (p *Proc) Stop() {
	if !p.Running() {
		return
	}
	syscall.Kill(-p.Pid(), syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopGrace):
		p.Kill()
	}
}

// Kill ends the process and its children at once, as a power cut would: no
// handler runs. It returns when the process is gone.
func (p *Proc) Kill() {
	if p.Running() {
		syscall.Kill(-p.Pid(), syscall.SIGKILL)
	}
	<-p.done
}

// commandLine is a command as a person would type it.
func commandLine(argv []string) string {
	quoted := make([]string, len(argv))
	for i, a := range argv {
		if a == "" || strings.ContainsAny(a, " \t\"'$\\*?;&|<>(){}") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		quoted[i] = a
	}
	return strings.Join(quoted, " ")
}
