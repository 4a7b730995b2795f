package elf

import (
	"encoding/binary"
	"hash/crc64"
	"os"
	"strings"
	"sync"

	"dap-windbg/binfmt/elf"
	"dap-windbg/symbols/index"
)

// keep has the sections that are decompressed kept in a cache, nil: nowhere.
func (p *part) keep(in *index.Cache) {
	if in != nil && p.file != nil && p.Type != elf.Rel {
		p.Keeper = &keeper{cache: in, id: sync.OnceValue(func() *index.Kept { return in.For(p.identity(nil)) })}
	}
}

// keeper keeps the decompressed sections of a file by its identity.
type keeper struct {
	cache *index.Cache
	id    func() *index.Kept
}

// Section implements elf.Keeper.
func (k *keeper) Section(name string, size uint64) elf.Beginning {
	if s := k.id().Section(name, size); s != nil {
		return s
	}
	return nil
}

// Keep implements elf.Keeper. What cannot be kept is decompressed again.
func (k *keeper) Keep(name string, size uint64, beginning []byte) {
	_ = k.id().KeepSection(name, size, beginning)
}

// Later implements elf.Keeper.
func (k *keeper) Later(f func()) { k.cache.Later(f) }

// identity names the debug information of a file, for what is kept between runs:
// its build-id, its size and time, and what its headers tell of the sections, for
// tools rewrite debug information and leave the build-id. common, when not nil, is
// the supplementary file, whose names are kept with the others. Nil for what is not
// kept: a relocatable file's addresses depend on where it is loaded.
func (p *part) identity(common *part) []byte {
	if p.Type == elf.Rel || p.file == nil {
		return nil
	}
	h := crc64.New(crc64.MakeTable(crc64.ECMA))
	number := func(v uint64) { _ = binary.Write(h, binary.LittleEndian, v) }
	for k := range p.Sections {
		s := &p.Sections[k]
		if !strings.HasPrefix(s.Name, ".debug_") && !strings.HasPrefix(s.Name, ".zdebug_") && !strings.HasPrefix(s.Name, ".gnu_debug") {
			continue
		}
		_, _ = h.Write([]byte(s.Name))
		number(uint64(s.Flags))
		if raw, ok := p.Raw(s); ok {
			number(uint64(len(raw)))
			_, _ = h.Write(raw[:min(len(raw), 256)])
			_, _ = h.Write(raw[len(raw)-min(len(raw), 256):])
		}
	}
	low, high := p.Loaded()
	number(low)
	number(high)
	st, err := os.Stat(p.path)
	if err != nil {
		return nil
	}
	number(uint64(st.Size()))
	number(uint64(st.ModTime().UnixNano()))
	id := p.BuildID()
	if len(id) == 0 {
		_, _ = h.Write(p.file.Data[:min(len(p.file.Data), 4096)])
	}
	if common != nil {
		_, _ = h.Write(common.identity(nil))
	}
	return append(append([]byte(nil), id[:min(len(id), 40)]...), h.Sum(nil)...)
}
