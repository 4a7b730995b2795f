package main

import (
	"bufio"
	"bytes"
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
)

// floor is the least that each row needs, measured in the same run. It is the sum of
//
//   - the messages: the same client sends the same requests over a pipe to a process
//     that answers each with what the debugger itself has just answered, ready made.
//     So the messages have the same sizes, the client's own work on them is in both
//     figures, and nothing is charged for making them;
//   - the packets: those the operation cannot do without, to a gdbserver of its own,
//     each list that does not depend on an answer in one write, with nobody who thinks
//     in between. The program's own running time between two stops is in them;
//   - of the image: what tells where main and a line's code begin, read when the
//     session begins.
//
// What was read at a stop is not read again. The floor relies on the program's frame
// pointers and knows nothing else of it.
type floor struct {
	dap     *dapPeer // whose adapter does nothing
	program string
	source  string
	conn    net.Conn
	in      *bufio.Reader
	lines   []span
	names   map[string]uint64
	thread  string
	pc, bp  uint64
	sp      uint64
	ids     map[int]string    // the wire's names of threads, by the client's numbers
	traps   map[uint64]string // what follows the address in its packet
	planted map[uint64]bool
}

// span is the code of a line and the start of its function.
type span struct {
	low, high uint64
	line      int
	function  uint64
}

func (b *bench) newFloor() peer {
	self, err := os.Executable()
	check(err)
	return &floor{dap: newDAP(b.source, b.attaching(""), self, "-replay", b.recording()), program: b.program, source: b.source,
		traps: map[uint64]string{}, planted: map[uint64]bool{}, names: map[string]uint64{}}
}

// look reads what the image says of the program's own unit.
func (f *floor) look() {
	x, err := elf.Open(f.program)
	check(err)
	defer x.Close()
	syms, err := x.Symbols()
	check(err)
	var starts []uint64
	for _, s := range syms {
		f.names[s.Name] = s.Value
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			starts = append(starts, s.Value)
		}
	}
	slices.Sort(starts)
	d, err := x.DWARF()
	check(err)
	for r := d.Reader(); ; r.SkipChildren() {
		e, err := r.Next()
		check(err)
		if e == nil {
			break
		}
		if name, _ := e.Val(dwarf.AttrName).(string); e.Tag == dwarf.TagCompileUnit && name == f.source {
			f.readLines(d, e, starts)
			break
		}
	}
}

func (f *floor) readLines(d *dwarf.Data, unit *dwarf.Entry, starts []uint64) {
	lr, err := d.LineReader(unit)
	check(err)
	var last, le dwarf.LineEntry
	for lr.Next(&le) == nil {
		if last.File != nil && last.File.Name == f.source && le.Address > last.Address && !last.EndSequence {
			s := span{low: last.Address, high: le.Address, line: last.Line}
			if k, _ := slices.BinarySearch(starts, s.low+1); k > 0 {
				s.function = starts[k-1]
			}
			f.lines = append(f.lines, s)
		}
		last = le
	}
	slices.SortFunc(f.lines, func(a, b span) int { return cmp.Compare(a.low, b.low) })
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

// write sends packets in one segment.
func (f *floor) write(list []string) {
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
}

// packets sends them together and returns the replies.
func (f *floor) packets(list ...string) []string {
	f.write(list)
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

func (f *floor) attach(port string) {
	f.dap.attach(port)
	f.look()
	var err error
	f.conn, err = net.Dial("tcp", "127.0.0.1:"+port)
	check(err)
	f.in = bufio.NewReaderSize(f.conn, 1<<20)
	for _, p := range []string{"qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+", "QStartNoAckMode"} {
		f.packets(p)
		_, err = f.conn.Write([]byte("+"))
		check(err)
	}
	f.packets("?", "qXfer:auxv:read::0,1000", "qXfer:features:read:target.xml:0,4000")
	f.to(f.body(f.names["main"]))
	f.packets("qXfer:libraries-svr4:read::0,1000")
	f.fetch()
}

// breakpoints are planted by the next resume.
func (f *floor) breakpoints(lines []int, condition string) {
	f.dap.breakpoints(lines, condition)
	f.traps = f.places(lines, condition)
}

func (f *floor) places(lines []int, condition string) map[uint64]string {
	traps := map[uint64]string{}
	for _, l := range lines {
		i := slices.IndexFunc(f.lines, func(s span) bool { return s.line == l })
		if i < 0 {
			check(fmt.Errorf("no code of line %d", l))
		}
		traps[f.lines[i].low] = ""
		if condition != "" {
			traps[f.lines[i].low] = bytecode
		}
	}
	return traps
}

// bytecode asks whether the counted loop's variable, 16 bytes below the frame
// pointer, is 9999: reg 6, const8 16, sub, ref64, const16 9999, equal, end.
const bytecode = ";Xc,260006" + "2210" + "03" + "1a" + "23270f" + "13" + "27"

// resuming is what a resume takes: the difference of traps, and the resume.
func (f *floor) resuming(packet string) []string {
	var list []string
	for a := range f.planted {
		if _, ok := f.traps[a]; !ok {
			list = append(list, fmt.Sprintf("z0,%x,1", a))
			delete(f.planted, a)
		}
	}
	for a, rest := range f.traps {
		if !f.planted[a] {
			list = append(list, fmt.Sprintf("Z0,%x,1%s", a, rest))
			f.planted[a] = true
		}
	}
	return append(list, packet)
}

func (f *floor) resumeBy(packet string) {
	replies := f.packets(f.resuming(packet)...)
	f.stopped(replies[len(replies)-1])
}

// off steps off the trap at pc, if there is one.
func (f *floor) off() {
	if f.atTrap() {
		f.past("vCont;s:" + f.thread)
	}
}

func (f *floor) atTrap() bool {
	_, wanted := f.traps[f.pc]
	return wanted && f.planted[f.pc]
}

// past resumes by packet with the trap at pc lifted.
func (f *floor) past(packet string) {
	at := f.pc
	rest := f.traps[at]
	delete(f.traps, at)
	f.resumeBy(packet)
	f.traps[at] = rest
}

// to runs to a place.
func (f *floor) to(addr uint64) {
	if _, there := f.traps[addr]; !there {
		f.traps[addr] = ""
		defer delete(f.traps, addr)
	}
	f.resumeBy("vCont;c")
}

func (f *floor) run(how string) {
	f.dap.run(how)
	from, _ := f.at(f.pc)
	switch how {
	case "continue":
		f.off()
		f.resumeBy("vCont;c")
	case "stepOut":
		f.off()
		f.to(little(f.packets(fmt.Sprintf("m%x,8", f.bp+8))[0]))
	default:
		f.step(from, how == "stepIn")
	}
}

// step leaves a line, into what it calls or over it. While a trap is lifted the other
// threads are held.
func (f *floor) step(line span, into bool) {
	for f.pc >= line.low && f.pc < line.high {
		packet := fmt.Sprintf("vCont;r%x,%x:%s", line.low, line.high, f.thread)
		if f.atTrap() {
			f.past(packet)
		} else {
			f.resumeBy(packet + ";c")
		}
		now, ok := f.at(f.pc)
		if ok && now.function == line.function {
			continue
		}
		if into {
			f.to(f.body(now.function))
			return
		}
		f.to(little(f.packets(fmt.Sprintf("m%x,8", f.sp))[0]))
	}
}

func (f *floor) resume() {
	f.dap.resume()
	f.off()
	list := f.resuming("vCont;c")
	f.write(list)
	for range len(list) - 1 {
		f.reply()
	}
}

func (f *floor) pause() {
	f.dap.pause()
	_, err := f.conn.Write([]byte{3})
	check(err)
	f.stopped(f.reply())
}

// breakNow stops the program, for gdbserver hears nothing else while it runs.
func (f *floor) breakNow(lines []int) {
	f.dap.breakNow(lines)
	_, err := f.conn.Write([]byte{3})
	check(err)
	f.stopped(f.reply())
	f.traps = f.places(lines, "")
	f.resumeBy("vCont;c")
}

// fetch reads what is shown of a stop: threads, registers, the top of the stack.
func (f *floor) fetch() {
	f.packets("qXfer:threads:read::0,4000", "Hg"+f.thread, "g", fmt.Sprintf("m%x,800", f.sp-128))
}

func (f *floor) refresh() {
	f.dap.refresh()
	f.fetch()
}

var wireThread = regexp.MustCompile(`<thread id="([^"]*)"`)

func (f *floor) threads() []int {
	ids := f.dap.threads()
	text := f.packets("qXfer:threads:read::0,4000")[0]
	f.ids = map[int]string{}
	for i, m := range wireThread.FindAllStringSubmatch(expanded(text), -1) {
		f.ids[ids[i]] = m[1]
	}
	return ids
}

// frames reads the stack, 96 bytes for each frame, of another thread its registers
// first.
func (f *floor) frames(thread, from, count int) {
	f.dap.frames(thread, from, count)
	sp := f.sp
	if id := f.ids[thread]; id != "" && id != f.thread {
		g := expanded(f.packets("Hg"+id, "g")[1])
		sp = little(g[16*7 : 16*8])
	}
	f.read(sp, 96*count)
}

func (f *floor) locals() { f.dap.locals() }

func (f *floor) registers() { f.dap.registers() }

func (f *floor) evaluate(expr string) { f.dap.evaluate(expr) }

// read sends no more reads at a time than answers are sure to be taken in.
func (f *floor) read(addr uint64, n int) {
	var list []string
	for ; n > 0; n -= 9000 {
		list = append(list, fmt.Sprintf("m%x,%x", addr, min(n, 9000)))
		addr += 9000
	}
	for part := range slices.Chunk(list, 16) {
		f.packets(part...)
	}
}

// elements reads what the container is made of; of a tree, level by level. Bytes
// of the same number stand for those that the floor does not know to find.
func (f *floor) elements(expr string, from, count int) {
	f.dap.elements(expr, from, count)
	addr := f.names["_ZL3big"]
	switch expr {
	case "names":
		for level, left := 1, count; left > 0; level *= 2 {
			list := make([]string, min(level, left))
			for i := range list {
				list[i] = fmt.Sprintf("m%x,48", addr+uint64(i)*80)
			}
			f.packets(list...)
			left -= len(list)
		}
	case "records":
		f.read(addr, count*48)
	default:
		f.read(addr, count*4)
	}
}

func (f *floor) tree(expr string) {
	f.dap.tree(expr)
	f.read(f.sp, 256)
}

func (f *floor) memory(expr string, count int) {
	f.dap.memory(expr, count)
	f.read(f.names["_ZL3big"], count)
}

func (f *floor) disassemble(count int) {
	f.dap.disassemble(count)
	f.read(f.pc, 5*count)
}

func (f *floor) disconnect() {
	f.dap.disconnect()
	f.packets("vKill;" + strings.TrimPrefix(strings.Split(f.thread, ".")[0], "p"))
}

func (f *floor) leave() {
	f.dap.leave()
	f.conn.Close()
}

func (f *floor) process() *os.Process { return nil }
