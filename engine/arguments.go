package engine

import (
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// argument is one value that a call passes, as its parameter's type lays it out.
type argument struct {
	t     *symbols.Type
	bytes []byte
	place arch.Addr // where bytes lie, for what is passed by its address
}

// placing is how a CPU's C ABI passes arguments: which registers, in which order,
// and what goes on the stack. The classes of a type are those of handedBack.
type placing struct {
	a            *arch.Arch
	regs         *arch.Registers
	ints, floats []string
	stack        []byte
	vectors      int // vector registers taken, which variadic functions of AMD64 are told
}

func newPlacing(r *arch.Registers) *placing {
	p := &placing{a: r.Set.Arch, regs: r, ints: r.Set.Arch.Args}
	switch p.a {
	case arch.AMD64:
		p.floats = sequence("xmm", 8)
	case arch.ARM64:
		p.floats = sequence("v", 8)
	case arch.RISCV64:
		p.floats = sequence("fa", 8)
	case arch.I386:
		p.ints = nil
	}
	return p
}

func sequence(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return out
}

// add passes one argument. variadic: it stands for the dots of the prototype.
func (p *placing) add(x argument, variadic bool) error {
	t := complete(x.t)
	h := handedBack(t, p.a)
	switch {
	case h.lost != "" && h.lost != elsewhere.lost:
		return fmt.Errorf("passing a value of type %s: %s", t.Name, h.lost)
	case nontrivial(t, 0) || h.lost != "":
		return p.word(uint64(x.place))
	case p.a == arch.I386 || p.a == arch.AMD64 && (h.at != "" || onStack(h)):
		p.push(p.widen(t, x.bytes), p.alignment(t))
		return nil
	case p.a == arch.RISCV64:
		return p.addRISCV64(t, x.bytes, h, variadic)
	}
	ints, floats := 0, 0
	for _, part := range h.parts {
		if isInt(part.reg) {
			ints++
		} else if part.from == 0 {
			floats++
		}
	}
	if p.a == arch.ARM64 && ints == 2 && p.alignment(t) == 16 && len(p.ints)%2 == 1 {
		p.ints = p.ints[1:]
	}
	if ints > len(p.ints) || floats > len(p.floats) {
		if p.a == arch.ARM64 { // what comes behind goes on the stack too
			p.ints, p.floats = p.ints[:len(p.ints)*min(1, max(0, floats))], p.floats[:len(p.floats)*min(1, max(0, ints))]
		}
		p.push(p.widen(t, x.bytes), p.alignment(t))
		return nil
	}
	return p.inRegisters(t, x.bytes, h)
}

// inRegisters puts the parts of a value into the next registers of their kind.
func (p *placing) inRegisters(t *symbols.Type, b []byte, h handback) error {
	last := ""
	for _, part := range h.parts {
		end := min(part.at+part.size, len(b))
		if part.at > end {
			continue
		}
		piece := b[part.at:end]
		switch {
		case isInt(part.reg):
			if len(h.parts) == 1 {
				piece = p.widen(t, piece)
			}
			if err := p.set(p.ints[0], piece); err != nil {
				return err
			}
			p.ints = p.ints[1:]
		case part.from > 0: // the upper part of a vector
			if err := p.set(strings.TrimRight(part.reg, "0123456789h")+strings.TrimLeft(last, "xyzmv")+suffix(part.reg), piece); err != nil {
				return err
			}
		default:
			last = p.floats[0]
			if err := p.set(last, piece); err != nil {
				return err
			}
			p.floats = p.floats[1:]
			p.vectors++
		}
	}
	return nil
}

func suffix(reg string) string {
	if strings.HasSuffix(reg, "h") {
		return "h"
	}
	return ""
}

// addRISCV64 knows that what has no floating-point register left goes where
// integers go, that a value of two words may be split, and that dots take integer
// registers only.
func (p *placing) addRISCV64(t *symbols.Type, b []byte, h handback, variadic bool) error {
	floats, ints := 0, 0
	for _, part := range h.parts {
		if isInt(part.reg) {
			ints++
		} else {
			floats++
		}
	}
	if floats > 0 && !variadic && floats <= len(p.floats) && ints <= len(p.ints) {
		for _, part := range h.parts {
			piece := b[part.at : part.at+part.size]
			if isInt(part.reg) {
				if err := p.set(p.ints[0], p.widen(t, piece)); err != nil {
					return err
				}
				p.ints = p.ints[1:]
				continue
			}
			for len(piece) < 8 { // narrower floats are boxed in ones
				piece = append(piece[:len(piece):len(piece)], 0xff)
			}
			if err := p.set(p.floats[0], piece); err != nil {
				return err
			}
			p.floats = p.floats[1:]
		}
		return nil
	}
	b = p.widen(t, b)
	if variadic && p.alignment(t) == 16 && len(p.ints)%2 == 1 {
		p.ints = p.ints[1:]
	}
	if len(p.ints) == 0 {
		p.push(b, p.alignment(t))
		return nil
	}
	for at := 0; at < len(b); at += 8 {
		piece := b[at:min(at+8, len(b))]
		if len(p.ints) == 0 {
			p.push(piece, 8)
			continue
		}
		if err := p.set(p.ints[0], piece); err != nil {
			return err
		}
		p.ints = p.ints[1:]
	}
	return nil
}

// word passes an address.
func (p *placing) word(n uint64) error {
	b := make([]byte, p.a.PtrSize)
	for i := range b {
		b[i] = byte(n >> (8 * i))
	}
	if len(p.ints) == 0 {
		p.push(b, p.a.PtrSize)
		return nil
	}
	reg := p.ints[0]
	p.ints = p.ints[1:]
	return p.set(reg, b)
}

func (p *placing) set(reg string, b []byte) error {
	i, ok := p.regs.Set.Index(reg)
	if !ok && strings.HasPrefix(reg, "v") {
		i, ok = p.regs.Set.Index("z" + reg[1:])
	}
	if !ok {
		return fmt.Errorf("the far end does not tell register %s, which the call needs", reg)
	}
	p.regs.SetBytes(i, b)
	return nil
}

// push puts a value on the stack, above those before it.
func (p *placing) push(b []byte, align int) {
	for len(p.stack)%align != 0 {
		p.stack = append(p.stack, 0)
	}
	p.stack = append(p.stack, b...)
	for len(p.stack)%p.a.PtrSize != 0 {
		p.stack = append(p.stack, 0)
	}
}

// alignment of a value on the stack.
func (p *placing) alignment(t *symbols.Type) int {
	if p.a == arch.I386 {
		return 4
	}
	align := 8
	for _, s := range flatten(nil, t, 0, 0) {
		if s.size > 8 && s.size <= 16 && !s.packed {
			align = 16
		}
	}
	return align
}

// widen extends integers to a register, as callees may take for granted.
func (p *placing) widen(t *symbols.Type, b []byte) []byte {
	if t.Kind != symbols.Base && t.Kind != symbols.Enum || len(b) >= p.a.PtrSize || len(b) == 0 || t.Encoding == symbols.FloatEnc {
		return b
	}
	signed := t.Encoding == symbols.Signed || t.Encoding == symbols.SignedChar || p.a == arch.RISCV64 && len(b) == 4
	if t.Kind == symbols.Enum {
		if e := complete(t.Elem); e != nil {
			signed = e.Encoding == symbols.Signed
		}
	}
	fill := byte(0)
	if signed && b[len(b)-1]&0x80 != 0 {
		fill = 0xff
	}
	out := append([]byte(nil), b...)
	for len(out) < p.a.PtrSize {
		out = append(out, fill)
	}
	return out
}

// isInt reports whether a register that a value comes back in is a general one.
func isInt(reg string) bool {
	switch reg {
	case "rax", "rdx", "eax", "edx", "x0", "x1", "a0", "a1":
		return true
	}
	return false
}

// onStack reports whether a value that comes back in x87 registers is passed on
// the stack.
func onStack(h handback) bool {
	for _, p := range h.parts {
		if p.x87 {
			return true
		}
	}
	return false
}
