package windbg

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

// This file passes commands to kdb, the debugger in Linux kernels. In a session over
// its console its words are commands: a whole word of ours goes first, then a whole
// word of kdb's, then what begins with a command of ours.

// kdbStub is what Info calls a far end that is kdb's console.
const kdbStub = "kdb"

// kdbWords are kdb's commands of Linux 2.6.35 to 6.x and of the patch before, with
// the arguments of its own help. Which of them a kernel has it says itself.
var kdbWords = []struct{ name, args, help string }{
	{"bph", "[Address [datar|dataw|inst [Length]]]", "set or show hardware breakpoints of kdb"},
	{"bpa", "[Address]", "set a breakpoint on all processors"},
	{"bpha", "[Address]", "set a hardware breakpoint on all processors"},
	{"bt", "[StackAddress]", "stack of the current task"},
	{"btp", "PID", "stack of a task"},
	{"bta", "[States]", "stacks of all tasks in these states"},
	{"btc", "[CPU]", "stack of each processor's task"},
	{"btt", "TaskAddress", "stack of a task by its address"},
	{"cpu", "[CPU]", "show or switch processors"},
	{"dmesg", "[Lines] [Adjust]", "the kernel's log"},
	{"defcmd", "Name Usage Help", "a command made of others"},
	{"dumpcommon", "", "what one asks first"},
	{"dumpall", "", "what one asks first, and the stacks of all tasks"},
	{"dumpcpu", "", "what one asks first, and the stacks of the processors"},
	{"ef", "Address", "an exception frame"},
	{"env", "", "kdb's environment"},
	{"go", "[Address]", "let the kernel run"},
	{"grephelp", "", "how to filter by | grep"},
	{"handlers", "", "MCA handlers (IA-64)"},
	{"help", "", "kdb's own help"},
	{"id", "Address", "disassemble"},
	{"kill", "-Signal PID", "send a signal"},
	{"ll", "Address Offset Command", "follow a list"},
	{"lsmod", "", "modules"},
	{"md", "Address [Lines [Radix]]", "memory; mdWcN with width and count"},
	{"mdp", "PhysicalAddress Bytes", "physical memory"},
	{"mdr", "Address Bytes", "raw memory"},
	{"mds", "Address", "memory with symbols"},
	{"mm", "Address Value", "change memory; mmW with width"},
	{"mmW", "Address Value", "change memory of a width"},
	{"per_cpu", "Symbol [Bytes] [CPU]", "variables of processors"},
	{"pid", "[PID|R]", "show or switch the current task"},
	{"ps", "[States]", "tasks"},
	{"rd", "", "registers"},
	{"reboot", "", "reboot at once"},
	{"rm", "Register Value", "change a register"},
	{"rq", "CPU", "run queue"},
	{"rqa", "", "run queues"},
	{"set", "Name=Value", "set a variable of kdb's environment"},
	{"sr", "Key", "magic SysRq"},
	{"ss", "", "step one instruction"},
	{"ssb", "", "step to a branch"},
	{"stackdepth", "[Percent]", "depths of stacks"},
	{"summary", "", "the system in a few lines"},
}

// kdbGo and kdbStep are kdb's words that let the kernel run. They do as our own do, so
// that breakpoints hold and the stop is waited for; the line hears kdb's.
func kdbGo(ctx context.Context, c *call) error {
	if c.skip(); c.line != "" && c.line[0] != '=' {
		c.line = "=" + c.line
	}
	if err := c.startAt(ctx); err != nil {
		return err
	}
	return c.resume(ctx, engine.How{Kind: engine.Go}, 1)
}

func kdbStep(ctx context.Context, c *call) error {
	return c.resume(ctx, engine.How{Kind: engine.StepInto, Unit: engine.ByInstruction}, 1)
}

// kdbCommands are rows of kdb's words, but for those that are ours.
func kdbCommands(ours *registry) []command {
	var out []command
	for _, w := range kdbWords {
		for _, ignoring := range []string{"", "-"} { // - has kdb ignore errors
			name := ignoring + w.name
			if len(ours.byFold[name]) > 0 {
				continue
			}
			row := command{name, strings.TrimSpace(name + " " + w.args), "kdb: " + w.help, wholeWord, func(ctx context.Context, c *call) error {
				return c.pass(ctx, c.text, false)
			}}
			switch name {
			case "go":
				row.Run = kdbGo
			case "ss":
				row.Run = kdbStep
			}
			out = append(out, row)
		}
	}
	return out
}

// sizedKDB are the words that take a width and a count.
var sizedKDB = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^-?(md|mm)[1248W]?(c[0-9]+)?$`) })

// wholeKDB reports whether text begins with the word of kdb's that is called name,
// and not with a longer one.
func wholeKDB(name, text string) bool {
	if !strings.HasPrefix(text, name) {
		return false
	}
	end := len(name)
	for end < len(text) && isWord(text[end]) {
		end++
	}
	return end == len(name) || sizedKDB().MatchString(name) && sizedKDB().MatchString(text[:end])
}

// passKDB is !kdb.
func passKDB(ctx context.Context, c *call) error {
	text := c.all()
	after, force := strings.CutPrefix(text, "-f ")
	if force {
		text = strings.TrimSpace(after)
	}
	if text == "" {
		return c.syntax(0)
	}
	return c.pass(ctx, text, force)
}

// forcing is a far end that refuses commands for the user's sake, unless told not to.
type forcing interface {
	CommandAnyway(ctx context.Context, line string) (out string, e targets.Effect, err error)
}

// pass passes a line to the far end and shows its answer as it is. Of what that lets run
// the stop is shown, and the processor that it goes over to is selected.
func (c *call) pass(ctx context.Context, text string, force bool) error {
	var effect targets.Effect
	err := c.do(ctx, func(ctx context.Context, v *engine.View) error {
		con, ok := v.Target().(targets.Console)
		if !ok {
			return &Error{Text: "The far end has no command language", Err: errors.ErrUnsupported}
		}
		send := con.Command
		if f, ok := con.(forcing); ok && force {
			send = f.CommandAnyway
		}
		var out string
		var err error
		if out, effect, err = send(ctx, text); out != "" {
			c.printf("%s", line(out))
		}
		v.Changed(effect)
		if err == nil && effect.Thread != (targets.ThreadID{}) {
			err = v.SelectThread(ctx, effect.Thread)
		}
		return err
	})
	if err != nil || !effect.Resumed {
		return err
	}
	return c.afterwards(ctx)
}

// afterwards waits for the stop of what the far end let run, as once does, where nobody
// is told of it by its event.
func (c *call) afterwards(ctx context.Context) error {
	if c.v != nil || c.how != nil || !c.wait && c.tail {
		return nil
	}
	stop, err := c.s.Wait(ctx)
	if errors.Is(err, targets.ErrGone) {
		return nil // its Ended event tells the rest
	}
	if err != nil {
		return err
	}
	c.i.meet(stop)
	next, err := c.arrive(ctx, stop, engine.How{Kind: engine.Go})
	if next != nil {
		_, err = c.once(ctx, *next)
	}
	return err
}
