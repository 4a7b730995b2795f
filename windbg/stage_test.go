package windbg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// The stage is a debuggee that is all script: a thread in orders!Submit called by
// main, another one waiting, memory for their stacks, and an image with names, lines,
// variables and types. Its first thread visits the addresses of steps one by one.

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
func play(t testing.TB, system ...systems.System) (*Interpreter, *stageHost) {
	t.Helper()
	h := &stageHost{}
	t.Cleanup(h.begin(system...))
	return New(Options{Host: h, Version: "1.0"}), h
}

// begin puts a new stage on; end takes it off.
func (h *stageHost) begin(system ...systems.System) (end func()) {
	return h.over(newStage(), system...)
}

// over is begin with a far end that is more than a stage.
func (h *stageHost) over(target targets.Target, system ...systems.System) (end func()) {
	var of systems.System
	if len(system) > 0 {
		of = system[0]
	}
	s := engine.New(target, engine.Options{System: of, Store: stageStore{}, Model: &eval.Model{}, Emit: func(engine.Event) {}})
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
