package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// miPeer speaks GDB/MI.
type miPeer struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	source string
	set    map[string][]int // numbers of the breakpoints, by line and condition
}

func newMI(program, source string) *miPeer {
	g := &miPeer{cmd: exec.Command("gdb", "-nx", "-q", "-i=mi3", program), source: source, set: map[string][]int{}}
	g.cmd.Env = append(os.Environ(), "DEBUGINFOD_URLS=")
	var err error
	g.in, err = g.cmd.StdinPipe()
	check(err)
	out, err := g.cmd.StdoutPipe()
	check(err)
	check(g.cmd.Start())
	g.out = bufio.NewReaderSize(out, 1<<20)
	g.until("(gdb)")
	return g
}

// until reads to a line that begins with one of prefixes.
func (g *miPeer) until(prefixes ...string) string {
	for {
		line, err := g.out.ReadString('\n')
		check(err)
		for _, p := range prefixes {
			if strings.HasPrefix(line, p) {
				return line
			}
		}
	}
}

func (g *miPeer) do(line string) string {
	_, err := io.WriteString(g.in, line+"\n")
	check(err)
	got := g.until("^done", "^running", "^connected", "^error", "^exit")
	if strings.HasPrefix(got, "^error") {
		check(fmt.Errorf("gdb: %s: %s", line, got))
	}
	return got
}

func (g *miPeer) attach(port string) {
	g.do("-enable-pretty-printing")
	g.do("-gdb-set mi-async on")
	g.do("-gdb-set sysroot /")
	g.do("-gdb-set max-value-size unlimited")
	g.do("-target-select remote 127.0.0.1:" + port)
	g.do("-break-insert -t main")
	g.run("continue")
	g.refresh()
}

var number = regexp.MustCompile(`number="(\d+)"`)

func (g *miPeer) breakpoints(lines []int, condition string) {
	want := map[string]bool{}
	for _, l := range lines {
		key := fmt.Sprint(l, " ", condition)
		want[key] = true
		if _, ok := g.set[key]; ok {
			continue
		}
		at := fmt.Sprintf(" %s:%d", g.source, l)
		if condition != "" {
			at = fmt.Sprintf(" -c %q%s", condition, at)
		}
		n, err := strconv.Atoi(number.FindStringSubmatch(g.do("-break-insert" + at))[1])
		check(err)
		g.set[key] = append(g.set[key], n)
	}
	for key, numbers := range g.set {
		if want[key] {
			continue
		}
		for _, n := range numbers {
			g.do(fmt.Sprint("-break-delete ", n))
		}
		delete(g.set, key)
	}
}

func (g *miPeer) run(how string) {
	g.do(map[string]string{"continue": "-exec-continue", "next": "-exec-next", "stepIn": "-exec-step", "stepOut": "-exec-finish"}[how])
	g.until("*stopped")
}

func (g *miPeer) resume() { g.do("-exec-continue") }

func (g *miPeer) pause() {
	g.do("-exec-interrupt")
	g.until("*stopped")
}

// breakNow interrupts, for gdb cannot plant a trap in a program that runs.
func (g *miPeer) breakNow(lines []int) {
	g.pause()
	g.breakpoints(lines, "")
	g.run("continue")
}

func (g *miPeer) refresh() {
	g.threads()
	g.frames(-1, 0, 20)
	g.do("-stack-list-variables --all-values")
}

var threadID = regexp.MustCompile(`\{id="(\d+)"`)

func (g *miPeer) threads() (ids []int) {
	for _, m := range threadID.FindAllStringSubmatch(g.do("-thread-info"), -1) {
		n, _ := strconv.Atoi(m[1])
		ids = append(ids, n)
	}
	return ids
}

func (g *miPeer) frames(thread, from, count int) {
	which := ""
	if thread >= 0 {
		which = fmt.Sprint("--thread ", thread, " ")
	}
	g.do(fmt.Sprintf("-stack-list-frames %s%d %d", which, from, from+count-1))
}

func (g *miPeer) locals() { g.do("-stack-list-variables --all-values") }

func (g *miPeer) registers() { g.do("-data-list-register-values x") }

func (g *miPeer) evaluate(expr string) { g.do(fmt.Sprintf("-data-evaluate-expression %q", expr)) }

// elements takes an array's by a slice of their own: a page of an object for the
// whole array takes gdb seconds.
func (g *miPeer) elements(expr string, from, count int) {
	if expr == "array" {
		expr, from = fmt.Sprintf("array[%d]@%d", from, count), 0
	}
	name := g.create(expr)
	got := g.do(fmt.Sprintf("-var-list-children --all-values %s %d %d", name, from, from+count))
	if n := strings.Count(got, "child={"); n < count {
		check(fmt.Errorf("gdb: %s has %d elements of %d", expr, n, count))
	}
	g.do("-var-delete " + name)
}

// create makes a variable object.
func (g *miPeer) create(expr string) string {
	return objectName.FindStringSubmatch(g.do(fmt.Sprintf("-var-create - * %q", expr)))[1]
}

var objectName = regexp.MustCompile(`name="([^"]+)"`)

var child = regexp.MustCompile(`child=\{name="([^"]+)",exp="([^"]*)",numchild="(\d+)"`)

func (g *miPeer) tree(expr string) {
	name := g.create(expr)
	g.branch(name)
	g.do("-var-delete " + name)
}

func (g *miPeer) branch(name string) {
	for _, m := range child.FindAllStringSubmatch(g.do("-var-list-children --all-values "+name), -1) {
		if m[3] != "0" && m[2] != "name" {
			g.branch(m[1])
		}
	}
}

func (g *miPeer) memory(expr string, count int) {
	if count > 0 {
		g.do(fmt.Sprintf("-data-read-memory-bytes %s %d", expr, count))
	}
}

func (g *miPeer) disassemble(count int) {
	g.do(fmt.Sprintf("-data-disassemble -s $pc -e \"$pc + %d\" -- 0", 5*count))
}

// disconnect ends the program: -gdb-exit is answered before anything is done.
func (g *miPeer) disconnect() {
	g.do("-interpreter-exec console kill")
}

func (g *miPeer) leave() {
	g.do("-gdb-exit")
	g.in.Close()
	g.cmd.Wait()
}

func (g *miPeer) process() *os.Process { return g.cmd.Process }
