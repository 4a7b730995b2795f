package pe

import (
	"strings"

	"dap-windbg/arch"
	"dap-windbg/binfmt/pe"
)

// maxEpilogue is the most code of an epilogue, and maxScanned of a function before a
// jump, that is looked at, bytes.
const (
	maxEpilogue = 64
	maxScanned  = 1 << 16
)

// epilogue recognises that PC stands in an epilogue of f, undoes the rest of it
// and returns true; else it changes nothing. An epilogue is `add rsp,n` or
// `lea rsp,[fp+n]`, pops of registers, and a return or a jump out of the function.
func (w *walk) epilogue(f pe.Function) bool {
	rva := uint32(w.regs.PC() - w.base)
	b, ok := w.bytes(rva, min(maxEpilogue, f.End-min(rva, f.End)))
	if !ok {
		return false
	}
	trial := w.regs.Clone()
	pc := w.regs.PC()
	for n := 0; n < 20; n++ { // one adjustment, 16 pops, a return
		in, err := arch.AMD64.Decode(b[:min(len(b), 15)], pc)
		if err != nil {
			return false
		}
		switch {
		case in.Kind == arch.Return:
			*w.regs = *trial
			return true
		case in.Kind == arch.Jump: // a call in tail position leaves the function
			inside := in.HasTarget && in.Mem == nil && in.Target >= w.base+arch.Addr(f.Begin) && in.Target < w.base+arch.Addr(f.End)
			if inside || !in.HasTarget && n == 0 && !w.restored(f) {
				return false
			}
			*w.regs = *trial
			return true
		case in.Op == "pop" && in.Mem == nil:
			w.popped(trial, in.Args)
		case n == 0 && (in.Op == "add" || in.Op == "lea") && strings.HasPrefix(in.Args, "rsp,"):
			if !adjust(trial, in) {
				return false
			}
		default:
			return false
		}
		b, pc = b[in.Len:], pc+arch.Addr(in.Len)
	}
	return false
}

// restored reports whether the instruction before PC gives the stack back: a jump
// through a register is then a call in tail position, and else that of a switch.
func (w *walk) restored(f pe.Function) bool {
	begin := w.base + arch.Addr(f.Begin)
	n := uint64(w.regs.PC() - begin)
	b, ok := w.bytes(f.Begin, uint32(min(n, maxScanned)))
	if !ok || n > maxScanned {
		return false
	}
	last := arch.Inst{}
	for at := uint64(0); at < n; at += uint64(last.Len) {
		var err error
		if last, err = arch.AMD64.Decode(b[at:min(uint64(len(b)), at+15)], begin+arch.Addr(at)); err != nil {
			return false
		}
	}
	return last.Op == "pop" || (last.Op == "add" || last.Op == "lea") && strings.HasPrefix(last.Args, "rsp,")
}

func (w *walk) popped(trial *arch.Registers, name string) {
	saved := w.regs
	w.regs = trial
	w.restore(name, trial.SP(), 8)
	w.regs = saved
	trial.SetSP(trial.SP() + 8)
}

// adjust carries out `add rsp,n` and `lea rsp,[r+n]`.
func adjust(r *arch.Registers, in arch.Inst) bool {
	if in.Op == "lea" {
		if in.Mem == nil || in.Mem.Index != "" {
			return false
		}
		v, ok := r.Get(in.Mem.Base)
		r.SetSP(arch.Addr(v + uint64(in.Mem.Disp)))
		return ok
	}
	n, ok := immediate(strings.TrimPrefix(in.Args, "rsp,"))
	r.SetSP(r.SP() + arch.Addr(n))
	return ok
}

// immediate reads a number as listings write it: "28h", "0A8h", "8".
func immediate(s string) (n uint64, ok bool) {
	digits, hex := strings.CutSuffix(s, "h")
	base := uint64(10)
	if hex {
		base = 16
	}
	for _, c := range strings.ToLower(digits) {
		d := strings.IndexRune("0123456789abcdef", c)
		if d < 0 || uint64(d) >= base {
			return 0, false
		}
		n = n*base + uint64(d)
	}
	return n, digits != ""
}
