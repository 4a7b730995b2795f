package rsp

import (
	"cmp"
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/wire"
)

// Target is one debuggee at the far end: a process, or a whole machine.
type Target struct {
	c      *Conn
	events *wire.Mailbox
	info   atomic.Pointer[processInfo]
	parted bool // Close was called

	// under c.mu
	motion    *motion // nil while it waits
	forks     bool    // forks are stops
	lends     *Target // the vfork's child that uses its memory: it cannot move while that has it
	echo      int     // resumes during which an interrupt sent too late may still surface
	execed    bool    // its last stop was that it became another program
	traps     map[trapKey]targets.Trap
	thread    threadID                    // the stopped one
	signals   map[targets.ThreadID]int    // what each stopped for, the far end's number
	owed      map[targets.ThreadID]int    // signals that threads are to see when they do run on, see stopAgain
	caught    map[targets.ThreadID][]byte // last g of each thread since the stop
	main      *targets.Module             // main image, until exec
	cpus      []targets.Thread            // of QEMU's machine, which keeps those it has; the caller's alone
	gone      bool
	stoppedAt time.Time // when the last stop of a run came
	hangs     *bool     // of QEMU, for who rewinds: loading a snapshot soon after a stop hangs; nil: not asked yet
	pending   []string  // in non-stop mode: stops of other threads, to be told
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

// newTarget adds a target that waits in s.
func (c *Conn) newTarget(in *processInfo, s *stopReply) *Target {
	t := &Target{c: c, events: wire.NewMailbox(), traps: map[trapKey]targets.Trap{}, forks: c.o.Forks,
		signals: map[targets.ThreadID]int{}, owed: map[targets.ThreadID]int{}}
	t.set(in)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.targets[in.pid] = t
	if born := c.children[in.pid]; born != nil {
		t.traps = born.traps
		if born.interrupted {
			t.echo = echoLife
		}
		if born.lender != nil {
			born.lender.lends = t
		}
		delete(c.children, in.pid)
	}
	t.halted(s)
	stop := t.stop(s, nil)
	if stop.Reason != targets.Exception || stop.Exception.Name == "SIGTRAP" || stop.Exception.Name == "SIGSTOP" {
		stop.Exception = nil
	}
	stop.Reason = targets.Initial
	t.events.Put(stop)
	for _, loss := range c.losses {
		t.events.Put(targets.Output{Console: true, Text: "The debug server lacks what was asked for: " + loss + ".\n"})
	}
	if c.err != nil {
		t.events.Put(targets.Gone{Err: c.err})
	}
	return t
}

func (t *Target) set(in *processInfo) {
	if in.Machine {
		in.Process = 0
	} else {
		in.Process = cmp.Or(in.pid, in.shown)
	}
	t.info.Store(in)
}

// Info says what is at the far end.
func (t *Target) Info() targets.Info { return t.info.Load().Info }

// Link is the wire as one that serves processes.
func (t *Target) Link() targets.Link { return t.c }

// Events delivers stops, output and the end.
func (t *Target) Events() <-chan targets.Event { return t.events.C() }

// id shows a wire's thread to those above: the process a stub invents for a
// machine is not shown.
func (t *Target) id(w threadID) targets.ThreadID {
	in := t.info.Load()
	switch {
	case t.c.line != nil:
		return kgdbID(w)
	case in.Machine:
		return targets.ThreadID{Thread: w.thread}
	}
	if w.process == 0 {
		w.process = in.Process
	}
	return targets.ThreadID{Process: w.process, Thread: w.thread}
}

// wireID is the reverse of id.
func (t *Target) wireID(id targets.ThreadID) threadID {
	if t.c.line != nil {
		return kgdbWire(id)
	}
	pid := t.info.Load().pid
	if id.Process != 0 && pid != 0 {
		pid = id.Process
	}
	return threadID{pid, id.Thread}
}

// Threads lists threads, or the CPUs of a machine.
func (t *Target) Threads(ctx context.Context) ([]targets.Thread, error) {
	op := &targets.ThreadsRead{}
	if err := t.Do(ctx, []targets.Op{op}); err != nil {
		return nil, err
	}
	return op.Threads, op.Err
}

// Registers reads one thread's registers.
func (t *Target) Registers(ctx context.Context, id targets.ThreadID) (*arch.Registers, error) {
	op := &targets.RegistersRead{Thread: id}
	if err := t.Do(ctx, []targets.Op{op}); err != nil {
		return nil, err
	}
	return op.Regs, op.Err
}

// SetRegisters writes the known registers of r.
func (t *Target) SetRegisters(ctx context.Context, id targets.ThreadID, r *arch.Registers) error {
	op := &targets.RegistersWrite{Thread: id, Regs: r}
	if err := t.Do(ctx, []targets.Op{op}); err != nil {
		return err
	}
	return op.Err
}

// ReadMemory fills p; what the far end planted is not seen.
func (t *Target) ReadMemory(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	op := &targets.MemoryRead{Space: s, Addr: addr, Data: p}
	if err := t.Do(ctx, []targets.Op{op}); err != nil {
		return 0, err
	}
	return op.N, op.Err
}

// WriteMemory writes p. A short write returns how much was written before the
// first address that could not be.
func (t *Target) WriteMemory(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	n, err := t.write(ctx, s, addr, p)
	return n, err
}

// Modules lists images in place.
func (t *Target) Modules(ctx context.Context) ([]targets.Module, error) {
	op := &targets.ModulesRead{}
	if err := t.Do(ctx, []targets.Op{op}); err != nil {
		return nil, err
	}
	return op.Modules, op.Err
}

// SetTrap plants a trap.
func (t *Target) SetTrap(ctx context.Context, trap targets.Trap) error {
	op := &targets.TrapSet{Trap: trap}
	if err := t.Do(ctx, []targets.Op{op}); err != nil {
		return err
	}
	return op.Err
}

// ClearTrap lifts a trap.
func (t *Target) ClearTrap(ctx context.Context, trap targets.Trap) error {
	op := &targets.TrapClear{Trap: trap}
	if err := t.Do(ctx, []targets.Op{op}); err != nil {
		return err
	}
	return op.Err
}

// anchorNames are auxiliary vector entries with a name of their own (Linux
// include/uapi/linux/auxvec.h).
var anchorNames = map[uint64]string{3: "phdr", 4: "phent", 5: "phnum", 7: "interpreter", 9: "entry", 33: "vdso"}

// Anchors tells the auxiliary vector ("auxv:N", some also by name) and, from
// stubs that have no vector, where the sections were moved to ("text", "data").
func (t *Target) Anchors(context.Context) (map[string]arch.Addr, error) {
	in := t.info.Load()
	out := map[string]arch.Addr{}
	for name, a := range in.offsets {
		out[name] = a
	}
	for key, v := range auxvEntries(in.auxv, in.Set.Arch) {
		out["auxv:"+strconv.FormatUint(key, 10)] = arch.Addr(v)
		if name, ok := anchorNames[key]; ok {
			out[name] = arch.Addr(v)
		}
	}
	return out, nil
}
