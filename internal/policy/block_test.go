package policy_test

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"hobnail/internal/policy"
)

// TestBlocks: every address of a pool is in one block, in order, and blocks
// are as Blocks says.
func TestBlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var pool []policy.Range
		next, total := 1, 0
		for range rapid.IntRange(1, 4).Draw(t, "ranges") {
			from := next + rapid.IntRange(0, 300).Draw(t, "gap")
			to := from + rapid.IntRange(0, 4000).Draw(t, "length")
			pool = append(pool, policy.Range{First: host(from), Last: host(to)})
			total += to - from + 1
			next = to + 2
		}
		count, numbers, largest := 0, 0, int64(0)
		at, in := netip.Addr{}, 0
		for b := range policy.Blocks(pool) {
			if b.Number != numbers {
				t.Fatalf("block %d has number %d", numbers, b.Number)
			}
			numbers++
			if at.IsValid() && at.Next() != b.First {
				if at != pool[in].Last {
					t.Fatalf("after %s comes %s", at, b.First)
				}
				in++
			}
			if b.First.Less(pool[in].First) || pool[in].Last.Less(b.Last) {
				t.Fatalf("block %s is not in %s", b.Range, pool[in])
			}
			at = b.Last
			count += int(b.Size())
			largest = max(largest, b.Size())
		}
		if count != total || at != pool[len(pool)-1].Last {
			t.Fatalf("the blocks have %d addresses and end at %s, the pool has %d", count, at, total)
		}
		if numbers < min(total, 256) || numbers > 512+2*len(pool) {
			t.Fatalf("%d addresses are %d blocks", total, numbers)
		}
		for b := range policy.Blocks(pool) {
			if b.Of != numbers {
				t.Fatalf("block %d says that there are %d, and there are %d", b.Number, b.Of, numbers)
			}
			a := b.First.As4()
			aligned := (int64(a[2])<<8|int64(a[3]))%largest == 0
			if starts := b.First == pool[0].First || aligned; !starts && !startsARange(pool, b.First) {
				t.Fatalf("block %s of %d begins at no multiple", b.Range, largest)
			}
		}
	})
}

func startsARange(pool []policy.Range, a netip.Addr) bool {
	for _, r := range pool {
		if r.First == a {
			return true
		}
	}
	return false
}

// TestBlocksOfAllIPv4: a pool up to the last address has an end.
func TestBlocksOfAllIPv4(t *testing.T) {
	pool := []policy.Range{{First: netip.MustParseAddr("128.0.0.0"), Last: netip.MustParseAddr("255.255.255.255")}}
	n := 0
	for b := range policy.Blocks(pool) {
		n++
		if b.Size() != 1<<23 {
			t.Fatalf("block %s has %d addresses", b.Range, b.Size())
		}
	}
	if n != 256 {
		t.Errorf("%d blocks", n)
	}
}

// TestSharesAsTheManualSays: the manual's pool, divided as the manual says.
func TestSharesAsTheManualSays(t *testing.T) {
	for share, want := range map[string]string{
		"1/1": "10.77.2.50-10.77.2.201",
		"1/2": "10.77.2.50-10.77.2.125",
		"2/2": "10.77.2.126-10.77.2.201",
	} {
		w := newWorld(t, "[server]\nshare = \""+share+"\"\n[[subnet]]\ncidr = \"10.77.2.0/24\"\ndhcp = \"server\"\npool = \"10.77.2.50-10.77.2.201\"\n")
		got := w.Policy.Owned(&w.Policy.Config.Subnets[0])
		if len(got) != 1 || got[0].String() != want {
			t.Errorf("share %s owns %v, want %s", share, got, want)
		}
	}
}
