// Package built makes what tests of the whole debugger run: the debugger itself and
// programs to debug, once for a test program, and the debugger as an editor starts it.
package built

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"dap-windbg/tests/dapclient"
)

// Dir is the folder of what is built. Main removes it.
var Dir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "dap-windbg-built") })

// Main is TestMain of a package that has something built. After the tests, and where they
// have passed, after look for what they have left.
func Main(m *testing.M, after ...func() error) {
	code := m.Run()
	if dir, err := Dir(); err == nil {
		os.RemoveAll(dir)
	}
	for _, look := range after {
		if code != 0 {
			break
		}
		if err := look(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Debugger is the path of the debugger.
var Debugger = sync.OnceValues(func() (string, error) {
	return made("dap-windbg", "go", "build", "-o", "", "dap-windbg/cmd/dap-windbg")
})

// made runs a command, whose argument "" is to be the file that it makes, and returns that.
func made(name string, argv ...string) (string, error) {
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp(dir, ""); err != nil {
		return "", err
	}
	out := filepath.Join(dir, name)
	for i, a := range argv {
		if a == "" {
			argv[i] = out
		}
	}
	if text, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %v\n%s", name, err, text)
	}
	return out, nil
}

var programs sync.Map // source and flags to what makes the program

// Program is a C or C++ source compiled with -g -O0 and flags.
func Program(tb testing.TB, source string, flags ...string) string {
	tb.Helper()
	source = Path(tb, source)
	make, _ := programs.LoadOrStore(source+" "+strings.Join(flags, " "), sync.OnceValues(func() (string, error) {
		compiler := "gcc"
		if filepath.Ext(source) == ".cpp" {
			compiler = "g++"
		}
		name := strings.TrimSuffix(filepath.Base(source), filepath.Ext(source))
		return made(name, append([]string{compiler, "-g", "-O0", source, "-o", ""}, flags...)...)
	}))
	out, err := make.(func() (string, error))()
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// Path is a path of the package's folder, as debug information has it.
func Path(tb testing.TB, name string) string {
	tb.Helper()
	p, err := filepath.Abs(name)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// Alone is an environment without the caches and settings of whoever runs the tests.
func Alone(tb testing.TB) []string {
	return []string{"DEBUGINFOD_URLS=", "_NT_SYMBOL_PATH=", "XDG_CACHE_HOME=" + tb.TempDir()}
}

// Process is the debugger as an editor starts it.
type Process struct {
	*exec.Cmd
	io.Reader
	In   io.WriteCloser
	Gone chan struct{} // closed when it has ended; then ProcessState tells how
}

func (p *Process) Write(b []byte) (int, error) { return p.In.Write(b) }
func (p *Process) Close() error                { return p.In.Close() }

// Editor starts the debugger on its standard streams with env added; by is a command that
// runs it, none: itself. What is left of it is killed at the end of the test.
func Editor(tb testing.TB, env []string, by ...string) (*dapclient.Client, *Process) {
	tb.Helper()
	path, err := Debugger()
	if err != nil {
		tb.Fatal(err)
	}
	argv := append(by, path)
	p := &Process{Cmd: exec.Command(argv[0], argv[1:]...), Gone: make(chan struct{})}
	p.Stderr = os.Stderr
	p.Env = append(os.Environ(), env...)
	if p.In, err = p.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	p.Reader, p.Stdout = out, in
	err = p.Start()
	in.Close()
	if err != nil {
		tb.Fatal(err)
	}
	go func() { p.Wait(); close(p.Gone) }()
	tb.Cleanup(func() {
		p.Process.Kill()
		<-p.Gone
		out.Close()
	})
	return dapclient.New(tb, p), p
}
