package dap

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-dap"
)

// elsewhere compiles the tour as if its source had been in /nowhere/src when it
// was built, and returns program and the directory that has the source now.
func elsewhere(t *testing.T) (program, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "src")
	text, err := os.ReadFile(source())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "tour.c")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(t.TempDir(), "tour")
	out, err := exec.Command("gcc", "-g", "-O0", "-pthread", "-ffile-prefix-map="+dir+"=/nowhere/src", file, "-o", program).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program, dir
}

// TestSourceElsewhere: sources that are not where they were at build time are
// found by rule or by path, and breakpoints set in what is here land.
func TestSourceElsewhere(t *testing.T) {
	program, dir := elsewhere(t)
	file := filepath.Join(dir, "tour.c")
	for name, more := range map[string]map[string]any{
		"source map":        {"sourceMap": map[string]any{"/nowhere": filepath.Dir(dir)}},
		"source path":       {"sourcePath": dir},
		"source path above": {"sourcePath": []string{"/does/not/exist", filepath.Dir(dir)}},
	} {
		t.Run(name, func(t *testing.T) {
			c := inProcess(t)
			more["program"] = program
			set := c.Start("launch", more, file, line(t, "print"))
			if b := set[0]; !b.Verified || b.Source == nil || b.Source.Path != file {
				t.Errorf("breakpoint %+v", b)
			}
			stop := c.Stopped("breakpoint")
			if s := c.Stack(stop.ThreadId, 1)[0].Source; s == nil || s.Path != file || s.SourceReference != 0 {
				t.Errorf("source %+v", s)
			}
			c.Disconnect(nil)
		})
	}
}

// TestSourceByReference: a path is sent for files that exist only; the text of
// others is asked for, and an answer comes even when there is none.
func TestSourceByReference(t *testing.T) {
	program, dir := elsewhere(t)
	c := inProcess(t)
	c.Start("launch", map[string]any{"program": program, "debugInfoD": []string{}}, filepath.Join("/somewhere/else/src", "tour.c"), line(t, "print"))
	stop := c.Stopped("breakpoint")
	s := c.Stack(stop.ThreadId, 1)[0].Source
	if s == nil || s.Path != "" || s.SourceReference == 0 || s.Name != "tour.c" || s.Origin != "/nowhere/src/tour.c" {
		t.Fatalf("source %+v", s)
	}
	args := map[string]any{"sourceReference": s.SourceReference, "source": s}
	if text := c.Fail("source", args); !strings.Contains(text, "/nowhere/src/tour.c") {
		t.Error(text)
	}
	// A breakpoint in the file by its reference.
	var set dap.SetBreakpointsResponseBody
	c.Do("setBreakpoints", map[string]any{"source": s, "breakpoints": []any{map[string]any{"line": line(t, "end")}}}, &set)
	if !set.Breakpoints[0].Verified {
		t.Errorf("%+v", set.Breakpoints[0])
	}
	// It becomes known while the session goes on.
	c.Evaluate("repl", ".srcpath+ "+dir, 0)
	var text dap.SourceResponseBody
	c.Do("source", args, &text)
	if !strings.Contains(text.Content, "What a debugger's views are tried on") || text.MimeType != "text/x-c" {
		t.Errorf("%s: %.80s", text.MimeType, text.Content)
	}
	if s := c.Stack(stop.ThreadId, 1)[0].Source; s.Path != filepath.Join(dir, "tour.c") {
		t.Errorf("source %+v", s)
	}
	c.Disconnect(nil)
}

// TestSourceWhileRunning: a source of the far end cannot be had while the program runs
// there; the request is answered all the same.
func TestSourceWhileRunning(t *testing.T) {
	program, _ := elsewhere(t)
	server := exec.Command("gdbserver", "--once", "127.0.0.1:0", program, "spin")
	c := inProcess(t)
	c.Start("attach", map[string]any{"connection": "gdb:server=127.0.0.1,port=" + listening(t, server), "debugInfoD": []string{}}, "/nowhere/src/tour.c", line(t, "ticking"))
	stop := c.Stopped("breakpoint")
	s := c.Stack(stop.ThreadId, 1)[0].Source
	if s == nil || s.SourceReference == 0 {
		t.Fatalf("source %+v", s)
	}
	args := map[string]any{"sourceReference": s.SourceReference, "source": s}
	c.Break("/nowhere/src/tour.c")
	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	if m := c.Response(c.Send("source", args)); m.Success || m.Message != "notStopped" {
		t.Errorf("while it runs: %+v", m)
	}
	c.Disconnect(map[string]any{"terminateDebuggee": true})
}

// TestSourceToGoTo: nvim-dap goes to the first frame that has a source. It gets none of
// what cannot be shown here, unless there is somebody to ask for the text.
func TestSourceToGoTo(t *testing.T) {
	program, _ := elsewhere(t)
	for _, x := range []struct {
		client, path string
		want         bool
	}{{"neovim", "", false}, {"neovim", "DebugInfoD*http://127.0.0.1:1", true}, {"vscode", "", true}} {
		c := inProcess(t)
		c.Do("initialize", map[string]any{"clientID": x.client, "adapterID": "x", "linesStartAt1": true, "columnsStartAt1": true}, nil)
		seq := c.Send("launch", map[string]any{"program": program, "sourcePath": x.path, "debugInfoD": []string{}})
		c.Event("initialized", nil)
		c.Break("/nowhere/src/tour.c", line(t, "print"))
		c.Do("configurationDone", nil, nil)
		c.Good(seq, nil)
		top := c.Stack(c.Stopped("breakpoint").ThreadId, 1)[0]
		if got := top.Source != nil; got != x.want || got != (top.Line > 0) {
			t.Errorf("%+v: %+v %+v", x, top, top.Source)
		}
		c.Disconnect(nil)
	}
}

// TestURIs: a client that spells paths as URIs and counts from 0.
func TestURIs(t *testing.T) {
	c := inProcess(t)
	c.Do("initialize", map[string]any{"adapterID": "x", "linesStartAt1": false, "columnsStartAt1": false, "pathFormat": "uri"}, nil)
	seq := c.Send("launch", config(t))
	c.Event("initialized", nil)
	uri := "file://" + source()
	set := c.Break(uri, line(t, "print")-1)
	if b := set[0]; !b.Verified || b.Line != line(t, "print")-1 || b.Source.Path != uri {
		t.Errorf("%+v", b)
	}
	c.Do("configurationDone", nil, nil)
	c.Good(seq, nil)
	stop := c.Stopped("breakpoint")
	if f := c.Stack(stop.ThreadId, 1)[0]; f.Line != line(t, "print")-1 || f.Source.Path != uri || f.Column != 4 {
		t.Errorf("%+v", f)
	}
	c.Disconnect(nil)
}

// TestSourceElsewhereLate: a breakpoint in a file of a module that is loaded later
// is found by the end of its path when the module comes, before its code runs.
func TestSourceElsewhereLate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plug", "src")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text := map[string]string{
		"plugin.c": "int plugin(int n)\n{\n    int twice = 2 * n;\n    return twice;\n}\n",
		"host.c": "#include <dlfcn.h>\nint main(int argc, char **argv)\n{\n    void *h = dlopen(argv[1], RTLD_NOW);\n" +
			"    int (*f)(int) = (int (*)(int))dlsym(h, \"plugin\");\n    return f(argc);\n}\n",
	}
	for name, content := range text {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	host, plugin := filepath.Join(t.TempDir(), "host"), filepath.Join(t.TempDir(), "libplugin.so")
	for _, argv := range [][]string{
		{"-g", "-O0", filepath.Join(dir, "host.c"), "-o", host, "-ldl"},
		{"-g", "-O0", "-shared", "-fPIC", "-ffile-prefix-map=" + filepath.Dir(dir) + "=/nowhere", filepath.Join(dir, "plugin.c"), "-o", plugin},
	} {
		if out, err := exec.Command("gcc", argv...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	c := inProcess(t)
	file := filepath.Join(dir, "plugin.c")
	set := c.Start("launch", map[string]any{"program": host, "args": []string{plugin}}, file, 3)
	if set[0].Verified {
		t.Errorf("verified before the module is there: %+v", set[0])
	}
	stop := c.Stopped("breakpoint")
	if len(stop.HitBreakpointIds) != 1 || stop.HitBreakpointIds[0] != set[0].Id {
		t.Errorf("hit %v, set %d", stop.HitBreakpointIds, set[0].Id)
	}
	if f := c.Stack(stop.ThreadId, 1)[0]; f.Name != "plugin" || f.Line != 3 || f.Source.Path != file {
		t.Errorf("%+v %+v", f, f.Source)
	}
	again := c.Break(file, 3, 4)
	if again[0].Id != set[0].Id || !again[0].Verified || !again[1].Verified {
		t.Errorf("set again: %+v", again)
	}
	c.Disconnect(nil)
}
