package engine

import (
	"bytes"
	"errors"
	"math/rand"
	"slices"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// randomTraps are few enough of few enough kinds that sets of them meet often.
func randomTraps(r *rand.Rand, n int) map[trapKey]targets.Trap {
	m := map[trapKey]targets.Trap{}
	for range r.Intn(n) {
		x := targets.Trap{Addr: arch.Addr(0x1000 + r.Intn(8))}
		switch r.Intn(4) {
		case 0:
			x.Kind = targets.Hardware
		case 1:
			x.Kind, x.Size = targets.OnWrite, 1<<r.Intn(2)
		default:
			x.Condition = [][]byte{nil, {1}, {2}}[r.Intn(3)]
		}
		m[keyOf(x)] = x
	}
	return m
}

// plainDiff is diff, looked for in the whole of both sets.
func plainDiff(t *trapTable, want map[trapKey]targets.Trap) (lift, plant map[trapKey]targets.Trap) {
	lift, plant = map[trapKey]targets.Trap{}, map[trapKey]targets.Trap{}
	for k, x := range t.in {
		if _, ok := want[k]; !ok {
			lift[k] = x.Trap
		}
	}
	for k, x := range want {
		if in, ok := t.in[k]; !ok && t.refused[k] == nil || ok && !bytes.Equal(in.Condition, x.Condition) {
			plant[k] = x
		}
	}
	return lift, plant
}

func sameTraps(t *testing.T, what string, got []targets.Trap, want map[trapKey]targets.Trap) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %v instead of %v", what, got, want)
	}
	for i, x := range got {
		if w, ok := want[keyOf(x)]; !ok || !bytes.Equal(w.Condition, x.Condition) {
			t.Fatalf("%s: %v, wanted %v", what, x, want)
		}
		if i > 0 && got[i-1].Addr > x.Addr {
			t.Fatalf("%s is not in order: %v", what, got)
		}
	}
}

// TestDiff: the difference that is kept from one stop to the next is that of the whole sets:
// made, it gives what is wanted, and nothing is lifted that stays.
func TestDiff(t *testing.T) {
	no := errors.New("no")
	for seed := range int64(300) {
		r := rand.New(rand.NewSource(seed))
		table := newTrapTable(arch.AMD64)
		s := &standing{}
		for range 40 {
			switch r.Intn(6) {
			case 0, 1: // breakpoints change
				s = &standing{traps: randomTraps(r, 12)}
			case 2: // the debuggee loses a trap, or has one that nobody knew of
				for k, x := range randomTraps(r, 3) {
					if r.Intn(2) == 0 {
						table.remove(k)
					} else {
						table.put(&planted{Trap: x})
					}
				}
			case 3: // refusals are forgotten
				clear(table.refused)
			}
			w := &wanted{s, map[trapKey]wish{}}
			for k, x := range randomTraps(r, 6) {
				if r.Intn(2) == 0 {
					w.drop(k)
				} else {
					w.set(x)
				}
			}
			want := map[trapKey]targets.Trap{}
			for k := range w.all() {
				want[k], _ = w.get(k)
			}
			lift, plant := table.diff(w)
			lifts, plants := plainDiff(table, want)
			sameTraps(t, "what is lifted", lift, lifts)
			sameTraps(t, "what is planted", plant, plants)
			for _, x := range lift {
				table.remove(keyOf(x))
			}
			for _, x := range plant {
				if r.Intn(10) == 0 {
					table.refused[keyOf(x)] = no
				} else {
					table.put(&planted{Trap: x})
				}
			}
			for k, x := range want {
				in, ok := table.in[k]
				if table.refused[k] == nil && (!ok || !bytes.Equal(in.Condition, x.Condition)) {
					t.Fatalf("seed %d: %v is wanted and not in", seed, x)
				}
			}
			for k := range table.in {
				if _, ok := want[k]; !ok {
					t.Fatalf("seed %d: %v is in and not wanted", seed, k)
				}
			}
			if !slices.IsSortedFunc(table.hidden, func(a, b *planted) int { return int(a.Addr) - int(b.Addr) }) {
				t.Fatalf("seed %d: what hides bytes is not in order", seed)
			}
		}
	}
}
