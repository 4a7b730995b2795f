package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"
)

// row is one operation's figures, by contender.
type row struct {
	name string
	// The best of the peers that do the same work, and the floor, as they were
	// measured elsewhere: gdb 16, lldb-dap 19 and 21, cdt-gdb-adapter 1.7.
	best, least float64
	limit       int // round trips allowed with a refresh, 0 not asserted
	unit        string
	took        map[string][]float64
	counted     map[string][]int
}

// table is every row, in the order of the print.
func table() []*row {
	rows := []*row{
		{name: "process start to initialize", best: 12.8, least: 2},
		{name: "attach to stopped in main", best: 220, least: 15, limit: 14},
		{name: "the same from process start", best: 399, least: 20},
		{name: "step over", best: .75, least: .12},
		{name: "step over, refresh", best: 1.55, least: .4, limit: 3},
		{name: "step over a call, refresh", limit: 3},
		{name: "step in", best: 1.41, least: .2},
		{name: "step out", best: .70, least: .15},
		{name: "continue to a breakpoint", best: .72, least: .17},
		{name: "condition true on the 10,000th hit", best: 524, least: 500},
		{name: "1,000 deep: first 20 frames", best: 1.07, least: .2},
		{name: "1,000 deep: all frames", best: 40, least: 6},
		{name: "scopes and 50 locals", best: 1.82, least: .2},
		{name: "registers", best: 2.04, least: .2},
		{name: "array of 100,000 ints, all", best: 2459, least: 200},
		{name: "its first 1,000", best: 21.4, least: 1.5},
		{name: "nested struct, to its leaves", best: 5.92, least: 2},
		{name: "std::vector<int> of 1,000", best: 27.4, least: 1.5},
		{name: "std::vector of 200 structs", best: 5.15, least: 1},
		{name: "std::map of 500", best: 36.6, least: 6},
		{name: "evaluate", best: .55, least: .08},
		{name: "read 64 KiB", best: 1.98, least: .6, limit: 1},
		{name: "read 16 MiB", best: 773, least: 160},
		{name: "disassemble 200", best: 3.76, least: .4},
		{name: "breakpoints on 200 lines", best: 17.3, least: 2},
		{name: "the same list and one more", best: 3.41, least: 1},
		{name: "continue with 201 set", best: 1.57, least: .3},
		{name: "step with 201 set", best: 1.18, least: .15},
		{name: "65 threads: list", best: .38, least: .1},
		{name: "65 threads: 20 frames of each", best: 81.7, least: 12},
		{name: "65 threads: step", best: 3.82, least: 2},
		{name: "65 threads: continue to a breakpoint", best: 4.45, least: 2},
		{name: "pause", best: .93, least: .2},
		{name: "breakpoint while running, to the stop", best: 9.2, least: .5},
		{name: "disconnect", best: 1.9, least: 2},
		{name: "disconnect to the process's end", best: 21.7, least: 5},
		{name: "peak memory of a session of steps", best: 97.7, least: 40, unit: "MB"},
		{name: "CPU of a session of 300 steps", best: 250, least: 100},
	}
	for _, r := range rows {
		r.took, r.counted = map[string][]float64{}, map[string][]int{}
	}
	return rows
}

// meter runs f as a row's work.
type meter func(row string, f func())

// scenario is one way to run the program, played on a peer that is stopped in
// main.
type scenario struct {
	name string
	args []string
	play func(b *bench, p peer, m meter)
}

var scenarios = []scenario{
	{"operations", []string{"steps"}, steps},
	{"breakpoint while running", []string{"steps"}, whileRunning},
	{"steps", []string{"steps"}, burst},
	{"200 breakpoints", []string{"steps"}, manySet},
	{"condition", []string{"counted", "10001"}, condition},
	{"1,000 deep", []string{"deep", "1000"}, deepStack},
	{"50 locals", []string{"locals"}, fifty},
	{"containers", []string{"containers"}, containers},
	{"65 threads", []string{"threads", "64"}, manyThreads},
}

func steps(b *bench, p peer, m meter) {
	work, call := []int{b.mark("work")}, []int{b.mark("call")}
	p.breakpoints(work, "")
	p.run("continue")
	p.refresh()
	p.memory("&big[0]", 0) // where it lies is no part of reading it
	for range b.turns(20) {
		m("continue to a breakpoint", func() { p.run("continue") })
		m("step over", func() { p.run("next") })
		m("step over, refresh", func() { p.run("next"); p.refresh() })
		m("step over a call, refresh", func() { p.run("next"); p.refresh() })
		m("evaluate", func() { p.evaluate("it->key + n") })
		m("registers", p.registers)
		m("read 64 KiB", func() { p.memory("&big[0]", 65536) })
		m("disassemble 200", func() { p.disassemble(200) })
		p.breakpoints(call, "")
		p.run("continue")
		m("step in", func() { p.run("stepIn") })
		m("step out", func() { p.run("stepOut") })
		p.breakpoints(work, "")
	}
	p.run("continue")
	p.refresh()
	for range b.turns(3) {
		m("read 16 MiB", func() { p.memory("&big[0]", 16<<20) })
	}
	p.breakpoints(nil, "")
	for range b.turns(10) {
		running(p)
		m("pause", p.pause)
	}
}

func whileRunning(b *bench, p peer, m meter) {
	for range b.turns(10) {
		running(p)
		m("breakpoint while running, to the stop", func() { p.breakNow([]int{b.mark("leaf")}) })
		p.breakpoints(nil, "")
	}
}

// running resumes and lets it run for a while: what is measured behind it is about
// a program that runs, not one about to, and nothing tells when it does: the answer
// to a resume comes before the program is scheduled.
func running(p peer) {
	p.resume()
	time.Sleep(5 * time.Millisecond)
}

// burst is nothing but steps, for what a session takes in all.
func burst(b *bench, p peer, _ meter) {
	p.breakpoints([]int{b.mark("work")}, "")
	for range b.turns(100) {
		p.run("continue")
		for range 3 {
			p.run("next")
		}
		p.refresh()
	}
	if proc := p.process(); proc != nil {
		peak, cpu := usage(proc)
		b.note(p, "peak memory of a session of steps", float64(peak)/1024)
		b.note(p, "CPU of a session of 300 steps", cpu.Seconds()*1e3)
	}
}

func manySet(b *bench, p peer, m meter) {
	var lines []int
	for i := range 200 {
		lines = append(lines, b.mark("lines")+1+i)
	}
	for range b.turns(3) {
		m("breakpoints on 200 lines", func() { p.breakpoints(lines, "") })
		m("the same list and one more", func() { p.breakpoints(append(lines, b.mark("work")), "") })
		for range 5 {
			m("continue with 201 set", func() { p.run("continue") })
			m("step with 201 set", func() { p.run("next") })
		}
		p.breakpoints(nil, "")
	}
}

func condition(b *bench, p peer, m meter) {
	p.breakpoints([]int{b.mark("counted")}, "i == 9999")
	m("condition true on the 10,000th hit", func() { p.run("continue") })
}

func deepStack(b *bench, p peer, m meter) {
	p.breakpoints([]int{b.mark("deep")}, "")
	p.run("continue")
	p.threads()
	m("1,000 deep: first 20 frames", func() { p.frames(-1, 0, 20) })
	m("1,000 deep: all frames", func() { p.frames(-1, 0, 1003) })
}

func fifty(b *bench, p peer, m meter) {
	p.breakpoints([]int{b.mark("locals")}, "")
	for range b.turns(10) {
		p.run("continue")
		p.frames(-1, 0, 20)
		m("scopes and 50 locals", p.locals)
	}
}

func containers(b *bench, p peer, m meter) {
	p.breakpoints([]int{b.mark("containers")}, "")
	p.run("continue")
	p.refresh()
	m("its first 1,000", func() { p.elements("array", 0, 1000) })
	m("array of 100,000 ints, all", func() {
		for from := 0; from < 100000; from += 1000 {
			p.elements("array", from, 1000)
		}
	})
	m("nested struct, to its leaves", func() { p.tree("nested") })
	m("std::vector<int> of 1,000", func() { p.elements("numbers", 0, 1000) })
	m("std::vector of 200 structs", func() { p.elements("records", 0, 200) })
	m("std::map of 500", func() { p.elements("names", 0, 500) })
}

func manyThreads(b *bench, p peer, m meter) {
	at, hot := []int{b.mark("threads")}, []int{b.mark("hot")}
	p.breakpoints(at, "")
	p.run("continue")
	var ids []int
	m("65 threads: list", func() { ids = p.threads() })
	if len(ids) != 65 {
		check(fmt.Errorf("%d threads, not 65", len(ids)))
	}
	m("65 threads: 20 frames of each", func() {
		for _, id := range ids {
			p.frames(id, 0, 20)
		}
	})
	for range b.turns(10) {
		m("65 threads: step", func() { p.run("next") })
	}
	p.breakpoints(hot, "")
	for range b.turns(10) {
		m("65 threads: continue to a breakpoint", func() { p.run("continue") })
	}
}

// mark is the line that has the mark.
func (b *bench) mark(name string) int {
	if n, ok := b.marks[name]; ok {
		return n
	}
	check(fmt.Errorf("no line is marked %q", name))
	return 0
}

func readMarks(source string) map[string]int {
	f, err := os.Open(source)
	check(err)
	defer f.Close()
	marks := map[string]int{}
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		if _, name, ok := strings.Cut(sc.Text(), "// mark: "); ok {
			marks[name] = n
		}
	}
	return marks
}
