package sim

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// Where things lie, as in a 64-bit Windows 8.1.
const (
	kernelBase = 0xfffff80112600000
	halBase    = 0xfffff80112400000
	driverBase = 0xfffff88004120000
	poolBase   = 0xffffe00000000000
	poolSize   = 0x400000
	stackBase  = 0xffffd00020000000
	pcrBase    = 0xffffd00021000000
	loaderBase = 0xffffd00022000000
	sharedPage = 0xfffff78000000000 // KUSER_SHARED_DATA
	oddBase    = 0xffffc00000000000 // transition, prototype and paged-out pages
	selfMap    = 0x1ed
	userImage  = 0x7ff6a0000000
	userPeb    = 0x7ff6a1000000
	memorySize = 64 << 20
)

// computer is the machine with its guest in memory.
type computer struct {
	mem    *physical
	cpus   []*processor
	guest  *Guest
	root   uint64
	user   uint64 // page tables of the user process
	kernel *placed
	driver *placed // nil: not loaded
	ticks  uint64
	booted bool

	crowded int // how many modules the kernel's list is to have, 0: those that are there

	pollBreak func() bool   // a clock tick looks at the line
	restart   bool          // the guest asked for it
	command   func() uint32 // what the demonstration thread is to do
	ordered   uint32        // the bug check that the debugger asked for
	ask       uint64        // where the guest wants a module described
	bad       error         // the guest is wrong
}

// newComputer puts the guest into memory, ready to start on its first processor.
func newComputer(g *Guest, processors int) (*computer, error) {
	c := &computer{mem: newPhysical(memorySize), guest: g}
	c.root = c.mem.take(1)
	for i := 256; i < 512; i++ { // one kernel half for all address spaces
		if i != selfMap {
			c.mem.put64(c.root+uint64(i)*8, c.mem.take(1)|ptePresent|pteWrite|pteDirty)
		}
	}
	c.user = c.mem.take(1)
	for i := 256; i < 512; i++ {
		c.mem.put64(c.user+uint64(i)*8, c.mem.u64(c.root+uint64(i)*8))
	}
	for _, r := range []uint64{c.root, c.user} {
		c.mem.put64(r+selfMap*8, r|ptePresent|pteWrite|pteDirty)
	}
	kernel, err := place(c.mem, c.root, g.kernel, kernelBase, `\SystemRoot\system32\ntoskrnl.exe`, 0)
	if err != nil {
		return nil, err
	}
	c.kernel = kernel
	hal, err := place(c.mem, c.root, g.hal, halBase, `\SystemRoot\system32\hal.dll`, 0, kernel)
	if err != nil {
		return nil, err
	}
	demo, err := place(c.mem, c.user, g.demo, userImage, `C:\demo\demo.exe`, pteUser)
	if err != nil {
		return nil, err
	}
	for at := uint64(poolBase); at < poolBase+poolSize; at += 2 << 20 { // large pages
		frames := (c.mem.free + 2<<20 - 1) &^ (2<<20 - 1)
		c.mem.free = frames + 2<<20
		c.mem.enter(c.root, at, frames|ptePresent|pteWrite|pteDirty|pteNX, 2<<20)
	}
	c.mem.provide(c.root, stackBase, uint64(processors)*0x8000, pteWrite|pteNX)
	c.mem.provide(c.root, pcrBase, uint64(processors)*0x8000, pteWrite|pteNX)
	c.mem.provide(c.root, loaderBase, 0x4000, pteWrite|pteNX)
	c.mem.provide(c.root, sharedPage, page, pteWrite|pteNX)
	c.oddPages()
	c.userData(demo)
	c.loaderBlock(processors, kernel, hal, demo)
	for i := range processors {
		p := newProcessor(i, c.mem, &g.code)
		p.cr3, p.ports = c.root, c.port
		p.gs = pcrBase + uint64(i)*0x8000
		p.gdt, p.gdtSize, p.tr = pcrBase+uint64(i)*0x8000+0x7000, 0x57, 0x40
		p.r[rsp] = stackBase + uint64(i)*0x8000 + 0x7000 - 0x28
		p.r[rcx] = loaderBase
		p.ip = kernelBase + uint64(g.kernel.entry)
		p.halted = i > 0
		c.cpus = append(c.cpus, p)
	}
	return c, nil
}

// oddPages makes entries of pages that are not valid: one in transition, one
// by a prototype, one in the paging file.
func (c *computer) oddPages() {
	frame := c.mem.take(1)
	c.mem.write(frame, []byte("in transition"))
	c.mem.enter(c.root, oddBase, frame|1<<11|4<<5, page)
	c.mem.enter(c.root, oddBase+page, 0x8a0012345<<16|1<<10, page)
	c.mem.enter(c.root, oddBase+2*page, 0x1234<<32|4<<5, page)
}

// userData writes the process environment, and a list of its modules.
func (c *computer) userData(demo *placed) {
	c.mem.provide(c.user, userPeb, 0x4000, pteWrite|pteUser|pteNX)
	put := func(off, v uint64) { c.mem.writeAt(c.user, userPeb+off, binary.LittleEndian.AppendUint64(nil, v)) }
	text := func(off, to uint64, s string) {
		b := wide(s)
		c.mem.writeAt(c.user, userPeb+to, b)
		put(off, uint64(len(b)-2)|uint64(len(b))<<16)
		put(off+8, userPeb+to)
	}
	const ldr, entry, params = 0x1000, 0x1100, 0x1800
	put(0x10, demo.at)
	put(0x18, userPeb+ldr)
	put(0x20, userPeb+params)
	put(0x2c0, 1)
	put(ldr, 0x58|1<<32)
	for i := uint64(0); i < 3; i++ { // three lists through one entry
		head, link := userPeb+ldr+0x10+16*i, userPeb+entry+16*i
		put(ldr+0x10+16*i, link)
		put(ldr+0x18+16*i, link)
		put(entry+16*i, head)
		put(entry+16*i+8, head)
	}
	put(entry+0x30, demo.at)
	put(entry+0x38, demo.at+uint64(demo.entry))
	put(entry+0x40, uint64(len(demo.mem)))
	text(entry+0x48, 0x1300, demo.path)
	text(entry+0x58, 0x1400, "demo.exe")
	put(entry+0x80-4, uint64(demo.check)<<32)
	put(entry+0x98, uint64(demo.stamp)<<32)
	text(params+0x60, 0x1500, demo.path)
	text(params+0x70, 0x1600, demo.path+` /quick`)
	const teb = 0x3000
	put(teb+0x30, userPeb+teb)
	put(teb+0x40, 0x1a4)
	put(teb+0x60, userPeb)
}

func wide(s string) []byte {
	var b []byte
	for _, u := range append(utf16.Encode([]rune(s)), 0) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

const (
	moduleLen  = 40 + 128 + 64 + 64 - 8 // LOADER_MODULE of the guest
	loaderHead = 16 + 64 + 64 + 16 + 16 + 16
)

// describe writes what the guest calls a LOADER_MODULE.
func (c *computer) describe(at uint64, m *placed) {
	b := make([]byte, moduleLen)
	le := binary.LittleEndian
	le.PutUint64(b, m.at)
	le.PutUint64(b[8:], m.at+uint64(m.entry))
	le.PutUint32(b[16:], uint32(len(m.mem)))
	le.PutUint32(b[20:], m.check)
	le.PutUint32(b[24:], m.stamp)
	copy(b[32:160], wide(m.path))
	copy(b[160:224], wide(m.name))
	copy(b[224:], m.path)
	c.mem.writeAt(c.root, at, b)
}

func (c *computer) loaderBlock(processors int, kernel, hal, demo *placed) {
	le := binary.LittleEndian
	b := make([]byte, loaderHead)
	le.PutUint32(b, uint32(processors))
	le.PutUint32(b[4:], 2)
	le.PutUint32(b[8:], 1)
	le.PutUint32(b[12:], 9600)
	for i := range processors {
		le.PutUint64(b[16+8*i:], pcrBase+uint64(i)*0x8000)
		le.PutUint64(b[80+8*i:], stackBase+uint64(i)*0x8000+0x7000)
	}
	for i, v := range []uint64{c.root, c.user, userPeb, userPeb + 0x3000, poolBase, poolSize} {
		le.PutUint64(b[144+8*i:], v)
	}
	c.mem.writeAt(c.root, loaderBase, b)
	at := uint64(loaderBase + loaderHead)
	c.describe(at, kernel)
	c.describe(at+moduleLen, hal)
	c.describe(at+8*moduleLen, demo)
}

// Ports of the guest.
const (
	portBreak   = 0x2e8 // in: whether the debugger asks for a break
	portModule  = 0x2ec // out: where to describe the driver, low and (+1) high half; in: whether it came
	portRestart = 0x2ee
	portCommand = 0x2f0
	portCPU     = 0x2f4 // in: number of the processor; out: start the others
	portBooted  = 0x2f5
	portCrash   = 0x2f6 // in: the bug check that the debugger asked for
)

func (c *computer) port(p *processor, port uint16, size int, out bool, v uint32) uint32 {
	switch {
	case port == portBreak && !out:
		if c.pollBreak != nil && c.pollBreak() {
			return 1
		}
	case port == portModule && out:
		c.ask = uint64(v)
	case port == portModule+1 && out:
		c.ask |= uint64(v) << 32
	case port == portModule:
		return c.loadDriver()
	case port == portRestart && out:
		c.restart = true
	case port == portCommand && !out:
		if c.command != nil {
			return c.command()
		}
	case port == portCPU && out:
		for _, q := range c.cpus {
			q.halted = false
		}
	case port == portCPU:
		return uint32(p.number)
	case port == portCrash:
		return c.ordered
	case port == portBooted:
		c.booted = true
		c.crowd()
	default:
		return ^uint32(0)
	}
	return 0
}

func (c *computer) loadDriver() uint32 {
	if c.driver != nil {
		unplace(c.mem, c.root, c.driver)
	}
	d, err := place(c.mem, c.root, c.guest.driver, driverBase, `\SystemRoot\System32\drivers\sample.sys`, 0, c.kernel)
	if err != nil {
		c.bad = err
		return 0
	}
	c.driver = d
	for _, p := range c.cpus {
		p.flush()
	}
	c.describe(c.ask, d)
	return 1
}

// slice is how many instructions a processor executes before the next has its turn.
const slice = 2000

// stopEvent says which processor ended a run, and why.
type stopEvent struct {
	cpu *processor
	why event
}

// run lets all processors work until one of them traps, or all wait for an
// interrupt, or turns are used up.
func (c *computer) run(turns int) (stopEvent, bool) {
	for range turns {
		idle := true
		for _, p := range c.cpus {
			switch e := p.run(slice); e {
			case ran:
				idle = false
			case halted:
			default:
				return stopEvent{p, e}, true
			}
		}
		if idle || c.restart {
			return stopEvent{}, false
		}
	}
	return stopEvent{}, false
}

// tick delivers the clock interrupt where it is allowed.
func (c *computer) tick() {
	c.ticks++
	for _, p := range c.cpus {
		if p.flags&flagI != 0 && !p.interrupt(0xd1, 0, false) {
			c.bad = fmt.Errorf("processor %d has no clock handler", p.number)
		}
	}
}

// symbol is the address of an export of the kernel.
func (c *computer) symbol(name string) uint64 {
	if rva, ok := c.kernel.exports[name]; ok {
		return c.kernel.at + uint64(rva)
	}
	return 0
}

// symbolOf is the address of an exported variable once the guest has set it up,
// 0 before.
func (c *computer) symbolOf(name string) uint64 {
	at := c.symbol(name)
	var b [8]byte
	if c.mem.readAt(c.root, at, b[:]); binary.LittleEndian.Uint64(b[:]) == 0 {
		return 0
	}
	return at
}
