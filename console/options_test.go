package console

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"dap-windbg/engine"
	"dap-windbg/launch"
	"dap-windbg/targets"
)

func TestParseArgs(t *testing.T) {
	for _, c := range []struct {
		line string
		is   func(o Options) bool
	}{
		{"prog a b", func(o Options) bool {
			return o.Plan.Request == launch.Launch && o.Plan.Program.Path == "prog" && strings.Join(o.Plan.Program.Args, " ") == "a b"
		}},
		{"-G -g prog -x", func(o Options) bool { return o.PassInitial && o.PassExit && o.Plan.Program.Args[0] == "-x" }},
		{"-- -odd", func(o Options) bool { return o.Plan.Program.Path == "-odd" }},
		{"-p 725", func(o Options) bool { return o.Plan.Request == launch.Attach && o.Plan.ProcessID == 725 }},
		{"-p 0x2d5 -pd", func(o Options) bool { return o.Plan.ProcessID == 725 && o.DetachAtEnd }},
		{"-pn orders", func(o Options) bool { return o.Plan.ProcessName == "orders" }},
		{"-remote gdb:server=a,port=1", func(o Options) bool { return o.Plan.Connection.Get("port") == "1" }},
		{"-remote tcp:server=a,port=1", func(o Options) bool { return o.Plan.Remote != nil && o.Plan.Connection == nil }},
		{"-server tcp:port=1:9 -server npipe:pipe=x prog", func(o Options) bool { return strings.Join(o.Servers, " ") == "tcp:port=1:9 npipe:pipe=x" }},
		{"-premote gdb:server=a,port=1 -p 7", func(o Options) bool { return o.Plan.ProcessServer != nil && o.Plan.ProcessID == 7 }},
		{"-k com:port=com1", func(o Options) bool { return o.Plan.Connection.Protocol == "com" }},
		{"-c k -cf f prog", func(o Options) bool { return strings.Join(o.Commands, "|") == "k|$$<f" }},
		{"-y /sym -srcpath /src -i /img prog", func(o Options) bool {
			return o.Plan.SymbolPath == "/sym" && o.Plan.SourcePath == "/src" && o.Plan.ImagePath == "/img"
		}},
		{"-pt 5 -xe ld prog", func(o Options) bool { return o.Plan.Timeout.Seconds() == 5 && o.Filters[0] == "sxe ld" }},
	} {
		if o, err := ParseArgs(strings.Fields(c.line)); err != nil || !c.is(o) {
			t.Errorf("%s: got %+v, %v", c.line, o, err)
		}
	}
}

func TestParseArgsErrors(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", "nothing to debug"},
		{"-nonsense prog", "unknown option '-nonsense'"},
		{"-p", "option '-p' needs PID"},
		{"-p seven", "-p needs a process id, not 'seven'"},
		{"-p -7", "-p needs a process id, not '-7'"},
		{"-pt x prog", "-pt needs a number of seconds, not 'x'"},
		{"-p 7 prog", "exclude each other"},
		{"-pv -p 7", "noninvasive"},
		{"-kl", "own kernel"},
		{"-k tcp:server=a,port=1", "did you mean 'kdsrv:"},
		{"-remote gdb:server=a", "argument 'port' is missing"},
		{"-remote tcp:server=a,port=1 -p 7", "nothing else to debug"},
		{"-remote tcp:server=a,port=1 prog", "nothing else to debug"},
		{"-server tcp:port=1 -remote tcp:server=a,port=1", "nor a -server"},
		{"-server tcp:server=a,port=1 prog", "tcp: 'server' is not allowed when creating a server"},
		{"-server gdb:server=a,port=1 prog", "'gdb:' is no transport to serve on"},
		{"-remote tcp:server=a,port=1,password=much-too-long", "at most 12 letters and digits"},
	} {
		_, err := ParseArgs(strings.Fields(c.line))
		if err == nil || !strings.Contains(err.Error(), c.want) || StatusOf(err) != Usage {
			t.Errorf("%s: got %v (status %d), want %q", c.line, err, StatusOf(err), c.want)
		}
	}
}

func TestStatusOfEnd(t *testing.T) {
	parted := targets.Kill
	for _, c := range []struct {
		name  string
		end   *engine.Ended
		child bool
		want  int
	}{
		{"alive", nil, false, Done},
		{"exited", &engine.Ended{Gone: targets.Gone{Exited: true}}, false, Done},
		{"failed", &engine.Ended{Gone: targets.Gone{Exited: true, Code: 3}}, false, Crashed},
		{"its own status", &engine.Ended{Gone: targets.Gone{Exited: true, Code: 3}}, true, 3},
		{"killed by a signal", &engine.Ended{Gone: targets.Gone{Signal: 11}}, false, Crashed},
		{"its own signal", &engine.Ended{Gone: targets.Gone{Signal: 11}}, true, 139},
		{"lost", &engine.Ended{Gone: targets.Gone{Err: errors.New("cut")}}, false, NoTarget},
		{"we left", &engine.Ended{Gone: targets.Gone{Signal: 9}, Parting: &parted}, false, Done},
	} {
		if got := statusOfEnd(c.end, c.child); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestScreen: what was emitted before a write appears before it, on lines of its own.
func TestScreen(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out)
	s.Emit(engine.Output{Text: "waiting", Category: engine.FromDebugger})
	s.Flush()
	s.Emit(engine.Output{Text: "early ", Category: engine.FromDebuggee})
	s.Flush()
	if out.String() != "waiting\n" {
		t.Errorf("shown before Show: %q", out.String())
	}
	s.Show(func(engine.Event) string { return "event" })
	s.Emit(engine.Output{Text: "more", Category: engine.FromDebuggee})
	s.Emit(engine.Output{Text: "told", Category: engine.FromDebugger})
	s.Emit(engine.ModuleEvent{})
	s.Write([]byte("written\n"))
	s.Prompt("0:000> ", "k\n")
	s.Close()
	if want := "waiting\nearly more\ntold\nevent\nwritten\n0:000> k\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestCheckLoopback(t *testing.T) {
	for addr, ok := range map[string]bool{"127.0.0.1:1": true, "localhost:0": true, "[::1]:5": true, "0.0.0.0:1": false, ":4711": false, "10.0.0.1:1": false, "host:1": false, "x": false} {
		if err := CheckLoopback(addr); (err == nil) != ok {
			t.Errorf("%s: %v", addr, err)
		}
	}
}
