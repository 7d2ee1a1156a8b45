package history

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
)

// A packed value begins with an octet that says how it is packed.
const packedDeflate = 1

// maxUnpacked bounds what one boot may become: 256 steps are 100 KiB.
const maxUnpacked = 16 << 20

// packer packs the JSON of boots. It is not safe for concurrent use.
type packer struct {
	out bytes.Buffer
	w   *flate.Writer
}

func newPacker() *packer {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // there is such a level
	}
	return &packer{w: w}
}

// pack packs p. Writing to memory cannot fail.
func (k *packer) pack(p []byte) []byte {
	k.out.Reset()
	k.out.WriteByte(packedDeflate)
	k.w.Reset(&k.out)
	_, _ = k.w.Write(p)
	_ = k.w.Close()
	return bytes.Clone(k.out.Bytes())
}

func unpack(packed []byte) ([]byte, error) {
	if len(packed) == 0 || packed[0] != packedDeflate {
		return nil, errors.New("it is packed in a way that this hobnail does not know")
	}
	p, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed[1:])), maxUnpacked+1))
	if err != nil {
		return nil, fmt.Errorf("unpacking it: %v", err)
	}
	if len(p) > maxUnpacked {
		return nil, fmt.Errorf("unpacked it has more than %d octets", maxUnpacked)
	}
	return p, nil
}
