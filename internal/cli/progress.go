package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

const (
	progressAfter = time.Second // a shorter work needs no bar
	progressPace  = 200 * time.Millisecond
	progressWidth = 30
)

// progress is a bar on a person's terminal; in a pipe it says nothing.
type progress struct {
	w       io.Writer // nil: nobody watches
	size    int64     // octets in all; 0: not known
	doing   string    // in front of the bar
	rate    float64   // octets in a second; 0: not shown
	began   time.Time
	drawn   time.Time
	visible bool
}

func newProgress(w io.Writer, size int64) *progress {
	p := &progress{size: size, began: time.Now()}
	if watched(w) {
		p.w = w
	}
	return p
}

// watched reports whether what is written there is seen by a person.
func watched(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// to says how far the work has come.
func (p *progress) to(octets int64) {
	now := time.Now()
	if p.w == nil || now.Sub(p.began) < progressAfter || now.Sub(p.drawn) < progressPace {
		return
	}
	p.drawn, p.visible = now, true
	fmt.Fprintf(p.w, "\r%s\x1b[K", p.line(octets))
}

func (p *progress) line(octets int64) string {
	const mib = 1 << 20
	rate := ""
	if p.rate > 0 {
		rate = fmt.Sprintf(", %.0f MiB/s", p.rate/mib)
	}
	if p.size <= 0 {
		return fmt.Sprintf("%s%d MiB%s", p.doing, octets/mib, rate)
	}
	done := int(min(octets, p.size) * progressWidth / p.size)
	return fmt.Sprintf("%s[%s%s] %d of %d MiB%s", p.doing, strings.Repeat("#", done), strings.Repeat(" ", progressWidth-done), octets/mib, p.size/mib, rate)
}

// clear takes the bar away, for something else to be written.
func (p *progress) clear() {
	if p.visible {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.visible = false
	}
}
