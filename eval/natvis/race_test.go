package natvis

import (
	"fmt"
	"sync"
	"testing"
)

// TestConcurrent: files come and go while types are looked up.
func TestConcurrent(t *testing.T) {
	s, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			file := fmt.Sprint("file", i)
			text := fmt.Sprintf(`<AutoVisualizer><Type Name="std::vector&lt;*&gt;" Priority="High"><DisplayString>%d</DisplayString></Type></AutoVisualizer>`, i)
			for range 50 {
				if err := s.Load(file, []byte(text)); err != nil {
					t.Error(err)
				}
				if c := s.candidates("std::vector<int, std::allocator<int> >"); len(c) < 2 || c[0].priority != 5 {
					t.Error(len(c))
				}
				s.Unload(file)
			}
		}()
	}
	wg.Wait()
	if c := s.candidates("std::vector<int, std::allocator<int> >"); len(c) != 1 || c[0].rule.file != "libstdcxx.natvis" {
		t.Error(c)
	}
}

func TestNames(t *testing.T) {
	tests := []struct {
		pattern, name string
		args          []string // nil: no match
	}{
		{"std::vector<*>", "std::vector<int, std::allocator<int> >", []string{"int", "std::allocator<int>"}},
		{"std::vector<bool,*>", "std::vector<bool, std::allocator<bool> >", []string{"std::allocator<bool>"}},
		{"std::vector<bool,*>", "std::vector<int, std::allocator<int> >", nil},
		{"std::list<*>", "std::__cxx11::list<int, A<B<C> > >", []string{"int", "A<B<C> >"}},
		{"std::array<*,0>", "std::array<int, 0ul>", []string{"int"}},
		{"std::array<*,*>", "std::array<wchar_t, 50>", []string{"wchar_t", "50"}},
		{"A<*,B<*,*>,*>", "A<int, B<char, C<int> >, D>", []string{"int", "char", "C<int>", "D"}},
		{"A<*>::node", "A<int>::node", []string{"int"}},
		{"A<*>::node", "A<int>::other", nil},
		{"A<>", "A<>", []string{}},
		{"A<*>", "A<>", nil},
		{"f<*>", "f<void (int, A<b>)>", []string{"void(int,A<b>)"}},
		{"&[*]", "&[i32]", []string{"i32"}},
		{"&[*]", "&[alloc::vec::Vec<u8, A>]", []string{"alloc::vec::Vec<u8, A>"}},
		{"B<[*],*>", "B<[u8], A>", []string{"u8", "A"}},
		{"B<[*],*>", "B<u8, A>", nil},
		{"[]*", "[]int", []string{"int"}},
		{"[]*", "[][]main.T", []string{"[]main.T"}},
		{"[]*", "[3]int", nil},
		{"map[*]*", "map[string][]int", []string{"string", "[]int"}},
		{"map[*]*", "map[string]map[int]*main.T[int]", []string{"string", "map[int]*main.T[int]"}},
		{"A<*>", "A<int [3]>", []string{"int[3]"}},
		{"Point", "Point", []string{}},
		{"Point", "Points", nil},
		{"A::B", "C::A::B", nil},
	}
	for _, tt := range tests {
		args := []typeName{}
		ok := parseName(tt.pattern).match(parseName(tt.name), &args)
		if ok != (tt.args != nil) || ok && fmt.Sprint(args) != fmt.Sprint(tt.args) {
			t.Errorf("%s against %s: %v %v, want %v", tt.pattern, tt.name, ok, args, tt.args)
		}
	}
}
