package natvis_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dap-windbg/eval"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

var pointers = regexp.MustCompile(`0x[0-9a-f]{6,}`)

func testContainers(t *testing.T, p *process, m *eval.Model, file string) {
	var b strings.Builder
	for _, name := range strings.Fields(shown) {
		dx(&b, p, object(t, m, p, name), 0, 2)
	}
	got := pointers.ReplaceAllString(b.String(), "0x...")
	golden(t, file, got)
}

const shown = `greeting noarray shortstr longstr nostr nulstr wide utf16 utf32 view noview ints noints points strs bits nested
deq lst strlst fwd byname bynum multi ordered hashed hashedstr hashset couple triple notuple some none somestr var0 var1 var2
uniq nouniq poly shared noshared weak noweak bset bset3 stk que prio spn spn2 init ms ns secs atom atomb atomp func nofunc cplx
kinds mine ref strptr corner ints,x many broken cyclic wild`

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}
