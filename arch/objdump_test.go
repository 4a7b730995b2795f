package arch

import (
	"bufio"
	"debug/elf"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// listed is one line of objdump's listing.
type listed struct {
	addr Addr
	text string
}

// objdump lists .text of file in Intel syntax.
func objdump(t *testing.T, file string, more ...string) []listed {
	t.Helper()
	cmd := exec.Command("objdump", append([]string{"-d", "-w", "--no-show-raw-insn", "-j", ".text", "-M", "intel"}, append(more, file)...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("objdump (package binutils) is needed: %v", err)
	}
	var lines []listed
	for sc := bufio.NewScanner(out); sc.Scan(); {
		at, text, ok := strings.Cut(sc.Text(), ":\t")
		if !ok {
			continue
		}
		if a, err := strconv.ParseUint(strings.TrimSpace(at), 16, 64); err == nil {
			lines = append(lines, listed{Addr(a), text})
		}
	}
	if err := cmd.Wait(); err != nil || len(lines) < 1000 {
		t.Fatalf("objdump %s: %d lines, %v", file, len(lines), err)
	}
	return lines
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
	const file = "/lib/x86_64-linux-gnu/libc.so.6"
	a := AMD64
	lines := objdump(t, file)
	base, text := textOf(t, file)
	var wrong, unknown, differ int
	kinds := map[string]int{}
	for i, l := range lines[:len(lines)-1] {
		in, err := a.Decode(text[l.addr-base:], l.addr)
		if err != nil {
			if !strings.Contains(l.text, "(bad)") {
				if unknown++; unknown < 20 {
					t.Errorf("%x: %v: %s: % x", l.addr, err, l.text, text[l.addr-base:][:12])
				}
			}
			continue
		}
		if next := lines[i+1].addr; l.addr+Addr(in.Len) != next {
			if wrong++; wrong < 20 {
				t.Errorf("%x: %d bytes instead of %d: %s / %s %s", l.addr, in.Len, next-l.addr, l.text, in.Op, in.Args)
			}
			continue
		}
		if i%sampled != 0 {
			continue
		}
		if ours, theirs := compares(normal(in.Op+" "+in.Args)), compares(normalGNU(l.text)); ours != theirs {
			differ++
			op, _, _ := strings.Cut(theirs, " ")
			if kinds[op]++; kinds[op] <= 2 {
				t.Logf("%x: %-40s objdump %-40s", l.addr, ours, theirs)
			}
		}
	}
	t.Logf("%d instructions: %d wrong lengths, %d unknown, %d texts differ", len(lines), wrong, unknown, differ)
	if differ*1000 > len(lines)/sampled {
		t.Errorf("%d of %d texts differ", differ, len(lines))
	}
}

// gnuOnly lists what GNU writes and WinDbg does not.
var gnuOnly = [][2]string{{"*1", ""}, {"+0]", "]"}, {"+0x0]", "]"}, {"data16 ", ""}, {"cs nop", "nop"}, {"es:[rdi]", "[rdi]"}, {"ds:[", "["}, {"movabs ", "mov "},
	{"fwait", "wait"}, {"repz ret", "rep ret"}, {"repz ", "repe "}, {"repnz ", "repne "}, {"pe lods", "p lods"}}

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
