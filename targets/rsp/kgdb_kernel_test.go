package rsp

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand"
	"strconv"
	"strings"
	"sync"
	"time"

	"dap-windbg/arch"
)

// kgdbKernel is the far end of a line to kgdb: a kernel that runs a small loop, its
// stub with the manners of kernel/debug/gdbstub.c, and kdb's prompt before it.
type kgdbKernel struct {
	mu   sync.Mutex
	cond *sync.Cond
	out  []byte

	closed  bool
	running bool
	kdb     bool   // kdb has the line
	line    string // typed at kdb, or at the kernel's console
	printk  string // printed when the kernel runs
	packet  []byte // being received
	inside  bool
	unheard string // sent, without its acknowledgement
	then    func() // when that comes
	cpu, hg int
	pc      [2]uint64
	regs    [2][16]uint64
	memory  map[uint64]byte
	traps   map[uint64]bool
	ever    map[uint64]bool // every trap that was set
	noise   *rand.Rand      // nil: a good line
	clean   int             // bytes since the last that was spoilt
	slow    int             // requests that are taken only when more comes
	halting bool            // pauses within an answer until more comes
	asked   []string        // requests served
	late    string          // a request not taken yet
	rest    string          // of an answer
	typed   string          // lies at the running kernel's console
	aside   string          // printed before the next acknowledgement
}

const (
	kgdbLoop = 0xffffffff81001000 // nop, nop, jmp to the first
	kgdbIdle = 0xffffffff81002000
	kgdbData = 0xffffffff81003000
)

func newKGDBKernel() *kgdbKernel {
	k := &kgdbKernel{kdb: true, memory: map[uint64]byte{}, traps: map[uint64]bool{}, ever: map[uint64]bool{}}
	k.cond = sync.NewCond(&k.mu)
	k.pc = [2]uint64{kgdbLoop + 1, kgdbIdle}
	for cpu := range k.regs {
		k.regs[cpu][7] = 0xffffc90000001000 + uint64(cpu)<<16
	}
	for i := range uint64(0x100) {
		k.memory[kgdbLoop+i] = 0x90
	}
	for i, b := range []byte{0x90, 0x90, 0xeb, 0xfc} {
		k.memory[kgdbLoop+uint64(i)] = b
	}
	for i := range uint64(0x1000) {
		k.memory[kgdbData+i] = byte(i * 7)
	}
	return k
}

// spoil drops, doubles or puts something between bytes; the fourth kind is what the
// kernel prints.
func (k *kgdbKernel) spoil(p []byte, kinds int) []byte {
	if k.noise == nil {
		return p
	}
	var out []byte
	for _, b := range p {
		// A checksum of eight bits finds one fault in a packet, not any two.
		if k.clean++; k.clean < 250 || k.noise.Intn(50) != 0 {
			out = append(out, b)
			continue
		}
		k.clean = 0
		switch k.noise.Intn(kinds) {
		case 0:
		case 1:
			out = append(out, b, b)
		case 2:
			out = append(out, "~x"[k.noise.Intn(2)], b)
		case 3:
			out = append(append(out, b), "\r\n[   12.345678] eth0: Link is Up\r\n"...)
		}
	}
	return out
}

func (k *kgdbKernel) print(s string) {
	k.out = append(k.out, k.spoil([]byte(s), 4)...)
	k.cond.Broadcast()
}

func (k *kgdbKernel) Read(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.out) == 0 && !k.closed {
		k.cond.Wait()
	}
	if k.closed {
		return 0, io.EOF
	}
	n := copy(p, k.out)
	k.out = k.out[n:]
	return n, nil
}

func (k *kgdbKernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	k.cond.Broadcast()
	return nil
}

func (k *kgdbKernel) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return 0, io.ErrClosedPipe
	}
	for _, b := range k.spoil(p, 3) {
		switch {
		case k.running:
			k.console(b)
		case k.kdb:
			k.prompt(b)
		default:
			k.stub(b)
		}
	}
	return len(p), nil
}

// Break is a break and the letter, as SysRq wants them.
func (k *kgdbKernel) Break() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running {
		k.print("[  1.0] sysrq: DEBUG\r\n")
		k.stopped()
	}
	return nil
}

// lies is what was typed at the console and not entered.
func (k *kgdbKernel) lies() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.typed
}

// console shows what is typed.
func (k *kgdbKernel) console(b byte) {
	switch {
	case b == killLine:
		k.typed = ""
	case b >= ' ':
		k.typed += string(rune(b))
	}
	if b >= ' ' {
		k.print(string(rune(b)))
	}
}

// prompt is kdb's.
func (k *kgdbKernel) prompt(b byte) {
	switch {
	case b == '\r':
		line := k.line
		k.line = ""
		k.print("\r\n")
		if line == "go" {
			k.run()
			return
		}
		k.print("[0]kdb> ")
	case b >= ' ':
		k.line += string(rune(b))
		k.print(string(rune(b)))
		if n := len(k.line); n > 3 && strings.IndexByte("+$", k.line[0]) >= 0 && k.line[n-3] == '#' {
			k.kdb = false
			if k.line[0] == '+' {
				k.print("+")
				k.answer("")
			} else {
				k.print("+")
				k.answer("S05")
			}
			k.line = ""
		}
	}
}

// answer sends a packet, and again until it is acknowledged.
func (k *kgdbKernel) answer(text string) {
	k.unheard = string(frame(nil, text))
	if half := len(k.unheard) / 2; k.halting {
		k.print(k.unheard[:half])
		k.rest = k.unheard[half:]
		return
	}
	k.print(k.unheard)
}

func (k *kgdbKernel) stub(b byte) {
	if k.rest != "" {
		k.print(k.rest)
		k.rest = ""
	}
	if k.late != "" {
		text := k.late
		k.late = ""
		k.print("+")
		k.serve(text)
	}
	switch {
	case k.unheard != "" && b == '+':
		k.unheard = ""
		if then := k.then; then != nil {
			k.then = nil
			then()
		}
	case k.unheard != "" && b == '$':
		k.unheard, k.then = "", nil
		k.print("-")
	case k.unheard != "":
		k.print(k.unheard)
	case b == '$':
		k.inside, k.packet = true, nil
	case k.inside:
		k.packet = append(k.packet, b)
		if n := len(k.packet); n >= 3 && k.packet[n-3] == '#' {
			k.inside = false
			text := string(k.packet[:n-3])
			if string(frame(nil, text)) != "$"+string(k.packet) {
				k.print("-")
				return
			}
			if k.slow > 0 {
				k.slow--
				k.late = text
				return
			}
			k.print(k.aside + "+")
			k.aside = ""
			k.serve(text)
		} else if n > 1022 {
			k.inside = false
		}
	}
}

func (k *kgdbKernel) stopped() {
	k.running = false
	k.hg = k.cpu
	if k.kdb {
		k.print("\r\nEntering kdb (current=0xffff88800015b000, pid 1) on processor 0 due to Breakpoint @ 0x1\r\n[0]kdb> ")
		return
	}
	k.answer("T05thread:01;")
}

// next is where the loop goes on.
func next(pc uint64) uint64 {
	if pc >= kgdbLoop && pc < kgdbLoop+2 {
		return pc + 1
	}
	return kgdbLoop
}

func (k *kgdbKernel) run() {
	k.running = true
	if k.printk != "" {
		k.print(k.printk)
	}
	for range 4 {
		if k.traps[k.pc[k.cpu]] {
			k.pc[k.cpu]++ // behind int3
			k.stopped()
			return
		}
		k.pc[k.cpu] = next(k.pc[k.cpu])
	}
}

func (k *kgdbKernel) registers() []byte {
	g := make([]byte, 156)
	if k.hg < 0 { // a task that sleeps
		return g
	}
	put := func(i int, v uint64) { binary.LittleEndian.PutUint64(g[8*i:], v) }
	for i, v := range k.regs[k.hg] {
		put(i, v)
	}
	put(ripNumber, k.pc[k.hg])
	return g
}

func (k *kgdbKernel) serve(text string) {
	k.asked = append(k.asked, text)
	var at, size uint64
	ok := func(yes bool) {
		if yes {
			k.answer("OK")
		} else {
			k.answer("E22")
		}
	}
	verb, rest := text[:min(1, len(text))], text[min(1, len(text)):]
	switch verb {
	case "?":
		k.answer("S05")
	case "g":
		k.answer(hex.EncodeToString(k.registers()))
	case "G":
		raw, err := hex.DecodeString(rest)
		if err == nil && len(raw) >= 136 && k.hg == k.cpu {
			for i := range k.regs[k.hg] {
				k.regs[k.hg][i] = binary.LittleEndian.Uint64(raw[8*i:])
			}
			k.pc[k.hg] = binary.LittleEndian.Uint64(raw[8*ripNumber:])
		}
		ok(err == nil && k.hg == k.cpu)
	case "P":
		var n int
		value := ""
		fmt.Sscanf(rest, "%x=%s", &n, &value)
		raw, err := hex.DecodeString(value)
		if k.hg != k.cpu {
			k.answer("E22")
			return
		}
		if err == nil && n == ripNumber && len(raw) == 8 {
			k.pc[k.cpu] = binary.LittleEndian.Uint64(raw)
		}
		ok(err == nil && n == ripNumber)
	case "m":
		fmt.Sscanf(rest, "%x,%x", &at, &size)
		out := make([]byte, 0, size)
		for i := range size {
			b, there := k.memory[at+i]
			if !there {
				k.answer("E22")
				return
			}
			out = append(out, b)
		}
		k.answer(hex.EncodeToString(out))
	case "M":
		head, data, _ := strings.Cut(rest, ":")
		fmt.Sscanf(head, "%x,%x", &at, &size)
		raw, _ := hex.DecodeString(data)
		for i, b := range raw {
			if _, there := k.memory[at+uint64(i)]; !there {
				k.answer("E22")
				return
			}
			k.memory[at+uint64(i)] = b
		}
		k.answer("OK")
	case "Z", "z":
		var kind int
		fmt.Sscanf(rest, "%d,%x,%x", &kind, &at, &size)
		_, there := k.memory[at]
		switch {
		case !there:
			k.answer("E22")
		case kind > 0: // taken, and never sprung
			k.answer("OK")
		case verb == "Z" && k.traps[at]:
			k.answer("E17")
		case verb == "z" && !k.traps[at]:
			k.answer("E02")
		default:
			k.traps[at] = verb == "Z"
			k.ever[at] = true
			k.answer("OK")
		}
	case "H":
		var id uint32
		fmt.Sscanf(rest[1:], "%x", &id)
		switch {
		case rest[1:] == "0":
			k.hg = k.cpu
		case id == shadow || id == shadow-1:
			k.hg = int(shadow - id)
		case id == 1 || id == 2:
			k.hg = -1
		default:
			k.answer("E22")
			return
		}
		k.answer("OK")
	case "c", "s":
		if at, err := strconv.ParseUint(rest, 16, 64); err == nil {
			k.pc[k.cpu] = at
		}
		if verb == "c" {
			k.run()
			return
		}
		k.pc[k.cpu] = next(k.pc[k.cpu])
		k.stopped()
	case "D":
		k.traps = map[uint64]bool{}
		k.answer("OK")
		k.then = func() { k.running = true }
	case "3":
		k.traps, k.kdb = map[uint64]bool{}, true
		k.stopped()
	case "R":
		k.answer("OK")
		k.then = func() { k.running = true }
	case "q":
		k.query(rest)
	default:
		k.answer("")
	}
}

func (k *kgdbKernel) query(rest string) {
	switch {
	case rest == "C":
		k.answer("QC01")
	case rest == "fThreadInfo":
		k.answer("mfffffffe,fffffffd,01,02")
	case rest == "sThreadInfo":
		k.answer("l")
	case strings.HasPrefix(rest, "Rcmd,"):
		raw, _ := hex.DecodeString(rest[5:])
		k.then = func() { k.answer("OK") }
		k.answer("O" + hex.EncodeToString([]byte("you said "+string(raw)+"\n")))
	default:
		k.answer("")
	}
}

// planted are the traps that stand.
func (k *kgdbKernel) planted() map[arch.Addr]bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := map[arch.Addr]bool{}
	for a, on := range k.traps {
		if on {
			out[arch.Addr(a)] = true
		}
	}
	return out
}

// patientKGDB has no time to lose.
var patientKGDB = KGDB{Silence: 50 * time.Millisecond, Advice: "enter kgdb"}
