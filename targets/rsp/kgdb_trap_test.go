package rsp

import (
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// gOf is what g tells of a processor.
func gOf(pc, sp, rax uint64, flags uint32) []byte {
	raw := make([]byte, 156)
	binary.LittleEndian.PutUint64(raw, rax)
	binary.LittleEndian.PutUint64(raw[8*rspNumber:], sp)
	binary.LittleEndian.PutUint64(raw[8*ripNumber:], pc)
	binary.LittleEndian.PutUint32(raw[8*ripNumber+8:], flags)
	return []byte(hex.EncodeToString(raw))
}

// TestStepAtTrap: a processor that is one byte behind a trap has sprung it, or has stepped
// over an instruction of one byte before the trap was set. Taken for the other, one
// instruction would be executed twice or not at all.
func TestStepAtTrap(t *testing.T) {
	const (
		trap = 0xffffffff81257230
		sp   = 0xffffc90000098f40
		on   = 0x146
		off  = 0x46
	)
	at := func(pc uint64) *ownRegisters {
		return &ownRegisters{pc: pc, last: gOf(pc, sp, 1, off)}
	}
	for _, c := range []struct {
		name string
		was  *ownRegisters
		now  []byte
		ran  bool
	}{
		{"no step", nil, gOf(trap+1, sp, 1, off), true},
		{"push at the trap, which was set since", at(trap), gOf(trap+1, sp-8, 1, on), false},
		{"pop there", at(trap), gOf(trap+1, sp+8, 1, on), false},
		{"popf there, which clears the flag", at(trap), gOf(trap+1, sp+8, 1, off), false},
		{"xchg there", at(trap), gOf(trap+1, sp, 2, on), false},
		{"the trap was there before", at(trap), gOf(trap+1, sp, 1, on), true},
		{"in a handler on the same stack", at(trap), gOf(trap+1, sp-0x200, 1, off), true},
		{"in a handler on its own stack, from elsewhere", at(trap + 0x40), gOf(trap+1, 0xfffffe0000049000, 1, off), true},
		{"a jump to behind the trap", at(trap + 0x40), gOf(trap+1, sp, 1, on), false},
		{"registers that are not known", &ownRegisters{pc: trap}, gOf(trap+1, sp-8, 1, on), true},
		{"registers that are cut off", at(trap), []byte("0123"), true},
	} {
		if got := ranInto(c.was, c.now); got != c.ran {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestWrittenRegisters: a step begins with what was written last.
func TestWrittenRegisters(t *testing.T) {
	c := &Conn{general: threadID{0, shadow}}
	c.own = ownRegisters{thread: threadID{0, shadow}, g: gOf(1, 2, 3, 0), pc: 1}
	c.leaves(&request{payload: "G" + string(gOf(5, 6, 7, 0))})
	if c.own.pc != 5 || c.own.g != nil || string(c.own.last) != string(gOf(5, 6, 7, 0)) {
		t.Errorf("%+v", c.own)
	}
	c.general.thread--
	c.leaves(&request{payload: "G" + string(gOf(8, 6, 7, 0))})
	if c.own.pc != 5 {
		t.Errorf("another processor's registers: %+v", c.own)
	}
}
