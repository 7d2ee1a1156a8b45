package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"

	"hobnail/internal/store"
)

// Statements that each connection keeps ready.
const (
	sqlGet    = "SELECT value, sum FROM kv WHERE key = ?"
	sqlPut    = "INSERT INTO kv (key, value, sum) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, sum = excluded.sum"
	sqlDelete = "DELETE FROM kv WHERE key = ?"
	sqlUp     = "SELECT key, value, sum FROM kv WHERE key >= ? AND key < ? ORDER BY key LIMIT ?"
	sqlDown   = "SELECT key, value, sum FROM kv WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT ?"
)

// conn is a connection and its statements, used by one transaction at a time.
// Its calls take no context of the caller's: SQLite would be interrupted in
// the middle, by a goroutine for each call. Transactions look at theirs
// between calls.
type conn struct {
	c     *sql.Conn
	ready map[string]*sql.Stmt
}

func (s *Store) connect() (*conn, error) {
	c, err := s.db.Conn(context.Background())
	if err != nil {
		return nil, err
	}
	n := &conn{c: c, ready: map[string]*sql.Stmt{}}
	for _, q := range []string{"BEGIN", "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK", sqlGet, sqlPut, sqlDelete, sqlUp, sqlDown} {
		if n.ready[q], err = c.PrepareContext(context.Background(), q); err != nil {
			n.close()
			return nil, err
		}
	}
	return n, nil
}

func (c *conn) do(q string, args ...any) error {
	_, err := c.ready[q].ExecContext(context.Background(), args...)
	return err
}

func (c *conn) close() {
	for _, stmt := range c.ready {
		if stmt != nil {
			stmt.Close()
		}
	}
	c.c.Close()
}

// tx implements store.Tx.
type tx struct {
	s     *Store
	ctx   context.Context
	c     *conn
	wrote map[string]bool // nil in a View
	// failed is the engine's first error. SQLite may have ended the transaction
	// with it: what followed would be committed by itself.
	failed error
	over   bool
}

func (t *tx) usable() error {
	switch {
	case t.over:
		return store.ErrClosed
	case t.failed != nil:
		return t.failed
	}
	return t.ctx.Err()
}

func (t *tx) fail(doing string, err error) error {
	if t.failed = t.s.fault(doing, err); t.failed == nil {
		return nil
	}
	return t.failed
}

func (t *tx) Get(key string) ([]byte, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	var value []byte
	var sum int64
	err := t.c.ready[sqlGet].QueryRowContext(context.Background(), []byte(key)).Scan(&value, &sum)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, store.ErrNotFound
	case err != nil:
		return nil, t.fail("reading", err)
	}
	return value, t.check(key, value, sum)
}

func (t *tx) Put(key string, value []byte) error {
	if err := t.writable(key, value); err != nil {
		return err
	}
	if value == nil {
		value = []byte{} // nil would be NULL
	}
	t.wrote[key] = true
	return t.fail("writing", t.c.do(sqlPut, []byte(key), value, sumOf(key, value)))
}

func (t *tx) Delete(key string) error {
	if err := t.writable(key, nil); err != nil {
		return err
	}
	t.wrote[key] = true
	return t.fail("writing", t.c.do(sqlDelete, []byte(key)))
}

func (t *tx) writable(key string, value []byte) error {
	if err := t.usable(); err != nil {
		return err
	}
	if t.wrote == nil {
		return store.ErrReadOnly
	}
	return store.Check(key, value)
}

// row is one key with its value.
type row struct {
	key   string
	value []byte
	sum   int64
}

// Scan reads some rows at a time, so that each may use the transaction: a few
// first, as many want no more.
func (t *tx) Scan(r store.Range, each func(key string, value []byte) bool) error {
	first, end := r.Bounds()
	q := sqlUp
	if r.Back {
		q = sqlDown
	}
	for n := 16; ; n = min(4*n, 256) {
		if err := t.usable(); err != nil {
			return err
		}
		rows, err := t.rows(q, first, end, n)
		if err != nil {
			return t.fail("reading", err)
		}
		for _, r := range rows {
			if err := t.check(r.key, r.value, r.sum); err != nil {
				return err
			}
			if !each(r.key, r.value) {
				return t.usable()
			}
			if err := t.usable(); err != nil {
				return err
			}
		}
		if len(rows) < n {
			return nil
		}
		if last := rows[n-1].key; r.Back {
			end = last
		} else {
			first = last + "\x00"
		}
	}
}

func (t *tx) rows(q, first, end string, n int) ([]row, error) {
	found, err := t.c.ready[q].QueryContext(context.Background(), []byte(first), []byte(end), n)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	all := make([]row, 0, n)
	for found.Next() {
		var r row
		var key sql.RawBytes
		if err := found.Scan(&key, &r.value, &r.sum); err != nil {
			return nil, err
		}
		r.key = string(key)
		all = append(all, r)
	}
	return all, found.Err()
}

// check compares what was read with the sum that was written with it. The
// transaction may go on: other values can be whole.
func (t *tx) check(key string, value []byte, sum int64) error {
	if sum == sumOf(key, value) {
		return nil
	}
	return fmt.Errorf("reading %s: the value of key %.80q is not what was written: %w; %s", t.s.path, key, store.ErrDamaged, t.s.remedy())
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOf is small as SQLite writes integers: 4 octets.
func sumOf(key string, value []byte) int64 {
	return int64(int32(crc32.Update(crc32.Checksum([]byte(key), castagnoli), castagnoli, value)))
}
