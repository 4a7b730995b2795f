package natvis

import "testing"

func TestDefault(t *testing.T) {
	s, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Files()) < 1 {
		t.Fatal("nothing is embedded")
	}
}
