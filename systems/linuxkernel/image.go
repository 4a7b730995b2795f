package linuxkernel

import (
	"context"
	"encoding/binary"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/symbols/btf"
	"dap-windbg/symbols/orc"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// Image implements systems.Namer: the names that the kernel keeps of itself, with the
// types and call frames in its memory, or those that it keeps of a module.
func (s *System) Image(ctx context.Context, w systems.World, m targets.Module) (symbols.Image, error) {
	if s.kernel != nil && m.Base == s.kernel.Base {
		return s.kernelNames(ctx, w, m)
	}
	at, ok := s.module(m)
	if !ok {
		return nil, nil
	}
	r := s.reader(ctx, w)
	table := r.moduleSymbols(at)
	if err := r.end(); err != nil {
		return nil, err
	}
	n := newNames(symbols.Key{Path: m.Path, Name: m.Path, BuildID: m.BuildID}, uint64(m.Base), m.Size, table, "the kernel's table of symbols")
	if u := r.moduleFrames(at, m.Base, s.banner()); u != nil {
		n.Unwinder = u
	}
	if r.need != nil {
		return nil, r.end()
	}
	return n, nil // without rules, where they cannot be had
}

// banner is what the kernel says of itself, "" unknown.
func (s *System) banner() string {
	if s.kernel == nil {
		return ""
	}
	return s.kernel.Banner
}

// maxTable bounds a table of the kernel's that is read as a whole, bytes.
const maxTable = 32 << 20

// kernelNames is made once for a kernel.
func (s *System) kernelNames(ctx context.Context, w systems.World, m targets.Module) (symbols.Image, error) {
	k := s.kernel
	if k.table == nil {
		return nil, nil
	}
	if k.names != nil {
		return k.names, nil
	}
	f := &finder{ctx: ctx, t: w.Target(), s: s}
	n := newNames(symbols.Key{Path: m.Path, Name: m.Path, BuildID: m.BuildID}, uint64(m.Base), k.Size, k.table, "the kernel's table of symbols")
	data := k.own.types
	if !k.slow {
		data, _ = f.section(k.table, "__start_BTF", "__stop_BTF")
	} else if !k.own.typed {
		data = nil
	}
	if data != nil {
		if info, err := btf.Parse(data, nil); err == nil {
			info.SetImage(n)
			n.Typer = kernelTypes{info, n}
		}
	}
	header, _ := f.section(k.table, "__start_orc_header", "__stop_orc_header")
	if k.slow {
		if u := k.remoteFrames(header); u != nil {
			n.Unwinder = u
		}
		k.names = n
		return n, nil
	}
	ip, ipAt := f.section(k.table, "__start_orc_unwind_ip", "__stop_orc_unwind_ip")
	rules, rulesAt := f.section(k.table, "__start_orc_unwind", "__stop_orc_unwind")
	if u := orc.New(orc.Sections{IP: orc.Section{Data: ip, Addr: ipAt}, Unwind: orc.Section{Data: rules, Addr: rulesAt},
		Header: orc.Section{Data: header}, ReadOnly: orc.Section{Data: []byte(k.Banner)}, LinkBase: uint64(m.Base)}); u != nil {
		n.Unwinder = u
	}
	if f.lost != nil {
		return nil, f.lost
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	k.names = n
	return n, nil
}

// remoteFrames are the rules of frames of a kernel whose tables stay where they are, for the
// line is too slow to read them as a whole.
func (k *Kernel) remoteFrames(header []byte) *orc.Remote {
	var at [7]arch.Addr
	for i, name := range []string{"__start_orc_unwind_ip", "__stop_orc_unwind_ip", "__start_orc_unwind", "__stop_orc_unwind", "orc_lookup", "orc_lookup_end", "_stext"} {
		a, ok := k.table.address(name)
		if !ok {
			return nil
		}
		at[i] = arch.Addr(a)
	}
	return orc.NewRemote(orc.Tables{IP: at[0], IPEnd: at[1], Unwind: at[2], UnwindEnd: at[3], Lookup: at[4], LookupEnd: at[5],
		Text: at[6], Header: header, Banner: k.Banner})
}

// section reads what lies between two symbols; nil when there is no such thing.
func (f *finder) section(table *kallsyms, from, to string) ([]byte, uint64) {
	start, ok := table.address(from)
	end, ok2 := table.address(to)
	if !ok || !ok2 || end <= start || end-start > maxTable {
		return nil, 0
	}
	p := make([]byte, end-start)
	if f.read(arch.Addr(start), p) < len(p) {
		return nil, 0
	}
	return p, start
}

// kernelTypes are the types of BTF, with those of variables by their symbols.
type kernelTypes struct {
	*btf.Info
	n *Names
}

// Global implements symbols.Typer.
func (t kernelTypes) Global(name string) (symbols.Variable, bool) {
	a, ok := t.n.places.address(name)
	typ, known := t.Variable(name)
	if !ok || !known {
		return symbols.Variable{}, false
	}
	return symbols.Variable{Name: name, Type: typ, Static: true, Location: at(a - t.n.base)}, true
}

// GlobalAt implements symbols.Typer.
func (t kernelTypes) GlobalAt(off symbols.Offset) (symbols.Variable, bool) {
	s, ok := t.n.At(off)
	if !ok || s.Kind != symbols.Data {
		return symbols.Variable{}, false
	}
	return t.Global(s.Name)
}

// Function implements symbols.Typer.
func (t kernelTypes) Function(off symbols.Offset) (*symbols.Type, bool) {
	s, ok := t.n.At(off)
	if !ok || s.Offset != off {
		return nil, false
	}
	return t.Info.Function(s.Name)
}

// at is the location of what lies at an offset of its image.
type at symbols.Offset

// Pieces implements symbols.Location.
func (a at) Pieces(_ context.Context, f symbols.Frame, _ symbols.Offset) ([]symbols.Piece, error) {
	return []symbols.Piece{{Kind: symbols.InMemory, Addr: f.Base() + arch.Addr(a)}}, nil
}

// elfSymbol is the size of Elf64_Sym (elf(5)): name, info, other, section, value, size.
const elfSymbol = 24

// moduleSymbols reads struct mod_kallsyms: while its init runs a module has all its
// symbols, later those that stay.
func (r *reader) moduleSymbols(module arch.Addr) *kallsyms {
	at := arch.Addr(r.get(module, "module", "kallsyms"))
	n := r.get(at, "mod_kallsyms", "num_symtab")
	symtab, strtab := arch.Addr(r.get(at, "mod_kallsyms", "symtab")), arch.Addr(r.get(at, "mod_kallsyms", "strtab"))
	k := &kallsyms{}
	if r.stuck() || at == 0 || n == 0 || n > maxSymbols {
		return k
	}
	p := make([]byte, n*elfSymbol)
	r.read(symtab, p)
	if r.stuck() {
		return k
	}
	le := binary.LittleEndian
	var most uint32
	for q := p; len(q) >= elfSymbol; q = q[elfSymbol:] {
		most = max(most, le.Uint32(q))
	}
	r.touch(strtab, int(min(most, maxTable))+1) // the names in one flight
	for ; len(p) >= elfSymbol; p = p[elfSymbol:] {
		name := r.text(strtab+arch.Addr(le.Uint32(p)), 512)
		info, section, value := p[4], le.Uint16(p[6:]), le.Uint64(p[8:])
		if name == "" || section == 0 || info&0xf > 2 { // undefined; no function, object or label
			continue
		}
		kind := byte('d')
		if info&0xf == 2 {
			kind = 't'
		}
		if info>>4 == 1 {
			kind -= 'a' - 'A'
		}
		k.addresses, k.kinds, k.names = append(k.addresses, value), append(k.kinds, kind), append(k.names, name)
	}
	k.index()
	return k
}
