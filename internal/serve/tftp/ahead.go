package tftp

// aheadSize is how much is read ahead of a client in lock-step, in octets. A
// block costs a system call less then; more of it would be memory that the
// processor has to fetch again.
const aheadSize = 32 << 10

// ahead is what follows a block that one client was sent in lock-step. Where
// others read at the same time nothing is read ahead, for the next block is
// another's.
type ahead struct {
	file *openFile
	next int64  // where the latest block ended
	data []byte // from there on
	room []byte
}

// take gives a block that was read ahead.
func (a *ahead) take(f *openFile, off int64, part []byte) bool {
	if a.file != f || a.next != off || len(part) > len(a.data) {
		return false
	}
	n := copy(part, a.data)
	a.data, a.next = a.data[n:], off+int64(n)
	return true
}

// wanted gives room for what follows a block, if that follows the one before.
// What was read ahead is gone then.
func (a *ahead) wanted(f *openFile, off int64) []byte {
	a.data = nil
	if a.file != f || a.next != off {
		return nil
	}
	if a.room == nil {
		a.room = make([]byte, aheadSize)
	}
	return a.room
}

// read notes that a block was read, and so many octets into the room.
func (a *ahead) read(f *openFile, end int64, more int) {
	a.file, a.next, a.data = f, end, a.room[:more]
}
