package bootfile

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// landlockABI gives the version of Landlock that this kernel offers us,
// landlock_create_ruleset(2); 0 if none: too old, built or started without it,
// or hidden by a container's filter of system calls.
func landlockABI() int {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// HasLandlock reports whether the kernel can guard what is opened.
func HasLandlock() bool { return landlockABI() > 0 }

// handledAccess is every right over files that a version of Landlock can take
// away, landlock(7): a kernel refuses bits that it does not know.
func handledAccess(abi int) uint64 {
	rights := uint64(unix.LANDLOCK_ACCESS_FS_MAKE_SYM)<<1 - 1 // that bit and all before it
	if abi >= 2 {
		rights |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		rights |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 5 {
		rights |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return rights
}

// ruleset is a Landlock ruleset: what the threads that take it may still read.
type ruleset struct{ fd int }

// newRuleset makes one by which nothing can be read yet.
func newRuleset() (ruleset, error) {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: handledAccess(landlockABI())}
	// The first version knows this one field, and refuses longer structures
	// only where what follows is not zero.
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return ruleset{}, fmt.Errorf("making a Landlock ruleset: %w", errno)
	}
	return ruleset{int(fd)}, nil
}

// allow lets a folder be read with everything beneath it, or a file.
func (r ruleset) allow(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	rights := uint64(unix.LANDLOCK_ACCESS_FS_READ_FILE)
	if info.IsDir() {
		rights |= unix.LANDLOCK_ACCESS_FS_READ_DIR // os.Root opens the folders that links inside lead through
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno unix.Errno
	err = raw.Control(func(fd uintptr) {
		attr := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
		_, _, errno = unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH,
			uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	})
	if err == nil && errno != 0 {
		err = errno
	}
	if err != nil {
		return fmt.Errorf("allowing %s in Landlock: %w", f.Name(), err)
	}
	return nil
}

// restrictThread takes everything from the calling thread but what is allowed,
// for as long as the thread lives. Other threads keep what they have, and Go
// starts no new ones from a thread that is locked to its goroutine.
func (r ruleset) restrictThread() error {
	// Without it the kernel wants CAP_SYS_ADMIN. It too is the thread's alone.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("preparing a thread for Landlock: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(r.fd), 0, 0); errno != 0 {
		return fmt.Errorf("restricting a thread by Landlock: %w", errno)
	}
	return nil
}

func (r ruleset) close() { unix.Close(r.fd) }
