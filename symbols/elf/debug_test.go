package elf

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"dap-windbg/symbols"
)

// TestDeclaredGlobal: a variable that the linker defines has the type that the code
// declares for it, and the symbol table's place.
func TestDeclaredGlobal(t *testing.T) {
	dir := t.TempDir()
	src, out := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.out")
	text := "unsigned long counter = 7; extern volatile unsigned long jiffies; int main(void) { return jiffies != 7; }"
	if err := os.WriteFile(src, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "gcc", "-g", "-Wl,--defsym=jiffies=counter", "-o", out, src)
	img, err := Open(out, Options{})
	if err != nil {
		t.Fatal(err)
	}
	v, ok := img.Global("jiffies")
	if !ok || v.Type.ByteSize() != 8 || v.Location == nil {
		t.Fatalf("jiffies: %+v, %v", v, ok)
	}
	counter, _ := img.Global("counter")
	f := &coreFrame{coreDump: &coreDump{base: 0x10000}}
	got, err1 := v.Location.Pieces(context.Background(), f, 0)
	want, err2 := counter.Location.Pieces(context.Background(), f, 0)
	if err1 != nil || err2 != nil || len(got) != 1 || got[0].Kind != symbols.InMemory || got[0].Addr != want[0].Addr {
		t.Errorf("jiffies lies at %+v (%v), counter at %+v (%v)", got, err1, want, err2)
	}
}
