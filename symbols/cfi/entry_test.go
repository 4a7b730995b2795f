package cfi

import (
	"cmp"
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// table writes the entries of a section.
type table struct {
	order binary.AppendByteOrder
	wide  bool // the 64-bit format
	eh    bool
	out   []byte
}

func (w *table) entry(id func(at int) uint64, body []byte) int {
	start := len(w.out)
	size := 4
	if w.wide && !w.eh {
		size = 8
	}
	if w.wide {
		w.out = w.order.AppendUint32(w.out, 0xffffffff)
		w.out = w.order.AppendUint64(w.out, uint64(size+len(body)))
	} else {
		w.out = w.order.AppendUint32(w.out, uint32(size+len(body)))
	}
	if v := id(len(w.out)); size == 8 {
		w.out = w.order.AppendUint64(w.out, v)
	} else {
		w.out = w.order.AppendUint32(w.out, uint32(v))
	}
	w.out = append(w.out, body...)
	return start
}

func (w *table) cie(body []byte) int {
	return w.entry(func(int) uint64 {
		if w.eh {
			return 0
		}
		return ^uint64(0)
	}, body)
}

func (w *table) fde(cie int, body []byte) int {
	return w.entry(func(at int) uint64 {
		if w.eh {
			return uint64(at - cie)
		}
		return uint64(cie)
	}, body)
}

// address writes an 8-byte address and length in the table's byte order.
func (w *table) span(start, length uint64, rest ...byte) []byte {
	return append(w.order.AppendUint64(w.order.AppendUint64(nil, start), length), rest...)
}

// common is a CIE's body up to its program: version 3, alignments 1 and -8, column 16.
func common(augmentation string, rest ...byte) []byte {
	b := append([]byte{3}, augmentation...)
	return append(append(b, 0, 1, 0x78, 16), rest...)
}

var base = []byte{cfaDefCFA, 7, 8, 0x80 | 16, 1} // CFA rsp+8, return address at CFA-8

// TestForms reads what compilers other than today's gcc write.
func TestForms(t *testing.T) {
	le, be := binary.LittleEndian, binary.BigEndian
	plain := Row{CFA: Rule{Kind: CFAPlus, Register: 7, Offset: 8}, Regs: map[uint64]Rule{16: {Kind: AtCFA, Offset: -8}}, RA: 16}
	with := func(reg uint64, r Rule) Row {
		row := plain
		row.Regs = map[uint64]Rule{16: plain.Regs[16]}
		if reg != 0 {
			row.Regs[reg] = r
		}
		return row
	}
	signal := plain
	signal.Signal = true
	signed := plain
	signed.Signed = true
	for _, c := range []struct {
		name   string
		order  binary.AppendByteOrder
		wide   bool
		eh     bool
		common []byte
		body   []byte // after address and length
		want   Row
		bad    string
	}{
		{name: "plain", common: common("", base...), want: plain},
		{name: "big endian", order: be, common: common("", base...), body: []byte{cfaAdvance2, 0, 8, cfaUndefined, 3}, want: with(3, Rule{Kind: Undefined})},
		{name: "64-bit", wide: true, common: common("", base...), want: plain},
		{name: "64-bit .eh_frame", wide: true, eh: true, common: common("", base...), want: plain},
		{name: "version 4", common: append([]byte{4, 0, 8, 0, 1, 0x78, 16}, base...), want: plain},
		{name: "segments", common: append([]byte{4, 0, 8, 2, 1, 0x78, 16}, base...), bad: "segmented"},
		{name: "version 9", common: append([]byte{9, 0, 1, 0x78, 16}, base...), bad: "version 9"},
		{name: "signal frame", eh: true, common: common("zS", append([]byte{0}, base...)...), body: []byte{0}, want: signal},
		{name: "pointer keys", eh: true, common: common("zRB", append([]byte{1, peAbs}, base...)...), body: []byte{0}, want: plain},
		{name: "unknown letter", eh: true, common: common("zQ", append([]byte{3, 9, 9, 9}, base...)...), body: []byte{2, 7, 7}, want: plain},
		{name: "unknown letter, no length", common: common("Q", base...), bad: `augmentation "Q"`},
		{name: "personality and LSDA", eh: true, common: common("zPLR", append([]byte{11, peAbs | peIndirect, 1, 2, 3, 4, 5, 6, 7, 8, peU4, peAbs}, base...)...), body: []byte{4, 1, 2, 3, 4}, want: plain},
		{name: "GCC 2", common: common("eh", base...)[:4+0], bad: "ends early"},
		{name: "indirect addresses", eh: true, common: common("zR", append([]byte{1, peAbs | peIndirect}, base...)...), body: []byte{0}, bad: "none"},
		{name: "restore", common: common("", base...), body: []byte{0x80 | 3, 2, cfaSameValue, 16, 0xc0 | 3, 0xc0 | 16}, want: plain},
		{name: "restore extended", common: common("", append(base, 0x80|6, 4)...), body: []byte{cfaUndefined, 6, cfaRestoreExt, 6}, want: with(6, Rule{Kind: AtCFA, Offset: -32})},
		{name: "val_offset", common: common("", base...), body: []byte{cfaValOffset, 6, 2}, want: with(6, Rule{Kind: CFAPlus, Offset: -16})},
		{name: "val_offset_sf", common: common("", base...), body: []byte{cfaValOffsetSF, 6, 0x7e}, want: with(6, Rule{Kind: CFAPlus, Offset: 16})},
		{name: "negative offset", common: common("", base...), body: []byte{cfaNegOffsetExt, 6, 2}, want: with(6, Rule{Kind: AtCFA, Offset: 16})},
		{name: "register", common: common("", base...), body: []byte{cfaRegister, 6, 3, cfaArgsSize, 16}, want: with(6, Rule{Kind: InRegister, Register: 3})},
		{name: "expressions", common: common("", base...), body: []byte{cfaExpr, 6, 2, 0x11, 0, cfaValExpr, 3, 1, 0x96}, want: func() Row {
			r := with(6, Rule{Kind: AtExpression, Expression: []byte{0x11, 0}})
			r.Regs[3] = Rule{Kind: FromExpression, Expression: []byte{0x96}}
			return r
		}()},
		{name: "an expression in the common entry", common: common("", append(base, cfaExpr, 6, 2, 0x11, 0)...), body: []byte{cfaUndefined, 3, cfaUndefined, 2, cfaSameValue, 2, 0xc0 | 2, 0xc0 | 3},
			want: with(6, Rule{Kind: AtExpression, Expression: []byte{0x11, 0}})},
		{name: "states", common: common("", base...), body: []byte{cfaRemember, cfaUndefined, 3, cfaDefCFAOffset, 32, cfaRestoreState}, want: plain},
		{name: "a state never remembered", common: common("", base...), body: []byte{cfaRestoreState}, bad: "never remembered"},
		{name: "half a CFA", common: common(""), body: []byte{cfaDefCFAOffset, 8}, bad: "does not define the CFA"},
		{name: "the other half", common: common("", cfaDefCFAReg, 7), body: []byte{cfaDefCFAOffset, 8, 0x80 | 16, 1}, want: plain},
		{name: "no CFA", common: common(""), bad: "does not define the CFA"},
		{name: "offset of an expression", common: common("", cfaDefCFAExpr, 1, 0x96), body: []byte{cfaDefCFAOffset, 8}, bad: "CFA that has none"},
		{name: "signed", common: common("", base...), body: []byte{cfaNegateRA, 0x41, cfaNegateRA, 0x41, cfaNegateRA, 0x7f, cfaNegateRA}, want: signed},
		{name: "locations", common: common("", base...), body: []byte{cfaAdvance1, 4, cfaUndefined, 3, cfaAdvance4, 0, 1, 0, 0, cfaUndefined, 6}, want: with(3, Rule{Kind: Undefined})},
		{name: "set_loc", common: common("", base...), body: []byte{cfaSetLoc, 0, 0x10, 0, 0, 0, 0, 0, 0, cfaUndefined, 3, cfaSetLoc, 0x80, 0x10, 0, 0, 0, 0, 0, 0, cfaUndefined, 6}, want: with(3, Rule{Kind: Undefined})},
		{name: "signed with the pc", common: common("", base...), body: []byte{cfaNegateRAPC}, want: signed},
		{name: "signed and remembered", common: common("", base...), body: []byte{cfaNegateRA, cfaRemember, cfaNegateRA, 0x41, cfaRestoreState}, want: signed},
		{name: "a long way", common: common("", base...), body: []byte{cfaAdvance8, 8, 0, 0, 0, 0, 0, 0, 0, cfaUndefined, 3, cfaAdvance8, 0, 0, 0, 0, 1, 0, 0, 0, cfaUndefined, 6}, want: with(3, Rule{Kind: Undefined})},
		{name: "unknown instruction", common: common("", base...), body: []byte{0x3e}, bad: "instruction 0x3e"},
		{name: "cut", common: common("", base...), body: []byte{cfaDefCFA, 7}, bad: "within an instruction"},
		{name: "cut block", common: common("", base...), body: []byte{cfaDefCFAExpr, 7, 0}, bad: "within an instruction"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &table{order: c.order, wide: c.wide, eh: c.eh}
			if w.order == nil {
				w.order = le
			}
			cie := w.cie(c.common)
			w.fde(cie, w.span(0x1000, 0x100, c.body...))
			s := Sections{Arch: arch.AMD64, Order: w.order.(binary.ByteOrder)}
			if c.eh {
				s.EHFrame = Section{w.out, 0x5000}
			} else {
				s.DebugFrame = Section{w.out, 0}
			}
			u := New(s)
			row, err := u.Row(0x1010)
			if c.bad != "" {
				text := "none"
				var bad *FormatError
				if _, cieErr := u.entryAt(c.eh, uint64(cieEnd(w, c.common))); errors.As(cieErr, &bad) {
					text = bad.Error()
				}
				if errors.As(err, &bad) {
					text = bad.Error()
				}
				if !errors.Is(err, symbols.ErrNoUnwind) || c.bad != "none" && !strings.Contains(text, c.bad) {
					t.Errorf("%v (%s), want %s", err, text, c.bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*row, c.want) {
				t.Errorf("got  %+v\nwant %+v", *row, c.want)
			}
			if !row.Signed {
				both(t, u, 0x1010)
			}
			if _, err := u.Row(0x1100); err != symbols.ErrNoUnwind {
				t.Errorf("past the end: %v", err)
			}
		})
	}
}

// TestPointers reads function addresses in every encoding.
func TestPointers(t *testing.T) {
	const fn, text, got, sec = 0x1000, 0x800, 0x3000, 0x5000
	here := func(w *table) uint64 { return sec + uint64(len(w.out)) + 8 } // of the entry's first address
	for _, c := range []struct {
		name string
		enc  byte
		at   func(w *table) uint64 // the encoded number
		size int
		cpu  *arch.Arch
	}{
		{"absolute", peAbs, func(*table) uint64 { return fn }, 8, arch.AMD64},
		{"absolute, 4 bytes", peAbs, func(*table) uint64 { return fn }, 4, arch.I386},
		{"signed", peSigned, func(*table) uint64 { return fn }, 8, arch.AMD64},
		{"2 bytes", peU2, func(*table) uint64 { return fn }, 2, arch.AMD64},
		{"signed 2 bytes", peS2, func(*table) uint64 { return fn }, 2, arch.AMD64},
		{"4 bytes", peU4, func(*table) uint64 { return fn }, 4, arch.AMD64},
		{"8 bytes", peU8, func(*table) uint64 { return fn }, 8, arch.AMD64},
		{"relative to itself", pePCRel | peS4, func(w *table) uint64 { return fn - here(w) }, 4, arch.AMD64},
		{"relative to itself, 8 bytes", pePCRel | peS8, func(w *table) uint64 { return fn - here(w) }, 8, arch.AMD64},
		{"relative to the text", peTextRel | peU4, func(*table) uint64 { return fn - text }, 4, arch.AMD64},
		{"relative to the data", peDataRel | peS4, func(*table) uint64 { return fn - got + 1<<32 }, 4, arch.AMD64},
		{"aligned", peAligned, func(*table) uint64 { return fn }, 8, arch.AMD64},
		{"indirect", peIndirect | peU4, func(*table) uint64 { return 0x6000 }, 4, arch.AMD64},
		{"indirect, relative to itself", peIndirect | pePCRel | peS4, func(w *table) uint64 { return 0x6000 - here(w) }, 4, arch.AMD64},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &table{order: binary.LittleEndian, eh: true}
			cie := w.cie(common("zR", append([]byte{1, c.enc}, base...)...))
			n := func(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v)[:c.size] }
			body := append(n(c.at(w)), n(0x100)...)
			if c.enc == peAligned {
				body = append(make([]byte, -here(w)%8), body...)
			}
			w.fde(cie, append(body, 0, cfaUndefined, 3))
			u := New(Sections{Arch: c.cpu, EHFrame: Section{w.out, sec}, Text: text, GOT: got, Read: func(addr uint64, p []byte) bool {
				return addr == 0x6000 && copy(p, []byte{0x00, 0x10, 0, 0, 0, 0, 0, 0}) == len(p)
			}})
			row, err := u.Row(fn + 0xff)
			if err != nil || row.Regs[3].Kind != Undefined {
				t.Errorf("%+v, %v", row, err)
			}
			if _, err := u.Row(fn + 0x100); err == nil {
				t.Error("a row past the end")
			}
		})
	}
}

// TestSetLocation reads DW_CFA_set_loc in the sizes and encodings of its entry.
func TestSetLocation(t *testing.T) {
	for _, c := range []struct {
		name  string
		cpu   *arch.Arch
		enc   byte
		start uint64 // 0x1000 in that encoding; an entry's own address has no function to count from
		loc   []byte
	}{
		{"8 bytes", arch.AMD64, peAbs, 0x1000, []byte{0x80, 0x10, 0, 0, 0, 0, 0, 0}},
		{"4 bytes", arch.I386, peAbs, 0x1000, []byte{0x80, 0x10, 0, 0}},
		{"from the function", arch.AMD64, peFuncRel | peU2, 0x1000, []byte{0x80, 0}},
		{"from the text", arch.AMD64, peTextRel | peU2, 0x800, []byte{0x80, 0x08}},
	} {
		w := &table{order: binary.LittleEndian}
		cie := w.cie(common("zR", append([]byte{1, c.enc}, base...)...))
		n := func(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v)[:len(c.loc)] }
		body := append(n(c.start), n(0x100)...)
		body = append(append(body, 0, cfaSetLoc), c.loc...)
		w.fde(cie, append(body, cfaUndefined, 3))
		u := New(Sections{Arch: c.cpu, DebugFrame: Section{w.out, 0}, Text: 0x800})
		for pc, want := range map[symbols.Offset]RuleKind{0x107f: Unspecified, 0x1080: Undefined} {
			if row, err := u.Row(pc); err != nil || row.Regs[3].Kind != want {
				t.Errorf("%s: pc %x: %+v, %v", c.name, pc, row, err)
			}
		}
	}
}

// TestPlaces: entries in any order are found, in an .eh_frame that lies at
// address 0 and in one whose search table is out of order.
func TestPlaces(t *testing.T) {
	starts := []uint64{0x5000, 0x1000, 0x9000, 0x3000}
	for _, kind := range []string{"debug", "eh", "eh at 0", "table", "wrong table"} {
		w := &table{order: binary.LittleEndian, eh: kind != "debug"}
		sec := Section{Addr: 0x20000}
		if kind == "eh at 0" || kind == "debug" {
			sec.Addr = 0
		}
		enc := byte(pePCRel | peS8)
		if kind == "debug" {
			enc = peAbs
		}
		cie := w.cie(common("zR", append([]byte{1, enc}, base...)...))
		type row struct{ start, entry uint64 }
		var rows []row
		for i, start := range starts {
			rows = append(rows, row{start, sec.Addr + uint64(len(w.out))})
			if enc != peAbs {
				start -= sec.Addr + uint64(len(w.out)) + 8
			}
			w.fde(cie, w.span(start, 0x100, 0, cfaUndefined, byte(i)))
		}
		sec.Data = w.out
		s := Sections{Arch: arch.AMD64, EHFrame: sec}
		switch kind {
		case "debug":
			s.EHFrame, s.DebugFrame = Section{}, sec
		case "table":
			slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.start, b.start) })
			fallthrough
		case "wrong table":
			hdr := []byte{1, peU4, peU4, peDataRel | peS4, 0, 0, 0, 0, byte(len(rows)), 0, 0, 0}
			for _, r := range rows {
				hdr = binary.LittleEndian.AppendUint32(hdr, uint32(r.start-0x10000))
				hdr = binary.LittleEndian.AppendUint32(hdr, uint32(r.entry-0x10000))
			}
			s.EHFrameHdr = Section{hdr, 0x10000}
		}
		u := New(s)
		for i, start := range starts {
			for _, pc := range []uint64{start, start + 0xff} {
				if row, err := u.Row(symbols.Offset(pc)); err != nil || row.Regs[uint64(i)].Kind != Undefined {
					t.Errorf("%s: pc %x: %+v, %v", kind, pc, row, err)
				}
			}
			for _, pc := range []uint64{start - 1, start + 0x100} {
				if _, err := u.Row(symbols.Offset(pc)); err != symbols.ErrNoUnwind {
					t.Errorf("%s: pc %x: %v", kind, pc, err)
				}
			}
		}
		if kind == "table" && (!u.hdr.sorted || u.ehIndex != nil) || kind == "wrong table" && u.hdr.sorted {
			t.Errorf("%s: sorted %v, index of %d entries", kind, u.hdr.sorted, len(u.ehIndex))
		}
	}
}

// cieEnd is where the second entry begins.
func cieEnd(w *table, common []byte) int {
	n := 4 + 4 + len(common)
	if w.wide {
		n += 8
		if !w.eh {
			n += 4
		}
	}
	return n
}

// FuzzSections: whatever sections hold, looking up and unwinding ends without a
// panic, and where Delve can be asked it agrees.
func FuzzSections(f *testing.F) {
	for _, name := range []string{"arm64-eh", "arm64-debug", "riscv64-eh", "i386-eh", "i386-debug"} {
		s := load(f, "testdata/"+name+".so")
		f.Add(s.EHFrame.Data, s.EHFrameHdr.Data, s.DebugFrame.Data, uint16(s.EHFrame.Addr), uint16(s.EHFrameHdr.Addr), uint16(0x1340))
	}
	w := &table{order: binary.LittleEndian}
	w.fde(w.cie(common("", base...)), w.span(0x1000, 0x100, cfaRemember, cfaExpr, 6, 2, 0x11, 0, 0x41, cfaValOffset, 3, 4, cfaRestoreState, 0xc0|3))
	f.Add([]byte{}, []byte{}, w.out, uint16(0), uint16(0), uint16(0x1010))
	f.Fuzz(func(t *testing.T, eh, hdr, debug []byte, ehAddr, hdrAddr, pc uint16) {
		for _, cpu := range []*arch.Arch{arch.AMD64, arch.I386, arch.ARM64} {
			u := New(Sections{Arch: cpu, EHFrame: Section{eh, uint64(ehAddr)}, EHFrameHdr: Section{hdr, uint64(hdrAddr)}, DebugFrame: Section{debug, 0}})
			pcs := []uint64{uint64(pc)}
			for _, isEH := range []bool{true, false} {
				for _, r := range u.index(isEH) {
					if len(pcs) < 50 {
						pcs = append(pcs, r.start, r.end-1)
					}
				}
			}
			for _, pc := range pcs {
				agree(t, u, pc)
				regs := arch.NewRegisters(cpu.DefaultSet())
				for i := range regs.Set.Regs {
					regs.SetUint(i, uint64(0x1000+8*i))
				}
				regs.SetPC(arch.Addr(pc))
				regs.Interrupted = true
				u.Unwind(t.Context(), 0, regs, &window{pieces: map[uint64][]byte{0xf00: make([]byte, 0x400)}})
			}
		}
	})
}

// agree compares the rowers at pc; where one fails the other must.
func agree(t *testing.T, u *Unwinder, pc uint64) {
	f, err := u.find(pc)
	if err != nil {
		return
	}
	p, err := f.listing()
	if err != nil || !expressible(p) {
		return
	}
	own, err := ownRower{}.row(p, pc)
	delve, err2 := delveRower{}.row(p, pc)
	if errors.Is(err, errNotReg) {
		return // Delve goes on with half a CFA
	}
	if (err != nil) != (err2 != nil) || err == nil && !reflect.DeepEqual(own, delve) {
		t.Fatalf("pc %x: own %+v, %v; Delve %+v, %v", pc, own, err, delve, err2)
	}
}
