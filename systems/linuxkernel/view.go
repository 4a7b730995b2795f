package linuxkernel

import (
	"fmt"
	"slices"
	"strings"

	"dap-windbg/arch"
)

// This file shows tables of the kernel's that are lists of one thing: modules,
// interrupts, timers.

var viewRows = []row{
	{"!lsmod", "!lsmod [Pattern]", "loaded modules as lsmod lists them", listModules},
	{"!irq", "!irq [Number]", "interrupts with their counts by processor, chips and handlers", interrupts},
	{"!irqs", "!irqs [Number]", "as !irq", interrupts},
	{"!idt", "!idt [-a] [Number]", "interrupt descriptor table; -a with entries that lead to the common stub", descriptors},
	{"!timer", "!timer [CPU]", "timers that are pending, by processor", timers},
}

// refsBase is what the count of a module's users begins at while it is loaded
// (MODULE_REF_BASE, kernel/module/main.c).
const refsBase = 1

func listModules(c *command) error {
	if err := c.most(1); err != nil {
		return err
	}
	c.printf("Module                  Size  Used by\n")
	for at := range c.list(c.symbol("modules"), "module", "list") {
		name := c.textOf(at, "module", "name", moduleNameLen)
		if c.get(at, "module", "state") == unformed || len(c.args) > 0 && !strings.Contains(name, strings.Trim(c.args[0], `"`)) {
			continue
		}
		size := uint64(0)
		for _, p := range c.parts(at) {
			size += p.Size
		}
		refs := int64(c.get(at, "module", "refcnt.counter")) - refsBase
		var users []string
		for use := range c.list(c.at(at, "module", "source_list"), "module_use", "source_list") {
			users = append(users, c.textOf(arch.Addr(c.get(use, "module_use", "source")), "module", "name", moduleNameLen))
		}
		if c.get(at, "module", "init") != 0 && c.get(at, "module", "exit") == 0 {
			users = append(users, "[permanent]")
		}
		if c.stuck() {
			return nil
		}
		c.printf("%s\n", strings.TrimRight(fmt.Sprintf("%-19s %8d  %d %s", name, size, refs, strings.Join(users, ",")), " "))
	}
	return nil
}

// textOf is a string that is a member of a structure.
func (r *reader) textOf(base arch.Addr, typ, member string, limit int) string {
	return r.text(r.at(base, typ, member), limit)
}

// irq is an interrupt and its struct irq_desc.
type irq struct {
	number uint64
	desc   arch.Addr
}

// irqs lists the interrupts: an xarray (radix tree) until 6.4, a maple tree after.
func (r *reader) irqs() []irq {
	var out []irq
	walk := r.mapleTree
	at, ok := r.lookup("irq_desc_tree")
	if ok {
		walk = r.xarray
	} else {
		at = r.symbol("sparse_irqs")
	}
	for n, desc := range walk(at) {
		if out = append(out, irq{n, desc}); r.stuck() {
			break
		}
	}
	return out
}

func interrupts(c *command) error {
	if err := c.most(1); err != nil {
		return err
	}
	only, err := c.value(0, ^uint64(0))
	if err != nil {
		return err
	}
	online := c.online()
	c.printf("    ")
	for _, on := range online {
		c.printf("%11s", fmt.Sprintf("CPU%d", on.number))
	}
	c.printf("\n")
	for _, i := range c.irqs() {
		if only != ^uint64(0) && i.number != only {
			continue
		}
		c.interrupt(i, online)
		if c.stuck() {
			return nil
		}
	}
	return nil
}

// interrupt writes one row as /proc/interrupts has it, with the handlers' names.
func (c *command) interrupt(i irq, online []cpu) {
	counts := arch.Addr(c.get(i.desc, "irq_desc", "kstat_irqs"))
	action := arch.Addr(c.get(i.desc, "irq_desc", "action"))
	var sum uint64
	var row strings.Builder
	for _, on := range online {
		n := uint64(0)
		if counts != 0 {
			n = c.uint(counts+on.offset, 4)
		}
		sum += n
		fmt.Fprintf(&row, " %10d", n)
	}
	if action == 0 && sum == 0 {
		return
	}
	chip := ""
	if at := arch.Addr(c.get(i.desc, "irq_desc", "irq_data.chip")); at != 0 {
		chip = c.text(arch.Addr(c.get(at, "irq_chip", "name")), 64)
	}
	kind := "edge"
	if common := c.field("irq_desc", "irq_common_data"); c.uint(i.desc+common.offset, 4)>>13&1 == 1 { // IRQD_LEVEL; the states come first
		kind = "level"
	}
	if p := arch.Addr(c.get(i.desc, "irq_desc", "name")); p != 0 { // how it is handled
		kind = c.text(p, 64)
	}
	c.printf("%4d:%s  %s %d-%s  %s\n", i.number, row.String(), chip, c.get(i.desc, "irq_desc", "irq_data.hwirq"), kind, strings.Join(c.actions(action), ", "))
}

// actions names who handles an interrupt.
func (c *command) actions(at arch.Addr) []string {
	var names []string
	for ; at != 0 && len(names) < 64 && !c.stuck(); at = arch.Addr(c.get(at, "irqaction", "next")) {
		name := "-"
		if p := arch.Addr(c.get(at, "irqaction", "name")); p != 0 {
			name = c.text(p, 64)
		}
		names = append(names, fmt.Sprintf("%s (%s)", name, bare(c.located(arch.Addr(c.get(at, "irqaction", "handler"))))))
	}
	return names
}

// gate reads the handler of an interrupt table's entry (Intel SDM volume 3, 7.14.1).
func gate(p []byte) arch.Addr {
	word := func(i int) arch.Addr { return arch.Addr(p[i]) | arch.Addr(p[i+1])<<8 }
	return word(0) | word(6)<<16 | word(8)<<32 | word(10)<<48
}

// descriptors is !idt.
func descriptors(c *command) error {
	set, err := c.options("-", "a")
	if err != nil {
		return err
	}
	if err := c.most(1); err != nil {
		return err
	}
	only, err := c.value(0, ^uint64(0))
	if err != nil {
		return err
	}
	const size, exceptions = 16, 32
	table := c.symbol("idt_table")
	raw := make([]byte, 256*size)
	if !c.read(table, raw) {
		return nil
	}
	vectors := c.vectors()
	c.printf("Dumping IDT: %s\n\n", address(table))
	for n := range 256 {
		p := raw[size*n : size*(n+1)]
		at, present := gate(p), p[5]&0x80 != 0
		name := c.d.Locate(at)
		function := strings.TrimLeft(bare(name), "_")
		used := strings.HasPrefix(function, "irq_entries") && vectors[n] != ""
		if used {
			name += "  " + vectors[n]
		}
		common := strings.HasPrefix(function, "early_idt_handler") || n >= exceptions && !used && (strings.HasPrefix(function, "irq_entries") || strings.HasPrefix(function, "spurious_entries"))
		if only != ^uint64(0) && uint64(n) != only || only == ^uint64(0) && !set["a"] && (!present || common) {
			continue
		}
		stack := ""
		if ist := p[4] & 7; ist != 0 {
			stack = fmt.Sprintf("  stack %d", ist)
		}
		c.printf("%02x:\t%s %s%s\n", n, address(at), name, stack)
	}
	return nil
}

// vectors names the interrupts that vectors of the processors are for (vector_irq).
func (c *command) vectors() map[int]string {
	out := map[int]string{}
	if _, ok := c.lookup("vector_irq"); !ok {
		return out
	}
	for _, on := range c.online() {
		first := c.perCPU("vector_irq", on)
		c.touch(first, 256*8)
		for n := range 256 {
			desc := c.pointer(first + arch.Addr(8*n))
			if c.stuck() {
				return out
			}
			if uint64(desc) < lowestKernel || int64(desc) >= -2 { // unused, or on its way out
				continue
			}
			who := strings.Join(c.actions(arch.Addr(c.get(desc, "irq_desc", "action"))), ", ")
			out[n] = strings.TrimSpace(fmt.Sprintf("irq %d %s", c.get(desc, "irq_desc", "irq_data.irq"), who))
		}
	}
	return out
}

// timer is a struct timer_list or hrtimer that waits.
type timer struct {
	at, function arch.Addr
	due          int64 // from now
}

func timers(c *command) error {
	if err := c.most(1); err != nil {
		return err
	}
	only, err := c.value(0, ^uint64(0))
	if err != nil {
		return err
	}
	now := c.uint(c.symbol("jiffies"), 8)
	for _, on := range c.online() {
		if only != ^uint64(0) && only != uint64(on.number) {
			continue
		}
		ticks, precise := c.wheel(on, now), c.highTimers(on)
		if c.stuck() {
			return nil
		}
		c.printf("CPU %d  jiffies %x\n   Timer             Due                   Function\n", on.number, now)
		c.timers(ticks, "ticks")
		c.timers(precise, "ns")
	}
	return nil
}

func (c *command) timers(list []timer, unit string) {
	slices.SortStableFunc(list, func(a, b timer) int { return int(min(max(a.due-b.due, -1), 1)) })
	for _, t := range list {
		c.printf("   %s  %14d %-5s  %s\n", address(t.at), t.due, unit, c.located(t.function))
	}
}

// wheel lists the timers of a processor's timer_bases (kernel/time/timer.c).
func (c *command) wheel(on cpu, now uint64) []timer {
	var out []timer
	bases, _ := c.w.Type("timer_base")
	if bases == nil {
		c.note(&FieldError{Type: "timer_base"})
		return nil
	}
	vectors, entry := c.field("timer_base", "vectors"), c.field("timer_list", "entry")
	for base := range arch.Addr(2) { // BASE_STD and BASE_DEF; from 6.9 the third is of timers that may move
		at := c.perCPU("timer_bases", on) + base*arch.Addr(bases.ByteSize())
		c.touch(at+vectors.offset, vectors.size)
		for n := range arch.Addr(min(vectors.count(), 1<<12)) {
			for node := c.pointer(at + vectors.offset + 8*n); node != 0 && len(out) < maxList && !c.stuck(); node = c.pointer(node) { // hlist_node.next
				t := node - entry.offset
				out = append(out, timer{t, arch.Addr(c.get(t, "timer_list", "function")), int64(c.get(t, "timer_list", "expires") - now)})
			}
		}
	}
	return out
}

// highTimers lists the hrtimers of a processor: red-black trees by clock.
func (c *command) highTimers(on cpu) []timer {
	var out []timer
	bases := c.perCPU("hrtimer_bases", on)
	clocks := c.field("hrtimer_cpu_base", "clock_base")
	node, due := c.field("hrtimer", "node.node"), c.field("hrtimer", "node.expires")
	now := c.uptime()
	for n := range arch.Addr(min(clocks.count(), 16)) {
		clock := bases + clocks.offset + n*c.sizeOf("hrtimer_clock_base")
		offset := c.get(clock, "hrtimer_clock_base", "offset") // of the clock from the monotonic one
		for at := range c.redBlack(arch.Addr(c.get(clock, "hrtimer_clock_base", "active.rb_root.rb_root.rb_node"))) {
			t := at - node.offset
			out = append(out, timer{t, arch.Addr(c.get(t, "hrtimer", "function")), int64(c.uint(t+due.offset, 8) - offset - now)})
		}
	}
	return out
}
