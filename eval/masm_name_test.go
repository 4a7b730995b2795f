package eval

import (
	"context"
	"strings"
	"testing"

	"dap-windbg/arch"

	"github.com/google/go-cmp/cmp"
)

// TestMASMNames evaluates names that hold what are operators elsewhere. The symbols
// are spelled as demanglers do.
func TestMASMNames(t *testing.T) {
	env := newFake().clone()
	env.addrs = map[string]arch.Addr{"m!Ring<int, 4>::push": 0x1000, "std::vector<int, std::allocator<int> >::size": 0x2000, "m!std::operator<": 0x3000,
		"m!T::operator()": 0x3100, "m!T::operator<<": 0x3200, "m!(anonymous namespace)::f": 0x4000, "g": 7, "m!max<int>": 0x5000, "m!Fn<void (int), 3>::go": 0x6000}
	for _, c := range []struct{ src, want string }{
		{"m!Ring<int,4>::push", "1000"}, {"m!Ring<int, 4>::push+4", "1004"}, {"m!Ring< int , 4 >::push + 4", "1004"}, {"poi(m!Ring<int,4>::push)", "Memory access error at ')'"},
		{"std::vector<int,std::allocator<int>>::size", "2000"}, {"std::vector<int, std::allocator<int> >::size-1", "1fff"},
		{"m!std::operator<", "3000"}, {"m!T::operator()", "3100"}, {"m!T::operator<<", "3200"}, {"(m!(anonymous namespace)::f)", "4000"},
		{"m!max<int>", "5000"}, {"m!max<int>+1", "5001"}, {"m!Fn<void (int),3>::go", "6000"},
		{"g<8", "1"}, {"(g<3)+1", "1"}, {"g<8>0", "1"}, {"5<6", "1"}, {"g < 3", "0"}, {"@rax<5", "0"},
		{"m!Ring<int,4::push", "Extra character error at ',4::push'"}, {"m!Ring<>::push", "Syntax error at '>::push'"},
	} {
		e, err := Parse(c.src, Options{Dialect: MASM})
		var got string
		if err == nil {
			var v Value
			if v, err = e.Eval(context.Background(), env); err == nil {
				got, err = (&Model{}).Text(context.Background(), env, v, Format{Radix: 16, Bare: true})
			}
		}
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.src, got, c.want)
		}
	}
}

func TestTemplateSpellings(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"main", "main"}, {"R<int,4>::p", "R<int,4>::p|R<int, 4>::p"}, {"R<int, 4>", "R<int, 4>"},
		{"v<int,a<int>>", "v<int,a<int>>|v<int, a<int> >|v<int, a<int>>"}, {"v<char *>", "v<char *>|v<char*>"},
	} {
		if d := cmp.Diff(c.want, strings.Join(TemplateSpellings(c.name), "|")); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}
