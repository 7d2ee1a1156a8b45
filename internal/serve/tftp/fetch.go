package tftp

import (
	"container/list"
)

// What is read ahead of slow content.
const (
	chunkSize = 64 << 10
	maxChunks = 512 // 32 MiB
	// maxFetches is how many are read at the same time.
	maxFetches = 32
)

// fetched is content that may wait when it is read, as that of a disk or of an
// archive: goroutines read it in chunks, which all who read the file share.
type fetched struct {
	file *openFile
	ses  *session
}

func (f fetched) readParts(off int64, parts [][]byte) (n int, err error) {
	c := &f.file.loop.chunks
	missing := false
	for _, part := range parts {
		for len(part) > 0 {
			at := off + int64(n)
			ch := c.get(f.file, at/chunkSize, f.ses)
			if !ch.ready {
				missing = true
				n += len(part) // what else is missing is fetched too
				break
			}
			if ch.err != nil {
				c.forget(ch)
				return 0, ch.err
			}
			got := copy(part, ch.data[min(at%chunkSize, int64(len(ch.data))):])
			n += got
			if part = part[got:]; got == 0 || len(ch.data) < chunkSize && len(part) > 0 {
				return n, nil
			}
		}
	}
	if missing {
		return 0, errNotYet
	}
	for next := (off + int64(n)) / chunkSize; next <= (off+2*int64(n))/chunkSize+1; next++ {
		c.ahead(f.file, next)
	}
	return n, nil
}

// chunks are parts of files that were fetched or are being fetched.
type chunks struct {
	loop  *loop
	all   map[chunkKey]*chunk
	order list.List // of *chunk, the one used last in front
	slots chan struct{}
}

type chunkKey struct {
	file *openFile
	n    int64 // counted from 0
}

type chunk struct {
	chunkKey
	data    []byte // shorter than chunkSize at the end of the file
	err     error
	ready   bool
	waiting []*session
	place   *list.Element
}

// get gives a chunk; one that is not ready will wake the session.
func (c *chunks) get(f *openFile, n int64, ses *session) *chunk {
	ch := c.all[chunkKey{f, n}]
	if ch == nil {
		ch = c.fetch(f, n)
	}
	if !ch.ready {
		ch.waiting = append(ch.waiting, ses)
	}
	c.order.MoveToFront(ch.place)
	return ch
}

// ahead has a chunk fetched that will be wanted soon.
func (c *chunks) ahead(f *openFile, n int64) {
	if c.all[chunkKey{f, n}] == nil && n*chunkSize < f.Size {
		c.fetch(f, n)
	}
}

func (c *chunks) fetch(f *openFile, n int64) *chunk {
	ch := &chunk{chunkKey: chunkKey{f, n}}
	c.all[ch.chunkKey] = ch
	ch.place = c.order.PushFront(ch)
	for e := c.order.Back(); len(c.all) > maxChunks && e != nil; {
		old := e.Value.(*chunk)
		e = e.Prev()
		if old.ready {
			c.forget(old)
		}
	}
	content := f.Content
	go func() {
		c.slots <- struct{}{}
		defer func() { <-c.slots }()
		data := make([]byte, chunkSize)
		n, err := readAt(content, data, n*chunkSize)
		c.loop.tell(message{chunk: ch, data: data[:n], err: err})
	}()
	return ch
}

// arrived takes a chunk that was read, and gives who waited for it.
func (c *chunks) arrived(ch *chunk, data []byte, err error) []*session {
	ch.data, ch.err, ch.ready = data, err, true
	waiting := ch.waiting
	ch.waiting = nil
	return waiting
}

func (c *chunks) forget(ch *chunk) {
	if c.all[ch.chunkKey] == ch {
		delete(c.all, ch.chunkKey)
		c.order.Remove(ch.place)
	}
}

// drop forgets all of a file that is closed.
func (c *chunks) drop(f *openFile) {
	if f.fd < 0 && isMemory(f.Content) {
		return
	}
	for key, ch := range c.all {
		if key.file == f {
			c.forget(ch)
		}
	}
}
