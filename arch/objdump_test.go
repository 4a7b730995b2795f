package arch

import (
	"bufio"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// listed is one line of objdump's listing.
type listed struct {
	addr Addr
	text string
}

// objdump lists .text of file in Intel syntax and gives each line to use, with
// the one that follows it.
func objdump(t *testing.T, file string, use func(l, next listed)) {
	t.Helper()
	cmd := exec.Command("objdump", "-d", "-w", "--no-show-raw-insn", "-j", ".text", "-M", "intel", file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("objdump (package binutils) is needed: %v", err)
	}
	var last listed
	for sc := bufio.NewScanner(out); sc.Scan(); {
		at, text, ok := strings.Cut(sc.Text(), ":\t")
		a, err := strconv.ParseUint(strings.TrimSpace(at), 16, 64)
		if !ok || err != nil {
			continue
		}
		l := listed{Addr(a), text}
		if last.text != "" {
			use(last, l)
		}
		last = l
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("objdump %s: %v", file, err)
	}
}

// symbolsOf lists where symbols of file lie, in order.
func symbolsOf(t *testing.T, file string) []Addr {
	t.Helper()
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := f.Symbols()
	if err != nil {
		list, err = f.DynamicSymbols()
	}
	if err != nil {
		t.Fatal(err)
	}
	var out []Addr
	for _, s := range list {
		if s.Section != elf.SHN_UNDEF && s.Section < elf.SHN_LORESERVE {
			out = append(out, Addr(s.Value))
		}
	}
	slices.Sort(out)
	return out
}

func textOf(t *testing.T, file string) (Addr, []byte) {
	t.Helper()
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := f.Section(".text")
	data, err := s.Data()
	if err != nil {
		t.Fatal(err)
	}
	return Addr(s.Addr), data
}

// sampled is how many instructions there are to one whose text is compared;
// lengths are compared of all.
const sampled = 16

// TestObjdump decodes the C library. Every boundary must be objdump's; texts
// are compared after both are put into one form.
func TestObjdump(t *testing.T) {
	asObjdump(t, "/lib/x86_64-linux-gnu/libc.so.6", 300_000)
}

// TestObjdumpKernel does the same for a whole kernel, when HEAVY is set.
func TestObjdumpKernel(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		t.Skip("a kernel takes a minute: set HEAVY=1")
	}
	files, err := filepath.Glob("/usr/lib/debug/boot/vmlinux-*")
	if err != nil || len(files) == 0 {
		t.Fatalf("a kernel with symbols is needed (package linux-image-amd64-dbg): %v", err)
	}
	asObjdump(t, files[0], 1_000_000)
}

func asObjdump(t *testing.T, file string, atLeast int) {
	base, text := textOf(t, file)
	symbols := symbolsOf(t, file)
	var n, wrong, unknown, texts, differ int
	kinds := map[string]int{}
	objdump(t, file, func(l, next listed) {
		n++
		code := text[l.addr-base:]
		for len(symbols) > 0 && symbols[0] <= l.addr {
			symbols = symbols[1:]
		}
		cut := len(symbols) > 0 && symbols[0] < l.addr+15
		if cut { // objdump begins anew at every symbol
			code = code[:symbols[0]-l.addr]
		}
		in, err := AMD64.Decode(code, l.addr)
		switch {
		case err != nil && (strings.Contains(l.text, "(bad)") || cut && next.addr == l.addr+1):
			return
		case err != nil:
			if unknown++; unknown < 20 {
				t.Errorf("%x: %v: %s: % x", l.addr, err, l.text, code[:min(12, len(code))])
			}
			return
		case l.addr+Addr(in.Len) != next.addr:
			if wrong++; wrong < 20 {
				t.Errorf("%x: %d bytes instead of %d: %s / %s %s", l.addr, in.Len, next.addr-l.addr, l.text, in.Op, in.Args)
			}
			return
		case n%sampled != 0:
			return
		}
		texts++
		if ours, theirs := compares(normal(in.Op+" "+in.Args)), compares(normalGNU(l.text)); ours != theirs {
			differ++
			op, _, _ := strings.Cut(theirs, " ")
			if kinds[op]++; kinds[op] <= 2 {
				t.Logf("%x: %-40s objdump %-40s", l.addr, ours, theirs)
			}
		}
	})
	t.Logf("%d instructions: %d wrong lengths, %d unknown; %d of %d texts differ", n, wrong, unknown, differ, texts)
	if n < atLeast {
		t.Errorf("only %d instructions were compared", n)
	}
	if differ*1000 > texts {
		t.Errorf("%d of %d texts differ", differ, texts)
	}
}

// gnuOnly lists what GNU writes and WinDbg does not.
var gnuOnly = [][2]string{{"*1", ""}, {"+0]", "]"}, {"+0x0]", "]"}, {"data16 ", ""}, {"cs nop", "nop"}, {"es:[rdi]", "[rdi]"}, {"ds:[", "["}, {"movabs ", "mov "},
	{"fwait", "wait"}, {"repz ret", "rep ret"}, {"int3", "int 3"}, {"pushf", "pushfq"}, {"popf", "popfq"}, {"cs call", "call"}, {"ds clflush", "clflush"},
	{"clflush byte ptr ", "clflush "}, {"invlpg byte ptr ", "invlpg "}, {"sysretd", "sysret"}, {"oword ptr", "xmmword ptr"}, {"repz ", "repe "}, {"repnz ", "repne "}, {"pe lods", "p lods"}}

var (
	gnuAbsolute = regexp.MustCompile(`\b([fgd]s:)(0x[0-9a-f]+)`)
	gnuCompare  = regexp.MustCompile(`^(vpcmp|v?cmp)(eq|lt|le|unord|neq|nlt|nle|ord)(u?[bwdq]|[ps][ds]) ((?:k|xmm|ymm).*)$`)
	gnuComment  = regexp.MustCompile(`\s*[<#].*$`)
	hexNumber   = regexp.MustCompile(`\b0x([0-9a-f]+)\b`)
	masmNumber  = regexp.MustCompile(`\b0?([0-9a-f]+)h\b`)
	digits      = regexp.MustCompile(`\b[0-9a-f]{8}` + "`" + `[0-9a-f]{8}\b`)
)

// normal puts our text into a common form: lower case, plain hexadecimal.
func normal(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	s = masmNumber.ReplaceAllStringFunc(s, func(n string) string {
		if n[0] > '9' { // ah, ch, dh are registers
			return n
		}
		return strings.TrimLeft(n[:len(n)-2], "0") + n[len(n)-2:len(n)-1]
	})
	return digits.ReplaceAllStringFunc(s, func(d string) string {
		v, _ := strconv.ParseUint(strings.Replace(d, "`", "", 1), 16, 64)
		return strconv.FormatUint(v, 16)
	})
}

// compares writes the vector comparisons that GNU names by predicate with it as operand.
func compares(s string) string {
	m := gnuCompare.FindStringSubmatch(s)
	if m == nil {
		return s
	}
	return m[1] + m[3] + " " + m[4] + "," + map[string]string{"eq": "0", "lt": "1", "le": "2", "unord": "3", "neq": "4", "nlt": "5", "nle": "6", "ord": "7"}[m[2]]
}

func normalGNU(s string) string {
	comment := s
	s = gnuComment.ReplaceAllString(s, "")
	if i := strings.Index(comment, "# "); i >= 0 { // RIP-relative: the address is in the comment
		addr, _, _ := strings.Cut(strings.TrimPrefix(comment[i+2:], "0x"), " ")
		if l := strings.Index(s, "[rip"); l >= 0 {
			s = s[:l] + "[" + addr + s[strings.IndexByte(s[l:], ']')+l:]
		}
	}
	s = strings.ToLower(strings.Join(strings.Fields(s), " "))
	s = gnuAbsolute.ReplaceAllString(s, "$1[$2]")
	for _, r := range gnuOnly {
		s = strings.ReplaceAll(s, r[0], r[1])
	}
	if strings.Contains(s, "stos ") || strings.Contains(s, "scas ") {
		s, _, _ = strings.Cut(s, "],")
		s += "]"
	}
	if strings.HasPrefix(s, "prefetch") {
		s = strings.Replace(s, "byte ptr ", "", 1)
	}
	return hexNumber.ReplaceAllString(s, "$1")
}
