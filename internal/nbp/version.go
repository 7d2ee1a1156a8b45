package nbp

import "regexp"

// versionIn finds the version that programs without SBAT data carry as text;
// empty if there is none. Builds for BIOS are compressed: nothing is found in
// undionly.kpxe.
func versionIn(loader Loader, b []byte) string {
	var pattern string
	switch loader {
	case LoaderIPXE:
		// A string of its own: "1.0.0+git-20190125.36a4c85-5.1" as Debian
		// builds it, "1.21.1+ (g988d2)" or "2.0.0" as iPXE's makefile does.
		pattern = `\x00([0-9]{1,2}\.[0-9]{1,3}\.[0-9]{1,3}(?:\+[-~+.0-9A-Za-z]{0,60})?(?: \([0-9a-z]{4,48}\))?)\x00`
	case LoaderGRUB, LoaderGRUBProxy:
		// The package's version follows the banner's format in GRUB's
		// "normal" module.
		pattern = `GNU GRUB  version %s\x00+([-~+.:0-9A-Za-z]{3,60})\x00`
	case LoaderPXELINUX:
		pattern = `PXELINUX ([0-9]{1,2}\.[0-9]{1,3}[-.0-9a-z]{0,20}) `
	default:
		return ""
	}
	if m := regexp.MustCompile(pattern).FindSubmatch(b); m != nil {
		return string(m[1])
	}
	return ""
}
