package dwarf

import (
	"context"
	stddwarf "debug/dwarf"
	stdelf "debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"dap-windbg/symbols"
	"dap-windbg/symbols/index"
)

// program has what is hard to name right.
const program = `
#include <map>
#include <string>
#include <vector>
#include <regex>
namespace outer {
inline namespace v2 { struct Versioned { int a; enum class Mode { on, off }; static int made; }; int Versioned::made = 3; }
namespace { struct Hidden { int x; }; int hidden_counter = 1; int hidden(int n) { return n + hidden_counter; } }
template <class T, unsigned long N> struct Box { T t[N]; static T sum; T get(int i) const { return t[i]; } bool operator<(const Box &) const { return true; } };
template <class T, unsigned long N> T Box<T, N>::sum = 5;
union Either { int i; float f; struct { short lo, hi; }; struct Inner { int z; } in; };
typedef Box<int, 4> Four;
static inline int twice(int n) { return 2 * n; }
enum Plain { red, green };
}
struct { int anonymous_field; } nameless;
extern "C" int plain_c(int n) { static int calls = 7; struct LocalType { int q; } l = {n}; return ++calls + l.q; }
static int same(int n) { return n; }
int main(int argc, char **argv) {
  outer::Versioned v = {argc}; outer::Four f = {}; outer::Either e; e.i = argc;
  outer::Hidden h = {1}; std::map<std::string, std::vector<long>> m; m["x"].push_back(argc);
  auto lambda = [&](int k) { static int in_lambda = 2; return in_lambda + k + v.a; };
  return outer::hidden(h.x) + f.get(0) + outer::Box<int, 4>::sum + plain_c(argc) + same(1) + lambda(2) + outer::twice(e.i) + outer::Versioned::made +
         (int)outer::Versioned::Mode::off + outer::green + nameless.anonymous_field + (f < f) + (int)m.size();
}
`

const programC = `
struct point { int x, y; struct inner { char c; } in; };
enum color { RED, GREEN = 5, BLUE };
typedef struct point point_t;
static int counter = 3; int shared; extern int elsewhere;
static inline __attribute__((always_inline)) int only_inline(int n) { static int seen; seen += n; return seen * 3; }
static int same(int n) { struct only_here { int a; } o = {n}; return o.a + counter; }
int use(point_t *p, enum color c) { return only_inline(p->x) + only_inline(c) + same(shared) + p->in.c; }
int main(int argc, char **argv) { point_t p = {argc, 1}; return use(&p, GREEN); }
`

// programLarge has a great many names, from headers.
const programLarge = `
#include <filesystem>
#include <future>
#include <map>
#include <regex>
namespace app { struct Record { std::map<std::string, std::vector<int>> a; };
int work(Record &r, int n) {
  std::regex re("a+b*");
  for (int k = 0; k < n; k++) r.a[std::to_string(k)].push_back(k);
  auto f = std::async([&] { return r.a.size(); });
  return (int)f.get() + std::regex_match("aab", re) + (int)std::filesystem::path("x").string().size();
} }
int large(int n) { app::Record r; return app::work(r, n); }
`

// build compiles a source with the words of a command and returns the program.
func buildProgram(t testing.TB, words string, sources map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	args := strings.Fields(words)
	for name, text := range sources {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, p)
	}
	out := filepath.Join(dir, "program")
	cmd := exec.Command(args[0], append(args[1:], "-o", out)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", words, err, text)
	}
	return out
}

// openSections reads a program as the standard library reads files.
func openSections(t testing.TB, path string) *Data {
	t.Helper()
	f, err := stdelf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	o := Options{Section: func(name string) []byte {
		s := f.Section(name)
		if s == nil {
			return nil
		}
		b, err := s.Data()
		if err != nil {
			t.Error(err)
		}
		return b
	}}
	for _, p := range f.Progs {
		if p.Type == stdelf.PT_LOAD && p.Flags&stdelf.PF_X != 0 {
			if o.CodeHigh == 0 {
				o.CodeLow = p.Vaddr
			}
			o.CodeLow, o.CodeHigh = min(o.CodeLow, p.Vaddr), max(o.CodeHigh, p.Vaddr+p.Memsz)
		}
	}
	return New(o)
}

// said is what the standard library's reader says of a DIE.
type said struct {
	name, scope string
	target      stddwarf.Offset
	kind        index.Kind
	counts      bool // an index must have it
	die         stddwarf.Offset
}

// walkAll reads all DIEs by the standard library.
func walkAll(t testing.TB, path string, f func(s said)) map[stddwarf.Offset]said {
	t.Helper()
	e, err := stdelf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	d, err := e.DWARF()
	if err != nil {
		t.Fatal(err)
	}
	targets := map[stddwarf.Offset]said{}
	type level struct {
		scope    string
		function bool
		open     bool // at unit, namespace or class level
	}
	stack := []level{{}}
	isC := false
	r := d.Reader()
	for {
		entry, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if entry == nil {
			return targets
		}
		if entry.Tag == 0 {
			stack = stack[:len(stack)-1]
			continue
		}
		top := stack[len(stack)-1]
		name, _ := entry.Val(stddwarf.AttrName).(string)
		s := said{name: name, scope: top.scope, die: entry.Offset}
		for _, a := range []stddwarf.Attr{stddwarf.AttrSpecification, stddwarf.AttrAbstractOrigin} {
			if o, ok := entry.Val(a).(stddwarf.Offset); ok && s.target == 0 {
				s.target = o
			}
		}
		next := level{scope: top.scope, function: top.function}
		child := func(n string) {
			next.scope, next.open = top.scope+n+"::", true
		}
		switch entry.Tag {
		case stddwarf.TagCompileUnit, stddwarf.TagPartialUnit:
			lang, _ := entry.Val(stddwarf.AttrLanguage).(int64)
			isC = lang == 0x0c || lang == 0x1d || lang == 0x01 || lang == 0x02 || lang == 0x2c
			next = level{open: true}
		case stddwarf.TagNamespace:
			if name == "" {
				name = "(anonymous namespace)"
			}
			child(name)
		case stddwarf.TagStructType, stddwarf.TagClassType, stddwarf.TagUnionType:
			s.kind, s.counts = index.Type, true
			next.open = true
			if o, ok := targets[s.target]; ok && name == "" { // DWARF 2 has no namespaces; classes in them are apart
				top.scope, name = o.scope, o.name
			}
			if !isC && name != "" {
				child(symbols.Spell(name))
			}
		case stddwarf.TagEnumerationType:
			s.kind, s.counts = index.Type, true
			if entry.AttrField(stddwarf.Attr(atEnumClass)) != nil {
				child(name)
			}
			next.open = false
		case stddwarf.TagBaseType, stddwarf.TagTypedef, stddwarf.TagUnspecifiedType:
			s.kind, s.counts = index.Type, true
		case stddwarf.TagEnumerator:
			s.kind, s.counts = index.Enumerator, true
		case stddwarf.TagVariable:
			s.kind = index.Variable
			loc, _ := entry.Val(stddwarf.AttrLocation).([]byte)
			s.counts = top.open || len(loc) == 9 && loc[0] == opAddr || len(loc) == 2 && loc[0] == opAddrx
		case stddwarf.TagSubprogram:
			s.kind = index.Function
			ranges, err := d.Ranges(entry)
			if err != nil {
				t.Fatal(err)
			}
			for _, rg := range ranges {
				s.counts = s.counts || rg[0] != 0 && rg[0] < rg[1]
			}
			if in, ok := entry.Val(stddwarf.AttrInline).(int64); ok {
				s.kind, s.counts = index.Inline, in == 1 || in == 3
			}
			next = level{function: true}
		default:
			next.open = false
		}
		switch entry.Tag {
		case stddwarf.TagSubprogram, stddwarf.TagVariable, stddwarf.TagMember, stddwarf.TagStructType, stddwarf.TagClassType, stddwarf.TagUnionType:
			targets[entry.Offset] = s
		}
		if s.counts {
			f(s)
		}
		if entry.Children {
			stack = append(stack, next)
		}
	}
}

// compareIndex checks that every name the standard library sees is found under its
// qualified name, functions at their DIEs, and that the index has no other functions.
func compareIndex(t *testing.T, path string) (compared int) {
	t.Helper()
	var all []said
	targets := walkAll(t, path, func(s said) { all = append(all, s) })
	d := openSections(t, path)
	if err := d.Index(context.Background()); err != nil {
		t.Fatal(err)
	}
	x := d.index.ready.Load()
	type key struct {
		kind index.Kind
		name string
	}
	have := map[key]bool{}
	functions := map[uint64]key{}
	for n := range x.Names() {
		for e := range x.Meanings(n) {
			full, _ := qualified(x, e.Scope, string(x.Name(n)))
			k := key{e.Kind, full}
			have[k] = true
			start, _ := x.Unit(e.Unit) // what is inlined from another unit is entered for each that does
			if u := d.unitOf(ref(e.DIE)); (e.Kind == index.Function || e.Kind == index.Inline) && uint64(u.ref(u.off)) == start {
				functions[e.DIE] = k
			}
		}
	}
	count, missing := 0, 0
	for _, s := range all {
		for o := s.target; o != 0; {
			next, ok := targets[o]
			if !ok {
				t.Fatalf("DIE 0x%x completes 0x%x, which is nothing", s.die, o)
			}
			if s.name == "" {
				s.name = next.name
			}
			s.scope, o = next.scope, next.target
		}
		if s.name == "" {
			continue
		}
		k := key{s.kind, s.scope + s.name}
		compared++
		ok := have[k]
		if s.kind == index.Function || s.kind == index.Inline {
			count++
			ok = functions[uint64(s.die)] == k
		}
		if !ok {
			if missing++; missing < 10 {
				t.Errorf("DIE 0x%x: %q of kind %d is not found; the index has %+v", s.die, k.name, k.kind, functions[uint64(s.die)])
			}
		}
	}
	if count != len(functions) {
		t.Errorf("%d functions, the index has %d", count, len(functions))
	}
	return compared
}

func TestIndexAgainstFullWalk(t *testing.T) {
	total := 0
	cc := map[string]string{"a.cc": program}
	large := map[string]string{"a.cc": program, "large.cc": programLarge}
	c := map[string]string{"a.c": programC, "b.c": "static int same(int n) { return n * 2; } int other(int n) { return same(n); }\n"}
	for _, words := range []string{
		"g++ -g -O0 -std=c++17", "g++ -g -O2 -std=c++17", "g++ -gdwarf-4 -O1 -std=c++17", "g++ -gdwarf-2 -gstrict-dwarf -O1 -std=c++17",
		"g++ -gdwarf-5 -gdwarf64 -O1 -std=c++17", "clang++ -g -O1 -std=c++17 -stdlib=libstdc++", "clang++ -gdwarf-4 -O2 -std=c++17 -stdlib=libstdc++",
		"clang++ -g -O0 -std=c++17 -stdlib=libstdc++ -pthread",
		"gcc -g -O0", "gcc -g -O2", "gcc -gdwarf-4 -O2", "gcc -g -O2 -flto", "clang -g -O2", "gcc -gdwarf-3 -O1 -gz=zlib",
	} {
		t.Run(strings.ReplaceAll(words, " ", "_"), func(t *testing.T) {
			src := c
			switch {
			case strings.Contains(words, "-pthread"):
				src = large
			case strings.Contains(words, "++"):
				src = cc
			}
			total += compareIndex(t, buildProgram(t, words, src))
		})
	}
	t.Logf("%d names compared", total)
	if total < 8000 {
		t.Errorf("only %d names compared", total)
	}
}

// TestIndexOfKernel compares what a kernel has: 157,036 functions in one build.
func TestIndexOfKernel(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		t.Skip("only with HEAVY=1")
	}
	found, _ := filepath.Glob("/usr/lib/debug/boot/vmlinux-*")
	if len(found) == 0 {
		t.Fatal("no kernel with debug information in /usr/lib/debug/boot")
	}
	n := compareIndex(t, found[len(found)-1])
	t.Logf("%d names compared", n)
	if n < 1_000_000 {
		t.Errorf("only %d names", n)
	}
}

func TestInlined(t *testing.T) {
	for _, words := range []string{"gcc -g -O2", "gcc -g -O2 -flto", "clang -g -O1", "gcc -gdwarf-4 -O1"} {
		d := openSections(t, buildProgram(t, words, map[string]string{"a.c": programC}))
		if d.Inlined("only_inline") != nil {
			t.Errorf("%s: copies without an index", words)
		}
		if err := d.Index(context.Background()); err != nil {
			t.Fatal(err)
		}
		got := d.Inlined("only_inline")
		if len(got) < 2 {
			t.Errorf("%s: %d copies, want 2 and more", words, len(got))
		}
		for _, p := range got {
			if !p.Inlined || p.Function != "only_inline" || filepath.Base(p.Line.File) != "a.c" || p.Line.Line == 0 {
				t.Errorf("%s: %+v", words, p)
			}
		}
		if d.Inlined("main") != nil || d.Inlined("nothing") != nil {
			t.Errorf("%s: copies of what is not inlined", words)
		}
	}
}

// TestAskWhileIndexing: answers do not depend on whether the index is there.
func TestAskWhileIndexing(t *testing.T) {
	path := buildProgram(t, "g++ -g -O1 -std=c++17", map[string]string{"a.cc": program})
	ask := func(d *Data) string {
		defer d.Asking()()
		ty, ok := d.Type("outer::Box<int, 4>")
		v, okV := d.Global("outer::(anonymous namespace)::hidden_counter")
		n := 0
		for range d.Types("outer::*") {
			n++
		}
		places := d.Places("a.cc", 18)
		return fmt.Sprint(ok, okV, ty != nil && ty.Size == 16, v.Name, n, len(places), d.Covers(d.offset(0)))
	}
	want := ask(openSections(t, path))
	d := openSections(t, path)
	var wg sync.WaitGroup
	for g := range 12 {
		wg.Go(func() {
			if g%4 == 0 {
				ctx, cancel := context.WithCancel(context.Background())
				if g%8 == 0 {
					cancel() // whoever gives up does not stop the others
				}
				_ = d.Index(ctx)
				cancel()
			}
			if got := ask(d); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	wg.Wait()
	if !d.Indexed() {
		t.Error("not indexed")
	}
}

// TestByString: what is found by the places of strings is what the index finds.
func TestByString(t *testing.T) {
	for _, words := range []string{"g++ -g -O1 -std=c++17", "clang++ -gdwarf-4 -O1 -std=c++17 -stdlib=libstdc++"} {
		path := buildProgram(t, words, map[string]string{"a.cc": program})
		d, full := openSections(t, path), openSections(t, path)
		if err := full.Index(context.Background()); err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, kind := range []index.Kind{index.Type, index.Variable} {
			for _, name := range []string{"outer::v2::Versioned", "outer::Versioned", "outer::Box<int, 4>", "outer::Either", "outer::Four", "outer::(anonymous namespace)::hidden_counter", "nameless", "nothing", "outer::nothing"} {
				got := d.byString(kind, name)
				if len(got) == 0 {
					continue
				}
				found++
				want := slices.DeleteFunc(full.find(kind, name), func(e index.Entry) bool { return e.Flags&(index.Declared|index.Alias) != 0 })
				if len(want) == 0 || want[0].DIE != got[0].DIE {
					t.Errorf("%s: %s: 0x%x, the index has %+v", words, name, got[0].DIE, want)
				}
			}
		}
		if found < 5 || d.Indexed() {
			t.Errorf("%s: %d found", words, found)
		}
	}
}

// TestKeptIndex: an index from a file answers as a fresh one; a damaged file is
// replaced.
func TestKeptIndex(t *testing.T) {
	var many strings.Builder
	for i := range 30000 {
		fmt.Fprintf(&many, "struct number_%d { int a, b, c, d, e, f; } global_%d;\n", i, i)
	}
	path := buildProgram(t, "gcc -g -O1", map[string]string{"a.c": programC, "many.c": many.String()})
	cache := &index.Cache{Dir: t.TempDir()}
	kept := cache.For([]byte("the id of the build"))
	open := func() *Data {
		d := openSections(t, path)
		if d.Small() {
			t.Fatal("the program is too small to be kept")
		}
		d.opt.Kept = func() *index.Kept { return kept }
		if err := d.Index(context.Background()); err != nil {
			t.Fatal(err)
		}
		return d
	}
	all := func(d *Data) string {
		var b strings.Builder
		for n := range d.Types("*") {
			fmt.Fprintln(&b, n)
		}
		for _, n := range []string{"global_7", "GREEN", "counter", "nothing"} {
			v, ok := d.Global(n)
			at, _ := d.GlobalAt(0x4000)
			fmt.Fprintln(&b, v.Name, ok, at.Name)
		}
		fmt.Fprintln(&b, d.Places("a.c", 7), d.Inlined("only_inline"))
		return b.String()
	}
	want := all(open())
	files, err := filepath.Glob(filepath.Join(cache.Dir, "*", "*.dwi"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	if got := all(open()); got != want {
		t.Error("the kept index answers otherwise")
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for at := 1000; at < len(data); at += len(data) / 20 {
		bad := append([]byte(nil), data...)
		bad[at] ^= 0x40
		if err := os.WriteFile(files[0], bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := all(open()); got != want {
			t.Errorf("byte %d flipped: other answers", at)
		}
	}
}
