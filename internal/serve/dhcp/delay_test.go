package dhcp_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

const delayed = "[boot]\noffer = \"delayed\"\n"

// TestDelayedOffer: it leaves a second later, once, and is told of then; what
// else comes meanwhile does not wait.
func TestDelayedOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, "[server]\ndhcp = \"proxy\"\n"+delayed)
		run(t, w, []step{
			{name: "firmware asks", packet: broadcast(wiretest.Packet(t, "30-ovmf-x64-pxe-discover"))},
			{name: "iPXE asks", packet: broadcast(wiretest.Packet(t, "38-ipxe-uefi-discover")),
				sent: []string{`OFFER 0.0.0.0 file "http://10.99.0.1:8080/m/525400123456/uefi-x64/boot.ipxe" from 10.99.0.1 to 255.255.255.255:68 by 2`}, events: []string{"dhcp.offer" + qemu}},
		})
		for _, s := range []struct {
			after time.Duration
			want  []string
		}{{900 * time.Millisecond, nil}, {200 * time.Millisecond, []string{proxied}}, {5 * time.Second, nil}} {
			if diff := cmp.Diff(s.want, w.later(t, s.after)); diff != "" {
				t.Errorf("%v later (-want +got):\n%s", s.after, diff)
			}
		}
		if got := w.events.take(); len(got) != 1 || got[0].Code != "dhcp.offer" {
			t.Errorf("told of %v", got)
		}
	})
}

// TestDelayedOfferWhereNobodyAnswers: in mode auto it takes the place of the
// site's server's offer, a second later.
func TestDelayedOfferWhereNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startMerging(t, autoSite+delayed)
		run(t, w, []step{{name: "the machine asks", packet: broadcast(wiretest.Packet(t, "30-ovmf-x64-pxe-discover")),
			sent: []string{passedOn}, events: []string{"dhcp.forwarded" + qemu}}})
		if diff := cmp.Diff([]string{passedOn, passedOn}, w.later(t, 2700*time.Millisecond)); diff != "" {
			t.Errorf("before (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{proxied}, w.later(t, 200*time.Millisecond)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestTooManyDelayedOffers: more than may wait go out at once.
func TestTooManyDelayedOffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, "[server]\ndhcp = \"proxy\"\n"+delayed)
		const most = 4096
		at := 0
		for range most + 10 {
			at += len(w.send(dhcp4.ServerPort, broadcast(wiretest.Packet(t, "30-ovmf-x64-pxe-discover"))))
		}
		if at != 10 {
			t.Errorf("%d went out at once, want 10", at)
		}
		w.sent[dhcp4.ServerPort].Close()
		time.Sleep(2 * time.Second)
		synctest.Wait()
	})
}
