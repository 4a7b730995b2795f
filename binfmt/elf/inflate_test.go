package elf

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// texts are inputs that compressors treat differently.
func texts() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	few := make([]byte, 200_000)
	for i := range few {
		few[i] = "ab\x00\x00\x00\xff"[r.IntN(6)]
	}
	mixed := make([]byte, 0, 300_000)
	for len(mixed) < 290_000 {
		switch r.IntN(4) {
		case 0:
			mixed = append(mixed, noise(1+r.IntN(400))...)
		case 1:
			mixed = append(mixed, bytes.Repeat([]byte{byte(r.IntN(256))}, 1+r.IntN(600))...)
		default: // a repetition from anywhere within reach
			n := 3 + r.IntN(300)
			from := max(len(mixed)-1-r.IntN(32768), 0)
			for i := 0; i < n && from+i < len(mixed); i++ {
				mixed = append(mixed, mixed[from+i])
			}
		}
	}
	skewed := make([]byte, 400_000) // codes of all lengths
	for i := range skewed {
		skewed[i] = byte(int(r.ExpFloat64() * 9))
	}
	return map[string][]byte{
		"nothing": {}, "one byte": {7}, "a word": []byte("hello, hello, hello"),
		"few": few, "mixed": mixed, "skewed": skewed, "noise": noise(100_000),
		"zeros": make([]byte, 100_000), "names": []byte(strings.Repeat("std::vector<int, std::allocator<int> >::", 4000)),
	}
}

func zlibbed(t testing.TB, data []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	w.Close()
	return b.Bytes()
}

// TestInflate: all kinds of blocks, in one go and in steps of any size.
func TestInflate(t *testing.T) {
	for name, data := range texts() {
		for _, level := range []int{flate.HuffmanOnly, 0, 1, 6, 9} {
			z := zlibbed(t, data, level)
			steps := []int{1 + len(data), 1 + len(data)/3}
			if level == 6 {
				steps = append(steps, 4097, 101)
			}
			for _, step := range steps {
				f, err := newInflater(z, uint64(len(data)))
				if err != nil {
					t.Fatal(err)
				}
				for n := 0; f.have < len(data); {
					n = min(max(n+step, f.have), len(data))
					if err := f.upTo(n); err != nil || f.have < n {
						t.Fatalf("%s, level %d: %d bytes of %d: %v", name, level, f.have, n, err)
					}
				}
				if !bytes.Equal(f.out, data) {
					t.Fatalf("%s, level %d, step %d: other bytes", name, level, step)
				}
			}
		}
	}
}

// TestInflateDamaged: what ends early or cannot be is an error, and what was there
// before is good.
func TestInflateDamaged(t *testing.T) {
	data := texts()["mixed"]
	z := zlibbed(t, data, 6)
	for _, n := range []int{0, 1, 2, 3, 10, len(z) / 2, len(z) - 20} {
		f, err := newInflater(z[:n], uint64(len(data)))
		if err == nil {
			err = f.upTo(len(data))
			if !bytes.Equal(f.out[:f.have], data[:f.have]) {
				t.Errorf("%d bytes of input: other bytes", n)
			}
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes of input: %v", n, err)
		}
	}
	for what, z := range map[string][]byte{
		"no zlib":           {0x12, 0x34},
		"a dictionary":      {0x78, 0x20 | 31 - (0x7820 % 31)},
		"no kind of block":  {0x78, 0x9c, 7},
		"a stored length":   {0x78, 0x9c, 1, 5, 0, 5, 0},
		"a match of before": {0x78, 0x9c, 0x63, 0x00, 0x42, 0x00},
	} {
		f, err := newInflater(z, 100)
		if err == nil {
			err = f.upTo(100)
		}
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	// More output than there is room for is left out.
	f, _ := newInflater(z, 1000)
	if err := f.upTo(1000); err != nil || !bytes.Equal(f.out, data[:1000]) {
		t.Error("the beginning of a stream:", err)
	}
}

// FuzzInflate compares with Go's library on anything.
func FuzzInflate(f *testing.F) {
	for _, data := range texts() {
		for _, level := range []int{flate.HuffmanOnly, 0, 6} {
			f.Add(zlibbed(f, data[:min(len(data), 2000)], level)[2:], uint16(len(data)))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		want := make([]byte, size)
		n, wantErr := io.ReadFull(flate.NewReader(bytes.NewReader(in)), want)
		got, err := newInflater(append([]byte{0x78, 0x9c}, in...), uint64(size))
		if err != nil {
			t.Fatal(err)
		}
		err = got.upTo(int(size))
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%v, not %v", err, wantErr)
		}
		if n = min(n, got.have); !bytes.Equal(got.out[:n], want[:n]) {
			t.Fatal("other bytes")
		}
	})
}

func BenchmarkInflate(b *testing.B) {
	for name, data := range texts() {
		if len(data) < 100_000 {
			continue
		}
		z := zlibbed(b, data, 6)
		b.Run(fmt.Sprint(name), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				f, err := newInflater(z, uint64(len(data)))
				if err == nil {
					err = f.upTo(len(data))
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
