package pdb

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// fixed is the location of what lies in the image.
type fixed symbols.Offset

// Pieces implements symbols.Location.
func (o fixed) Pieces(_ context.Context, f symbols.Frame, _ symbols.Offset) ([]symbols.Piece, error) {
	return []symbols.Piece{{Kind: symbols.InMemory, Addr: f.Base() + arch.Addr(o)}}, nil
}

// threadLocal is the location of thread-local storage.
type threadLocal uint32

// Pieces implements symbols.Location.
func (o threadLocal) Pieces(ctx context.Context, f symbols.Frame, _ symbols.Offset) ([]symbols.Piece, error) {
	a, err := f.TLS(ctx, uint64(o))
	if err != nil {
		return nil, err
	}
	return []symbols.Piece{{Kind: symbols.InMemory, Addr: a}}, nil
}

// literal is the location of a constant.
type literal []byte

// Pieces implements symbols.Location.
func (l literal) Pieces(context.Context, symbols.Frame, symbols.Offset) ([]symbols.Piece, error) {
	return []symbols.Piece{{Kind: symbols.Literal, Bytes: append([]byte(nil), l...)}}, nil
}

// gone is the location of what has none.
type gone struct{}

// Pieces implements symbols.Location.
func (gone) Pieces(context.Context, symbols.Frame, symbols.Offset) ([]symbols.Piece, error) {
	return nil, &symbols.UnavailableError{Reason: "optimised out"}
}

// part is where a variable, or a piece of one, is in some code.
type part struct {
	register uint16
	memory   bool // at offset from the register, else in it
	offset   int32
	piece    bool   // of the variable, from byte parent on
	parent   uint32 // bytes
	always   bool   // in the whole function, else in [low, high) without gaps
	low      uint32
	high     uint32
	gaps     []symbols.Range
}

func (p *part) covers(addr uint32) bool {
	if p.always {
		return true
	}
	return addr >= p.low && addr < p.high && !slices.ContainsFunc(p.gaps, func(g symbols.Range) bool {
		return symbols.Offset(addr) >= g.Low && symbols.Offset(addr) < g.High
	})
}

// partOf reads one S_DEFRANGE record. base is the register that the frame counts from.
func (f *File) partOf(r record, base uint16) (p part, ok bool) {
	d := r.fields()
	switch r.kind {
	case symDefRegister:
		p.register = d.u16()
		d.u16()
	case symDefFrame:
		p.register, p.memory, p.offset = base, true, d.i32()
	case symDefFrameFull:
		p.register, p.memory, p.offset, p.always = base, true, d.i32(), true
		return p, !d.short
	case symDefSubReg:
		p.register = d.u16()
		d.u16()
		p.piece, p.parent = true, d.u32()&0xfff
	case symDefRegRel:
		p.register, p.memory = d.u16(), true
		flags := d.u16()
		p.piece, p.parent = flags&1 != 0, uint32(flags>>4)
		p.offset = d.i32()
	default:
		return p, false
	}
	at := place{offset: d.u32()}
	at.section = d.u16()
	n := uint32(d.u16())
	if p.low, ok = f.dbi.addr(at); !ok || d.short {
		return p, false
	}
	p.high = p.low + n
	for len(d.b) >= 4 {
		begin, length := uint32(d.u16()), uint32(d.u16())
		p.gaps = append(p.gaps, symbols.Range{Low: symbols.Offset(p.low + begin), High: symbols.Offset(p.low + begin + length)})
	}
	return p, true
}

// variable is the location of a variable of a function.
type variable struct {
	f     *File
	parts []part
	typ   *symbols.Type
}

// Pieces implements symbols.Location.
func (v *variable) Pieces(ctx context.Context, f symbols.Frame, pc symbols.Offset) ([]symbols.Piece, error) {
	var here []part
	for i := range v.parts {
		if p := &v.parts[i]; p.covers(uint32(pc)) {
			if !p.piece {
				piece, err := v.f.piece(ctx, f, p, pc)
				if err != nil {
					return nil, err
				}
				return []symbols.Piece{piece}, nil
			}
			here = append(here, *p)
		}
	}
	if len(here) == 0 {
		return nil, &symbols.UnavailableError{Reason: "optimised out here"}
	}
	return v.joined(ctx, f, here, pc)
}

// joined puts the pieces of a value together; what no record tells of is lost.
func (v *variable) joined(ctx context.Context, f symbols.Frame, here []part, pc symbols.Offset) ([]symbols.Piece, error) {
	slices.SortStableFunc(here, func(a, b part) int { return cmp.Compare(a.parent, b.parent) })
	total := uint32(max(v.typ.ByteSize(), 0))
	var out []symbols.Piece
	at := uint32(0)
	for i := range here {
		p := &here[i]
		if p.parent < at || p.parent >= total {
			continue
		}
		if p.parent > at {
			out = append(out, symbols.Piece{Kind: symbols.Lost, BitSize: int(p.parent-at) * 8})
		}
		end := total
		if i+1 < len(here) && here[i+1].parent > p.parent {
			end = min(end, here[i+1].parent)
		}
		if n := memberSize(v.typ, p.parent); n > 0 {
			end = min(end, p.parent+n)
		}
		piece, err := v.f.piece(ctx, f, p, pc)
		if err != nil {
			return nil, err
		}
		if piece.Kind == symbols.InRegister {
			end = min(end, p.parent+uint32(f.Registers().Set.Regs[piece.Register].Size))
		}
		piece.BitSize = int(end-p.parent) * 8
		out, at = append(out, piece), end
	}
	if at < total {
		out = append(out, symbols.Piece{Kind: symbols.Lost, BitSize: int(total-at) * 8})
	}
	return out, nil
}

// memberSize is the size of the smallest member that begins at a byte of a type, 0 unknown.
func memberSize(t *symbols.Type, at uint32) uint32 {
	for range maxTypeDepth {
		t = t.Strip()
		if t == nil {
			return 0
		}
		if t.Kind == symbols.Array && t.Elem.ByteSize() > 0 {
			t, at = t.Elem, at%uint32(t.Elem.ByteSize())
			continue
		}
		if !t.IsComposite() {
			if at != 0 {
				return 0
			}
			return uint32(max(t.ByteSize(), 0))
		}
		var inner *symbols.Type
		for _, x := range t.Members().Fields {
			if n := x.Type.ByteSize(); !x.Static && !x.Virtual && n > 0 && int64(at) >= x.Offset && int64(at) < x.Offset+n {
				inner, at = x.Type, at-uint32(x.Offset)
				break
			}
		}
		if inner == nil {
			return 0
		}
		t = inner
	}
	return 0
}

// piece is where a part lies in a frame.
func (f *File) piece(ctx context.Context, fr symbols.Frame, p *part, pc symbols.Offset) (symbols.Piece, error) {
	r := fr.Registers()
	if p.register == registerVFrame {
		a, err := f.virtualFrame(ctx, fr, pc)
		return symbols.Piece{Kind: symbols.InMemory, Addr: arch.Addr(uint32(int64(a) + int64(p.offset)))}, err
	}
	name, shift, size := f.registerName(p.register)
	i, ok := r.Set.Index(name)
	if !ok {
		return symbols.Piece{}, &symbols.UnavailableError{Reason: "it is in register " + strconv.Itoa(int(p.register)) + " of CodeView, which is not known here"}
	}
	if !p.memory {
		return symbols.Piece{Kind: symbols.InRegister, Register: i, BitOffset: shift, BitSize: size}, nil
	}
	v, ok := r.Uint(i)
	if !ok {
		return symbols.Piece{}, &symbols.UnavailableError{Reason: "register " + name + " is not known in this frame"}
	}
	a := v + uint64(int64(p.offset))
	if f.pointerSize() == 4 {
		a = uint64(uint32(a))
	}
	return symbols.Piece{Kind: symbols.InMemory, Addr: arch.Addr(a)}, nil
}
