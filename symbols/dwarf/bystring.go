package dwarf

import (
	"bytes"
	"encoding/binary"

	"dap-windbg/symbols/index"
)

// maxTried is how many units are read in vain before all are.
const maxTried = 48

// byString finds the definition of a type or variable before the index is there:
// a name lies once in .debug_str, so the units that have its place in their bytes
// are few enough to read, and the first definition will do. None when the name is
// written otherwise, or may be anything else than a definition.
func (d *Data) byString(kind index.Kind, name string) []index.Entry {
	if kind != index.Type && kind != index.Variable || d.opt.BigEndian {
		return nil
	}
	var places [][]byte
	str := d.section(secStr)
	want := append([]byte(lastName(name)), 0)
	for begin := 0; begin < len(str) && len(places) < 4; begin += shardSize { // in parts, to let go of what is behind
		part := str[begin:min(begin+shardSize+len(want)-1, len(str))]
		for at := 0; len(places) < 4; at++ {
			n := bytes.Index(part[at:], want)
			if n < 0 {
				break
			}
			at += n
			places = append(places, binary.LittleEndian.AppendUint32(nil, uint32(begin+at)))
		}
		d.release(part)
	}
	if len(places) == 0 {
		return nil
	}
	tried, done := 0, uint64(0)
	info := d.section(secInfo)
	defer func() { d.release(info) }()
	for _, u := range d.allUnits()[:d.infoUnits] {
		if u.off-done > shardSize {
			d.release(info[done:u.off])
			done = u.off
		}
		body := u.buf(u.first)
		hit := false
		for _, p := range places {
			hit = hit || bytes.Contains(body.d[body.off:], p)
		}
		if !hit {
			continue
		}
		if tried++; tried > maxTried {
			return nil
		}
		for _, e := range d.skimSome([]*unit{u}, kind, name) {
			if e.Flags&(index.Declared|index.Alias|index.Local) == 0 {
				return []index.Entry{e}
			}
		}
	}
	return nil
}
