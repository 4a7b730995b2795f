package linux

import (
	"context"

	"dap-windbg/arch"
	"dap-windbg/binfmt/elf"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// watched are the names of the function that loaders call around each change of
// their list: glibc's and bionic's; musl's, which has both.
var watched = []string{"_dl_debug_state", "__dl_debug_state", "dl_debug_state"}

// Watch implements systems.System. The names are found in the loader (or in a
// static musl, which is its own loader) once its symbols are known; before that
// WatchAddress finds the same place.
func (*System) Watch() []string { return append([]string(nil), watched...) }

// WatchAddress finds the code whose execution means that the module list may
// have changed, without any symbols: from the loader's rendezvous structure, and
// before the loader has filled that in, from its dynamic symbol table in memory,
// which works from the process's very first instruction. 0 when the process has
// no loader. Reads follow the rule of symbols.NeedError.
func (s *System) WatchAddress(ctx context.Context, w systems.World) (arch.Addr, error) {
	var at uint64
	if err := s.pass(ctx, w, func(r *reader, t *told) { at = r.watch(t) }); err != nil {
		return 0, err
	}
	return arch.Addr(at), nil
}

func (r *reader) watch(t *told) uint64 {
	mainBase, loaderBase := t.auxv[AtPhdr]&^(elf.PageSize-1), t.auxv[AtBase]
	r.touch([]targets.Module{{Base: arch.Addr(mainBase)}, {Base: arch.Addr(loaderBase)}})
	if loaderBase != 0 {
		if loader := r.mapped(loaderBase, targets.Module{}); loader != nil {
			if at := r.exported(loader, watched); at != 0 {
				return at
			}
		}
	}
	if mainBase == 0 {
		return 0
	}
	if debug := r.debugAddress(r.mapped(mainBase, targets.Module{})); debug != 0 {
		d, _ := r.rendezvous(debug)
		return d.brk
	}
	return 0
}

// exported finds the first of names in an image's dynamic symbol table in memory.
func (r *reader) exported(m *mapped, names []string) uint64 {
	tags := r.dynamic(m.dynamic)
	// A loader that has not relocated itself yet holds link-time addresses there.
	address := func(tag uint64) uint64 {
		v := tags[tag]
		if v != 0 && v < m.base {
			v += m.bias
		}
		return v
	}
	table := hashTable{reader: r, symbols: address(dtSymtab), strings: address(dtStrtab), size: tags[dtStrsz]}
	hash := address(dtGNUHash)
	if hash == 0 || table.symbols == 0 || table.strings == 0 {
		return 0
	}
	for _, name := range names {
		if v := table.lookup(hash, name); v != 0 {
			return m.bias + v
		}
	}
	return 0
}

// hashTable is a .gnu.hash in memory with the tables it indexes.
type hashTable struct {
	*reader
	symbols, strings, size uint64
}

// chainLimit bounds a hash chain; real ones have a handful of entries.
const chainLimit = 1024

// lookup returns the value of a defined symbol, 0 when there is none.
func (t *hashTable) lookup(table uint64, name string) uint64 {
	h := uint32(5381)
	for i := range len(name) {
		h = h*33 + uint32(name[i])
	}
	var head [16]byte // nbuckets, symoffset, bloom words, bloom shift
	if t.read(table, head[:]) < len(head) {
		return 0
	}
	buckets, offset, bloom := t.order.Uint32(head[:]), t.order.Uint32(head[4:]), t.order.Uint32(head[8:])
	if buckets == 0 {
		return 0
	}
	bucketsAt := table + 16 + uint64(bloom)*uint64(t.ptrSize)
	index := t.u32(bucketsAt + 4*uint64(h%buckets))
	for range chainLimit {
		if index == 0 || index < offset {
			return 0
		}
		entry := t.u32(bucketsAt + 4*uint64(buckets) + 4*uint64(index-offset))
		if (entry^h)&^1 == 0 {
			if v := t.match(index, name); v != 0 {
				return v
			}
		}
		if entry&1 != 0 {
			return 0
		}
		index++
	}
	return 0
}

func (t *hashTable) u32(addr uint64) uint32 {
	var p [4]byte
	if t.read(addr, p[:]) < 4 {
		return 0
	}
	return t.order.Uint32(p[:])
}

// match returns the value of symbol index when that is its name (Elf32_Sym and
// Elf64_Sym differ in the order of their fields).
func (t *hashTable) match(index uint32, name string) uint64 {
	size, valueAt := uint64(24), 8
	if t.ptrSize == 4 {
		size, valueAt = 16, 4
	}
	p := make([]byte, size)
	if t.read(t.symbols+uint64(index)*size, p) < len(p) {
		return 0
	}
	at := uint64(t.order.Uint32(p))
	text := make([]byte, len(name)+1)
	if at >= t.size || t.read(t.strings+at, text) < len(text) || string(text) != name+"\x00" {
		return 0
	}
	return word(p[valueAt:], t.order, t.ptrSize)
}
