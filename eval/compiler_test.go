package eval

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// literals of the types that arithmetic knows.
var literals = []string{"0", "1", "7", "-3", "2147483647", "0x80000000", "4294967296", "5u", "0xffffffffu", "3l", "18446744073709551615ul", "9ll",
	"'a'", "'\\xff'", "true", "(short)-5", "(unsigned char)200", "(unsigned short)65535", "(long)-1", "1.5", "2.25f", "-0.5", "1e10", "(char)65"}

// random writes an expression; integers only where an operator wants them.
func random(r *rand.Rand, depth int, integer bool) string {
	if depth == 0 {
		for {
			if s := literals[r.IntN(len(literals))]; !integer || !strings.ContainsAny(s, ".") && !strings.Contains(s, "1e10") {
				return s
			}
		}
	}
	sub := func() string { return random(r, depth-1, integer) }
	whole := func() string { return random(r, depth-1, true) }
	switch r.IntN(12) {
	case 0:
		return "(" + whole() + [](string){" & ", " | ", " ^ "}[r.IntN(3)] + whole() + ")"
	case 1:
		return fmt.Sprintf("((%s) %s %d)", whole(), []string{"<<", ">>"}[r.IntN(2)], r.IntN(31))
	case 2:
		return "(" + whole() + " % ((" + whole() + ") | 1))"
	case 3:
		return "(~(" + whole() + "))"
	case 4:
		return "(" + sub() + []string{" < ", " > ", " <= ", " >= ", " == ", " != "}[r.IntN(6)] + sub() + ")"
	case 5:
		return "(" + sub() + []string{" && ", " || "}[r.IntN(2)] + sub() + ")"
	case 6:
		return "(!(" + sub() + "))"
	case 7:
		return "(" + []string{"int", "unsigned", "long", "short", "unsigned char", "unsigned long"}[r.IntN(6)] + ")(" + whole() + ")"
	case 8:
		return "(-(" + sub() + "))"
	case 9:
		return "(" + whole() + " / ((" + whole() + ") | 1))"
	}
	return "(" + sub() + []string{" + ", " - ", " * "}[r.IntN(3)] + sub() + ")"
}

// program shows the type and value of each expression as the compiler has them.
const program = `#include <cstdio>
static void show(bool v) { printf("bool %d\n", v); }
static void show(char v) { printf("char %d\n", v); }
static void show(unsigned char v) { printf("unsigned char %d\n", v); }
static void show(short v) { printf("short %d\n", v); }
static void show(unsigned short v) { printf("unsigned short %d\n", v); }
static void show(int v) { printf("int %d\n", v); }
static void show(unsigned v) { printf("unsigned int %u\n", v); }
static void show(long v) { printf("long %ld\n", v); }
static void show(unsigned long v) { printf("unsigned long %lu\n", v); }
static void show(long long v) { printf("long long %lld\n", v); }
static void show(unsigned long long v) { printf("unsigned long long %llu\n", v); }
static void show(float v) { printf("float %.9g\n", v); }
static void show(double v) { printf("double %.17g\n", v); }
int main() {
`

// TestAgainstCompiler compares types and values of random arithmetic with g++'s.
func TestAgainstCompiler(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	exprs := append([]string(nil), literals...)
	for i := range 800 {
		exprs = append(exprs, random(r, 1+i%4, false))
	}
	var src strings.Builder
	src.WriteString(program)
	for _, e := range exprs {
		fmt.Fprintf(&src, "show(%s);\n", e)
	}
	src.WriteString("}\n")
	dir := t.TempDir()
	file, bin := filepath.Join(dir, "x.cpp"), filepath.Join(dir, "x")
	if err := os.WriteFile(file, []byte(src.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("g++", "-w", "-fwrapv", "-std=c++20", "-o", bin, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	env := newFake()
	for i, want := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		e, err := Parse(exprs[i], Options{})
		if err != nil {
			t.Fatal(exprs[i], err)
		}
		v, err := e.Eval(context.Background(), env)
		if err != nil {
			t.Errorf("%s: %v", exprs[i], err)
			continue
		}
		text, err := (&Model{}).Text(context.Background(), env, v, Format{Style: Plain, Radix: 10})
		if err != nil {
			t.Fatal(exprs[i], err)
		}
		if charUnit(v.Type) > 0 {
			text, _, _ = strings.Cut(text, " ")
		}
		typ, value := want[:strings.LastIndex(want, " ")], want[strings.LastIndex(want, " ")+1:]
		if got := TypeName(v.Type); got != typ || text != value && !sameFloat(text, value) {
			t.Errorf("%s\n got %s %s\nwant %s %s", exprs[i], got, text, typ, value)
		}
	}
}

// sameFloat compares floats that are written with different numbers of digits.
func sameFloat(a, b string) bool {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err1 == nil && err2 == nil && strings.ContainsAny(a+b, ".e") && (x == y || float32(x) == float32(y))
}
