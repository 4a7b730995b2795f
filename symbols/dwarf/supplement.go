package dwarf

import (
	"bytes"
	"runtime"
	"sync"
	"sync/atomic"

	"dap-windbg/symbols"
)

// supplement is the file that several debug files have in common: dwz's common
// file, or a supplementary object file of DWARF 5, section 7.3.6.
type supplement struct {
	once sync.Once
	file *file // nil when there is none, or it is missing
}

// supplement opens the file, once; nil when there is none.
func (d *Data) supplement() *file {
	s := &d.sup
	s.once.Do(func() {
		c := symbols.Companion{Kind: symbols.Supplement}
		var ok bool
		if c.Name, c.ID, ok = d.supplementName(); !ok {
			return
		}
		section, err := d.open(c, func(section func(string) []byte) error { return nil })
		if err != nil {
			d.miss(c, err)
			return
		}
		s.file = d.newFile(func(id sectionID) []byte { return section(sectionNames[id]) }, baseSup, 0)
	})
	return s.file
}

// supplementName reads .gnu_debugaltlink (a path and the build-id) or .debug_sup
// (DWARF 5, 7.3.6).
func (d *Data) supplementName() (name string, id []byte, ok bool) {
	link := d.opt.Section(".gnu_debugaltlink")
	if n := bytes.IndexByte(link, 0); n > 0 {
		return string(link[:n]), link[n+1:], true
	}
	b := buf{d: d.opt.Section(".debug_sup"), be: d.opt.BigEndian}
	if b.u16() < 2 || b.u8() != 0 {
		return "", nil, false
	}
	name = string(b.cstr())
	id = b.take(b.uleb())
	return name, id, !b.bad && name != ""
}

// parallel calls f for 0 to n-1, on all cores.
func (d *Data) parallel(n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		wg.Go(func() {
			d.opt.Guard(func() {
				for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
					f(i)
				}
			})
		})
	}
	wg.Wait()
}
