package engine

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestNames, TestNameBlocks and TestExact check the compact tables against plain ones.
func TestNames(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	ids := []string{"", "a", strings.Repeat("x", 255), strings.Repeat("x", 254) + "y"}
	for range 1000 {
		ids = append(ids, fmt.Sprintf("entry-%d", rng.IntN(1e6)), strings.Repeat("z", rng.IntN(255)))
	}
	slices.Sort(ids[500:])
	var n names
	for i, id := range ids {
		if got := n.add(id); got != uint32(i) {
			t.Fatalf("add = %d, want %d", got, i)
		}
	}
	for i, id := range ids {
		if got := n.at(uint32(i)); got != id {
			t.Errorf("at(%d) = %q, want %q", i, got, id)
		}
	}
}

func TestNameBlocks(t *testing.T) {
	var n nameBlocks
	if _, ok := n.find("a"); ok || n.count() != 0 {
		t.Errorf("without blocks, find = %t, count = %d", ok, n.count())
	}
	var ids []string
	for _, size := range []int{1, 0, 16, 17, 100, 0, 3} {
		var b names
		for range size {
			id := fmt.Sprintf("entry-%04d", 2*len(ids))
			ids = append(ids, id)
			b.add(id)
		}
		n.append(b)
	}
	if int(n.count()) != len(ids) {
		t.Errorf("count = %d, want %d", n.count(), len(ids))
	}
	for i, id := range ids {
		if got := n.at(uint32(i)); got != id {
			t.Errorf("at(%d) = %q, want %q", i, got, id)
		}
		if got, ok := n.find(id); !ok || got != uint32(i) {
			t.Errorf("find(%q) = %d, %t, want %d", id, got, ok, i)
		}
		if _, ok := n.find(id + "x"); ok {
			t.Errorf("find(%q) finds one", id+"x")
		}
	}
	if _, ok := n.find("a"); ok {
		t.Error("an id before all others is found")
	}
}

func TestExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{0, 1, 2, 15, 16, 17, 300, 5000} {
		x := exact{width: 5}
		want := map[string][]uint32{}
		for i := range size {
			var key [5]byte
			for j := range key {
				key[j] = byte(rng.IntN(256))
			}
			switch rng.IntN(3) {
			case 0:
				key = [5]byte{1, 2, 3, 4, byte(rng.IntN(9))} // many of one place, some equal
			case 1:
				key[0] = 0xff
			}
			x.add(string(key[:]), uint32(i))
			want[string(key[:])] = append(want[string(key[:])], uint32(i))
		}
		x.build()
		for key, refs := range want {
			if got := x.find(key); !slices.Equal(got, refs) {
				t.Errorf("of %d keys, find(%s) = %v, want %v", size, hex.EncodeToString([]byte(key)), got, refs)
			}
		}
		for range 100 {
			key := fmt.Sprintf("%05d", rng.IntN(1e5))
			if got := x.find(key); !slices.Equal(got, want[key]) {
				t.Errorf("of %d keys, find(%s) = %v, want %v", size, key, got, want[key])
			}
		}
		for _, key := range []string{"\x00\x00\x00\x00\x00", "\xff\xff\xff\xff\xff"} {
			if got := x.find(key); !slices.Equal(got, want[key]) {
				t.Errorf("of %d keys, find(%x) = %v, want %v", size, key, got, want[key])
			}
		}
	}
}
