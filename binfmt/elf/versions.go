package elf

import "bytes"

// Sections of symbol versions (LSB Core 5.0, 10.7).
const (
	secVerdef = 0x6ffffffd
	secVersym = 0x6fffffff
)

// versions are the versions of .dynsym's symbols.
type versions struct {
	of    []byte // .gnu.version: a number of 16 bits a symbol
	names map[uint16]string
}

// Version returns the version of symbol i, "" when it has none. old says that a
// program which is linked today does not get it: "name@VERSION", against
// "name@@VERSION" of the default one.
func (t *SymbolTable) Version(i int) (version string, old bool) {
	s, ok := t.Symbol(i)
	if !ok {
		return "", false
	}
	name := t.Name(s.NameOffset) // in .symtab it is part of the name
	if at := bytes.IndexByte(name, '@'); at > 0 {
		v := name[at+1:]
		if len(v) > 0 && v[0] == '@' {
			return string(v[1:]), false
		}
		return string(v), true
	}
	if !t.dynamic {
		return "", false
	}
	t.versionsOnce.Do(func() { t.versions = t.file.versions() })
	if 2*i+2 > len(t.versions.of) {
		return "", false
	}
	n := t.file.Order.Uint16(t.versions.of[2*i:])
	if version = t.versions.names[n&0x7fff]; version == string(name) {
		return "", false // the symbol that stands for the version itself
	}
	return version, n&0x8000 != 0
}

// versions reads the numbers and the names of those the file defines.
func (f *File) versions() versions {
	v := versions{names: map[uint16]string{}}
	for i := range f.Sections {
		s := &f.Sections[i]
		d, err := f.Data(s)
		if err != nil {
			continue
		}
		switch s.Type {
		case secVersym:
			v.of = d
		case secVerdef:
			if uint64(s.Link) < uint64(len(f.Sections)) {
				strings, _ := f.Data(&f.Sections[s.Link])
				f.defined(d, strings, v.names)
			}
		}
	}
	return v
}

// defined reads .gnu.version_d: the first name of each entry is the version's.
func (f *File) defined(d, strings []byte, names map[uint16]string) {
	const base = 1                   // VER_FLG_BASE: the file's own name
	left := 2*len(strings) + maxName // versions that overlap must not fill memory
	for len(d) >= 20 {
		flags, index := f.Order.Uint16(d[2:]), f.Order.Uint16(d[4:])
		aux, next := uint64(f.Order.Uint32(d[12:])), uint64(f.Order.Uint32(d[16:]))
		if a, ok := slice(d, aux, 8); ok && flags&base == 0 {
			name := stringAt(strings, uint64(f.Order.Uint32(a)))
			if left -= len(name); left < 0 {
				return
			}
			names[index&0x7fff] = name
		}
		if next == 0 || next > uint64(len(d)) {
			return
		}
		d = d[next:]
	}
}
