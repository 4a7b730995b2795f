package fake

import (
	"encoding/binary"
	"errors"

	"dap-windbg/arch"
)

// Registers in the order instructions encode them (Intel SDM 2A, table 2-2).
const (
	rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi = 0, 1, 2, 3, 4, 5, 6, 7
)

var registerNames = [16]string{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}

// Bits of eflags.
const (
	cf, zf, sf, of = 1 << 0, 1 << 6, 1 << 7, 1 << 11
)

// cpu is one thread's registers over the process's memory.
type cpu struct {
	reg   [16]uint64
	pc    uint64
	flags uint64
	mem   *memory
}

// Why an instruction did not just complete.
var (
	errTrap    = errors.New("int3")
	errInvalid = errors.New("not an instruction the fake knows")
	errSyscall = errors.New("syscall")
)

// inst is an instruction being carried out. Reading code past what is mapped is
// a fault like any other.
type inst struct {
	c                   *cpu
	next                uint64
	wide, rexR, rexX, b bool
	err                 error
}

func (i *inst) byte() byte {
	var p [1]byte
	i.fetch(p[:])
	i.next++
	return p[0]
}

// fetch reads code, which springs no data trap.
func (i *inst) fetch(p []byte) {
	if n, err := i.c.mem.read(i.next, p); err != nil && i.err == nil {
		i.err = faultAt{i.next + uint64(n)}
	}
}

func (i *inst) load(at uint64, p []byte) {
	if i.err == nil {
		i.err = i.c.mem.load(at, p)
	}
}

func (i *inst) imm8() uint64 { return uint64(int64(int8(i.byte()))) }

func (i *inst) imm32() uint64 {
	var p [4]byte
	i.fetch(p[:])
	i.next += 4
	return uint64(int64(int32(binary.LittleEndian.Uint32(p[:]))))
}

// operand is a ModRM operand: a register, or memory.
type operand struct {
	isReg bool
	reg   int
	addr  uint64
}

func bit(b bool, n int) int {
	if b {
		return n
	}
	return 0
}

// modrm reads ModRM, SIB and displacement; tail is the length of the immediate
// behind, which RIP-relative addresses count from.
func (i *inst) modrm(tail uint64) (reg int, o operand) {
	m := i.byte()
	reg = int(m>>3&7) + bit(i.rexR, 8)
	mod, rm := m>>6, int(m&7)
	if mod == 3 {
		return reg, operand{isReg: true, reg: rm + bit(i.b, 8)}
	}
	switch {
	case rm == 4:
		o.addr = i.sib(mod)
	case rm == 5 && mod == 0:
		o.addr = i.imm32()
		o.addr += i.next + tail
		return reg, o
	default:
		o.addr = i.c.reg[rm+bit(i.b, 8)]
	}
	switch mod {
	case 1:
		o.addr += i.imm8()
	case 2:
		o.addr += i.imm32()
	}
	return reg, o
}

func (i *inst) sib(mod byte) uint64 {
	s := i.byte()
	index, base := int(s>>3&7)+bit(i.rexX, 8), int(s&7)
	at := uint64(0)
	if index != rsp {
		at = i.c.reg[index] << (s >> 6)
	}
	if base == rbp && mod == 0 {
		return at + i.imm32()
	}
	return at + i.c.reg[base+bit(i.b, 8)]
}

func (i *inst) size() int {
	if i.wide {
		return 8
	}
	return 4
}

func (i *inst) get(o operand) uint64 {
	if o.isReg {
		return i.cut(i.c.reg[o.reg])
	}
	var p [8]byte
	i.load(o.addr, p[:i.size()])
	return binary.LittleEndian.Uint64(p[:])
}

func (i *inst) set(o operand, v uint64) {
	if i.err != nil {
		return
	}
	if o.isReg {
		i.c.reg[o.reg] = i.cut(v)
		return
	}
	var p [8]byte
	binary.LittleEndian.PutUint64(p[:], v)
	i.err = i.c.mem.store(o.addr, p[:i.size()])
}

func (i *inst) cut(v uint64) uint64 {
	if i.wide {
		return v
	}
	return v & 0xffffffff
}

func (i *inst) push(v uint64) {
	var p [8]byte
	binary.LittleEndian.PutUint64(p[:], v)
	if i.err == nil {
		i.err = i.c.mem.store(i.c.reg[rsp]-8, p[:])
	}
	if i.err == nil {
		i.c.reg[rsp] -= 8
	}
}

func (i *inst) pop() uint64 {
	var p [8]byte
	i.load(i.c.reg[rsp], p[:])
	if i.err == nil {
		i.c.reg[rsp] += 8
	}
	return binary.LittleEndian.Uint64(p[:])
}

// arithmetic does one of the eight operations that share encodings and sets flags.
func (i *inst) arithmetic(op int, a, b uint64) (v uint64, keep bool) {
	top := uint64(1) << (i.size()*8 - 1)
	f := i.c.flags &^ (cf | zf | sf | of)
	a, b = i.cut(a), i.cut(b)
	switch op {
	case 0:
		v = i.cut(a + b)
		f |= uint64(bit(v < a, cf) | bit((a^v)&(b^v)&top != 0, of))
	case 1:
		v = a | b
	case 4:
		v = a & b
	case 5, 7:
		v = i.cut(a - b)
		f |= uint64(bit(a < b, cf) | bit((a^b)&(a^v)&top != 0, of))
	case 6:
		v = a ^ b
	default:
		i.err = errInvalid
	}
	f |= uint64(bit(v == 0, zf) | bit(v&top != 0, sf))
	if i.err == nil {
		i.c.flags = f
	}
	return v, op != 7
}

// taken evaluates a condition code (Intel SDM 2D, table B-1).
func (c *cpu) taken(cc byte) bool {
	is := func(bits uint64) bool { return c.flags&bits != 0 }
	less := is(sf) != is(of)
	yes := [8]bool{is(of), is(cf), is(zf), is(cf | zf), is(sf), false, less, less || is(zf)}[cc>>1&7]
	return yes != (cc&1 == 1)
}

// step carries out one instruction. On an error nothing has changed, except that
// an int3 and a syscall have been passed.
func (c *cpu) step() error {
	saved := *c
	i := &inst{c: c, next: c.pc}
	op := i.byte()
	if op>>4 == 4 {
		i.wide, i.rexR, i.rexX, i.b = op&8 != 0, op&4 != 0, op&2 != 0, op&1 != 0
		op = i.byte()
	}
	if i.err == nil {
		i.run(op)
	}
	if i.err != nil && i.err != errTrap && i.err != errSyscall {
		*c = saved
		return i.err
	}
	c.pc = i.next
	return i.err
}

func (i *inst) run(op byte) {
	c := i.c
	low := int(op&7) + bit(i.b, 8)
	switch {
	case op == 0x90:
	case op == 0xcc:
		i.err = errTrap
	case op>>3 == 0x50>>3:
		i.push(c.reg[low])
	case op>>3 == 0x58>>3:
		if v := i.pop(); i.err == nil {
			c.reg[low] = v
		}
	case op < 0x40 && op&7 == 1: // op r/m, r
		reg, o := i.modrm(0)
		if v, keep := i.arithmetic(int(op>>3), i.get(o), c.reg[reg]); keep {
			i.set(o, v)
		}
	case op < 0x40 && op&7 == 3: // op r, r/m
		reg, o := i.modrm(0)
		if v, keep := i.arithmetic(int(op>>3), c.reg[reg], i.get(o)); keep {
			i.set(operand{isReg: true, reg: reg}, v)
		}
	case op == 0x81, op == 0x83:
		i.immediate(op)
	case op == 0x85: // test
		reg, o := i.modrm(0)
		i.arithmetic(4, i.get(o), c.reg[reg])
	case op == 0x89:
		reg, o := i.modrm(0)
		i.set(o, c.reg[reg])
	case op == 0x8b:
		reg, o := i.modrm(0)
		i.set(operand{isReg: true, reg: reg}, i.get(o))
	case op == 0x8d:
		reg, o := i.modrm(0)
		i.set(operand{isReg: true, reg: reg}, o.addr)
	case op>>3 == 0xb8>>3 && !i.wide:
		i.set(operand{isReg: true, reg: low}, i.imm32())
	case op == 0xc7:
		_, o := i.modrm(4)
		i.set(o, i.imm32())
	case op == 0xff:
		i.unary()
	default:
		i.flow(op)
	}
}

func (i *inst) immediate(op byte) {
	tail := uint64(4)
	if op == 0x83 {
		tail = 1
	}
	reg, o := i.modrm(tail)
	v := uint64(0)
	if op == 0x83 {
		v = i.imm8()
	} else {
		v = i.imm32()
	}
	if v, keep := i.arithmetic(reg&7, i.get(o), v); keep {
		i.set(o, v)
	}
}

func (i *inst) unary() {
	carry := i.c.flags & cf
	reg, o := i.modrm(0)
	switch reg & 7 {
	case 0, 1: // inc, dec leave the carry alone
		v, _ := i.arithmetic(5*(reg&7), i.get(o), 1)
		i.c.flags = i.c.flags&^cf | carry
		i.set(o, v)
	case 2: // call
		i.wide = true
		to := i.get(o)
		i.push(i.next)
		i.next = to
	case 4:
		i.wide = true
		i.next = i.get(o)
	default:
		i.err = errInvalid
	}
}

// flow is what changes the course of the program.
func (i *inst) flow(op byte) {
	c := i.c
	switch {
	case op == 0xe8:
		d := i.imm32()
		i.push(i.next)
		i.next += d
	case op == 0xe9:
		d := i.imm32()
		i.next += d
	case op == 0xeb:
		d := i.imm8()
		i.next += d
	case op>>4 == 7:
		if d := i.imm8(); c.taken(op & 15) {
			i.next += d
		}
	case op == 0xc3:
		if to := i.pop(); i.err == nil {
			i.next = to
		}
	case op == 0xc9: // leave
		c.reg[rsp] = c.reg[rbp]
		if v := i.pop(); i.err == nil {
			c.reg[rbp] = v
		}
	case op == 0x0f:
		i.twoBytes()
	default:
		i.err = errInvalid
	}
}

func (i *inst) twoBytes() {
	switch op := i.byte(); {
	case op == 0x05:
		i.err = errSyscall
	case op>>4 == 8:
		if d := i.imm32(); i.c.taken(op & 15) {
			i.next += d
		}
	default:
		i.err = errInvalid
	}
}

// registers shows the CPU as arch has it.
func (c *cpu) registers(set *arch.Set) *arch.Registers {
	r := arch.NewRegisters(set)
	r.Interrupted = true
	put := func(name string, v uint64) {
		if i, ok := set.Index(name); ok {
			r.SetUint(i, v)
		}
	}
	for n, name := range registerNames {
		put(name, c.reg[n])
	}
	put("rip", c.pc)
	put("eflags", c.flags|2)
	put("cs", 0x33)
	put("ss", 0x2b)
	return r
}

// setRegisters takes over what is known in r.
func (c *cpu) setRegisters(r *arch.Registers) {
	for n, name := range registerNames {
		if v, ok := r.Get(name); ok {
			c.reg[n] = v
		}
	}
	if v, ok := r.Get("rip"); ok {
		c.pc = v
	}
	if v, ok := r.Get("eflags"); ok {
		c.flags = v
	}
}
