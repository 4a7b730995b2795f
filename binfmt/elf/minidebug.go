package elf

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ulikunitz/xz"
)

// maxMini bounds what .gnu_debugdata may become, and maxDictionary the memory
// that unpacking it may take: xz -9e uses 64 MB.
const (
	maxMini       = 256 << 20
	maxDictionary = 64 << 20
)

// MiniDebug opens .gnu_debugdata: an ELF file with the symbols that a stripped
// file's .dynsym has not, packed by xz (GDB manual, "MiniDebugInfo"). Nil when
// there is none.
func (f *File) MiniDebug() (*File, error) {
	s, ok := f.Section(".gnu_debugdata")
	if !ok {
		return nil, nil
	}
	raw, err := f.Data(s)
	if err != nil {
		return nil, err
	}
	b, err := unxz(raw)
	if err != nil {
		return nil, fmt.Errorf("unpacking .gnu_debugdata: %w", err)
	}
	return Parse(b)
}

// unxz unpacks one xz stream, whose index tells beforehand what it takes.
func unxz(p []byte) ([]byte, error) {
	size, err := xzSize(p)
	if err != nil {
		return nil, err
	}
	z, err := xz.ReaderConfig{DictCap: 1 << 16, SingleStream: true}.NewReader(bytes.NewReader(p))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if _, err := io.Copy(&out, io.LimitReader(z, int64(size)+1)); err != nil {
		return nil, err
	}
	if uint64(out.Len()) != size {
		return nil, errXZ
	}
	return out.Bytes(), nil
}

var errXZ = errors.New("not a sound xz stream")

// xzSize reads the index at a stream's end and the head of each block: how much
// comes out, and that no block asks for a dictionary that is too large (The .xz
// File Format 1.0.4, sections 2 to 4).
func xzSize(p []byte) (uint64, error) {
	const header, footer = 12, 12
	if len(p) < header+footer || len(p)%4 != 0 || string(p[len(p)-2:]) != "YZ" {
		return 0, errXZ
	}
	back := p[len(p)-footer:]
	n := (uint64(back[4]) | uint64(back[5])<<8 | uint64(back[6])<<16 | uint64(back[7])<<24) * 4
	n += 4
	end := uint64(len(p) - footer)
	if n > end-header {
		return 0, errXZ
	}
	index := p[end-n : end]
	if index[0] != 0 {
		return 0, errXZ
	}
	index = index[1:]
	count, ok := xzInteger(&index)
	if !ok || count > uint64(len(index)) {
		return 0, errXZ
	}
	at, total := uint64(header), uint64(0)
	for range count {
		packed, ok1 := xzInteger(&index)
		size, ok2 := xzInteger(&index)
		if !ok1 || !ok2 || packed > end-n-at || size > maxMini-total {
			return 0, errXZ
		}
		if !xzDictionary(p[at : at+packed]) {
			return 0, errors.New("a block has other filters than LZMA2, or wants too large a dictionary")
		}
		total += size
		at += (packed + 3) &^ 3
		if at > end-n {
			return 0, errXZ
		}
	}
	return total, nil
}

// xzDictionary checks the head of a block: LZMA2 alone, with a dictionary of at
// most maxDictionary.
func xzDictionary(b []byte) bool {
	if len(b) < 8 || b[0] == 0 || len(b) < (int(b[0])+1)*4 {
		return false
	}
	flags := b[1]
	h := b[2 : (int(b[0])+1)*4]
	for _, present := range []byte{0x40, 0x80} { // packed and unpacked size
		if flags&present != 0 {
			if _, ok := xzInteger(&h); !ok {
				return false
			}
		}
	}
	if flags&3 != 0 || len(h) < 3 || h[0] != 0x21 || h[1] != 1 || h[2] > 40 {
		return false
	}
	dict := uint64(2|h[2]&1) << (h[2]/2 + 11)
	return dict <= maxDictionary
}

// xzInteger reads a multibyte integer (section 1.2) off the front of p.
func xzInteger(p *[]byte) (v uint64, ok bool) {
	for i, c := range *p {
		if i == 9 {
			return 0, false
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			*p = (*p)[i+1:]
			return v, true
		}
	}
	return 0, false
}

// With returns the symbols of t and, behind them, those of other.
func (t *SymbolTable) With(other *SymbolTable) *SymbolTable {
	if t.file.Is64 != other.file.Is64 || t.file.Order != other.file.Order {
		return t
	}
	out := &SymbolTable{file: t.file, size: t.size, dynamic: t.dynamic}
	out.Strings = append(append(append(out.Strings, t.Strings...), 0), other.Strings...)
	out.entries = append(append(out.entries, t.entries[:t.Len()*t.size]...), other.entries[:other.Len()*other.size]...)
	for i := t.Len(); i < out.Len(); i++ {
		name := out.entries[i*out.size:]
		t.file.Order.PutUint32(name, t.file.Order.Uint32(name)+uint32(len(t.Strings))+1)
	}
	return out
}
