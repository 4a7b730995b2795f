package linuxkernel

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// command is an extension being run: what it reads with, and the desk it works at.
type command struct {
	*reader
	d    systems.Desk
	name string
	line string   // the arguments as typed
	args []string // one by one
}

// row is an extension of ours.
type row struct {
	name, usage, help string
	run               func(c *command) error
}

// rows lists the commands of a Linux kernel.
func rows() []row {
	var all []row
	for _, family := range [][]row{processRows, entryRows, viewRows, logRows, memoryRows, scanRows, cpuRows, hardwareRows, fileRows, analyzeRows, crashRows, absentRows} {
		all = append(all, family...)
	}
	return all
}

// Extensions implements systems.Extender.
func (s *System) Extensions() []systems.Extension {
	var out []systems.Extension
	for _, w := range rows() {
		out = append(out, systems.Extension{Name: w.name, Usage: w.usage, Help: w.help, Run: func(ctx context.Context, d systems.Desk, args string) error {
			c := &command{s.reader(ctx, d), d, w.name, args, systems.Fields(args)}
			if err := w.run(c); err != nil {
				return err
			}
			return c.end()
		}})
	}
	return out
}

func (c *command) printf(format string, args ...any) { fmt.Fprintf(c.d, format, args...) }

// usage is the error of argument n.
func (c *command) usage(n int) error {
	at := len(c.line)
	if n < len(c.args) {
		at = strings.Index(c.line, c.args[n])
	}
	return &systems.UsageError{Extension: c.name, Args: c.line, At: at}
}

// most is an error when more than n arguments were given.
func (c *command) most(n int) error {
	if len(c.args) > n {
		return c.usage(n)
	}
	return nil
}

// value is argument n as an expression, or def when it is not there.
func (c *command) value(n int, def uint64) (uint64, error) {
	if n >= len(c.args) {
		return def, nil
	}
	return c.d.Evaluate(c.ctx, c.args[n])
}

// filtered reads the flags, which begin with "-", and the one pattern of a listing.
func (c *command) filtered(known ...string) (set map[string]bool, pattern string, err error) {
	if set, err = c.options("-", known...); err != nil {
		return nil, "", err
	}
	if err = c.most(1); err == nil && len(c.args) > 0 {
		pattern = strings.Trim(c.args[0], `"`)
	}
	return set, pattern, err
}

// options takes leading arguments that begin with a mark; which of known there were.
func (c *command) options(marks string, known ...string) (map[string]bool, error) {
	set := map[string]bool{}
next:
	for len(c.args) > 0 && len(c.args[0]) > 1 && strings.ContainsRune(marks, rune(c.args[0][0])) {
		for _, k := range known {
			if c.args[0][1:] == k {
				set[k] = true
				c.args = c.args[1:]
				continue next
			}
		}
		return nil, c.usage(0)
	}
	return set, nil
}

// aside is a reader for one item of several, whose trouble is not the others'.
func (c *command) aside() *reader { return c.s.reader(c.ctx, c.d) }

// apart runs f with a reader of its own and returns its trouble.
func (c *command) apart(f func(c *command)) error {
	inner := *c
	inner.reader = c.aside()
	f(&inner)
	return inner.end()
}

// failed is an error in words of our own.
func failed(format string, args ...any) error { return fmt.Errorf(format, args...) }

// address spells an address as WinDbg's kernel commands do: 16 digits.
func address(a arch.Addr) string { return fmt.Sprintf("%016x", uint64(a)) }

// located is an address with its name, as dps shows it.
func (c *command) located(a arch.Addr) string {
	if name := c.d.Locate(a); name != "" {
		return name
	}
	return address(a)
}

// within is where a frame is: behind a call that does not return another function begins.
func (c *command) within(f *arch.Registers) string {
	if name, _, _ := strings.Cut(bare(c.d.Locate(f.PC())), "+"); strings.TrimLeft(name, "_") != c.function(f) {
		return c.located(f.LookupPC())
	}
	return c.located(f.PC())
}

// registers of a processor.
func (c *command) registers(id targets.ThreadID) (*arch.Registers, error) {
	return c.w.Target().Registers(c.ctx, id)
}

// function is the name of the function that a frame is in. Names known from a symbol
// table alone are shown without an underscore that they begin with: so are these.
func (c *command) function(f *arch.Registers) string {
	name, _, _ := strings.Cut(bare(c.d.Locate(f.LookupPC())), "+")
	return strings.TrimLeft(name, "_")
}

// among reports whether a function is one of a list.
func among(function string, list []string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.TrimLeft(s, "_") == function })
}

// bare is a name without its module: "schedule+0x12".
func bare(name string) string {
	_, after, ok := strings.Cut(name, "!")
	if !ok {
		return name
	}
	return after
}

// cpus lists the possible processors by number, with the offset of each one's
// variables. setup_per_cpu_areas fills __per_cpu_offset for those alone, which
// cpu_number of each tells (Linux before 6.1: also a plain array).
func (r *reader) cpus() []cpu {
	table, count := r.symbol("__per_cpu_offset"), int(r.uint(r.symbol("nr_cpu_ids"), 4))
	if r.stuck() || count < 1 || count > maxCPUs {
		return nil
	}
	r.touch(table, 8*count)
	out := make([]cpu, count)
	for n := range out {
		out[n] = cpu{n, arch.Addr(r.uint(table+arch.Addr(8*n), 8))}
	}
	return out
}

const maxCPUs = 8192 // CONFIG_NR_CPUS of MAXSMP

// cpu is a processor and what is added to the address of a per-CPU variable for its own.
type cpu struct {
	number int
	offset arch.Addr
}

// maxPerCPU bounds what the static variables of a processor take: some 200 KB.
const maxPerCPU = 16 << 20

// ownEach reports whether each processor has its own of the variable with a symbol at a.
func (r *reader) ownEach(a arch.Addr) bool {
	first, _ := r.lookup("__per_cpu_start")
	if end, ok := r.lookup("__per_cpu_end"); ok {
		return a >= first && a < end
	}
	return a >= first && a-first < maxPerCPU
}

// perCPU is where a processor's own of a variable lies. Until 6.14 the variables were
// linked from 0 on, later they lie in the image as others do.
func (r *reader) perCPU(name string, on cpu) arch.Addr {
	at := r.symbol(name)
	if k := r.s.kernel; k == nil || at < k.Base || at-k.Base >= arch.Addr(k.Size) {
		first, _ := r.lookup("__per_cpu_start") // a vmlinux has it, moved as the others are
		at -= first
	}
	return at + on.offset
}
