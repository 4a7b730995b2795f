package report

import (
	"fmt"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/targets"
)

// ending is a part of such words, and what they are a sign of.
type ending struct {
	part string
	kind Kind
	text string
	said bool // also as the last line of the standard error stream
}

// endings are words that libraries end a program with. The texts are
// glibc's (assert/assert.c, malloc/malloc.c, debug/fortify_fail.c), libc++'s and Rust's.
var endings = []ending{
	{"Assertion `", Assertion, "assertion failed: ", true},
	{"Assertion failed", Assertion, "", true},
	{"stack smashing detected", StackSmashing, "a buffer on the stack was overrun: ", false},
	{"buffer overflow detected", BufferOverflow, "a buffer was overrun: ", false},
	{"double free", HeapCorruption, "memory was freed twice: ", false},
	{"free()", HeapCorruption, "the heap is damaged: ", false},
	{"malloc", HeapCorruption, "the heap is damaged: ", false},
	{"realloc()", HeapCorruption, "the heap is damaged: ", false},
	{"munmap_chunk()", HeapCorruption, "the heap is damaged: ", false},
	{"corrupted", HeapCorruption, "the heap is damaged: ", false},
	{"chunk", HeapCorruption, "the heap is damaged: ", false},
	{"pure virtual method called", Terminate, "", true},
	{"panicked at", Abort, "panic: ", true},
}

// lastWords: what glibc leaves for debuggers in __abort_msg, else what was written to
// the standard error stream last.
func (s *scene) lastWords() (verdict, bool) {
	text := strings.TrimSpace(s.abortMessage())
	if text == "" {
		text = lastLine(s.said)
		if !slices.ContainsFunc(endings, func(e ending) bool { return e.said && strings.Contains(text, e.part) }) {
			return verdict{}, false
		}
	}
	v := verdict{kind: Abort, text: "the program gave up: " + oneLine(text, maxValue), message: oneLine(text, 4*maxValue)}
	for _, e := range endings {
		if strings.Contains(text, e.part) {
			v.kind, v.text = e.kind, e.text+oneLine(text, maxValue)
			break
		}
	}
	if v.kind == Assertion {
		if _, tail, ok := strings.Cut(text, "Assertion `"); ok {
			v.text = "assertion failed: " + oneLine(strings.TrimSuffix(tail, "' failed."), maxValue)
		}
	}
	return v, true
}

func lastLine(said string) string {
	lines := strings.Split(strings.TrimRight(said, "\n"), "\n")
	return lines[len(lines)-1]
}

// abortMessage reads glibc's __abort_msg: a pointer to a size and a text
// (assert/assert.c, struct abort_msg_s).
func (s *scene) abortMessage() string {
	var at arch.Addr
	s.v.Symbols(s.ctx, "libc_so!__abort_msg", func(l engine.Location) bool {
		at = l.Addr
		return false
	})
	if at == 0 {
		return ""
	}
	p, ok := s.pointer(at)
	if !ok || p == 0 {
		return ""
	}
	const most = 4096
	buf := make([]byte, most)
	n, _ := s.v.ReadMemory(s.ctx, targets.Space{}, p, buf)
	if n < 5 {
		return ""
	}
	text := buf[4:n]
	if i := slices.Index(text, 0); i >= 0 {
		text = text[:i]
	}
	return string(text)
}

// pointer reads an address of the process.
func (s *scene) pointer(at arch.Addr) (arch.Addr, bool) {
	buf := make([]byte, s.ptr)
	if n, err := s.v.ReadMemory(s.ctx, targets.Space{}, at, buf); err != nil || n < len(buf) {
		return 0, false
	}
	return s.address(buf), true
}

func (s *scene) address(p []byte) arch.Addr {
	if s.ptr == 4 {
		return arch.Addr(s.order().Uint32(p))
	}
	return arch.Addr(s.order().Uint64(p))
}

// enders are functions that end a program because of a C++ exception.
var enders = []string{"std::terminate", "__cxa_throw", "__cxa_rethrow", "__cxxabiv1::__terminate", "std::__terminate", "std::rethrow_exception"}

// uncaught: a C++ exception that found no handler.
func (s *scene) uncaught() (verdict, bool) {
	var last *engine.Frame
	for k := range s.stack.Frames[:min(len(s.stack.Frames), maxFrames)] {
		f := &s.stack.Frames[k]
		name, _, _ := strings.Cut(f.Symbol.Name, "(")
		if slices.Contains(enders, name) {
			last = f
		}
	}
	if last == nil {
		return verdict{}, false
	}
	t := s.thrown(last)
	if t == nil {
		if _, tail, ok := strings.Cut(s.said, "terminate called after throwing an instance of '"); ok {
			name, rest, _ := strings.Cut(tail, "'")
			_, what, _ := strings.Cut(rest, "what():  ")
			what, _, _ = strings.Cut(what, "\n")
			t = &engine.Thrown{Type: name, What: what}
		}
	}
	if t == nil || t.Type == "" {
		return verdict{kind: Terminate, text: "std::terminate was called: an exception left a noexcept function or a destructor, or a thread that can run was destroyed"}, true
	}
	e := &Exception{oneLine(t.Type, maxValue), oneLine(t.What, maxValue)}
	text := "uncaught C++ exception " + e.Type
	if e.What != "" {
		text += fmt.Sprintf(": %s", e.What)
	}
	return verdict{kind: Uncaught, text: text, thrown: e}, true
}

// stackWindow is how much of the stack is searched for an exception, bytes.
const stackWindow = 16 << 10

// thrown finds the exception under way: somewhere in the frames of the run-time
// library lies the address of its _Unwind_Exception, which begins with the name of
// its language ("GNUCC++", "CLNGC++"; Itanium C++ ABI, 2.2).
func (s *scene) thrown(until *engine.Frame) *engine.Thrown {
	low := s.top.Regs.SP()
	size := min(until.CFA-low+256, stackWindow)
	if until.CFA <= low {
		size = stackWindow
	}
	buf := make([]byte, size)
	n, _ := s.v.ReadMemory(s.ctx, targets.Space{}, low, buf)
	seen := map[arch.Addr]bool{}
	var reads []*targets.MemoryRead
	for at := 0; at+s.ptr <= n; at += s.ptr {
		p := s.address(buf[at:])
		if p < nullPage || p%8 != 0 || seen[p] {
			continue
		}
		seen[p] = true
		reads = append(reads, &targets.MemoryRead{Addr: p, Data: make([]byte, 8)})
	}
	if s.v.ReadThrough(s.ctx, reads) != nil {
		return nil
	}
	for _, r := range reads {
		if r.Err == nil && r.N == 8 && strings.Contains(string(r.Data), "++C") {
			if t, err := s.v.Thrown(s.ctx, r.Addr); err == nil && t.Type != "" {
				return t
			}
		}
	}
	return nil
}

// aborted: somebody called abort.
func (s *scene) aborted() (verdict, bool) {
	return verdict{kind: Abort, text: "abort called by " + symbolAt(s.blamed), message: oneLine(lastLine(s.said), 4*maxValue)}, true
}
