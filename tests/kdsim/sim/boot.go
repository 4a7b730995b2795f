package sim

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// layout is where things lie in memory.
type layout struct {
	kernel, hal, driver uint64
	pool, poolSize      uint64
	stack, pcr, loader  uint64
	shared              uint64 // KUSER_SHARED_DATA
	odd                 uint64 // transition, prototype and paged-out pages
	image, peb          uint64 // of the user process
	self                int    // entry of the root that leads to the root
	from                int    // first entry of the root that all address spaces share
	large               uint64 // size of a large page
}

// layouts are as in a 64-bit Windows 8.1 and as in 32-bit systems, by the width of an address.
var layouts = map[int]layout{
	8: {kernel: 0xfffff80112600000, hal: 0xfffff80112400000, driver: 0xfffff88004120000, pool: 0xffffe00000000000, poolSize: 0x400000,
		stack: 0xffffd00020000000, pcr: 0xffffd00021000000, loader: 0xffffd00022000000, shared: 0xfffff78000000000, odd: 0xffffc00000000000,
		image: 0x7ff6a0000000, peb: 0x7ff6a1000000, self: 0x1ed, from: 256, large: 2 << 20},
	4: {kernel: 0x80400000, hal: 0x80a00000, driver: 0xf7510000, pool: 0x82000000, poolSize: 0x400000,
		stack: 0xf8a00000, pcr: 0xf8b00000, loader: 0x80b00000, shared: 0xffdf0000, odd: 0xe1000000,
		image: 0x400000, peb: 0x7ffd8000, self: 0x300, from: 512, large: 4 << 20},
}

const memorySize = 64 << 20

// computer is the machine with its guest in memory.
type computer struct {
	word   int // bytes of an address
	at     layout
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
	c := &computer{word: g.kernel.word, at: layouts[g.kernel.word], mem: newPhysical(memorySize), guest: g}
	c.mem.two = c.word == 4
	c.spaces()
	kernel, err := place(c.mem, c.root, g.kernel, c.at.kernel, `\SystemRoot\system32\ntoskrnl.exe`, 0)
	if err != nil {
		return nil, err
	}
	c.kernel = kernel
	hal, err := place(c.mem, c.root, g.hal, c.at.hal, `\SystemRoot\system32\hal.dll`, 0, kernel)
	if err != nil {
		return nil, err
	}
	demo, err := place(c.mem, c.user, g.demo, c.at.image, `C:\demo\demo.exe`, pteUser)
	if err != nil {
		return nil, err
	}
	for at := c.at.pool; at < c.at.pool+c.at.poolSize; at += c.at.large { // large pages
		frames := (c.mem.free + c.at.large - 1) &^ (c.at.large - 1)
		c.mem.free = frames + c.at.large
		for _, r := range []uint64{c.root, c.user} {
			c.mem.enter(r, at, frames|ptePresent|pteWrite|pteDirty|pteNX, c.at.large)
		}
	}
	for at, size := range map[uint64]uint64{c.at.stack: uint64(processors) * 0x8000, c.at.pcr: uint64(processors) * 0x8000, c.at.loader: 0x4000, c.at.shared: page} {
		c.mem.provide(c.root, at, size, pteWrite|pteNX)
	}
	c.oddPages()
	c.userData(demo)
	c.loaderBlock(processors, kernel, hal, demo)
	for i := range processors {
		p := newProcessor(i, c.word, c.mem, &g.code)
		p.cr3, p.ports = c.root, c.port
		p.gs = c.at.pcr + uint64(i)*0x8000
		p.gdt, p.gdtSize, p.tr = p.gs+0x7000, 0x57, 0x40
		p.r[rsp] = c.at.stack + uint64(i)*0x8000 + 0x7000 - 0x28
		p.r[rcx] = c.at.loader
		if c.word == 4 { // the argument is on the stack
			c.write(c.root, p.r[rsp]+4, c.at.loader)
		}
		p.ip = c.at.kernel + uint64(g.kernel.entry)
		p.halted = i > 0
		c.cpus = append(c.cpus, p)
	}
	return c, nil
}

// spaces makes the page tables of the system and of a user process: one kernel half for
// both, and in each an entry that leads to itself.
func (c *computer) spaces() {
	put := func(root uint64, i int, v uint64) {
		if c.word == 4 {
			c.mem.put32(root+uint64(i)*4, v)
			return
		}
		c.mem.put64(root+uint64(i)*8, v)
	}
	c.root, c.user = c.mem.take(1), c.mem.take(1)
	for i := c.at.from; i < 2*c.at.from; i++ {
		if i != c.at.self && i != int(c.at.pool/c.at.large) { // but where a large page lies
			table := c.mem.take(1) | ptePresent | pteWrite | pteDirty
			put(c.root, i, table)
			put(c.user, i, table)
		}
	}
	for _, r := range []uint64{c.root, c.user} {
		put(r, c.at.self, r|ptePresent|pteWrite|pteDirty)
	}
}

// write puts an address into memory.
func (c *computer) write(root, va, v uint64) {
	c.mem.writeAt(root, va, binary.LittleEndian.AppendUint64(nil, v)[:c.word])
}

// oddPages makes entries of pages that are not valid: one in transition, one
// by a prototype, one in the paging file.
func (c *computer) oddPages() {
	frame := c.mem.take(1)
	c.mem.write(frame, []byte("in transition"))
	c.mem.enter(c.root, c.at.odd, frame|1<<11|4<<5, page)
	if c.word == 4 {
		c.mem.enter(c.root, c.at.odd+page, 0x12345<<11|1<<10, page)
		c.mem.enter(c.root, c.at.odd+2*page, 0x1234<<12|4<<5, page)
		return
	}
	c.mem.enter(c.root, c.at.odd+page, 0x8a0012345<<16|1<<10, page)
	c.mem.enter(c.root, c.at.odd+2*page, 0x1234<<32|4<<5, page)
}

// environment is where the members lie that userData writes: of PEB, PEB_LDR_DATA,
// LDR_DATA_TABLE_ENTRY, RTL_USER_PROCESS_PARAMETERS and TEB (winternl.h, public
// descriptions), by the width of an address.
var environment = map[int]struct{ image, ldr, params, session, lists, base, entry, size, full, name, check, stamp, path, line, self, id, peb uint64 }{
	8: {0x10, 0x18, 0x20, 0x2c0, 0x10, 0x30, 0x38, 0x40, 0x48, 0x58, 0x80, 0x9c, 0x60, 0x70, 0x30, 0x40, 0x60},
	4: {0x08, 0x0c, 0x10, 0x1d4, 0x0c, 0x18, 0x1c, 0x20, 0x24, 0x2c, 0x40, 0x44, 0x38, 0x40, 0x18, 0x20, 0x30},
}

// userData writes the process environment, and a list of its modules.
func (c *computer) userData(demo *placed) {
	e, w, peb := environment[c.word], uint64(c.word), c.at.peb
	c.mem.provide(c.user, peb, 0x4000, pteWrite|pteUser|pteNX)
	put := func(off, v uint64) { c.write(c.user, peb+off, v) }
	put32 := func(off, v uint64) {
		c.mem.writeAt(c.user, peb+off, binary.LittleEndian.AppendUint32(nil, uint32(v)))
	}
	text := func(off, to uint64, s string) {
		b := wide(s)
		c.mem.writeAt(c.user, peb+to, b)
		put32(off, uint64(len(b)-2)|uint64(len(b))<<16)
		put(off+w, peb+to)
	}
	const ldr, entry, params, teb = 0x1000, 0x1100, 0x1800, 0x3000
	put(e.image, demo.at)
	put(e.ldr, peb+ldr)
	put(e.params, peb+params)
	put32(e.session, 1)
	put32(ldr, 0x58)
	put32(ldr+4, 1)
	for i := uint64(0); i < 3; i++ { // three lists through one entry
		head, link := ldr+e.lists+2*w*i, entry+2*w*i
		for _, at := range []uint64{0, w} {
			put(head+at, peb+link)
			put(link+at, peb+head)
		}
	}
	put(entry+e.base, demo.at)
	put(entry+e.entry, demo.at+uint64(demo.entry))
	put32(entry+e.size, uint64(len(demo.mem)))
	text(entry+e.full, 0x1300, demo.path)
	text(entry+e.name, 0x1400, "demo.exe")
	put32(entry+e.check, uint64(demo.check))
	put32(entry+e.stamp, uint64(demo.stamp))
	text(params+e.path, 0x1500, demo.path)
	text(params+e.line, 0x1600, demo.path+` /quick`)
	put(teb+e.self, peb+teb)
	put(teb+e.id, 0x1a4)
	put(teb+e.peb, peb)
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
		le.PutUint64(b[16+8*i:], c.at.pcr+uint64(i)*0x8000)
		le.PutUint64(b[80+8*i:], c.at.stack+uint64(i)*0x8000+0x7000)
	}
	for i, v := range []uint64{c.root, c.user, c.at.peb, c.at.peb + 0x3000, c.at.pool, c.at.poolSize} {
		le.PutUint64(b[144+8*i:], v)
	}
	c.mem.writeAt(c.root, c.at.loader, b)
	at := c.at.loader + loaderHead
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
	d, err := place(c.mem, c.root, c.guest.driver, c.at.driver, `\SystemRoot\System32\drivers\sample.sys`, 0, c.kernel)
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
	if c.mem.readAt(c.root, at, b[:c.word]); binary.LittleEndian.Uint64(b[:]) == 0 {
		return 0
	}
	return at
}
