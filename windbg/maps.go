package windbg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/systems"
)

// This file reads the map of a process's memory and says in Windows's words what each
// region is.

// region is a range of memory; perms are as Linux writes them.
type region struct {
	start, end arch.Addr
	perms      string
	path       string
	base       arch.Addr // of the first region of the same file
}

// protection is the Windows constant and name that say the same.
func (g region) protection() (uint32, string) {
	switch g.perms[:3] {
	case "r--":
		return 0x02, "PAGE_READONLY"
	case "rw-", "-w-":
		return 0x04, "PAGE_READWRITE"
	case "r-x":
		return 0x20, "PAGE_EXECUTE_READ"
	case "--x":
		return 0x10, "PAGE_EXECUTE"
	case "rwx", "-wx":
		return 0x40, "PAGE_EXECUTE_READWRITE"
	}
	return 0x01, "PAGE_NOACCESS"
}

// kind is the type and usage of a region; image tells that a module lies there.
func (g region) kind(image bool) (bits uint32, name, usage string) {
	switch {
	case image || g.path == "[vdso]":
		return 0x01000000, "MEM_IMAGE", "Image"
	case g.path == "[stack]":
		return 0x00020000, "MEM_PRIVATE", "Stack"
	case g.path == "[heap]":
		return 0x00020000, "MEM_PRIVATE", "Heap"
	case strings.HasPrefix(g.path, "/"):
		return 0x00040000, "MEM_MAPPED", "FileMap"
	}
	return 0x00020000, "MEM_PRIVATE", "<unknown>"
}

// maps reads the memory map of the process, or of what a kernel's session looks at.
func (c *call) maps(ctx context.Context) ([]region, error) {
	var list []systems.Region
	var err error
	if m, ok := c.v.Live().System().(systems.Mapper); ok {
		list, err = m.Map(ctx, c.desk(ctx))
	} else {
		list, err = c.v.Regions(ctx)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, &Error{Text: "The memory map is not available: the far end serves neither files nor a map", Err: err}
	}
	out := make([]region, 0, len(list))
	for _, r := range list {
		out = append(out, region{r.Start, r.End, r.Perms, r.Path, r.Base})
	}
	return out, err
}

func (g region) text(image bool, module string, addr arch.Addr, ptr int) string {
	size := uint64(g.end - g.start)
	prot, protName := g.protection()
	kind, kindName, usage := g.kind(image)
	var b strings.Builder
	label := func(name, format string, a ...any) {
		fmt.Fprintf(&b, "%-24s"+format+"\n", append([]any{name + ":"}, a...)...)
	}
	label("Usage", "%s", usage)
	label("Base Address", "%s", g.start.Text(ptr))
	label("End Address", "%s", g.end.Text(ptr))
	label("Region Size", "%s (%s)", arch.Addr(size).Text(ptr), sizeText(size))
	label("State", "%08x          MEM_COMMIT", 0x1000)
	label("Protect", "%08x          %s", prot, protName)
	label("Type", "%08x          %s", kind, kindName)
	if g.path != "" {
		label("Mapped file", "%s", g.path)
	}
	if module != "" {
		label("More info", "lmv m %s", module)
		label("More info", "ln 0x%x", uint64(addr))
	}
	return b.String()
}

// sizeText is "   4.000 kB".
func sizeText(n uint64) string {
	f, unit := float64(n), "  B"
	for _, u := range []string{"kB", "MB", "GB", "TB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, u
	}
	return fmt.Sprintf("%8.3f %s", f, unit)
}

// vprot is !vprot's text; with what protection a region began nobody tells.
func (g region) vprot(image bool, ptr int) string {
	prot, protName := g.protection()
	kind, kindName, _ := g.kind(image)
	return fmt.Sprintf("BaseAddress:       %0*x\nAllocationBase:    %0*x\nRegionSize:        %0*x\n"+
		"State:             00001000  MEM_COMMIT\nProtect:           %08x  %s\nType:              %08x  %s\n",
		2*ptr, uint64(g.start), 2*ptr, uint64(g.base), 2*ptr, uint64(g.end-g.start), prot, protName, kind, kindName)
}
