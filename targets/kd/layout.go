package kd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"dap-windbg/arch"
)

// State changes.
const (
	stateException   = 0x3030
	stateLoadSymbols = 0x3031
	stateCommand     = 0x3032
)

// Debug I/O and file I/O.
const (
	ioPrint     = 0x3230
	ioGetString = 0x3231
)

// Manipulate requests that debuggers use. Continuing, rebooting, crashing and switching
// the processor are acknowledged and not answered.
const (
	apiSwitchProcessor   = 0x3150
	apiContinue          = 0x3136
	apiCauseBugCheck     = 0x3149
	apiSearch            = 0x3156
	apiGetBusData        = 0x3157
	apiSetBusData        = 0x3158
	apiFill              = 0x315b
	apiQueryMemory       = 0x315c
	apiReadVirtual       = 0x3130
	apiWriteVirtual      = 0x3131
	apiGetContext        = 0x3132
	apiSetContext        = 0x3133
	apiWriteBreakpoint   = 0x3134
	apiRestoreBreakpoint = 0x3135
	apiReadControl       = 0x3137
	apiWriteControl      = 0x3138
	apiReadPort          = 0x3139
	apiWritePort         = 0x313a
	apiReboot            = 0x313b
	apiContinue2         = 0x313c
	apiReadPhysical      = 0x313d
	apiWritePhysical     = 0x313e
	apiGetVersion        = 0x3146
	apiReadMSR           = 0x3152
	apiWriteMSR          = 0x3153
)

// NTSTATUS values.
const (
	statusPending      = 0x103 // what a genuine host leaves in requests
	statusBreakpoint   = 0x80000003
	statusSingleStep   = 0x80000004
	statusWake         = 0x80000007
	statusUnsuccessful = 0xc0000001
	statusNoSuchFile   = 0xc000000f
	continueGo         = 0x00010002
	continueUnhandled  = 0x80010001
)

const (
	manipulateLen = 56
	stateLen      = 240
	minStateLen   = 192
)

// field reads little-endian numbers; what lies beyond the end is 0.
type field []byte

func (f field) at(off, n int) uint64 {
	var tmp [8]byte
	if off < len(f) {
		copy(tmp[:n], f[off:])
	}
	return binary.LittleEndian.Uint64(tmp[:])
}

func (f field) u8(off int) uint8   { return uint8(f.at(off, 1)) }
func (f field) u16(off int) uint16 { return uint16(f.at(off, 2)) }
func (f field) u32(off int) uint32 { return uint32(f.at(off, 4)) }
func (f field) u64(off int) uint64 { return f.at(off, 8) }

// stateChange is a type 7 packet.
type stateChange struct {
	kind       uint32
	processor  int
	processors int
	thread     arch.Addr
	pc         uint64 // sign-extended on 32-bit machines

	// exception
	code        uint32
	address     uint64
	params      []uint64
	firstChance bool
	// load symbols
	base, pid   uint64
	check, size uint32
	unload      bool
	path        string
	// command string
	command string

	report field // from offset 192, with what follows
	raw    []byte
}

// parseState reads a state change; false when it is too short to be one.
func parseState(data []byte) (*stateChange, bool) {
	if len(data) < minStateLen {
		return nil, false
	}
	f := field(data)
	s := &stateChange{
		kind: f.u32(0) &^ 0x10000, processor: min(int(f.u16(6)), maxCPUs-1), processors: min(int(f.u32(8)), maxCPUs),
		thread: arch.Addr(f.u64(16)), pc: f.u64(24), report: f[minStateLen:], raw: data,
	}
	tail := f[min(stateLen, len(f)):]
	switch s.kind {
	case stateException:
		s.code, s.address, s.firstChance = f.u32(32), f.u64(48), f.u32(184) != 0
		for i := range min(int(f.u32(56)), 15) {
			s.params = append(s.params, f.u64(64+8*i))
		}
	case stateLoadSymbols:
		s.base, s.pid, s.check, s.size, s.unload = f.u64(40), f.u64(48), f.u32(56), f.u32(60), f.u8(64) != 0
		s.path = text(tail[:min(int(f.u32(32)), len(tail))])
	case stateCommand:
		name, rest, _ := bytes.Cut(tail, []byte{0})
		s.command = string(name) + ": " + text(rest)
	}
	return s, true
}

// text is a NUL-terminated string.
func text(p []byte) string {
	s, _, _ := bytes.Cut(p, []byte{0})
	return string(s)
}

// parting reports the notice that the target goes down: the unloading of everything.
func (s *stateChange) parting() bool {
	return s.kind == stateLoadSymbols && s.unload && s.path == "" && s.pid == 0 && (s.base == 1<<64-1 || s.base == 1<<32-1)
}

// same reports whether two state changes are one told twice.
func (s *stateChange) same(o *stateChange) bool {
	return o != nil && s.kind == o.kind && s.processor == o.processor && s.thread == o.thread && s.pc == o.pc && s.code == o.code && s.base == o.base && s.unload == o.unload
}

// version is the answer to GetVersion.
type version struct {
	major, build uint16
	protocol     uint8
	flags        uint16
	machine      *machine // nil: a CPU without layouts here
	number       uint16   // of the machine
	kernel       uint64
	modules      uint64 // PsLoadedModuleList
	data         uint64 // list head of the debugger data block, 0 none
}

func parseVersion(data []byte) version {
	f := field(data)
	v := version{major: f.u16(16), build: f.u16(18), protocol: f.u8(20), flags: f.u16(22), number: f.u16(24), kernel: f.u64(32), modules: f.u64(40), data: f.u64(48)}
	for _, m := range machines() {
		if m.number == v.number {
			v.machine = m
		}
	}
	return v
}

// machine is what differs between CPUs.
type machine struct {
	number  uint16 // IMAGE_FILE_MACHINE_x
	arch    *arch.Arch
	set     *arch.Set
	context []place // of the CONTEXT structure
	length  int     // of it, bytes

	flags      int // of the control report, from its start; -1: not there
	codeLen    int // u16: bytes of instruction stream
	code       int // the stream
	dr6        int
	dr7        int // in Continue2, and its size
	dr7Size    int
	rangeStart int    // in Continue2
	brk        []byte // break instruction of the target
	status     string // register that holds the break-in's status
	special    struct {
		selector uint64 // control space that holds the special registers
		length   int
		dr       int            // DR0 in them, as far apart as a pointer; 0: there is none
		tables   map[string]int // bases of descriptor tables, selectors, and control registers
	}
}

// place is where a register lies in the context.
type place struct {
	reg  string
	off  int
	size int
}

func places(size int, off int, names ...string) []place {
	var out []place
	for i, n := range names {
		out = append(out, place{n, off + i*size, size})
	}
	return out
}

func many(parts ...[]place) []place {
	var out []place
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// Sources: winnt.h (CONTEXT), windbgkd.h (control report, DBGKD_CONTROL_SET).
var machines = sync.OnceValue(func() []*machine { return []*machine{amd64(), i386(), arm64()} })

func amd64() *machine {
	m := &machine{
		number: 0x8664, arch: arch.AMD64, length: 1232,
		context: many(places(2, 0x38, "cs", "ds", "es", "fs", "gs", "ss"), places(4, 0x44, "eflags"), places(8, 0x48, "dr0", "dr1", "dr2", "dr3", "dr6", "dr7"),
			places(8, 0x78, "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip"),
			places(4, 0x34, "mxcsr"), places(16, 0x1a0, "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
				"xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15")),
		dr6: 0, flags: 16, codeLen: 20, code: 24, dr7: 24, dr7Size: 8, rangeStart: 32, brk: arch.AMD64.Break, status: "ecx",
	}
	m.special.selector, m.special.length, m.special.dr = 2, 0xe0, 0x20
	m.special.tables = map[string]int{"gdtr": 0x58, "idtr": 0x68, "tr": 0x70, "ldtr": 0x72, "cr0": 0, "cr2": 8, "cr3": 0x10, "cr4": 0x18, "cr8": 0xa0}
	m.set = contextSet(m)
	return m
}

func i386() *machine {
	m := &machine{
		number: 0x14c, arch: arch.I386, length: 716,
		context: many(places(4, 0x04, "dr0", "dr1", "dr2", "dr3", "dr6", "dr7"), places(4, 0x8c, "gs", "fs", "es", "ds", "edi", "esi", "ebx", "edx", "ecx", "eax",
			"ebp", "eip", "cs", "eflags", "esp", "ss")),
		dr6: 0, flags: 36, codeLen: 8, code: 12, dr7: 24, dr7Size: 4, rangeStart: 28, brk: arch.I386.Break, status: "eax",
	}
	m.special.selector, m.special.length, m.special.dr = 0x2cc, 0x54, 0x10
	m.special.tables = map[string]int{"gdtr": 0x2c, "idtr": 0x34, "tr": 0x38, "ldtr": 0x3a, "cr0": 0, "cr2": 4, "cr3": 8, "cr4": 12}
	m.set = contextSet(m)
	return m
}

// arm64 is from ReactOS's headers and dmaivel/ntoseye; no target of it was met.
func arm64() *machine {
	var x, v []string
	for i := range 32 {
		x, v = append(x, fmt.Sprintf("x%d", i)), append(v, fmt.Sprintf("v%d", i))
	}
	m := &machine{
		number: 0xaa64, arch: arch.ARM64, length: 912,
		context: many(places(4, 4, "cpsr"), places(8, 8, x[:31]...), places(8, 0x100, "sp", "pc"), places(16, 0x110, v...), places(4, 0x310, "fpcr", "fpsr")),
		flags:   -1, dr6: -1, codeLen: 16, code: 20, rangeStart: 24, brk: []byte{0, 0, 0x3e, 0xd4}, status: "x0",
	}
	m.special.selector, m.special.length = 2, 0xa0
	m.set = contextSet(m)
	return m
}

// contextSet is the register set a context fills: those of the architecture's
// table that have a place, in its order, then the debug registers.
func contextSet(m *machine) *arch.Set {
	in := map[string]place{}
	for _, p := range m.context {
		in[p.reg] = p
	}
	var regs []arch.Register
	for _, r := range m.arch.Core {
		if _, ok := in[r.Name]; ok {
			regs = append(regs, r)
		}
	}
	for _, n := range []string{"dr0", "dr1", "dr2", "dr3", "dr6", "dr7"} {
		if m.special.dr == 0 {
			break
		}
		regs = append(regs, arch.Register{Name: n, Size: m.arch.PtrSize, DWARF: -1, Group: arch.Control})
	}
	return arch.NewSet(m.arch, regs)
}

// traceFlag is TF of the flags register. Stepping is asked for in Continue2; a
// TF that some targets leave in the context would step a second time.
const traceFlag = 0x100

// registers reads a context; what it does not reach stays unknown.
func (m *machine) registers(context []byte) *arch.Registers {
	r := arch.NewRegisters(m.set)
	r.Interrupted = true
	for _, p := range m.context {
		if i, ok := m.set.Index(p.reg); ok && p.off+p.size <= len(context) {
			r.SetBytes(i, context[p.off:p.off+p.size])
		}
	}
	if i, ok := m.set.Index(m.arch.Flags); ok && r.Known(i) && m.special.dr != 0 {
		v, _ := r.Uint(i)
		r.SetUint(i, v&^traceFlag)
	}
	return r
}

// patch writes known registers into a context.
func (m *machine) patch(context []byte, r *arch.Registers) {
	for _, p := range m.context {
		i, ok := r.Set.Index(p.reg)
		if b, known := r.Bytes(i); ok && known && p.off+p.size <= len(context) {
			copy(context[p.off:p.off+p.size], b)
		}
	}
}

// codes is how many instruction bytes a report holds, 0 when it says what cannot be.
func (m *machine) codes(s *stateChange) int {
	if n := int(s.report.u16(m.codeLen)); n <= 16 {
		return n
	}
	return 0
}

// breaks reports whether code begins with a break instruction. Its number may be any
// on arm64.
func (m *machine) breaks(code field) bool {
	if m.arch.PtrSize == 8 && m.special.dr == 0 {
		return code.u32(0)&0xffe0001f == 0xd4200000
	}
	return len(code) > 0 && code[0] == m.brk[0]
}

// address is v as the debuggee sees it; wide is how it is written on the wire,
// where 32-bit addresses are sign-extended.
func (m *machine) address(v uint64) arch.Addr {
	if m.arch.PtrSize == 4 {
		v &= 0xffffffff
	}
	return arch.Addr(v)
}

func (m *machine) wide(a arch.Addr) uint64 {
	if m.arch.PtrSize == 4 {
		return uint64(int64(int32(a)))
	}
	return uint64(a)
}
