package windbg

import (
	"context"
	"fmt"
	"path"
	"strings"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

// This file answers questions over the whole debuggee: what went wrong, and where
// everybody is.

const analysisDepth = 64

// analyze is !analyze: the last event with its place, stack and a key to sort
// failures by. Scripts look for the capital words.
func analyze(ctx context.Context, c *call) error {
	verbose := strings.Contains(c.all(), "-v")
	stop, ok := c.v.Live().LastStop()
	if !ok {
		return fail("There was no event yet")
	}
	s, err := c.v.Stack(ctx, stop.Thread, analysisDepth)
	if err != nil {
		return err
	}
	if len(s.Frames) == 0 {
		return fail("The thread has no stack")
	}
	ptr := pointerSize(c.v)
	info := c.v.Live().Info()
	c.printf("%s", banner("Exception Analysis"))
	c.printf("\nPROCESS_NAME:  %s\n\n", path.Base(info.Path))
	c.printf("EXCEPTION_CODE: %s\n\n", exceptionCode(stop))
	f := faultFrame(s.Frames)
	top := &s.Frames[0]
	c.printf("FAULTING_IP: \n%s\n", located(placeOf(top), !c.i.source.noLines))
	if insts, err := c.v.Disassemble(ctx, top.PC, 1); err == nil && len(insts) > 0 {
		c.printf("%s\n\n", c.i.codeRow(c.v, insts[0], ptr)+effective(ctx, c.v, insts[0], top.Regs, ptr))
	}
	if e := stop.Exception; e != nil && verbose {
		if a, ok := faultAddress(e, ptr); ok {
			c.printf("EXCEPTION_PARAMETER1:  %016x\n\n", a)
		}
		c.printf("FAULTING_THREAD:  %x\n\n", stop.Thread.Thread)
	}
	c.printf("STACK_TEXT:  \n")
	for k := range s.Frames {
		fr := &s.Frames[k]
		c.printf("%s %s : %s\n", fr.ChildSP.Text(ptr), fr.Return.Text(ptr), located(placeOf(fr), !c.i.source.noLines))
	}
	name := callSite(f, ptr)
	module, image := "unknown_module", "unknown_image"
	if f.Module != nil {
		module, image = f.Module.Name, path.Base(f.Module.Path)
	}
	c.printf("\nSYMBOL_NAME:  %s\n\nMODULE_NAME: %s\n\nIMAGE_NAME:  %s\n\nFAILURE_BUCKET_ID:  %s\n\n", name, module, image, bucket(stop, f, ptr))
	return nil
}

func placeOf(f *engine.Frame) engine.Location {
	return engine.Location{Addr: f.PC, Module: f.Module, Symbol: f.Symbol, Disp: f.Disp, Line: f.Line}
}

// banner is a title in a box of 79 columns.
func banner(title string) string {
	edge := strings.Repeat("*", 79)
	blank := "*" + strings.Repeat(" ", 77) + "*"
	left := (77 - len(title)) / 2
	return fmt.Sprintf("%s\n%s\n*%*s%s%*s*\n%s\n%s\n", edge, blank, left, "", title, 77-left-len(title), "", blank, edge)
}

// faultFrame is the frame to blame: the innermost one of the program itself, for a
// fault within a system library is seldom the library's.
func faultFrame(frames []engine.Frame) *engine.Frame {
	for k := range frames {
		if m := frames[k].Module; m != nil && m.Main {
			return &frames[k]
		}
	}
	return &frames[0]
}

func exceptionCode(s engine.Stop) string {
	if s.Exception == nil {
		return "(none) " + s.Reason.String()
	}
	return fmt.Sprintf("(Signal %s) %x", s.Exception.Name, s.Exception.Code)
}

// bucket is the key of a failure: the kind and where, without addresses that change.
func bucket(s engine.Stop, f *engine.Frame, ptr int) string {
	kind := strings.ToUpper(s.Reason.String())
	if s.Exception != nil {
		kind = s.Exception.Name
	}
	return kind + "_" + symbolOrAddress(f, ptr)
}

// uniqueStacks is !uniqstack: the stacks of all threads, equal ones once.
func uniqueStacks(ctx context.Context, c *call) error {
	style := stackStyle{noSource: false}
	for {
		o, ok := c.option("-")
		if !ok {
			break
		}
		style = stackStyleOf(o)
	}
	if err := c.end(); err != nil {
		return err
	}
	threads, err := c.v.Threads(ctx)
	if err != nil {
		return err
	}
	ids := make([]targets.ThreadID, len(threads))
	for k, t := range threads {
		ids[k] = t.ID
	}
	stacks, err := c.v.Stacks(ctx, ids, c.i.frames)
	if err != nil && stacks == nil {
		return err
	}
	ptr := pointerSize(c.v)
	c.printf("Processing %d threads, please wait\n\n", len(threads))
	seen := map[string]bool{}
	var again []string
	for _, t := range threads {
		s := stacks[t.ID]
		if s == nil {
			continue
		}
		key := stackKey(s)
		if seen[key] {
			again = append(again, fmt.Sprint(t.Ordinal))
			continue
		}
		seen[key] = true
		c.printf("%s\n%s", c.threadRow(ctx, c.v, t, ptr), style.header(ptr))
		for k := range s.Frames {
			c.printf("%s\n", style.row(ctx, c, &s.Frames[k], 0, ptr))
		}
		c.printf("\n")
	}
	c.printf("Total threads: %d\n", len(threads))
	if len(again) > 0 {
		c.printf("Duplicate callstacks: %d (windbg thread #s follow): %s\n", len(again), strings.Join(again, ", "))
	}
	return nil
}

// stackKey is equal for stacks that are in the same functions at the same places.
func stackKey(s *engine.Stack) string {
	var b strings.Builder
	for k := range s.Frames {
		fmt.Fprintf(&b, "%x.", uint64(s.Frames[k].PC))
	}
	return b.String()
}
