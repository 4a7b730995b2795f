package linux

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// layout64 lays words out from an address on.
type layout64 struct{ bytes.Buffer }

func (l *layout64) words(v ...uint64) {
	for _, w := range v {
		binary.Write(l, binary.LittleEndian, w)
	}
}

const at = 0x10000 // where test memory begins

// plain is memory that needs no fetching.
type plain []byte

func (p plain) ReadMemory(_ context.Context, addr arch.Addr, out []byte) (int, error) {
	n := 0
	if uint64(addr) >= at && uint64(addr)-at < uint64(len(p)) {
		n = copy(out, p[uint64(addr)-at:])
	}
	if n < len(out) {
		return n, &targets.FaultError{Addr: addr + arch.Addr(n)}
	}
	return n, nil
}

func (p plain) ReadAt(out []byte, off int64) (int, error) {
	n, err := p.ReadMemory(context.Background(), arch.Addr(off), out)
	if err != nil && n == 0 {
		return 0, io.EOF
	}
	return len(out), nil
}

// TestLinks walks lists that no loader would make.
func TestLinks(t *testing.T) {
	const debug, first, second, name = at, at + 0x100, at + 0x140, at + 0x200
	make := func(version, next uint64, second4 uint64) plain {
		p := make(plain, 0x300)
		put := func(addr uint64, v ...uint64) {
			for i, w := range v {
				binary.LittleEndian.PutUint64(p[addr-at+uint64(8*i):], w)
			}
		}
		put(debug, version, first, 0x4242, 0, 0, next)
		put(first, 0, 0, 0x111, second)
		put(second, 0x7000, name, 0x222, second4)
		copy(p[name-at:], "/lib/x.so\x00")
		return p
	}
	for _, c := range []struct {
		name string
		mem  plain
		want int
	}{
		{"two", make(1, 0, 0), 2},
		{"turns back", make(1, 0, first), 2},
		{"points at itself", make(1, 0, second), 2},
		{"points nowhere", make(1, 0, 0xdead0000), 2},
		{"namespaces that turn back", make(2, debug, 0), 2},
		{"not filled in", make(0, 0, 0), 0},
		{"cut", make(1, 0, 0)[:0x108], 0},
	} {
		r := newReader(t.Context(), c.mem, arch.AMD64)
		got := r.links(debug)
		if len(got) != c.want {
			t.Errorf("%s: %d links, want %d: %+v", c.name, len(got), c.want, got)
		}
		if c.want == 2 && (got[1].name != "/lib/x.so" || got[1].bias != 0x7000 || got[1].dynamic != 0x222 || got[1].at != second) {
			t.Errorf("%s: %+v", c.name, got[1])
		}
	}
}

// TestGivenUp: a caller that gives up gets its context's error.
func TestGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := &world{memory: newMemory(make(plain, 64)), debuggee: &debuggee{set: arch.AMD64.DefaultSet()}}
	if _, err := New().Modules(ctx, w); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// FuzzModules: whatever memory holds, reading the list ends, and soon.
func FuzzModules(f *testing.F) {
	var l layout64
	l.words(1, at+0x40, 0x4242, 0, 0, 0, 0, 0)
	l.words(0, 0, 0, at+0x60, 0x1000, at, 0, at+0x40)
	f.Add(l.Bytes(), uint16(0), uint16(0))
	f.Add([]byte("\x7fELF\x02\x01\x01"), uint16(0), uint16(8))
	f.Fuzz(func(t *testing.T, data []byte, phdr, base uint16) {
		if len(data) > 1<<14 {
			return
		}
		var auxv layout64
		auxv.words(AtPhdr, at+uint64(phdr), AtBase, at+uint64(base), AtSysinfoEhdr, at, AtExecFn, at+uint64(base), 0, 0)
		w := &world{memory: newMemory(plain(data)), debuggee: &debuggee{set: arch.AMD64.DefaultSet(), auxv: auxv.Bytes()}, symbols: map[string]arch.Addr{
			"_r_debug": at + arch.Addr(phdr), "_thread_db_link_map_l_tls_modid": at + arch.Addr(base)}}
		s := New()
		for _, act := range []func() error{
			func() error { _, err := s.Modules(t.Context(), w); return err },
			func() error { _, err := s.WatchAddress(t.Context(), w); return err },
			func() error {
				_, err := TLSAddress(t.Context(), w, at+arch.Addr(base), targets.Module{Base: at, Main: phdr&1 != 0}, 0)
				return err
			},
		} {
			n, err := w.rounds(t, act)
			if err != nil && !errors.As(err, new(*symbols.UnavailableError)) {
				t.Fatal(err)
			}
			if n > 150 {
				t.Fatalf("%d flights", n)
			}
		}
		newReader(t.Context(), plain(data), arch.AMD64).links(at)
	})
}
