package windbg_test

import (
	"bytes"
	"os"
	"strings"
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

// refuse runs a line that fails, and compares what is said.
func (w *window) refuse(line, want string) {
	w.t.Helper()
	err := w.i.Exec(w.ctx, line, w)
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		w.t.Errorf("%s: %v, want %s", line, err, want)
	}
}

// TestInstances: dt takes C++ expressions for where an instance lies, and says what is
// neither a member nor an address.
func TestInstances(t *testing.T) {
	w := open(t, "shop.cpp")
	w.run("bp shop!fact; g")
	w.expect("dt shop::Item items[1] qty", "   +0x030 qty              : 0n2")
	w.expect("dt shop!shop::Item *items[0] qty", "   +0x030 qty              : 0n100")
	w.expect("dt shop::Point points[2]", "   +0x000 x                : 0n5", "   +0x004 y                : 0n6")
	w.expect("dt shop::Point &points[3] y", "   +0x004 y                : 0n8")
	w.expect("dt Node chain->next value", "   +0x000 value            : 0n2")
	w.expect("dt points[1] x", "/Global var @ 0x[0-9a-f]+ Type shop::Point/", "   +0x000 x                : 0n3")
	w.expect("dt chain->next->next value", "/.* Type Node \\*/", "/0x"+address+" /", "   +0x000 value            : 0n3")
	w.refuse("dt shop::Item nosuch", "Cannot find specified field members.")
	w.refuse("dt shop::Item nosuch[3]", "Couldn't resolve error at 'nosuch'")
	w.refuse("dt nosuch[3]", "Symbol nosuch[3] not found.")
}

// TestNumbersThatAreNames: a word of hex digits is a number, and whoever meant the
// function is told how to say so.
func TestNumbersThatAreNames(t *testing.T) {
	w := open(t, "shop.cpp")
	w.run("bp shop!sum; g")
	hint := `add is read as the number 0xadd; the function is @!"add" or shop!add`
	w.expect("bp add", hint, "/unable to insert it at 00000000`00000add: .*/")
	w.expect("bc 1; u add L1", hint, "/00000000`00000add \\?\\? +\\?\\?\\?/")
	w.expect("bp fade", "/unable to insert it at 00000000`0000fade: .*/")
	w.run("bc 1")
	w.expect(`bp @!"add"; bl 1`, "/     1 e Disable Clear  "+address+".* shop!add/")
	w.expect(`u @!"add" L1`, "...", "/"+address+" .*/")
	w.expect(`ln @!"shop!shop::add<int>"`, "...", "Exact matches:", "...")
}
