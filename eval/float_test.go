package eval

import (
	"bytes"
	"context"
	"encoding/hex"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// floatProgram prints, for values of every size, the bytes that the compiler makes of
// them in each format, and those of long doubles computed with.
const floatProgram = `#include <cstdio>
#include <cstring>
template <class T> void show(const char *name, T v, int n, double d) {
  unsigned char b[16] = {}; memcpy(b, &v, n);
  printf("%s ", name); for (int i = 0; i < n; i++) printf("%02x", b[i]); printf(" %a\n", d);
}
int main() {
  volatile double values[] = {0.0, -0.0, 1, -1, 0.1, 3.141592653589793, 1e300, -1e-300, 5e-324, 65504, 6e-8, 1.0/0.0, -1.0/0.0, 0.5, 123456789.125, 2.2250738585072014e-308};
  for (double d : values) {
    show("x87", (long double)d, 10, d); show("quad", (__float128)d, 16, d);
    show("half", (_Float16)d, 2, (double)(_Float16)d);
    show("single", (float)d, 4, (double)(float)d); show("double", d, 8, d);
  }
  volatile long double a = 3.14159265358979323846L, b = 1.1L, tiny = 3.6451995318824746025e-4951L;
  show("a*b", a * b, 10, 0); show("a/b", a / b, 10, 0); show("a+b", a + b, 10, 0); show("a-b", a - b, 10, 0); show("-a", -a, 10, 0); show("tiny", tiny, 10, 0);
  show("nan", (long double)__builtin_nan(""), 10, 0);
}
`

// TestFloatFormats reads and writes every format as g++ does.
func TestFloatFormats(t *testing.T) {
	dir := t.TempDir()
	file, bin := filepath.Join(dir, "x.cpp"), filepath.Join(dir, "x")
	if err := os.WriteFile(file, []byte(floatProgram), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("g++", "-w", "-std=c++20", "-O1", "-o", bin, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{"x87": "long double", "quad": "__float128", "half": "_Float16", "single": "float", "double": "double"}
	exact := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		w := strings.Fields(line)
		b, err := hex.DecodeString(w[1])
		if err != nil {
			t.Fatal(err)
		}
		name, known := names[w[0]]
		if !known {
			exact[w[0]] = w[1]
			continue
		}
		typ := &symbols.Type{Kind: symbols.Base, Name: name, Size: int64(len(b)), Encoding: symbols.FloatEnc}
		n, ok := decodeFloat(typ, b, arch.AMD64)
		want, _ := strconv.ParseFloat(w[2], 64)
		if !ok || n.f != want || math.Signbit(n.f) != math.Signbit(want) {
			t.Errorf("%s: read %g", line, n.f)
		}
		back := make([]byte, len(b))
		if !encodeFloat(n, typ, back, arch.AMD64) || !bytes.Equal(back, b) {
			t.Errorf("%s: written % x", line, back)
		}
	}
	env := newFake().clone()
	env.names["A"] = Value{Type: ty("long double"), Bytes: unhex(t, "35c26821a2da0fc9004000000000000000")[:16]}
	env.names["B"] = Value{Type: ty("long double"), Bytes: unhex(t, "cdcccccccccccc8cff3f000000000000")}
	for _, c := range []struct{ name, src string }{{"a*b", "A*B"}, {"a/b", "A/B"}, {"a+b", "A+B"}, {"a-b", "A-B"}, {"-a", "-A"}, {"tiny", "3.6451995318824746025e-4951L"}, {"nan", "(0.0L/0)*-1"}} {
		e, err := Parse(c.src, Options{})
		if err != nil {
			t.Fatal(err)
		}
		v, err := e.Eval(context.Background(), env)
		if err != nil || c.name != "nan" && hex.EncodeToString(v.Bytes[:10]) != exact[c.name] {
			t.Errorf("%s: got % x %v, want %s", c.src, v.Bytes, err, exact[c.name])
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestComplex computes with complex numbers.
func TestComplex(t *testing.T) {
	env := newFake().clone()
	cd := &symbols.Type{Kind: symbols.Base, Name: "complex double", Size: 16, Encoding: symbols.ComplexFloat}
	env.names["z"] = Value{Type: cd, Bytes: unhex(t, "000000000000f03f0000000000000040")} // 1 + 2i
	for _, c := range []struct{ src, want string }{
		{"z", "=1 + 2i:complex double"}, {"z*z", "=-3 + 4i:complex double"}, {"z+1", "=2 + 2i:complex double"}, {"1-z", "=0 + -2i:complex double"}, {"z/z", "=1 + 0i:complex double"},
		{"-z", "=-1 + -2i:complex double"}, {"~z", "=1 + -2i:complex double"}, {"!z", "=false:bool"}, {"z==z", "=true:bool"}, {"z!=1", "=true:bool"},
		{"__real z", "=1:double"}, {"__imag__ z", "=2:double"}, {"(int)z", "=1:int"}, {"z<z", "error: 'complex double' has no operator <"},
	} {
		if got := query(t, env, c.src, 0); got != c.want {
			t.Errorf("%s: got %s, want %s", c.src, got, c.want)
		}
	}
}

// TestDecimalText reads decimal floats as GCC lays them out.
func TestDecimalText(t *testing.T) {
	for _, c := range []struct{ bytes, want string }{
		{"0f000032", "1.5"}, {"010080b2", "-1"}, {"7f96b86c", "9999999"}, {"0f0000000000a031", "1.5"}, {"7b000000000000b1", "-0.000123"},
		{"0100000000004057", "1E+300"}, {"ffffc06ff286736c", "9999999999999999"}, {"0f000000000000000000000000003e30", "1.5"},
		{"396c362f819f4eb10600000000003eb0", "-12345678901234567890.5"}, {"0000000000000078", "inf"}, {"0000007c", "nan"}, {"00", ""},
	} {
		if got, _ := decimalText(unhex(t, c.bytes)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.bytes, got, c.want)
		}
	}
}

// TestBrainFloat reads and writes bfloat16, which is the upper half of a float.
func TestBrainFloat(t *testing.T) {
	typ := &symbols.Type{Kind: symbols.Base, Name: "__bf16", Size: 2, Encoding: symbols.FloatEnc}
	for _, c := range []struct {
		bytes string
		want  float64
	}{{"803f", 1}, {"4940", 3.140625}, {"80ff", math.Inf(-1)}, {"0100", 9.183549615799121e-41}, {"0000", 0}} {
		b := unhex(t, c.bytes)
		n, ok := decodeFloat(typ, b, arch.AMD64)
		back := make([]byte, 2)
		if !ok || n.f != c.want || !encodeFloat(n, typ, back, arch.AMD64) || !bytes.Equal(b, back) {
			t.Errorf("%s: read %g, written % x", c.bytes, n.f, back)
		}
	}
}
