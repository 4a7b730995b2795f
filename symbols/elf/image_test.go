package elf

import (
	"cmp"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

func names(img *Image, pattern string) []string {
	var out []string
	for s := range img.Lookup(pattern) {
		out = append(out, s.Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestLookup(t *testing.T) {
	for _, options := range []string{"g++ -O0 -gdwarf-5", "clang++ -O0 -gdwarf-5"} {
		img := open(t, options, "shapes.cc")
		for _, c := range []struct {
			pattern string
			want    []string
		}{
			{"main", []string{"main"}},
			{"::main", []string{"main"}},
			{"MAIN", []string{"main"}},
			{"nothing", nil},
			{"geo::Point::sum", []string{"geo::Point::sum"}},
			{"sum", nil},
			{"_ZNK3geo5Point3sumEv", []string{"geo::Point::sum"}},
			{"geo::Box<long, 4>::put", []string{"geo::Box<long, 4>::put"}},
			{"geo::Box<long int,4>::put", []string{"geo::Box<long, 4>::put"}},
			{"geo::Box::put", []string{"geo::Box<long, 4>::put"}},
			{"geo::(anonymous namespace)::secret", []string{"geo::(anonymous namespace)::secret"}},
			{"geo::secret", []string{"geo::(anonymous namespace)::secret"}},
			{"geo::Po*::?um", []string{"geo::Point::sum"}},
			{"geo::Point::Point", []string{"geo::Point::Point"}},
			{"geo::Point::~Point", []string{"geo::Point::~Point"}},
			{"geo::Point::[a-m]*", []string{"geo::Point::area", "geo::Point::made"}},
			{"printf@plt", []string{"printf@plt"}},
			{"c?mp*te", []string{"compute"}},
			{"vtable for geo::Point", []string{"vtable for geo::Point"}},
		} {
			if got := names(img, c.pattern); !slices.Equal(got, c.want) {
				t.Errorf("%s: %q finds %q, want %q", options, c.pattern, got, c.want)
			}
		}
	}
}

func TestSymbolFields(t *testing.T) {
	img := open(t, "g++ -O0 -gdwarf-5", "shapes.cc")
	get := func(name string) symbols.Symbol {
		for s := range img.Lookup(name) {
			return s
		}
		t.Errorf("%s is missing", name)
		return symbols.Symbol{}
	}
	s := get("compute")
	if s.Params != "int, double, std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >&&, geo::Point const&" || s.Kind != symbols.Function || s.Public || !s.Global || s.Size == 0 {
		t.Errorf("%+v", s)
	}
	if s := get("geo::secret"); s.Global || s.Params != "int" {
		t.Errorf("%+v", s)
	}
	if s := get("_start"); !s.Public || s.Linkage != "" {
		t.Errorf("%+v", s)
	}
	if s := get("table"); s.Kind != symbols.Data || s.Size != 48 || s.Public {
		t.Errorf("%+v", s)
	}
	if s := get("printf@plt"); s.Kind != symbols.Label || s.Size != 16 {
		t.Errorf("%+v", s)
	}
}

// TestPLTAsObjdump compares the names of all PLT entries.
func TestPLTAsObjdump(t *testing.T) {
	for _, options := range []string{"g++ -O0 -gdwarf-5", "g++ -O0 -gdwarf-5 -no-pie", "g++ -O1 -gdwarf-5 -fcf-protection=full -Wl,-z,ibtplt", "g++ -O1 -gdwarf-5 -Wl,-z,now"} {
		img := open(t, options, "shapes.cc")
		got, want := map[string]bool{}, map[string]bool{}
		for s := range img.Lookup("*@plt") {
			if b, _, ok := img.Section(".plt"); ok && len(b) > 0 {
				got[cmp.Or(s.Linkage, s.Name)] = true
				if strings.HasPrefix(s.Name, "_Z") {
					t.Errorf("%s is not as people write it", s.Name)
				}
			}
		}
		for _, line := range strings.Split(tool(t, "objdump", "-d", img.Path()), "\n") {
			if i := strings.Index(line, "@plt>:"); i > 0 {
				name := line[strings.IndexByte(line, '<')+1:i] + "@plt"
				want[name] = true
			}
		}
		if len(want) < 5 || !maps.Equal(got, want) {
			t.Errorf("%s: %v, objdump has %v", options, got, want)
		}
	}
}

// TestAtAsNm checks that At finds every function at its first and last byte.
func TestAtAsNm(t *testing.T) {
	img := open(t, "g++ -O0 -gdwarf-5", "shapes.cc")
	at := map[uint64][]string{}
	size := map[uint64]uint64{}
	for s := range img.Lookup("*") {
		if s.Kind == symbols.Function {
			at[uint64(s.Offset)] = append(at[uint64(s.Offset)], s.Name)
			size[uint64(s.Offset)] = s.Size
		}
	}
	for off, names := range at {
		for _, o := range []uint64{off, off + max(size[off], 1) - 1} {
			s, ok := img.At(symbols.Offset(o))
			if !ok || !slices.Contains(names, s.Name) {
				t.Errorf("0x%x: %s, want one of %s", o, s.Name, names)
			}
		}
		if s, ok := img.Next(symbols.Offset(off)); ok && uint64(s.Offset) <= off {
			t.Errorf("next after 0x%x is %+v", off, s)
		}
	}
	if _, ok := img.At(symbols.Offset(img.Size() + 100)); ok {
		t.Error("a symbol beyond the image")
	}
}

// split makes a stripped image and its debug file.
func split(t *testing.T, options string) (stripped, debug string) {
	t.Helper()
	path := build(t, options, "shapes.cc")
	dir := t.TempDir()
	stripped, debug = filepath.Join(dir, "shapes"), filepath.Join(dir, "shapes.debug")
	for _, args := range [][]string{{"--only-keep-debug", path, debug}, {"--strip-all", path, stripped}} {
		if b, err := exec.Command("objcopy", args...).CombinedOutput(); err != nil {
			t.Fatalf("objcopy: %v %s", err, b)
		}
	}
	return stripped, debug
}

func TestSeparateDebugFile(t *testing.T) {
	whole := open(t, "g++ -O0 -gdwarf-5", "shapes.cc")
	stripped, debug := split(t, "g++ -O0 -gdwarf-5")
	both, err := Open(stripped, Options{Debug: debug, Key: symbols.Key{Path: "/far/away/shapes"}})
	if err != nil {
		t.Fatal(err)
	}
	alone, err := Open(debug, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if both.Key().Path != "/far/away/shapes" || both.Key().Name != "shapes" || both.Path() != debug || both.Debug() != symbols.DWARF {
		t.Errorf("%+v %s", both.Key(), both.Path())
	}
	want := names(whole, "*")
	for what, img := range map[string]*Image{"both": both, "debug file": alone} {
		if img.LinkBase() != whole.LinkBase() || img.Size() != whole.Size() || img.Entry() != whole.Entry() {
			t.Errorf("%s: base 0x%x size 0x%x", what, img.LinkBase(), img.Size())
		}
		for s := range whole.Lookup("compute") {
			w, _ := whole.Body(s.Offset)
			g, ok := img.Body(s.Offset)
			w.Provisional, g.Provisional = false, false
			if !ok || g != w {
				t.Errorf("%s: body %+v, want %+v", what, g, w)
			}
			code, same := make([]byte, 8), make([]byte, 8)
			if img.ReadStatic(s.Offset, code) != (img == both) {
				t.Errorf("%s: ReadStatic", what)
			}
			if img == both && (!whole.ReadStatic(s.Offset, same) || string(code) != string(same)) {
				t.Errorf("code differs")
			}
		}
		if what == "both" && !slices.Equal(names(img, "*"), want) {
			t.Errorf("%s: symbols differ", what)
		}
	}
	bare, err := Open(stripped, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if bare.Debug() != symbols.Exports || len(names(bare, "compute")) != 0 || len(names(bare, "printf@plt")) != 1 {
		t.Errorf("stripped: %v, %v", bare.Debug(), names(bare, "*"))
	}
	if sc, err := bare.Scopes(0x1200); sc != nil || err != nil {
		t.Error("a stripped image has scopes")
	}
}

func TestMismatch(t *testing.T) {
	_, debug := split(t, "g++ -O2 -gdwarf-5")
	other := build(t, "g++ -O0 -gdwarf-5", "shapes.cc")
	_, err := Open(other, Options{Debug: debug})
	var m *symbols.MismatchError
	if !errors.As(err, &m) || m.Hint() == "" {
		t.Errorf("got %v", err)
	}
	if _, err := Open(other, Options{Debug: debug, AnyBuild: true}); err != nil {
		t.Error(err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), Options{}); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
	if _, err := Open("image_test.go", Options{}); err == nil || !strings.Contains(err.Error(), "image_test.go") {
		t.Errorf("got %v", err)
	}
}

func TestUnwinderHook(t *testing.T) {
	img := open(t, "g++ -O0 -gdwarf-5", "shapes.cc")
	if _, _, err := img.Unwind(t.Context(), 0, arch.NewRegisters(arch.AMD64.DefaultSet()), nil); !errors.Is(err, symbols.ErrNoUnwind) {
		t.Errorf("got %v", err)
	}
	if b, addr, ok := img.Section(".eh_frame"); !ok || len(b) == 0 || addr == 0 {
		t.Error("no .eh_frame")
	}
}

// TestManyGoroutines asks one image from many sides at once, for -race.
func TestManyGoroutines(t *testing.T) {
	img := open(t, "g++ -O1 -gdwarf-5 -fdebug-types-section", "shapes.cc")
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			for s := range img.Lookup("*comp*") {
				img.Body(s.Offset)
				scopes, _ := img.Scopes(s.Offset + symbols.Offset(k))
				for _, sc := range scopes {
					for _, v := range sc.Variables {
						v.Type.Members()
					}
				}
			}
			img.Places("shapes.cc", 40+k)
			if ty, ok := img.Type("geo::Both"); !ok || len(ty.Members().Fields) == 0 {
				t.Error("no geo::Both")
			}
			img.Global("table")
			img.GlobalAt(0x4000)
			for range img.Files() {
			}
		})
	}
	wg.Wait()
}

func TestRustNames(t *testing.T) {
	for link, want := range map[string]string{
		"_ZN1r4area17h0123456789abcdefE":                                  "r::area",
		"_ZN4core3ptr29drop_in_place$LT$r..Shape$GT$17h0123456789abcdefE": "core::ptr::drop_in_place<r::Shape>",
		"_RNvCs1234_7mycrate3foo":                                         "mycrate::foo",
		"_Z3fooi.cold":                                                    "foo [clone .cold]",
		"_ZN3geo3BoxIlLi4EE3putERKl":                                      "geo::Box<long, 4>::put",
		"_ZNKSt6vectorIiSaIiEE4sizeEv":                                    "std::vector<int, std::allocator<int> >::size",
		"_ZN3geo5PointC1Eii":                                              "geo::Point::Point",
		"_ZN1AltERKS_":                                                    "A::operator<",
		"_ZN1AcvbEv":                                                      "A::operator bool",
		"_Z3maxIiET_S0_S0_":                                               "max<int>",
		"_ZZ4mainENKUlvE_clEv":                                            "main::{lambda()#1}::operator()",
		"_Znotmangled":                                                    "_Znotmangled",
	} {
		if got := demangled(link); got.name != want {
			t.Errorf("%s is %q, want %q", link, got.name, want)
		}
	}
}

func TestWithoutTemplates(t *testing.T) {
	for in, want := range map[string]string{
		"a<b<c>>::d":        "a::d",
		"A::operator<":      "A::operator<",
		"A<int>::operator<": "A::operator<",
		"operator<< <char>": "operator<< ",
		"f[abi:cxx11]":      "f",
		"A::operator->":     "A::operator->",
		"A::operator[]":     "A::operator[]",
		"plain":             "plain",
	} {
		if got := withoutTemplates(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// TestFileCutShort truncates the file under an open image: answers stop, the
// process does not.
func TestFileCutShort(t *testing.T) {
	data, err := os.ReadFile(build(t, "g++ -O0 -gdwarf-5", "shapes.cc"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "shapes")
	if err := os.WriteFile(path, data, 0o700); err != nil {
		t.Fatal(err)
	}
	img, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	late, ok := img.Type("geo::Point")
	if !ok {
		t.Fatal("no geo::Point")
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			img.Prepare("main")
			late.Members()
			img.Scopes(0x2400)
			img.Global("table")
			img.Places("shapes.cc", 40)
			img.At(0x2400)
			img.ReadStatic(0x2400, make([]byte, 4))
		})
	}
	wg.Wait()
	if got := names(img, "main"); len(got) != 0 {
		t.Errorf("names %v of a file that is gone", got)
	}
}

// TestHugeNames: a short mangled name may stand for one of gigabytes.
func TestHugeNames(t *testing.T) {
	pairs := "1PI1aS0_E" // P<a, a>, then P of the one before, twice
	for i := range 30 {
		before := "S" + strings.ToUpper(strconv.FormatInt(int64(i+1), 36)) + "_"
		pairs += "S_I" + before + before + "E"
	}
	for _, link := range []string{"_Z1f" + pairs, "_ZN" + pairs + "1fEv"} {
		if got := demangled(link); len(got.name)+len(got.params) >= 2<<shownPower {
			t.Errorf("%d bytes of name, %d of parameters", len(got.name), len(got.params))
		}
	}
	if got := demangled("_Z1f" + pairs); got.name != "_Z1f"+pairs {
		t.Errorf("a name cut short passes for whole: %.80s", got.name)
	}
}

// TestNearest: an address has the same name whether the table is searched as it is, as
// for the first that are asked for, or in order.
func TestNearest(t *testing.T) {
	for _, path := range []string{build(t, "g++ -O0 -gdwarf-5", "shapes.cc"), build(t, "g++ -O2 -gdwarf-4", "shapes.cc"), "/lib/x86_64-linux-gnu/libc.so.6", "/bin/ls"} {
		ordered, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		ordered.symtab().searched.Store(maxSearched)
		step := symbols.Offset(max(ordered.Size()/3000, 1))
		search, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		sure, named := 0, 0
		for off := symbols.Offset(0); uint64(off) < ordered.Size(); off += step {
			search.symtab().searched.Store(0)
			addr := search.low + uint64(off)
			f, ok := search.symtab().nearest(addr)
			if !ok {
				continue
			}
			sure++
			if want := ordered.symtab().ordered(addr); f != want {
				t.Fatalf("%s: at 0x%x: %+v, in order %+v", path, off, f, want)
			}
			got, _ := search.At(off)
			if want, known := ordered.At(off); got != want {
				t.Fatalf("%s: at 0x%x: %+v, in order %+v", path, off, got, want)
			} else if known {
				named++
			}
		}
		if sure < 100 || named < 5 {
			t.Errorf("%s: only %d found, %d with names", path, sure, named)
		}
	}
}

// TestBeyondSize: what lies behind a symbol that has a size is not called by it; one
// that has none, as in assembler code, names what follows up to the next one.
func TestBeyondSize(t *testing.T) {
	path := build(t, "gcc -nostdlib -static", "gaps.s")
	ordered, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ordered.symtab().searched.Store(maxSearched)
	search, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var base symbols.Offset
	for s := range ordered.Lookup("sized") {
		base = s.Offset
	}
	for off, want := range map[symbols.Offset]string{
		0: "sized", 1: "sized", 2: "", 31: "", 32: "loose", 33: "loose", 63: "loose", 64: "_start", 65: "", 95: "", 96: "wide", 97: "both", 111: "both",
	} {
		for way, img := range map[string]*Image{"in order": ordered, "as it is": search} {
			if s, _ := img.At(base + off); s.Name != want {
				t.Errorf("sized+%d, the table %s: %q, want %q", off, way, s.Name, want)
			}
		}
	}
}
