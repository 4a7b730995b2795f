package sim

import "golang.org/x/arch/x86/x86asm"

// reg is a register of the general file as an operand names it.
type reg struct {
	n, size int
	high    bool
}

func placeOf(r x86asm.Reg) (reg, bool) {
	switch {
	case r >= x86asm.AL && r <= x86asm.BL:
		return reg{n: int(r - x86asm.AL), size: 1}, true
	case r >= x86asm.AH && r <= x86asm.BH:
		return reg{n: int(r - x86asm.AH), size: 1, high: true}, true
	case r >= x86asm.SPB && r <= x86asm.R15B:
		return reg{n: int(r-x86asm.SPB) + 4, size: 1}, true
	case r >= x86asm.AX && r <= x86asm.R15W:
		return reg{n: int(r - x86asm.AX), size: 2}, true
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return reg{n: int(r - x86asm.EAX), size: 4}, true
	case r >= x86asm.RAX && r <= x86asm.R15:
		return reg{n: int(r - x86asm.RAX), size: 8}, true
	}
	return reg{}, false
}

func (p *processor) get(l reg) uint64 {
	v := p.r[l.n]
	if l.high {
		v >>= 8
	}
	return v & mask(l.size)
}

func (p *processor) set(l reg, v uint64) {
	switch {
	case l.high:
		p.r[l.n] = p.r[l.n]&^0xff00 | v&0xff<<8
	case l.size < 4:
		p.r[l.n] = p.r[l.n]&^mask(l.size) | v&mask(l.size)
	default:
		p.r[l.n] = v & mask(l.size)
	}
}

func mask(size int) uint64 { return ^uint64(0) >> (64 - 8*size) }

func sign(v uint64, size int) int64 {
	s := 64 - 8*size
	return int64(v<<s) >> s
}

// operandSize is the size of the first operand, or of the data where it has none.
func (d *decoded) operandSize() int {
	switch a := d.inst.Args[0].(type) {
	case x86asm.Reg:
		if l, ok := placeOf(a); ok {
			return l.size
		}
	case x86asm.Mem:
		if d.inst.MemBytes > 0 {
			return d.inst.MemBytes
		}
	}
	return d.inst.DataSize / 8
}

// address computes a memory operand.
func (p *processor) address(d *decoded, m x86asm.Mem) uint64 {
	v := uint64(m.Disp)
	if v>>32 == 0 { // the decoder leaves 32-bit displacements unsigned
		v = uint64(int64(int32(v)))
	}
	add := func(r x86asm.Reg, scale uint64) {
		if r == x86asm.RIP {
			v += p.ip
		} else if l, ok := placeOf(r); ok {
			v += p.get(l) * scale
		}
	}
	add(m.Base, 1)
	add(m.Index, uint64(m.Scale))
	if d.gs {
		v += p.gs
	}
	return v & mask(p.word)
}

// value reads operand i; size is for memory and for immediates.
func (p *processor) value(d *decoded, i, size int) uint64 {
	switch a := d.inst.Args[i].(type) {
	case x86asm.Reg:
		if l, ok := placeOf(a); ok {
			return p.get(l)
		}
		return p.special(a)
	case x86asm.Mem:
		return p.load(p.address(d, a), size)
	case x86asm.Imm:
		return uint64(a) & mask(size)
	case x86asm.Rel:
		return p.ip + uint64(int64(a))
	}
	return 0
}

func (p *processor) put(d *decoded, i, size int, v uint64) {
	switch a := d.inst.Args[i].(type) {
	case x86asm.Reg:
		if l, ok := placeOf(a); ok {
			p.set(l, v)
		} else {
			p.setSpecial(a, v)
		}
	case x86asm.Mem:
		p.store(p.address(d, a), size, v&mask(size))
	}
}

func (p *processor) special(r x86asm.Reg) uint64 {
	switch r {
	case x86asm.CR0:
		return p.cr0
	case x86asm.CR2:
		return p.cr2
	case x86asm.CR3:
		return p.cr3
	case x86asm.CR4:
		return p.cr4
	case x86asm.CR8:
		return p.cr8
	case x86asm.CS:
		return uint64(p.cs)
	case x86asm.SS:
		return uint64(p.ss)
	}
	if r >= x86asm.DR0 && r <= x86asm.DR7 {
		return p.dr[r-x86asm.DR0]
	}
	return 0x2b
}

func (p *processor) setSpecial(r x86asm.Reg, v uint64) {
	switch r {
	case x86asm.CR0:
		p.cr0 = v
	case x86asm.CR2:
		p.cr2 = v
	case x86asm.CR3:
		p.cr3 = v
		p.flush()
	case x86asm.CR4:
		p.cr4 = v
	case x86asm.CR8:
		p.cr8 = v
	}
	if r >= x86asm.DR0 && r <= x86asm.DR7 {
		p.dr[r-x86asm.DR0] = v
	}
}

func (p *processor) flag(f uint64, on bool) {
	if p.flags &^= f; on {
		p.flags |= f
	}
}

// result sets Z, S and P.
func (p *processor) result(v uint64, size int) {
	v &= mask(size)
	p.flags = p.flags&^(flagZ|flagS|flagP) | parity(v)
	p.flag(flagZ, v == 0)
	p.flag(flagS, sign(v, size) < 0)
}

func (p *processor) add(a, b, carry uint64, size int) uint64 {
	v := (a + b + carry) & mask(size)
	p.flag(flagC, v < a || carry == 1 && v == a)
	p.flag(flagO, sign((a^v)&(b^v), size) < 0)
	p.flag(flagA, (a^b^v)&0x10 != 0)
	p.result(v, size)
	return v
}

func (p *processor) sub(a, b, borrow uint64, size int) uint64 {
	v := (a - b - borrow) & mask(size)
	p.flag(flagC, a < b || borrow == 1 && a == b)
	p.flag(flagO, sign((a^b)&(a^v), size) < 0)
	p.flag(flagA, (a^b^v)&0x10 != 0)
	p.result(v, size)
	return v
}

func (p *processor) logic(v uint64, size int) uint64 {
	p.flags &^= flagC | flagO | flagA
	p.result(v, size)
	return v
}

// holds evaluates a condition by its number in opcodes.
func (p *processor) holds(cc int) bool {
	f := p.flags
	var v bool
	switch cc / 2 {
	case 0:
		v = f&flagO != 0
	case 1:
		v = f&flagC != 0
	case 2:
		v = f&flagZ != 0
	case 3:
		v = f&(flagC|flagZ) != 0
	case 4:
		v = f&flagS != 0
	case 5:
		v = f&flagP != 0
	case 6:
		v = f&flagS != 0 != (f&flagO != 0)
	case 7:
		v = f&flagZ != 0 || f&flagS != 0 != (f&flagO != 0)
	}
	return v != (cc%2 == 1)
}

// condition is what an instruction does where its condition holds.
type condition int

const (
	always condition = iota // it has none
	jumping
	taking // a conditional move
	setting
)

// classify finds out once what the execution of d asks each time.
func (d *decoded) classify() {
	for kind, of := range map[condition]map[x86asm.Op]int{jumping: jumps, taking: moves, setting: sets} {
		if cc, ok := of[d.inst.Op]; ok {
			d.kind, d.cc = kind, cc
		}
	}
	d.string = stringSizes[d.inst.Op]
}

// Instructions with a condition, by its number.
var jumps = map[x86asm.Op]int{x86asm.JO: 0, x86asm.JNO: 1, x86asm.JB: 2, x86asm.JAE: 3, x86asm.JE: 4, x86asm.JNE: 5, x86asm.JBE: 6, x86asm.JA: 7,
	x86asm.JS: 8, x86asm.JNS: 9, x86asm.JP: 10, x86asm.JNP: 11, x86asm.JL: 12, x86asm.JGE: 13, x86asm.JLE: 14, x86asm.JG: 15}
var moves = map[x86asm.Op]int{x86asm.CMOVO: 0, x86asm.CMOVNO: 1, x86asm.CMOVB: 2, x86asm.CMOVAE: 3, x86asm.CMOVE: 4, x86asm.CMOVNE: 5, x86asm.CMOVBE: 6,
	x86asm.CMOVA: 7, x86asm.CMOVS: 8, x86asm.CMOVNS: 9, x86asm.CMOVP: 10, x86asm.CMOVNP: 11, x86asm.CMOVL: 12, x86asm.CMOVGE: 13, x86asm.CMOVLE: 14, x86asm.CMOVG: 15}
var sets = map[x86asm.Op]int{x86asm.SETO: 0, x86asm.SETNO: 1, x86asm.SETB: 2, x86asm.SETAE: 3, x86asm.SETE: 4, x86asm.SETNE: 5, x86asm.SETBE: 6, x86asm.SETA: 7,
	x86asm.SETS: 8, x86asm.SETNS: 9, x86asm.SETP: 10, x86asm.SETNP: 11, x86asm.SETL: 12, x86asm.SETGE: 13, x86asm.SETLE: 14, x86asm.SETG: 15}

// execute does one instruction; ip is behind it.
func (p *processor) execute(d *decoded) event {
	switch d.kind {
	case jumping:
		if p.holds(d.cc) {
			p.ip = p.value(d, 0, 8)
		}
		return ran
	case taking:
		v := p.value(d, 1, d.size)
		if !p.holds(d.cc) {
			v = p.value(d, 0, d.size)
		}
		p.put(d, 0, d.size, v)
		return ran
	case setting:
		v := uint64(0)
		if p.holds(d.cc) {
			v = 1
		}
		p.put(d, 0, 1, v)
		return ran
	}
	if p.arithmetic(d) || p.moving(d) {
		return ran
	}
	return p.system(d)
}

// arithmetic does what computes and sets flags.
func (p *processor) arithmetic(d *decoded) bool {
	n := d.size
	a := func() uint64 { return p.value(d, 0, n) }
	b := func() uint64 { return p.value(d, 1, n) }
	put := func(v uint64) { p.put(d, 0, n, v) }
	carry := p.flags & flagC
	switch d.inst.Op {
	case x86asm.ADD:
		put(p.add(a(), b(), 0, n))
	case x86asm.ADC:
		put(p.add(a(), b(), carry, n))
	case x86asm.SUB:
		put(p.sub(a(), b(), 0, n))
	case x86asm.SBB:
		put(p.sub(a(), b(), carry, n))
	case x86asm.CMP:
		p.sub(a(), b(), 0, n)
	case x86asm.AND:
		put(p.logic(a()&b(), n))
	case x86asm.OR:
		put(p.logic(a()|b(), n))
	case x86asm.XOR:
		put(p.logic(a()^b(), n))
	case x86asm.TEST:
		p.logic(a()&b(), n)
	case x86asm.INC:
		put(p.add(a(), 1, 0, n))
		p.flag(flagC, carry != 0)
	case x86asm.DEC:
		put(p.sub(a(), 1, 0, n))
		p.flag(flagC, carry != 0)
	case x86asm.NEG:
		put(p.sub(0, a(), 0, n))
	case x86asm.NOT:
		put(^a())
	case x86asm.SHL, x86asm.SHR, x86asm.SAR, x86asm.ROL, x86asm.ROR:
		p.shift(d)
	case x86asm.SHLD, x86asm.SHRD:
		p.double(d)
	case x86asm.IMUL:
		p.multiply(d)
	case x86asm.MUL, x86asm.DIV, x86asm.IDIV:
		p.wide(d)
	case x86asm.XADD:
		old, other := a(), b()
		p.put(d, 1, n, old)
		put(p.add(old, other, 0, n))
	case x86asm.CMPXCHG:
		old := a()
		acc := reg{n: rax, size: n}
		if p.sub(p.get(acc), old, 0, n); p.flags&flagZ != 0 {
			put(b())
		} else {
			p.set(acc, old)
		}
	case x86asm.BT, x86asm.BTS, x86asm.BTR, x86asm.BTC:
		v, bit := a(), uint64(1)<<(p.value(d, 1, 1)%uint64(8*n))
		p.flag(flagC, v&bit != 0)
		switch d.inst.Op {
		case x86asm.BTS:
			put(v | bit)
		case x86asm.BTR:
			put(v &^ bit)
		case x86asm.BTC:
			put(v ^ bit)
		}
	default:
		return false
	}
	return true
}

func (p *processor) shift(d *decoded) {
	n, width := d.size, uint64(8*d.size)
	v, by := p.value(d, 0, n), p.value(d, 1, 1)&(max(width, 32)-1)
	if by == 0 {
		return
	}
	var out uint64
	switch d.inst.Op {
	case x86asm.SHL:
		out = v << by
		p.flag(flagC, by <= width && v>>(width-by)&1 != 0)
	case x86asm.SHR:
		out = v >> by
		p.flag(flagC, v>>(by-1)&1 != 0)
	case x86asm.SAR:
		out = uint64(sign(v, n) >> by)
		p.flag(flagC, sign(v, n)>>(by-1)&1 != 0)
	case x86asm.ROL:
		out = v<<(by%width) | v>>(width-by%width)
		p.put(d, 0, n, out&mask(n))
		return
	case x86asm.ROR:
		out = v>>(by%width) | v<<(width-by%width)
		p.put(d, 0, n, out&mask(n))
		return
	}
	p.result(out, n)
	p.flag(flagO, sign(out^v, n) < 0)
	p.put(d, 0, n, out&mask(n))
}

// double shifts the first operand, filled from the second.
func (p *processor) double(d *decoded) {
	n, width := d.size, uint64(8*d.size)
	v, from, by := p.value(d, 0, n), p.value(d, 1, n), p.value(d, 2, 1)&(max(width, 32)-1)
	if by == 0 || by > width {
		return
	}
	out, carry := v<<by|from>>(width-by), v>>(width-by)&1
	if d.inst.Op == x86asm.SHRD {
		out, carry = v>>by|from<<(width-by), v>>(by-1)&1
	}
	p.flag(flagC, carry != 0)
	p.result(out, n)
	p.put(d, 0, n, out&mask(n))
}

func (p *processor) multiply(d *decoded) {
	n := d.size
	switch {
	case d.inst.Args[1] == nil:
		p.wide(d)
	case d.inst.Args[2] != nil:
		p.put(d, 0, n, uint64(sign(p.value(d, 1, n), n)*int64(d.inst.Args[2].(x86asm.Imm))))
	default:
		p.put(d, 0, n, uint64(sign(p.value(d, 0, n), n)*sign(p.value(d, 1, n), n)))
	}
}
