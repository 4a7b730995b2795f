package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The rows of this file are whole processes: a debugger is started on an image
// without a debuggee, asked one question, and ends. So they hold what a person
// waits for, the start of the debugger among it.

// question is asked of each debugger in its own words. answer must be in what it
// prints: a refusal is not measured as an answer.
type question struct {
	name             string
	ours, gdb, lldb  string
	cached           bool    // with the debuggers' own indexes in place
	overGDB, overLLD float64 // how much quicker we mean to be, 0 none
	answer           string  // regular expression
}

// image is a program to ask about.
type image struct {
	name, path string
	questions  []question
}

// contest is what one debugger used for one question.
type contest struct {
	wall, cpu []time.Duration
	rss, anon []int // KiB, at its highest
}

// nowhere is a name that only everything can be asked for.
const nowhere = "no_such_name_anywhere"

// questions makes the rows that every image has.
func questions(function, fileLine, typ, wild, regex, typeAnswer, wildAnswer string) []question {
	file, line, _ := strings.Cut(fileLine, ":")
	bp := `(?m)^Breakpoint 1 at|^ *0 e |Breakpoint 1: `
	ask := []question{
		{name: "breakpoint on a function", ours: "bp " + function + "; bl", gdb: "break " + function, lldb: "breakpoint set -n " + function, overGDB: 20, overLLD: 20, answer: bp},
		{name: "breakpoint on file:line", ours: "bp `" + fileLine + "`; bl", gdb: "break " + fileLine, lldb: "breakpoint set -f " + file + " -l " + line, overGDB: 10, overLLD: 10, answer: bp},
		{name: "a type's layout", ours: "dt " + typ, gdb: "ptype struct " + typ, lldb: "type lookup " + typ, overLLD: 15, answer: typeAnswer},
		{name: "functions by wildcard", ours: "x *!" + wild, gdb: "info functions " + regex, lldb: "image lookup -r -F " + regex, overLLD: 15, answer: wildAnswer},
	}
	for _, q := range ask[:2] {
		q.name, q.cached, q.overGDB, q.overLLD = q.name+", cached", true, 15, 15
		ask = append(ask, q)
	}
	return append(ask, question{name: "full index (a type that is not there)", ours: "dt " + nowhere, gdb: "ptype struct " + nowhere, lldb: "type lookup " + nowhere, answer: `not found|No struct type|no type was found`})
}

// symbolImages are the large C++ program, and a kernel where one is installed.
func (b *bench) symbolImages() []image {
	all := []image{{"a C++ program", bigProgram(), questions("app::m17::entry17", "m17.cpp:"+bigLine, "app::m17::Rec17_1", "*entry1*", "entry1", `weight`, `entry17`)}}
	kernels, _ := filepath.Glob("/usr/lib/debug/boot/vmlinux-*")
	for _, k := range kernels {
		all = append(all, image{"Linux, " + filepath.Base(k), k, questions("start_kernel", "fs/read_write.c:450", "task_struct", "vfs_re*", "^vfs_re", `stack_canary`, `vfs_read`)})
	}
	return all
}

// symbols measures and prints all images.
func (b *bench) symbols() {
	for _, im := range b.symbolImages() {
		caches := filepath.Join(b.dir, "cache")
		check(os.RemoveAll(caches))
		b.fillCaches(im, caches)
		info, err := os.Stat(im.path)
		check(err)
		fmt.Printf("\n%s, %d MB: medians of %d runs of whole processes; ms wall, MB at peak\n\n", im.name, info.Size()>>20, *symbolRuns)
		fmt.Printf("%-34s %8s %8s %8s %17s %17s %6s %6s %6s %6s\n", "question", "ours", "gdb", "lldb", "gdb/ours", "lldb/ours", "MB", "anon", "gdb", "lldb")
		for _, q := range im.questions {
			var ours, gdb, lldb contest
			for range *symbolRuns {
				b.oneOurs(im, q, caches, &ours)
				b.oneGDB(im, q, caches, &gdb)
				b.oneLLDB(im, q, caches, &lldb)
			}
			printRow(q, &ours, &gdb, &lldb)
		}
	}
}

func printRow(q question, ours, gdb, lldb *contest) {
	ms := func(c *contest) float64 { return median(c.wall).Seconds() * 1e3 }
	ratio := func(c *contest, want float64) string {
		s := fmt.Sprintf("%.1f", ms(c)/ms(ours))
		if want > 0 {
			s += fmt.Sprintf(" (>= %.0f)", want)
		}
		return s
	}
	fmt.Printf("%-34s %8.1f %8.1f %8.1f %17s %17s %6d %6d %6d %6d\n", q.name, ms(ours), ms(gdb), ms(lldb), ratio(gdb, q.overGDB), ratio(lldb, q.overLLD),
		median(ours.rss)>>10, median(ours.anon)>>10, median(gdb.rss)>>10, median(lldb.rss)>>10)
}

// fillCaches lets each debugger write its index.
func (b *bench) fillCaches(im image, caches string) {
	q := question{cached: true, ours: "dt " + nowhere, gdb: "info line main", lldb: "image lookup -n main"}
	var c contest
	for range 2 { // gdb and lldb write theirs at their ends
		b.oneOurs(im, q, caches, &c)
		b.oneGDB(im, q, caches, &c)
		b.oneLLDB(im, q, caches, &c)
	}
}

func (b *bench) oneOurs(im image, q question, caches string, c *contest) {
	cmd := exec.Command(b.debugger, "cdb", "-z", im.path, "-c", q.ours+"; q")
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(caches, "ours"))
	if !q.cached {
		fresh, err := os.MkdirTemp(b.dir, "empty")
		check(err)
		defer os.RemoveAll(fresh)
		cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+fresh)
	}
	c.run(cmd, q.answer)
}

func (b *bench) oneGDB(im image, q question, caches string, c *contest) {
	args := []string{"-nx", "-batch"}
	if q.cached {
		args = append(args, "-iex", "set index-cache directory "+filepath.Join(caches, "gdb"), "-iex", "set index-cache enabled on")
	}
	c.run(exec.Command("gdb", append(args, "-ex", q.gdb, im.path)...), q.answer)
}

func (b *bench) oneLLDB(im image, q question, caches string, c *contest) {
	args := []string{"-x", "-b"}
	if q.cached {
		args = append(args, "-O", "settings set symbols.lldb-index-cache-path "+filepath.Join(caches, "lldb"), "-O", "settings set symbols.enable-lldb-index-cache true")
	}
	c.run(exec.Command("lldb-19", append(args, "-o", q.lldb, im.path)...), q.answer)
}

// run runs a process to its end and takes what it used.
func (c *contest) run(cmd *exec.Cmd, answer string) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	t := time.Now()
	check(cmd.Start())
	anon := make(chan int)
	done := make(chan struct{})
	go func() { anon <- watchAnonymous(cmd.Process.Pid, done) }()
	cmd.Wait() // status 1 is a matter of what was asked
	wall := time.Since(t)
	close(done)
	if !regexp.MustCompile(answer).Match(out.Bytes()) {
		check(fmt.Errorf("%v printed no answer (%s):\n%.2000s", cmd.Args, answer, out.String()))
	}
	u := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	c.wall, c.cpu = append(c.wall, wall), append(c.cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	c.rss, c.anon = append(c.rss, int(u.Maxrss)), append(c.anon, <-anon)
}

var anonymous = regexp.MustCompile(`RssAnon:\s+(\d+) kB`)

// watchAnonymous returns the most anonymous memory, in KiB, that the process was
// seen with until done: the kernel keeps no maximum of it.
func watchAnonymous(pid int, done chan struct{}) int {
	most := 0
	for tick := time.NewTicker(2 * time.Millisecond); ; {
		select {
		case <-done:
			return most
		case <-tick.C:
		}
		text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		if m := anonymous.FindSubmatch(text); m != nil {
			n, _ := strconv.Atoi(string(m[1]))
			most = max(most, n)
		}
	}
}
