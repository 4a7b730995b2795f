package pe

import (
	"encoding/binary"
	"strconv"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Unwinding of ARM64 by .pdata and .xdata. Source: Microsoft, "ARM64 exception
// handling", whose words for things are used.

// preservedARM64 are the registers that the calling convention preserves.
var preservedARM64 = func() []string {
	var out []string
	for n := 19; n <= 30; n++ {
		out = append(out, "x"+strconv.Itoa(n))
	}
	for n := 8; n <= 15; n++ { // their lower halves
		out = append(out, "v"+strconv.Itoa(n))
	}
	return append(out, "x18", "cpsr", "fpcr")
}()

// opKind is what an unwind code undoes.
type opKind uint8

const (
	opNop      opKind = iota
	opAlloc           // SP += n
	opSave            // count registers from reg on, at SP + n
	opSavePre         // the same at SP, then SP += n
	opSetFP           // SP = x29
	opAddFP           // SP = x29 - n
	opSaveNext        // the pair behind that of the save which follows
	opMachine         // PC and SP that an interrupt left
	opTrap            // a trap frame, or a context: nothing is behind it that can be known
	opEnd
	opEndC // the parent's codes follow
	opPAC  // the return address is signed
)

// op is one unwind code. It stands for one instruction of a prologue or epilogue.
type op struct {
	kind  opKind
	reg   string // "x19": the first register
	count uint8
	lr    bool // the last of them is x30
	n     uint32
}

// xform is a form of codes: the top bits that tell it, its length in bytes, and what
// the other bits mean.
type xform struct {
	value, mask uint8
	size        int
	make        func(v uint32) op
}

func x(n uint32) string { return "x" + strconv.Itoa(int(n)) }
func d(n uint32) string { return "v" + strconv.Itoa(int(n)) }

// xforms are the forms in the order of their first byte.
var xforms = []xform{
	{0x00, 0xe0, 1, func(v uint32) op { return op{kind: opAlloc, n: (v & 31) * 16} }},
	{0x20, 0xe0, 1, func(v uint32) op { return op{kind: opSavePre, reg: "x19", count: 2, n: (v & 31) * 8} }},
	{0x40, 0xc0, 1, func(v uint32) op { return op{kind: opSave, reg: "x29", count: 2, n: (v & 63) * 8} }},
	{0x80, 0xc0, 1, func(v uint32) op { return op{kind: opSavePre, reg: "x29", count: 2, n: (v&63 + 1) * 8} }},
	{0xc0, 0xf8, 2, func(v uint32) op { return op{kind: opAlloc, n: (v & 0x7ff) * 16} }},
	{0xc8, 0xfc, 2, func(v uint32) op { return op{kind: opSave, reg: x(19 + v>>6&15), count: 2, n: (v & 63) * 8} }},
	{0xcc, 0xfc, 2, func(v uint32) op { return op{kind: opSavePre, reg: x(19 + v>>6&15), count: 2, n: (v&63 + 1) * 8} }},
	{0xd0, 0xfc, 2, func(v uint32) op { return op{kind: opSave, reg: x(19 + v>>6&15), count: 1, n: (v & 63) * 8} }},
	{0xd4, 0xfe, 2, func(v uint32) op { return op{kind: opSavePre, reg: x(19 + v>>5&15), count: 1, n: (v&31 + 1) * 8} }},
	{0xd6, 0xfe, 2, func(v uint32) op {
		return op{kind: opSave, reg: x(19 + 2*(v>>6&7)), count: 2, lr: true, n: (v & 63) * 8}
	}},
	{0xd8, 0xfe, 2, func(v uint32) op { return op{kind: opSave, reg: d(8 + v>>6&7), count: 2, n: (v & 63) * 8} }},
	{0xda, 0xfe, 2, func(v uint32) op { return op{kind: opSavePre, reg: d(8 + v>>6&7), count: 2, n: (v&63 + 1) * 8} }},
	{0xdc, 0xfe, 2, func(v uint32) op { return op{kind: opSave, reg: d(8 + v>>6&7), count: 1, n: (v & 63) * 8} }},
	{0xde, 0xff, 2, func(v uint32) op { return op{kind: opSavePre, reg: d(8 + v>>5&7), count: 1, n: (v&31 + 1) * 8} }},
	{0xe0, 0xff, 4, func(v uint32) op { return op{kind: opAlloc, n: (v & 0xffffff) * 16} }},
	{0xe1, 0xff, 1, func(uint32) op { return op{kind: opSetFP} }},
	{0xe2, 0xff, 2, func(v uint32) op { return op{kind: opAddFP, n: (v & 0xff) * 8} }},
	{0xe3, 0xff, 1, func(uint32) op { return op{kind: opNop} }},
	{0xe4, 0xff, 1, func(uint32) op { return op{kind: opEnd} }},
	{0xe5, 0xff, 1, func(uint32) op { return op{kind: opEndC} }},
	{0xe6, 0xff, 1, func(uint32) op { return op{kind: opSaveNext} }},
	{0xe7, 0xff, 3, saveAny},
	{0xe8, 0xff, 1, func(uint32) op { return op{kind: opTrap} }},
	{0xe9, 0xff, 1, func(uint32) op { return op{kind: opMachine} }},
	{0xea, 0xff, 1, func(uint32) op { return op{kind: opTrap} }},
	{0xeb, 0xff, 1, func(uint32) op { return op{kind: opTrap} }},
	{0xec, 0xff, 1, func(uint32) op { return op{kind: opNop} }},
	{0xfc, 0xff, 1, func(uint32) op { return op{kind: opPAC} }},
}

// saveAny is save_any_reg: any register or pair of x, d or q, pre-indexed or not.
func saveAny(v uint32) op {
	r, form, off := v>>8&31, v>>6&3, v&63
	pair, pre := v>>14&1 != 0, v>>13&1 != 0
	o := op{kind: opSave, reg: x(r), count: 1}
	if form != 0 {
		o.reg = d(r)
	}
	unit := uint32(8)
	if pair {
		o.count = 2
	}
	if form == 2 || pair || pre {
		unit = 16
	}
	o.n = off * unit
	if pre {
		o.kind, o.n = opSavePre, (off+1)*16
	}
	if form > 2 || v>>15 != 0 {
		return op{kind: opTrap}
	}
	return o
}

// decode reads codes up to one that ends them; false when they are not understood.
func decodeOps(codes []byte) (ops []op, ok bool) {
	for len(codes) > 0 {
		found := false
		for _, f := range xforms {
			if codes[0]&f.mask != f.value {
				continue
			}
			if len(codes) < f.size {
				return ops, false
			}
			v := uint32(0)
			for _, b := range codes[:f.size] {
				v = v<<8 | uint32(b)
			}
			o := f.make(v)
			ops, codes, found = append(ops, o), codes[f.size:], true
			if o.kind == opEnd {
				return ops, true
			}
			break
		}
		if !found {
			return ops, false
		}
	}
	return ops, true
}

// xdata is what a function's entry tells.
type xdata struct {
	length    uint32 // of the function, bytes
	prologue  []op   // in the order of undoing
	instr     int    // instructions of the prologue proper
	epilogues []epilogueARM64
	fragment  bool // without a prologue of its own
}

// epilogueARM64 is one epilogue: where it begins, bytes from the function, and its codes.
type epilogueARM64 struct {
	start uint32
	ops   []op
}

// instructions counts the codes up to the end of those that are a region's own.
func instructions(ops []op) int {
	for i, o := range ops {
		if o.kind == opEnd || o.kind == opEndC {
			return i
		}
	}
	return len(ops)
}

func (w *walk) upARM64() (*arch.Registers, arch.Addr, error) {
	rva, ok := w.rva()
	if !ok {
		return nil, 0, symbols.ErrNoUnwind
	}
	w.forgetVolatile(preservedARM64)
	entry, ok := w.find(rva, 8)
	if w.need != nil {
		return nil, 0, w.need
	}
	if ok {
		begin := binary.LittleEndian.Uint32(entry)
		u, err := w.xdata(binary.LittleEndian.Uint32(entry[4:]))
		switch {
		case w.need != nil:
			return nil, 0, w.need
		case err != nil:
			return nil, 0, err
		case rva-begin < u.length:
			if !w.undo(u.at(uint32(w.regs.PC()-w.base)-begin, w.interrupted)) {
				return nil, 0, w.missing()
			}
		}
	}
	if w.need != nil {
		return nil, w.regs.SP(), w.need
	}
	if !w.framed {
		ret, known := w.regs.Get("x30")
		if !known {
			return nil, 0, w.missing()
		}
		w.regs.SetPC(arch.Addr(ret))
		if i, ok := w.regs.Set.Index("x30"); ok {
			w.regs.Forget(i) // the caller's own is where the caller has saved it
		}
	}
	w.regs.Interrupted = w.framed
	return w.regs, w.regs.SP(), nil
}

// xdata reads the second word of an entry and what it leads to.
func (w *walk) xdata(word uint32) (u xdata, err error) {
	switch word & 3 {
	case 1, 2:
		return unpack(word), nil
	case 3:
		return u, symbols.ErrNoUnwind
	}
	h, ok := w.bytes(word, 4)
	if !ok {
		return u, symbols.ErrNoUnwind
	}
	head := binary.LittleEndian.Uint32(h)
	u.length = head & 0x3ffff * 4
	single, scopes, words, at := head>>21&1 != 0, head>>22&31, head>>27, word+4
	if head>>18&3 != 0 {
		return u, symbols.ErrNoUnwind
	}
	if scopes == 0 && words == 0 {
		if h, ok = w.bytes(at, 4); !ok {
			return u, symbols.ErrNoUnwind
		}
		scopes, words, at = uint32(binary.LittleEndian.Uint16(h)), uint32(h[2]), at+4
	}
	table := uint32(0)
	if !single {
		table = 4 * scopes
	}
	b, ok := w.bytes(at, table+4*words)
	if !ok {
		return u, symbols.ErrNoUnwind
	}
	codes := b[table:]
	if u.prologue, ok = decodeOps(codes); !ok {
		return u, symbols.ErrNoUnwind
	}
	u.instr = instructions(u.prologue)
	room := int(u.length) // codes are instructions of the function: more than its bytes there are not
	add := func(index, start uint32) {
		if uint64(index) < uint64(len(codes)) && room >= 0 {
			ops, _ := decodeOps(codes[index:])
			room -= len(ops)
			if single {
				start = u.length - min(u.length, 4*uint32(instructions(ops)+1)) // a return follows the codes
			}
			u.epilogues = append(u.epilogues, epilogueARM64{start, ops})
		}
	}
	if single {
		add(scopes, 0)
	}
	for s := b[:table]; len(s) >= 4; s = s[4:] {
		v := binary.LittleEndian.Uint32(s)
		add(v>>22, v&0x3ffff*4)
	}
	return u, nil
}

// at returns the codes that undo what was done when the code at offset pos is to be executed.
func (u *xdata) at(pos uint32, interrupted bool) []op {
	if n := u.instr - int(pos/4); n > 0 && !u.fragment {
		return u.prologue[n:]
	}
	if interrupted {
		for _, e := range u.epilogues {
			done := int(pos-e.start) / 4
			if pos >= e.start && done <= instructions(e.ops) {
				return e.ops[done:]
			}
		}
	}
	return u.prologue
}

// undo carries codes out; false when they lead nowhere.
func (w *walk) undo(ops []op) bool {
	next := 0 // save_next codes that wait for their pair
	for _, o := range ops {
		switch o.kind {
		case opAlloc:
			w.regs.SetSP(w.regs.SP() + arch.Addr(o.n))
		case opSaveNext:
			next++
			continue
		case opSave:
			w.saved(o, w.regs.SP()+arch.Addr(o.n), next)
		case opSavePre:
			w.saved(o, w.regs.SP(), next)
			w.regs.SetSP(w.regs.SP() + arch.Addr(o.n))
		case opSetFP, opAddFP:
			fp, ok := w.regs.Get("x29")
			if !ok {
				return false
			}
			w.regs.SetSP(arch.Addr(fp) - arch.Addr(o.n))
		case opPAC:
			if lr, ok := w.regs.Get("x30"); ok {
				w.regs.PutName("x30", unsigned(lr))
			}
		case opMachine:
			sp, ok := w.load(w.regs.SP())
			pc, ok2 := w.load(w.regs.SP() + 8)
			if !ok || !ok2 {
				return false
			}
			w.regs.SetSP(arch.Addr(sp))
			w.regs.SetPC(arch.Addr(pc))
			w.framed = true
		case opTrap:
			return false
		case opEnd:
			return true
		}
		next = 0
	}
	return true
}

// saved restores registers from at on, and the pairs behind them.
func (w *walk) saved(o op, at arch.Addr, next int) {
	kind := o.reg[:1]
	first, _ := strconv.Atoi(o.reg[1:])
	for k := range int(o.count) + 2*next {
		name := kind + strconv.Itoa(first+k)
		if o.lr && k == int(o.count)-1 {
			name = "x30"
		}
		w.restore(name, at+arch.Addr(8*k), 8)
	}
}

// unsigned takes the signature out of a pointer: bit 55 tells which half of the
// address space it is of.
func unsigned(v uint64) uint64 {
	const high = 0xffff << 48
	if v>>55&1 != 0 {
		return v | high
	}
	return v &^ high
}

// unpack makes the codes that a packed entry stands for.
func unpack(word uint32) xdata {
	u := xdata{length: word >> 2 & 0x7ff * 4, fragment: word&3 == 2}
	regF, regI, homes, cr, frame := word>>13&7, word>>16&15, word>>20&1 != 0, word>>21&3, word>>23*16
	ints, floats := regI*8, uint32(0)
	if cr == 1 {
		ints += 8
	}
	if regF > 0 {
		floats = regF*8 + 8
	}
	area := ints + floats
	if homes {
		area += 64
	}
	area = (area + 15) &^ 15
	var order, epilogue []op // as the prologue does it; and without what the epilogue leaves out
	both := func(o op) { order, epilogue = append(order, o), append(epilogue, o) }
	made := false // the save area is there
	save := func(reg string, count uint8, lr bool, at uint32) {
		o := op{kind: opSave, reg: reg, count: count, lr: lr, n: at}
		if !made {
			o.kind, o.n, made = opSavePre, area, true
		}
		both(o)
	}
	if cr == 2 {
		both(op{kind: opPAC})
	}
	at := uint32(0)
	for r := uint32(0); r < regI; r += 2 {
		switch {
		case r+1 < regI:
			save(x(19+r), 2, false, at)
		case cr == 1:
			save(x(19+r), 2, true, at)
		default:
			save(x(19+r), 1, false, at)
		}
		at += 16
	}
	if cr == 1 && regI%2 == 0 {
		save("x30", 1, false, ints-8)
	}
	for r := uint32(0); regF > 0 && r <= regF; r += 2 {
		count := uint8(2)
		if r == regF {
			count = 1
		}
		save(d(8+r), count, false, ints+8*r)
	}
	if homes {
		for range 4 {
			o := op{}
			if !made {
				o, made = op{kind: opAlloc, n: area}, true
				epilogue = append(epilogue, o)
			}
			order = append(order, o)
		}
	}
	u.locals(&order, both, cr >= 2, frame-min(area, frame))
	u.prologue, u.instr = reversed(order), len(order)
	if !u.fragment {
		undo := reversed(epilogue)
		u.epilogues = []epilogueARM64{{u.length - min(u.length, 4*uint32(instructions(undo)+1)), undo}}
	}
	return u
}

// locals adds how a packed function makes room for its variables.
func (u *xdata) locals(order *[]op, both func(op), chained bool, size uint32) {
	const (
		immediate = 4080 // the most that one instruction takes off SP in steps of 16
		indexed   = 512  // the most that a store with pre-index takes off
	)
	if chained && size <= indexed {
		both(op{kind: opSavePre, reg: "x29", count: 2, n: size})
		*order = append(*order, op{kind: opSetFP})
		return
	}
	if size > immediate {
		both(op{kind: opAlloc, n: immediate})
		both(op{kind: opAlloc, n: size - immediate})
	} else if size > 0 {
		both(op{kind: opAlloc, n: size})
	}
	if chained {
		both(op{kind: opSave, reg: "x29", count: 2})
		*order = append(*order, op{kind: opSetFP})
	}
}

// reversed is the order of undoing.
func reversed(ops []op) []op {
	out := make([]op, len(ops))
	for i, o := range ops {
		out[len(ops)-1-i] = o
	}
	return append(out, op{kind: opEnd})
}
