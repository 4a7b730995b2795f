//go:build linux

package remote

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// TestLeftFrozen: a process that an earlier client left waiting in a gdbserver --multi
// is recognised, explained, and taken over by whoever asks for it.
func TestLeftFrozen(t *testing.T) {
	t.Parallel()
	server := bareServer(t)
	p := pace(t)
	pid := p.Process.Pid
	b := debugging(t, server, pid, "r rip")
	b.said.wait(t, "rip=")
	b.cmd.Process.Kill()
	<-b.done
	for _, how := range [][]string{{"-c", "q"}, {"-c", "q", pacing()}, {"-c", "q", "-p", "1"}} {
		r := debugger(t, append([]string{"cdb", "-premote", server}, how...)...)
		if want := fmt.Sprintf("holds process %d, which waits", pid); r.status != 3 || !strings.Contains(r.errs, want) || !strings.Contains(r.errs, "take it over with -p") {
			t.Errorf("%v: %d %s%s", how, r.status, r.out, r.errs)
		}
	}
	r := debugger(t, "cdb", "-premote", server, "-p", fmt.Sprint(pid), "-c", "k; .detach; q")
	if r.status != 0 || !strings.Contains(r.out, "taken over") || !strings.Contains(r.out, "pacing!main") {
		t.Errorf("%d %s%s", r.status, r.out, r.errs)
	}
	walking(t, pid)
	r = debugger(t, "cdb", "-premote", server, "-c", "bp pacing!pace; g; q", pacing())
	if r.status != 0 || !strings.Contains(r.out, "Breakpoint 0 hit") {
		t.Errorf("the server afterwards: %d %s%s", r.status, r.out, r.errs)
	}
}

// TestFailedAttach: gdbserver talks nonsense once an attach has failed, and may crash
// when the client leaves; a process server of ours has no such client.
func TestFailedAttach(t *testing.T) {
	t.Parallel()
	s := serve(t, fmt.Sprintf("tcp:port=%d", free(t)))
	client := fmt.Sprintf("tcp:server=localhost,port=%d", s.port)
	traced := exec.Command("gdbserver", "--once", "127.0.0.1:0", pacing())
	if err := traced.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { traced.Process.Kill(); traced.Wait() }()
	eventually(t, "gdbserver has the program", func() bool { // it tries ptrace on children of its own first
		c := children(traced.Process.Pid)
		if len(c) != 1 {
			return false
		}
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", c[0]))
		return err == nil && exe == pacing() && status(c[0], "TracerPid") != "0"
	})
	taken := children(traced.Process.Pid)[0]
	good := pace(t).Process.Pid
	for _, server := range []string{client, bareServer(t), platform(t)} {
		r := debugger(t, "cdb", "-premote", server, "-c", fmt.Sprintf(".attach 0n%d", taken), "-c", fmt.Sprintf(".attach 0n%d", good), "-c", "bp pacing!pace; g", "-c", ".detach", "-c", "q")
		if r.status != 4 || !strings.Contains(r.out+r.errs, "refused") && !strings.Contains(r.out+r.errs, "its debug server has ended") || !strings.Contains(r.out, "Breakpoint 0 hit") || !strings.Contains(r.out, "Detached") {
			t.Errorf("%s: %d %s%s", server, r.status, r.out, r.errs)
		}
	}
	walking(t, good)
}

// TestStartsAsAsked: arguments, folder, environment and randomisation of a program
// that is started over there.
func TestStartsAsAsked(t *testing.T) {
	t.Parallel()
	s := serve(t, fmt.Sprintf("tcp:port=%d", free(t)))
	for _, server := range []string{fmt.Sprintf("tcp:server=localhost,port=%d", s.port), bareServer(t), platform(t)} {
		dir := t.TempDir()
		file := filepath.Join(dir, "launch.json")
		text := fmt.Sprintf(`{"type": "dap-windbg", "request": "launch", "name": "x", "program": "/bin/sh", "processServer": %q,
			"args": ["-c", "pwd > out; echo $GREETING >> out; echo \"$0\" >> out", "two words"], "cwd": %q, "env": {"GREETING": "hello there"}}`, server, dir)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := debugger(t, "run", "--launch", file, "-c", "g")
		got, _ := os.ReadFile(filepath.Join(dir, "out"))
		if want := dir + "\nhello there\ntwo words\n"; r.status != 0 || string(got) != want {
			t.Errorf("%s: %q, want %q; %d %s%s", server, got, want, r.status, r.out, r.errs)
		}
	}
}

// TestLists: who asks for processes gets pid, user and command line, from every kind
// of process server.
func TestLists(t *testing.T) {
	t.Parallel()
	s := serve(t, fmt.Sprintf("tcp:port=%d,password=p1", free(t)))
	pid := pace(t).Process.Pid
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{fmt.Sprintf("tcp:server=localhost,port=%d,password=p1", s.port), bareServer(t), platform(t)} {
		r := debugger(t, "ps", "--server", server)
		if want := fmt.Sprintf("%8d %s", pid, me.Username); r.status != 0 || !strings.Contains(r.out, want) || !strings.Contains(r.out, pacing()) {
			t.Errorf("%s: %d, no %q in\n%s%s", server, r.status, want, r.out, r.errs)
		}
		r = debugger(t, "ps", "--json", "--server", server)
		if !strings.Contains(r.out, fmt.Sprintf(`{"pid":%d,"user":`, pid)) {
			t.Errorf("%s\n%s", r.out, r.errs)
		}
	}
}

// TestHidden: the servers of this machine are listed, but those that are hidden, or were
// killed.
func TestHidden(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	seen := serve(t, fmt.Sprintf("tcp:port=%d,password=p1", free(t)))
	hidden := serve(t, fmt.Sprintf("tcp:port=%d,password=p1,hidden", free(t)))
	list := func() string {
		r := debugger(t, "cdb", "-QR", `\\localhost`)
		if r.status != 0 {
			t.Errorf("%d %s%s", r.status, r.out, r.errs)
		}
		return r.out
	}
	got := list()
	host, _, _ := strings.Cut(strings.TrimPrefix(got, `Servers on \\`), ":")
	if want := fmt.Sprintf("Servers on \\\\%[1]s:\nRemote Process Server - tcp:Port=%[2]d,Server=%[1]s,Password=*\n", host, seen.port); !strings.EqualFold(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	seen.cmd.Process.Kill()
	<-seen.done
	if got := list(); strings.Contains(got, "Process Server") {
		t.Errorf("of a server that was killed, and a hidden one: %q", got)
	}
	third := serve(t, "npipe:pipe=third")
	if got := list(); !strings.Contains(got, "Pipe=third\n") {
		t.Errorf("%q", got)
	}
	third.end(t)
	if code := third.cmd.ProcessState.ExitCode(); code != 0 || strings.Contains(list(), "third") {
		t.Errorf("of a server that has ended, status %d: %q", code, list())
	}
	r := debugger(t, "cdb", "-QR", `\\elsewhere.invalid`)
	if r.status != 2 || !strings.Contains(r.errs, "are listed there") {
		t.Errorf("%d %s%s", r.status, r.out, r.errs)
	}
	if r := debugger(t, "ps", "--server", fmt.Sprintf("tcp:server=localhost,port=%d,password=p1", hidden.port)); r.status != 0 {
		t.Errorf("the hidden one: %d %s", r.status, r.errs)
	}
}

// TestGivenCommands: what the server's own command line starts, or leaves to clients.
func TestGivenCommands(t *testing.T) {
	t.Parallel()
	s := serve(t, fmt.Sprintf("tcp:port=%d", free(t)), "-pc", pacing(), "an argument")
	client := fmt.Sprintf("tcp:server=localhost,port=%d", s.port)
	r := debugger(t, "cdb", "-premote", client, "-cimp", "-c", "bp pacing!pace; g; q")
	if r.status != 0 || !strings.Contains(r.out, "Breakpoint 0 hit") {
		t.Errorf("%d %s%s", r.status, r.out, r.errs)
	}
	s = serve(t, fmt.Sprintf("tcp:port=%d", free(t)), "-cs", pacing())
	m := s.said.wait(t, `Started process (\d+)`)
	defer exec.Command("kill", "-9", m[1]).Run()
	r = debugger(t, "cdb", "-premote", fmt.Sprintf("tcp:server=localhost,port=%d", s.port), "-p", m[1], "-c", "r rip; bp pacing!pace; g; dv; .detach; q")
	if r.status != 0 || !strings.Contains(r.out, "n = 0n0") {
		t.Errorf("%d %s%s", r.status, r.out, r.errs)
	}
	for _, bad := range [][]string{{}, {"-t"}, {"-t", "tcp:port=0"}, {"-t", "tcp:server=x,port=1"}, {"-t", "gdb:server=x,port=1"}, {"-t", "tcp:port=1", "-c"}, {"-T", "tcp:port=1"}, {"-t", "ssl:proto=tls1,port=1"}} {
		if r := debugger(t, append([]string{"dbgsrv"}, bad...)...); r.status != 2 {
			t.Errorf("%v: status %d %s%s", bad, r.status, r.out, r.errs)
		}
	}
}

// TestDoctor: each layer's fault is told with its layer, behind those that work.
func TestDoctor(t *testing.T) {
	t.Parallel()
	mine, other := certificates(t), certificates(t)
	clear := serve(t, fmt.Sprintf("tcp:port=%d,password=p1", free(t)))
	tls := serve(t, fmt.Sprintf("ssl:proto=tls1,certuser=%s,port=%d,password=p1", mine.server, free(t)))
	web := webServer(t)
	nobody := free(t)
	for _, c := range []struct {
		name, connection string
		ok               []string
		fault            string
	}{
		{"all well", fmt.Sprintf("tcp:server=localhost,port=%d,password=p1", clear.port), []string{"name", "port", "protocol", "password", "service", "target"}, ""},
		{"all well, TLS", fmt.Sprintf("ssl:proto=tls1,certuser=%s,server=localhost,port=%d,password=p1", mine.client, tls.port), []string{"name", "port", "TLS", "protocol", "password", "service", "target"}, ""},
		{"gdbserver", bareServer(t), []string{"name", "port", "protocol", "target"}, ""},
		{"lldb-server", platform(t), []string{"name", "port", "protocol", "target"}, ""},
		{"the string", "tcp:server=localhost,prot=1", nil, "did you mean 'port'?"},
		{"the name", "tcp:server=nobody.invalid,port=1", nil, "leads nowhere"},
		{"the port", fmt.Sprintf("tcp:server=localhost,port=%d", nobody), []string{"name"}, "connection refused"},
		{"TLS", fmt.Sprintf("ssl:proto=tls1,certuser=%s,server=localhost,port=%d", other.client, tls.port), []string{"name", "port"}, "not trusted"},
		{"a file", fmt.Sprintf("ssl:proto=tls1,certuser=/nowhere,server=localhost,port=%d", tls.port), []string{"name"}, "no such file"},
		{"the protocol", fmt.Sprintf("tcp:server=localhost,port=%d", web), []string{"name", "port"}, "does not speak the remote protocol"},
		{"the password", fmt.Sprintf("tcp:server=localhost,port=%d,password=p2", clear.port), []string{"name", "port", "protocol"}, "Error 0x80004005"},
		{"a stub's protocol", fmt.Sprintf("gdb:server=localhost,port=%d", web), []string{"name", "port"}, "does not speak the GDB remote protocol"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := debugger(t, "doctor", "--connect", c.connection)
			var ok []string
			_, trying, _ := strings.Cut(r.out, "Trying ")
			for _, line := range strings.Split(trying, "\n") {
				if f := strings.Fields(line); len(f) > 1 && f[0] == "ok" {
					ok = append(ok, f[1])
				}
			}
			if fmt.Sprint(ok) != fmt.Sprint(c.ok) || (r.status == 0) != (c.fault == "") || !strings.Contains(r.errs, c.fault) {
				t.Errorf("status %d, layers %v, want %v and %q\n%s%s", r.status, ok, c.ok, c.fault, r.out, r.errs)
			}
		})
	}
}

// TestImagesTravel: the images of a debuggee on another machine come from its process
// server, whole.
func TestImagesTravel(t *testing.T) {
	there := newPlace(t, nil) // whose address is not loopback's
	there.do(t, "ip link set lo up; ip addr add %s/24 dev lo", farAddress)
	s := serveIn(t, there, "tcp:port=5005,password=p1")
	dir := filepath.Join(t.TempDir(), "far")
	far := filepath.Join(dir, "pacing")
	src, err := os.ReadFile(pacing())
	if err == nil {
		err = errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(far, src, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("FAR", dir)
	var r result
	r.status, r.out, r.errs = output(t, there.within("unshare", "-rm", "sh", "-c", `mount -t tmpfs none "$FAR" && exec "$@"`, "sh", binary, "cdb",
		"-premote", "tcp:server="+farAddress+",port=5005,password=p1", "-c", "bp pacing!pace; g; k; dv; q", far)...)
	if r.status != 0 || !strings.Contains(r.out, "n = 0n0") || !strings.Contains(r.out, "warning: tcp: what travels is not encrypted") {
		t.Errorf("%d %s%s", r.status, r.out, r.errs)
	}
	if !strings.Contains(s.logs.String(), "image sent") {
		t.Errorf("no image was sent\n%s", s.logs)
	}
}

// TestOtherStub: lldb-server serves as well as gdbserver.
func TestOtherStub(t *testing.T) {
	t.Parallel()
	s := serve(t, fmt.Sprintf("tcp:port=%d", free(t)), "--stub", "lldb-server-19")
	client := fmt.Sprintf("tcp:server=localhost,port=%d", s.port)
	r := debugger(t, "cdb", "-premote", client, "-c", "bp pacing!pace; g; dv; k; g; q", pacing())
	if r.status != 0 || strings.Count(r.out, "Breakpoint 0 hit") != 2 || !strings.Contains(r.out, "n = 0n0") {
		t.Errorf("%d %s%s", r.status, r.out, r.errs)
	}
	b := debugging(t, client, 0, onAndOn)
	eventually(t, "there is a debuggee", func() bool { return len(stubs(s)) == 2 })
	b.cmd.Process.Kill()
	eventually(t, "nothing is left of it", func() bool { return len(stubs(s)) == 0 })
	p := pace(t)
	b = debugging(t, client, p.Process.Pid, "bp pacing!pace; g")
	b.said.wait(t, "Breakpoint 0 hit")
	b.cmd.Process.Kill()
	walking(t, p.Process.Pid)
}
