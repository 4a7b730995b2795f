package rsp

import (
	"fmt"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// stopReply is a stop as the wire tells it.
type stopReply struct {
	signal  int // the far end's number, 0 none
	reason  targets.Reason
	named   bool // the far end said why
	kind    targets.TrapKind
	addr    arch.Addr // data address of a watch
	thread  threadID
	child   threadID
	vfork   bool
	resumed bool // vforkdone: nothing anyone waits for
	path    string
	syscall int
	regs    map[int][]byte // expedited, by wire number
	windows []targets.Window

	gone    bool // W or X: the process ended
	killed  bool
	status  int
	process int64 // of W and X, 0 not told
	nothing bool  // N: no thread runs any more
}

// watchKinds are the words for data traps.
var watchKinds = map[string]targets.TrapKind{"watch": targets.OnWrite, "rwatch": targets.OnRead, "awatch": targets.OnAccess}

// reasonWords are the words whose value does not matter or is a number.
var reasonWords = map[string]targets.Reason{
	"swbreak": targets.Breakpoint, "hwbreak": targets.Breakpoint, "library": targets.Modules, "create": targets.ThreadCreated,
	"replaylog": targets.HistoryEnd, "fork": targets.Forked, "vfork": targets.Forked, "vforkdone": targets.Forked, "exec": targets.Exec,
	"syscall_entry": targets.SyscallEntry, "syscall_return": targets.SyscallReturn,
}

// maxWindows bounds the memory a stop may bring along.
const maxWindows = 64

// parseStop reads a stop reply packet (GDB manual, "Stop Reply Packets"). l
// tells the sizes of expedited registers and may be nil.
func (c *Conn) parseStop(p []byte, l *layout) (*stopReply, error) {
	if len(p) == 0 {
		return nil, noStop(p)
	}
	s := &stopReply{}
	switch p[0] {
	case 'S', 'T':
		if !looksLikeStop(p) {
			return nil, noStop(p)
		}
		n, _ := parseHex(string(p[1:3]))
		s.signal = int(n)
		if p[0] == 'T' {
			pairs(string(p[3:]), s.field)
		}
	case 'W', 'X':
		return s.ended(p)
	case 'w':
		s.reason, s.named = targets.ThreadExited, true
		status, id, _ := strings.Cut(string(p[1:]), ";")
		n, _ := parseHex(status)
		t, ok := parseThread(id)
		if !ok {
			return nil, noStop(p)
		}
		s.status, s.thread = int(n), t
	case 'N':
		s.nothing, s.named = true, true
	default:
		return nil, noStop(p)
	}
	return s, nil
}

func noStop(p []byte) error { return fmt.Errorf("not a stop reply: %.60q", p) }

func (s *stopReply) ended(p []byte) (*stopReply, error) {
	code, rest, _ := strings.Cut(string(p[1:]), ";")
	n, ok := parseHex(code)
	if !ok || n > 1<<32-1 {
		return nil, noStop(p)
	}
	s.gone, s.killed, s.status = true, p[0] == 'X', int(n)
	if pid, ok := strings.CutPrefix(rest, "process:"); ok {
		v, _ := parseHex(pid)
		s.process = int64(v)
	}
	return s, nil
}

// field takes one key:value of a T packet. Unknown words are for later stubs.
func (s *stopReply) field(key, value string) {
	if kind, ok := watchKinds[key]; ok {
		v, _ := parseHex(value)
		s.reason, s.named, s.kind, s.addr = targets.Watch, true, kind, arch.Addr(v)
		return
	}
	if reason, ok := reasonWords[key]; ok {
		s.reason, s.named = reason, true
		s.detail(key, value)
		return
	}
	switch key {
	case "thread":
		s.thread, _ = parseThread(value)
		return
	case "memory": // LLDB: memory:ADDRESS=BYTES
		s.window(value)
		return
	case "reason": // LLDB says it in words of its own
		if reason, ok := lldbReasons[value]; ok {
			s.reason, s.named = reason, true
		}
		return
	case "description":
		s.describedAs(value)
		return
	}
	number, ok := parseHex(key)
	if data, good := unhex([]byte(value)); ok && good && number < 1<<16 {
		if s.regs == nil {
			s.regs = map[int][]byte{}
		}
		s.regs[int(number)] = data
	}
}

// lldbReasons are the reasons of LLDB's servers that say more than a signal
// (LLDB's protocol extensions, "Stop reply packet extensions").
var lldbReasons = map[string]targets.Reason{
	"breakpoint": targets.Breakpoint, "trace": targets.Stepped, "watchpoint": targets.Watch, "exec": targets.Exec,
}

// describedAs reads the description of a watchpoint's stop: in decimal its address,
// its number, and where the access was.
func (s *stopReply) describedAs(value string) {
	text, _ := unhex([]byte(value))
	f := strings.Fields(string(text))
	if s.reason != targets.Watch || len(f) < 2 {
		return
	}
	if at, err := strconv.ParseUint(f[0], 10, 64); err == nil {
		s.addr = arch.Addr(at)
	}
}

func (s *stopReply) detail(key, value string) {
	switch key {
	case "fork", "vfork":
		s.child, _ = parseThread(value)
		s.vfork = key == "vfork"
	case "vforkdone":
		s.resumed = true
	case "exec":
		if path, ok := unhex([]byte(value)); ok {
			s.path = string(path)
		}
	case "syscall_entry", "syscall_return":
		n, _ := parseHex(value)
		s.syscall = int(n)
	case "hwbreak":
		s.kind = targets.Hardware
	}
}

func (s *stopReply) window(value string) {
	at, data, ok := strings.Cut(value, "=")
	addr, ok1 := parseHex(strings.TrimPrefix(at, "0x"))
	bytes, ok2 := unhex([]byte(data))
	if ok && ok1 && ok2 && len(s.windows) < maxWindows {
		s.windows = append(s.windows, targets.Window{Addr: arch.Addr(addr), Data: bytes})
	}
}

// registers makes the expedited registers, nil when none came.
func (s *stopReply) registers(l *layout) *arch.Registers {
	var r *arch.Registers
	for number, v := range s.regs {
		i, ok := l.index[number]
		if !ok || len(v) > l.set.Regs[i].Size {
			continue
		}
		if r == nil {
			r = arch.NewRegisters(l.set)
			r.Interrupted = true
		}
		r.SetBytes(i, v)
	}
	return r
}
