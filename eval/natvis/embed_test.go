package natvis

import "testing"

func TestDefault(t *testing.T) {
	s, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	list, err := embedded.ReadDir(".")
	if err != nil || len(list) == 0 {
		t.Fatal("nothing is embedded", err)
	}
	for _, f := range list {
		data, err := embedded.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := compile(f.Name(), data); err != nil {
			t.Error(err)
		}
	}
	if got := len(s.Files()); got != len(list) {
		t.Errorf("%d of %d files are loaded", got, len(list))
	}
}
