package nbp

import (
	"crypto"
	"crypto/sha256"
	"encoding/hex"

	"hobnail/internal/model"
)

// describe reads what a program's content says about it, and refuses a
// program that machines of the architecture cannot run; the error ends a
// sentence that begins with the file's name. Source and licence are left to
// the caller, who knows where the file is from. The machine is given with an
// error too, as far as it is known.
func describe(a model.Arch, file string, b []byte) (Program, error) {
	sum := sha256.Sum256(b)
	p := Program{
		Arch:   a,
		Loader: LoaderOf(file),
		File:   file,
		Size:   int64(len(b)),
		SHA256: hex.EncodeToString(sum[:]),
	}
	machine, image, err := machineOf(a, p.Loader, b)
	p.Machine = machine
	if err != nil {
		return p, err
	}
	if image != nil {
		p.describePE(image, b)
	}
	if p.Loader == LoaderGRUBProxy {
		if _, err := findPlace(b); err != nil {
			return p, err
		}
	}
	p.Version = sbatVersion(p.SBAT)
	if p.Version == "" {
		p.Version = versionIn(p.Loader, b)
	}
	return p, nil
}

func (p *Program) describePE(image *peImage, b []byte) {
	digest := func(h crypto.Hash) ([]byte, error) {
		w := h.New()
		err := image.digest(b, w)
		return w.Sum(nil), err
	}
	if sum, err := digest(crypto.SHA256); err == nil {
		p.Authenticode = hex.EncodeToString(sum)
	}
	all, err := signatures(image.Certs, digest)
	if image.CertsErr != nil {
		err = image.CertsErr
	}
	p.Signatures = all
	p.Signer = signerText(all, err)
	p.SBAT = parseSBAT(image.section(".sbat"))
	p.Revokes = parseSBATLevel(image.section(".sbatlevel"))
}

// Signer says of any PE image, such as a kernel with an EFI stub, the digest
// that firmware knows it by and who signed it, as in Program; both are empty
// for what is none.
func Signer(b []byte) (authenticode, signer string) {
	image, err := parsePE(b)
	if err != nil {
		return "", ""
	}
	var p Program
	p.describePE(image, b)
	return p.Authenticode, p.Signer
}
