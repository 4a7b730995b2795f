package sim

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"golang.org/x/arch/x86/x86asm"
)

// Numbers of the general registers, as instructions encode them.
const (
	rax = iota
	rcx
	rdx
	rbx
	rsp
	rbp
	rsi
	rdi
)

// Bits of the flags register.
const (
	flagC = 1
	flagP = 4
	flagA = 0x10
	flagZ = 0x40
	flagS = 0x80
	flagT = 0x100
	flagI = 0x200
	flagD = 0x400
	flagO = 0x800
)

// processor is one x86 processor at ring 0, in 64-bit mode or in protected mode.
type processor struct {
	number  int
	word    int // bytes of an address: 8, or 4 in protected mode
	mem     *physical
	ports   func(p *processor, port uint16, size int, out bool, value uint32) uint32
	r       [16]uint64
	ip      uint64
	flags   uint64
	cs, ss  uint16
	cr0     uint64
	cr2     uint64
	cr3     uint64
	cr4     uint64
	cr8     uint64
	dr      [8]uint64
	gs      uint64 // base of the segment that leads to the KPCR: gs, or fs in protected mode
	swap    uint64 // the other gs
	idt     uint64
	idtSize uint16
	gdt     uint64
	gdtSize uint16
	tr      uint16
	msr     map[uint32]uint64
	halted  bool
	time    uint64 // instructions executed

	touched uint64         // bits of DR6 for what was just touched
	lookup  translations   // for reading
	owned   translations   // for writing
	code    [1024]*decoded // recently executed, by the low bits of where they are
	known   *sync.Map      // the guest's: instructions that another machine decoded, by address
	fault   *fault
}

// fault is an exception of the processor before it is delivered.
type fault struct {
	vector int
	code   uint32
	coded  bool // an error code is pushed
}

// translations remembers where recently used pages lie, by their low bits.
type translations [64]struct {
	page  uint64 // and 1 more, so that 0 is none
	frame *frame
}

// decoded is an instruction; it does not change, and machines share it.
type decoded struct {
	inst   x86asm.Inst
	at     uint64 // its address
	bytes  []byte
	gs     bool
	rep    byte
	size   int // operand size, bytes
	kind   condition
	cc     int // number of the condition, in opcodes
	string int // bytes that a string instruction moves or stores at once, 0: it is none
}

func newProcessor(n, word int, mem *physical, known *sync.Map) *processor {
	p := &processor{number: n, word: word, mem: mem, known: known, cs: 0x10, ss: 0x18, flags: 2, cr0: 0x80050031, cr4: 0x6f8, msr: map[uint32]uint64{}}
	if word == 4 {
		p.cs, p.ss, p.cr0, p.cr4 = 8, 0x10, 0x8001003b, 0x6d0&^0x20
	}
	p.dr[6], p.dr[7] = 0xffff0ff0, 0x400
	p.flush()
	return p
}

// flush forgets translations.
func (p *processor) flush() {
	p.lookup, p.owned = translations{}, translations{}
}

// frameOf is the frame that holds va, nil when a page fault results.
func (p *processor) frameOf(va uint64, write bool) *frame {
	in := &p.lookup
	if write {
		in = &p.owned
	}
	at := &in[va/page%uint64(len(in))]
	if at.page == va/page+1 {
		return at.frame
	}
	pa, entry, _, ok := p.mem.walk(p.cr3, va)
	if !ok || write && entry&pteWrite == 0 {
		p.cr2 = va
		code := uint32(0)
		if ok {
			code |= 1
		}
		if write {
			code |= 2
		}
		p.fault = &fault{vector: 14, code: code, coded: true}
		return nil
	}
	f := p.mem.frame(pa)
	if f == nil { // a bus that nobody answers reads as ones
		f = &frame{}
		for i := range f {
			f[i] = 0xff
		}
		return f
	}
	at.page, at.frame = va/page+1, f
	return f
}

// watch notes what a data breakpoint saw: kind 1 is a write, 3 any access.
func (p *processor) watch(va uint64, size int, write bool) {
	for i := range 4 {
		if p.dr[7]>>(2*i)&3 == 0 {
			continue
		}
		kind, length := p.dr[7]>>(16+4*i)&3, [4]uint64{1, 2, 8, 4}[p.dr[7]>>(18+4*i)&3]
		if kind == 0 || kind == 1 && !write {
			continue
		}
		at := p.dr[i] &^ (length - 1)
		if va < at+length && at < va+uint64(size) {
			p.touched |= 1 << i
		}
	}
}

func (p *processor) load(va uint64, size int) uint64 {
	if p.dr[7]&0xff != 0 {
		p.watch(va, size, false)
	}
	if int(va%page)+size <= page {
		f := p.frameOf(va, false)
		if f == nil {
			return 0
		}
		b := f[va%page:]
		switch size {
		case 1:
			return uint64(b[0])
		case 2:
			return uint64(binary.LittleEndian.Uint16(b))
		case 4:
			return uint64(binary.LittleEndian.Uint32(b))
		}
		return binary.LittleEndian.Uint64(b)
	}
	var v uint64
	for i := range size {
		f := p.frameOf(va+uint64(i), false)
		if f == nil {
			return 0
		}
		v |= uint64(f[(va+uint64(i))%page]) << (8 * i)
	}
	return v
}

func (p *processor) store(va uint64, size int, v uint64) {
	if p.dr[7]&0xff != 0 {
		p.watch(va, size, true)
	}
	if int(va%page)+size <= page {
		if f := p.frameOf(va, true); f != nil {
			put(f[va%page:], size, v)
		}
		return
	}
	if p.frameOf(va, true) == nil || p.frameOf(va+uint64(size)-1, true) == nil {
		return
	}
	for i := range size {
		f := p.frameOf(va+uint64(i), true)
		if f == nil {
			return
		}
		f[(va+uint64(i))%page] = byte(v >> (8 * i))
	}
}

func put(b []byte, size int, v uint64) {
	switch size {
	case 1:
		b[0] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(v))
	default:
		binary.LittleEndian.PutUint64(b, v)
	}
}

func (p *processor) push(v uint64) {
	sp := (p.r[rsp] - uint64(p.word)) & mask(p.word)
	if p.store(sp, p.word, v); p.fault == nil {
		p.r[rsp] = sp
	}
}

func (p *processor) pop() uint64 {
	v := p.load(p.r[rsp], p.word)
	if p.fault == nil {
		p.r[rsp] = (p.r[rsp] + uint64(p.word)) & mask(p.word)
	}
	return v
}

// fetch decodes the instruction at ip.
func (p *processor) fetch() *decoded {
	var raw [15]byte
	n := 0
	for n < len(raw) {
		f := p.frameOf(p.ip+uint64(n), false)
		if f == nil {
			break
		}
		n += copy(raw[n:], f[(p.ip+uint64(n))%page:])
	}
	if n == 0 {
		return nil
	}
	p.fault = nil
	recent := &p.code[p.ip%uint64(len(p.code))]
	if (*recent).is(p.ip, raw[:n]) {
		return *recent
	}
	if d, _ := p.known.Load(p.ip); d != nil && d.(*decoded).is(p.ip, raw[:n]) {
		*recent = d.(*decoded)
		return *recent
	}
	inst, err := x86asm.Decode(raw[:n], 8*p.word)
	if err != nil {
		p.fault = &fault{vector: 6}
		return nil
	}
	d := &decoded{inst: inst, at: p.ip, bytes: append([]byte{}, raw[:inst.Len]...)}
	for _, x := range inst.Prefix {
		switch x &^ (x86asm.PrefixImplicit | x86asm.PrefixIgnored) {
		case x86asm.PrefixGS:
			d.gs = p.word == 8
		case x86asm.PrefixFS:
			d.gs = p.word == 4
		case x86asm.PrefixREP, x86asm.PrefixREPN:
			d.rep = byte(x)
		}
	}
	d.size = d.operandSize()
	d.classify()
	*recent = d
	p.known.Store(p.ip, d)
	return d
}

// is says whether d is the instruction at ip, which begins with raw.
func (d *decoded) is(ip uint64, raw []byte) bool {
	return d != nil && d.at == ip && len(d.bytes) <= len(raw) && string(d.bytes) == string(raw[:len(d.bytes)])
}

// event is why a processor's run ended.
type event int

const (
	ran      event = iota // out of turns
	halted                // waits for an interrupt
	trapped               // int3: ip is at it
	stepped               // a step or a data breakpoint: dr6 says which
	serviced              // int 2Dh: ip is behind it
	asserted              // int 2Ch
	lost                  // a fault nobody handles
)

// run executes at most n instructions.
func (p *processor) run(n int) event {
	for range n {
		if p.halted {
			return halted
		}
		if e := p.one(); e != ran {
			return e
		}
	}
	return ran
}

// one executes one instruction.
func (p *processor) one() event {
	if p.dr[7]&0xff != 0 {
		if e := p.executed(); e != ran {
			return e
		}
	}
	step := p.flags&flagT != 0
	old := p.r
	oldIP := p.ip
	p.touched, p.fault = 0, nil
	d := p.fetch()
	e := ran
	if d != nil {
		p.ip += uint64(d.inst.Len)
		e = p.execute(d)
		p.ip &= mask(p.word)
	}
	p.time++
	if f := p.fault; f != nil {
		p.r, p.ip = old, oldIP
		p.fault = nil
		if !p.interrupt(f.vector, f.code, f.coded) {
			return lost
		}
		return ran
	}
	if e == trapped {
		p.ip = oldIP
		return e
	}
	if step || p.touched != 0 {
		p.dr[6] |= p.touched
		if step {
			p.dr[6] |= 0x4000
		}
		if e == ran || e == halted {
			return stepped
		}
	}
	return e
}

// executed tells a hardware code breakpoint; the resume flag lets it pass once.
func (p *processor) executed() event {
	const resume = 0x10000
	if p.flags&resume != 0 {
		p.flags &^= resume
		return ran
	}
	for i := range 4 {
		if p.dr[7]>>(2*i)&3 != 0 && p.dr[7]>>(16+4*i)&3 == 0 && p.dr[i] == p.ip {
			p.dr[6] |= 1 << i
			p.flags |= resume
			return stepped
		}
	}
	return ran
}

// interrupt enters the handler of a vector; false when there is none.
func (p *processor) interrupt(vector int, code uint32, coded bool) bool {
	if p.word == 4 {
		return p.enterGate(vector, code, coded)
	}
	at := p.idt + uint64(vector)*16
	lo, hi := p.load(at, 8), p.load(at+8, 8)
	if p.fault != nil || lo>>47&1 == 0 {
		p.fault = nil
		return false
	}
	target := lo&0xffff | lo>>32&0xffff0000 | hi<<32
	old := p.r[rsp]
	p.r[rsp] &^= 15
	for _, v := range []uint64{uint64(p.ss), old, p.flags, uint64(p.cs), p.ip} {
		p.push(v)
	}
	if coded {
		p.push(uint64(code))
	}
	if p.fault != nil {
		p.fault = nil
		return false
	}
	p.flags &^= flagI | flagT
	p.ip, p.halted = target, false
	return true
}

// enterGate is interrupt in protected mode, where no stack is switched.
func (p *processor) enterGate(vector int, code uint32, coded bool) bool {
	gate := p.load(p.idt+uint64(vector)*8, 8)
	if p.fault != nil || gate>>47&1 == 0 {
		p.fault = nil
		return false
	}
	for _, v := range []uint64{p.flags, uint64(p.cs), p.ip} {
		p.push(v)
	}
	if coded {
		p.push(uint64(code))
	}
	if p.fault != nil {
		p.fault = nil
		return false
	}
	p.flags &^= flagI | flagT
	p.ip, p.halted = gate&0xffff|gate>>32&0xffff0000, false
	return true
}

func parity(v uint64) uint64 {
	if bits.OnesCount8(uint8(v))%2 == 0 {
		return flagP
	}
	return 0
}
