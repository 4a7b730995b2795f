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
	"time"

	"github.com/chzyer/readline"
	"golang.org/x/term"

	"dap-windbg/engine"
	"dap-windbg/launch"
	"dap-windbg/remote/share"
	"dap-windbg/targets"
	"dap-windbg/windbg"
)

// lastCommands bounds what runs before leaving, leaveTimeout parting from the debuggee.
const (
	lastCommands = time.Second
	leaveTimeout = 2 * time.Second
)

// window is one command window.
type window struct {
	o     Options
	scr   *screen
	dbg   *launch.Debugger
	in    *windbg.Interpreter
	share *share.Session
	seat  *share.Seat // the window's own
	lines lineSource
	ended chan struct{} // closed by q

	mu      sync.Mutex
	quit    bool
	parting targets.Parting
	failed  bool
	onError func(line string, err error) // of a command that failed, nil nobody
}

// lineSource is where commands come from. Read returns io.EOF at the end.
type lineSource interface {
	Read(prompt string) (line string, err error)
	Echo() bool // commands must be shown, nobody typed them
	Close()
}

// Cdb is the command window in the terminal. It returns the exit status.
func Cdb(ctx context.Context, o Options, in io.Reader, out io.Writer, version string) int {
	if o.ListOf != "" {
		if err := listServers(out, o.ListOf); err != nil {
			PrintError(os.Stderr, err)
			return StatusOf(err)
		}
		return 0
	}
	if o.Plan.Remote != nil {
		return join(ctx, o, in, out)
	}
	w, err := open(ctx, o, out, version)
	if err != nil {
		PrintError(os.Stderr, err)
		return StatusOf(err)
	}
	defer w.scr.Close()
	w.lines = source(o, in, w)
	defer w.lines.Close()
	if err := w.serve(ctx); err != nil {
		PrintError(os.Stderr, err)
		w.leave()
		return NoTarget
	}
	w.start(ctx)
	w.loop(ctx)
	return terminated(ctx, w.leave())
}

// open starts the debugger and the interpreter over it.
func open(ctx context.Context, o Options, out io.Writer, version string) (*window, error) {
	w := &window{o: o, scr: newScreen(out), ended: make(chan struct{})}
	if err := w.open(ctx, version); err != nil {
		w.scr.Close()
		return nil, err
	}
	return w, nil
}

func (w *window) open(ctx context.Context, version string) error {
	if w.o.Log != "" {
		f, err := w.o.openLog()
		if err != nil {
			return usage("%v", err)
		}
		w.scr.log = f
	}
	w.share = share.New(share.Options{Parse: ParseServer, Editor: w.editor()}, w.scr.Emit)
	dbg, err := launch.Start(ctx, w.o.Plan, launch.Hooks{Emit: w.share.Emit, Room: w.scr.Room, Guard: w.o.Guard, Family: true})
	if err != nil {
		w.share.Close()
		return err
	}
	w.dbg = dbg
	if w.o.Noisy {
		dbg.Noisy(true)
	}
	w.parting = dbg.Parting()
	if w.o.DetachAtEnd {
		w.parting = targets.Detach
	}
	o := windbg.Options{Host: dbg, Quit: w.quitWith, Version: version, Secure: w.o.Secure, SourceMode: true, Shell: w.o.shell(), Sharing: w.share}
	if f, ok := w.scr.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		o.Clear = func() { io.WriteString(w.scr, "\x1b[H\x1b[2J") }
	}
	w.in = windbg.New(o)
	w.share.Begin(dbg, w.in)
	w.seat = w.share.Owner()
	w.seat.Window()
	if w.scr.bare {
		w.scr.Show(func(engine.Event) string { return "" })
	} else {
		w.scr.Show(w.seat.FormatEvent)
	}
	return nil
}

func (w *window) quitWith(how targets.Parting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.quit {
		close(w.ended)
	}
	w.quit, w.parting = true, how
	if w.o.DetachAtEnd {
		w.parting = targets.Detach
	}
}

func (w *window) quitting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.quit
}

// start shows the first stop and runs what was to be run at it.
func (w *window) start(ctx context.Context) {
	if s := w.dbg.Session(); s != nil {
		if stop, err := s.Wait(ctx); err == nil {
			if err := w.in.StopBlock(ctx, stop, w.scr); err != nil {
				fmt.Fprintln(w.scr, err)
			}
		}
	}
	var first []string
	first = append(first, w.o.Filters...)
	first = append(first, w.dbg.Plan().InitCommands...)
	first = append(first, w.dbg.Plan().PostConnectCommands...)
	if w.o.PassInitial && len(w.o.Commands) == 0 {
		first = append(first, "g")
	}
	for _, line := range append(first, w.o.Commands...) {
		if w.quitting() || ctx.Err() != nil {
			return
		}
		w.scr.Prompt(w.prompt(ctx), line+"\n")
		w.exec(ctx, line)
	}
}

func (w *window) prompt(ctx context.Context) string {
	if w.o.Quiet {
		return ""
	}
	return w.seat.Prompt(ctx)
}

// loop reads and runs commands until the end of input, q, or ctx.
func (w *window) loop(ctx context.Context) {
	keys := make(chan os.Signal, 1)
	signal.Notify(keys, os.Interrupt) // who presses Ctrl+C between two lines does not mean to leave
	defer signal.Stop(keys)
	for !w.quitting() && ctx.Err() == nil && !w.o.NoStdin {
		prompt := w.prompt(ctx)
		w.scr.Prompt("", "")
		line, err := w.read(ctx, prompt, keys)
		if errors.Is(err, readline.ErrInterrupt) {
			w.seat.BreakIn() // somebody else may be at work, or the debuggee have gone on by itself
			continue
		}
		if err != nil {
			return
		}
		if w.lines.Echo() {
			if line == "" {
				continue // an empty line repeats only for people
			}
			if w.share.Shared() { // others may have moved the debuggee since
				prompt = w.prompt(ctx)
			}
			w.scr.Prompt(prompt, line+"\n")
		}
		w.exec(ctx, line)
		select {
		case <-keys: // the line has had it
		default:
		}
	}
	if w.o.NoStdin && w.share.Shared() {
		select {
		case <-w.ended:
		case <-ctx.Done():
		}
	}
}

// serve opens the session to others, as the command line asks for.
func (w *window) serve(ctx context.Context) error {
	for _, text := range w.o.Servers {
		clients, notes, err := w.share.Serve(ctx, text)
		if err != nil {
			return err
		}
		fmt.Fprint(w.scr, windbg.ServerText(clients, notes))
	}
	return nil
}

// editor is how editors that join are served.
func (w *window) editor() func(context.Context, share.Editor) {
	if w.o.Editor == nil {
		return nil
	}
	return func(ctx context.Context, e share.Editor) { w.o.Editor(ctx, e, w.dbg) }
}

// read is the next line, or an error as soon as ctx or the session ends: who waits for a
// line may wait for ever. In a shared session the prompt follows what others do. An
// interrupt of keys breaks in as Ctrl+C at the prompt does.
func (w *window) read(ctx context.Context, prompt string, keys <-chan os.Signal) (string, error) {
	got := ask(w.lines, prompt)
	for {
		changed := w.share.Changed()
		if e, ok := w.lines.(*editor); ok && w.share.Shared() {
			e.reprompt(w.prompt(ctx))
		}
		select {
		case a := <-got:
			return a.line, a.err
		case <-changed:
		case <-keys:
			w.seat.BreakIn()
		case <-w.ended:
			return "", io.EOF
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// exec runs one line; an interrupt from the keyboard breaks in.
func (w *window) exec(ctx context.Context, line string) {
	life := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	keys := make(chan os.Signal, 1)
	signal.Notify(keys, os.Interrupt)
	defer signal.Stop(keys)
	go func() {
		for again := false; ; {
			select {
			case <-ctx.Done():
				return
			case <-keys:
				if w.seat.Break() { // a line of another's, for which this one waits
					w.dbg.GiveUpTransfers()
					continue
				}
				if !w.breakIn(ctx) || again {
					cancel()
					w.dbg.GiveUpTransfers()
				}
				again = true
			}
		}
	}()
	if err := w.seat.Exec(ctx, line, w.scr); err != nil && life.Err() == nil { // a line broken off has not failed
		w.mu.Lock()
		w.failed = true
		w.mu.Unlock()
		if w.onError != nil {
			w.onError(line, err)
		}
	}
	w.dbg.Settle(ctx)
	w.scr.Flush()
}

// breakIn stops a running debuggee; false when there is none to stop.
func (w *window) breakIn(ctx context.Context) bool {
	s := w.dbg.Session()
	if s == nil || s.Doing() {
		return false
	}
	running := false
	s.Look(ctx, func(l *engine.Live) error { running = l.State() == engine.StateRunning; return nil })
	if running {
		s.Interrupt(ctx)
	}
	return running
}

// leave parts from the debuggee and returns the exit status.
func (w *window) leave() int {
	w.farewell()
	ended := w.scr.Ended()
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	err := w.dbg.Close(ctx, w.parting)
	w.share.Close()
	w.scr.Flush()
	status := statusOfEnd(ended, w.o.ChildResult)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case status == Done && w.failed && (len(w.o.Commands) > 0 || w.lines != nil && w.lines.Echo()):
		return Failed
	case status == Done && err != nil:
		fmt.Fprintln(os.Stderr, "leaving:", err)
	}
	return status
}

// farewell runs the commands that were to be run before leaving. They have a time
// of their own, so that a slow one leaves enough to part from the debuggee.
func (w *window) farewell() {
	ctx, cancel := context.WithTimeout(context.Background(), lastCommands)
	defer cancel()
	for _, line := range w.dbg.Plan().ExitCommands {
		w.exec(ctx, line)
	}
}

// typedLine is what somebody has typed.
type typedLine struct {
	line string
	err  error
}

// ask reads a line in a goroutine of its own: who waits for a line may wait for ever.
func ask(lines lineSource, prompt string) <-chan typedLine {
	got := make(chan typedLine, 1)
	go func() {
		line, err := lines.Read(prompt)
		got <- typedLine{line, err}
	}()
	return got
}

// lineEditor edits lines on a terminal; nil where in or the output is none.
func lineEditor(o Options, in io.Reader, c readline.Config) *editor {
	f, ok := in.(*os.File)
	if !ok || o.Quiet || !term.IsTerminal(int(f.Fd())) || !term.IsTerminal(int(os.Stdout.Fd())) {
		return nil
	}
	keys := readline.NewCancelableStdin(f)
	c.Stdin = keys
	c.HistoryFile, c.HistoryLimit, c.InterruptPrompt = historyFile(), 2000, "^C"
	rl, err := readline.NewEx(&c)
	if err != nil {
		keys.Close()
		return nil
	}
	return &editor{rl: rl, keys: keys}
}

// source chooses the line editor on a terminal, plain lines elsewhere.
func source(o Options, in io.Reader, w *window) lineSource {
	if e := lineEditor(o, in, readline.Config{AutoComplete: completer{w.seat.Complete}}); e != nil {
		w.scr.Through(e.rl.Stdout())
		return e
	}
	r := bufio.NewReaderSize(in, 1<<16)
	return &plain{r: r}
}

// plain reads lines from a pipe or file.
type plain struct{ r *bufio.Reader }

func (p *plain) Read(string) (string, error) {
	line, err := p.r.ReadString('\n')
	if err == io.EOF && line != "" {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}
func (*plain) Echo() bool { return true }
func (*plain) Close()     {}

// editor is a terminal with line editing and history.
type editor struct {
	rl      *readline.Instance
	keys    io.Closer // ends the wait for a key, for which rl's Close would wait
	leaving *bool     // Ctrl+B was typed before Enter; nil: it means nothing
}

func (e *editor) Read(prompt string) (string, error) {
	e.rl.SetPrompt(prompt)
	line, err := e.rl.Readline()
	if err == nil && e.leaving != nil && *e.leaving {
		return leaveKey, nil
	}
	return line, err
}

// reprompt changes the prompt of the line that is being typed.
func (e *editor) reprompt(prompt string) {
	if e.rl.Config.Prompt != prompt {
		e.rl.SetPrompt(prompt)
		e.rl.Refresh()
	}
}
func (*editor) Echo() bool { return false }

// Close leaves the cursor at the beginning of a line that is empty.
func (e *editor) Close() {
	e.reprompt("")
	e.keys.Close()
	e.rl.Close()
}

// historyFile is in the user's cache directory; "" keeps no history.
func historyFile() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	dir += string(os.PathSeparator) + "dap-windbg"
	if os.MkdirAll(dir, 0o700) != nil {
		return ""
	}
	return dir + string(os.PathSeparator) + "history"
}

// completer offers commands, modules and symbols.
type completer struct {
	complete func(ctx context.Context, line string) []windbg.Completion
}

func (c completer) Do(line []rune, pos int) ([][]rune, int) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	text := string(line[:pos])
	var out [][]rune
	length := 0
	for _, m := range c.complete(ctx, text) {
		if have := text[m.From:]; strings.HasPrefix(m.Text, have) {
			out = append(out, []rune(m.Text[len(have):]))
			length = len([]rune(have))
		}
	}
	return out, length
}
