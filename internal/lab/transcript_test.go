package lab

import (
	"strings"
	"testing"
	"time"
)

func TestTranscript(t *testing.T) {
	for _, tt := range []struct {
		name string
		raw  string
		want string
	}{
		{"plain lines", "one\r\ntwo\r\n", "one\ntwo\n"},
		{"colours", "\x1b[0m\x1b[37m\x1b[40mSeaBIOS\x1b[1;31m!\x1b[m", "SeaBIOS!"},
		{"cursor to a place begins a line", "a\x1b[01;01Hb\x1b[10fc", "a\nb\nc"},
		{"a cleared screen begins a line once", "a\x1b[2J\x1b[01;01Hb", "a\nb"},
		{"cursor right is blanks", "Select\x1b[Ca\x1b[3Clanguage", "Select a   language"},
		{"character sets", "\x1b(B\x1b)0lqqk", "lqqk"},
		{"a title", "\x1b]0;serial console\x07a\x1b]2;more\x1b\\b", "ab"},
		{"private modes and short sequences", "\x1b[?25l\x1b7\x1bcx\x1b=y", "xy"},
		{"bells, backspaces and nulls", "a\x07\x08\x00b", "ab"},
		{"noise after ESC [ loses no more than 32 octets", "\x1b[" + strings.Repeat("1", 33) + "text", "text"},
		{"UTF-8 stays", "┌─┐", "┌─┐"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := NewTranscript()
			tr.Write([]byte(tt.raw))
			if got := tr.Text(); got != tt.want {
				t.Errorf("text %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTranscriptWait(t *testing.T) {
	running, ended := make(chan struct{}), make(chan struct{})
	close(ended)
	for _, tt := range []struct {
		name    string
		pattern string
		until   chan struct{}
		want    string
		err     string
	}{
		{"text that is there", `Linux version \d`, running, "Linux version 6", ""},
		{"text that is there, of a writer that has ended", `Linux version \d`, ended, "Linux version 6", ""},
		{"text before the mark", "Welcome to GRUB", ended, "", `ended without writing "Welcome to GRUB"`},
		{"text that does not come", "login:", running, "", `did not write "login:" within 1ms`},
		{"a pattern that is none", "(", running, "", "compiling pattern: error parsing regexp: missing closing ): `(`"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := NewTranscript()
			tr.Write([]byte("Welcome to GRUB!\n"))
			tr.Mark()
			tr.Write([]byte("Linux version 6.1\n"))
			got, err := tr.wait(tt.pattern, time.Millisecond, tt.until)
			if got != tt.want || errorText(err) != tt.err {
				t.Errorf("got %q and error %q, want %q and %q", got, errorText(err), tt.want, tt.err)
			}
		})
	}
}

// FuzzTranscript: what is written in pieces reads as what is written at once,
// and no control character but newline and tab gets through.
func FuzzTranscript(f *testing.F) {
	f.Add("one\r\n\x1b[2J\x1b[01;01H\x1b]0;title\x07two\x1b(0q")
	f.Fuzz(func(t *testing.T, raw string) {
		whole, pieces := NewTranscript(), NewTranscript()
		whole.Write([]byte(raw))
		for i := range len(raw) {
			pieces.Write([]byte(raw[i : i+1]))
		}
		if whole.Text() != pieces.Text() {
			t.Errorf("whole %q, in pieces %q", whole.Text(), pieces.Text())
		}
		for _, c := range []byte(whole.Text()) {
			if c < 0x20 && c != '\n' && c != '\t' || c == 0x7f {
				t.Errorf("control character %#x in %q", c, whole.Text())
			}
		}
	})
}
