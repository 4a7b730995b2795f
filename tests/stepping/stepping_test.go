// Package stepping holds where our steps end, and what is seen there, against where
// gdb's end in the same program.
package stepping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/tests/sidebyside"
)

// walk is a run of the program to a place and the commands given from there on, in
// gdb's words.
type walk struct {
	Remote   string   `json:"remote"`
	At       string   `json:"at"`    // a function or file:line
	Stops    []string `json:"stops"` // breakpoints besides
	Commands []string `json:"commands"`
}

func (w walk) String() string { return w.At + " " + w.Commands[0] }

// asked is the place that the nth command was to run to, "" when none was named.
func (w walk) asked(n int) string {
	if n == 0 {
		return w.At
	}
	at, _ := strings.CutPrefix(w.Commands[n-1], "advance ")
	return at
}

// plan is what the oracle is told.
type plan struct {
	Program string   `json:"program"`
	Library string   `json:"library"`
	Answers string   `json:"answers"`
	Frames  int      `json:"frames"`
	Setup   []string `json:"setup"`
	Walks   []walk   `json:"walks"`
}

type frame struct {
	Function string `json:"function"`
	Linkage  string `json:"linkage"`
	Inlined  bool   `json:"inlined"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	Declared string `json:"-"` // the function's file
}

// sight is what is seen after a command.
type sight struct {
	Walk      int         `json:"walk"`
	Command   string      `json:"command"`
	Kind      string      `json:"kind"` // stop, end, refused, over
	PC        uint64      `json:"pc"`
	Reason    string      `json:"reason"`
	Frames    []frame     `json:"frames"`
	Foreign   bool        `json:"foreign"` // the innermost frame is not the program's
	Variables [][2]string `json:"variables"`
	Returned  string      `json:"returned"`
}

// maxFrames is how much of the stack is compared.
const maxFrames = 40

// oracle runs the plan under gdb.
func oracle(t *testing.T, p plan) []sight {
	t.Helper()
	dir := t.TempDir()
	script, err := filepath.Abs("testdata/stepping.py")
	if err != nil {
		t.Fatal(err)
	}
	p.Answers, p.Frames = filepath.Join(dir, "answers"), maxFrames
	for i := range p.Walks {
		p.Walks[i].Remote = sidebyside.Server(t, p.Program)
	}
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "plan")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), sidebyside.Patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "gdb", "-nx", "-nh", "-batch", "-ex", "set args "+file, "-ex", "source "+script).CombinedOutput()
	answers, openErr := os.Open(p.Answers)
	if err != nil || openErr != nil {
		t.Fatalf("gdb: %v %v\n%s", err, openErr, out)
	}
	defer answers.Close()
	var seen []sight
	for d := json.NewDecoder(answers); d.More(); {
		var s sight
		if err := d.Decode(&s); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		seen = append(seen, s)
	}
	if len(seen) == 0 || seen[len(seen)-1].Kind != "over" {
		t.Fatalf("gdb did not come to the end of the plan\n%s", out)
	}
	return seen
}

// hows says what gdb's commands are with us.
var hows = map[string]engine.How{
	"step": {Kind: engine.StepInto}, "next": {Kind: engine.StepOver}, "finish": {Kind: engine.StepOut}, "continue": {},
	"stepi": {Kind: engine.StepInto, Unit: engine.ByInstruction}, "nexti": {Kind: engine.StepOver, Unit: engine.ByInstruction},
}

// ours runs the plan in the engine.
func ours(t *testing.T, p plan, st symbols.Store) []sight {
	t.Helper()
	var seen []sight
	for i, w := range p.Walks {
		seen = append(seen, oneWalk(t, p, i, w, st)...)
	}
	return append(seen, sight{Walk: len(p.Walks), Kind: "over"})
}

func oneWalk(t *testing.T, p plan, i int, w walk, st symbols.Store) (seen []sight) {
	d := sidebyside.Connect(t, sidebyside.Server(t, p.Program), st)
	var bs []engine.Breakpoint
	for _, at := range append([]string{w.At}, w.Stops...) {
		b := engine.Breakpoint{ID: -1, Function: at, OneShot: at == w.At}
		if file, line, ok := strings.Cut(at, ":"); ok && !strings.HasPrefix(line, ":") {
			b.Function, b.File = "", file
			fmt.Sscan(line, &b.Line)
		}
		bs = append(bs, b)
	}
	if _, err := d.SetBreakpoints(d.Ctx, "stepping", bs); err != nil {
		t.Fatal(err)
	}
	for _, command := range append([]string{"continue"}, w.Commands...) {
		s := sight{Walk: i, Command: command, Kind: "refused"}
		if err := d.Resume(d.Ctx, howOf(d, command)); err != nil {
			seen = append(seen, s)
			continue
		}
		stop, ok := d.Stopped()
		if s.Kind = "end"; ok {
			s.Kind, s.Reason = "stop", reason(stop)
			look(d, p, &s)
		}
		seen = append(seen, s)
		if !ok {
			break
		}
	}
	d.Close(context.Background(), 1)
	return seen
}

// howOf says how a command runs; the place of "advance" is a line of a file.
func howOf(d *sidebyside.Debuggee, command string) engine.How {
	at, ok := strings.CutPrefix(command, "advance ")
	if !ok {
		return hows[command]
	}
	var how engine.How
	file, number, _ := strings.Cut(at, ":")
	d.Look(func(ctx context.Context, v *engine.View) error {
		line, err := strconv.Atoi(number)
		if err != nil {
			return err
		}
		ls, err := v.Places(ctx, file, line)
		for _, l := range ls {
			how.Until = append(how.Until, l.Addr)
		}
		return err
	})
	return how
}

func reason(s engine.Stop) string {
	switch {
	case s.Exception != nil:
		return "signal " + s.Exception.Name
	case len(s.Breakpoints) > 0:
		return "breakpoint"
	}
	return "step"
}

// look tells what is seen at the stop.
func look(d *sidebyside.Debuggee, p plan, s *sight) {
	d.Look(func(ctx context.Context, v *engine.View) error {
		th, err := v.Thread(ctx)
		if err != nil {
			return err
		}
		st, err := v.Stack(ctx, th.ID, maxFrames)
		if err != nil {
			return err
		}
		s.PC = uint64(st.Frames[0].PC)
		for i := range st.Frames {
			f := &st.Frames[i]
			if f.Scope == nil || f.Module == nil || f.Module.Path != p.Program && f.Module.Path != p.Library {
				s.Foreign = s.Foreign || i == 0
				continue
			}
			s.Frames = append(s.Frames, frame{Function: f.Scope.Name, Linkage: f.Scope.Linkage, Inlined: f.Inlined,
				File: filepath.Base(f.Line.File), Line: f.Line.Line, Declared: filepath.Base(f.Scope.Decl.File)})
		}
		if r, ok := v.Returned(); ok {
			s.Returned, _ = text(ctx, v, r.Value)
		}
		ls, err := v.Locals(ctx, &st.Frames[0])
		if err != nil {
			return err
		}
		seen := map[string]int{}
		for _, l := range ls {
			name := fmt.Sprintf("%s#%d", l.Name, seen[l.Name])
			seen[l.Name]++
			if x, ok := text(ctx, v, l.Value); ok && !l.Static {
				s.Variables = append(s.Variables, [2]string{name, x})
			}
		}
		return nil
	})
}

// text writes a value as the oracle does; false when it is no scalar.
func text(ctx context.Context, v *engine.View, x eval.Value) (string, bool) {
	t := x.Type.Strip()
	if t == nil || t.Kind != symbols.Base && t.Kind != symbols.Enum && t.Kind != symbols.Pointer ||
		t.Kind == symbols.Base && t.Encoding > symbols.FloatEnc {
		return "", false
	}
	b, err := eval.Fetch(ctx, v.Env(nil), x)
	var need *symbols.NeedError
	if errors.As(err, &need) || x.Synthetic() {
		return "", false
	}
	if err != nil {
		return sidebyside.Why(err), true
	}
	return sidebyside.Scalar(t, x, b), true
}

// commands spells a walk: "step*3 next mix7*20 advance:a.c:5" has three steps, one
// next, twenty commands drawn by seed 7 and a run to a line.
func commands(spec string) []string {
	out := []string{}
	for _, word := range strings.Fields(spec) {
		name, times, _ := strings.Cut(word, "*")
		n, seed := 1, int64(0)
		fmt.Sscan(times, &n)
		mixed, _ := fmt.Sscanf(name, "mix%d", &seed)
		r := rand.New(rand.NewSource(seed))
		for range n {
			if mixed == 1 {
				name = []string{"step", "step", "step", "next", "next", "finish"}[r.Intn(6)]
			}
			out = append(out, strings.Replace(name, ":", " ", 1))
		}
	}
	return out
}
