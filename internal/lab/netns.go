package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// netnsPrefix begins the name of every namespace of every lab, followed by
// the process id of its owner.
const netnsPrefix = "hobnail-lab-"

// netns is one named network namespace.
type netns string

// newNetns makes a namespace with its loopback up.
func (l *Lab) newNetns(name string) netns {
	l.t.Helper()
	ns := netns(l.id + "-" + name)
	l.ip("netns", "add", string(ns))
	l.onClose(func() { exec.Command("ip", "netns", "delete", string(ns)).Run() })
	l.ip("-n", string(ns), "link", "set", "lo", "up")
	return ns
}

// ip runs iproute2's ip and ends the test if it fails.
func (l *Lab) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// command is a command that runs inside the namespace. "ip netns exec"
// replaces itself by it, so the process id is the command's own.
func (ns netns) command(argv ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", string(ns)}, argv...)...)
}

// sysctl sets a kernel variable inside the namespace ("net.ipv4.ip_forward").
func (l *Lab) sysctl(ns netns, key, value string) {
	l.t.Helper()
	path := "/proc/sys/" + strings.ReplaceAll(key, ".", "/")
	cmd := ns.command("sh", "-c", `echo "$1" >"$2"`, "sh", value, path)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("setting %s in %s: %v: %s", key, ns, err, out)
	}
}

// sweep deletes the namespaces of labs whose process no longer lives: a test
// that was killed could not do so itself.
func sweep() {
	entries, err := os.ReadDir("/run/netns")
	if err != nil {
		return // nobody has made a namespace yet
	}
	for _, e := range entries {
		if pid, ok := ownerOf(e.Name()); ok && !alive(pid) {
			exec.Command("ip", "netns", "delete", e.Name()).Run()
		}
	}
}

// ownerOf reads the process id out of a namespace's name; ok is false if it is
// not a lab's.
func ownerOf(name string) (pid int, ok bool) {
	rest, ok := strings.CutPrefix(name, netnsPrefix)
	if !ok {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, "-")
	pid, err := strconv.Atoi(digits)
	return pid, err == nil
}

func alive(pid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	return err == nil
}
