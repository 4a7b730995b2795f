package windbg

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/targets"
)

// This file holds what a whole machine has and a process has not: physical memory,
// model-specific registers, I/O ports, descriptors, the switch.

var machineCommands = []command{
	{"!db", "!db [/c N] [Range]", "bytes of physical memory", stopped, physically("db")},
	{"!dc", "!dc [/c N] [Range]", "double words and characters of physical memory", stopped, physically("dc")},
	{"!dd", "!dd [/c N] [Range]", "double words of physical memory", stopped, physically("dd")},
	{"!dp", "!dp [/c N] [Range]", "pointer-sized words of physical memory", stopped, physically("dp")},
	{"!dq", "!dq [/c N] [Range]", "quad words of physical memory", stopped, physically("dq")},
	{"!dw", "!dw [/c N] [Range]", "words of physical memory", stopped, physically("dw")},
	{"!da", "!da [Range]", "ASCII string in physical memory", stopped, physically("da")},
	{"!du", "!du [Range]", "UTF-16 string in physical memory", stopped, physically("du")},
	{"!eb", "!eb Addr Value ...", "write bytes of physical memory", stopped, physically("eb")},
	{"!ed", "!ed Addr Value ...", "write double words of physical memory", stopped, physically("ed")},
	{"fp", "fp Range Pattern", "fill physical memory", stopped, physically("f")},
	{"up", "up [Addr [LCount]]", "disassemble physical memory", stopped, ofMachine("physical memory is a kernel's", disassemblePhysical)},
	{"rdmsr", "rdmsr Number", "model-specific register of the selected processor", stopped, ofMachine("model-specific registers are a kernel's", readMSR)},
	{"wrmsr", "wrmsr Number Value", "write a model-specific register", stopped, ofMachine("model-specific registers are a kernel's", writeMSR)},
	{"ib", "ib Port", "byte from an I/O port", stopped, ofMachine(portsAreKernels, readPort)},
	{"iw", "iw Port", "word from an I/O port", stopped, ofMachine(portsAreKernels, readPort)},
	{"id", "id Port", "double word from an I/O port", stopped, ofMachine(portsAreKernels, readPort)},
	{"ob", "ob Port Value", "byte to an I/O port", stopped, ofMachine(portsAreKernels, writePort)},
	{"ow", "ow Port Value", "word to an I/O port", stopped, ofMachine(portsAreKernels, writePort)},
	{"od", "od Port Value", "double word to an I/O port", stopped, ofMachine(portsAreKernels, writePort)},
	{"dg", "dg First [Last]", "segment descriptors by their selectors", stopped, ofMachine("segment descriptors are a kernel's", displayDescriptors)},
	{".reboot", ".reboot", "restart the machine now", stopped | powerful, ofMachine("a process is started again by .restart", reboot)},
	{".crash", ".crash", "have the machine's system crash now", stopped | powerful, ofMachine("a process is ended by .kill", crash)},
	{".kdfiles", ".kdfiles [MapFile|Folder|-c]", "driver files that the machine gets when it asks for them", stopped | local | powerful, ofMachine("driver files are a kernel's", driverFiles)},
	{".cache", ".cache [flushall]", "memory is read once a stop; flushall reads it again", stopped, machineCache},
}

const portsAreKernels = "I/O ports are a kernel's"

// ofMachine refuses a command where the debuggee is a process, and says why.
func ofMachine(why string, run func(context.Context, *call) error) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		if !c.v.Live().Info().Machine {
			return refused(why)(ctx, c)
		}
		return run(ctx, c)
	}
}

// physically is a command over memory, on physical addresses.
func physically(name string) func(context.Context, *call) error {
	return ofMachine("physical memory is a kernel's", func(ctx context.Context, c *call) error {
		cmd, _ := c.i.registry.find(name)
		kept := c.i.cursor
		defer func() { c.i.cursor = kept }()
		c.space.Physical = true
		c.cmd = cmd
		return cmd.Run(ctx, c)
	})
}

// physicalOption takes "/p" before the arguments of a command over memory.
func (c *call) physicalOption() error {
	c.skip()
	if !strings.HasPrefix(c.line, "/p") || len(c.line) > 2 && !isSpace(c.line[2]) {
		return nil
	}
	if !c.v.Live().Info().Machine {
		return c.caret("Operation not supported by current debuggee", 0)
	}
	c.drop(2)
	c.space.Physical = true
	return nil
}

// queryer is what the far end answers odds and ends with.
func (c *call) queryer() (targets.Queryer, error) {
	q, ok := c.v.Target().(targets.Queryer)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return q, nil
}

// refusedBy says which far end has no word for a command.
func (c *call) refusedBy(err error) error {
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return &Error{Text: fmt.Sprintf("%s does not serve %s", c.v.Live().Info().Stub, c.cmd.Name), Err: err}
}

func readMSR(ctx context.Context, c *call) error {
	n, err := c.oneNumber(ctx)
	if err != nil {
		return err
	}
	q, err := c.queryer()
	if err != nil {
		return c.refusedBy(err)
	}
	raw, err := q.Query(ctx, targets.MSR, fmt.Sprintf("%x", n))
	if err != nil {
		return c.refusedBy(err)
	}
	v := wide(raw)
	c.printf("msr[%x] = %08x`%08x\n", n, v>>32, uint32(v))
	return nil
}

// wide is a little-endian number of up to 8 bytes.
func wide(p []byte) uint64 {
	var full [8]byte
	copy(full[:], p)
	return binary.LittleEndian.Uint64(full[:])
}

// oneNumber reads the only argument.
func (c *call) oneNumber(ctx context.Context) (uint64, error) {
	if !c.more() {
		return 0, c.syntax(0)
	}
	return c.lastNumber(ctx, 0)
}

// twoNumbers reads the only two arguments.
func (c *call) twoNumbers(ctx context.Context) (a, b uint64, err error) {
	if !c.more() {
		return 0, 0, c.syntax(0)
	}
	if a, err = c.number(ctx, 0); err == nil {
		b, err = c.oneNumber(ctx)
	}
	return a, b, err
}

func writeMSR(ctx context.Context, c *call) error {
	n, v, err := c.twoNumbers(ctx)
	if err != nil {
		return err
	}
	q, err := c.queryer()
	if err == nil {
		err = q.Set(ctx, targets.MSR, fmt.Sprintf("%x", n), binary.LittleEndian.AppendUint64(nil, v))
	}
	return c.refusedBy(err)
}

// portSizes are the bytes that the second letter of a port command means.
var portSizes = map[byte]int{'b': 1, 'w': 2, 'd': 4}

func readPort(ctx context.Context, c *call) error {
	n, err := c.oneNumber(ctx)
	if err != nil {
		return err
	}
	size := portSizes[c.cmd.Name[1]]
	q, err := c.queryer()
	var raw []byte
	if err == nil {
		raw, err = q.Query(ctx, targets.IOPort, fmt.Sprintf("%x %x", n, size))
	}
	if err != nil {
		return c.refusedBy(err)
	}
	c.printf("%08x: %0*x\n", n, 2*size, wide(raw))
	return nil
}

func writePort(ctx context.Context, c *call) error {
	n, v, err := c.twoNumbers(ctx)
	if err != nil {
		return err
	}
	size := portSizes[c.cmd.Name[1]]
	q, err := c.queryer()
	if err == nil {
		err = q.Set(ctx, targets.IOPort, fmt.Sprintf("%x %x", n, size), binary.LittleEndian.AppendUint64(nil, v)[:size])
	}
	return c.refusedBy(err)
}

// reboot restarts the machine. The session goes on with what it becomes.
func reboot(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	q, err := c.queryer()
	if err == nil {
		err = q.Set(ctx, targets.Reboot, "", nil)
	}
	if err == nil {
		c.v.Changed(targets.Effect{MemoryChanged: true, ThreadChanged: true})
		return nil
	}
	return c.refusedBy(err)
}

// crash has the far end crash the system; where it cannot, the system's own function
// for that is run next.
func crash(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	q, err := c.queryer()
	if err == nil {
		err = q.Set(ctx, targets.Crash, "", nil)
	}
	if err == nil {
		c.v.Changed(targets.Effect{MemoryChanged: true, ThreadChanged: true})
		return nil
	}
	return c.refusedBy(err)
}

func machineCache(ctx context.Context, c *call) error {
	word := c.word()
	if err := c.end(); err != nil {
		return err
	}
	switch word {
	case "":
		c.printf("Memory that is read is kept until the debuggee runs; .cache flushall drops it\n")
	case "flushall", "flushu", "hold", "unhold", "noforcedecodeuser", "forcedecodeuser", "forcedecodeptes", "dump":
		c.v.Changed(targets.Effect{MemoryChanged: true})
	default:
		if _, ok := plainNumber(word, c.i.options()); !ok {
			return c.syntax(-len(word))
		}
		c.v.Changed(targets.Effect{MemoryChanged: true}) // a size: there is no limit to set
	}
	return nil
}

// disassemblePhysical is up.
func disassemblePhysical(ctx context.Context, c *call) error {
	if !c.more() {
		return c.syntax(0)
	}
	r, err := c.span(ctx, 1, 0)
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	a := c.v.Live().Info().Set.Arch
	count := uint64(8)
	if r.length {
		count = r.bytes
	}
	c.space.Physical = true
	for range min(count, 10000) {
		code, known, err := c.read(ctx, r.start, uint64(a.MaxInst))
		if err != nil {
			return err
		}
		in := engine.Inst{Addr: r.start}
		if in.Inst, in.Err = a.Decode(code[:known], r.start); in.Err != nil || in.Len == 0 {
			in.Len = max(a.MinInst, 1)
		}
		in.Bytes = code[:min(in.Len, known)]
		if known == 0 {
			in.Err = &targets.FaultError{Addr: r.start}
		}
		c.printf("%s\n", c.i.codeRow(c.v, in, a.PtrSize))
		if known == 0 {
			return nil
		}
		r.start += arch.Addr(in.Len)
	}
	return nil
}

// displayDescriptors is dg: descriptors of the global table (Intel SDM volume 3, 3.4.5).
func displayDescriptors(ctx context.Context, c *call) error {
	if !c.more() {
		return c.syntax(0)
	}
	first, err := c.number(ctx, 0)
	if err != nil {
		return err
	}
	last, err := c.lastNumber(ctx, first)
	if err != nil {
		return err
	}
	q, err := c.queryer()
	var raw []byte
	if err == nil {
		raw, err = q.Query(ctx, targets.SystemRegister, "gdtr")
	}
	if err != nil {
		return c.refusedBy(err)
	}
	table := arch.Addr(wide(raw))
	c.printf("                                                    P Si Gr Pr Lo\nSel        Base              Limit          Type    l ze an es ng Flags\n---- ----------------- ----------------- ---------- - -- -- -- -- --------\n")
	for s := first &^ 7; s <= last && s < 1<<16; s += 8 {
		p, known, err := c.read(ctx, table+arch.Addr(s), 16)
		if err != nil || known < 8 {
			return &Error{Text: fmt.Sprintf("Unable to get descriptor %x", s), Err: err}
		}
		c.printf("%s\n", descriptorRow(s, binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:])))
	}
	return nil
}

// descriptorRow is one row of dg; high is the second half of a system descriptor.
func descriptorRow(selector, d, high uint64) string {
	base, limit := d>>16&0xffffff|d>>56<<24, d&0xffff|d>>48&0xf<<16
	pick := func(bit int, set, clear string) string {
		if d>>bit&1 == 1 {
			return set
		}
		return clear
	}
	if d>>55&1 == 1 {
		limit = limit<<12 | 0xfff
	}
	var kind string
	switch {
	case d == 0:
		kind = "<Reserved>"
	case d>>44&1 == 0:
		base |= high << 32
		kind = map[uint64]string{2: "LDT", 9: "TSS64 Avl", 11: "TSS64 Busy"}[d>>40&0xf]
	case d>>43&1 == 1:
		kind = "Code " + pick(41, "RE", "EO") + pick(40, " Ac", "")
	default:
		kind = "Data " + pick(41, "RW", "RO") + pick(40, " Ac", "")
	}
	size := pick(54, "Bg", "Nb")
	return fmt.Sprintf("%04X %08x`%08x %08x`%08x %-10s %d %s %s %s %s %08x", selector, base>>32, uint32(base), limit>>32, uint32(limit), kind, d>>45&3,
		size, pick(55, "Pg", "By"), pick(47, "P ", "Np"), pick(53, "Lo", "Nl"), d>>40&0xff|d>>52&0xf<<12)
}
