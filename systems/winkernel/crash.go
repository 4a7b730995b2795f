package winkernel

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

var crashRows = []row{
	{".bugcheck", ".bugcheck", "the bug check and its parameters", (*call).bugcheck},
	{"!analyze", "!analyze [-v] [-show Code [P1 P2 P3 P4]]", "what the bug check means, and where it happened", (*call).analyze},
	{".crash", ".crash", "have the target crash (bug check E2)", (*call).crash},
	{".reboot", ".reboot", "restart the target's machine", (*call).reboot},
	{".trap", ".trap [Address]", "look from the registers of a trap frame; no address goes back", (*call).trap},
	{".cxr", ".cxr [Address]", "look from the registers of a CONTEXT; no address goes back", (*call).cxr},
	{"vertarget", "vertarget", "what the target is", (*call).vertarget},
}

// crash is a bug check's code and parameters.
type crashed struct {
	code   uint64
	params [4]uint64
}

func (r *reader) crashed() (crashed, error) {
	at, ok := r.variable(kdBugcheckData, "KiBugCheckData")
	if !ok {
		return crashed{}, &FieldError{"the kernel", "KiBugCheckData"}
	}
	w := r.s.width()
	p := make([]byte, 5*w)
	if !r.read(at, p) {
		return crashed{}, r.end()
	}
	var v [5]uint64
	for i := range v {
		var b [8]byte
		copy(b[:], p[i*w:(i+1)*w])
		v[i] = binary.LittleEndian.Uint64(b[:])
	}
	return crashed{v[0], [4]uint64(v[1:])}, nil
}

func (c *call) bugcheck() error {
	b, err := c.crashed()
	if err != nil {
		return err
	}
	c.printf("Bugcheck code %08X\nArguments", b.code)
	for _, p := range b.params {
		c.printf(" %s", tick(c.s, p))
	}
	c.printf("\n")
	return nil
}

const stars = "*******************************************************************************\n"

func (c *call) analyze() error {
	verbose, show := false, false
	for len(c.words) > 0 && strings.HasPrefix(c.words[0], "-") {
		verbose = verbose || c.words[0] == "-v"
		show = show || c.words[0] == "-show"
		c.words = c.words[1:]
	}
	b := crashed{}
	var err error
	if show {
		if b.code, err = c.number(0, 0); err != nil {
			return err
		}
		for i := range b.params {
			if b.params[i], err = c.number(i+1, 0); err != nil {
				return err
			}
		}
	} else if b, err = c.crashed(); err != nil {
		return err
	}
	c.printf("%s*                                                                             *\n*                        Bugcheck Analysis                                    *\n*                                                                             *\n%s\n", stars, stars)
	if b.code == 0 {
		c.printf("No bug check has happened; the machine waits in the debugger.\n\n")
		return c.place(b, verbose)
	}
	known, _ := bugcheckOf(uint32(b.code))
	c.printf("%s (%x)\n", known.Name, b.code)
	if known.Text != "" {
		c.printf("%s\n", known.Text)
	}
	c.printf("Arguments:\n")
	for i, p := range b.params {
		c.printf("Arg%d: %s", i+1, hex(c.s, p))
		if known.Params[i] != "" {
			c.printf(", %s", known.Params[i])
		}
		c.printf("\n")
	}
	if show {
		return nil
	}
	c.printf("\n")
	return c.place(b, verbose)
}

// maxCause bounds how far up a stack the cause is looked for.
const maxCause = 64

// place tells where it happened: keys that scripts look for.
func (c *call) place(b crashed, verbose bool) error {
	if b.code != 0 {
		c.printf("BUGCHECK_CODE:  %x\n\n", b.code)
		for i, p := range b.params {
			c.printf("BUGCHECK_P%d: %x\n\n", i+1, p)
		}
	}
	if at, err := c.currentProcess(); err == nil {
		c.printf("PROCESS_NAME:  %s\n\n", c.process(at).Name)
	}
	frames, err := c.Frames(c.ctx, c.Context(), maxCause)
	if err != nil && len(frames) == 0 {
		return err
	}
	cause := c.cause(frames, b)
	if verbose {
		if t, err := c.currentThread(); err == nil {
			if f, ok := c.try(t, "_KTHREAD", "TrapFrame"); ok && f != 0 {
				c.printf("TRAP_FRAME:  %s -- (.trap 0x%x)\n\n", hex(c.s, f), f)
			}
		}
		c.printf("STACK_TEXT:\n")
		if err := c.WriteStack(c.ctx, c.Context(), 0, ""); err != nil {
			c.printf("%v\n", err)
		}
		c.printf("\n")
	}
	if cause == 0 {
		return nil
	}
	name := c.locate(cause)
	module, function, _ := strings.Cut(name, "!")
	plain, _, _ := strings.Cut(function, "+")
	plain = strings.TrimSpace(plain)
	c.printf("FAULTING_IP:\n%s\n%s\n\nSYMBOL_NAME:  %s\n\nMODULE_NAME: %s\n\nIMAGE_NAME:  %s\n\n", name, tick(c.s, cause), name, module, c.imageAt(cause, module))
	if b.code != 0 {
		c.printf("FAILURE_BUCKET_ID:  0x%X_%s!%s\n\n", b.code, module, plain)
	}
	return nil
}

func (c *call) imageAt(a arch.Addr, module string) string {
	for _, e := range c.s.rows {
		if a >= e.module.Base && uint64(a-e.module.Base) < e.module.Size {
			return e.module.Path
		}
	}
	return module
}

// reporting are functions that report a crash and are not its cause.
var reporting = []string{"DbgBreakPointWithStatus", "RtlpBreakWithStatusInstruction", "KiBugCheckDebugBreak", "KeBugCheck2", "KeBugCheckEx", "KeBugCheck",
	"KiBugCheckDispatch", "KiDispatchTrap", "KiPageFault", "KiDivideErrorFault", "KiInvalidOpcodeFault", "KiGeneralProtectionFault", "KiDoubleFaultAbort",
	"KiExceptionDispatch", "KiDispatchException", "KiFastFailDispatch", "MmAccessFault", "KdCheckForDebugBreak", "KeUpdateSystemTime", "KeAccumulateTicks"}

// cause is the first place on the stack that does not report the crash; a parameter
// that is its code's address goes first.
func (c *call) cause(frames []*arch.Registers, b crashed) arch.Addr {
	if known, ok := bugcheckOf(uint32(b.code)); ok && known.Place > 0 {
		if v := b.params[known.Place-1]; c.s.kernelSpace(v) {
			return c.s.address(v)
		}
	}
	for _, f := range frames {
		_, function, _ := strings.Cut(c.locate(f.PC()), "!")
		function, _, _ = strings.Cut(function, "+")
		function, _, _ = strings.Cut(function, " ")
		skip := false
		for _, r := range reporting {
			skip = skip || function == r
		}
		if !skip {
			return f.PC()
		}
	}
	if len(frames) > 0 {
		return frames[0].PC()
	}
	return 0
}

func (c *call) crash() error {
	return c.order(targets.Crash)
}

func (c *call) reboot() error {
	return c.order(targets.Reboot)
}

// order has the far end do what it is not asked about twice.
func (c *call) order(k targets.Kind) error {
	q, ok := c.Target().(targets.Queryer)
	if !ok {
		return fmt.Errorf("this connection has no word for it")
	}
	if err := q.Set(c.ctx, k, "", nil); err != nil {
		return err
	}
	c.Changed(targets.Effect{Resumed: true})
	return nil
}

// Trap frames and contexts of x64 as they lie in memory (ntddk.h's KTRAP_FRAME,
// winnt.h's CONTEXT): registers in order of their offsets.
var (
	trapLayout = map[string]int{"rax": 0x30, "rcx": 0x38, "rdx": 0x40, "r8": 0x48, "r9": 0x50, "r10": 0x58, "r11": 0x60, "rbx": 0x140, "rdi": 0x148, "rsi": 0x150,
		"rbp": 0x158, "rip": 0x168, "cs": 0x170, "eflags": 0x178, "rsp": 0x180, "ss": 0x188}
	contextLayout = map[string]int{"cs": 0x38, "ss": 0x42, "eflags": 0x44, "rax": 0x78, "rcx": 0x80, "rdx": 0x88, "rbx": 0x90, "rsp": 0x98, "rbp": 0xa0, "rsi": 0xa8,
		"rdi": 0xb0, "r8": 0xb8, "r9": 0xc0, "r10": 0xc8, "r11": 0xd0, "r12": 0xd8, "r13": 0xe0, "r14": 0xe8, "r15": 0xf0, "rip": 0xf8}
)

const (
	trapLen    = 0x190
	contextLen = 0x100
)

// sizes of the registers that are not 64 bits wide, bytes.
var narrow = map[string]int{"cs": 2, "ss": 2, "eflags": 4}

// The same of x86. A trap in the kernel pushes no stack pointer: it is where one would be.
var (
	trapLayout32 = map[string]int{"edx": 0x3c, "ecx": 0x40, "eax": 0x44, "edi": 0x54, "esi": 0x58, "ebx": 0x5c, "ebp": 0x60, "eip": 0x68, "cs": 0x6c, "eflags": 0x70,
		"esp": 0x74, "ss": 0x78}
	contextLayout32 = map[string]int{"edi": 0x9c, "esi": 0xa0, "ebx": 0xa4, "edx": 0xa8, "ecx": 0xac, "eax": 0xb0, "ebp": 0xb4, "eip": 0xb8, "cs": 0xbc,
		"eflags": 0xc0, "esp": 0xc4, "ss": 0xc8}
)

const (
	trapLen32    = 0x7c
	contextLen32 = 0xcc
)

func (c *call) trap() error {
	if c.s.width() == 4 {
		return c.lookFrom(trapLayout32, trapLen32)
	}
	return c.lookFrom(trapLayout, trapLen)
}

func (c *call) cxr() error {
	if c.s.width() == 4 {
		return c.lookFrom(contextLayout32, contextLen32)
	}
	return c.lookFrom(contextLayout, contextLen)
}

// lookFrom reads registers from memory and looks from there.
func (c *call) lookFrom(layout map[string]int, length int) error {
	if len(c.words) == 0 {
		c.printf("Resetting default scope\n")
		return c.SetContext(c.ctx, systems.Context{})
	}
	v, err := c.number(0, 0)
	if err != nil {
		return err
	}
	at := uint64(c.s.address(v))
	p := make([]byte, length)
	if !c.reader.read(arch.Addr(at), p) {
		return c.end()
	}
	own, err := c.Target().Registers(c.ctx, c.Processor())
	if err != nil {
		return err
	}
	regs := arch.NewRegisters(own.Set)
	for name, off := range layout {
		var b [8]byte
		n := c.s.width()
		if w := narrow[name]; w > 0 {
			n = w
		}
		copy(b[:n], p[off:])
		regs.PutName(name, le64(b[:]))
	}
	if length == trapLen32 && le64(append(p[trapLayout32["cs"]:][:2:2], make([]byte, 6)...))&1 == 0 {
		regs.SetSP(arch.Addr(at) + arch.Addr(trapLayout32["esp"]))
		if i, ok := regs.Set.Index("ss"); ok {
			regs.Forget(i)
		}
	}
	regs.Interrupted = true
	now := c.Context()
	now.Registers = regs
	if err := c.SetContext(c.ctx, now); err != nil {
		return err
	}
	return c.WriteRegisters(c.ctx, regs)
}

func (c *call) vertarget() error {
	lines, err := c.s.Banner(c.ctx, c.Desk)
	for _, l := range lines {
		c.printf("%s\n", l)
	}
	return err
}

// products are Windows versions by the first build of each. Debuggers call all since 10 by that name.
var products = []struct {
	build int
	name  string
}{
	{10240, "10"}, {9600, "8.1"}, {9200, "8"}, {7600, "7"}, {6001, "Server 2008/Windows Vista"}, {6000, "Vista"}, {3790, "Server 2003"}, {2600, "XP"}, {2195, "2000"},
}

// Product is the name of a build, "Windows 7"; "Windows" when it is not known.
func Product(build int) string {
	for _, p := range products {
		if build >= p.build {
			return "Windows " + p.name
		}
	}
	return "Windows"
}

// Places in KUSER_SHARED_DATA (ntddk.h), which x64 has mapped at one address.
const (
	sharedData    = 0xfffff78000000000
	sharedData32  = 0xffdf0000
	sharedUptime  = 0x08 // interrupt time, 100 ns
	sharedTime    = 0x14 // system time, 100 ns since 1601
	sharedDataLen = 0x2c
)

// Banner is what a debugger says of the kernel it is connected to, by lines.
func (s *System) Banner(ctx context.Context, w systems.World) ([]string, error) {
	k, err := s.known(ctx, w)
	if err != nil {
		return nil, err
	}
	var out []string
	r := s.reader(ctx, w)
	if k.trouble != nil {
		const line = "**************************************************************************"
		out = append(out, line, k.trouble.Error(), line)
	}
	if k.Build > 0 {
		all, err := w.Target().Threads(ctx)
		if err != nil {
			return out, err
		}
		multi, checked := "MP", "Free"
		if strings.Contains(k.Lab, "chk") {
			checked = "Checked"
		}
		cpu := "x64"
		if k.bits == 32 {
			cpu = "x86 compatible"
		}
		out = append(out, fmt.Sprintf("%s Kernel Version %d %s (%d procs) %s %s", Product(k.Build), k.Build, multi, len(all), checked, cpu), "Built by: "+k.Lab)
	}
	out = append(out, "Machine Name:", fmt.Sprintf("Kernel base = 0x%s PsLoadedModuleList = 0x%s", tick(s, k.Base), tick(s, k.Modules)))
	return append(out, r.times()...), nil
}

// times are the session's and the machine's, or why they are not there.
func (r *reader) times() []string {
	p := make([]byte, sharedDataLen)
	at := arch.Addr(sharedData)
	if r.s.width() == 4 {
		at = sharedData32
	}
	if !r.read(at, p) {
		_ = r.settle()
		return []string{"System Uptime: not available"}
	}
	up, now := le64(p[sharedUptime:]), le64(p[sharedTime:])
	if now == 0 {
		return []string{"System Uptime: not available"}
	}
	const since1601 = 116444736000000000 // 1970 in 100 ns
	t := time.Unix(0, (int64(now)-since1601)*100).UTC()
	days, rest := up/864_000_000_000, time.Duration(up%864_000_000_000)*100
	return []string{
		fmt.Sprintf("Debug session time: %s (UTC + 0:00)", t.Format("Mon Jan _2 15:04:05.000 2006")),
		fmt.Sprintf("System Uptime: %d days %d:%02d:%02d.%03d", days, int(rest.Hours()), int(rest.Minutes())%60, int(rest.Seconds())%60, rest.Milliseconds()%1000),
	}
}
