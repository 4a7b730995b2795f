package rsp

import (
	"cmp"
	"context"
	"encoding/binary"
	"regexp"
	"strings"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// stubKind is a make of far end, told by what it offers.
type stubKind struct {
	name    string
	mark    string // the offer that tells it
	decimal bool   // spells PacketSize in decimal
	failing bool   // answers rubbish after a failed vAttach: the connection must go
	quotes  bool   // adds to arguments that have quotes
	traps   int    // hardware data traps where the make decides, 0 the CPU does, -1 none
	single  bool   // loses requests that arrive together
	oneG    bool   // takes the first register of a G for all of them
	packet  int    // takes packets of so many bytes without saying so
	os      string // it is for
	replays bool   // may replay a recording, which it goes back in as rewind.go says
}

var unknownStub stubKind

const lldbName = "lldb-server"

var stubKinds = []stubKind{
	{name: "gdbserver", mark: "QTBuffer:size", failing: true, quotes: true},
	{name: "gdbserver", mark: "augmented-libraries-svr4-read", failing: true, quotes: true},
	{name: lldbName, mark: "QThreadSuffixSupported", decimal: true},
	{name: lldbName, mark: "native-signals", decimal: true},
	{name: "gdbserver", mark: "QStartupWithShell", failing: true, quotes: true},
	{name: "valgrind", mark: "QCatchSyscalls", traps: 64}, // as many as one likes
	{name: "winedbg", mark: "qXfer:libraries:read", single: true, oneG: true, packet: 16 << 10, os: "windows"},
}

// QEMU offers nothing it could be told by, but answers questions of its own.
var (
	qemuStub     = stubKind{name: "QEMU", traps: 12, replays: true}
	qemuUserStub = stubKind{name: "QEMU user mode", traps: -1}
)

func kindOf(features map[string]string) stubKind {
	for _, k := range stubKinds {
		if features[k.mark] == "+" {
			return k
		}
	}
	return unknownStub
}

// processInfo is what is known of one debuggee until it execs.
type processInfo struct {
	targets.Info
	pid     int64 // on the wire; 0 where the far end does not name processes
	shown   int64 // where pid is 0: told otherwise, for people
	layout  *layout
	auxv    []byte
	offsets map[string]arch.Addr // of qOffsets
}

// description is a set of requests about one process, ready to join a flight.
type description struct {
	features, auxv, exec *xfer
	attached, offsets    *request
	pid                  int64
}

// description of process pid; 0 is the only or current one.
func (c *Conn) description(pid int64) *description {
	annex := ""
	d := &description{pid: pid, attached: ask("qAttached"), offsets: ask("qOffsets")}
	if pid != 0 {
		annex = hexUint(uint64(pid))
		d.attached = ask("qAttached:%s", annex)
	}
	d.features = c.xfer("features", "target.xml")
	d.auxv = c.xfer("auxv", "")
	d.exec = c.xfer("exec-file", annex)
	return d
}

func (d *description) requests() []*request {
	out := []*request{d.attached}
	for _, x := range []*xfer{d.features, d.auxv, d.exec} {
		out = append(out, x.begin()...)
	}
	if d.auxv.missing {
		out = append(out, d.offsets) // stubs without auxv may tell where the image lies
	}
	return out
}

// finish reads what did not fit into the first flight and makes the info.
func (c *Conn) finish(ctx context.Context, d *description, settling bool) (*processInfo, error) {
	if err := c.rest(ctx, settling, d.features, d.auxv, d.exec); err != nil {
		return nil, err
	}
	in := &processInfo{pid: d.pid, auxv: d.auxv.data}
	desc, err := c.describeRegisters(ctx, settling, d.features.data)
	if err != nil {
		return nil, err
	}
	in.layout = desc.layout(c.arch())
	in.Set = in.layout.set
	in.OS = osOf(desc.osabi, cmp.Or(c.kind.os, c.o.OS), !d.auxv.missing)
	in.Machine = c.physical || strings.HasSuffix(c.o.OS, "kernel")
	if in.Path, err = c.realPath(ctx, settling, string(d.exec.data)); err != nil {
		return nil, err
	}
	in.Stub = c.kind.name
	in.Attached = len(d.attached.reply) > 0 && d.attached.reply[0] == '1'
	in.offsets = parseOffsets(string(d.offsets.reply))
	in.DataTraps = c.dataTraps(in.Set.Arch)
	in.Limits = targets.Limits{MemoryBytes: c.readChunk(), Bits: c.abilities(in.Set.Arch)}
	if c.line != nil {
		in.Limits.BytesPerSec = c.line.k.Speed
		in.Limits.Bits |= targets.HotTraps | targets.StepsStopped | targets.HardwareUnproven // Linux 6.1 takes and arms them, and none ever springs
	}
	return in, nil
}

// executing is what gdbserver since 14 says of an image whose file was replaced.
var executing = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^/proc/\d+/exe$`) })

// realPath is where the file of an image lies or lay.
func (c *Conn) realPath(ctx context.Context, settling bool, path string) (string, error) {
	if !executing().MatchString(path) {
		return path, nil
	}
	r := ask("vFile:readlink:%s", toHex(path))
	if err := c.exchangeAs(ctx, settling, []*request{r}); err != nil {
		return "", err
	}
	if _, link, err := fileReply(r); err == nil && len(link) > 0 {
		return string(link), nil
	}
	return path, nil
}

func osOf(osabi, hint string, auxv bool) string {
	hint = strings.TrimSuffix(hint, "kernel")
	switch {
	case strings.Contains(osabi, "Linux"):
		return "linux"
	case strings.Contains(osabi, "Windows"):
		return "windows"
	case hint == "" && auxv:
		return "linux"
	}
	return hint
}

// dataTraps: x86 and arm64 CPUs have four debug registers as a rule (Intel SDM
// 3B §18.2; Arm ARM D2.10 allows more); an emulator has as many as it likes.
func (c *Conn) dataTraps(a *arch.Arch) int {
	switch {
	case c.kind.traps != 0:
		return max(0, c.kind.traps)
	case a == arch.AMD64, a == arch.I386, a == arch.ARM64:
		return 4
	}
	return 0
}

func (c *Conn) abilities(*arch.Arch) targets.Features {
	// A Z0 trap is reported with PC at its address (GDB manual, "swbreak").
	bits := targets.TrapsAdvance
	for _, a := range []struct {
		have bool
		bit  targets.Features
	}{
		{c.vCont["r"], targets.StepRange},
		{c.feature("ConditionalBreakpoints"), targets.Conditions},
		{c.nonstop, targets.LiveMemory},
		{c.feature("ReverseStep"), targets.ReverseStep},
		{c.feature("ReverseContinue"), targets.ReverseGo},
		{c.kind.name == qemuStub.name, targets.HardwareAgain},
	} {
		if a.have {
			bits |= a.bit
		}
	}
	return bits
}

// parseOffsets reads "Text=1000;Data=2000;Bss=2000" and "TextSeg=1000".
func parseOffsets(s string) map[string]arch.Addr {
	out := map[string]arch.Addr{}
	for _, f := range strings.Split(s, ";") {
		name, value, ok := strings.Cut(f, "=")
		if v, hex := parseHex(value); ok && hex {
			out[strings.ToLower(strings.TrimSuffix(name, "Seg"))] = arch.Addr(v)
		}
	}
	return out
}

// auxvEntries reads the auxiliary vector: pairs of words of ptr bytes, up to
// AT_NULL (System V psABI, "Auxiliary Vector").
func auxvEntries(raw []byte, a *arch.Arch) map[uint64]uint64 {
	out := map[uint64]uint64{}
	word := func(p []byte) uint64 {
		switch {
		case a.PtrSize == 4 && a.BigEndian:
			return uint64(binary.BigEndian.Uint32(p))
		case a.PtrSize == 4:
			return uint64(binary.LittleEndian.Uint32(p))
		case a.BigEndian:
			return binary.BigEndian.Uint64(p)
		}
		return binary.LittleEndian.Uint64(p)
	}
	for n := 2 * a.PtrSize; len(raw) >= n; raw = raw[n:] {
		key := word(raw)
		if key == 0 {
			break
		}
		out[key] = word(raw[a.PtrSize:])
	}
	return out
}
