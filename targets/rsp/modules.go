package rsp

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// Program header types and sizes (System V gABI, "Program Header").
const (
	ptLoad, ptDynamic, ptPhdr = 1, 2, 6
	phdr64, phdr32            = 56, 32
	elfHeader64, elfHeader32  = 64, 52
	maxPhdrs                  = 256
	maxModules                = 1 << 14 // of a list
)

// readModules reads the far end's own lists, and in the same flight the program
// headers of the main image, which those lists leave out.
func (p *plan) readModules(o *targets.ModulesRead) {
	c, t := p.t.c, p.t
	if !c.has("libraries-svr4") && !c.has("libraries") {
		p.readMain(func(m *targets.Module) {
			if o.Err = errors.ErrUnsupported; m != nil {
				o.Modules, o.Err = []targets.Module{*m}, nil
			}
		})
		return
	}
	var main *targets.Module
	p.readMain(func(m *targets.Module) { main = m })
	object, parse := "libraries-svr4", parseLinkMap
	if !c.has(object) {
		object, parse = "libraries", parseLibraries
	}
	p.object(object, "", func(_ *plan, data []byte, err error) {
		if refused := new(targets.RefusedError); errors.As(err, &refused) && main != nil {
			err = nil // before the dynamic linker has run there may be no list
		}
		if o.Err = err; err != nil {
			return
		}
		list := parse(data)
		o.Modules = t.withMain(main, list)
	})
}

// withMain puts the main image first.
func (t *Target) withMain(main *targets.Module, list []targets.Module) []targets.Module {
	if main == nil {
		path := t.info.Load().Path
		for i := range list {
			if path != "" && list[i].Path == path {
				list[i].Main = true
				m := list[i]
				copy(list[1:i+1], list[:i])
				list[0] = m
				break
			}
		}
		return list
	}
	out := []targets.Module{*main}
	for _, m := range list {
		if m.Main || m.Path == main.Path && m.Base == main.Base {
			continue
		}
		out = append(out, m)
	}
	return out
}

// parseLinkMap reads library-list-svr4 (GDB manual, "Library List Format for
// SVR4 Targets"). l_addr is the bias; for shared objects, which are linked at 0,
// also the lowest address.
func parseLinkMap(data []byte) (list []targets.Module) {
	var doc struct {
		Main      string `xml:"main-lm,attr"`
		Libraries []struct {
			Name string `xml:"name,attr"`
			LM   string `xml:"lm,attr"`
			Addr string `xml:"l_addr,attr"`
			LD   string `xml:"l_ld,attr"`
		} `xml:"library"`
	}
	if unmarshal(data, &doc) != nil {
		return nil
	}
	for _, l := range doc.Libraries[:min(len(doc.Libraries), maxModules)] {
		base := number(l.Addr)
		if l.Name == "" {
			continue
		}
		list = append(list, targets.Module{Path: l.Name, Base: arch.Addr(base), Bias: base, Dynamic: arch.Addr(number(l.LD)), Main: l.LM != "" && l.LM == doc.Main})
	}
	return list
}

// peHeaders is how far the first section of a PE image lies behind its base, in
// the images whose segment address is told instead of their base.
const peHeaders = 0x1000

// parseLibraries reads library-list (GDB manual, "Library List Format"): the
// address is that of the first segment, of PE images the .text section.
func parseLibraries(data []byte) (list []targets.Module) {
	type place struct {
		Address string `xml:"address,attr"`
	}
	var doc struct {
		Libraries []struct {
			Name     string  `xml:"name,attr"`
			Segments []place `xml:"segment"`
			Sections []place `xml:"section"`
		} `xml:"library"`
	}
	if unmarshal(data, &doc) != nil {
		return nil
	}
	for _, l := range doc.Libraries[:min(len(doc.Libraries), maxModules)] {
		places := append(l.Segments, l.Sections...)
		if l.Name == "" || len(places) == 0 {
			continue
		}
		at := number(places[0].Address)
		if at%0x10000 == peHeaders { // images begin at multiples of 64 KiB
			at -= peHeaders
		}
		list = append(list, targets.Module{Path: l.Name, Base: arch.Addr(at)})
	}
	return list
}

func number(s string) uint64 {
	v, _ := strconv.ParseUint(strings.TrimSpace(s), 0, 64)
	return v
}

// readMain finds where the main image lies from the program headers that the
// auxiliary vector points to. done gets nil when they cannot be read.
func (p *plan) readMain(done func(*targets.Module)) {
	t := p.t
	in := t.info.Load()
	t.c.mu.Lock()
	known := t.main
	t.c.mu.Unlock()
	if known != nil {
		done(known)
		return
	}
	aux := auxvEntries(in.auxv, in.Set.Arch)
	at, size, count := aux[3], aux[4], aux[5]
	if at == 0 || size != phdr64 && size != phdr32 || count == 0 || count > maxPhdrs {
		done(nil)
		return
	}
	o := &targets.MemoryRead{Addr: arch.Addr(at), Data: make([]byte, size*count)}
	p.readMemory(o)
	p.then(func(*plan) {
		m := mainImage(o.Data[:o.N], at, in)
		if m != nil {
			t.c.mu.Lock()
			t.main = m
			t.c.mu.Unlock()
		}
		done(m)
	})
}

type segment struct {
	kind                   uint32
	offset, vaddr, memSize uint64
}

func segments(raw []byte, a *arch.Arch) []segment {
	var order binary.ByteOrder = binary.LittleEndian
	if a.BigEndian {
		order = binary.BigEndian
	}
	var out []segment
	for a.PtrSize == 8 && len(raw) >= phdr64 {
		out = append(out, segment{order.Uint32(raw), order.Uint64(raw[8:]), order.Uint64(raw[16:]), order.Uint64(raw[40:])})
		raw = raw[phdr64:]
	}
	for a.PtrSize == 4 && len(raw) >= phdr32 {
		out = append(out, segment{order.Uint32(raw), uint64(order.Uint32(raw[4:])), uint64(order.Uint32(raw[8:])), uint64(order.Uint32(raw[20:]))})
		raw = raw[phdr32:]
	}
	return out
}

// mainImage computes bias and extent. Without PT_PHDR (static programs) the
// headers are taken to follow the ELF header, as every linker puts them.
func mainImage(raw []byte, at uint64, in *processInfo) *targets.Module {
	a := in.Set.Arch
	header := uint64(elfHeader64)
	if a.PtrSize == 4 {
		header = elfHeader32
	}
	segs := segments(raw, a)
	bias, found := uint64(0), false
	low, high := ^uint64(0), uint64(0)
	for _, s := range segs {
		switch {
		case s.kind == ptPhdr:
			bias, found = at-s.vaddr, true
		case s.kind == ptLoad:
			low, high = min(low, s.vaddr&^(page-1)), max(high, s.vaddr+s.memSize)
			if s.offset == 0 && !found {
				bias, found = at-s.vaddr-header, true
			}
		}
	}
	if !found || low >= high {
		return nil
	}
	m := &targets.Module{Path: in.Path, Main: true, Bias: bias, Base: arch.Addr(low + bias), Size: high - low}
	for _, s := range segs {
		if s.kind == ptDynamic {
			m.Dynamic = arch.Addr(s.vaddr + bias)
		}
	}
	return m
}
