package launch

import (
	"regexp"
	"strings"
	"sync"
)

// chatter are gdbserver's own lines on the stream it shares with the debuggee.
var chatter = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(Process .* created; pid = \d+|Attached; pid = \d+|Listening on port (\d+)|Remote debugging from host .*|Remote debugging using stdio|stdin/stdout redirected|Detaching process\(es\):.*|` +
		`Child exited with status \d+|Child terminated with signal .*|Killing process\(es\):.*|Detaching from process \d+|GDBserver exiting|` +
		`Remote side has terminated connection\..*|gdbserver: Target description .*|Warning: ptrace\(regsets_store_inferior_registers\).*)\r?$`)
})

// chatterHeads are how those lines begin.
var chatterHeads = []string{"Process ", "Attached; pid = ", "Listening on port ", "Remote debugging from host ", "Remote debugging using stdio", "stdin/stdout redirected", "Detaching process(es):", "Child exited with status ",
	"Child terminated with signal ", "Killing process(es):", "Detaching from process ", "GDBserver exiting", "Remote side has terminated connection.",
	"gdbserver: Target description ", "Warning: ptrace(regsets_store_inferior_registers)"}

// maxChatter is longer than any line of gdbserver's own but that of processes killed.
const maxChatter = 4096

// sieve parts gdbserver's own lines from the program's text on their shared error
// stream. Text that cannot become such a line is passed on as it comes: a question
// has no line end.
type sieve struct {
	port   chan<- string // takes the port that is listened on
	said   *lineLog      // takes what is said before there is a connection
	output func(string)  // takes the program's text

	connected bool
	middle    bool   // within a line that was begun to be passed on
	rest      string // the begin of a line that may be gdbserver's
	blank     bool   // an empty line is held back: gdbserver tells the end of the program behind one
}

func (f *sieve) take(text string) {
	f.rest += text
	for {
		line, rest, whole := strings.Cut(f.rest, "\n")
		if !whole {
			break
		}
		f.rest = rest
		f.line(line + "\n")
	}
	if f.connected && f.rest != "" && (f.middle || !mayBeChatter(f.rest)) {
		f.pass(f.rest)
		f.rest, f.middle = "", true
	}
	if len(f.rest) > maxChatter {
		f.line(f.rest)
		f.rest = ""
	}
}

// end passes on what is left.
func (f *sieve) end() {
	if f.rest != "" {
		f.line(f.rest)
	}
	if f.blank {
		f.pass("")
	}
}

// pass gives the program's text on, after an empty line that was held back.
func (f *sieve) pass(text string) {
	if f.blank {
		f.blank, text = false, "\n"+text
	}
	f.output(text)
}

// line takes a whole line, or the rest of one.
func (f *sieve) line(line string) {
	if f.middle {
		f.middle = false
		f.pass(line)
		return
	}
	text := strings.TrimRight(line, "\r\n")
	m := chatter().FindStringSubmatch(text)
	switch {
	case m != nil && m[2] != "":
		select {
		case f.port <- m[2]:
		default:
		}
	case m != nil && strings.HasPrefix(text, "Remote debugging"):
		f.connected = true
	case m != nil && strings.HasPrefix(text, "Child "):
		f.blank = false
	case m == nil && !f.connected:
		f.said.add(text)
	case line == "\n":
		if f.blank {
			f.pass("")
		}
		f.blank = true
	case m == nil:
		f.pass(line)
	}
}

// mayBeChatter reports whether the begin of a line may be of one of gdbserver's.
func mayBeChatter(begin string) bool {
	for _, head := range chatterHeads {
		if strings.HasPrefix(begin, head) || strings.HasPrefix(head, begin) {
			return true
		}
	}
	return false
}

// lineLog keeps what gdbserver said, bounded.
type lineLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *lineLog) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) < 50 {
		l.lines = append(l.lines, s)
	}
}

func (l *lineLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "; ")
}
