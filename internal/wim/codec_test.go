package wim

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// The files in testdata were made by wimlib 1.13.6 out of what golden gives:
// go test -tags interop -run TestInteropGolden -update ./internal/wim
func golden() map[string][]byte {
	return map[string][]byte{
		"words": content("words", 70_000), "code": content("code", 32<<10+1), "edges": content("edges", 30_000),
		"skewed": content("skewed", 32<<10), "far": content("far", 12_000), "zeros": content("zeros", 100_000), "empty": {},
	}
}

// bitWriter writes what bitReader reads.
type bitWriter struct {
	out  []byte
	word uint32
	have int
}

func (w *bitWriter) bits(v, n int) {
	for n--; n >= 0; n-- {
		w.word = w.word<<1 | uint32(v>>n&1)
		if w.have++; w.have == 16 {
			w.out = append(w.out, byte(w.word), byte(w.word>>8))
			w.word, w.have = 0, 0
		}
	}
}

func (w *bitWriter) align() {
	for first := true; first || w.have != 0; first = false {
		w.bits(0, 1)
	}
}

// stored writes an uncompressed block.
func (w *bitWriter) stored(order int, data []byte) {
	w.bits(lzxUncompressed, 3)
	w.bits(0, 1)
	if order >= 16 {
		w.bits(len(data), 24)
	} else {
		w.bits(len(data), 16)
	}
	// In words up to the next border, and a whole one if there is none.
	if w.have == 0 {
		w.bits(0, 16)
	} else {
		w.bits(0, 16-w.have)
	}
	for range 3 {
		w.out = append(w.out, 1, 0, 0, 0)
	}
	w.out = append(w.out, data...)
	if len(data)%2 == 1 {
		w.out = append(w.out, 0)
	}
}

// wimlib never writes uncompressed blocks; Microsoft's compressor does.
func TestLZXUncompressedBlocks(t *testing.T) {
	data := content("skewed", 30_001)
	for _, order := range []int{15, 17} {
		w := &bitWriter{}
		w.stored(order, data[:9_001])
		w.stored(order, data[9_001:9_004])
		w.stored(order, data[9_004:])
		got := make([]byte, len(data))
		if err := newLZX(order).decompress(got, w.out); err != nil || !bytes.Equal(got, data) {
			t.Errorf("order %d: %v, or other octets", order, err)
		}
		if err := newLZX(order).decompress(got, w.out[:len(w.out)-2]); err != errTruncated {
			t.Errorf("order %d, cut: %v", order, err)
		}
	}
}

// literals writes a verbatim block in which each octet has a code of 8 bits.
func (w *bitWriter) literals(data []byte) {
	w.bits(lzxVerbatim, 3)
	w.bits(0, 1)
	w.bits(len(data), 16)
	// A pre code of two symbols of one bit: 9, which is a length of 8 as a
	// difference from 0 modulo 17, and 18, a run of zeros.
	pre := func(symbols ...int) {
		for i := range 20 {
			n := 0
			for _, s := range symbols {
				if s == i {
					n = 1
				}
			}
			w.bits(n, 4)
		}
	}
	zeros := func(n int) {
		for n > 0 {
			run := min(n, 51)
			if rest := n - run; 0 < rest && rest < 20 {
				run -= 20 - rest
			}
			w.bits(1, 1)
			w.bits(run-20, 5)
			n -= run
		}
	}
	pre(9, 18)
	for range 256 {
		w.bits(0, 1)
	}
	pre(9, 18)
	zeros(240)
	pre(9, 18)
	zeros(249)
	for _, b := range data {
		w.bits(int(b), 8)
	}
}

func TestLZXMixedBlocks(t *testing.T) {
	data := content("words", 3_000)
	w := &bitWriter{}
	w.literals(data[:1_001])
	w.stored(15, data[1_001:1_500])
	w.stored(15, data[1_500:])
	got := make([]byte, len(data))
	if err := newLZX(15).decompress(got, w.out); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%v, or other octets", err)
	}
}

func TestHuffmanFindsEveryCode(t *testing.T) {
	lens := make([]uint8, 300)
	for i := range 15 {
		lens[2*i+1] = uint8(i + 1)
	}
	lens[200], lens[201] = 16, 16
	var h huffman
	if err := h.build(lens); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	w, want := &bitWriter{}, []int{}
	for range 5000 {
		n := 1 + r.IntN(16)
		symbol := 2*n - 1
		code := 1<<n - 2 // the first n-1 bits are ones
		if n == 16 {
			last := r.IntN(2)
			symbol, code = 200+last, 1<<16-2+last
		}
		w.bits(code, n)
		want = append(want, symbol)
	}
	w.align()
	in := &bitReader{src: w.out}
	for i, symbol := range want {
		if got, err := h.symbol(in); err != nil || got != symbol {
			t.Fatalf("symbol %d: %d, %v; want %d", i, got, err, symbol)
		}
	}
}

func TestHuffmanRefusesIncompleteCodes(t *testing.T) {
	var h huffman
	for _, lens := range [][]uint8{{1}, {1, 2}, {1, 1, 1}, {16, 16}, {0, 1, 0, 16}} {
		if err := h.build(lens); err == nil {
			t.Errorf("a code of lengths %v is taken", lens)
		}
	}
	if err := h.build([]uint8{0, 0}); err != nil {
		t.Error(err)
	}
	if s, err := h.symbol(&bitReader{src: make([]byte, 10)}); err != errCode {
		t.Errorf("an empty code gives %d, %v", s, err)
	}
}

func TestXPRESSRefusals(t *testing.T) {
	// Two symbols of one bit: a match of length 3 at offset 1, and 'a'.
	src := make([]byte, 256)
	src['a'/2] |= 1 << 4 // odd: high half
	src[256/2] |= 1
	for _, row := range []struct {
		name  string
		words string
		n     int
		want  error
	}{
		{"a match before the first octet", "\x00\xff\x00\x00", 4, errMatch},
		{"a match beyond the end", "\x00\x40\x00\x00", 3, errMatch},
		{"no end", "", 4, errTruncated},
	} {
		dst := make([]byte, row.n)
		if err := (&xpress{}).decompress(dst, append(bytes.Clone(src), row.words...)); err != row.want {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
	dst := make([]byte, 4)
	if err := (&xpress{}).decompress(dst, append(bytes.Clone(src), "\x00\x40\x00\x00"...)); err != nil || string(dst) != "aaaa" {
		t.Errorf("an octet and a match: %q, %v", dst, err)
	}
}

func TestCopyMatch(t *testing.T) {
	for offset := 1; offset < 20; offset++ {
		for length := range 60 {
			got, want := content("random", 100), content("random", 100)
			for i := range length {
				want[20+i] = want[20+i-offset]
			}
			copyMatch(got, 20, offset, length)
			if !bytes.Equal(got, want) {
				t.Fatalf("offset %d, length %d", offset, length)
			}
		}
	}
}
