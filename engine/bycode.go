package engine

import (
	"context"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// maxFollowed bounds the instructions that are followed.
const maxFollowed = 200

// following runs the code of an x86 function from the frame's pc on, as far as
// the stack is concerned: what is pushed, popped and made room for. Branches are
// not taken, calls preserve what the ABI says.
type following struct {
	l      *loop
	ctx    context.Context
	mem    symbols.Memory
	regs   *arch.Registers
	stores map[arch.Addr]arch.Addr // words it pushed
	seen   map[arch.Addr]bool
	rich   bool // it did more than move words about: only what calls preserve is sure
}

// byCode unwinds a function without information by its code: prologues, leaf
// functions and hand-written code end in a return whose place on the stack can be
// told. All registers that calls preserve are then known.
func (l *loop) byCode(ctx context.Context, r *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	if l.arch.Link != "" {
		return l.byLink(ctx, r, mem)
	}
	f := following{l: l, ctx: ctx, mem: mem, regs: r.Clone(), stores: map[arch.Addr]arch.Addr{}, seen: map[arch.Addr]bool{}}
	popped := 0
	for pc, end := r.PC(), false; !end; {
		if f.seen[pc] || len(f.seen) == maxFollowed || pc != r.PC() && l.begins(pc) {
			return nil, 0, errNoFrame // a loop, or another function
		}
		f.seen[pc] = true
		if err := l.askCode(ctx, pc, mem); err != nil {
			return nil, 0, noFrame(err)
		}
		in, err := l.decode(ctx, pc)
		if err != nil {
			return nil, 0, errNoFrame
		}
		next := pc + arch.Addr(in.Len)
		switch in.Kind {
		case arch.Return:
			end = true
			if n, ok := number(in.Args); ok {
				popped = int(n)
			}
		case arch.Jump:
			if next = in.Target; !in.HasTarget || in.Mem != nil {
				end = true // a tail call
			} else if l.begins(next) {
				end = true
			}
		case arch.Trap:
			if pc != r.PC() || in.Len != len(l.arch.Break) { // a break instruction that was stopped at is gone on behind
				return nil, 0, errNoFrame
			}
		default:
			if in.Kind == arch.Call && in.HasTarget && in.Target == next && in.Mem == nil {
				f.push(next) // position-independent code asks where it is
			}
			if err := f.step(in); err != nil {
				return nil, 0, err
			}
		}
		pc = next
	}
	ret, err := f.load(f.regs.SP())
	if err != nil {
		return nil, 0, err
	}
	if ok, err := l.isReturn(ctx, ret, mem); !ok || f.regs.SP() < r.SP() {
		return nil, 0, noFrame(err)
	}
	cfa := f.regs.SP() + arch.Addr(l.arch.PtrSize)
	c := after(f.regs, ret, cfa+arch.Addr(popped))
	if !f.rich {
		c = f.regs
		c.Interrupted = false
		c.SetPC(ret)
		c.SetSP(cfa + arch.Addr(popped))
	}
	return c, cfa, nil
}

// askCode asks mem for code that no file has, so that what follows it comes with it.
func (l *loop) askCode(ctx context.Context, a arch.Addr, mem symbols.Memory) error {
	var p [1]byte
	if m, ok := l.moduleAt(a); ok && m.Image != nil && m.Image.ReadStatic(m.offset(a), p[:]) {
		return nil
	}
	_, err := mem.ReadMemory(ctx, a, p[:])
	return err
}

// moves are the instructions that change no register but their first operand.
var moves = map[string]bool{"mov": true, "lea": true, "push": true, "pop": true, "add": true, "sub": true, "nop": true, "endbr32": true, "endbr64": true, "leave": true}

// forget makes the register unknown that an instruction has written.
func (f *following) forget(name string) {
	for _, s := range f.l.arch.Sub {
		if s.Name == name {
			name = s.Of
		}
	}
	if i, ok := f.regs.Set.Index(name); ok {
		f.regs.Forget(i)
	}
}

// begins reports whether a symbol begins at a.
func (l *loop) begins(a arch.Addr) bool {
	m, ok := l.moduleAt(a)
	if !ok || m.Image == nil {
		return false
	}
	s, ok := m.Image.At(m.offset(a))
	return ok && s.Offset == m.offset(a)
}

// byLink is for a function of a CPU with a link register that has not made its
// frame, or makes none: at its first instruction, or when the register leads into
// another function than what the frame pointer's record says.
func (l *loop) byLink(ctx context.Context, r *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	lr, ok := r.Get(l.arch.Link)
	ret := plainAddress(r, arch.Addr(lr))
	if !ok || !r.Interrupted || !l.begins(r.PC()) && l.locate(ret-1).Symbol == l.locate(r.PC()).Symbol {
		return nil, 0, errNoFrame
	}
	if ok, err := l.isReturn(ctx, ret, mem); !ok {
		return nil, 0, noFrame(err)
	}
	if !l.begins(r.PC()) {
		if c, _, err := l.byFramePointer(ctx, r, mem); isNeed(err) || err == nil && c.PC() == ret {
			return nil, 0, noFrame(err)
		}
	}
	return after(r, ret, r.SP()), r.SP(), nil
}

// step carries out what an instruction does to the stack and its pointers.
func (f *following) step(in arch.Inst) error {
	sp, fp, ptr := f.l.arch.SP, f.l.arch.FP, arch.Addr(f.l.arch.PtrSize)
	first, rest, _ := strings.Cut(in.Args, ",")
	n, constant := number(rest)
	f.rich = f.rich || !moves[in.Op] || in.Kind == arch.Call
	switch {
	case in.Op == "push" || in.Op == "pushf" || in.Op == "pushfq" || in.Op == "pushfd":
		v, _ := f.regs.Get(first)
		f.push(arch.Addr(v))
	case in.Op == "pop":
		v, err := f.load(f.regs.SP())
		if err != nil {
			return err
		}
		f.regs.SetSP(f.regs.SP() + ptr)
		f.regs.PutName(first, uint64(v))
	case in.Op == "popf" || in.Op == "popfq" || in.Op == "popfd":
		f.regs.SetSP(f.regs.SP() + ptr)
	case in.Op == "leave":
		v, err := f.load(f.regs.FP())
		if err != nil {
			return err
		}
		f.regs.SetSP(f.regs.FP() + ptr)
		f.regs.PutName(fp, uint64(v))
	case in.Op == "add" && first == sp && constant:
		f.regs.SetSP(f.regs.SP() + arch.Addr(n))
	case in.Op == "sub" && first == sp && constant:
		f.regs.SetSP(f.regs.SP() - arch.Addr(n))
	case in.Op == "mov" && first == fp && rest == sp:
		f.regs.PutName(fp, uint64(f.regs.SP()))
	case in.Op == "mov" && first == sp && rest == fp:
		f.regs.SetSP(f.regs.FP())
	case in.Op == "lea" && first == sp && in.Mem != nil && in.Mem.Index == "" && (in.Mem.Base == sp || in.Mem.Base == fp):
		base, _ := f.regs.Get(in.Mem.Base)
		f.regs.SetSP(arch.Addr(base + uint64(in.Mem.Disp)))
	case in.Op == "xchg" && rest == sp, (first == sp && in.Op != "cmp" && in.Op != "test") || in.Op == "enter" || strings.HasPrefix(in.Op, "pusha") || strings.HasPrefix(in.Op, "popa"):
		return errNoFrame
	case in.Op != "nop":
		f.forget(first)
	}
	return nil
}

func (f *following) push(v arch.Addr) {
	f.regs.SetSP(f.regs.SP() - arch.Addr(f.l.arch.PtrSize))
	f.stores[f.regs.SP()] = v
}

// load reads a word of the stack, as the code followed has left it.
func (f *following) load(a arch.Addr) (arch.Addr, error) {
	if v, ok := f.stores[a]; ok {
		return v, nil
	}
	return f.l.pointer(f.ctx, f.mem, a)
}

// number reads a constant as the decoder spells it: "28h" or "0FFFFFFE8h".
func number(s string) (uint64, bool) {
	digits, hex := strings.CutSuffix(strings.TrimPrefix(s, "0x"), "h")
	base := 10
	if hex || strings.HasPrefix(s, "0x") {
		base = 16
	}
	v, err := strconv.ParseUint(digits, base, 64)
	return v, err == nil
}

// noFrame is the error to give when a return address was not found: err when it
// is that memory must be fetched first.
func noFrame(err error) error {
	if isNeed(err) {
		return err
	}
	return errNoFrame
}
