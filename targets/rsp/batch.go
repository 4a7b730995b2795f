package rsp

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// plan turns operations into the requests of a flight. Each part adds its
// requests and what to do with their replies; that may ask for more, which then
// travels in the next flight together with what others ask.
type plan struct {
	t       *Target
	reqs    []*request
	after   []func(next *plan)
	general threadID // thread g and m will speak of when these requests are done
	chosen  *request // that made it so, nil when it was so before
}

func (t *Target) plan() *plan {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	return &plan{t: t, general: t.c.general}
}

func (p *plan) ask(format string, args ...any) *request {
	r := ask(format, args...)
	p.reqs = append(p.reqs, r)
	return r
}

func (p *plan) then(f func(next *plan)) { p.after = append(p.after, f) }

// speakOf makes the following g, m and the like concern thread id.
func (p *plan) speakOf(id threadID) {
	if p.general == id || id.thread == 0 && id.process == 0 {
		return
	}
	p.chosen = p.ask("Hg%s", id)
	p.general = id
}

// refusedThread tells why the thread a request was to speak of could not be chosen.
func refusedThread(op string, chosen *request) error {
	if chosen != nil && isError(chosen.reply) {
		return refusal(op, chosen.reply)
	}
	return nil
}

// Do carries out ops in as few flights as their replies allow: one, unless
// memory faults or objects are longer than a packet.
func (t *Target) Do(ctx context.Context, ops []targets.Op) error {
	if len(ops) == 0 {
		return nil
	}
	done, err := t.c.turnWhile(ctx, t, t.c.mayRun(ops))
	if err != nil {
		return err
	}
	defer done()
	p := t.plan()
	for i, op := range ops {
		if r, ok := op.(*targets.Run); ok {
			if i != len(ops)-1 {
				r.Err = errors.New("a resume must be the last of a flight")
				continue
			}
			return t.runPlan(ctx, p, r)
		}
		p.add(op)
	}
	return t.fly(ctx, p)
}

// fly sends a plan's flights until nobody asks for more.
func (t *Target) fly(ctx context.Context, p *plan) error {
	for {
		if len(p.reqs) > 0 {
			if err := t.c.exchange(ctx, p.reqs...); err != nil {
				return err
			}
			t.c.mu.Lock()
			t.c.general = p.general
			if refusedThread("", p.chosen) != nil {
				t.c.general = unknownThread
			}
			p.general = t.c.general
			t.c.mu.Unlock()
		}
		if len(p.after) == 0 {
			return nil
		}
		next := &plan{t: t, general: p.general}
		for _, f := range p.after {
			f(next)
		}
		p = next
	}
}

func (p *plan) add(op targets.Op) {
	switch o := op.(type) {
	case *targets.MemoryRead:
		p.readMemory(o)
	case *targets.MemoryWrite:
		p.writeMemory(o.Space, o.Addr, o.Data, func(_ int, err error) { o.Err = err })
	case *targets.RegistersRead:
		p.readRegisters(o)
	case *targets.RegistersWrite:
		p.writeRegisters(o)
	case *targets.ThreadsRead:
		p.readThreads(o)
	case *targets.ModulesRead:
		p.readModules(o)
	case *targets.TrapSet:
		p.setTrap(o.Trap, func(err error) { o.Err = err })
	case *targets.TrapClear:
		p.clearTrap(o.Trap, func(err error) { o.Err = err })
	}
}

// object reads a qXfer object whose pieces join the plan's flights.
func (p *plan) object(object, annex string, done func(next *plan, data []byte, err error)) {
	x := p.t.c.xfer(object, annex)
	p.reqs = append(p.reqs, x.begin()...)
	var more func(next *plan)
	more = func(next *plan) {
		if next == nil {
			done(nil, x.data, targets.ErrRunning)
			return
		}
		reqs := x.more()
		if len(reqs) == 0 {
			done(next, x.data, x.err)
			return
		}
		next.reqs = append(next.reqs, reqs...)
		next.then(more)
	}
	p.then(more)
}

func (p *plan) readThreads(o *targets.ThreadsRead) {
	if p.t.c.line != nil {
		o.Threads = p.t.c.processors()
		return
	}
	if p.t.cpus != nil {
		o.Threads = slices.Clone(p.t.cpus)
		return
	}
	if p.t.c.kind.name == lldbName {
		p.readThreadsInfo(o)
		return
	}
	if !p.t.c.has("threads") {
		p.listThreads(o, "qfThreadInfo", &threadList{})
		return
	}
	p.object("threads", "", func(_ *plan, data []byte, err error) {
		if o.Err = err; err == nil {
			o.Threads, o.Err = p.t.parseThreads(data)
		}
	})
}

// maxThreads bounds a thread list.
const maxThreads = 1 << 20

// parseThreads reads the threads object. In a far end with several processes
// only this one's are listed.
func (t *Target) parseThreads(data []byte) ([]targets.Thread, error) {
	var list struct {
		Threads []struct {
			ID   string `xml:"id,attr"`
			Core string `xml:"core,attr"`
			Name string `xml:"name,attr"`
		} `xml:"thread"`
	}
	if err := unmarshal(data, &list); err != nil && len(list.Threads) == 0 {
		return nil, &targets.ProtocolError{Op: "listing threads", Sent: "qXfer:threads:read", Got: string(data[:min(len(data), 80)])}
	}
	out := make([]targets.Thread, 0, len(list.Threads))
	for _, x := range list.Threads {
		w, ok := parseThread(x.ID)
		if !ok || !t.mine(w) {
			continue
		}
		cpu := -1
		if n, ok := parseHex(x.Core); ok { // decimal in the manual, below 10 in doubt
			cpu = int(n)
			if d, ok := decimal(x.Core); ok {
				cpu = d
			}
		}
		out = append(out, targets.Thread{ID: t.id(w), Name: x.Name, CPU: cpu})
	}
	return out, nil
}

// mine reports whether a thread belongs to this target.
func (t *Target) mine(w threadID) bool {
	pid := t.info.Load().pid
	return w.process == 0 || pid == 0 || w.process == pid
}

// threadList is what qfThreadInfo and qsThreadInfo have brought.
type threadList struct {
	ids  []threadID
	seen map[threadID]bool
}

// take takes in an answer and reports whether there is more to ask for. An answer
// without a new thread would have us ask for ever.
func (l *threadList) take(r *request) (more bool, err error) {
	rest, more := strings.CutPrefix(string(r.reply), "m")
	if !more || len(l.ids) >= maxThreads {
		return false, nil
	}
	before := len(l.ids)
	if l.seen == nil {
		l.seen = map[threadID]bool{}
	}
	for _, s := range strings.Split(rest, ",") {
		if w, ok := parseThread(s); ok && !l.seen[w] {
			l.seen[w] = true
			l.ids = append(l.ids, w)
		}
	}
	if len(l.ids) == before {
		return false, &targets.ProtocolError{Op: "listing threads", Sent: r.payload, Got: string(r.reply)}
	}
	return true, nil
}

// listThreads walks qfThreadInfo and qsThreadInfo, then asks all names at once.
func (p *plan) listThreads(o *targets.ThreadsRead, question string, list *threadList) {
	r := p.ask("%s", question)
	p.then(func(next *plan) {
		if next == nil {
			o.Err = targets.ErrRunning
			return
		}
		if isError(r.reply) {
			o.Err = refusal("listing threads", r.reply)
			return
		}
		more, err := list.take(r)
		switch {
		case err != nil:
			o.Err = err
			return
		case more:
			next.listThreads(o, "qsThreadInfo", list)
			return
		}
		ids := slices.DeleteFunc(list.ids, func(w threadID) bool { return !p.t.mine(w) })
		if len(ids) == 0 {
			ids = []threadID{p.t.current()}
		}
		next.nameThreads(o, ids)
	})
}

func (p *plan) nameThreads(o *targets.ThreadsRead, ids []threadID) {
	asked := make([]*request, len(ids))
	for i, id := range ids {
		asked[i] = p.ask("qThreadExtraInfo,%s", id)
	}
	p.then(func(*plan) {
		for i, id := range ids {
			th := targets.Thread{ID: p.t.id(id), CPU: -1}
			if name, ok := unhex(asked[i].reply); ok {
				th.Name = strings.TrimRight(string(name), "\x00 ")
			}
			if p.t.info.Load().Machine {
				th.CPU = int(id.thread) - 1
			}
			o.Threads = append(o.Threads, th)
		}
		p.t.keepCPUs(o.Threads)
	})
}

// current is the thread of the stop.
func (t *Target) current() threadID {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	return t.thread
}

func decimal(s string) (int, bool) {
	n := 0
	for _, b := range s {
		if b < '0' || b > '9' || n > 1<<20 {
			return 0, false
		}
		n = n*10 + int(b-'0')
	}
	return n, s != ""
}

func (p *plan) readRegisters(o *targets.RegistersRead) {
	id := p.t.wireID(o.Thread)
	var r, chosen *request
	if g := p.t.ownG(id); g != nil {
		r = &request{reply: g}
	} else {
		if p.general != (threadID{}) || id != p.t.current() || p.t.c.kind.name != qemuStub.name {
			p.speakOf(id)
		} // else QEMU speaks of the CPU that stopped (gdb_set_stop_cpu)
		r, chosen = p.ask("g"), p.chosen
	}
	p.then(func(next *plan) {
		if o.Err = refusedThread("reading registers", chosen); o.Err == nil {
			o.Regs, o.Err = p.t.registers(o.Thread, r)
		}
		if o.Err == nil && len(o.Also) > 0 && next != nil {
			next.readSingly(o, id)
		}
	})
}

// readSingly asks with p for those of o.Also that g does not tell; what p does not
// tell either stays unknown.
func (p *plan) readSingly(o *targets.RegistersRead, id threadID) {
	l := p.t.info.Load().layout
	p.speakOf(id)
	asked := map[int]*request{}
	for _, name := range o.Also {
		if i, ok := l.set.Index(name); ok && !o.Regs.Known(i) {
			asked[i] = p.ask("p%x", l.number[i])
		}
	}
	p.then(func(*plan) {
		for i, r := range asked {
			b := make([]byte, hex.DecodedLen(len(r.reply)))
			if n, err := hex.Decode(b, r.reply); err == nil && n == l.set.Regs[i].Size {
				o.Regs.SetBytes(i, b)
			}
		}
	})
}

func (t *Target) registers(id targets.ThreadID, r *request) (*arch.Registers, error) {
	if isError(r.reply) {
		return nil, refusal("reading registers", r.reply)
	}
	regs, err := t.info.Load().layout.parseG(r.reply)
	if err != nil || len(r.reply) == 0 {
		return nil, &targets.ProtocolError{Op: "reading registers", Sent: "g", Got: string(r.reply)}
	}
	regs.Interrupted = true
	t.c.mu.Lock()
	t.caught[id] = r.reply
	t.c.mu.Unlock()
	return regs, nil
}

// writeRegisters patches the last g and sends it whole; stubs that cannot take
// it, or did not tell every byte, are given registers one by one.
func (p *plan) writeRegisters(o *targets.RegistersWrite) {
	if o.Regs == nil {
		o.Err = errors.New("no registers to write")
		return
	}
	id := p.t.wireID(o.Thread)
	p.t.c.mu.Lock()
	g := p.t.caught[o.Thread]
	p.t.c.mu.Unlock()
	if g != nil {
		p.sendRegisters(o, id, g)
		return
	}
	p.speakOf(id)
	r := p.ask("g")
	p.then(func(next *plan) {
		switch {
		case next == nil:
			o.Err = targets.ErrRunning
		case isError(r.reply):
			o.Err = refusal("reading registers", r.reply)
		default:
			next.sendRegisters(o, id, r.reply)
		}
	})
}

func (p *plan) sendRegisters(o *targets.RegistersWrite, id threadID, g []byte) {
	l := p.t.info.Load().layout
	if o.Regs.Set != l.set {
		o.Err = errors.New("the registers are of another set")
		return
	}
	text, whole := l.patchG(g, o.Regs)
	p.speakOf(id)
	if !whole || len(text) == 0 || p.t.c.kind.oneG {
		p.sendSingly(o, id, g)
		return
	}
	r, chosen := p.ask("G%s", text), p.chosen
	var beyond []*request // G has no room for what g does not tell
	for i, reg := range l.set.Regs {
		if v, ok := o.Regs.Bytes(i); ok && 2*(l.offset[i]+reg.Size) > len(g) {
			beyond = append(beyond, p.ask("P%x=%x", l.number[i], v))
		}
	}
	p.t.c.mu.Lock()
	delete(p.t.caught, o.Thread)
	p.t.c.mu.Unlock()
	p.then(func(next *plan) {
		switch o.Err = refusedThread("writing registers", chosen); {
		case o.Err != nil:
		case len(r.reply) == 0 && next != nil:
			next.sendSingly(o, id, g)
		case string(r.reply) != "OK":
			o.Err = wrote("writing registers", r)
		}
		for _, r := range beyond {
			if string(r.reply) != "OK" && o.Err == nil {
				o.Err = wrote("writing registers", r)
			}
		}
	})
}

// sendSingly writes with P what differs from g.
func (p *plan) sendSingly(o *targets.RegistersWrite, id threadID, g []byte) {
	l := p.t.info.Load().layout
	old, err := l.parseG(g)
	if err != nil {
		old = arch.NewRegisters(l.set)
	}
	p.speakOf(id)
	var asked []*request
	for i := range l.set.Regs {
		v, ok := o.Regs.Bytes(i)
		was, had := old.Bytes(i)
		if ok && (!had || string(v) != string(was)) {
			asked = append(asked, p.ask("P%x=%x", l.number[i], v))
		}
	}
	p.t.c.mu.Lock()
	delete(p.t.caught, o.Thread)
	p.t.c.mu.Unlock()
	p.then(func(*plan) {
		for _, r := range asked {
			if string(r.reply) != "OK" && o.Err == nil {
				o.Err = wrote("writing registers", r)
			}
		}
	})
}

// wrote makes an error of the reply to a request that wanted OK.
func wrote(op string, r *request) error {
	switch {
	case len(r.reply) == 0:
		return errors.ErrUnsupported
	case isError(r.reply):
		return refusal(op, r.reply)
	}
	return &targets.ProtocolError{Op: op, Sent: r.payload, Got: string(r.reply)}
}
