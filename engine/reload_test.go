package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"
	"dap-windbg/targets/fake"
)

// blank is an image without names.
type blank struct{ path string }

func (b *blank) Key() symbols.Key                         { return symbols.Key{Path: b.path} }
func (*blank) Arch() *arch.Arch                           { return arch.AMD64 }
func (b *blank) Path() string                             { return b.path }
func (*blank) Debug() symbols.DebugKind                   { return symbols.Exports }
func (*blank) Size() uint64                               { return 0x1000 }
func (*blank) LinkBase() uint64                           { return 0 }
func (*blank) Entry() symbols.Offset                      { return 0 }
func (*blank) At(symbols.Offset) (symbols.Symbol, bool)   { return symbols.Symbol{}, false }
func (*blank) Next(symbols.Offset) (symbols.Symbol, bool) { return symbols.Symbol{}, false }
func (*blank) Lookup(string) iter.Seq[symbols.Symbol]     { return func(func(symbols.Symbol) bool) {} }
func (*blank) ReadStatic(symbols.Offset, []byte) bool     { return false }
func (*blank) Close() error                               { return nil }

// shelfStore has what find says, and counts.
type shelfStore struct {
	find          func(ctx context.Context, key symbols.Key) (symbols.Image, error)
	any           func(key symbols.Key) (symbols.Image, error)
	asked, forgot atomic.Int32
}

func (s *shelfStore) Find(ctx context.Context, key symbols.Key) (symbols.Image, error) {
	s.asked.Add(1)
	return s.find(ctx, key)
}

func (s *shelfStore) FindAny(ctx context.Context, key symbols.Key) (symbols.Image, error) {
	return s.any(key)
}
func (s *shelfStore) Forget() { s.forgot.Add(1) }
func (s *shelfStore) Source(context.Context, symbols.Key, string) (string, error) {
	return "", &symbols.NotFoundError{}
}

// hand adds n modules by hand and returns their bases.
func hand(t *testing.T, s *session, n int) (bases []arch.Addr) {
	t.Helper()
	s.view(func(ctx context.Context, v *View) error {
		for i := range n {
			m, err := v.AddModule(ctx, targets.Module{Path: fmt.Sprintf("/x/extra%d.so", i), Base: arch.Addr(0x10000000 + i*0x1000), Size: 0x1000})
			if err != nil {
				return err
			}
			bases = append(bases, m.Base)
		}
		return nil
	})
	return bases
}

// view runs f in the loop and fails on its error.
func (s *session) view(f func(ctx context.Context, v *View) error) {
	s.t.Helper()
	if err := s.Do(s.ctx, f); err != nil {
		s.t.Fatal(err)
	}
}

// lined is an image all of whose code is of one line.
type lined struct {
	*blank
	symbols.Liner
}

func (lined) Line(symbols.Offset) (symbols.Line, bool) {
	return symbols.Line{File: "extra.c", Line: 1}, true
}

// TestHasLine: whether code has a line is told by symbols that nobody has looked for yet.
func TestHasLine(t *testing.T) {
	s := over(t, fake.New(fake.Demo("main", 1)), Options{Store: &shelfStore{find: func(_ context.Context, key symbols.Key) (symbols.Image, error) {
		if key.Name == "extra0.so" {
			return lined{blank: &blank{key.Path}}, nil
		}
		return nil, &symbols.NotFoundError{What: key.Path}
	}}})
	s.stop()
	bases := hand(t, s, 2)
	s.view(func(ctx context.Context, v *View) error {
		for i, want := range []bool{true, false} {
			if at := bases[i] + 0x10; v.Locate(at).Line.File != "" || v.HasLine(ctx, at) != want {
				t.Errorf("module %d: not %v", i, want)
			}
		}
		return nil
	})
}

// TestLoadAll: many modules are looked for at the same time, once.
func TestLoadAll(t *testing.T) {
	const n = 12
	var here atomic.Int32
	all := make(chan struct{})
	store := &shelfStore{find: func(ctx context.Context, key symbols.Key) (symbols.Image, error) {
		if !strings.HasPrefix(key.Name, "extra") {
			return nil, &symbols.NotFoundError{What: key.Path}
		}
		if here.Add(1) == n {
			close(all) // everybody has come
		}
		select {
		case <-all:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if key.Name == "extra3.so" {
			return nil, &symbols.NotFoundError{What: key.Path}
		}
		return &blank{key.Path}, nil
	}}
	s := over(t, fake.New(fake.Demo("main", 1)), Options{Store: store})
	s.stop()
	bases := hand(t, s, n)
	s.view(func(ctx context.Context, v *View) error {
		for range 2 {
			ms, err := v.LoadAll(ctx, bases, Loading{})
			if err != nil || len(ms) != n {
				t.Fatalf("%d modules, %v", len(ms), err)
			}
			for i, m := range ms {
				if (m.Image == nil) != (i == 3) || (m.Err == nil) != (i != 3) {
					t.Errorf("%s: %v, %v", m.Name, m.Image, m.Err)
				}
			}
		}
		return nil
	})
	if here.Load() != n || store.forgot.Load() != 0 {
		t.Errorf("looked %d times, forgot %d times", here.Load(), store.forgot.Load())
	}
	s.view(func(ctx context.Context, v *View) error {
		_, err := v.LoadSymbols(ctx, bases[3], true, false)
		if !errors.As(err, new(*symbols.NotFoundError)) || store.forgot.Load() != 1 || here.Load() != n+1 {
			t.Errorf("by force: %v", err)
		}
		_, err = v.LoadSymbols(ctx, 1, true, false)
		if err == nil {
			t.Error("loaded symbols of nothing")
		}
		return nil
	})
}

// TestGiveUp: who gives up a wait for symbols has what was found by then, and is
// not asked to wait again unbidden.
func TestGiveUp(t *testing.T) {
	begun := make(chan string, 4)
	store := &shelfStore{find: func(ctx context.Context, key symbols.Key) (symbols.Image, error) {
		if key.Name != "extra0.so" && key.Name != "extra1.so" {
			return nil, &symbols.NotFoundError{What: key.Path}
		}
		begun <- key.Name
		<-ctx.Done()
		if key.Name == "extra0.so" {
			return &blank{key.Path}, nil // what there is without the debug file
		}
		return nil, ctx.Err()
	}}
	s := over(t, fake.New(fake.Demo("main", 1)), Options{Store: store})
	s.stop()
	bases := hand(t, s, 2)
	ctx, cancel := context.WithCancel(s.ctx)
	go func() { <-begun; <-begun; cancel() }()
	var ms []*Module
	err := s.Do(ctx, func(ctx context.Context, v *View) (err error) {
		ms, err = v.LoadAll(ctx, bases, Loading{})
		return err
	})
	if !errors.Is(err, context.Canceled) || len(ms) != 2 {
		t.Fatalf("%v, %d modules", err, len(ms))
	}
	asked := store.asked.Load()
	s.view(func(ctx context.Context, v *View) error {
		again, err := v.LoadAll(ctx, bases, Loading{})
		if err != nil {
			return err
		}
		var gave *GivenUpError
		if again[0].Image == nil || again[0].Err != nil || again[1].Image != nil || !errors.As(again[1].Err, &gave) || gave.Hint() == "" {
			t.Errorf("%+v, %+v", again[0], again[1])
		}
		return nil
	})
	if store.asked.Load() != asked {
		t.Error("a search that was given up began again")
	}
}

// TestForced: files of other builds are marked, and only until symbols are loaded anew.
func TestForced(t *testing.T) {
	wrong := &symbols.MismatchError{Path: "/y", Want: []byte{1}, Got: []byte{2}}
	store := &shelfStore{
		find: func(_ context.Context, key symbols.Key) (symbols.Image, error) {
			if key.Name == "extra0.so" {
				return &blank{key.Path}, wrong // the image, and only debug files of other builds
			}
			return nil, wrong
		},
		any: func(key symbols.Key) (symbols.Image, error) { return &blank{"/y"}, wrong },
	}
	s := over(t, fake.New(fake.Demo("main", 1)), Options{Store: store})
	s.stop()
	bases := hand(t, s, 2)
	s.view(func(ctx context.Context, v *View) error {
		for _, how := range []Loading{{}, {Mismatched: true}, {Force: true}} {
			ms, err := v.LoadAll(ctx, bases, how)
			if err != nil {
				return err
			}
			for i, m := range ms {
				if m.Err != wrong || m.Forced != how.Mismatched || (m.Image != nil) != (i == 0 || how.Mismatched) {
					t.Errorf("%+v: %d: %+v", how, i, m)
				}
			}
		}
		return nil
	})
}

// TestByHand: modules added by hand stay over a reload of the list, and go when told.
func TestByHand(t *testing.T) {
	store := &shelfStore{find: func(_ context.Context, key symbols.Key) (symbols.Image, error) { return &blank{key.Path}, nil }}
	s := over(t, fake.New(fake.Demo("main", 1)), Options{Store: store})
	s.stop()
	bases := hand(t, s, 1)
	s.view(func(ctx context.Context, v *View) error {
		before := len(v.Live().Modules())
		if err := v.Reload(ctx); err != nil {
			return err
		}
		m, ok := v.ModuleAt(bases[0] + 0xfff)
		if !ok || m.Name != "extra0" || len(v.Live().Modules()) != before {
			t.Fatalf("after a reload: %+v", v.Live().Modules())
		}
		if _, err := v.AddModule(ctx, targets.Module{Path: "/x/other.so", Base: bases[0]}); err != nil {
			return err
		}
		if m, _ := v.ModuleAt(bases[0]); m.Name != "other" || m.Size != 0x1000 || len(v.Live().Modules()) != before {
			t.Errorf("renamed: %+v", m)
		}
		if err := v.Unload(ctx, bases[0]); err != nil {
			return err
		}
		if _, ok := v.ModuleAt(bases[0]); ok || !slices.ContainsFunc(v.Live().Unloaded(), func(m *Module) bool { return m.Name == "other" }) {
			t.Error("it did not go")
		}
		first := v.Live().Modules()[0]
		if _, err := v.LoadSymbols(ctx, first.Base, false, false); err != nil {
			return err
		}
		if err := v.Unload(ctx, first.Base); err != nil {
			return err
		}
		m, _ = v.ModuleAt(first.Base)
		if m.Image != nil || m.Err == nil || len(v.Live().Modules()) != before-1 {
			t.Errorf("unloaded: %+v", m)
		}
		v.Defer(first.Base)
		if m.Tried || m.Err != nil {
			t.Errorf("deferred: %+v", m)
		}
		if v.Unload(ctx, 1) == nil {
			t.Error("unloaded nothing")
		}
		return nil
	})
}

// teller is a system that has names of its one module once it was told to read them.
type teller struct {
	systems.System
	read  int
	until func(ctx context.Context) error // what reading ends with
	list  func(ctx context.Context) error // what the list that the names lead to ends with; nil: there is none
}

func (y *teller) Modules(ctx context.Context, _ systems.World) ([]targets.Module, error) {
	all := []targets.Module{{Path: "kernel", Base: 0x10000000, Size: 0x1000, Main: true}}
	if y.read == 0 || y.list == nil {
		return all, nil
	}
	return append(all, targets.Module{Path: "driver", Base: 0x20000000, Size: 0x1000}), y.list(ctx)
}

func (*teller) Watch() []string { return nil }

func (y *teller) Image(context.Context, systems.World, targets.Module) (symbols.Image, error) {
	if y.read == 0 {
		return nil, nil
	}
	return &blank{"memory"}, nil
}

func (y *teller) Load(ctx context.Context, _ systems.World, _ targets.Module) (bool, error) {
	y.read++
	return y.read == 1, y.until(ctx)
}

// TestLoadNames: names that take long to read are read when loading is forced, stay when the
// rest is broken off, and are not lost by dropping symbols.
func TestLoadNames(t *testing.T) {
	y := &teller{until: func(context.Context) error { return context.Canceled }}
	none := &shelfStore{find: func(_ context.Context, key symbols.Key) (symbols.Image, error) {
		return nil, &symbols.NotFoundError{What: key.Path}
	}}
	s := over(t, fake.New(fake.Demo("main", 1)), Options{System: y, Store: none})
	s.stop()
	load := func(force bool, want error, named bool) {
		t.Helper()
		s.view(func(ctx context.Context, v *View) error {
			m, err := v.LoadSymbols(ctx, 0x10000000, force, false)
			if want != nil && !errors.Is(err, want) || m == nil || (m.Image != nil) != named {
				t.Errorf("force %v: %+v, %v", force, m, err)
			}
			return nil
		})
	}
	load(false, nil, false)
	if y.read != 0 {
		t.Error("they are read unasked")
	}
	load(true, context.Canceled, true)
	y.until = func(context.Context) error { return nil }
	load(false, nil, true)
	load(true, nil, true)
	if y.read != 2 {
		t.Errorf("asked %d times", y.read)
	}
	s.view(func(ctx context.Context, v *View) error { return v.Reload(ctx) })
	load(false, nil, true)
}

// TestLoadNamesBrokenOff: who breaks off the list of modules that the names lead to has the names,
// and the list at the next stop.
func TestLoadNamesBrokenOff(t *testing.T) {
	begun := make(chan struct{})
	y := &teller{until: func(context.Context) error { return nil }}
	none := &shelfStore{find: func(_ context.Context, key symbols.Key) (symbols.Image, error) {
		return nil, &symbols.NotFoundError{What: key.Path}
	}}
	s := over(t, fake.New(fake.Demo("main", 1)), Options{System: y, Store: none})
	s.stop()
	y.list = func(ctx context.Context) error {
		close(begun)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Second): // it would go on for minutes
			return nil
		}
	}
	go func() { <-begun; s.Preempt() }()
	err := s.Do(s.ctx, func(ctx context.Context, v *View) error {
		m, err := v.LoadSymbols(ctx, 0x10000000, true, false)
		if m == nil || m.Image == nil || len(v.Live().Modules()) != 1 {
			t.Errorf("%+v of %d modules", m, len(v.Live().Modules()))
		}
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	y.list = func(context.Context) error { return nil }
	s.run(How{Kind: StepInto, Unit: ByInstruction})
	s.view(func(ctx context.Context, v *View) error {
		if n := len(v.Live().Modules()); n != 2 {
			t.Errorf("%d modules at the next stop", n)
		}
		return nil
	})
}
