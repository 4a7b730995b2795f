package cfi

import (
	"context"
	"encoding/binary"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Bounds of an expression: what compilers and C libraries write stays below a
// tenth of them.
const (
	stackLimit = 256
	stepLimit  = 10000
)

// source is what an expression of the callee's frame may read.
type source struct {
	ctx     context.Context
	regs    *arch.Registers
	mem     symbols.Memory
	order   binary.ByteOrder
	ptrSize int
}

// load reads an unsigned integer of n bytes (1, 2, 4, 8) of target memory.
func (s *source) load(addr uint64, n int) (uint64, error) {
	if n != 1 && n != 2 && n != 4 && n != 8 {
		return 0, fmt.Errorf("a load of %d bytes", n)
	}
	var buf [8]byte
	got, err := s.mem.ReadMemory(s.ctx, arch.Addr(addr), buf[:n])
	if err != nil {
		return 0, err
	}
	if got < n {
		return 0, fmt.Errorf("only %d of %d bytes at 0x%x can be read", got, n, addr)
	}
	c := cursor{data: buf[:n], order: s.order}
	return c.uint(n), nil
}

// register reads a register by DWARF number.
func (s *source) register(n uint64) (uint64, error) {
	if n <= 1<<16 {
		if i, ok := s.regs.Set.DWARF(int(n)); ok {
			if v, ok := s.regs.Uint(i); ok {
				return v, nil
			}
			return 0, &symbols.UnavailableError{Reason: "register " + s.regs.Set.Regs[i].Name + " is not known in this frame"}
		}
	}
	return 0, &symbols.UnavailableError{Reason: fmt.Sprintf("there is no register with DWARF number %d", n)}
}

// evaluation is a run of the DWARF stack machine (DWARF 5, 2.5) over the
// operations that DWARF 5, 6.4.2 allows in call frame information.
type evaluation struct {
	*source
	c     cursor
	stack []uint64
	err   error
}

// evaluate runs an expression with initial on its stack and returns the top.
func (s *source) evaluate(expression []byte, initial ...uint64) (uint64, error) {
	e := evaluation{source: s, c: cursor{data: expression, order: s.order}, stack: initial}
	for steps := 0; e.c.left() > 0 && e.err == nil; steps++ {
		if steps == stepLimit {
			return 0, fmt.Errorf("an expression does not end")
		}
		op := e.c.u8()
		e.operate(op)
		if e.c.bad {
			return 0, fmt.Errorf("an expression ends within operation 0x%02x", op)
		}
	}
	v := e.pop()
	return v, e.err
}

func (e *evaluation) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
}

func (e *evaluation) push(v uint64) {
	if len(e.stack) == stackLimit {
		e.fail("an expression needs more than %d values", stackLimit)
		return
	}
	if e.ptrSize == 4 {
		v = uint64(uint32(v))
	}
	e.stack = append(e.stack, v)
}

func (e *evaluation) pop() uint64 {
	if len(e.stack) == 0 {
		e.fail("an expression takes a value from an empty stack")
		return 0
	}
	v := e.stack[len(e.stack)-1]
	e.stack = e.stack[:len(e.stack)-1]
	return v
}

// pick pushes a copy of the value n below the top.
func (e *evaluation) pick(n int) {
	if n >= len(e.stack) {
		e.fail("an expression takes value %d of %d", n, len(e.stack))
		return
	}
	e.push(e.stack[len(e.stack)-1-n])
}

func (e *evaluation) pushRegister(n uint64, off int64) {
	v, err := e.register(n)
	if err != nil && e.err == nil {
		e.err = err
	}
	e.push(v + uint64(off))
}

func (e *evaluation) deref(n int) {
	v, err := e.load(e.pop(), n)
	if err != nil && e.err == nil {
		e.err = err
	}
	e.push(v)
}

// jump moves within the expression.
func (e *evaluation) jump(take bool, delta int64) {
	to := int64(e.c.pos) + delta
	if to < 0 || to > int64(len(e.c.data)) {
		e.fail("an expression jumps out of itself")
		return
	}
	if take {
		e.c.pos = int(to)
	}
}

// operate carries out one operation: a switch over DW_OP_*.
func (e *evaluation) operate(op byte) {
	c := &e.c
	switch {
	case op >= 0x30 && op <= 0x4f: // lit0..31
		e.push(uint64(op - 0x30))
		return
	case op >= 0x70 && op <= 0x8f: // breg0..31
		e.pushRegister(uint64(op-0x70), c.sleb())
		return
	case op >= 0x1a && op <= 0x2e && op != 0x1f && op != 0x20 && op != 0x23 && op != 0x28:
		b, a := e.pop(), e.pop()
		e.binary(op, a, b)
		return
	}
	switch op {
	case 0x03: // addr
		e.push(c.uint(e.ptrSize))
	case 0x06: // deref
		e.deref(e.ptrSize)
	case 0x08, 0x0a, 0x0c, 0x0e: // const1u..8u
		e.push(c.uint(1 << ((op - 0x08) / 2)))
	case 0x09, 0x0b, 0x0d, 0x0f: // const1s..8s
		e.push(uint64(c.int(1 << ((op - 0x09) / 2))))
	case 0x10: // constu
		e.push(c.uleb())
	case 0x11: // consts
		e.push(uint64(c.sleb()))
	case 0x12: // dup
		e.pick(0)
	case 0x13: // drop
		e.pop()
	case 0x14: // over
		e.pick(1)
	case 0x15: // pick
		e.pick(int(c.u8()))
	case 0x16: // swap
		b, a := e.pop(), e.pop()
		e.push(b)
		e.push(a)
	case 0x17: // rot: the top becomes third
		z, y, x := e.pop(), e.pop(), e.pop()
		e.push(z)
		e.push(x)
		e.push(y)
	case 0x19: // abs
		if v := e.signed(e.pop()); v < 0 {
			e.push(uint64(-v))
		} else {
			e.push(uint64(v))
		}
	case 0x1f: // neg
		e.push(-e.pop())
	case 0x20: // not
		e.push(^e.pop())
	case 0x23: // plus_uconst
		e.push(e.pop() + c.uleb())
	case 0x28: // bra
		delta := c.int(2)
		e.jump(e.pop() != 0, delta)
	case 0x2f: // skip
		e.jump(true, c.int(2))
	case 0x92: // bregx
		reg := c.uleb()
		e.pushRegister(reg, c.sleb())
	case 0x94: // deref_size
		e.deref(int(c.u8()))
	case 0x96: // nop
	case 0x9f: // stack_value: what every rule here means anyway
	default:
		e.fail("operation 0x%02x has no place in call frame information", op)
	}
}

func (e *evaluation) signed(v uint64) int64 { return signExtend(v, e.ptrSize) }

// binary carries out an operation on two values; comparisons, division and shra
// are signed, mod is not (DWARF 5, 2.5.1.4).
func (e *evaluation) binary(op byte, a, b uint64) {
	sa, sb := e.signed(a), e.signed(b)
	truth := func(t bool) {
		if t {
			e.push(1)
		} else {
			e.push(0)
		}
	}
	if (op == 0x1b || op == 0x1d) && b == 0 {
		e.fail("an expression divides by zero")
		return
	}
	switch op {
	case 0x1a: // and
		e.push(a & b)
	case 0x1b: // div
		e.push(uint64(sa / sb))
	case 0x1c: // minus
		e.push(a - b)
	case 0x1d: // mod
		e.push(a % b)
	case 0x1e: // mul
		e.push(a * b)
	case 0x21: // or
		e.push(a | b)
	case 0x22: // plus
		e.push(a + b)
	case 0x24: // shl
		e.push(a << min(b, 64))
	case 0x25: // shr
		e.push(a >> min(b, 64))
	case 0x26: // shra
		e.push(uint64(sa >> min(b, 63)))
	case 0x27: // xor
		e.push(a ^ b)
	case 0x29: // eq
		truth(a == b)
	case 0x2a: // ge
		truth(sa >= sb)
	case 0x2b: // gt
		truth(sa > sb)
	case 0x2c: // le
		truth(sa <= sb)
	case 0x2d: // lt
		truth(sa < sb)
	case 0x2e: // ne
		truth(a != b)
	}
}
