package windbg_test

import "testing"

// TestFields: what follows a type's name in dt are its members, those of bases and
// of unnamed members too, before they are an address.
func TestFields(t *testing.T) {
	w := open(t, "fields.cpp")
	w.run("bp fields!main;g")
	low := "   +0x000 __baseclass Low  : Low"
	unnamed := "   +0x010 <unnamed>        : <anonymous-tag>"
	w.expect("dt Wide a", "   +0x008 a                : Int4B")
	w.expect("dt Wide add a", "   +0x008 a                : Int4B", "   +0x020 add              : Int4B")
	w.expect("dt Wide z", unnamed, "      +0x000 <unnamed>        : <anonymous-tag>", "         +0x008 z                : Int8B")
	w.expect("dt Wide more", low, "      +0x004 more             : Int4B")
	w.expect("dt Wide add @@(&wide)", "   +0x020 add              : 0n5")
	w.expect("dt Wide @@(&wide) a*", "   +0x008 a                : 0n3", "   +0x020 add              : 0n5")
	w.expect("dt Low wide", "   +0x000 low              : 0n1", "   +0x004 more             : 0n2")
	w.expect("dt wide x", "/Global var @ 0x[0-9a-f]+ Type Wide/", unnamed, "      +0x000 <unnamed>        : <anonymous-tag>", "         +0x000 x                : 0n4")
	w.expect("dt Split low", "   +0x??? __baseclass Low  : Low", "      +0x000 low              : Int4B")
}

// TestOverloads: bm stops in all functions of a name.
func TestOverloads(t *testing.T) {
	w := open(t, "fields.cpp")
	w.run("bm fields!ov*")
	for range 2 { // they are found again in another run
		w.expect("g;dv /t", "...", "/int n = .*/")
		w.expect("g;dv /t", "...", "/double d = .*/")
		w.run(".restart")
	}
}
