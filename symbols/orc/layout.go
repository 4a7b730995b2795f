package orc

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"
)

// register is a base register of a rule, by what it means.
type register uint8

const (
	undefined register = iota
	prevSP             // the caller's SP
	ax
	dx
	di
	bp
	sp
	r10
	r13
	bpIndirect // the word at BP + offset
	spIndirect // the word at SP, plus offset
)

// names of the registers that a rule may count from.
var names = [...]string{ax: "rax", dx: "rdx", di: "rdi", bp: "rbp", sp: "rsp", r10: "r10", r13: "r13"}

// kind says what lies at the address a rule yields.
type kind uint8

const (
	unknown kind = iota // no rule
	end                 // nobody called
	call                // above a return address
	regs                // at the registers an interrupt or system call saved
	partial             // at what the CPU alone saved: ip, cs, flags, sp, ss
)

// entry is one rule.
type entry struct {
	sp, bp       register
	spOff, bpOff int64
	kind         kind
	signal       bool // what was interrupted is the caller
}

// layout is how the 16 flag bits of an entry are divided. The four lowest bits
// are always the register of SP, the next four that of BP.
type layout struct {
	registers []register // by number
	// kindBits is the width of the type at bit 8. With two bits there are no types
	// for "no rule" and "end": both are entries without a register, and the end bit
	// tells which.
	kindBits  int
	signalBit int // 0: types other than a call are signals
	endBit    int
}

var (
	firstRegisters = []register{undefined, prevSP, dx, di, bp, sp, r10, r13, bpIndirect, spIndirect, ax}
	laterRegisters = []register{undefined, ax, dx, sp, bp, di, r10, r13, prevSP, spIndirect, bpIndirect}

	// layouts by the kernel's release that brought them (arch/x86/include/asm/orc_types.h).
	layout4_14 = &layout{registers: firstRegisters, kindBits: 2, endBit: 10}
	layout6_3  = &layout{registers: firstRegisters, kindBits: 2, signalBit: 10, endBit: 11}
	layout6_4  = &layout{registers: firstRegisters, kindBits: 3, signalBit: 11}
	// RAX came in and the registers were numbered anew.
	layoutLater = &layout{registers: laterRegisters, kindBits: 3, signalBit: 11}
)

// headers maps the hash in .orc_header, which kernels have since 6.3.10, to layouts.
var headers = map[string]*layout{
	"db84aed4103b31dd51e017f8f79783ca985c2c51": layout6_3,
	"fe5d32bf581bd63b2ca9a5c65ba5a625eab3fe24": layout6_4,
	"137c36ad7627c4dd55932176bb0ecdbd5041fc82": layoutLater,
}

// layoutOf finds the layout by the header, else by the kernel's release; nil when
// the header is of a kernel that nobody here knows.
func layoutOf(s Sections) *layout {
	if len(s.Header.Data) > 0 {
		return headers[hex.EncodeToString(s.Header.Data)]
	}
	major, minor := version(s.release())
	switch {
	case major > 6 || major == 6 && minor >= 4:
		return layout6_4
	case major == 6 && minor == 3:
		return layout6_3
	}
	return layout4_14
}

// release is the kernel's, as its banner or a module's vermagic says it; "" unknown.
func (s Sections) release() string {
	for _, place := range []struct {
		data []byte
		mark string
	}{{s.ModInfo.Data, "vermagic="}, {s.ReadOnly.Data, "Linux version "}} {
		if i := bytes.Index(place.data, []byte(place.mark)); i >= 0 {
			rest := place.data[i+len(place.mark):]
			return string(rest[:min(len(rest), 64)])
		}
	}
	return ""
}

// version reads the first two numbers of a release such as "6.1.0-56-amd64".
func version(release string) (major, minor int) {
	first, rest, _ := strings.Cut(release, ".")
	second := strings.TrimLeft(rest, "0123456789")
	major, _ = strconv.Atoi(first)
	minor, _ = strconv.Atoi(rest[:len(rest)-len(second)])
	return major, minor
}

// decode divides an entry's fields.
func (l *layout) decode(spOff, bpOff int16, flags uint16) entry {
	bit := func(n int) bool { return n > 0 && flags>>n&1 == 1 }
	e := entry{sp: l.register(flags & 0xf), bp: l.register(flags >> 4 & 0xf), spOff: int64(spOff), bpOff: int64(bpOff)}
	n := kind(flags >> 8 & (1<<l.kindBits - 1))
	switch {
	case l.endBit == 0:
		e.kind = n
	case e.sp == undefined && bit(l.endBit):
		e.kind = end
	case e.sp == undefined:
		e.kind = unknown
	default:
		e.kind = n + call
	}
	e.signal = bit(l.signalBit) || l.signalBit == 0 && e.kind > call
	if e.kind > partial {
		e.kind = unknown
	}
	return e
}

func (l *layout) register(n uint16) register {
	if int(n) < len(l.registers) {
		return l.registers[n]
	}
	return undefined
}
