package rsp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/wire"
)

func TestFrames(t *testing.T) {
	for _, c := range []struct {
		wire, payload string
		damaged       bool
		err           error
	}{
		{"$OK#9a", "OK", false, nil},
		{"$#00", "", false, nil},
		{"$0* #7a", "0000", false, nil},
		{"$a}\x03#e1", "a#", false, nil},
		{"$OK#9b", "OK", true, nil},
		{"$OK#zz", "OK", true, nil},
		{"$*!#4b", "*!", false, nil}, // a count with nothing before it
		{"noise$OK#9a", "OK", false, nil},
		{"$lost$OK#9a", "OK", false, nil},
		{"$OK#9", "", false, io.ErrUnexpectedEOF},
		{"$OK", "", false, io.ErrUnexpectedEOF},
		{"$a}", "", false, io.ErrUnexpectedEOF},
		{"noise", "", false, io.EOF},
	} {
		p, err := newDecoder(strings.NewReader(c.wire)).next()
		if !errors.Is(err, c.err) {
			t.Errorf("%q: %v", c.wire, err)
		}
		if err == nil && (string(p.payload) != c.payload || p.damaged != c.damaged) {
			t.Errorf("%q: %q, damaged %v", c.wire, p.payload, p.damaged)
		}
	}
	d := newDecoder(&endless{})
	if _, err := d.next(); !errors.Is(err, errTooLong) {
		t.Errorf("an endless packet: %v", err)
	}
}

// endless sends a packet that grows for ever, by run-length coding.
type endless struct{ begun bool }

func (e *endless) Read(p []byte) (int, error) {
	if !e.begun {
		e.begun = true
		return copy(p, "$a"), nil
	}
	return copy(p, "*~*~*~*~*~*~*~*~"), nil
}

func FuzzFrame(f *testing.F) {
	for _, s := range []string{"$OK#9a", "+$0* #7a", "%Stop:T05#00", "$a}\x03#", "-$E01#a6$$#00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := newDecoder(bytes.NewReader(data))
		for range data {
			if _, err := d.next(); err != nil {
				break
			}
		}
		// What we send we can read back, whatever is in it.
		p, err := newDecoder(bytes.NewReader(frame(nil, string(escaped(data))))).next()
		if err != nil || p.damaged || !bytes.Equal(p.payload, data) {
			t.Fatalf("%q came back as %q (%v, damaged %v)", data, p.payload, err, p.damaged)
		}
	})
}

func TestStopReplies(t *testing.T) {
	c := &Conn{}
	for _, x := range []struct {
		packet string
		want   stopReply
	}{
		{"S05", stopReply{signal: 5}},
		{"T02thread:p1.2;core:0;", stopReply{signal: 2, thread: threadID{1, 2}}},
		{"T05watch:7fff10;thread:3;", stopReply{signal: 5, reason: targets.Watch, named: true, kind: targets.OnWrite, addr: 0x7fff10, thread: threadID{0, 3}}},
		{"T05rwatch:10;", stopReply{signal: 5, reason: targets.Watch, named: true, kind: targets.OnRead, addr: 0x10}},
		{"T05awatch:10;", stopReply{signal: 5, reason: targets.Watch, named: true, kind: targets.OnAccess, addr: 0x10}},
		{"T05hwbreak:;thread:p1.1;", stopReply{signal: 5, reason: targets.Breakpoint, named: true, kind: targets.Hardware, thread: threadID{1, 1}}},
		{"T05fork:p5.5;thread:p1.1;", stopReply{signal: 5, reason: targets.Forked, named: true, child: threadID{5, 5}, thread: threadID{1, 1}}},
		{"T05vfork:p5.5;", stopReply{signal: 5, reason: targets.Forked, named: true, child: threadID{5, 5}, vfork: true}},
		{"T05vforkdone:;", stopReply{signal: 5, reason: targets.Forked, named: true, resumed: true}},
		{"T05exec:2f61;", stopReply{signal: 5, reason: targets.Exec, named: true, path: "/a"}},
		{"T05syscall_entry:e7;", stopReply{signal: 5, reason: targets.SyscallEntry, named: true, syscall: 0xe7}},
		{"T05library:;", stopReply{signal: 5, reason: targets.Modules, named: true}},
		{"T05create:;thread:p1.9;", stopReply{signal: 5, reason: targets.ThreadCreated, named: true, thread: threadID{1, 9}}},
		{"T05replaylog:begin;", stopReply{signal: 5, reason: targets.HistoryEnd, named: true}},
		{"W07;process:1f", stopReply{gone: true, status: 7, process: 0x1f}},
		{"W00", stopReply{gone: true}},
		{"X0b;process:2", stopReply{gone: true, killed: true, status: 11, process: 2}},
		{"w0;p1.3", stopReply{reason: targets.ThreadExited, named: true, thread: threadID{1, 3}}},
		{"N", stopReply{nothing: true, named: true}},
	} {
		got, err := c.parseStop([]byte(x.packet), nil)
		if err != nil {
			t.Errorf("%s: %v", x.packet, err)
			continue
		}
		g, w := *got, x.want
		g.regs, g.windows = nil, nil
		if !same(g, w) {
			t.Errorf("%s: got %+v, want %+v", x.packet, g, w)
		}
	}
	for _, bad := range []string{"", "S", "S0", "Txx", "Wzz", "w0", "E01", "OK", "Z"} {
		if _, err := c.parseStop([]byte(bad), nil); err == nil {
			t.Errorf("%q is no stop reply", bad)
		}
	}
}

// same compares stop replies that bring no registers and no memory.
func same(a, b stopReply) bool {
	return a.signal == b.signal && a.reason == b.reason && a.named == b.named && a.kind == b.kind && a.addr == b.addr &&
		a.thread == b.thread && a.child == b.child && a.vfork == b.vfork && a.resumed == b.resumed && a.path == b.path &&
		a.syscall == b.syscall && a.gone == b.gone && a.killed == b.killed && a.status == b.status && a.process == b.process && a.nothing == b.nothing
}

func FuzzStopReply(f *testing.F) {
	for _, s := range []string{
		"T05swbreak:;06:30e6ffffff7f0000;10:b611400000000000;thread:p27c5.27c5;core:0;", "T05memory:0x10=00ff;", "W0;process:1",
		"T05thread:1;reason:watchpoint;description:34323130383234203020343231303832;", "T13reason:trace;name:x;threads:1,2;jstopinfo:5b5d;",
		"X0b", "w0;p1.2", "N", "T05exec:2f;", "T05fork:p-1.-1;", "S05", "T0512:xxxx;",
	} {
		f.Add([]byte(s))
	}
	l := newLayout(arch.AMD64.DefaultSet(), count(len(arch.AMD64.Core)))
	f.Fuzz(func(t *testing.T, p []byte) {
		c := &Conn{targets: map[int64]*Target{}}
		s, err := c.parseStop(p, l)
		if err != nil {
			return
		}
		in := &processInfo{layout: l}
		in.Set = l.set
		tg := &Target{c: c, traps: map[trapKey]targets.Trap{}}
		tg.info.Store(in)
		tg.halted(s)
		tg.motion = &motion{stepping: len(p)%3 == 0}
		tg.stop(s, &run{t: tg, interrupts: len(p) % 2})
	})
}

func count(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func TestDescription(t *testing.T) {
	top := parseDescription([]byte(`<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target>
		<xi:include href="core.xml"/><osabi>GNU/Linux</osabi><feature name="org.x.extra">
		<reg name="CR3" bitsize="64" type="int"/><reg name="odd" bitsize="bad"/><reg name="mystery" bitsize="12" regnum="40"/></feature></target>`))
	core := parseDescription([]byte(`<feature name="org.gnu.gdb.i386.core"><architecture>i386:x86-64</architecture>
		<reg name="rax" bitsize="64" regnum="0"/><reg name="rip" bitsize="64" type="code_ptr" regnum="5"/><reg name="rsp" bitsize="64" regnum="1"/></feature>`))
	d := flatten(map[string]document{"target.xml": top, "core.xml": core})
	l := d.layout(arch.ARM64)
	if l.set.Arch != arch.AMD64 || d.osabi != "GNU/Linux" {
		t.Errorf("arch %s, osabi %q", l.set.Arch.Name, d.osabi)
	}
	var names []string
	for _, r := range l.set.Regs {
		names = append(names, r.Name)
	}
	if got := strings.Join(names, " "); got != "rax rsp cr3 rip mystery" {
		t.Errorf("registers %s", got)
	}
	if i, ok := l.set.DWARF(7); !ok || l.set.Regs[i].Name != "rsp" {
		t.Error("rsp has lost its DWARF number")
	}
	if i, ok := l.set.Index("cr3"); !ok || l.set.Regs[i].Group != arch.Control {
		t.Error("cr3 is no control register")
	}
	if i, _ := l.set.Index("mystery"); l.set.Regs[i].Size != 2 {
		t.Error("12 bits take two bytes")
	}
	if d := flatten(map[string]document{"target.xml": parseDescription([]byte(`<target><xi:include href="target.xml"/>`))}); len(d.regs) != 0 {
		t.Error("a document that includes itself")
	}
}

// TestRegistersPacket: shorter, longer, unavailable, damaged.
func TestRegistersPacket(t *testing.T) {
	l := newLayout(arch.NewSet(arch.AMD64, []arch.Register{{Name: "rax", Size: 8, DWARF: -1}, {Name: "rip", Size: 8, DWARF: -1}}), count(2))
	full := "0100000000000000" + "0200000000000000"
	for _, c := range []struct {
		g        string
		rax, rip bool
		bad      bool
	}{
		{full, true, true, false}, {full + "ffff", true, true, false}, {full[:16], true, false, false}, {full[:20], true, false, false},
		{"", false, false, false}, {"xxxxxxxxxxxxxxxx" + full[16:], false, true, false}, {"01000000000000zz" + full[16:], false, false, true}, {full[:15], false, false, true},
	} {
		r, err := l.parseG([]byte(c.g))
		if (err != nil) != c.bad {
			t.Errorf("%q: %v", c.g, err)
			continue
		}
		if err == nil && (r.Known(0) != c.rax || r.Known(1) != c.rip) {
			t.Errorf("%q: known %v %v", c.g, r.Known(0), r.Known(1))
		}
	}
	r, _ := l.parseG([]byte(full))
	r.SetPC(0x1234)
	if got, whole := l.patchG([]byte(full+"ff"), r); string(got) != full[:16]+"3412000000000000ff" || !whole {
		t.Errorf("patched to %q, %v", got, whole)
	}
	if _, whole := l.patchG([]byte("xxxxxxxxxxxxxxxx"), arch.NewRegisters(l.set)); whole {
		t.Error("an unavailable register counts as told")
	}
}

func FuzzDescription(f *testing.F) {
	f.Add([]byte(`<target><architecture>i386</architecture><feature><reg name="eax" bitsize="32"/><reg name="z" bitsize="1048576" regnum="65535"/></feature><xi:include href="target.xml"/></target>`), []byte("0011"))
	f.Fuzz(func(t *testing.T, text, g []byte) {
		l := flatten(map[string]document{"target.xml": parseDescription(text)}).layout(arch.AMD64)
		if l.size > maxFileBytes {
			t.Fatalf("%d bytes of registers", l.size)
		}
		if r, err := l.parseG(g); err == nil {
			l.patchG(g, r)
		}
	})
}

func FuzzLists(f *testing.F) {
	f.Add([]byte(`<library-list-svr4 version="1.0" main-lm="0x1"><library name="/l.so" lm="0x2" l_addr="0x10" l_ld="0x20" lmid="0x0"/></library-list-svr4>`))
	f.Add([]byte(`<library-list><library name="k.dll"><segment address="0x7b001000"/></library></library-list>`))
	f.Add([]byte(`<threads><thread id="p1.2" core="1" name="x"/></threads>`))
	f.Add([]byte(`[{"name":"probe","reason":"signal","registers":{"16":"70"},"signal":19,"tid":29324}]`))
	f.Add([]byte(`pid:3;ppid:2;uid:0;gid:0;euid:0;egid:0;name:2f62696e2f7368;args:7368-2d63;`))
	f.Add([]byte(`<osdata type="processes"><item><column name="pid">1</column><column name="command">x</column></item></osdata>`))
	f.Fuzz(func(t *testing.T, p []byte) {
		parseLinkMap(p)
		parseLibraries(p)
		parseProcesses(p)
		parsePlatformProcess(p)
		tg := &Target{c: &Conn{}}
		in := &processInfo{}
		in.Set = arch.AMD64.DefaultSet()
		tg.info.Store(in)
		tg.parseThreads(p)
		tg.parseThreadsInfo(p)
		fileReply(&request{reply: p})
		parseOffsets(string(p))
		(&Conn{}).learn(string(p))
		mainImage(p, 0x400040, in)
		auxvEntries(p, arch.I386)
	})
}

func TestLists(t *testing.T) {
	list := parseLinkMap([]byte(`<library-list-svr4 version="1.0" main-lm="0x1"><library name="" lm="0x1" l_addr="0" l_ld="0"/><library name="/l.so" lm="0x2" l_addr="0x7000" l_ld="0x7e00" lmid="0x0"/></library-list-svr4>`))
	if len(list) != 1 || list[0].Base != 0x7000 || list[0].Bias != 0x7000 || list[0].Dynamic != 0x7e00 || list[0].Path != "/l.so" {
		t.Errorf("link map %+v", list)
	}
	list = parseLibraries([]byte(`<library-list><library name="k.dll"><segment address="0x7b001000"/></library><library name="x"/></library-list>`))
	if len(list) != 1 || list[0].Base != 0x7b000000 {
		t.Errorf("libraries %+v", list)
	}
}

func TestThreadIDs(t *testing.T) {
	for s, want := range map[string]threadID{"p1.2": {1, 2}, "p1.-1": {1, -1}, "p1": {1, -1}, "1f": {0, 0x1f}, "-1": {0, -1}, "p-1.-1": {-1, -1}, "fffffffe": {0, 0xfffffffe}} {
		if got, ok := parseThread(s); !ok || got != want {
			t.Errorf("%s: %v, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "p", "p.1", "x", "p1.", "1.2", "fffffffffffffffff"} {
		if got, ok := parseThread(s); ok {
			t.Errorf("%q is %v", s, got)
		}
	}
}

func TestSignalNumbers(t *testing.T) {
	for linux := 1; linux <= 64; linux++ {
		if linux == 16 { // SIGSTKFLT has no number in GDB's list
			continue
		}
		if back, name := signalFromGDB(signalToGDB(linux)); back != linux || name == "" {
			t.Errorf("signal %d comes back as %d", linux, back)
		}
	}
	if n, name := signalFromGDB(10); n != 7 || name != "SIGBUS" {
		t.Errorf("GDB's 10 is %d %s", n, name)
	}
}

// FuzzSession feeds a whole connection with what a far end might send.
func FuzzSession(f *testing.F) {
	f.Add([]byte("+$PacketSize=100;QStartNoAckMode+#00$OK#9a$T05thread:1;#00$#00$#00$#00$#00"))
	f.Add([]byte("$#00$S05#b8$#00$#00$#00$#00$#00$0102#00$OK#9a$OK#9a$W00#b7"))
	f.Add([]byte("$qXfer:features:read+;qXfer:threads:read+#00$S05#b8$l<target/>#00$m#00"))
	f.Add([]byte("+$PacketSize=100;QNonStop+;qXfer:threads:read+;QStartNoAckMode+#00$OK#9a$OK#9a$T05thread:1;#00$OK#9a$#00$OK#9a%Stop:T05thread:1;#00$OK#9a"))
	f.Add([]byte("+$native-signals+;QStartNoAckMode+#00$OK#9a$OK#9a$T05thread:1;#00$#00$#00$OK#9a$[{\"tid\":1}]#00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		far := &babble{Reader: bytes.NewReader(data)}
		c, err := Connect(t.Context(), far, Options{NonStop: len(data)%2 == 0, Trace: wire.NewTrace(io.Discard, nil)})
		if err != nil {
			return
		}
		defer c.Close()
		tg := c.Target()
		if tg == nil {
			c.Processes(t.Context())
			return
		}
		tg.Threads(t.Context())
		tg.Registers(t.Context(), targets.ThreadID{Thread: 1})
		tg.Modules(t.Context())
		tg.ReadMemory(t.Context(), targets.Space{}, 0xff0, make([]byte, 64))
		tg.WriteMemory(t.Context(), targets.Space{}, 0xff0, make([]byte, 64))
		tg.Command(t.Context(), "x")
		tg.Open(t.Context(), "x")
		tg.Resume(t.Context(), goOn(targets.Trap{Addr: 1}))
		tg.Interrupt(t.Context())
		tg.Close(t.Context(), targets.Detach)
	})
}

// babble is a far end that says what it says and takes everything.
type babble struct{ io.Reader }

func (*babble) Write(p []byte) (int, error) { return len(p), nil }
func (*babble) Close() error                { return nil }
