package windbg

import "context"

// refusal is a command of WinDbg's that a Linux process cannot have here, and why.
type refusal struct{ name, why string }

// refusals are the commands that answer as WinDbg does where a debuggee has no such thing.
var refusals = []refusal{
	{".scriptload", "there is no JavaScript engine; $$>a< runs command scripts, with arguments"},
	{".scriptrun", "there is no JavaScript engine, see .scriptload"},
	{".scriptlist", "there is no JavaScript engine, see .scriptload"},
	{".scriptunload", "there is no JavaScript engine, see .scriptload"},
	{".scriptproviders", "there is no JavaScript engine, see .scriptload"},
	{".ocommand", "the program's text is shown and never run; .foreach /f runs commands over a file"},
	{"!tt", "a GDB stub tells no positions of its recording: g-, t- and p- move in it"},
	{"a", "there is no assembler; eb writes code bytes"},
	{"!imgreloc", "an ELF image is relocated by its loader before its first instruction; lm shows where it lies"},
	{"!tls", "the runtime's table of modules with thread-local storage has no stable form; ?? shows a thread's variables by name"},
	{".dml_start", "output is plain text"},
	{"!dml_proc", "output is plain text; .tlist -v tells of processes"},
	{".prefer_dml", "output is plain text"},
	{".browse", "there is one command window"},
	{".enable_long_status", "dx shows numbers in the radix that is asked for: dx Expr,x"},
	{".force_radix_output", "dx shows numbers in the radix that is asked for: dx Expr,x"},
	{".enable_unicode", "the type of the debug information says what is text: dx Expr,su"},
	{".echocpunum", "a process has threads, whose number is in the prompt"},
	{".outmask", "there is one kind of output"},
	{".verbose", "there is one kind of output; !sym noisy tells of symbols"},
	{"sq", "no warnings are left out"},
	{"so", "its options are of a kernel's session"},
	{".bpsync", "a thread steps off a breakpoint alone: there is nothing to choose"},
	{"!itoldyouso", "!lmi tells whether symbols match: by build-id"},
	{"!chksym", "!lmi tells whether symbols match: by build-id"},
	{"!symsrv", "a symbol server is an entry of .sympath"},
	{".copysym", "a cache* entry of .sympath keeps copies"},
	{".settings", "settings are the launch configuration's"},
	// Of a kernel, or of Windows.
	{"tb", "the CPU's branch trap is a kernel's"},
	{".trap", "a trap frame is a kernel's; .cxr takes a ucontext"},
	{".thread", "~Ns selects a thread of a process"},
	{".process", "|Ns selects a process"},
	{".context", "a process has one address space"},
	{"ds", "STRING structures are Windows's; da shows a string of C"},
	{"dS", "UNICODE_STRING structures are Windows's; du shows a string of UTF-16"},
	{".bugcheck", "!analyze -v tells of a process's end"},
	{".pagein", "memory of a process is paged in by reading it"},
}

// refusedCommands is the family of the refusals.
var refusedCommands = func() []command {
	out := make([]command, len(refusals))
	for k, r := range refusals {
		out[k] = command{r.name, r.name, r.why, absent, refused(r.why)}
	}
	return out
}()

func refused(why string) func(context.Context, *call) error {
	return func(_ context.Context, c *call) error {
		return &Error{Kind: "Operation not supported by current debuggee", Command: c.text, Pos: c.pos, Fix: why}
	}
}
