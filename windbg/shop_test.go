package windbg_test

import (
	"bytes"
	"os"
	"testing"

	"dap-windbg/targets/wire"
)

// trips is the number of round trips on the wire until now.
func (w *window) trips() int {
	w.t.Helper()
	text, err := os.ReadFile(w.wire)
	if err != nil {
		w.t.Fatal(err)
	}
	ms, err := wire.Parse(bytes.NewReader(text))
	if err != nil {
		w.t.Fatal(err)
	}
	return wire.RoundTrips(ms)
}

// TestVariables: x shows the values of variables, and the types of those with members;
// however many they are, they are read together.
func TestVariables(t *testing.T) {
	w := open(t, "shop.cpp")
	w.run("bp shop!sum; g")
	w.expect("x shop!count", "/"+address+" shop!count = 0n8/")
	w.expect("x shop!items", "/"+address+" shop!items = class std::vector<shop::Item\\*, std::allocator<shop::Item\\*> >/")
	w.expect("x shop!numbers*", "/"+address+" shop!numbers\\[abi:cxx11\\] = class std::__cxx11::list<int, std::allocator<int> >/")
	w.expect("x shop!points", "/"+address+" shop!points = struct shop::Point \\[4\\]/")
	w.expect("x shop!word", "/"+address+" shop!word = union shop::Word/")
	w.expect("x shop!title", "/"+address+" shop!title = 0x"+address+" \"the shop\"/")
	w.expect("x shop!mode", "/"+address+" shop!mode = Busy \\(0n3\\)/")
	w.expect("x /t shop!ratio", "/"+address+" double shop!ratio = 2.5/")
	w.expect("x /t shop!ring", "/"+address+" class shop::Ring<int, 4> shop!ring = class shop::Ring<int, 4>/")
	w.expect("x shop!fact", "/"+address+" shop!fact \\(int\\)/")

	before := w.trips()
	if got := bytes.Count([]byte(w.run("x shop!far_*")), []byte(" = 0n7\n")); got != 50 {
		t.Errorf("%d values of 50", got)
	}
	if n := w.trips() - before; n > 3 {
		t.Errorf("fifty variables in %d round trips", n)
	}
	before = w.trips()
	w.run("x /f shop!*")
	w.run("x /2 shop!far_*")
	if n := w.trips() - before; n > 0 {
		t.Errorf("functions and names in %d round trips", n)
	}
}
