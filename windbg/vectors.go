package windbg

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
)

// This file is the registers that r leaves out: rX, rY, rYI, rZ, rZI, rK, r. and the
// masks of rm.

// Bits of rm. A register set without such registers shows nothing for them.
const (
	maskInteger32 = 0x1
	maskInteger   = 0x2
	maskFloat     = 0x4
	maskSegments  = 0x8
	maskMMX       = 0x10
	maskDebug     = 0x20
	maskXMM       = 0x40
	maskControl   = 0x80
	maskYMM       = 0x200
	maskYMMInt    = 0x400
	maskXMMInt    = 0x800
	maskZMM       = 0x1000
	maskZMMInt    = 0x2000
	maskOpmask    = 0x4000
)

// registerMaskRow is a line of `rm ?`; show writes such registers, nil where another
// row does.
type registerMaskRow struct {
	bit  uint32
	name string
	show func(b *strings.Builder, r *arch.Registers)
}

// registerMasks are in the order of the display.
var registerMasks = []registerMaskRow{
	{maskInteger32, "Integer state (32-bit)", nil},
	{maskInteger, "Integer state (64-bit)", nil},
	{maskFloat, "Floating-point state", group(arch.Float)},
	{maskSegments, "Segment registers", nil},
	{maskMMX, "MMX registers", mmxRows},
	{maskDebug, "Debug registers", series("dr")},
	{maskXMM, "SSE XMM registers", vectors("xmm", 16, false)},
	{maskControl, "Control registers", group(arch.Control)},
	{maskYMM, "AVX YMM registers", vectors("ymm", 32, false)},
	{maskYMMInt, "AVX YMM Integer registers", vectors("ymm", 32, true)},
	{maskXMMInt, "AVX XMM Integer registers", vectors("xmm", 16, true)},
	{maskZMM, "AVX3 ZMM registers", vectors("zmm", 64, false)},
	{maskZMMInt, "AVX3 ZMM Integer registers", vectors("zmm", 64, true)},
	{maskOpmask, "AVX3 Opmask registers", series("k")},
}

func group(g arch.Group) func(*strings.Builder, *arch.Registers) {
	return func(b *strings.Builder, r *arch.Registers) { groupRows(b, r, g) }
}

// series shows the registers called prefix and a number.
func series(prefix string) func(*strings.Builder, *arch.Registers) {
	return func(b *strings.Builder, r *arch.Registers) {
		for i, reg := range r.Set.Regs {
			if n, ok := strings.CutPrefix(reg.Name, prefix); ok && r.Known(i) {
				if _, err := strconv.Atoi(n); err == nil {
					fmt.Fprintf(b, "%s=%s\n", reg.Name, registerHex(r, reg.Name))
				}
			}
		}
	}
}

// vectors shows the registers of size bytes that names a family; a CPU with another
// family of 16 bytes shows that as xmm.
func vectors(family string, size int, integers bool) func(*strings.Builder, *arch.Registers) {
	return func(b *strings.Builder, r *arch.Registers) {
		for n := range 32 {
			name := family + strconv.Itoa(n)
			p := vectorBytes(r, n, size)
			if p == nil {
				continue
			}
			fmt.Fprintf(b, "%s=%s\n", name, vectorText(p, integers))
		}
		if family == "xmm" && !strings.HasPrefix(r.Set.Arch.Name, "amd64") && r.Set.Arch.Name != "i386" {
			for i, reg := range r.Set.Regs {
				if p, ok := r.Bytes(i); ok && reg.Group == arch.Vector && reg.Size == size {
					fmt.Fprintf(b, "%s=%s\n", reg.Name, vectorText(p, integers))
				}
			}
		}
	}
}

// vectorBytes joins register n from the pieces that targets name: xmmN holds the low
// 16 bytes, ymmNh those above, zmmNh the upper 32 (GDB's features avx and avx512).
func vectorBytes(r *arch.Registers, n, size int) []byte {
	var p []byte
	for _, piece := range []struct {
		size int
		name string
	}{{16, "xmm%d"}, {32, "ymm%dh"}, {64, "zmm%dh"}} {
		if piece.size > size {
			break
		}
		i, ok := r.Set.Index(fmt.Sprintf(piece.name, n))
		if !ok {
			return nil
		}
		q, ok := r.Bytes(i)
		if !ok {
			return nil
		}
		p = append(p, q...)
	}
	if len(p) != size {
		return nil
	}
	return p
}

// vectorText spells bytes as single-precision numbers, or as words of 8 bytes, the
// highest first.
func vectorText(p []byte, integers bool) string {
	var out []string
	if integers {
		for o := len(p) - 8; o >= 0; o -= 8 {
			out = append(out, fmt.Sprintf("%016x", littleEndian(p[o:o+8])))
		}
		return strings.Join(out, " ")
	}
	for o := len(p) - 4; o >= 0; o -= 4 {
		out = append(out, general(float64(math.Float32frombits(uint32(littleEndian(p[o:o+4]))))))
	}
	return strings.Join(out, " ")
}

// mmxRows shows mm0 to mm7, which are the fractions of the x87 registers by their
// places, not by the stack.
func mmxRows(b *strings.Builder, r *arch.Registers) {
	status, ok := r.Get("fstat")
	if !ok {
		return
	}
	top := int(status >> 11 & 7)
	for n := range 8 {
		i, ok := r.Set.Index("st" + strconv.Itoa((n-top+8)&7))
		if !ok {
			return
		}
		if p, ok := r.Bytes(i); ok && len(p) == 10 {
			fmt.Fprintf(b, "mm%d=%016x\n", n, littleEndian(p[:8]))
		}
	}
}

// registersBy makes rX, rY and their kin.
func registersBy(mask uint32) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		f, err := c.v.Frame(ctx)
		if err != nil {
			return err
		}
		if err := c.end(); err != nil {
			return err
		}
		text := maskText(f.Regs, mask)
		if text == "" {
			return &Error{Kind: "Bad register", Command: c.text, Pos: c.pos + len(c.name), Fix: "this CPU, or the far end, has none"}
		}
		c.printf("%s", text)
		return nil
	}
}

// maskText is the registers of a mask that have rows of their own.
func maskText(r *arch.Registers, mask uint32) string {
	var b strings.Builder
	for _, m := range registerMasks {
		if m.show != nil && mask&m.bit != 0 {
			m.show(&b, r)
		}
	}
	return b.String()
}

func registersByMask(ctx context.Context, c *call) error {
	if !c.more() {
		return c.syntax(0)
	}
	n, err := c.number(ctx, 0)
	if err != nil {
		return err
	}
	f, err := c.v.Frame(ctx)
	if err != nil {
		return err
	}
	if c.more() {
		return registers(ctx, c)
	}
	c.printf("%s", registersText(f.Regs, uint32(n)))
	return nil
}

func registerMask(ctx context.Context, c *call) error {
	if c.more() && c.line[0] == '?' {
		for _, m := range registerMasks {
			c.printf("%10x - %s\n", m.bit, m.name)
		}
		return nil
	}
	if c.more() {
		n, err := c.number(ctx, 0)
		if err != nil {
			return err
		}
		c.i.mask = uint32(n)
		return c.end()
	}
	c.printf("Register output mask is %x:\n", c.i.mask)
	for _, m := range registerMasks {
		if c.i.mask&m.bit != 0 {
			c.printf("%10x - %s\n", m.bit, m.name)
		}
	}
	return nil
}

// instructionRegisters is `r.`: the registers that the current instruction names.
func instructionRegisters(ctx context.Context, c *call) error {
	f, err := c.v.Frame(ctx)
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	insts, err := c.v.Disassemble(ctx, f.PC, 1)
	if err != nil || len(insts) == 0 || insts[0].Err != nil {
		return expressionError(c.text, err)
	}
	var list []string
	for _, name := range registerNames(insts[0], f.Regs) {
		list = append(list, name+"="+c.registerText(f.Regs, name))
	}
	c.printf("%s\n", strings.Join(list, " "))
	return nil
}

// registerNames are the names of registers in an instruction's operands, each once.
func registerNames(in engine.Inst, r *arch.Registers) []string {
	var out []string
	text := in.Format(func(arch.Addr) string { return "" })
	words := strings.FieldsFunc(text, func(c rune) bool { return c > 127 || !isWord(byte(c)) })
	for _, w := range words {
		if _, ok := r.Get(w); ok && !slices.Contains(out, w) && strings.IndexByte("0123456789", w[0]) < 0 {
			out = append(out, w)
		}
	}
	return out
}

// registerText is the value of a register or a part of one, in full width.
func (c *call) registerText(r *arch.Registers, name string) string {
	if _, ok := r.Set.Index(name); ok {
		return registerHex(r, name)
	}
	if n, ok := r.Get(name); ok {
		return partHex(r.Set.Arch, name, n)
	}
	return "?"
}
