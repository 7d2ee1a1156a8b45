package library

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
)

// signatureEndings are those of detached signatures.
func signatureEndings() []string { return []string{".gpg", ".asc", ".sign", ".sig"} }

// keyring are the keys that a person trusts. nil trusts nobody and checks
// nothing.
type keyring struct{ keys openpgp.EntityList }

// readKeyring takes OpenPGP certificates, armored or not (RFC 9580).
func readKeyring(octets []byte) (*keyring, error) {
	read := openpgp.ReadKeyRing
	if bytes.Contains(octets[:min(len(octets), 4096)], []byte("-----BEGIN PGP")) {
		read = openpgp.ReadArmoredKeyRing
	}
	keys, err := read(bytes.NewReader(octets))
	if err != nil {
		return nil, fmt.Errorf("reading the keyring: %v; allowed are OpenPGP certificates, as gpg --export writes them", err)
	}
	if len(keys) == 0 {
		return nil, errors.New("reading the keyring: it has no keys")
	}
	return &keyring{keys}, nil
}

// signed is what a signature says of octets: who made it, or that the key is
// not in the keyring, or that it is no good.
type signed struct {
	by      string
	unknown bool
	err     error
}

func (k *keyring) verify(content io.Reader, signature []byte) signed {
	check := openpgp.CheckDetachedSignature
	if bytes.Contains(signature[:min(len(signature), 4096)], []byte("-----BEGIN PGP")) {
		check = openpgp.CheckArmoredDetachedSignature
	}
	signer, err := check(k.keys, content, bytes.NewReader(signature), nil)
	switch {
	case err == nil:
		return signed{by: owner(signer)}
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return signed{unknown: true}
	}
	return signed{err: err}
}

// owner names a key for people: whom it is of, and its fingerprint.
func owner(e *openpgp.Entity) string {
	print := strings.ToUpper(fmt.Sprintf("%x", e.PrimaryKey.Fingerprint))
	for _, id := range slices.Sorted(maps.Keys(e.Identities)) {
		return id + " " + print
	}
	return print
}

// signedPart gives the text of a signed message, and its signature. Without
// one, all of it, and nil.
func signedPart(list []byte) (text, signature []byte) {
	block, _ := clearsign.Decode(list)
	if block == nil {
		return list, nil
	}
	signature, err := io.ReadAll(io.LimitReader(block.ArmoredSignature.Body, maxList))
	if err != nil || len(signature) == 0 {
		return list, nil
	}
	return block.Bytes, signature
}
