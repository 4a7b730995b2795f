package linuxkernel

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/systems"
)

// KernelName is the kernel's module, as commands spell it.
const KernelName = "vmlinux"

// vmlinux is a kernel's file, and where to name it.
const vmlinux = "vmlinux (vmlinux= in the connection, or the symbol path)"

// Options of a System.
type Options struct {
	// Images opens what may be the vmlinux of a kernel, the likeliest first; release is
	// "" while nobody knows it. Nil: none. It is called in the engine's loop and must
	// not wait for a network.
	Images func(release string) []symbols.Image
	// Given is the one that the user has named, nil none: before the machine has a
	// kernel its symbols count as lying where they were linked.
	Given func() symbols.Image
	// Keep keeps what was read of the kernel of a build, as far as that can be done, and
	// Kept returns it in a later session: what is called name; nil when it is not there or
	// damaged. Nil: nothing is kept.
	Keep func(build []byte, name string, data []byte)
	Kept func(build []byte, name string) []byte
	// Reading is told of a long read, what it is of. The read ends with the context that it
	// returns; done says how far it is, in [0,1], and 1 that it is over. Nil: nobody cares.
	Reading func(ctx context.Context, what string) (reading context.Context, done func(part float64))
}

// System is a machine that runs Linux. What it knows of the kernel holds until
// Forget; it belongs to the session's loop.
type System struct {
	o       Options
	kernel  *Kernel
	symbols map[string]arch.Addr
	fields  map[string]field
	loaded  map[arch.Addr]loaded // by struct module

	mu      sync.Mutex // around the rest
	places  map[string]Placement
	release string
}

// New makes a System.
func New(o Options) *System { return &System{o: o} }

// Name implements systems.System.
func (*System) Name() string { return "linuxkernel" }

// Forget drops what was found: the machine has been reset.
func (s *System) Forget() { s.kernel, s.symbols, s.fields, s.loaded = nil, nil, nil, nil }

// Kernel is the kernel as it lies in memory.
type Kernel struct {
	Base    arch.Addr // of _text
	Slide   uint64    // run-time less link-time address, where a vmlinux is known
	Size    uint64    // from Base to _end, 0 unknown
	Release string    // "6.1.0-56-cloud-amd64", "" unknown
	Banner  string    // what /proc/version says
	BuildID []byte
	How     string // how it was found, for people
	Path    string // of the vmlinux that has its build-id, "" none

	bannerAt  arch.Addr // 0 unknown
	buildIDAt arch.Addr // 0 unknown
	clock     uint64    // when it was asked last whether the machine was restarted, jiffies
	slow      bool      // the line is too slow to read its own names unasked
	own       own       // what was read of them there
	table     *kallsyms
	names     *Names // made of table
}

// ErrNoKernel: the machine has not come to where its kernel maps itself, or runs none.
var ErrNoKernel = errors.New("no Linux kernel is mapped yet")

// Kernel is what was found last; nil before.
func (s *System) Kernel() *Kernel { return s.kernel }

// Banner says what kernel was found, in lines for people. It costs one read.
func (s *System) Banner(ctx context.Context, w systems.World) []string {
	k := s.kernel
	if k == nil {
		return nil
	}
	r := s.reader(ctx, w)
	base := "Kernel base = " + tick(k.Base)
	if k.Slide != 0 {
		base += fmt.Sprintf(", moved by 0x%x", k.Slide)
	}
	symbols := "Symbols: the kernel's own table of names"
	switch {
	case k.Path != "":
		symbols = "Symbols: " + k.Path
	case k.slow && k.table == nil && k.bannerAt == 0: // kdb knows nothing
		symbols = "Symbols: none: name its " + vmlinux
	case k.slow && k.table == nil:
		symbols = "Symbols: none yet; .reload /f reads the kernel's own table of names over this line and keeps it. Its " + vmlinux + " has more"
	case k.slow && !k.own.typed:
		symbols += "; .reload /f reads its types too"
	case k.BuildID != nil:
		symbols += fmt.Sprintf("; no vmlinux of build-id %x is known here", k.BuildID)
	}
	lines := []string{base + ", found by " + k.How, symbols}
	if banner := r.banner(k); banner != "" {
		lines = append([]string{banner}, lines...)
	}
	return lines
}

// Tasks implements systems.System.
func (s *System) Tasks(ctx context.Context, w systems.World) ([]systems.Task, error) {
	r := s.reader(ctx, w)
	out := r.tasks()
	return out, r.end()
}
