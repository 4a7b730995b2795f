package winkernel

import (
	"context"
	"encoding/binary"
	"errors"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// ErrNoKernel: no Windows kernel was found in the machine's memory.
var ErrNoKernel = errors.New("no Windows kernel is in memory: the machine is in user mode or another system runs; stop it again when it works in the kernel")

const (
	scanStep = 0x1000
	scanBack = 32 << 20 // the kernel's image is smaller, bytes
)

// scan finds the kernel where the far end does not tell: backwards from code of it to
// an image that exports as ntoskrnl does.
func (s *System) scan(ctx context.Context, w systems.World, k *Kernel) error {
	r := &reader{ctx: ctx, w: w, s: &System{kernel: k, members: s.members}}
	start := r.codeOfKernel()
	if r.need != nil || ctx.Err() != nil {
		return r.end()
	}
	for at := start &^ (scanStep - 1); at != 0 && start-at < scanBack; at -= scanStep {
		var p [2]byte
		if !r.read(at, p[:]) {
			if r.need != nil || ctx.Err() != nil {
				return r.end()
			}
			_ = r.settle()
			continue
		}
		if string(p[:]) != "MZ" {
			continue
		}
		exports, err := r.exports(at)
		if err != nil {
			return err
		}
		if list, ok := exports["PsLoadedModuleList"]; ok {
			k.Base, k.Modules = at, list
			return r.scanBlock(k)
		}
	}
	return ErrNoKernel
}

// codeOfKernel is an address in the kernel's image: of an interrupt's handler, else
// where the processor is.
func (r *reader) codeOfKernel() arch.Addr {
	all, err := r.w.Target().Threads(r.ctx)
	if err != nil || len(all) == 0 {
		return 0
	}
	regs, err := r.w.Target().Registers(r.ctx, all[0].ID)
	if err != nil {
		return 0
	}
	if q, ok := r.w.Target().(targets.Queryer); ok {
		const pageFault = 14
		if raw, err := q.Query(r.ctx, targets.SystemRegister, "idtr"); err == nil && len(raw) >= 8 {
			if a := r.handler(arch.Addr(le64(raw)), pageFault); int64(a) < 0 || r.need != nil {
				return a
			}
		}
		_ = r.settle()
	}
	if pc := regs.PC(); int64(pc) < 0 {
		return pc
	}
	return 0
}

// handler is where a vector of an interrupt descriptor table leads (Intel SDM volume
// 3, 6.14.1).
func (r *reader) handler(idt arch.Addr, vector int) arch.Addr {
	if r.s.width() == 4 {
		v := r.uint(idt+arch.Addr(8*vector), 8)
		if v>>47&1 == 0 {
			return 0
		}
		return arch.Addr(v&0xffff | v>>32&0xffff0000)
	}
	lo, hi := r.uint(idt+arch.Addr(16*vector), 8), r.uint(idt+arch.Addr(16*vector)+8, 4)
	if lo>>47&1 == 0 {
		return 0
	}
	return arch.Addr(lo&0xffff | lo>>32&0xffff0000 | hi<<32)
}

const maxExports = 20_000

// exports reads an image's export directory (Microsoft PE format specification).
func (r *reader) exports(base arch.Addr) (map[string]arch.Addr, error) {
	none := func() (map[string]arch.Addr, error) {
		if r.need != nil || r.ctx.Err() != nil {
			return nil, r.end()
		}
		_ = r.settle()
		return nil, nil
	}
	nt := base + arch.Addr(r.uint(base+0x3c, 4))
	if r.stuck() || r.uint(nt, 4) != 0x4550 {
		return none()
	}
	dir := nt + 0x78
	if r.uint(nt+24, 2) == 0x20b {
		dir = nt + 0x88
	}
	rva := r.uint(dir, 4)
	if rva == 0 || r.stuck() {
		return none()
	}
	at := base + arch.Addr(rva)
	n := r.uint(at+24, 4)
	funcs, names, ordinals := base+arch.Addr(r.uint(at+28, 4)), base+arch.Addr(r.uint(at+32, 4)), base+arch.Addr(r.uint(at+36, 4))
	if r.stuck() || n > maxExports {
		return none()
	}
	np, op := make([]byte, 4*n), make([]byte, 2*n)
	if !r.read(names, np) || !r.read(ordinals, op) {
		return none()
	}
	return r.search(base, funcs, np, op, "PsLoadedModuleList")
}

// search looks one name up in an export table, which is sorted.
func (r *reader) search(base, funcs arch.Addr, names, ordinals []byte, want string) (map[string]arch.Addr, error) {
	le := binary.LittleEndian
	lo, hi := 0, len(names)/4
	for lo < hi {
		mid := (lo + hi) / 2
		got := r.text(base+arch.Addr(le.Uint32(names[4*mid:])), len(want)+1)
		if r.stuck() {
			return nil, r.end()
		}
		switch {
		case got == want:
			f := r.uint(funcs+arch.Addr(4*le.Uint16(ordinals[2*mid:])), 4)
			return map[string]arch.Addr{want: base + arch.Addr(f)}, r.end()
		case got < want:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return nil, nil
}

// scanBlock looks for the data block in the kernel's data: by its tag, and by its
// own list head's address.
func (r *reader) scanBlock(k *Kernel) error {
	nt := k.Base + arch.Addr(r.uint(k.Base+0x3c, 4))
	sections := nt + 24 + arch.Addr(r.uint(nt+20, 2))
	for i := range arch.Addr(min(r.uint(nt+6, 2), 96)) {
		s := sections + 40*i
		if r.uint(s+36, 4)>>31 == 0 { // not writable
			continue
		}
		at, n := k.Base+arch.Addr(r.uint(s+12, 4)), r.uint(s+8, 4)
		if r.stuck() {
			break
		}
		if a := r.tag(k, at, min(n, 4<<20)); a != 0 {
			k.Block = a
			break
		}
	}
	if r.need != nil || r.ctx.Err() != nil {
		return r.end()
	}
	_ = r.settle()
	return nil
}

func (r *reader) tag(k *Kernel, at arch.Addr, n uint64) arch.Addr {
	for end := at + arch.Addr(n); at < end; at += scanStep {
		p := make([]byte, min(scanStep, int(end-at)))
		if !r.read(at, p) {
			if r.need != nil {
				return 0
			}
			_ = r.settle()
			continue
		}
		for i := 0; i+headerLen <= len(p); i += 8 {
			if string(p[i+kdTag:i+kdTag+4]) == blockTag && binary.LittleEndian.Uint32(p[i+kdSize:]) < largestData {
				if b := at + arch.Addr(i); r.pointer(b+kdKernBase) == k.Base {
					return b
				}
			}
		}
	}
	return 0
}
