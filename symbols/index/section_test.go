package index

import (
	"bytes"
	"os"
	"runtime"
	"testing"
)

// TestSection: the beginning of a section comes back as it was kept, and nothing that
// is damaged, of another size or of another build.
func TestSection(t *testing.T) {
	c := &Cache{Dir: t.TempDir()}
	k := c.For([]byte("a build"))
	whole := make([]byte, 5*blockSize/2)
	for i := range whole {
		whole[i] = byte(i * 7 >> 3)
	}
	const size = 10 * blockSize
	keep := func() {
		t.Helper()
		if err := k.KeepSection(".debug_info", size, whole); err != nil {
			t.Fatal(err)
		}
	}
	keep()
	s := k.Section(".debug_info", size)
	if s == nil || len(s.Data()) != size || !s.UpTo(len(whole)) || !bytes.Equal(s.Data()[:len(whole)], whole) || s.UpTo(len(whole)+1) {
		t.Fatal("what was kept does not come back")
	}
	if k.Section(".debug_str", size) != nil || c.For([]byte("another build")).Section(".debug_info", size) != nil {
		t.Error("something else comes back")
	}
	if k.Section(".debug_info", size+1) != nil {
		t.Error("a section of another size comes back")
	}
	path := k.named(".debug_info" + sectionSuffix)
	if _, err := os.Stat(path); err == nil {
		t.Error("what does not fit is still there")
	}
	_, at := sectionHead(len(whole))
	for _, d := range []struct {
		name string
		off  int
		good int // so many bytes are sound all the same; -1 none
	}{
		{"magic", 0, -1}, {"version", 8, -1}, {"size", 16, -1}, {"length", 24, -1}, {"sum of the head", 32, -1}, {"sums", sectionSums + 4, -1},
		{"first block", at + 5, 0}, {"second block", at + blockSize, blockSize}, {"last byte", at + len(whole) - 1, 2 * blockSize},
	} {
		keep()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[d.off] ^= 0x10
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := k.Section(".debug_info", size)
		switch {
		case (s == nil) != (d.good < 0):
			t.Errorf("%s: opened %v", d.name, s != nil)
		case s != nil && (!s.UpTo(d.good) || s.UpTo(d.good+1)):
			t.Errorf("%s: not sound as far as %d", d.name, d.good)
		}
	}
}

// TestSectionPruned: sections count among what the folder may hold, and those of
// other versions go.
func TestSectionPruned(t *testing.T) {
	c := &Cache{Dir: t.TempDir(), Limit: 3 * blockSize}
	one, two := c.For([]byte("one build")), c.For([]byte("two build"))
	data := make([]byte, 2*blockSize)
	if err := one.KeepSection("a", uint64(len(data)), data); err != nil {
		t.Fatal(err)
	}
	if err := two.KeepSection("a", uint64(len(data)), data); err != nil {
		t.Fatal(err)
	}
	if one.Section("a", uint64(len(data))) != nil || two.Section("a", uint64(len(data))) == nil {
		t.Error("the oldest is not what goes")
	}
	c.Limit = 0
	other := one.named("b" + sectionSuffix)
	if err := os.WriteFile(other, []byte("dws of another time, as long as a head is"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := one.KeepSection("c", 10, data[:10]); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(other); err == nil {
		t.Error("a section of another version stays")
	}
}

// TestSectionCut: a file that is cut short under its reader is no section, and no fault.
func TestSectionCut(t *testing.T) {
	c := &Cache{Dir: t.TempDir()}
	k := c.For([]byte("a build"))
	data := make([]byte, 3*blockSize)
	if err := k.KeepSection("a", uint64(len(data)), data); err != nil {
		t.Fatal(err)
	}
	s := k.Section("a", uint64(len(data)))
	if s == nil || !s.UpTo(1) {
		t.Fatal("what was kept does not come back")
	}
	if err := os.Truncate(k.named("a"+sectionSuffix), sectionAlign); err != nil {
		t.Fatal(err)
	}
	if s.UpTo(len(data)) || s.Beginning(len(data)) != nil {
		t.Error("what is gone is sound")
	}
}

// TestSectionBeginning: what was sound and is cut off then is not copied, and no fault; a copy
// stays when its Section is collected.
func TestSectionBeginning(t *testing.T) {
	c := &Cache{Dir: t.TempDir()}
	k := c.For([]byte("a build"))
	data := bytes.Repeat([]byte("section "), 3*blockSize/8)
	if err := k.KeepSection("a", uint64(len(data)), data); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, blockSize + 1, len(data)} {
		b := k.Section("a", uint64(len(data))).Beginning(n)
		runtime.GC()
		if b == nil || !bytes.Equal(b, data[:n]) {
			t.Errorf("the first %d bytes are %d others", n, len(b))
		}
	}
	s := k.Section("a", uint64(len(data)))
	if s.Beginning(-1) != nil || s.Beginning(len(data)+1) != nil || !s.UpTo(len(data)) {
		t.Error("more is there than was kept")
	}
	if err := os.Truncate(k.named("a"+sectionSuffix), sectionAlign); err != nil {
		t.Fatal(err)
	}
	if s.Beginning(len(data)) != nil {
		t.Error("what is gone is copied")
	}
}

func FuzzSection(f *testing.F) {
	c := &Cache{Dir: f.TempDir()}
	k := c.For([]byte("a build"))
	if err := k.KeepSection("a", 5000, make([]byte, 3000)); err != nil {
		f.Fatal(err)
	}
	path := k.named("a" + sectionSuffix)
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[:sectionSums+4], 5000)
	f.Fuzz(func(t *testing.T, head []byte, size int) {
		if size < 0 || size > 1<<20 {
			return
		}
		text := append(head, b[min(len(head), len(b)):]...)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if s := k.Section("a", uint64(size)); s != nil {
			for n := 0; n <= size; n += 100 {
				if s.UpTo(n) {
					_ = s.Data()[:n]
				}
			}
		}
	})
}
