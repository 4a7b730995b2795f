package kdb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// chunk is how much memory one command reads; each byte is two characters.
const chunk = 512

// Events delivers what happens.
func (t *Target) Events() <-chan targets.Event { return t.events.C() }

// letGo types a line after which the kernel runs.
func (t *Target) letGo(ctx context.Context, line string) error {
	t.mu.Lock()
	t.running = true
	t.mu.Unlock()
	_, err := t.c.run(ctx, &typed{line: line, lets: true})
	t.mu.Lock()
	left := t.escaped && err == nil
	t.escaped = t.escaped && !left
	t.mu.Unlock()
	if left {
		t.keys(killLine)
	}
	if err != nil && ctx.Err() == nil {
		t.mu.Lock()
		t.running = false
		t.mu.Unlock()
	}
	return err
}

// Resume goes or steps. A step is of the processor that stopped; the others
// stand still meanwhile as far as kdb can hold them.
func (t *Target) Resume(ctx context.Context, r targets.Resume) error {
	if err := t.stopped(); err != nil {
		return err
	}
	if r.Reverse {
		return fmt.Errorf("running backwards: %w", errors.ErrUnsupported)
	}
	t.mu.Lock()
	cpu := t.stop.cpu
	t.mu.Unlock()
	action := r.Default
	for id, a := range r.Threads {
		if id == threadOf(cpu) {
			action = a
		} else if a.Kind == targets.Step {
			return fmt.Errorf("stepping a processor that did not stop: %w", errors.ErrUnsupported)
		}
	}
	for _, tr := range r.Lift {
		if err := t.ClearTrap(ctx, tr); err != nil {
			return err
		}
	}
	for _, tr := range r.Plant {
		if err := t.SetTrap(ctx, tr); err != nil {
			return err
		}
	}
	if err := t.home(ctx); err != nil { // kdb lets go only from there, and steps what is current
		return err
	}
	if action.Kind == targets.Step {
		return t.letGo(ctx, "ss")
	}
	if err := t.rearm(ctx); err != nil {
		return err
	}
	return t.letGo(ctx, "go")
}

// rearm plants anew the breakpoint that the console is at, where there are more
// processors. kdb steps off one that it has told of by itself, and meanwhile drops what
// another processor has to tell of a step, and of that breakpoint (KDB_STATE_SSBPT). Who
// wants to have it behind steps with the breakpoint lifted.
func (t *Target) rearm(ctx context.Context) error {
	t.mu.Lock()
	at := t.stop.pc
	due := t.cpus > 1 && t.planted[at] && !t.hard[at] && reasons[t.stop.reason] == targets.Breakpoint
	t.mu.Unlock()
	if !due {
		return nil
	}
	found, err := t.list(ctx)
	if n, ok := found[at]; ok && err == nil {
		_, err = t.command(ctx, "clearing a breakpoint", fmt.Sprintf("bc %d", n))
	}
	if err != nil && !isRefused(err) {
		return err
	}
	return t.plant(ctx, targets.Trap{Addr: at})
}

// breakPause is how long a break-in is waited for before another is sent: a kernel that
// boots hears none.
const breakPause = 3 * time.Second

// Interrupt breaks in by SysRq g: a break on the line, then the letter.
func (t *Target) Interrupt(ctx context.Context) error {
	t.mu.Lock()
	switch {
	case t.err != nil:
		t.mu.Unlock()
		return t.err
	case !t.running || t.asked && time.Since(t.broke) < breakPause:
		t.mu.Unlock()
		return nil
	}
	t.asked, t.broke = true, time.Now()
	t.mu.Unlock()
	if err := t.breakIn(); err != nil {
		t.mu.Lock()
		t.asked = false
		t.mu.Unlock()
		if t.o.Advice == "" || !errors.As(err, new(NoBreakError)) {
			return err
		}
		t.o.Tell(t.o.Advice + "\n") // the user does it, in time
	}
	return nil
}

// Escape is what the kdb patch of old kernels is entered by. All but its last character
// reach the program that reads the console too, and lie there once the kernel runs.
const Escape = "\x1bKDB"

func (t *Target) breakIn() error {
	if t.o.Escape {
		t.mu.Lock()
		t.escaped = true
		t.mu.Unlock()
		t.keys(Escape)
		return nil
	}
	if t.o.Break == nil {
		return NoBreakError{}
	}
	if err := t.o.Break(); err != nil {
		return fmt.Errorf("sending a break: %w", err)
	}
	if !t.c.post(t.c.typesLetter) {
		return targets.ErrGone
	}
	return nil
}

// Registers reads a processor's registers; the zero id is the current one.
func (t *Target) Registers(ctx context.Context, id targets.ThreadID) (*arch.Registers, error) {
	if err := t.stopped(); err != nil {
		return nil, err
	}
	cpu, err := t.cpuOf(id)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	packed := cpu != t.cpu && !t.slow
	t.mu.Unlock()
	if packed {
		if r, ok, err := t.otherRegisters(ctx, cpu); ok || err != nil {
			return r, err
		}
	}
	return t.rd(ctx, cpu)
}

// cpuOf is the processor that an id names, the current one for zero.
func (t *Target) cpuOf(id targets.ThreadID) (int, error) {
	if id == (targets.ThreadID{}) {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.cpu, nil
	}
	if id.Process != 0 || id.Thread < 1 || id.Thread > maxCPUs {
		return 0, fmt.Errorf("the target has no processor %v", id)
	}
	return int(id.Thread) - 1, nil
}

// rd has the console tell a processor's registers, on which it is then.
func (t *Target) rd(ctx context.Context, cpu int) (*arch.Registers, error) {
	if err := t.onCPU(ctx, cpu); err != nil {
		return nil, err
	}
	out, err := t.command(ctx, "reading registers", "rd")
	if err != nil {
		return nil, err
	}
	return parseRegisters(t.set, out), nil
}

// SetRegisters writes what differs.
func (t *Target) SetRegisters(ctx context.Context, id targets.ThreadID, r *arch.Registers) error {
	cpu, err := t.cpuOf(id)
	if err = errors.Join(err, t.stopped()); err != nil {
		return err
	}
	now, err := t.rd(ctx, cpu)
	if err != nil {
		return err
	}
	for kdbName, name := range registerNames {
		i, ok := r.Set.Index(name)
		want, known := r.Uint(i)
		have, _ := now.Get(name)
		if !ok || !known || want == have {
			continue
		}
		if _, err := t.command(ctx, "writing register "+name, fmt.Sprintf("rm %s 0x%x", kdbName, want)); err != nil {
			return err
		}
	}
	return nil
}

func plain(s targets.Space) error {
	if s != (targets.Space{}) {
		return fmt.Errorf("memory of another address space: %w", errors.ErrUnsupported)
	}
	return nil
}

// ReadMemory reads by mdr, the tersest of kdb's ways.
func (t *Target) ReadMemory(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	if err := errors.Join(plain(s), t.stopped()); err != nil {
		return 0, err
	}
	n := 0
	t.mu.Lock()
	slow := t.slow
	t.mu.Unlock()
	if len(p) >= burstFrom && !slow {
		var ok bool
		var err error
		if n, ok, err = t.readBurst(ctx, addr, p); err != nil || ok {
			return n, err
		}
	}
	for n < len(p) {
		want := min(len(p)-n, chunk)
		out, err := t.reading(ctx, uint64(addr)+uint64(n), want)
		if err != nil && !isRefused(err) {
			return n, err
		}
		k := 0
		if err == nil {
			k = copy(p[n:n+want], parseRaw(out))
		}
		if n += k; k < want {
			return n, &targets.FaultError{Addr: addr + arch.Addr(n)}
		}
	}
	return len(p), nil
}

// reading asks for want bytes. An answer of another length that names no bad address
// has lost something, or gained it.
func (t *Target) reading(ctx context.Context, addr uint64, want int) (out string, err error) {
	for range maxSpoiled {
		out, err = t.command(ctx, fmt.Sprintf("reading memory at 0x%x", addr), fmt.Sprintf("mdr 0x%x %d", addr, want))
		if err != nil || strings.HasSuffix(out, "\n") && len(strings.TrimSpace(out)) == 2*want && len(parseRaw(out)) == want {
			return out, err
		}
		if digits := rawDigits(out); len(digits)%2 == 0 && (strings.Contains(out, "Bad address") || len(digits) < 2*want && !strings.HasSuffix(out, "\n")) {
			return out, err // memory ends there
		}
	}
	return out, err
}

// WriteMemory writes by mm in aligned words, so that no store is torn.
func (t *Target) WriteMemory(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	if err := errors.Join(plain(s), t.stopped()); err != nil {
		return 0, err
	}
	if err := t.home(ctx); err != nil { // a change of processor clears kgdb_single_step, which may be what is written
		return 0, err
	}
	for n := 0; n < len(p); {
		at := uint64(addr) + uint64(n)
		width := 8
		for width > 1 && (at%uint64(width) != 0 || len(p)-n < width) {
			width /= 2
		}
		var word [8]byte
		copy(word[:], p[n:n+width])
		line := fmt.Sprintf("mm%d 0x%x 0x%x", width, at, binary.LittleEndian.Uint64(word[:]))
		out, err := t.command(ctx, fmt.Sprintf("writing memory at 0x%x", at), line)
		switch {
		case err != nil && !isRefused(err):
			return n, err
		case err != nil || strings.Contains(out, "Bad address"):
			return n, &targets.FaultError{Addr: arch.Addr(at), Write: true}
		}
		n += width
	}
	return len(p), nil
}

const diagDuplicate = -12

// trapLine is kdb's command for a breakpoint; it knows no conditions.
func trapLine(tr targets.Trap) (string, bool) {
	if tr.Space != (targets.Space{}) || tr.Condition != nil {
		return "", false
	}
	switch tr.Kind {
	case targets.Software:
		return fmt.Sprintf("bp 0x%x", uint64(tr.Addr)), true
	case targets.Hardware:
		return fmt.Sprintf("bph 0x%x inst", uint64(tr.Addr)), true
	case targets.OnWrite:
		return fmt.Sprintf("bph 0x%x dataw %d", uint64(tr.Addr), max(tr.Size, 1)), true
	case targets.OnAccess:
		return fmt.Sprintf("bph 0x%x datar %d", uint64(tr.Addr), max(tr.Size, 1)), true
	}
	return "", false
}

// SetTrap plants a breakpoint. Those of kdb are of every processor and do not show in
// memory while it holds the kernel.
func (t *Target) SetTrap(ctx context.Context, tr targets.Trap) error {
	err := t.plant(ctx, tr)
	if err == nil {
		t.mu.Lock()
		t.planted[tr.Addr], t.hard[tr.Addr] = true, tr.Kind != targets.Software
		t.mu.Unlock()
	}
	return err
}

func (t *Target) plant(ctx context.Context, tr targets.Trap) error {
	if err := t.stopped(); err != nil {
		return err
	}
	line, ok := trapLine(tr)
	if !ok {
		return fmt.Errorf("kdb knows no such breakpoint: %w", errors.ErrUnsupported)
	}
	op := fmt.Sprintf("setting a breakpoint at 0x%x", uint64(tr.Addr))
	for range maxSpoiled {
		out, err := t.command(ctx, op, line)
		var refused *targets.RefusedError
		switch {
		case errors.As(err, &refused) && refused.Code == diagDuplicate:
			return nil
		case err != nil:
			return err
		}
		found, whole := parseBreakpoints(out)
		if _, ok := found[tr.Addr]; ok && whole {
			return nil
		}
		if found, err = t.list(ctx); err != nil { // the answer was damaged
			return err
		}
		if _, ok := found[tr.Addr]; ok {
			return nil
		}
	}
	return &targets.ProtocolError{Op: op, Sent: "bp", Got: "no such breakpoint"}
}

// list asks for kdb's breakpoints, again when the answer was damaged.
func (t *Target) list(ctx context.Context) (map[arch.Addr]int, error) {
	var out string
	for range maxSpoiled {
		var err error
		if out, err = t.command(ctx, "listing breakpoints", "bl"); err != nil {
			return nil, err
		}
		if found, whole := parseBreakpoints(out); whole {
			return found, nil
		}
	}
	return nil, &targets.ProtocolError{Op: "listing breakpoints", Sent: "bl", Got: out[:min(len(out), 80)]}
}

// ClearTrap lifts a breakpoint. Its number is asked for, since people at the
// console clear and set too.
func (t *Target) ClearTrap(ctx context.Context, tr targets.Trap) error {
	t.mu.Lock()
	delete(t.planted, tr.Addr)
	t.cleared[tr.Addr] = true
	t.mu.Unlock()
	for range maxSpoiled {
		found, err := t.list(ctx)
		if err != nil {
			return err
		}
		n, ok := found[tr.Addr]
		if !ok {
			return nil
		}
		out, err := t.command(ctx, "clearing a breakpoint", fmt.Sprintf("bc %d", n))
		if err != nil && !isRefused(err) || strings.Contains(out, fmt.Sprintf("Breakpoint %d at 0x%x cleared", n, uint64(tr.Addr))) {
			return err
		}
	}
	return &targets.ProtocolError{Op: fmt.Sprintf("clearing the breakpoint at 0x%x", uint64(tr.Addr)), Sent: "bc", Got: "it is still there"}
}
