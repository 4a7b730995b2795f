package windbg

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
)

// This file is !address, !vprot and !vadump.

var regionCommands = []command{
	{"!address", `!address [Addr | -summary] [-f:WORD,...] [-o:{csv|tsv|1}] [-c:"command %1 ..."]`,
		"memory regions of the process, or one; -f with these words (Image, MEM_PRIVATE, PAGE_READWRITE ...), -c a command for each: %1 base, %2 end, %3 size, %4 type, %5 state, %6 protection, %7 usage", anytime, addressRegions},
	{"!vprot", "!vprot [Addr]", "protection of a memory region", stopped, vprotRegion},
	{"!vadump", "!vadump [-v]", "every memory region with its protection", stopped, dumpRegions},
}

// regionRow is a region in the words of !address; one that is free has no type.
type regionRow struct {
	region
	state, kind, protect, usage string
	module                      string
	first                       bool // of its allocation
}

// rows describes the regions and, with free, what lies between them.
func (c *call) rows(all []region, free bool) []regionRow {
	var out []regionRow
	at := arch.Addr(0)
	gap := func(end arch.Addr) {
		if free && end > at {
			out = append(out, regionRow{region: region{start: at, end: end}, state: "MEM_FREE", protect: "PAGE_NOACCESS", usage: "Free", first: true})
		}
	}
	for _, g := range all {
		gap(g.start)
		at = g.end
		m, image := c.v.ModuleAt(g.start)
		r := regionRow{region: g, state: "MEM_COMMIT", first: g.base == g.start}
		_, r.kind, r.usage = g.kind(image)
		_, r.protect = g.protection()
		if m != nil {
			r.module = m.Name
		}
		out = append(out, r)
	}
	if at < 1<<47 && pointerSize(c.v) == 8 {
		gap(1 << 47)
	} else if at < 1<<32 && pointerSize(c.v) == 4 {
		gap(1 << 32)
	}
	return out
}

// note is what follows the usage in the table.
func (r regionRow) note() string {
	switch {
	case r.path != "" && r.module != "":
		return fmt.Sprintf(" [%s; %q]", r.module, r.path)
	case r.path != "":
		return fmt.Sprintf(" [%s]", strings.Trim(r.path, "[]"))
	}
	return ""
}

// columns are %1 to %7 of -c and the cells of -o.
func (r regionRow) columns() []string {
	return []string{fmt.Sprintf("0x%x", uint64(r.start)), fmt.Sprintf("0x%x", uint64(r.end)), fmt.Sprintf("0x%x", uint64(r.end-r.start)), r.kind, r.state, r.protect, r.usage + r.note()}
}

// regionQuery is what !address asks for.
type regionQuery struct {
	filters []string
	output  string // csv, tsv, 1
	command string
	summary bool
	addr    arch.Addr
	given   bool
}

func (c *call) regionQuery(ctx context.Context) (q regionQuery, err error) {
	for c.more() && c.line[0] == '-' {
		at := c.base
		name, value, _ := strings.Cut(c.drop(optionEnd(c.line))[1:], ":")
		value = strings.Trim(value, `"`)
		switch name {
		case "summary":
			q.summary = true
		case "f":
			q.filters = append(q.filters, strings.FieldsFunc(value, func(r rune) bool { return r == ',' })...)
		case "o":
			q.output = value
		case "c":
			q.command = value
		default:
			return q, &Error{Kind: "Syntax", Command: c.text, Pos: at, Fix: `the options are -summary, -f:WORD,..., -o:csv, -o:tsv, -o:1 and -c:"command"`}
		}
	}
	if c.more() {
		if q.addr, err = c.address(ctx); err != nil {
			return q, err
		}
		q.given = true
	}
	return q, c.end()
}

// optionEnd is where an option with its "quoted value" ends.
func optionEnd(s string) int {
	for k := 0; k < len(s); k++ {
		if s[k] == '"' {
			k = closing(s, k)
		} else if isSpace(s[k]) {
			return k
		}
	}
	return len(s)
}

// picks tells whether a region has all the words of -f.
func (q regionQuery) picks(r regionRow) bool {
	for _, f := range q.filters {
		usage := r.usage
		if strings.EqualFold(f, "MappedFile") {
			f = "FileMap"
		}
		if !strings.EqualFold(f, usage) && !strings.EqualFold(f, r.kind) && !strings.EqualFold(f, r.state) && !strings.EqualFold(f, r.protect) {
			return false
		}
	}
	return true
}

// addressRegions is !address.
func addressRegions(ctx context.Context, c *call) error {
	q, err := c.regionQuery(ctx)
	if err != nil {
		return err
	}
	var list []regionRow
	var ptr int
	err = c.do(ctx, func(ctx context.Context, v *engine.View) error {
		inner := *c
		inner.v, ptr = v, pointerSize(v)
		all, err := inner.maps(ctx)
		if err != nil {
			return err
		}
		if q.given {
			return inner.oneRegion(all, q.addr, ptr)
		}
		for _, r := range inner.rows(all, true) {
			if q.picks(r) {
				list = append(list, r)
			}
		}
		return nil
	})
	switch {
	case err != nil || q.given:
		return err
	case q.summary:
		c.printf("%s", regionSummary(list, ptr))
	case q.command != "":
		return c.eachRegion(ctx, q.command, list)
	case q.output != "":
		return c.regionTable(q.output, list)
	default:
		c.regionList(list)
	}
	return nil
}

// regionList is the table of !address.
func (c *call) regionList(list []regionRow) {
	c.printf("\n%19s %19s %19s %-11s %-11s %-25s %s\n%s\n", "BaseAddress", "EndAddress+1", "RegionSize", "Type", "State", "Protect", "Usage", strings.Repeat("-", 122))
	for _, r := range list {
		mark := " "
		if r.first {
			mark = "+"
		}
		c.printf("%s %17s %19s %19s %-11s %-11s %-25s %s\n", mark, shortAddress(r.start), shortAddress(r.end), shortAddress(r.end-r.start), r.kind, r.state, r.protect,
			strings.TrimSpace(r.usage+" "+r.note()))
	}
}

// shortAddress has no zeros before the upper half, "7fff`f7c00000".
func shortAddress(a arch.Addr) string { return fmt.Sprintf("%x`%08x", uint64(a)>>32, uint32(a)) }

// regionTable is !address -o.
func (c *call) regionTable(how string, list []regionRow) error {
	sep := map[string]string{"csv": ",", "tsv": "\t", "1": ""}
	by, ok := sep[how]
	if !ok {
		return &Error{Kind: "Syntax", Command: c.text, Pos: c.pos + len(c.name), Fix: "the outputs are csv, tsv and 1"}
	}
	if how != "1" {
		c.printf("%s\n", strings.Join([]string{`"BaseAddress"`, `"EndAddress+1"`, `"RegionSize"`, `"Type"`, `"State"`, `"Protect"`, `"Usage"`}, by))
	}
	for _, r := range list {
		cells := r.columns()
		if how == "1" {
			c.printf("%s\n", cells[0])
			continue
		}
		for k := range cells {
			cells[k] = `"` + strings.ReplaceAll(cells[k], `"`, `""`) + `"`
		}
		c.printf("%s\n", strings.Join(cells, by))
	}
	return nil
}

// eachRegion runs the command of !address -c for each region.
func (c *call) eachRegion(ctx context.Context, command string, list []regionRow) error {
	inner := *c.exec
	inner.tail = false
	for _, r := range list {
		text := command
		for k, cell := range r.columns() {
			text = strings.ReplaceAll(text, fmt.Sprintf("%%%d", k+1), cell)
		}
		if err := inner.program(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// oneRegion is !address Addr.
func (c *call) oneRegion(all []region, addr arch.Addr, ptr int) error {
	for _, r := range c.rows(all, true) {
		if addr < r.start || addr >= r.end {
			continue
		}
		if r.usage == "Free" {
			c.printf("%s", freeText(r, ptr))
			return nil
		}
		_, image := c.v.ModuleAt(r.start)
		c.printf("%s", r.text(image, r.module, addr, ptr))
		return nil
	}
	return fail("No region holds %s", addr.Text(ptr))
}

func freeText(r regionRow, ptr int) string {
	return fmt.Sprintf("%-24s%s\n%-24s%s\n%-24s%s\n%-24s%s (%s)\n%-24s%08x          %s\n%-24s%08x          %s\n%-24s<info not present at the target>\n",
		"Usage:", "Free", "Base Address:", r.start.Text(ptr), "End Address:", r.end.Text(ptr), "Region Size:", arch.Addr(r.end-r.start).Text(ptr), sizeText(uint64(r.end-r.start)),
		"State:", 0x10000, "MEM_FREE", "Protect:", 1, "PAGE_NOACCESS", "Type:")
}

// regionSummary is !address -summary: how much there is by usage, type, state and protection.
func regionSummary(list []regionRow, ptr int) string {
	var b strings.Builder
	var busy, total uint64
	for _, r := range list {
		n := uint64(r.end - r.start)
		total += n
		if r.usage != "Free" {
			busy += n
		}
	}
	for _, t := range []struct {
		title string
		key   func(regionRow) string
	}{
		{"--- Usage Summary ----------------", func(r regionRow) string { return r.usage }},
		{"--- Type Summary (for busy) ------", func(r regionRow) string { return r.kind }},
		{"--- State Summary ----------------", func(r regionRow) string { return r.state }},
		{"--- Protect Summary (for commit) -", func(r regionRow) string {
			if r.usage == "Free" {
				return ""
			}
			return r.protect
		}},
	} {
		fmt.Fprintf(&b, "\n%s RgnCount ----------- Total Size -------- %%ofBusy %%ofTotal\n", t.title)
		summaryRows(&b, list, t.key, busy, total)
	}
	fmt.Fprintf(&b, "\n--- Largest Region by Usage ----------- Base Address -------- Region Size ----------\n")
	largest := map[string]regionRow{}
	var names []string
	for _, r := range list {
		old, ok := largest[r.usage]
		if !ok {
			names = append(names, r.usage)
		}
		if !ok || r.end-r.start > old.end-old.start {
			largest[r.usage] = r
		}
	}
	for _, n := range names {
		r := largest[n]
		fmt.Fprintf(&b, "%-37s %17s %17s (%s)\n", n, shortAddress(r.start), shortAddress(r.end-r.start), sizeText(uint64(r.end-r.start)))
	}
	return b.String()
}

// summaryRows writes a table of the summary, the most first.
func summaryRows(b *strings.Builder, list []regionRow, key func(regionRow) string, busy, total uint64) {
	type sum struct {
		name     string
		count    int
		size     uint64
		occupied bool
	}
	sums := map[string]*sum{}
	var order []*sum
	for _, r := range list {
		k := key(r)
		if k == "" {
			continue
		}
		s := sums[k]
		if s == nil {
			s = &sum{name: k, occupied: r.usage != "Free"}
			sums[k] = s
			order = append(order, s)
		}
		s.count++
		s.size += uint64(r.end - r.start)
	}
	slices.SortStableFunc(order, func(a, b *sum) int { return cmp.Compare(b.size, a.size) })
	share := func(n, of uint64) string {
		if of == 0 {
			return "0.00%"
		}
		return fmt.Sprintf("%.2f%%", 100*float64(n)/float64(of))
	}
	for _, s := range order {
		ofBusy := ""
		if s.occupied {
			ofBusy = share(s.size, busy)
		}
		fmt.Fprintf(b, "%-37s %5d %17s (%s) %7s %7s\n", s.name, s.count, shortAddress(arch.Addr(s.size)), sizeText(s.size), ofBusy, share(s.size, total))
	}
}

// vprotRegion is !vprot: the region that holds an address.
func vprotRegion(ctx context.Context, c *call) error {
	addr, err := c.here(ctx)
	if c.more() {
		addr, err = c.address(ctx)
	}
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	all, err := c.maps(ctx)
	if err != nil {
		return err
	}
	ptr := pointerSize(c.v)
	for _, g := range all {
		if addr >= g.start && addr < g.end {
			_, image := c.v.ModuleAt(g.start)
			c.printf("%s", g.vprot(image, ptr))
			return nil
		}
	}
	return fail("No region holds %s (it is free)", addr.Text(ptr))
}

// dumpRegions is !vadump.
func dumpRegions(ctx context.Context, c *call) error {
	if _, err := c.flags("-", "v"); err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	all, err := c.maps(ctx)
	if err != nil {
		return err
	}
	ptr := pointerSize(c.v)
	for _, r := range c.rows(all, true) {
		state, prot, kind := uint32(0x1000), uint32(1), uint32(0)
		if r.usage == "Free" {
			state = 0x10000
		} else {
			prot, _ = r.protection()
			_, image := c.v.ModuleAt(r.start)
			kind, _, _ = r.region.kind(image)
		}
		c.printf("BaseAddress: %0*x\nRegionSize:  %0*x\nState:       %08x  %s\nProtect:     %08x  %s\n", 2*ptr, uint64(r.start), 2*ptr, uint64(r.end-r.start), state, r.state, prot, r.protect)
		if kind != 0 {
			c.printf("Type:        %08x  %s\n", kind, r.kind)
		}
		c.printf("\n")
	}
	return nil
}
