package linuxkernel

import (
	"encoding/binary"
	"fmt"
	"testing"

	"dap-windbg/arch"
)

// written is a table of symbols as scripts/kallsyms.c lays it out.
type written struct {
	order   []string // of the parts
	percpu  bool     // addresses of code count down from the base
	symbols []listed
}

type listed struct {
	kind byte
	name string
	addr uint64
}

const textBase = 0xffffffff9a000000

// Orders of the parts, see kallsyms.go.
var (
	upTo61 = []string{"offsets", "base", "number", "names", "markers", "tokens", "index"}
	from62 = []string{"offsets", "base", "number", "names", "markers", "sequence", "tokens", "index"}
	from65 = []string{"number", "names", "markers", "tokens", "index", "offsets", "base", "sequence"}
)

// bytes writes the table.
func (w written) bytes() []byte {
	out, _ := w.parts()
	return out
}

// parts writes the table and tells where its parts lie: each byte is a token of its own, and
// 0x80 stands for "sys_".
func (w written) parts() (out []byte, where map[string]int) {
	le := binary.LittleEndian
	parts := map[string][]byte{}
	token := func(i int) string {
		if i == 0x80 {
			return "sys_"
		}
		if i >= 0x20 && i < 0x7f {
			return string(rune(i))
		}
		return ""
	}
	var tokens, index []byte
	for i := range 256 {
		index = le.AppendUint16(index, uint16(len(tokens)))
		tokens = append(append(tokens, token(i)...), 0)
	}
	parts["tokens"], parts["index"] = tokens, index
	for i, s := range w.symbols {
		if i%256 == 0 {
			parts["markers"] = le.AppendUint32(parts["markers"], uint32(len(parts["names"])))
		}
		name := []byte{s.kind}
		for rest := s.name; rest != ""; {
			if len(rest) >= 4 && rest[:4] == "sys_" {
				name, rest = append(name, 0x80), rest[4:]
				continue
			}
			name, rest = append(name, rest[0]), rest[1:]
		}
		if len(name) < 0x80 {
			parts["names"] = append(parts["names"], byte(len(name)))
		} else {
			parts["names"] = append(parts["names"], byte(len(name)&0x7f|0x80), byte(len(name)>>7))
		}
		parts["names"] = append(parts["names"], name...)
		off := uint32(s.addr - textBase)
		if w.percpu && s.addr >= textBase {
			off = uint32(textBase - 1 - s.addr)
		} else if w.percpu {
			off = uint32(s.addr)
		}
		parts["offsets"] = le.AppendUint32(parts["offsets"], off)
		parts["sequence"] = append(parts["sequence"], byte(i), byte(i>>8), byte(i>>16))
	}
	parts["base"] = le.AppendUint64(nil, textBase)
	parts["number"] = le.AppendUint32(nil, uint32(len(w.symbols)))
	out, where = []byte("what lies before 0\x001\x00x\x00\x00\x00\x00"), map[string]int{}
	for _, p := range w.order {
		for len(out)%8 != 0 {
			out = append(out, 0)
		}
		where[p] = len(out)
		out = append(out, parts[p]...)
	}
	return append(out, make([]byte, 64)...), where
}

func some(percpu bool) []listed {
	var out []listed
	if percpu {
		out = append(out, listed{'D', "fixed_percpu_data", 0}, listed{'D', "current_task", 0x1fb80})
	}
	for i := range 1000 {
		kind := []byte{'T', 't', 'd', 'B'}[i%4]
		out = append(out, listed{kind, fmt.Sprintf("sys_%d_call", i), textBase + uint64(i)*16})
	}
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'x'
	}
	return append(out, listed{'T', string(long), textBase + 20000}, listed{'t', "sys_5_call", textBase + 20016})
}

// TestKallsyms: tables of all orders, with code counted from the base and down from it.
func TestKallsyms(t *testing.T) {
	for _, order := range [][]string{upTo61, from62, from65} {
		for _, percpu := range []bool{false, true} {
			w := written{order, percpu, some(percpu)}
			k := findKallsyms(w.bytes(), textBase)
			if k == nil {
				t.Errorf("%v, per CPU %v: not found", order, percpu)
				continue
			}
			for i, s := range w.symbols {
				if k.names[i] != s.name || k.kinds[i] != s.kind || k.addresses[i] != s.addr {
					t.Errorf("%v, per CPU %v: %q %c %x is %q %c %x", order, percpu, s.name, s.kind, s.addr, k.names[i], k.kinds[i], k.addresses[i])
					break
				}
			}
			if findKallsyms(w.bytes(), textBase+0x200000) != nil {
				t.Errorf("%v: the table of another base is taken", order)
			}
		}
	}
}

// TestNames: the image over a table finds by address, name and pattern.
func TestNames(t *testing.T) {
	k := findKallsyms(written{upTo61, true, some(true)}.bytes(), textBase)
	n := newNames(symbolsKey, textBase, 1<<20, k, "memory")
	if s, ok := n.At(16*7 + 3); !ok || s.Name != "sys_7_call" || s.Size != 16 {
		t.Errorf("at 7 lies %+v", s)
	}
	if s, ok := n.Next(16 * 7); !ok || s.Name != "sys_8_call" {
		t.Errorf("above 7 lies %+v", s)
	}
	count := func(pattern string) (c int) {
		for range n.Lookup(pattern) {
			c++
		}
		return c
	}
	for pattern, want := range map[string]int{"sys_5_call": 2, "sys_99*": 11, "SYS_12_CALL": 1, "nothing": 0, "sys_?_call": 11, "current_task": 1} {
		if got := count(pattern); got != want {
			t.Errorf("%q matches %d symbols, want %d", pattern, got, want)
		}
	}
	for s := range n.Lookup("current_task") {
		if textBase+uint64(s.Offset) != 0x1fb80 {
			t.Errorf("current_task lies at %x", textBase+uint64(s.Offset))
		}
	}
}

func FuzzKallsyms(f *testing.F) {
	for _, order := range [][]string{upTo61, from65} {
		f.Add(written{order, true, some(true)}.bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		k := findKallsyms(data, arch.Addr(textBase))
		if k == nil {
			return
		}
		n := newNames(symbolsKey, textBase, 1<<20, k, "")
		for range n.Lookup("*") {
		}
		n.At(100)
		n.Next(100)
	})
}

// TestBuildID: the note is found among others, and nothing is made of what is cut short.
func TestBuildID(t *testing.T) {
	note := func(kind uint32, name string, data []byte) []byte {
		le := binary.LittleEndian
		out := le.AppendUint32(nil, uint32(len(name)+1))
		out = le.AppendUint32(out, uint32(len(data)))
		out = append(le.AppendUint32(out, kind), name+"\x00"...)
		for len(out)%4 != 0 {
			out = append(out, 0)
		}
		return append(out, data...)
	}
	id := []byte("12345678901234567890")
	all := append(note(3, "Xen", []byte("no no no")), note(3, "GNU", id)...)
	if got := buildID(all); string(got) != string(id) {
		t.Errorf("the build-id is %q", got)
	}
	for i := range len(all) - 1 {
		if got := buildID(all[:i]); got != nil {
			t.Fatalf("%q of %d bytes", got, i)
		}
	}
}

func FuzzBuildID(f *testing.F) {
	f.Add([]byte("\x04\x00\x00\x00\x14\x00\x00\x00\x03\x00\x00\x00GNU\x0012345678901234567890"))
	f.Fuzz(func(t *testing.T, notes []byte) { buildID(notes) })
}
