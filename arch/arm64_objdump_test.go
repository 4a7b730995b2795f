package arch

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	armComment = regexp.MustCompile(`\s*(//|<|;).*$`)
	armLiteral = regexp.MustCompile("#-?(?:0x[0-9a-f]+|[0-9]+)\\b|\\b0x[0-9a-f]+\\b|\\b[0-9a-f]{8}`[0-9a-f]{8}\\b")
	armTarget  = regexp.MustCompile(`^(b|bl|b\.[a-z]+|cbn?z [wx][0-9a-z]+|tbn?z [wx][0-9a-z]+,[0-9a-f]+|adrp? [a-z0-9]+|ldr(?:sw)? [a-z0-9]+|prfm [a-z0-9]+)[ ,]([0-9a-f]+)$`)
)

// normalARM puts our text and objdump's into a common form.
func normalARM(s string) string {
	s = strings.ToLower(strings.TrimSpace(armComment.ReplaceAllString(s, "")))
	s = strings.ReplaceAll(strings.Join(strings.Fields(s), " "), ", ", ",")
	s = armFrame().ReplaceAllStringFunc(s, func(r string) string { return map[string]string{"x29": "fp", "x30": "lr"}[r] })
	s = armLiteral.ReplaceAllStringFunc(s, func(n string) string {
		base := 0
		if strings.Contains(n, "`") {
			base = 16
		}
		v, err := strconv.ParseInt(strings.NewReplacer("#", "", "`", "").Replace(n), base, 64)
		if err != nil {
			return n
		}
		return strconv.FormatInt(v, 16)
	})
	return armTarget.ReplaceAllString(strings.TrimSuffix(s, ".0"), "$1 $2")
}

// armDump runs objdump and gives every line to use.
func armDump(t *testing.T, use func(addr Addr, text string), args ...string) {
	t.Helper()
	cmd := exec.Command("aarch64-linux-gnu-objdump", append([]string{"-w", "--no-show-raw-insn"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("aarch64-linux-gnu-objdump (package binutils-aarch64-linux-gnu) is needed: %v", err)
	}
	for sc := bufio.NewScanner(out); sc.Scan(); {
		if at, text, ok := strings.Cut(sc.Text(), ":\t"); ok {
			if a, err := strconv.ParseUint(strings.TrimSpace(at), 16, 64); err == nil {
				use(Addr(a), text)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

// tally counts differences and shows the first of each mnemonic.
type tally struct {
	compared, different int
	kinds               map[string]int
}

func (y *tally) compare(t *testing.T, at Addr, ours, theirs string) {
	t.Helper()
	if y.kinds == nil {
		y.kinds = map[string]int{}
	}
	y.compared++
	if ours == theirs {
		return
	}
	y.different++
	op, _, _ := strings.Cut(theirs, " ")
	if y.kinds[op]++; y.kinds[op] <= 2 {
		t.Errorf("%x: %-40s objdump %s", at, ours, theirs)
	}
}

// scalable are the registers of SVE and SME, whose instructions are not decoded.
var scalable = regexp.MustCompile(`\b[zp][0-9]+\b|\bz[at][0-9]*\b|^(cnt|inc|dec|sqinc|sqdec|uqinc|uqdec)[bhwd] |^(rdvl|addvl|addpl|rdffr|setffr|wrffr|ctermeq|ctermne|while)`)

// TestObjdumpARM64 decodes a C library for arm64.
func TestObjdumpARM64(t *testing.T) {
	const file = "/usr/aarch64-linux-gnu/lib/libc.so.6"
	base, text := textOf(t, file)
	var y tally
	n, skipped := 0, 0
	armDump(t, func(a Addr, theirs string) {
		if n++; n%8 != 0 && !strings.HasPrefix(theirs, "m") { // all mrs and msr
			return
		}
		in, err := ARM64.Decode(text[a-base:], a)
		if err != nil || in.Len != 4 {
			t.Errorf("%x: %d bytes, %v", a, in.Len, err)
		}
		if theirs = normalARM(theirs); scalable.MatchString(theirs) || strings.HasPrefix(theirs, "udf ") || strings.HasPrefix(theirs, ".") {
			skipped++
			return
		}
		y.compare(t, a, normalARM(in.Op+" "+in.Args), theirs)
	}, "-d", "-j", ".text", file)
	t.Logf("%d instructions, %d texts compared, %d differ, %d SVE and data", n, y.compared, y.different, skipped)
	if y.compared < 30000 {
		t.Error("too few were compared")
	}
}

// armWords makes instructions of the groups that the supplement decodes: every
// row with its operands at random, atomics, and the whole class "System".
func armWords() []uint32 {
	r := rand.New(rand.NewPCG(1, 2))
	var out []uint32
	for i := range armOps {
		o := &armOps[i]
		out = append(out, o.value, o.value|^o.mask)
		for range 20 {
			out = append(out, o.value|r.Uint32()&^o.mask)
		}
	}
	for key := range armSystem() {
		out = append(out, 0xd5000000|key<<5|3, 0xd5000000|key<<5|31)
		if key>>15 == 1 {
			out = append(out, 0xd5200000|key<<5|3)
		}
	}
	for _, g := range []struct{ mask, value uint32 }{
		{0x3f200c00, 0x38200000}, {0x3fa08c1f, 0x3820001f}, {0x3fa07c00, 0x08a07c00}, {0xbfa17c01, 0x08207c00}, {0xff200400, 0xf8200400},
		{0xfff00000, 0xd5300000}, {0xfff00000, 0xd5100000}, {0xfff80000, 0xd5080000}, {0xfff8f01f, 0xd503201f}, {0xfffff01f, 0xd503301f},
		{0xfff8f01f, 0xd500401f}, {0xffc00000, 0xd5000000},
	} {
		for range 4000 {
			out = append(out, g.value|r.Uint32()&^g.mask)
		}
	}
	return out
}

// armUnallocated are forms that objdump prints and the manual does not allocate.
var armUnallocated = regexp.MustCompile(`^msr s0_|^mrs [a-z0-9]+,s0_|undefined|^\.inst|^hint `)

// TestObjdumpARM64Groups compares what the supplement decodes beyond arm64asm.
func TestObjdumpARM64Groups(t *testing.T) {
	words := armWords()
	raw := make([]byte, 0, 4*len(words))
	for _, w := range words {
		raw = binary.LittleEndian.AppendUint32(raw, w)
	}
	file := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	var y tally
	seen := map[string]bool{}
	armDump(t, func(a Addr, theirs string) {
		in, err := ARM64.Decode(raw[a:], a)
		if err != nil || in.Len != 4 {
			t.Fatalf("%08x: %d bytes, %v", words[a/4], in.Len, err)
		}
		if theirs = normalARM(theirs); armUnallocated.MatchString(theirs) {
			return
		}
		ours := normalARM(in.Op + " " + in.Args)
		seen[in.Op] = true
		y.compare(t, Addr(words[a/4]), ours, theirs)
	}, "-D", "-b", "binary", "-m", "aarch64", file)
	for i := range armOps {
		if !seen[armOps[i].name] {
			t.Errorf("no %s was compared", armOps[i].name)
		}
	}
	for _, op := range []string{"casal", "caspal", "ldaddal", "swpalb", "stset", "ldaprh", "ldraa", "ldrab", "mrs", "msr", "tlbi", "dc", "ic", "at", "sys", "sysl", "dsb", "dmb", "isb", "sb", "clrex"} {
		if !seen[op] {
			t.Errorf("no %s was compared", op)
		}
	}
	t.Logf("%d texts compared, %d differ", y.compared, y.different)
}

// TestARM64Whatever: no word makes the decoder fail or lose step.
func TestARM64Whatever(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var code [4]byte
	for range 200_000 {
		w := r.Uint32()
		binary.LittleEndian.PutUint32(code[:], w)
		if in, err := ARM64.Decode(code[:], 0x1000); err != nil || in.Len != 4 || in.Op == "" {
			t.Fatalf("%08x: %+v, %v", w, in, err)
		}
	}
	if !bytes.Contains([]byte(fmt.Sprint(armSystem()[0xc000])), []byte("midr_el1")) {
		t.Error("the table of system registers is not read")
	}
}
