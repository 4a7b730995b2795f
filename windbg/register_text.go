package windbg

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"dap-windbg/arch"
)

// This file is register values to text and nothing else.

// registersText is the dump of r.
func registersText(r *arch.Registers, mask uint32) string {
	var b strings.Builder
	switch r.Set.Arch.Name {
	case "amd64":
		rows(&b, r, []string{"rax rbx rcx", "rdx rsi rdi", "rip rsp rbp", "r8 r9 r10", "r11 r12 r13", "r14 r15"})
		b.WriteString(flagsRow(r))
		if mask&maskSegments != 0 {
			b.WriteString(segmentRow(r))
		}
	case "i386":
		rows(&b, r, []string{"eax ebx ecx edx esi edi"})
		row(&b, r, strings.Fields("eip esp ebp"))
		b.WriteString(" " + flagsRow(r))
		if mask&maskSegments != 0 {
			b.WriteString(segmentRow(r))
		}
	default:
		generalRows(&b, r)
	}
	b.WriteString(maskText(r, mask))
	return b.String()
}

func rows(b *strings.Builder, r *arch.Registers, lines []string) {
	for _, l := range lines {
		row(b, r, strings.Fields(l))
		b.WriteByte('\n')
	}
}

// row writes registers with names right-aligned in three columns.
func row(b *strings.Builder, r *arch.Registers, names []string) {
	for k, n := range names {
		if k > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(b, "%3s=%s", n, registerHex(r, n))
	}
}

// registerHex is a register's value in full width, question marks when unknown.
func registerHex(r *arch.Registers, name string) string {
	i, ok := r.Set.Index(name)
	if !ok {
		return "?"
	}
	n := r.Set.Regs[i].Size
	p, ok := r.Bytes(i)
	if !ok {
		return strings.Repeat("?", 2*n)
	}
	return hexNumber(p, r.Set.Arch.BigEndian)
}

// hexNumber spells bytes in target order as one number in full width.
func hexNumber(p []byte, bigEndian bool) string {
	var b strings.Builder
	for k := range p {
		x := p[k]
		if !bigEndian {
			x = p[len(p)-1-k]
		}
		fmt.Fprintf(&b, "%02x", x)
	}
	return b.String()
}

// flagsRow is "iopl=0 nv up ei pl nz na po nc".
func flagsRow(r *arch.Registers) string {
	flags, ok := r.Get(r.Set.Arch.Flags)
	if !ok {
		return "iopl=? (flags unknown)\n"
	}
	pick := func(bit int, set, clear string) string {
		if flags>>bit&1 != 0 {
			return set
		}
		return clear
	}
	return fmt.Sprintf("iopl=%d         %s %s %s %s %s %s %s %s\n", flags>>12&3, pick(11, "ov", "nv"), pick(10, "dn", "up"), pick(9, "ei", "di"),
		pick(7, "ng", "pl"), pick(6, "zr", "nz"), pick(4, "ac", "na"), pick(2, "pe", "po"), pick(0, "cy", "nc"))
}

func segmentRow(r *arch.Registers) string {
	get := func(name string, digits int) string {
		if v, ok := r.Get(name); ok {
			return fmt.Sprintf("%0*x", digits, v&(1<<(4*digits)-1))
		}
		return strings.Repeat("?", digits)
	}
	return fmt.Sprintf("cs=%s  ss=%s  ds=%s  es=%s  fs=%s  gs=%s             efl=%s\n",
		get("cs", 4), get("ss", 4), get("ds", 4), get("es", 4), get("fs", 4), get("gs", 4), get(r.Set.Arch.Flags, 8))
}

// generalRows writes the general registers four a line, pc and flags last.
func generalRows(b *strings.Builder, r *arch.Registers) {
	a := r.Set.Arch
	n := 0
	for _, reg := range r.Set.Regs {
		if reg.Group != arch.General || reg.Name == a.PC || reg.Name == a.Flags {
			continue
		}
		name := reg.Name
		switch {
		case a.Name == "arm64" && name == "x29":
			name = "fp"
		case a.Name == "arm64" && name == "x30":
			name = "lr"
		}
		sep := " "
		if n%4 == 0 && n > 0 {
			sep = "\n"
		}
		if n == 0 {
			sep = ""
		}
		fmt.Fprintf(b, "%s%3s=%s", sep, name, registerHex(r, reg.Name))
		n++
	}
	fmt.Fprintf(b, "\n%3s=%s", "pc", registerHex(r, a.PC))
	if a.Flags != "" {
		if v, ok := r.Get(a.Flags); ok {
			fmt.Fprintf(b, " psr=%08x %s", uint32(v), armFlags(uint32(v)))
		}
	}
	b.WriteByte('\n')
}

// armFlags is "-ZC- EL0" of an AArch64 processor state.
func armFlags(v uint32) string {
	s := []byte("NZCV")
	for k := range s {
		if v>>(31-k)&1 == 0 {
			s[k] = '-'
		}
	}
	return fmt.Sprintf("%s EL%d", s, v>>2&3)
}

func groupRows(b *strings.Builder, r *arch.Registers, g arch.Group) {
	for i, reg := range r.Set.Regs {
		if reg.Group != g || !r.Known(i) {
			continue
		}
		fmt.Fprintf(b, "%s=%s%s\n", reg.Name, registerHex(r, reg.Name), floatNote(r, i))
	}
}

// floatNote adds the number an x87 register holds.
func floatNote(r *arch.Registers, i int) string {
	p, ok := r.Bytes(i)
	if !ok || len(p) != 10 || !strings.HasPrefix(r.Set.Regs[i].Name, "st") {
		return ""
	}
	return fmt.Sprintf("  (%s)", scientific(extended(p)))
}

func scientific(f float64) string { return fmt.Sprintf("%.6e", f) }

// extended converts an 80-bit x87 number.
func extended(p []byte) float64 {
	m := littleEndian(p[:8])
	e := int(p[8]) | int(p[9]&0x7f)<<8
	f := math.Ldexp(float64(m), e-16383-63)
	if e == 0x7fff {
		f = math.Inf(1)
		if m<<1 != 0 {
			f = math.NaN()
		}
	}
	if p[9]&0x80 != 0 {
		f = -f
	}
	return f
}

// partHex spells a sub-register in its width, a flag bit as a digit.
func partHex(a *arch.Arch, name string, n uint64) string {
	for _, s := range a.Sub {
		if s.Name == name {
			return fmt.Sprintf("%0*x", (s.Bits+3)/4, n)
		}
	}
	return fmt.Sprintf("%x", n)
}

// registerAs spells p as elements of a type: "uw", "f", "d"; "3ub" are the
// lowest three. ok is false for an unknown type.
func registerAs(p []byte, format string, bigEndian bool) (string, bool) {
	most := len(p)
	if k := strings.IndexFunc(format, func(r rune) bool { return r < '0' || r > '9' }); k > 0 {
		most, _ = strconv.Atoi(format[:k])
		format = format[k:]
	}
	sizes := map[byte]int{'b': 1, 'w': 2, 'd': 4, 'q': 8}
	n := 0
	signed := strings.HasPrefix(format, "i")
	switch {
	case format == "":
		return hexNumber(p, bigEndian), true
	case format == "f":
		n = 4
	case format == "d":
		n = 8
	case len(format) == 2 && (format[0] == 'i' || format[0] == 'u'):
		n = sizes[format[1]]
	}
	if n == 0 || len(p)%n != 0 {
		return "", false
	}
	var out []string
	if n*most < len(p) {
		p = p[:n*most]
	}
	for o := len(p) - n; o >= 0; o -= n {
		u := littleEndian(p[o : o+n])
		switch {
		case format == "f":
			out = append(out, fmt.Sprintf("%g", math.Float32frombits(uint32(u))))
		case format == "d":
			out = append(out, fmt.Sprintf("%g", math.Float64frombits(u)))
		case signed:
			out = append(out, fmt.Sprint(int64(u<<(64-8*n))>>(64-8*n)))
		default:
			out = append(out, fmt.Sprintf("%0*x", 2*n, u))
		}
	}
	return strings.Join(out, " "), true
}
