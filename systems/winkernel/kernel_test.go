package winkernel

import (
	"encoding/binary"
	"math/bits"
	"testing"
)

// TestDecodeBlock undoes what a kernel that was not booted for debugging does to its block.
func TestDecodeBlock(t *testing.T) {
	const never, always, flag = 0x1b6e09f1d3c58e27, 0xc4d1a70e5583b1f6, 0xfffff80312345678
	plain := make([]byte, 64)
	for i := range plain {
		plain[i] = byte(7 * i)
	}
	copy(plain[kdTag:], blockTag)
	hidden := make([]byte, len(plain))
	for i := 0; i < len(plain); i += 8 {
		v := bits.ReverseBytes64(binary.LittleEndian.Uint64(plain[i:])^uint64(always)) ^ flag
		binary.LittleEndian.PutUint64(hidden[i:], bits.RotateLeft64(v, -int(never&0xff))^never)
	}
	if string(hidden[kdTag:kdTag+4]) == blockTag {
		t.Fatal("the block is not hidden")
	}
	decodeBlock(hidden, never, always, flag)
	if string(hidden) != string(plain) {
		t.Errorf("%x, want %x", hidden, plain)
	}
}

// TestSelfMap: where a page's entries lie, as in the public description of the layout.
func TestSelfMap(t *testing.T) {
	want := [4]uint64{0xfffff6fb7dbedf80, 0xfffff6fb7dbf0000, 0xfffff6fb7e000488, 0xfffff6fc00091a00}
	if got := selfMap(fixedPteBase, 0xfffff80012340000); got != want {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestInvalidText: the forms of entries that are not valid.
func TestInvalidText(t *testing.T) {
	for v, want := range map[uint64]string{
		0: "not valid", 0x12345880: "not valid, Transition: 12345, Protect: 4", 0x123400000084: "not valid, PageFile: 2, Offset: 1234, Protect: 4", 0x1234_0000_0400: "not valid, Proto: 0000000012340000",
	} {
		if got := invalidText(v, false); got != want {
			t.Errorf("%x: %s, want %s", v, got, want)
		}
	}
}

// TestTables: each bug check is there once, and a parameter that is code at fault is one
// of four.
func TestTables(t *testing.T) {
	seen := map[uint32]bool{}
	for _, b := range bugchecks {
		if seen[b.Code] || b.Name == "" || b.Place < 0 || b.Place > 4 {
			t.Errorf("%+v", b)
		}
		seen[b.Code] = true
	}
	if b, ok := bugcheckOf(0x1000007e); !ok || b.Name != "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED" {
		t.Errorf("%+v", b)
	}
	if _, ok := bugcheckOf(0x999); ok {
		t.Error("an unknown code is known")
	}
	for build, name := range map[int]string{7601: "Windows 7", 9600: "Windows 8.1", 19045: "Windows 10", 22631: "Windows 10", 1: "Windows"} {
		if got := Product(build); got != name {
			t.Errorf("%d: %s", build, got)
		}
	}
	for _, key := range []string{"_EPROCESS.UniqueProcessId", "_ETHREAD.Cid.UniqueThread"} {
		if m, ok := byBuild(19045, key); !ok || m.off == 0 {
			t.Errorf("%s of 19045: %+v", key, m)
		}
	}
	if _, ok := byBuild(3790, "_EPROCESS.UniqueProcessId"); ok {
		t.Error("a build below the table has offsets")
	}
}
