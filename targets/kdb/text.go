package kdb

import (
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// late compiles a pattern when it is first used: most debug sessions are of no kernel.
func late(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

var (
	promptAtEnd  = late(`(?:^|[\n0-9a-f])\[([0-9]{1,4})\]kdb> $`) // digits: mdr that met a bad address ends without a newline
	crossedAtEnd = late(`(?:^|\n)\[[0-9]{1,4}\]kdb> g$`)          // with the letter of a break-in
	moreAtEnd    = late(`(?:^|\n)more> $`)
	endAtEnd     = late(`Enter <q> to end, <cr> or <space> to continue:$`)
	offersKDB    = late(`(\$3#33 for KDB\s*|\$[ST][0-9a-f]{2}[^#\n]{0,60}#[0-9a-f]{2})$`) // a kgdb that waits
	beforePrompt = late(`Entering kdb|[^\n]*` + goAgain + `|go must execute on`)          // what a running kernel prints when it stops
	goElsewhere  = late(`(?m)^go must execute on the entry cpu, please use "cpu ([0-9]{1,4})"`)
	entering     = late(`Entering kdb \(current=0x([0-9a-f]+), pid (-?[0-9]+)\) on processor ([0-9]+)([^@]*?)\s*due to ([^@\n]*?)(?: @ 0x([0-9a-f]+))?(?:\n|$)`)
	boots        = late(`(?m)(?:^|(?:^|[^>])\[ *0\.0+\] )Linux version [0-9]+\.[0-9]`) // a kernel's first line (init/version.c); dmesg puts <level> before the time
	diagnosis    = late(`(?m)^diag: (-[0-9]+): (.*)$`)
	unknown      = late(`(?m)^Unknown kdb command: '(.*)'$`)
	pair         = late(`\b([a-z][a-z0-9]*): ([0-9a-f]+)\b`)
	breakpoint   = late(`(?m)BP #([0-9]+) at 0x([0-9a-f]+)`)
	address      = late(`(?m)^    is \S+ +addr at ([0-9a-f]+), hardtype=`)
	moduleLine   = late(`(?m)^(\S+) +([0-9]+)[0-9/ ]* 0x([0-9a-f]+) +(?:[0-9-]+ +)?\((\w+)\) 0x([0-9a-f]+)`)
	expression   = late(`(?m)^\S+ = 0x([0-9a-f]+)`)
)

// goAgain is in what is printed when go is told not to be meant after an oops.
const goAgain = "type go a second time"

// stopsBegin is what a line that tells of a stop begins with.
var stopsBegin = []string{"Entering kdb", "kdb_continue_catastrophic=0, " + goAgain, "go must execute on"}

// begins reports whether one of those may begin with text.
func begins(text string) bool {
	return slices.ContainsFunc(stopsBegin, func(s string) bool { return strings.HasPrefix(s, text) })
}

// entry is a line that tells why the kernel stopped.
type entry struct {
	task   arch.Addr
	pid    int64
	cpu    int
	oops   string // what follows the processor on an oops
	reason string
	pc     arch.Addr
}

// parseEntry finds the last entry in text.
func parseEntry(text string) (entry, bool) {
	all := entering().FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		return entry{}, false
	}
	m := all[len(all)-1]
	task, err1 := strconv.ParseUint(m[1], 16, 64)
	pid, err2 := strconv.ParseInt(m[2], 10, 64)
	cpu, err3 := strconv.Atoi(m[3])
	pc, err4 := strconv.ParseUint("0"+m[6], 16, 64) // not told of a keyboard's entry and of a switch
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || cpu >= maxCPUs {
		return entry{}, false
	}
	return entry{arch.Addr(task), pid, cpu, strings.TrimSpace(m[4]), m[5], arch.Addr(pc)}, true
}

// reasons says what the words after "due to" mean.
var reasons = map[string]targets.Reason{
	"Breakpoint": targets.Breakpoint, "SS trap": targets.Stepped, "Keyboard Entry": targets.Interrupted,
	"NonMaskable Interrupt": targets.Interrupted, "System NonMaskable Interrupt": targets.Interrupted, "oops": targets.Exception,
}

// refusal is the error an answer tells, nil for none.
func refusal(op, out string) error {
	if m := diagnosis().FindStringSubmatch(out); m != nil {
		code, _ := strconv.Atoi(m[1])
		return &targets.RefusedError{Op: op, Code: code, Text: strings.TrimSpace(m[2])}
	}
	if m := unknown().FindStringSubmatch(out); m != nil {
		return &targets.RefusedError{Op: op, Text: "this kernel's kdb has no command " + strconv.Quote(m[1])}
	}
	return nil
}

// registerNames maps kdb's names to those of the architecture.
var registerNames = map[string]string{"ax": "rax", "bx": "rbx", "cx": "rcx", "dx": "rdx", "si": "rsi", "di": "rdi", "bp": "rbp", "sp": "rsp", "ip": "rip", "flags": "eflags",
	"r8": "r8", "r9": "r9", "r10": "r10", "r11": "r11", "r12": "r12", "r13": "r13", "r14": "r14", "r15": "r15",
	"cs": "cs", "ss": "ss", "ds": "ds", "es": "es", "fs": "fs", "gs": "gs"}

// parseRegisters reads the answer to rd.
func parseRegisters(set *arch.Set, out string) *arch.Registers {
	r := arch.NewRegisters(set)
	r.Interrupted = true
	for _, m := range pair().FindAllStringSubmatch(out, -1) {
		i, ok := set.Index(registerNames[m[1]])
		v, err := strconv.ParseUint(m[2], 16, 64)
		if ok && err == nil {
			r.SetUint(i, v)
		}
	}
	return r
}

// parseRaw reads the answer to mdr: hexadecimal digits, until an address was bad.
func parseRaw(out string) []byte {
	digits := rawDigits(out)
	b, _ := hex.DecodeString(digits[:len(digits)&^1])
	return b
}

// rawDigits are the digits that an answer to mdr begins with.
func rawDigits(out string) string {
	digits, _, _ := strings.Cut(out, "kdb_getarea_size")
	digits = strings.Join(strings.Fields(digits), "")
	end := strings.IndexFunc(digits, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) })
	if end >= 0 {
		digits = digits[:end]
	}
	return digits
}

// parseBreakpoints reads the answer to bl or bp: numbers by address. Each address
// is told twice; whole tells that both agree.
func parseBreakpoints(out string) (found map[arch.Addr]int, whole bool) {
	found, whole = map[arch.Addr]int{}, true
	for _, entry := range strings.Split(out, "\n\n") {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		m, again := breakpoint().FindStringSubmatch(entry), address().FindStringSubmatch(entry)
		if m == nil || again == nil {
			whole = false
			continue
		}
		n, err1 := strconv.Atoi(m[1])
		a, err2 := strconv.ParseUint(m[2], 16, 64)
		b, err3 := strconv.ParseUint(again[1], 16, 64)
		if err1 != nil || err2 != nil || err3 != nil || a != b {
			whole = false
			continue
		}
		found[arch.Addr(a)] = n
	}
	return found, whole
}

// parseModules reads the answer to lsmod.
func parseModules(out string) []targets.Module {
	var list []targets.Module
	for _, m := range moduleLine().FindAllStringSubmatch(out, -1) {
		size, err1 := strconv.ParseUint(m[2], 10, 64)
		base, err2 := strconv.ParseUint(m[5], 16, 64)
		if err1 == nil && err2 == nil {
			list = append(list, targets.Module{Path: m[1], Base: arch.Addr(base), Size: size})
		}
	}
	return list
}

// parseCPUs reads the answer to cpu: "Available cpus: 0, 1(-), 4-7(I)".
func parseCPUs(out string) []int {
	_, list, ok := strings.Cut(out, "Available cpus: ")
	if !ok {
		return nil
	}
	list, _, _ = strings.Cut(list, "\n")
	var cpus []int
	for _, item := range strings.Split(list, ",") {
		item, state, _ := strings.Cut(strings.TrimSpace(item), "(")
		// No switching to one that does not respond (D, before Linux 2.6.35 *), that has
		// stopped responding (+), or that is offline (F); one that was idle is marked - or I.
		if state != "" && strings.IndexByte("D*+F", state[0]) >= 0 {
			continue
		}
		lo, hi, ranged := strings.Cut(item, "-")
		from, err := strconv.Atoi(lo)
		to := from
		if ranged && err == nil {
			to, err = strconv.Atoi(hi)
		}
		if err != nil || from < 0 || to >= maxCPUs {
			continue
		}
		for n := from; n <= to; n++ {
			cpus = append(cpus, n)
		}
	}
	return cpus
}

// maxCPUs bounds what a console may claim.
const maxCPUs = 8192

// parseExpression reads the answer to an address expression: "name = 0x...".
func parseExpression(out string) (arch.Addr, bool) {
	m := expression().FindStringSubmatch(out)
	if m == nil {
		return 0, false
	}
	v, err := strconv.ParseUint(m[1], 16, 64)
	return arch.Addr(v), err == nil
}
