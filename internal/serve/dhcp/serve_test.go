package dhcp_test

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"

	"hobnail/internal/lease"
	"hobnail/internal/netio"
	"hobnail/internal/policy"
	"hobnail/internal/serve/dhcp"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

// TestAcknowledgedOnlyWhenOnDisk: while the disk works, offers go out and
// acknowledgements wait; then all that gathered goes to disk together.
func TestAcknowledgedOnlyWhenOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &slowDisk{Table: lease.NewTable(), release: make(chan struct{})}
		conn := netio.NewMemConn(dhcp4.ServerPort)
		s := newServer(t, largeSite, disk)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Serve(ctx, conn) }()

		for i := range uint32(3) {
			discover := relayedDiscover(t)
			binary.BigEndian.PutUint32(discover[30:], i)
			conn.Deliver(relayed(discover))
			offer := <-conn.Sent()
			conn.Deliver(relayed(requestFor(discover, offer.Data)))
			synctest.Wait()
			select {
			case out := <-conn.Sent():
				t.Fatalf("something left while the disk worked: % x", out.Data[240:])
			default:
			}
		}
		disk.release <- struct{}{} // the first alone
		disk.release <- struct{}{} // the other two together
		for range 3 {
			if out := <-conn.Sent(); dhcp4.PeekType(out.Data) != dhcp4.Ack {
				t.Errorf("not an ACK: % x", out.Data[240:])
			}
		}
		if disk.commits != 2 {
			t.Errorf("%d commits for three leases, want 2", disk.commits)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestHeldAnswersLeaveBeforeTheEnd: a server that is told to stop settles what
// it has decided.
func TestHeldAnswersLeaveBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &slowDisk{Table: lease.NewTable(), release: make(chan struct{})}
		conn := netio.NewMemConn(dhcp4.ServerPort)
		s := newServer(t, serverSite, disk)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Serve(ctx, conn) }()
		conn.Deliver(broadcast(wiretest.Packet(t, "31-ovmf-x64-pxe-request")))
		synctest.Wait()
		cancel()
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("the server ended while the disk worked for it")
		default:
		}
		disk.release <- struct{}{}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if disk.commits != 1 {
			t.Errorf("%d commits, want 1", disk.commits)
		}
	})
}

// slowDisk commits when it is told to.
type slowDisk struct {
	*lease.Table
	release chan struct{}

	mu      sync.Mutex
	commits int
}

func (d *slowDisk) Stage(c policy.LeaseChange) (uint64, error) {
	_, err := d.Table.Stage(c)
	return ticketFor(c), err
}

func (d *slowDisk) Commit(uint64) error {
	<-d.release
	d.mu.Lock()
	defer d.mu.Unlock()
	d.commits++
	return nil
}

func relayed(b []byte) netio.Packet {
	return netio.Packet{Data: b, IfIndex: eth0, Port: dhcp4.ServerPort,
		Src: netip.MustParseAddrPort("10.64.0.2:67"), Dst: netip.MustParseAddr("10.99.0.1")}
}

var _ dhcp.Leases = (*slowDisk)(nil)
