package dap

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/tests/built"
	"dap-windbg/tests/dapclient"

	"github.com/google/go-dap"
)

// large compiles large.c as text that edit has changed, as a file called name.
func large(t *testing.T, name string, edit func(string) string) (program, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "large.c"))
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(edit(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
	program = strings.TrimSuffix(file, ".c")
	if out, err := exec.Command("gcc", "-g", "-O0", file, "-o", program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program, file
}

func as(text string) string { return text }

// filled is the line of large.c before its output.
func filled(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(text), "/* filled */")
	if !found {
		t.Fatal("no such line")
	}
	return strings.Count(before, "\n") + 1
}

// TestLargeValues: an array of a million elements is announced with its count and read
// in pages, wherever they begin; a string of a megabyte is cut for the view, and whole
// for the clipboard; neither takes memory for all of it.
func TestLargeValues(t *testing.T) {
	prog, file := large(t, "large.c", as)
	c, p := started(t)
	c.Start("launch", dict{"program": prog}, file, filled(t, file))
	frame := c.Stack(c.Stopped("breakpoint").ThreadId, 1)[0].Id
	base := highWater(t, p.Process.Pid)

	million := c.Evaluate("watch", "million", frame)
	if million.IndexedVariables != 1000000 || len(million.Result) > 4096 {
		t.Errorf("%d elements, %d bytes of value", million.IndexedVariables, len(million.Result))
	}
	for _, start := range []int{0, 1, 499950, 999900, 999999, 1000000, 2000000} {
		var page dap.VariablesResponseBody
		c.Do("variables", dict{"variablesReference": million.VariablesReference, "filter": "indexed", "start": start, "count": 100}, &page)
		if want := max(0, min(100, 1000000-start)); len(page.Variables) != want {
			t.Errorf("from %d: %d elements, not %d", start, len(page.Variables), want)
		}
		for i, v := range page.Variables {
			if v.Name != fmt.Sprintf("[%d]", start+i) || v.Value != strconv.Itoa(2*(start+i)) {
				t.Fatalf("element %d is %s %s", start+i, v.Name, v.Value)
			}
		}
	}
	pieces := c.Variables(million.VariablesReference) // a client that can page, and does not
	last := c.Variables(pieces["[999000..999999]"].VariablesReference)
	if len(pieces) != 1000 || len(last) != 1000 || last["[999999]"].Value != "1999998" {
		t.Errorf("%d pieces, %d elements in the last", len(pieces), len(last))
	}
	var huge dap.EvaluateResponseBody // of more than memory holds
	c.Do("evaluate", dict{"expression": "*(int (*)[1000000007])million", "frameId": frame, "context": "watch"}, &huge)
	list := c.Variables(huge.VariablesReference)
	for _, next := range []string{"[0..999999999]", "[0..999999]", "[5000..5999]"} {
		if len(list) < 2 || len(list) > 1000 || list[next].VariablesReference == 0 {
			t.Fatalf("%d pieces, without %s", len(list), next)
		}
		list = c.Variables(list[next].VariablesReference)
	}
	if list["[5007]"].Value != "10014" {
		t.Errorf("element 5007 is %+v", list["[5007]"])
	}

	text := c.Evaluate("watch", "text", frame)
	if len(text.Result) > 4096 || !strings.Contains(text.Result, "xxx") {
		t.Errorf("a value of %d bytes", len(text.Result))
	}
	if whole := c.Evaluate("clipboard", "text", frame).Result; len(whole) < 1<<20-1 {
		t.Errorf("%d bytes for the clipboard", len(whole))
	}
	if rss := highWater(t, p.Process.Pid); rss > base+100<<20 {
		t.Errorf("%d MiB resident, %d before", rss>>20, base>>20)
	}
	c.Disconnect(nil)
}

// TestMuchOutput: what a program writes comes whole and in order, behind a client that
// reads and one that does not for a while: then the program waits, and the debugger
// keeps little of it.
func TestMuchOutput(t *testing.T) {
	lines := 8 << 20 / 64
	if os.Getenv("HEAVY") != "" {
		lines = 100 << 20 / 64
	}
	prog, _ := large(t, "large.c", as)
	path, err := built.Debugger()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	ask := func(seq int, command string, args dict) {
		content, _ := json.Marshal(dict{"seq": seq, "type": "request", "command": command, "arguments": args})
		if err := dap.WriteBaseMessage(in, content); err != nil {
			t.Fatal(err)
		}
	}
	ask(1, "initialize", dict{"adapterID": "x"})
	ask(2, "launch", dict{"program": prog, "args": []string{strconv.Itoa(lines)}})
	ask(3, "configurationDone", dict{})
	r, next, rest, over := bufio.NewReader(out), 0, "", false
	for pauses := 0; !over; {
		content, err := dap.ReadBaseMessage(r)
		if err != nil {
			t.Fatal(err)
		}
		var m dapclient.Message
		if err := json.Unmarshal(content, &m); err != nil {
			t.Fatal(err)
		}
		over = m.Event == "terminated"
		if m.Event != "output" || !strings.Contains(string(m.Body), `"stdout"`) {
			continue
		}
		o := decode[dap.OutputEventBody](t, &m)
		text := rest + o.Output
		for {
			line, after, whole := strings.Cut(text, "\n")
			if rest = text; !whole {
				break
			}
			if want := fmt.Sprintf("%015d %047d", next, 0); line != want {
				t.Fatalf("line %d is %q", next, line)
			}
			next, text = next+1, after
		}
		if pauses == 0 && next > lines/8 { // answered although nobody reads
			pauses++
			for seq := range 50 {
				ask(10+seq, "threads", nil)
			}
			quiet(t, cmd.Process.Pid)
		}
	}
	if next != lines || rest != "" {
		t.Errorf("%d of %d lines, %q", next, lines, rest)
	}
	if rss := highWater(t, cmd.Process.Pid); rss > 150<<20 {
		t.Errorf("%d MiB resident", rss>>20)
	}
}

// quiet waits until a process that nobody reads from does nothing any more.
func quiet(t *testing.T, pid int) {
	w, before, same := walker{t: t}, "", 0
	w.until("the debugger to wait", func() bool {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
		if string(text) == before {
			same++
		} else {
			before, same = string(text), 0
		}
		return same > 20
	})
}

// TestUnicode: folders, files, functions and arguments that are not ASCII.
func TestUnicode(t *testing.T) {
	prog, file := large(t, filepath.Join("über uns 日本 😀 %20 #1", "größe 'x'.c"), as)
	c, _ := started(t)
	set := c.Start("launch", dict{"program": prog, "cwd": filepath.Dir(prog)}, file, filled(t, file))
	if !set[0].Verified || set[0].Source.Path != file {
		t.Errorf("%+v", set[0])
	}
	stop := c.Stopped("breakpoint")
	c.Do("stepIn", dict{"threadId": stop.ThreadId}, nil)
	c.Stopped("step")
	top := c.Stack(stop.ThreadId, 1)[0]
	if top.Name != "größe" || top.Source.Path != file || top.Source.Name != "größe 'x'.c" {
		t.Errorf("%+v %+v", top, top.Source)
	}
	var body dap.SetFunctionBreakpointsResponseBody
	c.Do("setFunctionBreakpoints", dict{"breakpoints": []any{dict{"name": "größe"}}}, &body)
	if !body.Breakpoints[0].Verified {
		t.Errorf("%+v", body.Breakpoints[0])
	}
	var found dap.CompletionsResponseBody
	c.Do("completions", dict{"text": "?? 😀 größ", "column": 11, "frameId": top.Id}, &found)
	if len(found.Targets) != 1 || found.Targets[0].Label != "größe" || found.Targets[0].Start != 7 || found.Targets[0].Length != 4 {
		t.Errorf("%+v", found.Targets) // the emoji counts as two
	}
	c.Disconnect(nil)
}

// TestWindowsPaths: a program whose symbols have paths of Windows is found by such
// paths, in whatever case an editor spells them, and by URIs.
func TestWindowsPaths(t *testing.T) {
	prog, file := large(t, "large.c", func(text string) string { return "#line 1 \"C:\\\\Work\\\\src\\\\large.c\"\n" + text })
	line := filled(t, file) - 1
	for _, x := range []struct{ format, path string }{
		{"path", `C:\Work\src\large.c`}, {"path", `c:\work\src\Large.c`}, {"path", `C:/Work/src/large.c`},
		{"uri", "file:///c%3A/Work/src/large.c"}, {"uri", "file:///C:/Work/src/large.c"},
	} {
		t.Run(x.path, func(t *testing.T) {
			c, _ := started(t)
			c.Do("initialize", dict{"adapterID": "x", "pathFormat": x.format, "linesStartAt1": true, "columnsStartAt1": true}, nil)
			seq := c.Send("launch", dict{"program": prog})
			c.Event("initialized", nil)
			if set := c.Break(x.path, line); !set[0].Verified {
				t.Errorf("%+v", set[0])
			}
			c.Do("configurationDone", nil, nil)
			c.Good(seq, nil)
			stop := c.Stopped("breakpoint")
			top := c.Stack(stop.ThreadId, 1)[0]
			if s := top.Source; top.Line != line || s == nil || s.Name != "large.c" || s.Path != "" || s.SourceReference == 0 || s.Origin != `C:\Work\src\large.c` {
				t.Errorf("%+v %+v", top, s)
			}
			c.Disconnect(nil)
		})
	}
	t.Run("here by a rule", func(t *testing.T) {
		c, _ := started(t)
		set := c.Start("launch", dict{"program": prog, "sourceMap": dict{`c:\work\src`: filepath.Dir(file)}}, file, line)
		if !set[0].Verified {
			t.Errorf("%+v", set[0])
		}
		stop := c.Stopped("breakpoint")
		if s := c.Stack(stop.ThreadId, 1)[0].Source; s == nil || s.Path != file {
			t.Errorf("%+v", s)
		}
		c.Disconnect(nil)
	})
}
