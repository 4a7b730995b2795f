package natvis

import (
	"os"
	"testing"
)

func FuzzLoad(f *testing.F) {
	for _, name := range []string{"libstdcxx.natvis"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`<AutoVisualizer><Type Name="A&lt;*&gt;"><DisplayString>{{{x,d}}}</DisplayString><Expand><CustomListItems><Variable Name="i" InitialValue="0"/><Loop><Item>i</Item></Loop></CustomListItems></Expand></Type></AutoVisualizer>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := New().Load("fuzz", data); err != nil && err.Error() == "" {
			t.Fatal("an error without text")
		}
	})
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"std::map<int, std::pair<int const, A<B> > >::node", "a<(1>2)>", "operator<", "x<<<", "f<void (int)>", "a::b<>::c<*>"} {
		f.Add(s, "std::map<*>")
	}
	f.Fuzz(func(t *testing.T, name, pattern string) {
		n := parseName(name)
		var args []typeName
		parseName(pattern).match(n, &args)
		again := parseName(n.String())
		if again.String() != n.String() {
			t.Fatalf("%q becomes %q", n, again)
		}
	})
}
