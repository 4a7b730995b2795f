package dap

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dap-windbg/tests/built"
	"dap-windbg/tests/dapclient"
)

// What a walk must keep to.
const (
	walkMemory = 400 << 20 // bytes that the debugger ever has resident
	walkSteps  = 60        // requests in one
)

// walkCount is how many walks there are for each way to begin.
func walkCount() uint64 {
	if os.Getenv("HEAVY") != "" {
		return 500
	}
	return 12
}

// TestWalks is random use of the built debugger, legal and not, with several requests
// under way and absurd figures among them: each request has one valid answer in time,
// memory stays bounded, and in the end nothing is left behind. WALK_SEED runs one
// seed again.
func TestWalks(t *testing.T) {
	seeds := dapclient.Seeds(0, walkCount())
	for name, begin := range map[string]func(w *walker){"launch": (*walker).launch, "attach": (*walker).attach, "gdbserver": (*walker).gdbserver} {
		t.Run(name, func(t *testing.T) {
			var most int64
			for _, seed := range seeds {
				t.Run(fmt.Sprint(seed), func(t *testing.T) { most = max(most, walk(t, seed, begin)) })
			}
			t.Logf("at most %d MiB resident", most>>20)
		})
	}
}

// walker is one walk.
type walker struct {
	dapclient.Walker
	t *testing.T
	p *built.Process

	request string
	config  dict
	after   func() // looks at what the debugger does not own, once it is gone

	wrote bool // the program's memory or registers may have changed
	kept  bool // something was asked that lets a program outlive the session
}

type dict = map[string]any

func walk(t *testing.T, seed uint64, begin func(*walker)) (resident int64) {
	w := &walker{Walker: dapclient.Walker{Rand: rand.New(rand.NewPCG(seed, 7))}, t: t}
	marker := fmt.Sprintf("DAP_WALK=%d.%d.%s", os.Getpid(), seed, t.Name())
	w.after = func() {}
	begin(w)
	w.C, w.p = started(t, marker)
	if w.IntN(8) > 0 {
		w.C.Initialize()
	}
	if w.IntN(8) > 0 {
		w.start()
	}
	for range walkSteps {
		w.step()
	}
	resident = highWater(t, w.p.Process.Pid)
	if resident > walkMemory {
		t.Errorf("%d MiB resident", resident>>20)
	}
	w.leave()
	w.cleanEnd(marker)
	return resident
}

// launch starts the tour, which runs until it is ended or soon ends.
func (w *walker) launch() {
	w.request, w.config = "launch", dict{"program": program(w.t), "stopAtEntry": w.IntN(2) == 0}
	if w.IntN(2) == 0 {
		w.config["args"] = []string{"spin"}
	}
}

// attach attaches to a tour that is not the debugger's.
func (w *walker) attach() {
	v := victim(w.t)
	w.request, w.config = "attach", dict{"processId": v.Process.Pid, "stopOnConnect": w.IntN(2) == 0}
	w.after = func() { w.runsOn(v.Process.Pid) }
}

// gdbserver connects to one that was started by hand.
func (w *walker) gdbserver() {
	server := exec.Command("gdbserver", "--once", "127.0.0.1:0", program(w.t), "spin")
	port := listening(w.t, server)
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", server.Process.Pid))
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		w.t.Fatalf("gdbserver has no child: %q", text)
	}
	killLater(w.t, pid)
	w.request, w.config = "attach", dict{"connection": "gdb:server=127.0.0.1,port=" + port, "stopOnConnect": w.IntN(2) == 0}
	w.after = func() {
		if len(w.C.Seen("initialized")) == 0 {
			return // it waits for somebody, or gave up a start that was given up
		}
		w.runsOn(pid)
		syscall.Kill(pid, syscall.SIGKILL) // it waits for what it has started, debugged or not
		w.until("the gdbserver to end", func() bool { letter, _ := state(w.t, server.Process.Pid); return letter == "Z" || letter == "" })
	}
}

// killLater ends a process that is no child of the test's once the test is over: the one
// that has the number now, whoever has it then.
func killLater(t testing.TB, pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		t.Cleanup(func() { p.Kill() })
	}
}

// start sends launch or attach and, as a rule, what belongs to it.
func (w *walker) start() {
	if w.IntN(10) == 0 {
		w.Send("configurationDone", nil)
	}
	w.Send(w.request, w.config)
	if w.IntN(10) == 0 {
		w.Send(w.request, w.config) // once more
	}
	if w.IntN(6) > 0 {
		w.Send("setBreakpoints", breakpoints(w))
		w.Send("configurationDone", nil)
	}
	if w.IntN(3) > 0 {
		w.answered(len(w.Open) - 1)
	}
}

// answered waits for the answers to the requests sent up to the nth, but for one that
// waits for configurationDone.
func (w *walker) answered(n int) {
	w.t.Helper()
	for _, seq := range w.Open[:n] {
		if command := w.C.Name(seq); command == "launch" || command == "attach" {
			continue
		}
		w.Learn(w.C.Response(seq))
	}
}

// step sends one request, or something that is none.
func (w *walker) step() {
	switch w.IntN(60) {
	case 0:
		w.C.Raw([]byte(w.Pick("Content-Length: 3\r\n\r\n{{{", "Content-Length: -1\r\n\r\n", "Content-Length: 99999999999\r\n\r\n",
			"no header\n", "Content-Length: 2\r\n\r\n[]", "Content-Length: 4\r\n\r\n\"\xff\xfe\"").(string)))
		return
	case 1:
		command, args := rare[w.IntN(len(rare))](w)
		w.kept = w.kept || command == "evaluate"
		w.Send(command, args)
		return
	}
	command, args := walks[w.IntN(len(walks))](w)
	switch command {
	case "setVariable", "setExpression", "writeMemory", "goto", "restartFrame", "terminateThreads", "evaluate":
		w.wrote = true
	}
	if w.IntN(5) == 0 {
		args = w.spoil(args).(dict)
	}
	w.Send(command, args)
	if w.IntN(3) == 0 {
		w.answered(len(w.Open))
	}
}

// spoil changes something in arguments: their type, their size, their presence.
func (w *walker) spoil(x any) any {
	switch x := x.(type) {
	case dict:
		if len(x) == 0 {
			return dict{"nonsense": w.absurd()}
		}
		keys := make([]string, 0, len(x))
		for k := range x {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		k := keys[w.IntN(len(keys))]
		switch w.IntN(4) {
		case 0:
			delete(x, k)
		case 1:
			x[k] = w.spoil(x[k])
		default:
			x[k] = w.absurd()
		}
		return x
	case []any:
		if len(x) > 0 && w.IntN(2) == 0 {
			x[w.IntN(len(x))] = w.spoil(x[0])
			return x
		}
		return append(x, w.absurd())
	}
	return w.absurd()
}

func (w *walker) absurd() any {
	return w.Pick(nil, -1, 0, 1<<31, int64(1)<<53, -int64(1)<<62, 1e300, 0.5, "", "0", "\x00", "0xffffffffffffffff", "*", strings.Repeat("x", 100000),
		strings.Repeat("(", 5000), "äöü\U0001f600", []any{}, dict{}, true, []any{nil, 1, "x"}, `C:\a b\c.c`, "file:///no%20such")
}

// leave ends the session in one of the ways there are.
func (w *walker) leave() {
	switch w.IntN(8) {
	case 0:
		w.p.In.Close()
		return
	case 1:
		w.p.Process.Signal(syscall.SIGTERM)
		return
	case 2:
		w.C.Raw([]byte("Content-Length: 500\r\n\r\n{\"seq\":1,"))
		w.p.In.Close()
		return
	case 3:
		w.kept = true
		w.Send("disconnect", dict{"suspendDebuggee": true})
	case 4:
		w.Send("disconnect", dict{"terminateDebuggee": true})
		w.wrote = true
	case 5:
		w.kept = true
		w.Send("disconnect", dict{"terminateDebuggee": false})
	default:
		w.Send("disconnect", dict{})
	}
	w.Answered()
}

// cleanEnd expects the debugger to end well, and nothing that it started to be there.
func (w *walker) cleanEnd(marker string) {
	w.until("the debugger to end", func() bool {
		select {
		case <-w.p.Gone:
			return true
		default:
			return false
		}
	})
	if s := w.p.ProcessState; s != nil && !s.Success() {
		w.t.Errorf("the debugger ended with %v", s)
	}
	var left []int
	w.until("what the debugger started to end", func() bool {
		left = marked(marker)
		if w.kept { // the program may live, but nobody holds it
			left = slices.DeleteFunc(left, func(pid int) bool {
				exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
				_, tracer := state(w.t, pid)
				if exe != program(w.t) || tracer != 0 {
					return false
				}
				killLater(w.t, pid)
				return true
			})
		}
		return len(left) == 0
	})
	for _, pid := range left {
		letter, tracer := state(w.t, pid)
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		w.t.Logf("%d is there, %q, state %s, traced by %d", pid, bytes.ReplaceAll(line, []byte{0}, []byte{' '}), letter, tracer)
	}
	w.after()
}

// runsOn expects a program that outlives the debugger to be traced by nobody and,
// unless the walk has brought it down, to run.
func (w *walker) runsOn(pid int) {
	before := -1
	w.until("the program to run on", func() bool {
		letter, tracer := state(w.t, pid)
		switch {
		case letter == "" || letter == "Z":
			if !w.wrote && !w.kept {
				w.t.Error("the program is gone")
			}
			return true
		case tracer != 0:
			return false
		case w.wrote || w.kept:
			return w.kept || letter != "T"
		}
		now := switches(pid)
		if before < 0 {
			before = now
		}
		return now > before+2
	})
}

// switches is how often a process has slept.
func switches(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(text), "voluntary_ctxt_switches:")
	n, _ := strconv.Atoi(strings.Fields(after + " 0")[0])
	return n
}

// until polls for what nothing tells of.
func (w *walker) until(what string, f func() bool) {
	w.t.Helper()
	for limit := time.Now().Add(dapclient.Patience); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			w.t.Errorf("waiting for %s", what)
			return
		}
	}
}

// marked are the processes that have marker in their environment.
func marked(marker string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && bytes.Contains(text, []byte(marker+"\x00")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// highWater is the most that a process has had resident, bytes.
func highWater(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	fields := strings.Fields(after)
	if err != nil || len(fields) == 0 {
		t.Fatalf("the debugger is gone: %v", err)
	}
	kib, _ := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10
}
