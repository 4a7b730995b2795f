package windbg

import (
	"context"
	"io"
	"strings"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

// asked reports whether the debuggee waits for an answer (DbgPrompt).
func (i *Interpreter) asked(ctx context.Context) bool {
	s := i.o.Host.Session()
	if s == nil {
		return false
	}
	asks := false
	s.Look(ctx, func(l *engine.Live) error {
		last, ok := l.LastStop()
		asks = ok && l.State() == engine.StateStopped && last.Reason == targets.Prompt
		return nil
	})
	return asks
}

// answer is the command that a line is while the debuggee asks: its answer, but for
// commands with a mark and those that end the session.
func answer(text string) string {
	text = strings.TrimSpace(text)
	switch {
	case text == "" || text == "g":
		return "g" // which answers nothing
	case text == "q" || text == "qd" || text == "qq" || strings.ContainsAny(text[:1], ".!*$|~?"):
		return text
	}
	return "!monitor " + text
}

// answered waits for the stop after an answer that was given, and shows it.
func (i *Interpreter) answered(ctx context.Context, line string, out io.Writer) error {
	s := i.o.Host.Session()
	if s == nil || !strings.HasPrefix(line, "!monitor ") {
		return nil
	}
	stop, err := s.Wait(ctx)
	if err != nil {
		return err
	}
	i.meet(stop)
	return i.StopBlock(ctx, stop, out)
}
