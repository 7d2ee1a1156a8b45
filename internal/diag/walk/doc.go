// Package walk is a PXE client of our own: it walks a boot from where this host
// is, as firmware would, up to the end of the boot file. It asks by broadcast
// on a link, or as a relay would; it takes no address for good. What it hears
// is for package diag to judge.
package walk
