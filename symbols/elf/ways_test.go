package elf

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// way is a way to compile, link and treat the program of testdata/ways: its
// debug information takes another form, and says the same.
type way struct {
	name  string
	like  string                   // the build that must say the same
	steps []string                 // commands; $S is the folder of the sources
	file  string                   // what is opened, "prog" when empty
	debug string                   // its debug file
	pkg   bool                     // no .dwo file must be needed
	loose func(fact string) string // takes away what this form cannot say
}

const (
	plainGCC   = "g++ -O1 -gdwarf-5"
	plainClang = "clang++ -O1 -gdwarf-5"
)

func link(cc, flags string) []string {
	var steps []string
	for _, s := range []string{"one", "two"} {
		steps = append(steps, fmt.Sprintf("%s %s -c -o %s.o $S/%s.cc", cc, flags, s, s))
	}
	return append(steps, cc+" "+flags+" -o prog one.o two.o")
}

func then(steps []string, more ...string) []string { return append(slices.Clone(steps), more...) }

// ways are all the builds. The first of each compiler is what the others are
// compared with.
var ways = []way{
	{name: plainGCC, steps: link("g++", "-O1 -gdwarf-5")},
	{name: "gcc DWARF 4", like: plainGCC, steps: link("g++", "-O1 -gdwarf-4")},
	{name: "gcc DWARF 3", loose: noRvalues, like: plainGCC, steps: link("g++", "-O1 -gdwarf-3 -gno-strict-dwarf")},
	{name: "gcc DWARF 2", loose: version2, like: plainGCC, steps: link("g++", "-O1 -gdwarf-2 -gno-strict-dwarf")},
	{name: "gcc DWARF 5, 64 bits", like: plainGCC, steps: link("g++", "-O1 -gdwarf-5 -gdwarf64")},
	{name: "gcc DWARF 4, 64 bits", like: plainGCC, steps: link("g++", "-O1 -gdwarf-4 -gdwarf64")},
	{name: "gcc type units 4", like: plainGCC, steps: link("g++", "-O1 -gdwarf-4 -fdebug-types-section")},
	{name: "gcc type units 5", like: plainGCC, steps: link("g++", "-O1 -gdwarf-5 -fdebug-types-section")},
	{name: "gcc macros", like: plainGCC, steps: link("g++", "-O1 -gdwarf-5 -g3")},
	{name: "gcc split 4", like: plainGCC, loose: fission, steps: link("g++", "-O1 -gdwarf-4 -gsplit-dwarf")},
	{name: "gcc split 5", like: plainGCC, steps: link("g++", "-O1 -gdwarf-5 -gsplit-dwarf")},
	{name: "gcc split 5, macros", like: plainGCC, steps: link("g++", "-O1 -gdwarf-5 -g3 -gsplit-dwarf")},
	{name: "gcc split type units 4", like: plainGCC, loose: fission, steps: link("g++", "-O1 -gdwarf-4 -gsplit-dwarf -fdebug-types-section")},
	{name: "gcc split type units 5", like: plainGCC, steps: link("g++", "-O1 -gdwarf-5 -gsplit-dwarf -fdebug-types-section")},
	{name: "gcc split 64 bits", like: plainGCC, steps: link("g++", "-O1 -gdwarf-5 -gdwarf64 -gsplit-dwarf")},
	{name: "gcc package 4, dwp", like: plainGCC, loose: fission, pkg: true, steps: then(link("g++", "-O1 -gdwarf-4 -gsplit-dwarf -fdebug-types-section"), "dwp -e prog")},
	{name: "gcc package 4, llvm-dwp", like: plainGCC, loose: fission, pkg: true, steps: then(link("g++", "-O1 -gdwarf-4 -gsplit-dwarf -fdebug-types-section"), "llvm-dwp -e prog -o prog.dwp")},
	{name: "gcc package 5, llvm-dwp", like: plainGCC, pkg: true, steps: then(link("g++", "-O1 -gdwarf-5 -gsplit-dwarf -fdebug-types-section"), "llvm-dwp -e prog -o prog.dwp")},
	{name: "gcc package of a stripped image", like: plainGCC, pkg: true, debug: "prog.debug", steps: then(link("g++", "-O1 -gdwarf-5 -gsplit-dwarf -fdebug-types-section"),
		"llvm-dwp -e prog -o prog.dwp", "objcopy --only-keep-debug prog prog.debug", "objcopy --strip-debug prog")},
	{name: "gcc dwz", like: plainGCC, steps: then(link("g++", "-O1 -gdwarf-5"), "dwz prog")},
	{name: "gcc dwz 4", like: plainGCC, steps: then(link("g++", "-O1 -gdwarf-4 -fdebug-types-section"), "dwz prog")},
	{name: "gcc dwz -m", like: plainGCC, steps: then(link("g++", "-O1 -gdwarf-4"), "cp prog other", "dwz -m common.debug prog other")},
	{name: "gcc dwz -m 5", like: plainGCC, steps: then(link("g++", "-O1 -gdwarf-5"), "cp prog other", "dwz -m common.debug prog other")},
	{name: "gcc dwz -5 -m", like: plainGCC, steps: then(link("g++", "-O1 -gdwarf-5"), "cp prog other", "dwz -5 -m common.debug prog other")},
	{name: "gcc zlib", like: plainGCC, steps: link("g++", "-O1 -gdwarf-5 -gz=zlib")},
	{name: "gcc zlib-gnu", like: plainGCC, steps: link("g++", "-O1 -gdwarf-5 -gz=zlib-gnu")},
	{name: "gcc zstd", like: plainGCC, steps: then(link("g++", "-O1 -gdwarf-5"), "objcopy --compress-debug-sections=zstd prog")},
	{name: "gcc split, zlib", like: plainGCC, steps: link("g++", "-O1 -gdwarf-5 -gsplit-dwarf -gz=zlib")},
	{name: "gcc stripped", like: plainGCC, debug: "prog.debug", steps: then(link("g++", "-O1 -gdwarf-5"),
		"objcopy --only-keep-debug prog prog.debug", "strip prog")},
	{name: plainClang, steps: link("clang++", "-O1 -gdwarf-5")},
	{name: "clang DWARF 4", like: plainClang, steps: link("clang++", "-O1 -gdwarf-4")},
	{name: "clang DWARF 3", loose: noValues, like: plainClang, steps: link("clang++", "-O1 -gdwarf-3")},
	{name: "clang DWARF 2", loose: noValues, like: plainClang, steps: link("clang++", "-O1 -gdwarf-2")},
	{name: "clang DWARF 5, 64 bits", like: plainClang, steps: link("clang++", "-O1 -gdwarf-5 -gdwarf64")},
	{name: "clang type units 4", like: plainClang, steps: link("clang++", "-O1 -gdwarf-4 -fdebug-types-section")},
	{name: "clang type units 5", like: plainClang, steps: link("clang++", "-O1 -gdwarf-5 -fdebug-types-section")},
	{name: "clang split 4", like: plainClang, steps: link("clang++", "-O1 -gdwarf-4 -gsplit-dwarf")},
	{name: "clang split 5", like: plainClang, steps: link("clang++", "-O1 -gdwarf-5 -gsplit-dwarf")},
	{name: "clang split in the object", like: plainClang, steps: link("clang++", "-O1 -gdwarf-5 -gsplit-dwarf=single")},
	{name: "clang split type units 4", like: plainClang, steps: link("clang++", "-O1 -gdwarf-4 -gsplit-dwarf -fdebug-types-section")},
	{name: "clang split type units 5", like: plainClang, steps: link("clang++", "-O1 -gdwarf-5 -gsplit-dwarf -fdebug-types-section")},
	{name: "clang package 4", like: plainClang, pkg: true, steps: then(link("clang++", "-O1 -gdwarf-4 -gsplit-dwarf -fdebug-types-section"), "llvm-dwp -e prog -o prog.dwp")},
	{name: "clang package 5", like: plainClang, pkg: true, steps: then(link("clang++", "-O1 -gdwarf-5 -gsplit-dwarf -fdebug-types-section"), "llvm-dwp -e prog -o prog.dwp")},
	{name: "clang macros", like: plainClang, steps: link("clang++", "-O1 -gdwarf-5 -fdebug-macro")},
}

func init() {
	ways = append(ways,
		way{name: "gcc LTO", like: plainGCC, loose: whole, steps: link("g++", "-O1 -gdwarf-5 -flto")},
		way{name: "gcc LTO 4", like: plainGCC, loose: whole, steps: link("g++", "-O1 -gdwarf-4 -flto")},
		way{name: "gcc LTO dwz", like: plainGCC, loose: whole, steps: then(link("g++", "-O1 -gdwarf-5 -flto"), "dwz prog")},
		way{name: "gcc linked once more", like: plainGCC, file: "both.o", steps: then(link("g++", "-O1 -gdwarf-5"), "ld -r -o both.o one.o two.o")},
		way{name: "gcc linked once more, type units", like: plainGCC, file: "both.o", steps: then(link("g++", "-O1 -gdwarf-4 -fdebug-types-section"), "ld -r -o both.o one.o two.o")},
		way{name: "clang linked once more", like: plainClang, file: "both.o", steps: then(link("clang++", "-O1 -gdwarf-5"), "ld -r -o both.o one.o two.o")},
	)
	// Objects of other machines: sizes of addresses, both byte orders, relocations.
	for _, cc := range []string{
		"g++ -m32", "clang++ --target=i386-linux-gnu", "clang++ --target=aarch64-linux-gnu", "clang++ --target=riscv64-linux-gnu",
		"clang++ --target=powerpc64-linux-gnu", "clang++ --target=s390x-linux-gnu", "clang++ --target=armv7-linux-gnueabi",
	} {
		base := ""
		for _, flags := range []string{"-gdwarf-5", "-gdwarf-4", "-gdwarf-5 -fdebug-types-section", "-gdwarf-4 -fdebug-types-section", "-gdwarf-5 -gsplit-dwarf", "-gdwarf-4 -gsplit-dwarf", "-gdwarf-5 -gz"} {
			if strings.Contains(cc, "riscv") && strings.Contains(flags, "split") {
				continue // not with linker relaxation, says the compiler
			}
			w := way{name: cc + " " + flags, like: base, file: "one.o", steps: []string{cc + " -O1 -fno-exceptions " + flags + " -c -o one.o $S/one.cc"}}
			if base == "" {
				base = w.name
			}
			if cc == "g++ -m32" && flags == "-gdwarf-4 -gsplit-dwarf" {
				w.loose = fission
			}
			ways = append(ways, w)
		}
	}
}

// make runs the steps in a folder of its own and returns the image.
func (w way) make(t *testing.T) *Image {
	t.Helper()
	dir := t.TempDir()
	src, err := filepath.Abs("testdata/ways")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range w.steps {
		args := strings.Fields(strings.ReplaceAll(s, "$S", src))
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = dir
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", s, err, b)
		}
	}
	if w.pkg {
		dwos, _ := filepath.Glob(filepath.Join(dir, "*.dwo"))
		for _, f := range dwos {
			os.Remove(f)
		}
	}
	o := Options{}
	if w.debug != "" {
		o.Debug = filepath.Join(dir, w.debug)
	}
	file := w.file
	if file == "" {
		file = "prog"
	}
	img, err := Open(filepath.Join(dir, file), o)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestWays asks every build the same and compares the answers.
func TestWays(t *testing.T) {
	said := map[string][]string{}
	ask := func(t *testing.T, name string) []string {
		if said[name] == nil {
			k := slices.IndexFunc(ways, func(w way) bool { return w.name == name })
			img := ways[k].make(t)
			said[name] = strings.Split(factsOf(img), "\n")
			for _, m := range img.Missing() {
				t.Errorf("missing: %v", m)
			}
		}
		return said[name]
	}
	facts := 0
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			got := ask(t, w.name)
			facts += len(got)
			if w.like == "" {
				return
			}
			if diff := cmp.Diff(w.loosen(ask(t, w.like)), w.loosen(got)); diff != "" {
				t.Error(diff)
			}
			if facts < 100 {
				t.Errorf("only %d facts", facts)
			}
		})
	}
	t.Logf("%d facts in %d builds", facts, len(ways))
}

// loosen takes away what the build's form cannot say.
func (w way) loosen(facts []string) []string {
	if w.loose == nil {
		return facts
	}
	var out []string
	for _, f := range facts {
		if f = w.loose(f); f != "" {
			out = append(out, f)
		}
	}
	return out
}

// noRvalues: versions 2 and 3 have no rvalue references.
func noRvalues(fact string) string { return strings.ReplaceAll(fact, "rvalue reference", "reference") }

// version2 has no call frame for a frame base: places in the frame are by
// registers, which hold no real frame here.
func version2(fact string) string {
	return inFrame.ReplaceAllString(noRvalues(fact), "in the frame")
}

// noValues: LLVM leaves out what needs operations of later versions.
func noValues(fact string) string {
	if strings.Contains(fact, "stock::Grade") { // is no enum class there
		return ""
	}
	return unknown.ReplaceAllString(version2(fact), "unknown")
}

// fission: GCC writes lengths of ranges that begin inside a call two short.
func fission(fact string) string {
	return strings.ReplaceAll(unknown.ReplaceAllString(fact, "unknown"), "in rbp", "unknown")
}

// whole: code that is made of the whole program is other code, and needs fewer
// variables; of two with one name either may be found.
func whole(fact string) string {
	if strings.HasPrefix(fact, "global stock::pricer") || strings.HasPrefix(fact, "global hidden_total") {
		return ""
	}
	if strings.HasPrefix(fact, "function") || strings.HasPrefix(fact, "    ") || strings.HasPrefix(fact, "  +") && strings.Contains(fact, ".cc:") || strings.Contains(fact, ".h:") {
		return ""
	}
	return fact
}

var unknown = regexp.MustCompile(`value unavailable.*|in the frame|is [0-9a-f ]+`)

var inFrame = regexp.MustCompile(`at 0x[0-9a-f]+|is (.. ){4}00 00 00 00`)

// factsOf writes what an image says of the program: functions with their lines
// and locals, types, globals. Addresses are from the function's entry or by the
// symbol there, since builds lie elsewhere.
func factsOf(img *Image) string {
	var b strings.Builder
	var funcs []symbols.Symbol
	for s := range img.Lookup("*") {
		if s.Kind == symbols.Function && !s.Public {
			funcs = append(funcs, s)
		}
	}
	slices.SortFunc(funcs, func(a, b symbols.Symbol) int { return strings.Compare(a.Name+a.Linkage, b.Name+b.Linkage) })
	for _, s := range funcs {
		functionFacts(&b, img, s)
	}
	for _, n := range []string{"stock::Part", "stock::Wheel", "stock::Wheel::Spoke", "stock::Date", "stock::Grade", "stock::Shelf<stock::Part, 24>", "stock::Pricer", "Local"} {
		if t, ok := img.Type(n); ok {
			describe(&b, t)
			for _, f := range t.Members().Fields {
				if e := f.Type.Strip(); e != nil && e.Name == "" {
					describe(&b, e)
				}
			}
		} else {
			fmt.Fprintf(&b, "no type %s\n", n)
		}
	}
	for _, n := range []string{"stock::Part::made_so_far", "stock::shelves", "stock::depth", "stock::pricer", "asked", "hidden_total", "local_table", "stock::Shelves", "stock::Grade::Best"} {
		v, ok := img.Global(n)
		fmt.Fprintf(&b, "global %s %v %s: %s %s %s\n", n, ok, v.Name, spell(v.Type), place(img, v, 0), line(v.Decl))
	}
	return b.String()
}

func line(l symbols.Line) string { return fmt.Sprintf("%s:%d", filepath.Base(l.File), l.Line) }

func functionFacts(b *strings.Builder, img *Image, s symbols.Symbol) {
	// Complete and base destructors are one.
	fmt.Fprintf(b, "function %s (%s)", s.Name, strings.Replace(s.Linkage, "D1Ev", "D2Ev", 1))
	if t, ok := img.Function(s.Offset); ok {
		fmt.Fprintf(b, " %s", spell(t))
	}
	if p, ok := img.Body(s.Offset); ok {
		fmt.Fprintf(b, " body +%d %s", p.Offset-s.Offset, line(p.Line))
	}
	b.WriteString("\n")
	for _, l := range img.Lines(s.Offset, s.Offset+symbols.Offset(s.Size)) {
		fmt.Fprintf(b, "  +%d %s\n", l.Start-s.Offset, line(l))
		scopes, err := img.Scopes(l.Start)
		if err != nil {
			fmt.Fprintf(b, "    %v\n", err)
		}
		for _, sc := range scopes {
			fmt.Fprintf(b, "    in %s %v, called at %s, declared %s\n", sc.Name, sc.Inlined, line(sc.Call), line(sc.Decl))
			for _, v := range sc.Variables {
				fmt.Fprintf(b, "      %s %s depth %d param %v %s %s\n", v.Name, spell(v.Type), v.Depth, v.Param, line(v.Decl), place(img, v, l.Start))
			}
		}
	}
}

// place evaluates a location in a frame whose registers hold their own numbers.
func place(img *Image, v symbols.Variable, pc symbols.Offset) string {
	if v.Location == nil {
		return "nowhere"
	}
	a := img.Arch()
	if a == nil {
		a = arch.AMD64
	}
	f := &numberedFrame{regs: arch.NewRegisters(a.DefaultSet())}
	for i, r := range f.regs.Set.Regs {
		if r.Size > 8 {
			continue
		}
		f.regs.SetUint(i, uint64(0x1000*(i+1)))
	}
	pieces, err := v.Location.Pieces(context.Background(), f, pc)
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, p := range pieces {
		switch p.Kind {
		case symbols.InMemory:
			at := fmt.Sprintf("0x%x", uint64(p.Addr))
			if s, ok := img.At(symbols.Offset(uint64(p.Addr) - uint64(f.Base()))); ok && v.Static {
				at = s.Name
			}
			out = append(out, "at "+at)
		case symbols.InRegister:
			out = append(out, "in "+f.regs.Set.Regs[p.Register].Name)
		case symbols.Literal:
			if v := uint64(0); len(p.Bytes) == 8 {
				if v = binary.LittleEndian.Uint64(p.Bytes) - uint64(f.Base()); v < img.Size() {
					s, _ := img.At(symbols.Offset(v))
					out = append(out, "points to "+s.Name)
					continue
				}
			}
			out = append(out, fmt.Sprintf("is % x", p.Bytes))
		default:
			out = append(out, "lost")
		}
	}
	return strings.Join(out, ", ")
}

type numberedFrame struct{ regs *arch.Registers }

func (f *numberedFrame) Registers() *arch.Registers             { return f.regs }
func (f *numberedFrame) Memory() symbols.Memory                 { return f }
func (f *numberedFrame) Base() arch.Addr                        { return 0x40000000 }
func (f *numberedFrame) CFA(context.Context) (arch.Addr, error) { return 0x7fff0000, nil }
func (f *numberedFrame) TLS(_ context.Context, off uint64) (arch.Addr, error) {
	return arch.Addr(0x50000000 + off), nil
}
func (f *numberedFrame) Caller(context.Context) (symbols.Frame, error) { return nil, nil }

func (f *numberedFrame) ReadMemory(_ context.Context, addr arch.Addr, p []byte) (int, error) {
	for i := range p {
		p[i] = byte(addr) + byte(i)
	}
	return len(p), nil
}
