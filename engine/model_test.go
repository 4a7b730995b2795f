package engine

import (
	"context"
	"testing"

	"dap-windbg/eval"
)

// TestModel asks the data model for what a live process consists of.
func TestModel(t *testing.T) {
	s := launch(t, Options{}, build(t, "ring.c"))
	s.stop()
	s.set("t", Breakpoint{File: "ring.c", Line: lineOf(t, "ring.c", "// here")})
	s.run(How{})
	for _, c := range []struct{ src, want string }{
		{`Debugger.Utility.Collections.FromListEntry(head, "item", "by").Select(i => i.n).Sum()`, "60"},
		{`Debugger.Utility.Collections.FromListEntry(top, "item", "by").Count()`, "3"},
		{`Debugger.Utility.Collections.FromListEntry(&head, "item", "by").Skip(1).First().n`, "20"},
		{`Debugger.Utility.Collections.FromListEntry(head, "item", "n")`, "n of item does not lead to a next one"},
		{`Debugger.Utility.Collections.FromListEntry(head)`, `FromListEntry takes the head of the list, "Type" and "member"`},
		{`Debugger.Utility.Collections.CreateArray(3, 1, 2).OrderBy(x => x).First()`, "1"},
		{`@$curprocess.Memory[@rip].Protection`, `"r-xp"`},
		{`@$curprocess.Memory[@rip].Module.Name`, `"ring"`},
		{`@$curprocess.Memory[@rsp].Path`, `"[stack]"`},
		{`@$curprocess.Memory[&items].Protection`, `"rw-p"`},
		{`@$curprocess.Memory.Where(r => r.Path == "[stack]").Count()`, "1"},
		{`@$curprocess.Memory[@rip].EndAddress - @$curprocess.Memory[@rip].BaseAddress == @$curprocess.Memory[@rip].Size`, "true"},
		{`@$curprocess.Io.Handles[0].Handle`, "0"},
		{`@$curprocess.Io.Handles.Any(h => h.Handle == 2)`, "true"},
		{`@$curprocess.Modules["ring"].Contents.Functions["append"].Address == (unsigned long)&append`, "true"},
		{`@$curprocess.Modules["ring"].Contents.Data.Where(d => d.Name == "items").First().Size`, "72"},
		{`@$curprocess.Modules["ring"].Contents.BuildId.Length`, "40"},
		{`Debugger.State.PseudoRegisters.General.ip == @rip`, "true"},
		{`Debugger.State.PseudoRegisters.General.tpid == @$curprocess.Id`, "true"},
		{`@$curthread.Environment.EnvironmentBlock == @fs_base`, "true"},
		{`@$debuggerRootNamespace.Debugger.Sessions.First().Processes.First().Id == @$tpid`, "true"},
	} {
		s.do(func(ctx context.Context, v *View) error {
			x, err := v.Eval(ctx, nil, c.src, eval.Options{})
			if err == nil {
				err = x.Err
			}
			got := ""
			if err == nil {
				got, err = v.Model().Text(ctx, v.Env(nil), x, eval.Format{Style: eval.Plain})
			}
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("%s: %s, want %s", c.src, got, c.want)
			}
			return nil
		})
	}
}
