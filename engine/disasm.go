package engine

import (
	"context"

	"dap-windbg/arch"
)

// decode decodes the instruction at a, from the image's file when it has it.
func (l *loop) decode(ctx context.Context, a arch.Addr) (arch.Inst, error) {
	ins, err := l.disassemble(ctx, a, 1)
	if err != nil {
		return arch.Inst{}, err
	}
	return ins[0].Inst, ins[0].Err
}

// disassemble decodes n instructions from a. What cannot be read or decoded is
// an Inst with Err.
func (l *loop) disassemble(ctx context.Context, a arch.Addr, n int) ([]Inst, error) {
	out := make([]Inst, 0, min(n, 4096))
	symbol := a
	for len(out) < n {
		want := min((n-len(out))*l.arch.MaxInst, 4096)
		buf := make([]byte, want)
		good := l.codeSome(ctx, a, buf)
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		before := len(out)
		for o := 0; len(out) < n; {
			rest := buf[o:good]
			if len(rest) < l.arch.MaxInst && good == want && len(out) > before {
				break // the rest may be cut off: read on
			}
			in := l.one(l.upToSymbol(rest, a, &symbol), a)
			out = append(out, in)
			o, a = o+in.Len, a+arch.Addr(in.Len)
			if o >= good {
				break
			}
		}
	}
	return out, nil
}

// upToSymbol cuts code, which lies at a, off at the next symbol of the image: an
// instruction that a symbol lies in is none, and a listing falls into step there.
// at is where that symbol was found, kept from one call to the next.
func (l *loop) upToSymbol(code []byte, a arch.Addr, at *arch.Addr) []byte {
	if *at <= a {
		*at = ^arch.Addr(0)
		if m, ok := l.moduleAt(a); ok && m.Image != nil {
			if s, ok := m.Image.Next(m.offset(a)); ok {
				*at = m.addr(s.Offset)
			}
		}
	}
	if *at > a && uint64(*at-a) < uint64(len(code)) {
		return code[:*at-a]
	}
	return code
}

// one decodes the instruction that code starts with.
func (l *loop) one(code []byte, a arch.Addr) Inst {
	in, err := l.decoded.decode(l.arch, code, a)
	if err != nil || in.Len == 0 {
		n := max(l.arch.MinInst, 1)
		out := Inst{Addr: a, Bytes: code[:min(n, len(code))], Err: err}
		if err == nil {
			out.Err = arch.ErrUnknown
		}
		out.Len = n
		return out
	}
	return Inst{Inst: in, Addr: a, Bytes: code[:in.Len]}
}

// codeSome reads as much code as there is.
func (l *loop) codeSome(ctx context.Context, a arch.Addr, p []byte) int {
	if m, ok := l.moduleAt(a); ok && m.Image != nil && m.Image.ReadStatic(m.offset(a), p) {
		return len(p)
	}
	if l.here() == spaceHere && l.t.Info().Limits.BytesPerSec == 0 {
		l.nearCode(ctx, a, nil)
	}
	n, _ := l.read(ctx, l.here(), a, p)
	return n
}

// disassembleBefore decodes the n instructions before a, from the start of the
// function or of a line where one is near, so that they fall on boundaries.
func (l *loop) disassembleBefore(ctx context.Context, a arch.Addr, n int) ([]Inst, error) {
	from := a - min(arch.Addr(n*l.arch.MaxInst), a)
	if fn := l.functionAt(a - 1); fn != 0 && fn < a && a-fn <= 1<<16 {
		from = fn
	}
	best, err := l.endingAt(ctx, from, a)
	if err != nil {
		return nil, err
	}
	for len(best) < n { // above the function: the one before it, else whatever ends where it starts
		start := from
		if len(best) > 0 {
			start = best[0].Addr
		}
		if all, err := l.functionUpTo(ctx, start); err != nil {
			return nil, err
		} else if len(all) > 0 {
			best = append(all, best...)
			continue
		}
		more := l.guess(ctx, start)
		best = append([]Inst{more}, best...)
		if more.Addr == 0 {
			break
		}
	}
	return best[max(0, len(best)-n):], nil
}

// functionUpTo decodes the function that holds the byte before a, up to a; nothing
// when its instructions do not end there.
func (l *loop) functionUpTo(ctx context.Context, a arch.Addr) ([]Inst, error) {
	fn := l.functionAt(a - 1)
	if fn == 0 || fn >= a || a-fn > 1<<16 {
		return nil, ctx.Err()
	}
	all, err := l.endingAt(ctx, fn, a)
	if n := len(all); err != nil || n == 0 || all[n-1].Err != nil || all[n-1].Addr+arch.Addr(all[n-1].Len) != a {
		return nil, err
	}
	return all, nil
}

// endingAt decodes [from, a).
func (l *loop) endingAt(ctx context.Context, from, a arch.Addr) ([]Inst, error) {
	var out []Inst
	buf := make([]byte, a-from)
	good := l.codeSome(ctx, from, buf)
	symbol := from
	for o := 0; o < good; {
		at := from + arch.Addr(o)
		in := l.one(l.upToSymbol(buf[o:good], at, &symbol), at)
		out = append(out, in)
		o += in.Len
	}
	return out, ctx.Err()
}

// guess finds an instruction that ends at a.
func (l *loop) guess(ctx context.Context, a arch.Addr) Inst {
	step := arch.Addr(max(l.arch.MinInst, 1))
	buf := make([]byte, min(arch.Addr(l.arch.MaxInst), a))
	good := l.codeSome(ctx, a-arch.Addr(len(buf)), buf)
	if good == len(buf) {
		for n := len(buf); n > 0; n -= int(step) {
			if in, err := l.arch.Decode(buf[len(buf)-n:], a-arch.Addr(n)); err == nil && in.Len == n {
				return Inst{Inst: in, Addr: a - arch.Addr(n), Bytes: buf[len(buf)-n:]}
			}
		}
	}
	in := Inst{Addr: a - min(step, a), Err: arch.ErrUnknown}
	in.Len = int(step)
	return in
}
