package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hobnail/internal/bench/tftpload"
	"hobnail/internal/lab"
	"hobnail/internal/lab/link"
)

const (
	isoFile = 256 << 20 // octets of the file that web clients fetch
	// addedFile is what images add reads: as much as the largest of makers'.
	addedFile = 5 << 30
)

// isoParts are what it costs that a file lies inside an image of a disc, and
// how long it takes until an image is there.
func (b *bench) isoParts() []part {
	return []part{{"iso-http", b.isoHTTP}, {"iso-tftp", b.isoTFTP}, {"iso-add", b.isoAdd}}
}

// ways of having a file, in the order of the tables.
const (
	inImage = "in an ISO"
	onDisk  = "on disk"
)

// isoImage makes an image of a disc with the files of TFTP and a large one,
// which lie beside it too, all in memory.
func (b *bench) isoImage() (iso, big string) {
	root := b.tftpRoot()
	tree := filepath.Join(root, "tree")
	iso, big = filepath.Join(root, "disk.iso"), filepath.Join(tree, "big")
	if _, err := os.Stat(iso); err == nil {
		return iso, big
	}
	err := os.Mkdir(tree, 0o755)
	if err == nil {
		err = os.WriteFile(big, tftpload.Content(isoFile), 0o644)
	}
	for _, f := range tftpFiles {
		if err == nil {
			err = os.Link(filepath.Join(root, f.name), filepath.Join(tree, f.name))
		}
	}
	if err == nil {
		err = packISO(iso, tree)
	}
	if err != nil {
		b.t.Fatalf("making an image of a disc: %v", err)
	}
	return iso, big
}

func packISO(iso, tree string) error {
	out, err := exec.Command("xorriso", "-as", "mkisofs", "-quiet", "-R", "-iso-level", "3", "-o", iso, tree).CombinedOutput()
	if err != nil {
		return fmt.Errorf("xorriso: %v: %s", err, out)
	}
	return nil
}

// hobnailISO has the files as kernels and the image in its library.
func (b *bench) hobnailISO(h *lab.Host) *lab.Proc {
	iso, big := b.isoImage()
	text := fmt.Sprintf("[server]\ndata = %q\ndhcp = \"off\"\nhttp = \":80\"\n", h.Dir("hobnail"))
	for name, path := range map[string]string{"big": big, "f" + large64: filepath.Join(b.root, large64)} {
		text += fmt.Sprintf("[[image]]\nname = %q\narch = \"x64\"\nkernel = %q\n", name, path)
	}
	conf := h.File("hobnail/hobnail.toml", text)
	h.Run(lab.Binary(h), "images", "add", iso, "--name", "disk", "-c", conf)
	proc := pinned(h, "hobnail", manyFiles(lab.Binary(h), "serve", "-c", conf)...)
	proc.WaitFor(`(?m)^ready: `, startup)
	return proc
}

// isoHTTP is how fast ten machines get a file that lies in an image, beside the
// same file on disk.
func (b *bench) isoHTTP() {
	var proc *lab.Proc // the one that runs
	peers := []peer{{name: inImage}, {name: onDisk}}
	for i := range peers {
		peers[i].start = func(h *lab.Host, _ peer) *lab.Proc {
			proc = b.hobnailISO(h)
			return proc
		}
	}
	all := b.eachHTTP(peers, func(p peer) httpFigure {
		plan := httpPlan(map[string]string{inImage: "/iso/disk/big", onDisk: "/img/big/big"}[p.name])
		plan.Requests = 1
		b.askHTTP(plan)
		plan.Requests = 4
		own := ownSeconds(proc.Pid())
		f := b.askHTTP(plan)
		f.CPU = ownSeconds(proc.Pid()) - own
		return f
	})
	fmt.Fprintf(b.out, "\n| %d MiB over HTTP, %d clients | MiB/s | of the speed on disk | its own CPU a GiB, ms | of the speed on disk, by CPU |\n|---|---|---|---|---|\n", isoFile>>20, httpClients)
	rate := func(f httpFigure) float64 { return f.Rate() }
	for i, p := range peers {
		fmt.Fprintf(b.out, "| %s | %.0f | %.2f | %.0f | %.2f |\n", p.name, median(all[i], rate), median(all[i], rate)/median(all[1], rate),
			1000*median(all[i], perGiB), median(all[1], perGiB)/median(all[i], perGiB))
	}
}

// isoTFTP is the same for one machine by TFTP, in lock-step and by windows.
func (b *bench) isoTFTP() {
	peers := []tftpPeer{{name: inImage}, {name: onDisk}}
	for i, name := range []string{"iso/disk/" + large64, "img/f" + large64 + "/" + large64} {
		peers[i].start = func(h *lab.Host, _ string) *lab.Proc { return b.hobnailISO(h) }
		peers[i].names = func(*lab.Host, string) map[string]string { return map[string]string{large64: name} }
	}
	windows := []int{1, 16}
	all := b.tftpTable(peers, link.Faults{}, func(t *trial) {
		t.lookInto(large64, 16)
		for _, window := range windows {
			plan := t.get(large64, window)
			plan.Transfers = 2
			row := fmt.Sprintf("window %d", window)
			own := ownSeconds(t.proc.Pid())
			f := t.fetch(row, place{t.b.load, serverCPU}, plan)
			last := &t.into[row][len(t.into[row])-1]
			last.CPU = (ownSeconds(t.proc.Pid()) - own) * (1 << 30) / max(1, float64(f.Octets))
		}
	})
	fmt.Fprintf(b.out, "\n| 64 MiB over TFTP | file | MB/s | of the speed on disk | its own CPU, s/GiB | of the speed on disk, by CPU | failed |\n|---|---|---|---|---|---|---|\n")
	cpu := func(f tftpFigure) float64 { return f.CPU }
	rate := func(f tftpFigure) float64 { return f.MBs() }
	for _, window := range windows {
		row := fmt.Sprintf("window %d", window)
		for i, p := range peers {
			fs := all[i][row]
			fmt.Fprintf(b.out, "| %s | %s | %.1f | %s | %.2f | %s | %d of %d |\n", row, p.name, median(fs, rate), ratio(median(fs, rate), median(all[1][row], rate)),
				median(fs, cpu), ratio(median(all[1][row], cpu), median(fs, cpu)), failed(fs), failed(fs)+completed(fs))
		}
	}
}

// addFigure is one reading of a large image.
type addFigure struct {
	Seconds float64
	CPU     float64 // seconds, its own
	MiB     float64 // at most, of memory
}

// isoAdd is how long "images add" takes of 5 GiB beside sha256sum, both from
// disk: what was read before is dropped from memory.
func (b *bench) isoAdd() {
	dir := b.lab.Path("added")
	iso := filepath.Join(dir, "big.iso")
	conf := b.lab.WriteFile("added/hobnail.toml", fmt.Sprintf("[server]\ndata = %q\n", filepath.Join(dir, "data")))
	if err := b.largeISO(dir, iso); err != nil {
		b.t.Fatalf("making a large image of a disc: %v", err)
	}
	binary := b.binary()
	var sums, adds, verifies []addFigure
	for round := range b.rounds {
		sums = append(sums, b.timed(iso, "sha256sum", iso))
		adds = append(adds, b.timed(iso, binary, "images", "add", iso, "--name", "big", "-c", conf))
		verifies = append(verifies, b.timed(iso, binary, "images", "verify", "big", "-c", conf))
		b.load.Run(binary, "images", "remove", "big", "-c", conf)
		b.t.Logf("round %d: sha256sum %.1f s, images add %.1f s (%.1f and %.1f s of CPU) in %.0f MiB, images verify %.1f s", round+1,
			sums[round].Seconds, adds[round].Seconds, sums[round].CPU, adds[round].CPU, adds[round].MiB, verifies[round].Seconds)
	}
	seconds := func(f addFigure) float64 { return f.Seconds }
	cpu := func(f addFigure) float64 { return f.CPU }
	fmt.Fprintf(b.out, "\n| an ISO of %d MiB, from disk | s | of sha256sum's speed | its own CPU, s | of sha256sum's, by CPU | memory at most, MiB |\n|---|---|---|---|---|---|\n", b.addedSize()>>20)
	for _, r := range []struct {
		name string
		fs   []addFigure
	}{{"sha256sum", sums}, {"hobnail images add", adds}, {"hobnail images verify", verifies}} {
		fmt.Fprintf(b.out, "| %s | %.1f | %.2f | %.1f | %.2f | %.0f |\n", r.name, median(r.fs, seconds), median(sums, seconds)/median(r.fs, seconds),
			median(r.fs, cpu), median(sums, cpu)/median(r.fs, cpu), median(r.fs, func(f addFigure) float64 { return f.MiB }))
	}
}

// largeISO makes an image whose only file is noise, with the markers of a disc
// of Debian's.
func (b *bench) largeISO(dir, iso string) error {
	tree := filepath.Join(dir, "tree")
	for _, name := range []string{"live", ".disk"} {
		if err := os.MkdirAll(filepath.Join(tree, name), 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"live/vmlinuz", "live/initrd.img", ".disk/info"} {
		if err := os.WriteFile(filepath.Join(tree, name), []byte("Debian GNU/Linux Live 12\n"), 0o644); err != nil {
			return err
		}
	}
	noise := fmt.Sprintf("openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 00000000000000000000000000000000 -in /dev/zero 2>/dev/null | head -c %d >%s",
		b.addedSize(), filepath.Join(tree, "live", "filesystem.squashfs"))
	if out, err := exec.Command("sh", "-c", noise).CombinedOutput(); err != nil {
		return fmt.Errorf("making noise: %v: %s", err, out)
	}
	if err := packISO(iso, tree); err != nil {
		return err
	}
	return os.RemoveAll(tree)
}

func (b *bench) addedSize() int64 {
	if b.short {
		return 1 << 28
	}
	return addedFile
}

// timed runs a command once. What was read of the file before is dropped, so
// that it helps nobody.
func (b *bench) timed(file string, argv ...string) (f addFigure) {
	b.load.Run("sync", file)
	b.load.Run("dd", "if="+file, "iflag=nocache", "count=0", "status=none")
	// By a copy of this program: a process begins with the memory of the one that
	// has started it in its record, and this one holds large files.
	out := b.load.Run(append([]string{self(), "timed"}, argv...)...)
	if err := json.Unmarshal([]byte(out), &f); err != nil {
		b.t.Fatalf("reading the result %q: %v", out, err)
	}
	return f
}

// timedFrom runs a command and prints what it took.
func timedFrom(argv []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %v: %s", strings.Join(argv, " "), err, out)
	}
	f := addFigure{Seconds: time.Since(began).Seconds()}
	f.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if use, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		f.MiB = float64(use.Maxrss) / 1024 // Linux counts KiB
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

// ownSeconds is how much of a processor a process has used itself, which other
// things that run on it do not change (proc_pid_stat(5): utime and stime, in
// hundredths of a second).
func ownSeconds(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ") // behind the name
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}
