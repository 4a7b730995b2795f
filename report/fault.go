package report

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/targets/core"
)

// nullPage is how far from null an access counts as one through a null pointer:
// the kernel lets nobody map less (vm.mmap_min_addr is 64 KB).
const nullPage = 64 << 10

// doing words an access.
func (s *scene) doing() string {
	switch s.access {
	case "read":
		return "reading "
	case "write":
		return "writing "
	case "execute":
		return "executing "
	}
	return "access to "
}

// nearStack is how far from the stack pointer an access belongs to the stack: what a
// function may use below it, and what probes of large frames reach.
const nearStack = 64 << 10

// overflown: the stack has come to its end.
func (s *scene) overflown() (verdict, bool) {
	sp := s.top.Regs.SP()
	at, mapped := s.region(s.fault)
	if mapped && (at.Read || at.Write) || !s.known || sp == 0 || len(s.maps) == 0 {
		return verdict{}, false
	}
	near := s.fault-sp+nearStack < 2*nearStack
	if home, ok := s.region(sp); !near && ok && (home.Read || home.Write) {
		return verdict{}, false
	}
	above := false // a stack ends where the access was
	for _, r := range s.maps {
		above = above || r.Write && r.Start > s.fault && r.Start-s.fault <= stackGap
	}
	if !above {
		return verdict{}, false
	}
	return verdict{kind: StackOverflow, text: "stack overflow: " + recursion(s.stack)}, true
}

// stackGap is the largest frame that may have skipped the end of a stack.
const stackGap = 256 << 20

// recursion says who filled the stack.
func recursion(st *engine.Stack) string {
	names := make([]string, len(st.Frames))
	for k := range st.Frames {
		names[k] = symbolAt(&st.Frames[k])
	}
	depth := counted(len(names), "frame")
	if !st.Complete {
		depth = fmt.Sprintf("more than %d frames", len(names))
	}
	const longest = 8 // functions of a cycle
	for period := 1; period <= longest; period++ {
		const begin = 16 // the top may be a callee that is not of the cycle
		if len(names) < begin+4*period {
			continue
		}
		whole := true
		for k := begin; k+period < len(names) && k < begin+20*period; k++ {
			whole = whole && names[k] == names[k+period]
		}
		if whole {
			cycle := names[begin : begin+period]
			if period == 1 {
				return fmt.Sprintf("%s calls itself without an end (%s)", cycle[0], depth)
			}
			return fmt.Sprintf("%s call each other without an end (%s)", strings.Join(rotated(cycle), ", "), depth)
		}
	}
	return fmt.Sprintf("the variables of %s do not fit (%s)", symbolAt(blame(st.Frames)), depth)
}

// rotated begins a cycle with its first name in the order of the alphabet, so that
// equal overflows read alike.
func rotated(cycle []string) []string {
	best := 0
	for k := range cycle {
		if cycle[k] < cycle[best] {
			best = k
		}
	}
	return append(append([]string{}, cycle[best:]...), cycle[:best]...)
}

// called: control went to a place without code.
func (s *scene) called() (verdict, bool) {
	if !s.known || s.fault != s.top.PC {
		return verdict{}, false
	}
	by := ""
	if e, ok := s.callee(); ok {
		by = " `" + e + "`"
	}
	if s.fault < nullPage {
		return verdict{kind: NullCall, text: "call through a null pointer" + by}, true
	}
	if r, ok := s.region(s.fault); ok && !r.Exec {
		return verdict{kind: ExecuteData, text: "execution of data through the pointer" + by + s.regionText(r)}, true
	}
	return verdict{kind: Unmapped, text: fmt.Sprintf("call to %s, where nothing is, through the pointer%s", Address(s.fault), by)}, true
}

// callee is the pointer in the blamed line that was called.
func (s *scene) callee() (string, bool) {
	all := chains(s.line())
	for _, called := range []bool{true, false} {
		for _, c := range all {
			if (c.follow == "(") != called {
				continue
			}
			if n, _, _, ok := s.number(s.blamed, c.text); ok && arch.Addr(n) == s.fault {
				return c.text, true
			}
		}
	}
	return "", false
}

// null: an access through a null pointer.
func (s *scene) null() (verdict, bool) {
	if !s.known || s.fault >= nullPage || s.signal.CodeName() == "SI_KERNEL" && s.fault == 0 && s.inst.Mem == nil {
		return verdict{}, false
	}
	text, joint := "null dereference", " of "
	if s.blamed != s.top && s.top.Module != nil && !s.top.Module.Main && s.top.Symbol.Name != "" && !strings.Contains(s.top.Symbol.Name, "::") {
		text, joint = "null pointer passed to "+plainName(s.top.Symbol.Name), ": "
	}
	if e, typ, ok := s.suspect(0, nullPage); ok {
		text += fmt.Sprintf("%s`%s` (%s)", joint, e, typ)
	}
	if s.fault > 0 {
		text += fmt.Sprintf(", %s%d bytes behind it", s.doing(), uint64(s.fault))
	} else if s.access != "" {
		text += ", " + strings.TrimSpace(s.doing())
	}
	return verdict{kind: NullPointer, text: text + " in " + symbolAt(s.blamed)}, true
}

// variant is a function of the C library for one kind of CPU: __strlen_evex.
var variant = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^_*([a-z]\w*?)_(?:evex|avx|sse|erms|asimd|generic|rtm)\w*$`)
})

// plainName is the name that a program calls a function by.
func plainName(name string) string {
	if m := variant().FindStringSubmatch(name); m != nil {
		return m[1]
	}
	return name
}

// fills are bytes that allocators and debuggers fill memory with.
var fills = map[byte]string{
	0xdd: "memory that was freed (0xdd of a debug heap)", 0xcd: "memory of the heap that was never set (0xcd of a debug heap)",
	0xcc: "a variable that was never set (0xcc)", 0xa5: "memory that was never set (0xa5 of jemalloc)", 0x5a: "memory that was freed (0x5a of jemalloc)",
	0xbe: "memory that was never set (0xbe of AddressSanitizer)", 0xaa: "a variable that was never set (0xaa of -ftrivial-auto-var-init)",
	0xfe: "a variable that was never set (0xfe of -ftrivial-auto-var-init)", 0x6b: "memory that was freed (0x6b)", 0xef: "memory that was freed (0xef)",
	0xab: "memory behind an allocation (0xab)",
}

// words that are put into memory as a whole.
var fillWords = map[uint32]string{
	0xdeadbeef: "memory that was freed (0xdeadbeef)", 0xfeeefeee: "memory that was freed (0xfeeefeee)", 0xbaadf00d: "memory that was never set (0xbaadf00d)",
	0xdeadc0de: "memory that was freed (0xdeadc0de)", 0xbadc0ffe: "memory that was freed (0xbadc0ffe)",
}

// pattern: the pointer is made of what fills memory that is not in use.
func (s *scene) pattern() (verdict, bool) {
	base := s.base()
	why, ok := s.fillOf(uint64(base))
	if !ok {
		return verdict{}, false
	}
	text := fmt.Sprintf("use of %s: the pointer %s came from there", why, Address(base))
	if e, typ, ok := s.suspect(base, nullPage); ok {
		text = fmt.Sprintf("use of %s: the pointer `%s` (%s) is %s", why, e, typ, Address(base))
	}
	return verdict{kind: FreedMemory, text: text + " in " + symbolAt(s.blamed)}, true
}

// base is the pointer that the instruction went through.
func (s *scene) base() arch.Addr {
	if s.inst.Mem != nil {
		for _, name := range []string{s.inst.Mem.Base, s.inst.Mem.Index} {
			if n, ok := s.top.Regs.Get(name); ok && name != "" {
				if _, odd := s.fillOf(n); odd {
					return arch.Addr(n)
				}
			}
		}
		if n, ok := s.top.Regs.Get(s.inst.Mem.Base); ok {
			return arch.Addr(n)
		}
	}
	return s.fault
}

// fillOf recognises a value that fills memory.
func (s *scene) fillOf(n uint64) (string, bool) {
	low := uint32(n)
	if why, ok := fillWords[low]; ok && (n>>32 == 0 || n>>32 == n&0xffffffff) {
		return why, true
	}
	if s.ptr == 8 && n>>32 != n&0xffffffff {
		return "", false
	}
	b := byte(low)
	if low != uint32(b)*0x01010101 || b == 0 || b == 0xff {
		return "", false
	}
	if p, ok := s.perturb(); ok {
		switch b {
		case p:
			return fmt.Sprintf("memory that was freed (filled with 0x%02x by MALLOC_PERTURB_)", b), true
		case p ^ 0xff:
			return fmt.Sprintf("memory that was never set (filled with 0x%02x by MALLOC_PERTURB_)", b), true
		}
	}
	if why, ok := fills[b]; ok {
		return why, true
	}
	return fmt.Sprintf("memory that was filled with 0x%02x, as what was freed or never set is", b), true
}

// perturb is the byte that glibc fills freed memory with (mallopt(3), M_PERTURB).
func (s *scene) perturb() (byte, bool) {
	text, err := s.file("environ")
	if err != nil {
		return 0, false
	}
	for kv := range strings.SplitSeq(text, "\x00") {
		if value, ok := strings.CutPrefix(kv, "MALLOC_PERTURB_="); ok {
			n, err := strconv.ParseUint(value, 0, 32)
			return byte(n), err == nil && byte(n) != 0
		}
	}
	return 0, false
}

// impossible: an address that no process has.
func (s *scene) impossible() (verdict, bool) {
	if s.signal.CodeName() != "SI_KERNEL" {
		return verdict{}, false
	}
	text := "use of an address that cannot exist: the pointer was overwritten or never set"
	if s.known {
		text = fmt.Sprintf("%s%s, an address that cannot exist: the pointer was overwritten or never set", s.doing(), Address(s.fault))
		if e, typ, ok := s.suspect(s.base(), nullPage); ok {
			text = fmt.Sprintf("%sthrough `%s` (%s), which is %s: no address, so it was overwritten or never set", s.doing(), e, typ, Address(s.base()))
		}
	}
	return verdict{kind: NoAddress, text: text}, true
}

// forbidden: the memory is there, and not for this.
func (s *scene) forbidden() (verdict, bool) {
	r, ok := s.region(s.fault)
	if !s.known || !ok {
		return verdict{}, false
	}
	what := s.named(s.fault)
	switch {
	case r.Read && !r.Write && s.access != "read":
		return verdict{kind: ReadOnly, text: fmt.Sprintf("write to read-only memory at %s%s%s", Address(s.fault), what, s.regionText(r))}, true
	case !r.Read && !r.Write:
		return verdict{kind: Unmapped, text: fmt.Sprintf("%s%s%s, a page that nobody may use", s.doing(), Address(s.fault), s.regionText(r))}, true
	}
	return verdict{}, false
}

func (s *scene) unmapped() (verdict, bool) {
	if !s.known {
		return verdict{}, false
	}
	text := fmt.Sprintf("%s%s, where nothing is mapped", s.doing(), Address(s.fault))
	if e, typ, ok := s.suspect(s.base(), nullPage); ok {
		text += fmt.Sprintf(", through `%s` (%s)", e, typ)
	}
	return verdict{kind: Unmapped, text: text + " in " + symbolAt(s.blamed)}, true
}

func (s *scene) bus() (verdict, bool) {
	switch s.signal.CodeName() {
	case "BUS_ADRERR":
		if r, ok := s.region(s.fault); ok && strings.HasPrefix(r.Path, "/") {
			return verdict{kind: BusError, text: fmt.Sprintf("%swhat lies behind the end of the mapped file %s", s.doing(), r.Path)}, true
		}
	case "":
		return verdict{}, false
	}
	return verdict{kind: BusError, text: fmt.Sprintf("bus error at %s: %s", Address(s.fault), s.signal.CodeText())}, true
}

// named is the symbol at an address, in parentheses.
func (s *scene) named(a arch.Addr) string {
	l := s.v.Locate(a)
	if l.Module == nil || l.Symbol.Name == "" || l.Disp > 1<<16 {
		return ""
	}
	return fmt.Sprintf(" (%s!%s)", l.Module.Name, l.Symbol.Name)
}

func (s *scene) regionText(r core.Region) string {
	switch {
	case r.Path == "":
		return ""
	case strings.HasPrefix(r.Path, "["):
		return " in " + r.Path
	}
	return " in " + path.Base(r.Path)
}
