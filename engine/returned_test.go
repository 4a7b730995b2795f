package engine

import (
	"context"
	"strings"
	"testing"

	"dap-windbg/eval"
)

// returnedText is what the last step's return handed back, with what is in it.
func (s *session) returnedText() string {
	s.t.Helper()
	text := "nothing"
	s.do(func(ctx context.Context, v *View) error {
		r, ok := v.Returned()
		if !ok {
			return nil
		}
		if r.Value.Err != nil {
			text = r.Value.Err.Error()
			return nil
		}
		o, err := v.Model().Raw(ctx, v.Env(nil), "", "", r.Value, eval.Format{})
		if err != nil {
			return err
		}
		text = spellOut(ctx, v, o)
		return nil
	})
	return text
}

func spellOut(ctx context.Context, v *View, o *eval.Object) string {
	cs, err := o.Children(ctx, v.Env(nil), 0, 8)
	if err != nil || len(cs) == 0 || o.Value.Type.IsPointer() {
		return o.Text
	}
	var parts []string
	for _, c := range cs {
		parts = append(parts, spellOut(ctx, v, c))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

// TestReturned steps out of functions of all the ABI's classes of values.
func TestReturned(t *testing.T) {
	s := launch(t, Options{}, build(t, "returns.cpp"))
	toMain(t, s)
	for _, c := range []struct{ function, want string }{
		{"letter", "120 'x'"}, {"truth", "true"}, {"small", "-5"}, {"whole", "0xee6b2800"}, {"longer", "-1234567890123"},
		{"single", "1.5"}, {"twice", "-2.25"}, {"extended", "3.125"}, {"text", `"text"`}, {"color", "green (8)"},
		{"pair", "{3 -4}"}, {"mixed", "{0.5 9}"}, {"floats", "{1 2 4}"}, {"four", "{1 2 3 4}"}, {"big", "{{1 2 3 4 5}}"},
		{"bits", "{0x5 0x3e8 -1}"}, {"packed", "{112 'p' 77}"}, {"kept", "{11}"}, {"plain", "{12}"}, {"holder", "{{13}}"},
		{"virtue", "14}"}, {"either", "{15 7.4e-323}"}, {"box", "{2.5}"}, {"boxed", "{{16 17}}"}, {"spiral", "{1 + -1i}"},
		{"whirl", "2 + 0i"}, {"lanes", "{1 2 3 4}"}, {"member", "&Virtual::f"}, {"reference", "18"}, {"nothing", "nothing"},
	} {
		s.set("t", Breakpoint{Function: c.function, OneShot: true})
		s.run(How{})
		s.run(How{Kind: StepOut})
		if got := s.returnedText(); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s handed back %s, want %s", c.function, got, c.want)
		}
	}
}

// TestReturnedElsewhere does the same for the conventions of other CPUs.
func TestReturnedElsewhere(t *testing.T) {
	lost := elsewhere.lost
	for _, c := range []struct{ cpu, qemu, long, pair, big string }{
		{"aarch64", "qemu-aarch64", "-1234567890123", "{3 -4}", lost}, {"riscv64", "qemu-riscv64", "-1234567890123", "{3 -4}", lost}, {"i386", "", "-1912276171", "{3 -4}", "{{1 0 0 0 0}}"},
	} {
		t.Run(c.cpu, func(t *testing.T) {
			var s *session
			if c.qemu == "" {
				s = launch(t, Options{}, build(t, "handback.c", "-m32", "-nostdlib", "-static", "-ffreestanding", "-fno-stack-protector"))
				s.stop()
			} else {
				s = foreign(t, "handback.c", c.cpu, c.qemu, "-O0")
			}
			for _, x := range []struct{ function, want string }{
				{"longer", c.long}, {"byte", "0xc8"}, {"single", "1.5"}, {"twice", "-2.25"}, {"pair", c.pair},
				{"mixed", "{0.5 9}"}, {"floats", "{1 2 4}"}, {"two", "{8 16}"}, {"big", c.big},
			} {
				s.set("t", Breakpoint{Function: x.function, OneShot: true})
				s.run(How{})
				s.run(How{Kind: StepOut})
				if got := s.returnedText(); !strings.Contains(got, x.want) {
					t.Errorf("%s handed back %s, want %s", x.function, got, x.want)
				}
			}
		})
	}
}
