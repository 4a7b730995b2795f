package linuxkernel

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// This file reads the kernel's own table of symbols over a line where looking through its
// read-only data would take minutes: when the user asks for it, from where the table
// begins. What was read is kept between sessions, by the kernel's build.

// keptNames and keptTypes are what Options.Keep is given: the kernel's base, 8 bytes, and
// what lies in its memory; the table of symbols, and BTF.
const (
	keptNames = "kallsyms"
	keptTypes = "btf"
)

// own is what was read of the kernel's own names over a slow line. It grows with each
// attempt, so that one that was interrupted is gone on with.
type own struct {
	place tablePlace // of the table; at is 0 while that is unknown
	names []byte     // from there on
	types []byte     // of BTF
	typed bool       // types is all of it, or there is none
}

// Load implements systems.Loader.
func (s *System) Load(ctx context.Context, w systems.World, m targets.Module) (more bool, err error) {
	k := s.kernel
	if k == nil || m.Base != k.Base || !k.slow || k.table != nil && k.own.typed {
		return false, nil
	}
	f := &finder{ctx: ctx, t: w.Target(), s: s}
	if err := f.still(k); err != nil {
		return false, err
	}
	if k.table == nil {
		if err := f.readNames(k); err != nil {
			return false, k.dropTorn(err)
		}
		more = true
	}
	if k.own.typed {
		return more, nil
	}
	if err := f.readTypes(k); err != nil {
		return more, k.dropTorn(err)
	}
	return true, nil
}

// dropTorn drops what was read when err says that the rest is not there.
func (k *Kernel) dropTorn(err error) error {
	if errors.As(err, new(*targets.FaultError)) {
		k.own = own{}
	}
	return err
}

var errRestarted = errors.New("the machine was restarted since its kernel was found: .reload finds it anew")

// still is an error when the kernel is not the one that was found, by its banner and its
// build-id: what was found and read is dropped then.
func (f *finder) still(k *Kernel) error {
	for _, mark := range []struct {
		at   arch.Addr
		text []byte
	}{{k.bannerAt, []byte(k.Banner)}, {k.buildIDAt, k.BuildID}} {
		if mark.at == 0 || len(mark.text) == 0 {
			continue
		}
		p := make([]byte, len(mark.text))
		n := f.read(mark.at, p)
		if bytes.Equal(p[:n], mark.text) {
			continue
		}
		if err := f.why(mark.at); n < len(p) && !errors.As(err, new(*targets.FaultError)) {
			return err
		}
		f.s.Forget()
		return errRestarted
	}
	return nil
}

// why is what ended a read early: the user, the wire, or that nothing can be read at a.
func (f *finder) why(a arch.Addr) error {
	return cmp.Or(f.ctx.Err(), f.lost, f.last, error(&targets.FaultError{Addr: a}))
}

// readNames reads the table of symbols.
func (f *finder) readNames(k *Kernel) error {
	o := &k.own
	if o.place.at == 0 {
		place, head := f.tablePlace(k)
		if place.at == 0 {
			return cmp.Or(f.ctx.Err(), f.lost, failed("where the kernel's own table of names lies could not be found out: name its %s", vmlinux))
		}
		o.place, o.names = place, head
	}
	title := fmt.Sprintf("%d names of the kernel, about %d KB", o.place.count, o.place.size>>10)
	most := min(tableLeast+mostPerSymbol*o.place.count, maxTable)
	var table *kallsyms
	near := false
	skipped := !o.place.older
	err := f.readOn(title, o.place.at, &o.names, o.place.size, func(f *finder, from int) bool {
		if end := o.namesEnd(); !skipped && end > 0 {
			skipped = true
			f.skipSequence(o, end)
		}
		near = near || bytes.Contains(o.names[max(0, from-len(digits)):], digits)
		if near {
			table = findKallsyms(o.names, k.Base)
		}
		return table != nil || len(o.names) >= most
	})
	if err != nil {
		return err
	}
	if table == nil {
		at := o.place.at
		o.place, o.names = tablePlace{}, nil
		return failed("what lies at 0x%x is no table of names of a kind that is known here: name the kernel's %s", uint64(at), vmlinux)
	}
	if err := f.still(k); err != nil {
		return err
	}
	k.table = table
	f.s.keep(k, keptNames, o.names)
	o.names = nil
	return nil
}

// namesEnd is where names and markers end in what was read of a table of the older order,
// 0 when that is yet to come.
func (o *own) namesEnd() int {
	number := (4*o.place.count+7)&^7 + 8
	t := tokens{data: o.names, start: len(o.names)}
	if !o.place.older || number+8 >= t.start {
		return 0
	}
	ends, ok := t.names(number+8, o.place.count)
	if !ok {
		return 0
	}
	return ((ends[len(ends)-1]+7)&^7 + (len(ends)+255)/256*4 + 7) &^ 7
}

// skipSequence leaves out the order of the names, 3 bytes for each, which nobody needs:
// where the tokens are found behind it zeros take its place.
func (f *finder) skipSequence(o *own, end int) {
	gap := end + (3*o.place.count+7)&^7 - len(o.names)
	p := make([]byte, smallPiece)
	if gap <= 0 || f.read(o.place.at+arch.Addr(len(o.names)+gap), p) < len(p) || !bytes.Contains(p, digits) {
		return
	}
	o.names = append(append(o.names, make([]byte, gap)...), p...)
}

// readTypes reads BTF, where the kernel has that.
func (f *finder) readTypes(k *Kernel) error {
	o := &k.own
	if from, n := k.table.types(); n > 0 {
		err := f.readOn(fmt.Sprintf("types of the kernel, %d KB", n>>10), from, &o.types, n, func(*finder, int) bool { return len(o.types) >= n })
		if err != nil {
			return err
		}
		if err := f.still(k); err != nil {
			return err
		}
		o.types = o.types[:n]
		f.s.keep(k, keptTypes, o.types)
		k.names = nil // they are made anew, with types
	}
	o.typed = true
	return nil
}

// types is where BTF lies, and how long it is; 0 when the kernel has none.
func (k *kallsyms) types() (at arch.Addr, size int) {
	from, ok := k.address("__start_BTF")
	to, ok2 := k.address("__stop_BTF")
	if !ok || !ok2 || to <= from || to-from > maxTable {
		return 0, 0
	}
	return arch.Addr(from), int(to - from)
}

// move has the kernel lie by further up. Per-CPU variables are counted from zero.
func (k *kallsyms) move(by uint64) {
	for i, a := range k.addresses {
		if a >= uint64(lowest) {
			k.addresses[i] = a + by
		}
	}
}

// Pieces in which a table is read: what a far end tells at once, so that a break is
// heard within a moment. tableLeast and mostPerSymbol bound what is read of a table.
const (
	smallPiece    = 4 << 10
	largePiece    = 32 << 10
	tableLeast    = 64 << 10
	mostPerSymbol = 48
)

// readOn reads on behind what data has of what lies at a, until enough says so; it is
// told where the new bytes begin, and what it reads by itself ends with the whole. About
// size bytes are expected.
func (f *finder) readOn(title string, a arch.Addr, data *[]byte, size int, enough func(f *finder, from int) bool) error {
	if enough(f, 0) {
		return nil
	}
	f, tell := f.told(title)
	defer tell(1)
	piece := min(max(f.t.Info().Limits.MemoryBytes, smallPiece), largePiece)
	for {
		at, from := a+arch.Addr(len(*data)), len(*data)
		p := make([]byte, piece)
		n := f.read(at, p)
		*data = append(*data, p[:n]...)
		if n > 0 && enough(f, from) {
			return nil
		}
		if n < piece {
			return f.why(at + arch.Addr(n))
		}
		tell(min(float64(len(*data))/float64(max(size, 1)), 0.99))
	}
}

// told is a finder that ends when whoever hears of the progress wants it to.
func (f *finder) told(title string) (*finder, func(done float64)) {
	if f.s.o.Reading == nil {
		return f, func(float64) {}
	}
	g := *f
	var tell func(float64)
	g.ctx, tell = f.s.o.Reading(f.ctx, title)
	return &g, tell
}

// keep keeps what was read of the kernel for the next session.
func (s *System) keep(k *Kernel, what string, data []byte) {
	if s.o.Keep != nil && k.BuildID != nil {
		s.o.Keep(k.BuildID, what, append(binary.LittleEndian.AppendUint64(nil, uint64(k.Base)), data...))
	}
}

// kept is what an earlier session has kept, nil nothing, and where the kernel lay then.
func (s *System) kept(k *Kernel, what string) (data []byte, base arch.Addr) {
	if s.o.Kept == nil || k.BuildID == nil {
		return nil, 0
	}
	if data = s.o.Kept(k.BuildID, what); len(data) <= 8 {
		return nil, 0
	}
	return data[8:], arch.Addr(binary.LittleEndian.Uint64(data))
}

// recall takes the names, and the types, that an earlier session has read.
func (s *System) recall(k *Kernel) {
	data, base := s.kept(k, keptNames)
	if data == nil {
		return
	}
	table := findKallsyms(data, base)
	if table == nil {
		return
	}
	table.move(uint64(k.Base - base))
	if at, ok := table.address("linux_banner"); ok && k.bannerAt != 0 && arch.Addr(at) != k.bannerAt {
		return
	}
	k.table = table
	if _, n := table.types(); n > 0 {
		types, _ := s.kept(k, keptTypes)
		if len(types) != n {
			return
		}
		k.own.types = types
	}
	k.own.typed = true
}
