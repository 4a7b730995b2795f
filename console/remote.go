package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"

	"github.com/chzyer/readline"

	"dap-windbg/launch"
	"dap-windbg/remote/share"
	"dap-windbg/remote/transport"
)

// ParseServer reads what .server and -server take.
func ParseServer(text string) (transport.Spec, error) {
	c, err := launch.ParseConnection(text, launch.ServerSide)
	if err != nil {
		return transport.Spec{}, err
	}
	return c.Transport(), nil
}

// leaveKey is Ctrl+B, which with Enter leaves another's session.
const leaveKey = "\x02"

// guest is a command window in a debug session of another's (-remote).
type guest struct {
	o     Options
	w     *share.Window
	lines lineSource

	mu   sync.Mutex
	out  io.Writer
	last byte // last byte shown
}

// join is Cdb for -remote.
func join(ctx context.Context, o Options, in io.Reader, out io.Writer) int {
	g := &guest{o: o, out: out, last: '\n'}
	if o.Log != "" {
		f, err := o.openLog()
		if err != nil {
			PrintError(os.Stderr, usage("%v", err))
			return Usage
		}
		defer f.Close()
		g.out = io.MultiWriter(out, f)
	}
	w, err := share.JoinWindow(ctx, o.Plan.Remote.Transport(), g.show, g.changed)
	if err != nil {
		PrintError(os.Stderr, err)
		return NoTarget
	}
	defer w.Close()
	g.mu.Lock()
	g.w = w
	g.mu.Unlock()
	g.show([]byte("Connected to " + w.Title + ".\n"))
	g.mu.Lock()
	g.lines = g.source(in)
	g.mu.Unlock()
	defer g.lines.Close()
	return terminated(ctx, g.loop(ctx))
}

// show writes what the session shows.
func (g *guest) show(text []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(text) == 0 {
		return
	}
	g.out.Write(text)
	g.last = text[len(text)-1]
}

// changed tells the line editor of a new prompt.
func (g *guest) changed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e, ok := g.lines.(*editor); ok && g.w != nil && g.w.Over() == nil {
		e.reprompt(g.w.Prompt())
	}
}

// source is source for a guest, whose names are completed at the other end.
func (g *guest) source(in io.Reader) lineSource {
	away := false
	e := lineEditor(g.o, in, readline.Config{
		AutoComplete: completer{g.w.Complete},
		FuncFilterInputRune: func(r rune) (rune, bool) {
			away = r == rune(leaveKey[0]) || away && (r == '\r' || r == '\n')
			return r, r != rune(leaveKey[0])
		},
	})
	if e != nil {
		g.out, e.leaving = e.rl.Stdout(), &away
		return e
	}
	return &plain{r: bufio.NewReaderSize(in, 1<<16)}
}

// loop sends the lines of -c and those that are typed, until the session or the input
// ends.
func (g *guest) loop(ctx context.Context) int {
	defer g.breaks()()
	for _, line := range g.o.Commands {
		if err := g.run(ctx, line, true); err != nil {
			return g.ended(err)
		}
	}
	for !g.o.NoStdin {
		prompt, err := g.ready(ctx)
		if err != nil {
			return g.ended(err)
		}
		line, err := g.read(ctx, prompt)
		switch {
		case errors.Is(err, readline.ErrInterrupt):
			g.w.Break()
			continue
		case err != nil || line == leaveKey:
			return g.ended(err)
		case line == "" && g.lines.Echo():
			continue
		}
		if err := g.run(ctx, line, g.lines.Echo()); err != nil {
			return g.ended(err)
		}
	}
	return Done
}

// run sends a line and waits until it is done; echo shows it.
func (g *guest) run(ctx context.Context, line string, echo bool) error {
	prompt, err := g.ready(ctx)
	if err != nil {
		return err
	}
	if echo {
		g.show([]byte(prompt + line + "\n"))
	}
	if err := g.w.Send(line); err != nil {
		if over := g.w.Over(); over != nil {
			return over
		}
		return err
	}
	_, err = g.ready(ctx)
	return err
}

// breaks makes Ctrl+C break in, from now on: who presses it between two waits does not
// mean to leave.
func (g *guest) breaks() (stop func()) {
	keys := make(chan os.Signal, 1)
	signal.Notify(keys, os.Interrupt)
	over := make(chan struct{})
	go func() {
		for {
			select {
			case <-keys:
				g.w.Break()
			case <-over:
				return
			}
		}
	}()
	return func() { signal.Stop(keys); close(over) }
}

// ready waits for the prompt.
func (g *guest) ready(ctx context.Context) (string, error) {
	prompt, err := g.w.Ready(ctx)
	if g.o.Quiet {
		prompt = ""
	}
	return prompt, err
}

// read is the next line; the end of the session ends the wait for it.
func (g *guest) read(ctx context.Context, prompt string) (string, error) {
	got := ask(g.lines, prompt)
	select {
	case a := <-got:
		return a.line, a.err
	case <-g.w.Done():
		return "", g.w.Over()
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// ended says why it is over and returns the exit status.
func (g *guest) ended(err error) int {
	var p *share.Parted
	switch {
	case errors.As(err, &p) && p.Why == "":
		return Done
	case errors.As(err, &p):
		if !g.fresh() {
			g.show([]byte("\n"))
		}
		g.show([]byte(p.Why + "\n"))
		if p.Lost {
			return NoTarget
		}
		return Done
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, context.Canceled):
		return Done
	}
	fmt.Fprintln(os.Stderr, "error:", strings.TrimSpace(err.Error()))
	return NoTarget
}

func (g *guest) fresh() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last == '\n'
}
