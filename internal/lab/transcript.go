package lab

import (
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Transcript is the text of a terminal as it came, for a reader who searches
// it: escape sequences are taken out, moving the cursor to another place
// becomes a newline, moving it to the right becomes blanks. It is safe for
// concurrent use.
type Transcript struct {
	mu    sync.Mutex
	text  []byte
	mark  int // wait looks only behind it
	state escState
	args  []byte // parameters of the control sequence being read
}

// escState is where in an escape sequence (ECMA-48) the last byte was.
type escState uint8

const (
	escNone    escState = iota
	escStart            // after ESC
	escCharset          // after ESC and one of ( ) * + #: one byte follows
	escControl          // after ESC [: parameters, then a final byte
	escString           // after ESC ]: up to BEL or ESC \
)

// maxControl bounds a control sequence, so that line noise cannot swallow the
// text that follows it.
const maxControl = 32

// NewTranscript makes an empty transcript.
func NewTranscript() *Transcript { return new(Transcript) }

// Write takes bytes as the terminal would. It never fails.
func (t *Transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range b {
		t.put(c)
	}
	return len(b), nil
}

// Len is how much text there is so far, in octets.
func (t *Transcript) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.text)
}

func (t *Transcript) put(c byte) {
	switch t.state {
	case escNone:
		t.putText(c)
	case escStart:
		t.putEscape(c)
	case escCharset:
		t.state = escNone
	case escControl:
		t.putControl(c)
	case escString:
		if c == 0x07 {
			t.state = escNone
		} else if c == 0x1b {
			t.state = escCharset // the backslash that ends the string
		}
	}
}

func (t *Transcript) putText(c byte) {
	switch {
	case c == 0x1b:
		t.state = escStart
	case c == '\n' || c == '\t' || c >= 0x20 && c != 0x7f:
		t.text = append(t.text, c)
	}
}

func (t *Transcript) putEscape(c byte) {
	switch c {
	case '[':
		t.state, t.args = escControl, t.args[:0]
	case ']':
		t.state = escString
	case '(', ')', '*', '+', '#':
		t.state = escCharset
	default:
		t.state = escNone
	}
}

func (t *Transcript) putControl(c byte) {
	if c < 0x40 || c > 0x7e {
		t.args = append(t.args, c)
		if len(t.args) > maxControl {
			t.state = escNone
		}
		return
	}
	t.state = escNone
	switch c {
	case 'C': // cursor right
		n, err := strconv.Atoi(string(t.args))
		if err != nil || n < 1 || n > 200 {
			n = 1
		}
		for range n {
			t.text = append(t.text, ' ')
		}
	case 'H', 'f', 'J', 'd', 'E': // cursor to a place, screen cleared
		if n := len(t.text); n > 0 && t.text[n-1] != '\n' {
			t.text = append(t.text, '\n')
		}
	}
}

// Text is everything written so far.
func (t *Transcript) Text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// Mark makes later waits look only at what is written from now on.
func (t *Transcript) Mark() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mark = len(t.text)
}

// sinceMark is the text behind the mark.
func (t *Transcript) sinceMark() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text[t.mark:])
}

// wait waits until the text behind the mark matches, and returns the match.
// It gives up at the end of the time, or when ended is closed.
func (t *Transcript) wait(pattern string, timeout time.Duration, ended <-chan struct{}) (string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return "", fmt.Errorf("compiling pattern: %v", err)
	}
	var match string
	over, seen := false, -1
	found := poll(timeout, func() bool {
		select {
		case <-ended:
			over = true // but look once more at what it left
		default:
		}
		text := t.sinceMark()
		if len(text) != seen {
			seen = len(text)
			match = re.FindString(text)
		}
		return match != "" || over
	})
	switch {
	case match != "":
		return match, nil
	case found:
		return "", fmt.Errorf("ended without writing %q", pattern)
	}
	return "", fmt.Errorf("did not write %q within %v", pattern, timeout)
}
