package kdb

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// noisyLine drops, doubles and adds bytes both ways, and has the kernel print in the
// middle of answers.
type noisyLine struct {
	*farEnd
	n      sync.Mutex
	r      *rand.Rand
	clean  int
	quiet  bool
	faults int
}

// printk is what a kernel prints when it likes.
const printk = "\n[   12.345678] eth0: Link is Up - 1Gbps/Full\n"

// spoil makes kinds of faults: the last is that the kernel prints.
func (n *noisyLine) spoil(p []byte, kinds int) []byte {
	n.n.Lock()
	defer n.n.Unlock()
	if n.quiet {
		return p
	}
	var out []byte
	for _, b := range p {
		if n.clean++; n.clean < 200 || n.r.Intn(40) != 0 {
			out = append(out, b)
			continue
		}
		n.clean = 0
		n.faults++
		switch n.r.Intn(kinds) {
		case 0:
		case 1:
			out = append(out, b, b)
		case 2:
			out = append(out, b, '~')
		case 3:
			out = append(append(out, b), printk...)
		}
	}
	return out
}

func (n *noisyLine) Read(p []byte) (int, error) {
	for {
		k, err := n.farEnd.Read(p[:len(p)/16])
		out := n.spoil(p[:k:k], 4)
		if len(out) > 0 || err != nil {
			return copy(p, out), err
		}
	}
}

func (n *noisyLine) Write(p []byte) (int, error) {
	if _, err := n.farEnd.Write(n.spoil(append([]byte(nil), p...), 3)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// history is what was typed.
func (f *farEnd) history() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.typed...)
}

// planted are the breakpoints in kdb's table.
func (f *farEnd) planted() []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []uint64
	for _, a := range f.traps {
		if a != 0 {
			out = append(out, a)
		}
	}
	return out
}

// seeds is how many bad lines are tried.
func seeds() int64 {
	if os.Getenv("HEAVY") != "" {
		return 500
	}
	return 10
}

// TestNoise: on a line that loses, doubles and adds characters nothing hangs, memory
// is read as it is, and no breakpoint is set that nobody asked for.
func TestNoise(t *testing.T) {
	faults := 0
	for seed := range seeds() {
		synctest.Test(t, func(t *testing.T) { faults += noise(t, seed) })
	}
	t.Logf("%d lines had %d faults", seeds(), faults)
}

func noise(t *testing.T, seed int64) (faults int) {
	t.Helper()
	f := newFarEnd(t)
	f.plain = seed%2 == 1
	n := &noisyLine{farEnd: f, r: rand.New(rand.NewSource(seed)), quiet: true}
	k, err := Connect(patience(t), n, Options{Silence: 200 * time.Millisecond})
	must(t, err)
	defer k.Close(context.Background(), targets.Leave)
	stop(t, k)
	n.n.Lock()
	n.quiet = false
	n.n.Unlock()
	ctx := patience(t)
	for i := range 10 {
		at := arch.Addr(0xffffffffc0002340)
		p := make([]byte, 16)
		if _, err := k.ReadMemory(ctx, targets.Space{}, at, p); err != nil {
			t.Fatalf("seed %d, reading: %v; typed %q", seed, err, f.history())
		}
		for j, b := range p {
			if b != f.s.memory[uint64(at)+uint64(j)] {
				t.Fatalf("seed %d: byte %d is %x", seed, j, b)
			}
		}
		trap := targets.Trap{Addr: loop + arch.Addr(i)}
		if err := k.SetTrap(ctx, trap); err != nil {
			t.Fatalf("seed %d, setting: %v", seed, err)
		}
		if got := f.planted(); len(got) != 1 || got[0] != uint64(trap.Addr) {
			t.Fatalf("seed %d: breakpoints at %x instead of %x", seed, got, trap.Addr)
		}
		if err := k.ClearTrap(ctx, trap); err != nil {
			t.Fatalf("seed %d, clearing: %v", seed, err)
		}
		if got := f.planted(); len(got) != 0 {
			t.Fatalf("seed %d: breakpoints at %x are left", seed, got)
		}
	}
	n.n.Lock()
	defer n.n.Unlock()
	if n.faults == 0 {
		t.Errorf("seed %d: the line was good", seed)
	}
	return n.faults
}

// TestBurst: much memory is read by kgdb, where the kernel changes over; else by the
// console.
func TestBurst(t *testing.T) {
	for _, plain := range []bool{false, true} {
		f := newFarEnd(t)
		f.plain = plain
		for i := range uint64(4000) {
			f.s.memory[0xffffffffc0010000+i] = byte(i * 3)
		}
		k := connect(t, f, Options{Silence: 400 * time.Millisecond})
		p := make([]byte, 4000)
		if _, err := k.ReadMemory(patience(t), targets.Space{}, 0xffffffffc0010000, p); err != nil {
			t.Fatal(err)
		}
		for i, b := range p {
			if b != byte(i*3) {
				t.Fatalf("plain %v: byte %d is %x", plain, i, b)
			}
		}
		if (f.bursts > 0) == plain {
			t.Errorf("plain %v: %d bursts", plain, f.bursts)
		}
		n, err := k.ReadMemory(patience(t), targets.Space{}, 0xffffffffc0010000+3000, p)
		if n != 1000 || err == nil {
			t.Errorf("plain %v: beyond its end %d bytes, %v", plain, n, err)
		}
	}
}

// asRecorded are words whose answer the console gives from the recording.
func asRecorded(command string) bool {
	word, _, _ := strings.Cut(command, " ")
	switch word {
	case "go", "ss", "ssb", "kgdb", "set", "rd", "rm", "mdr", "bp", "bl", "bc", "cpu", "echo", "mm", "mm4", "mm8", "mmW", "#", "cat", "":
		return false
	}
	return !strings.HasSuffix(command, "...")
}

// TestTranscript: each recorded command is passed on as it is, and its answer comes
// back as it was.
func TestTranscript(t *testing.T) {
	f := newFarEnd(t)
	k := connect(t, f, Options{})
	f.mu.Lock()
	f.lines = 2000
	f.mu.Unlock()
	tried := 0
	for command, answers := range f.s.answers {
		if !asRecorded(command) {
			continue
		}
		want := answers[len(answers)-1]
		if strings.Contains(want, "Entering kdb") || strings.Contains(want, "Enter <q>") {
			continue
		}
		tried++
		out, _, err := k.CommandAnyway(patience(t), command)
		if err != nil || strings.TrimRight(out, "\n") != strings.TrimRight(want, "\n") {
			t.Errorf("%s: %v\n%q\n%q", command, err, out, want)
		}
	}
	if tried < 30 {
		t.Errorf("only %d commands", tried)
	}
}

// TestReplaced: a word that this kernel would run as another is refused, and told what
// there is instead; told to, it is sent.
func TestReplaced(t *testing.T) {
	f := newFarEnd(t)
	k := connect(t, f, Options{})
	ctx := patience(t)
	stop(t, k)
	for word, want := range map[string]string{
		"id 0x1": "u,", "ll x 0 md": "!list", "bpa 0x1": "bp", "bpha 0x1": "bph", "rq": "ps", "stackdepth": "bta", "mmW 1 2": "mm1", "ssb": "ph", "-rqa": "ps",
		"btr": "", "cpu_number": "",
	} {
		_, _, err := k.Command(ctx, word)
		if !isRefused(err) || !strings.Contains(err.(*targets.RefusedError).Hint(), want) || !strings.Contains(err.(*targets.RefusedError).Hint(), "-f") {
			t.Errorf("%s: %v", word, err)
		}
	}
	for _, word := range []string{"md8c2 dw_watched", "ps | grep sleep", "dw_counter", "lsmod", "bt", "-ps A"} {
		if _, _, err := k.Command(ctx, word); err != nil {
			t.Errorf("%s: %v", word, err)
		}
	}
	for _, line := range f.typed {
		if strings.HasPrefix(line, "ss") {
			t.Errorf("typed %q", line)
		}
	}
	if _, e, err := k.CommandAnyway(ctx, "ss"); err != nil || !e.Resumed {
		t.Errorf("%+v, %v", e, err)
	}
	stop(t, k)
}

// TestMarks: processors that one cannot switch to are not listed.
func TestMarks(t *testing.T) {
	if got := fmt.Sprint(parseCPUs("Available cpus: 0, 1(*), 2(+), 3(I), 4-5(F), 6(-)\n")); got != "[0 3 6]" {
		t.Error(got)
	}
}
