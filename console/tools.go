package console

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"dap-windbg/launch"
	"dap-windbg/remote/transport"
	"dap-windbg/targets"
)

// RunPlan makes the Plan of `run`: from a launch file, or for a bare program.
func RunPlan(file, name string, rest []string) (launch.Plan, error) {
	switch {
	case file != "" && len(rest) > 0:
		return launch.Plan{}, usage("--launch and a program exclude each other")
	case file != "":
		return launch.FromFile(file, name)
	case name != "":
		return launch.Plan{}, usage("--config needs --launch")
	case len(rest) == 0:
		return launch.Plan{}, usage("nothing to run: name a program after --, or a launch file")
	}
	p := launch.NewPlan()
	p.Program.Path, p.Program.Args = rest[0], rest[1:]
	return p, nil
}

// Processes lists processes here or on the process server, by their ids.
func Processes(ctx context.Context, server string) ([]targets.Process, error) {
	list, err := processes(ctx, server)
	slices.SortFunc(list, func(a, b targets.Process) int { return cmp.Compare(a.PID, b.PID) })
	return list, err
}

func processes(ctx context.Context, server string) ([]targets.Process, error) {
	if server == "" {
		return launch.LocalProcesses()
	}
	c, err := launch.ReadConnection(server, launch.ProcessServer)
	if err != nil {
		return nil, err
	}
	p := launch.NewPlan()
	p.Request, p.ProcessServer = launch.Attach, c
	d, err := launch.Start(ctx, p, launch.Hooks{})
	if err != nil {
		return nil, err
	}
	defer d.Close(ctx, targets.Leave)
	return d.Processes(ctx)
}

// CheckLoopback refuses addresses that others can reach.
func CheckLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return usage("--listen: '%s' is no address such as 127.0.0.1:4711", addr)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return usage("--listen: '%s' can be reached from other machines, and there is no password; use a loopback address", addr)
}

// serverKinds are the services of a list of servers, as cdb calls them.
var serverKinds = map[string]string{"session": "Debugger Server", "dbgsrv": "Remote Process Server", "kdsrv": "Remote Kernel Debugger Server"}

// listServers prints the servers of a machine, which has to be this one: who answers
// strangers what can be reached here would help them.
func listServers(out io.Writer, machine string) error {
	name := strings.TrimPrefix(machine, `\\`)
	own, err := os.Hostname()
	if err != nil {
		return err
	}
	if name != "." && !strings.EqualFold(name, "localhost") && !strings.EqualFold(name, own) {
		return usage("-QR: servers of %s are listed there, by `dap-windbg cdb -QR \\\\.`: they tell strangers nothing", name)
	}
	list, err := transport.Roster()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Servers on \\\\%s:\n", own)
	for _, s := range list {
		kind := serverKinds[s.Service]
		if kind == "" {
			kind = s.Service
		}
		fmt.Fprintf(out, "%s - %s\n", kind, s.Connection)
	}
	return nil
}

// wanted are programs that debugging needs, and what for.
var wanted = []struct{ program, purpose, fix string }{
	{"gdbserver", "starts programs and attaches to processes on this machine", "apt-get install gdbserver, or dnf install gdb-gdbserver"},
}

// Doctor tells what this machine can debug, and tries a connection.
func Doctor(ctx context.Context, out io.Writer, connect string) error {
	fmt.Fprintf(out, "This machine: %s/%s\n", runtime.GOOS, runtime.GOARCH)
	for _, w := range wanted {
		if path, err := exec.LookPath(w.program); err == nil {
			fmt.Fprintf(out, "  ok       %s (%s): %s\n", w.program, path, w.purpose)
		} else {
			fmt.Fprintf(out, "  missing  %s: %s\n           to get it: %s\n", w.program, w.purpose, w.fix)
		}
	}
	if connect == "" {
		return nil
	}
	c, err := launch.ReadConnection(connect, launch.AnyRole)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Trying %s\n", c)
	for _, w := range c.Warnings {
		fmt.Fprintf(out, "  warning  %s\n", w)
	}
	return launch.Probe(ctx, c, func(layer, detail string) {
		if layer == "" {
			fmt.Fprintf(out, "           %s\n", strings.ReplaceAll(detail, "\n", "\n           "))
			return
		}
		fmt.Fprintf(out, "  ok       %-10s %s\n", layer, detail)
	})
}
