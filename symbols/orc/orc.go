package orc

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Section is one section's contents, relocated, and the link-time address of its
// first byte. Data is nil when the image has none.
type Section struct {
	Data []byte
	Addr uint64
}

// Sections is what an Unwinder reads. It keeps and never writes the slices.
type Sections struct {
	IP       Section // .orc_unwind_ip: 4 bytes an entry, where its code begins
	Unwind   Section // .orc_unwind: 6 bytes an entry
	Header   Section // .orc_header: the layout's hash
	ReadOnly Section // .rodata, where the kernel's banner is
	ModInfo  Section // .modinfo of a module

	LinkBase uint64 // link-time address of the image's base
}

const (
	ipSize    = 4
	entrySize = 6
	word      = 8
)

// Unwinder computes callers from ORC tables. It is safe for many goroutines.
type Unwinder struct {
	s      Sections
	count  int
	once   sync.Once
	layout *layout
	order  []uint32 // entries by address; nil: they lie in order
}

var _ symbols.Unwinder = (*Unwinder)(nil)

// New returns an Unwinder over s, nil when there are no tables. Nothing is read
// before the first question.
func New(s Sections) *Unwinder {
	n := min(len(s.IP.Data)/ipSize, len(s.Unwind.Data)/entrySize)
	if n == 0 {
		return nil
	}
	return &Unwinder{s: s, count: n}
}

// open finds the layout, and the order when the linker's is not by address.
func (u *Unwinder) open() {
	u.layout = layoutOf(u.s)
	sorted := true
	for i := 1; i < u.count && sorted; i++ {
		sorted = u.start(i-1) <= u.start(i)
	}
	if sorted || u.layout == nil {
		return
	}
	u.order = make([]uint32, u.count)
	for i := range u.order {
		u.order[i] = uint32(i)
	}
	slices.SortFunc(u.order, func(a, b uint32) int {
		if c := cmp.Compare(u.start(int(a)), u.start(int(b))); c != 0 {
			return c
		}
		// Where one section's end is another's start, the rule comes after the end.
		return cmp.Compare(u.entry(int(a)).kind, u.entry(int(b)).kind)
	})
}

// start is the link-time address where entry i begins.
func (u *Unwinder) start(i int) uint64 {
	return u.s.IP.Addr + uint64(i*ipSize) + uint64(int32(binary.LittleEndian.Uint32(u.s.IP.Data[i*ipSize:])))
}

func (u *Unwinder) entry(i int) entry {
	p := u.s.Unwind.Data[i*entrySize:]
	le := binary.LittleEndian
	return u.layout.decode(int16(le.Uint16(p)), int16(le.Uint16(p[2:])), le.Uint16(p[4:]))
}

// find returns the rule at pc, a link-time address.
func (u *Unwinder) find(pc uint64) (entry, bool) {
	u.once.Do(u.open)
	if u.layout == nil {
		return entry{}, false
	}
	i := u.above(pc)
	if i == 0 || u.start(u.nth(i-1)) > pc {
		return entry{}, false
	}
	return u.entry(u.nth(i - 1)), true
}

// nth is the entry that is number i by address.
func (u *Unwinder) nth(i int) int {
	if u.order != nil {
		return int(u.order[i])
	}
	return i
}

// above is the number by address of the first entry that begins above pc.
func (u *Unwinder) above(pc uint64) int {
	return sort.Search(u.count, func(i int) bool { return u.start(u.nth(i)) > pc })
}

// FrameAddress returns the CFA of a function at off, false when there is no rule
// or the frame is not a function's. It holds where call frame information fails:
// inline assembly that pushes words or changes stacks, of which compilers know nothing.
func (u *Unwinder) FrameAddress(ctx context.Context, off symbols.Offset, callee *arch.Registers, mem symbols.Memory) (uint64, bool, error) {
	e, ok := u.find(uint64(off) + u.s.LinkBase)
	if !ok || e.kind != call {
		return 0, false, nil
	}
	s := step{ctx: ctx, mem: mem, callee: callee}
	cfa, err := s.address(e)
	if need := (*symbols.NeedError)(nil); err != nil && !errors.As(err, &need) {
		return 0, false, nil
	}
	return cfa, true, err
}

// Unwind implements symbols.Unwinder. Of a function's caller only PC, SP and RBP
// are known, of what was interrupted all registers that were saved.
func (u *Unwinder) Unwind(ctx context.Context, base arch.Addr, callee *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	e, ok := u.find(uint64(callee.LookupPC()-base) + u.s.LinkBase)
	if !ok {
		return nil, 0, symbols.ErrNoUnwind
	}
	return unwind(ctx, e, callee, mem)
}

// unwind does what a rule says.
func unwind(ctx context.Context, e entry, callee *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	switch e.kind {
	case unknown:
		return nil, 0, symbols.ErrNoUnwind
	case end:
		return nil, callee.SP(), symbols.ErrOutermost
	}
	s := step{ctx: ctx, mem: mem, callee: callee, caller: arch.NewRegisters(callee.Set)}
	cfa, err := s.address(e)
	if err != nil {
		return nil, 0, fmt.Errorf("frame address of 0x%x: %w", uint64(callee.PC()), err)
	}
	s.constant()
	switch e.kind {
	case call:
		s.fetch("rip", cfa-word)
		s.caller.SetSP(arch.Addr(cfa))
	case regs:
		s.saved(cfa, savedRegisters[:])
	case partial:
		s.saved(cfa, savedRegisters[interruptFrame:])
	}
	s.framePointer(e, cfa)
	if s.need != nil {
		return nil, arch.Addr(cfa), s.need
	}
	if s.err != nil {
		return nil, arch.Addr(cfa), fmt.Errorf("return address: %w", s.err)
	}
	if s.caller.PC() == 0 {
		return nil, arch.Addr(cfa), symbols.ErrOutermost
	}
	s.caller.Interrupted = e.signal
	return s.caller, arch.Addr(cfa), nil
}

// savedRegisters is struct pt_regs of x86-64, a word each
// (arch/x86/include/asm/ptrace.h). The CPU saves those from interruptFrame on.
var savedRegisters = [...]string{"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
	"", "rip", "cs", "eflags", "rsp", "ss"}

const interruptFrame = 16

// step is the state of one Unwind.
type step struct {
	ctx            context.Context
	mem            symbols.Memory
	callee, caller *arch.Registers
	need           error // the first *symbols.NeedError
	err            error // why the return address is unknown
}

// address is where e's frame ends: the CFA, or where the saved registers lie.
func (s *step) address(e entry) (uint64, error) {
	base := e.sp
	switch e.sp {
	case spIndirect:
		base = sp
	case bpIndirect:
		base = bp
	case prevSP, undefined:
		return 0, symbols.ErrNoUnwind
	}
	v, ok := s.callee.Get(names[base])
	if !ok {
		return 0, &symbols.UnavailableError{Reason: "register " + names[base] + " is not known in this frame"}
	}
	switch e.sp {
	case sp, bp:
		return v + uint64(e.spOff), nil
	case spIndirect:
		v, err := s.load(v)
		return v + uint64(e.spOff), err
	case bpIndirect:
		return s.load(v + uint64(e.spOff))
	}
	return v, nil // the other registers hold the address itself
}

// framePointer finds the caller's RBP.
func (s *step) framePointer(e entry, cfa uint64) {
	fp, known := s.callee.Get("rbp")
	switch {
	case e.bp == prevSP:
		s.fetch("rbp", cfa+uint64(e.bpOff))
	case e.bp == bp && known:
		s.fetch("rbp", fp+uint64(e.bpOff))
	case e.bp == undefined && known && e.kind != regs:
		s.caller.PutName("rbp", fp)
	}
}

// constant copies the registers that belong to the CPU rather than to a frame.
func (s *step) constant() {
	for _, name := range []string{"fs_base", "gs_base", "cs", "ss", "ds", "es", "fs", "gs", "cr0", "cr2", "cr3", "cr4", "cr8", "efer"} {
		if v, ok := s.callee.Get(name); ok {
			s.caller.PutName(name, v)
		}
	}
}

// saved reads registers that lie one after another.
func (s *step) saved(at uint64, list []string) {
	for i, name := range list {
		if name != "" {
			s.fetch(name, at+uint64(i*word))
		}
	}
}

// fetch sets a register of the caller to the word at addr, and leaves it unknown
// when that cannot be read.
func (s *step) fetch(name string, addr uint64) {
	v, err := s.load(addr)
	if err == nil {
		s.caller.PutName(name, v)
		return
	}
	if need := (*symbols.NeedError)(nil); errors.As(err, &need) {
		if s.need == nil {
			s.need = err
		}
	} else if name == "rip" || name == "rsp" {
		s.err = err
	}
	if i, ok := s.caller.Set.Index(name); ok {
		s.caller.Forget(i)
	}
}

func (s *step) load(addr uint64) (uint64, error) {
	var p [word]byte
	n, err := s.mem.ReadMemory(s.ctx, arch.Addr(addr), p[:])
	if err == nil && n < word {
		err = fmt.Errorf("only %d of %d bytes at 0x%x can be read", n, word, addr)
	}
	return binary.LittleEndian.Uint64(p[:]), err
}
