package engine

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// moduleTable holds the images in place, in the order they came, main first.
type moduleTable struct {
	rows     []*Module
	unloaded []*Module
	opening  map[arch.Addr]*opening
	watch    []arch.Addr // where the list may change, hidden traps
	stale    bool        // the list must be read again

	// between is set from the notice before a change of the list to the one after
	// it; notices come in such pairs. Meanwhile no traps are in modules that may go: a trap whose memory is
	// unmapped under it could not be lifted, and GDB's server would then not plant
	// it again.
	between bool
	phased  bool // between is known to be right: notices before a change need no look
	single  bool // notices do not come in pairs: each is of memory that is still there

	added map[arch.Addr]bool // put in the list by hand

	catch      arch.Addr   // where exceptions are caught
	jumps      []arch.Addr // functions that jump out of frames
	catchKnown bool

	late  []*Module            // whose symbols came while the debuggee ran
	grown []*Module            // whose index was completed then, and has what breakpoints lack
	heads map[arch.Addr][]byte // what system code read of each module's first page
}

// mayGo reports whether a lies in a module that can be unloaded.
func (l *loop) mayGo(a arch.Addr) bool {
	m, ok := l.moduleAt(a)
	if !ok || m == l.modules.rows[0] || m.Main {
		return false
	}
	for _, w := range l.modules.watch {
		if o, ok := l.moduleAt(w); ok && o == m {
			return false
		}
	}
	return true
}

// offset of a run-time address within m.
func (m *Module) offset(a arch.Addr) symbols.Offset { return symbols.Offset(a - m.Base) }

// addr is where off lies.
func (m *Module) addr(off symbols.Offset) arch.Addr { return m.Base + arch.Addr(off) }

// span is how far m reaches.
func (m *Module) span() uint64 {
	if m.Parts == nil && m.Image != nil && m.Image.Size() > m.Size {
		return m.Image.Size()
	}
	return m.Size
}

// moduleName spells a file as commands do: its base name cut at the last dot,
// and every character but letters, digits and _ turned into _.
func moduleName(file string) string {
	file = strings.ReplaceAll(file, `\`, "/")
	base := path.Base(file)
	if base == "/" || base == "." {
		return "image"
	}
	base = strings.Trim(base, "[]")
	if i := strings.LastIndexByte(base, '.'); i > 0 {
		base = base[:i]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, base)
}

// uniqueName is moduleName, with the base appended when another module has it.
func (l *loop) uniqueName(m targets.Module) string {
	name := m.Name
	if name == "" {
		name = moduleName(m.Path)
	}
	for _, o := range l.modules.rows {
		if strings.EqualFold(o.Name, name) && o.Base != m.Base {
			return fmt.Sprintf("%s_%x", name, uint64(m.Base))
		}
	}
	return name
}

// moduleAt returns the module that holds a.
func (l *loop) moduleAt(a arch.Addr) (*Module, bool) {
	var below *Module
	for _, m := range l.modules.rows {
		if m.Parts != nil {
			if m.holds(a) {
				return m, true
			}
			continue
		}
		if a < m.Base {
			continue
		}
		if n := m.span(); n > 0 {
			if uint64(a-m.Base) < n {
				return m, true
			}
			continue
		}
		if below == nil || m.Base > below.Base {
			below = m
		}
	}
	if below != nil && !l.opensLater(below, a) {
		return nil, false
	}
	return below, below != nil
}

// opensLater reports whether a module of unknown size may hold a.
func (l *loop) opensLater(m *Module, a arch.Addr) bool {
	if a-m.Base >= 1<<30 {
		return false
	}
	for _, o := range l.modules.rows {
		if o.Base > m.Base && o.Base <= a {
			return false
		}
	}
	return true
}

// moduleNamed accepts the command spelling and the file name.
func (l *loop) moduleNamed(name string) (*Module, bool) {
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for _, m := range l.modules.rows {
			if same(m.Name, name) || same(path.Base(m.Path), name) {
				return m, true
			}
		}
	}
	return nil, false
}

// readModules reads the list, compares it with the table and tells. It returns
// what came and what went.
func (l *loop) readModules(ctx context.Context) (came, went []*Module, err error) {
	list, err := l.moduleList(ctx)
	if errors.Is(err, systems.ErrNotYet) {
		return l.listMore(ctx, list)
	}
	if err != nil {
		return nil, nil, err
	}
	l.modules.stale = false
	came, went = l.tookModules(list)
	return came, went, nil
}

// moduleList asks the system, else the target.
func (l *loop) moduleList(ctx context.Context) ([]targets.Module, error) {
	if sys := l.o.System; sys != nil {
		var list []targets.Module
		for at, p := range l.modules.heads {
			l.mem.put(spaceHere, at, p)
		}
		err := l.gather(ctx, targets.Space{}, 0, func(ctx context.Context, mem symbols.Memory) error {
			var err error
			list, err = sys.Modules(ctx, &world{ctx, l, mem})
			return err
		})
		l.keepHeads(list)
		if err == nil || ctx.Err() != nil || errors.Is(err, targets.ErrGone) || errors.Is(err, systems.ErrNotYet) {
			return list, err
		}
		l.o.Log.Debug().Err(err).Msg("modules from the system")
	}
	op := &targets.ModulesRead{}
	if err := l.do(ctx, op); err != nil {
		return nil, err
	}
	if errors.Is(op.Err, errors.ErrUnsupported) {
		return l.listFromInfo(), nil
	}
	return op.Modules, op.Err
}

// headSize is what is kept of a module over stops: its headers do not change.
const headSize = 4096

// keepHeads remembers the first page of each module in place, as far as it was read.
func (l *loop) keepHeads(list []targets.Module) {
	heads := make(map[arch.Addr][]byte, len(list))
	for _, m := range list {
		p := make([]byte, headSize)
		if n, _ := l.mem.get(spaceHere, m.Base, p); n > 0 {
			heads[m.Base] = p[:n]
		}
	}
	l.modules.heads = heads
}

// listFromInfo keeps what is known when the far end lists nothing.
func (l *loop) listFromInfo() []targets.Module {
	var out []targets.Module
	for _, m := range l.modules.rows {
		out = append(out, m.Module)
	}
	return out
}

// tookModules stores a list and tells what came and went, unloads first.
func (l *loop) tookModules(list []targets.Module) (came, went []*Module) {
	old := make(map[arch.Addr]*Module, len(l.modules.rows))
	for _, m := range l.modules.rows {
		old[m.Base] = m
	}
	var rows, fresh []*Module
	for _, x := range list {
		m := old[x.Base]
		if m != nil && (m.Path == x.Path || x.Path == "") {
			delete(old, x.Base)
			if m.Size = max(m.Size, x.Size); x.Parts != nil { // some may be gone
				m.Size = x.Size
			}
			m.Dynamic, m.Parts = max(m.Dynamic, x.Dynamic), x.Parts
			rows = append(rows, m)
			continue
		}
		m = &Module{Module: x}
		rows, fresh = append(rows, m), append(fresh, m)
	}
	for _, m := range l.modules.rows {
		switch {
		case old[m.Base] != m:
		case l.modules.added[m.Base]:
			rows = append(rows, m)
		default:
			went = append(went, m)
		}
	}
	l.modules.rows, l.modules.catchKnown = rows, false
	for _, m := range went {
		delete(l.modules.opening, m.Base)
		l.unloaded(m)
		l.o.Emit(ModuleEvent{Module: *m, Change: Unloaded})
	}
	for _, m := range fresh {
		m.Name = l.uniqueName(m.Module)
		l.o.Emit(ModuleEvent{Module: *m, Change: Loaded})
	}
	return fresh, went
}

// maxUnloaded is how many images that went are remembered, the latest.
const maxUnloaded = 64

func (l *loop) unloaded(m *Module) {
	if n := len(l.modules.unloaded) - maxUnloaded; n >= 0 {
		l.modules.unloaded = slices.Delete(l.modules.unloaded, 0, n+1)
	}
	gone := *m
	gone.Image, gone.known = nil, scopeMemo{} // their memory is for those in place
	l.modules.unloaded = append(l.modules.unloaded, &gone)
	if l.o.Model == nil {
		return
	}
	if f, ok := l.o.Model.Visualizer.(eval.Forgetter); ok {
		f.Forget()
	}
}

// memoryImage is the largest image that is read from memory; the vDSO has 8 KiB.
const memoryImage = 64 << 10

// fromMemory opens an image that no file has, once.
func (l *loop) fromMemory(ctx context.Context, m *Module) {
	if _, ok := l.o.System.(systems.Namer); ok {
		l.namesFromSystem(ctx, m)
		return
	}
	if m.Image != nil || m.Err == nil || m.inMemory || l.o.OpenMemory == nil || strings.Contains(m.Path, "/") || m.Size == 0 || m.Size > memoryImage {
		return
	}
	m.inMemory = true
	data := make([]byte, (m.Size+headSize-1)&^(headSize-1)) // what lies behind the last segment came with its page
	if n, err := l.read(ctx, spaceHere, m.Base, data); err != nil {
		data = data[:n]
	}
	img, err := l.o.OpenMemory(m.key(), data)
	if err != nil {
		l.o.Log.Debug().Err(err).Str("image", m.Path).Msg("opening from memory")
		return
	}
	m.Image, m.Err = img, nil
	l.o.Emit(ModuleEvent{Module: *m, Change: SymbolsChanged})
}

// took puts an opened image in its module, once.
func (l *loop) took(o *opening) bool {
	if o.m.Tried || l.modules.opening[o.m.Base] != o {
		return false
	}
	if errors.Is(o.err, context.Canceled) {
		o.err = &GivenUpError{o.m.Name}
	}
	o.m.Tried, o.m.Err, o.m.Forced = true, o.err, o.any
	if o.img != nil {
		o.m.Image = o.img
		l.index(o.m)
	}
	for _, w := range l.walks {
		w.forgetEnd()
	}
	l.modules.catchKnown = false
	l.o.Emit(ModuleEvent{Module: *o.m, Change: SymbolsChanged})
	return true
}

// arrived is called in the loop when a background opening ended.
func (l *loop) arrived(ctx context.Context, o *opening) {
	if !l.took(o) {
		return
	}
	if o.m.Image == nil {
		for _, m := range l.identified(ctx, []*Module{o.m}) {
			l.start(m)
		}
		return
	}
	if l.state == StateStopped {
		if o.slow { // stacks were made without it
			l.forgetWalks()
			l.o.Emit(Invalidated{Stacks: true})
		}
		l.resolveAll(ctx, []*Module{o.m})
		_ = l.adjust(ctx)
		l.tellRefused()
	} else if l.unresolved() {
		l.modules.late = append(l.modules.late, o.m)
	}
}

// resolveLate resolves wishes in modules whose symbols or index came while it ran.
func (l *loop) resolveLate(ctx context.Context) {
	late, grown := l.modules.late, l.modules.grown
	l.modules.late, l.modules.grown = nil, nil
	if len(late) > 0 {
		l.resolveAll(ctx, slices.DeleteFunc(late, func(m *Module) bool { return !slices.Contains(l.modules.rows, m) }))
	}
	for _, m := range grown {
		if slices.Contains(l.modules.rows, m) {
			l.grow(ctx, m)
		}
	}
}

// modulesChanged reads the list after the far end changed it, opens what
// waiting breakpoints need, resolves them, and tells whether to stop for it.
func (l *loop) modulesChanged(ctx context.Context, ts targets.Stop) (brk *Module, code string, err error) {
	notice := ts.Reason == targets.Breakpoint
	if notice && l.modules.phased && !l.modules.between && !l.modules.single {
		l.modules.between = true
		return nil, "", nil
	}
	came, went, err := l.readModules(ctx)
	if err != nil {
		return nil, "", err
	}
	l.modules.between = notice && len(went) == 0 && !l.modules.between && !l.modules.single
	l.modules.phased = l.modules.phased || notice && len(went) > 0
	l.drop(went)
	l.dropFreed()
	if len(came) > 0 && l.unresolved() {
		if err := l.need(ctx, l.wantedBy(came)...); err != nil {
			return nil, "", err
		}
		l.resolveAll(ctx, came)
	}
	if len(came)+len(went) > 0 {
		l.armThrows(ctx)
	}
	l.prefetch()
	for _, m := range went {
		if d := l.filter(FilterEvent{Code: "ud", Arg: m.Name, Stop: ts, Module: m}); d.Break && brk == nil {
			brk, code = m, "ud"
		}
	}
	for _, m := range came {
		if d := l.filter(FilterEvent{Code: "ld", Arg: m.Name, Stop: ts, Module: m}); d.Break && brk == nil {
			brk, code = m, "ld"
		}
	}
	return brk, code, nil
}

// wantedBy lists the modules that waiting breakpoints may lie in.
func (l *loop) wantedBy(came []*Module) []*Module {
	return slices.DeleteFunc(slices.Clone(came), func(m *Module) bool {
		for _, b := range l.bps {
			if b.mayLieIn(m) {
				return false
			}
		}
		return true
	})
}

// awaited reports whether a breakpoint without any place may lie in m.
func (l *loop) awaited(m *Module) bool {
	return slices.ContainsFunc(l.bps, func(b *breakpoint) bool { return len(b.addrs) == 0 && b.mayLieIn(m) })
}

// prefetch opens the main module's symbols without waiting, those of what each stack ends
// in, and the others' when a breakpoint waits for them.
func (l *loop) prefetch() {
	if l.o.Store == nil {
		return
	}
	for i, m := range l.modules.rows {
		if !m.Tried && (i == 0 || m.Main || l.awaited(m) || len(l.starts(m.Name)) > 0) && l.arrange(l.life, m) {
			l.start(m)
		}
	}
}
