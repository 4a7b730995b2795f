package core

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/binfmt/elf"
)

// notes makes the note segment of p, in the order in which Linux writes it: the
// process's own notes lie behind the first thread's status.
func (m *machine) notes(p *Process) []byte {
	var out []byte
	for i := range p.Threads {
		t := &p.Threads[i]
		out = note(out, "CORE", notePrstatus, m.writeStatus(p, t))
		if i == 0 {
			out = note(out, "CORE", notePrpsinfo, m.writeInfo(p))
			if len(p.Auxv) > 0 {
				out = note(out, "CORE", noteAuxv, p.Auxv)
			}
			if files := m.writeFiles(p); files != nil {
				out = note(out, "CORE", noteFile, files)
			}
		}
		if len(t.Siginfo) > 0 {
			out = note(out, "CORE", noteSiginfo, t.Siginfo)
		}
		for k := range m.sets {
			if d := m.sets[k].write(t.Registers); d != nil {
				out = note(out, m.sets[k].owner, m.sets[k].kind, d)
			}
		}
		if m.vectors() > 0 {
			if d := m.writeXSave(t.Registers); d != nil {
				out = note(out, "LINUX", noteXState, d)
			}
		}
		if gs, ok := t.Registers.Get("gs"); ok && m.arch == arch.I386 {
			if base, ok := t.Registers.Get("gs_base"); ok {
				out = note(out, "LINUX", noteTLS386, words32(uint32(gs>>3), uint32(base), 0xfffff, 0x51))
			}
		}
	}
	return out
}

func words32(v ...uint32) []byte {
	var d []byte
	for _, x := range v {
		d = binary.LittleEndian.AppendUint32(d, x)
	}
	return d
}

// note appends one note: sizes and type, then name and contents in whole words.
func note(out []byte, owner string, kind uint32, desc []byte) []byte {
	out = append(out, words32(uint32(len(owner)+1), uint32(len(desc)), kind)...)
	for _, d := range [][]byte{append([]byte(owner), 0), desc} {
		out = append(out, d...)
		out = append(out, make([]byte, -len(d)&3)...)
	}
	return out
}

// write makes a note of registers, nil when none of them is known.
func (s *regset) write(r *arch.Registers) []byte {
	known := func(f field) bool {
		i, ok := r.Set.Index(f.reg)
		return ok && r.Known(i)
	}
	if !slices.ContainsFunc(s.fields, known) {
		return nil
	}
	d := make([]byte, s.size)
	put(r, d, s.fields)
	if s.x87 {
		writeX87(r, d)
	}
	return d
}

func (m *machine) writeStatus(p *Process, t *Thread) []byte {
	s := &m.status
	d := make([]byte, s.size)
	order := binary.LittleEndian
	signal := p.Threads[0].Signal      // as Linux has it in all threads, and readers take the last one's
	order.PutUint32(d, uint32(signal)) // pr_info.si_signo
	order.PutUint16(d[s.signal:], uint16(signal))
	order.PutUint32(d[s.pid:], uint32(t.ID))
	order.PutUint32(d[s.ppid:], uint32(p.Parent))
	put(t.Registers, d[s.regs:], s.fields)
	if m.sets[0].write(t.Registers) != nil {
		last := s.fields[len(s.fields)-1]
		order.PutUint32(d[s.regs+last.at+last.size:], 1) // pr_fpvalid
	}
	return d
}

func (m *machine) writeInfo(p *Process) []byte {
	i := &m.info
	d := make([]byte, i.size)
	order := binary.LittleEndian
	if k := strings.IndexByte("RSDTZW", p.State); p.State != 0 && k >= 0 {
		d[0], d[1] = byte(k), p.State
	}
	for k, id := range []uint32{p.UID, p.GID} {
		if at := i.uid + k*i.idSize; i.idSize == 2 {
			order.PutUint16(d[at:], uint16(id))
		} else {
			order.PutUint32(d[at:], id)
		}
	}
	order.PutUint32(d[i.pid:], uint32(p.ID))
	order.PutUint32(d[i.pid+4:], uint32(p.Parent))
	copy(d[i.name:i.name+15], p.Name)
	copy(d[i.args:i.args+79], p.Args)
	return d
}

// writeFiles makes NT_FILE, nil when no file is mapped.
func (m *machine) writeFiles(p *Process) []byte {
	var table, names []byte
	put := func(d []byte, v uint64) []byte {
		if m.arch.PtrSize == 8 {
			return binary.LittleEndian.AppendUint64(d, v)
		}
		return binary.LittleEndian.AppendUint32(d, uint32(v))
	}
	count := uint64(0)
	for i := range p.Regions {
		r := &p.Regions[i]
		if !strings.HasPrefix(r.Path, "/") {
			continue
		}
		count++
		table = put(put(put(table, uint64(r.Start)), uint64(r.End)), r.Offset/pageSize)
		names = append(names, r.Path...)
		if r.Deleted {
			names = append(names, " (deleted)"...)
		}
		names = append(names, 0)
	}
	if count == 0 {
		return nil
	}
	return slices.Concat(put(put(nil, count), pageSize), table, names)
}

// headSize is where the notes go behind n program headers and one section header.
func (w *writer) headSize(n int) uint64 {
	if w.m.arch.PtrSize == 8 {
		return uint64(64 + n*56 + 64)
	}
	return uint64(52 + n*32 + 40)
}

// manyHeaders stands for a number of program headers that ELF's header has no room
// for; section 0 tells it (PN_XNUM, System V gABI, chapter 4).
const manyHeaders = 0xffff

// headers writes the ELF header and the program headers; the notes lie at notesAt.
func (w *writer) headers(notesAt, notes uint64) error {
	all := append([]elf.Segment{{Type: elf.SegNote, Offset: notesAt, Filesz: notes, Align: 4}}, w.segments()...)
	var b bytes.Buffer
	wide := w.m.arch.PtrSize == 8
	put := func(v ...any) {
		for _, x := range v {
			if n, ok := x.(uint64); ok && !wide {
				x = uint32(n)
			}
			binary.Write(&b, binary.LittleEndian, x)
		}
	}
	class, header, phent, shent := byte(2), uint64(64), uint16(56), uint16(64)
	if !wide {
		class, header, phent, shent = 1, 52, 32, 40
	}
	count, sections, shoff := uint16(len(all)), uint16(0), uint64(0)
	if len(all) >= manyHeaders {
		count, sections, shoff = manyHeaders, 1, header+uint64(len(all))*uint64(phent)
	}
	put([]byte{0x7f, 'E', 'L', 'F', class, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	put(uint16(elf.Core), w.m.number, uint32(1), uint64(0), header, shoff, uint32(0), uint16(header), phent, count, shent*sections, sections, uint16(0))
	for _, s := range all {
		if wide {
			put(s.Type, s.Flags, s.Offset, s.Vaddr, s.Paddr, s.Filesz, s.Memsz, s.Align)
		} else {
			put(s.Type, s.Offset, s.Vaddr, s.Paddr, s.Filesz, s.Memsz, s.Flags, s.Align)
		}
	}
	if sections > 0 {
		put(uint32(0), uint32(0), uint64(0), uint64(0), uint64(0), uint64(1), uint32(0), uint32(len(all)), uint64(0), uint64(0))
	}
	_, err := w.f.WriteAt(b.Bytes(), 0)
	return err
}
