package natvis_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/eval/natvis"
	"dap-windbg/symbols"
)

func containers(t testing.TB) *process {
	t.Helper()
	return start(t, []string{"g++", "-std=c++20", "-g", "-O0"}, filepath.Join("testdata", "containers.cpp"))
}

// TestBehaviour runs the tests that share one program.
func TestBehaviour(t *testing.T) {
	p := containers(t)
	m := visualizers(t)
	t.Run("containers", func(t *testing.T) { testContainers(t, p, m, "containers.golden") })
	t.Run("expressions", func(t *testing.T) { testExpressions(t, p, m) })
	t.Run("overloads", func(t *testing.T) { testOverloads(t, p, m, inLibstdcxx) })
	t.Run("assignments", func(t *testing.T) { testAssignments(t, p, m) })
	t.Run("overloads of garbage", func(t *testing.T) { testGarbageOverloads(t, p, m) })
	t.Run("paging", func(t *testing.T) { testPaging(t, p, m) })
	t.Run("corrupt", func(t *testing.T) { testCorrupt(t, p, m) })
	t.Run("ruined", func(t *testing.T) { testRuined(t, p, m) })
	t.Run("garbage", func(t *testing.T) { testGarbage(t, p, m) })
	t.Run("rounds", func(t *testing.T) { testRounds(t, p, m) })
	t.Run("user file", func(t *testing.T) { testUserFile(t, p) })
}

// TestLibcxx shows the same containers as clang and libc++ lay them out.
func TestLibcxx(t *testing.T) {
	p := start(t, []string{"clang++", "-std=c++20", "-stdlib=libc++", "-g", "-O0"}, filepath.Join("testdata", "containers.cpp"))
	m := visualizers(t)
	testContainers(t, p, m, "libcxx.golden")
	testRuined(t, p, m)
	testOverloads(t, p, m)
}

// testExpressions: a child's expression, evaluated in the frame, is the child.
func testExpressions(t *testing.T, p *process, m *eval.Model) {
	for _, name := range strings.Fields("greeting ints points strs deq lst byname bynum ordered hashed hashset couple triple some var1 uniq shared spn mine strptr fwd nested") {
		o := object(t, m, p, name)
		kids, err := o.Children(context.Background(), p, 0, 4)
		if err != nil {
			t.Fatal(name, err)
		}
		found := 0
		for _, k := range kids {
			if k.Expr == "" {
				continue
			}
			found++
			again := object(t, m, p, k.Expr)
			if again.Text != k.Text && k.Name != "[<Raw View>]" || again.Value.Addr != k.Value.Addr {
				t.Errorf("%s: %s is %q at %#x, %s is %q at %#x", name, k.Name, k.Text, k.Value.Addr, k.Expr, again.Text, again.Value.Addr)
			}
		}
		if found < 2 {
			t.Errorf("%s: only %d children have expressions", name, found)
		}
	}
}

// counting counts what is read.
type counting struct {
	*process
	bytes int
	ahead map[arch.Addr]bool // pages that were read because somebody said that they will be needed
}

// ReadAhead implements eval.Ahead, as the engine does.
func (c *counting) ReadAhead(ctx context.Context, at, from, to arch.Addr) bool {
	const page = 4096
	if c.ahead[at/page] {
		return false
	}
	if c.ahead == nil {
		c.ahead = map[arch.Addr]bool{}
	}
	c.ahead[at/page] = true
	for a := from; a < to; a = (a/page + 1) * page {
		c.ahead[a/page] = true
	}
	_, _ = c.ReadMemory(ctx, from, make([]byte, to-from))
	return true
}

func (c *counting) ReadMemory(ctx context.Context, a arch.Addr, b []byte) (int, error) {
	c.bytes += len(b)
	return c.process.ReadMemory(ctx, a, b)
}

// testPaging: a page of a large vector reads that page.
func testPaging(t *testing.T, p *process, m *eval.Model) {
	env := &counting{process: p}
	o := object(t, m, env, "many")
	if o.Indexed != 1_000_000 || o.Named != 2 {
		t.Fatal(o.Named, o.Indexed)
	}
	kids, err := o.Children(context.Background(), env, 2+999_990, 100)
	if err != nil || len(kids) != 10 || kids[9].Name != "[999999]" || kids[9].Text != "7" {
		t.Fatal(len(kids), err)
	}
	if env.bytes > 4096 {
		t.Errorf("%d bytes were read", env.bytes)
	}
	// pages join to the whole
	whole, err := object(t, m, p, "deq").Children(context.Background(), p, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	var parts []*eval.Object
	for at := 0; ; at += 7 {
		page, err := object(t, m, p, "deq").Children(context.Background(), p, at, 7)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, page...)
		if len(page) < 7 {
			break
		}
	}
	if len(parts) != len(whole) || len(whole) != 297 {
		t.Fatal(len(parts), len(whole))
	}
	for i := range whole {
		if whole[i].Name != parts[i].Name || whole[i].Text != parts[i].Text {
			t.Fatalf("%d: %s %s", i, whole[i].Name, parts[i].Name)
		}
	}
}

// testCorrupt: a container that contradicts itself ends with an error in its place.
func testCorrupt(t *testing.T, p *process, m *eval.Model) {
	for _, tt := range []struct {
		name         string
		start, count int
		want         string
	}{
		{"broken", 1, 10, "Unable to read memory at Address 0x10"},
		{"cyclic", 5_000_000, 10, "the container is not intact: its links run in a circle within 1 elements"},
		{"wild", 2, 1, "Unable to read memory at Address 0x1000"},
	} {
		kids, err := object(t, m, p, tt.name).Children(context.Background(), p, tt.start, tt.count)
		if err != nil || len(kids) == 0 {
			t.Fatal(tt.name, len(kids), err)
		}
		if last := kids[len(kids)-1]; last.Err == nil || last.Err.Error() != tt.want {
			t.Errorf("%s: %v", tt.name, last.Err)
		}
	}
	for _, name := range []string{"nodeq.it", "novec.it", "nolst.it", "nomap.it"} {
		o := object(t, m, p, name)
		if o.Text != "" || o.Indexed != 0 || !strings.HasPrefix(fmt.Sprint(o.Err), "the container is not intact: its ") {
			t.Errorf("%s is %q with %d elements: %v", name, o.Text, o.Indexed, o.Err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := object(t, m, p, "cyclic").Children(ctx, p, 900_000, 10); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// testRuined: whatever is wrong with a container, it takes few reads to see that,
// it is told, and it is told in the place of the container or of its element.
func testRuined(t *testing.T, p *process, m *eval.Model) {
	for _, name := range strings.Fields("mapcycle mapstray hashcycle backwards vast strvast deqstray cyclic wild") {
		env := &counting{process: p}
		before := p.reads
		o := object(t, m, env, name)
		kids, err := o.Children(context.Background(), env, 0, 3000)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		told := o.Err != nil
		for _, k := range kids {
			told = told || k.Err != nil
		}
		if !told {
			t.Errorf("%s: %q with %d children tells no error", name, o.Text, len(kids))
		}
		if n := p.reads - before; n > 5_000 || env.bytes > 1<<20 {
			t.Errorf("%s: %d reads of %d bytes", name, n, env.bytes)
		}
		for _, k := range kids[:min(1, len(kids))] {
			if k.Name != "[<Raw View>]" || k.Err != nil {
				t.Errorf("%s: the raw view is %s (%v)", name, k.Name, k.Err)
			}
		}
	}
}

// garbage is memory that holds anything: pointers to itself, huge sizes, zeros,
// text; some pages are not there.
type garbage struct {
	*process
	seed  uint64
	reads int
}

func (g *garbage) ReadMemory(_ context.Context, a arch.Addr, b []byte) (int, error) {
	g.reads++
	if hash(uint64(a)>>12^g.seed)%7 == 0 {
		return 0, os.ErrNotExist
	}
	for i := range b {
		at := uint64(a) + uint64(i)
		word := hash(at>>3 ^ g.seed)
		switch word % 4 {
		case 0:
			word = 0x10000 + word>>8%0x8000*8
		case 1:
			word %= 200
		case 2:
			word = word >> (word % 64)
		}
		b[i] = byte(word >> (at % 8 * 8))
	}
	return len(b), nil
}

// hash is splitmix64.
func hash(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// testGarbage: whatever memory holds, a page of children takes a bounded number of reads.
func testGarbage(t *testing.T, p *process, m *eval.Model) {
	for seed := range uint64(40) {
		for _, name := range strings.Fields(shown) {
			name, _, _ = strings.Cut(name, ",")
			env := &garbage{process: p, seed: seed}
			v, err := p.Lookup(context.Background(), name)
			if err != nil {
				t.Fatal(err)
			}
			v.Addr = 0x10000 + arch.Addr(hash(seed)%4096*8)
			o, err := m.Object(context.Background(), env, name, name, v, eval.Format{})
			if err != nil {
				t.Fatal(name, err)
			}
			kids, err := o.Children(context.Background(), env, 0, 12)
			for _, k := range kids {
				k.Children(context.Background(), env, 0, 5)
			}
			if env.reads > 20_000 {
				t.Errorf("%s, seed %d: %d reads, %v", name, seed, env.reads, err)
			}
		}
	}
}

// cached is the stop's cache: a page that is not there is noted and refused.
type cached struct {
	*process
	pages map[arch.Addr]bool
	miss  map[arch.Addr]bool
}

func (c *cached) ReadMemory(ctx context.Context, a arch.Addr, b []byte) (int, error) {
	ok := true
	for page := a &^ 0xfff; page < a+arch.Addr(len(b)); page += 0x1000 {
		if !c.pages[page] {
			c.miss[page], ok = true, false
		}
	}
	if !ok {
		return 0, &symbols.NeedError{Addr: a, Size: len(b)}
	}
	return c.process.ReadMemory(ctx, a, b)
}

// rounds counts how often the far end is asked until name and its children are known.
func rounds(t *testing.T, p *process, m *eval.Model, name string) int {
	t.Helper()
	env := &cached{p, map[arch.Addr]bool{}, map[arch.Addr]bool{}}
	for n := 0; n < 100; n++ {
		clear(env.miss)
		err := show(env, m, name)
		if err == nil {
			return n
		}
		var need *symbols.NeedError
		if !errors.As(err, &need) || len(env.miss) == 0 {
			t.Fatal(name, err)
		}
		for page := range env.miss {
			env.pages[page] = true
		}
	}
	t.Fatal(name, "never ends")
	return 0
}

func show(env eval.Env, m *eval.Model, name string) error {
	e, err := eval.Parse(name, eval.Options{})
	if err != nil {
		return err
	}
	v, err := e.Eval(context.Background(), env)
	if err != nil {
		return err
	}
	o, err := m.Object(context.Background(), env, name, name, v, eval.Format{})
	if err != nil {
		return err
	}
	_, err = o.Children(context.Background(), env, 0, 100)
	return err
}

// testRounds: a level of pointers costs one round, siblings share it.
func testRounds(t *testing.T, p *process, m *eval.Model) {
	for name, most := range map[string]int{"greeting": 1, "corner": 1, "ints": 2, "shortstr": 1, "longstr": 2, "strs": 3, "many": 2, "byname": 4, "lst": 4, "couple": 1, "shared": 2} {
		if n := rounds(t, p, m, name); n > most {
			t.Errorf("%s takes %d rounds, not %d", name, n, most)
		}
	}
}

// testUserFile shows what the rules of a user's file make.
func testUserFile(t *testing.T, p *process) {
	set, err := natvis.Default()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "user.natvis")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Load(file, data); err != nil {
		t.Fatal(err)
	}
	m := &eval.Model{Visualizer: set}
	var b strings.Builder
	for _, name := range strings.Fields("ilist ilist,view(short) matrix shape shape,view(kind) circle packed loop wrong fixed fixed,! columns skipped owner shell animal dog cat chain elsewhere first second third") {
		dx(&b, p, object(t, m, p, name), 0, 3)
	}
	kids, err := object(t, m, p, "skipped").Children(context.Background(), p, 995, 10)
	if err != nil || len(kids) != 5 || kids[0].Name != "item 995" || kids[4].Text != "1998" {
		t.Error(kids, err)
	}
	golden(t, "user.golden", pointers.ReplaceAllString(b.String(), "0x..."))
	if !set.Unload(file) || set.Unload(file) {
		t.Error("unloading")
	}
	if o := object(t, m, p, "wrong"); o.Text != "" {
		t.Error(o.Text)
	}
}

func TestLoadErrors(t *testing.T) {
	head, tail := "<AutoVisualizer>\n<Type Name=\"A\">", "</Type></AutoVisualizer>"
	for _, tt := range []struct{ xml, want string }{
		{"", "f: no AutoVisualizer element: this is not a NatVis file"},
		{"<a/>", "f: no AutoVisualizer element: this is not a NatVis file"},
		{"<AutoVisualizer>", "f(1): line 1: unexpected EOF"},
		{head + "<DisplayString>{</DisplayString>" + tail, `f(2): DisplayString: '{' without '}' in "{"`},
		{head + "<DisplayString>{1+}</DisplayString>" + tail, "f(2): DisplayString: Numeric expression missing from '<EOL>'"},
		{head + "<DisplayString Optional=\"true\">{1+}</DisplayString>" + tail, "<nil>"},
		{head + "<Expand>\n<ArrayItems><Size>1</Size></ArrayItems></Expand>" + tail, "f(3): ArrayItems: a value is missing"},
		{head + "<Expand><TreeItems><HeadPointer>h</HeadPointer><LeftPointer>l</LeftPointer><ValueNode>v</ValueNode></TreeItems></Expand>" + tail, "f(2): TreeItems: RightPointer is missing"},
		{head + "\n\n<Expand><ArrayItem/></Expand>" + tail, "f(4): ArrayItem: is no element of an Expand"},
		{head + "<Display/>" + tail, "f(2): Display: is no element of a Type"},
		{head + "<Intrinsic Name=\"f\"/>" + tail, "f(2): Intrinsic: f has no Expression: functions of debugger extensions are not known"},
		{"<AutoVisualizer><Type/></AutoVisualizer>", "f(1): Type: has no Name"},
		{"<AutoVisualizer><Type Name=\"A\" Priority=\"Highest\"/></AutoVisualizer>", "f(1): Type: there is no Priority \"Highest\""},
		{strings.Repeat("<x>", 100), "f(1): the file is nested too deeply or has too many elements"},
	} {
		err := natvis.New().Load("f", []byte(tt.xml))
		if fmt.Sprint(err) != tt.want {
			t.Errorf("%.60s\n got %v\nwant %s", tt.xml, err, tt.want)
		}
	}
}
