// Package sidebyside runs programs of tests under our engine on a gdbserver the way
// they run under gdb on another: what both tell can then be compared.
package sidebyside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/symbols/cfi"
	"dap-windbg/symbols/elf"
	"dap-windbg/symbols/store"
	"dap-windbg/systems/linux"
	"dap-windbg/targets"
	"dap-windbg/targets/rsp"
	"dap-windbg/targets/targettest"
)

// Patience bounds the run of one program under one debugger.
const Patience = 4 * time.Minute

// Build is one way to make a program.
type Build struct {
	Compiler string
	Flags    []string
}

func (b Build) String() string { return b.Compiler + " " + strings.Join(b.Flags, " ") }

// Compile builds sources, which may have options among them, and returns the program.
func Compile(t *testing.T, b Build, sources ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	args := append([]string{"-w", "-g", "-I/usr/include/csmith", "-o", out}, b.Flags...)
	args = append(append(args, sources...), "-lm")
	if text, err := exec.Command(b.Compiler, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", b, err, text)
	}
	return out
}

// Server runs a program under a gdbserver, without address randomisation and with
// a fixed environment, and returns where it listens.
func Server(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command("gdbserver", append([]string{"--once", "127.0.0.1:0", program}, args...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LD_BIND_NOW=1"}
	return targettest.StartServer(t, cmd).Addr()
}

// Debuggee is an engine session over a gdbserver.
type Debuggee struct {
	*engine.Session
	Ctx    context.Context
	t      *testing.T
	events chan engine.Event
}

func unwinder(i *elf.Image) symbols.Unwinder {
	section := func(name string) cfi.Section {
		data, addr, _ := i.Section(name)
		return cfi.Section{Data: data, Addr: addr}
	}
	return cfi.New(cfi.Sections{EHFrame: section(".eh_frame"), EHFrameHdr: section(".eh_frame_hdr"),
		DebugFrame: section(".debug_frame"), Arch: i.Arch(), LinkBase: i.LinkBase()})
}

// Store finds symbols on this machine only.
func Store(t *testing.T) symbols.Store {
	t.Helper()
	st, err := store.New(store.Options{Cache: t.TempDir(), Open: func(image, debug string) (symbols.Image, error) {
		return elf.Open(image, elf.Options{Unwinder: unwinder})
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// Connect starts a session with the program behind addr, which is stopped at its
// first instruction, and waits for that stop.
func Connect(t *testing.T, addr string, st symbols.Store) *Debuggee {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	t.Cleanup(cancel)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := rsp.Connect(ctx, conn, rsp.Options{Peer: addr})
	if err != nil {
		t.Fatal(err)
	}
	d := &Debuggee{t: t, Ctx: ctx, events: make(chan engine.Event, 4096)}
	d.Session = engine.New(c.Target(), engine.Options{System: linux.New(), Store: st, Timeout: Patience, Emit: d.emit,
		Model: &eval.Model{}})
	ran := make(chan error, 1)
	go func() { ran <- d.Run(context.Background()) }()
	t.Cleanup(func() {
		d.Close(context.Background(), targets.Kill)
		<-ran
		c.Close()
	})
	d.Stopped()
	return d
}

func (d *Debuggee) emit(e engine.Event) {
	switch e.(type) {
	case engine.Stopped, engine.Ended:
		d.events <- e
	}
}

// Stopped waits for the next stop; false when the program ended.
func (d *Debuggee) Stopped() (engine.Stop, bool) {
	d.t.Helper()
	select {
	case e := <-d.events:
		s, ok := e.(engine.Stopped)
		return s.Stop, ok
	case <-d.Ctx.Done():
		d.t.Fatal("no stop")
	}
	return engine.Stop{}, false
}

// Go resumes and waits for the stop.
func (d *Debuggee) Go(how engine.How) (engine.Stop, bool) {
	d.t.Helper()
	if err := d.Resume(d.Ctx, how); err != nil {
		d.t.Fatalf("resume: %v", err)
	}
	return d.Stopped()
}

// Look runs f over the stopped program.
func (d *Debuggee) Look(f func(ctx context.Context, v *engine.View) error) {
	d.t.Helper()
	if err := d.Do(d.Ctx, f); err != nil {
		d.t.Fatal(err)
	}
}

// Scalar writes the bytes of a scalar as gdb's side does: whole numbers in decimal,
// all else as 0x and its bytes, most significant first.
func Scalar(t *symbols.Type, v eval.Value, b []byte) string {
	if t.Kind == symbols.Base && t.Encoding >= symbols.FloatEnc || len(b) > 8 || t.Kind == symbols.MemberPointer {
		if t.Kind == symbols.Base && t.Encoding == symbols.FloatEnc && len(b) > 10 {
			b = b[:10] // x87: the rest is padding
		}
		var s strings.Builder
		for i := range b {
			fmt.Fprintf(&s, "%02x", b[len(b)-1-i])
		}
		return "0x" + strings.TrimLeft(s.String(), "0")
	}
	var n uint64
	for i := range b {
		n |= uint64(b[i]) << (8 * i)
	}
	bits := 8 * len(b)
	if v.BitSize > 0 {
		bits = v.BitSize
	}
	e := t
	if t.Kind == symbols.Enum && t.Elem != nil {
		e = t.Elem.Strip()
	}
	signed := e.Kind == symbols.Base && (e.Encoding == symbols.Signed || e.Encoding == symbols.SignedChar)
	if signed && bits > 0 && bits < 64 {
		return fmt.Sprint(int64(n<<(64-bits)) >> (64 - bits))
	}
	if signed {
		return fmt.Sprint(int64(n))
	}
	return fmt.Sprint(n)
}

// Why is the word for a value that is not known.
func Why(err error) string {
	var u *symbols.UnavailableError
	var m *eval.MemoryError
	switch {
	case errors.As(err, &u):
		return "<out>"
	case errors.As(err, &m):
		return "<memory>"
	}
	return "<error: " + err.Error() + ">"
}
