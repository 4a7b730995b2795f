package dwarf

import (
	"context"
	"runtime"
	"runtime/debug"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"dap-windbg/symbols/index"
)

// names is the index of all names, and how it comes to be.
type names struct {
	ready   atomic.Pointer[index.Index]
	mu      sync.Mutex
	running chan struct{} // closed when the build that is under way ends
	asked   int           // questions under way that do not wait for the index; under mu
	quiet   chan struct{} // closed when the last of them ends; nil when there are none
	damaged atomic.Bool   // the kept index was, so it is not asked for again
}

// Asking tells that a question is under way, until the function it returns is
// called: the index's making gives way to it.
func (d *Data) Asking() (done func()) {
	d.index.count(1)
	return func() { d.index.count(-1) }
}

// count enters questions, or takes them out.
func (n *names) count(by int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked += by
	switch {
	case n.asked > 0 && n.quiet == nil:
		n.quiet = make(chan struct{})
	case n.asked <= 0 && n.quiet != nil:
		close(n.quiet)
		n.quiet = nil
	}
}

// busy returns what closes when no question is under way; nil when none is.
func (n *names) busy() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.quiet
}

// Indexed reports whether the index is complete.
func (d *Data) Indexed() bool { return d.index.ready.Load() != nil }

// smallInfo is how many bytes of DIEs are scanned in a few milliseconds; the index
// of an image with fewer is not kept.
const smallInfo = 2 << 20

// Small reports whether making the index takes no time worth speaking of.
func (d *Data) Small() bool { return d.main.size(secInfo) < smallInfo }

// Index scans all units, on all cores, and keeps their names, or takes the index
// that was kept. It is done once. Calling it early makes later answers quick.
func (d *Data) Index(ctx context.Context) error {
	n := &d.index
	for n.ready.Load() == nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		n.mu.Lock()
		running := n.running
		if running == nil {
			n.running = make(chan struct{})
		}
		n.mu.Unlock()
		if running == nil {
			d.makeIndex(ctx)
			continue
		}
		select {
		case <-running:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// makeIndex publishes the index, unless ctx ends.
func (d *Data) makeIndex(ctx context.Context) {
	n := &d.index
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		close(n.running)
		n.running = nil
	}()
	var k *index.Kept
	if d.opt.Kept != nil && !d.Small() {
		d.opt.Guard(func() {
			d.supplement()
			k = d.opt.Kept()
		})
	}
	if k != nil && !n.damaged.Load() {
		if x, err := k.Open(); err == nil && d.agrees(x) {
			n.ready.Store(x)
			return
		}
	}
	x, whole := d.buildIndex(ctx, k.ID())
	if x == nil {
		return
	}
	if k != nil && whole && len(d.Missing()) == 0 {
		if kept, err := k.Keep(x); err == nil {
			x = kept
		}
	}
	n.ready.Store(x)
	debug.FreeOSMemory() // several times what is left was needed
}

// agrees reports whether the split units that a kept index tells of are where
// they are now: a package may have come, gone, or been put together anew.
func (d *Data) agrees(x *index.Index) (ok bool) {
	d.opt.Guard(func() {
		split := false
		for i := range x.Units() {
			start, _ := x.Unit(i)
			split = split || ref(start) >= basePack
		}
		if split {
			for i, u := range d.allUnits() {
				if start, _ := x.Unit(uint32(i)); u.isSkeleton() && !d.isAt(u, i, ref(start)) {
					return
				}
			}
		}
		ok = !x.Damaged()
	})
	return ok
}

// isAt reports whether the split unit of sk, the image's unit number i, would be
// read from start: from the package where that has it, else from its own slot.
func (d *Data) isAt(sk *unit, i int, start ref) bool {
	if row := d.pack().units[sk.splitID()]; row != nil {
		return start == row.base
	}
	return start >= baseDwo && int((start-baseDwo)/dwoSlot) == i
}

// withIndex runs f on the whole index; once more on a new one when it meets
// damage, so f begins anew each time.
func (d *Data) withIndex(f func(x *index.Index)) {
	for range 3 {
		d.index.count(-1) // whoever waits is not given way to
		_ = d.Index(context.Background())
		d.index.count(1)
		x := d.index.ready.Load()
		f(x)
		if !x.Damaged() {
			return
		}
		d.index.damaged.Store(true)
		d.index.ready.CompareAndSwap(x, nil)
	}
}

// startOf returns where the unit begins that has the DIE, as the index tells.
func (d *Data) startOf(r ref) (uint64, bool) {
	x := d.index.ready.Load()
	if x == nil || r >= ref(d.main.size(secInfo)) {
		return 0, false
	}
	at := func(i int) uint64 { s, _ := x.Unit(uint32(i)); return s }
	i := sort.Search(int(x.Units()), func(i int) bool { return at(i) > uint64(r) }) - 1
	if i < 0 || x.Damaged() {
		return 0, false
	}
	return at(i), true
}

// collectAt is by how many percent memory may grow between collections while the
// index is made.
const collectAt = 20

// shardSize is how many bytes of DIEs a worker takes at a time.
const shardSize = 4 << 20

// often has memory collected often while indexes are made: the arenas have no
// pointers, so that it costs little.
var often struct {
	mu          sync.Mutex
	makers, was int
}

// collectOften is in force until the function it returns is called.
func collectOften() (done func()) {
	often.mu.Lock()
	defer often.mu.Unlock()
	if often.makers++; often.makers == 1 {
		often.was = debug.SetGCPercent(collectAt)
	}
	return func() {
		often.mu.Lock()
		defer often.mu.Unlock()
		if often.makers--; often.makers == 0 {
			debug.SetGCPercent(often.was)
		}
	}
}

// buildIndex makes the index from the DIEs; nil when ctx ended. It is not whole when
// the files could not be read to their end, or hold too much.
func (d *Data) buildIndex(ctx context.Context, id []byte) (x *index.Index, whole bool) {
	defer collectOften()()
	units := d.everyUnit()
	b := indexBuild{d: d, ctx: ctx, units: units, builders: make([]*index.Builder, max(min(runtime.GOMAXPROCS(0), len(units)), 1))}
	var wg sync.WaitGroup
	var failed atomic.Bool
	for i := range b.builders {
		b.builders[i] = &index.Builder{}
		wg.Go(func() {
			if !d.opt.Guard(func() { b.work(b.builders[i]) }) {
				failed.Store(true)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, false
	}
	starts := make([]uint64, len(units))
	for i, u := range units {
		starts[i] = uint64(u.ref(u.off))
	}
	whole = d.opt.Guard(func() {
		str := d.window(secStr)
		x, _ = index.Build(b.builders, id, starts, func(n uint32) []byte { return stringAt(str.at(uint64(n)), uint64(n)) })
		for _, id := range []sectionID{secStr, secAbbrev, secLine, secRnglists} {
			d.release(d.section(id))
		}
	})
	if x == nil { // the file is gone, or too large for the form: nothing is found
		x, _ = index.Build(nil, id, nil, nil)
		whole = false
	}
	return x, whole && !failed.Load()
}

// window is a section read here and there, of which only so much stays in memory.
type window struct {
	d       *Data
	section []byte
	seen    []uint64 // by page group: the round it was touched in
	round   uint64
	touched int
}

// A group is what the kernel maps around a page that is touched; so many of them
// may stay.
const (
	groupSize = 64 << 10
	maxGroups = 256
)

func (d *Data) window(id sectionID) *window {
	s := d.section(id)
	return &window{d: d, section: s, seen: make([]uint64, len(s)/groupSize+1), round: 1}
}

// at returns the section, of which off is going to be read.
func (w *window) at(off uint64) []byte {
	g := off / groupSize
	if g >= uint64(len(w.seen)) || w.seen[g] == w.round {
		return w.section
	}
	if w.touched++; w.touched > maxGroups {
		w.d.release(w.section)
		w.round, w.touched = w.round+1, 1
	}
	w.seen[g] = w.round
	return w.section
}

func (d *Data) release(b []byte) {
	if d.opt.Release != nil && len(b) > 0 {
		d.opt.Release(b)
	}
}

// indexBuild is one making of the index.
type indexBuild struct {
	d        *Data
	ctx      context.Context
	units    []*unit
	next     int
	mu       sync.Mutex
	builders []*index.Builder
}

// shard hands out units [first, last).
func (b *indexBuild) shard() (first, last int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	first = b.next
	for size := uint64(0); b.next < len(b.units) && size < shardSize; b.next++ {
		size += b.units[b.next].end - b.units[b.next].off
	}
	return first, b.next
}

func (b *indexBuild) work(out *index.Builder) {
	s := skimmer{out: out, pause: b.pause, paths: map[pathKey]uint32{}}
	for {
		first, last := b.shard()
		if first == last || !b.pause() {
			return
		}
		for i := first; i < last && b.ctx.Err() == nil; i++ {
			u := b.units[i]
			s.run(u, uint32(i))
			s.lines(u, uint32(i))
		}
		b.releaseShard(first, last)
	}
}

// releaseShard lets go of the pages of units that are done with.
func (b *indexBuild) releaseShard(first, last int) {
	u := b.units[first]
	sec := u.file.section(u.id)
	end := u.end
	for _, v := range b.units[first:last] {
		if v.space == u.space {
			end = max(end, v.end)
		}
	}
	if u.off < end && end <= uint64(len(sec)) {
		b.d.release(sec[u.off:end])
	}
}

// maxPause bounds how long the index waits for one question.
const maxPause = 50 * time.Millisecond

// pause gives way to questions; false when the work is to end.
func (b *indexBuild) pause() bool {
	if quiet := b.d.index.busy(); quiet != nil {
		limit := time.NewTimer(maxPause)
		defer limit.Stop()
		select {
		case <-quiet:
		case <-limit.C:
		case <-b.ctx.Done():
		}
	}
	return b.ctx.Err() == nil
}

// lines enters the files that the unit's line program names, and its code.
func (s *skimmer) lines(u *unit, num uint32) {
	u = u.liner()
	if u = u.liner(); u.file != u.data.main || u.isType() {
		return
	}
	r := u.rootAttrs()
	for _, c := range r.ranges {
		s.out.Code(index.Code{Low: c.low, High: c.high, Unit: num})
	}
	if !r.hasLine {
		return
	}
	s.files = s.files[:0]
	if !s.quickFiles(u, r) {
		s.allFiles(u, r)
	}
	s.out.Files(num, s.files)
}

// pathKey is a file of a line program by the places of its texts in
// .debug_line_str: name, directory, compilation directory.
type pathKey struct{ name, dir, comp uint32 }

// quickFiles reads the tables as compilers write them in version 5; false when
// they are otherwise.
func (s *skimmer) quickFiles(u *unit, r *rootAttrs) bool {
	b := u.file.buf(secLine, r.line)
	n, is64, ok := b.initialLength()
	if !ok {
		return false
	}
	b.d = b.d[:uint64(b.off)+n]
	if version, ok := lineHead(&b, is64); !ok || version != 5 {
		return false
	}
	strs := u.file.section(secLineStr)
	s.dirs = s.dirs[:0]
	if !headEntries(&b, is64, func(dir uint32, _ uint64) { s.dirs = append(s.dirs, dir) }) || len(s.dirs) == 0 {
		return false
	}
	return headEntries(&b, is64, func(name uint32, dir uint64) {
		if dir >= uint64(len(s.dirs)) {
			return
		}
		key := pathKey{name, s.dirs[dir], s.dirs[0]}
		id, ok := s.paths[key]
		if !ok {
			f := lineFile{name: stringAt(strs, uint64(name)), dir: stringAt(strs, uint64(s.dirs[dir])), base: dir == 0}
			id = s.out.Path(f.path(r.dir))
			s.paths[key] = id
		}
		s.files = append(s.files, id)
	})
}

// allFiles reads tables of every form.
func (s *skimmer) allFiles(u *unit, r *rootAttrs) {
	s.files = s.files[:0]
	h, ok := u.data.lineHeader(r.line, u)
	if !ok {
		return
	}
	for _, f := range h.files {
		if len(f.name) > 0 {
			s.files = append(s.files, s.out.Path(f.path(r.dir)))
		}
	}
}
