package dwarf

import (
	"bytes"
	"iter"
	"slices"

	"dap-windbg/symbols"
)

// A unit's macros are its preprocessor's log: definitions, and where each file
// is entered and left (.debug_macro: DWARF 5, 6.3, and GCC's version 4 before it;
// .debug_macinfo of the versions before). What code sees is what the log says up
// to the code's own line.

// Entries of .debug_macro, DWARF 5 table 7.20. Version 4 has them up to
// macroImportSup, with the same meanings.
const (
	macroDefine     = 0x01
	macroUndef      = 0x02
	macroStartFile  = 0x03
	macroEndFile    = 0x04
	macroDefineStrp = 0x05
	macroUndefStrp  = 0x06
	macroImport     = 0x07
	macroDefineSup  = 0x08
	macroUndefSup   = 0x09
	macroImportSup  = 0x0a
	macroDefineStrx = 0x0b
	macroUndefStrx  = 0x0c
	macinfoVendor   = 0xff
)

// maxMacros bounds the entries of one walk, imports included, and maxImports how
// deep those nest.
const (
	maxMacros  = 1 << 18
	maxImports = 32
)

// macroLog walks a unit's log until the place of the code.
type macroLog struct {
	name func(file uint64) string // of a file number
	path string
	line uint64

	entries func(define bool, text []byte, line uint64, file string) bool

	files   []string   // entered and not left, innermost last
	reached bool       // the code's file was entered
	imports []logPlace // under way
	left    int
}

type logPlace struct {
	file *file
	off  uint64
}

// Macro finds the definition in force at off.
func (d *Data) Macro(off symbols.Offset, name string) (symbols.Macro, bool) {
	var def []byte
	var at symbols.Line
	d.walkMacros(off, func(define bool, text []byte, line uint64, file string) bool {
		if macroName(text, name) {
			if def = nil; define {
				def, at = text, symbols.Line{File: file, Line: int(line)}
			}
		}
		return true
	})
	if def == nil {
		return symbols.Macro{}, false
	}
	m, ok := symbols.ParseMacro(string(def))
	m.Decl = at
	return m, ok
}

// macroName reports whether a definition is of name.
func macroName(def []byte, name string) bool {
	if len(def) < len(name) || string(def[:len(name)]) != name {
		return false
	}
	return len(def) == len(name) || def[len(name)] == ' ' || def[len(name)] == '('
}

// MacrosAt yields the definitions in force at off.
func (d *Data) MacrosAt(off symbols.Offset) iter.Seq[symbols.Macro] {
	return func(yield func(symbols.Macro) bool) {
		var all []symbols.Macro
		last := map[string]int{} // the index in all and one more
		d.walkMacros(off, func(define bool, text []byte, line uint64, file string) bool {
			n := bytes.IndexAny(text, " (")
			if n < 0 {
				n = len(text)
			}
			name := string(text[:n])
			if i := last[name]; i > 0 {
				all[i-1].Name = ""
				last[name] = 0
			}
			if m, ok := symbols.ParseMacro(string(text)); ok && define {
				m.Decl = symbols.Line{File: file, Line: int(line)}
				all = append(all, m)
				last[name] = len(all)
			}
			return true
		})
		for _, m := range all {
			if m.Name != "" && !yield(m) {
				return
			}
		}
	}
}

// walkMacros calls f with each entry that the code at off comes after.
func (d *Data) walkMacros(off symbols.Offset, f func(define bool, text []byte, line uint64, file string) bool) {
	u := d.unitAt(d.addr(off))
	if u == nil {
		return
	}
	w := macroLog{name: u.fileName, entries: f, left: maxMacros}
	for _, u := range []*unit{u.full(), u} {
		if u.file.size(secMacro) == 0 && u.file.size(secMacinfo) == 0 {
			continue // as it mostly is
		}
		if w.path == "" {
			at, _ := d.Line(off)
			w.path, w.line = at.File, uint64(at.Line)
		}
		u.load()
		root, ok := u.readDIE(u.first)
		if !ok {
			continue
		}
		if v, ok := root.attr(atMacros); ok {
			w.macro(u.file, u, v.u)
			return
		}
		if v, ok := root.attr(atGNUMacros); ok {
			w.macro(u.file, u, v.u)
			return
		}
		if v, ok := root.attr(atMacroInfo); ok {
			w.macinfo(u.file.buf(secMacinfo, v.u))
			return
		}
	}
}

// split takes the file numbers from the line table of a split unit's own file,
// when it has one.
func (w *macroLog) split(u *unit, off uint64) {
	if u.skeleton() == nil || len(u.file.section(secLine)) == 0 {
		return
	}
	if h, ok := u.data.lineHeader(off, u); ok {
		w.name = func(n uint64) string {
			if n >= uint64(len(h.files)) {
				return ""
			}
			return h.files[n].path(u.root.dir)
		}
	}
}

// enter, leave and define follow the log; false ends it.
func (w *macroLog) enter(line, file uint64) bool {
	if w.past(line) {
		return false
	}
	name := w.name(file)
	w.files = append(w.files, name)
	w.reached = w.reached || name == w.path
	return len(w.files) < maxDepth
}

func (w *macroLog) leave() bool {
	n := len(w.files)
	if n == 0 {
		return false
	}
	name := w.files[n-1]
	w.files = w.files[:n-1]
	return !w.reached || name != w.path || slices.Contains(w.files, w.path)
}

// past reports whether a line of the innermost file is behind the code's.
func (w *macroLog) past(line uint64) bool {
	return w.reached && w.file() == w.path && line > w.line
}

func (w *macroLog) file() string {
	if len(w.files) == 0 {
		return ""
	}
	return w.files[len(w.files)-1]
}

func (w *macroLog) define(yes bool, line uint64, text []byte) bool {
	return !w.past(line) && w.entries(yes, text, line, w.file())
}

// macro walks the log at off of .debug_macro; false when the walk is to end.
func (w *macroLog) macro(f *file, u *unit, off uint64) bool {
	b := f.buf(secMacro, off)
	version, flags := b.u16(), b.u8()
	if version < 4 || version > 5 || b.bad || len(w.imports) >= maxImports || slices.Contains(w.imports, logPlace{f, off}) {
		return true // GCC's .dwo files have imports that lead nowhere but to themselves
	}
	w.imports = append(w.imports, logPlace{f, off})
	defer func() { w.imports = w.imports[:len(w.imports)-1] }()
	is64 := flags&1 != 0
	if flags&2 != 0 {
		w.split(u, b.offset(is64))
	}
	operands := map[uint8][]byte{}
	if flags&4 != 0 {
		for n := b.u8(); n > 0 && !b.bad; n-- {
			op := b.u8()
			operands[op] = b.take(b.uleb())
		}
	}
	for !b.bad {
		if w.left--; w.left < 0 {
			return false
		}
		op := b.u8()
		if op == 0 {
			return true
		}
		if forms, ok := operands[op]; ok {
			for _, f := range forms {
				lu := unit{data: u.data, space: u.space, layout: layout{version, u.addrSize, is64}}
				lu.value(&b, form(f), 0)
			}
			continue
		}
		if !w.entry(f, u, &b, op, is64) {
			return false
		}
	}
	return true
}

// entry does one entry; false when the walk is to end.
func (w *macroLog) entry(f *file, u *unit, b *buf, op uint8, is64 bool) bool {
	text := func(read func() []byte) bool {
		line := b.uleb()
		s := read()
		defines := op == macroDefine || op == macroDefineStrp || op == macroDefineSup || op == macroDefineStrx
		return w.define(defines, line, s)
	}
	switch op {
	case macroDefine, macroUndef:
		return text(b.cstr)
	case macroDefineStrp, macroUndefStrp:
		return text(func() []byte { return stringAt(f.section(secStr), b.offset(is64)) })
	case macroDefineStrx, macroUndefStrx:
		return text(func() []byte { return u.str(value{form: formStrx, u: b.uleb()}) })
	case macroDefineSup, macroUndefSup:
		return text(func() []byte { return u.str(value{form: formStrpSup, u: b.offset(is64)}) })
	case macroStartFile:
		line := b.uleb()
		return w.enter(line, b.uleb())
	case macroEndFile:
		return w.leave()
	case macroImport:
		return w.macro(f, u, b.offset(is64))
	case macroImportSup:
		off := b.offset(is64)
		if sup := u.data.supplement(); sup != nil {
			return w.macro(sup, u, off)
		}
		return true
	}
	return false
}

// macinfo walks the log of the versions before 5.
func (w *macroLog) macinfo(b buf) {
	for w.left > 0 && !b.bad {
		w.left--
		op := b.u8()
		arg := uint64(0)
		if op != 0 && op != macroEndFile {
			arg = b.uleb()
		}
		more := true
		switch op {
		case macroDefine, macroUndef:
			more = w.define(op == macroDefine, arg, b.cstr())
		case macroStartFile:
			more = w.enter(arg, b.uleb())
		case macroEndFile:
			more = w.leave()
		case macinfoVendor:
			b.cstr()
		default:
			more = false
		}
		if !more {
			return
		}
	}
}
