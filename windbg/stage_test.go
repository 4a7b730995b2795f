package windbg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// The stage is a debuggee that is all script: a thread in orders!Submit called by
// main, another one waiting, memory for their stacks, and an image with names, lines,
// variables and types. Its first thread visits the addresses of steps one by one.

const (
	imageBase  = 0x555555554000
	stackBase  = 0x7fffffffe000
	submit     = imageBase + 0x1229
	body       = submit + 4
	mainReturn = imageBase + 0x12a1
	nameText   = imageBase + 0x2004
	orderPlace = stackBase + 0x300
	counter    = imageBase + 0x4020
)

// submitCode is Submit as a compiler writes it.
var submitCode = []byte{
	0xf3, 0x0f, 0x1e, 0xfa, // endbr64
	0x8b, 0x45, 0xec, // mov eax,[rbp-14h]
	0x85, 0xc0, // test eax,eax
	0x74, 0x05, // je +5
	0xe8, 0xc1, 0xfd, 0xff, 0xff, // call
	0xc9, // leave
	0xc3, // ret
}

var (
	intType    = &symbols.Type{Kind: symbols.Base, Name: "int", Size: 4}
	uintType   = &symbols.Type{Kind: symbols.Base, Name: "unsigned int", Size: 4, Encoding: symbols.Unsigned}
	charType   = &symbols.Type{Kind: symbols.Base, Name: "char", Size: 1, Encoding: symbols.SignedChar}
	charPtr    = &symbols.Type{Kind: symbols.Pointer, Size: 8, Elem: charType}
	listType   = &symbols.Type{Kind: symbols.Struct, Name: "list_head", Size: 16}
	tagType    = &symbols.Type{Kind: symbols.Array, Elem: charType, Count: 4, Size: 4}
	orderType  = &symbols.Type{Kind: symbols.Struct, Name: "Order", Size: 40, Load: orderMembers}
	orderPtr   = &symbols.Type{Kind: symbols.Pointer, Size: 8, Elem: orderType}
	submitType = &symbols.Type{Kind: symbols.Func, Elem: intType, Load: func() *symbols.Members {
		return &symbols.Members{Params: []symbols.Param{{Name: "qty", Type: intType}, {Name: "name", Type: charPtr}}}
	}}
)

func init() { listType.Load = listMembers }

func listMembers() *symbols.Members {
	next := &symbols.Type{Kind: symbols.Pointer, Size: 8, Elem: listType}
	return &symbols.Members{Fields: []symbols.Field{{Name: "Flink", Type: next}, {Name: "Blink", Type: next, Offset: 8}}}
}

func orderMembers() *symbols.Members {
	return &symbols.Members{Fields: []symbols.Field{
		{Name: "Id", Type: intType},
		{Name: "Flags", Type: uintType, Offset: 4},
		{Name: "Name", Type: charPtr, Offset: 8},
		{Name: "Link", Type: listType, Offset: 16},
		{Name: "Tag", Type: tagType, Offset: 32},
		{Name: "Urgent", Type: uintType, Offset: 36, BitSize: 1},
	}}
}

// image is the names of orders.
type image struct{}

var imageSymbols = []symbols.Symbol{
	{Name: "_putchar", Offset: 0x1000, Size: 16, Public: true},
	{Name: "_start", Offset: 0x1140, Size: 38, Public: true},
	{Name: "Submit", Offset: 0x1229, Size: uint64(len(submitCode))},
	{Name: "main", Offset: 0x1275, Size: 0x40},
	{Name: "GetPrice", Offset: 0x1410, Size: 0x2c, Params: "int"},
	{Name: "GetQty", Offset: 0x1480, Size: 0x10, Params: "void"},
	{Name: "g_count", Kind: symbols.Data, Offset: counter - imageBase, Size: 4},
}

func (image) Key() symbols.Key {
	return symbols.Key{Path: "/usr/local/bin/orders", BuildID: []byte{0x7c, 0x1e, 0x55}}
}
func (image) Arch() *arch.Arch         { return arch.AMD64 }
func (image) Path() string             { return "/home/bob/orders" }
func (image) Debug() symbols.DebugKind { return symbols.DWARF }
func (image) Size() uint64             { return 0x52c0 }
func (image) LinkBase() uint64         { return 0 }
func (image) Entry() symbols.Offset    { return 0x1140 }
func (image) Close() error             { return nil }

func (image) At(off symbols.Offset) (symbols.Symbol, bool) {
	for _, s := range slices.Backward(imageSymbols) {
		if s.Offset <= off {
			return s, true
		}
	}
	return symbols.Symbol{}, false
}

func (image) Next(off symbols.Offset) (symbols.Symbol, bool) {
	for _, s := range imageSymbols {
		if s.Offset > off {
			return s, true
		}
	}
	return symbols.Symbol{}, false
}

func (image) Lookup(pattern string) iter.Seq[symbols.Symbol] {
	p := symbols.CompilePattern(pattern, true)
	return func(yield func(symbols.Symbol) bool) {
		for _, s := range imageSymbols {
			if p.Match(s.Name) && !yield(s) {
				return
			}
		}
	}
}

func (image) ReadStatic(off symbols.Offset, p []byte) bool { return false }

var imageLines = []symbols.Line{
	{File: "/src/orders.c", Line: 40, Start: 0x1229, End: 0x122d, Stmt: true},
	{File: "/src/orders.c", Line: 41, Start: 0x122d, End: 0x1230, Stmt: true},
	{File: "/src/orders.c", Line: 42, Start: 0x1230, End: 0x123b, Stmt: true},
	{File: "/src/main.c", Line: 10, Start: 0x1275, End: 0x12a0, Stmt: true},
	{File: "/src/main.c", Line: 12, Start: 0x12a0, End: 0x12b5, Stmt: true},
}

func (image) Line(off symbols.Offset) (symbols.Line, bool) {
	for _, l := range imageLines {
		if l.Start <= off && off < l.End {
			return l, true
		}
	}
	return symbols.Line{}, false
}

func (image) Places(file string, line int) []symbols.Place {
	for _, l := range imageLines {
		if l.Line >= line && bytes.HasSuffix([]byte(l.File), []byte(file)) {
			return []symbols.Place{{Offset: l.Start, Line: l, Function: "Submit"}}
		}
	}
	return nil
}

func (image) Lines(lo, hi symbols.Offset) []symbols.Line {
	return slices.DeleteFunc(slices.Clone(imageLines), func(l symbols.Line) bool { return l.End <= lo || l.Start >= hi })
}

func (i image) Body(off symbols.Offset) (symbols.Place, bool) {
	l, ok := i.Line(off)
	return symbols.Place{Offset: l.End, Line: l}, ok
}

func (image) Files() iter.Seq[string] { return slices.Values([]string{"/src/orders.c", "/src/main.c"}) }

func (image) Type(name string) (*symbols.Type, bool) {
	switch name {
	case "Order":
		return orderType, true
	case "list_head":
		return listType, true
	}
	return nil, false
}

func (image) Types(pattern string) iter.Seq[string] {
	p := symbols.CompilePattern(pattern, true)
	return func(yield func(string) bool) {
		for _, n := range []string{"Order", "OrderKind", "list_head"} {
			if p.Match(n) && !yield(n) {
				return
			}
		}
	}
}

func (image) Global(name string) (symbols.Variable, bool) {
	if name != "g_count" {
		return symbols.Variable{}, false
	}
	return symbols.Variable{Name: name, Type: intType, Static: true, Location: at(counter)}, true
}

func (i image) GlobalAt(off symbols.Offset) (symbols.Variable, bool) {
	if off < counter-imageBase || off >= counter-imageBase+4 {
		return symbols.Variable{}, false
	}
	return i.Global("g_count")
}

func (image) Function(off symbols.Offset) (*symbols.Type, bool) {
	return submitType, off == submit-imageBase
}

// at is a location at a fixed address.
type at arch.Addr

func (a at) Pieces(context.Context, symbols.Frame, symbols.Offset) ([]symbols.Piece, error) {
	return []symbols.Piece{{Kind: symbols.InMemory, Addr: arch.Addr(a)}}, nil
}

// lost is a location that nothing is known of.
type lost struct{}

func (lost) Pieces(context.Context, symbols.Frame, symbols.Offset) ([]symbols.Piece, error) {
	return nil, &symbols.UnavailableError{Reason: "optimised away"}
}

func (image) Scopes(off symbols.Offset) ([]symbols.Scope, error) {
	if off < 0x1229 || off >= 0x1229+symbols.Offset(len(submitCode)) {
		if off < 0x1275 || off >= 0x12b5 {
			return nil, nil
		}
		return []symbols.Scope{{Name: "main", Low: 0x1275, High: 0x12b5}}, nil
	}
	return []symbols.Scope{{Name: "Submit", Low: 0x1229, High: 0x1229 + symbols.Offset(len(submitCode)), Return: intType, Variables: []symbols.Variable{
		{Name: "qty", Type: intType, Param: true, Location: at(stackBase + 0xbc)},
		{Name: "name", Type: charPtr, Param: true, Location: at(stackBase + 0xb0)},
		{Name: "order", Type: orderPtr, Location: at(stackBase + 0xc0)},
		{Name: "tmp", Type: intType, Location: lost{}},
	}}}, nil
}

// Unwind knows Submit, whose return address lies at the stack pointer + 0x28, and main,
// which nobody called.
func (image) Unwind(ctx context.Context, base arch.Addr, callee *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	off := callee.PC() - base
	if off < 0x1229 || off >= 0x1229+arch.Addr(len(submitCode)) {
		if off >= 0x1275 && off < 0x12b5 {
			return nil, callee.SP() + 0x30, symbols.ErrOutermost
		}
		return nil, 0, symbols.ErrNoUnwind
	}
	var p [8]byte
	if _, err := mem.ReadMemory(ctx, callee.SP()+0x28, p[:]); err != nil {
		return nil, 0, err
	}
	r := callee.Clone()
	r.Interrupted = false
	r.SetPC(arch.Addr(binary.LittleEndian.Uint64(p[:])))
	r.SetSP(callee.SP() + 0x30)
	return r, callee.SP() + 0x30, nil
}

// stageStore finds the image of orders alone.
type stageStore struct{}

func (stageStore) Find(_ context.Context, key symbols.Key) (symbols.Image, error) {
	if key.Name == "orders" || key.Path == "/usr/local/bin/orders" {
		return image{}, nil
	}
	return nil, &symbols.NotFoundError{What: key.Path, Tried: []symbols.Attempt{{Place: "/sym", Result: "no such file"}}}
}

func (stageStore) Source(context.Context, symbols.Key, string) (string, error) {
	return "testdata/orders_source.txt", nil
}

// stage is the target.
type stage struct {
	mu     sync.Mutex
	set    *arch.Set
	regs   map[targets.ThreadID]*arch.Registers
	mem    map[arch.Addr][]byte
	traps  map[trapKey]bool
	steps  []arch.Addr // where thread 1 goes next
	events chan targets.Event
	gone   bool
}

var (
	firstThread  = targets.ThreadID{Process: 0x2d5, Thread: 0x2d5}
	secondThread = targets.ThreadID{Process: 0x2d5, Thread: 0x2d9}
)

func newStage() *stage {
	s := &stage{
		set: arch.AMD64.DefaultSet(), regs: map[targets.ThreadID]*arch.Registers{}, mem: map[arch.Addr][]byte{},
		traps: map[trapKey]bool{}, events: make(chan targets.Event, 16),
		steps: []arch.Addr{body + 3, body + 5, body + 7, submit, body, submit, body, mainReturn},
	}
	code := bytes.Repeat([]byte{0x90}, 0x1000)
	copy(code[0x229:], submitCode)
	stack := make([]byte, 0x1000)
	put := func(p []byte, o int, v uint64) { binary.LittleEndian.PutUint64(p[o:], v) }
	put(stack, 0xc8, mainReturn)
	put(stack, 0xb0, nameText)
	binary.LittleEndian.PutUint32(stack[0xbc:], 7)
	put(stack, 0xc0, orderPlace)
	copy(stack[0x300:], []byte{42, 0, 0, 0, 0x11, 0, 0, 0})
	put(stack, 0x308, nameText)
	copy(stack[0x320:], "A\x00\x00\x00\x01")
	data := make([]byte, 0x1000)
	copy(data[4:], "bolt\x00%d\n\x00a wide string: ")
	for i, r := range "wide\x00" {
		binary.LittleEndian.PutUint16(data[0x40+2*i:], uint16(r))
	}
	bss := make([]byte, 0x1000)
	bss[0x20] = 3
	s.mem[imageBase+0x1000], s.mem[imageBase+0x2000], s.mem[imageBase+0x4000], s.mem[stackBase] = code, data, bss, stack
	for id, pc := range map[targets.ThreadID]arch.Addr{firstThread: body, secondThread: imageBase + 0x1410} {
		r := arch.NewRegisters(s.set)
		for i := range s.set.Regs {
			r.SetUint(i, 0)
		}
		r.Interrupted = true
		r.SetPC(pc)
		r.SetSP(stackBase + 0xa0)
		r.PutName("rbp", stackBase+0xd0)
		r.PutName("rdi", 7)
		r.PutName("rsi", nameText)
		r.PutName("eflags", 0x246)
		r.PutName("cs", 0x33)
		r.PutName("ss", 0x2b)
		s.regs[id] = r
	}
	s.events <- targets.Stop{Thread: firstThread, Reason: targets.Initial, Addr: body}
	return s
}

func (s *stage) Info() targets.Info {
	return targets.Info{Set: s.set, OS: "linux", Process: 0x2d5, Path: "/usr/local/bin/orders", Stub: "stage", DataTraps: 4,
		Limits: targets.Limits{Bits: targets.TrapsAdvance}}
}

func (s *stage) Threads(context.Context) ([]targets.Thread, error) {
	return []targets.Thread{{ID: firstThread, Name: "orders", CPU: -1, Base: 0x7ffff7d7f740}, {ID: secondThread, Name: "worker", CPU: -1, Base: 0x7ffff7d7e6c0}}, nil
}

func (s *stage) Registers(_ context.Context, id targets.ThreadID) (*arch.Registers, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.regs[id]; r != nil {
		return r.Clone(), nil
	}
	return nil, errors.New("no such thread")
}

func (s *stage) SetRegisters(_ context.Context, id targets.ThreadID, r *arch.Registers) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.regs[id] = r.Clone()
	return nil
}

func (s *stage) ReadMemory(_ context.Context, _ targets.Space, a arch.Addr, p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range p {
		b, ok := s.byte(a + arch.Addr(n))
		if !ok {
			return n, &targets.FaultError{Addr: a + arch.Addr(n)}
		}
		p[n] = *b
	}
	return len(p), nil
}

func (s *stage) byte(a arch.Addr) (*byte, bool) {
	if m := s.mem[a&^0xfff]; m != nil {
		return &m[a&0xfff], true
	}
	return nil, false
}

func (s *stage) WriteMemory(_ context.Context, _ targets.Space, a arch.Addr, p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range p {
		b, ok := s.byte(a + arch.Addr(n))
		if !ok {
			return n, &targets.FaultError{Addr: a + arch.Addr(n), Write: true}
		}
		*b = p[n]
	}
	return len(p), nil
}

func (s *stage) Modules(context.Context) ([]targets.Module, error) {
	return []targets.Module{
		{Path: "/usr/local/bin/orders", Base: imageBase, Size: 0x52c0, Bias: imageBase, Main: true},
		{Path: "/lib/x86_64-linux-gnu/libc.so.6", Base: 0x7ffff7c00000, Size: 0x226e50},
	}, nil
}

func (s *stage) SetTrap(_ context.Context, t targets.Trap) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traps[key(t)] = true
	return nil
}

func (s *stage) ClearTrap(_ context.Context, t targets.Trap) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.traps, key(t))
	return nil
}

func (s *stage) Resume(_ context.Context, r targets.Resume) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return targets.ErrGone
	}
	for _, t := range r.Lift {
		delete(s.traps, key(t))
	}
	for _, t := range r.Plant {
		s.traps[key(t)] = true
	}
	action := r.Default
	if a, ok := r.Threads[firstThread]; ok {
		action = a
	}
	for len(s.steps) > 0 {
		pc := s.steps[0]
		s.steps = s.steps[1:]
		s.regs[firstThread].SetPC(pc)
		switch {
		case s.trapped(pc):
			s.events <- targets.Stop{Thread: firstThread, Reason: targets.Breakpoint, Addr: pc}
			return nil
		case action.Kind == targets.Step && (pc < action.Lo || pc >= action.Hi):
			s.events <- targets.Stop{Thread: firstThread, Reason: targets.Stepped, Addr: pc}
			return nil
		}
	}
	s.gone = true
	s.events <- targets.Gone{Exited: true, Code: 3}
	close(s.events)
	return nil
}

// trapKey is what tells traps apart here.
type trapKey struct {
	kind targets.TrapKind
	addr arch.Addr
}

func key(t targets.Trap) trapKey { return trapKey{t.Kind, t.Addr} }

func (s *stage) trapped(pc arch.Addr) bool {
	return s.traps[trapKey{targets.Software, pc}] || s.traps[trapKey{targets.Hardware, pc}]
}

func (s *stage) Interrupt(context.Context) error              { return nil }
func (s *stage) Events() <-chan targets.Event                 { return s.events }
func (s *stage) Close(context.Context, targets.Parting) error { return nil }

// stageHost is the Host over a stage.
type stageHost struct {
	session *engine.Session
	paths   map[string]string
	filters []engine.FilterSetting
	typed   string
	parted  bool // the session is none of our business any more
}

func (h *stageHost) Session() *engine.Session {
	if h.parted {
		return nil
	}
	return h.session
}
func (h *stageHost) Processes(context.Context) ([]targets.Process, error) {
	return []targets.Process{{PID: 725, User: "bob", Command: "/usr/local/bin/orders --fast"}}, nil
}
func (h *stageHost) Attach(context.Context, int64) error           { return errors.ErrUnsupported }
func (h *stageHost) Create(context.Context, targets.Program) error { return errors.ErrUnsupported }
func (h *stageHost) Restart(context.Context) error                 { return errors.ErrUnsupported }
func (h *stageHost) Detach(ctx context.Context) error              { h.parted = true; return nil }
func (h *stageHost) Kill(ctx context.Context) error                { h.parted = true; return nil }
func (h *stageHost) Parting() targets.Parting                      { return targets.Kill }
func (h *stageHost) Path(kind string) string                       { return h.paths[kind] }
func (h *stageHost) SetPath(kind, path string) (string, error)     { h.paths[kind] = path; return "", nil }
func (h *stageHost) Noisy(on bool) bool                            { return on }
func (h *stageHost) Connection() string                            { return "gdb:server=build7,port=1234" }
func (h *stageHost) Input(text string) error                       { h.typed += text; return nil }
func (h *stageHost) Filters() []engine.FilterSetting               { return slices.Clone(h.filters) }
func (h *stageHost) Filter(code, arg string) engine.FilterSetting {
	for _, f := range h.filters {
		if f.Code == code {
			return f
		}
	}
	return engine.FilterSetting{Code: "*", Title: "Other exception", Break: 'd', Exception: true}
}
func (h *stageHost) SetFilter(f engine.FilterSetting) {
	for i := range h.filters {
		if h.filters[i].Code == f.Code {
			h.filters[i] = f
			return
		}
	}
	h.filters = append(h.filters, f)
}

// play starts a session over a stage and an interpreter over it.
func play(t testing.TB) (*Interpreter, *stageHost) {
	t.Helper()
	h := &stageHost{}
	t.Cleanup(h.begin())
	return New(Options{Host: h, Version: "1.0"}), h
}

// begin puts a new stage on; end takes it off.
func (h *stageHost) begin() (end func()) {
	s := engine.New(newStage(), engine.Options{Store: stageStore{}, Model: &eval.Model{}, Emit: func(engine.Event) {}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	*h = stageHost{session: s, paths: map[string]string{"sym": "/sym"}, filters: []engine.FilterSetting{
		{Code: "ct", Title: "Create thread", Break: 'i'}, {Code: "ld", Title: "Load module", Break: 'n'},
		{Code: "av", Title: "Access violation", Break: 'e', Exception: true},
	}}
	if _, err := s.Wait(ctx); err != nil {
		panic(err)
	}
	return func() { cancel(); <-done }
}

// ErrorText knows the one number that the transcripts ask for.
func (h *stageHost) ErrorText(n uint64) string {
	return map[uint64]string{2: "ENOENT: No such file or directory"}[n]
}
