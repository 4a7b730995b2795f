package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// model is what an index is made of, to compare with.
type model struct {
	names   map[string][]Entry
	files   map[string][]uint32
	globals []Global
	index   *Index
}

var ownText = []byte("zero\x00one\x00two\x00three\x00")

func placed(n uint32) []byte {
	s := ownText[n:]
	return s[:bytes.IndexByte(s, 0)]
}

// build makes an index by several builders, of entries that they share.
func build(t testing.TB, count, builders int, id []byte) *model {
	rng := rand.New(rand.NewPCG(1, uint64(count)))
	m := &model{names: map[string][]Entry{}, files: map[string][]uint32{}}
	bs := make([]*Builder, builders)
	for i := range bs {
		bs[i] = &Builder{}
	}
	for i := range count {
		b := bs[rng.IntN(builders)]
		text := fmt.Sprintf("name%d", rng.IntN(count/2+1))
		name := b.Intern([]byte(text))
		if rng.IntN(10) == 0 { // a name that some know by its place
			n := []uint32{0, 5, 9, 13}[rng.IntN(4)]
			text, name = string(placed(n)), n
			if rng.IntN(2) == 0 {
				name = b.Intern(placed(n))
			}
		}
		scope, full := uint32(None), ""
		for range rng.IntN(3) {
			s := fmt.Sprintf("scope%d", rng.IntN(5))
			scope = b.Scope(Scope{Parent: scope, Name: b.Intern([]byte(s))})
			full += s + "::"
		}
		e := Entry{DIE: uint64(i + 1), Name: name, Scope: scope, Unit: uint32(i % 7), Kind: Kind(i % 3)}
		key := uint32(i%3) * uint32(1+rng.IntN(2))
		b.Add(e, key)
		want := m.names[full+text]
		if key == 0 || !slices.ContainsFunc(want, func(o Entry) bool { return o.Kind == e.Kind && o.Name == key }) {
			e.Name = key // for this test
			m.names[full+text] = append(want, e)
		}
		if i%5 == 0 {
			g := Global{uint64(rng.IntN(1 << 20)), uint64(i)}
			b.Global(g)
			m.globals = append(m.globals, g)
			b.Code(Code{uint64(i), uint64(i + 5), 1})
		}
	}
	for u := range 20 {
		b := bs[rng.IntN(builders)]
		var paths []uint32
		for p := range 30 {
			if rng.IntN(3) == 0 {
				path := fmt.Sprintf("/src/dir%d/File%d.c", p%4, p)
				paths = append(paths, b.Path(path))
				m.files[path] = append(m.files[path], uint32(u))
			}
		}
		b.Files(uint32(u), paths)
	}
	x, err := Build(bs, id, []uint64{0, 10, 20}, placed)
	if err != nil {
		t.Fatal(err)
	}
	m.index = x
	return m
}

func fullName(x *Index, e Entry) string {
	text := string(x.Name(e.Name))
	for s, ok := x.Scope(e.Scope); ok; s, ok = x.Scope(s.Parent) {
		text = string(x.Name(s.Name)) + "::" + text
	}
	return text
}

// check compares all answers of x with the model; it returns the first difference.
func (m *model) check(x *Index) error {
	for full, want := range m.names {
		last := full[strings.LastIndex(full, ":")+1:]
		var got []Entry
		for n := range x.Find(last, false) {
			for e := range x.Meanings(n) {
				if fullName(x, e) == full {
					got = append(got, e)
				}
			}
		}
		if len(got) != len(want) {
			return fmt.Errorf("%s: %d meanings, want %d", full, len(got), len(want))
		}
		for _, e := range got {
			if e.Kind > 2 || e.DIE == 0 {
				return fmt.Errorf("%s: %+v", full, e)
			}
		}
	}
	for path, want := range m.files {
		n := 0
		for f, p := range x.Paths(filepath.Base(path), false) {
			if p == path {
				if got := slices.Collect(x.FileUnits(f)); !slices.Equal(got, want) {
					return fmt.Errorf("%s: units %v, want %v", path, got, want)
				}
				n++
			}
		}
		folded := 0
		for range x.Paths(strings.ToUpper(filepath.Base(path)), true) {
			folded++
		}
		if n != 1 || folded < 1 {
			return fmt.Errorf("%s: found %d times, %d ignoring case", path, n, folded)
		}
	}
	for _, g := range m.globals {
		if got, ok := x.GlobalAt(g.Addr); !ok || got.Addr != g.Addr {
			return fmt.Errorf("global at 0x%x: %+v", g.Addr, got)
		}
	}
	return nil
}

func TestBuild(t *testing.T) {
	for _, count := range []int{0, 1, 10, 3000, 40000} {
		for _, builders := range []int{1, 3} {
			m := build(t, count, builders, []byte("some build"))
			x, err := Open(m.index.Bytes(), []byte("some build"))
			if err != nil {
				t.Fatal(err)
			}
			for what, x := range map[string]*Index{"fresh": m.index, "opened": x} {
				if err := m.check(x); err != nil {
					t.Errorf("%d entries, %d builders, %s: %v", count, builders, what, err)
				}
				if !x.Verify() {
					t.Errorf("%s: damaged", what)
				}
			}
			n := 0
			for k := range x.Containing("ame1") {
				if !bytes.Contains(x.Name(k), []byte("ame1")) {
					t.Errorf("%q does not contain it", x.Name(k))
				}
				n++
			}
			want := 0
			for k := range x.Names() {
				if bytes.Contains(x.Name(k), []byte("ame1")) {
					want++
				}
			}
			if n != want {
				t.Errorf("%d names contain it, want %d", n, want)
			}
		}
	}
}

func TestFindIgnoresCase(t *testing.T) {
	b := &Builder{}
	for _, s := range []string{"Foo", "foo", "FOO", "fo", "a_Long_Name_With_Letters", "a_long_name_with_letters"} {
		b.Add(Entry{DIE: 1, Name: b.Intern([]byte(s)), Scope: None}, 0)
	}
	x, err := Build([]*Builder{b}, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		fold bool
		want int
	}{{"foo", false, 1}, {"fOo", false, 0}, {"fOo", true, 3}, {"A_LONG_NAME_WITH_LETTERS", true, 2}, {"f", true, 0}} {
		if n := len(slices.Collect(x.Find(c.text, c.fold))); n != c.want {
			t.Errorf("%s, %v: %d names, want %d", c.text, c.fold, n, c.want)
		}
	}
}

// TestDamage: whatever byte is flipped or wherever the file ends, an index
// refuses, or says that it is damaged, or answers as if nothing had happened.
func TestDamage(t *testing.T) {
	id := []byte("some build")
	m := build(t, 150, 2, id)
	data := m.index.Bytes()
	told := 0
	for at := range data {
		bad := bytes.Clone(data)
		bad[at] ^= 1 << (at % 8)
		x, err := Open(bad, id)
		if err != nil {
			told++
			continue
		}
		if err := m.check(x); err != nil && !x.Damaged() {
			t.Fatalf("byte %d of %d: %v", at, len(data), err)
		}
		if !x.Verify() {
			told++
		}
	}
	if pad := len(data) - told; pad > 16 { // the end of the header is filled up
		t.Errorf("%d bytes may be anything", pad)
	}
	for n := range len(data) {
		if _, err := Open(data[:n:n], id); err == nil {
			t.Fatalf("opened %d of %d bytes", n, len(data))
		}
	}
	if _, err := Open(data, []byte("another")); err == nil {
		t.Error("opened that of another build")
	}
}

func TestCache(t *testing.T) {
	c := &Cache{Dir: t.TempDir()}
	id := []byte("build 1 of many")
	k := c.For(id)
	if _, err := k.Open(); !os.IsNotExist(err) {
		t.Fatalf("opened from an empty folder: %v", err)
	}
	m := build(t, 3000, 2, id)
	x, err := k.Keep(m.index)
	if err != nil {
		t.Fatal(err)
	}
	if x.file == nil {
		t.Error("what was kept is not mapped")
	}
	if err := m.check(x); err != nil {
		t.Error(err)
	}
	if x, err = k.Open(); err != nil {
		t.Fatal(err)
	}
	if err := m.check(x); err != nil {
		t.Error(err)
	}
	// A file that is cut short while it is mapped is damage, not an end of the process.
	if x, err = k.Open(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(k.path(), 200); err != nil {
		t.Fatal(err)
	}
	if x.Verify() || !x.Damaged() {
		t.Error("a file cut short was believed")
	}
	if _, err := k.Open(); err == nil {
		t.Error("opened a file cut short")
	}
	if _, err := os.Stat(k.path()); !os.IsNotExist(err) {
		t.Error("a damaged file stays")
	}
	if (*Cache)(nil).For(id) != nil || c.For([]byte("abc")) != nil || (&Cache{}).For(id) != nil {
		t.Error("a place for what is not kept")
	}
}

func TestPrune(t *testing.T) {
	c := &Cache{Dir: t.TempDir()}
	var size int64
	at := time.Now().Add(-time.Hour)
	for i := range 6 {
		id := fmt.Appendf(nil, "%d build", i)
		m := build(t, 100, 1, id)
		if _, err := c.For(id).Keep(m.index); err != nil {
			t.Fatal(err)
		}
		size = int64(m.index.Size())
		at = at.Add(time.Minute)
		if err := os.Chtimes(c.For(id).path(), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.For([]byte("1 build")).Open(); err != nil { // used now
		t.Fatal(err)
	}
	old := filepath.Join(c.Dir, "ab", "old"+suffix)
	left, fresh := filepath.Join(c.Dir, "ab", partial+"1"), filepath.Join(c.Dir, "ab", partial+"2")
	other := filepath.Join(c.Dir, "ab", "notes.txt")
	if err := os.MkdirAll(filepath.Dir(old), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{old, left, fresh, other} {
		if err := os.WriteFile(p, []byte(magic+"\xfe\x00\x00\x00 and more"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-2 * stale)
	if err := os.Chtimes(left, long, long); err != nil {
		t.Fatal(err)
	}
	c.Limit = 3*size + size/2
	id := []byte("6 build")
	if _, err := c.For(id).Keep(build(t, 100, 1, id).index); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true, false, false, false, true, true} {
		_, err := os.Stat(c.For(fmt.Appendf(nil, "%d build", i)).path())
		if (err == nil) != want {
			t.Errorf("build %d: kept %v, want %v", i, err == nil, want)
		}
	}
	for p, want := range map[string]bool{old: false, left: false, fresh: true, other: true} {
		if _, err := os.Stat(p); (err == nil) != want {
			t.Errorf("%s: there %v, want %v", filepath.Base(p), err == nil, want)
		}
	}
}

// TestTogether: writers and readers of one folder do not disturb each other.
func TestTogether(t *testing.T) {
	c := &Cache{Dir: t.TempDir()}
	id := []byte("the same build")
	m := build(t, 3000, 2, id)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for range 5 {
				if g%2 == 0 {
					if _, err := c.For(id).Keep(m.index); err != nil {
						t.Error(err)
					}
				}
				x, err := c.For(id).Open()
				if os.IsNotExist(err) {
					continue
				}
				if err != nil {
					t.Error(err)
				} else if err := m.check(x); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzOpen(f *testing.F) {
	id := []byte("some build")
	m := build(f, 60, 2, id)
	data := m.index.Bytes()
	f.Add(data, uint(0), byte(0), false)
	f.Add(data, uint(offTables), byte(3), true)
	f.Add(data[:100], uint(0), byte(0), true)
	f.Fuzz(func(t *testing.T, data []byte, at uint, to byte, mend bool) {
		data = bytes.Clone(data)
		if len(data) > 0 {
			data[at%uint(len(data))] = to
		}
		x := &Index{}
		if x.open(data, id) != nil && !mend {
			return
		}
		if mend { // behind the checksums: bounds alone must hold
			x = &Index{data: data}
			mended(x)
			if x.data == nil {
				return
			}
		}
		readAll(x)
	})
}

// mended sets the tables as the header says, wherever that keeps them in bounds.
func mended(x *Index) {
	if len(x.data) < headerSize {
		x.data = nil
		return
	}
	resum(x.data)
	if x.header(x.data, x.data[offID:offID+min(int(x.data[offIDLen]), maxID)]) != nil {
		x.data = nil
	}
}

// resum makes the header's own checksum right.
func resum(data []byte) {
	binary.LittleEndian.PutUint64(data[offLength:], uint64(len(data)))
	binary.LittleEndian.PutUint32(data[offSum:], crc32.Checksum(data[:offSum], castagnoli))
}

func readAll(x *Index) {
	steps := 0
	for n := range min(x.Names(), 1000) {
		x.Name(n)
		for e := range x.Meanings(n) {
			fullName(x, e)
			if steps++; steps > 10000 {
				return
			}
		}
	}
	for range x.Find("name1", true) {
	}
	for f := range x.Paths("c", true) {
		for range x.FileUnits(f) {
			if steps++; steps > 10000 {
				return
			}
		}
	}
	for range x.Containing("a") {
		if steps++; steps > 10000 {
			return
		}
	}
	for range x.Code() {
	}
	x.GlobalAt(1 << 19)
	x.Unit(1)
}
