package windbg

import "testing"

// TestNameLength: what is taken for a name, and what stays an expression.
func TestNameLength(t *testing.T) {
	for line, want := range map[string]string{
		"t!Ring<int,4>::push":             "t!Ring<int,4>::push",
		"Ring<unsigned long, 8>::push 3":  "Ring<unsigned long, 8>::push",
		`t!twice<int> "k;g"`:              "t!twice<int>",
		"ns::Op::operator<":               "ns::Op::operator<",
		"Op::operator<<<int> /1":          "Op::operator<<<int>",
		"Op::operator new 2":              "Op::operator new",
		"main.stop":                       "main.stop",
		"gobin!main.(*T).Inc":             "gobin!main.(*T).Inc",
		"a/b.c.(*T).M":                    "a/b.c.(*T).M",
		"app!(anonymous namespace)::f":    "app!(anonymous namespace)::f",
		"app!*push*":                      "app!*push*",
		"app!get_*":                       "app!get_*",
		"Map<Key,std::vector<int>>::~Map": "Map<Key,std::vector<int>>::~Map",
		"main":                            "",
		"app!main+4":                      "",
		"app!main 3":                      "",
		"poi(app!head)+8":                 "",
		"a<b":                             "",
		"@rip":                            "",
		"0x1000":                          "",
		"operators+1":                     "",
		"app!count*2":                     "",
		"(a<b)>c":                         "",
		"`app!t.cpp:12`":                  "",
		"":                                "",
		"Ring<int":                        "",
		"a<b;c>":                          "",
		"main.stop+4":                     "",
	} {
		if got := line[:nameLength(line)]; got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
