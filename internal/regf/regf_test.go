package regf_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"hobnail/internal/regf"
	"hobnail/internal/regf/regftest"
)

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func write(t testing.TB, k regf.Key) []byte {
	t.Helper()
	b, err := regf.Write(k, noon())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestValues(t *testing.T) {
	for _, tt := range []struct {
		value regf.Value
		typ   regf.Type
		data  string
	}{
		{regf.SZ("a", "Hé"), 1, "4800e9000000"},
		{regf.SZ("a", ""), 1, "0000"},
		{regf.SZ("a", "\U0001f600"), 1, "3dd800de0000"},
		{regf.MultiSZ("a", "x", "yz"), 7, "7800000079007a0000000000"},
		{regf.MultiSZ("a"), 7, "0000"},
		{regf.DWORD("a", 0x10200003), 4, "03002010"},
		{regf.Binary("a", []byte{1}), 3, "01"},
	} {
		if tt.value.Type != tt.typ || hex.EncodeToString(tt.value.Data) != tt.data {
			t.Errorf("%+v has type %d, data %x; want %d, %s", tt.value, tt.value.Type, tt.value.Data, tt.typ, tt.data)
		}
	}
}

// sorted is a key with its keys as a hive has them.
func sorted(k regf.Key) regf.Key {
	k.Keys = slices.Clone(k.Keys)
	for i := range k.Keys {
		k.Keys[i] = sorted(k.Keys[i])
	}
	slices.SortFunc(k.Keys, func(a, b regf.Key) int { return strings.Compare(strings.ToUpper(a.Name), strings.ToUpper(b.Name)) })
	return k
}

func same(t testing.TB, want regf.Key, got regf.Key) {
	t.Helper()
	if diff := cmp.Diff(sorted(want), got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}

func TestHiveIsReadAsWritten(t *testing.T) {
	many := regf.Key{Name: "many"}
	for i := range regf.MaxKeys {
		many.Keys = append(many.Keys, regf.Key{Name: fmt.Sprintf("key%d", i), Values: []regf.Value{regf.DWORD("n", uint32(i))}})
	}
	for name, k := range map[string]regf.Key{
		"a root alone": {Name: "NewStoreRoot"},
		"data of every length that is special": {Name: "r", Values: []regf.Value{
			regf.Binary("0", nil), regf.Binary("1", []byte{1}), regf.Binary("4", []byte("four")), regf.Binary("5", []byte("fives")),
			regf.Binary("a page", bytes.Repeat([]byte{7}, 4096)), regf.Binary("all", bytes.Repeat([]byte{8}, regf.MaxData)), regf.Binary("", []byte("default")),
		}},
		"keys that are not in order":   {Name: "r", Keys: []regf.Key{{Name: "b"}, {Name: "A"}, {Name: "_"}, {Name: "{}"}, {Name: "0"}}},
		"as many keys as there may be": many,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := regftest.Read(write(t, k))
			if err != nil {
				t.Fatal(err)
			}
			same(t, k, got.Root)
		})
	}
}

// Cells do not cross bins; a hive of several is as good.
func TestBins(t *testing.T) {
	k := regf.Key{Name: "r"}
	for i := range 100 {
		k.Values = append(k.Values, regf.Binary(fmt.Sprint(i), make([]byte, 1500)))
	}
	got, err := regftest.Read(write(t, k))
	if err != nil || got.Bins < 30 {
		t.Fatalf("%d bins: %v", got.Bins, err)
	}
	same(t, k, got.Root)
}

func TestSecurity(t *testing.T) {
	got, err := regftest.Read(write(t, regf.Key{Name: "r"}))
	if err != nil {
		t.Fatal(err)
	}
	// O:BAG:SYD:P(A;CI;KA;;;BA)(A;CI;KA;;;SY)
	want := "01000490" + "14000000" + "24000000" + "00000000" + "30000000" +
		"01020000000000052000000020020000" + "010100000000000512000000" +
		"0200340002000000" + "000218003f000f00" + "01020000000000052000000020020000" + "000214003f000f00" + "010100000000000512000000"
	if hex.EncodeToString(got.Security) != want {
		t.Errorf("descriptor\n%x, want\n%s", got.Security, want)
	}
}

func TestTime(t *testing.T) {
	for _, tt := range []struct {
		at   time.Time
		want uint64
	}{
		{time.Unix(0, 0), 116444736000000000},
		{time.Date(2026, 3, 1, 12, 0, 0, 300, time.UTC), 134168400000000003},
		{time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), 0},
		{time.Time{}, 0},
	} {
		b, err := regf.Write(regf.Key{Name: "r"}, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := regftest.Read(b); err != nil || got.Written != tt.want {
			t.Errorf("%v is %d, want %d (%v)", tt.at, got.Written, tt.want, err)
		}
	}
}

func TestRefused(t *testing.T) {
	deep := regf.Key{Name: "k"}
	for range regf.MaxDepth {
		deep = regf.Key{Name: "k", Keys: []regf.Key{deep}}
	}
	for _, tt := range []struct {
		key  regf.Key
		want string
	}{
		{regf.Key{}, `key "": a name has 1 to 255 printable ASCII characters and no backslash`},
		{regf.Key{Name: `a\b`}, `key "a\\b": a name`},
		{regf.Key{Name: "r", Keys: []regf.Key{{Name: "é"}}}, `key "r\\é": a name`},
		{regf.Key{Name: strings.Repeat("n", 256)}, `a name has 1 to 255`},
		{regf.Key{Name: "r", Keys: []regf.Key{{Name: "a"}, {Name: "A"}}}, `key "r": it has key "A" twice`},
		{regf.Key{Name: "r", Values: []regf.Value{{Name: "a"}, {Name: "A"}}}, `key "r": it has value "A" twice`},
		{regf.Key{Name: "r", Values: []regf.Value{{Name: "\x00"}}}, `key "r": value "\x00": a name`},
		{regf.Key{Name: "r", Values: []regf.Value{regf.Binary("v", make([]byte, regf.MaxData+1))}}, `key "r": value "v" has 16345 octets, more than 16344`},
		{regf.Key{Name: "r", Values: make([]regf.Value, 5000)}, `key "r" has 5000 values, more than 4000`},
		{regf.Key{Name: "r", Keys: make([]regf.Key, regf.MaxKeys+1)}, `key "r" has 501 keys, more than 500`},
		{deep, "lies more than 64 keys deep"},
	} {
		_, err := regf.Write(tt.key, noon())
		if err == nil || !strings.HasPrefix(err.Error(), "writing a hive: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

func TestSameOctets(t *testing.T) {
	k := regf.Key{Name: "r", Keys: []regf.Key{{Name: "a", Values: []regf.Value{regf.SZ("x", "y")}}, {Name: "b"}}}
	if a, b := write(t, k), write(t, k); !bytes.Equal(a, b) {
		t.Error("the same key gave different octets")
	}
}

func TestAnyHive(t *testing.T) {
	name := rapid.StringMatching(`[ -\[\]-~]{1,40}`)
	rapid.Check(t, func(t *rapid.T) {
		var draw func(depth int) regf.Key
		draw = func(depth int) regf.Key {
			k := regf.Key{Name: name.Draw(t, "name")}
			for _, n := range rapid.SliceOfNDistinct(name, 0, 6, strings.ToUpper).Draw(t, "values") {
				k.Values = append(k.Values, regf.Value{Name: n, Type: regf.TypeBinary, Data: rapid.SliceOfN(rapid.Byte(), 0, 1500).Draw(t, "data")})
			}
			if depth == 0 {
				return k
			}
			for _, n := range rapid.SliceOfNDistinct(name, 0, 4, strings.ToUpper).Draw(t, "keys") {
				c := draw(depth - 1)
				c.Name = n
				k.Keys = append(k.Keys, c)
			}
			return k
		}
		k := draw(2)
		b, err := regf.Write(k, noon())
		if err != nil {
			t.Fatal(err)
		}
		got, err := regftest.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(sorted(k), got.Root, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-written +read):\n%s", diff)
		}
	})
}
