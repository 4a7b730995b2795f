package console

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"dap-windbg/launch"
	"dap-windbg/remote/share"
)

// Options are what a command line asks for.
type Options struct {
	Plan  launch.Plan
	Guard []string // see launch.Hooks
	// Editor serves an editor that joins the session; nil: none can.
	Editor      func(context.Context, share.Editor, *launch.Debugger)
	Commands    []string // -c and -cf, in order
	Quiet       bool     // no prompts (-Q)
	Log         string   // -logo, -loga
	Append      bool
	NoStdin     bool // -noio: commands only from -c
	PassInitial bool // -g: do not stop at the first stop
	PassExit    bool // -G: do not stop at the end
	DetachAtEnd bool // -pd
	Noisy       bool // -n
	Secure      bool
	Servers     []string // -server: transports on which others can join
	Shell       bool     // .shell is allowed
	NoShell     bool     // and this forbids it
	Filters     []string // "sxe ld" ... from -x options
	ListOf      string   // -QR: the machine whose servers are to be listed

	// Of run only.
	Report      string // directory
	JSON        bool
	Limit       time.Duration
	ChildResult bool
}

// UsageError is a fault of the command line.
type UsageError struct{ Msg string }

func (e *UsageError) Error() string { return e.Msg }

func usage(format string, a ...any) error { return &UsageError{fmt.Sprintf(format, a...)} }

// option is a row of cdb's option table.
type option struct {
	name string
	arg  string // what follows, "" nothing
	help string
	set  func(o *Options, v string) error
}

func ignored(*Options, string) error { return nil }

func refuse(why string) func(*Options, string) error {
	return func(*Options, string) error { return usage("%s", why) }
}

// options is the table, in the order of the help text. Meanings are cdb's.
var options = []option{
	{"p", "PID", "attach to a process (decimal, or 0x...)", attachTo},
	{"pn", "NAME", "attach to the process of this name", func(o *Options, v string) error {
		o.Plan.Request, o.Plan.ProcessName = launch.Attach, v
		return nil
	}},
	{"pd", "", "detach, not kill, when leaving", func(o *Options, _ string) error { o.DetachAtEnd = true; return nil }},
	{"pr", "", "run on after attaching", func(o *Options, _ string) error { o.PassInitial = true; return nil }},
	{"pb", "", "no break-in when attaching (gdbserver always stops)", ignored},
	{"pe", "", "take over what another debugger left", ignored},
	{"pt", "SECONDS", "limit of one wait for the far end", func(o *Options, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n <= 0 {
			return usage("-pt needs a number of seconds, not '%s'", v)
		}
		o.Plan.Timeout = time.Duration(n) * time.Second
		return nil
	}},
	{"pv", "", "", refuse("-pv: a noninvasive attach does not exist on Linux")},
	{"pvr", "", "", refuse("-pvr: a noninvasive attach does not exist on Linux")},
	{"premote", "STRING", "work through a process server; @FILE reads the string from a file", func(o *Options, v string) (err error) {
		o.Plan.ProcessServer, err = launch.ReadConnection(v, launch.ProcessServer)
		return err
	}},
	{"cimp", "", "start the command line that the process server was given (-pc)", func(o *Options, _ string) error { o.Plan.Implicit = true; return nil }},
	{"remote", "STRING", "connect to a debuggee (gdb:...) or join a shared session (tcp:...)", remote},
	{"k", "STRING", "connect to a kernel", kernel},
	{"kx", "STRING", "connect to a machine behind a GDB stub (exdi:...)", kernel},
	{"kl", "", "", refuse("-kl: debugging the own kernel is not supported; use -k")},
	{"z", "FILE", "open a core file, with [program] its image, or an image file (ELF, PE)", func(o *Options, v string) error {
		o.Plan.Request, o.Plan.CoreFile = launch.Attach, v
		return nil
	}},
	{"server", "STRING", "let others take part: tcp:port=5005,password=... (see .server)", func(o *Options, v string) error {
		_, err := ParseServer(v)
		o.Servers = append(o.Servers, v)
		return err
	}},
	{"c", "COMMANDS", "run these commands at the first stop", func(o *Options, v string) error { o.Commands = append(o.Commands, v); return nil }},
	{"cf", "FILE", "run a command file at the first stop", func(o *Options, v string) error { o.Commands = append(o.Commands, "$$<"+v); return nil }},
	{"cfr", "FILE", "run a command file at the first stop", func(o *Options, v string) error { o.Commands = append(o.Commands, "$$<"+v); return nil }},
	{"y", "PATH", "symbol path", func(o *Options, v string) error { o.Plan.SymbolPath = v; return nil }},
	{"i", "PATH", "image path", func(o *Options, v string) error { o.Plan.ImagePath = v; return nil }},
	{"srcpath", "PATH", "source path", func(o *Options, v string) error { o.Plan.SourcePath = v; return nil }},
	{"g", "", "do not stop at the first stop", func(o *Options, _ string) error { o.PassInitial = true; return nil }},
	{"G", "", "do not stop at the end of the process", func(o *Options, _ string) error { o.PassExit = true; return nil }},
	{"o", "", "debug child processes too", func(o *Options, _ string) error { o.Plan.FollowForks = "both"; return nil }},
	{"logo", "FILE", "write a log", func(o *Options, v string) error { o.Log = v; return nil }},
	{"loga", "FILE", "append to a log", func(o *Options, v string) error { o.Log, o.Append = v, true; return nil }},
	{"noio", "", "commands only from -c", func(o *Options, _ string) error { o.NoStdin = true; return nil }},
	{"n", "", "noisy symbol loading", func(o *Options, _ string) error { o.Noisy = true; return nil }},
	{"lines", "", "use line information (always so)", ignored},
	{"s", "", "accepted", ignored},
	{"v", "", "accepted", ignored},
	{"shell", "", "allow .shell", func(o *Options, _ string) error { o.Shell = true; return nil }},
	{"noshell", "", "no .shell, whatever else is said", func(o *Options, _ string) error { o.NoShell = true; return nil }},
	{"secure", "", "no commands that touch this machine", func(o *Options, _ string) error { o.Secure = true; return nil }},
	{"Q", "", "no prompts", func(o *Options, _ string) error { o.Quiet = true; return nil }},
	{"QR", `\\HOST`, "list the servers of this machine that are not hidden", func(o *Options, v string) error { o.ListOf = v; return nil }},
	{"xe", "EVENT", "break on an event, as sxe", filter("sxe")},
	{"xd", "EVENT", "as sxd", filter("sxd")},
	{"xn", "EVENT", "as sxn", filter("sxn")},
	{"xi", "EVENT", "as sxi", filter("sxi")},
	{"gdbserver", "PROGRAM", "the gdbserver to run here", func(o *Options, v string) error { o.Plan.Gdbserver = v; return nil }},
	{"trace", "FILE", "record the wire", func(o *Options, v string) error { o.Plan.Trace = v; return nil }},
}

func attachTo(o *Options, v string) error {
	n, err := strconv.ParseInt(v, 0, 63)
	if err != nil || n <= 0 {
		return usage("-p needs a process id, not '%s'", v)
	}
	o.Plan.Request, o.Plan.ProcessID = launch.Attach, n
	return nil
}

func remote(o *Options, v string) error {
	c, err := launch.ParseConnection(v, launch.Session)
	if err != nil {
		return err
	}
	o.Plan.Request = launch.Attach
	switch {
	case c.IsSession():
		o.Plan.Remote = c
	default:
		o.Plan.Connection = c
	}
	return nil
}

func kernel(o *Options, v string) (err error) {
	o.Plan.Request = launch.Attach
	o.Plan.Connection, err = launch.ParseConnection(v, launch.Kernel)
	return err
}

func filter(command string) func(*Options, string) error {
	return func(o *Options, v string) error {
		o.Filters = append(o.Filters, command+" "+v)
		return nil
	}
}

// ParseArgs reads cdb's command line. The error is a *UsageError or from launch.
func ParseArgs(argv []string) (Options, error) {
	o := Options{Plan: launch.NewPlan()}
	for i := 0; i < len(argv); i++ {
		a := argv[i]
		if len(a) < 2 || a[0] != '-' {
			return o, o.program(argv[i:])
		}
		if a == "--" {
			return o, o.program(argv[i+1:])
		}
		row, ok := findOption(strings.TrimPrefix(a[1:], "-"))
		if !ok {
			return o, usage("unknown option '%s'; `dap-windbg cdb -help` lists them", a)
		}
		v := ""
		if row.arg != "" {
			if i++; i >= len(argv) {
				return o, usage("option '%s' needs %s", a, row.arg)
			}
			v = argv[i]
		}
		if err := row.set(&o, v); err != nil {
			return o, err
		}
	}
	return o, o.program(nil)
}

func findOption(name string) (option, bool) {
	for _, row := range options {
		if row.name == name {
			return row, true
		}
	}
	return option{}, false
}

// program takes the rest of the command line and checks the whole.
func (o *Options) program(rest []string) error {
	p := &o.Plan
	attach := p.Request == launch.Attach
	switch {
	case o.ListOf != "":
		return nil
	case p.Remote != nil && (len(rest) > 0 || p.ProcessID != 0 || p.ProcessName != "" || p.CoreFile != "" || p.Connection != nil || p.ProcessServer != nil || len(o.Servers) > 0):
		return usage("-remote joins a session of another's, which has its debuggee: nothing else to debug can be named, nor a -server")
	case len(rest) == 0 && !attach && p.ProcessServer == nil:
		return usage("nothing to debug: name a program, or use -p, -remote or -k")
	case len(rest) == 0:
		return nil
	case attach && p.CoreFile == "" && p.Connection == nil:
		return usage("a program and a process to attach to exclude each other")
	}
	p.Program.Path, p.Program.Args = rest[0], rest[1:]
	return nil
}

// Help writes the option table.
func Help() string {
	var b strings.Builder
	b.WriteString("usage: dap-windbg cdb [options] [program [arguments]]\n\n")
	for _, row := range options {
		if row.help != "" && row.help != "accepted" {
			fmt.Fprintf(&b, "  -%-20s %s\n", strings.TrimSpace(row.name+" "+row.arg), row.help)
		}
	}
	b.WriteString("\nEnvironment: _NT_SYMBOL_PATH, _NT_SOURCE_PATH, DEBUGINFOD_URLS\n")
	return b.String()
}

// openLog opens the log file of -logo and -loga.
func (o *Options) openLog() (*os.File, error) {
	mode := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if o.Append {
		mode = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	return os.OpenFile(o.Log, mode, 0o600)
}
