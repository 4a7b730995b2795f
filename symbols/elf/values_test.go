package elf

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dap-windbg/arch"
	belf "dap-windbg/binfmt/elf"
	"dap-windbg/symbols"
	"dap-windbg/symbols/cfi"
)

// TestValuesAsGDB stops a sample in several places, takes core dumps, and
// compares the bytes of every variable of every frame with what gdb dumps.
func TestValuesAsGDB(t *testing.T) {
	for _, options := range []string{"g++ -O0 -gdwarf-5", "g++ -O2 -gdwarf-5", "g++ -O1 -gdwarf-4", "g++ -Og -gdwarf-3 -gno-strict-dwarf", "clang++ -O0 -gdwarf-5", "clang++ -O2 -gdwarf-5", "g++ -O2 -gdwarf-5 -flto"} {
		t.Run(options, func(t *testing.T) {
			if n := compareValues(t, options, []string{"callback", "24", "variable", "95", "85", "76"}); n < 20 {
				t.Errorf("only %d values compared", n)
			}
		})
	}
}

// callClobbers matches what we say of registers that a callee need not keep.
var callClobbers = regexp.MustCompile(`(rax|rcx|rdx|rsi|rdi|r8|r9|r10|r11|xmm\d+) was not saved`)

// sampledValue is a variable of a frame, and the file gdb dumps it to.
type sampledValue struct {
	what, file string
	v          symbols.Variable
	f          *coreFrame
}

func compareValues(t *testing.T, options string, places []string) int {
	path := build(t, options, "shapes.cc")
	dir := t.TempDir()
	script := []string{"-batch", "-nx"}
	for _, p := range places {
		script = append(script, "-ex", "tbreak "+p)
	}
	script = append(script, "-ex", "run")
	for k := range places {
		script = append(script, "-ex", fmt.Sprintf("generate-core-file %s/core%d", dir, k), "-ex", "continue")
	}
	tool(t, "gdb", append(script, "-ex", "echo", path)...)
	script = []string{"-batch", "-nx"}
	var samples []sampledValue
	for k := range places {
		core := fmt.Sprintf("%s/core%d", dir, k)
		if _, err := os.Stat(core); err != nil {
			break // some places are one in this build
		}
		some := sampleCore(t, openCore(t, path, core), core)
		script = append(script, "-ex", "core-file "+core)
		for _, s := range some {
			level, _, _ := strings.Cut(filepath.Base(s.file), "_")
			script = append(script, "-ex", "frame "+level, "-ex", "dump binary value "+s.file+" "+s.v.Name)
		}
		samples = append(samples, some...)
	}
	tool(t, "gdb", append(script, "-ex", "echo", path)...)
	n := 0
	for _, s := range samples {
		want, err := os.ReadFile(s.file)
		got, gotErr := s.f.value(s.v)
		var u *symbols.UnavailableError
		switch {
		case err != nil && gotErr == nil:
			t.Errorf("%s: gdb has no value, we have % x", s.what, got)
		case err != nil && !errors.As(gotErr, &u):
			t.Errorf("%s: %v", s.what, gotErr)
		case err == nil && gotErr != nil && callClobbers.MatchString(gotErr.Error()):
			// gdb believes that a call keeps these registers.
		case err == nil && gotErr != nil && strings.Contains(gotErr.Error(), "points to") && len(bytes.Trim(want, "\x00")) == 0:
			// gdb gives a pointer to what has no address as null.
		case err == nil && gotErr != nil:
			t.Errorf("%s: %v, gdb has % x", s.what, gotErr, want)
		case err == nil && !bytes.Equal(got, want):
			t.Errorf("%s: % x, gdb has % x", s.what, got, want)
		case err == nil:
			n++
		}
	}
	return n
}

func sampleCore(t *testing.T, c *coreDump, core string) []sampledValue {
	var out []sampledValue
	level := 0
	for _, f := range c.frames(t) {
		scopes, err := c.img.Scopes(f.pc())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range scopes {
			seen := map[string]bool{}
			for _, v := range s.Variables {
				if seen[v.Name] || v.Type.ByteSize() <= 0 {
					continue
				}
				seen[v.Name] = true
				out = append(out, sampledValue{
					what: fmt.Sprintf("%s #%d %s %s", filepath.Base(core), level, s.Name, v.Name),
					file: filepath.Join(filepath.Dir(core), fmt.Sprintf("%d_%s_%s", level, v.Name, filepath.Base(core))), v: v, f: f,
				})
			}
			level++
		}
	}
	return out
}

// coreDump is a stopped program, read with our own readers.
type coreDump struct {
	img  *Image
	core *belf.File
	base arch.Addr
	regs *arch.Registers
}

var coreRegs = regexp.MustCompile(`\S+`).FindAllString("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base", -1)

func openCore(t *testing.T, path, core string) *coreDump {
	t.Helper()
	img, err := Open(path, Options{Unwinder: func(i *Image) symbols.Unwinder {
		var s cfi.Sections
		s.EHFrame.Data, s.EHFrame.Addr, _ = i.Section(".eh_frame")
		s.EHFrameHdr.Data, s.EHFrameHdr.Addr, _ = i.Section(".eh_frame_hdr")
		s.Arch, s.LinkBase = i.Arch(), i.LinkBase()
		return cfi.New(s)
	}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(core)
	if err != nil {
		t.Fatal(err)
	}
	f, err := belf.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	c := &coreDump{img: img, core: f, regs: arch.NewRegisters(arch.AMD64.DefaultSet())}
	c.regs.Interrupted = true
	for n := range f.Notes() {
		switch {
		case n.Type == 1 && len(n.Desc) >= 112+8*len(coreRegs): // NT_PRSTATUS
			for i, name := range coreRegs {
				c.regs.PutName(name, binary.LittleEndian.Uint64(n.Desc[112+8*i:]))
			}
		case n.Type == 2 && len(n.Desc) >= 416: // NT_FPREGSET
			for i := range 16 {
				k, _ := c.regs.Set.Index(fmt.Sprintf("xmm%d", i))
				c.regs.SetBytes(k, n.Desc[160+16*i:176+16*i])
			}
		case n.Type == 6: // NT_AUXV
			for d := n.Desc; len(d) >= 16; d = d[16:] {
				if binary.LittleEndian.Uint64(d) == 9 { // AT_ENTRY
					c.base = arch.Addr(binary.LittleEndian.Uint64(d[8:]) - uint64(img.Entry()))
				}
			}
		}
	}
	return c
}

func (c *coreDump) ReadMemory(_ context.Context, addr arch.Addr, p []byte) (int, error) {
	if b, _, ok := c.core.At(uint64(addr)); ok && len(b) >= len(p) {
		return copy(p, b), nil
	}
	if c.img.ReadStatic(symbols.Offset(addr-c.base), p) {
		return len(p), nil
	}
	return 0, fmt.Errorf("no memory at 0x%x", uint64(addr))
}

// coreFrame is a frame of the sample's own code.
type coreFrame struct {
	*coreDump
	regs   *arch.Registers
	caller *coreFrame
	cfa    arch.Addr
}

func (c *coreDump) frames(t *testing.T) []*coreFrame {
	var out []*coreFrame
	regs := c.regs
	for len(out) < 10 {
		f := &coreFrame{coreDump: c, regs: regs}
		if len(out) > 0 {
			out[len(out)-1].caller = f
		}
		if scopes, _ := c.img.Scopes(f.pc()); len(scopes) == 0 {
			break
		}
		out = append(out, f)
		caller, cfa, err := c.img.Unwind(context.Background(), c.base, regs, c)
		if err != nil {
			t.Fatalf("unwinding: %v", err)
		}
		f.cfa, regs = cfa, caller
	}
	return out
}

func (f *coreFrame) pc() symbols.Offset { return symbols.Offset(f.regs.LookupPC() - f.base) }

func (f *coreFrame) Registers() *arch.Registers             { return f.regs }
func (f *coreFrame) Memory() symbols.Memory                 { return f.coreDump }
func (f *coreFrame) Base() arch.Addr                        { return f.base }
func (f *coreFrame) CFA(context.Context) (arch.Addr, error) { return f.cfa, nil }
func (f *coreFrame) Caller(context.Context) (symbols.Frame, error) {
	if f.caller == nil {
		return nil, nil
	}
	return f.caller, nil
}

func (f *coreFrame) TLS(_ context.Context, off uint64) (arch.Addr, error) {
	fs, _ := f.regs.Get("fs_base")
	for _, s := range f.img.File().Segments {
		if s.Type == belf.SegTLS {
			return arch.Addr(fs - (s.Memsz+s.Align-1)&^(s.Align-1) + off), nil
		}
	}
	return 0, errors.New("no TLS")
}

// value reads a variable's bytes.
func (f *coreFrame) value(v symbols.Variable) ([]byte, error) {
	pieces, err := v.Location.Pieces(context.Background(), f, f.pc())
	if err != nil {
		return nil, err
	}
	size := int(v.Type.ByteSize())
	if len(pieces) == 1 {
		return f.piece(pieces[0], size)
	}
	var out []byte
	for _, p := range pieces {
		b, err := f.piece(p, p.BitSize/8)
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return out, nil
}

func (f *coreFrame) piece(p symbols.Piece, size int) ([]byte, error) {
	switch p.Kind {
	case symbols.InMemory:
		b := make([]byte, size)
		_, err := f.ReadMemory(context.Background(), p.Addr, b)
		return b, err
	case symbols.InRegister:
		b, ok := f.regs.Bytes(p.Register)
		if !ok {
			return nil, &symbols.UnavailableError{Reason: f.regs.Set.Regs[p.Register].Name + " was not saved"}
		}
		return b[:min(size, len(b))], nil
	case symbols.Literal:
		return p.Bytes[:min(size, len(p.Bytes))], nil
	}
	if p.Kind == symbols.Implicit {
		return nil, &symbols.UnavailableError{Reason: "points to what has no address"}
	}
	return nil, &symbols.UnavailableError{Reason: "optimised out"}
}
