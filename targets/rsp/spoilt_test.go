package rsp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/wire"
)

// spoilers make of one answer what a broken far end sends in its place.
var spoilers = map[string]func(answer string) []string{
	"never":   func(string) []string { return nil },
	"twice":   func(a string) []string { return []string{a, a} },
	"empty":   func(string) []string { return []string{""} },
	"refused": func(string) []string { return []string{"E01"} },
	"OK":      func(string) []string { return []string{"OK"} },
	"rubbish": func(string) []string { return []string{"\x00}{m,;:"} },
	"half":    func(a string) []string { return []string{a[:len(a)/2]} },
	"doubled": func(a string) []string { return []string{a + a} },
	"stop":    func(a string) []string { return []string{"T05thread:p1.1;", a} },
	"ended":   func(a string) []string { return []string{"W00", a} },
	"late":    nil, // behind the answer to the next request
}

// spoilt is a far end of recorded answers of which the nth is spoilt.
type spoilt struct {
	*wire.Responder
	dec   *decoder
	n     int
	spoil func(string) []string // nil: late
	held  []byte
	out   bytes.Buffer
}

func newSpoilt(trace []wire.Message, n int, spoil func(string) []string) *spoilt {
	r := wire.NewResponder(trace, wire.GDBPackets)
	return &spoilt{Responder: r, dec: newDecoder(r), n: n, spoil: spoil}
}

func (s *spoilt) Read(p []byte) (int, error) {
	for s.out.Len() == 0 {
		m, err := s.dec.next()
		if err != nil {
			return 0, err
		}
		if m.kind != '$' {
			s.out.WriteByte(m.kind)
			continue
		}
		s.n--
		packets := []string{string(m.payload)}
		switch {
		case s.n == 0 && s.spoil == nil:
			s.held, packets = m.payload, nil
		case s.n == 0:
			packets = s.spoil(string(m.payload))
		case s.held != nil:
			packets, s.held = append(packets, string(s.held)), nil
		}
		for _, a := range packets {
			s.out.Write(frame(nil, string(escaped([]byte(a)))))
		}
	}
	return s.out.Read(p)
}

// TestSpoiltAnswers spoils every answer of a recorded session in every way: the
// session ends, with an error or without, long before its limit.
func TestSpoiltAnswers(t *testing.T) {
	s, trace := recorded(t, filepath.Join(wires, "trap.wire"))
	_, more := recorded(t, filepath.Join(wires, "threads.wire"))
	trace = append(trace, more...)
	sound := newSpoilt(trace, 0, nil)
	if err := everything(t, sound, s.Loop, patience); err != nil || sound.n > -12 {
		t.Fatalf("the session has %d answers: %v", -sound.n, err)
	}
	for name, spoil := range spoilers {
		t.Run(name, func(t *testing.T) {
			for n := 1; n <= -sound.n; n++ {
				far := newSpoilt(trace, n, spoil)
				if err := everything(t, far, s.Loop, 40*time.Millisecond); errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("answer %d: %v", n, err)
				}
			}
		})
	}
}

// everything asks what a session asks.
func everything(t *testing.T, far io.ReadWriteCloser, loop arch.Addr, limit time.Duration) error {
	c, err := Connect(soon(t), far, Options{Timeout: limit, Hello: limit})
	if err != nil {
		return err
	}
	defer c.Close()
	tg := c.Target()
	if tg == nil {
		return nil
	}
	event := func() targets.Event {
		select {
		case e := <-tg.Events():
			return e
		case <-time.After(patience):
			t.Fatal("no event")
			return nil
		}
	}
	event()
	code := make([]byte, 8)
	_, failed := tg.ReadMemory(soon(t), targets.Space{}, loop, code)
	trap := targets.Trap{Addr: loop}
	failed = errors.Join(failed, tg.ClearTrap(soon(t), trap), tg.SetTrap(soon(t), trap))
	if err := tg.Resume(soon(t), goOn()); err == nil {
		tg.Interrupt(soon(t)) // if it has no effect either, that is told
		event()
	}
	list, err := tg.Threads(soon(t))
	if len(list) > 0 {
		_, e := tg.Registers(soon(t), list[0].ID)
		failed = errors.Join(failed, e)
	}
	failed = errors.Join(failed, err, tg.ClearTrap(soon(t), trap), tg.Close(soon(t), targets.Leave))
	return failed
}
