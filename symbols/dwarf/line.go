package dwarf

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// lineTable is a decoded line program: sequences sorted by address, each a run
// of rows.
type lineTable struct {
	files []lineFile
	seqs  []sequence
	rows  []row
}

// sequence covers [low, high) with rows[first:last]. Gaps lie between sequences.
type sequence struct {
	addrRange
	first, last int
}

type row struct {
	addr  uint64
	line  uint32
	file  uint32
	discr uint32
	col   uint16
	flags uint8
}

const (
	rowStmt uint8 = 1 << iota
	rowPrologueEnd
	rowEnd // ends a sequence, covers nothing
)

// lineFile is an entry of a line program's file table; both alias a section.
type lineFile struct {
	dir, name []byte
	base      bool // dir is directory 0, the compilation directory itself: the others are relative to it
}

// lineHeader is the head of a line program (DWARF 5, 6.2.4).
type lineHeader struct {
	layout
	minInst, maxOps uint8
	defaultStmt     bool
	lineBase        int8
	lineRange       uint8
	opcodeBase      uint8
	lengths         []byte
	dirs            [][]byte
	files           []lineFile
	program         buf
}

// maxRows bounds one line program; the biggest compilers write is far below.
const maxRows = 1 << 24

// lineHeader reads the head of the program at off of .debug_line. dir is the
// unit's compilation directory, for versions before 5.
func (d *Data) lineHeader(off uint64, u *unit) (*lineHeader, bool) {
	b, is64, ok := u.file.contribution(secLine, off)
	if !ok {
		return nil, false
	}
	h := &lineHeader{layout: u.layout}
	h.is64, h.version = is64, b.u16()
	if h.version < 2 || h.version > 5 {
		return nil, false
	}
	if h.version == 5 {
		h.addrSize = b.u8()
		b.u8() // segment selectors
	}
	length := b.offset(is64)
	if b.bad || length > uint64(b.left()) {
		return nil, false
	}
	h.program = b
	h.program.off += int(length)
	b.d = b.d[:h.program.off]
	h.minInst, h.maxOps = b.u8(), 1
	if h.version >= 4 {
		h.maxOps = max(b.u8(), 1)
	}
	h.defaultStmt = b.u8() != 0
	h.lineBase, h.lineRange, h.opcodeBase = int8(b.u8()), b.u8(), b.u8()
	if h.opcodeBase > 0 {
		h.lengths = b.take(uint64(h.opcodeBase) - 1)
	}
	if h.version == 5 {
		h.tables(&b, u)
	} else {
		h.oldTables(&b, []byte(u.rootAttrs().dir))
	}
	return h, !b.bad
}

// oldTables reads the directory and file tables of versions 2 to 4. File
// numbers begin with 1; entry 0 is left for them.
func (h *lineHeader) oldTables(b *buf, dir []byte) {
	h.dirs = append(h.dirs, dir)
	for {
		s := b.cstr()
		if len(s) == 0 {
			break
		}
		h.dirs = append(h.dirs, s)
	}
	h.files = append(h.files, lineFile{})
	for {
		name := b.cstr()
		if len(name) == 0 {
			return
		}
		h.files = append(h.files, h.file(name, b.uleb()))
		b.uleb() // time
		b.uleb() // length
	}
}

func (h *lineHeader) file(name []byte, dir uint64) lineFile {
	f := lineFile{name: name, base: dir == 0}
	if dir < uint64(len(h.dirs)) {
		f.dir = h.dirs[dir]
	}
	return f
}

// Content types of version 5 tables.
const (
	lnctPath      = 1
	lnctDirectory = 2
)

func (h *lineHeader) tables(b *buf, u *unit) {
	h.entries(b, u, func(name []byte, _ uint64) { h.dirs = append(h.dirs, name) })
	h.entries(b, u, func(name []byte, dir uint64) { h.files = append(h.files, h.file(name, dir)) })
}

func (h *lineHeader) entries(b *buf, u *unit, add func(name []byte, dir uint64)) {
	type column struct {
		content uint64
		form    form
	}
	var columns [255]column
	n := int(b.u8())
	for i := range n {
		columns[i] = column{b.uleb(), form(b.uleb())}
	}
	lu := unit{data: u.data, space: u.space, layout: h.layout, root: u.root} // string forms are as in the unit
	lu.version = 5
	// An entry without bytes tells nothing, so there are no more than bytes.
	for count := min(b.uleb(), uint64(b.left())); count > 0 && n > 0 && !b.bad; count-- {
		var name []byte
		var dir uint64
		for _, c := range columns[:n] {
			v := lu.value(b, c.form, 0)
			switch c.content {
			case lnctPath:
				name = lu.str(v)
			case lnctDirectory:
				dir = v.u
			}
		}
		if !b.bad {
			add(name, dir)
		}
	}
}

// path joins the file's name with its directory and the compilation directory.
func (f lineFile) path(compDir string) string {
	name, dir := string(f.name), string(f.dir)
	if name == "" || absolute(name) {
		return name
	}
	if dir != "" && !f.base && !absolute(dir) && compDir != "" {
		dir = compDir + "/" + dir
	}
	return clean(dir + "/" + name)
}

// absolute knows both Unix and Windows paths: the compiler ran anywhere.
func absolute(p string) bool {
	return strings.HasPrefix(p, "/") || strings.HasPrefix(p, `\`) || len(p) > 2 && p[1] == ':' && (p[2] == '\\' || p[2] == '/')
}

func clean(p string) string {
	if strings.HasPrefix(p, "/") || !strings.Contains(p, `\`) {
		p = path.Clean(p)
	}
	return p
}

// decode runs the line program.
func (h *lineHeader) decode(d *Data) *lineTable {
	t := &lineTable{files: h.files}
	if h.lineRange == 0 {
		return t
	}
	t.rows = make([]row, 0, min(h.program.left()/4, maxRows)) // a row takes 3 to 5 bytes
	m := lineMachine{h: h, t: t, data: d}
	m.reset()
	for b := h.program; b.left() > 0 && len(t.rows) < maxRows; {
		m.step(&b)
	}
	t.rows = t.rows[:m.start] // rows after the last complete sequence mean nothing
	slices.SortStableFunc(t.seqs, func(a, b sequence) int { return cmp.Compare(a.low, b.low) })
	return t
}

// first returns the address of the program's first row that describes code of the
// image, running no more of the program than that takes.
func (h *lineHeader) first(d *Data) (addr uint64, ok bool) {
	if h.lineRange == 0 {
		return 0, false
	}
	t := &lineTable{}
	m := lineMachine{h: h, t: t, data: d}
	m.reset()
	for b := h.program; b.left() > 0; t.rows = t.rows[:0] {
		m.start = 0
		for len(t.rows) == 0 && b.left() > 0 {
			m.step(&b)
		}
		if len(t.rows) > 0 && t.rows[0].flags&rowEnd == 0 && d.live(t.rows[0].addr, t.rows[0].addr+1) {
			return t.rows[0].addr, true
		}
	}
	return 0, false
}

// lineMachine is the state machine of DWARF 5, 6.2.2.
type lineMachine struct {
	h     *lineHeader
	t     *lineTable
	data  *Data
	start int // first row of this sequence
	op    uint64
	row
}

func (m *lineMachine) reset() {
	m.row = row{line: 1, file: 1}
	m.op = 0
	if m.h.defaultStmt {
		m.flags = rowStmt
	}
}

func (m *lineMachine) advance(n uint64) {
	ops := uint64(m.h.maxOps)
	m.addr += uint64(m.h.minInst) * ((m.op + n) / ops)
	m.op = (m.op + n) % ops
}

func (m *lineMachine) emit() {
	m.t.rows = append(m.t.rows, m.row)
	m.flags &= rowStmt
	m.discr = 0
}

// Standard and extended opcodes.
const (
	lnsCopy = 1 + iota
	lnsAdvancePC
	lnsAdvanceLine
	lnsSetFile
	lnsSetColumn
	lnsNegateStmt
	lnsBasicBlock
	lnsConstAddPC
	lnsFixedAdvancePC
	lnsPrologueEnd
	lnsEpilogueBegin
	lnsSetISA

	lneEndSequence   = 1
	lneSetAddress    = 2
	lneDefineFile    = 3
	lneDiscriminator = 4
)

func (m *lineMachine) step(b *buf) {
	op := b.u8()
	if op >= m.h.opcodeBase {
		adj := op - m.h.opcodeBase
		m.advance(uint64(adj / m.h.lineRange))
		m.line += uint32(int32(m.h.lineBase) + int32(adj%m.h.lineRange))
		m.emit()
		return
	}
	switch op {
	case 0:
		m.extended(b)
	case lnsCopy:
		m.emit()
	case lnsAdvancePC:
		m.advance(b.uleb())
	case lnsAdvanceLine:
		m.line += uint32(b.sleb())
	case lnsSetFile:
		m.file = uint32(b.uleb())
	case lnsSetColumn:
		m.col = uint16(min(b.uleb(), 0xffff))
	case lnsNegateStmt:
		m.flags ^= rowStmt
	case lnsConstAddPC:
		m.advance(uint64((255 - m.h.opcodeBase) / m.h.lineRange))
	case lnsFixedAdvancePC:
		m.addr += uint64(b.u16())
		m.op = 0
	case lnsPrologueEnd:
		m.flags |= rowPrologueEnd
	case lnsBasicBlock, lnsEpilogueBegin:
	case lnsSetISA:
		b.uleb()
	default:
		for range m.h.lengths[op-1] {
			b.uleb()
		}
	}
}

func (m *lineMachine) extended(b *buf) {
	n := b.uleb()
	p := b.take(n)
	if len(p) == 0 {
		return
	}
	x := buf{d: p, off: 1, be: b.be}
	switch p[0] {
	case lneEndSequence:
		m.flags = rowEnd
		m.emit()
		m.endSequence()
		m.reset()
	case lneSetAddress:
		if n := x.left(); n >= 1 && n <= 8 {
			m.addr, m.op = x.uint(n), 0
		}
	case lneDiscriminator:
		m.discr = uint32(x.uleb())
	case lneDefineFile:
		name := x.cstr()
		m.t.files = append(m.t.files, m.h.file(name, x.uleb()))
	}
}

// endSequence keeps the rows since start when they describe code of the image.
func (m *lineMachine) endSequence() {
	t := m.t
	rows := t.rows[m.start:]
	low, high := rows[0].addr, rows[len(rows)-1].addr
	if !m.data.live(low, high) {
		t.rows = t.rows[:m.start]
		return
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.addr, b.addr) })
	t.seqs = append(t.seqs, sequence{addrRange{low, high}, m.start, len(t.rows)})
	m.start = len(t.rows)
}
