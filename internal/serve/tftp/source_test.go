package tftp

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// readAll reads every block of a source once, in order.
func readAll(t testing.TB, s source, blksize int) (contents []byte, blocks int64) {
	t.Helper()
	b := make([]byte, blksize)
	for n := int64(1); ; n++ {
		got, err := s.read(n, [][]byte{b})
		if err != nil {
			t.Fatalf("block %d: %v", n, err)
		}
		contents = append(contents, b[:got]...)
		if got < blksize {
			return contents, n
		}
	}
}

func TestOctets(t *testing.T) {
	const blksize = 8
	for size := range 3*blksize + 2 {
		file := strings.Repeat("0123456", 4)[:size]
		for _, known := range []int64{int64(size), -1} {
			got, blocks := readAll(t, octets{direct{strings.NewReader(file)}, known}, blksize)
			if string(got) != file {
				t.Errorf("%d octets, size %d: read %q, want %q", size, known, got, file)
			}
			if want := int64(size/blksize + 1); blocks != want {
				t.Errorf("%d octets, size %d: %d blocks, want %d", size, known, blocks, want)
			}
		}
	}
}

func TestOctetsOfAFileThatChanged(t *testing.T) {
	b := make([]byte, 8)
	_, err := octets{direct{strings.NewReader("0123456789")}, 16}.read(2, [][]byte{b})
	if want := "reading octets 8 to 16: file ends after 10"; err == nil || err.Error() != want {
		t.Errorf("a file shorter than its size: error %v, want %q", err, want)
	}
	if n, err := (octets{direct{strings.NewReader("0123456789")}, 9}).read(2, [][]byte{b}); n != 1 || err != nil {
		t.Errorf("a file longer than its size: %d octets, error %v, want 1", n, err)
	}
	broken := errors.New("disk on fire")
	if _, err := (octets{direct{failingReader{broken}}, 9}).read(1, [][]byte{b}); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

// flight reads up to a window of blocks.
func flight(t *rapid.T, s source, base int64, window, blksize int) (blocks [][]byte) {
	for n := base; n < base+int64(window); n++ {
		b := make([]byte, blksize)
		size, err := s.read(n, [][]byte{b})
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, b[:size])
		if size < blksize {
			break
		}
	}
	return blocks
}

// failingReader fails every read.
type failingReader struct{ err error }

func (r failingReader) ReadAt([]byte, int64) (int, error) { return 0, r.err }

func TestNetascii(t *testing.T) {
	tests := []struct {
		name string
		file string
		want string
	}{
		{"nothing", "", ""},
		{"text without line ends", "abc", "abc"},
		{"a line feed becomes CR LF", "a\nb", "a\r\nb"},
		{"a carriage return becomes CR NUL", "a\rb", "a\r\x00b"},
		{"CR LF of the file is two characters", "\r\n", "\r\x00\r\n"},
		{"a pair that a block cuts in two", "1234567\n8", "1234567\r\n8"},
		{"a pair that fills a block to its end", "123456\n", "123456\r\n"},
		{"nothing but line feeds", "\n\n\n\n\n\n\n\n\n", strings.Repeat("\r\n", 9)},
		{"other octets are left alone", "\x00\xff\t", "\x00\xff\t"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const blksize = 8
			got, blocks := readAll(t, newNetascii(direct{strings.NewReader(tt.file)}, terms{blksize: blksize, window: 1}), blksize)
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("contents (-want +got):\n%s", diff)
			}
			if want := int64(len(tt.want)/blksize + 1); blocks != want {
				t.Errorf("%d blocks, want %d", blocks, want)
			}
		})
	}
}

// TestNetasciiAgain asks for the blocks of a window a second time, as after a
// loss, and then for the next window.
func TestNetasciiAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		file := rapid.SliceOfN(rapid.SampledFrom([]byte("a\n\r")), 0, 200).Draw(t, "file")
		window := rapid.IntRange(1, 5).Draw(t, "window")
		want := bytes.ReplaceAll(file, []byte("\r"), []byte("\r\x00"))
		want = bytes.ReplaceAll(want, []byte("\n"), []byte("\r\n"))

		const blksize = 8
		s := newNetascii(direct{bytes.NewReader(file)}, terms{blksize: blksize, window: int16(window)})
		var got []byte
		for base, last := int64(1), false; !last; {
			if rapid.Bool().Draw(t, "lost") {
				flight(t, s, base, window, blksize)
			}
			blocks := flight(t, s, base, window, blksize)
			// The client has these, and lost the rest.
			blocks = blocks[:rapid.IntRange(1, len(blocks)).Draw(t, "received")]
			for _, b := range blocks {
				got = append(got, b...)
				last = len(b) < blksize
			}
			base += int64(len(blocks))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("contents (-want +got):\n%s", diff)
		}
	})
}
