package sim

import (
	"math/bits"

	"golang.org/x/arch/x86/x86asm"
)

// wide does multiplication and division over the register pair.
func (p *processor) wide(d *decoded) {
	n := d.size
	v := p.value(d, 0, n)
	lo, hi := reg{n: rax, size: n}, reg{n: rdx, size: n}
	if n == 1 {
		hi = reg{n: rax, size: 1, high: true}
	}
	a, b := p.get(lo), p.get(hi)
	if (d.inst.Op == x86asm.DIV || d.inst.Op == x86asm.IDIV) && v == 0 {
		p.fault = &fault{vector: 0}
		return
	}
	if n == 8 {
		p.wide64(d.inst.Op, a, b, v)
		return
	}
	w := uint(8 * n)
	switch d.inst.Op {
	case x86asm.MUL:
		x := a * v
		p.set(lo, x)
		p.set(hi, x>>w)
	case x86asm.IMUL:
		x := sign(a, n) * sign(v, n)
		p.set(lo, uint64(x))
		p.set(hi, uint64(x>>w))
	case x86asm.DIV:
		x := b<<w | a
		p.set(lo, x/v)
		p.set(hi, x%v)
	case x86asm.IDIV:
		x := sign(b<<w|a, min(2*n, 8))
		p.set(lo, uint64(x/sign(v, n)))
		p.set(hi, uint64(x%sign(v, n)))
	}
}

func (p *processor) wide64(op x86asm.Op, a, b, v uint64) {
	switch op {
	case x86asm.MUL:
		p.r[rdx], p.r[rax] = bits.Mul64(a, v)
	case x86asm.IMUL:
		hi, lo := bits.Mul64(a, v)
		if int64(a) < 0 {
			hi -= v
		}
		if int64(v) < 0 {
			hi -= a
		}
		p.r[rdx], p.r[rax] = hi, lo
	case x86asm.DIV:
		if b >= v {
			p.fault = &fault{vector: 0}
			return
		}
		p.r[rax], p.r[rdx] = bits.Div64(b, a, v)
	case x86asm.IDIV: // compilers sign-extend into the upper half
		p.r[rax], p.r[rdx] = uint64(int64(a)/int64(v)), uint64(int64(a)%int64(v))
	}
}

// moving does moves, stack and jumps.
func (p *processor) moving(d *decoded) bool {
	n := d.size
	switch d.inst.Op {
	case x86asm.MOV:
		p.put(d, 0, n, p.value(d, 1, n))
	case x86asm.MOVZX:
		p.put(d, 0, n, p.value(d, 1, d.inst.MemBytes))
	case x86asm.MOVSX, x86asm.MOVSXD:
		from := d.inst.MemBytes
		if r, ok := d.inst.Args[1].(x86asm.Reg); ok {
			l, _ := placeOf(r)
			from = l.size
		}
		p.put(d, 0, n, uint64(sign(p.value(d, 1, from), from)))
	case x86asm.LEA:
		gs := *d
		gs.gs = false
		p.put(d, 0, n, p.address(&gs, d.inst.Args[1].(x86asm.Mem)))
	case x86asm.XCHG:
		a, b := p.value(d, 0, n), p.value(d, 1, n)
		p.put(d, 0, n, b)
		p.put(d, 1, n, a)
	case x86asm.CWDE:
		p.set(reg{n: rax, size: 4}, uint64(int64(int16(p.r[rax]))))
	case x86asm.CDQE:
		p.r[rax] = uint64(int64(int32(p.r[rax])))
	case x86asm.CDQ:
		p.set(reg{n: rdx, size: 4}, uint64(int32(p.r[rax])>>31))
	case x86asm.CQO:
		p.r[rdx] = uint64(int64(p.r[rax]) >> 63)
	case x86asm.PUSH:
		v := p.value(d, 0, p.word)
		if i, ok := d.inst.Args[0].(x86asm.Imm); ok {
			v = uint64(i)
		}
		p.push(v)
	case x86asm.POP:
		v := p.pop()
		p.put(d, 0, p.word, v)
	case x86asm.PUSHFQ, x86asm.PUSHFD:
		p.push(p.flags)
	case x86asm.POPFQ, x86asm.POPFD:
		p.flags = p.pop() | 2
	case x86asm.LEAVE:
		p.r[rsp] = p.r[rbp]
		p.r[rbp] = p.pop()
	case x86asm.CALL:
		to := p.value(d, 0, p.word)
		if p.push(p.ip); p.fault == nil {
			p.ip = to
		}
	case x86asm.JMP:
		p.ip = p.value(d, 0, p.word)
	case x86asm.RET:
		p.ip = p.pop()
		if i, ok := d.inst.Args[0].(x86asm.Imm); ok {
			p.r[rsp] = (p.r[rsp] + uint64(i)) & mask(p.word)
		}
	case x86asm.NOP, x86asm.PAUSE, x86asm.MFENCE, x86asm.LFENCE, x86asm.SFENCE:
	default:
		return p.strings(d)
	}
	return true
}

// stringSizes is how many bytes the string instructions move or store at once.
var stringSizes = map[x86asm.Op]int{x86asm.STOSB: 1, x86asm.STOSW: 2, x86asm.STOSD: 4, x86asm.STOSQ: 8,
	x86asm.MOVSB: 1, x86asm.MOVSW: 2, x86asm.MOVSD: 4, x86asm.MOVSQ: 8}

// strings does the repeated moves and stores.
func (p *processor) strings(d *decoded) bool {
	size := d.string
	if size == 0 {
		return false
	}
	move := d.inst.Op == x86asm.MOVSB || d.inst.Op == x86asm.MOVSW || d.inst.Op == x86asm.MOVSD || d.inst.Op == x86asm.MOVSQ
	by := uint64(size)
	if p.flags&flagD != 0 {
		by = -by
	}
	for d.rep == 0 || p.r[rcx] != 0 {
		if d.rep != 0 && p.fill(uint64(size), move) {
			continue
		}
		v := p.r[rax]
		if move {
			v = p.load(p.r[rsi], size)
		}
		if p.fault != nil {
			return true
		}
		if p.store(p.r[rdi], size, v); p.fault != nil {
			return true
		}
		p.r[rdi] = (p.r[rdi] + by) & mask(p.word)
		if move {
			p.r[rsi] = (p.r[rsi] + by) & mask(p.word)
		}
		if d.rep == 0 {
			break
		}
		p.r[rcx]--
	}
	return true
}

// fill does at once as much of a repeated store or move as is within a page, upwards
// and watched by nobody; false when that is nothing, and where a fault results.
func (p *processor) fill(size uint64, move bool) bool {
	to, from := p.r[rdi], p.r[rsi]
	n := min(p.r[rcx], (page-to%page)/size)
	if move {
		n = min(n, (page-from%page)/size)
	}
	if n < 2 || p.flags&flagD != 0 || p.dr[7]&0xff != 0 {
		return false
	}
	f := p.frameOf(to, true)
	if f == nil {
		p.fault = nil // told in its order
		return false
	}
	out := f[to%page:][:n*size]
	if move {
		g := p.frameOf(from, false)
		if g == nil || g == f { // what overlaps is repeated piece by piece
			p.fault = nil
			return false
		}
		copy(out, g[from%page:])
		p.r[rsi] += n * size
	} else {
		put(out, int(size), p.r[rax])
		for done := int(size); done < len(out); done *= 2 {
			copy(out[done:], out[:done])
		}
	}
	p.r[rdi] += n * size
	p.r[rcx] -= n
	return true
}

// system does what only a kernel may, and traps.
func (p *processor) system(d *decoded) event {
	switch d.inst.Op {
	case x86asm.INT:
		switch v := d.inst.Args[0].(x86asm.Imm); v {
		case 3:
			return trapped
		case 0x2c:
			p.ip -= uint64(d.inst.Len)
			return asserted
		case 0x2d:
			return serviced
		default:
			p.interrupt(int(v), 0, false)
		}
	case x86asm.HLT:
		p.halted = true
		return halted
	case x86asm.CLI:
		p.flags &^= flagI
	case x86asm.STI:
		p.flags |= flagI
	case x86asm.CLD:
		p.flags &^= flagD
	case x86asm.IRETQ:
		ip := p.load(p.r[rsp], 8)
		flags, sp := p.load(p.r[rsp]+16, 8), p.load(p.r[rsp]+24, 8)
		if p.fault == nil {
			p.ip, p.flags, p.r[rsp] = ip, flags|2, sp
		}
	case x86asm.IRETD:
		ip, flags := p.load(p.r[rsp], 4), p.load(p.r[rsp]+8, 4)
		if p.fault == nil {
			p.ip, p.flags, p.r[rsp] = ip, flags|2, p.r[rsp]+12
		}
	case x86asm.SWAPGS:
		p.gs, p.swap = p.swap, p.gs
	case x86asm.INVLPG:
		p.flush()
	case x86asm.IN:
		v := p.ports(p, uint16(p.value(d, 1, 2)), d.size, false, 0)
		p.put(d, 0, d.size, uint64(v))
	case x86asm.OUT:
		size := 4
		if l, ok := placeOf(d.inst.Args[1].(x86asm.Reg)); ok {
			size = l.size
		}
		p.ports(p, uint16(p.value(d, 0, 2)), size, true, uint32(p.value(d, 1, size)))
	case x86asm.RDTSC:
		p.r[rax], p.r[rdx] = p.time&0xffffffff, p.time>>32
	case x86asm.RDMSR:
		v := p.msr[uint32(p.r[rcx])]
		p.r[rax], p.r[rdx] = v&0xffffffff, v>>32
	case x86asm.WRMSR:
		p.writeMSR(uint32(p.r[rcx]), p.r[rax]&0xffffffff|p.r[rdx]<<32)
	case x86asm.LIDT, x86asm.LGDT:
		at := p.address(d, d.inst.Args[0].(x86asm.Mem))
		limit, base := uint16(p.load(at, 2)), p.load(at+2, p.word)
		if p.fault != nil {
			break
		}
		if d.inst.Op == x86asm.LIDT {
			p.idt, p.idtSize = base, limit
		} else {
			p.gdt, p.gdtSize = base, limit
		}
	case x86asm.LTR:
		p.tr = uint16(p.value(d, 0, 2))
	default: // UD2, and what compiled code of ours never contains
		p.fault = &fault{vector: 6}
	}
	return ran
}

// Model specific registers with an effect here (Intel SDM volume 4).
const (
	msrGSBase       = 0xc0000101
	msrKernelGSBase = 0xc0000102
)

func (p *processor) writeMSR(n uint32, v uint64) {
	switch n {
	case msrGSBase:
		p.gs = v
	case msrKernelGSBase:
		p.swap = v
	}
	p.msr[n] = v
}
