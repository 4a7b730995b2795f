package arch

import (
	"encoding/binary"
	"errors"
	"testing"
)

var errNoMemory = errors.New("no memory there")

// tables is a sparse physical memory.
type tables map[uint64]uint64

func (m tables) read(at uint64, p []byte) error {
	v, ok := m[at]
	if !ok {
		return errNoMemory
	}
	var raw [8]byte
	binary.LittleEndian.PutUint64(raw[:], v)
	copy(p, raw[:])
	return nil
}

func TestWalk(t *testing.T) {
	const va = 0xfffff80000123456 // indices 496, 0, 0, 291
	four := tables{0x1000 + 8*496: 0x2003, 0x2000: 0x3003, 0x3000: 0x4003, 0x4000 + 8*291: 0x8000_0001_2345_6003,
		0x3000 + 8*1: 0x7_4020_00e3, 0x2000 + 8*1: 0x1c000_00e7, 0x1000: 0x2007, 0x4000: 0x800}
	for _, tt := range []struct {
		name string
		p    *Paging
		m    tables
		va   Addr
		root uint64
		want Page
		err  error
	}{
		{"4 KiB", FourLevel, four, va, 0x1fff, Page{0x1_2345_6456, 0x1000, true, false, 0x8000_0001_2345_6003}, nil},
		{"2 MiB", FourLevel, four, 0xfffff80000212345, 0x1000, Page{0x7_4021_2345, 1 << 21, true, false, 0x7_4020_00e3}, nil},
		{"1 GiB, user", FourLevel, four, 0x40000005, 0x1000, Page{0x1_c000_0005, 1 << 30, true, true, 0x1c00000e7}, nil},
		{"not present", FourLevel, four, 0xfffff80000000000, 0x1000, Page{}, &TranslateError{0xfffff80000000000, 1, 0x800}},
		{"not canonical", FourLevel, four, 0x0000800000000000, 0x1000, Page{}, &TranslateError{0x0000800000000000, 0, 0}},
		{"no memory", FourLevel, four, 0x7fffffffffff, 0x1000, Page{}, errNoMemory},
		{"5 levels", FiveLevel, tables{0x1000: 0x2003, 0x2000: 0x3003, 0x3000: 0x4003, 0x4000: 0x5003, 0x5000 + 8: 0x6001}, 0x1fff, 0x1000, Page{0x6fff, 0x1000, false, false, 0x6001}, nil},
		{"5 levels, not canonical", FiveLevel, nil, 1 << 56, 0, Page{}, &TranslateError{1 << 56, 0, 0}},
		{"PAE", PAE, tables{0x1020 + 8*2: 0x2001, 0x2000: 0x3007, 0x3000 + 8*5: 0x1_0000_7007}, 0x80005123, 0x1020, Page{0x1_0000_7123, 0x1000, true, true, 0x1_0000_7007}, nil},
		{"PAE, 2 MiB", PAE, tables{0x1000: 0x2001, 0x2000 + 8: 0xa000e3}, 0x212345, 0x1000, Page{0xa12345, 1 << 21, true, false, 0xa000e3}, nil},
		{"2 levels", TwoLevel, tables{0x1000 + 4*0x200: 0x2007, 0x2000 + 4*0x63: 0x9005}, 0x80063abc, 0x1000, Page{0x9abc, 0x1000, false, true, 0x9005}, nil},
		{"4 MiB", TwoLevel, tables{0x1000 + 4*0x201: 0x00c000e3}, 0x80563abc, 0x1000, Page{0x00d63abc, 1 << 22, true, false, 0x00c000e3}, nil},
	} {
		got, err := tt.p.Walk(tt.va, tt.root, tt.m.read)
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
		var e, want *TranslateError
		switch {
		case errors.As(tt.err, &want):
			if !errors.As(err, &e) || *e != *want {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.err)
			}
		case !errors.Is(err, tt.err):
			t.Errorf("%s: %v, want %v", tt.name, err, tt.err)
		}
	}
}
