// Package isofs reads optical images where they lie, without unpacking them:
// ISO 9660 with Rock Ridge or Joliet, UDF 1.02 to 2.60, disks that are both,
// and the boot catalogue of El Torito.
//
//	v, err := isofs.Open(file, size)
//	f, err := v.Open("boot/vmlinuz")        // fs.File, io.ReaderAt, io.Seeker
//	where, err := v.Extents("boot/vmlinuz") // for sendfile out of the image
//
// Sources: ECMA-119 (ISO 9660), the Joliet specification of 1995, SUSP 1.12
// and RRIP 1.12 (IEEE P1281, P1282), ECMA-167 3rd edition, OSTA UDF 1.02 to
// 2.60, El Torito 1.0.
//
// # Which tree
//
// A disk may hold several trees over the same files. Shown is UDF, else Rock
// Ridge, else Joliet, else plain ISO 9660 with names as Linux gives them: lower
// case, without ";1". Where both UDF and Rock Ridge are there, Rock Ridge is
// taken only if it has names that UDF lacks, and UDF lacks nothing (see richer):
// genisoimage leaves symbolic links out of UDF.
//
// # Hostile images
//
// An image may come from anybody. What is read of it in one go, how deep its
// tree goes and what is remembered is bounded by the constants in limits.go;
// what goes against them, or against the standards, is a *Fault that says where.
// One fault costs as little as it can: an entry that cannot be read is listed
// and fails when it is opened; a directory whose records make no sense fails by
// itself.
//
// Each directory belongs to the one entry that was met first, and all of them
// together are not larger than the image. So a walk ends, however directories
// point at each other.
//
// Names that cannot stand in a path of fs.FS or in a line of a log are left out
// and counted (Skipped): empty, "." and "..", with '/', '\', NUL or other
// control characters, longer than 1,020 octets, and the second of two that are
// equal. Rock Ridge names that are not UTF-8 are read as ISO 8859-1.
//
// Symbolic links never leave the image: an absolute one begins at its root, and
// ".." above the root is the root, as after chroot(2).
//
// # Out of scope
//
// Of a multi-session disk the first session is seen. Not read: raw sectors of
// 2,352 octets, HFS and HFS+ trees, zisofs (such files fail when they are
// opened), extended attributes, named streams, interleaved files.
package isofs
