package main

import (
	"bufio"
	"bytes"
	"debug/dwarf"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// floor is the least that each row needs: the packets themselves, with nobody
// who thinks in between, and for each of an editor's requests a message through a
// pipe to a process that sends it back. It knows the program's lines and nothing
// else, and relies on its frame pointers.
type floor struct {
	conn   net.Conn
	in     *bufio.Reader
	lines  []span
	names  map[string]uint64
	echo   *echo
	thread string
	pc, bp uint64
	sp     uint64
	traps  map[uint64]string // what follows the address in its packet
}

// span is the code of a line; first tells a function's first.
type span struct {
	low, high uint64
	line      int
	function  uint64
}

// echo is a process that sends back what it is sent.
type echo struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.Reader
}

func newEcho() *echo {
	e := &echo{cmd: exec.Command("cat")}
	var err error
	e.in, err = e.cmd.StdinPipe()
	check(err)
	e.out, err = e.cmd.StdoutPipe()
	check(err)
	check(e.cmd.Start())
	return e
}

// pass sends n bytes there and back, as a request and its answer.
func (e *echo) pass(n int) {
	go e.in.Write(make([]byte, n))
	_, err := io.ReadFull(e.out, make([]byte, n))
	check(err)
}

func (b *bench) newFloor() peer {
	f := &floor{echo: newEcho(), traps: map[uint64]string{}, names: map[string]uint64{}}
	x, err := elf.Open(b.program)
	check(err)
	defer x.Close()
	syms, err := x.Symbols()
	check(err)
	for _, s := range syms {
		f.names[s.Name] = s.Value
	}
	d, err := x.DWARF()
	check(err)
	f.readLines(d, b.source)
	return f
}

func (f *floor) readLines(d *dwarf.Data, source string) {
	var starts []uint64
	for r := d.Reader(); ; {
		e, err := r.Next()
		check(err)
		if e == nil {
			break
		}
		if low, ok := e.Val(dwarf.AttrLowpc).(uint64); ok && e.Tag == dwarf.TagSubprogram {
			starts = append(starts, low)
		}
		if e.Tag != dwarf.TagCompileUnit {
			continue
		}
		lr, err := d.LineReader(e)
		check(err)
		var last dwarf.LineEntry
		for lr != nil {
			var le dwarf.LineEntry
			if lr.Next(&le) != nil {
				break
			}
			if last.File != nil && last.File.Name == source && le.Address > last.Address && !last.EndSequence {
				f.lines = append(f.lines, span{low: last.Address, high: le.Address, line: last.Line})
			}
			last = le
		}
	}
	slices.Sort(starts)
	slices.SortFunc(f.lines, func(a, b span) int { return int(a.low) - int(b.low) })
	for i := range f.lines {
		if k, ok := slices.BinarySearch(starts, f.lines[i].low+1); !ok || k > 0 {
			f.lines[i].function = starts[k-1]
		}
	}
}

// at is the line of an address.
func (f *floor) at(pc uint64) (span, bool) {
	for _, s := range f.lines {
		if pc >= s.low && pc < s.high {
			return s, true
		}
	}
	return span{}, false
}

// body is where a function's code begins behind its prologue.
func (f *floor) body(function uint64) uint64 {
	n := 0
	for _, s := range f.lines {
		if s.function == function {
			if n++; n == 2 {
				return s.low
			}
		}
	}
	return function
}

// packets sends them in one segment and returns the replies.
func (f *floor) packets(list ...string) []string {
	var out bytes.Buffer
	for _, p := range list {
		sum := byte(0)
		for i := range len(p) {
			sum += p[i]
		}
		fmt.Fprintf(&out, "$%s#%02x", p, sum)
	}
	_, err := f.conn.Write(out.Bytes())
	check(err)
	replies := make([]string, len(list))
	for i := range replies {
		replies[i] = f.reply()
	}
	return replies
}

func (f *floor) reply() string {
	_, err := f.in.ReadString('$')
	check(err)
	s, err := f.in.ReadString('#')
	check(err)
	_, err = f.in.Discard(2)
	check(err)
	if s = s[:len(s)-1]; strings.HasPrefix(s, "O") && s != "OK" {
		return f.reply()
	}
	return s
}

// stopped takes what the stop brought: amd64's rbp, rsp and rip.
func (f *floor) stopped(s string) {
	if !strings.HasPrefix(s, "T") {
		check(fmt.Errorf("the floor's program stopped with %q", s))
	}
	for part := range strings.SplitSeq(s[3:], ";") {
		k, v, _ := strings.Cut(part, ":")
		switch k {
		case "thread":
			f.thread = v
		case "06":
			f.bp = little(v)
		case "07":
			f.sp = little(v)
		case "10":
			f.pc = little(v)
		}
	}
}

// expanded undoes the protocol's run-length encoding.
func expanded(s string) string {
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '*' && i+1 < len(s) && len(out) > 0 {
			i++
			out = append(out, bytes.Repeat(out[len(out)-1:], int(s[i])-29)...)
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func little(s string) (n uint64) {
	raw, err := hex.DecodeString(expanded(s))
	check(err)
	for i, c := range raw {
		n |= uint64(c) << (8 * i)
	}
	return n
}

func (f *floor) resumeBy(p string) { f.stopped(f.packets(p)[0]) }

func (f *floor) attach(port string) {
	var err error
	f.conn, err = net.Dial("tcp", "127.0.0.1:"+port)
	check(err)
	f.in = bufio.NewReaderSize(f.conn, 1<<20)
	for _, p := range []string{"qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+", "QStartNoAckMode"} {
		f.packets(p)
		_, err = f.conn.Write([]byte("+"))
		check(err)
	}
	f.packets("?", "qXfer:auxv:read::0,1000", "qXfer:features:read:target.xml:0,4000", "qXfer:threads:read::0,1000", "qXfer:libraries-svr4:read::0,1000")
	main := f.body(f.names["main"])
	f.packets(fmt.Sprintf("Z0,%x,1", main))
	f.resumeBy("vCont;c")
	f.packets(fmt.Sprintf("z0,%x,1", main))
	f.refresh()
}

func (f *floor) breakpoints(lines []int, condition string) {
	want := map[uint64]string{}
	for _, l := range lines {
		for _, s := range f.lines {
			if s.line == l {
				want[s.low] = ""
				if condition != "" {
					want[s.low] = ";X3,220027" // bytecode: 0; it is asked and never true
				}
				break
			}
		}
	}
	var list []string
	for a := range f.traps {
		if _, ok := want[a]; !ok {
			list = append(list, fmt.Sprintf("z0,%x,1", a))
		}
	}
	for a, rest := range want {
		if _, ok := f.traps[a]; !ok {
			list = append(list, fmt.Sprintf("Z0,%x,1%s", a, rest))
		}
	}
	f.traps = want
	f.echo.pass(1000 + 100*len(lines))
	if len(list) > 0 {
		f.packets(list...)
	}
}

// off steps off the trap at pc, if there is one.
func (f *floor) off() {
	rest, ok := f.traps[f.pc]
	if !ok {
		return
	}
	at := f.pc
	f.packets(fmt.Sprintf("z0,%x,1", at))
	f.resumeBy("vCont;s:" + f.thread)
	f.packets(fmt.Sprintf("Z0,%x,1%s", at, rest))
}

// to runs to a place.
func (f *floor) to(addr uint64) {
	if _, there := f.traps[addr]; !there {
		f.packets(fmt.Sprintf("Z0,%x,1", addr))
		f.resumeBy("vCont;c")
		f.packets(fmt.Sprintf("z0,%x,1", addr))
		return
	}
	f.resumeBy("vCont;c")
}

func (f *floor) run(how string) {
	f.echo.pass(300)
	f.off()
	switch how {
	case "continue":
		f.stoppedOrGone(f.packets("vCont;c")[0])
	case "stepOut":
		f.to(little(f.packets(fmt.Sprintf("m%x,8", f.bp+8))[0]))
	default:
		line, ok := f.at(f.pc)
		if !ok {
			check(fmt.Errorf("no line at %x", f.pc))
		}
		for f.pc >= line.low && f.pc < line.high {
			f.resumeBy(fmt.Sprintf("vCont;r%x,%x:%s;c", line.low, line.high, f.thread))
			now, ok := f.at(f.pc)
			if ok && now.function == line.function {
				continue
			}
			if how == "stepIn" {
				f.to(f.body(now.function))
				break
			}
			f.to(little(f.packets(fmt.Sprintf("m%x,8", f.sp))[0]))
		}
	}
}

// stoppedOrGone is for the last run: the floor's condition never comes true.
func (f *floor) stoppedOrGone(s string) {
	if !strings.HasPrefix(s, "W") {
		f.stopped(s)
	}
}

func (f *floor) resume() {
	f.echo.pass(300)
	f.off()
	s := "vCont;c"
	sum := byte(0)
	for i := range len(s) {
		sum += s[i]
	}
	_, err := fmt.Fprintf(f.conn, "$%s#%02x", s, sum)
	check(err)
}

func (f *floor) pause() {
	f.echo.pass(300)
	_, err := f.conn.Write([]byte{3})
	check(err)
	f.stopped(f.reply())
}

func (f *floor) breakNow(lines []int) {
	f.pause()
	f.breakpoints(lines, "")
	f.resumeBy("vCont;c")
}

func (f *floor) refresh() {
	f.packets("qXfer:threads:read::0,4000", "Hg"+f.thread, "g", fmt.Sprintf("m%x,800", f.sp-128))
	for range 4 {
		f.echo.pass(1000)
	}
}

func (f *floor) threads() []int {
	text := f.packets("qXfer:threads:read::0,4000")[0]
	f.echo.pass(2000)
	return make([]int, strings.Count(text, "<thread "))
}

func (f *floor) frames(thread, from, count int) {
	f.echo.pass(250 * count)
	var list []string
	if thread >= 0 { // another thread's: its registers and its stack
		f.packets("Hg"+f.thread, "g")
	}
	for n := 0; n < count*96; n += 9000 {
		list = append(list, fmt.Sprintf("m%x,%x", f.sp+uint64(n), min(9000, count*96-n)))
	}
	f.packets(list...)
}

func (f *floor) locals() { f.echo.pass(300); f.read(f.sp-128, 2048); f.echo.pass(6000) }

func (f *floor) registers() { f.packets("g"); f.echo.pass(4000) }

func (f *floor) evaluate(string) { f.echo.pass(300) }

func (f *floor) read(addr uint64, n int) {
	var list []string
	for ; n > 0; n -= 9000 {
		list = append(list, fmt.Sprintf("m%x,%x", addr, min(n, 9000)))
		addr += 9000
		if len(list) == 16 {
			f.packets(list...)
			list = list[:0]
		}
	}
	if len(list) > 0 {
		f.packets(list...)
	}
}

// elements reads what the container is made of; of a tree, level by level.
func (f *floor) elements(expr string, from, count int) {
	addr := f.names["_ZL3big"]
	switch expr {
	case "names":
		for level := 1; level < 2*count; level *= 2 {
			list := make([]string, min(level, count))
			for i := range list {
				list[i] = fmt.Sprintf("m%x,48", addr+uint64(i)*80)
			}
			f.packets(list...)
		}
	case "records":
		f.read(addr, count*48)
	default:
		f.read(addr, count*4)
	}
	f.echo.pass(100 * count)
}

func (f *floor) tree(string) {
	f.read(f.sp, 256)
	for range 21 {
		f.echo.pass(800)
	}
}

func (f *floor) memory(_ string, count int) {
	f.read(f.names["_ZL3big"], count)
	f.echo.pass(count * 4 / 3)
}

func (f *floor) disassemble(count int) { f.read(f.pc, 5*count); f.echo.pass(200 * count) }

func (f *floor) disconnect() {
	f.packets("D;" + strconv.FormatUint(f.pid(), 16))
}

func (f *floor) leave() {
	f.conn.Close()
	f.echo.in.Close()
	f.echo.cmd.Wait()
}

// pid is in the thread's name: pPID.TID.
func (f *floor) pid() uint64 {
	s, _, _ := strings.Cut(strings.TrimPrefix(f.thread, "p"), ".")
	n, _ := strconv.ParseUint(s, 16, 64)
	return n
}

func (f *floor) process() *os.Process { return nil }
