package windbg

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// This file is values to text and nothing else: no session, no output.

// line ends text with exactly one newline.
func line(text string) string { return strings.TrimRight(text, "\r\n") + "\n" }

// symbolText is "mod!name", "mod" when the name is unknown, "" without a module.
func symbolText(m *engine.Module, s symbols.Symbol) string {
	switch {
	case m == nil:
		return s.Shown()
	case s.Name == "":
		return m.Name
	}
	return m.Name + "!" + s.Shown()
}

func withOffset(name string, disp uint64) string {
	if name == "" || disp == 0 {
		return name
	}
	return fmt.Sprintf("%s+0x%x", name, disp)
}

// locationText is "mod!name+0x4", "" where nothing is.
func locationText(l engine.Location) string {
	disp := l.Disp
	if l.Symbol.Name == "" && l.Module != nil {
		disp = uint64(l.Addr - l.Module.Base)
	}
	return withOffset(symbolText(l.Module, l.Symbol), disp)
}

// placeText is "[path @ line]", "" without a line.
func placeText(l symbols.Line) string {
	if l.File == "" {
		return ""
	}
	return fmt.Sprintf("[%s @ %d]", l.File, l.Line)
}

// located is the symbol line's text, without the colon: "mod!f+0x4 [path @ 12]".
func located(l engine.Location, lines bool) string {
	name := locationText(l)
	if p := placeText(l.Line); p != "" && lines {
		name += " " + p
	}
	return name
}

// callSite is the last column of a stack row.
func callSite(f *engine.Frame, ptr int) string {
	if f.Module == nil && f.Symbol.Name == "" {
		return "0x" + f.PC.Text(ptr)
	}
	return locationText(engine.Location{Addr: f.PC, Module: f.Module, Symbol: f.Symbol, Disp: f.Disp})
}

// codeLine is a disassembly row without its line end.
func codeLine(i engine.Inst, ptr int, symbol func(arch.Addr) string) string {
	addr := i.Addr.Text(ptr)
	if i.Err != nil {
		if len(i.Bytes) == 0 {
			return fmt.Sprintf("%s %-15s %s", addr, "??", "???")
		}
		return fmt.Sprintf("%s %-15x %s", addr, i.Bytes, "???")
	}
	code := fmt.Sprintf("%x", i.Bytes)
	text := fmt.Sprintf("%s %-15s %-7s %s", addr, code, i.Op, i.Format(symbol))
	return strings.TrimRight(text, " ")
}

// wordCode spells the code bytes of a CPU with fixed-size instructions as one number.
func wordCode(b []byte) []byte {
	if len(b) != 4 {
		return b
	}
	return []byte{b[3], b[2], b[1], b[0]}
}

// dump is the shape of a d* display: units of size bytes.
type dump struct {
	size  int // bytes of a unit
	units int // in a row
	ascii bool
	ptr   int
	known int // bytes of data that were read
	float bool
}

// rows writes data at addr; bytes from d.known on are shown as question marks.
func (d dump) rows(addr arch.Addr, data []byte) string {
	var b strings.Builder
	width := d.size * d.units
	for o := 0; o < len(data); o += width {
		fmt.Fprintf(&b, "%s ", (addr + arch.Addr(o)).Text(d.ptr))
		end := min(o+width, len(data))
		for k := o; k < o+width; k += d.size {
			sep := " "
			if d.size == 1 && k == o+8 {
				sep = "-"
			}
			if k == o {
				sep = " "
			}
			if k+d.size > end {
				if d.ascii {
					b.WriteString(strings.Repeat(" ", 1+d.width()))
				}
				continue
			}
			b.WriteString(sep + d.unit(data[k:k+d.size], k+d.size <= d.known))
		}
		if d.ascii {
			b.WriteString("  ")
			for k := o; k < end; k++ {
				b.WriteByte(printable(data[k], k < d.known))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// width is the columns of one unit.
func (d dump) width() int {
	switch {
	case d.float && d.size == 4:
		return 16
	case d.float:
		return 24
	case d.size == 8:
		return 17
	}
	return 2 * d.size
}

func (d dump) unit(p []byte, known bool) string {
	if !known {
		if d.size == 8 && !d.float {
			return "????????`????????"
		}
		return strings.Repeat("?", d.width())
	}
	n := littleEndian(p)
	switch {
	case d.float && d.size == 4:
		return fmt.Sprintf("%16.8g", math.Float32frombits(uint32(n)))
	case d.float:
		return fmt.Sprintf("%24.17g", math.Float64frombits(n))
	case d.size == 8:
		return arch.Addr(n).Text(8)
	}
	return fmt.Sprintf("%0*x", 2*d.size, n)
}

func printable(b byte, known bool) byte {
	switch {
	case !known:
		return '?'
	case b >= 0x20 && b <= 0x7e:
		return b
	}
	return '.'
}

// littleEndian reads up to eight bytes.
func littleEndian(p []byte) uint64 {
	var t [8]byte
	copy(t[:], p)
	return binary.LittleEndian.Uint64(t[:])
}

// moduleEnd is the first address past a module.
func moduleEnd(m *engine.Module) arch.Addr {
	size := m.Size
	if m.Image != nil && m.Parts == nil {
		size = max(size, m.Image.Size())
	}
	return m.Base + arch.Addr(size)
}

// moduleRow is a line of lm.
func moduleRow(m *engine.Module, ptr int) string {
	head := fmt.Sprintf("%s %s   %-8s ", m.Base.Text(ptr), moduleEnd(m).Text(ptr), m.Name)
	kind, path := symbolStatus(m)
	mark := " "
	if mismatch(m) && m.Forced {
		mark = "M"
	} else if mismatch(m) {
		mark = "#"
	} else if m.Image != nil && m.Stamp == 0 {
		mark = "T"
	}
	label := "(" + kind + ")"
	if path == "" {
		return head + mark + " " + label + strings.Repeat(" ", 13)
	}
	if pad := 23 - len(label); pad > 0 && len(label) < 23 {
		label += strings.Repeat(" ", pad)
	} else {
		label += strings.Repeat(" ", 8)
	}
	return head + mark + " " + label + path
}

func mismatch(m *engine.Module) bool { _, ok := asError[*symbols.MismatchError](m.Err); return ok }

// symbolStatus is what lm says of a module's symbols, and the file they come from.
func symbolStatus(m *engine.Module) (kind, path string) {
	if m.Image == nil {
		if m.Tried {
			return "no symbols", ""
		}
		return "deferred", ""
	}
	switch m.Image.Debug() {
	case symbols.DWARF:
		return "service symbols: DWARF Private Symbols", m.Image.Path()
	case symbols.PDB:
		return "private pdb symbols", m.Image.Path()
	case symbols.Exports:
		if m.OfWindows() {
			return "export symbols", m.Image.Path()
		}
		return "service symbols: ELF Export Symbols", m.Image.Path()
	}
	return "no symbols", m.Image.Path()
}

// moduleHeader is the heading of lm.
func moduleHeader(ptr int) string {
	if ptr == 4 {
		return "start    end        module name\n"
	}
	return "start             end                 module name\n"
}

// modLoad is the line of a load notification.
func modLoad(m engine.Module, ptr int) string {
	return fmt.Sprintf("ModLoad: %s %s   %s\n", m.Base.Text(ptr), moduleEnd(&m).Text(ptr), m.Path)
}

// threadRow is a line of `~`.
func threadRow(t engine.Thread, suspend, ptr int) string {
	mark, state := " ", "Unfrozen"
	switch {
	case t.Current:
		mark = "."
	case t.Event:
		mark = "#"
	}
	if t.Frozen {
		state = "Frozen  "
	}
	s := fmt.Sprintf("%s%3d  Id: %x.%x Suspend: %d Teb: %s %s", mark, t.Ordinal, t.ID.Process, t.ID.Thread, suspend, t.Base.Text(ptr), state)
	if t.Name != "" {
		s += fmt.Sprintf(" %q", t.Name)
	}
	return strings.TrimRight(s, " ")
}

// breakpointRow is a line of bl. lines chooses source lines over plain addresses.
func breakpointRow(s engine.Status, symbol func(arch.Addr) string, ordinal func(targets.ThreadID) (int, bool), ptr int, lines bool) string {
	state, verb := "e", "Disable"
	if s.Disabled {
		state, verb = "d", "Enable"
	}
	passes := max(1, s.Passes)
	left := s.Left
	if left <= 0 {
		left = 1
		if s.Hits == 0 {
			left = passes
		}
	}
	count := fmt.Sprintf("%04x (%04x)", left, passes)
	if len(s.Addrs) == 0 {
		return withTail(fmt.Sprintf("%6d %su             %s (%s)", s.ID, state, count, wish(s.Breakpoint)), s.Breakpoint)
	}
	where := "     "
	if s.Access != targets.Software && s.Size > 0 {
		where = fmt.Sprintf(" %s %d ", accessLetter(s.Access), s.Size)
	} else if s.Hardware {
		where = " e 1 "
	} else if lines && len(s.Places) > 0 && s.Places[0].Line.File != "" {
		where = "  " + placeText(s.Places[0].Line) + "     "
	}
	who := "****"
	if s.Thread != (targets.ThreadID{}) {
		who = "~???"
		if n, ok := ordinal(s.Thread); ok {
			who = fmt.Sprintf("~%03d", n)
		}
	}
	row := fmt.Sprintf("%6d %s %s Clear  %s%s%s  0:%s %s", s.ID, state, verb, s.Addrs[0].Text(ptr), where, count, who, symbol(s.Addrs[0]))
	row = withTail(strings.TrimRight(row, " "), s.Breakpoint)
	for k := 1; k < len(s.Addrs); k++ {
		row += fmt.Sprintf("\n%*s%s", 25, "", s.Addrs[k].Text(ptr))
		if lines && k < len(s.Places) {
			row += strings.TrimRight("  "+placeText(s.Places[k].Line), " ")
		}
	}
	return row
}

// withTail adds the condition and commands of a breakpoint.
func withTail(row string, b engine.Breakpoint) string {
	if b.MaxDepth > 0 {
		row += fmt.Sprintf(" (c: %d)", b.MaxDepth)
	}
	if b.MinDepth > 0 {
		row += fmt.Sprintf(" (C: %d)", b.MinDepth)
	}
	if b.Condition != "" {
		row += " (w: " + b.Condition + ")"
	}
	if b.Command != "" {
		row += ` "` + b.Command + `"`
	}
	return row
}

func accessLetter(k targets.TrapKind) string {
	switch k {
	case targets.OnWrite:
		return "w"
	case targets.OnRead, targets.OnAccess:
		return "r"
	}
	return "e"
}

// wish is a breakpoint's place as typed.
func wish(b engine.Breakpoint) string {
	switch {
	case b.File != "":
		return fmt.Sprintf("`%s:%d`", b.File, b.Line)
	case b.Expr != "":
		return b.Expr
	case b.Function != "":
		return b.Function
	case b.Label != "":
		return b.Label
	}
	return "0x" + b.Addr.Text(8)
}

// evaluation is what `?` prints.
func evaluation(n uint64, ptr int) string {
	if ptr == 4 {
		return fmt.Sprintf("Evaluate expression: %d = %08x", int32(n), uint32(n))
	}
	return fmt.Sprintf("Evaluate expression: %d = %s", int64(n), arch.Addr(n).Text(8))
}

// formats is what .formats prints of a value.
func formats(n uint64, zone *time.Location) string {
	var b strings.Builder
	b.WriteString("Evaluate expression:\n")
	fmt.Fprintf(&b, "  Hex:     %s\n", arch.Addr(n).Text(8))
	fmt.Fprintf(&b, "  Decimal: %d\n", int64(n))
	fmt.Fprintf(&b, "  Decimal (unsigned) : %d\n", n)
	fmt.Fprintf(&b, "  Octal:   %022o\n", n)
	b.WriteString("  Binary: ")
	for s := 56; s >= 0; s -= 8 {
		fmt.Fprintf(&b, " %08b", byte(n>>s))
	}
	b.WriteString("\n  Chars:   ")
	for s := 56; s >= 0; s -= 8 {
		b.WriteByte(printable(byte(n>>s), true))
	}
	b.WriteByte('\n')
	if n < 1<<33 {
		fmt.Fprintf(&b, "  Time:    %s\n", time.Unix(int64(n), 0).In(zone).Format("Mon Jan _2 15:04:05 2006"))
	} else {
		b.WriteString("  Time:    ***** Invalid\n")
	}
	fmt.Fprintf(&b, "  Float:   low %s high %s\n", general(float64(math.Float32frombits(uint32(n)))), general(float64(math.Float32frombits(uint32(n>>32)))))
	fmt.Fprintf(&b, "  Double:  %s\n", general(math.Float64frombits(n)))
	return b.String()
}

// general is C's %g with exponents of three digits, as the Microsoft runtime prints them.
func general(f float64) string {
	s := fmt.Sprintf("%.6g", f)
	mant, exp, ok := strings.Cut(s, "e")
	if !ok {
		return s
	}
	sign := exp[0]
	return mant + "e" + string(sign) + strings.Repeat("0", max(0, 3-len(exp[1:]))) + exp[1:]
}

// clock is a moment as .lastevent and .time print it.
func clock(t time.Time) string {
	_, zone := t.Zone()
	sign := "+"
	if zone < 0 {
		sign, zone = "-", -zone
	}
	return fmt.Sprintf("%s.%03d %d (UTC %s %d:%02d)", t.Format("Mon Jan _2 15:04:05"), t.Nanosecond()/1e6, t.Year(), sign, zone/3600, zone%3600/60)
}

// endedText is what is told when there is no debuggee any more. Where traps may
// remain is in the event's own text.
func endedText(e engine.Ended) string {
	var b strings.Builder
	if e.Text != "" {
		b.WriteString(line(e.Text))
	} else {
		switch g := e.Gone; {
		case g.Err != nil:
			fmt.Fprintf(&b, "The debuggee is lost: %v\n", g.Err)
		case g.Signal != 0:
			fmt.Fprintf(&b, "The process was killed by signal %d\n", g.Signal)
		case g.Exited:
			fmt.Fprintf(&b, "The process exited with code %d (0x%x)\n", g.Code, uint32(g.Code))
		}
	}
	return b.String()
}
