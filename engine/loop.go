package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// loop is everything that is known of one debuggee. It belongs to whoever has the
// session's turn; nothing else touches it.
type loop struct {
	s     *Session
	t     targets.Target
	r     targets.Runner // nil: the debuggee cannot run
	o     Options
	arch  *arch.Arch
	state State

	pumping bool               // the goroutine that takes the target's events has the turn: it takes none meanwhile
	offered chan targets.Event // events for who waits for one in a turn of its own
	over    chan struct{}      // closed when there is no debuggee any more

	halting bool      // an interrupt is on its way
	halted  time.Time // when it was sent
	pause   bool      // the user asked for it
	stray   int       // resumes during which an interrupt that crossed another stop may surface
	stuck   *time.Timer
	parked  []*request
	waiters []chan Stop
	wake    chan struct{} // a parked request's context ended

	number int
	last   Stop
	stops  bool     // there was one
	ran    bool     // the debuggee has been resumed since the last refresh
	spent  []Status // one-shot breakpoints that the last hit ended
	hiding bool     // a hidden stop is being served

	mem     *cache
	changes uint64 // of memory, as far as we caused or noticed them
	regs    map[targets.ThreadID]*arch.Registers
	others  int             // threads beside the stopped one whose stacks were asked for
	partial *arch.Registers // expedited with the stop, of its thread
	vectors vectors         // whether the far end writes them
	walks   map[targets.ThreadID]*walk

	context   *arch.Registers // what the selected thread is looked at with, nil its own
	place     systems.Context // whose context that is, and the address space
	noInlines bool

	threads  threadTable
	selected targets.ThreadID
	frame    int

	traps      *trapTable
	trial      trial
	lifted     map[arch.Addr]bool             // traps kept out while a thread steps off them
	hits       map[targets.ThreadID]arch.Addr // threads told to be at a trap that they have yet to leave
	untrapped  []untrapped                    // where the system's own debugger would die of a trap
	alone      arch.Addr                      // what holds the other processors while one steps, 0 unknown
	stood      arch.Addr                      // where it is counted how many others that can hold, 0 unknown
	holding    bool                           // that was set, and nothing was let go since
	masked     map[targets.ThreadID]bool      // stepped without interrupts
	marked     []marked                       // what has the trace flag that an interrupt saved
	kept       []arch.Addr                    // where steps that are over had traps, which the next ones may want
	own        map[targets.ThreadID]arch.Addr // threads that wait at a trap of the program's own
	still      int                            // steps in a row that were to leave a trap and did not
	refusedNow []targets.Trap
	bps        []*breakpoint
	standing   *standing // what they want
	plan       *plan
	folding    folding                              // of the stop's thread
	returned   *Returned                            // by the last stop, if it came by a return
	handed     map[targets.ThreadID]targets.Deliver // what to deliver upon resume

	modules  moduleTable
	decoded  decoded
	armed    armed
	skip     skip
	hitPlace hitPlace
	asked    []want      // what readers have missed
	forks    byte        // as the far end was told: 1 it reports them
	borrowed bool        // the memory is the parent's of a vfork: what is planted in it stays
	rider    *refresher  // travels with the next flight of reads
	due      *refresher  // what a stop is to be looked at with, once somebody looks
	ways     []arch.Addr // of exceptions and jumps, whose traps the next step wants, too
	vars     map[string]eval.Value
	execute  func(ctx context.Context, line string) ([]string, error) // a command line for the data model, nil outside of dx
	undo     func(ctx context.Context) error                          // gives a thread its registers back once it stops, nil: none is due
	room     room                                                     // of the stack, that results of calls occupy

	life   context.Context
	end    context.CancelFunc
	ended  error
	gone   *Ended // as it was told
	opens  sync.WaitGroup
	opened chan *opening

	indexing chan struct{} // held by who builds an index
	indexed  chan *Module  // whose index is complete, or tells more
}

func newLoop(s *Session, t targets.Target, o Options) *loop {
	l := &loop{s: s, t: t, o: o, pumping: true, offered: make(chan targets.Event), over: make(chan struct{}), wake: make(chan struct{}, 1), opened: make(chan *opening, 64), indexing: make(chan struct{}, 1), indexed: make(chan *Module),
		lifted: map[arch.Addr]bool{}, hits: map[targets.ThreadID]arch.Addr{}, own: map[targets.ThreadID]arch.Addr{},
		handed: map[targets.ThreadID]targets.Deliver{}, vars: map[string]eval.Value{}}
	l.r, _ = t.(targets.Runner)
	l.arch = arch.AMD64
	if set := t.Info().Set; set != nil {
		l.arch = set.Arch
	}
	l.traps = newTrapTable(l.arch)
	l.stuck = time.NewTimer(time.Hour)
	l.stuck.Stop()
	l.forget()
	if o.Model == nil {
		l.o.Model = &eval.Model{}
	}
	return l
}

// forget drops what was known of the stop.
func (l *loop) forget() {
	l.dropMemory()
	l.regs = map[targets.ThreadID]*arch.Registers{}
	l.others = 0
	l.walks = map[targets.ThreadID]*walk{}
	l.context = nil
	l.place = systems.Context{}
	l.partial = nil
	l.due = nil
}

func (l *loop) dropMemory() {
	round := 64
	if info := l.t.Info(); info.Machine || info.Limits.BytesPerSec > 0 && info.Limits.BytesPerSec < 50_000 {
		round = 8
	}
	l.mem = newCache(round)
	l.changes++
}

// halt sends one interrupt, however often it is asked.
func (l *loop) halt(ctx context.Context) error {
	if l.halting || l.state != StateRunning {
		return nil
	}
	if l.r == nil {
		return errors.ErrUnsupported
	}
	if err := l.r.Interrupt(ctx); err != nil {
		return fmt.Errorf("breaking in: %w", err)
	}
	l.halting, l.halted = true, time.Now()
	l.stuck.Reset(l.o.Timeout)
	return nil
}

// interrupt is the user's pause.
func (l *loop) interrupt(ctx context.Context) error {
	if l.state != StateRunning {
		return nil
	}
	l.pause = true
	return l.halt(ctx)
}

// deaf is told when an interrupt brought no stop in time.
func (l *loop) deaf() {
	if !l.halting || time.Since(l.halted) < l.o.Timeout { // or it was about another
		return
	}
	l.halting, l.pause = false, false
	err := fmt.Errorf("the debuggee did not stop within %v of the break-in", l.o.Timeout)
	l.say(Important, err.Error()+"\n")
	l.serveParked(err)
}

// say is text of the debugger itself.
func (l *loop) say(c OutputCategory, text string) { l.o.Emit(Output{Text: text, Category: c}) }

// do carries out a flight. An error means that the wire is lost or ctx ended.
func (l *loop) do(ctx context.Context, ops ...targets.Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(ops) == 0 {
		return nil
	}
	return targets.Do(ctx, l.t, ops...)
}

// event handles what the target says.
func (l *loop) event(ctx context.Context, e targets.Event) {
	switch e := e.(type) {
	case targets.Output:
		c := FromDebuggee
		if e.Console {
			c = FromFarEnd
		}
		l.say(c, e.Text)
	case targets.Running:
		if l.state == StateStopped {
			l.nowRunning(false)
		}
	case targets.Gone:
		l.goneBy(e)
	case targets.Stop:
		l.stopped(ctx, e)
	}
}

// nowRunning moves to the running state. Hidden resumes are not told.
func (l *loop) nowRunning(hidden bool) {
	l.state = StateRunning
	l.ran = true
	l.forget()
	if l.plan == nil { // the far end let it run: what it stops for and nobody is told of goes on
		l.plan = &plan{thread: l.selected, leg: leg{kind: targets.Go}}
	}
	if !hidden {
		step := l.plan != nil && l.plan.how.Kind != Go
		thread := l.selected
		if l.plan != nil {
			thread = l.plan.thread
		}
		l.o.Emit(Resumed{Thread: thread, All: l.plan == nil || !l.plan.how.Only, Step: step})
	}
}

// goneBy ends the session.
func (l *loop) goneBy(g targets.Gone) {
	text := ""
	var traps []arch.Addr
	switch {
	case g.Err != nil:
		traps = l.traps.addresses()
		text = "The connection to the debuggee is lost: " + g.Err.Error() + "."
		if len(traps) > 0 {
			text += " Traps may remain at " + addresses(traps, l.arch.PtrSize) + "; connect again to clear them."
		}
		if m := l.markedText(); m != "" {
			text += " " + m
		}
		l.ended = g.Err
	case g.Signal != 0:
		text = fmt.Sprintf("The debuggee was terminated by %s.", signalName(g.Signal))
	default:
		text = fmt.Sprintf("The debuggee exited with status %d.", g.Code)
	}
	l.finish(Ended{Gone: g, Traps: traps, Text: text})
	_ = l.t.Close(context.WithoutCancel(l.life), targets.Leave)
}

func addresses(as []arch.Addr, ptr int) string {
	var s []string
	for i, a := range as {
		if i == 8 {
			s = append(s, fmt.Sprintf("and %d more", len(as)-i))
			break
		}
		s = append(s, a.Text(ptr))
	}
	return strings.Join(s, ", ")
}

// finish leaves everybody who waits, and tells.
func (l *loop) finish(e Ended) {
	if l.state != StateGone {
		close(l.over)
	}
	l.state, l.halting, l.pause = StateGone, false, false
	l.stuck.Stop()
	l.plan, l.gone = nil, &e
	l.serveParked(targets.ErrGone)
	l.o.Emit(e)
}

// partTime bounds what parting may take.
const partTime = 1800 * time.Millisecond

// part leaves the debuggee by how, from any state.
func (l *loop) part(ctx context.Context, how targets.Parting) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), partTime)
	defer cancel()
	var left []arch.Addr
	l.due = nil
	if l.state == StateRunning && !l.standstill(ctx) {
		left = l.traps.addresses()
	}
	if l.state == StateGone {
		return nil
	}
	if len(left) == 0 && how != targets.Kill {
		l.restore(ctx)
		left = l.liftAll(ctx)
	}
	err := l.t.Close(ctx, how)
	text := ""
	if how != targets.Kill {
		if len(left) > 0 {
			text = "Traps may remain at " + addresses(left, l.arch.PtrSize) + "."
		}
		text = strings.TrimSpace(text + " " + l.markedText())
	}
	l.finish(Ended{Parting: &how, Traps: left, Text: text})
	return err
}

// standstill halts a running debuggee for good; false when it would not stop.
func (l *loop) standstill(ctx context.Context) bool {
	if l.r == nil || l.halt(ctx) != nil {
		return false
	}
	for l.state == StateRunning {
		select {
		case e, ok := <-l.coming():
			if !ok {
				e = targets.Gone{Err: targets.ErrGone}
			}
			switch e := e.(type) {
			case targets.Stop:
				l.state = StateStopped
				l.fresh(e)
				l.fixPC(ctx, e)
			case targets.Gone:
				l.goneBy(e)
			}
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// liftAll lifts every trap in one flight and returns those that would not go.
func (l *loop) liftAll(ctx context.Context) []arch.Addr {
	var all []targets.Trap
	for _, x := range l.traps.in {
		all = append(all, x.Trap)
	}
	ops, settle, err := l.trapOps(ctx, all, nil)
	if err == nil {
		err = l.do(ctx, ops...)
	}
	if err != nil {
		return l.traps.addresses()
	}
	var left []arch.Addr
	for _, op := range ops {
		switch o := op.(type) {
		case *targets.TrapClear:
			if o.Err != nil && o.Trap.Kind == targets.Software {
				left = append(left, o.Trap.Addr)
			}
		case *targets.MemoryWrite:
			if o.Err != nil {
				left = append(left, o.Addr)
			}
		}
	}
	settle()
	return left
}
