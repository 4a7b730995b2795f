package kdb

import (
	"bytes"
	"fmt"
	"io"
	"math/bits"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"dap-windbg/arch"
)

// session is the recorded one: answers by command, in the order they came.
type session struct {
	answers map[string][]string // without echo and prompt
	unasked []string            // blocks that came by themselves
	memory  map[uint64]byte
}

var (
	memoryLine = regexp.MustCompile(`(?m)^0x([0-9a-f]{16}) ((?:[0-9a-f]{16} ?){1,2}) `)
	symbolic   = regexp.MustCompile(`(?m)^0x([0-9a-f]{16}) ([0-9a-f]{16}) `)
	codeLine   = regexp.MustCompile(`RIP: 0010:(dw_middle)\+0x0/0x10 \[dwtest\]\nCode: ((?:[0-9a-f]{2} )*)<([0-9a-f]{2})>((?: [0-9a-f]{2})*)`)
)

func readSession(t testing.TB) *session {
	t.Helper()
	text, err := os.ReadFile("testdata/session.txt")
	if err != nil {
		t.Fatal(err)
	}
	s := &session{answers: map[string][]string{}, memory: map[uint64]byte{}}
	var lines []string
	for _, l := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(l, "# ") || strings.HasPrefix(l, "# a comment") {
			lines = append(lines, l)
		}
	}
	for _, block := range regexp.MustCompile(`(?m)^(?:>>>|<<<)`).Split(strings.Join(lines, "\n"), -1)[1:] {
		command, answer, _ := strings.Cut(block, "\n")
		answer = strings.TrimRight(answer, "\n")
		if at := strings.LastIndexByte(answer, '['); at >= 0 && strings.HasSuffix(answer, "]kdb> ") {
			answer = answer[:at]
		}
		if command == "" {
			s.unasked = append(s.unasked, answer)
			continue
		}
		command = strings.TrimPrefix(command, " ")
		s.answers[command] = append(s.answers[command], answer)
	}
	s.remember()
	return s
}

// remember collects the memory that was shown: dumps, and the code at a
// breakpoint.
func (s *session) remember() {
	put := func(at uint64, words string) {
		for _, w := range strings.Fields(words) {
			v, _ := strconv.ParseUint(w, 16, 64)
			for range 8 {
				s.memory[at] = byte(v)
				v, at = v>>8, at+1
			}
		}
	}
	for _, command := range []string{"mds 0xffffc9000000bdd8 4", "md dw_counter", "md dw_watched 1"} {
		for _, answer := range s.answers[command] {
			for _, m := range memoryLine.FindAllStringSubmatch(answer, -1) {
				at, _ := strconv.ParseUint(m[1], 16, 64)
				put(at, m[2])
			}
			for _, m := range symbolic.FindAllStringSubmatch(answer, -1) {
				at, _ := strconv.ParseUint(m[1], 16, 64)
				put(at, m[2])
			}
		}
	}
	for _, m := range codeLine.FindAllStringSubmatch(strings.Join(s.answers["bt"], "\n"), -1) {
		before := strings.Fields(m[2])
		for i, b := range append(append(before, m[3]), strings.Fields(m[4])...) {
			v, _ := strconv.ParseUint(b, 16, 8)
			s.memory[loop+uint64(i)-uint64(len(before))] = byte(v)
		}
	}
}

const (
	loop    = 0xffffffffc0000110 // dw_middle of the recording
	breakPC = 0xffffffff810bf49b
	idlePC  = 0xffffffff8101c25e
)

// farEnd is a console that answers as the recorded one: words from the
// recording, registers and memory as they were shown, breakpoints in its own table.
type farEnd struct {
	s    *session
	mu   sync.Mutex
	cond *sync.Cond
	out  []byte

	line    []byte
	running bool
	brk     bool // a break was seen, a letter follows
	closed  bool
	cpu     int
	entered int // the processor that stopped, from which go is taken
	asked   int // whose registers the stub tells
	waits   int // the processor that has a step to tell of, 0 none: kdb drops it when it is switched to
	pc      [2]uint64
	regs    map[string]uint64
	traps   [16]uint64
	pages   []string // lines kept back by the pager
	lines   int      // a page
	told    bool     // a bad address has been told
	deaf    bool     // ignores set LINES
	late    bool     // a stop is told only once the letter of a break-in has come
	held    string
	typed   []string
	stub    bool // kgdb has the line
	deafG   bool // and tells no registers
	plain   bool // it has no kgdb
	packet  []byte
	bursts  int
	boots   int    // breaks that are not heeded yet
	left    bool   // its kgdb was left, and stops without a word
	fatal   int    // times that go is asked for again
	patch   bool   // is the kdb patch of old kernels, which ESC KDB enters
	app     []byte // what the program at its console has been given
	keys    []byte // all that was typed
}

func newFarEnd(t testing.TB) *farEnd {
	f := &farEnd{s: readSession(t), lines: 24, regs: map[string]uint64{}}
	f.cond = sync.NewCond(&f.mu)
	f.pc = [2]uint64{breakPC, idlePC}
	return f
}

func (f *farEnd) print(s string) {
	f.out = append(f.out, strings.ReplaceAll(s, "\n", "\r\n")...)
	f.cond.Broadcast()
}

func (f *farEnd) prompt() { f.print(fmt.Sprintf("[%d]kdb> ", f.cpu)) }

// answer prints text by pages, then the prompt.
func (f *farEnd) answer(text string) {
	f.pages = strings.SplitAfter(text, "\n")
	f.page(f.lines)
}

func (f *farEnd) page(n int) {
	n = min(n, len(f.pages))
	f.print(strings.Join(f.pages[:n], ""))
	if f.pages = f.pages[n:]; len(f.pages) > 1 {
		f.print("more> ")
		return
	}
	f.print(strings.Join(f.pages, ""))
	f.pages = nil
	f.prompt()
}

// Write takes what is typed.
func (f *farEnd) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, io.ErrClosedPipe
	}
	f.keys = append(f.keys, p...)
	for _, b := range p {
		f.key(b)
	}
	return len(p), nil
}

func (f *farEnd) key(b byte) {
	switch {
	case f.stub:
		f.stubKey(b)
	case f.running && f.patch:
		f.program(b)
	case f.running:
		if f.held != "" && b == 'g' { // the stop came first, the letter lies on the line
			f.running = false
			f.print(f.held)
			f.held = ""
			f.line = append(f.line, b)
			f.prompt()
			f.print("g")
			return
		}
		if f.brk && b == 'g' && f.boots > 0 { // nobody listens for breaks yet
			f.boots--
			f.brk = false
		}
		f.console(b)
		if f.brk && b == 'g' {
			f.console(killLine[0])
			if f.left {
				f.running, f.stub, f.brk = false, true, false
				return
			}
			f.running, f.pc[f.cpu] = false, breakPC
			f.enter("NonMaskable Interrupt")
			f.prompt()
		}
		f.brk = false
	case len(f.pages) > 0:
		f.print("\n")
		if b == 'q' {
			f.pages = nil
			f.prompt()
		} else {
			f.page(f.lines)
		}
	case b == '\r':
		line := string(f.line)
		f.line = nil
		f.print("\n")
		f.typed = append(f.typed, line)
		f.run(line)
	case b != '\n':
		f.line = append(f.line, b)
		f.print(string([]byte{b}))
		if n := len(f.line); f.line[0] == '$' && n > 3 && f.line[n-3] == '#' && !f.plain {
			f.line, f.stub = nil, true
			f.bursts++
			f.print("+$S05#b8")
		}
	}
}

// console takes a key where the kernel runs.
func (f *farEnd) console(b byte) {
	switch {
	case b == killLine[0]:
		f.app = nil
	case b >= ' ':
		f.app = append(f.app, b)
	}
}

// program takes a key at the console of a running kernel with the kdb patch: all but the
// last of its sequence reach the program that reads there.
func (f *farEnd) program(b byte) {
	switch seen := bytes.HasSuffix(append(f.app, b), []byte(Escape)); {
	case seen:
		f.running = false
		f.print(fmt.Sprintf("\nEntering kdb (current=0xc0318000, pid 0) on processor %d due to Keyboard Entry\n", f.cpu))
		f.prompt()
	case b == killLine[0]:
		f.app = nil
	default:
		f.app = append(f.app, b)
	}
}

// stubKey takes a byte of kgdb's.
func (f *farEnd) stubKey(b byte) {
	if b == '$' {
		f.packet = nil
	}
	f.packet = append(f.packet, b)
	n := len(f.packet)
	if n < 4 || f.packet[n-3] != '#' || f.packet[0] != '$' {
		return
	}
	text := string(f.packet[1 : n-3])
	f.packet = nil
	if text == "3" {
		f.stub = false
		f.print("+")
		f.enter("NonMaskable Interrupt")
		f.prompt()
		return
	}
	switch {
	case strings.HasPrefix(text, "Hg"):
		n, _ := strconv.ParseUint(text[2:], 16, 64)
		f.asked = int(shadowThread - n)
		f.print("+" + packet("OK"))
		return
	case text == "g" && !f.deafG:
		f.print("+" + packet(f.packed()))
		return
	}
	var at uint64
	var size int
	fmt.Sscanf(text, "m%x,%x", &at, &size)
	raw := strings.TrimSpace(f.raw(at, size))
	if len(raw) != 2*size {
		raw = "E22"
	}
	f.print("+" + packet(raw))
}

// SendBreak is a break on the line.
func (f *farEnd) SendBreak() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.brk = f.running
	return nil
}

func (f *farEnd) entry(reason string) string {
	return fmt.Sprintf("\nEntering kdb (current=0xffff88800015b000, pid 1) on processor %d due to %s @ 0x%x\n", f.cpu, reason, f.pc[f.cpu])
}

func (f *farEnd) enter(reason string) { f.print(f.entry(reason)) }

func (f *farEnd) run(line string) {
	word, rest, _ := strings.Cut(line, " ")
	number := func() (uint64, bool) {
		first, _, _ := strings.Cut(rest, " ")
		v, err := strconv.ParseUint(first, 0, 64)
		return v, err == nil
	}
	switch {
	case line == "" || line[0] == '#':
		f.prompt()
	case word == "go" && f.fatal > 0:
		f.fatal--
		f.print("Catastrophic error detected\nkdb_continue_catastrophic=0, type go a second time if you really want to continue\n")
		f.prompt()
	case word == "go" && f.cpu != f.entered:
		f.print(fmt.Sprintf("go must execute on the entry cpu, please use \"cpu %d\" and then execute go\ndiag: -18: Invalid cpu number\n", f.entered))
		f.prompt()
	case word == "go" || word == "ss":
		f.running = true
		f.resume(word == "ss")
	case word == "reboot":
		f.running = true
	case word == "set":
		if strings.HasPrefix(rest, "LINES=") && !f.deaf {
			f.lines, _ = strconv.Atoi(rest[6:])
		}
		f.prompt()
	case word == "rd":
		f.answer(f.registers())
	case word == "rm":
		name, value, _ := strings.Cut(rest, " ")
		v, err := strconv.ParseUint(value, 0, 64)
		if registerNames[name] == "" || err != nil {
			f.answer(f.s.answers["rm rax 0x1234"][0])
			return
		}
		if f.regs[name] = v; name == "ip" {
			f.pc[f.cpu] = v
		}
		f.prompt()
	case word == "mdr":
		_, count, _ := strings.Cut(rest, " ")
		n, _ := strconv.Atoi(count)
		at, _ := number()
		f.answer(f.raw(at, n))
	case len(word) == 3 && strings.HasPrefix(word, "mm"):
		_, value, _ := strings.Cut(rest, " ")
		v, _ := strconv.ParseUint(value, 0, 64)
		at, _ := number()
		f.answer(f.modify(at, v, int(word[2]-'0')))
	case word == "bp" || word == "bl" || word == "bc":
		at, ok := number()
		f.answer(f.breakpoints(word, rest, at, ok))
	case word == "cpu" && rest != "":
		n, _ := number()
		if n > 1 {
			f.answer(f.s.answers["cpu 9"][0])
			return
		}
		if f.cpu = int(n); f.waits != 0 && f.cpu == f.waits { // it runs to the breakpoint
			f.pc[f.cpu], f.waits, f.entered = loop, 0, f.cpu
			f.enter("Breakpoint")
			f.prompt()
			return
		}
		f.enter("NonMaskable Interrupt")
		f.prompt()
	default:
		if a := f.s.answers[line]; a != nil {
			f.answer(a[len(a)-1])
		} else {
			f.answer(fmt.Sprintf("Unknown kdb command: '%s'\n", line))
		}
	}
}

// resume runs: a step by the length of the recorded instruction, else to the
// breakpoint that the recording hits, else on and on.
func (f *farEnd) resume(step bool) {
	switch {
	case step:
		var code []byte
		for i := range uint64(15) {
			code = append(code, f.s.memory[f.pc[f.cpu]+i])
		}
		in, err := arch.AMD64.Decode(code, 0)
		if err != nil || f.s.memory[f.pc[f.cpu]] == 0 {
			in.Len = 3 // the recorded step from the break-in: to ...49e
		}
		f.pc[f.cpu] += uint64(in.Len)
		f.running = false
		f.enter("SS trap")
		f.prompt()
	case slices.Contains(f.traps[:], loop):
		f.pc[f.cpu] = loop
		if f.late {
			f.held = f.entry("Breakpoint")
			return
		}
		f.running = false
		f.enter("Breakpoint")
		f.prompt()
	default:
		f.print("/ # ")
	}
}

// packed are the registers of the processor that was chosen, as g tells them: each has its
// own number but for the program counter.
func (f *farEnd) packed() string {
	s := ""
	for i := range 16 {
		s += fmt.Sprintf("%02x00000000000000", i+1)
	}
	s += fmt.Sprintf("%016x", bits.ReverseBytes64(f.pc[f.asked]))
	return s + "06020000" + "10000000" + "18000000" + strings.Repeat("0", 32)
}

func (f *farEnd) registers() string {
	a := f.s.answers["rd"]
	text := a[len(a)-1]
	set := func(name string, v uint64) {
		text = regexp.MustCompile(`\b`+name+`: [0-9a-f]+`).ReplaceAllString(text, fmt.Sprintf("%s: %016x", name, v))
	}
	for name, v := range f.regs {
		set(name, v)
	}
	set("ip", f.pc[f.cpu])
	return text
}

func (f *farEnd) raw(at uint64, n int) string {
	s := ""
	for i := range uint64(n) {
		b, ok := f.s.memory[at+i]
		if !ok {
			if f.told { // kdb says so once, then ends the line silently
				return s
			}
			f.told = true
			return s + "kdb_getarea_size: Bad address 0x" + strconv.FormatUint(at+i, 16) + "\n"
		}
		s += fmt.Sprintf("%02x", b)
	}
	return s + "\n"
}

func (f *farEnd) modify(at, v uint64, width int) string {
	if _, ok := f.s.memory[at]; !ok {
		return "kdb_putarea_size: Bad address 0x" + strconv.FormatUint(at, 16) + "\ndiag: -21: Invalid address\n"
	}
	for i := range uint64(width) {
		f.s.memory[at+i] = byte(v >> (8 * i))
	}
	return fmt.Sprintf("0x%x = 0x%x\n", at, v)
}

func (f *farEnd) breakpoints(word, rest string, n uint64, ok bool) string {
	text := ""
	show := func(i int) {
		text += fmt.Sprintf("Instruction(i) BP #%d at 0x%x ([dwtest]dw_middle)\n    is enabled   addr at %016x, hardtype=0 installed=0\n\n", i, f.traps[i], f.traps[i])
	}
	switch {
	case word == "bl":
		for i, a := range f.traps {
			if a != 0 {
				show(i)
			}
		}
	case word == "bc" && rest == "*":
		f.traps = [16]uint64{}
	case word == "bc" && ok && n < 16 && f.traps[n] != 0:
		text = fmt.Sprintf("Breakpoint %d at 0x%x cleared\n", n, f.traps[n])
		f.traps[n] = 0
	case word == "bc":
		text = "diag: -20: No Breakpoint exists\n"
	case slices.Contains(f.traps[:], n):
		text = strings.ReplaceAll(f.s.answers["bp dw_inner"][1], "ffffffffc00000f0", strconv.FormatUint(n, 16))
	case !ok:
		text = f.s.answers["bp nosuch"][0]
	default:
		i := slices.Index(f.traps[:], 0)
		f.traps[i] = n
		show(i)
	}
	return text
}

// Read gives what the console printed.
func (f *farEnd) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.out) == 0 && !f.closed {
		f.cond.Wait()
	}
	if f.closed {
		return 0, io.EOF
	}
	n := copy(p, f.out)
	f.out = f.out[n:]
	return n, nil
}

func (f *farEnd) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.cond.Broadcast()
	return nil
}
