package windbg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/targets"
)

// maxDepth bounds programs that run programs: scripts, blocks, breakpoint commands.
const maxDepth = 64

// Interpreter runs command lines. One goroutine at a time calls Exec.
type Interpreter struct {
	o        Options
	registry *registry
	widened  atomic.Pointer[widened]
	aliases  aliases
	log      *logFile
	began    time.Time

	radix    int  // default radix of MASM numbers
	cpp      bool // the default evaluator is C++
	noisy    bool
	symopt   uint32 // as set by .symopt
	events   eventRing
	source   sourceMode
	sources  sourceCache
	prompt   promptParts
	atPrompt string // run at each stop (.pcmd)
	asm      asmOptions
	stamped  atomic.Bool               // events are told with the time (.echotimestamps)
	srcNoisy uint64                    // of .srcnoisy
	saved    []savedState              // of .push, the latest last
	held     []heldRange               // of .holdmem
	suspends map[targets.ThreadID]int  // of ~n
	frozen   map[targets.ThreadID]bool // by ~f
	secured  bool                      // by .secure
	guards   int                       // see guarded
	quitText string                    // of .quit_lock
	mapped   []mappedSource            // by !addsourcemap
	folder   string                    // of .createdir
	hits     []arch.Addr               // of the last s that kept its
	mask     uint32                    // of r
	frames   int                       // default depth of k
	previous string                    // line an empty one repeats
	cursor   cursor                    // where d, u and ls go on
	history  []string
	filters  []engine.FilterSetting // as they were before the first change
	met      meeting                // the stop that a line waited for last
	latest   *engine.Session        // also when its debuggee is gone
	prepared *preparedCall          // what .call has set up, nil: nothing
	heard    []byte                 // printed since the last .expect
	deaf     bool                   // what is printed is not a command's
}

// meeting names a stop of a session.
type meeting struct {
	session *engine.Session
	number  int
}

// cursor remembers where displays go on.
type cursor struct {
	data, code arch.Addr
	dataSet    bool
	codeSet    bool
	display    string // last d* command
	enter      string // last e* command
	file       string // of ls
	line       int
	pattern    string // of #
}

// New makes an Interpreter.
func New(o Options) *Interpreter {
	return &Interpreter{
		o:        o,
		registry: newRegistry(families()),
		aliases:  aliases{user: map[string]string{}},
		began:    time.Now(),
		radix:    16,
		symopt:   symoptDefault,
		source:   sourceMode{step: o.SourceMode, show: o.SourceMode},
		prompt:   promptDefault,
		suspends: map[targets.ThreadID]int{},
		frozen:   map[targets.ThreadID]bool{},
		mask:     maskInteger | maskSegments,
		frames:   256,
	}
}

// Exec runs a whole input line and writes what it prints as it is produced.
// When the line resumes the debuggee, Exec waits for the stop, prints the stop
// block and goes on with the rest of the line. The returned error has been
// written to out already, in WinDbg's form; callers use it for exit codes.
func (i *Interpreter) Exec(ctx context.Context, line string, out io.Writer) error {
	return i.enter(ctx, line, out, true)
}

// Start is Exec without waiting after a command that resumes as the last one of
// the line: for editors, which learn of the stop by its event. They call Arrive
// with that stop.
func (i *Interpreter) Start(ctx context.Context, line string, out io.Writer) error {
	return i.enter(ctx, line, out, false)
}

func (i *Interpreter) enter(ctx context.Context, line string, out io.Writer, wait bool) error {
	line = strings.TrimRight(line, "\r\n")
	asked := i.asked(ctx)
	if asked {
		line = answer(line)
	} else if strings.TrimSpace(line) == "" {
		line = i.repeat()
	} else if text := strings.TrimSpace(line); text[0] != '*' {
		i.previous = line
		i.remember(text)
	}
	prompt := i.Prompt(ctx)
	if i.log != nil {
		out = i.log.tee(out)
		fmt.Fprintf(i.log, "%s%s\n", prompt, line)
	}
	if guestOf(ctx) != nil {
		defer i.guarded()()
	}
	x := &exec{i: i, out: &hearing{out, i}, wait: wait, prompt: len(prompt)}
	err := x.program(ctx, line)
	if err == nil && asked && wait {
		err = i.answered(ctx, line, x.out)
	}
	err = x.settle(ctx, err)
	if err != nil {
		fmt.Fprintln(out, errorText(err, x.prompt))
	}
	return err
}

// repeat is the line that an empty one stands for: displays go on where they were.
func (i *Interpreter) repeat() string {
	s, ok := i.commands().next(i.previous, 0)
	if ok && s.cmd != nil && s.next >= len(i.previous) {
		switch {
		case strings.HasPrefix(s.name, "d") && i.cursor.dataSet && s.name == i.cursor.display, s.name == "u" && i.cursor.codeSet:
			return s.name
		case s.name == "lsa" || s.name == "ls":
			return "ls"
		}
	}
	return i.previous
}

// remember keeps a line for completion, the newest last.
func (i *Interpreter) remember(line string) {
	const kept = 200
	if n := len(i.history); n > 0 && i.history[n-1] == line {
		return
	}
	i.history = append(i.history, line)
	if len(i.history) > kept {
		i.history = i.history[len(i.history)-kept:]
	}
}

// Prompt is the text before the input, "0:000> ".
func (i *Interpreter) Prompt(ctx context.Context) string {
	s := i.o.Host.Session()
	if s == nil {
		return "NoTarget> "
	}
	prompt, process := "NoTarget> ", i.processNumber()
	s.Look(ctx, func(l *engine.Live) error {
		if l.State() == engine.StateGone {
			return nil
		}
		n, known := 0, l.KnownThreads()
		for _, t := range known {
			if t.Current {
				n = t.Ordinal
			}
		}
		switch {
		case l.State() == engine.StateRunning:
			prompt = "*BUSY* "
		case !l.Info().Machine:
			prompt = fmt.Sprintf("%d:%03d> ", process, n)
		case len(known) > 1:
			prompt = fmt.Sprintf("%d: kd> ", n)
		default:
			prompt = "kd> "
		}
		return nil
	})
	return prompt
}

// FormatEvent writes what a console shows of an event that no command waits for
// ("ModLoad: ..."). It may return "". Output is the front end's own business.
func (i *Interpreter) FormatEvent(e engine.Event) string {
	text := i.Describe(e)
	switch e.(type) {
	case engine.ModuleEvent, engine.Ended:
		i.events.add(text)
		return i.dated(text)
	}
	return text
}

// Describe is FormatEvent for further front ends of the session: .eventlog has the
// event once.
func (i *Interpreter) Describe(e engine.Event) string {
	switch e := e.(type) {
	case engine.ModuleEvent:
		return i.moduleEvent(e)
	case engine.Stopped:
		if e.Stop.Text != "" {
			return line(e.Stop.Text)
		}
	case engine.Became:
		return becameText(e)
	case engine.Ended:
		return endedText(e)
	}
	return ""
}

// dated puts the time before an event's text when .echotimestamps asks for it.
func (i *Interpreter) dated(text string) string {
	if text == "" || !i.stamped.Load() {
		return text
	}
	return clock(time.Now()) + ": " + text
}

// IsCommand reports whether the line begins with a known command, for consoles
// where anything else is an expression. A name that only begins like a command
// ("greeting", "p->next") is an expression.
func (i *Interpreter) IsCommand(line string) bool {
	line = strings.TrimSpace(line)
	if line == "" {
		return true
	}
	c, n := i.commands().find(line)
	if c == nil || c.Needs&absent != 0 && isWord(line[0]) {
		return false
	}
	tail := line[n:]
	if strings.HasPrefix(line[n-1:], "->") {
		return false
	}
	if tail == "" || !isWord(line[n-1]) || strings.IndexByte(".!$?~|*#", line[0]) >= 0 {
		return true
	}
	switch {
	case strings.HasPrefix(tail, "->"), strings.HasPrefix(tail, "["), strings.HasPrefix(tail, " = "), strings.HasPrefix(tail, "::"),
		strings.HasPrefix(tail, "++"), strings.HasPrefix(tail, "."), strings.HasPrefix(tail, "("):
		return false
	case !isWord(tail[0]):
		return true
	}
	return joined(c.Name, tail)
}

// joined reports whether word, written without a blank after the command name, is
// the kind of argument people write so.
func joined(name, word string) bool {
	if n := strings.IndexAny(word, " \t;"); n >= 0 {
		word = word[:n]
	}
	only := func(set string) bool { return strings.Trim(word, set) == "" }
	switch name {
	case "bp", "bu", "ba":
		return only("0123456789")
	case "lm":
		return only("Dolvukecsmifnpt1a")
	case "r":
		return only("abcdefghijklmnopqrstuvwxyz0123456789") && len(word) <= 4
	}
	return strings.HasPrefix(name, "k") && only("bpPvcnfLM")
}

// exec is one run of a program text.
type exec struct {
	i      *Interpreter
	out    io.Writer
	wait   bool // wait for the stop after the last command too
	prompt int  // width
	depth  int
	thread *engine.Thread // of a ~N prefix
	how    *engine.How    // set within breakpoint commands: how the debuggee ran
	tail   bool           // the program is the end of its line
	before string         // commands that run before the stop of the last step is shown
	next   *engine.How    // set with errResume: how to go on
}

// Sentinels that unwind nested programs; none is an error of the user's.
var (
	errResume   = errors.New("resume")
	errBreak    = errors.New(".break outside a loop")
	errContinue = errors.New(".continue outside a loop")
	errLeave    = errors.New(".leave outside .catch")
	errQuit     = errors.New("quit")
	errRedo     = errors.New("redo") // by z; ends at the program it is in
)

// settle turns the sentinels that reached the top into plain errors.
func (x *exec) settle(ctx context.Context, err error) error {
	if errors.Is(err, errQuit) {
		return nil
	}
	return err
}

// program runs the commands of text in order. An error ends it.
func (x *exec) program(ctx context.Context, text string) error {
	if x.depth++; x.depth > maxDepth {
		return fail("Programs are nested more than %d deep", maxDepth)
	}
	defer func() { x.depth-- }()
	if meant := x.i.aliases.expand(text); meant != text {
		defer x.i.guarded()()
		text = meant
	}
	outer := x.tail
	defer func() { x.tail = outer }()
	redone := 0
	for pos := 0; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, ok := x.i.commands().next(text, pos)
		if !ok {
			return nil
		}
		pos = s.next
		_, more := x.i.commands().next(text, pos)
		x.tail = !more && (x.depth == 1 || outer)
		err := x.command(ctx, s)
		if err == errRedo {
			redone++
			fmt.Fprintf(x.out, "redo [%d] %s\n", redone, strings.TrimSpace(text))
			pos, err = 0, nil
		}
		if err != nil {
			return err
		}
	}
}

// command runs one command.
func (x *exec) command(ctx context.Context, st statement) error {
	c := &call{exec: x, cmd: st.cmd, name: st.name, text: st.text, pos: st.pos}
	c.line, c.base = st.args()
	if st.cmd == nil {
		if processorPrefix(st.text) {
			return x.program(ctx, "~"+st.text)
		}
		return c.unknown()
	}
	if x.i.guards > 0 && st.cmd.Needs&local != 0 {
		return &Error{Text: st.cmd.Name + " is not for guests of a shared session, nor for what they may have set up: it touches this machine's files"}
	}
	if st.cmd.Needs&owners != 0 {
		if err := c.forOwner(); err != nil {
			return err
		}
	}
	if x.i.refuses(st.cmd.Needs) {
		return &Error{Text: fmt.Sprintf("%s is not allowed in secure mode", st.cmd.Name)}
	}
	if c.s = x.i.o.Host.Session(); c.s != nil {
		x.i.latest = c.s
	}
	if st.cmd.Needs&stopped == 0 {
		return c.stateError(st.cmd.Run(ctx, c))
	}
	if c.s == nil {
		return c.stateError(targets.ErrGone)
	}
	over := c.s.Do
	if st.cmd.Needs&live != 0 {
		over = c.s.Inspect
	}
	err := over(ctx, func(ctx context.Context, v *engine.View) error {
		c.v = v
		return st.cmd.Run(ctx, c)
	})
	return c.stateError(err)
}

// processorPrefix reports whether text is a command behind a processor's number, "2k".
func processorPrefix(text string) bool {
	tail := strings.TrimLeft(text, "0123456789")
	return tail != text && tail != "" && strings.IndexByte("krud", tail[0]) >= 0
}

// unknown is the error of a command nobody knows: of "!foo" as of a missing extension.
func (c *call) unknown() error {
	word := strings.TrimSpace(c.text)
	if n := strings.IndexAny(word, " \t"); n > 0 {
		word = word[:n]
	}
	if strings.HasPrefix(word, "!") && len(word) > 1 {
		return &Error{Text: "No export " + word[1:] + " found"}
	}
	at := min(2, max(0, len(word)-1)) // WinDbg's parser gives up at the third letter
	return &Error{Kind: "Syntax", Command: c.text, Pos: c.base + at, Fix: ".help lists the commands"}
}

// call is one command being run. Its arguments are read from line by the
// methods of args.go.
type call struct {
	*exec
	cmd  *command
	name string // as typed
	text string // whole command
	pos  int    // of text in the program
	line string // arguments not yet read
	base int    // of line in the program
	s    *engine.Session
	v    *engine.View // of a command that needs a stop

	space targets.Space // of memory that is read and written
}

func (c *call) printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }

// do runs f over the stopped debuggee, for commands that run other commands too.
func (c *call) do(ctx context.Context, f func(context.Context, *engine.View) error) error {
	if c.v != nil {
		return f(ctx, c.v)
	}
	if c.s == nil {
		return targets.ErrGone
	}
	return c.s.Do(ctx, f)
}

// inspect is do for who only looks, over a running debuggee too where its memory is
// read as it runs.
func (c *call) inspect(ctx context.Context, f func(context.Context, *engine.View) error) error {
	if c.v != nil || c.s == nil {
		return c.do(ctx, f)
	}
	return c.s.Inspect(ctx, f)
}

// options are how the default evaluator reads an expression.
func (i *Interpreter) options() eval.Options {
	o := eval.Options{Dialect: eval.MASM, Radix: i.radix}
	if i.cpp {
		o.Dialect = eval.CPP
	}
	return o
}
