package orc

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// rule is an entry as a test writes it.
type rule struct {
	start        uint64
	spOff, bpOff int16
	flags        uint16
}

const ipAt = 0x100000

// tables lays rules out as the kernel's linker does.
func tables(rules ...rule) Sections {
	le := binary.LittleEndian
	s := Sections{IP: Section{Addr: ipAt}}
	for i, r := range rules {
		s.IP.Data = le.AppendUint32(s.IP.Data, uint32(r.start-ipAt-uint64(4*i)))
		s.Unwind.Data = le.AppendUint16(s.Unwind.Data, uint16(r.spOff))
		s.Unwind.Data = le.AppendUint16(s.Unwind.Data, uint16(r.bpOff))
		s.Unwind.Data = le.AppendUint16(s.Unwind.Data, r.flags)
	}
	return s
}

func header(t *testing.T, hash string) Section {
	t.Helper()
	data, err := hex.DecodeString(hash)
	if err != nil {
		t.Fatal(err)
	}
	return Section{Data: data}
}

// TestLayouts reads the same rules in the layouts of all kernels.
func TestLayouts(t *testing.T) {
	want := []entry{
		{},
		{kind: end},
		{sp: sp, spOff: 24, bp: prevSP, bpOff: -16, kind: call},
		{sp: bp, spOff: 16, bp: prevSP, bpOff: -16, kind: call},
		{sp: sp, spOff: 8, kind: regs, signal: true},
		{sp: sp, kind: partial, signal: true},
		{sp: spIndirect, spOff: 8, kind: call},
		{sp: bpIndirect, spOff: -8, bp: bp, kind: call},
		{sp: r10, kind: call},
	}
	const a, b, c = "db84aed4103b31dd51e017f8f79783ca985c2c51", "fe5d32bf581bd63b2ca9a5c65ba5a625eab3fe24", "137c36ad7627c4dd55932176bb0ecdbd5041fc82"
	first := []uint16{0, 0, 0x15, 0x14, 0x05, 0x05, 0x09, 0x48, 0x06} // SP and BP register
	later := []uint16{0, 0, 0x83, 0x84, 0x03, 0x03, 0x09, 0x4a, 0x06}
	for _, x := range []struct {
		name      string
		s         Sections
		registers []uint16
		flags     [9]uint16
	}{
		{"5.10", Sections{ReadOnly: Section{Data: []byte("\x00Linux version 5.10.0-9-amd64 (x)")}}, first, [9]uint16{0, 0x400, 0, 0, 0x100, 0x200}},
		{"6.1", Sections{ReadOnly: Section{Data: []byte("Linux version 6.1.0 (x)")}}, first, [9]uint16{0, 0x400, 0, 0, 0x100, 0x200}},
		{"a module of 6.1", Sections{ModInfo: Section{Data: []byte("license=GPL\x00vermagic=6.1.0-56-amd64 SMP")}}, first, [9]uint16{0, 0x400, 0, 0, 0x100, 0x200}},
		{"unknown release", Sections{}, first, [9]uint16{0, 0x400, 0, 0, 0x100, 0x200}},
		{"6.3.1", Sections{ReadOnly: Section{Data: []byte("Linux version 6.3.1 (x)")}}, first, [9]uint16{0, 0x800, 0, 0, 0x500, 0x600}},
		{"6.3.10", Sections{Header: header(t, a)}, first, [9]uint16{0, 0x800, 0, 0, 0x500, 0x600}},
		{"6.4.0", Sections{ReadOnly: Section{Data: []byte("Linux version 6.4.0-rc1 (x)")}}, first, [9]uint16{0, 0x100, 0x200, 0x200, 0xb00, 0xc00, 0x200, 0x200, 0x200}},
		{"6.12", Sections{Header: header(t, b)}, first, [9]uint16{0, 0x100, 0x200, 0x200, 0xb00, 0xc00, 0x200, 0x200, 0x200}},
		{"later", Sections{Header: header(t, c)}, later, [9]uint16{0, 0x100, 0x200, 0x200, 0xb00, 0xc00, 0x200, 0x200, 0x200}},
	} {
		var rules []rule
		for i, w := range want {
			rules = append(rules, rule{uint64(0x1000 * (i + 1)), int16(w.spOff), int16(w.bpOff), x.registers[i] | x.flags[i]})
		}
		s := tables(rules...)
		s.Header, s.ReadOnly, s.ModInfo = x.s.Header, x.s.ReadOnly, x.s.ModInfo
		u := New(s)
		for i, w := range want {
			if e, ok := u.find(uint64(0x1000*(i+1)) + 0xfff); !ok || e != w {
				t.Errorf("%s: rule %d is %+v, %v; want %+v", x.name, i, e, ok, w)
			}
		}
	}
	strange := tables(rule{0x1000, 8, 0, 5})
	strange.Header = header(t, "00112233")
	if e, ok := New(strange).find(0x1000); ok {
		t.Errorf("a header nobody knows: %+v", e)
	}
}

// TestOrder: tables of modules lie as the linker left them, and where one piece
// of code ends the next one's rule counts.
func TestOrder(t *testing.T) {
	u := New(tables(rule{0x5000, 32, 0, 5}, rule{0x6000, 0, 0, 0}, rule{0x1000, 8, 0, 5}, rule{0x2000, 0, 0, 0}, rule{0x2000, 16, 0, 5}))
	for pc, want := range map[uint64]int64{0x1000: 8, 0x1fff: 8, 0x2000: 16, 0x4fff: 16, 0x5000: 32} {
		if e, ok := u.find(pc); !ok || e.spOff != want || e.kind != call {
			t.Errorf("pc %x: %+v, %v", pc, e, ok)
		}
	}
	for _, pc := range []uint64{0, 0xfff} {
		if e, ok := u.find(pc); ok {
			t.Errorf("pc %x: %+v", pc, e)
		}
	}
	if e, _ := u.find(0x6000); e.kind != unknown {
		t.Errorf("past the code: %+v", e)
	}
	if New(Sections{}) != nil {
		t.Error("an unwinder of nothing")
	}
}

// words is memory of 8-byte words; what has no entry is unreadable, or not
// fetched yet.
type words struct {
	at    map[uint64]uint64
	need  bool
	asked []uint64
}

func (w *words) ReadMemory(_ context.Context, addr arch.Addr, p []byte) (int, error) {
	v, ok := w.at[uint64(addr)]
	if !ok || w.need {
		w.asked = append(w.asked, uint64(addr))
		if w.need {
			return 0, &symbols.NeedError{Addr: addr, Size: len(p)}
		}
		return 0, errors.New("no memory there")
	}
	return copy(p, binary.LittleEndian.AppendUint64(nil, v)), nil
}

func TestUnwind(t *testing.T) {
	interrupted := map[uint64]uint64{}
	for i := range savedRegisters {
		interrupted[0x8000+uint64(8*i)] = 0xa000 + uint64(i)
	}
	for _, c := range []struct {
		name   string
		r      rule
		mem    map[uint64]uint64
		want   map[string]uint64
		cfa    uint64
		signal bool
		err    error
	}{
		{name: "call by SP", r: rule{flags: 0x15, spOff: 32, bpOff: -16}, mem: map[uint64]uint64{0x8018: 0x2222, 0x8010: 0x9999},
			want: map[string]uint64{"rip": 0x2222, "rsp": 0x8020, "rbp": 0x9999, "gs_base": 7}, cfa: 0x8020},
		{name: "call by BP", r: rule{flags: 0x14, spOff: 16, bpOff: -16}, mem: map[uint64]uint64{0x9008: 0x2222, 0x9000: 0x9999},
			want: map[string]uint64{"rip": 0x2222, "rsp": 0x9010, "rbp": 0x9999}, cfa: 0x9010},
		{name: "BP unchanged", r: rule{flags: 0x05, spOff: 8}, mem: map[uint64]uint64{0x8000: 0x2222},
			want: map[string]uint64{"rip": 0x2222, "rsp": 0x8008, "rbp": 0x9000}, cfa: 0x8008},
		{name: "an aligned stack", r: rule{flags: 0x48, spOff: -8}, mem: map[uint64]uint64{0x8ff8: 0x9100, 0x90f8: 0x2222, 0x9000: 0x9999},
			want: map[string]uint64{"rip": 0x2222, "rsp": 0x9100, "rbp": 0x9999}, cfa: 0x9100},
		{name: "aligned, before BP is saved", r: rule{flags: 0x06}, mem: map[uint64]uint64{0x7ff8: 0x2222},
			want: map[string]uint64{"rip": 0x2222, "rsp": 0x8000, "rbp": 0x9000}, cfa: 0x8000},
		{name: "another stack", r: rule{flags: 0x09, spOff: 8}, mem: map[uint64]uint64{0x8000: 0x7000, 0x7000: 0x2222},
			want: map[string]uint64{"rip": 0x2222, "rsp": 0x7008, "rbp": 0x9000}, cfa: 0x7008},
		{name: "an interrupt", r: rule{flags: 0x105}, mem: interrupted, cfa: 0x8000, signal: true,
			want: map[string]uint64{"r15": 0xa000, "rbp": 0xa004, "rdi": 0xa00e, "rip": 0xa010, "cs": 0xa011, "rsp": 0xa013, "ss": 0xa014}},
		{name: "an interrupt's first instructions", r: rule{flags: 0x205, spOff: 0x80}, mem: interrupted, cfa: 0x8080, signal: true,
			want: map[string]uint64{"rip": 0xa010, "rsp": 0xa013, "rbp": 0x9000}},
		{name: "the outermost", r: rule{flags: 0x400}, err: symbols.ErrOutermost},
		{name: "nobody called", r: rule{flags: 0x05, spOff: 8}, mem: map[uint64]uint64{0x8000: 0}, err: symbols.ErrOutermost},
		{name: "no rule", err: symbols.ErrNoUnwind},
	} {
		c.r.start = 0x1000
		s := tables(c.r)
		s.LinkBase = 0x800
		u := New(s)
		regs := arch.NewRegisters(arch.AMD64.DefaultSet())
		for name, v := range map[string]uint64{"rip": 0x41810, "rsp": 0x8000, "rbp": 0x9000, "r10": 0x8000, "rbx": 5, "rax": 6, "gs_base": 7} {
			regs.PutName(name, v)
		}
		got, cfa, err := u.Unwind(t.Context(), 0x41000, regs, &words{at: c.mem})
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
			continue
		}
		if err != nil {
			continue
		}
		if uint64(cfa) != c.cfa || got.Interrupted != c.signal {
			t.Errorf("%s: CFA %x, interrupted %v", c.name, cfa, got.Interrupted)
		}
		for name, want := range c.want {
			if v, ok := got.Get(name); !ok || v != want {
				t.Errorf("%s: %s is %x, %v; want %x", c.name, name, v, ok, want)
			}
		}
		if _, ok := got.Get("rbx"); ok != (c.name == "an interrupt") {
			t.Errorf("%s: rbx known: %v", c.name, ok)
		}
		if fa, ok, err := u.FrameAddress(t.Context(), 0x810, regs, &words{at: c.mem}); err != nil || ok != !c.signal || ok && fa != c.cfa {
			t.Errorf("%s: frame address %x, %v, %v", c.name, fa, ok, err)
		}
	}
}

// TestFlights: what is missing is asked for at once, and what cannot be read is said.
func TestFlights(t *testing.T) {
	regs := arch.NewRegisters(arch.AMD64.DefaultSet())
	regs.SetPC(0x1010)
	regs.SetSP(0x8000)
	mem := &words{need: true}
	var need *symbols.NeedError
	if _, cfa, err := New(tables(rule{0x1000, 0, 0, 0x105})).Unwind(t.Context(), 0, regs, mem); !errors.As(err, &need) || len(mem.asked) != 20 || cfa != 0x8000 {
		t.Errorf("%v, CFA %x, asked for %x", err, cfa, mem.asked)
	}
	if _, _, err := New(tables(rule{0x1000, 8, 0, 5})).Unwind(t.Context(), 0, regs, &words{}); err == nil || errors.As(err, &need) {
		t.Errorf("an unreadable stack: %v", err)
	}
	if _, _, err := New(tables(rule{0x1000, 0, 0, 3})).Unwind(t.Context(), 0, regs, &words{}); err == nil {
		t.Error("a frame counted from an unknown register")
	}
}

// FuzzTables: whatever the tables hold, unwinding ends without a panic.
func FuzzTables(f *testing.F) {
	s := tables(rule{0x1000, 8, 0, 5}, rule{0x2000, 0, 0, 0x105}, rule{0x3000, 0, 0, 0x400})
	f.Add(s.IP.Data, s.Unwind.Data, []byte{}, []byte("Linux version 6.1.0"), uint32(0x1000))
	f.Add(s.IP.Data, s.Unwind.Data, []byte{0xfe, 0x5d}, []byte("vermagic=6."), uint32(0x2000))
	f.Fuzz(func(t *testing.T, ip, unwind, header, text []byte, pc uint32) {
		u := New(Sections{IP: Section{Data: ip, Addr: ipAt}, Unwind: Section{Data: unwind}, Header: Section{Data: header}, ReadOnly: Section{Data: text}, ModInfo: Section{Data: text}})
		if u == nil {
			return
		}
		regs := arch.NewRegisters(arch.AMD64.DefaultSet())
		for i := range regs.Set.Regs {
			regs.SetUint(i, uint64(0x8000+8*i))
		}
		regs.SetPC(arch.Addr(pc))
		mem := map[uint64]uint64{}
		for a := uint64(0x8000); a < 0x8400; a += 8 {
			mem[a] = a
		}
		u.Unwind(t.Context(), 0, regs, &words{at: mem})
		u.FrameAddress(t.Context(), symbols.Offset(pc), regs, &words{at: mem})
	})
}

// TestRules: the rules as text, with the code that they cover.
func TestRules(t *testing.T) {
	s := tables(rule{0x1000, 0, 0, 0}, rule{0x1010, 24, -16, 0x15}, rule{0x1020, 16, -16, 0x14}, rule{0x1030, 8, 0, 0x105}, rule{0x1040, 0, 0, 0x205}, rule{0x1050, 8, 0, 0x09}, rule{0x1060, -8, 0, 0x48})
	s.ReadOnly.Data, s.LinkBase = []byte("Linux version 6.1.0"), 0x1000
	u := New(s)
	for off, want := range map[symbols.Offset]string{
		0x04: "[ORC: no rule]", 0x10: "[ORC: CFA = rsp+24 ORC: RA = [CFA-8] ORC: rbp = [CFA-16]]", 0x2f: "[ORC: CFA = rbp+16 ORC: RA = [CFA-8] ORC: rbp = [CFA-16]]",
		0x30: "[ORC: the registers that an interrupt or system call saved, at rsp+8]", 0x40: "[ORC: what the CPU saved, at rsp+0]",
		0x50: "[ORC: CFA = [rsp]+8 ORC: RA = [CFA-8]]", 0x60: "[ORC: CFA = [rbp-8] ORC: RA = [CFA-8] ORC: rbp = [rbp+0]]",
	} {
		over, rules, err := u.Rules(off)
		if got := fmt.Sprint(rules); err != nil || got != want || off < over.Low || off >= over.High {
			t.Errorf("at %x: %s over %x to %x, %v; want %s", off, got, over.Low, over.High, err, want)
		}
	}
}
