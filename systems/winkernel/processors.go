package winkernel

import (
	"fmt"
	"strings"

	"dap-windbg/arch"
)

var processorRows = []row{
	{"!running", "!running [-i] [-t]", "which thread runs on which processor; -i idle ones too, -t with stacks", (*call).runningCommand},
	{"!ready", "!ready [Flags]", "threads that wait for a processor", (*call).ready},
	{"!pcr", "!pcr [Processor]", "a processor's control region", (*call).pcr},
	{"!prcb", "!prcb [Processor]", "a processor's control block", (*call).prcbCommand},
	{"!irql", "!irql [Processor]", "the interrupt level before the debugger was entered", (*call).irql},
	{"!idt", "!idt [-a] [Vector]", "where interrupts lead", (*call).idtCommand},
	{"!cpuinfo", "!cpuinfo", "what the processors are", (*call).cpuinfo},
}

func (c *call) runningCommand() error {
	o := c.options()
	idle, stacks := o["i"] || o["it"] || o["ti"], o["t"] || o["it"] || o["ti"]
	all, err := c.Processors(c.ctx)
	if err != nil {
		return err
	}
	var busy, asleep uint64
	var lines strings.Builder
	blocks := c.prcbs(len(all))
	for i, prcb := range blocks {
		current := c.current(prcb)
		next, _ := c.try(prcb, "_KPRCB", "NextThread")
		own, _ := c.try(prcb, "_KPRCB", "IdleThread")
		busy |= 1 << i
		if uint64(current) == own {
			asleep |= 1 << i
			if !idle {
				continue
			}
		}
		fmt.Fprintf(&lines, "%3x  %s  %s  %s\n", i, hex(c.s, prcb), hex(c.s, current), blankZero(c.s, next))
	}
	c.printf("\nSystem Processors:  (%016x)\n  Idle Processors:  (%016x)\n\n     Prcb              Current           Next\n%s", busy, asleep, lines.String())
	if stacks {
		for i, prcb := range blocks {
			if asleep>>i&1 != 0 && !idle {
				continue
			}
			t := c.thread(c.current(prcb))
			c.printf("\n")
			c.writeThreadStack(t, c.process(t.Attached), "", 0)
		}
	}
	return c.end()
}

func blankZero(s *System, v uint64) string {
	if v == 0 {
		return strings.Repeat(" ", 2*s.width())
	}
	return hex(s, v)
}

// levels is how many priorities there are.
const levels = 32

func (c *call) ready() error {
	n, err := c.processors()
	if err != nil {
		return err
	}
	for i, prcb := range c.prcbs(n) {
		summary, known := c.try(prcb, "_KPRCB", "ReadySummary")
		if !known {
			return c.unknown("_KPRCB", "ReadySummary")
		}
		if summary == 0 {
			c.printf("Processor %d: No threads in READY state\n", i)
			continue
		}
		c.printf("Processor %d: Ready Threads\n", i)
		heads := c.at(prcb, "_KPRCB", "DispatcherReadyListHead")
		links := c.at(0, "_KTHREAD", "WaitListEntry")
		for p := levels - 1; p >= 0; p-- {
			if summary>>p&1 == 0 {
				continue
			}
			for at := range c.list(heads+arch.Addr(p*2*c.s.width()), links) {
				c.printf("%2d ", p)
				c.writeThread(c.thread(at), "")
			}
		}
	}
	return c.end()
}

// region is a processor's KPCR around its KPRCB.
func (c *call) region() (n int, pcr, prcb arch.Addr, err error) {
	n, prcb, err = c.prcb()
	if err != nil {
		return
	}
	m, ok := c.find("_KPCR", "Prcb")
	if !ok {
		return n, 0, prcb, c.unknown("_KPCR", "Prcb")
	}
	return n, prcb - m.off, prcb, nil
}

func (c *call) pcr() error {
	n, pcr, prcb, err := c.region()
	if err != nil {
		return err
	}
	c.printf("KPCR for Processor %d at %s:\n", n, hex(c.s, pcr))
	major, _ := c.try(pcr, "_KPCR", "MajorVersion")
	minor, _ := c.try(pcr, "_KPCR", "MinorVersion")
	c.printf("    Major %d Minor %d\n", major, minor)
	for _, f := range []struct{ label, path string }{{"SelfPcr", "Self"}, {"Prcb", "CurrentPrcb"}, {"IDT", "IdtBase"}, {"GDT", "GdtBase"}, {"TSS", "TssBase"}} {
		v, _ := c.try(pcr, "_KPCR", f.path)
		c.printf("%20s: %s\n", f.label, hex(c.s, v))
	}
	irql, _ := c.try(pcr, "_KPCR", "Irql")
	c.printf("%20s: %d\n\n", "Irql", irql)
	c.threadLines(prcb)
	return c.end()
}

func (c *call) threadLines(prcb arch.Addr) {
	for _, f := range []struct{ label, path string }{{"CurrentThread", "CurrentThread"}, {"NextThread", "NextThread"}, {"IdleThread", "IdleThread"}} {
		v, _ := c.try(prcb, "_KPRCB", f.path)
		c.printf("%20s: %s\n", f.label, hex(c.s, v))
	}
}

func (c *call) prcbCommand() error {
	n, prcb, err := c.prcb()
	if err != nil {
		return err
	}
	c.printf("PRCB for Processor %d at %s:\n", n, hex(c.s, prcb))
	irql, known := c.savedIRQL(prcb)
	if known {
		c.printf("Current IRQL -- %d\n", irql)
	}
	current := c.current(prcb)
	next, _ := c.try(prcb, "_KPRCB", "NextThread")
	idle, _ := c.try(prcb, "_KPRCB", "IdleThread")
	number, _ := c.try(prcb, "_KPRCB", "Number")
	interrupts, _ := c.try(prcb, "_KPRCB", "InterruptCount")
	c.printf("Threads--  Current %s Next %s Idle %s\nProcessor Index %d\nInterrupt Count -- %08x\n", hex(c.s, current), hex(c.s, next), hex(c.s, idle), number, interrupts)
	return c.end()
}

// savedIRQL is what the kernel kept when the debugger was entered: in the processor
// state (CR8), else in the control region.
func (c *call) savedIRQL(prcb arch.Addr) (uint64, bool) {
	if v, ok := c.try(prcb, "_KPRCB", "DebuggerSavedIRQL"); ok {
		return v, true
	}
	if m, ok := c.find("_KPCR", "Prcb"); ok {
		return c.try(prcb-m.off, "_KPCR", "Irql")
	}
	return 0, false
}

// irqlNames are x64's interrupt levels (wdm.h).
var irqlNames = map[uint64]string{0: "LOW_LEVEL", 1: "APC_LEVEL", 2: "DISPATCH_LEVEL", 13: "CLOCK_LEVEL", 14: "IPI_LEVEL", 15: "HIGH_LEVEL"}

// irqlNames32 are x86's.
var irqlNames32 = map[uint64]string{0: "LOW_LEVEL", 1: "APC_LEVEL", 2: "DISPATCH_LEVEL", 27: "PROFILE_LEVEL", 28: "CLOCK2_LEVEL", 29: "IPI_LEVEL", 30: "POWER_LEVEL", 31: "HIGH_LEVEL"}

func (c *call) irql() error {
	n, prcb, err := c.prcb()
	if err != nil {
		return err
	}
	v, ok := c.savedIRQL(prcb)
	if !ok {
		return c.unknown("_KPCR", "Irql")
	}
	name := irqlNames[v]
	if c.s.width() == 4 {
		name = irqlNames32[v]
	}
	if name == "" {
		name = fmt.Sprintf("DEVICE_LEVEL_%d", v)
	}
	c.printf("Debugger saved IRQL for processor 0x%x -- %d (%s)\n", n, v, name)
	return c.end()
}

func (c *call) idtCommand() error {
	all := c.options()["a"]
	only, err := c.number(0, ^uint64(0))
	if err != nil {
		return err
	}
	c.words = nil
	_, pcr, _, err := c.region()
	if err != nil {
		return err
	}
	idt := arch.Addr(c.get(pcr, "_KPCR", "IdtBase"))
	if idt == 0 {
		return c.end()
	}
	c.touchAll(idt, 256*2*c.s.width())
	c.printf("\nDumping IDT: %s\n\n", hex(c.s, idt))
	for v := range 256 {
		if only != ^uint64(0) && only != uint64(v) {
			continue
		}
		at := c.handler(idt, v)
		if c.stuck() {
			break
		}
		if at == 0 && !all {
			continue
		}
		c.printf("%02x:\t%s %s\n", v, hex(c.s, at), c.Locate(at))
	}
	return c.end()
}

// touchAll has a range fetched at once.
func (c *call) touchAll(a arch.Addr, n int) { c.reader.read(a, make([]byte, n)) }

func (c *call) cpuinfo() error {
	n, err := c.processors()
	if err != nil {
		return err
	}
	c.printf("CP  F/M/S Manufacturer  MHz\n")
	for i, prcb := range c.prcbs(n) {
		family, _ := c.try(prcb, "_KPRCB", "CpuType")
		step, _ := c.try(prcb, "_KPRCB", "CpuStep")
		mhz, _ := c.try(prcb, "_KPRCB", "MHz")
		vendor := ""
		if m, ok := c.find("_KPRCB", "VendorString"); ok {
			vendor = c.text(prcb+m.off, 13)
		}
		c.printf("%2d %2d,%d,%d %-13s %d\n", i, family, step>>8, step&0xff, vendor, mhz)
	}
	return c.end()
}
