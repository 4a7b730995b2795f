package orc

import (
	"context"
	"encoding/binary"
	"errors"
	"sort"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// regions are pieces of memory by their addresses, which tell what was read.
type regions struct {
	at    map[arch.Addr][]byte
	reads int
	bytes int
	need  bool
}

func (r *regions) ReadMemory(_ context.Context, a arch.Addr, p []byte) (int, error) {
	if r.need {
		return 0, &symbols.NeedError{Addr: a, Size: len(p)}
	}
	for at, data := range r.at {
		if a >= at && uint64(a-at) <= uint64(len(data)) && len(p) <= len(data)-int(a-at) {
			r.reads++
			r.bytes += len(p)
			return copy(p, data[a-at:]), nil
		}
	}
	return 0, errors.New("no memory there")
}

// remote is what a kernel has in memory once it has started: s, and the lookup that it makes
// of that for the code from text up to end (unwind_init in arch/x86/kernel/unwind_orc.c).
func remote(s Sections, text, end uint64) (*Remote, *regions) {
	u := New(s)
	u.once.Do(u.open)
	const lookupAt, rulesAt = 0x7000_0000, 0x6000_0000
	var lookup []byte
	blocks := int((end-text+blockSize-1)/blockSize) + 1
	for i := range blocks {
		at := text + uint64(i)*blockSize
		if i == blocks-1 {
			at = end
		}
		n := sort.Search(u.count, func(j int) bool { return u.start(j) > at })
		lookup = binary.LittleEndian.AppendUint32(lookup, uint32(max(n-1, 0)))
	}
	mem := &regions{at: map[arch.Addr][]byte{arch.Addr(s.IP.Addr): s.IP.Data, rulesAt: s.Unwind.Data, lookupAt: lookup}}
	return NewRemote(Tables{IP: arch.Addr(s.IP.Addr), IPEnd: arch.Addr(s.IP.Addr) + arch.Addr(ipSize*u.count),
		Unwind: rulesAt, UnwindEnd: rulesAt + arch.Addr(entrySize*u.count), Lookup: lookupAt, LookupEnd: lookupAt + arch.Addr(len(lookup)), Text: arch.Addr(text),
		Header: s.Header.Data, Banner: string(s.ReadOnly.Data)}), mem
}

// TestRemote: the rules that are read piece by piece are those of the whole tables.
func TestRemote(t *testing.T) {
	var rules []rule
	const text, end = 0x1000, 0x9000
	for at, i := uint64(text), 0; at < end; at, i = at+uint64(1+i*i%397), i+1 {
		rules = append(rules, rule{at, int16(8 * i), -16, 0x15})
	}
	s := tables(rules...)
	u := New(s)
	r, mem := remote(s, text, end)
	for pc := uint64(text); pc < end; pc++ {
		want, _ := u.find(pc)
		if got, err := r.find(t.Context(), arch.Addr(pc), mem); err != nil || got != want {
			t.Fatalf("%x: %+v, %v; want %+v", pc, got, err, want)
		}
	}
	if per := mem.bytes / (end - text); mem.reads != 3*(end-text) || per > 100 {
		t.Errorf("%d reads for %d places, %d bytes each", mem.reads, end-text, per)
	}
	r.blocks = 20 // the rest is not looked up
	for pc := uint64(text); pc < end+0x1000; pc++ {
		want, _ := u.find(pc)
		if got, err := r.find(t.Context(), arch.Addr(pc), mem); err != nil || got != want {
			t.Fatalf("%x, by bisection: %+v, %v; want %+v", pc, got, err, want)
		}
	}
	for _, pc := range []arch.Addr{0, text - 1} {
		if _, err := r.find(t.Context(), pc, mem); !errors.Is(err, symbols.ErrNoUnwind) {
			t.Errorf("outside, at %x: %v", uint64(pc), err)
		}
	}
	mem.need = true
	var need *symbols.NeedError
	regs := arch.NewRegisters(arch.AMD64.DefaultSet())
	regs.SetPC(text + 0x100)
	if _, _, err := r.Unwind(t.Context(), 0, regs, mem); !errors.As(err, &need) || need.Size != 8 {
		t.Errorf("what is not there yet: %v", err)
	}
	mem.need = false
	look := mem.at[r.t.Lookup]
	mem.at[r.t.Lookup] = make([]byte, len(look)) // as before unwind_init
	for pc := arch.Addr(text + blockSize); pc < text+19*blockSize; pc += 100 {
		if got, err := r.find(t.Context(), pc, mem); !errors.Is(err, symbols.ErrNoUnwind) {
			t.Fatalf("%x, before the table is made: %+v, %v", uint64(pc), got, err)
		}
	}
	mem.at[r.t.Lookup] = look
	for _, bad := range [][]byte{{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, {0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}} {
		copy(mem.at[r.t.Lookup], bad)
		if _, err := r.find(t.Context(), text, mem); !errors.Is(err, symbols.ErrNoUnwind) {
			t.Errorf("a torn table: %v", err)
		}
	}
	if NewRemote(Tables{}) != nil {
		t.Error("no tables are tables")
	}
}

// TestRemoteKernel: so they are for the code of a distribution's kernel.
func TestRemoteKernel(t *testing.T) {
	_, section := kernel(t)
	part := func(name string) Section { data, addr := section(name); return Section{data, addr} }
	s := Sections{IP: part(".orc_unwind_ip"), Unwind: part(".orc_unwind"), Header: part(".orc_header"), ReadOnly: part(".rodata")}
	code := part(".text")
	end := code.Addr + uint64(len(code.Data))
	u := New(s)
	r, mem := remote(s, code.Addr, end)
	for _, of := range []Section{code, part(".init.text")} {
		places := 0
		mem.reads, mem.bytes = 0, 0
		for pc := of.Addr; pc < of.Addr+uint64(len(of.Data)); pc += 61 {
			want, _ := u.find(pc)
			if got, err := r.find(t.Context(), arch.Addr(pc), mem); err != nil || got != want {
				t.Fatalf("%x: %+v, %v; want %+v", pc, got, err, want)
			}
			places++
		}
		t.Logf("%d places from %x on, %d reads and %d bytes each", places, of.Addr, mem.reads/places, mem.bytes/places)
	}
}
