package elf

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
)

// compressed is a file with one compressed section of what data holds.
func compressed(t *testing.T, data []byte, cut int) (*File, *Section) {
	t.Helper()
	var raw bytes.Buffer
	for _, v := range []any{uint32(zlibKind), uint32(0), uint64(len(data)), uint64(1)} { // Elf64_Chdr
		if err := binary.Write(&raw, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	z := zlib.NewWriter(&raw)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	b := raw.Bytes()[:raw.Len()-cut]
	f := &File{Is64: true, Order: binary.LittleEndian, Type: Dyn, data: b}
	f.Sections = []Section{{Name: ".debug_info", Type: SecProgbits, Flags: FlagCompressed, Size: uint64(len(b))}}
	return f, &f.Sections[0]
}

func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(r.IntN(7))
	}
	return data
}

// TestPrefix: what was asked for is there, whoever asks in whatever order, and Data
// goes on where a prefix ended.
func TestPrefix(t *testing.T) {
	data := noise(1 << 20)
	f, s := compressed(t, data, 0)
	b, err := f.Prefix(s, 100)
	if err != nil || len(b) != len(data) || !bytes.Equal(b[:100], data[:100]) {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if g := f.growing[s.Index]; g.z.have > growStep+longestMatch {
		t.Errorf("%d bytes were decompressed for 100", g.z.have)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := i * 1000; n < len(data); n += 90_000 {
				b, err := f.Prefix(s, uint64(n))
				if err != nil || !bytes.Equal(b[:n], data[:n]) {
					t.Errorf("the first %d bytes: %v", n, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if b, err := f.Data(s); err != nil || !bytes.Equal(b, data) {
		t.Errorf("all of it: %v", err)
	}
	if b, err := f.Prefix(s, 1<<40); err != nil || !bytes.Equal(b, data) {
		t.Errorf("more than there is: %v", err)
	}
}

// TestPrefixDamaged: a section that breaks off is good as far as it goes.
func TestPrefixDamaged(t *testing.T) {
	data := noise(1 << 20)
	f, s := compressed(t, data, 1000)
	for range 2 {
		if b, err := f.Prefix(s, 1<<19); err != nil || !bytes.Equal(b[:1<<19], data[:1<<19]) {
			t.Fatal(err)
		}
		if b, err := f.Prefix(s, 1<<20); err == nil {
			t.Fatalf("%d bytes came of a section that breaks off", len(b))
		}
		if b, err := f.Data(s); err == nil {
			t.Fatalf("%d bytes came of a section that breaks off", len(b))
		}
	}
}
