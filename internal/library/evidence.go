package library

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Check is one thing that an image was compared with.
type Check struct {
	Kind   string `json:"kind"`           // "sum", "signature", "treeinfo"
	From   string `json:"from"`           // path or URL of the list or signature, "given", or the file within the image
	Result string `json:"result"`         // one of Result…
	Text   string `json:"text,omitempty"` // who signed, or why there is no result
}

const (
	ResultOK        = "ok"
	ResultUnlisted  = "not listed"         // the list has no sum of this file
	ResultUnchecked = "there, not checked" // a signature, without a key to check it by
	ResultUnread    = "not read"
)

// given is where a sum is from that a person named.
const given = "given"

// Mismatch says that a file is not what its maker, or a person, says it is.
type Mismatch struct {
	File      string
	From      string // path or URL of the list, or "given"
	Algorithm string // "sha256", "sha512"
	Want, Got string // hexadecimal
}

func (e *Mismatch) Error() string {
	from := "in " + e.From
	if e.From == given {
		from = "that was given"
	}
	return fmt.Sprintf("%s is not what it should be: its %s is\n  %s, and the one %s is\n  %s", e.File, e.Algorithm, e.Got, from, e.Want)
}

// expected is a sum that a file must have.
type expected struct {
	sum
	from string
}

// maxList bounds lists and signatures, in octets.
const maxList = 4 << 20

// place is where a file lies and others beside it.
type place interface {
	// beside lists the names under which there may be lists for a file.
	beside(file string) []string
	// read gives a small file; ok is false where there is none.
	read(ctx context.Context, name string) (octets []byte, ok bool, err error)
	// called names a file for people.
	called(name string) string
}

// evidence is what lies beside a file and says what it must be.
type evidence struct {
	expected []expected
	checks   []Check    // that need nothing of the file
	own      []detached // signatures of the file itself
	signed   bool       // some sum in expected was signed by a key of the keyring
}

type detached struct {
	from   string
	octets []byte
}

// gather reads the lists and signatures beside a file. Without a keyring,
// signatures are noticed only. The error is a signature that is no good.
func gather(ctx context.Context, where place, file string, keys *keyring) (evidence, error) {
	var e evidence
	for _, name := range where.beside(file) {
		octets, ok, err := where.read(ctx, name)
		switch {
		case ctx.Err() != nil:
			return e, ctx.Err()
		case err != nil:
			e.note("sum", where.called(name), ResultUnread, err.Error())
			continue
		case !ok:
			continue
		}
		if err := e.list(ctx, where, file, name, octets, keys); err != nil {
			return e, err
		}
	}
	for _, end := range signatureEndings() {
		if octets, ok, err := where.read(ctx, file+end); err == nil && ok {
			e.own = append(e.own, detached{where.called(file + end), octets})
		}
	}
	return e, ctx.Err()
}

func (e *evidence) note(kind, from, result, text string) {
	e.checks = append(e.checks, Check{kind, from, result, text})
}

// list takes what one list says of a file.
func (e *evidence) list(ctx context.Context, where place, file, name string, octets []byte, keys *keyring) error {
	text, inline := signedPart(octets)
	all := parseSums(text)
	if len(all) == 0 {
		return nil // it only has a list's name
	}
	if !strings.HasPrefix(strings.ToLower(name), strings.ToLower(file)) {
		all = named(all)
	}
	found := sumsFor(all, file)
	if len(found) == 0 {
		e.note("sum", where.called(name), ResultUnlisted, "")
		return nil
	}
	for _, s := range found {
		e.expected = append(e.expected, expected{s, where.called(name)})
	}
	if inline != nil {
		good, err := e.judge(keys, where.called(name), bytes.NewReader(text), inline)
		e.signed = e.signed || good
		return err
	}
	for _, end := range signatureEndings() {
		signature, ok, err := where.read(ctx, name+end)
		if err != nil || !ok {
			continue
		}
		good, err := e.judge(keys, where.called(name+end), bytes.NewReader(octets), signature)
		if err != nil {
			return err
		}
		e.signed = e.signed || good
	}
	return nil
}

// named leaves out the sum of a list without names: it is of the file that
// the list is named after.
func named(all []sum) []sum {
	var rest []sum
	for _, s := range all {
		if s.File != "" {
			rest = append(rest, s)
		}
	}
	return rest
}

// judge verifies a signature where there are keys.
func (e *evidence) judge(keys *keyring, from string, content io.Reader, signature []byte) (good bool, err error) {
	if keys == nil {
		e.note("signature", from, ResultUnchecked, "no keyring was given")
		return false, nil
	}
	return e.take(from, keys.verify(content, signature))
}

func (e *evidence) take(from string, s signed) (good bool, err error) {
	switch {
	case s.err != nil:
		return false, fmt.Errorf("the signature %s is no good: %v", from, s.err)
	case s.unknown:
		e.note("signature", from, ResultUnchecked, "its key is not in the keyring")
		return false, nil
	}
	e.note("signature", from, ResultOK, "signed by "+s.by)
	return true, nil
}

// watch makes a digest verify the signatures of the file itself while it is
// read. end gives what they say, and must be called.
func (e *evidence) watch(d *digest, keys *keyring) (end func(whole bool) error) {
	if keys == nil {
		for _, s := range e.own {
			e.note("signature", s.from, ResultUnchecked, "no keyring was given")
		}
		return func(bool) error { return nil }
	}
	type verdict struct {
		from string
		said chan signed
	}
	var all []verdict
	var pipes []*io.PipeWriter
	for _, s := range e.own {
		r, w := io.Pipe()
		v := verdict{s.from, make(chan signed, 1)}
		go func() {
			said := keys.verify(r, s.octets)
			r.CloseWithError(io.ErrClosedPipe)
			v.said <- said
		}()
		all, pipes, d.taps = append(all, v), append(pipes, w), append(d.taps, w)
	}
	return func(whole bool) error {
		for _, w := range pipes {
			if whole {
				w.Close()
			} else {
				w.CloseWithError(errors.New("the file was not read to its end"))
			}
		}
		for _, v := range all {
			said := <-v.said
			if !whole {
				continue
			}
			good, err := e.take(v.from, said)
			if err != nil {
				return err
			}
			e.signed = e.signed || good
		}
		return nil
	}
}

// compare holds a file's sums against what was expected. The first that
// differs is a *Mismatch.
func (e *evidence) compare(file string, d *digest) error {
	for _, want := range e.expected {
		if got := d.hex(want.Algorithm); got != want.Hex {
			return &Mismatch{File: file, From: want.from, Algorithm: want.Algorithm, Want: want.Hex, Got: got}
		}
		e.note("sum", want.from, ResultOK, "")
	}
	return nil
}
