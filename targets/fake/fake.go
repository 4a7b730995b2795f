package fake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/wire"
)

// Thread is a thread as it waits at the start.
type Thread struct {
	ID   int64
	Name string
	PC   arch.Addr
	SP   arch.Addr
	Regs map[string]uint64 // others, 0 where missing
}

// Options describe the debuggee.
type Options struct {
	Process int64 // 0: 1000
	Path    string
	Regions []Region
	Threads []Thread // the first is the one that waits
	Modules []targets.Module
	// Loads are modules that come when the instruction at an address is about to
	// run for the first time; the debuggee then stops for it.
	Loads map[arch.Addr]targets.Module
	Files map[string][]byte
	// Bits are added to Info. NoStepOver makes the fake step off its own traps.
	Bits targets.Features
	// Deaf makes hardware traps never spring.
	Deaf bool
	// DeafData makes data traps never spring.
	DeafData bool
	// NoTraps are where software traps are refused.
	NoTraps []arch.Addr
}

// Target is the debuggee. It implements everything a far end may; see Plain.
type Target struct {
	o      Options
	set    *arch.Set
	events *wire.Mailbox

	mu       sync.Mutex
	mem      *memory
	threads  []*thread
	modules  []targets.Module
	loaded   map[arch.Addr]bool
	traps    map[trapKey]targets.Trap
	plain    bool
	running  bool
	asked    bool // an interrupt waits to be seen
	gone     bool
	settled  chan struct{} // closed when the run has ended
	faults   map[Operation][]error
	delays   map[Operation]<-chan struct{}
	calls    map[Operation]int
	executed int
	passed   []byte
}

type thread struct {
	Thread
	cpu
	signal int // it stopped for, Linux's number
}

type trapKey struct {
	kind targets.TrapKind
	addr arch.Addr
	size int
}

var _ interface {
	targets.Target
	targets.Runner
	targets.Writer
	targets.Trapper
	targets.ModuleLister
	targets.Anchorer
	targets.Console
	targets.Files
	targets.Queryer
	targets.Batcher
} = (*Target)(nil)

// New returns a debuggee that waits.
func New(o Options) *Target {
	if o.Process == 0 {
		o.Process = 1000
	}
	t := &Target{
		o: o, set: arch.AMD64.DefaultSet(), events: wire.NewMailbox(), mem: &memory{}, modules: slices.Clone(o.Modules),
		loaded: map[arch.Addr]bool{}, traps: map[trapKey]targets.Trap{},
		faults: map[Operation][]error{}, delays: map[Operation]<-chan struct{}{}, calls: map[Operation]int{},
	}
	for _, r := range o.Regions {
		r.Data = bytes.Clone(r.Data)
		t.mem.regions = append(t.mem.regions, r)
	}
	for _, th := range o.Threads {
		x := &thread{Thread: th, cpu: cpu{mem: t.mem, pc: uint64(th.PC)}}
		for n, name := range registerNames {
			x.reg[n] = th.Regs[name]
		}
		x.reg[rsp] = uint64(th.SP)
		t.threads = append(t.threads, x)
	}
	t.events.Put(t.stop(t.threads[0], targets.Initial))
	return t
}

// Plain shows t as a far end that knows neither traps nor flights: whoever wants
// a trap must patch int3, which is reported with PC behind it.
func Plain(t *Target) targets.Target {
	t.mu.Lock()
	t.plain = true
	t.mu.Unlock()
	return struct {
		targets.Target
		targets.Runner
		targets.Writer
		targets.ModuleLister
	}{t, t, t, t}
}

// Operation is what can be made to fail or be late.
type Operation string

// The operations.
const (
	ReadMemory  Operation = "read memory"
	WriteMemory Operation = "write memory"
	Registers   Operation = "registers"
	Threads     Operation = "threads"
	Modules     Operation = "modules"
	SetTrap     Operation = "set trap"
	Resume      Operation = "resume"
	Interrupt   Operation = "interrupt" // it can fail, not be late
)

// Fail makes the next calls of op return errs, one each; nil lets one pass.
func (t *Target) Fail(op Operation, errs ...error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults[op] = append(t.faults[op], errs...)
}

// Delay makes calls of op wait until c is closed, or their context ends.
func (t *Target) Delay(op Operation, c <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.delays[op] = c
}

// Cut is the death of the wire.
func (t *Target) Cut(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.gone {
		t.gone = true
		t.events.Put(targets.Gone{Err: fmt.Errorf("the wire is lost: %w", err)})
	}
}

// Calls tells how often op was called.
func (t *Target) Calls(op Operation) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls[op]
}

// begin is at the head of every operation: it counts, waits, fails, and sees to
// it that the debuggee waits.
func (t *Target) begin(ctx context.Context, op Operation) error {
	t.mu.Lock()
	t.calls[op]++
	late := t.delays[op]
	t.mu.Unlock()
	if late != nil {
		select {
		case <-late:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.gone:
		return targets.ErrGone
	case t.running:
		return targets.ErrRunning
	}
	if next := t.faults[op]; len(next) > 0 {
		t.faults[op] = next[1:]
		return next[0]
	}
	return nil
}

// Info says what the fake is.
func (t *Target) Info() targets.Info {
	t.mu.Lock()
	defer t.mu.Unlock()
	bits := t.o.Bits
	if !t.plain {
		bits |= targets.TrapsAdvance | targets.StepRange
	}
	return targets.Info{
		Set: t.set, OS: "linux", Process: t.o.Process, Path: t.o.Path, Stub: "fake", DataTraps: 4,
		Limits: targets.Limits{MemoryBytes: 4096, Bits: bits},
	}
}

// Events delivers the stops, the output and the end.
func (t *Target) Events() <-chan targets.Event { return t.events.C() }

func (t *Target) id(th *thread) targets.ThreadID {
	return targets.ThreadID{Process: t.o.Process, Thread: th.ID}
}

func (t *Target) find(id targets.ThreadID) (*thread, error) {
	for _, th := range t.threads {
		if t.id(th) == id {
			return th, nil
		}
	}
	return nil, &targets.RefusedError{Op: "finding a thread", Text: fmt.Sprintf("there is no thread %v", id)}
}

// Threads lists the threads.
func (t *Target) Threads(ctx context.Context) ([]targets.Thread, error) {
	if err := t.begin(ctx, Threads); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []targets.Thread
	for _, th := range t.threads {
		out = append(out, targets.Thread{ID: t.id(th), Name: th.Name, CPU: -1})
	}
	return out, nil
}

// Registers reads a thread's registers.
func (t *Target) Registers(ctx context.Context, id targets.ThreadID) (*arch.Registers, error) {
	if err := t.begin(ctx, Registers); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	th, err := t.find(id)
	if err != nil {
		return nil, err
	}
	return th.registers(t.set), nil
}

// SetRegisters writes what is known in r.
func (t *Target) SetRegisters(ctx context.Context, id targets.ThreadID, r *arch.Registers) error {
	if err := t.begin(ctx, Registers); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	th, err := t.find(id)
	if err == nil {
		th.setRegisters(r)
	}
	return err
}

// ReadMemory reads memory; traps do not show.
func (t *Target) ReadMemory(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	if err := t.begin(ctx, ReadMemory); err != nil {
		return 0, err
	}
	if s.Physical || s.Root != 0 || s.CPU != 0 {
		return 0, errors.ErrUnsupported
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mem.read(uint64(addr), p)
}

// WriteMemory writes memory, read-only regions too.
func (t *Target) WriteMemory(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	if err := t.begin(ctx, WriteMemory); err != nil {
		return 0, err
	}
	if s.Physical || s.Root != 0 || s.CPU != 0 {
		return 0, errors.ErrUnsupported
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mem.write(uint64(addr), p)
}

// SetTrap plants a trap; conditions are not known.
func (t *Target) SetTrap(ctx context.Context, trap targets.Trap) error {
	if err := t.begin(ctx, SetTrap); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.plant(trap)
}

func (t *Target) plant(trap targets.Trap) error {
	if len(trap.Condition) > 0 || trap.Kind == targets.OnRead {
		return errors.ErrUnsupported
	}
	if r, _ := t.mem.find(uint64(trap.Addr)); r == nil {
		return &targets.RefusedError{Op: "setting a trap", Text: fmt.Sprintf("there is no memory at 0x%x", uint64(trap.Addr))}
	}
	if trap.Kind == targets.Software && slices.Contains(t.o.NoTraps, trap.Addr) {
		return &targets.RefusedError{Op: "setting a trap", Text: "the far end allows none there"}
	}
	t.traps[trapKey{trap.Kind, trap.Addr, trap.Size}] = trap
	return nil
}

// ClearTrap lifts a trap.
func (t *Target) ClearTrap(ctx context.Context, trap targets.Trap) error {
	if err := t.begin(ctx, SetTrap); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.traps, trapKey{trap.Kind, trap.Addr, trap.Size})
	return nil
}

// Planted lists the addresses of the traps that are planted, in order.
func (t *Target) Planted() []arch.Addr {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []arch.Addr
	for k := range t.traps {
		out = append(out, k.addr)
	}
	slices.Sort(out)
	return out
}

// Modules lists the images in place.
func (t *Target) Modules(ctx context.Context) ([]targets.Module, error) {
	if err := t.begin(ctx, Modules); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.modules), nil
}

// Anchors tells where the first thread began.
func (t *Target) Anchors(context.Context) (map[string]arch.Addr, error) {
	return map[string]arch.Addr{"entry": t.o.Threads[0].PC}, nil
}

// Command knows "echo TEXT" and "count", the instructions carried out so far.
func (t *Target) Command(_ context.Context, line string) (string, targets.Effect, error) {
	word, rest, _ := strings.Cut(line, " ")
	t.mu.Lock()
	defer t.mu.Unlock()
	switch word {
	case "echo":
		return rest + "\n", targets.Effect{}, nil
	case "count":
		return fmt.Sprintln(t.executed), targets.Effect{}, nil
	}
	return "", targets.Effect{}, &targets.RefusedError{Op: "running " + line, Text: "unknown command"}
}

// Open opens a file of Options.
func (t *Target) Open(_ context.Context, path string) (io.ReadCloser, error) {
	data, ok := t.o.Files[path]
	if !ok {
		return nil, fmt.Errorf("opening %s: no such file", path)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// Query knows the path of the image.
func (t *Target) Query(_ context.Context, k targets.Kind, _ string) ([]byte, error) {
	if k == targets.ExecFile {
		return []byte(t.o.Path), nil
	}
	return nil, errors.ErrUnsupported
}

// Set takes signals that are to be passed on without a stop.
func (t *Target) Set(_ context.Context, k targets.Kind, _ string, value []byte) error {
	if k != targets.PassSignals {
		return errors.ErrUnsupported
	}
	t.mu.Lock()
	t.passed = bytes.Clone(value)
	t.mu.Unlock()
	return nil
}

// Do carries out a flight.
func (t *Target) Do(ctx context.Context, ops []targets.Op) error {
	// Each Op goes through the plain interfaces, of which Batcher is not one.
	return targets.Do(ctx, struct {
		targets.Target
		targets.Runner
		targets.Writer
		targets.Trapper
		targets.ModuleLister
	}{t, t, t, t, t}, ops...)
}

// Close parts from the debuggee. It is safe to call twice.
func (t *Target) Close(context.Context, targets.Parting) error {
	t.mu.Lock()
	settled, running := t.settled, t.running
	if !t.gone {
		t.gone = true
		clear(t.traps)
		t.events.Put(targets.Gone{})
	}
	t.mu.Unlock()
	if running {
		<-settled // the run sees the end at its next turn
	}
	return nil
}
