package symbols

import "testing"

func TestSpell(t *testing.T) {
	for in, want := range map[string]string{
		"long int":                             "long",
		"long unsigned int":                    "unsigned long",
		"long long unsigned int":               "unsigned long long",
		"short int":                            "short",
		"unsigned int":                         "unsigned int",
		"unsigned char":                        "unsigned char",
		"signed char":                          "signed char",
		"long double":                          "long double",
		"int":                                  "int",
		"Box<long int, 4>":                     "Box<long, 4>",
		"map<int, short unsigned int>":         "map<int, unsigned short>",
		"point interval":                       "point interval",
		"my long_int unsigned_x":               "my long_int unsigned_x",
		"operator unsigned long":               "operator unsigned long",
		"std::pair<const long int*, long int>": "std::pair<const long*, long>",
	} {
		if got := Spell(in); got != want {
			t.Errorf("Spell(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCanonical(t *testing.T) {
	for _, same := range [][]string{
		{"Box<long, 4>", "Box<long,4>", "Box<long int,4>", "Box< long int , 4ul >"},
		{"vec<char const*>", "vec<const char*>", "vec<const char *>"},
		{"vec<std::pair<int const, a::b<int> > >", "vec<std::pair<const int,a::b<int>>>"},
		{"f<unsigned long>::g", "f<long unsigned int>::g"},
		{"x<a const&>", "x<const a&>"},
		{"x<const std::v<int> &>", "x<std::v<int> const&>"},
	} {
		for _, s := range same[1:] {
			if a, b := Canonical(same[0]), Canonical(s); a != b {
				t.Errorf("%q is %q, but %q is %q", same[0], a, s, b)
			}
		}
	}
	for _, differ := range [][2]string{{"a<int>", "a<long>"}, {"a<const b>", "a<b>"}, {"a<b*>", "a<b const*>"}} {
		if Canonical(differ[0]) == Canonical(differ[1]) {
			t.Errorf("%q and %q are taken for one", differ[0], differ[1])
		}
	}
}

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		fold, want    bool
	}{
		{"main", "main", false, true},
		{"main", "Main", false, false},
		{"MAIN", "Main", true, true},
		{"m*n", "main", false, true},
		{"m*x*n", "main", false, false},
		{"m??n", "main", false, true},
		{"[a-m]ain", "main", false, true},
		{"[n-z]ain", "main", false, false},
		{"*", "", false, true},
		{"std::*::push_back", "std::vector<int>::push_back", false, true},
		{"operator[]", "operator[]", false, true},
		{"a*b*c*d*e*f*g*h*", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false, false},
	} {
		p := CompilePattern(c.pattern, c.fold)
		if got := p.Match(c.name); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.name, got)
		}
		if c.want && !p.MayEnd(c.name) {
			t.Errorf("%q matches %q, but MayEnd denies it", c.pattern, c.name)
		}
	}
	if Wild("operator[]") || !Wild("a[b-c]") || !Wild("x*") || Wild("plain") {
		t.Error("Wild misjudges")
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"Box<const long int, 4ul>::f(int)", "a<<b", "operator<", "((((", "const"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c := Canonical(s); len(c) > 2*len(s)+2 {
			t.Errorf("%q grew to %q", s, c)
		}
		Spell(s)
	})
}
