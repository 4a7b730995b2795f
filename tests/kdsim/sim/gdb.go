package sim

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Stub serves the machine as QEMU's GDB stub does: its kernel is not asked, and knows
// of nothing. It is written from the description of GDB's remote protocol.
type Stub struct {
	t     *Target
	cpu   int // selected, from 0
	phys  bool
	traps map[uint64]byte
	w     *bufio.Writer
}

// description is what the machine's processors have.
func description() string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target><architecture>i386:x86-64</architecture><feature name="org.gnu.gdb.i386.core">`)
	for _, n := range order {
		fmt.Fprintf(&b, `<reg name="%s" bitsize="64" type="int64"/>`, n)
	}
	b.WriteString(`<reg name="rip" bitsize="64" type="code_ptr"/><reg name="eflags" bitsize="32" type="int32"/>`)
	for _, n := range []string{"cs", "ss", "ds", "es", "fs", "gs"} {
		fmt.Fprintf(&b, `<reg name="%s" bitsize="32" type="int32"/>`, n)
	}
	for _, n := range []string{"fs_base", "gs_base", "k_gs_base", "cr0", "cr2", "cr3", "cr4", "cr8", "efer"} {
		fmt.Fprintf(&b, `<reg name="%s" bitsize="64" type="int64"/>`, n)
	}
	b.WriteString(`</feature></target>`)
	return b.String()
}

// order is GDB's of the general registers, and where instructions have them.
var (
	order  = []string{"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}
	places = []int{rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, 8, 9, 10, 11, 12, 13, 14, 15}
)

// ServeStub serves one debugger until it leaves or ctx ends. The machine boots first,
// without a kernel debugger.
func (t *Target) ServeStub(ctx context.Context, conn io.ReadWriter) error {
	s := &Stub{t: t, traps: map[uint64]byte{}, w: bufio.NewWriter(conn)}
	t.present = false
	for now := time.Now(); !t.c.booted || t.c.ticks < 20; now = now.Add(t.o.Tick) {
		if _, _, err := t.Run(now); err != nil {
			return err
		}
	}
	in := make(chan byte, 1<<16)
	go func() {
		defer close(in)
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			for _, c := range b[:n] {
				in <- c
			}
			if err != nil {
				return
			}
		}
	}()
	for {
		p, ok := s.packet(ctx, in)
		if !ok {
			return nil
		}
		if p[0] == 'c' || p[0] == 's' || strings.HasPrefix(p, "vCont;") {
			s.resume(ctx, p, in)
			continue
		}
		s.reply(s.answer(p))
		if p[0] == 'D' || p[0] == 'k' {
			return nil
		}
	}
}

func (s *Stub) packet(ctx context.Context, in <-chan byte) (string, bool) {
	var p []byte
	inside := false
	for {
		var b byte
		select {
		case c, ok := <-in:
			if !ok {
				return "", false
			}
			b = c
		case <-ctx.Done():
			return "", false
		}
		switch {
		case b == '$':
			p, inside = nil, true
		case b == '#' && inside:
			<-in
			<-in
			s.w.WriteByte('+')
			if len(p) == 0 {
				p = []byte("?")
			}
			return string(p), true
		case inside:
			p = append(p, b)
		}
	}
}

func (s *Stub) reply(body string) {
	sum := byte(0)
	for i := range len(body) {
		sum += body[i]
	}
	fmt.Fprintf(s.w, "$%s#%02x", body, sum)
	s.w.Flush()
}

func (s *Stub) answer(p string) string {
	switch {
	case strings.HasPrefix(p, "qSupported"):
		return "PacketSize=1000;qXfer:features:read+;vContSupported+;swbreak+"
	case strings.HasPrefix(p, "qXfer:features:read:target.xml:"):
		return part(description(), p[31:])
	case p == "?":
		return s.stop(5)
	case p == "vCont?":
		return "vCont;c;C;s;S"
	case strings.HasPrefix(p, "H"):
		if n, err := strconv.ParseInt(p[2:], 16, 64); err == nil && n > 0 && int(n) <= len(s.t.c.cpus) {
			s.cpu = int(n) - 1
		}
		return "OK"
	case p == "qfThreadInfo":
		var ids []string
		for i := range s.t.c.cpus {
			ids = append(ids, fmt.Sprintf("%x", i+1))
		}
		return "m" + strings.Join(ids, ",")
	case p == "qsThreadInfo":
		return "l"
	case strings.HasPrefix(p, "T"), p == "D":
		return "OK"
	case strings.HasPrefix(p, "qRcmd,"):
		return s.monitor(p[6:])
	case p == "qC":
		return fmt.Sprintf("QC%x", s.cpu+1)
	case p == "qqemu.Supported":
		return "PhyMemMode"
	case p == "qqemu.PhyMemMode":
		return map[bool]string{true: "1", false: "0"}[s.phys]
	case strings.HasPrefix(p, "Qqemu.PhyMemMode:"):
		s.phys = p[17:] == "1"
		return "OK"
	case p[0] == 'g':
		return hex.EncodeToString(s.registers())
	case p[0] == 'm':
		return s.read(p[1:])
	case p[0] == 'M':
		return s.write(p[1:])
	case strings.HasPrefix(p, "Z0,"), strings.HasPrefix(p, "z0,"):
		return s.trap(p)
	}
	return ""
}

// monitor knows one command of QEMU's.
func (s *Stub) monitor(command string) string {
	text, err := hex.DecodeString(command)
	if err != nil || string(text) != "info registers" {
		return ""
	}
	p := s.t.c.cpus[s.cpu]
	s.reply("O" + hex.EncodeToString(fmt.Appendf(nil, "GDT=     %016x %08x\r\nIDT=     %016x %08x\r\n", p.gdt, p.gdtSize, p.idt, p.idtSize)))
	return "OK"
}

// part is a piece of a document, by "offset,length".
func part(all, spec string) string {
	var at, n int
	if _, err := fmt.Sscanf(spec, "%x,%x", &at, &n); err != nil || at > len(all) {
		return "E00"
	}
	if rest := all[at:]; len(rest) > n {
		return "m" + rest[:n]
	}
	return "l" + all[at:]
}

func (s *Stub) stop(signal int) string { return fmt.Sprintf("T%02xthread:%02x;", signal, s.cpu+1) }

func (s *Stub) registers() []byte {
	p := s.t.c.cpus[s.cpu]
	le := binary.LittleEndian
	var b []byte
	for _, n := range places {
		b = le.AppendUint64(b, p.r[n])
	}
	b = le.AppendUint32(le.AppendUint64(b, p.ip), uint32(p.flags))
	for _, v := range []uint16{p.cs, p.ss, 0x2b, 0x2b, 0x53, 0x2b} {
		b = le.AppendUint32(b, uint32(v))
	}
	for _, v := range []uint64{0, p.gs, p.swap, p.cr0, p.cr2, p.cr3, p.cr4, p.cr8, 0xd01} {
		b = le.AppendUint64(b, v)
	}
	return b
}

func (s *Stub) read(spec string) string {
	var at uint64
	var n int
	if _, err := fmt.Sscanf(spec, "%x,%x", &at, &n); err != nil || n > 0x800 {
		return "E22"
	}
	b := make([]byte, n)
	got := 0
	if s.phys {
		got = s.t.c.mem.read(at, b)
	} else {
		got = s.t.c.mem.readAt(s.t.c.cpus[s.cpu].cr3, at, b)
	}
	if got < n {
		return "E14"
	}
	return hex.EncodeToString(b)
}

func (s *Stub) write(spec string) string {
	var at uint64
	var n int
	head, data, _ := strings.Cut(spec, ":")
	b, err := hex.DecodeString(data)
	if _, bad := fmt.Sscanf(head, "%x,%x", &at, &n); bad != nil || err != nil || len(b) != n {
		return "E22"
	}
	if s.t.c.mem.writeAt(s.t.c.cpus[s.cpu].cr3, at, b) < n {
		return "E14"
	}
	return "OK"
}

func (s *Stub) trap(p string) string {
	var at uint64
	if _, err := fmt.Sscanf(p[3:], "%x,", &at); err != nil {
		return "E22"
	}
	root := s.t.c.cpus[s.cpu].cr3
	old, planted := s.traps[at]
	switch {
	case p[0] == 'z' && planted:
		delete(s.traps, at)
		s.t.c.mem.writeAt(root, at, []byte{old})
	case p[0] == 'Z' && !planted:
		var b [1]byte
		if s.t.c.mem.readAt(root, at, b[:]) < 1 {
			return "E14"
		}
		s.traps[at] = b[0]
		s.t.c.mem.writeAt(root, at, []byte{0xcc})
	}
	return "OK"
}

// resume lets the machine run until a trap, the end of a step, or an interrupt.
func (s *Stub) resume(ctx context.Context, p string, in <-chan byte) {
	s.w.Flush()
	step := p[0] == 's' || strings.HasPrefix(p, "vCont;s")
	if step {
		cpu := s.t.c.cpus[s.cpu]
		if e := cpu.run(1); e == serviced {
			cpu.ip++
		}
		s.reply(s.stop(5))
		return
	}
	for {
		select {
		case b, ok := <-in:
			if !ok {
				return
			}
			if b == 3 {
				s.reply(s.stop(2))
				return
			}
			continue
		case <-ctx.Done():
			return
		default:
		}
		e, ok := s.t.c.run(20)
		switch {
		case !ok:
			s.t.c.tick()
			time.Sleep(time.Millisecond) // all processors wait for the clock, which is real here
		case e.why == serviced: // nobody listens
			e.cpu.ip++
		default:
			s.cpu = e.cpu.number
			s.reply(s.stop(5))
			return
		}
	}
}
