package rsp

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
	"dap-windbg/targets/wire"
)

var record = flag.Bool("record", false, "write the wires of the conformance suite to testdata")

// subjectOf says what is known of a probe that has reached its loop.
func subjectOf(t *testing.T, tg *Target) targettest.Subject {
	s := targettest.Subject{
		Target: tg, Known: symbol(t, "window"), Nowhere: 0x1000, Writable: symbol(t, "window") + 8192 - 8,
		Loop: symbol(t, "step"), Watched: symbol(t, "watched"), Threads: 1, Ends: true,
	}
	s.Edge = edge(t)
	return s
}

// edge is the end of the probe's data: no memory follows its last page.
func edge(t *testing.T) arch.Addr {
	return (symbol(t, "_end") + 4095) &^ 4095
}

// toMain runs to the loop, so that the probe has filled its memory.
func toMain(t *testing.T, tg *Target) []byte {
	t.Helper()
	step := targets.Trap{Addr: symbol(t, "step")}
	if err := tg.Resume(soon(t), goOn(step)); err != nil {
		t.Fatal(err)
	}
	expect[targets.Stop](t, tg)
	content := make([]byte, 4096)
	if _, err := tg.ReadMemory(soon(t), targets.Space{}, symbol(t, "window"), content); err != nil {
		t.Fatal(err)
	}
	if err := tg.Close(soon(t), targets.Leave); err != nil {
		t.Fatal(err)
	}
	return content
}

// looping serves a probe that has come to its loop: an earlier client took it there.
func looping(t *testing.T, mode string) (*Target, *tracing, []byte) {
	t.Helper()
	addr, _ := server(t, "127.0.0.1:0", probe(t), mode)
	c, _ := connect(t, addr, Options{})
	pid := int(c.Target().Info().Process)
	t.Cleanup(func() { endProcess(pid) }) // it may have been detached, and run on
	expect[targets.Stop](t, c.Target())
	content := toMain(t, c.Target())
	c, tr := connect(t, addr, Options{})
	return c.Target(), tr, content
}

func TestConformanceGdbserver(t *testing.T) {
	for _, mode := range []string{"loop", "threads"} {
		t.Run(mode, func(t *testing.T) {
			targettest.Run(t, func(t *testing.T) targettest.Subject {
				tg, tr, content := looping(t, mode)
				s := subjectOf(t, tg)
				s.Content = content
				if mode == "threads" {
					s.Edge = 0 // the heap follows the data
				}
				if *record && mode == "loop" {
					t.Cleanup(func() { save(t, s, tr) })
				}
				return s
			})
		})
	}
}

const wires = "testdata/gdbserver-13.1"

// save writes a wire and, as its first line, what is known of the debuggee.
func save(t *testing.T, s targettest.Subject, tr *tracing) {
	facts, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(wires, 0o777); err != nil {
		t.Fatal(err)
	}
	text := "# subject " + string(facts) + "\n" + tr.String()
	if err := os.WriteFile(filepath.Join(wires, filepath.Base(t.Name())+".wire"), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// recorded reads a wire back.
func recorded(t *testing.T, file string) (targettest.Subject, []wire.Message) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s targettest.Subject
	facts, _, _ := strings.Cut(strings.TrimPrefix(string(text), "# subject "), "\n")
	if err := json.Unmarshal([]byte(facts), &s); err != nil {
		t.Fatal(err)
	}
	m, err := wire.Parse(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return s, m
}

// TestConformanceReplay climbs the ladder on recorded wires: each rung must send
// byte for byte what it sent when it was recorded.
func TestConformanceReplay(t *testing.T) {
	targettest.Run(t, func(t *testing.T) targettest.Subject {
		s, m := recorded(t, filepath.Join(wires, filepath.Base(t.Name())+".wire"))
		far := wire.NewReplay(m, false)
		c, err := Connect(soon(t), far, Options{})
		if err != nil {
			t.Fatal(err, far.Done())
		}
		t.Cleanup(func() {
			c.Close()
			if err := far.Done(); err != nil && !t.Failed() {
				t.Error(err)
			}
		})
		s.Target = c.Target()
		return s
	})
}

// endProcess ends a debuggee this test started, if it still runs.
func endProcess(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		p.Kill()
	}
}
