package linuxkernel

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols/orc"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// slowKernel is a kernel behind its own debugger: its memory from textBase on, and the words
// that kdb answers names and addresses with.
type slowKernel struct {
	targets.Target
	base    arch.Addr // where it lies now
	stub    string    // what answers, "" kgdb
	memory  []byte
	symbols []listed          // by address, as kdb knows them
	carried int               // bytes read
	looks   int               // commands
	until   int               // cancels when as many bytes were read
	cancel  func()            // of who reads
	store   map[string][]byte // what is kept
	hidden  map[string]uint64 // symbols that kdb does not know
}

func (k *slowKernel) Threads(context.Context) ([]targets.Thread, error) { return nil, nil }

func (k *slowKernel) Info() targets.Info {
	return targets.Info{Stub: cmp.Or(k.stub, "kgdb"), Limits: targets.Limits{BytesPerSec: 11000}}
}

func (k *slowKernel) ReadMemory(ctx context.Context, _ targets.Space, a arch.Addr, p []byte) (int, error) {
	if a < k.base || uint64(a-k.base) >= uint64(len(k.memory)) {
		return 0, &targets.FaultError{Addr: a}
	}
	n := copy(p, k.memory[a-k.base:])
	if k.carried += n; k.until > 0 && k.carried >= k.until {
		k.cancel()
	}
	if n < len(p) {
		return n, &targets.FaultError{Addr: a + arch.Addr(n)}
	}
	return n, ctx.Err()
}

func (k *slowKernel) Command(_ context.Context, line string) (string, targets.Effect, error) {
	k.looks++
	var a uint64
	if n, _ := fmt.Sscanf(line, "0x%x", &a); n == 1 {
		i, _ := slices.BinarySearchFunc(k.symbols, a-uint64(k.base-textBase)+1, func(s listed, a uint64) int {
			if s.addr < a {
				return -1
			}
			return 1
		})
		if i == 0 {
			return fmt.Sprintf("%s = %s\n", line, line), targets.Effect{}, nil
		}
		s := k.symbols[i-1]
		name := s.name
		if off := a - uint64(k.base-textBase) - s.addr; off > 0 {
			name += fmt.Sprintf("+0x%x", off)
		}
		return fmt.Sprintf("%s = %s (%s)\n", line, line, name), targets.Effect{}, nil
	}
	for _, s := range k.symbols {
		if s.name == line {
			return fmt.Sprintf("%s = 0x%x (%s)\n", line, s.addr+uint64(k.base-textBase), line), targets.Effect{}, nil
		}
	}
	return "Unknown kdb command: '" + line + "'\n", targets.Effect{}, nil
}

// only is a World of a target alone.
type only struct {
	systems.World
	t targets.Target
}

func (o only) Target() targets.Target { return o.t }

const (
	testID    = "0123456789abcdefghij"
	testTypes = 20 << 10 // bytes of BTF
)

// tableRoom is what the table has room in, bytes, strings behind it.
const tableRoom = 384 << 10

// kgdbKernel makes one whose table of symbols has parts in an order. how says by what the
// table can be found: "banner", which lies before it, "room" or "vmcoreinfo".
func kgdbKernel(t *testing.T, order []string, percpu bool, how string) *slowKernel {
	t.Helper()
	k := &slowKernel{base: textBase, store: map[string][]byte{}}
	put := func(kind byte, name string, data []byte) uint64 {
		k.memory = append(k.memory, make([]byte, -len(k.memory)&7)...)
		at := textBase + uint64(len(k.memory))
		if k.memory = append(k.memory, data...); name != "" {
			k.symbols = append(k.symbols, listed{kind, name, at})
		}
		return at
	}
	noise := func(n int) []byte { return bytes.Repeat([]byte("a string \x00of\x01 no use\x00\xff"), n/20+1)[:n] }
	for i := range 9000 {
		put("Tt"[i%2], fmt.Sprintf("sys_%d_call", i), make([]byte, 16))
	}
	put('D', "__start_rodata", noise(3000))
	banner := []byte("Linux version 6.6.6-test (somebody@somewhere) #1 SMP\n\x00")
	if how != "banner" {
		put('D', "linux_banner", banner)
	}
	for i := range 20 {
		put('d', fmt.Sprintf("object_%d", i), noise(5000))
	}
	if how == "banner" {
		put('D', "linux_banner", banner)
	}
	tableAt := put('d', "", noise(tableRoom))
	put('D', "__start___ksymtab", noise(4000))
	put('D', "__start_BTF", noise(testTypes))
	put('D', "__stop_BTF", []byte("end"))
	put('R', "__start_notes", append([]byte("\x04\x00\x00\x00\x14\x00\x00\x00\x03\x00\x00\x00GNU\x00"), testID...))
	put('R', "__stop_notes", []byte("end"))
	info := put('d', "", make([]byte, maxCoreInfo))
	if how == "vmcoreinfo" {
		put('d', "vmcoreinfo_data", binary.LittleEndian.AppendUint64(nil, info))
	}
	put('D', "_end", []byte("end"))
	w := written{order: order, percpu: percpu, symbols: k.symbols}
	if percpu {
		w.symbols = append([]listed{{'D', "fixed_percpu_data", 0}, {'D', "current_task", 0x1fb80}}, k.symbols...)
	}
	table, where := w.parts()
	if len(table) > tableRoom {
		t.Fatalf("the table has %d bytes", len(table))
	}
	copy(k.memory[tableAt-textBase:], table)
	var lines strings.Builder
	for part, name := range map[string]string{"number": "num_syms", "names": "names", "tokens": "token_table", "index": "token_index", "offsets": "offsets", "base": "relative_base"} {
		fmt.Fprintf(&lines, "SYMBOL(kallsyms_%s)=%x\n", name, tableAt+uint64(where[part]))
	}
	copy(k.memory[info-textBase:], lines.String())
	return k
}

// system is one that keeps things in the kernel's store.
func (k *slowKernel) system() *System {
	return New(Options{
		Keep: func(id []byte, name string, data []byte) { k.store[string(id)+name] = bytes.Clone(data) },
		Kept: func(id []byte, name string) []byte { return k.store[string(id)+name] },
	})
}

// found is what a session finds out by itself.
func (k *slowKernel) found(t *testing.T, s *System) (*Kernel, targets.Module) {
	t.Helper()
	s.kernel = (&finder{ctx: context.Background(), t: k, s: s}).survey(k.base)
	if s.kernel == nil || string(s.kernel.BuildID) != testID || !s.kernel.slow {
		t.Fatalf("found %+v", s.kernel)
	}
	return s.kernel, targets.Module{Path: KernelName, Base: k.base}
}

func (k *slowKernel) image(t *testing.T, s *System, m targets.Module) *Names {
	t.Helper()
	img, err := s.Image(context.Background(), only{t: k}, m)
	if err != nil || img == nil {
		t.Fatalf("the image is %v, %v", img, err)
	}
	return img.(*Names)
}

// lies is where a name lies.
func lies(n *Names, name string) uint64 {
	for s := range n.Lookup(name) {
		return n.base + uint64(s.Offset)
	}
	return 0
}

// TestOwnNames: the names of kernels of all orders, however the table is found, with little
// read besides, and by the next session without reading them, wherever the kernel lies then.
func TestOwnNames(t *testing.T) {
	for _, order := range [][]string{upTo61, from62, from65} {
		for _, percpu := range []bool{false, true} {
			for _, how := range []string{"banner", "room", "vmcoreinfo"} {
				k := kgdbKernel(t, order, percpu, how)
				s := k.system()
				found, m := k.found(t, s)
				if img, err := s.Image(context.Background(), only{t: k}, m); img != nil || err != nil || k.carried > 4096 {
					t.Errorf("%v %v: %v, %v and %d bytes before they were asked for", order[0], how, img, err, k.carried)
				}
				more, err := s.Load(context.Background(), only{t: k}, m)
				if err != nil || !more {
					t.Errorf("%v, per CPU %v, by %s: %v", order, percpu, how, err)
					continue
				}
				n := k.image(t, s, m)
				for i, want := range k.symbols {
					if i%97 == 0 && lies(n, want.name) != want.addr {
						t.Fatalf("%v, per CPU %v, by %s: %s lies at %x, not %x", order, percpu, how, want.name, lies(n, want.name), want.addr)
					}
				}
				table, _ := written{order: order, percpu: percpu, symbols: k.symbols}.parts()
				if slices.Contains(order, "sequence") {
					table = table[3*len(k.symbols):] // it is not read
				}
				if most := len(table) + testTypes + 5*headPiece + 16<<10; k.carried > most || k.looks > 20+roomLooks {
					t.Errorf("%v, by %s: %d bytes were read and %d questions asked; the table has %d", order, how, k.carried, k.looks, len(table))
				}
				if !found.own.typed || len(found.own.types) != testTypes {
					t.Errorf("%v, by %s: %d bytes of types", order, how, len(found.own.types))
				}
				if more, err := s.Load(context.Background(), only{t: k}, m); more || err != nil {
					t.Errorf("there is more: %v, %v", more, err)
				}

				k.base, k.carried, k.looks = textBase+0x8000000, 0, 0
				s = k.system()
				_, m = k.found(t, s)
				n = k.image(t, s, m)
				if at := lies(n, "sys_77_call"); at != textBase+0x8000000+77*16 || percpu && lies(n, "current_task") != 0x1fb80 || !s.kernel.own.typed {
					t.Errorf("later sys_77_call lies at %x, current_task at %x", at, lies(n, "current_task"))
				}
				if more, err := s.Load(context.Background(), only{t: k}, m); more || err != nil || k.carried > 4096 {
					t.Errorf("later %v, %v, %d bytes", more, err, k.carried)
				}
			}
		}
	}
}

// TestOwnNamesDamaged: what is kept and no table is as if nothing were kept, and what the
// kernel has in place of a table ends with an error.
func TestOwnNamesDamaged(t *testing.T) {
	k := kgdbKernel(t, upTo61, true, "room")
	s := k.system()
	_, m := k.found(t, s)
	if _, err := s.Load(context.Background(), only{t: k}, m); err != nil {
		t.Fatal(err)
	}
	whole := k.store[testID+keptNames]
	for _, kept := range [][]byte{nil, whole[:5], whole[:8], whole[:len(whole)/2], bytes.Repeat([]byte{0xff}, 5000)} {
		k.store[testID+keptNames] = kept
		s := k.system()
		if found, _ := k.found(t, s); found.table != nil {
			t.Errorf("%d bytes are a table", len(kept))
		}
	}
	k.store[testID+keptNames] = whole
	for i, b := range k.symbols { // another kernel of the same build
		if b.name == "linux_banner" {
			k.symbols[i].addr += 8
		}
	}
	s = k.system()
	if found, _ := k.found(t, s); found.table != nil {
		t.Error("a table is taken that does not say where the banner is")
	}

	k = kgdbKernel(t, upTo61, true, "room")
	for i := range k.memory[9000*16+4096:] {
		k.memory[9000*16+4096+i] = byte(i * 7)
	}
	s = k.system()
	s.kernel = &Kernel{Base: k.base, slow: true}
	if _, err := s.Load(context.Background(), only{t: k}, targets.Module{Base: k.base}); err == nil || k.carried > 1<<20 {
		t.Errorf("%v after %d bytes", err, k.carried)
	}
}

// TestOwnNamesAsked: only the kernel's own debugger is asked by kdb's words.
func TestOwnNamesAsked(t *testing.T) {
	for stub, asked := range map[string]bool{"kgdb": true, "kdb": true, "QEMU": false, "another": false} {
		k := kgdbKernel(t, from65, true, "room")
		k.stub = stub
		s := k.system()
		s.kernel = (&finder{ctx: context.Background(), t: k, s: s}).survey(k.base)
		more, err := s.Load(context.Background(), only{t: k}, targets.Module{Path: KernelName, Base: k.base})
		if (k.looks > 0) != asked || more != asked || (err == nil) != asked {
			t.Errorf("%s: %d questions; %v, %v", stub, k.looks, more, err)
		}
	}
}

func FuzzTablePlace(f *testing.F) {
	f.Add([]byte("SYMBOL(kallsyms_names)=ffffffff9a001000\n"))
	f.Add(written{order: from65, symbols: some(true)}.bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		k := &slowKernel{base: textBase, memory: data}
		found := &Kernel{Base: textBase}
		g := &finder{ctx: context.Background(), t: k, s: New(Options{})}
		g.placeOfParts(found, string(data))
		namesHead(data)
		offsetsHead(data)
		g.countOffsets(found, textBase)
	})
}

// TestOwnNamesDebian: the table of a distribution's kernel is found, in its file as it would
// lie in memory, by each way, and read without much besides.
func TestOwnNamesDebian(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		t.Skip("HEAVY=1 runs it")
	}
	all, _ := filepath.Glob("/usr/lib/debug/boot/vmlinux-*")
	if len(all) == 0 {
		t.Fatal("no /usr/lib/debug/boot/vmlinux-*: install linux-image-amd64-dbg")
	}
	k := linkedKernel(t, all[0])
	lines := func() string {
		var out strings.Builder
		for _, name := range []string{"num_syms", "names", "token_table", "token_index", "offsets", "relative_base"} {
			fmt.Fprintf(&out, "SYMBOL(kallsyms_%s)=%x\n", name, k.hidden["kallsyms_"+name])
		}
		return out.String()
	}
	s := New(Options{})
	s.kernel = &Kernel{Base: k.base, slow: true, Banner: "Linux version 6.1.0 (somebody)"}
	m := targets.Module{Path: KernelName, Base: k.base}
	if more, err := s.Load(context.Background(), only{t: k}, m); !more || err != nil {
		t.Fatalf("%v, %v", more, err)
	}
	k.carried = 0
	n := k.image(t, s, m)
	if task, ok := n.Type("task_struct"); !ok || task.ByteSize() < 1000 {
		t.Errorf("task_struct is %+v, %v", task, ok)
	}
	if v, ok := n.Global("runqueues"); !ok || v.Type.Strip().Name != "rq" {
		t.Errorf("runqueues is %+v, %v", v, ok)
	}
	if _, ok := n.Unwinder.(*orc.Remote); !ok || k.carried > 4096 {
		t.Errorf("frames are unwound by %T, %d bytes were read for that", n.Unwinder, k.carried)
	}
	base, size := k.hidden["kallsyms_offsets"], int(k.hidden["kallsyms_token_index"]+indexSize-k.hidden["kallsyms_offsets"])
	for how, place := range map[string]func(f *finder, found *Kernel) tablePlace{
		"banner": func(f *finder, found *Kernel) tablePlace {
			found.bannerAt = f.where("linux_banner")
			p, _ := f.tablePlace(found)
			return p
		},
		"room":       func(f *finder, found *Kernel) tablePlace { p, _ := f.tablePlace(found); return p },
		"vmcoreinfo": func(f *finder, found *Kernel) tablePlace { return f.placeOfParts(found, lines()) },
	} {
		s := New(Options{})
		k.carried, k.looks = 0, 0
		found := &Kernel{Base: k.base, slow: true}
		f := &finder{ctx: context.Background(), t: k, s: s}
		p := place(f, found)
		t.Logf("by %s: %d names at %x, about %d bytes of %d; %d bytes were read for that, %d questions asked", how, p.count, uint64(p.at), p.size, size, k.carried, k.looks)
		if uint64(p.at) != base || p.size < size*8/10 || p.size > size || k.carried > 5*headPiece {
			t.Errorf("by %s: %+v, not %x", how, p, base)
			continue
		}
		found.own.place = p
		if err := f.readNames(found); err != nil {
			t.Errorf("by %s: %v", how, err)
			continue
		}
		if k.carried > size-3*p.count+8*headPiece {
			t.Errorf("by %s: %d bytes were read", how, k.carried)
		}
		has := map[listed]bool{}
		for i, name := range found.table.names {
			has[listed{0, name, found.table.addresses[i]}] = true
		}
		for _, want := range k.symbols {
			if at := want.addr - textBase + uint64(k.base); want.kind == 'T' && !has[listed{0, want.name, at}] {
				t.Errorf("%s does not lie at %x", want.name, at)
				break
			}
		}
	}
}

// linkedKernel is a kernel's file as it would lie in memory; hidden are the symbols that the
// kernel does not list.
func linkedKernel(t *testing.T, path string) *slowKernel {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	k := &slowKernel{hidden: map[string]uint64{}}
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD || p.Vaddr < uint64(lowest) {
			continue
		}
		if k.base == 0 {
			k.base = arch.Addr(p.Vaddr)
		}
		data := make([]byte, p.Filesz)
		if _, err := p.ReadAt(data, 0); err != nil {
			t.Fatal(err)
		}
		k.memory = append(append(k.memory, make([]byte, int(p.Vaddr-uint64(k.base))-len(k.memory))...), data...)
	}
	list, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		switch {
		case strings.HasPrefix(s.Name, "kallsyms_") && elf.ST_TYPE(s.Info) == elf.STT_NOTYPE:
			k.hidden[s.Name] = s.Value
		case s.Value >= uint64(lowest) && s.Name != "" && !strings.HasPrefix(s.Name, ".L"):
			kind := byte('d')
			if elf.ST_TYPE(s.Info) == elf.STT_FUNC && elf.ST_BIND(s.Info) == elf.STB_GLOBAL {
				kind = 'T'
			}
			k.symbols = append(k.symbols, listed{kind, s.Name, s.Value - uint64(k.base) + textBase})
		}
	}
	slices.SortFunc(k.symbols, func(a, b listed) int { return cmp.Compare(a.addr, b.addr) })
	return k
}
