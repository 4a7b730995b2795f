package store

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// cabinetOf writes a cabinet of one file as stores have them.
func cabinetOf(tb testing.TB, data []byte, method uint16, sums bool) []byte {
	tb.Helper()
	le := binary.LittleEndian
	var blocks, window []byte
	count := 0
	for rest := data; len(rest) > 0; count++ {
		b := rest[:min(len(rest), cabBlockMax)]
		rest = rest[len(b):]
		packed := b
		if method == 1 {
			var out bytes.Buffer
			out.WriteString("CK")
			z, err := flate.NewWriterDict(&out, flate.BestCompression, window)
			if err != nil {
				tb.Fatal(err)
			}
			z.Write(b)
			z.Close()
			packed, window = out.Bytes(), b
		}
		h := le.AppendUint16(le.AppendUint16(make([]byte, 4), uint16(len(packed))), uint16(len(b)))
		if sums {
			le.PutUint32(h, cabSum(h[4:], cabSum(packed, 0)))
		}
		blocks = append(append(blocks, h...), packed...)
	}
	name := "name.pdb\x00"
	file := le.AppendUint32(nil, uint32(len(data)))
	file = append(le.AppendUint32(file, 0), make([]byte, 8)...)
	file = append(file, name...)
	at := uint32(cabHeader + cabFolder)
	folder := le.AppendUint32(nil, at+uint32(len(file)))
	folder = le.AppendUint16(le.AppendUint16(folder, uint16(count)), method)
	h := append([]byte("MSCF\x00\x00\x00\x00"), le.AppendUint32(nil, at+uint32(len(file)+len(blocks)))...)
	h = append(h, 0, 0, 0, 0)
	h = append(le.AppendUint32(h, at), 0, 0, 0, 0, 3, 1)
	h = append(le.AppendUint16(le.AppendUint16(h, 1), 1), 0, 0, 0, 0, 0, 0)
	return bytes.Join([][]byte{h, folder, file, blocks}, nil)
}

// someData compresses, but not to nothing, and spans blocks.
func someData(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]byte, 0, n+64)
	for len(out) < n {
		if len(out) > 100 && r.IntN(3) > 0 {
			at := r.IntN(len(out) - 50)
			out = append(out, out[at:at+50]...)
		} else {
			out = append(out, byte(r.IntN(256)))
		}
	}
	return out[:n]
}

func TestCabinet(t *testing.T) {
	for _, n := range []int{0, 1, 3, 1000, cabBlockMax, cabBlockMax + 1, 200_001} {
		want := someData(n)
		for method := range uint16(2) {
			cab := cabinetOf(t, want, method, n%2 == 1)
			if !isCabinet(bytes.NewReader(cab)) {
				t.Error("is no cabinet")
			}
			var got bytes.Buffer
			if err := expand(bytes.NewReader(cab), &got, int64(n)); err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%d bytes, %s: %d bytes, %v", n, cabMethods[method], got.Len(), err)
			}
			var large *tooLargeError
			if err := expand(bytes.NewReader(cab), &got, int64(n)-1); n > 0 && !errors.As(err, &large) {
				t.Errorf("over the limit: %v", err)
			}
		}
	}
	// One that another program made (gcab -c -z): text in 3 blocks.
	cab, err := os.ReadFile("testdata/other.cab")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/other.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := expand(bytes.NewReader(cab), &got, 1<<20); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d bytes, %v", got.Len(), err)
	}
}

func TestBadCabinets(t *testing.T) {
	data := someData(70_000)
	for _, c := range []struct {
		name, want string
		change     func(b []byte) []byte
	}{
		{"empty", "ends too early", func([]byte) []byte { return nil }},
		{"another file", "does not begin", func(b []byte) []byte { b[0] = 'X'; return b }},
		{"a new version", "version 2.3", func(b []byte) []byte { b[25] = 2; return b }},
		{"one of several", "one of several", func(b []byte) []byte { b[30] = 2; return b }},
		{"no folder", "is empty", func(b []byte) []byte { b[26] = 0; return b }},
		{"LZX", "compressed with LZX", func(b []byte) []byte { b[cabHeader+6], b[cabHeader+7] = 3, 21; return b }},
		{"Quantum", "compressed with Quantum", func(b []byte) []byte { b[cabHeader+6] = 2; return b }},
		{"something new", "an unknown method", func(b []byte) []byte { b[cabHeader+6] = 9; return b }},
		{"another folder", "first folder", func(b []byte) []byte { b[cabHeader+cabFolder+8] = 1; return b }},
		{"cut off", "ends too early", func(b []byte) []byte { return b[:len(b)-10] }},
		{"one block less", "lacks", func(b []byte) []byte { b[cabHeader+4]--; return b }},
		{"a block too large", "larger than blocks", func(b []byte) []byte { b[cabHeader+cabFolder+25+7] = 0xff; return b }},
		{"a byte changed", "checksum", func(b []byte) []byte { b[len(b)-20] ^= 1; return b }},
		{"no mark", "does not begin as MSZIP", func(b []byte) []byte {
			at := cabHeader + cabFolder + 25
			copy(b[at:], make([]byte, 4))
			b[at+8] = 'X'
			return b
		}},
		{"a block that says less", "longer than it says", func(b []byte) []byte {
			at := cabHeader + cabFolder + 25
			copy(b[at:], make([]byte, 4))
			b[at+7]--
			return b
		}},
	} {
		err := expand(bytes.NewReader(c.change(cabinetOf(t, data, 1, true))), &bytes.Buffer{}, 1<<20)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

func FuzzCabinet(f *testing.F) {
	for method := range uint16(2) {
		f.Add(cabinetOf(f, someData(40_000), method, true))
		f.Add(cabinetOf(f, someData(100), method, false))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		if err := expand(bytes.NewReader(data), &out, 1<<20); out.Len() > 1<<20 {
			t.Fatalf("%d bytes, %v", out.Len(), err)
		}
	})
}
