package elf

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func packed(tb testing.TB, data []byte, args ...string) []byte {
	tb.Helper()
	cmd := exec.Command("xz", append(args, "-c")...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func TestUnxz(t *testing.T) {
	data := bytes.Repeat([]byte("symbols of a stripped file\x00\x01\x02"), 4000)
	for _, args := range [][]string{{}, {"-9e"}, {"-0"}, {"--block-size=8192"}, {"--block-size=8192", "-T2"}, {"--check=none"}, {"--check=crc64"}, {"--check=sha256"}, {"--lzma2=dict=64MiB"}} {
		got, err := unxz(packed(t, data, args...))
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%v: %d bytes, %v", args, len(got), err)
		}
	}
	if got, err := unxz(packed(t, nil)); err != nil || len(got) != 0 {
		t.Errorf("nothing: %d bytes, %v", len(got), err)
	}
	for _, args := range [][]string{{"--lzma2=dict=256MiB"}, {"--x86", "--lzma2"}} {
		if _, err := unxz(packed(t, data, args...)); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
	whole := packed(t, data)
	for n := range whole {
		if _, err := unxz(whole[:n]); err == nil {
			t.Errorf("cut at %d it is taken", n)
		}
	}
	if i := bytes.LastIndex(whole, []byte{0xa0, 0x8a, 0x07}); i < 0 { // 116,000 in the index
		t.Error("the index has another form")
	} else {
		whole[i]++
		if _, err := unxz(whole); err == nil {
			t.Error("another size than the index tells is taken")
		}
	}
}

func FuzzUnxz(f *testing.F) {
	f.Add(packed(f, []byte("some bytes, some bytes, some bytes")))
	f.Add(packed(f, bytes.Repeat([]byte("blocks"), 3000), "--block-size=4096"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if out, err := unxz(p); err == nil && len(out) > maxMini {
			t.Errorf("%d bytes", len(out))
		}
	})
}

// objects compiles the sample for a machine, with relocated debug sections.
func object(tb testing.TB, target string) []byte {
	tb.Helper()
	dir := tb.TempDir()
	src, out := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.o")
	if err := os.WriteFile(src, []byte("static __thread int t; int g; int f(int x) { static int n; return x + n++ + g + t; }\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	if b, err := exec.Command("clang", "--target="+target, "-g", "-c", "-O1", "-o", out, src).CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, b)
	}
	return read(tb, out)
}

var targets = []string{"x86_64-linux-gnu", "i386-linux-gnu", "aarch64-linux-gnu", "riscv64-linux-gnu", "armv7-linux-gnueabi", "powerpc64-linux-gnu", "powerpc-linux-gnu", "s390x-linux-gnu"}

// TestRelocated: the debug sections of objects of every machine are completed.
func TestRelocated(t *testing.T) {
	for _, target := range targets {
		t.Run(target, func(t *testing.T) {
			f, err := Parse(object(t, target))
			if err != nil {
				t.Fatal(err)
			}
			f.Place(map[string]uint64{".data": 0x400000})
			n := 0
			for i := range f.Sections {
				s := &f.Sections[i]
				if len(f.relocationsOf(s)) == 0 || s.Flags&FlagAlloc != 0 && s.Name != ".eh_frame" {
					continue
				}
				n++
				b, err := f.Relocated(s)
				if err != nil {
					t.Errorf("%s: %v", s.Name, err)
				}
				if raw, _ := f.Data(s); s.Name == ".debug_line" && bytes.Equal(raw, b) {
					t.Errorf("%s is as before", s.Name)
				}
			}
			if n < 4 {
				t.Errorf("only %d sections", n)
			}
			if low, high := f.Loaded(); low != PageSize && low != 0x400000 || high <= low {
				t.Errorf("loaded from 0x%x to 0x%x", low, high)
			}
		})
	}
}
