package ramdisk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hobnail/internal/model"
)

func file(path, content string) File {
	return File{Path: path, Size: int64(len(content)), Content: strings.NewReader(content)}
}

func volumeOf(t testing.TB, files ...File) *Image {
	t.Helper()
	m, err := New("HOBNAIL", files)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestVolumeOfOneProgram holds every octet that is not zero against what was
// worked out by hand from the specification.
func TestVolumeOfOneProgram(t *testing.T) {
	f := file("EFI/a-long-name.efi", "program")
	f.ModTime = time.Date(2026, 6, 22, 21, 30, 10, 0, time.UTC)
	b := read(t, volumeOf(t, f))
	const date = "\xd6\x5c" // 46<<9 | 6<<5 | 22
	const clock = "\xc5\xab" // 21<<11 | 30<<5 | 5
	times := clock + date + date + "\x00\x00" + clock + date
	want := make([]byte, 512*(1+1+1+32+3*4))
	put := func(at int, octets string) { copy(want[at:], octets) }

	put(0, "\xeb\xfe\x90MSWIN4.1"+"\x00\x02"+"\x04"+"\x01\x00"+"\x02"+"\x00\x02"+"\x2f\x00"+"\xf8"+"\x01\x00"+"\x01\x00"+"\x01\x00")
	put(36, "\x80\x00\x29")
	copy(want[39:43], b[39:43]) // the serial number; see TestSerialNumbersDiffer
	put(43, "HOBNAIL    FAT12   ")
	put(510, "\x55\xaa")
	const fat = "\xf8\xff\xff" + "\xff\xff\xff" // entries 0 and 1; 2 and 3
	put(512, fat)
	put(1024, fat)
	const root = 3 * 512
	put(root, "HOBNAIL    \x08\x00\x00"+times)
	put(root+32, "EFI        \x10\x00\x00"+times+"\x02\x00")
	const dir = root + 32*512
	put(dir, ".          \x10\x00\x00"+times+"\x02\x00")
	put(dir+32, "..         \x10\x00\x00"+times+"\x00\x00")
	sum := string([]byte{sumOf([]byte("A-LONG~1EFI"))})
	put(dir+64, "\x42e\x00f\x00i\x00\x00\x00\xff\xff\x0f\x00"+sum+strings.Repeat("\xff", 12)+"\x00\x00"+strings.Repeat("\xff", 4))
	put(dir+96, "\x01a\x00-\x00l\x00o\x00n\x00\x0f\x00"+sum+"g\x00-\x00n\x00a\x00m\x00e\x00\x00\x00.\x00"+"")
	put(dir+128, "A-LONG~1EFI\x20\x00\x00"+times+"\x03\x00\x07\x00\x00\x00")
	put(dir+2048, "program")
	_ = date
	if diff := cmp.Diff(nonZero(want), nonZero(b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
