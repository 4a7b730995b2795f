package linuxkernel

import (
	"strings"

	"dap-windbg/arch"
)

// This file shows the processors and the machine.

var cpuRows = []row{
	{"!cpuinfo", "!cpuinfo", "the processors as the kernel knows them", processors},
	{"!cpuid", "!cpuid", "as !cpuinfo", processors},
	{"!sysinfo", "!sysinfo", "the kernel's version, command line, taints and time since it started", machine},
	{"vertarget", "vertarget", "what the target is: the kernel's version, where it lies, what serves it, time since it started", target},
	{"!gdt", "!gdt [CPU]", "global descriptor table of a processor", segments},
}

func processors(c *command) error {
	if err := c.most(0); err != nil {
		return err
	}
	c.printf("CP  F/M/S          Manufacturer  Microcode  Name\n")
	for _, on := range c.online() {
		at := c.perCPU("cpu_info", on)
		const t = "cpuinfo_x86"
		c.printf("%2d  %d,%d,%-8d   %-12s  %9x  %s\n", on.number, c.get(at, t, "x86"), c.get(at, t, "x86_model"), c.get(at, t, "x86_stepping"),
			c.textOf(at, t, "x86_vendor_id", 16), c.get(at, t, "microcode"), strings.TrimSpace(c.textOf(at, t, "x86_model_id", 64)))
		if c.stuck() {
			return nil
		}
	}
	return nil
}

// taints are the letters of /proc/sys/kernel/tainted by bit (Documentation/admin-guide/tainted-kernels.rst).
const taints = "PFSRMBUDAWCIOELKXTN"

func machine(c *command) error {
	if err := c.most(0); err != nil {
		return err
	}
	if k := c.s.Kernel(); k != nil {
		c.printf("%s\n", c.banner(k))
	}
	if at, ok := c.lookup("saved_command_line"); ok {
		c.printf("Command line: %s\n", c.text(c.pointer(at), 4096))
	}
	mask := c.uint(c.symbol("tainted_mask"), 8)
	letters := ""
	for i := range taints {
		if mask>>i&1 == 1 {
			letters += taints[i : i+1]
		}
	}
	if letters == "" {
		letters = "none"
	}
	c.printf("Taints: %s\n", letters)
	if at, ok := c.lookup("init_uts_ns"); ok {
		c.printf("Machine Name: %s\n", c.textOf(at, "uts_namespace", "name.nodename", 65))
	}
	if up := c.uptime(); !c.stuck() {
		c.printf("Uptime: %s\n", duration(up))
	}
	return nil
}

// banner is the kernel's by its name. The first in memory, which one without names is
// known by, may be that of an early link of the build, which has no number.
func (r *reader) banner(k *Kernel) string {
	if at, ok := r.lookup("linux_banner"); ok {
		if text := strings.TrimSpace(r.text(at, maxBanner)); strings.HasPrefix(text, bannerMark) {
			return text
		}
	}
	return k.Banner
}

// target is vertarget. While a machine boots there is no kernel to speak of.
func target(c *command) error {
	if err := c.most(0); err != nil {
		return err
	}
	k := c.s.Kernel()
	if k == nil {
		c.printf("Linux kernel mode, the kernel is not found yet\n")
	} else {
		c.printf("%s\nKernel base = %s, found by %s\n", c.banner(k), tick(k.Base), k.How)
	}
	if stub := c.d.Target().Info().Stub; stub != "" {
		c.printf("Far end: %s\n", stub)
	}
	if k == nil {
		return nil
	}
	if up := c.uptime(); !c.stuck() {
		c.printf("System Uptime: %s\n", duration(up))
	}
	return nil
}

// uptime is nanoseconds since the kernel started, as of its last tick.
func (r *reader) uptime() uint64 {
	const hz = 250 // by which a kernel without a name for it is built
	at, ok := r.lookup("tk_core")
	if f, known := r.member("timekeeper", "xtime_sec"); ok && known {
		keeper := at + 8 // behind the sequence counter: struct { seqcount_raw_spinlock_t seq; struct timekeeper timekeeper; }
		wall := r.uint(keeper+f.offset, 8)
		shift := r.get(keeper, "timekeeper", "tkr_mono.shift")
		ns := r.get(keeper, "timekeeper", "tkr_mono.xtime_nsec") >> (shift & 63)
		mono := int64(r.get(keeper, "timekeeper", "wall_to_monotonic.tv_sec"))*1e9 + int64(r.get(keeper, "timekeeper", "wall_to_monotonic.tv_nsec"))
		if up := int64(wall)*1e9 + int64(ns) + mono; up > 0 && up < 1<<60 {
			return uint64(up)
		}
	}
	// jiffies begin five minutes before they overflow 32 bits (INITIAL_JIFFIES).
	return (r.uint(r.symbol("jiffies"), 8) - uint64(uint32(0xffffffff-300*hz+1))) * (1e9 / hz)
}

// segments is !gdt (Intel SDM volume 3, 3.4.5).
func segments(c *command) error {
	if err := c.most(1); err != nil {
		return err
	}
	n, err := c.value(0, 0)
	if err != nil {
		return err
	}
	cpus := c.cpus()
	if n >= uint64(len(cpus)) {
		return c.usage(0)
	}
	table := c.perCPU("gdt_page", cpus[n])
	c.printf("GDT of CPU %d: %s\n Sel  Base              Limit     Type  DPL  Flags\n", n, address(table))
	skip := arch.Addr(0)
	for i := range arch.Addr(16) {
		d := c.uint(table+8*i, 8)
		if d == 0 || i == skip || c.stuck() {
			continue
		}
		base := d>>16&0xffffff | d>>56<<24
		limit := d&0xffff | d>>48&0xf<<16
		if d>>55&1 == 1 {
			limit = limit<<12 | 0xfff
		}
		kind, flags := "data", ""
		switch {
		case d>>44&1 == 0: // of 16 bytes
			kind = "sys "
			base |= c.uint(table+8*i+8, 8) << 32
			skip = i + 1
		case d>>43&1 == 1:
			kind = "code"
		}
		if d>>53&1 == 1 {
			flags += " 64-bit"
		}
		if d>>47&1 == 1 {
			flags += " present"
		}
		c.printf("%04x  %016x  %08x  %s  %d   %s\n", 8*i, base, limit, kind, d>>45&3, flags)
	}
	return nil
}
