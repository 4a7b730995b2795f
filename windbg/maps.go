package windbg

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// This file reads the map of a process's memory and says in Windows's words what each
// region is.

// region is a line of the far end's /proc/PID/maps.
type region struct {
	start, end arch.Addr
	perms      string
	path       string
	base       arch.Addr // of the first region of the same file
}

// parseMaps reads the text of /proc/PID/maps; bad lines are skipped.
func parseMaps(r io.Reader) []region {
	const most = 100000
	var out []region
	s := bufio.NewScanner(r)
	for s.Scan() && len(out) < most {
		f := strings.Fields(s.Text())
		if len(f) < 5 {
			continue
		}
		lo, hi, ok := strings.Cut(f[0], "-")
		a, err1 := strconv.ParseUint(lo, 16, 64)
		b, err2 := strconv.ParseUint(hi, 16, 64)
		if !ok || err1 != nil || err2 != nil || b < a || len(f[1]) < 3 {
			continue
		}
		g := region{start: arch.Addr(a), end: arch.Addr(b), perms: f[1], base: arch.Addr(a)}
		if len(f) > 5 {
			g.path = strings.Join(f[5:], " ")
		}
		if n := len(out); n > 0 && g.path != "" && out[n-1].path == g.path {
			g.base = out[n-1].base
		}
		out = append(out, g)
	}
	return out
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

// maps reads the process's memory map from the far end: of its system, else what the
// stub itself tells.
func (c *call) maps(ctx context.Context) ([]region, error) {
	if files, ok := c.v.Target().(targets.Files); ok {
		f, err := files.Open(ctx, fmt.Sprintf("/proc/%d/maps", c.v.Live().Info().Process))
		if err == nil {
			defer f.Close()
			return parseMaps(io.LimitReader(f, 16<<20)), nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
	}
	if q, ok := c.v.Target().(targets.Queryer); ok {
		if data, err := q.Query(ctx, targets.MemoryMap, ""); err == nil {
			return parseMemoryMap(data)
		}
	}
	return nil, &Error{Text: "The memory map is not available: the far end serves neither files nor a map", Err: errors.ErrUnsupported}
}

// parseMemoryMap reads a stub's memory-map document (GDB manual, Memory Map Format).
func parseMemoryMap(data []byte) ([]region, error) {
	var doc struct {
		Rows []struct {
			Type   string `xml:"type,attr"`
			Start  string `xml:"start,attr"`
			Length string `xml:"length,attr"`
		} `xml:"memory"`
	}
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict = false
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("reading the memory map: %w", err)
	}
	var out []region
	for _, r := range doc.Rows {
		a, err1 := strconv.ParseUint(r.Start, 0, 64)
		n, err2 := strconv.ParseUint(r.Length, 0, 64)
		if err1 != nil || err2 != nil || n == 0 || a+n < a {
			continue
		}
		perms := "rwxp"
		if r.Type == "rom" {
			perms = "r-xp"
		}
		out = append(out, region{start: arch.Addr(a), end: arch.Addr(a + n), perms: perms, path: "[" + r.Type + "]", base: arch.Addr(a)})
	}
	slices.SortFunc(out, func(a, b region) int { return cmp.Compare(a.start, b.start) })
	return out, nil
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
