package report

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/systems/linux"
	"dap-windbg/targets"
	"dap-windbg/targets/core"
)

// scene is what a diagnosis looks at: the thread that stopped, and what is around it.
// What cannot be had is empty; nothing of it is an error.
type scene struct {
	v      *engine.View
	ctx    context.Context // of this one Collect
	stop   engine.Stop
	ptr    int
	signal linux.Siginfo
	stack  *engine.Stack
	top    *engine.Frame
	blamed *engine.Frame
	inst   engine.Inst
	maps   []core.Region
	fault  arch.Addr // that was accessed
	known  bool      // fault is known
	access string
	again  bool     // a handler has sent the signal once more
	lines  []string // of the blamed frame's source file
	said   string   // the end of the standard error stream
}

// look sets the scene.
func look(ctx context.Context, v *engine.View, said string) (*scene, error) {
	s := &scene{v: v, ctx: ctx, ptr: 8, said: said}
	info := v.Live().Info()
	if info.Set != nil {
		s.ptr = info.Set.Arch.PtrSize
	}
	stop, _ := v.Live().LastStop()
	s.stop = own(stop)
	var err error
	if s.stack, err = v.Stack(ctx, s.stop.Thread, maxUnwound); err != nil {
		return nil, fmt.Errorf("reading the stack: %w", err)
	}
	if len(s.stack.Frames) > 0 {
		s.top = &s.stack.Frames[0]
		s.blamed = blame(s.stack.Frames)
		if list, err := v.Disassemble(ctx, s.top.PC, 1); err == nil && len(list) > 0 && list[0].Err == nil {
			s.inst = list[0]
		}
		s.lines = s.source(s.blamed)
	}
	if text, err := s.file("maps"); err == nil {
		s.maps, _ = core.ParseMaps(strings.NewReader(text))
	}
	s.readSignal()
	s.stray()
	return s, nil
}

// stray goes back to the caller when control went to where no code is: what a call
// through a bad pointer has left is the return address on the stack alone.
func (s *scene) stray() {
	if !s.known || s.access != "execute" || s.cpu() == nil || !slices.Contains([]*arch.Arch{arch.AMD64, arch.I386}, s.cpu()) {
		return
	}
	if r, ok := s.region(s.fault); !ok || r.Exec {
		return // the unwinder knows this one
	}
	back, ok := s.pointer(s.top.Regs.SP())
	if _, code := s.v.ModuleAt(back); !ok || !code {
		return
	}
	regs := s.top.Regs.Clone()
	regs.SetPC(back)
	regs.SetSP(regs.SP() + arch.Addr(s.ptr))
	regs.Interrupted = false
	st, err := s.v.StackFrom(s.ctx, regs, maxUnwound)
	if err != nil || len(st.Frames) == 0 {
		return
	}
	frames := append([]engine.Frame{*s.top}, st.Frames...)
	for k := range frames {
		frames[k].Index = k
	}
	s.stack = &engine.Stack{Frames: frames, Complete: st.Complete, End: st.End}
	s.top = &frames[0]
	s.blamed = blame(frames[1:])
	s.lines = s.source(s.blamed)
}

// maxFile bounds a file of /proc, bytes.
const maxFile = 16 << 20

// file reads a file of the process below /proc.
func (s *scene) file(name string) (string, error) {
	return procFile(s.ctx, s.v.Target(), s.v.Live().Info().Process, name)
}

func procFile(ctx context.Context, t targets.Target, pid int64, name string) (string, error) {
	files, ok := t.(targets.Files)
	if !ok || pid == 0 {
		return "", targets.ErrPostmortem
	}
	f, err := files.Open(ctx, fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	return string(text), err
}

// readSignal decodes the signal and finds the address that was accessed.
func (s *scene) readSignal() {
	x := s.stop.Exception
	if x == nil || s.top == nil {
		return
	}
	if q, ok := s.v.Target().(targets.Queryer); ok && len(x.Siginfo) == 0 {
		x.Siginfo, _ = q.Query(s.ctx, targets.Siginfo, "")
	}
	info := s.v.Live().Info()
	if info.Set == nil {
		return
	}
	s.signal, _ = linux.ParseSiginfo(x.Siginfo, s.order(), s.ptr)
	next := s.top.PC + arch.Addr(s.inst.Len)
	switch {
	case s.signal.Fault && s.signal.CodeName() != "SI_KERNEL": // which has no address
		s.fault, s.known = s.signal.Addr, true
	case s.signal.CodeName() == "SI_KERNEL" && s.inst.Mem != nil: // x86: no address that can exist
		s.fault, s.known = arch.EffectiveAddr(s.inst.Mem, s.top.Regs, next)
	}
	s.handler()
	if s.known {
		s.access = s.accessKind()
	}
}

// faults are signals that a handler may raise anew when it has told its story.
var faults = []int{sigSEGV, sigBUS, sigFPE, sigILL}

// handler goes back to where a signal came first that a handler of the program has
// sent once more: below the frame that the kernel made for the handler.
func (s *scene) handler() {
	if s.signal.Fault || !slices.Contains(faults, int(s.stop.Exception.Code)) {
		return
	}
	if s.signal.Sent && int64(s.signal.PID) == s.v.Live().Info().Process && s.inst.Mem != nil { // it came when the handler was over
		at, ok := arch.EffectiveAddr(s.inst.Mem, s.top.Regs, s.top.PC+arch.Addr(s.inst.Len))
		if r, there := s.region(at); ok && (!there || !r.Read) && len(s.maps) > 0 {
			s.fault, s.known, s.signal.Sent, s.again = at, true, false, true
			return
		}
	}
	for k := range s.stack.Frames[:min(len(s.stack.Frames), maxFrames)] {
		if f := &s.stack.Frames[k]; f.Symbol.Name != "__restore_rt" && f.Symbol.Name != "__kernel_rt_sigreturn" || k+1 >= len(s.stack.Frames) {
			continue
		}
		s.top = &s.stack.Frames[k+1]
		s.blamed = blame(s.stack.Frames[k+1:])
		s.lines = s.source(s.blamed)
		s.inst, s.signal.Sent, s.again = engine.Inst{}, false, true
		if list, err := s.v.Disassemble(s.ctx, s.top.PC, 1); err == nil && len(list) > 0 && list[0].Err == nil {
			s.inst = list[0]
		}
		s.fault, s.known = s.top.PC, s.inst.Len == 0
		if s.inst.Mem != nil {
			s.fault, s.known = arch.EffectiveAddr(s.inst.Mem, s.top.Regs, s.top.PC+arch.Addr(s.inst.Len))
		}
		if int(s.stop.Exception.Code) == sigFPE {
			s.signal.Code = 1 // FPE_INTDIV, nearly always
		}
		return
	}
}

// readers are instructions that only read a memory operand which is written first.
var readers = []string{"cmp", "test", "push", "call", "jmp", "bt", "mul", "imul", "div", "idiv", "fld", "fild", "prefetch", "nop"}

// accessKind is what the instruction was about to do.
func (s *scene) accessKind() string {
	args := s.inst.Args
	first, _, _ := strings.Cut(args, ",")
	switch {
	case s.fault == s.top.PC:
		return "execute"
	case s.inst.Len == 0 || s.inst.Mem == nil:
		return ""
	case strings.HasPrefix(s.inst.Op, "st") && s.cpu() != arch.AMD64, strings.HasPrefix(s.inst.Op, "stos"), strings.HasPrefix(s.inst.Op, "movs"):
		return "write"
	case strings.Contains(first, "[") && !slices.ContainsFunc(readers, func(r string) bool { return strings.HasPrefix(s.inst.Op, r) }):
		return "write"
	}
	return "read"
}

func (s *scene) cpu() *arch.Arch {
	if set := s.v.Live().Info().Set; set != nil {
		return set.Arch
	}
	return nil
}

func (s *scene) order() binary.ByteOrder {
	if cpu := s.cpu(); cpu != nil && cpu.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// region is the piece of the address space that holds a.
func (s *scene) region(a arch.Addr) (core.Region, bool) {
	i := slices.IndexFunc(s.maps, func(r core.Region) bool { return a >= r.Start && a < r.End })
	if i < 0 {
		return core.Region{}, false
	}
	return s.maps[i], true
}

// systemFolders hold what is not the program's own.
var systemFolders = []string{"/lib", "/usr/lib", "/usr/include", "/usr/libexec", "/opt/rh"}

func ofSystem(path string) bool {
	return slices.ContainsFunc(systemFolders, func(dir string) bool { return strings.HasPrefix(path, dir) })
}

// foreign reports whether a frame is not of the program's own code.
func foreign(f *engine.Frame) bool {
	if f.Module == nil {
		return true
	}
	return !f.Module.Main && (ofSystem(f.Module.Path) || strings.HasPrefix(f.Module.Path, "linux-vdso") || strings.HasPrefix(path.Base(f.Module.Path), "lib") && f.Line.File == "") ||
		ofSystem(f.Line.File) || strings.HasPrefix(f.Symbol.Name, "std::") && f.Module.Main && f.Line.File == ""
}

// blame is the frame to show first: the innermost one of the program's own code.
func blame(frames []engine.Frame) *engine.Frame {
	for k := range frames {
		if f := &frames[k]; !foreign(f) && f.Line.File != "" {
			return f
		}
	}
	for k := range frames {
		if m := frames[k].Module; m != nil && m.Main {
			return &frames[k]
		}
	}
	return &frames[0]
}

// maxSource bounds a source file that is read, bytes.
const maxSource = 8 << 20

// source reads the source file of a frame, nil when there is none.
func (s *scene) source(f *engine.Frame) []string {
	if f == nil || f.Line.File == "" {
		return nil
	}
	name, err := s.v.Source(s.ctx, f.Module, f.Line.File)
	if err != nil {
		return nil
	}
	text, err := readFile(name, maxSource)
	if err != nil {
		return nil
	}
	return strings.Split(text, "\n")
}

// line is the source line of the blamed frame.
func (s *scene) line() string {
	if n := s.blamed.Line.Line; n >= 1 && n <= len(s.lines) {
		return s.lines[n-1]
	}
	return ""
}

// number evaluates an expression of the program's language to a number in f.
func (s *scene) number(f *engine.Frame, src string) (n uint64, typ string, pointer, ok bool) {
	v, err := s.v.Eval(s.ctx, f, src, eval.Options{Dialect: eval.CPP})
	if err != nil || v.Err != nil || v.Type == nil {
		return 0, "", false, false
	}
	n, err = eval.Int(s.ctx, s.v.Env(f), v)
	return n, eval.TypeName(v.Type), v.Type.IsPointer(), err == nil
}

// symbolAt is "orders!total" of a frame, or "orders+0x1189".
func symbolAt(f *engine.Frame) string {
	switch {
	case f.Module == nil:
		return "an unknown place"
	case f.Symbol.Name == "":
		return fmt.Sprintf("%s+0x%x", f.Module.Name, f.PC-f.Module.Base)
	}
	return f.Module.Name + "!" + f.Symbol.Name
}
