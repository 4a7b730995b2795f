package natvis_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/eval/natvis"
	"dap-windbg/symbols"
	"dap-windbg/symbols/elf"
)

// process is a running program as an eval.Env: its globals, its memory.
type process struct {
	said  []string // lines before "ready"
	image *elf.Image
	mem   *os.File
	base  arch.Addr
	reads int
}

// start builds and runs a program until it says that it is ready.
func start(t testing.TB, compiler []string, source string, args ...string) *process {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "program")
	build := append(append([]string{}, compiler[1:]...), "-o", bin, source)
	if out, err := exec.Command(compiler[0], build...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(bin, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	p := &process{}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
		p.said = append(p.said, lines.Text())
	}
	if lines.Text() != "ready" {
		t.Fatal(lines.Text(), lines.Err())
	}
	pid := strconv.Itoa(cmd.Process.Pid)
	if p.mem, err = os.Open("/proc/" + pid + "/mem"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.mem.Close() })
	maps, err := os.ReadFile("/proc/" + pid + "/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(maps) {
		if bytes.Contains(line, []byte(bin)) {
			lo, _, _ := strings.Cut(string(line), "-")
			base, err := strconv.ParseUint(lo, 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			p.base = arch.Addr(base)
			break
		}
	}
	if p.image, err = elf.Open(bin, elf.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.image.Close() })
	return p
}

func (p *process) ReadMemory(_ context.Context, a arch.Addr, b []byte) (int, error) {
	p.reads++
	if int64(a) < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return p.mem.ReadAt(b, int64(a))
}
func (p *process) WriteMemory(context.Context, arch.Addr, []byte) error { return os.ErrPermission }
func (p *process) Arch() *arch.Arch                                     { return arch.AMD64 }
func (p *process) Register(context.Context, string) ([]byte, bool)      { return nil, false }
func (p *process) SetRegister(context.Context, string, []byte) error    { return os.ErrPermission }
func (p *process) Pseudo(context.Context, string) (eval.Value, bool)    { return eval.Value{}, false }
func (p *process) SetPseudo(context.Context, string, eval.Value) error  { return os.ErrPermission }
func (p *process) Lookup(ctx context.Context, name string) (eval.Value, error) {
	v, ok := p.image.Global(strings.TrimPrefix(name, "::"))
	if !ok {
		return eval.Value{}, &eval.NameError{Name: name}
	}
	return eval.FromVariable(ctx, p, v, 0)
}
func (p *process) Local(ctx context.Context, name string) (eval.Value, error) {
	return p.Lookup(ctx, name)
}
func (p *process) Address(context.Context, string) (arch.Addr, error) { return 0, os.ErrNotExist }
func (p *process) LineAddress(context.Context, string, string, int) (arch.Addr, error) {
	return 0, os.ErrNotExist
}
func (p *process) Type(_ context.Context, name string) (*symbols.Type, bool) {
	return p.image.Type(name)
}
func (p *process) Symbol(_ context.Context, a arch.Addr) string {
	if s, ok := p.image.At(symbols.Offset(a - p.base)); ok {
		if d := symbols.Offset(a-p.base) - s.Offset; d != 0 {
			return fmt.Sprintf("%s+0x%x", s.Name, uint64(d))
		}
		return s.Name
	}
	return ""
}

// As a symbols.Frame.
func (p *process) Registers() *arch.Registers { return arch.NewRegisters(arch.AMD64.DefaultSet()) }
func (p *process) Memory() symbols.Memory     { return p }
func (p *process) Base() arch.Addr            { return p.base }
func (p *process) CFA(context.Context) (arch.Addr, error) {
	return 0, os.ErrNotExist
}
func (p *process) TLS(context.Context, uint64) (arch.Addr, error) { return 0, os.ErrNotExist }
func (p *process) Caller(context.Context) (symbols.Frame, error)  { return nil, nil }

// object evaluates an expression with specifiers to a node.
func object(t testing.TB, m *eval.Model, env eval.Env, src string) *eval.Object {
	t.Helper()
	text, f, err := eval.ParseFormat(src)
	if err != nil {
		t.Fatal(src, err)
	}
	e, err := eval.Parse(text, eval.Options{})
	if err != nil {
		t.Fatal(src, err)
	}
	v, err := e.Eval(context.Background(), env)
	if err != nil {
		t.Fatal(src, err)
	}
	o, err := m.Object(context.Background(), env, src, text, v, f)
	if err != nil {
		t.Fatal(src, err)
	}
	return o
}

// dx writes nodes as the command does, addresses of the run left out.
func dx(b *strings.Builder, env eval.Env, o *eval.Object, level, depth int) {
	fmt.Fprintf(b, "%s%-16s : %s [Type: %s]", strings.Repeat("    ", level), o.Name, o.Text, o.Type)
	if o.Err != nil {
		fmt.Fprintf(b, " error: %v", o.Err)
	}
	b.WriteByte('\n')
	if level == depth || o.Name == "[<Raw View>]" {
		return
	}
	kids, err := o.Children(context.Background(), env, 0, 12)
	if err != nil {
		fmt.Fprintf(b, "%s! %v\n", strings.Repeat("    ", level+1), err)
	}
	for _, k := range kids {
		dx(b, env, k, level+1, depth)
	}
}

func visualizers(t testing.TB) *eval.Model {
	t.Helper()
	s, err := natvis.Default()
	if err != nil {
		t.Fatal(err)
	}
	return &eval.Model{Visualizer: s}
}
