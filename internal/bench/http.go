package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hobnail/internal/bench/httpload"
	"hobnail/internal/lab"
)

const (
	bigFile     = 1 << 30 // octets
	httpClients = 10
	scriptFile  = "/m/525400123456/uefi-x64/boot.ipxe"
	// isoStart is where in an image a file may begin: on a sector.
	isoStart = 37 * 2048
	httpTime = 4 * time.Second
)

// httpFigure is what one server did in one round.
type httpFigure struct {
	httpload.Result
	CPU float64 // seconds of the servers' processor
}

func perGiB(f httpFigure) float64 { return f.CPU / (float64(f.Bytes) / (1 << 30)) }

func (b *bench) httpParts() []part {
	return []part{{"http-big", b.httpBig}, {"http-script", b.httpScript}, {"http-range", b.httpRange}}
}

// httpFrom carries out a plan in JSON and prints what came of it.
func httpFrom(text string) error {
	var plan httpload.Plan
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		return fmt.Errorf("reading the plan: %v", err)
	}
	result, err := httpload.Run(context.Background(), plan)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// httpPlan is ten machines, each with an address of its own.
func httpPlan(path string) httpload.Plan {
	p := httpload.Plan{Server: netip.AddrPortFrom(serverIP, 80), Path: path}
	for i := range httpClients {
		p.From = append(p.From, netip.AddrFrom4([4]byte{10, 77, 1, byte(20 + i)}))
	}
	return p
}

// askHTTP puts a load on the server that runs.
func (b *bench) askHTTP(plan httpload.Plan) httpFigure {
	var f httpFigure
	f.CPU = b.loaded("http", plan, &f.Result)
	return f
}

// eachHTTP is each for web servers.
func (b *bench) eachHTTP(peers []peer, measure func(p peer) httpFigure) [][]httpFigure {
	all := make([][]httpFigure, len(peers))
	for round := range b.rounds {
		for i, p := range peers {
			h, proc := b.server(p)
			for _, a := range httpPlan("").From {
				b.load.Run("ip", "address", "add", a.String()+"/32", "dev", h.Name)
			}
			f := measure(p)
			proc.Kill()
			h.Remove()
			all[i] = append(all[i], f)
			b.t.Logf("round %d, %s: %.0f MiB/s, %.0f requests/s, p99 %.2f ms, %.2f s of CPU, %.3f a GiB",
				round+1, p.name, f.Rate(), f.PerSecond(), f.P99, f.CPU, perGiB(f))
		}
	}
	return all
}

// webDir has the files that all web servers give. They are in memory before
// anything is measured, as after the first machine of a hundred.
func (b *bench) webDir() string {
	dir := b.lab.Path("web")
	if _, err := os.Stat(filepath.Join(dir, "big")); err == nil {
		return dir
	}
	b.lab.WriteFile("web/empty", "")
	big, err := os.Create(filepath.Join(dir, "big"))
	if err != nil {
		b.t.Fatalf("making a large file: %v", err)
	}
	defer big.Close()
	chunk := []byte(strings.Repeat("0123456789abcdef", 1<<16))
	for n := 0; n < bigFile+isoStart; n += len(chunk) {
		if _, err := big.Write(chunk); err != nil {
			b.t.Fatalf("making a large file: %v", err)
		}
	}
	// Exactly as long as its section begins late.
	if err := big.Truncate(bigFile + isoStart); err != nil {
		b.t.Fatalf("making a large file: %v", err)
	}
	return dir
}

// webServers are hobnail and nginx, which has a file as it stands.
func (b *bench) webServers(script string) []peer {
	return []peer{
		{name: "hobnail", start: func(h *lab.Host, _ peer) *lab.Proc { return b.hobnailHTTP(h) }},
		{name: "nginx", start: func(h *lab.Host, _ peer) *lab.Proc { return b.nginx(h, script) }},
	}
}

// hobnailHTTP has an image whose kernel is the large file, and so many others
// that a menu has about 4 KiB.
func (b *bench) hobnailHTTP(h *lab.Host) *lab.Proc {
	var text strings.Builder
	fmt.Fprintf(&text, "[server]\nname = \"boot1\"\ndata = %q\ndhcp = \"off\"\nhttp = \":80\"\n", h.Dir("hobnail"))
	for i := range 10 {
		fmt.Fprintf(&text, "[[image]]\nname = \"image-%d\"\ntitle = \"An image of a middling length, number %d\"\nkernel = %q\n"+
			"cmdline = \"console=ttyS0,115200 quiet url={{.Server.URL}}/answers/{{.Machine.Name}}\"\n", i, i, filepath.Join(b.webDir(), "big"))
	}
	conf := h.File("hobnail/hobnail.toml", text.String())
	proc := pinned(h, "hobnail", lab.Binary(h), "serve", "-c", conf)
	proc.WaitFor(`(?m)^ready: `, startup)
	return proc
}

// nginx is told to send files by sendfile, to keep connections, and to log
// nothing.
func (b *bench) nginx(h *lab.Host, script string) *lab.Proc {
	dir := h.Dir("nginx")
	h.File("nginx/web/script", script)
	conf := h.File("nginx/nginx.conf", fmt.Sprintf(`daemon off;
worker_processes 1;
user root;
pid %[1]s/nginx.pid;
error_log stderr;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  server {
    listen 80;
    location = /script { root %[1]s/web; }
    location / { root %[2]s; }
  }
}
`, dir, b.webDir()))
	proc := pinned(h, "nginx", "nginx", "-c", conf, "-p", dir)
	h.Run("sh", "-c", "until ss -Hltn sport = :80 | grep -q .; do sleep 0.05; done")
	return proc
}

// bigPath is the large file's path on each server.
func bigPath(p peer) string {
	if p.name == "nginx" {
		return "/big"
	}
	return "/img/image-0/big"
}

// httpBig is how fast ten machines get a large file each, at the same time.
func (b *bench) httpBig() {
	peers := b.chosen(b.webServers(""))
	all := b.eachHTTP(peers, func(p peer) httpFigure {
		warm := httpPlan(bigPath(p))
		warm.From, warm.Requests = warm.From[:1], 1
		b.askHTTP(warm)
		plan := httpPlan(bigPath(p))
		plan.Requests = 1
		return b.askHTTP(plan)
	})
	fmt.Fprintf(b.out, "\n| 1 GiB over HTTP, %d clients | MiB/s | hobnail's ratio | CPU a GiB, ms | ratio |\n|---|---|---|---|---|\n", httpClients)
	for i, p := range peers {
		fmt.Fprintf(b.out, "| %s | %.0f | %.2f | %.0f | %.2f |\n", p.name,
			median(all[i], func(f httpFigure) float64 { return f.Rate() }), ratioHTTP(all, i, func(f httpFigure) float64 { return f.Rate() }),
			1000*median(all[i], perGiB), ratioHTTP(all, i, perGiB))
	}
}

// ratioHTTP is hobnail's median over that of another.
func ratioHTTP(all [][]httpFigure, i int, of func(httpFigure) float64) float64 {
	return median(all[0], of) / median(all[i], of)
}

// httpScript is how many menus a second are made and sent, beside a file of
// the same octets that nginx has.
func (b *bench) httpScript() {
	script := b.script()
	peers := b.chosen(b.webServers(script))
	all := b.eachHTTP(peers, func(p peer) httpFigure {
		path := scriptFile
		if p.name == "nginx" {
			path = "/script"
		}
		plan := httpPlan(path)
		plan.Time = httpTime
		return b.askHTTP(plan)
	})
	fmt.Fprintf(b.out, "\n| scripts of %d octets over HTTP, %d connections | requests/s | hobnail's ratio | p99, ms | CPU each, µs |\n|---|---|---|---|---|\n", len(script), httpClients)
	rate := func(f httpFigure) float64 { return f.PerSecond() }
	for i, p := range peers {
		fmt.Fprintf(b.out, "| %s | %.0f | %.2f | %.2f | %.1f |\n", p.name, median(all[i], rate), ratioHTTP(all, i, rate),
			median(all[i], func(f httpFigure) float64 { return f.P99 }),
			median(all[i], func(f httpFigure) float64 { return 1e6 * f.CPU / float64(f.Requests) }))
	}
}

// script is the menu that hobnail makes here.
func (b *bench) script() string {
	h, proc := b.server(peer{name: "hobnail", start: func(h *lab.Host, _ peer) *lab.Proc { return b.hobnailHTTP(h) }})
	defer h.Remove()
	defer proc.Kill()
	return b.load.Run("curl", "-sSf", "http://"+serverAddr+scriptFile) + "\n"
}

// httpRange is what it costs that a file lies within another, as in an image
// of a disc: the same number of octets, from the start and from a sector.
func (b *bench) httpRange() {
	whole, part := b.webServers("")[:1], b.webServers("")[:1]
	whole[0].name, part[0].name = "hobnail, from the beginning", "hobnail, from a sector within"
	all := b.eachHTTP(append(whole, part...), func(p peer) httpFigure {
		plan := httpPlan(bigPath(p))
		plan.Requests = 1
		plan.Range = fmt.Sprintf("bytes=0-%d", bigFile-1)
		if strings.HasSuffix(p.name, "within") {
			plan.Range = fmt.Sprintf("bytes=%d-%d", isoStart, isoStart+bigFile-1)
		}
		b.askHTTP(plan)
		return b.askHTTP(plan)
	})
	fmt.Fprintf(b.out, "\n| 1 GiB of a file, %d clients | MiB/s | ratio to the beginning | CPU a GiB, ms |\n|---|---|---|---|\n", httpClients)
	for i, name := range []string{"from the beginning", "from a sector within"} {
		fmt.Fprintf(b.out, "| %s | %.0f | %.2f | %.0f |\n", name, median(all[i], func(f httpFigure) float64 { return f.Rate() }),
			1/ratioHTTP(all, i, func(f httpFigure) float64 { return f.Rate() }), 1000*median(all[i], perGiB))
	}
}
