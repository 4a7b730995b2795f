package tests

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "dap-windbg/"

// may lists, for each room, the rooms it may import. A name with /* stands for
// the subpackages of a room; a room may always import its own subpackages' parent.
var may = map[string][]string{
	"arch":                {},
	"targets":             {"arch"},
	"targets/wire":        {"arch", "targets"},
	"targets/rsp":         {"arch", "targets", "targets/wire"},
	"targets/kd":          {"arch", "targets", "targets/wire"},
	"targets/kdb":         {"arch", "targets", "targets/wire"},
	"remote":              {},
	"remote/kdsrv":        {"targets", "targets/kd", "remote/line", "remote/transport"},
	"remote/line":         {},
	"remote/transport":    {"remote/line"},
	"remote/dbgsrv":       {"remote/transport"},
	"targets/image":       {"arch", "targets", "binfmt/elf", "binfmt/pe", "binfmt/mmap"},
	"targets/core":        {"arch", "targets", "binfmt/elf", "binfmt/mmap"},
	"targets/fake":        {"arch", "targets", "targets/wire"},
	"targets/targettest":  {"arch", "targets"},
	"binfmt/mmap":         {},
	"binfmt/elf":          {"binfmt/mmap"},
	"binfmt/pe":           {},
	"symbols":             {"arch"},
	"symbols/elf":         {"arch", "symbols", "symbols/dwarf", "symbols/index", "binfmt/elf", "binfmt/mmap"},
	"symbols/pe":          {"arch", "symbols", "symbols/dwarf", "symbols/pdb", "binfmt/pe", "binfmt/mmap"},
	"symbols/pdb":         {"arch", "symbols"},
	"symbols/pdb/pdbtest": {},
	"symbols/index":       {"binfmt/mmap"},
	"symbols/dwarf":       {"arch", "symbols", "symbols/index", "binfmt/elf"},
	"symbols/cfi":         {"arch", "symbols", "binfmt/elf"},
	"symbols/orc":         {"arch", "symbols"},
	"symbols/btf":         {"symbols"},
	"symbols/store":       {"arch", "symbols", "binfmt/elf", "binfmt/pe", "binfmt/mmap"},
	"systems":             {"arch", "symbols", "targets"},
	"systems/winkernel":   {"arch", "symbols", "targets", "systems"},
	"systems/linuxkernel": {"arch", "symbols", "symbols/btf", "symbols/orc", "targets", "systems"},
	"systems/linux":       {"arch", "symbols", "targets", "systems", "binfmt/elf"},
	"eval":                {"arch", "symbols"},
	"eval/natvis":         {"arch", "symbols", "eval"},
	"engine":              {"arch", "symbols", "targets", "systems", "eval"},
	"windbg":              {"arch", "binfmt/elf", "binfmt/pe", "symbols", "targets", "systems", "eval", "engine"},
	"launch":              {"arch", "symbols", "symbols/*", "targets", "targets/*", "systems", "systems/*", "eval", "eval/natvis", "engine", "binfmt/elf", "binfmt/pe", "remote/*"},
	"adapter":             {"arch", "symbols", "targets", "eval", "engine", "launch"},
	"report":              {"arch", "symbols", "targets", "targets/core", "systems/linux", "eval", "engine"},
	"remote/share":        {"engine", "windbg", "remote/transport"},
	"console":             {"targets", "engine", "launch", "windbg", "report", "remote/share", "remote/transport"},
	"cmd/dap-windbg":      {"adapter", "console", "engine", "launch", "windbg", "targets", "remote/*"},
}

// onlyIn lists packages of others that one room alone may know.
var onlyIn = map[string][]string{
	"github.com/google/go-dap":           {"adapter"},
	"github.com/go-delve/delve":          {"symbols/cfi"},
	"golang.org/x/arch":                  {"arch"},
	"github.com/spf13/cobra":             {"cmd/dap-windbg", "console"},
	"github.com/creack/pty":              {"launch", "console"},
	"github.com/chzyer/readline":         {"console"},
	"golang.org/x/term":                  {"launch", "console"},
	"github.com/hashicorp/yamux":         {"remote/transport"},
	"github.com/tailscale/hujson":        {"launch"},
	"github.com/ianlancetaylor/demangle": {"symbols/elf", "symbols/dwarf", "symbols/pe"},
}

type listed struct {
	ImportPath string
	Imports    []string
	GoFiles    []string
	Dir        string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,GoFiles,Dir", "./...")
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func allowed(room, dep string) bool {
	for _, m := range may[room] {
		if m == dep || strings.HasSuffix(m, "/*") && strings.HasPrefix(dep, strings.TrimSuffix(m, "*")) {
			return true
		}
	}
	return false
}

// TestImports: the drawn import directions hold, and every package has its room.
func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		room := strings.TrimPrefix(p.ImportPath, module)
		if strings.HasPrefix(room, "tests") {
			continue
		}
		if _, ok := may[room]; !ok {
			t.Errorf("%s is in no room: draw it in layout_test.go and docs/architecture.md", room)
			continue
		}
		for _, imp := range p.Imports {
			if dep, ours := strings.CutPrefix(imp, module); ours && !allowed(room, dep) {
				t.Errorf("%s may not import %s", room, dep)
			}
			for other, rooms := range onlyIn {
				if (imp == other || strings.HasPrefix(imp, other+"/")) && !slices.Contains(rooms, room) {
					t.Errorf("%s may not import %s", room, imp)
				}
			}
		}
	}
}

// TestSystemCalls: only launch, console and remote may depend on the host's OS;
// binfmt/mmap maps files, which is its purpose.
func TestSystemCalls(t *testing.T) {
	free := []string{"launch", "console", "remote", "binfmt/mmap", "cmd/dap-windbg"}
	for _, p := range packages(t) {
		room := strings.TrimPrefix(p.ImportPath, module)
		if slices.Contains(free, room) || strings.HasPrefix(room, "remote/") || strings.HasPrefix(room, "tests") {
			continue
		}
		for _, imp := range p.Imports {
			if imp == "syscall" || strings.HasPrefix(imp, "golang.org/x/sys/") {
				t.Errorf("%s imports %s", room, imp)
			}
		}
	}
}

// TestFileLengths: no file over 500 lines without its reason in the first comment.
func TestFileLengths(t *testing.T) {
	eachGoFile(t, func(path string, src []byte) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		lines := bytes.Count(src, []byte("\n"))
		if lines > 500 && !bytes.Contains(src[:min(len(src), 2000)], []byte("one file because")) {
			t.Errorf("%s has %d lines and does not say \"one file because ...\" in its first comment", path, lines)
		}
	})
}

// TestNames: no room and no file for odds and ends.
func TestNames(t *testing.T) {
	eachGoFile(t, func(path string, _ []byte) {
		for _, part := range strings.Split(strings.TrimSuffix(path, ".go"), string(filepath.Separator)) {
			for _, bad := range []string{"util", "utils", "helper", "helpers", "common", "misc", "manager"} {
				if part == bad {
					t.Errorf("%s: %q names nothing", path, bad)
				}
			}
		}
	})
}

// TestPackageComments: every room says what it is for.
func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		if strings.HasPrefix(p.ImportPath, module+"tests") {
			continue
		}
		found := false
		for _, f := range p.GoFiles {
			src, err := os.ReadFile(filepath.Join(p.Dir, f))
			if err != nil {
				t.Fatal(err)
			}
			sc := bufio.NewScanner(bytes.NewReader(src))
			for sc.Scan() && !strings.HasPrefix(sc.Text(), "package ") {
				if strings.HasPrefix(sc.Text(), "// Package ") || strings.HasPrefix(sc.Text(), "// Command ") {
					found = true
				}
			}
		}
		if !found && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// TestRooms: each room says in its doc.go what it must not know and how something new
// climbs in, and docs/architecture.md draws it.
func TestRooms(t *testing.T) {
	drawing, err := os.ReadFile(filepath.Join("..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	for room := range may {
		if name := filepath.Base(room); !bytes.Contains(drawing, []byte("**"+room+"**")) && !bytes.Contains(drawing, []byte("`"+name+"`")) {
			t.Errorf("docs/architecture.md does not draw %s", room)
		}
		if room == "cmd/dap-windbg" || room == "symbols/pdb/pdbtest" { // wiring, and a tool of tests
			continue
		}
		doc, err := os.ReadFile(filepath.Join("..", room, "doc.go"))
		if err != nil {
			t.Error(err)
			continue
		}
		text := strings.ToLower(string(doc))
		if !strings.Contains(text, "ladder") || !strings.Contains(text, "know") {
			t.Errorf("%s/doc.go does not say what the room must not know, or has no ladder", room)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)\s#]+)[^)\s]*\)`)

// TestLinks: what pages link to is there.
func TestLinks(t *testing.T) {
	var pages []string
	for _, where := range []string{"../*.md", "../docs/*.md", "../vscode-extension/*.md"} {
		found, err := filepath.Glob(where)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	if len(pages) < 20 {
		t.Fatalf("there are %d pages", len(pages))
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], ":") {
				continue // of other places
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

func eachGoFile(t *testing.T, f func(path string, src []byte)) {
	t.Helper()
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "node_modules" || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		src, err := fs.ReadFile(root, path)
		if err == nil {
			f(path, src)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
