package elf

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dap-windbg/binfmt/elf"
)

// library builds a shared library with two versions of one function.
func library(t *testing.T, flags ...string) *Image {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	src := write("a.c", `
__asm__(".symver add_1, add@V_1");
__asm__(".symver add_2, add@@V_2");
__asm__(".symver gone_1, gone@V_1");
int add_1(int a) { return a + 1; }
int add_2(int a) { return a + 2; }
int gone_1(int a) { return a; }
int plain(int a) { return a * 2; }
`)
	script := write("map", "V_1 { global: add; gone; local: *; };\nV_2 { global: plain; } V_1;\n")
	out := filepath.Join(dir, "lib.so")
	tool(t, "gcc", append(flags, "-O1", "-shared", "-fPIC", "-Wl,--version-script="+script, "-o", out, src)...)
	img, err := Open(out, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestVersions(t *testing.T) {
	for _, flags := range [][]string{{"-s"}, {}, {"-g"}} {
		img := library(t, flags...)
		for _, c := range []struct {
			pattern string
			want    []string
		}{
			{"add", []string{"add"}}, {"add@V_1", []string{"add@V_1"}}, {"add@@V_2", []string{"add"}}, {"add@V_2", []string{"add"}},
			{"add@@V_1", nil}, {"add@V_3", nil}, {"add@*", []string{"add", "add@V_1"}}, {"ad?", []string{"add", "add@V_1"}},
			{"gone", []string{"gone@V_1"}}, {"plain", []string{"plain"}}, {"plain@@V_2", []string{"plain"}}, {"ADD@v_1", []string{"add@V_1"}},
		} {
			if c.pattern == "plain@@V_2" && !slices.Contains(flags, "-s") {
				continue // .symtab has the versions that the source spells, and no others
			}
			got := names(img, c.pattern)
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("%v: %s: %v, want %v", flags, c.pattern, got, c.want)
			}
		}
		for s := range img.Lookup("add@V_1") {
			if at, ok := img.At(s.Offset); !ok || at.Linkage != "add" && at.Name != "add_1" {
				t.Errorf("%v: at %s: %+v", flags, s.Name, at)
			}
		}
	}
}

// TestVersionsAsReadelf compares the versions of all dynamic symbols of libc.
func TestVersionsAsReadelf(t *testing.T) {
	const libc = "/lib/x86_64-linux-gnu/libc.so.6"
	img, err := Open(libc, Options{})
	if err != nil {
		t.Fatal(err)
	}
	st, ok := img.File().SymbolTable(elf.SecDynsym)
	if !ok {
		t.Fatal("no dynamic symbols")
	}
	n := 0
	for l := range strings.Lines(tool(t, "readelf", "-W", "--dyn-syms", libc)) {
		f := strings.Fields(l)
		if len(f) < 8 || f[6] == "UND" || !strings.HasSuffix(f[0], ":") || f[0] == "Num:" {
			continue
		}
		var k int
		for _, c := range strings.TrimSuffix(f[0], ":") {
			k = 10*k + int(c-'0')
		}
		s, _ := st.Symbol(k)
		got := string(st.Name(s.NameOffset))
		switch v, old := st.Version(k); {
		case v != "" && old:
			got += "@" + v
		case v != "":
			got += "@@" + v
		}
		if n++; got != f[7] {
			t.Errorf("symbol %d is %s, readelf has %s", k, got, f[7])
		}
	}
	if n < 2000 {
		t.Errorf("only %d symbols", n)
	}
	if got := names(img, "memcpy"); len(got) != 1 || got[0] != "memcpy" {
		t.Errorf("memcpy: %v", got)
	}
	if got := names(img, "memcpy@*"); len(got) != 2 {
		t.Errorf("memcpy@*: %v", got)
	}
}
