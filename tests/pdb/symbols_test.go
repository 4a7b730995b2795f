package pdb

import (
	"bufio"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// sections reads where the image's sections lie.
func sections(t *testing.T, p program) map[int]uint64 {
	t.Helper()
	at, n := map[int]uint64{}, 0
	for _, l := range output(t, "", "llvm-pdbutil-19", "dump", "--section-headers", p.pdb) {
		if strings.Contains(l, "SECTION HEADER #") {
			n++
		}
		if f := strings.Fields(l); len(f) == 3 && f[1] == "virtual" && f[2] == "address" {
			at[n], _ = strconv.ParseUint(f[0], 16, 64)
		}
	}
	return at
}

// place is "0001:0272" as an offset.
func place(t *testing.T, sec map[int]uint64, text string, base int) symbols.Offset {
	t.Helper()
	s, o, ok := strings.Cut(text, ":")
	n, err := strconv.Atoi(s)
	v, err2 := strconv.ParseUint(o, base, 64)
	if !ok || err != nil || err2 != nil {
		t.Fatalf("not a place: %q", text)
	}
	return symbols.Offset(sec[n] + v)
}

// local is a variable of a dump and where it is.
type local struct {
	name   string
	param  bool
	ranges []localRange
}

type localRange struct {
	kind     string // "register", "memory", "frame"
	register string
	offset   int64
	parent   int
	piece    bool
	low      symbols.Offset
	size     uint64
	whole    bool
	gaps     [][2]uint64
}

// function is one of a dump.
type function struct {
	name           string
	low            symbols.Offset
	size           uint64
	locals, params string // the registers that offsets count from
	vars           []local
}

var (
	reName     = regexp.MustCompile("\\| (S_\\w+) \\[size = \\d+\\](?: `(.*)`)?")
	reProc     = regexp.MustCompile(`addr = (\d+:\d+), code size = (\d+)`)
	reFrame    = regexp.MustCompile(`local fp reg = (\w+), param fp reg = (\w+)`)
	reRegister = regexp.MustCompile(`register = (\w+), .*range start = (\d+:\d+), length = (\d+)`)
	reSubfield = regexp.MustCompile(`register = (\w+), .*offset in parent = (\d+)`)
	reRelative = regexp.MustCompile(`register = (\w+), offset = (-?\d+), offset in parent = (\d+), has spilled udt = (\w+)`)
	reOffset   = regexp.MustCompile(`offset = (-?\d+), range = \[(\d+:\d+),\+(\d+)\)`)
	reFull     = regexp.MustCompile(`offset = (-?\d+)`)
	reRange    = regexp.MustCompile(`range = \[(\d+:\d+),\+(\d+)\)`)
	reAligned  = regexp.MustCompile(`^\$T1 \$ebp 4 \+ = \$T0 \$T1 (\d+) - (\d+) @ =`)
	reGap      = regexp.MustCompile(`\((\d+),(\d+)\)`)
)

// functions reads the dump of symbols.
func functions(t *testing.T, p program) []function {
	t.Helper()
	sec := sections(t, p)
	var all []function
	kind := ""
	for sc := bufio.NewScanner(strings.NewReader(strings.Join(output(t, "", "llvm-pdbutil-19", "dump", "--symbols", p.pdb), "\n"))); sc.Scan(); {
		l := sc.Text()
		if m := reName.FindStringSubmatch(l); m != nil {
			switch kind = m[1]; kind {
			case "S_GPROC32", "S_LPROC32", "S_GPROC32_ID", "S_LPROC32_ID":
				all = append(all, function{name: m[2]})
			case "S_LOCAL":
				f := &all[len(all)-1]
				f.vars = append(f.vars, local{name: m[2]})
			}
			continue
		}
		if len(all) > 0 {
			detail(t, sec, &all[len(all)-1], kind, l)
		}
	}
	return all
}

// detail takes a line below a record.
func detail(t *testing.T, sec map[int]uint64, f *function, kind, l string) {
	num := func(s string) int64 { n, _ := strconv.ParseInt(s, 10, 64); return n }
	add := func(x localRange) {
		v := &f.vars[len(f.vars)-1]
		v.ranges = append(v.ranges, x)
	}
	switch {
	case strings.HasSuffix(kind, "PROC32") || strings.HasSuffix(kind, "PROC32_ID"):
		if m := reProc.FindStringSubmatch(l); m != nil {
			f.low, f.size = place(t, sec, m[1], 10), uint64(num(m[2]))
		}
	case kind == "S_FRAMEPROC":
		if m := reFrame.FindStringSubmatch(l); m != nil {
			f.locals, f.params = m[1], m[2]
		}
	case kind == "S_LOCAL":
		if strings.Contains(l, "flags =") {
			f.vars[len(f.vars)-1].param = strings.Contains(l, "param")
		}
	case kind == "S_DEFRANGE_REGISTER":
		if m := reRegister.FindStringSubmatch(l); m != nil {
			add(localRange{kind: "register", register: m[1], low: place(t, sec, m[2], 10), size: uint64(num(m[3]))})
		}
	case kind == "S_DEFRANGE_SUBFIELD_REGISTER":
		if m := reSubfield.FindStringSubmatch(l); m != nil {
			add(localRange{kind: "register", register: m[1], parent: int(num(m[2])), piece: true})
		}
	case kind == "S_DEFRANGE_REGISTER_REL":
		if m := reRelative.FindStringSubmatch(l); m != nil {
			add(localRange{kind: "memory", register: m[1], offset: num(m[2]), parent: int(num(m[3])), piece: m[4] == "true"})
		}
	case kind == "S_DEFRANGE_FRAMEPOINTER_REL":
		if m := reOffset.FindStringSubmatch(l); m != nil {
			add(localRange{kind: "frame", offset: num(m[1]), low: place(t, sec, m[2], 10), size: uint64(num(m[3]))})
		}
	case kind == "S_DEFRANGE_FRAMEPOINTER_REL_FULL_SCOPE":
		if m := reFull.FindStringSubmatch(l); m != nil {
			add(localRange{kind: "frame", offset: num(m[1]), whole: true, low: f.low, size: f.size})
		}
	}
	if strings.HasPrefix(kind, "S_DEFRANGE") && len(f.vars) > 0 && len(f.vars[len(f.vars)-1].ranges) > 0 {
		r := &f.vars[len(f.vars)-1].ranges[len(f.vars[len(f.vars)-1].ranges)-1]
		if m := reRange.FindStringSubmatch(l); m != nil && r.size == 0 {
			r.low, r.size = place(t, sec, m[1], 10), uint64(num(m[2]))
		}
		if _, gaps, ok := strings.Cut(l, "gaps = "); ok {
			for _, m := range reGap.FindAllStringSubmatch(gaps, -1) {
				r.gaps = append(r.gaps, [2]uint64{uint64(num(m[1])), uint64(num(m[2]))})
			}
		}
	}
}

// TestFunctions: every function is found by its name, covers its code and has its size.
func TestFunctions(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		compared := 0
		for _, f := range functions(t, p) {
			found := false
			for s := range p.image.Lookup(f.name) {
				found = found || s.Offset == f.low && s.Size == f.size && s.Kind == symbols.Function
			}
			for _, off := range []symbols.Offset{f.low, f.low + symbols.Offset(f.size) - 1} {
				s, ok := p.image.At(off)
				scopes, err := p.image.Scopes(off)
				if !found || !ok || s.Name != f.name || s.Offset != f.low || s.Size != f.size || err != nil || len(scopes) == 0 || scopes[len(scopes)-1].Name != f.name {
					t.Errorf("%s at %x: found %v, %+v, %v", f.name, f.low, found, s, err)
				}
			}
			compared++
		}
		if t.Logf("%d functions", compared); compared < 8 {
			t.Error("too few")
		}
	})
}

// TestPublics: every public is found by its linkage name.
func TestPublics(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		sec, compared, name := sections(t, p), 0, ""
		for _, l := range output(t, "", "llvm-pdbutil-19", "dump", "--publics", p.pdb) {
			if m := reName.FindStringSubmatch(l); m != nil {
				name = m[2]
			}
			_, at, ok := strings.Cut(l, "addr = ")
			if !ok || name == "" {
				continue
			}
			want, found := place(t, sec, at, 10), false
			for s := range p.image.Lookup(name) {
				found = found || s.Offset == want
			}
			if s, ok := p.image.At(want); !ok || s.Offset != want || !found {
				t.Errorf("%s at %x: found %v, %+v", name, want, found, s)
			}
			compared++
		}
		if t.Logf("%d publics", compared); compared < 8 {
			t.Error("too few")
		}
	})
}

// frame has a number of its own in each register, and memory of zeros.
type frame struct{ regs *arch.Registers }

func newFrame(a *arch.Arch) frame {
	r := arch.NewRegisters(a.DefaultSet())
	for i, x := range r.Set.Regs {
		if x.Size >= 4 {
			r.SetUint(i, 0x10000*uint64(i+1))
		}
	}
	return frame{r}
}

func (f frame) Registers() *arch.Registers                     { return f.regs }
func (f frame) Memory() symbols.Memory                         { return f }
func (f frame) Base() arch.Addr                                { return 0 }
func (f frame) CFA(context.Context) (arch.Addr, error)         { return 0, nil }
func (f frame) TLS(context.Context, uint64) (arch.Addr, error) { return 0, nil }
func (f frame) Caller(context.Context) (symbols.Frame, error)  { return nil, nil }
func (f frame) ReadMemory(_ context.Context, _ arch.Addr, p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// whole are the registers that others are parts of.
var whole = map[string]string{"EAX": "rax", "EBX": "rbx", "ECX": "rcx", "EDX": "rdx", "ESI": "rsi", "EDI": "rdi", "EBP": "rbp", "ESP": "rsp",
	"AL": "rax", "BL": "rbx", "CL": "rcx", "DL": "rdx", "AX": "rax", "BX": "rbx", "CX": "rcx", "DX": "rdx", "SIL": "rsi", "DIL": "rdi", "BPL": "rbp", "SI": "rsi", "DI": "rdi"}

// registerOf is arch's register for a name of the dump.
func registerOf(a *arch.Arch, name string) string {
	name = strings.TrimPrefix(name, "ARM64_")
	switch {
	case a == arch.ARM64 && name == "FP":
		return "x29"
	case a == arch.ARM64 && name == "LR":
		return "x30"
	case a == arch.ARM64 && name == "NONE": // how the dump spells SP of a frame
		return "sp"
	case a == arch.ARM64 && len(name) > 1 && strings.Contains("WX", name[:1]):
		return "x" + name[1:]
	case a == arch.ARM64 && len(name) > 1 && strings.Contains("SDQ", name[:1]) && name != "SP":
		return "v" + name[1:]
	case a == arch.AMD64 && whole[name] != "":
		return whole[name]
	case a == arch.I386 && len(name) == 2 && whole[name] != "":
		return "e" + whole[name][1:]
	case a == arch.AMD64 && name[0] == 'R' && len(name) > 2 && strings.Contains("DWB", name[len(name)-1:]) && name[1] >= '0' && name[1] <= '9':
		return strings.ToLower(name[:len(name)-1])
	}
	return strings.ToLower(name)
}

// wanted is where a range says that its value is.
func (r localRange) wanted(f frame, fn function, param bool, rows []frameRow, at symbols.Offset) string {
	a := f.regs.Set.Arch
	if r.kind == "register" {
		return "in " + registerOf(a, r.register)
	}
	name := r.register
	if r.kind == "frame" {
		name = fn.locals
		if param {
			name = fn.params
		}
	}
	if a == arch.I386 && (name == "VFRAME" || name == "NONE") {
		return fmt.Sprintf("at %x", uint32(virtualFrame(rows, f, at)+uint64(r.offset)))
	}
	v, _ := f.regs.Get(registerOf(a, name))
	v += uint64(r.offset)
	if a == arch.I386 {
		v = uint64(uint32(v))
	}
	return fmt.Sprintf("at %x", v)
}

// frameRow is a row of the dump of frame data.
type frameRow struct {
	low, size, locals, saved uint64
	program                  string
}

func frameRows(t *testing.T, p program) (out []frameRow) {
	for _, l := range output(t, "", "llvm-pdbutil-19", "dump", "--fpo", p.pdb) {
		col := strings.Split(l, "|")
		if len(col) != 11 || strings.Contains(l, "RVA") {
			continue
		}
		num := func(i, base int) uint64 { n, _ := strconv.ParseUint(strings.TrimSpace(col[i]), base, 64); return n }
		out = append(out, frameRow{num(0, 16), num(1, 10), num(2, 10), num(6, 10), strings.TrimSpace(col[10])})
	}
	return out
}

// virtualFrame is $T0 in the frame, as the program of the row for an address says.
func virtualFrame(rows []frameRow, f frame, at symbols.Offset) uint64 {
	esp, _ := f.regs.Get("esp")
	ebp, _ := f.regs.Get("ebp")
	out := uint64(0)
	for _, r := range rows {
		if uint64(at) < r.low || uint64(at) >= r.low+r.size {
			continue
		}
		switch { // the last that begins before counts
		case strings.HasPrefix(r.program, "$T0 .raSearch ="):
			out = esp + r.locals + r.saved
		case strings.HasPrefix(r.program, "$T0 $ebp 4 + ="):
			out = ebp + 4
		case reAligned.MatchString(r.program):
			m := reAligned.FindStringSubmatch(r.program)
			below, _ := strconv.ParseUint(m[1], 10, 32)
			unit, _ := strconv.ParseUint(m[2], 10, 32)
			out = (ebp + 4 - below) / unit * unit
		default:
			out = 0
		}
	}
	return out
}

func spelled(r *arch.Registers, p symbols.Piece) string {
	switch p.Kind {
	case symbols.InRegister:
		return "in " + r.Set.Regs[p.Register].Name
	case symbols.InMemory:
		return fmt.Sprintf("at %x", uint64(p.Addr))
	}
	return fmt.Sprint("kind ", p.Kind)
}

// TestLocals: every variable of every function is where the dump says in each of its
// ranges, and not in their gaps.
func TestLocals(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		f := newFrame(p.image.Arch())
		rows := frameRows(t, p)
		variables, ranges, bare := 0, 0, 0
		for _, fn := range functions(t, p) {
			for _, v := range fn.vars {
				variables++
				for _, r := range v.ranges {
					ranges++
					seen, right := []string(nil), false
					// A variable of an inlined call is seen in the call's code alone.
					for at := r.low; at < r.low+symbols.Offset(r.size) && !right; at++ {
						got := places(p, f, v, at)
						right = contains(got, r.wanted(f, fn, v.param, rows, at))
						seen = got
					}
					if !right {
						t.Errorf("%s: %s from %x on is at last %v, the dump says %s", fn.name, v.name, r.low, seen, r.wanted(f, fn, v.param, rows, r.low))
					}
					for _, g := range r.gaps {
						bare++
						at := r.low + symbols.Offset(g[0])
						if got := places(p, f, v, at); contains(got, r.wanted(f, fn, v.param, rows, at)) && !covered(v, at) {
							t.Errorf("%s: %s is %v in a gap at %x", fn.name, v.name, got, at)
						}
					}
				}
			}
		}
		if t.Logf("%d variables, %d ranges, %d gaps", variables, ranges, bare); variables < 10 || ranges < 10 {
			t.Error("too few")
		}
	})
}

// covered reports whether another range of a variable has an address.
func covered(v local, at symbols.Offset) bool {
	for _, r := range v.ranges {
		in := at >= r.low && at < r.low+symbols.Offset(r.size)
		for _, g := range r.gaps {
			in = in && !(at >= r.low+symbols.Offset(g[0]) && at < r.low+symbols.Offset(g[0]+g[1]))
		}
		if in {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// places are where all variables of a name seen at an address are.
func places(p program, f frame, v local, at symbols.Offset) (out []string) {
	scopes, err := p.image.Scopes(at)
	if err != nil {
		return []string{err.Error()}
	}
	for _, s := range scopes {
		for _, x := range s.Variables {
			if x.Name != v.name || x.Param != v.param {
				continue
			}
			pieces, err := x.Location.Pieces(context.Background(), f, at)
			if err != nil {
				out = append(out, err.Error())
			}
			for _, piece := range pieces {
				out = append(out, spelled(f.regs, piece))
			}
		}
	}
	return out
}
