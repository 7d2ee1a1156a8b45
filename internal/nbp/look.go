package nbp

import "hobnail/internal/model"

// Look is what a boot program of somebody else's says of itself.
type Look struct {
	Machine string     // what it is built for, for people; empty if that cannot be told
	Arch    model.Arch // the same as an architecture; empty if it cannot be told, or is several
	Signer  string     // as in Program
	Unfit   string     // why machines of the architecture cannot run it: the rest of the sentence; empty: they can
}

// LookAt reads a boot program that was fetched from a server, for machines of
// an architecture.
func LookAt(a model.Arch, file string, b []byte) Look {
	machine, image, err := machineOf(a, LoaderOf(file), b)
	l := Look{Machine: machine}
	if err != nil {
		l.Unfit = err.Error()
	}
	if image, err := parsePE(b); err == nil {
		m, _ := lookupPEMachine(image.Machine)
		l.Arch = m.Arch
	}
	if image != nil {
		var p Program
		p.describePE(image, b)
		l.Signer = p.Signer
	}
	return l
}
