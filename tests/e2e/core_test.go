package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-dap"

	"dap-windbg/tests/built"
	"dap-windbg/tests/dapclient"
)

// seen is what a debugger sees in a core: of each thread the frames in the program.
type seen map[int][]frame

type frame struct {
	PC   uint64
	Func string // "" where there is no source
	Line int
	Vars map[string]string // scalars
}

// oracle makes gdb print the same as JSON.
const oracle = `
import gdb, json
gdb.execute("set backtrace past-main on")
gdb.execute("set backtrace past-entry on")
SCALARS = {gdb.TYPE_CODE_INT, gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_FLT, gdb.TYPE_CODE_ENUM, gdb.TYPE_CODE_BOOL}
sections = [l.split() for l in gdb.execute("info files", to_string=True).splitlines() if " - 0x" in l and " in " not in l and ".text" in l]
low, high = int(sections[0][0], 16), int(sections[0][2], 16)
def within(pc):
    return low <= pc < high
def variables(frame):
    out = {}
    try:
        block = frame.block()
    except RuntimeError:
        return out
    while block is not None and not block.is_global and not block.is_static:
        for s in block:
            if not (s.is_variable or s.is_argument) or s.name in out:
                continue
            v = frame.read_var(s, block)
            t = v.type.strip_typedefs()
            if v.is_optimized_out or t.code not in SCALARS or t.sizeof < 2:
                continue
            out[s.name] = str(int(v)) if t.code != gdb.TYPE_CODE_FLT or float(v).is_integer() else str(float(v))
        if block.function is not None:
            break
        block = block.superblock
    return out
all = {}
for t in gdb.selected_inferior().threads():
    t.switch()
    frames, f = [], gdb.newest_frame()
    while f is not None:
        sal = f.find_sal()
        source = sal.symtab is not None and sal.symtab.filename.endswith(("cores.c", "cores.cpp"))
        if within(f.pc()) and f.type() in (gdb.NORMAL_FRAME, gdb.INLINE_FRAME):
            frames.append({"PC": f.pc(), "Func": f.name().split("(")[0] if source else "", "Line": sal.line if source else 0, "Vars": variables(f) if source else {}})
        try:
            f = f.older()
        except gdb.error:
            break
    all[t.ptid[1]] = frames
print("JSON" + json.dumps(all))
`

// gdbSees asks gdb about a core.
func gdbSees(t *testing.T, program, core string) seen {
	t.Helper()
	script := filepath.Join(t.TempDir(), "oracle.py")
	if err := os.WriteFile(script, []byte(oracle), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("gdb", "-batch", "-nx", "-iex", "set debuginfod enabled off", "-x", script, program, core)
	text, err := cmd.CombinedOutput()
	_, found, ok := strings.Cut(string(text), "JSON")
	var out seen
	if err != nil || !ok || json.NewDecoder(strings.NewReader(found)).Decode(&out) != nil {
		t.Fatalf("gdb: %v\n%s", err, text)
	}
	return out
}

// editor starts the debugger as an editor does and attaches to a core.
func editor(t *testing.T, config map[string]any) *dapclient.Client {
	t.Helper()
	c, _ := built.Editor(t, built.Alone(t))
	c.Start("attach", config, "")
	return c
}

var plain = regexp.MustCompile(`^(?:0n)?(-?[0-9]+)$|^(0x[0-9a-f]+)\b|^(-?[0-9][0-9.e+-]*)$`)

// number is the scalar that a value shows, in gdb's spelling.
func number(text string) string {
	m := plain.FindStringSubmatch(text)
	switch {
	case m == nil:
		return text
	case m[1] != "":
		return m[1]
	case m[2] != "":
		v, _ := strconv.ParseUint(m[2][2:], 16, 64)
		return fmt.Sprint(v)
	}
	v, _ := strconv.ParseFloat(m[3], 64)
	return fmt.Sprint(v)
}

// weSee asks the editor's side of the debugger.
func weSee(c *dapclient.Client, t *testing.T) seen {
	t.Helper()
	var modules dap.ModulesResponseBody
	c.Do("modules", map[string]any{}, &modules)
	lo, hi := uint64(0), uint64(0)
	if r := strings.Split(strings.ReplaceAll(modules.Modules[0].AddressRange, "0x", ""), "-"); len(r) == 2 {
		lo, _ = strconv.ParseUint(strings.TrimSpace(r[0]), 16, 64)
		hi, _ = strconv.ParseUint(strings.TrimSpace(r[1]), 16, 64)
	}
	if hi <= lo {
		t.Fatalf("module %+v", modules.Modules[0])
	}
	var threads dap.ThreadsResponseBody
	c.Do("threads", nil, &threads)
	out := seen{}
	for _, th := range threads.Threads {
		frames := []frame{}
		for _, f := range c.Stack(th.Id, 0) {
			pc, _ := strconv.ParseUint(strings.TrimPrefix(f.InstructionPointerReference, "0x"), 16, 64)
			if pc < lo || pc >= hi {
				continue
			}
			x := frame{PC: pc, Vars: map[string]string{}}
			if f.Source != nil && strings.HasPrefix(f.Source.Name, "cores.c") {
				x.Func, _, _ = strings.Cut(strings.TrimSuffix(f.Name[strings.IndexByte(f.Name, '!')+1:], " [inlined]"), "(")
				x.Line = f.Line
				for name, s := range c.Scopes(f.Id) {
					if name == "Registers" || name == "Statics" {
						continue
					}
					for _, v := range c.Variables(s.VariablesReference) {
						x.Vars[v.Name] = number(v.Value)
					}
				}
			}
			frames = append(frames, x)
		}
		out[th.Id] = frames
	}
	return out
}

// compare checks that we see what gdb sees: threads, frames, and the scalars that it
// has a value of. Where gdb cannot unwind, we may see more frames.
func compare(t *testing.T, gdb, ours seen, more bool) {
	t.Helper()
	if len(gdb) != len(ours) || len(gdb) == 0 {
		t.Fatalf("gdb sees %d threads, we see %d", len(gdb), len(ours))
	}
	scalars := 0
	for id, want := range gdb {
		got := ours[id]
		if more && len(got) > len(want) {
			got = got[:len(want)]
		}
		if len(got) != len(want) {
			t.Errorf("thread %d: gdb has %d frames in the program, we have %d\n%+v\n%+v", id, len(want), len(got), want, got)
			continue
		}
		for i := range want {
			w, g := want[i], got[i]
			if w.PC != g.PC || w.Func != g.Func || w.Line != g.Line {
				t.Errorf("thread %d frame %d: gdb has %x %s:%d, we have %x %s:%d", id, i, w.PC, w.Func, w.Line, g.PC, g.Func, g.Line)
			}
			for name, v := range w.Vars {
				if strings.Contains(g.Vars[name], "the value at entry") { // gdb follows it into libc's call
					continue
				}
				scalars++
				if g.Vars[name] != v {
					t.Errorf("thread %d frame %d: %s is %s for gdb and %s for us", id, i, name, v, g.Vars[name])
				}
			}
		}
	}
	t.Logf("%d threads, %d scalars", len(gdb), scalars)
}

// crash runs a program until it dumps core. Where the system gives cores to another
// program, or none at all, gdb writes it at the same place.
func crash(t *testing.T, argv ...string) (core string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("sh", append([]string{"-c", `ulimit -c unlimited; exec "$@"`, "sh"}, argv...)...)
	cmd.Dir = dir
	cmd.Run()
	if found, _ := filepath.Glob(filepath.Join(dir, "*core*")); len(found) == 1 {
		return found[0]
	}
	core = filepath.Join(dir, "core")
	out, err := exec.Command("gdb", "-batch", "-nx", "-iex", "set debuginfod enabled off", "-ex", "run", "-ex", "generate-core-file "+core, "--args", argv[len(argv)-1]).CombinedOutput()
	if _, e := os.Stat(core); e != nil {
		t.Fatalf("no core: %v\n%s", err, out)
	}
	return core
}

// variant builds a program of these tests in one of several ways.
func variant(t *testing.T, how string) string {
	t.Helper()
	switch how {
	case "musl":
		out := filepath.Join(t.TempDir(), "cores")
		must(t, "musl-gcc", "-g", "-O0", "-pthread", filepath.Join("..", "programs", "cores.c"), "-o", out)
		return out
	case "stripped":
		out := filepath.Join(t.TempDir(), "cores")
		must(t, "strip", "-o", out, program(t, "cores.c"))
		return out
	case "C++":
		return program(t, "cores.cpp")
	case "C++ -O2":
		return program(t, "cores.cpp", "-O2")
	}
	return program(t, "cores.c", strings.Fields(how)...)
}

// TestCores: the kernel's cores of programs built in many ways show the same in
// an editor as in gdb.
func TestCores(t *testing.T) {
	for _, how := range []string{"", "-no-pie", "-static", "-static-pie", "-m32", "-m32 -static", "-O2", "musl", "stripped", "C++", "C++ -O2"} {
		t.Run(strings.TrimSpace("cores "+how), func(t *testing.T) {
			path := variant(t, how)
			core := crash(t, path)
			c := editor(t, map[string]any{"coreFile": core})
			stopped := c.Stopped("exception")
			signal, code := "SIGABRT", "6"
			if strings.HasPrefix(how, "C++") {
				signal, code = "SIGSEGV", "b"
			}
			if text := c.Command(".lastevent"); !strings.Contains(text, ": Signal "+signal+" (") || !strings.Contains(text, ") - code "+code) || stopped.ThreadId == 0 {
				t.Errorf(".lastevent: %s", text)
			}
			if text := c.Command("!analyze -v"); !strings.Contains(text, "FAILURE_BUCKET_ID:  "+signal) {
				t.Errorf("!analyze: %s", text)
			}
			compare(t, gdbSees(t, path, core), weSee(c, t), how == "musl")
			c.Disconnect(nil)
		})
	}
}

// TestGcore: the same for a core that gdb wrote of a process that lives on.
func TestGcore(t *testing.T) {
	for _, flags := range [][]string{nil, {"-m32"}} {
		path := program(t, "cores.c", flags...)
		core := filepath.Join(t.TempDir(), "core")
		must(t, "gdb", "-batch", "-nx", "-iex", "set debuginfod enabled off", "-ex", "break fail if depth == 1", "-ex", "run", "-ex", "generate-core-file "+core, path)
		c := editor(t, map[string]any{"coreFile": core, "program": path})
		c.Stopped("")
		compare(t, gdbSees(t, path, core), weSee(c, t), false)
		c.Disconnect(nil)
	}
}

// TestForeignCore: the core that QEMU's user mode writes of an arm64 program has
// neither its code nor a list of files.
func TestForeignCore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cores")
	must(t, "aarch64-linux-gnu-gcc-12", "-g", "-O0", "-pthread", filepath.Join("..", "programs", "cores.c"), "-o", path)
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", `ulimit -c unlimited; exec qemu-aarch64 -L /usr/aarch64-linux-gnu "$1"`, "sh", path)
	cmd.Dir = dir
	cmd.Run()
	found, _ := filepath.Glob(filepath.Join(dir, "qemu_cores_*.core"))
	if len(found) != 1 {
		t.Fatalf("cores: %v", found)
	}
	config := filepath.Join(t.TempDir(), "launch.json")
	text := fmt.Sprintf(`{"request": "attach", "coreFile": %q, "sysroot": "/usr/aarch64-linux-gnu"}`, found[0])
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	debugger(t, "", "run", "--launch", config, "-c", "~*k;lm;.frame 3;dv").Must(t, 0,
		"cannot be checked: the core file has nothing of it", "Signal SIGABRT", `libc_so!abort\+`, `cores!fail.*@ 24\]`, `cores!fail.*@ 22\]`, `cores!main`,
		`cores!idle.*@ 15\]`, `cores!idle.*@ 15\]`, `ld_linux_aarch64_so`, `libc_so`, `depth = 0n0`, `buffer = "last"|buffer = "first"`)
}

// TestDump: a core we write of a process that lives shows gdb and us the same, and
// what the process showed itself.
func TestDump(t *testing.T) {
	for how, kinds := range map[string][]string{"": {"m", "ma", "mF"}, "-m32": {"m"}, "musl": {"ma"}, "C++": {"m"}} {
		t.Run(strings.TrimSpace("dump "+how), func(t *testing.T) {
			path, dir := variant(t, how), t.TempDir()
			place := "cores.c:24"
			if how == "C++" {
				place = "cores.cpp:25"
			}
			commands, done := "bp `"+place+"`\ng\n.echo LIVE\n~*k\n.echo END\n", []string{}
			for _, kind := range kinds {
				commands += ".dump /" + kind + " " + filepath.Join(dir, kind) + "\n"
				done = append(done, `Dump successfully written \(\d+ KB of memory, file size \d+ KB\)$`)
			}
			r := debugger(t, commands+".dump "+filepath.Join(dir, kinds[0])+"\n.dump /o /"+kinds[0]+" "+filepath.Join(dir, kinds[0])+"\nq\n", "cdb", path)
			r.Must(t, 4, append(done, `exists \(/o replaces it\)`, done[0])...)
			before := int64(0)
			for _, kind := range kinds {
				core := filepath.Join(dir, kind)
				c := editor(t, map[string]any{"coreFile": core})
				c.Stopped("")
				compare(t, gdbSees(t, path, core), weSee(c, t), how == "musl")
				c.Disconnect(nil)
				text := debugger(t, ".echo LIVE\n~*k\n.echo END\nq\n", "cdb", "-z", core).Out
				if a, b := between(r.Out), between(text); a != b || !strings.Contains(a, "cores!") {
					t.Errorf("%s: live\n%s\nfrom the core\n%s", kind, a, b)
				}
				st, err := os.Stat(core)
				if err != nil || st.Size() <= before {
					t.Errorf("%s has %d bytes, a smaller kind %d: %v", kind, st.Size(), before, err)
				}
				before = st.Size()
			}
		})
	}
}

// names are what no core tells of threads.
var names = regexp.MustCompile(`(?m) "[^"]*"$`)

func between(text string) string {
	_, text, _ = strings.Cut(text, "\nLIVE\n")
	text, _, _ = strings.Cut(text, "\nEND\n")
	return names.ReplaceAllString(text, "")
}

// TestDumpException: the signal and its details are in the core, our traps are not.
func TestDumpException(t *testing.T) {
	path, core := program(t, "cores.cpp"), filepath.Join(t.TempDir(), "core")
	r := debugger(t, "bp `cores.cpp:25`\nbc *\nbp cores!main\ng\ng\n.exr -1\n.dump /mF "+core+"\nq\n", "cdb", path)
	r.Must(t, 0, `Attempt to access address 0000000000000010`, `Dump successfully written`)
	text := debugger(t, ".exr -1\ndb cores!main L1\nbp cores!main\nq\n", "cdb", "-z", core)
	text.Must(t, 0, `SIGSEGV \(SEGV_MAPERR\)`, `Attempt to access address 0000000000000010`, `  55 `)
	out, err := exec.Command("gdb", "-batch", "-nx", "-iex", "set debuginfod enabled off", "-ex", "p $_siginfo._sifields._sigfault.si_addr", "-ex", "x/1xb main", path, core).CombinedOutput()
	for _, want := range []string{"terminated with signal SIGSEGV", "(void *) 0x10", "0x55\n"} {
		if err != nil || !bytes.Contains(out, []byte(want)) {
			t.Errorf("gdb lacks %q: %v\n%s", want, err, out)
		}
	}
}

// TestCoreRequests: what a core cannot do is refused in words, and the rest works.
func TestCoreRequests(t *testing.T) {
	core := crash(t, program(t, "cores.cpp"))
	c := editor(t, map[string]any{"coreFile": core})
	stopped := c.Stopped("exception")
	narrowed := c.Seen("capabilities")[0]
	for _, lacks := range []string{"supportsStepBack", "supportsSetVariable", "supportsWriteMemoryRequest", "supportsDataBreakpoints", "supportsTerminateRequest"} {
		if !bytes.Contains(narrowed.Body, []byte(`"`+lacks+`":false`)) {
			t.Errorf("%s is not taken back: %s", lacks, narrowed.Body)
		}
	}
	for _, run := range []string{"continue", "next", "stepIn", "stepOut"} {
		if text := c.Fail(run, map[string]any{"threadId": stopped.ThreadId}); !strings.Contains(text, "core file") {
			t.Errorf("%s: %s", run, text)
		}
	}
	var info dap.ExceptionInfoResponseBody
	c.Do("exceptionInfo", map[string]any{"threadId": stopped.ThreadId}, &info)
	if !strings.Contains(info.Description, "SIGSEGV") && !strings.Contains(info.ExceptionId, "SIGSEGV") {
		t.Errorf("exception %+v", info)
	}
	top := c.Stack(stopped.ThreadId, 1)[0]
	if v := c.Evaluate("watch", "message", top.Id); !strings.Contains(v.Result, "in read only data") { // which the core has not
		t.Errorf("message is %q", v.Result)
	}
	if v := c.Evaluate("watch", "head->name", top.Id); !strings.Contains(v.Result, "third") {
		t.Errorf("head->name is %q", v.Result)
	}
	if v := c.Evaluate("watch", "mine", top.Id); v.Result != "0n7" && v.Result != "7" {
		t.Errorf("mine is %q", v.Result)
	}
	var read dap.ReadMemoryResponseBody
	c.Do("readMemory", map[string]any{"memoryReference": top.InstructionPointerReference, "count": 16}, &read)
	if read.Data == "" || read.UnreadableBytes != 0 {
		t.Errorf("memory %+v", read)
	}
	c.Do("readMemory", map[string]any{"memoryReference": "0x10", "count": 16}, &read)
	if read.UnreadableBytes != 16 {
		t.Errorf("memory where none is: %+v", read)
	}
	var code dap.DisassembleResponseBody
	c.Do("disassemble", map[string]any{"memoryReference": top.InstructionPointerReference, "instructionCount": 3}, &code)
	if len(code.Instructions) != 3 || !strings.Contains(code.Instructions[0].Instruction, "mov") {
		t.Errorf("instructions %+v", code.Instructions)
	}
	c.Disconnect(nil)
}

// TestCoreFiles: the program may lie elsewhere; another build is refused and said;
// what a cut core lacks is unavailable.
func TestCoreFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cores")
	must(t, "cp", program(t, "cores.cpp"), path)
	core := crash(t, path)
	moved := filepath.Join(t.TempDir(), "cores")
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	const look = "u cores!broken L1\nda poi(cores!message)\ndv\nq\n"
	good := []string{`push    rbp`, `"in read only data"`, `depth = 0n0`}
	debugger(t, look, "cdb", "-z", core, moved).Must(t, 0, good...)
	debugger(t, look, "cdb", "-i", filepath.Dir(moved), "-z", core).Must(t, 0, good...)
	url, _ := library(t, map[string]string{"/buildid/" + buildID(t, moved) + "/executable": moved})
	debugger(t, look, "cdb", "-y", "DebugInfoD*"+url, "-z", core).Must(t, 0, good...)
	must(t, "cp", program(t, "cores.cpp", "-O2"), path)
	r := debugger(t, "q\n", "cdb", "-z", core)
	r.Must(t, 0, `cores is not used: .*build`, `\?\?`)
	r = debugger(t, look, "cdb", "-z", core, path)
	r.Must(t, 4, `cores is not used: it is another build`)
	whole, err := os.ReadFile(core)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(core, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	debugger(t, "~*k\nlm\nq\n", "cdb", "-z", core, moved).Must(t, 0, `The core file is cut short: \d+ bytes`, `SIGSEGV`, `cores `)
}

// TestOpenDump: a core is looked at where the debuggee was.
func TestOpenDump(t *testing.T) {
	path := program(t, "cores.c")
	core := crash(t, path)
	debugger(t, ".opendump "+core+"\n.kill\n.opendump "+core+".none\n.opendump "+core+"\nk\n.restart\ng\nq\n", "cdb", program(t, "status.c")).Must(t, 4,
		"the session has a debuggee", "cannot be opened", "Signal SIGABRT", "cores!fail", "Signal SIGABRT", "No runnable debuggees")
}
