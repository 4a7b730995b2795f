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

// Options of a System.
type Options struct {
	// Images opens what may be the vmlinux of a kernel, the likeliest first; release is
	// "" while nobody knows it. Nil: none. It is called in the engine's loop and must
	// not wait for a network.
	Images func(release string) []symbols.Image
	// Given is the one that the user has named, nil none: before the machine has a
	// kernel its symbols count as lying where they were linked.
	Given func() symbols.Image
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

	bannerAt arch.Addr // 0 unknown
	clock    uint64    // when it was asked last whether the machine was restarted, jiffies
	slow     bool      // the line is too slow to read its table of symbols
	table    *kallsyms
	names    *Names // made of table
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
	case k.slow:
		symbols = "Symbols: none; the line is too slow to read the kernel's own table of names: name its vmlinux (vmlinux= in the connection, or the symbol path)"
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
