package windbg

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

var memoryCommands = []command{
	{"d", "d [Range]", "repeat the last d command", stopped | live, displayAgain},
	{"da", "da [Range]", "ASCII string", stopped | live, displayText},
	{"db", "db [/c N] [Range]", "bytes and characters", stopped | live, displayMemory},
	{"dc", "dc [/c N] [Range]", "double words and characters", stopped | live, displayMemory},
	{"dd", "dd [/c N] [Range]", "double words (4 bytes)", stopped | live, displayMemory},
	{"dD", "dD [/c N] [Range]", "double-precision numbers", stopped | live, displayMemory},
	{"df", "df [/c N] [Range]", "single-precision numbers", stopped | live, displayMemory},
	{"dp", "dp [/c N] [Range]", "pointer-sized words", stopped | live, displayMemory},
	{"dq", "dq [/c N] [Range]", "quad words (8 bytes)", stopped | live, displayMemory},
	{"du", "du [Range]", "UTF-16 string", stopped | live, displayText},
	{"dw", "dw [/c N] [Range]", "words (2 bytes)", stopped | live, displayMemory},
	{"dW", "dW [/c N] [Range]", "words and characters", stopped | live, displayMemory},
	{"dyb", "dyb [Range]", "bytes in binary", stopped | live, displayBits},
	{"dyd", "dyd [Range]", "double words in binary", stopped | live, displayBits},
	{"dds", "dds [Range]", "double words with symbols", stopped | live, displaySymbols},
	{"dps", "dps [Range]", "pointers with symbols", stopped | live, displaySymbols},
	{"dqs", "dqs [Range]", "quad words with symbols", stopped | live, displaySymbols},
	{"dpa", "dpa [Range]", "pointers and the ASCII strings they point to", stopped | live, displayPointed},
	{"dpp", "dpp [Range]", "pointers and the pointers they point to", stopped | live, displayPointed},
	{"dpu", "dpu [Range]", "pointers and the UTF-16 strings they point to", stopped | live, displayPointed},
	{"ddu", "ddu [Range]", "double words and the UTF-16 strings they point to", stopped | live, displayPointed},
	{"dda", "dda [Range]", "double words and the ASCII strings they point to", stopped | live, displayPointed},
	{"ddp", "ddp [Range]", "double words and the pointers they point to", stopped | live, displayPointed},
	{"dqa", "dqa [Range]", "quad words and the ASCII strings they point to", stopped | live, displayPointed},
	{"dqu", "dqu [Range]", "quad words and the UTF-16 strings they point to", stopped | live, displayPointed},
	{"dqp", "dqp [Range]", "quad words and the pointers they point to", stopped | live, displayPointed},
	{"dl", "dl Addr [Max] [Words]", "linked list, forwards", stopped | live, displayList},
	{"dlb", "dlb Addr [Max] [Words]", "linked list, backwards", stopped | live, displayList},
	{"e", "e Addr Value ...", "write with the last e command", stopped, enterAgain},
	{"eb", "eb Addr Value ...", "write bytes", stopped, enterMemory},
	{"ew", "ew Addr Value ...", "write words (2 bytes)", stopped, enterMemory},
	{"ed", "ed Addr Value ...", "write double words (4 bytes)", stopped, enterMemory},
	{"eq", "eq Addr Value ...", "write quad words (8 bytes)", stopped, enterMemory},
	{"ep", "ep Addr Value ...", "write pointer-sized words", stopped, enterMemory},
	{"ef", "ef Addr Value ...", "write single-precision numbers", stopped, enterMemory},
	{"eD", "eD Addr Value ...", "write double-precision numbers", stopped, enterMemory},
	{"ea", `ea Addr "text"`, "write an ASCII string without a terminator", stopped, enterText},
	{"eza", `eza Addr "text"`, "write an ASCII string and a zero", stopped, enterText},
	{"eu", `eu Addr "text"`, "write a UTF-16 string without a terminator", stopped, enterText},
	{"ezu", `ezu Addr "text"`, "write a UTF-16 string and a zero", stopped, enterText},
	{"s", `s [-[flags]{b|w|d|q|a|u}] Range Pattern; s -[flags]{sa|su} Range; s -[flags]v Range Object`,
		"search memory for numbers, characters (a, u), any strings (sa, su), objects of a class (v); flags s save the hits, r among those saved, nN save at most N, lN strings of N characters, w writable only, 1 addresses only", stopped, searchMemory},
	{"f", "f Range Pattern", "fill memory", stopped, fillMemory},
	{"m", "m Range Addr", "move memory", stopped, moveMemory},
	{"c", "c Range Addr", "compare memory", stopped, compareMemory},
	{".writemem", ".writemem File Range", "write memory to a file", stopped | local, writeMemoryFile},
	{".readmem", ".readmem File Range", "read memory from a file", stopped | local, readMemoryFile},
}

// forms are the displays of numbers: unit size, units in a row, default bytes.
var forms = map[string]struct {
	size, units, count int
	ascii, float       bool
}{
	"db": {1, 16, 128, true, false},
	"dw": {2, 8, 128, false, false},
	"dW": {2, 8, 128, true, false},
	"dd": {4, 4, 128, false, false},
	"dc": {4, 4, 128, true, false},
	"dq": {8, 2, 128, false, false},
	"df": {4, 1, 64, false, true},
	"dD": {8, 1, 120, false, true},
}

// read reads up to n bytes at addr: what could be read, zero-filled to n, and how much.
func (c *call) read(ctx context.Context, addr arch.Addr, n uint64) ([]byte, int, error) {
	buf := make([]byte, n)
	got, err := c.v.ReadMemory(ctx, c.space, addr, buf)
	if _, fault := asError[*targets.FaultError](err); fault {
		err = nil
	}
	return buf, got, err
}

// chunk is how much a long display reads at a time; a multiple of every row.
const chunk = 4096

// stream reads a range piece by piece, so that output appears as it is read and a
// cancelled command ends.
func (c *call) stream(ctx context.Context, addr arch.Addr, n uint64, show func(addr arch.Addr, data []byte, known int)) error {
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, known, err := c.read(ctx, addr, min(n, chunk))
		if err != nil {
			return err
		}
		show(addr, data, known)
		addr += arch.Addr(len(data))
		n -= uint64(len(data))
	}
	return nil
}

func displayAgain(ctx context.Context, c *call) error {
	name := c.i.cursor.display
	if name == "" {
		name = "db"
	}
	cmd, _ := c.i.commands().find(name)
	c.name, c.cmd = name, cmd
	return cmd.Run(ctx, c)
}

// columns obeys "/c N".
func (c *call) columns(ctx context.Context, def int) (int, error) {
	o, ok := c.option("/")
	if !ok {
		return def, nil
	}
	if o != "c" && !strings.HasPrefix(o, "c") {
		return 0, c.syntax(-len(o) - 1)
	}
	if len(o) > 1 {
		n, err := c.value(ctx, o[1:])
		return int(min(max(n, 1), 128)), err
	}
	n, err := c.value(ctx, c.word())
	return int(min(max(n, 1), 128)), err
}

// displayRange reads the range of a d command; the display goes on where the last
// ended, at first at the current instruction.
func (c *call) displayRange(ctx context.Context, size uint64, def int) (arch.Addr, uint64, error) {
	at := c.i.cursor.data
	if !c.i.cursor.dataSet {
		if f, err := c.v.Frame(ctx); err == nil {
			at = f.PC
		}
	}
	r, err := c.span(ctx, size, at)
	if err != nil {
		return 0, 0, err
	}
	if err := c.end(); err != nil {
		return 0, 0, err
	}
	if !r.length {
		r.bytes = uint64(def)
	}
	r.bytes = (r.bytes + size - 1) / size * size
	c.i.cursor.data, c.i.cursor.dataSet, c.i.cursor.display = r.start+arch.Addr(r.bytes), true, c.cmd.Name
	return r.start, r.bytes, nil
}

func displayMemory(ctx context.Context, c *call) error {
	ptr := pointerSize(c.v)
	name := c.cmd.Name
	if name == "dp" {
		name = map[int]string{4: "dd", 8: "dq"}[ptr]
	}
	form := forms[name]
	if err := c.physicalOption(); err != nil {
		return err
	}
	units, err := c.columns(ctx, form.units)
	if err != nil {
		return err
	}
	addr, n, err := c.displayRange(ctx, uint64(form.size), form.count)
	if err != nil {
		return err
	}
	d := dump{size: form.size, units: units, ascii: form.ascii, float: form.float, ptr: ptr}
	width := uint64(d.size * d.units)
	step := max(chunk/width, 1) * width
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, known, err := c.read(ctx, addr, min(n, step))
		if err != nil {
			return err
		}
		d.known = known
		c.printf("%s", d.rows(addr, data))
		addr += arch.Addr(len(data))
		n -= uint64(len(data))
	}
	return nil
}

// displayText is da and du: up to a terminator, the end of the range, or 4 kB.
func displayText(ctx context.Context, c *call) error {
	unit := 1
	if c.cmd.Name == "du" {
		unit = 2
	}
	if err := c.physicalOption(); err != nil {
		return err
	}
	at := c.i.cursor.data
	r, err := c.span(ctx, uint64(unit), at)
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	limit := r.bytes
	if !r.length {
		limit = 4096
	}
	const perRow = 48
	ptr := pointerSize(c.v)
	c.i.cursor.display, c.i.cursor.dataSet = c.cmd.Name, true
	for addr := r.start; limit > 0; {
		data, known, err := c.read(ctx, addr, min(limit, uint64(perRow*unit)))
		if err != nil {
			return err
		}
		text, ended := textOf(data[:known-known%unit], unit)
		if known < len(data) && !ended {
			text += "???"
			ended = true
		}
		c.printf("%s  \"%s\"\n", addr.Text(ptr), text)
		addr += arch.Addr(len(data))
		limit -= uint64(len(data))
		c.i.cursor.data = addr
		if ended {
			return nil
		}
	}
	return nil
}

// textOf spells bytes as characters up to a zero; ended tells that there was one.
func textOf(p []byte, unit int) (text string, ended bool) {
	var b strings.Builder
	if unit == 2 {
		var u []uint16
		for k := 0; k+1 < len(p); k += 2 {
			w := uint16(p[k]) | uint16(p[k+1])<<8
			if w == 0 {
				ended = true
				break
			}
			u = append(u, w)
		}
		for _, r := range utf16.Decode(u) {
			if r < 0x20 || r == 0x7f {
				r = '.'
			}
			b.WriteRune(r)
		}
		return b.String(), ended
	}
	for _, x := range p {
		if x == 0 {
			return b.String(), true
		}
		b.WriteByte(printable(x, true))
	}
	return b.String(), false
}

// displayBits is dyb and dyd.
func displayBits(ctx context.Context, c *call) error {
	unit, def := 1, 32
	if c.cmd.Name == "dyd" {
		unit = 4
	}
	addr, n, err := c.displayRange(ctx, uint64(unit), def)
	if err != nil {
		return err
	}
	ptr := pointerSize(c.v)
	blank := strings.Repeat(" ", len(addr.Text(ptr))+3)
	if unit == 4 {
		c.printf("%s  3          2          1          0\n%s 10987654 32109876 54321098 76543210\n%s -------- -------- -------- --------\n", blank, blank, blank)
	} else {
		c.printf("%s %s\n%s %s\n", blank, strings.TrimSpace(strings.Repeat("76543210 ", 4)), blank, strings.TrimSpace(strings.Repeat("-------- ", 4)))
	}
	return c.stream(ctx, addr, n, func(addr arch.Addr, data []byte, known int) {
		for o := 0; o < len(data); o += 4 {
			c.printf("%s\n", bitsRow(addr+arch.Addr(o), data[o:min(o+4, len(data))], known-o, unit, ptr))
		}
	})
}

// bitsRow is a row of dyb (unit 1) or dyd (unit 4).
func bitsRow(addr arch.Addr, p []byte, known, unit, ptr int) string {
	bits, hex := make([]string, 4), make([]string, 0, 4)
	for k := range bits {
		bits[k] = strings.Repeat(" ", 8)
		if k >= len(p) {
			continue
		}
		x := k
		if unit == 4 {
			x = len(p) - 1 - k
		}
		if x < known {
			bits[k], hex = fmt.Sprintf("%08b", p[x]), append(hex, fmt.Sprintf("%02x", p[x]))
		} else {
			bits[k], hex = "????????", append(hex, "??")
		}
	}
	sep := " "
	if unit == 4 {
		sep = ""
	}
	return fmt.Sprintf("%s  %s  %s", addr.Text(ptr), strings.Join(bits, " "), strings.Join(hex, sep))
}

// unitOf is the word size a display's second letter names.
func unitOf(letter byte, ptr int) int {
	switch letter {
	case 'd':
		return 4
	case 'q':
		return 8
	}
	return ptr
}

func displaySymbols(ctx context.Context, c *call) error {
	ptr := pointerSize(c.v)
	unit := unitOf(c.cmd.Name[1], ptr)
	addr, n, err := c.displayRange(ctx, uint64(unit), 16*unit)
	if err != nil {
		return err
	}
	return c.dumpSymbols(ctx, addr, unit, int(n)/unit, ptr)
}

// dumpSymbols writes n words with the symbols they point to.
func (c *call) dumpSymbols(ctx context.Context, addr arch.Addr, unit, n, ptr int) error {
	return c.stream(ctx, addr, uint64(n*unit), func(addr arch.Addr, data []byte, known int) {
		for o := 0; o < len(data); o += unit {
			d := dump{size: unit}
			text := d.unit(data[o:o+unit], o+unit <= known)
			if o+unit <= known {
				l := c.v.Locate(arch.Addr(littleEndian(data[o : o+unit])))
				if l.Module != nil {
					text += " " + located(l, !c.i.source.noLines)
				}
			}
			c.printf("%s  %s\n", (addr + arch.Addr(o)).Text(ptr), text)
		}
	})
}

// displayPointed is dpa, dpp, dpu and their kin.
func displayPointed(ctx context.Context, c *call) error {
	ptr := pointerSize(c.v)
	unit := unitOf(c.cmd.Name[1], ptr)
	addr, n, err := c.displayRange(ctx, uint64(unit), 16*unit)
	if err != nil {
		return err
	}
	kind := c.cmd.Name[2]
	return c.stream(ctx, addr, n, func(addr arch.Addr, data []byte, known int) {
		for o := 0; o < len(data); o += unit {
			text := dump{size: unit}.unit(data[o:o+unit], o+unit <= known)
			if o+unit <= known {
				text += c.pointed(ctx, arch.Addr(littleEndian(data[o:o+unit])), kind, ptr)
			}
			c.printf("%s  %s\n", (addr + arch.Addr(o)).Text(ptr), text)
		}
	})
}

// pointed is what a word points to; "" when nothing can be read there.
func (c *call) pointed(ctx context.Context, at arch.Addr, kind byte, ptr int) string {
	if kind == 'p' {
		data, known, err := c.read(ctx, at, uint64(ptr))
		if err != nil || known < ptr {
			return ""
		}
		w := arch.Addr(littleEndian(data))
		text := " " + w.Text(ptr)
		if name := nameAt(c.v, w); name != "" {
			text += " " + name
		}
		return text
	}
	unit := 1
	if kind == 'u' {
		unit = 2
	}
	data, known, err := c.read(ctx, at, uint64(64*unit))
	if err != nil || known < unit {
		return ""
	}
	text, _ := textOf(data[:known-known%unit], unit)
	return ` "` + text + `"`
}

// write stores p at addr.
func (c *call) write(ctx context.Context, addr arch.Addr, p []byte) error {
	n, err := c.v.WriteMemory(ctx, c.space, addr, p)
	if fault, ok := asError[*targets.FaultError](err); ok {
		return &Error{Kind: "Memory access", Command: c.text, Pos: c.pos + len(c.name) + 1, Err: err, Fix: fault.Error()}
	}
	if err == nil && n < len(p) {
		return &Error{Kind: "Memory access", Command: c.text, Pos: c.pos + len(c.name) + 1, Err: errors.New("short write")}
	}
	return err
}
