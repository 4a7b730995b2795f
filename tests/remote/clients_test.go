//go:build linux

package remote

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"dap-windbg/engine"
	"dap-windbg/launch"
	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
)

// session is one client's debug session in this process.
type session struct {
	*launch.Debugger
	ctx   context.Context
	steps []time.Duration
	done  int
}

// open begins a session over a process server: on a running process, or (0) a new one.
func open(ctx context.Context, server string, pid int, trace string) (*session, error) {
	c, err := launch.ParseConnection(server, launch.ProcessServer)
	if err != nil {
		return nil, err
	}
	p := launch.NewPlan()
	p.ProcessServer, p.Program.Path, p.Trace, p.NoIndexCache = c, pacing(), trace, true
	if pid != 0 {
		p.Request, p.ProcessID = launch.Attach, int64(pid)
	}
	d, err := launch.Start(ctx, p, launch.Hooks{Life: ctx})
	if err != nil {
		return nil, err
	}
	return &session{Debugger: d, ctx: ctx}, nil
}

// run resumes and waits for the next stop.
func (s *session) run(how engine.How) (targets.Reason, error) {
	if err := s.Session().Resume(s.ctx, how); err != nil {
		return 0, err
	}
	stop, err := s.Session().Wait(s.ctx)
	return stop.Reason, err
}

// breakAt sets exactly these function breakpoints.
func (s *session) breakAt(functions ...string) error {
	var want []engine.Breakpoint
	for _, f := range functions {
		want = append(want, engine.Breakpoint{ID: -1, Function: f})
	}
	_, err := s.Session().SetBreakpoints(s.ctx, "test", want)
	return err
}

// look is what an editor asks for at a stop.
func (s *session) look() (top string, err error) {
	err = s.Session().Do(s.ctx, func(ctx context.Context, v *engine.View) error {
		if _, err := v.Threads(ctx); err != nil {
			return err
		}
		th, err := v.Thread(ctx)
		if err != nil {
			return err
		}
		st, err := v.Stack(ctx, th.ID, 20)
		if err != nil {
			return err
		}
		if len(st.Frames) > 0 {
			top = st.Frames[0].Symbol.Name
		}
		_, err = v.LocalObjects(ctx, nil)
		return err
	})
	return top, err
}

// round is a breakpoint, two steps over lines with what an editor shows, and a read.
func (s *session) round() error {
	if reason, err := s.run(engine.How{}); err != nil || reason != targets.Breakpoint {
		return fmt.Errorf("to the breakpoint: %v, %w", reason, err)
	}
	for range 2 {
		began := time.Now()
		if _, err := s.run(engine.How{Kind: engine.StepOver}); err != nil {
			return fmt.Errorf("step: %w", err)
		}
		top, err := s.look()
		if err != nil || top != "pace" {
			return fmt.Errorf("in %q: %w", top, err)
		}
		s.steps = append(s.steps, time.Since(began))
	}
	if s.done%5 == 4 { // traps come and go
		if err := s.breakAt("main", "pace"); err != nil {
			return err
		}
		if err := s.breakAt("pace"); err != nil {
			return err
		}
	}
	s.done++
	return nil
}

// load lets n clients of each kind of server debug for a time, each its own process,
// and returns the steps' latencies by kind, sorted. The kinds take turns, a slice of the
// time each, so that what else the machine does concerns all alike. Each second client
// attaches to a process, which runs on afterwards.
func load(t *testing.T, n int, long, pause time.Duration, kinds []func(i int) string, meanwhile func()) [][]time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(len(kinds))*long+2*patience)
	defer cancel()
	var attached []*exec.Cmd
	var ready, all sync.WaitGroup
	sessions, errs := make([]*session, n*len(kinds)), make([]error, n*len(kinds))
	begin := make(chan time.Time)
	for i := range sessions {
		pid := 0
		if i%2 == 1 {
			p := pace(t)
			attached, pid = append(attached, p), p.Process.Pid
		}
		ready.Add(1)
		all.Go(func() {
			s, err := open(ctx, kinds[i/n](i%n), pid, "")
			if err == nil {
				err = s.breakAt("pace")
			}
			sessions[i], errs[i] = s, err
			ready.Done()
			began := <-begin
			for errs[i] == nil && time.Since(began) < time.Duration(len(kinds))*long {
				if turn := int(time.Since(began) / (long / 10)); turn%len(kinds) == i/n {
					errs[i] = s.round()
				}
				time.Sleep(pause) // a user looks at it
			}
		})
	}
	ready.Wait()
	now := time.Now()
	for range sessions {
		begin <- now
	}
	all.Wait()
	meanwhile()
	steps := make([][]time.Duration, len(kinds))
	for i, s := range sessions {
		if errs[i] != nil {
			t.Errorf("client %d: %v", i, errs[i])
		}
		if s == nil {
			continue
		}
		steps[i/n] = append(steps[i/n], s.steps...)
		all.Go(func() {
			if err := s.Close(ctx, s.Parting()); err != nil {
				t.Errorf("closing: %v", err)
			}
		})
	}
	all.Wait()
	for _, p := range attached {
		walking(t, p.Process.Pid)
	}
	for _, list := range steps {
		slices.Sort(list)
	}
	return steps
}

func quantiles(steps []time.Duration) string {
	if len(steps) == 0 {
		return "no steps"
	}
	at := func(q float64) time.Duration {
		return steps[int(q*float64(len(steps)-1))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("%d steps, p50 %v, p95 %v, p99 %v", len(steps), at(.5), at(.95), at(.99))
}

// TestClients: many clients at once on one server. None is lost, and nothing is left.
// In the long run the same work with a bare gdbserver for each client stands beside it
// in the log.
func TestClients(t *testing.T) {
	n, long, pause := 8, 20*time.Second, 150*time.Millisecond
	s := serve(t, fmt.Sprintf("tcp:port=%d,password=p1", free(t)))
	kinds := []func(int) string{func(int) string { return fmt.Sprintf("tcp:server=localhost,port=%d,password=p1", s.port) }}
	if os.Getenv("HEAVY") != "" {
		n, long, pause = 50, 5*time.Minute, 500*time.Millisecond
		bare := make([]string, n)
		for i := range bare {
			bare[i] = bareServer(t)
		}
		kinds = append(kinds, func(i int) string { return bare[i] })
	}
	var memory, guard int
	steps := load(t, n, long, pause, kinds, func() {
		memory = resident(s.cmd.Process.Pid)
		for _, pid := range children(s.cmd.Process.Pid) {
			if status(pid, "Name") == "dap-windbg" {
				guard = resident(pid)
			}
		}
	})
	t.Logf("dbgsrv, %d clients for %v: %s; %d KB resident, guard %d KB", n, long, quantiles(steps[0]), memory, guard)
	if len(steps) > 1 {
		t.Logf("as many bare gdbservers: %s", quantiles(steps[1]))
	}
	if memory > n*10<<10 {
		t.Errorf("%d KB for %d clients", memory, n)
	}
	eventually(t, "no stub and no debuggee is left", func() bool { return len(stubs(s)) == 0 })
	if strings.Contains(s.logs.String(), "parted in the client's place") {
		t.Errorf("a client was lost\n%s", s.logs)
	}
}

// resident is a process's memory in KB.
func resident(pid int) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(status(pid, "VmRSS"), " kB"))
	return n
}

// bareServer is a gdbserver of its own for a client.
func bareServer(t *testing.T) string {
	t.Helper()
	port := targettest.StartServer(t, exec.Command("gdbserver", "--multi", "127.0.0.1:0")).Port
	return fmt.Sprintf("gdb:server=127.0.0.1,port=%s,timeout=%v", port, patience)
}
