package pdb

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// cpu carries out what prologues and epilogues of ARM64 do; sp is register 31.
type cpu struct {
	x, d   [32]uint64
	memory map[uint64]uint64
}

const (
	stackTop   = 0x7fff0000
	returnedTo = 0x150001234
)

func entered() *cpu {
	c := &cpu{memory: map[uint64]uint64{}}
	for i := range c.x {
		c.x[i], c.d[i] = 0xaaaa0000+uint64(i), 0xdddd0000+uint64(i)
	}
	c.x[30], c.x[31] = returnedTo, stackTop
	return c
}

func (c *cpu) clone() *cpu {
	out := *c
	out.memory = maps.Clone(c.memory)
	return &out
}

func (c *cpu) ReadMemory(_ context.Context, a arch.Addr, p []byte) (int, error) {
	for i := 0; i+8 <= len(p); i += 8 {
		binary.LittleEndian.PutUint64(p[i:], c.memory[uint64(a)+uint64(i)])
	}
	return len(p), nil
}

// step carries out one instruction if it is of a prologue's or epilogue's kind
// (encodings: Arm Architecture Reference Manual, C4.1).
func (c *cpu) step(w uint32) {
	rt, rn, rt2 := w&31, w>>5&31, w>>10&31
	imm12, imm9 := uint64(w>>10&0xfff), uint64(int64(int32(w>>12<<23)>>23))
	imm7 := uint64(int64(int32(w>>15<<25)>>25) * 8)
	bank := &c.x
	if w>>26&1 != 0 {
		bank = &c.d
	}
	pair := func(a uint64, load bool) {
		if load {
			bank[rt], bank[rt2] = c.memory[a], c.memory[a+8]
		} else {
			c.memory[a], c.memory[a+8] = bank[rt], bank[rt2]
		}
	}
	one := func(a uint64, load bool) {
		if load {
			bank[rt] = c.memory[a]
		} else {
			c.memory[a] = bank[rt]
		}
	}
	kind := w &^ (1 << 26)
	if bank == &c.d && w>>30 == 1 { // pairs of d registers have another size field
		kind |= 2 << 30
		kind &^= 1 << 30
	}
	switch load := w>>22&1 != 0; {
	case rn == 31 && (kind&0xffc00000 == 0xa9000000 || kind&0xffc00000 == 0xa9400000):
		pair(c.x[31]+imm7, load)
	case rn == 31 && kind&0xffc00000 == 0xa9800000:
		c.x[31] += imm7
		pair(c.x[31], false)
	case rn == 31 && kind&0xffc00000 == 0xa8c00000:
		pair(c.x[31], true)
		c.x[31] += imm7
	case rn == 31 && (kind&0xffc00000 == 0xf9000000 || kind&0xffc00000 == 0xf9400000):
		one(c.x[31]+imm12*8, load)
	case rn == 31 && kind&0xffe00c00 == 0xf8000c00:
		c.x[31] += imm9
		one(c.x[31], false)
	case rn == 31 && kind&0xffe00c00 == 0xf8400400:
		one(c.x[31], true)
		c.x[31] += imm9
	case (w&0xff800000 == 0xd1000000 || w&0xff800000 == 0x91000000) && (rt == 31 || rt == 29) && (rn == 31 || rn == 29):
		if w>>22&1 != 0 {
			imm12 <<= 12
		}
		if w>>30&1 != 0 {
			imm12 = -imm12
		}
		c.x[rt] = c.x[rn] + imm12
	case w&0xffe0001f == 0xd280000f: // mov x15,#n
		c.x[15] = uint64(w >> 5 & 0xffff)
	case w == 0xcb2f73ff: // sub sp,sp,x15,lsl #4
		c.x[31] -= c.x[15] << 4
	}
}

func (c *cpu) registers(pc arch.Addr) *arch.Registers {
	r := arch.NewRegisters(arch.ARM64.DefaultSet())
	for i := range 31 {
		r.PutName(fmt.Sprint("x", i), c.x[i])
	}
	for i := range 32 {
		r.PutName(fmt.Sprint("v", i), c.d[i])
	}
	r.SetSP(arch.Addr(c.x[31]))
	r.SetPC(pc)
	r.Interrupted = true
	return r
}

// differs says how a caller is not the one that called.
func differs(r *arch.Registers, err error) string {
	if err != nil {
		return err.Error()
	}
	if r.PC() != returnedTo || r.SP() != stackTop {
		return fmt.Sprintf("pc %x, sp %x", uint64(r.PC()), uint64(r.SP()))
	}
	for i := 19; i <= 29; i++ {
		if v, ok := r.Get(fmt.Sprint("x", i)); !ok || v != 0xaaaa0000+uint64(i) {
			return fmt.Sprintf("x%d is %x", i, v)
		}
	}
	for i := 8; i <= 15; i++ {
		if v, ok := r.Get(fmt.Sprint("v", i)); !ok || v != 0xdddd0000+uint64(i) {
			return fmt.Sprintf("d%d is %x", i, v)
		}
	}
	return ""
}

// TestUnwindARM64 carries out every function's prologue and epilogues and unwinds at
// each instruction: the caller is the same from all of them.
func TestUnwindARM64(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		if p.machine != "aarch64" {
			return
		}
		base := arch.Addr(p.image.LinkBase())
		places := 0
		for _, f := range functions(t, p) {
			code := make([]byte, f.size)
			if !p.image.ReadStatic(f.low, code) {
				t.Fatalf("no code of %s", f.name)
			}
			_, rules, _ := p.image.Rules(f.low)
			prologue := 0
			for prologue < len(rules) && rules[prologue] != "end" {
				prologue++
			}
			c := entered()
			var body *cpu
			leaving := false
			for off := 0; off+4 <= len(code); off += 4 {
				w := binary.LittleEndian.Uint32(code[off:])
				if body == nil && off >= 4*prologue {
					body = c.clone()
				}
				places++
				caller, _, err := p.image.Unwind(context.Background(), base, c.registers(base+arch.Addr(f.low)+arch.Addr(off)), c)
				if bad := differs(caller, err); bad != "" {
					t.Errorf("%s+%x (%08x): %s; %q", f.name, off, w, bad, rules)
				}
				leaving = leaving || body != nil && restores(code[off:])
				if body == nil || leaving {
					c.step(w)
				}
				if body != nil && (w == 0xd65f03c0 || w>>26 == 5) {
					c, leaving = body.clone(), false
				}
			}
		}
		if t.Logf("%d places", places); places < 50 {
			t.Error("too few")
		}
	})
}

// restores reports whether an epilogue begins here: loads from the stack and
// additions to SP up to a return.
func restores(code []byte) bool {
	for ; len(code) >= 4; code = code[4:] {
		w := binary.LittleEndian.Uint32(code)
		text := ""
		if in, err := arch.ARM64.Decode(code[:4], 0); err == nil {
			text = in.Op + " " + in.Args
		}
		switch {
		case w == 0xd65f03c0:
			return true
		case strings.HasPrefix(text, "ld") && strings.Contains(text, "[sp"), strings.HasPrefix(text, "add sp,"):
		default:
			return false
		}
	}
	return false
}

var _ symbols.Memory = (*cpu)(nil)
