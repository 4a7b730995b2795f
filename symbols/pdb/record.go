package pdb

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// record is a symbol or type record: its kind and what follows it.
type record struct {
	kind uint16
	data []byte
}

// recordAt reads the record at off and tells where the next one lies.
func (s *stream) recordAt(off uint32) (r record, next uint32, ok bool) {
	b := s.part(off)
	if len(b) < 4 {
		if b, ok = s.view(off, 4); !ok {
			return record{}, 0, false
		}
	}
	n := uint32(binary.LittleEndian.Uint16(b)) + 2
	if n < 4 {
		return record{}, 0, false
	}
	if uint32(len(b)) < n {
		if b, ok = s.view(off, n); !ok {
			return record{}, 0, false
		}
	}
	return record{binary.LittleEndian.Uint16(b[2:]), b[4:n:n]}, off + n, true
}

// records yields the records of [from, to) with their offsets, until one is damaged.
func (s *stream) records(from, to uint32) iter.Seq2[uint32, record] {
	return func(yield func(uint32, record) bool) {
		var rest []byte // of the piece of the stream that at is in
		for at := from; at < min(to, s.size); {
			if len(rest) < 4 {
				rest = s.part(at)
			}
			if len(rest) >= 4 {
				if n := int(binary.LittleEndian.Uint16(rest)) + 2; n >= 4 && n <= len(rest) && uint64(at)+uint64(n) <= uint64(to) {
					if !yield(at, record{binary.LittleEndian.Uint16(rest[2:]), rest[4:n:n]}) {
						return
					}
					at, rest = at+uint32(n), rest[n:]
					continue
				}
			}
			r, next, ok := s.recordAt(at)
			if !ok || next > to || !yield(at, r) {
				return
			}
			at, rest = next, nil
		}
	}
}

// fields reads the fields of a record one after another. Behind the end all are
// zero and short is set.
type fields struct {
	b     []byte
	short bool
}

func (r record) fields() *fields { return &fields{b: r.data} }

func (f *fields) take(n int) []byte {
	if n < 0 || n > len(f.b) {
		f.b, f.short = nil, true
		return nil
	}
	b := f.b[:n:n]
	f.b = f.b[n:]
	return b
}

func (f *fields) u8() uint8 {
	if b := f.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) u16() uint16 {
	if b := f.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (f *fields) u32() uint32 {
	if b := f.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (f *fields) i32() int32 { return int32(f.u32()) }

// name is a text that ends with a zero byte.
func (f *fields) name() string {
	n := bytes.IndexByte(f.b, 0)
	if n < 0 {
		s := string(f.b)
		f.b, f.short = nil, true
		return s
	}
	s := string(f.b[:n])
	f.b = f.b[n+1:]
	return s
}

// Prefixes of numbers that are not below 8000h (LF_NUMERIC).
const (
	numChar     = 0x8000
	numShort    = 0x8001
	numUShort   = 0x8002
	numLong     = 0x8003
	numULong    = 0x8004
	numReal32   = 0x8005
	numReal64   = 0x8006
	numQuad     = 0x8009
	numUQuad    = 0x800a
	numOctword  = 0x8017
	numUOctword = 0x8018
)

// numeric is a number of variable length, sign-extended where it has a sign.
func (f *fields) numeric() int64 {
	n := f.u16()
	switch {
	case n < 0x8000:
		return int64(n)
	case n == numChar:
		return int64(int8(f.u8()))
	case n == numShort:
		return int64(int16(f.u16()))
	case n == numUShort:
		return int64(f.u16())
	case n == numLong:
		return int64(f.i32())
	case n == numULong, n == numReal32:
		return int64(f.u32())
	case n == numQuad, n == numUQuad, n == numReal64:
		low := f.u32()
		return int64(low) | int64(f.u32())<<32
	case n == numOctword, n == numUOctword:
		low := f.u32()
		v := int64(low) | int64(f.u32())<<32
		f.take(8)
		return v
	}
	f.b, f.short = nil, true
	return 0
}

// align skips what pads members of a list to 4 bytes (LF_PAD0 to LF_PAD15).
func (f *fields) align() {
	for len(f.b) > 0 && f.b[0] >= 0xf0 {
		f.take(max(1, min(int(f.b[0]&15), len(f.b))))
	}
}

// Kinds of symbol records (SYM_ENUM_e of cvinfo.h).
const (
	symEnd          = 0x0006
	symFrameProc    = 0x1012
	symBlock        = 0x1103
	symLabel        = 0x1105
	symRegister     = 0x1106
	symConstant     = 0x1107
	symUDT          = 0x1108
	symCobolUDT     = 0x1109
	symBPRel        = 0x110b
	symLData        = 0x110c
	symGData        = 0x110d
	symPublic       = 0x110e
	symLProc        = 0x110f
	symGProc        = 0x1110
	symRegRel       = 0x1111
	symLThread      = 0x1112
	symGThread      = 0x1113
	symProcRef      = 0x1125
	symDataRef      = 0x1126
	symLProcRef     = 0x1127
	symThunk        = 0x1102
	symTrampoline   = 0x112c
	symSepCode      = 0x1132
	symCompile2     = 0x1116
	symCompile3     = 0x113c
	symLocal        = 0x113e
	symDefRange     = 0x113f
	symDefSub       = 0x1140
	symDefRegister  = 0x1141
	symDefFrame     = 0x1142
	symDefSubReg    = 0x1143
	symDefFrameFull = 0x1144
	symDefRegRel    = 0x1145
	symLProcID      = 0x1146
	symGProcID      = 0x1147
	symInlineSite   = 0x114d
	symInlineEnd    = 0x114e
	symProcEnd      = 0x114f
	symFileStatic   = 0x1153
	symLProcDPC     = 0x1155
	symLProcDPCID   = 0x1156
	symInlineSite2  = 0x115d
	symInlinees     = 0x1168
)
