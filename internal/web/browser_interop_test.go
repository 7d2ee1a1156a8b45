//go:build interop

package web

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// browser is a Chromium without a window, steered over a pipe by the DevTools
// protocol: commands and answers are JSON, each ended by a NUL.
type browser struct {
	in      io.Writer
	mu      sync.Mutex
	next    int
	waiting map[int]chan answer
	tabs    map[string]*tab // by session
	gone    error
}

type answer struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// tab is a page of the browser.
type tab struct {
	t       testing.TB
	b       *browser
	session string
	mu      sync.Mutex
	alarms  []string // what no page of ours may do: scripts that ran, dialogs, policy violations, errors
	loaded  chan struct{}
}

// patience is how long a browser may take for anything: the machine may have
// other work.
const patience = 60 * time.Second

func startBrowser(t testing.TB) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium; scripts/setup test installs it")
	}
	toBrowser, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, fromBrowser, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// As root there is no sandbox; no page but ours is opened.
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-extensions", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{toBrowser, fromBrowser} // descriptors 3 and 4
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "TZ=UTC")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	toBrowser.Close()
	fromBrowser.Close()
	b := &browser{in: in, waiting: map[int]chan answer{}, tabs: map[string]*tab{}}
	go b.listen(out)
	t.Cleanup(func() {
		b.call("", "Browser.close", nil)
		ended := make(chan struct{})
		go func() { cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
		in.Close()
		out.Close()
	})
	return b
}

// listen hands answers to who waits, and events to their tabs.
func (b *browser) listen(r io.Reader) {
	buf, all := make([]byte, 64<<10), []byte(nil)
	for {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		for {
			i := bytes.IndexByte(all, 0)
			if i < 0 {
				break
			}
			b.message(all[:i])
			all = all[i+1:]
		}
		if err != nil {
			b.mu.Lock()
			b.gone = err
			for id, w := range b.waiting {
				close(w)
				delete(b.waiting, id)
			}
			b.mu.Unlock()
			return
		}
	}
}

func (b *browser) message(raw []byte) {
	var m struct {
		ID        int
		SessionID string
		Method    string
		Params    json.RawMessage
		answer
	}
	if json.Unmarshal(raw, &m) != nil {
		return
	}
	b.mu.Lock()
	w, tab := b.waiting[m.ID], b.tabs[m.SessionID]
	delete(b.waiting, m.ID)
	b.mu.Unlock()
	switch {
	case w != nil:
		w <- m.answer
	case tab != nil && m.Method != "":
		tab.event(m.Method, m.Params)
	}
}

// call sends a command and waits for its answer.
func (b *browser) call(session, method string, params any) (json.RawMessage, error) {
	if params == nil {
		params = struct{}{}
	}
	w := make(chan answer, 1)
	b.mu.Lock()
	if b.gone != nil {
		b.mu.Unlock()
		return nil, fmt.Errorf("%s: the browser is gone: %v", method, b.gone)
	}
	b.next++
	id := b.next
	b.waiting[id] = w
	raw, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params, "sessionId": session})
	if session == "" {
		raw, err = json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	}
	if err == nil {
		_, err = b.in.Write(append(raw, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case a, ok := <-w:
		if !ok {
			return nil, fmt.Errorf("%s: the browser is gone", method)
		}
		if a.Error != nil {
			return nil, fmt.Errorf("%s: %s", method, a.Error.Message)
		}
		return a.Result, nil
	case <-time.After(patience):
		return nil, fmt.Errorf("%s: no answer", method)
	}
}

func (b *browser) open(t testing.TB) *tab {
	t.Helper()
	var target struct{ TargetID string }
	b.must(t, "", "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var s struct{ SessionID string }
	b.must(t, "", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &s)
	p := &tab{t: t, b: b, session: s.SessionID, loaded: make(chan struct{}, 16)}
	b.mu.Lock()
	b.tabs[s.SessionID] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		p.call(domain+".enable", nil, nil)
	}
	t.Cleanup(func() { b.call("", "Target.closeTarget", map[string]any{"targetId": target.TargetID}) })
	return p
}

func (b *browser) must(t testing.TB, session, method string, params, into any) {
	t.Helper()
	raw, err := b.call(session, method, params)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
	}
}

func (p *tab) call(method string, params, into any) {
	p.t.Helper()
	p.b.must(p.t, p.session, method, params, into)
}

func (p *tab) event(method string, params json.RawMessage) {
	switch method {
	case "Page.loadEventFired":
		p.loaded <- struct{}{}
	case "Page.javascriptDialogOpening":
		p.alarm("a dialog opened: " + string(params))
		go p.b.call(p.session, "Page.handleJavaScriptDialog", map[string]any{"accept": false})
	case "Runtime.consoleAPICalled", "Runtime.exceptionThrown":
		p.alarm(method + ": " + string(params))
	case "Log.entryAdded":
		var e struct {
			Entry struct{ Level, Text, URL string }
		}
		json.Unmarshal(params, &e)
		if e.Entry.Level == "error" {
			p.alarm(e.Entry.Text + " " + e.Entry.URL)
		}
	}
}

func (p *tab) alarm(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alarms = append(p.alarms, text)
}

// quiet fails if anything happened that no page of ours does.
func (p *tab) quiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.alarms {
		p.t.Error(a)
	}
	p.alarms = nil
}

// forget drops what was to be expected.
func (p *tab) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alarms = nil
}

// visit opens a page and waits until it is loaded.
func (p *tab) visit(url string) {
	p.t.Helper()
	for len(p.loaded) > 0 {
		<-p.loaded
	}
	p.call("Page.navigate", map[string]any{"url": url}, nil)
	p.waitLoad()
}

func (p *tab) waitLoad() {
	p.t.Helper()
	select {
	case <-p.loaded:
	case <-time.After(patience):
		p.t.Fatal("the page was not loaded")
	}
}

// eval computes a JavaScript expression in the page. The page's own scripts
// may be switched off: this is the debugger's.
func (p *tab) eval(expression string, into any) {
	p.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	p.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &r)
	if d := r.ExceptionDetails; d != nil {
		p.t.Fatalf("%s: %s %s", expression, d.Text, d.Exception.Description)
	}
	if into != nil && len(r.Result.Value) > 0 {
		if err := json.Unmarshal(r.Result.Value, into); err != nil {
			p.t.Fatalf("%s: %v", expression, err)
		}
	}
}

func (p *tab) text(expression string) string {
	p.t.Helper()
	var s string
	p.eval(expression, &s)
	return s
}

// until waits for an expression to be true.
func (p *tab) until(expression string) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		var ok bool
		p.eval("!!("+expression+")", &ok)
		if ok {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s did not come true; the page says: %s", expression, p.text("document.body.innerText"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// size sets the window; phones have touch and a narrow viewport.
func (p *tab) size(width, height int) {
	p.t.Helper()
	p.call("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500,
	}, nil)
}

func (p *tab) dark(on bool) {
	p.t.Helper()
	value := "light"
	if on {
		value = "dark"
	}
	p.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": value}}}, nil)
}

// key presses a key, as a person would.
func (p *tab) key(key string, code int) {
	p.t.Helper()
	for _, kind := range []string{"rawKeyDown", "char", "keyUp"} {
		params := map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
		if key == "Enter" {
			params["text"] = "\r"
		}
		if kind == "char" && key != "Enter" {
			continue
		}
		p.call("Input.dispatchKeyEvent", params, nil)
	}
}

// shot keeps a picture of the whole page, where go test is given -artifacts.
func (p *tab) shot(name string) {
	p.t.Helper()
	if f := flag.Lookup("test.artifacts"); f == nil || f.Value.String() != "true" {
		return
	}
	var r struct{ Data string }
	p.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &r)
	raw, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.t.ArtifactDir(), strings.ReplaceAll(name, " ", "-")+".png"), raw, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
