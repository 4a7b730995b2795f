package elf

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

const goNames = `package main

import "fmt"

type T struct{ n int }

//go:noinline
func (t *T) Method() int { return t.n }

//go:noinline
func (t T) Value() int { return t.n }

type Num interface{ ~int | ~float64 }

//go:noinline
func Sum[N Num](a ...N) N {
	var s N
	for _, x := range a {
		s += x
	}
	return s
}

var Global = 5

//go:noinline
func call(f func(int) int) int { return f(Global) }

func main() {
	t := &T{3}
	fmt.Println(t, *t, t.Method(), t.Value(), call(func(k int) int { return k + t.n }), Sum(1, 2), Sum(1.5))
}
`

const rustNames = `
mod inner {
    pub struct S<T> { pub v: T }
    impl<T: Copy> S<T> { #[inline(never)] pub fn get(&self) -> T { self.v } }
    pub trait Speak { fn say(&self) -> i32; }
    impl Speak for S<i32> { #[inline(never)] fn say(&self) -> i32 { self.v + 1 } }
    pub static COUNT: i32 = 9;
}
use inner::Speak;
fn main() {
    let s = inner::S { v: 4 };
    let c = |k: i32| k + s.v;
    println!("{} {} {} {}", s.get(), s.say(), c(2), inner::COUNT);
}
`

const cppNames = `
namespace outer {
namespace { int hidden(int n) { return n + 1; } }
inline namespace v2 { struct Thing { int n; Thing(int n) : n(n) {} ~Thing(); bool operator<(const Thing &o) const; operator int() const; void *operator new(unsigned long); int operator()(int) const; }; }
Thing::~Thing() { n = 0; }
bool Thing::operator<(const Thing &o) const { return n < o.n; }
Thing::operator int() const { return n; }
void *Thing::operator new(unsigned long n) { return __builtin_malloc(n); }
int Thing::operator()(int k) const { return k; }
template <class T, int N> struct Box { T t; T get() const; };
template <class T, int N> T Box<T, N>::get() const { return t; }
template struct Box<unsigned long, 3>;
template <class T> T twice(T t) { return t + t; }
template long twice<long>(long);
}
int main(int argc, char **) { outer::Thing a(argc), *b = new outer::Thing(2); return (a < *b) + outer::hidden(a) + (*b)(3); }
`

// TestNamesOfLanguages: names are found as people of each language write them.
func TestNamesOfLanguages(t *testing.T) {
	for _, c := range []struct {
		file, text string
		compile    []string
		names      map[string]string // what is asked, and a name that must be among the answers
		types      []string
	}{
		{"m.go", goNames, []string{"go", "build", "-o"}, map[string]string{
			"main.(*T).Method": "main.(*T).Method", "main.T.Value": "main.T.Value", "main.Sum[go.shape.int]": "main.Sum[go.shape.int]",
			"main.Sum*": "main.Sum[go.shape.float64]", "main.main": "main.main", "MAIN.MAIN": "main.main", "main.main.func1": "main.main.func1",
			"main.(*T).*": "main.(*T).Method", "*Fprintln": "fmt.Fprintln", "main.call": "main.call",
		}, []string{"main.T", "int"}},
		{"r.rs", rustNames, []string{"rustc", "-g", "--crate-name", "r", "-o"}, map[string]string{
			"r::main": "r::main", "R::MAIN": "r::main", "<r::inner::S<i32> as r::inner::Speak>::say": "<r::inner::S<i32> as r::inner::Speak>::say",
			"*::say": "<r::inner::S<i32> as r::inner::Speak>::say", "r::inner::S::get": "r::inner::S<T>::get", "r::inner::COUNT": "r::inner::COUNT",
			"r::main::{{closure}}": "r::main::{{closure}}",
		}, []string{"r::inner::S<i32>", "i32"}},
		{"n.cc", cppNames, []string{"g++", "-g", "-o"}, map[string]string{
			"outer::(anonymous namespace)::hidden": "outer::(anonymous namespace)::hidden", "outer::hidden": "outer::(anonymous namespace)::hidden",
			"outer::v2::Thing::operator<": "outer::v2::Thing::operator<", "outer::v2::Thing::operator int": "outer::v2::Thing::operator int",
			"outer::v2::Thing::operator new": "outer::v2::Thing::operator new", "outer::v2::Thing::operator()": "outer::v2::Thing::operator()",
			"outer::v2::Thing::Thing": "outer::v2::Thing::Thing", "outer::v2::Thing::~Thing": "outer::v2::Thing::~Thing",
			"outer::Box<unsigned long, 3>::get": "outer::Box<unsigned long, 3>::get", "outer::Box<unsigned long,3>::get": "outer::Box<unsigned long, 3>::get",
			"outer::Box::get": "outer::Box<unsigned long, 3>::get", "outer::twice": "outer::twice<long>", "*Box*get": "outer::Box<unsigned long, 3>::get",
			"_ZN5outer2v25ThingD1Ev": "outer::v2::Thing::~Thing", "OUTER::TWICE": "outer::twice<long>", "outer::*::operator<": "outer::v2::Thing::operator<",
		}, []string{"outer::v2::Thing", "outer::Thing", "outer::Box<unsigned long, 3>", "outer::Box<unsigned long,3>"}},
	} {
		dir := t.TempDir()
		src, out := filepath.Join(dir, c.file), filepath.Join(dir, "program")
		if err := os.WriteFile(src, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(c.compile[0], append(c.compile[1:], out, src)...)
		cmd.Dir = dir
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", c.file, err, text)
		}
		i, err := Open(out, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for ask, want := range c.names {
			var got []string
			for s := range i.Lookup(ask) {
				got = append(got, s.Name)
			}
			if !slices.Contains(got, want) {
				t.Errorf("%s: %s: got %.300q, want %s", c.file, ask, got, want)
			}
		}
		for _, n := range c.types {
			if ty, ok := i.Type(n); !ok || ty.Size <= 0 {
				t.Errorf("%s: type %s: %v", c.file, n, ok)
			}
		}
	}
}
