package core

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"dap-windbg/arch"
)

// The XSAVE image (Intel SDM 1, 13.4): an FXSAVE image, a header, and state
// components. Linux puts XCR0, the components the processor has, into a part of the
// FXSAVE image that the processor leaves alone (arch/x86/include/uapi/asm/sigcontext.h).
const (
	xsaveXCR0    = 464
	xsaveHeader  = 512
	xsaveContent = 576
)

// Bits of XCR0.
const (
	stateX87, stateSSE, stateAVX          = 0, 1, 2
	stateMPXRegs, stateMPXConfig          = 3, 4
	stateMask, stateUpper, stateHi        = 5, 6, 7
	statePKRU                             = 9
	knownStates                    uint64 = 1<<stateX87 | 1<<stateSSE | 1<<stateAVX | 1<<stateMPXRegs | 1<<stateMPXConfig | 1<<stateMask | 1<<stateUpper | 1<<stateHi | 1<<statePKRU
)

// layout says where the state components lie.
type layout map[int]int

// Intel's offsets, which are what tools assume where nobody tells them, and those
// of processors without MPX, whose images are shorter.
var (
	standardLayout = layout{stateAVX: 576, stateMPXRegs: 960, stateMPXConfig: 1024, stateMask: 1088, stateUpper: 1152, stateHi: 1664, statePKRU: 2688}
	denseLayout    = layout{stateAVX: 576, stateMask: 832, stateUpper: 896, stateHi: 1408, statePKRU: 2432}
	shortLayout    = layout{stateAVX: 576, statePKRU: 832}
)

// component is a state component of the XSAVE image.
type component struct {
	bit, at, size int
	group         arch.Group
	fields        []field // from the start of the image
}

// components lists those of xcr0 beyond the FXSAVE image.
func (m *machine) components(xcr0 uint64, at layout) []component {
	n := m.vectors()
	if n == 0 {
		return nil
	}
	var out []component
	add := func(bit, size int, g arch.Group, fields ...[]field) {
		where, ok := at[bit]
		if xcr0>>bit&1 == 0 || !ok {
			return
		}
		c := component{bit: bit, at: where, size: size, group: g}
		for _, f := range slices.Concat(fields...) {
			f.at += where
			c.fields = append(c.fields, f)
		}
		out = append(out, c)
	}
	add(stateAVX, 256, arch.Vector, every(0, 16, 16, "ymm", "h", 0, n-1))
	add(stateMPXRegs, 64, arch.System, every(0, 16, 16, "bnd", "raw", 0, 3))
	add(stateMPXConfig, 64, arch.System, []field{{"bndcfgu", 0, 8}, {"bndstatus", 8, 8}})
	add(stateMask, 64, arch.Vector, every(0, 8, 8, "k", "", 0, 7))
	add(stateUpper, 512, arch.Vector, every(0, 32, 32, "zmm", "h", 0, n-1))
	if n == 16 {
		add(stateHi, 1024, arch.Vector, every(0, 64, 16, "xmm", "", 16, 31), every(16, 64, 16, "ymm", "h", 16, 31), every(32, 64, 32, "zmm", "h", 16, 31))
	}
	add(statePKRU, 8, arch.System, []field{{"pkru", 0, 4}})
	return out
}

// layoutOf finds where the components of an image lie: by the kernel's own note
// (NT_X86_XSAVE_LAYOUT: struct x86_xfeat_component of each), else by the image's length.
func layoutOf(note []byte, xcr0 uint64, size int) layout {
	if len(note) >= 4 {
		out := layout{}
		for d := note; len(d) >= 16; d = d[16:] { // type, size, offset, flags
			out[int(binary.LittleEndian.Uint32(d))] = int(binary.LittleEndian.Uint32(d[8:]))
		}
		if len(out) > 0 {
			return out
		}
	}
	avx512 := xcr0>>stateHi&1 == 1
	switch {
	case avx512 && size < standardLayout[stateHi]+1024:
		return denseLayout
	case !avx512 && xcr0>>statePKRU&1 == 1 && size < standardLayout[statePKRU]:
		return shortLayout
	}
	return standardLayout
}

// features is XCR0 as an XSAVE note tells it, 0 when it does not.
func features(d []byte) uint64 {
	if len(d) < xsaveContent {
		return 0
	}
	return binary.LittleEndian.Uint64(d[xsaveXCR0:])
}

// readX87 sets the tag word, which an FXSAVE image has only one bit a register of:
// 0 empty (SDM 1, 10.5.1.1). The rest follows from the contents.
func readX87(r *arch.Registers, d []byte) {
	i, ok := r.Set.Index("ftag")
	if !ok || len(d) < 160 {
		return
	}
	top := int(d[3] >> 3 & 7)
	tag := uint64(0)
	for n := range 8 {
		class := uint64(3) // empty
		if d[4]>>n&1 == 1 {
			class = classX87(d[32+16*((n+8-top)%8):])
		}
		tag |= class << (2 * n)
	}
	r.SetUint(i, tag)
}

// classX87 is the tag of an extended-precision number: 0 valid, 1 zero, 2 special.
func classX87(d []byte) uint64 {
	mantissa, exponent := binary.LittleEndian.Uint64(d), binary.LittleEndian.Uint16(d[8:])&0x7fff
	switch {
	case exponent == 0x7fff:
		return 2
	case exponent == 0 && mantissa == 0:
		return 1
	case bits.LeadingZeros64(mantissa) > 0:
		return 2
	}
	return 0
}

// writeX87 stores the abridged tag word.
func writeX87(r *arch.Registers, d []byte) {
	tag, ok := r.Get("ftag")
	if !ok {
		tag = 0xffff
	}
	d[4] = 0
	for n := range 8 {
		if tag>>(2*n)&3 != 3 {
			d[4] |= 1 << n
		}
	}
}

// writeXSave makes an XSAVE image of what is known of r; nil when that is no more
// than an FXSAVE image has.
func (m *machine) writeXSave(r *arch.Registers) []byte {
	xcr0 := uint64(1<<stateX87 | 1<<stateSSE)
	size := xsaveContent
	var have []component
	for _, c := range m.components(knownStates, standardLayout) {
		if i, ok := r.Set.Index(c.fields[0].reg); ok && r.Known(i) {
			xcr0 |= 1 << c.bit
			size = max(size, c.at+c.size)
			have = append(have, c)
		}
	}
	if len(have) == 0 {
		return nil
	}
	if xcr0>>stateUpper&1 == 1 { // the parts of AVX-512 come together (Intel SDM 1, 13.3), whether or not the mode has registers in all
		xcr0 |= 1<<stateMask | 1<<stateHi
		size = max(size, standardLayout[stateHi]+1024)
	}
	d := make([]byte, size)
	put(r, d, fxsave(m.vectors()))
	writeX87(r, d)
	for _, c := range have {
		put(r, d, c.fields)
	}
	binary.LittleEndian.PutUint64(d[xsaveXCR0:], xcr0)
	binary.LittleEndian.PutUint64(d[xsaveHeader:], xcr0)
	return d
}
