package site

import (
	"context"
	"errors"
	"strings"

	"hobnail/internal/bootfile"
	"hobnail/internal/bootscript"
)

// image opens a file of an image, or what fills up an initial RAM disk before
// the next one.
func (s *Site) image(ctx context.Context, r bootfile.Request) (*bootfile.File, error) {
	f, err := s.Images.Open(ctx, r)
	name, pads := strings.CutSuffix(r.Name, bootscript.Pad)
	if !pads || !errors.Is(err, bootfile.ErrNotFound) {
		return f, err
	}
	padded := r.Name
	r.Name = name
	if f, err = s.Images.Open(ctx, r); err != nil {
		return nil, err
	}
	size := f.Size
	if err := f.Close(); err != nil {
		return nil, err
	}
	if size < 0 { // it is not known yet: nobody can say what is missing
		return nil, bootfile.ErrNotFound
	}
	return s.generated(padded, make([]byte, 4-size%4)), nil
}
