package pdb

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Frames of i386 come as programs in postfix notation (FRAMEDATA), or as the sizes
// of what a function keeps on the stack (FPO_DATA of winnt.h).

// frameRow is the rule of some code.
type frameRow struct {
	low, high             uint32
	locals, params, saved uint32 // bytes
	prologue              uint32 // bytes of code
	program               string // "" for FPO_DATA
	usesEBP               bool
	order                 int
}

// frameRows reads the rules, each table's in the order of addresses.
func (f *File) frameRows() []frameRow {
	f.framesOnce.Do(func() {
		if s, err := f.c.stream(f.dbi.newFPO); err == nil && f.dbi.newFPO != noStream {
			for b := s.all(); len(b) >= 32; b = b[32:] {
				d := fields{b: b[:32]}
				r := frameRow{low: d.u32()}
				r.high = r.low + d.u32()
				r.locals, r.params = d.u32(), d.u32()
				d.u32()
				r.program = f.texts.at(d.u32())
				r.prologue, r.saved = uint32(d.u16()), uint32(d.u16())
				f.frames = append(f.frames, r)
			}
		}
		if s, err := f.c.stream(f.dbi.fpo); err == nil && f.dbi.fpo != noStream {
			for b := s.all(); len(b) >= 16; b = b[16:] {
				d := fields{b: b[:16]}
				r := frameRow{low: d.u32(), order: 1}
				r.high = r.low + d.u32()
				r.locals, r.params = 4*d.u32(), 4*uint32(d.u16())
				bits := d.u16()
				r.prologue, r.saved, r.usesEBP = uint32(bits&0xff), 4*uint32(bits>>8&7), bits>>12&1 != 0
				f.frames = append(f.frames, r)
			}
		}
		slices.SortStableFunc(f.frames, func(a, b frameRow) int { return cmp.Compare(a.low, b.low) })
	})
	return f.frames
}

// frameAt returns the rule for an address: the last that begins before it, and a
// program before sizes.
func (f *File) frameAt(addr uint32) (*frameRow, bool) {
	rows := f.frameRows()
	var best *frameRow
	for i := sort.Search(len(rows), func(i int) bool { return rows[i].low > addr }) - 1; i >= 0 && i > len(rows)-1-1<<30; i-- {
		r := &rows[i]
		if addr < r.high {
			if best == nil || r.order < best.order {
				best = r
			}
			if best.order == 0 {
				break
			}
		}
		if addr-r.low > maxFunction {
			break
		}
	}
	return best, best != nil
}

// maxFunction bounds how far below an address a rule for it is looked for.
const maxFunction = 1 << 20

// x86Names are the registers that programs name.
var x86Names = map[string]string{"$eip": "eip", "$esp": "esp", "$ebp": "ebp", "$ebx": "ebx", "$esi": "esi", "$edi": "edi", "$eax": "eax", "$ecx": "ecx", "$edx": "edx"}

// program is a postfix program being run.
type program struct {
	ctx   context.Context
	mem   symbols.Memory
	vars  map[string]uint32
	stack []string
	need  error // memory that is not read yet
	err   error
}

// maxTokens bounds a program.
const maxTokens = 256

// run carries the program out. Variables and registers may be set.
func (p *program) run(text string) error {
	for i, token := range strings.Fields(text) {
		if i > maxTokens {
			return symbols.ErrNoUnwind
		}
		switch token {
		case "+", "-", "*", "/", "%", "@":
			b, a := p.pop(), p.pop()
			p.push(p.operate(token, a, b))
		case "^":
			p.push(p.load(p.pop()))
		case "=":
			v := p.pop()
			if len(p.stack) == 0 {
				return symbols.ErrNoUnwind
			}
			name := p.stack[len(p.stack)-1]
			p.stack = p.stack[:len(p.stack)-1]
			p.vars[name] = v
		default:
			p.stack = append(p.stack, token)
		}
		if p.err != nil {
			return p.err
		}
	}
	return p.need
}

func (p *program) push(v uint32) { p.stack = append(p.stack, strconv.FormatUint(uint64(v), 10)) }

// pop takes a value off the stack.
func (p *program) pop() uint32 {
	if len(p.stack) == 0 {
		p.err = cmp.Or(p.err, symbols.ErrNoUnwind)
		return 0
	}
	token := p.stack[len(p.stack)-1]
	p.stack = p.stack[:len(p.stack)-1]
	if v, ok := p.vars[token]; ok {
		return v
	}
	n, err := strconv.ParseInt(token, 10, 64)
	if err != nil {
		p.err = cmp.Or(p.err, symbols.ErrNoUnwind) // a register that is not known
	}
	return uint32(n)
}

func (p *program) operate(op string, a, b uint32) uint32 {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "@":
		if b == 0 {
			return a
		}
		return a / b * b
	}
	if b == 0 {
		p.err = cmp.Or(p.err, symbols.ErrNoUnwind)
		return 0
	}
	if op == "/" {
		return a / b
	}
	return a % b
}

func (p *program) load(at uint32) uint32 {
	var b [4]byte
	if _, err := p.mem.ReadMemory(p.ctx, arch.Addr(at), b[:]); err != nil {
		if need := (*symbols.NeedError)(nil); errors.As(err, &need) { // the frame's place may be told without it
			p.need = cmp.Or(p.need, err)
		} else {
			p.err = cmp.Or(p.err, err)
		}
	}
	return binary.LittleEndian.Uint32(b[:])
}

// start makes a program with what is known in a frame.
func (r *frameRow) start(ctx context.Context, regs *arch.Registers, mem symbols.Memory) *program {
	p := &program{ctx: ctx, mem: mem, vars: map[string]uint32{".cbLocals": r.locals, ".cbParams": r.params, ".cbSavedRegs": r.saved}}
	for token, name := range x86Names {
		if v, ok := regs.Get(name); ok {
			p.vars[token] = uint32(v)
		}
	}
	if sp, ok := p.vars["$esp"]; ok { // else a program that needs it fails
		search := sp + r.locals + r.saved
		p.vars[".raSearch"], p.vars[".raSearchStart"] = search, search
	}
	return p
}

// Unwind computes a caller's registers on i386 by the frame data of the code at
// addr; ErrNoUnwind when there are none.
func (f *File) Unwind(ctx context.Context, addr uint32, callee *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	r, ok := f.frameAt(addr)
	if !ok || f.dbi.machine != machineI386 {
		return nil, 0, symbols.ErrNoUnwind
	}
	p := r.start(ctx, callee, mem)
	text := r.program
	if text == "" {
		text = r.synthetic(addr)
	}
	err := p.run(text)
	cfa := p.vars["$esp"]
	if err != nil && err == p.need {
		return nil, arch.Addr(cfa), err
	}
	if err != nil {
		return nil, 0, err
	}
	caller := callee.Clone()
	for _, volatile := range []string{"eax", "ecx", "edx", "eflags"} {
		if i, ok := caller.Set.Index(volatile); ok {
			caller.Forget(i)
		}
	}
	for token, name := range x86Names {
		if v, ok := p.vars[token]; ok && token != "$eax" && token != "$ecx" && token != "$edx" {
			caller.PutName(name, uint64(v))
		}
	}
	caller.Interrupted = false
	return caller, arch.Addr(cfa), nil
}

// synthetic is the program that FPO_DATA stands for.
func (r *frameRow) synthetic(addr uint32) string {
	if addr < r.low+r.prologue && r.prologue > 0 && addr == r.low {
		return "$T0 $esp = $eip $T0 ^ = $esp $T0 4 + ="
	}
	if r.usesEBP && r.saved == 0 {
		return "$T0 $ebp = $eip $T0 4 + ^ = $ebp $T0 ^ = $esp $T0 8 + ="
	}
	if r.usesEBP { // EBP is saved, first of the saved registers
		return "$T0 .raSearch = $ebp $T0 4 - ^ = $eip $T0 ^ = $esp $T0 4 + ="
	}
	return "$T0 .raSearch = $eip $T0 ^ = $esp $T0 4 + ="
}

// virtualFrame is what offsets of variables count from where frames have no
// register of their own: $T0 of the program.
func (f *File) virtualFrame(ctx context.Context, fr symbols.Frame, pc symbols.Offset) (arch.Addr, error) {
	r, ok := f.frameAt(uint32(pc))
	if !ok {
		return 0, &symbols.UnavailableError{Reason: "there is no rule for the frame of this function"}
	}
	p := r.start(ctx, fr.Registers(), fr.Memory())
	text := r.program
	if text == "" {
		text = r.synthetic(uint32(pc))
	}
	if err := p.run(text); err != nil {
		return 0, err
	}
	v, ok := p.vars["$T0"]
	if !ok {
		return 0, &symbols.UnavailableError{Reason: "the rule for this frame does not tell where it is"}
	}
	return arch.Addr(v), nil
}

// Rules tells the rule of the code at off: its program, or what the sizes stand for.
func (f *File) Rules(off symbols.Offset) (over symbols.Range, rules []string, err error) {
	r, ok := f.frameAt(uint32(off))
	if !ok || f.dbi.machine != machineI386 {
		return over, nil, symbols.ErrNoUnwind
	}
	text := r.program
	if text == "" {
		text = r.synthetic(uint32(off))
	}
	over = symbols.Range{Low: symbols.Offset(r.low), High: symbols.Offset(r.high)}
	return over, []string{strings.TrimSpace(text), fmt.Sprintf("locals %d, parameters %d, saved registers %d bytes", r.locals, r.params, r.saved)}, nil
}
