// Package readme runs every code block of the README verbatim on a bare clone.
package readme

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// block is one fenced code block.
type block struct {
	lang string
	text string
	line int
}

func blocks(t *testing.T, file string) []block {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []block
	open := false
	for i, line := range strings.Split(string(src), "\n") {
		switch {
		case strings.HasPrefix(line, "```") && !open:
			open = true
			out = append(out, block{lang: strings.TrimPrefix(line, "```"), line: i + 1})
		case strings.HasPrefix(line, "```"):
			open = false
		case open:
			out[len(out)-1].text += line + "\n"
		}
	}
	return out
}

// clone makes a bare clone's work tree of what is committed.
func clone(t *testing.T) string {
	t.Helper()
	top, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		t.Fatalf("the tests run in a git checkout: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "dap-windbg")
	if out, err := exec.Command("git", "clone", "-q", strings.TrimSpace(string(top)), dir).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
	return dir
}

func run(t *testing.T, dir string, b block, name string, arg ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, arg...)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(os.Environ(), "README_ALL=") // the clone's own run of this test leaves `make test` out
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("README.md:%d: %v\n%s\n%s", b.line, err, b.text, out)
	}
	return string(out)
}

// expected are words that the output of a block must contain, by a word of the block.
var expected = map[string][]string{
	"make demo":         {"Breakpoint 0 hit", "{ size=50 }", "[49]", "$ cat output", "WELCOME TO THE DEBUGGER"},
	"dap-windbg doctor": {"ok       gdbserver"},
	"cdb ./Display":     {"Breakpoint 0 hit", "DisplayGreeting!main", "{ size=50 }", "libc_so"},
	"dap-windbg cdb -z": {"FillGreeting (wchar_t*, unsigned long)", "DisplayGreeting!main", "DWARF Private Symbols"},
	"dap-windbg run":    {"Breakpoint 0 hit", "{ size=50 }"},
}

func TestReadme(t *testing.T) {
	dir := clone(t)
	var launched bool
	for _, b := range blocks(t, "../../README.md") {
		switch b.lang {
		case "sh":
			if strings.TrimSpace(b.text) == "make test" && os.Getenv("README_ALL") == "" {
				continue // the run that this test is part of; `make test-heavy` runs it on the clone too
			}
			out := run(t, dir, b, "sh", "-e", "-c", b.text)
			for word, want := range expected {
				for _, w := range want {
					if strings.Contains(b.text, word) && !strings.Contains(out, w) {
						t.Errorf("README.md:%d: the output of %q lacks %q:\n%s", b.line, word, w, out)
					}
				}
			}
		case "json":
			file := filepath.Join(dir, ".vscode", "launch.json")
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(b.text), 0o644); err != nil {
				t.Fatal(err)
			}
			out := run(t, dir, b, "./dap-windbg", "run", "--launch", ".vscode/launch.json")
			if !strings.Contains(out, "WELCOME TO THE DEBUGGER") {
				t.Errorf("README.md:%d: the program's output is missing:\n%s", b.line, out)
			}
			launched = true
		case "lua":
			file := filepath.Join(dir, "dap.lua")
			if err := os.WriteFile(file, []byte(b.text), 0o644); err != nil {
				t.Fatal(err)
			}
			out := run(t, dir, b, "nvim", "--headless", "-u", "NONE", "-c",
				"lua local d={adapters={},configurations={}}; package.loaded.dap=d; package.loaded['dap.utils']={pick_process=function() end};"+
					"dofile('dap.lua'); io.stdout:write(d.adapters['dap-windbg'].command..' '..#d.configurations.c)", "-c", "qa")
			if !strings.Contains(out, "dap-windbg 3") {
				t.Errorf("README.md:%d: Neovim read %q", b.line, out)
			}
		case "":
			// A transcript. Its lines are what the program of the walk-through shows.
		default:
			t.Errorf("README.md:%d: nobody runs blocks of kind %q", b.line, b.lang)
		}
	}
	if !launched {
		t.Error("the README has no launch.json")
	}
}
