package winkernel

import (
	"context"
	"encoding/binary"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// ldr is how an entry of a loader's list lies in memory (KLDR_DATA_TABLE_ENTRY and
// LDR_DATA_TABLE_ENTRY, whose beginnings agree), by the width of a pointer. full and
// name are UNICODE_STRINGs.
type ldr struct{ base, entry, size, full, name, length int }

var ldrLayout = map[int]ldr{8: {0x30, 0x38, 0x40, 0x48, 0x58, 0x68}, 4: {0x18, 0x1c, 0x20, 0x24, 0x2c, 0x34}}

// entry is one module of a list.
type entry struct {
	at     arch.Addr
	flink  arch.Addr
	module targets.Module
}

// Modules implements systems.System: the kernel first, then in the order of loading,
// then those of the process that is looked at.
func (s *System) Modules(ctx context.Context, w systems.World) ([]targets.Module, error) {
	k, err := s.known(ctx, w)
	if err != nil {
		return nil, err
	}
	r := s.reader(ctx, w)
	rows, counter := r.kernelModules(k)
	if r.need != nil || ctx.Err() != nil {
		return nil, r.end()
	}
	s.rows, s.counter = rows, counter
	var out []targets.Module
	for _, e := range rows {
		out = append(out, e.module)
	}
	if len(out) == 0 { // the list is not there yet: while it boots, or torn
		m := targets.Module{Path: "ntoskrnl.exe", Name: KernelName, Base: k.Base, Main: true}
		m.Stamp, m.Size = r.header(k.Base)
		if r.need != nil {
			return nil, r.need
		}
		out = append(out, m)
	}
	return append(out, s.users...), nil
}

// kernelModules reads the list; what was read before and is still there is not read
// again: unloads are counted by the kernel, and loads come at the end.
func (r *reader) kernelModules(k *Kernel) ([]entry, uint64) {
	if k.Modules == 0 {
		return nil, 0
	}
	counter := uint64(0)
	counted := false
	if at, ok := r.variable(kdLastUnloaded, "MmLastUnloadedDriver"); ok {
		counter = r.uint(at, 4)
		counted = !r.stuck()
		_ = r.settle()
	}
	var rows []entry
	at := r.pointer(k.Modules)
	if old := r.s.rows; counted && counter == r.s.counter && len(old) > 0 {
		last := &old[len(old)-1]
		if next := r.pointer(last.at); !r.stuck() && old[0].at == at {
			rows = append(rows, old...)
			rows[len(rows)-1].flink = next
			at = next
		}
		_ = r.settle()
	}
	until := arch.Addr(0)
	for range maxList {
		if at == k.Modules || at == 0 || r.need != nil {
			break
		}
		if n := len(rows); n > 0 && at+(at-rows[n-1].at) > until {
			until = r.ahead(rows[n-1].at, at)
		}
		e, ok := r.entry(at)
		if !ok {
			break
		}
		if len(rows) == 0 {
			e.module.Main, e.module.Name = true, KernelName
		}
		rows = append(rows, e)
		at = e.flink
	}
	return rows, counter
}

// Entries that the kernel made one after the other lie one behind the other in its
// pool, each with its name behind it: so many that may follow are read in one request.
const (
	closeBy  = 0x180 // no further from one to the next, bytes
	together = 16
	pageSize = 0x1000
)

// ahead reads the entry at, and what follows it on its page, when it lies close behind
// the one before. It returns where what was read ends.
func (r *reader) ahead(before, at arch.Addr) arch.Addr {
	d := at - before
	if at <= before || d > closeBy || r.stuck() {
		return 0
	}
	end := at + min(together*d, pageSize-at%pageSize)
	r.read(at, make([]byte, end-at))
	_ = r.settle()
	return end
}

// entry reads one entry and its name.
func (r *reader) entry(at arch.Addr) (entry, bool) {
	w := r.s.width()
	l := ldrLayout[w]
	p := make([]byte, l.length)
	if !r.read(at, p) {
		return entry{}, false
	}
	number := func(off, n int) uint64 {
		var b [8]byte
		copy(b[:n], p[off:])
		return binary.LittleEndian.Uint64(b[:])
	}
	e := entry{at: at, flink: arch.Addr(number(0, w))}
	e.module.Base, e.module.Size = arch.Addr(number(l.base, w)), number(l.size, 4)
	e.module.Path = r.wide(arch.Addr(number(l.name+w, w)), int(number(l.name, 2)))
	if e.module.Path == "" && !r.stuck() {
		e.module.Path = "unknown_" + hex(r.s, e.module.Base) + ".sys"
	}
	return e, !r.stuck()
}

// headers is how much of an image is read for its identity: the headers of nearly all
// images lie within, bytes.
const headers = 0x180

// header reads the time stamp and the size from an image's headers (Microsoft PE
// format specification), zeros when there are none.
func (r *reader) header(base arch.Addr) (stamp uint32, size uint64) {
	p := make([]byte, headers)
	if !r.read(base, p) || string(p[:2]) != "MZ" {
		return 0, 0
	}
	le := binary.LittleEndian
	nt := int(le.Uint32(p[0x3c:]))
	if nt < 0x40 || nt > 0x1000 {
		return 0, 0
	}
	if nt+0x54 > len(p) {
		q := make([]byte, 0x54)
		if !r.read(base+arch.Addr(nt), q) {
			return 0, 0
		}
		p, nt = q, 0
	}
	if string(p[nt:nt+4]) != "PE\x00\x00" {
		return 0, 0
	}
	return le.Uint32(p[nt+8:]), uint64(le.Uint32(p[nt+0x50:]))
}

// Identify fills in what identifies an image's file, from its headers in memory.
func (s *System) Identify(ctx context.Context, w systems.World, m targets.Module) (targets.Module, error) {
	r := s.reader(ctx, w)
	stamp, size := r.header(m.Base)
	if r.need != nil {
		return m, r.need
	}
	if stamp != 0 {
		m.Stamp = stamp
	}
	if m.Size == 0 {
		m.Size = size
	}
	return m, nil
}

// Unloaded is a driver that has gone.
type Unloaded struct {
	Name       string
	Start, End arch.Addr
}

// unloadedRows is how many the kernel remembers (MI_UNLOADED_DRIVERS).
const unloadedRows = 50

// unloaded reads what the kernel remembers of drivers that went, the latest last.
func (r *reader) unloaded() []Unloaded {
	at, ok := r.variable(kdUnloadedDrivers, "MmUnloadedDrivers")
	last, ok2 := r.variable(kdLastUnloaded, "MmLastUnloadedDriver")
	if !ok || !ok2 {
		return nil
	}
	table, n := r.pointer(at), r.uint(last, 4)
	if table == 0 || r.stuck() {
		return nil
	}
	var out []Unloaded
	for i := range min(n, unloadedRows) {
		w := uint64(r.s.width()) // a UNICODE_STRING, two addresses, a time
		row := table + arch.Addr((n-min(n, unloadedRows)+i)%unloadedRows*(4*w+8))
		u := Unloaded{Name: r.unicode(row), Start: r.pointer(row + arch.Addr(2*w)), End: r.pointer(row + arch.Addr(3*w))}
		if r.stuck() {
			break
		}
		out = append(out, u)
	}
	return out
}

// userModules reads the modules of a process from its loader's data; the process's
// address space must be the one that is looked at.
func (r *reader) userModules(peb arch.Addr) []targets.Module {
	data := arch.Addr(r.get(peb, "_PEB", "Ldr"))
	if data == 0 || r.stuck() {
		return nil
	}
	var out []targets.Module
	for at := range r.list(r.at(data, "_PEB_LDR_DATA", "InLoadOrderModuleList"), 0) {
		e, ok := r.entry(at)
		if !ok {
			break
		}
		if !strings.Contains(e.module.Path, ".") {
			e.module.Path += ".dll"
		}
		out = append(out, e.module)
	}
	return out
}
