package engine

import (
	"context"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// This file looks at the debuggee otherwise than as it stopped: from other registers,
// without inlined calls, and what steps pass over.

// StackFrom unwinds at most limit frames from registers that r gives, as if the
// selected thread had them. The selected thread and frame stay.
func (v *View) StackFrom(ctx context.Context, r *arch.Registers, limit int) (*Stack, error) {
	r = r.Clone()
	r.Interrupted = true
	w := &walk{thread: v.l.selected, regs: r, kind: ByContext}
	if err := v.l.advance(ctx, limit, w); err != nil {
		return nil, err
	}
	return w.stack(limit), nil
}

// SetContext has the selected thread looked at as if r were its registers: a stack, a
// frame and its variables come from there until another thread is selected, the
// context is reset (nil), or the debuggee runs, which it does from its own registers.
func (v *View) SetContext(r *arch.Registers) {
	l := v.l
	if r != nil {
		r = r.Clone()
		r.Interrupted = true
	}
	l.leaveContext()
	l.context = r
	delete(l.walks, l.selected)
	l.frame = 0
	l.o.Emit(Invalidated{Registers: true, Stacks: true})
}

// Context is what SetContext set, nil for the thread's own registers.
func (v *View) Context() *arch.Registers { return v.l.context }

// leaveContext goes back to the thread's own registers.
func (l *loop) leaveContext() {
	l.forgetRooted()
	if l.context == nil {
		return
	}
	l.context = nil
	delete(l.walks, l.selected)
	l.frame = 0
}

// Inlines shows or hides the frames of inlined calls, and tells how it was.
func (v *View) Inlines(show bool) (before bool) {
	l := v.l
	before = !l.noInlines
	if before != show {
		l.noInlines = !show
		l.frame = 0
		l.forgetWalks()
		l.o.Emit(Invalidated{Stacks: true})
	}
	return before
}

// StepFilter lists the functions that steps into calls pass over.
func (l *Live) StepFilter() []string { return l.l.o.StepFilter }

// SetStepFilter replaces that list; patterns as "mod!f*".
func (l *Live) SetStepFilter(patterns []string) { l.l.o.StepFilter = patterns }

// deepEnough reports whether the depth of calls allows b to stop. Where the stack ends
// early its depth is what is known of it.
func (l *loop) deepEnough(ctx context.Context, b *breakpoint, id targets.ThreadID) bool {
	if b.MaxDepth == 0 && b.MinDepth == 0 {
		return true
	}
	fs, err := l.stack(ctx, id, max(b.MaxDepth, b.MinDepth+1))
	if err != nil {
		return true
	}
	return (b.MaxDepth == 0 || len(fs) < b.MaxDepth) && (b.MinDepth == 0 || len(fs) > b.MinDepth)
}
