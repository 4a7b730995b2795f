package report

import (
	"fmt"
	"io"
	"strings"

	"dap-windbg/symbols"
)

// WriteText writes the report for people: what happened first, then everything else.
// It has no control characters, wherever it is written to.
func WriteText(w io.Writer, r *Run) error {
	var b strings.Builder
	for _, p := range r.Processes {
		p.text(&b)
	}
	for _, f := range r.Failures {
		b.WriteString(f.text())
	}
	for _, o := range r.Omitted {
		fmt.Fprintf(&b, "Left out: %s\n", oneLine(o, 4*maxValue))
	}
	fmt.Fprintf(&b, "Result: %s: %s (exit status %d)\n", r.Result, r.Summary, r.Status)
	_, err := io.WriteString(w, b.String())
	return err
}

// text of a failure: where, what was expected, what there was.
func (f Failure) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "FAILED %s%s\n", f.at(), f.Message)
	if f.Expected != "" {
		fmt.Fprintf(&b, "    expected: %s\n    actual:   %s\n", indented(f.Expected, 14), indented(f.Actual, 14))
	}
	return b.String()
}

func (f Failure) at() string {
	switch {
	case f.Script != "" && f.Line > 0:
		return fmt.Sprintf("%s:%d: ", f.Script, f.Line)
	case f.Script != "":
		return f.Script + ": "
	}
	return ""
}

// indented keeps the later lines of a text below its first one.
func indented(s string, by int) string {
	return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n"+strings.Repeat(" ", by))
}

func (p *Process) text(b *strings.Builder) {
	title := map[Kind]string{NotResponding: "HUNG", FailedCheck: "STATE", Standing: "STATE"}[p.Kind]
	fmt.Fprintf(b, "%s: %s\n", orElse(title, "CRASH"), p.Headline)
	fmt.Fprintf(b, "    process %d (%s)", p.ID, p.name())
	if p.Child > 0 {
		fmt.Fprintf(b, ", child %d", p.Child)
	}
	if p.Command != "" {
		fmt.Fprintf(b, ": %s", p.Command)
	}
	b.WriteString("\n")
	if p.Signal != nil {
		fmt.Fprintf(b, "    signal %s\n", p.Signal.text())
	}
	if p.Message != "" {
		fmt.Fprintf(b, "    the program said: %s\n", indented(p.Message, 8))
	}
	if p.Place != nil {
		fmt.Fprintf(b, "    at %s\n", p.Place.text())
	}
	for _, s := range p.Source {
		mark := " "
		if s.Here {
			mark = ">"
		}
		b.WriteString(strings.TrimRight(fmt.Sprintf("    %s %5d: %s", mark, s.Line, s.Text), " ") + "\n")
	}
	if p.Instruction != "" {
		fmt.Fprintf(b, "    instruction %s\n", p.Instruction)
	}
	for _, t := range p.Threads {
		p.stack(b, &t)
	}
	p.registerText(b)
	for _, m := range p.Memory {
		p.memoryText(b, m)
	}
	if len(p.Modules) > 0 {
		b.WriteString("\nModules:\n")
	}
	for _, m := range p.Modules {
		fmt.Fprintf(b, "  %s %s  %-40s %s", m.Start.columns(p.pointer), m.End.columns(p.pointer), orElse(m.BuildID, "-"), orElse(m.Path, m.Name))
		if m.Path == p.Program && m.Symbols != symbolKinds[symbols.DWARF] && m.Symbols != symbolKinds[symbols.PDB] { // of libraries that is no news
			fmt.Fprintf(b, " (%s)", m.Symbols)
		}
		b.WriteByte('\n')
	}
	if p.Core != "" {
		fmt.Fprintf(b, "\nCore file: %s\n", p.Core)
	}
	for _, o := range p.Omitted {
		fmt.Fprintf(b, "Left out: %s\n", oneLine(o, 4*maxValue))
	}
	b.WriteString("\n")
}

func (s *Signal) text() string {
	out := s.Name
	if s.Code != "" {
		out += fmt.Sprintf(" (%s: %s)", s.Code, s.Text)
	}
	if s.Address != nil {
		out += fmt.Sprintf(", %s %s", orElse(s.Access, "access to"), s.Address)
	}
	if s.Sender > 0 {
		out += fmt.Sprintf(", from process %d", s.Sender)
	}
	return out
}

// text is a frame as WinDbg's k has it: "orders!total+0x12 [orders.cpp @ 42]", or
// "orders+0x1189" where no function is known.
func (f *Frame) text() string {
	name := f.Module
	switch {
	case f.Module == "":
		name = f.Address.String()
	case f.Function == "":
		name += fmt.Sprintf("+0x%x", f.Offset)
	case f.Inlined || f.Offset == 0:
		name += "!" + f.Function
	default:
		name += fmt.Sprintf("!%s+0x%x", f.Function, f.Offset)
	}
	if f.File != "" {
		name += fmt.Sprintf(" [%s @ %d]", f.File, f.Line)
	}
	if f.Inlined {
		name += " (inlined)"
	}
	return name
}

func (p *Process) stack(b *strings.Builder, t *Thread) {
	fmt.Fprintf(b, "\nThread %d (%d)", t.Number, t.ID)
	if t.Name != "" {
		fmt.Fprintf(b, " %s", t.Name)
	}
	if t.Crashed && p.Kind != NotResponding {
		b.WriteString(", which stopped")
	}
	b.WriteString(":\n")
	for k := range t.Frames {
		f := &t.Frames[k]
		if f.Skipped > 0 {
			fmt.Fprintf(b, "  .. %s left out\n", counted(f.Skipped, "frame"))
			continue
		}
		fmt.Fprintf(b, "  %02d %s %s\n", f.Number, f.Address.columns(p.pointer), f.text())
		for _, v := range f.Variables {
			v.text(b, 7)
		}
	}
	if t.End != "" {
		fmt.Fprintf(b, "  .. %s\n", t.End)
	}
}

func (v *Variable) text(b *strings.Builder, indent int) {
	value := v.Value
	if v.Error != "" {
		value = "<" + v.Error + ">"
	}
	kind := ""
	if v.Argument {
		kind = "argument "
	}
	typ := ""
	if v.Type != "" {
		typ = " (" + v.Type + ")"
	}
	if value != "" {
		value = " = " + value
	}
	fmt.Fprintf(b, "%*s%s%s%s%s\n", indent, "", kind, v.Name, value, typ)
	for k := range v.Members {
		v.Members[k].text(b, indent+2)
	}
}

func (p *Process) registerText(b *strings.Builder) {
	const across = 4
	if len(p.Registers) > 0 {
		b.WriteString("\nRegisters:")
	}
	for k, r := range p.Registers {
		if k%across == 0 {
			b.WriteString("\n ")
		}
		fmt.Fprintf(b, " %6s=%s", r.Name, r.Value)
	}
	if len(p.Registers) > 0 {
		b.WriteString("\n")
	}
}

// memoryText shows 16 bytes a row; a byte has two digits.
func (p *Process) memoryText(b *strings.Builder, m Memory) {
	fmt.Fprintf(b, "\nMemory around %s:\n", m.Title)
	for at := 0; at < len(m.Bytes); at += 32 {
		row := m.Bytes[at:min(at+32, len(m.Bytes))]
		fmt.Fprintf(b, "  %s ", (m.Address + Address(at/2)).columns(p.pointer))
		text := ""
		for k := 0; k+2 <= len(row); k += 2 {
			fmt.Fprintf(b, " %s", row[k:k+2])
			text += printable(row[k : k+2])
		}
		fmt.Fprintf(b, "  %s\n", text)
	}
}

func printable(hex string) string {
	var n int
	if _, err := fmt.Sscanf(hex, "%02x", &n); err == nil && n >= 0x20 && n < 0x7f {
		return string(rune(n))
	}
	return "."
}
