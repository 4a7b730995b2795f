package pdb

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

var (
	reStart = regexp.MustCompile(`^\s+(?:StartAddress|Function): .*?\(?0x([0-9A-F]+)\)?`)
	reAMD64 = regexp.MustCompile(`^\s+(0x[0-9A-F]{2}: [A-Z].*)$`)
	reCode  = regexp.MustCompile(`^\s+0x[0-9a-f]+\s+; (.*)$`)
)

// unwindRows are the codes of each function's prologue as llvm-readobj writes them.
func unwindRows(t *testing.T, p program) map[symbols.Offset][]string {
	t.Helper()
	out := map[symbols.Offset][]string{}
	at, in := symbols.Offset(0), false
	for _, l := range output(t, "", "llvm-readobj-19", "--unwind", p.exe) {
		if m := reStart.FindStringSubmatch(l); m != nil {
			v, _ := strconv.ParseUint(m[1], 16, 64)
			at = symbols.Offset(v - p.image.LinkBase())
			out[at] = nil
			continue
		}
		text := strings.TrimSpace(l)
		switch {
		case text == "UnwindCodes [" || text == "Prologue [":
			in = true
		case text == "]":
			in = false
		case in && reCode.MatchString(l):
			out[at] = append(out[at], spelling(reCode.FindStringSubmatch(l)[1]))
		case in && reAMD64.MatchString(l):
			out[at] = append(out[at], text)
		case in:
			out[at] = append(out[at], spelling(text))
		}
	}
	return out
}

// spelling writes the tool's two ways of one instruction in one.
func spelling(s string) string {
	for _, r := range [][2]string{{"sub sp, sp, ", "sub sp, "}, {"lr", "x30"}, {"fp", "x29"}, {", #0]", "]"}} {
		s = strings.ReplaceAll(s, r[0], r[1])
	}
	return strings.TrimSpace(s)
}

// TestUnwindRows: the rule of each function is what llvm-readobj decodes; on i386 the
// program that llvm-pdbutil prints.
func TestUnwindRows(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		functions, rows := 0, 0
		if p.machine == "i686" {
			for _, r := range frameRows(t, p) {
				_, rules, err := p.image.Rules(symbols.Offset(r.low))
				if err != nil || len(rules) == 0 {
					t.Errorf("%x: %v", r.low, err)
					continue
				}
				if last := lastRow(frameRows(t, p), r.low); rules[0] != last.program {
					t.Errorf("%x: %q, llvm-pdbutil prints %q", r.low, rules[0], last.program)
				}
				functions, rows = functions+1, rows+1
			}
		}
		for at, want := range unwindRows(t, p) {
			over, rules, err := p.image.Rules(at)
			if err != nil || over.Low != at {
				t.Errorf("%x: %v %v", at, over, err)
				continue
			}
			if n := slices.IndexFunc(rules, func(r string) bool { return strings.HasPrefix(r, "epilogue") }); n >= 0 {
				rules = rules[:n]
			}
			if !slices.Equal(rules, want) {
				t.Errorf("%x: %q, llvm-readobj says %q", at, rules, want)
			}
			functions, rows = functions+1, rows+len(want)
		}
		if t.Logf("%d functions, %d rows", functions, rows); functions < 1 || rows < 4 {
			t.Error("too few")
		}
	})
}

// lastRow is the row that counts at an address: the last that begins before it.
func lastRow(rows []frameRow, at uint64) (out frameRow) {
	for _, r := range rows {
		if at >= r.low && at < r.low+r.size {
			out = r
		}
	}
	return out
}
