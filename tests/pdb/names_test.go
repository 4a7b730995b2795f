package pdb

import (
	"regexp"
	"strings"
	"testing"

	"dap-windbg/symbols"
	"dap-windbg/symbols/pdb"
	"dap-windbg/symbols/pdb/pdbtest"
)

// decorated are names of the kinds that libraries have, besides those of the corpus.
var decorated = []string{
	"?f@@YAHH@Z", "?f@a@b@@YAXXZ", "??0C@n@@QEAA@XZ", "??1C@n@@UEAA@XZ", "??4C@@QEAAAEAV0@AEBV0@@Z", "??_7C@n@@6B@", "?x@C@@2HA", "??$f@H@@YAXH@Z",
	"??$max@N@std@@YAAEBNAEBN0@Z", "?g@?$V@HV?$A@H@std@@@std@@QEAAXXZ", "?h@?$Arr@D$0BAA@@@QEAAXXZ", "?h@?$Arr@PEBD$0A@@@QEAAXXZ", "?k@?$S@$0?0@@QEAAXXZ",
	"??_GBase@@UEAAPEAXI@Z", "??2@YAPEAX_K@Z", "??_V@YAXPEAX@Z", "??RFn@@QEBAHH@Z", "??Hx@@YAHH@Z", "??8C@@QEBA_NAEBV0@@Z", "?p@?A0x1234abcd@n@@YAXXZ",
	"??_R4type_info@@6B@", "?m@?$P@AEAH$$QEA_N@@QEAAXXZ", "?e@?$E@W4Kind@n@@@@QEAAXXZ", "??B?$x@H@@QEAAHXZ", "?f@?1??g@@YAXXZ@4HA", "??_C@_01JBBJJEPG@p?$AA@",
}

// TestDecorated: names are what llvm-undname makes of them, but for parameters; those
// not understood stay as they are.
func TestDecorated(t *testing.T) {
	all, err := corpus()
	if err != nil {
		t.Fatal(err)
	}
	names := decorated
	seen := map[string]bool{}
	for _, p := range all {
		for _, l := range output(t, "", "llvm-pdbutil-19", "dump", "--publics", p.pdb) {
			if m := reName.FindStringSubmatch(l); m != nil && strings.HasPrefix(m[2], "?") && !seen[m[2]] {
				seen[m[2]] = true
				names = append(names, m[2])
			}
		}
	}
	d := &pdbtest.Database{Machine: 0x8664, Sections: []pdbtest.Section{{Addr: 0x1000, Size: 0x100000}}}
	for i, n := range names {
		d.Publics = append(d.Publics, pdbtest.Public{Name: n, Flags: 2, Section: 1, Offset: uint32(16 * i)})
	}
	f, err := pdb.Open(d.Write(), pdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	told := output(t, "", "llvm-undname-19", append([]string{"--no-access-specifier", "--no-calling-convention", "--no-member-type", "--no-return-type", "--no-variable-type"}, names...)...)
	kept := 0
	for i, n := range names {
		s, ok := f.At(symbols.Offset(0x1000 + 16*i))
		if !ok {
			t.Fatalf("%s is not there", n)
		}
		if s.Name == n {
			kept++
			t.Log("kept: ", n)
			continue
		}
		if s.Name == "`string'" {
			continue // the tool shows the text
		}
		want := told[3*i+1]
		if strings.HasPrefix(n, "??0") || strings.HasPrefix(n, "??1") {
			want = reOwn.ReplaceAllString(want, "::$1$2(")
		}
		want = plain(want)
		if got := plain(s.Name); !strings.HasPrefix(want, got) || strings.Trim(want[len(got):], " ") != "" && !strings.ContainsAny(want[len(got):len(got)+1], "({") {
			t.Errorf("%s: %q, llvm-undname says %q", n, s.Name, told[3*i+1])
		}
		found := false
		for x := range f.Lookup(s.Name) {
			found = found || x.Offset == s.Offset
		}
		if !found {
			t.Errorf("%s is not found by %s", n, s.Name)
		}
	}
	if t.Logf("%d names, %d kept as they are", len(names), kept); len(names) < 60 || kept > 4 {
		t.Error("too few are understood")
	}
}

// reOwn is a constructor or destructor, named with its class's arguments.
var reOwn = regexp.MustCompile(`::(~?)(\w+)<[^():]*>\(`)

var reWords = regexp.MustCompile(`\b(class|struct|union|enum|const|public:|static|virtual) `)

// plain spells names without blanks and words that differ in taste.
func plain(s string) string {
	s = reWords.ReplaceAllString(s, "")
	for _, r := range [][2]string{{" ", ""}, {"const", ""}, {"`RTTI", "RTTI"}} {
		s = strings.ReplaceAll(s, r[0], r[1])
	}
	return s
}
