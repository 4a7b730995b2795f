package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// This file tries data traps, which may be silent where the others spring: the stopped
// processor runs over an instruction that stores, with a data trap where it stores to and
// a software trap one instruction further. Where there is no such instruction nothing is
// tried, and nothing said.

// errDeafData: as errDeafHardware.
var errDeafData = errors.New("the far end takes data breakpoints, but they never spring: a store to a watched word was run over")

// deafness is what the CPU's traps are refused with that were found not to spring.
type deafness struct{ all, data error }

// of tells that of a kind of traps, nil: it springs, as far as is known.
func (d deafness) of(k targets.TrapKind) error {
	switch {
	case k == targets.Software:
		return nil
	case k >= targets.OnWrite && d.data != nil:
		return d.data
	}
	return d.all
}

// maxIdle is how many instructions before the store are looked at.
const maxIdle = 4

// Instructions that change nothing a store's address depends on, and those that write
// their first operand whenever they are carried out.
var (
	idleOps  = []string{"nop", "endbr64", "sfence", "lfence", "mfence", "pause"}
	storeOps = []string{"mov", "add", "sub", "and", "or", "xor", "inc", "dec", "neg", "not"}
)

// storing finds the next store of the trial's thread: where it stores to, and where the
// thread is behind it.
func (t *trial) storing(ctx context.Context, l *loop) bool {
	if l.arch != arch.AMD64 {
		return false
	}
	r, err := l.registers(ctx, t.thread)
	if err != nil {
		return false
	}
	at := r.PC()
	for range maxIdle {
		in, err := l.decode(ctx, at)
		if err != nil || in.Len == 0 || in.Kind != arch.Other {
			return false
		}
		at += arch.Addr(in.Len)
		if slices.Contains(idleOps, in.Op) {
			continue
		}
		to, size, ok := storesTo(in, r)
		if !ok {
			return false
		}
		sp := r.SP()
		if in.Op == "push" {
			sp = to
		}
		t.stored, t.next = to, at
		return t.behindStore(ctx, l, sp) && t.free(l, size)
	}
	return false
}

// storesTo is the memory that an instruction writes with the registers r.
func storesTo(in arch.Inst, r *arch.Registers) (to arch.Addr, size int, ok bool) {
	if in.Op == "push" && strings.HasPrefix(in.Args, "r") {
		return r.SP() - 8, 8, true
	}
	m := in.Mem
	first, _, _ := strings.Cut(in.Args, ",")
	if m == nil || m.Size < 1 || m.Size > 8 || m.Seg == "fs" || m.Seg == "gs" || !strings.Contains(first, "[") || !slices.Contains(storeOps, strings.TrimPrefix(in.Op, "lock ")) {
		return 0, 0, false
	}
	if in.HasTarget {
		return in.Target, m.Size, true
	}
	to = arch.Addr(m.Disp)
	for name, scale := range map[string]int{m.Base: 1, m.Index: m.Scale} {
		if name == "" {
			continue
		}
		v, known := r.Get(name)
		if !known || !strings.HasPrefix(name, "r") {
			return 0, 0, false
		}
		to += arch.Addr(v * uint64(scale))
	}
	return to, m.Size, true
}

// behindStore finds where the thread is one instruction behind the store, its stack
// pointer being sp: what the far end's own code runs through is no place for a trap, so
// of jumps only one to a return is followed.
func (t *trial) behindStore(ctx context.Context, l *loop, sp arch.Addr) bool {
	in, err := l.decode(ctx, t.next)
	if err == nil && in.Kind == arch.Jump && in.HasTarget && in.Mem == nil {
		if in, err = l.decode(ctx, in.Target); err == nil && in.Kind != arch.Return {
			return false
		}
	}
	switch {
	case err != nil || in.Len == 0 || repeats(in):
		return false
	case in.Kind == arch.Other:
		t.after = t.next + arch.Addr(in.Len)
		return true
	case in.Kind == arch.Return:
		word := make([]byte, 8)
		n, err := l.read(ctx, spaceHere, sp, word)
		t.after = arch.Addr(binary.LittleEndian.Uint64(word))
		return err == nil && n == len(word)
	}
	return false
}

// free reports whether nobody wants traps where the trial has its own.
func (t *trial) free(l *loop, size int) bool {
	for k := range l.wanted().all() {
		switch {
		case k.kind < targets.OnWrite && (k.addr == t.next || k.addr == t.after):
			return false
		case k.kind >= targets.OnWrite && k.addr < t.stored+arch.Addr(size) && t.stored < k.addr+arch.Addr(max(k.size, 1)):
			return false
		}
	}
	return true
}
