package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/klauspost/compress/s2"

	"hobnail/internal/model"
)

// packedS2 is the octet before a boot that is packed with S2.
const packedS2 = 1

// maxUnpacked bounds what one boot may become: 256 steps are 100 KiB.
const maxUnpacked = 16 << 20

// packer writes boots. It is not safe for concurrent use.
type packer struct {
	json bytes.Buffer
	out  []byte
}

// boot packs a boot.
func (k *packer) boot(b *model.Boot) ([]byte, error) {
	k.json.Reset()
	if err := encode(&k.json, b); err != nil {
		return nil, err
	}
	k.out = slices.Grow(k.out[:0], 1+s2.MaxEncodedLen(k.json.Len()))[:1]
	k.out[0] = packedS2
	n := len(s2.Encode(k.out[1:cap(k.out)], k.json.Bytes()))
	return bytes.Clone(k.out[:1+n]), nil
}

// index is a boot as lists have it.
func (k *packer) index(b *model.Boot) ([]byte, error) {
	k.json.Reset()
	err := encode(&k.json, brief(b))
	return bytes.Clone(k.json.Bytes()), err
}

func encode(to *bytes.Buffer, b *model.Boot) error {
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false) // it is no page
	return e.Encode(b)
}

// unpackBoot is the reverse of packer.boot.
func unpackBoot(packed []byte) (*model.Boot, error) {
	whole, err := unpack(packed)
	if err != nil {
		return nil, err
	}
	b := new(model.Boot)
	return b, json.Unmarshal(whole, b)
}

func unpack(packed []byte) ([]byte, error) {
	if len(packed) == 0 || packed[0] != packedS2 {
		return nil, errors.New("it is packed in a way that this hobnail does not know")
	}
	packed = packed[1:]
	if n, err := s2.DecodedLen(packed); err != nil || n > maxUnpacked {
		return nil, fmt.Errorf("unpacking it: it would have %d octets, error %v", n, err)
	}
	p, err := s2.Decode(nil, packed)
	if err != nil {
		return nil, fmt.Errorf("unpacking it: %v", err)
	}
	return p, nil
}
