package rsp

import (
	"bytes"
	"context"
	"errors"
	"sort"
	"strconv"
	"strings"

	"dap-windbg/arch"
)

// Limits of a target description, against a hostile far end.
const (
	maxRegisters    = 8192
	maxRegisterBits = 1 << 20 // Arm SME's ZA is the longest known, 512 Kibit
	maxFileBytes    = 1 << 20 // of all registers
	maxDocuments    = 64
)

// described is a target description (GDB manual, appendix "Target Descriptions").
type described struct {
	architecture string
	osabi        string
	regs         []describedReg
}

type describedReg struct {
	name, group, kind string
	bits, number      int
	offset            int // in g, bytes; -1 where numbers give the order
}

// part is one element of a document that matters: a register or an include.
type part struct {
	reg     describedReg
	include string
}

type document struct {
	architecture, osabi string
	parts               []part
}

// parseDescription reads one document. Damaged XML gives what was good before it.
func parseDescription(text []byte) document {
	var d document
	m := markup{rest: string(text)}
	for len(d.parts) < maxRegisters {
		e, ok := m.next()
		if !ok {
			break
		}
		switch e.name {
		case "architecture":
			d.architecture = strings.TrimSpace(e.text)
		case "osabi":
			d.osabi = strings.TrimSpace(e.text)
		case "include":
			d.parts = append(d.parts, part{include: e.attribute("href")})
		case "reg":
			if r, ok := parseReg(&e); ok {
				d.parts = append(d.parts, part{reg: r})
			}
		}
	}
	return d
}

func parseReg(el *element) (describedReg, bool) {
	r := describedReg{name: strings.ToLower(el.attribute("name")), group: el.attribute("group"), kind: el.attribute("type"), number: -1, offset: -1}
	bits, err := strconv.Atoi(el.attribute("bitsize"))
	if err != nil || bits <= 0 || bits > maxRegisterBits || r.name == "" {
		return r, false
	}
	if el.attribute("value_regnums") != "" { // LLDB lists parts of registers too
		return r, false
	}
	if n, err := strconv.Atoi(el.attribute("offset")); err == nil && n >= 0 && n <= maxFileBytes {
		r.offset = n
	}
	r.bits = bits
	if n, err := strconv.Atoi(el.attribute("regnum")); err == nil && n >= 0 && n < 1<<16 {
		r.number = n
	}
	return r, true
}

// describeRegisters reads the includes of a description, each depth in one flight.
func (c *Conn) describeRegisters(ctx context.Context, settling bool, top []byte) (*described, error) {
	docs := map[string]document{"target.xml": parseDescription(top)}
	for round := 0; round < 8; round++ {
		var wanted []*xfer
		var reqs []*request
		for _, d := range docs {
			for _, p := range d.parts {
				if _, have := docs[p.include]; p.include == "" || have || len(docs)+len(wanted) > maxDocuments {
					continue
				}
				x := c.xfer("features", p.include)
				reqs = append(reqs, x.begin()...)
				wanted = append(wanted, x)
			}
		}
		if len(wanted) == 0 {
			break
		}
		sort.Slice(reqs, func(i, j int) bool { return reqs[i].payload < reqs[j].payload })
		if err := c.exchangeAs(ctx, settling, reqs); err != nil {
			return nil, err
		}
		if err := c.rest(ctx, settling, wanted...); err != nil {
			return nil, err
		}
		for _, x := range wanted {
			docs[x.annex] = parseDescription(x.data)
		}
	}
	return flatten(docs), nil
}

// flatten puts includes where they stand and numbers what has no number.
func flatten(docs map[string]document) *described {
	top := docs["target.xml"]
	d := &described{architecture: top.architecture, osabi: top.osabi}
	next := 0
	seen := map[string]bool{"target.xml": true} // a document stands in one place
	var walk func(doc document)
	walk = func(doc document) {
		if d.architecture == "" {
			d.architecture = doc.architecture
		}
		for _, p := range doc.parts {
			if p.include != "" {
				if !seen[p.include] {
					seen[p.include] = true
					walk(docs[p.include])
				}
				continue
			}
			if len(d.regs) >= maxRegisters {
				return
			}
			if p.reg.number < 0 {
				p.reg.number = next
			}
			next = p.reg.number + 1
			d.regs = append(d.regs, p.reg)
		}
	}
	walk(top)
	sort.SliceStable(d.regs, func(i, j int) bool { return d.regs[i].number < d.regs[j].number })
	return d
}

// layout is a Set and where its registers lie in a g packet.
type layout struct {
	set    *arch.Set
	number []int       // on the wire, of each register of set
	index  map[int]int // of a number
	offset []int       // in g, bytes
	size   int         // of g, bytes
}

// archAliases are spellings of <architecture> other than the usual.
var archAliases = map[string]*arch.Arch{
	"x86_64": arch.AMD64, "i386:x64-32": arch.AMD64, "i386:intel": arch.I386, "i486": arch.I386, "i686": arch.I386,
	"arm64": arch.ARM64, "riscv": arch.RISCV64, "riscv64": arch.RISCV64,
}

// registerAliases are names of LLDB's servers for registers that GDB calls otherwise.
var registerAliases = map[string]string{"rflags": "eflags"}

// archOf finds the CPU: by name, else by what its registers are called.
func (d *described) archOf(fallback *arch.Arch) *arch.Arch {
	if a, ok := arch.ByName(d.architecture); ok {
		return a
	}
	if a, ok := archAliases[d.architecture]; ok {
		return a
	}
	for _, a := range arch.All {
		for _, r := range d.regs {
			if r.name == a.Core[0].Name {
				return a
			}
		}
	}
	return fallback
}

// layout makes the Set. Names the CPU's table knows keep its DWARF numbers and
// groups; the rest are listed as they are described.
func (d *described) layout(fallback *arch.Arch) *layout {
	a := d.archOf(fallback)
	known := map[string]arch.Register{}
	for _, r := range a.Core {
		known[r.Name] = r
	}
	var regs []arch.Register
	var numbers, offsets []int
	total := 0
	for _, r := range d.regs {
		if common, ok := registerAliases[r.name]; ok {
			r.name = common
		}
		reg := arch.Register{Name: r.name, Size: (r.bits + 7) / 8, DWARF: -1, Group: groupOf(r)}
		if k, ok := known[r.name]; ok {
			reg.DWARF, reg.Group = k.DWARF, k.Group
		}
		if total += reg.Size; total > maxFileBytes {
			break
		}
		regs, numbers, offsets = append(regs, reg), append(numbers, r.number), append(offsets, r.offset)
	}
	if len(regs) == 0 {
		regs = a.Core
		for i := range regs {
			numbers, offsets = append(numbers, i), append(offsets, -1)
		}
	}
	l := newLayout(arch.NewSet(a, regs), numbers)
	for i, at := range offsets {
		if at >= 0 {
			l.offset[i] = at
		}
	}
	return l
}

func newLayout(set *arch.Set, numbers []int) *layout {
	l := &layout{set: set, number: numbers, index: map[int]int{}}
	for i, r := range set.Regs {
		if _, dup := l.index[numbers[i]]; !dup {
			l.index[numbers[i]] = i
		}
		l.offset = append(l.offset, l.size)
		l.size += r.Size
	}
	return l
}

// groupOf sorts a register no table knows.
func groupOf(r describedReg) arch.Group {
	switch {
	case r.group == "float" || r.kind == "i387_ext" || strings.HasPrefix(r.kind, "ieee"):
		return arch.Float
	case r.group == "vector" || strings.HasPrefix(r.kind, "vec") || strings.HasPrefix(r.kind, "v") && r.bits >= 64,
		strings.HasPrefix(r.name, "ymm"), strings.HasPrefix(r.name, "zmm"), strings.HasPrefix(r.name, "xmm"):
		return arch.Vector
	case len(r.name) == 3 && (strings.HasPrefix(r.name, "cr") || strings.HasPrefix(r.name, "dr")):
		return arch.Control
	}
	return arch.System
}

// parseG reads the answer to g. A shorter one leaves the rest unknown, of a
// longer one the rest is dropped; xx bytes make a register unknown.
func (l *layout) parseG(p []byte) (*arch.Registers, error) {
	if len(p)%2 != 0 {
		return nil, errors.New("an odd number of digits")
	}
	r := arch.NewRegisters(l.set)
	for i, reg := range l.set.Regs {
		from, to := 2*l.offset[i], 2*(l.offset[i]+reg.Size)
		if to > len(p) {
			break
		}
		if v, ok := unhex(p[from:to]); ok {
			r.SetBytes(i, v)
		} else if !unavailable(p[from:to]) {
			return nil, errors.New("not a hexadecimal digit")
		}
	}
	return r, nil
}

func unavailable(p []byte) bool { return bytes.ContainsAny(p, "xX") }

// patchG puts the known registers of r into a g packet's answer and tells
// whether every byte of it has a value.
func (l *layout) patchG(g []byte, r *arch.Registers) (patched []byte, whole bool) {
	patched = bytes.Clone(g)
	for i, reg := range l.set.Regs {
		v, ok := r.Bytes(i)
		if to := 2 * (l.offset[i] + reg.Size); ok && to <= len(patched) {
			for k, b := range v {
				at := 2 * (l.offset[i] + k)
				patched[at], patched[at+1] = hexDigits[b>>4], hexDigits[b&15]
			}
		}
	}
	return patched, !unavailable(patched)
}
